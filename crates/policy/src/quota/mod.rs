//! Counters as pure arithmetic over `now`: windows, buckets, charges, give-backs. No storage, no clock, no locks.

mod key;
mod window;

use std::sync::Arc;

pub use key::{BucketKey, ScopeIds};
pub use window::Window;

use crate::{Micro, UnixMillis};

/// Whose calls share a bucket (POLICY section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The grant.
    Grant,
    /// The session within the grant; the grant where there is none.
    Session,
    /// The server.
    Server,
    /// All servers of the organisation.
    Organisation,
}

/// How a window moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Calendar or epoch-aligned windows, each from empty.
    Fixed,
    /// Any trailing window.
    Sliding,
}

/// One limit of one call: what a counter must accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The counter's name.
    pub counter: Arc<str>,
    /// The window, as written.
    pub window: Window,
    /// Whose calls share the bucket.
    pub scope: Scope,
    /// How the window moves.
    pub algorithm: Algorithm,
    /// How many units pass.
    pub max: Micro,
    /// How many units this call takes.
    pub amount: Micro,
    /// The limit's name in traces, a JSON Pointer in the canonical document.
    pub rule: Arc<str>,
    /// The limit's `on_deny`.
    pub message: Option<Arc<str>>,
}

/// A limit without room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit {index} has no room")]
pub struct Exceeded {
    /// The first limit without room, as an index into the charges.
    pub index: usize,
    /// Milliseconds, rounded up, until the call would fit **all** its limits if nothing else came; `None` if it
    /// never would or waits for running calls.
    pub retry_after_ms: Option<u64>,
}

/// Why a charge is given back (POLICY section 5, rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The call certainly never left: not bounded.
    NeverLeft,
    /// The server answered that it did not run the call: at most `max` units per bucket and window.
    ServerRefused,
}

/// What one admitted call was charged.
#[derive(Debug, Clone, Default)]
pub struct Receipt {
    /// True if a charged window is of an hour or longer: such charges must survive a crash.
    pub durable: bool,
}

/// One bucket as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// The bucket's identity.
    pub key: BucketKey,
    /// The bucket's state; opaque outside this module.
    pub state: Vec<u8>,
}

/// All counters of one process.
#[derive(Debug, Default)]
pub struct Buckets {
    _rows: Vec<BucketRow>,
}

impl Buckets {
    /// No charges yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The buckets of an earlier process. Rows that cannot be read are an error: their limits would be lost.
    pub fn restore(rows: impl Iterator<Item = BucketRow>) -> Result<Self, RestoreError> {
        Ok(Self { _rows: rows.collect() })
    }

    /// Asks whether every limit has room, charging nothing.
    pub fn check(
        &self,
        charges: &[Charge],
        ids: &ScopeIds<'_>,
        now: UnixMillis,
    ) -> Result<(), Exceeded> {
        let _ = (charges, ids, now);
        Ok(())
    }

    /// Charges all limits or none (POLICY section 5, rule 1).
    pub fn charge(
        &mut self,
        charges: &[Charge],
        ids: &ScopeIds<'_>,
        now: UnixMillis,
    ) -> Result<Receipt, Exceeded> {
        let _ = (charges, ids, now);
        Ok(Receipt::default())
    }

    /// Gives a charge back to the windows it came from; a second time does nothing.
    pub fn give_back(&mut self, receipt: &Receipt, cause: Cause, now: UnixMillis) {
        let _ = (receipt, cause, now);
    }

    /// The call ended: its `in_flight` charges end; a second time does nothing.
    pub fn end(&mut self, receipt: &Receipt) {
        let _ = receipt;
    }

    /// The rows to write since this was last asked; a row with an empty state is to be deleted.
    pub fn changed(&mut self) -> Vec<BucketRow> {
        Vec::new()
    }

    /// Forgets buckets whose windows are over and returns how many there were.
    pub fn sweep(&mut self, now: UnixMillis) -> usize {
        let _ = now;
        0
    }
}

/// A stored bucket cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored counter `{key}` cannot be read")]
pub struct RestoreError {
    /// The bucket's key.
    pub key: String,
}
