//! Exact decimals from JSON number text, and the millionths that counters are kept in. Never a float.

/// Most digits a number may be written with and still have a value (POLICY section 4).
pub(crate) const NUMBER_DIGITS_MAX: usize = 1000;
/// Largest exponent, either way, that a number may be written with and still have a value (POLICY section 4).
pub(crate) const NUMBER_EXPONENT_MAX: i32 = 1000;

/// An exact decimal number: `±0.d₁d₂… × 10^magnitude` with `d₁` and the last digit not 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    /// Power of ten of the digit before the first; 0 for zero.
    magnitude: i32,
    /// Digits 0..=9, first and last not 0; empty for zero.
    digits: smallvec::SmallVec<[u8; 24]>,
}

impl Decimal {
    /// Reads a JSON number. `None` if `text` is none, is written with more than 1,000 digits, or has an
    /// exponent beyond ±1,000: such a number is undefined (POLICY section 4).
    pub fn parse(text: &str) -> Option<Self> {
        let _ = (text, NUMBER_DIGITS_MAX, NUMBER_EXPONENT_MAX);
        None
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
        false
    }

    /// The number as a `u64`, if it is a whole number in range.
    pub fn to_u64(&self) -> Option<u64> {
        None
    }

    /// Millionths, a finer rest rounded up; beyond the range of [`Micro`] it saturates, and fits no limit.
    /// `None` for a negative number.
    pub fn to_micro_ceil(&self) -> Option<Micro> {
        None
    }

    /// Millionths, if the number is not negative, has at most 6 decimals and is at most 10^12: what `max` takes.
    pub fn to_micro_exact(&self) -> Option<Micro> {
        None
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.magnitude.cmp(&other.magnitude)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Normal form: plain digits with a point where needed, no exponent, no closing zeros; `0` for zero.
impl std::fmt::Display for Decimal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("0")
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
}
