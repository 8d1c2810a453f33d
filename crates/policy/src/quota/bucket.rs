//! One bucket: what was charged in its window, what came back, and how that is kept as bytes.

use super::log::{Entry, Log, Need};
use super::window::Span;
use super::{Algorithm, Cause, Window};
use crate::time::UnixNanos;

/// The state of one bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bucket {
    /// The window that the latest charge went to. A clock set back stays in it.
    Fixed { start: UnixNanos, end: UnixNanos, used: u64, returned: u64 },
    /// Charges and what answers gave back, over any trailing window.
    Sliding { window: i128, charges: Log, returned: Log },
    /// Calls running now.
    InFlight { used: u64 },
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
                Self::Fixed { start, end, used: 0, returned: 0 }
            }
            (_, Algorithm::Sliding) => Self::Sliding {
                window: window.nanos(),
                charges: Log::default(),
                returned: Log::default(),
            },
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
            // The window is over: the next one begins empty.
            Self::Fixed { end, .. } if now >= *end => Fit::Now,
            Self::Fixed { used, .. } if *used <= room => Fit::Now,
            Self::Fixed { end, .. } => Fit::At(*end),
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
            Self::Fixed { start, end, used, returned } => {
                if now >= *end {
                    let span = window.span(now);
                    (*start, *end, *used, *returned) = (span.start, span.end, 0, 0);
                }
                *used = used.saturating_add(amount);
                Origin::Fixed { start: *start }
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
            (Self::Fixed { start, used, returned, .. }, Origin::Fixed { start: from })
                if *start == from =>
            {
                let units = match cause {
                    Cause::NeverLeft => need.amount,
                    Cause::ServerRefused => {
                        let units = need.amount.min(need.max.saturating_sub(*returned));
                        *returned = returned.saturating_add(units);
                        units
                    }
                };
                *used = used.saturating_sub(units);
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
            (Self::Fixed { .. } | Self::Sliding { .. } | Self::InFlight { .. }, _) => {}
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
            Self::Fixed { end, .. } => Some(*end),
            Self::Sliding { window, charges, returned } => {
                charges.over_at(*window).max(returned.over_at(*window))
            }
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
            Self::Fixed { start, end, used, returned } => {
                bytes.push(FIXED);
                bytes.extend(start.0.to_be_bytes());
                bytes.extend(end.0.to_be_bytes());
                bytes.extend(used.to_be_bytes());
                bytes.extend(returned.to_be_bytes());
            }
            Self::Sliding { window, charges, returned } => {
                bytes.push(SLIDING);
                bytes.extend(window.to_be_bytes());
                for log in [charges, returned] {
                    let len = u32::try_from(log.entries().len()).unwrap_or(u32::MAX);
                    bytes.extend(len.to_be_bytes());
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
            FIXED => Self::Fixed {
                start: take_nanos(&mut rest)?,
                end: take_nanos(&mut rest)?,
                used: take_u64(&mut rest)?,
                returned: take_u64(&mut rest)?,
            },
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
    Some(Log::from_entries(entries))
}
