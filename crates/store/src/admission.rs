//! The store's part in the way of a call: charge, use the approval, open the audit row; later close
//! it. Memory first, then one job for the writer.
//!
//! What never lives here: SQL, decisions.

use std::pin::Pin;
use std::task::{Context, Poll};

use policy::{ApprovalId, Cause, Charge, Exceeded, ScopeIds, UnixMillis};
use thiserror::Error;

use crate::audit::{AuditOpen, AuditOutcome};
use crate::error::Unavailable;
use crate::store::Store;

/// What a call that policy allows asks of the store.
#[derive(Debug, Clone, Copy)]
pub struct AdmitRequest<'a> {
    /// The charges of all its limits; all are made or none (POLICY section 5).
    pub charges: &'a [Charge],
    /// Whose buckets.
    pub scope: ScopeIds<'a>,
    /// The approval that it uses up.
    pub approval: Option<&'a ApprovalId>,
    /// Its opening audit row.
    pub open: &'a AuditOpen<'a>,
    /// The time.
    pub now: UnixMillis,
}

/// Why a call was not admitted; nothing was charged or used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AdmitError {
    /// A limit has no room.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The approval was used by another call, or is over.
    #[error("the approval was used by another call, or is over")]
    ApprovalGone,
    /// The counters cannot be written: a call with limits is denied `store_unavailable`.
    #[error(transparent)]
    StoreUnavailable(Unavailable),
    /// The audit row cannot be written: any call is denied `audit_unavailable`.
    #[error("the audit row cannot be written: {}", .0.why)]
    AuditUnavailable(Unavailable),
}

/// Why limits could not be asked, or have no room.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckError {
    /// A limit has no room.
    #[error(transparent)]
    Exceeded(#[from] Exceeded),
    /// The counters cannot be written at the moment.
    #[error(transparent)]
    StoreUnavailable(Unavailable),
}

/// The wait for a call's admission. Dropping it before it is ready gives everything back but the
/// approval, and closes the audit row as `not_sent`.
#[derive(Debug)]
#[must_use = "nothing is admitted until this is awaited"]
pub struct Admission {
    _outcome: (),
}

impl Future for Admission {
    type Output = Result<Admitted, AdmitError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _ = cx;
        Poll::Ready(Err(AdmitError::AuditUnavailable(Unavailable { why: "not built yet".into() })))
    }
}

/// A call that was admitted: charged, its approval used, its audit row open. To be closed when the
/// call ended; dropped without that, its `in_flight` charges end, the other charges stay, and the
/// audit row is closed as `abandoned`.
#[derive(Debug)]
#[must_use = "an admitted call is closed when it ended"]
pub struct Admitted {
    _receipt: (),
}

impl Admitted {
    /// The call ended: writes its outcome row, ends its `in_flight` charges, and gives the others
    /// back where `give_back` says that the call did not run. Never waits.
    pub fn close(self, outcome: &AuditOutcome<'_>, give_back: Option<Cause>, now: UnixMillis) {
        let _ = (outcome, give_back, now);
    }
}

impl Store {
    /// Admits a call: all charges or none, the approval, the opening audit row. Durable mode: ready
    /// when all of it is on disk. Buffered mode: ready at once, unless a charged window is of an
    /// hour or longer, an approval is used, or the database is failing. The work up to the queue
    /// is done before this returns.
    pub fn admit(&self, request: &AdmitRequest<'_>) -> Admission {
        let _ = request;
        Admission { _outcome: () }
    }

    /// Asks whether all limits have room, charging nothing (for a call that is to be held).
    pub fn check_limits(
        &self,
        charges: &[Charge],
        scope: &ScopeIds<'_>,
        now: UnixMillis,
    ) -> Result<(), CheckError> {
        let _ = (charges, scope, now);
        Err(CheckError::StoreUnavailable(Unavailable { why: "not built yet".into() }))
    }

    /// Writes the one audit row of a call that does not leave: a deny, a hold, a rejected message.
    /// Durable mode: on disk when this is ready.
    pub async fn record(&self, row: &AuditOpen<'_>, now: UnixMillis) -> Result<(), Unavailable> {
        let _ = (row, now);
        Err(Unavailable { why: "not built yet".into() })
    }
}
