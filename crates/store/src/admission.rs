//! The store's part in the way of a call: charge, use the approval, open the audit row; later close
//! it. Memory first, then one job for the writer.
//!
//! What never lives here: SQL, decisions.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use policy::{ApprovalId, Cause, Charge, Exceeded, Receipt, ScopeIds, UnixMillis};
use thiserror::Error;

use crate::approval::Taken;
use crate::audit::{AuditOpen, AuditOutcome, Leaves};
use crate::error::Unavailable;
use crate::failpoint::{Place, reached};
use crate::store::{AuditMode, Core, Health, Store};
use crate::writer::{Job, JobError, Ticket, Waits, WakesOthers};

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

/// The wait for a call's admission. Dropping it before it is ready gives the charges back, keeps
/// the approval used, and closes the audit row as `not_sent`.
#[derive(Debug)]
#[must_use = "nothing is admitted until this is awaited"]
pub struct Admission(Progress);

#[derive(Debug)]
enum Progress {
    Refused(AdmitError),
    Waiting(Admitted),
    Admitted(Admitted),
    Over,
}

impl Future for Admission {
    type Output = Result<Admitted, AdmitError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let fate = match &self.0 {
            Progress::Waiting(admitted) => match admitted.ticket.poll(cx, &admitted.core.wakes) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(fate) => fate,
            },
            Progress::Refused(_) | Progress::Admitted(_) | Progress::Over => Ok(()),
        };
        Poll::Ready(match std::mem::replace(&mut self.0, Progress::Over) {
            Progress::Refused(error) => Err(error),
            Progress::Waiting(admitted) => admitted.settled(fate),
            Progress::Admitted(mut admitted) => {
                admitted.stage = Stage::Left;
                Ok(admitted)
            }
            Progress::Over => Err(AdmitError::AuditUnavailable(Unavailable {
                why: "an admission was awaited twice".into(),
            })),
        })
    }
}

/// How far an admitted call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// It certainly did not leave.
    Here,
    /// It may have left.
    Left,
    /// Nothing is to be done for it any more.
    Closed,
}

/// A call that was admitted: charged, its approval used, its audit row open. To be closed when the
/// call ended; dropped without that, its `in_flight` charges end, the other charges stay, and the
/// audit row is closed as `abandoned`.
#[derive(Debug)]
#[must_use = "an admitted call is closed when it ended"]
pub struct Admitted {
    core: Arc<Core>,
    ticket: Arc<Ticket>,
    receipt: Option<Receipt>,
    began_at: UnixMillis,
    stage: Stage,
}

impl Admitted {
    /// The call ended: writes its outcome row, ends its `in_flight` charges, and gives the others
    /// back where `give_back` says that the call did not run. Never waits.
    pub fn close(mut self, outcome: &AuditOutcome<'_>, give_back: Option<Cause>, now: UnixMillis) {
        self.finish(outcome, give_back, now);
    }

    /// The position of its opening row in the audit log; `None` while that is not on disk.
    pub fn audit_seq(&self) -> Option<i64> {
        self.ticket.seq()
    }

    fn finish(&mut self, outcome: &AuditOutcome<'_>, give_back: Option<Cause>, now: UnixMillis) {
        self.stage = Stage::Closed;
        self.release(give_back, now);
        // While its opening row is not written, one row takes both.
        let Err(record) = self.ticket.end(outcome.to_record(now)) else { return };
        let job = Job::Outcome { ticket: Arc::clone(&self.ticket), record, time: now.0 };
        if let Err(unavailable) = self.core.queue.push(job) {
            tracing::error!(why = %unavailable.why, "an audit outcome is lost; it reads as unknown");
        }
    }

    fn release(&mut self, give_back: Option<Cause>, now: UnixMillis) {
        if let Some(receipt) = self.receipt.take() {
            let mut buckets = self.core.buckets();
            if let Some(cause) = give_back {
                buckets.give_back(&receipt, cause, now);
            }
            buckets.end(&receipt);
        }
    }

    /// The writer spoke.
    fn settled(mut self, fate: Result<(), JobError>) -> Result<Admitted, AdmitError> {
        match fate {
            Ok(()) => {
                self.stage = Stage::Left;
                Ok(self)
            }
            Err(error) => Err(self.undo(error)),
        }
    }

    /// Nothing was written: takes the charges back. The approval is the writer's to free.
    fn undo(&mut self, error: JobError) -> AdmitError {
        self.stage = Stage::Closed;
        let limited = self.receipt.is_some();
        let now = self.began_at;
        self.release(Some(Cause::NeverLeft), now);
        match error {
            JobError::ApprovalGone => AdmitError::ApprovalGone,
            JobError::Unavailable(unavailable) if limited => {
                AdmitError::StoreUnavailable(unavailable)
            }
            JobError::Unavailable(unavailable) => AdmitError::AuditUnavailable(unavailable),
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let now = self.began_at;
        match self.stage {
            Stage::Closed => {}
            Stage::Here => {
                self.core.wakes.wake_all();
                let outcome = AuditOutcome { outcome: "not_sent", ..AuditOutcome::default() };
                self.finish(&outcome, Some(Cause::NeverLeft), now);
            }
            Stage::Left => {
                let outcome = AuditOutcome { outcome: "abandoned", ..AuditOutcome::default() };
                self.finish(&outcome, None, now);
            }
        }
    }
}

impl Core {
    fn charge(&self, request: &AdmitRequest<'_>) -> Result<Option<Receipt>, Exceeded> {
        if request.charges.is_empty() {
            return Ok(None);
        }
        self.buckets().charge(request.charges, &request.scope, request.now).map(Some)
    }

