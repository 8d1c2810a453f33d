//! Answers remembered for `Idempotency-Key`, bounded in number and time.
//!
//! What never lives here: HTTP.

use std::sync::Arc;

use policy::{Sha256Digest, UnixMillis};
use rusqlite::OptionalExtension as _;

use crate::error::{ReadError, WriteError};
use crate::seal::Keys;
use crate::store::Store;

/// How long an answer is remembered, in milliseconds: a day.
pub const IDEMPOTENCY_MS_MAX: i64 = 24 * 60 * 60 * 1000;
/// Answers remembered, at most; the oldest go first.
pub const IDEMPOTENCY_ROWS_MAX: usize = 10_000;

/// What a key finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// The request is the first with its key: run it, then [`Store::finish_idempotent`].
    New,
    /// The first request is still running, or its process died while it ran.
    Running,
    /// The first request was answered like this.
    Answered {
        /// HTTP status.
        status: u16,
        /// The body; secrets in it are sealed at rest.
        body: Vec<u8>,
    },
    /// The key came before with another request.
    OtherRequest,
}

const FORGET_OLD: &str = "DELETE FROM idempotency
    WHERE made_at <= ?1 OR number <= (SELECT max(number) FROM idempotency) - ?2";
const FIND: &str = "SELECT request, status, body FROM idempotency WHERE actor = ?1 AND key = ?2";
const CLAIM: &str =
    "INSERT INTO idempotency (actor, key, request, made_at) VALUES (?1, ?2, ?3, ?4)";
const ANSWER: &str = "UPDATE idempotency SET status = ?3, body = ?4
    WHERE actor = ?1 AND key = ?2 AND status IS NULL";
const RELEASE: &str = "DELETE FROM idempotency WHERE actor = ?1 AND key = ?2 AND status IS NULL";

impl Store {
    /// Claims a key for a request (digest of method, path and body) of one API actor.
    pub async fn claim_idempotent(
        &self,
        actor: &str,
        key: &str,
        request: Sha256Digest,
        now: UnixMillis,
    ) -> Result<Claim, WriteError> {
        let (actor, key) = (actor.to_owned(), key.to_owned());
        let core = Arc::clone(self.core());
        self.change(move |tx| {
            // One row per number at most, so the newest numbers bound the rows.
            let rows_max = i64::try_from(IDEMPOTENCY_ROWS_MAX).unwrap_or(i64::MAX);
            let over = now.0.saturating_sub(IDEMPOTENCY_MS_MAX);
            tx.prepare_cached(FORGET_OLD)?.execute((over, rows_max))?;
            let found = tx
                .prepare_cached(FIND)?
                .query_row((&actor, &key), |row| {
                    Ok(Stored { request: row.get(0)?, status: row.get(1)?, body: row.get(2)? })
                })
                .optional()?;
            if let Some(stored) = found {
                return stored.claim(&core.keys, request, &place(&actor, &key));
            }
            tx.prepare_cached(CLAIM)?.execute((&actor, &key, request.0.as_slice(), now.0))?;
            Ok(Claim::New)
        })
        .await
    }

    /// Remembers the answer to a claimed key; `None` forgets the claim, so that the request may be
    /// tried again.
    pub async fn finish_idempotent(
        &self,
        actor: &str,
        key: &str,
        answer: Option<(u16, Vec<u8>)>,
    ) -> Result<(), WriteError> {
        let (actor, key) = (actor.to_owned(), key.to_owned());
        let core = Arc::clone(self.core());
        self.change(move |tx| {
            match answer {
                Some((status, body)) => {
                    let sealed = core.keys.seal(&place(&actor, &key), &body)?;
                    tx.prepare_cached(ANSWER)?.execute((&actor, &key, status, sealed))?;
                }
                None => {
                    tx.prepare_cached(RELEASE)?.execute((&actor, &key))?;
                }
            }
            Ok(())
        })
        .await
    }
}

fn place(actor: &str, key: &str) -> String {
    format!("answer {}:{actor}:{key}", actor.len())
}

struct Stored {
    request: [u8; 32],
    status: Option<u16>,
    body: Option<Vec<u8>>,
}

impl Stored {
    fn claim(self, keys: &Keys, request: Sha256Digest, place: &str) -> Result<Claim, WriteError> {
        if self.request != request.0 {
            return Ok(Claim::OtherRequest);
        }
        let (Some(status), Some(sealed)) = (self.status, self.body) else {
            return Ok(Claim::Running);
        };
        let body = keys
            .open(place, &sealed)
            .map_err(|_unseal| ReadError::Sealed { what: "answer", name: place.to_owned() })?;
        Ok(Claim::Answered { status, body: body.expose().clone() })
    }
}
