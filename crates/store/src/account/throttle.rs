//! Failed attempts to sign in, and how long the next one waits. An attempt is counted before it is
//! judged, so that many at once are as many as one after the other; one that succeeds takes its
//! count back. The counts are in the database: a restart forgets none.
//!
//! What never lives here: what is compared.

use std::cmp::Ordering;

use policy::UnixMillis;
use rusqlite::OptionalExtension as _;

use super::AccountError;
use super::name::Email;
use crate::deed::{Deed, Did};
use crate::store::Store;
use crate::token::TokenHash;
use crate::writer::Tx;

/// Failures with one account from one address before the next one waits.
const ACCOUNT_AND_ADDRESS_FAILURES_MAX: i64 = 5;
/// Failures from one address before the next one waits, whatever the accounts; several people may
/// share an address.
const ADDRESS_FAILURES_MAX: i64 = 20;
/// Failures with one account before the next one waits, whatever the addresses.
const ACCOUNT_FAILURES_MAX: i64 = 50;
/// The first wait, in milliseconds; each further failure doubles it.
const WAIT_MS_MIN: i64 = 1_000;
/// The longest wait, in milliseconds: 15 minutes.
const WAIT_MS_MAX: i64 = 15 * 60_000;
/// Doublings after which a wait is the longest one in any case.
const DOUBLINGS_MAX: i64 = 16;
/// Failures are forgotten so many milliseconds after the last one.
const FORGET_MS: i64 = 60 * 60_000;
/// Failures of the last hour that are written down each, at most: guessing fills no disk.
const FAILURES_NOTED_MAX: i64 = 1_000;
/// Rows of the table, at most; those whose last failure is oldest go first.
const ROWS_MAX: i64 = 20_000;

/// Who tries to sign in as whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempt {
    account: TokenHash,
    address: TokenHash,
    place: Place,
}

/// Where an attempt comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// An address that anybody may have.
    Anywhere,
    /// A browser or a session in which the owner of the account proved before who they are.
    Known,
}

impl Attempt {
    /// An attempt with an address of e-mail, of an account or not, from where `network` says: what
    /// all addresses have in common that one person can have (an IPv6 address without its last 64
    /// bits).
    pub fn new(email: &Email, network: &str) -> Attempt {
        let (account, address) = (TokenHash::of(email.as_str()), TokenHash::of(network));
        Attempt { account, address, place: Place::Anywhere }
    }

    /// An attempt within a browser or session in which the owner of this account signed in before,
    /// which `id` tells from all others and nobody makes up. It is counted by itself: what strangers
    /// fail does not hold it up, and what it fails holds up nobody else.
    pub fn of_known(email: &Email, id: &str) -> Attempt {
        let address = TokenHash::of(&format!("known {id}"));
        Attempt { account: TokenHash::of(email.as_str()), address, place: Place::Known }
    }

    /// How long the next attempt waits, in milliseconds.
    fn waits(&self, tx: &Tx<'_>, now: UnixMillis) -> Result<i64, rusqlite::Error> {
        let mut wait_ms = 0;
        for (kind, key, _max) in self.counts() {
            // A clock that was turned back does not block for longer than the longest wait.
            let left = find(tx, (kind, &key))?.blocked_until.saturating_sub(now.0);
            wait_ms = left.min(WAIT_MS_MAX).max(wait_ms);
        }
        Ok(wait_ms)
    }

    /// Kind, key and bound of each count that the attempt is in.
    fn counts(&self) -> Vec<(&'static str, [u8; 32], i64)> {
        let mut both = [0; 64];
        both.iter_mut()
            .zip(self.account.0.iter().chain(&self.address.0))
            .for_each(|(place, byte)| *place = *byte);
        let both = policy::sha256(&both).0;
        let mut counts = vec![("account and address", both, ACCOUNT_AND_ADDRESS_FAILURES_MAX)];
        if self.place == Place::Anywhere {
            counts.push(("address", self.address.0, ADDRESS_FAILURES_MAX));
            counts.push(("account", self.account.0, ACCOUNT_FAILURES_MAX));
        }
        counts
    }
}

const FIND: &str = "SELECT failures, failed_at, blocked_until FROM sign_in_failures
    WHERE kind = ?1 AND key = ?2";
const PUT: &str = "INSERT INTO sign_in_failures (kind, key, failures, failed_at, blocked_until)
    VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (kind, key) DO UPDATE
    SET failures = excluded.failures, failed_at = excluded.failed_at,
        blocked_until = excluded.blocked_until";
const FORGET_OLD: &str = "DELETE FROM sign_in_failures WHERE failed_at <= ?1";
const FORGET_OLDEST: &str = "DELETE FROM sign_in_failures WHERE (kind, key) IN
    (SELECT kind, key FROM sign_in_failures ORDER BY failed_at, kind, key LIMIT ?1)";

