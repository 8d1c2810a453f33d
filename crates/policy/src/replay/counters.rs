//! Counters of a replay: what was certainly charged, and what may have been.
//!
//! Two sets of buckets. The lower one takes the calls that certainly went on and gives back whatever may have come
//! back; the upper one takes every call that may have gone on and gives back only what certainly came back. The truth
//! lies between them, so a limit that is full in the lower one was full, and one with room in the upper one had room.

use std::collections::BTreeMap;

use smallvec::SmallVec;

use super::lens::UNKNOWN_AMOUNT;
use super::{Ended, Returned, Runs, Start};
use crate::{Buckets, Cause, Charge, Micro, Receipt, ScopeIds, UnixMillis, UnixNanos};

/// Clock ticks by which a recorded end may be early: it is the sum of two times that were rounded down.
const END_ROUNDING_MS: i64 = 2;
/// How long a call whose end nobody knows counts as running, in milliseconds.
const RUNNING_MS_MAX: i64 = 3_600_000;

/// Whether a call finds room in all its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Certainly.
    Yes,
    /// Perhaps not: the first limit that may be full.
    Maybe(usize),
    /// Certainly not: the first limit that is full.
    None(usize),
}

#[derive(Debug)]
pub(super) struct Counters {
    start: Start,
    lower: Side,
    upper: Side,
}

/// One set of buckets, with the calls that still run.
#[derive(Debug, Default)]
struct Side {
    buckets: Buckets,
    /// By the end of the call, and a number that tells those of one instant apart.
    running: BTreeMap<(i64, u64), (Receipt, Option<Cause>)>,
    ever: u64,
}

impl Side {
    fn pass_to(&mut self, now: UnixMillis) {
        let later = self.running.split_off(&(now.0.saturating_add(1), 0));
        for ((at, _), (receipt, cause)) in std::mem::replace(&mut self.running, later) {
            if let Some(cause) = cause {
                self.buckets.give_back(&receipt, cause, UnixMillis(at));
            }
            self.buckets.end(&receipt);
        }
    }

    fn ends(&mut self, at: i64, receipt: Receipt, cause: Option<Cause>) {
        self.ever = self.ever.saturating_add(1);
        self.running.insert((at, self.ever), (receipt, cause));
    }
}

type Charges = SmallVec<[Charge; 2]>;

/// The same charges with another amount in the place of one that is not known.
fn with_unknown(charges: &[Charge], amount: Micro) -> Charges {
    let known = |charge: &Charge| match charge.amount {
        UNKNOWN_AMOUNT => Charge { amount, ..charge.clone() },
        Micro(_) => charge.clone(),
    };
    charges.iter().map(known).collect()
}

impl Counters {
    pub(super) fn new(start: Start) -> Self {
        Self { start, lower: Side::default(), upper: Side::default() }
    }

    /// Ends the calls that ended before `now`.
    pub(super) fn pass_to(&mut self, now: UnixMillis) {
        self.lower.pass_to(now);
        self.upper.pass_to(UnixMillis(now.0.saturating_sub(END_ROUNDING_MS)));
    }

    pub(super) fn room(&self, charges: &[Charge], ids: &ScopeIds<'_>, now: UnixMillis) -> Room {
        if let Err(full) = self.lower.buckets.check(&with_unknown(charges, Micro(0)), ids, now) {
            return Room::None(full.index);
        }
        if let Err(full) = self.upper.buckets.check(charges, ids, now) {
            return Room::Maybe(full.index);
        }
        let unknown = charges.iter().position(|charge| !self.knows(charge, now));
        unknown.map_or(Room::Yes, Room::Maybe)
    }

    /// Whether everything that counts in the charge's window was replayed. What never was charged has no room either.
    fn knows(&self, charge: &Charge, now: UnixMillis) -> bool {
        match self.start {
            Start::Empty => true,
            Start::Unknown(since) => {
                let at = (charge.algorithm, UnixNanos::from(now));
                charge.amount.0 == 0 || charge.window.begins_after(since.into(), at)
            }
        }
    }

    /// Charges a call that goes on, or may, until it ends.
    pub(super) fn charge(
        &mut self,
        (charges, runs): (&[Charge], Runs),
        ids: &ScopeIds<'_>,
        (now, ended): (UnixMillis, Option<Ended>),
    ) {
        if charges.is_empty() || runs == Runs::No {
            return;
        }
        let returned = ended.map_or(Returned::No, |ended| ended.returned);
        let end = ended.and_then(|ended| ended.at).map(|at| at.0);
        if runs == Runs::Yes {
            let charges = with_unknown(charges, Micro(0));
            // What has room is charged; the room was asked for just now.
            if let Ok(receipt) = self.lower.buckets.charge(&charges, ids, now) {
                let cause = match returned {
                    Returned::No => None,
                    Returned::NeverLeft | Returned::Unknown => Some(Cause::NeverLeft),
                    Returned::Refused => Some(Cause::ServerRefused),
                };
                self.lower.ends(end.unwrap_or(now.0), receipt, cause);
            }
        }
        let receipt = self.upper.buckets.charge_anyway(charges, ids, now);
        // What is not known is never taken back, or more than it would be.
        if charges.iter().all(|charge| charge.amount != UNKNOWN_AMOUNT) {
            let cause = match (returned, runs) {
                (Returned::NeverLeft, Runs::Yes) => Some(Cause::NeverLeft),
                (Returned::Refused, Runs::Yes) => Some(Cause::ServerRefused),
                _ => None,
            };
            let end = end.unwrap_or_else(|| now.0.saturating_add(RUNNING_MS_MAX));
            self.upper.ends(end, receipt, cause);
        }
    }
}
