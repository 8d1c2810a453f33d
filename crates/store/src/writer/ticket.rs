//! One job's fate, as its caller waits for it.
//!
//! What never lives here: the job's content.

use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

use crate::error::Unavailable;
use crate::sync::{Mutex, MutexGuard};

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobError {
    /// The approval was used before, or is over.
    ApprovalGone,
    /// The transaction was not committed.
    Unavailable(Unavailable),
}

/// Callers whose jobs are done and who are not woken yet. Waking a task from another thread costs
/// a system call, from its own runtime none: so the writer wakes one of them, and that one wakes the
/// others. Where it does not come to that, because it is gone or sleeps on, the writer does it a
/// moment later.
#[derive(Debug, Default)]
pub(crate) struct Wakes(Mutex<Vec<Waker>>);

impl Wakes {
    fn waiting(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The writer's part: wakes one of them and leaves the others to it.
    pub(crate) fn hand_on(&self, mut wakers: Vec<Waker>) {
        let first = wakers.pop();
        if !wakers.is_empty() {
            self.waiting().append(&mut wakers);
        }
        if let Some(first) = first {
            first.wake();
        }
    }

    /// Wakes all that are left.
    pub(crate) fn wake_all(&self) {
        let wakers = std::mem::take(&mut *self.waiting());
        for waker in wakers {
            waker.wake();
        }
    }

    /// Whether some are left.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting().is_empty()
    }
}

/// Held while a caller waits: if it goes away instead, the others are woken all the same.
#[derive(Debug)]
pub(crate) struct WakesOthers<'a>(pub(crate) &'a Wakes);

impl Drop for WakesOthers<'_> {
    fn drop(&mut self) {
        self.0.wake_all();
    }
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

    /// The job was committed, or was not. Gives back what wakes the caller, if it waits.
    #[must_use = "the caller sleeps until it is woken"]
    pub(crate) fn settle(&self, fate: Result<(), JobError>) -> Option<Waker> {
        let mut state = self.state();
        state.fate = Some(fate);
        state.waker.take()
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

    /// Waits for the fate, and passes on that others know theirs, too.
    pub(crate) fn poll(&self, cx: &mut Context<'_>, wakes: &Wakes) -> Poll<Result<(), JobError>> {
        let mut state = self.state();
        if let Some(fate) = &state.fate {
            let fate = fate.clone();
            drop(state);
            wakes.wake_all();
            return Poll::Ready(fate);
        }
        if !state.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            state.waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}
