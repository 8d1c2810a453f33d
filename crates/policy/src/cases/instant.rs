//! Instants of tests: RFC 3339 to nanoseconds since the epoch. Never a clock.

use crate::UnixMillis;

/// Nanoseconds since the Unix epoch, UTC. Finer fractions are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub i128);

const NANOS_PER_SECOND: i128 = 1_000_000_000;

impl Instant {
    /// 2026-01-01T00:00:00Z, where tests begin.
    pub(crate) const FIRST: Self = Self(1_767_225_600 * NANOS_PER_SECOND);

    /// Reads `YYYY-MM-DDThh:mm:ss[.fraction](Z|±hh:mm)`. A leap second is no instant here.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (date, rest) = text.split_once(['T', 't'])?;
        let mut date = date.split('-');
        let year = digits(date.next()?, 4)?;
        let month = digits(date.next()?, 2)?;
        let day = digits(date.next()?, 2)?;
        if date.next().is_some() || !(1..=12).contains(&month) {
            return None;
        }
        if !(1..=days_in_month(year, month)).contains(&day) {
            return None;
        }
        let split = rest.find(['Z', 'z', '+', '-'])?;
        let (time, zone) = rest.split_at_checked(split)?;
        let (clock, nanos) = match time.split_once('.') {
            Some((clock, fraction)) => (clock, nanos_of(fraction)?),
            None => (time, 0),
        };
        let mut clock = clock.split(':');
        let hour = bounded(clock.next()?, 23)?;
        let minute = bounded(clock.next()?, 59)?;
        let second = bounded(clock.next()?, 59)?;
        if clock.next().is_some() {
            return None;
        }
        let seconds =
            days_from_epoch(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second
                - offset_seconds(zone)?;
        Some(Self(i128::from(seconds) * NANOS_PER_SECOND + i128::from(nanos)))
    }

    /// The same instant in milliseconds, a finer rest cut off.
    pub(crate) fn millis(self) -> UnixMillis {
        UnixMillis(i64::try_from(self.0.div_euclid(1_000_000)).unwrap_or(i64::MAX))
    }
}

/// Exactly `count` digits.
fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn bounded(text: &str, most: i64) -> Option<i64> {
    digits(text, 2).filter(|number| *number <= most)
}

fn nanos_of(fraction: &str) -> Option<i64> {
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nine: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    nine.parse().ok()
}

fn offset_seconds(zone: &str) -> Option<i64> {
    if zone == "Z" || zone == "z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    Some(sign * (bounded(hours, 23)? * 3600 + bounded(minutes, 59)? * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, by counting leap days up to the year before.
fn days_from_epoch(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leap_days =
        |years: i64| years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let whole_years = (year - 1970) * 365 + leap_days(before) - leap_days(1969);
    let whole_months: i64 = (1..month).map(|month| days_in_month(year, month)).sum();
    whole_years + whole_months + day - 1
}
