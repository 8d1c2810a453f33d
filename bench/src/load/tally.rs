//! What has been counted so far: right answers with their latency, refusals, errors, and the phase of
//! the measurement.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use hdrhistogram::Histogram;

use super::Found;
use crate::clock;
use crate::message::{FIRST_ID, Fault};

/// The longest latency that is told apart from longer ones, in nanoseconds.
const LATENCY_NANOS_MAX: u64 = 60_000_000_000;
/// Decimal digits to which a latency is kept.
const LATENCY_DIGITS: u8 = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Warming,
    Measuring,
    Over,
}

/// The counts of one run.
#[derive(Debug)]
pub(super) struct Tally {
    phase: Cell<Phase>,
    latencies: RefCell<Histogram<u64>>,
    answers: Cell<u64>,
    denied: Cell<u64>,
    errors: Cell<u64>,
    first_problem: RefCell<Option<String>>,
    id: Cell<u64>,
}

impl Tally {
    /// Nothing yet.
    ///
    /// # Errors
    /// When there is no memory for the latencies.
    pub(super) fn new() -> Result<Self, String> {
        let latencies = Histogram::new_with_bounds(1, LATENCY_NANOS_MAX, LATENCY_DIGITS)
            .map_err(|error| error.to_string())?;
        Ok(Self {
            phase: Cell::new(Phase::Warming),
            latencies: RefCell::new(latencies),
            answers: Cell::new(0),
            denied: Cell::new(0),
            errors: Cell::new(0),
            first_problem: RefCell::new(None),
            id: Cell::new(FIRST_ID),
        })
    }

    /// An id that no request of this run has had.
    pub(super) fn next_id(&self) -> u64 {
        let id = self.id.get();
        self.id.set(id.saturating_add(1));
        id
    }

    /// The measured time begins.
    pub(super) fn begin(&self) {
        self.phase.set(Phase::Measuring);
    }

    /// The measured time ends; how many right answers came in it.
    pub(super) fn end(&self) -> u64 {
        self.phase.set(Phase::Over);
        self.answers.get()
    }

    /// Whether nothing has happened in the measured time so far.
    pub(super) fn is_empty(&self) -> bool {
        self.answers.get() + self.denied.get() + self.errors.get() == 0
    }

    pub(super) fn is_measuring(&self) -> bool {
        self.phase.get() == Phase::Measuring
    }

    pub(super) fn is_over(&self) -> bool {
        self.phase.get() == Phase::Over
    }

    /// A right answer to a call that began, or was to begin, at `from`. Its latency is kept when the
    /// call counts; of calls in a closed loop those count that end in the measured time.
    pub(super) fn right(&self, from: Instant, counts: bool) {
        let measuring = self.is_measuring();
        if measuring {
            self.answers.set(self.answers.get().saturating_add(1));
        }
        if counts && self.phase.get() != Phase::Warming {
            self.latencies.borrow_mut().saturating_record(clock::nanos(from.elapsed()));
        }
    }

    /// Something else than a right answer.
    pub(super) fn note(&self, fault: &Fault) {
        let (count, text) = match fault {
            Fault::Denied(text) => (&self.denied, text),
            Fault::Wrong(text) => (&self.errors, text),
        };
        count.set(count.get().saturating_add(1));
        self.first_problem.borrow_mut().get_or_insert_with(|| text.clone());
    }

    /// Fills in what was counted.
    pub(super) fn report(&self, found: &mut Found) {
        let latencies = self.latencies.borrow();
        let at = |quantile| clock::real(latencies.value_at_quantile(quantile)) / 1000.0;
        found.p50_us = at(0.5);
        found.p99_us = at(0.99);
        found.p999_us = at(0.999);
        found.denied = self.denied.get();
        found.errors = self.errors.get();
        found.first_problem.clone_from(&self.first_problem.borrow());
    }
}

#[cfg(test)]
#[path = "tally_tests.rs"]
mod tests;
