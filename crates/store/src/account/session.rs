//! Sessions of browsers: found by the hash of the secret in the cookie, over after 12 hours or two
//! hours without a request, and never under one secret before and after a proof of who somebody is.
//!
//! What never lives here: cookies, what a role may do.

use std::fmt::{self, Write as _};

use policy::UnixMillis;
use rusqlite::OptionalExtension as _;

use super::AccountError;
use super::name::PersonId;
use super::people::{self, COLUMNS, COLUMNS_NUMBER, PersonRecord};
use crate::api_token::Role;
use crate::deed::{Deed, Did};
use crate::error::damaged;
use crate::name::NameError;
use crate::secret::Secret;
use crate::store::Store;
use crate::token::TokenHash;
use crate::writer::Tx;

/// How long a session lasts, in milliseconds: 12 hours.
pub const SESSION_MS_MAX: i64 = 12 * 3_600_000;
/// How long a session lasts without a request, in milliseconds: 2 hours.
pub const SESSION_IDLE_MS_MAX: i64 = 2 * 3_600_000;
/// How long a proof of who somebody is counts for what is critical, in milliseconds: 5 minutes.
pub const STEP_UP_MS_MAX: i64 = 5 * 60_000;
/// Sessions of one person, at most; a further one ends the one that was used longest ago.
pub const SESSIONS_OF_ONE_MAX: usize = 20;
/// A request within so many milliseconds after the last one is not written down.
const TOUCH_MS: i64 = 60_000;
/// Bytes of an address or a browser's name that are kept.
const SEEN_BYTES_MAX: usize = 200;

/// A session that is started.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// The hash of a fresh 256-bit secret.
    pub hash: TokenHash,
    /// The secret that forms of this session carry.
    pub csrf: Secret<[u8; 32]>,
    /// Until when its person counts as having proved just now who they are.
    pub stepped_up_until: Option<UnixMillis>,
    /// Where the browser is, for the person's own list.
    pub address: String,
    /// What the browser calls itself, for the person's own list.
    pub browser: String,
}

/// A session.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// What it is found by.
    pub hash: TokenHash,
    /// Whose it is.
    pub person: PersonId,
    /// The secret that its forms carry.
    pub csrf: Secret<[u8; 32]>,
    /// When the person signed in.
    pub created_at: UnixMillis,
    /// The last request, to a minute.
    pub used_at: UnixMillis,
    /// When it ends however much it is used.
    pub expires_at: UnixMillis,
    /// Until when the person counts as having proved just now who they are.
    pub stepped_up_until: Option<UnixMillis>,
    /// Where the browser was.
    pub address: String,
    /// What it called itself.
    pub browser: String,
}

impl SessionRecord {
    /// What lists call this session by.
    pub fn handle(&self) -> SessionHandle {
        SessionHandle::of(self.hash)
    }
}

/// What a list calls a session by: half of the hash of its secret, which opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionHandle(String);

impl SessionHandle {
    fn of(hash: TokenHash) -> SessionHandle {
        SessionHandle(half_in_hex(hash))
    }

    /// Reads a handle: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<SessionHandle, NameError> {
        if is_half_in_hex(text) {
            Ok(SessionHandle(text.to_owned()))
        } else {
            Err(NameError::new("session", text, "32 hexadecimal digits"))
        }
    }
}

impl fmt::Display for SessionHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The first 16 bytes of a hash.
pub(super) fn half_in_hex(hash: TokenHash) -> String {
    let mut text = String::with_capacity(32);
    for byte in hash.0.iter().take(16) {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

pub(super) fn is_half_in_hex(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// What a cookie opens.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The session.
    pub session: SessionRecord,
    /// Whose.
    pub person: PersonRecord,
    /// What the people of this installation call themselves.
    pub organisation: String,
}

const SESSION_COLUMNS: &str = "hash, person, csrf, sessions.created_at, used_at, expires_at,
    stepped_up_until, address, browser";
/// A session that is not over at ?2, idle since ?3.
const LIVE: &str = "expires_at > ?2 AND used_at > ?3 AND people.disabled_at IS NULL";
const INSERT: &str = "INSERT INTO sessions (hash, person, csrf, created_at, used_at, expires_at,
    stepped_up_until, address, browser) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)";
const FORGET_OLD: &str = "DELETE FROM sessions WHERE expires_at <= ?1 OR used_at <= ?2";
const KEEP_NEWEST: &str = "DELETE FROM sessions WHERE person = ?1 AND hash NOT IN
    (SELECT hash FROM sessions WHERE person = ?1 ORDER BY used_at DESC, hash LIMIT ?2)";

fn idle_since(now: UnixMillis) -> i64 {
    now.0.saturating_sub(SESSION_IDLE_MS_MAX)
}

