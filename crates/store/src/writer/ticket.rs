//! One job's fate, as its caller waits for it.
//!
//! What never lives here: the job's content.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::error::Unavailable;

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobError {
    /// The approval was used before, or is over.
    ApprovalGone,
    /// The transaction was not committed.
    Unavailable(Unavailable),
}

#[derive(Debug, Default)]
struct State {
    seq: Option<i64>,
    fate: Option<Result<(), JobError>>,
    waker: Option<Waker>,
}

/// Shared by the caller and the writer: the seq of the audit row that was opened, and whether the
/// job was committed. One allocation for both, because every call makes one.
#[derive(Debug, Default)]
pub(crate) struct Ticket(Mutex<State>);

impl Ticket {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The job was committed, or was not; wakes the caller.
    pub(crate) fn settle(&self, fate: Result<(), JobError>) {
        let mut state = self.state();
        state.fate = Some(fate);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The opening row stands at this position in a transaction that is to be committed; `None`:
    /// the transaction failed.
    pub(crate) fn place(&self, seq: Option<i64>) {
        self.state().seq = seq;
    }

    /// Where the opening row stands.
    pub(crate) fn seq(&self) -> Option<i64> {
        self.state().seq
    }

    /// Waits for the fate.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), JobError>> {
        let mut state = self.state();
        if let Some(fate) = &state.fate {
            return Poll::Ready(fate.clone());
        }
        state.waker = Some(cx.waker().clone());
        Poll::Pending
    }
}
