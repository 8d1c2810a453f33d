//! The log behind a sliding window: amounts and when they came, coalesced so that it never grows without bound.

use crate::time::{NANOS_PER_SECOND, UnixNanos};

/// Most entries of one log. Until then every charge is kept apart and the window is exact.
pub(super) const LOG_ENTRIES_MAX: usize = 1024;
/// When a log is full, neighbours nearer than the window divided by this become one.
const COALESCE_PARTS: i128 = 256;

/// How long an entry is kept after it is over, in nanoseconds, while there is room: a clock set back by less
/// finds everything that counted then.
const KEEP_NANOS: i128 = 60 * NANOS_PER_SECOND;

/// Amounts in the order of their times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    entries: Vec<Entry>,
    /// The time from which on the entries alone say what counts. Before it some that are forgotten would count
    /// as well, so that a clock set back further finds no room.
    floor: UnixNanos,
}

/// One or more amounts; all of them count as if they came last, which refuses more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) first: UnixNanos,
    pub(super) last: UnixNanos,
    pub(super) amount: u64,
}

impl Log {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), floor: UnixNanos(i128::MIN) }
    }

    /// A log as it was stored; the entries stand in order.
    pub(super) fn restore(entries: Vec<Entry>, floor: UnixNanos) -> Self {
        Self { entries, floor }
    }

    pub(super) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub(super) fn floor(&self) -> UnixNanos {
        self.floor
    }

    /// The sum of what came less than `window` before `now`; what lies ahead of `now` counts as well. More than
    /// any limit for a time before the floor.
    pub(super) fn sum(&self, window: i128, now: UnixNanos) -> u64 {
        if now < self.floor {
            return u64::MAX;
        }
        let live = self.entries.iter().rev().take_while(|entry| entry.counts(window, now));
        live.fold(0, |sum, entry| sum.saturating_add(entry.amount))
    }

    /// The earliest time from `now` on when `amount` more would keep the sum at `max` or below.
    pub(super) fn fits_at(&self, need: Need, window: i128, now: UnixNanos) -> Option<UnixNanos> {
        let room = need.max.checked_sub(need.amount)?;
        let now = now.max(self.floor);
        let mut sum = self.sum(window, now);
        if sum <= room {
            return Some(now);
        }
        for entry in self.entries.iter().filter(|entry| entry.counts(window, now)) {
            sum = sum.saturating_sub(entry.amount);
            if sum <= room {
                return Some(UnixNanos(entry.last.0.saturating_add(window)));
            }
        }
        None
    }

    /// Adds an amount and returns the time it counts from: `now`, or the last entry's time where the clock has
    /// been set back.
    pub(super) fn add(&mut self, amount: u64, window: i128, now: UnixNanos) -> UnixNanos {
        self.forget(window, window.saturating_add(KEEP_NANOS.min(window)), now);
        let at = self.entries.last().map_or(now, |entry| entry.last.max(now));
        match self.entries.last_mut() {
            Some(entry) if entry.last == at => entry.amount = entry.amount.saturating_add(amount),
            _ => {
                if self.entries.len() >= LOG_ENTRIES_MAX {
                    self.forget(window, window, now);
                }
                if self.entries.len() >= LOG_ENTRIES_MAX {
                    self.coalesce(window);
                }
                self.entries.push(Entry { first: at, last: at, amount });
            }
        }
        at
    }

    /// Drops the entries that came `age` or longer before `now`, at least a `window`.
    fn forget(&mut self, window: i128, age: i128, now: UnixNanos) {
        let kept_from = self.entries.partition_point(|entry| !entry.counts(age, now));
        if let Some(last) = self.entries.drain(..kept_from).next_back() {
            self.floor = self.floor.max(UnixNanos(last.last.0.saturating_add(window)));
        }
    }

    /// Takes back an amount that came at `at`, if that is still in the log.
    pub(super) fn take_back(&mut self, amount: u64, at: UnixNanos) {
        let place = self.entries.partition_point(|entry| entry.last < at);
        if let Some(entry) = self.entries.get_mut(place).filter(|entry| entry.first <= at) {
            entry.amount = entry.amount.saturating_sub(amount);
        }
    }

    /// When everything in the log is over.
    pub(super) fn over_at(&self, window: i128) -> Option<UnixNanos> {
        let over = self.entries.last().map(|entry| UnixNanos(entry.last.0.saturating_add(window)));
        over.map(|over| over.max(self.floor))
    }

    /// Joins neighbours into the later one. All entries lie within one window of `now` unless the clock was set
    /// back, so some 256 are left; if there are still too many, neighbours are joined whatever their distance.
    fn coalesce(&mut self, window: i128) {
        self.join_within(window / COALESCE_PARTS);
        while self.entries.len() >= LOG_ENTRIES_MAX {
            let pairs = self.entries.chunks(2).filter_map(|pair| {
                let (first, last) = (pair.first()?, pair.last()?);
                let amount =
                    pair.iter().fold(0, |sum: u64, entry| sum.saturating_add(entry.amount));
                Some(Entry { first: first.first, last: last.last, amount })
            });
            self.entries = pairs.collect();
        }
    }

    fn join_within(&mut self, distance: i128) {
        let mut joined: Vec<Entry> = Vec::with_capacity(LOG_ENTRIES_MAX);
        for entry in &self.entries {
            match joined.last_mut() {
                Some(earlier) if entry.last.0 - earlier.first.0 <= distance => {
                    earlier.last = entry.last;
                    earlier.amount = earlier.amount.saturating_add(entry.amount);
                }
                _ => joined.push(*entry),
            }
        }
        self.entries = joined;
    }
}

/// What a limit asks of a log.
#[derive(Debug, Clone, Copy)]
pub(super) struct Need {
    pub(super) max: u64,
    pub(super) amount: u64,
}

impl Entry {
    /// A charge counts while less than the window has passed since (POLICY section 5).
    fn counts(&self, window: i128, now: UnixNanos) -> bool {
        now.0.saturating_sub(self.last.0) < window
    }
}
