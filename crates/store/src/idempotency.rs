//! Answers remembered for `Idempotency-Key`, bounded in number and time.
//!
//! What never lives here: HTTP.

use policy::{Sha256Digest, UnixMillis};

use crate::error::WriteError;
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

impl Store {
    /// Claims a key for a request (digest of method, path and body) of one API actor.
    pub async fn claim_idempotent(
        &self,
        actor: &str,
        key: &str,
        request: Sha256Digest,
        now: UnixMillis,
    ) -> Result<Claim, WriteError> {
        let _ = (actor, key, request, now);
        Err(WriteError::unbuilt())
    }

    /// Remembers the answer to a claimed key; `None` forgets the claim, so that the request may be
    /// tried again.
    pub async fn finish_idempotent(
        &self,
        actor: &str,
        key: &str,
        answer: Option<(u16, Vec<u8>)>,
    ) -> Result<(), WriteError> {
        let _ = (actor, key, answer);
        Err(WriteError::unbuilt())
    }
}
