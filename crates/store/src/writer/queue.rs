//! The bounded queue between the tasks and the one writer thread.
//!
//! What never lives here: what a job does.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use policy::{ApprovalId, UnixMillis};

use super::change::Change;
use super::ticket::Ticket;
use crate::error::Unavailable;

/// Jobs that wait for the writer, at most; a call that finds the queue full is refused.
pub(crate) const QUEUE_JOBS_MAX: usize = 16_384;
/// The same for outcomes of admitted calls, which there is no refusing any more.
pub(crate) const QUEUE_OUTCOMES_MAX: usize = 65_536;

/// Jobs from which on calls of buffered mode wait for their rows too, so that a writer that falls
/// behind slows them down long before the queue is full and refuses them.
pub(crate) const BACKLOG_JOBS: usize = 4_096;

/// Who waits for an opening row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The call leaves when the row is committed, and is refused when it cannot be.
    Yes,
    /// The call left: the row is tried again until it is written.
    No,
}

/// One piece of work for the writer.
pub(crate) enum Job {
    /// The opening row of a decision, and the approval that it uses.
    Open {
        ticket: Arc<Ticket>,
        record: String,
        time: i64,
        approval: Option<(ApprovalId, UnixMillis)>,
        waits: Waits,
    },
    /// The outcome row of an admitted call.
    Outcome { ticket: Arc<Ticket>, record: String, time: i64 },
    /// A change of stored objects.
    Change(Box<dyn Change>),
}

#[derive(Default)]
struct State {
    jobs: Vec<Job>,
    closed: bool,
    sleeping: bool,
}

/// The queue.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Queue(..)")
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the writer has fallen behind.
    pub(crate) fn has_backlog(&self) -> bool {
        self.state().jobs.len() >= BACKLOG_JOBS
    }

    /// Hands a job to the writer; never waits.
    pub(crate) fn push(&self, job: Job) -> Result<(), Unavailable> {
        let bound = match &job {
            Job::Outcome { .. } => QUEUE_OUTCOMES_MAX,
            Job::Open { .. } | Job::Change(_) => QUEUE_JOBS_MAX,
        };
        let mut state = self.state();
        if state.closed {
            return Err(Unavailable { why: "the store is closed".into() });
        }
        if state.jobs.len() >= bound {
            return Err(Unavailable { why: "the writer's queue is full".into() });
        }
        state.jobs.push(job);
        // The writer looks at the queue again before it sleeps, so it is woken only from sleep.
        let wake = mem::take(&mut state.sleeping);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Takes all jobs, waiting for the first at most `wait`. `false`: the queue is closed and
    /// empty.
    pub(crate) fn take(&self, into: &mut Vec<Job>, wait: Duration) -> bool {
        let mut state = self.state();
        if state.jobs.is_empty() && !state.closed && !wait.is_zero() {
            state.sleeping = true;
            state = self
                .wake
                .wait_timeout_while(state, wait, |state| state.jobs.is_empty() && !state.closed)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.sleeping = false;
        }
        if into.is_empty() {
            mem::swap(into, &mut state.jobs);
        } else {
            into.append(&mut state.jobs);
        }
        !(state.closed && into.is_empty())
    }

    /// No more jobs; those that are queued are done.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }
}
