//! One bucket: what was charged in its window, what came back, and how that is kept as bytes.

use super::log::{Entry, Log, Need};
use super::window::Span;
use super::{Algorithm, Cause, Window};
use crate::time::UnixNanos;

/// The state of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bucket {
    /// The latest window that was charged, and what a clock set back must know of those before.
    Fixed(Fixed),
    /// Charges and what answers gave back, over any trailing window.
    Sliding { window: i128, charges: Log, returned: Log },
    /// Calls running now.
    InFlight { used: u64 },
}

/// A fixed window: the high-water mark of its bucket.
///
/// While the clock stands before `start`, charges go to this window and must fit beside `earlier`, so that no
/// window that was ever used takes more than its limit, however often the clock is set back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fixed {
    start: UnixNanos,
    end: UnixNanos,
    used: u64,
    /// What answers gave back.
    returned: u64,
    /// The part of `used` that was charged while the clock stood before `start`.
    behind: u64,
    /// No earlier window took more than this.
    earlier: u64,
}

/// Where a charge went, to find it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Fixed { start: UnixNanos },
    Sliding { at: UnixNanos },
    InFlight,
}

/// When a call would fit a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fit {
    Now,
    At(UnixNanos),
    /// Never, or when a running call ends, which nobody knows.
    Unknown,
}

impl Bucket {
    /// An unused bucket.
    pub(super) fn new(window: Window, algorithm: Algorithm, now: UnixNanos) -> Self {
        match (window, algorithm) {
            (Window::InFlight, _) => Self::InFlight { used: 0 },
            (_, Algorithm::Fixed) => {
                let Span { start, end } = window.span(now);
                Self::Fixed(Fixed { start, end, used: 0, returned: 0, behind: 0, earlier: 0 })
            }
            (_, Algorithm::Sliding) => {
                Self::Sliding { window: window.nanos(), charges: Log::new(), returned: Log::new() }
            }
        }
    }

    /// When `amount` more would keep this bucket at `max` or below. Nothing always fits.
    pub(super) fn fit(&self, need: Need, window: Window, now: UnixNanos) -> Fit {
        if need.amount == 0 {
            return Fit::Now;
        }
        if need.amount > need.max {
            return Fit::Unknown;
        }
        let room = need.max - need.amount;
        match self {
            Self::InFlight { used } if *used <= room => Fit::Now,
            Self::InFlight { .. } => Fit::Unknown,
            Self::Fixed(fixed) => fixed.fit(room, now),
            Self::Sliding { charges, .. } => match charges.fits_at(need, window.nanos(), now) {
                Some(at) if at <= now => Fit::Now,
                Some(at) => Fit::At(at),
                None => Fit::Unknown,
            },
        }
    }

    /// Charges an amount that fits.
    pub(super) fn charge(&mut self, amount: u64, window: Window, now: UnixNanos) -> Origin {
        match self {
            Self::InFlight { used } => {
                *used = used.saturating_add(amount);
                Origin::InFlight
            }
            Self::Fixed(fixed) => {
                fixed.charge(amount, window, now);
                Origin::Fixed { start: fixed.start }
            }
            Self::Sliding { window, charges, .. } => {
                Origin::Sliding { at: charges.add(amount, *window, now) }
            }
        }
    }

    /// Gives a charge back to the window it came from, if that is still this one. Answers of the server give
    /// back at most `max` in a window (POLICY section 5, rule 3).
    pub(super) fn give_back(&mut self, origin: Origin, need: Need, cause: Cause, now: UnixNanos) {
        match (self, origin) {
            (Self::Fixed(fixed), Origin::Fixed { start }) if fixed.start == start => {
                let units = match cause {
                    Cause::NeverLeft => need.amount,
                    Cause::ServerRefused => {
                        let units = need.amount.min(need.max.saturating_sub(fixed.returned));
                        fixed.returned = fixed.returned.saturating_add(units);
                        units
                    }
                };
                fixed.used = fixed.used.saturating_sub(units);
            }
            (Self::Sliding { window, charges, returned }, Origin::Sliding { at }) => {
                let units = match cause {
                    Cause::NeverLeft => need.amount,
                    Cause::ServerRefused => {
                        let left = need.max.saturating_sub(returned.sum(*window, now));
                        let units = need.amount.min(left);
                        if units > 0 {
                            returned.add(units, *window, now);
                        }
                        units
                    }
                };
                charges.take_back(units, at);
            }
            // The window is over, or the charge is one that ends with its call.
            (Self::Fixed(_) | Self::Sliding { .. } | Self::InFlight { .. }, _) => {}
        }
    }