impl Store {
    /// Counts an attempt as failed, before it is judged; [`AccountError::Blocked`] if it comes too
    /// soon after the failed ones before it, and is not to be judged.
    pub async fn begin_sign_in(
        &self,
        attempt: Attempt,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        self.change(move |tx| {
            tx.prepare_cached(FORGET_OLD)?.execute([now.0.saturating_sub(FORGET_MS)])?;
            let for_ms = attempt.waits(tx, now)?;
            if for_ms > 0 {
                return Err(AccountError::Blocked { for_ms });
            }
            make_room(tx)?;
            for (kind, key, max) in attempt.counts() {
                let failures = find(tx, (kind, &key))?.failures.saturating_add(1);
                let until = now.0.saturating_add(wait_after(failures, max));
                tx.prepare_cached(PUT)?.execute((kind, key.as_slice(), failures, now.0, until))?;
            }
            Ok(())
        })
        .await
    }

    /// Writes down that an attempt failed: for whom, if there is such an account, and how long the next
    /// one waits. What was typed as an address that nobody has may be a password, and is not kept.
    /// Further failures of the last hour beyond [`FAILURES_NOTED_MAX`] are noted once, together.
    pub async fn note_failed_sign_in(
        &self,
        attempt: Attempt,
        known: Option<&Email>,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let known = known.map(|email| email.as_str().to_owned()).unwrap_or_default();
        self.act(move |tx| {
            let account = if known.is_empty() { "no such account" } else { "" };
            let locked = match attempt.waits(tx, now)?.saturating_add(999) / 1_000 {
                0 => String::new(),
                seconds => format!("locked for {seconds} s"),
            };
            let parts = [account, &locked].into_iter().filter(|part| !part.is_empty());
            let detail = parts.collect::<Vec<_>>().join(", ");
            Ok(((), note_failure(tx, (&known, &detail), now)?))
        })
        .await
    }

    /// Writes down that sign-on did not bring somebody in, and why; bounded likewise.
    pub async fn note_failed_sign_on(
        &self,
        why: String,
        now: UnixMillis,
    ) -> Result<(), AccountError> {
        let detail = format!("by sign-on: {why}");
        self.act(move |tx| Ok(((), note_failure(tx, ("", &detail), now)?))).await
    }

    /// Takes back what [`Store::begin_sign_in`] counted, since the attempt succeeded. What others
    /// did from the same address stays counted.
    pub async fn end_sign_in(&self, attempt: Attempt) -> Result<(), AccountError> {
        self.change(move |tx| {
            for (kind, key, max) in attempt.counts() {
                if kind == "address" {
                    let sql = "UPDATE sign_in_failures SET failures = failures - 1,
                        blocked_until = CASE WHEN failures - 1 < ?3 THEN 0 ELSE blocked_until END
                        WHERE kind = ?1 AND key = ?2";
                    tx.execute(sql, (kind, key.as_slice(), max))?;
                } else {
                    let sql = "DELETE FROM sign_in_failures WHERE kind = ?1 AND key = ?2";
                    tx.execute(sql, (kind, key.as_slice()))?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn note_failure(
    tx: &Tx<'_>,
    (object, detail): (&str, &str),
    now: UnixMillis,
) -> Result<Did, AccountError> {
    let sql = "SELECT count(*) FROM deeds WHERE at > ?1 AND deed = ?2";
    let of = (now.0.saturating_sub(FORGET_MS), Deed::SignInFailed.as_str());
    let noted: i64 = tx.prepare_cached(sql)?.query_row(of, |row| row.get(0))?;
    Ok(match noted.cmp(&FAILURES_NOTED_MAX) {
        Ordering::Less => tx.did(Deed::SignInFailed, object, detail)?,
        Ordering::Equal => {
            let detail = "too many to note each: further ones of this hour are not noted";
            tx.did(Deed::SignInFailed, "", detail)?
        }
        Ordering::Greater => Did::nothing(),
    })
}

#[derive(Default)]
struct Found {
    failures: i64,
    blocked_until: i64,
}

fn find(tx: &Tx<'_>, (kind, key): (&str, &[u8; 32])) -> Result<Found, rusqlite::Error> {
    let found = tx
        .prepare_cached(FIND)?
        .query_row((kind, key.as_slice()), |row| {
            Ok(Found { failures: row.get(0)?, blocked_until: row.get(2)? })
        })
        .optional()?;
    Ok(found.unwrap_or_default())
}

/// How long nothing is tried after so many failures, in milliseconds.
fn wait_after(failures: i64, max: i64) -> i64 {
    let further = failures.saturating_sub(max);
    if further < 0 {
        return 0;
    }
    let doubled = u32::try_from(further).ok().and_then(|further| WAIT_MS_MIN.checked_shl(further));
    let doubled = doubled.filter(|_| further < DOUBLINGS_MAX).unwrap_or(WAIT_MS_MAX);
    doubled.min(WAIT_MS_MAX)
}

fn make_room(tx: &Tx<'_>) -> Result<(), rusqlite::Error> {
    let rows: i64 = tx.query_row("SELECT count(*) FROM sign_in_failures", [], |row| row.get(0))?;
    let over = rows.saturating_add(3).saturating_sub(ROWS_MAX);
    if over > 0 {
        tx.prepare_cached(FORGET_OLDEST)?.execute([over])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
