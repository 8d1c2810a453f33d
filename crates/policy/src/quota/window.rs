//! Windows: calendar (UTC), whole seconds aligned to the epoch, and calls in flight.

use std::fmt;

/// Longest window in seconds.
pub(crate) const WINDOW_SECONDS_MAX: u32 = 31_536_000;

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

impl Window {
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
            .filter(|s| (1..=WINDOW_SECONDS_MAX).contains(s))
            .map(Self::Seconds)
    }
}

/// As written: the name, or the seconds in digits.
impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Second => f.write_str("second"),
            Self::Minute => f.write_str("minute"),
            Self::Hour => f.write_str("hour"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Seconds(seconds) => write!(f, "{seconds}"),
            Self::InFlight => f.write_str("in_flight"),
        }
    }
}
