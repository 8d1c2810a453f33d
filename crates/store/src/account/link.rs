//! One-time links: to make the first account, to join, to choose another password. Kept by the hash
//! of their token; a link that is used is gone.
//!
//! What never lives here: URLs.

use std::fmt;

use policy::UnixMillis;
use rusqlite::{OptionalExtension as _, Row};

use super::AccountError;
use super::name::{Email, PasswordHash, PersonId};
use super::people::{self, NewPerson};
use super::session::{half_in_hex, is_half_in_hex};
use crate::api_token::Role;
use crate::deed::{Deed, Did};
use crate::error::{ReadError, damaged};
use crate::name::{Actor, Label, NameError};
use crate::store::Store;
use crate::token::TokenHash;
use crate::writer::Tx;

/// How long a link works, in milliseconds: 72 hours.
pub const LINK_MS_MAX: i64 = 72 * 3_600_000;
/// Links that work at a time, at most.
pub const LINKS_MAX: usize = 1_000;

/// What a link is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkFor {
    /// Making the first account, an administrator's.
    SetUp,
    /// Joining with this address in this role.
    Invitation {
        /// The address.
        email: Email,
        /// The role.
        role: Role,
    },
    /// Choosing another password.
    NewPassword(PersonId),
}

/// A link that is given out.
#[derive(Debug, Clone)]
pub struct NewLink {
    /// The hash of its fresh token.
    pub hash: TokenHash,
    /// What it is for.
    pub purpose: LinkFor,
    /// Who gives it out.
    pub made_by: Actor,
}

/// A link that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRecord {
    /// What lists call it by.
    pub handle: LinkHandle,
    /// What it is for.
    pub purpose: LinkFor,
    /// Who gave it out.
    pub made_by: Actor,
    /// When.
    pub made_at: UnixMillis,
    /// When it ends.
    pub expires_at: UnixMillis,
}

/// What a list calls a link by: half of the hash of its token, which opens nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkHandle(String);

impl LinkHandle {
    /// Reads a handle: 32 hexadecimal digits.
    pub fn parse(text: &str) -> Result<LinkHandle, NameError> {
        if is_half_in_hex(text) {
            Ok(LinkHandle(text.to_owned()))
        } else {
            Err(NameError::new("link", text, "32 hexadecimal digits"))
        }
    }
}

impl fmt::Display for LinkHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a link to make the first account is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetUpOffer {
    /// It is, and works now; each earlier one is over.
    Made,
    /// Somebody may administer already.
    NotNeeded,
}

const COLUMNS: &str = "SELECT hash, purpose, email, role, person, made_by, made_at, expires_at
    FROM account_links ";