    /// Whether a row must be on disk before its call goes on.
    fn waits(&self, durable: Durable) -> Waits {
        let must = self.audit_mode == AuditMode::Durable || durable == Durable::Yes;
        if must || self.is_failing() || self.queue.has_backlog() { Waits::Yes } else { Waits::No }
    }

    fn why_failing(&self) -> Option<Unavailable> {
        match self.health() {
            Health::Good => None,
            Health::Failing { why } => Some(Unavailable { why }),
        }
    }
}

/// Whether something must survive a crash in either mode: a window of an hour, an approval used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Durable {
    Yes,
    No,
}

impl Store {
    /// Admits a call: all charges or none, the approval, the opening audit row. Durable mode: ready
    /// when all of it is on disk. Buffered mode: ready at once, unless a charged window is of an
    /// hour or longer, an approval is used, the writer has fallen behind, or the database is
    /// failing. The work up to the queue is done before this returns.
    pub fn admit(&self, request: &AdmitRequest<'_>) -> Admission {
        Admission(match self.try_admit(request) {
            Ok(progress) => progress,
            Err(error) => Progress::Refused(error),
        })
    }

    fn try_admit(&self, request: &AdmitRequest<'_>) -> Result<Progress, AdmitError> {
        let core = self.core();
        if !core.serves() {
            let why = "this process does not serve: it cannot admit calls".into();
            return Err(AdmitError::StoreUnavailable(Unavailable { why }));
        }
        if let Some(id) = request.approval
            && !core.approvals.take(id, request.now)
        {
            return Err(AdmitError::ApprovalGone);
        }
        let free_approval = || {
            if let Some(id) = request.approval {
                core.approvals.taken(id, Taken::NotAtAll);
            }
        };
        let receipt = core.charge(request).map_err(|exceeded| {
            free_approval();
            // Whether the store can be written is asked before whether there is room (POLICY
            // section 6, step 6).
            core.why_failing().map_or(AdmitError::Exceeded(exceeded), AdmitError::StoreUnavailable)
        })?;
        reached(Place::Charged);
        let durable =
            request.approval.is_some() || receipt.as_ref().is_some_and(|receipt| receipt.durable);
        let waits = core.waits(if durable { Durable::Yes } else { Durable::No });
        let mut admitted = Admitted {
            core: Arc::clone(core),
            ticket: Arc::default(),
            receipt,
            began_at: request.now,
            stage: Stage::Here,
        };
        let job = Job::Open {
            ticket: Arc::clone(&admitted.ticket),
            record: request.open.to_record(Leaves::Yes, request.now),
            ended: None,
            time: request.now.0,
            approval: request.approval.map(|id| (id.clone(), request.now)),
            waits,
        };
        if let Err(unavailable) = core.queue.push(job) {
            free_approval();
            return Err(admitted.undo(JobError::Unavailable(unavailable)));
        }
        reached(Place::Queued);
        Ok(match waits {
            Waits::Yes => Progress::Waiting(admitted),
            Waits::No => Progress::Admitted(admitted),
        })
    }

    /// Asks whether all limits have room, charging nothing (for a call that is to be held).
    pub fn check_limits(
        &self,
        charges: &[Charge],
        scope: &ScopeIds<'_>,
        now: UnixMillis,
    ) -> Result<(), CheckError> {
        if charges.is_empty() {
            return Ok(());
        }
        if let Some(unavailable) = self.core().why_failing() {
            return Err(CheckError::StoreUnavailable(unavailable));
        }
        Ok(self.core().buckets().check(charges, scope, now)?)
    }

    /// Writes the one audit row of a call that does not leave: a deny, a hold, a rejected message.
    /// Durable mode: on disk when this is ready.
    pub async fn record(&self, row: &AuditOpen<'_>, now: UnixMillis) -> Result<(), Unavailable> {
        let ticket: Arc<Ticket> = Arc::default();
        let waits = self.core().waits(Durable::No);
        self.core().queue.push(Job::Open {
            ticket: Arc::clone(&ticket),
            record: row.to_record(Leaves::No, now),
            ended: None,
            time: now.0,
            approval: None,
            waits,
        })?;
        if waits == Waits::No {
            return Ok(());
        }
        let _others = WakesOthers(&self.core().wakes);
        std::future::poll_fn(|cx| ticket.poll(cx, &self.core().wakes)).await.map_err(|error| {
            match error {
                JobError::Unavailable(unavailable) => unavailable,
                JobError::ApprovalGone => Unavailable { why: "an approval is gone".into() },
            }
        })
    }
}
