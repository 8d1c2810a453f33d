//! Exact decimals from JSON number text, and the millionths that counters are kept in. Never a float.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::fmt;

use smallvec::SmallVec;

/// Most digits a number may be written with and still have a value (POLICY section 4); those of the exponent
/// are held against the same bound on their own.
pub(crate) const NUMBER_DIGITS_MAX: usize = 1000;
/// Largest exponent, either way, that a number may be written with and still have a value (POLICY section 4).
pub(crate) const NUMBER_EXPONENT_MAX: i32 = 1000;

/// Decimals that a millionth has.
const MICRO_DECIMALS: i32 = 6;
/// Digits of `u64::MAX`: whole numbers with more are out of range.
const U64_DIGITS_MAX: i32 = 20;

/// An exact decimal number: `±0.d₁d₂… × 10^magnitude` with neither `d₁` nor the last digit 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// Power of ten of the whole; 0 for zero.
    magnitude: i32,
    /// Digits 0..=9, first and last not 0; empty for zero.
    digits: SmallVec<[u8; 24]>,
}

impl Decimal {
    /// Reads a JSON number. `None` if `text` is none, is written with more than 1,000 digits, or has an
    /// exponent beyond ±1,000: such a number is undefined (POLICY section 4).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let (negative, bytes) = match bytes {
            [b'-', rest @ ..] => (true, rest),
            _ => (false, bytes),
        };
        let (integer, rest) = split_digits(bytes);
        if integer.is_empty() || (integer.len() > 1 && integer.first() == Some(&b'0')) {
            return None;
        }
        let (fraction, rest) = match rest {
            [b'.', rest @ ..] => {
                let (fraction, rest) = split_digits(rest);
                (!fraction.is_empty()).then_some((fraction, rest))?
            }
            _ => (&[][..], rest),
        };
        let exponent = match rest {
            [] => 0,
            [b'e' | b'E', rest @ ..] => parse_exponent(rest)?,
            _ => return None,
        };
        if integer.len() + fraction.len() > NUMBER_DIGITS_MAX {
            return None;
        }
        Self::normal(negative, integer, fraction, exponent)
    }

    fn normal(negative: bool, integer: &[u8], fraction: &[u8], exponent: i32) -> Option<Self> {
        let written = integer.iter().chain(fraction);
        let mut digits: SmallVec<[u8; 24]> =
            written.skip_while(|digit| **digit == b'0').map(|digit| digit - b'0').collect();
        let leading_zeros = integer.len() + fraction.len() - digits.len();
        while digits.last() == Some(&0) {
            digits.pop();
        }
        if digits.is_empty() {
            return Some(Self { negative: false, magnitude: 0, digits });
        }
        let point = i32::try_from(integer.len()).ok()? - i32::try_from(leading_zeros).ok()?;
        Some(Self { negative, magnitude: point + exponent, digits })
    }

    /// A small whole number.
    pub(crate) fn from_u8(number: u8) -> Self {
        let tens = [number / 100, number / 10 % 10, number % 10];
        let written: SmallVec<[u8; 3]> = tens.iter().map(|digit| digit + b'0').collect();
        let zero = Self { negative: false, magnitude: 0, digits: SmallVec::new() };
        Self::normal(false, &written, &[], 0).unwrap_or(zero)
    }

    /// True for a number below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// True for zero, however it is written.
    pub fn is_zero(&self) -> bool {
        self.digits.is_empty()
    }

    /// True for a whole number, however it is written (`1.0`, `1e3`).
    pub fn is_integer(&self) -> bool {
        i32::try_from(self.digits.len()).is_ok_and(|len| len <= self.magnitude || len == 0)
    }

    /// The number as a `u64`, if it is a whole number in range.
    pub fn to_u64(&self) -> Option<u64> {
        if self.negative || !self.is_integer() {
            return None;
        }
        self.shifted(0).0
    }

    /// Millionths, a finer rest rounded up; beyond the range of `u64` it saturates, and fits no limit.
    /// `None` for a negative number.
    pub fn to_micro_ceil(&self) -> Option<Micro> {
        if self.negative {
            return None;
        }
        let (whole, rest) = self.shifted(MICRO_DECIMALS);
        Some(Micro(whole.unwrap_or(u64::MAX).saturating_add(u64::from(rest))))
    }

    /// Millionths, if the number is not negative, has at most 6 decimals and is at most 10^12: what `max` takes.
    pub fn to_micro_exact(&self) -> Option<Micro> {
        if self.negative {
            return None;
        }
        match self.shifted(MICRO_DECIMALS) {
            (Some(whole), false) => Some(Micro(whole)).filter(|micro| *micro <= Micro::LIMIT_MAX),
            _ => None,
        }
    }

    /// The whole part of the absolute number times 10^places (`None` beyond `u64`), and whether a rest is left.
    fn shifted(&self, places: i32) -> (Option<u64>, bool) {
        let wanted = if self.is_zero() { 0 } else { self.magnitude + places };
        let rest = i32::try_from(self.digits.len()).is_ok_and(|len| len > wanted);
        if wanted > U64_DIGITS_MAX {
            return (None, rest);
        }
        let taken = usize::try_from(wanted).unwrap_or(0);
        let padded = self.digits.iter().copied().chain(std::iter::repeat(0)).take(taken);
        let whole = padded
            .map(u64::from)
            .try_fold(0_u64, |sum, digit| sum.checked_mul(10)?.checked_add(digit));
        (whole, rest)
    }

    fn cmp_absolute(&self, other: &Self) -> Ordering {
        match (self.is_zero(), other.is_zero()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Without closing zeros the shorter of two otherwise equal digit strings is the smaller number.
            (false, false) => self
                .magnitude
                .cmp(&other.magnitude)
                .then_with(|| self.digits.as_slice().cmp(other.digits.as_slice())),
        }
    }
}

