//! Approval requests and decisions as stored, and the index in memory that held calls ask.
//!
//! What never lives here: which rules an approval waives (`policy::settle`), waiting for a person.

mod footing;
mod inbox;
mod index;
mod rows;

use policy::{
    ApprovalId, ApprovalRecord, ApprovalState, Ask, Settled, Sha256Digest, UnixMillis,
    approvers_met,
};
use rusqlite::named_params;
use thiserror::Error;
use tokio::sync::watch;

pub use footing::{Footing, FootingTag, PolicyInForce};
pub use inbox::{
    APPROVALS_PAGE_BYTES_MAX, ApprovalOrder, ApprovalPage, ApprovalShown, HeldCall, Inbox,
    InboxPart, WaitingNow,
};
pub(crate) use index::{ApprovalIndex, Taken};
pub(crate) use rows::{matching, read_live};

use crate::deed::Deed;
use crate::error::{ReadError, Unavailable};
use crate::grant;
use crate::name::Actor;
use crate::settings::{self, OwnCalls};
use crate::store::Store;
use crate::writer::Tx;

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
    /// The call, its grant, its policy, its server or the tool's definition are no longer what the
    /// decider was shown.
    #[error("{0} is no longer what was shown: its grant, policy, server or definition changed")]
    Changed(ApprovalId),
    /// The call was made with the decider's own grant (POLICY section 7).
    #[error("nobody decides a call that was made with their own grant: ask another approver")]
    OwnGrant,
    /// The rule names approvers and this is none of them.
    #[error("the rule names other approvers: one of them decides")]
    NotAnApprover,
    /// The database did not answer, or holds a damaged record.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<Unavailable> for DecideError {
    fn from(error: Unavailable) -> DecideError {
        DecideError::Read(ReadError::Unavailable(error))
    }
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
    /// Only those behind this one in the list, for the next page.
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

/// Requests in one page of a list, at most.
pub const APPROVALS_PAGE_ROWS_MAX: usize = 500;

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
        self.core().approvals.settle(digest, grant, ask, now)
    }

    /// Makes a new request unless something settles the call by now: of two equal calls that race
    /// one makes the request and the other joins it. The request is on disk when this returns.
    pub async fn open_approval(
        &self,
        record: ApprovalRecord,
        ask: &Ask,
        now: UnixMillis,
    ) -> Result<Opened, Unavailable> {
        let unsaved = match self.core().approvals.open(&record, ask, now) {
            Ok(unsaved) => unsaved,
            Err(settled) => return Ok(Opened::Settled(settled)),
        };
        let id = record.id.clone();
        let saved = self
            .change(move |tx| -> Result<(), Unavailable> {
                rows::insert(tx, &record)?;
                tx.bump_approvals()?;
                Ok(())
            })
            .await;
        drop(unsaved);
        match saved {
            Ok(()) => Ok(Opened::New),
            Err(unavailable) => {
                self.core().approvals.forget(&id);
                Err(unavailable)
            }
        }
    }

    /// A request that is not over and not used, from memory; what a waiting call looks at whenever
    /// [`Store::approval_changes`] moves.
    pub fn live_approval(&self, id: &ApprovalId) -> Option<ApprovalRecord> {
        self.core().approvals.get(id)
    }

    /// Moves whenever a request was made, decided or used, by this process or another one
    /// (within half a second).
    pub fn approval_changes(&self) -> watch::Receiver<u64> {
        self.core().approvals.changes()
    }

    /// Stored requests, newest first, at most `limit` (bounded by [`APPROVALS_PAGE_ROWS_MAX`]) and
    /// [`APPROVALS_PAGE_BYTES_MAX`] of arguments; [`Store::standing`] says whether more come.
    pub async fn approvals(
        &self,
        filter: ApprovalFilter,
        limit: usize,
        now: UnixMillis,
    ) -> Result<Vec<ApprovalRecord>, ReadError> {
        let limit = limit.min(APPROVALS_PAGE_ROWS_MAX);
        self.read(move |connection| Ok(inbox::newest(connection, &filter, limit, now)?.0)).await
    }

    /// One stored request.
    pub async fn approval(&self, id: &ApprovalId) -> Result<Option<ApprovalRecord>, ReadError> {
        let id = id.clone();
        self.read(move |connection| rows::get(connection, &id)).await
    }

    /// Takes a decision down, in one atomic step: of two people one decides and the other is told
    /// so. Who the rule does not name, and who owns the grant of the call (unless the settings
    /// allow it), neither approves nor rejects. Returns the record as decided.
    pub async fn decide_approval(
        &self,
        id: &ApprovalId,
        decision: Decision,
        now: UnixMillis,
    ) -> Result<ApprovalRecord, DecideError> {
        self.decide_as_shown(id, (decision, None), now).await
    }

    /// As [`Store::decide_approval`], of a request as it was shown: where the [`Footing`] of this
    /// tag is not what the deciding transaction finds, nothing is decided.
    ///
    /// # Errors
    /// [`DecideError::Changed`] then, and as [`Store::decide_approval`].
    pub async fn decide_as_shown(
        &self,
        id: &ApprovalId,
        (decision, shown): (Decision, Option<FootingTag>),
        now: UnixMillis,
    ) -> Result<ApprovalRecord, DecideError> {
        self.core().approvals.look(now);
        let id = id.clone();
        self.act(move |tx| {
            footing::check(tx, &id, shown.as_ref(), now)?;
            let record = decide(tx, &id, &decision, now)?;
            let deed = match decision.answer {
                Answer::Approve => Deed::ApproveCall,
                Answer::Reject => Deed::RejectCall,
            };
            let did = tx.did(deed, record.id.as_str(), &record.name)?;
            Ok((record, did))
        })
        .await
    }

    /// What a request stands on at this instant; `None` when there is no such request.
    pub async fn approval_footing(
        &self,
        id: &ApprovalId,
        now: UnixMillis,
    ) -> Result<Option<Footing>, ReadError> {
        let id = id.clone();
        self.read(move |connection| footing::read(connection, &id, now)).await
    }
}