impl Store {
    /// Starts a session of somebody who proved who they are, if their account is still in the state
    /// `version` that was held against. `instead` ends at the same moment.
    pub async fn start_session(
        &self,
        (person, version): (&PersonId, i64),
        session: NewSession,
        instead: Option<TokenHash>,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let person = person.clone();
        self.act(move |tx| {
            people::check_version(tx, &person, version)?;
            if let Some(old) = instead {
                tx.execute("DELETE FROM sessions WHERE hash = ?1", [old.0.as_slice()])?;
            }
            insert(tx, (&person, &session), now)?;
            let sql = "UPDATE people SET signed_in_at = ?2 WHERE id = ?1";
            tx.execute(sql, (person.as_str(), now.0))?;
            let email = people::named(tx, &person)?.0;
            Ok(((), tx.did(Deed::SignIn, &email, cut(&session.browser))?))
        })
        .await
    }

    /// The session behind a cookie, if it is not over and its person may sign in. The look-up is by
    /// hash alone, so its time tells nothing of the secret.
    pub async fn visit(
        &self,
        hash: TokenHash,
        now: UnixMillis,
    ) -> Result<Option<Visit>, AccountError> {
        let found = self
            .read(move |connection| {
                let sql = format!(
                    "SELECT {COLUMNS}, {SESSION_COLUMNS},
                        (SELECT name FROM organisation WHERE id = 1)
                     FROM sessions JOIN people ON people.id = person WHERE hash = ?1 AND {LIVE}"
                );
                let mut statement = connection.prepare_cached(&sql)?;
                let of = (hash.0.as_slice(), now.0, idle_since(now));
                let found = statement
                    .query_row(of, |row| {
                        let organisation: String = row.get(COLUMNS_NUMBER + 9)?;
                        Ok((people::read(row)?, read(row, COLUMNS_NUMBER)?, organisation))
                    })
                    .optional()?;
                let Some((person, session, organisation)) = found else { return Ok(None) };
                let visit = Visit { session: session?, person: person?, organisation };
                Ok::<_, AccountError>(Some(visit))
            })
            .await?;
        if let Some(visit) = &found {
            self.touch(visit, now).await;
        }
        Ok(found)
    }

