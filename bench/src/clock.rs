//! The only place that reads a clock, and the only place that turns counts into real numbers.

use std::time::{Duration, Instant};

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "a measurement is made of readings of the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A count or an amount as a real number, for ratios and averages.
#[expect(
    clippy::cast_precision_loss,
    reason = "figures are read to four digits, counts are below 2^53"
)]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// A duration in nanoseconds; what does not fit is as long as can be.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