/// Whether an owner, as somebody typed it, is who decides. A person is the same with and without `user:` before the
/// address, in whatever case: records fold addresses (`Email`), whoever types an owner need not.
fn is_owner(owner: &str, by: &str) -> bool {
    let Some(person) = by.strip_prefix("user:") else { return owner == by };
    let owner = owner.to_ascii_lowercase();
    owner.strip_prefix("user:").unwrap_or(&owner) == person
}

const DECIDE: &str = "UPDATE approvals SET state = :state, decided_by = :by, decided_at = :now,
    decided_from = :from, decided_reason = :reason
    WHERE id = :id AND state = 'pending' AND expires_at > :now";

fn decide(
    tx: &Tx<'_>,
    id: &ApprovalId,
    decision: &Decision,
    now: UnixMillis,
) -> Result<ApprovalRecord, DecideError> {
    let mut record = rows::get(tx, id)?.ok_or_else(|| DecideError::NotFound(id.clone()))?;
    if record.state != ApprovalState::Pending {
        return Err(DecideError::AlreadyDecided(Box::new(record)));
    }
    if record.expires_at <= now {
        return Err(DecideError::Expired(id.clone()));
    }
    let roles: Vec<&str> = decision.roles.iter().map(String::as_str).collect();
    // `user:` entries name people as they sign in; records name them with what they are.
    let by = decision.by.as_str();
    let user = by.strip_prefix("user:").unwrap_or(by);
    if !approvers_met(&record.approvers, user, &roles) {
        return Err(DecideError::NotAnApprover);
    }
    if settings::read(tx)?.own_calls == OwnCalls::Refuse
        && grant::owner_of(tx, &record.grant)?.is_some_and(|owner| is_owner(&owner, by))
    {
        return Err(DecideError::OwnGrant);
    }
    record.state = match decision.answer {
        Answer::Approve => ApprovalState::Approved,
        Answer::Reject => ApprovalState::Rejected,
    };
    let changed = tx
        .prepare_cached(DECIDE)
        .and_then(|mut statement| {
            statement.execute(named_params! {
                ":id": id.as_str(),
                ":state": state_word(record.state),
                ":by": decision.by.as_str(),
                ":now": now.0,
                ":from": decision.from,
                ":reason": decision.reason,
            })
        })
        .map_err(ReadError::from)?;
    if changed != 1 {
        return Err(DecideError::Expired(id.clone()));
    }
    tx.bump_approvals().map_err(ReadError::from)?;
    record.decided_by = Some(decision.by.as_str().to_owned());
    record.decided_at = Some(now);
    record.decided_from = Some(decision.from.clone());
    record.decided_reason.clone_from(&decision.reason);
    Ok(record)
}
