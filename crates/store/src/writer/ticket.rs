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
    end: End,
    fate: Option<Result<(), JobError>>,
    waker: Option<Waker>,
}

/// What is known of the call's end when its opening row is written.
#[derive(Debug, Default)]
enum End {
    /// It runs, and its row waits to be written.
    #[default]
    Ahead,
    /// It ended before its row was written, and this is its outcome's record.
    Came(String),
    /// Its row is written, or being written: the outcome has a row of its own.
    TooLate,
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

    /// The call ended. Gives the outcome's record back if it is to be written in a row of its own.
    pub(crate) fn end(&self, record: String) -> Result<(), String> {
        let mut state = self.state();
        match state.end {
            End::Ahead => {
                state.end = End::Came(record);
                Ok(())
            }
            End::Came(_) | End::TooLate => Err(record),
        }
    }

    /// The opening row is being written now: the outcome's record, if the call ended.
    pub(crate) fn take_end(&self) -> Option<String> {
        match std::mem::replace(&mut self.state().end, End::TooLate) {
            End::Came(record) => Some(record),
            End::Ahead | End::TooLate => None,
        }
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
