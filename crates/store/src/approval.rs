//! Approval requests and decisions as stored, and the index in memory that held calls ask.
//!
//! What never lives here: which rules an approval waives (`policy::settle`), waiting for a person.

use policy::{ApprovalId, ApprovalRecord, ApprovalState, Ask, Settled, Sha256Digest, UnixMillis};
use thiserror::Error;
use tokio::sync::watch;

use crate::error::{ReadError, Unavailable};
use crate::name::Actor;
use crate::store::Store;

/// What a person says to a held call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This one call may pass.
    Approve,
    /// It may not.
    Reject,
}

/// A decision: who, from where, and why (POLICY section 7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// Yes or no.
    pub answer: Answer,
    /// Who decides; also the name that a `user:` entry of `approvers` must equal.
    pub by: Actor,
    /// The roles of who decides, for `role:` entries of `approvers`.
    pub roles: Vec<String>,
    /// From where: an address, `cli`, `dashboard`.
    pub from: String,
    /// Why; a rejected agent reads it.
    pub reason: Option<String>,
}

/// Why a decision was not taken down.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecideError {
    /// There is no such request.
    #[error("there is no approval request {0}")]
    NotFound(ApprovalId),
    /// Somebody decided it before.
    #[error("{} is already {}", .0.id, state_word(.0.state))]
    AlreadyDecided(Box<ApprovalRecord>),
    /// Its time is over.
    #[error("{0} is over: its time has passed")]
    Expired(ApprovalId),
    /// The call was made with the decider's own grant (POLICY section 7).
    #[error("nobody decides a call that was made with their own grant")]
    OwnGrant,
    /// The rule names approvers and this is none of them.
    #[error("the rule names other approvers")]
    NotAnApprover,
    /// The database did not answer, or holds a damaged record.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The word for a state, as in lists and the API.
pub fn state_word(state: ApprovalState) -> &'static str {
    match state {
        ApprovalState::Pending => "pending",
        ApprovalState::Approved => "approved",
        ApprovalState::Rejected => "rejected",
        ApprovalState::Used => "used",
    }
}

/// Which approval requests a list shows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ApprovalFilter {
    /// Only those in this state. `Pending` and `Approved` mean: and not over.
    pub state: Option<ApprovalState>,
    /// Only those of this grant (its id).
    pub grant: Option<String>,
    /// Only those older than this one, for the next page.
    pub before: Option<ApprovalId>,
}

/// What [`Store::open_approval`] found or made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// The request is new, on disk, and pending.
    New,
    /// Something else came first in the meantime: the call is settled as this says. Never
    /// [`Settled::Open`].
    Settled(Settled),
}

impl Store {
    /// What a held call finds right now: `policy::settle` over the requests for the same call and
    /// the number of the grant's pending ones. Answers from memory.
    pub fn settle(
        &self,
        digest: &Sha256Digest,
        grant: &str,
        ask: &Ask,
        now: UnixMillis,
    ) -> Settled {
        let _ = (digest, grant, ask, now);
        Settled::TooManyPending
    }

    /// Makes a new request unless something settles the call by now: of two equal calls that race
    /// one makes the request and the other joins it. The request is on disk when this returns.
    pub async fn open_approval(
        &self,
        record: ApprovalRecord,
        ask: &Ask,
        now: UnixMillis,
    ) -> Result<Opened, Unavailable> {
        let _ = (record, ask, now);
        Err(Unavailable { why: "not built yet".into() })
    }

    /// A request that is not over and not used, from memory; what a waiting call looks at whenever
    /// [`Store::approval_changes`] moves.
    pub fn live_approval(&self, id: &ApprovalId) -> Option<ApprovalRecord> {
        let _ = id;
        None
    }

    /// Moves whenever a request was made, decided or used, by this process or another one
    /// (within half a second).
    pub fn approval_changes(&self) -> watch::Receiver<u64> {
        self.unbuilt_watch()
    }

    /// Stored requests, newest first, at most `limit` (bounded by
    /// [`APPROVALS_PAGE_ROWS_MAX`]).
    pub async fn approvals(
        &self,
        filter: ApprovalFilter,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<ApprovalRecord>, ReadError> {
        let _ = (filter, limit, now);
        Err(ReadError::unbuilt())
    }

    /// One stored request.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<ApprovalRecord>, ReadError> {
        let _ = id;
        Err(ReadError::unbuilt())
    }

    /// Takes a decision down, in one atomic step: of two people one decides and the other is told
    /// so. Returns the record as decided.
    pub async fn decide_approval(
        &self,
        id: &ApprovalId,
        decision: Decision,
        now: UnixMillis,
    ) -> Result<ApprovalRecord, DecideError> {
        let _ = (id, decision, now);
        Err(DecideError::Read(ReadError::unbuilt()))
    }
}

/// Requests in one page of a list, at most.
pub const APPROVALS_PAGE_ROWS_MAX: usize = 500;
