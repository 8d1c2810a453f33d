//! Calls at a fixed rate: a schedule of times that does not depend on when answers come. A call that
//! finds no free connection waits, and the wait is a part of its latency.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::Semaphore;

use super::tally::Tally;
use crate::clock;

/// How many calls may be due and not begun before the rate counts as too high.
const DUE_MAX: usize = 50_000;

/// A call that is due.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slot {
    /// When it is to begin.
    pub(super) at: Instant,
    /// Whether that is in the measured time.
    pub(super) counts: bool,
}

/// Hands calls to whichever connection is free.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    due: RefCell<VecDeque<Slot>>,
    /// One permit for each slot in the queue; closed when no more will come.
    ready: Semaphore,
    late: Cell<bool>,
}

impl Schedule {
    /// So many calls a second.
    ///
    /// # Errors
    /// When that is no rate.
    pub(super) fn new(rate: f64) -> Result<Self, String> {
        let bad = || format!("{rate} calls a second is no rate");
        if !(0.1..=1_000_000.0).contains(&rate) {
            return Err(bad());
        }
        let interval = Duration::try_from_secs_f64(1.0 / rate).map_err(|_range| bad())?;
        let due = RefCell::new(VecDeque::new());
        Ok(Self { interval, due, ready: Semaphore::new(0), late: Cell::new(false) })
    }

    /// Lets calls become due until the measurement is over.
    ///
    /// # Errors
    /// When the system has no timer.
    pub(super) async fn run(&self, tally: &Tally) -> Result<(), String> {
        let outcome = self.tick(tally).await.map_err(|error| format!("no timer: {error}"));
        // A connection that waits now waits for nothing; what is due already is still called.
        self.ready.add_permits(Semaphore::MAX_PERMITS / 2);
        outcome
    }

    async fn tick(&self, tally: &Tally) -> std::io::Result<()> {
        let mut at = clock::now();
        // A timer is read as a pipe is: it becomes readable, and a read takes what is there.
        let mut timer = Receiver::from_owned_fd_unchecked(timer(self.interval)?)?;
        while !tally.is_over() {
            for _ in 0..timer.read_u64_le().await?.to_le() {
                at += self.interval;
                self.add(Slot { at, counts: tally.is_measuring() });
            }
        }
        Ok(())
    }

    fn add(&self, slot: Slot) {
        let mut due = self.due.borrow_mut();
        if due.len() >= DUE_MAX {
            self.late.set(true);
            return;
        }
        due.push_back(slot);
        self.ready.add_permits(1);
    }

    /// Waits for the next call; nothing when there will be none.
    pub(super) async fn next(&self) -> Option<Slot> {
        self.ready.acquire().await.ok()?.forget();
        self.due.borrow_mut().pop_front()
    }

    /// Whether calls had to be left out.
    pub(super) fn is_late(&self) -> bool {
        self.late.get()
    }
}

/// A timer that expires at every interval. Tokio's own tells milliseconds apart, which is longer than
/// a call takes.
fn timer(interval: Duration) -> std::io::Result<OwnedFd> {
    let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
    let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
    let each = Timespec::try_from(interval).map_err(std::io::Error::other)?;
    let times = Itimerspec { it_interval: each, it_value: each };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &times)?;
    Ok(timer)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
