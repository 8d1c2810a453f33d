//! Windows: calendar (UTC), whole seconds aligned to the epoch, and calls in flight. No counting.

use std::fmt;

use super::Algorithm;
use crate::time::{NANOS_PER_SECOND, UnixNanos};

/// Longest window in seconds.
pub(crate) const WINDOW_SECONDS_MAX: u32 = 31_536_000;

const MINUTE_SECONDS: i128 = 60;
const HOUR_SECONDS: i128 = 3_600;
const DAY_SECONDS: i128 = 86_400;
const WEEK_SECONDS: i128 = 7 * DAY_SECONDS;
/// The epoch was a Thursday: its week began three days earlier.
const MONDAY_BEFORE_EPOCH_SECONDS: i128 = -3 * DAY_SECONDS;
/// The longest month: what a sliding month would be, if the language had one.
const MONTH_SECONDS_MAX: i128 = 31 * DAY_SECONDS;

/// A window as written: `"minute"` is not 60 (POLICY section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// `"second"`
    Second,
    /// `"minute"`
    Minute,
    /// `"hour"`
    Hour,
    /// `"day"`, UTC
    Day,
    /// `"week"`, UTC, from Monday
    Week,
    /// `"month"`, UTC
    Month,
    /// Whole seconds, 1..=31,536,000, aligned to the epoch.
    Seconds(u32),
    /// `"in_flight"`: calls running now.
    InFlight,
}

/// A stretch of time: from `start`, and before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) start: UnixNanos,
    pub(super) end: UnixNanos,
}

impl Window {
    /// The words of `window`.
    pub const NAMES: [&'static str; 7] =
        ["second", "minute", "hour", "day", "week", "month", "in_flight"];

    /// The window with this name, `"in_flight"` among them.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "in_flight" => Self::InFlight,
            _ => return None,
        })
    }

    /// A window of whole seconds, 1..=31,536,000.
    pub fn from_seconds(seconds: u64) -> Option<Self> {
        u32::try_from(seconds)
            .ok()
            .filter(|seconds| (1..=WINDOW_SECONDS_MAX).contains(seconds))
            .map(Self::Seconds)
    }

    /// True if charges of this window must survive a crash: an hour or longer (POLICY section 5, rule 4).
    pub fn is_durable(self) -> bool {
        self != Self::InFlight && self.seconds_max() >= HOUR_SECONDS
    }

    /// How long a window lasts; the longest month.
    fn seconds_max(self) -> i128 {
        match self {
            Self::Second => 1,
            Self::Minute => MINUTE_SECONDS,
            Self::Hour => HOUR_SECONDS,
            Self::Day => DAY_SECONDS,
            Self::Week => WEEK_SECONDS,
            Self::Month => MONTH_SECONDS_MAX,
            Self::Seconds(seconds) => i128::from(seconds.max(1)),
            Self::InFlight => 0,
        }
    }

    /// Whether nothing that was charged before `since` counts at `now`. Of running calls nobody knows when they
    /// began.
    pub(crate) fn begins_after(
        self,
        since: UnixNanos,
        (algorithm, now): (Algorithm, UnixNanos),
    ) -> bool {
        match (self, algorithm) {
            (Self::InFlight, _) => false,
            (_, Algorithm::Fixed) => self.span(now).start >= since,
            (_, Algorithm::Sliding) => now.0.saturating_sub(self.nanos()) >= since.0,
        }
    }

    /// Nanoseconds of a sliding window.
    pub(super) fn nanos(self) -> i128 {
        self.seconds_max() * NANOS_PER_SECOND
    }

    /// The calendar or epoch-aligned window that holds `now`.
    pub(super) fn span(self, now: UnixNanos) -> Span {
        let second = now.0.div_euclid(NANOS_PER_SECOND);
        let (start, end) = match self {
            Self::Month => month(second.div_euclid(DAY_SECONDS)),
            Self::Week => aligned(second, WEEK_SECONDS, MONDAY_BEFORE_EPOCH_SECONDS),
            Self::Second
            | Self::Minute
            | Self::Hour
            | Self::Day
            | Self::Seconds(_)
            | Self::InFlight => aligned(second, self.seconds_max().max(1), 0),
        };
        let nanos = |second: i128| UnixNanos(second.saturating_mul(NANOS_PER_SECOND));
        Span { start: nanos(start), end: nanos(end) }
    }
}

/// Start and end of the window of `length` seconds around `second`, one window beginning at `origin`.
fn aligned(second: i128, length: i128, origin: i128) -> (i128, i128) {
    let start = second - (second - origin).rem_euclid(length);
    (start, start.saturating_add(length))
}

/// First second of the month of a day (counted from the epoch), and of the next.
fn month(day: i128) -> (i128, i128) {
    // Counted from 0000-03-01 the days of a year run March to February, so that a leap day comes last; months
    // then follow one rule, (153 m + 2) / 5, and 146,097 days make 400 years.
    let shifted = day + 719_468;
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let first_of = |month: i128| (153 * month + 2) / 5;
    let start = day - (day_of_year - first_of(month));
    let leap = (year_of_era + 1) % 4 == 0
        && ((year_of_era + 1) % 100 != 0 || (year_of_era + 1) % 400 == 0);
    // February, the eleventh month counted from March, has no next one in this year to end at.
    let days = match month {
        11 => 28 + i128::from(leap),
        _ => first_of(month + 1) - first_of(month),
    };
    (start * DAY_SECONDS, (start + days) * DAY_SECONDS)
}

/// As written: the name, or the seconds in digits.
impl Window {
    /// The window's word in a policy; none for a number of seconds.
    pub(super) const fn word(self) -> Option<&'static str> {
        match self {
            Self::Second => Some("second"),
            Self::Minute => Some("minute"),
            Self::Hour => Some("hour"),
            Self::Day => Some("day"),
            Self::Week => Some("week"),
            Self::Month => Some("month"),
            Self::Seconds(_) => None,
            Self::InFlight => Some("in_flight"),
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Self::Seconds(seconds) = self {
            return write!(f, "{seconds}");
        }
        f.write_str(self.word().unwrap_or_default())
    }
}