    /// The call ended.
    pub(super) fn end(&mut self, amount: u64) {
        if let Self::InFlight { used } = self {
            *used = used.saturating_sub(amount);
        }
    }

    /// True for a count of running calls, which is never stored.
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self, Self::InFlight { .. })
    }

    /// From when on nothing in this bucket matters; `None` if nothing does already.
    pub(super) fn over_at(&self) -> Option<UnixNanos> {
        match self {
            Self::InFlight { used: 0 } => None,
            Self::InFlight { .. } => Some(UnixNanos(i128::MAX)),
            Self::Fixed(fixed) => Some(fixed.end),
            Self::Sliding { window, charges, returned } => {
                charges.over_at(*window).max(returned.over_at(*window))
            }
        }
    }
}

impl Fixed {
    fn fit(&self, room: u64, now: UnixNanos) -> Fit {
        // The window is over: the next one begins empty.
        if now >= self.end {
            return Fit::Now;
        }
        let behind = now < self.start;
        let counted = self.used.saturating_add(if behind { self.earlier } else { 0 });
        if counted <= room {
            Fit::Now
        } else if behind && self.used <= room {
            Fit::At(self.start)
        } else {
            Fit::At(self.end)
        }
    }

    fn charge(&mut self, amount: u64, window: Window, now: UnixNanos) {
        if now >= self.end {
            let Span { start, end } = window.span(now);
            let earlier = self.earlier.saturating_add(self.behind).max(self.used);
            *self = Self { start, end, used: 0, returned: 0, behind: 0, earlier };
        }
        self.used = self.used.saturating_add(amount);
        if now < self.start {
            self.behind = self.behind.saturating_add(amount);
        }
    }
}

/// First byte of a stored fixed window.
const FIXED: u8 = 1;
/// First byte of a stored sliding window.
const SLIDING: u8 = 2;

/// Kept as a tag byte and big-endian integers; nothing for a count of running calls.
impl Bucket {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self {
            Self::InFlight { .. } => {}
            Self::Fixed(Fixed { start, end, used, returned, behind, earlier }) => {
                bytes.push(FIXED);
                bytes.extend(start.0.to_be_bytes());
                bytes.extend(end.0.to_be_bytes());
                for units in [used, returned, behind, earlier] {
                    bytes.extend(units.to_be_bytes());
                }
            }
            Self::Sliding { window, charges, returned } => {
                bytes.push(SLIDING);
                bytes.extend(window.to_be_bytes());
                for log in [charges, returned] {
                    let len = u32::try_from(log.entries().len()).unwrap_or(u32::MAX);
                    bytes.extend(len.to_be_bytes());
                    bytes.extend(log.floor().0.to_be_bytes());
                    for entry in log.entries() {
                        bytes.extend(entry.first.0.to_be_bytes());
                        bytes.extend(entry.last.0.to_be_bytes());
                        bytes.extend(entry.amount.to_be_bytes());
                    }
                }
            }
        }
        bytes
    }

    /// `None` for bytes that [`Bucket::encode`] does not write.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (tag, rest) = bytes.split_first()?;
        let mut rest = rest;
        let bucket = match *tag {
            FIXED => Self::Fixed(Fixed {
                start: take_nanos(&mut rest)?,
                end: take_nanos(&mut rest)?,
                used: take_u64(&mut rest)?,
                returned: take_u64(&mut rest)?,
                behind: take_u64(&mut rest)?,
                earlier: take_u64(&mut rest)?,
            }),
            SLIDING => Self::Sliding {
                window: take_nanos(&mut rest)?.0,
                charges: take_log(&mut rest)?,
                returned: take_log(&mut rest)?,
            },
            _ => return None,
        };
        rest.is_empty().then_some(bucket)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (bytes, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*bytes)
}

fn take_nanos(rest: &mut &[u8]) -> Option<UnixNanos> {
    take(rest).map(i128::from_be_bytes).map(UnixNanos)
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_be_bytes)
}

fn take_log(rest: &mut &[u8]) -> Option<Log> {
    let len = take(rest).map(u32::from_be_bytes)?;
    let floor = take_nanos(rest)?;
    let mut entries: Vec<Entry> = Vec::new();
    for _ in 0..len {
        let first = take_nanos(rest)?;
        let last = take_nanos(rest)?;
        let in_order = first <= last && entries.last().is_none_or(|earlier| earlier.last <= first);
        if !in_order {
            return None;
        }
        entries.push(Entry { first, last, amount: take_u64(rest)? });
    }
    Some(Log::restore(entries, floor))
}