const INSERT: &str = "INSERT INTO account_links
    (hash, purpose, email, role, person, made_by, made_at, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

impl Store {
    /// Offers a link to make the first account, in place of each earlier one; none is needed where
    /// somebody may administer.
    pub async fn offer_set_up(
        &self,
        (hash, made_by): (TokenHash, Actor),
        now: UnixMillis,
    ) -> Result<SetUpOffer, AccountError> {
        self.act(move |tx| {
            tx.execute("DELETE FROM account_links WHERE purpose = 'set_up'", [])?;
            if people::has_admin(tx)? {
                return Ok((SetUpOffer::NotNeeded, Did::nothing()));
            }
            insert(tx, &NewLink { hash, purpose: LinkFor::SetUp, made_by }, now)?;
            Ok((SetUpOffer::Made, tx.did(Deed::OfferSetUp, "", "")?))
        })
        .await
    }

    /// Gives out an invitation, in place of each earlier one to the same address, or a link to
    /// choose another password, in place of each earlier one of the same person.
    pub async fn create_link(&self, link: NewLink, now: UnixMillis) -> Result<(), AccountError> {
        self.act(move |tx| {
            let did = match &link.purpose {
                LinkFor::SetUp => return Err(AccountError::NotFound("link")),
                LinkFor::Invitation { email, role } => {
                    let sql = "SELECT 1 FROM people WHERE email = ?1";
                    if tx.prepare_cached(sql)?.exists([email.as_str()])? {
                        return Err(AccountError::Exists("e-mail address"));
                    }
                    let sql = "DELETE FROM account_links WHERE email = ?1";
                    tx.execute(sql, [email.as_str()])?;
                    tx.did(Deed::Invite, email.as_str(), role.as_str())?
                }
                LinkFor::NewPassword(person) => {
                    let sql = "SELECT 1 FROM people WHERE id = ?1 AND disabled_at IS NULL";
                    if !tx.prepare_cached(sql)?.exists([person.as_str()])? {
                        return Err(AccountError::NotFound("person"));
                    }
                    let sql = "DELETE FROM account_links WHERE person = ?1";
                    tx.execute(sql, [person.as_str()])?;
                    tx.did(Deed::OfferPassword, &people::named(tx, person)?.0, "")?
                }
            };
            insert(tx, &link, now)?;
            Ok(((), did))
        })
        .await
    }

    /// The link with this token, if it works.
    pub async fn link(
        &self,
        hash: TokenHash,
        now: UnixMillis,
    ) -> Result<Option<LinkRecord>, AccountError> {
        self.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE hash = ?1 AND expires_at > ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row((hash.0.as_slice(), now.0), read).optional()?;
            Ok(found.transpose()?)
        })
        .await
    }

    /// The invitation to an address, if there is one that works.
    pub async fn invitation_of(
        &self,
        email: &Email,
        now: UnixMillis,
    ) -> Result<Option<LinkRecord>, AccountError> {
        let email = email.clone();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE email = ?1 AND expires_at > ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row((email.as_str(), now.0), read).optional()?;
            Ok(found.transpose()?)
        })
        .await
    }

    /// All links that work, oldest first; not the one to set up.
    pub async fn links(&self, now: UnixMillis) -> Result<Vec<LinkRecord>, AccountError> {
        self.read(move |connection| {
            let sql = format!(
                "{COLUMNS} WHERE expires_at > ?1 AND purpose <> 'set_up' ORDER BY made_at, hash"
            );
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([now.0], read)?;
            rows.map(|row| Ok(row??)).collect()
        })
        .await
    }

    /// Withdraws a link, as a list calls it.
    pub async fn withdraw_link(&self, handle: &LinkHandle) -> Result<(), AccountError> {
        let handle = handle.clone();
        self.act(move |tx| {
            let of = "SELECT coalesce(account_links.email, people.email, '') FROM account_links
                LEFT JOIN people ON people.id = account_links.person
                WHERE purpose <> 'set_up' AND lower(hex(substr(hash, 1, 16))) = ?1";
            let email: Option<String> =
                tx.query_row(of, [&handle.0], |row| row.get(0)).optional()?;
            let email = email.ok_or(AccountError::NotFound("link"))?;
            let sql = "DELETE FROM account_links
                WHERE purpose <> 'set_up' AND lower(hex(substr(hash, 1, 16))) = ?1";
            match tx.execute(sql, [handle.0])? {
                0 => Err(AccountError::NotFound("link")),
                _ => Ok(((), tx.did(Deed::WithdrawLink, &email, "")?)),
            }
        })
        .await
    }

    /// Uses the link of the set-up: makes the first administrator and names the organisation. The
    /// link is over from then on.
    pub async fn set_up(
        &self,
        hash: TokenHash,
        (person, email, organisation): (NewPerson, Email, Label),
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let core = std::sync::Arc::clone(self.core());
        self.act(move |tx| {
            let link = take(tx, hash, now)?;
            if link.purpose != LinkFor::SetUp || people::has_admin(tx)? {
                return Err(AccountError::LinkOver);
            }
            tx.execute("DELETE FROM account_links WHERE purpose = 'set_up'", [])?;
            people::insert(tx, &core.keys, (&person, &email, Role::Admin), now)?;
            people::name_organisation(tx, &organisation)?;
            Ok(((), tx.did(Deed::SetUp, email.as_str(), organisation)?))
        })
        .await
    }

    /// Uses an invitation: makes the account of its address in its role.
    pub async fn join(
        &self,
        hash: TokenHash,
        person: NewPerson,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let core = std::sync::Arc::clone(self.core());
        self.act(move |tx| {
            let LinkFor::Invitation { email, role } = take(tx, hash, now)?.purpose else {
                return Err(AccountError::LinkOver);
            };
            people::insert(tx, &core.keys, (&person, &email, role), now)?;
            Ok(((), tx.did(Deed::Join, email.as_str(), role.as_str())?))
        })
        .await
    }

    /// Uses the invitation to an address whose owner proved by sign-on who they are.
    pub async fn join_by_sign_on(
        &self,
        email: &Email,
        person: NewPerson,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let core = std::sync::Arc::clone(self.core());
        let email = email.clone();
        self.act(move |tx| {
            let sql = "SELECT hash FROM account_links
                WHERE email = ?1 AND purpose = 'invitation' AND expires_at > ?2";
            let of = (email.as_str(), now.0);
            let found: Option<[u8; 32]> = tx.query_row(sql, of, |row| row.get(0)).optional()?;
            let hash = TokenHash(found.ok_or(AccountError::LinkOver)?);
            let LinkFor::Invitation { email, role } = take(tx, hash, now)?.purpose else {
                return Err(AccountError::LinkOver);
            };
            people::insert(tx, &core.keys, (&person, &email, role), now)?;
            let detail = format!("{}, by sign-on", role.as_str());
            Ok(((), tx.did(Deed::Join, email.as_str(), detail)?))
        })
        .await
    }

    /// Uses a link to choose another password; the person's sessions end.
    pub async fn renew_password(
        &self,
        hash: TokenHash,
        password: PasswordHash,
        now: UnixMillis,
    ) -> Result<PersonId, AccountError> {
        let core = std::sync::Arc::clone(self.core());
        self.act(move |tx| {
            let LinkFor::NewPassword(person) = take(tx, hash, now)?.purpose else {
                return Err(AccountError::LinkOver);
            };
            let sql = "SELECT 1 FROM people WHERE id = ?1 AND disabled_at IS NULL";
            if !tx.prepare_cached(sql)?.exists([person.as_str()])? {
                return Err(AccountError::LinkOver);
            }
            people::replace_password(tx, &core.keys, (&person, &password))?;
            let email = people::named(tx, &person)?.0;
            let did = tx.did(Deed::ChangePassword, &email, "by a link")?;
            Ok((person, did))
        })
        .await
    }
}

