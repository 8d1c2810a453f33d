//! The only place that reads a clock, and the only place that turns counts into real numbers.

use std::time::{Duration, Instant, SystemTime};

use policy::UnixMillis;

/// The monotonic clock.
#[expect(clippy::disallowed_methods, reason = "a measurement is made of readings of the clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// The wall clock, for what must have happened on this day.
#[expect(clippy::disallowed_methods, reason = "the gateway that is measured reads the same clock")]
pub(crate) fn today() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    UnixMillis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
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