fn split_digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    bytes.split_at_checked(len).unwrap_or((bytes, &[]))
}

/// The exponent behind its `e`; `None` beyond ±1,000 or where there is no number.
fn parse_exponent(bytes: &[u8]) -> Option<i32> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > NUMBER_DIGITS_MAX {
        return None;
    }
    let mut exponent = 0_i32;
    for digit in digits {
        let digit = digit.is_ascii_digit().then(|| i32::from(digit - b'0'))?;
        exponent = exponent.saturating_mul(10).saturating_add(digit);
    }
    (exponent <= NUMBER_EXPONENT_MAX).then_some(if negative { -exponent } else { exponent })
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (false, false) => self.cmp_absolute(other),
            (true, true) => other.cmp_absolute(self),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Normal form: plain digits with a point where needed, no exponent, no closing zeros; `0` for zero. At most
/// some 2,000 characters.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;

        if self.negative {
            f.write_char('-')?;
        }
        let whole = usize::try_from(self.magnitude).unwrap_or(0);
        if whole == 0 {
            f.write_char('0')?;
        }
        let digit_char = |digit: &u8| char::from(b'0' + digit);
        for digit in self.digits.iter().take(whole) {
            f.write_char(digit_char(digit))?;
        }
        for _ in self.digits.len()..whole {
            f.write_char('0')?;
        }
        if self.digits.len() > whole {
            f.write_char('.')?;
            for _ in self.magnitude..0 {
                f.write_char('0')?;
            }
            for digit in self.digits.iter().skip(whole) {
                f.write_char(digit_char(digit))?;
            }
        }
        Ok(())
    }
}

/// Millionths of a unit. Limits and increments are at most 10^18 (10^12 units); amounts of a call may be
/// larger, up to `u64::MAX`, which no limit has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Micro(pub u64);

impl Micro {
    /// One unit.
    pub const ONE: Self = Self(1_000_000);
    /// 10^12 units: the largest `max` and the largest fixed `increment` (POLICY section 5).
    pub const LIMIT_MAX: Self = Self(1_000_000_000_000_000_000);

    /// The sum, saturating at what no limit has room for.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Units, exactly: `2`, `0.3`.
impl fmt::Display for Micro {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / Self::ONE.0, self.0 % Self::ONE.0);
        if rest == 0 {
            return write!(f, "{whole}");
        }
        let rest = format!("{rest:06}");
        write!(f, "{whole}.{}", rest.trim_end_matches('0'))
    }
}