/// Withdraws what somebody gave out.
pub(super) fn withdraw_those_of(tx: &Tx<'_>, id: &PersonId) -> Result<(), AccountError> {
    let sql = "DELETE FROM account_links
        WHERE made_by = (SELECT 'user:' || email FROM people WHERE id = ?1)";
    tx.execute(sql, [id.as_str()])?;
    Ok(())
}

/// Takes a link that works out of the table.
fn take(tx: &Tx<'_>, hash: TokenHash, now: UnixMillis) -> Result<LinkRecord, AccountError> {
    let sql = format!("{COLUMNS} WHERE hash = ?1 AND expires_at > ?2");
    let of = (hash.0.as_slice(), now.0);
    let found = tx.prepare_cached(&sql)?.query_row(of, read).optional()?;
    let link = found.transpose()?.ok_or(AccountError::LinkOver)?;
    tx.execute("DELETE FROM account_links WHERE hash = ?1", [hash.0.as_slice()])?;
    Ok(link)
}

fn insert(tx: &Tx<'_>, link: &NewLink, now: UnixMillis) -> Result<(), AccountError> {
    tx.execute("DELETE FROM account_links WHERE expires_at <= ?1", [now.0])?;
    let number: i64 = tx.query_row("SELECT count(*) FROM account_links", [], |row| row.get(0))?;
    people::refuse_more("links", number, LINKS_MAX)?;
    let (purpose, email, role, person) = match &link.purpose {
        LinkFor::SetUp => ("set_up", None, None, None),
        LinkFor::Invitation { email, role } => {
            ("invitation", Some(email.as_str()), Some(role.as_str()), None)
        }
        LinkFor::NewPassword(person) => ("new_password", None, None, Some(person.as_str())),
    };
    tx.prepare_cached(INSERT)?.execute((
        link.hash.0.as_slice(),
        purpose,
        email,
        role,
        person,
        link.made_by.as_str(),
        now.0,
        now.0.saturating_add(LINK_MS_MAX),
    ))?;
    Ok(())
}

fn read(row: &Row<'_>) -> Result<Result<LinkRecord, ReadError>, rusqlite::Error> {
    let handle = LinkHandle(half_in_hex(TokenHash(row.get(0)?)));
    let (purpose, email): (String, Option<String>) = (row.get(1)?, row.get(2)?);
    let (role, person): (Option<String>, Option<String>) = (row.get(3)?, row.get(4)?);
    let made_by: String = row.get(5)?;
    let parsed = || -> Result<Option<(LinkFor, Actor)>, NameError> {
        let purpose = match (purpose.as_str(), email, role, person) {
            ("set_up", None, None, None) => LinkFor::SetUp,
            ("invitation", Some(email), Some(role), None) => {
                LinkFor::Invitation { email: Email::parse(&email)?, role: role.parse()? }
            }
            ("new_password", None, None, Some(person)) => {
                LinkFor::NewPassword(PersonId::parse(&person)?)
            }
            _ => return Ok(None),
        };
        Ok(Some((purpose, Actor::parse(&made_by)?)))
    };
    let (purpose, made_by) = match parsed() {
        Ok(Some(parsed)) => parsed,
        Ok(None) => return Ok(Err(damaged("link", &handle.0, &"its purpose"))),
        Err(error) => return Ok(Err(damaged("link", &handle.0, &error))),
    };
    Ok(Ok(LinkRecord {
        handle,
        purpose,
        made_by,
        made_at: UnixMillis(row.get(6)?),
        expires_at: UnixMillis(row.get(7)?),
    }))
}