    /// What the person of a session may do at this moment; `None` once it is over. For what goes on
    /// for long under one session: a look does not count as its use.
    pub async fn session_role(
        &self,
        hash: TokenHash,
        now: UnixMillis,
    ) -> Result<Option<Role>, AccountError> {
        self.read(move |connection| {
            let sql = format!(
                "SELECT role FROM sessions JOIN people ON people.id = person
                 WHERE hash = ?1 AND {LIVE}"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let of = (hash.0.as_slice(), now.0, idle_since(now));
            let role: Option<String> = statement.query_row(of, |row| row.get(0)).optional()?;
            let parsed = role.map(|role| role.parse()).transpose();
            Ok(parsed.map_err(|error| damaged("session", "of a live view", &error))?)
        })
        .await
    }

    /// Writes down that a session is in use. A store that cannot write lets it end a little early.
    async fn touch(&self, visit: &Visit, now: UnixMillis) {
        if now.0.saturating_sub(visit.session.used_at.0) < TOUCH_MS {
            return;
        }
        let hash = visit.session.hash;
        let touched = self.change(move |tx| {
            let sql = "UPDATE sessions SET used_at = max(used_at, ?2) WHERE hash = ?1";
            tx.execute(sql, (hash.0.as_slice(), now.0))?;
            Ok::<_, AccountError>(())
        });
        if let Err(error) = touched.await {
            tracing::debug!(%error, "the use of a session is not written down");
        }
    }

    /// Puts a session under another secret, since its person proved again who they are; it ends
    /// when it would have ended.
    pub async fn step_up(
        &self,
        (old, new): (TokenHash, TokenHash),
        (person, version): (&PersonId, i64),
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let person = person.clone();
        self.act(move |tx| {
            people::check_version(tx, &person, version)?;
            let until = now.0.saturating_add(STEP_UP_MS_MAX);
            let sql = "UPDATE sessions SET hash = ?2, stepped_up_until = ?3, used_at = ?4
                WHERE hash = ?1 AND person = ?5 AND expires_at > ?4";
            let of = (old.0.as_slice(), new.0.as_slice(), until, now.0, person.as_str());
            match tx.execute(sql, of)? {
                1 => Ok(((), tx.did(Deed::StepUp, &people::named(tx, &person)?.0, "")?)),
                _ => Err(AccountError::NotFound("session")),
            }
        })
        .await
    }

    /// The sessions of somebody that are not over, last used first.
    pub async fn sessions(
        &self,
        person: &PersonId,
        now: UnixMillis,
    ) -> Result<Vec<SessionRecord>, AccountError> {
        let person = person.clone();
        self.read(move |connection| {
            let sql = format!(
                "SELECT {SESSION_COLUMNS} FROM sessions JOIN people ON people.id = person
                 WHERE person = ?1 AND {LIVE} ORDER BY used_at DESC, hash"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let of = (person.as_str(), now.0, idle_since(now));
            let rows = statement.query_map(of, |row| read(row, 0))?;
            rows.map(|row| Ok(row??)).collect()
        })
        .await
    }

    /// Ends one session; nothing happens if it is over.
    pub async fn end_session(&self, hash: TokenHash) -> Result<(), AccountError> {
        self.act(move |tx| {
            let of = "SELECT email FROM sessions JOIN people ON people.id = person WHERE hash = ?1";
            let email: Option<String> =
                tx.query_row(of, [hash.0.as_slice()], |row| row.get(0)).optional()?;
            let Some(email) = email else { return Ok(((), Did::nothing())) };
            tx.execute("DELETE FROM sessions WHERE hash = ?1", [hash.0.as_slice()])?;
            Ok(((), tx.did(Deed::SignOut, &email, "")?))
        })
        .await
    }

    /// Ends one session of somebody, as a list calls it.
    pub async fn end_session_of(
        &self,
        person: &PersonId,
        handle: &SessionHandle,
    ) -> Result<(), AccountError> {
        let (person, handle) = (person.clone(), handle.clone());
        self.act(move |tx| {
            let sql = "DELETE FROM sessions
                WHERE person = ?1 AND lower(hex(substr(hash, 1, 16))) = ?2";
            match tx.execute(sql, (person.as_str(), handle.0))? {
                0 => Err(AccountError::NotFound("session")),
                _ => Ok(((), tx.did(Deed::EndSession, &people::named(tx, &person)?.0, "")?)),
            }
        })
        .await
    }

    /// Ends all sessions of somebody but one.
    pub async fn end_other_sessions(
        &self,
        person: &PersonId,
        but: TokenHash,
    ) -> Result<(), AccountError> {
        let person = person.clone();
        self.act(move |tx| {
            let sql = "DELETE FROM sessions WHERE person = ?1 AND hash <> ?2";
            let ended = tx.execute(sql, (person.as_str(), but.0.as_slice()))?;
            let email = people::named(tx, &person)?.0;
            Ok(((), tx.did(Deed::EndOtherSessions, &email, format!("{ended} ended"))?))
        })
        .await
    }
}

fn insert(
    tx: &Tx<'_>,
    (person, session): (&PersonId, &NewSession),
    now: UnixMillis,
) -> Result<(), AccountError> {
    tx.prepare_cached(FORGET_OLD)?.execute((now.0, idle_since(now)))?;
    let others_max = i64::try_from(SESSIONS_OF_ONE_MAX).unwrap_or(i64::MAX).saturating_sub(1);
    tx.prepare_cached(KEEP_NEWEST)?.execute((person.as_str(), others_max))?;
    tx.prepare_cached(INSERT)?.execute((
        session.hash.0.as_slice(),
        person.as_str(),
        session.csrf.expose().as_slice(),
        now.0,
        now.0.saturating_add(SESSION_MS_MAX),
        session.stepped_up_until.map(|until| until.0),
        cut(&session.address),
        cut(&session.browser),
    ))?;
    Ok(())
}

/// At most [`SEEN_BYTES_MAX`] bytes, without control characters.
fn cut(text: &str) -> String {
    let mut kept = String::new();
    for c in text.chars().filter(|c| !c.is_control()) {
        if kept.len().saturating_add(c.len_utf8()) > SEEN_BYTES_MAX {
            break;
        }
        kept.push(c);
    }
    kept
}

/// Reads [`SESSION_COLUMNS`], which begin at column `at`.
fn read(
    row: &rusqlite::Row<'_>,
    at: usize,
) -> Result<Result<SessionRecord, crate::error::ReadError>, rusqlite::Error> {
    let id: String = row.get(at + 1)?;
    let person = match PersonId::parse(&id) {
        Ok(person) => person,
        Err(error) => return Ok(Err(damaged("session", &id, &error))),
    };
    Ok(Ok(SessionRecord {
        hash: TokenHash(row.get(at)?),
        person,
        csrf: Secret::new(row.get(at + 2)?),
        created_at: UnixMillis(row.get(at + 3)?),
        used_at: UnixMillis(row.get(at + 4)?),
        expires_at: UnixMillis(row.get(at + 5)?),
        stepped_up_until: row.get::<_, Option<i64>>(at + 6)?.map(UnixMillis),
        address: row.get(at + 7)?,
        browser: row.get(at + 8)?,
    }))
}
