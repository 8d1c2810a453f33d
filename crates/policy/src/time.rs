//! Points in time as the crate's callers hand them in, and the civil (UTC) reading of them. Never a clock.

/// Milliseconds since the Unix epoch, UTC; may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// Hour of the day in UTC, 0..=23 (`now.hour`).
    pub fn hour(self) -> u8 {
        u8::try_from(self.0.div_euclid(HOUR_MS).rem_euclid(24)).unwrap_or(0)
    }

    /// Day of the week in UTC, `"mon"` to `"sun"` (`now.weekday`).
    pub fn weekday(self) -> &'static str {
        // 1970-01-01 was a Thursday.
        match self.0.div_euclid(DAY_MS).rem_euclid(7) {
            0 => "thu",
            1 => "fri",
            2 => "sat",
            3 => "sun",
            4 => "mon",
            5 => "tue",
            _ => "wed",
        }
    }

    /// This time plus `seconds`, saturating at the ends of the range.
    #[must_use]
    pub fn plus_seconds(self, seconds: u32) -> Self {
        Self(self.0.saturating_add(i64::from(seconds) * 1000))
    }
}

pub(crate) const HOUR_MS: i64 = 3_600_000;
pub(crate) const DAY_MS: i64 = 24 * HOUR_MS;

pub(crate) const NANOS_PER_MILLI: i128 = 1_000_000;
pub(crate) const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Nanoseconds since the Unix epoch, UTC; may be negative. What counters reckon in: a charge and the time
/// until the next one fits are exact to less than a millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixNanos(pub i128);

impl From<UnixMillis> for UnixNanos {
    fn from(millis: UnixMillis) -> Self {
        Self(i128::from(millis.0) * NANOS_PER_MILLI)
    }
}

impl From<UnixNanos> for UnixMillis {
    /// Rounds down, and cuts to the range.
    fn from(nanos: UnixNanos) -> Self {
        let millis = nanos.0.div_euclid(NANOS_PER_MILLI);
        Self(i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX }))
    }
}
