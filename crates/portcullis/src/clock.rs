//! The one place of the program that reads the wall clock.

use policy::UnixMillis;

/// The time now.
pub(crate) fn now() -> UnixMillis {
    UnixMillis(jiff::Timestamp::now().as_millisecond())
}

/// A time as people and programs read it: RFC 3339, UTC, milliseconds.
pub(crate) fn rfc3339(time: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(time.0)
        .map_or_else(|_| time.0.to_string(), |instant| format!("{instant:.3}"))
}
