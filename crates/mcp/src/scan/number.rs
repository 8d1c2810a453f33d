//! Numbers: the grammar, and whether a double can hold one. Never converts a number that is kept: its text is.

use super::{Fault, FaultKind, Strictness};

/// Decimal exponents of the leading digit between these are certainly neither too large nor too small for a double.
const SAFE_EXPONENT: i64 = 300;
/// Beyond this decimal exponent of the leading digit no double goes, either way.
const HOPELESS_EXPONENT: i64 = 400;

/// Scans a number and returns the position after it.
pub(super) fn scan(bytes: &[u8], start: usize, strictness: Strictness) -> Result<usize, Fault> {
    let bad = || Fault { at: start, kind: FaultKind::BadNumber };
    let mut pos = start + usize::from(bytes.get(start) == Some(&b'-'));
    let integer = pos;
    pos = digits_end(bytes, pos);
    let integer_len = pos - integer;
    if integer_len == 0 || (integer_len > 1 && bytes.get(integer) == Some(&b'0')) {
        return Err(bad());
    }
    let plain_integer = !matches!(bytes.get(pos), Some(b'.' | b'e' | b'E'));
    if plain_integer {
        // A double holds every integer of up to 308 digits.
        if strictness == Strictness::Grammar || integer_len <= 308 {
            return Ok(pos);
        }
    }
    let mut fraction = pos..pos;
    if bytes.get(pos) == Some(&b'.') {
        fraction = pos + 1..digits_end(bytes, pos + 1);
        if fraction.is_empty() {
            return Err(bad());
        }
        pos = fraction.end;
    }
    let mut exponent = 0;
    if let Some(b'e' | b'E') = bytes.get(pos) {
        let sign = bytes.get(pos + 1).copied();
        let digits = pos + 1 + usize::from(matches!(sign, Some(b'+' | b'-')));
        let end = digits_end(bytes, digits);
        if end == digits {
            return Err(bad());
        }
        let magnitude = saturating_integer(bytes.get(digits..end).unwrap_or_default());
        exponent = if sign == Some(b'-') { -magnitude } else { magnitude };
        pos = end;
    }
    if strictness == Strictness::Contract {
        let parts = Parts {
            integer: slice(bytes, integer..integer + integer_len),
            fraction: slice(bytes, fraction),
            exponent,
        };
        if !parts.fit_double(slice(bytes, start..pos)) {
            return Err(Fault { at: start, kind: FaultKind::NumberRange });
        }
    }
    Ok(pos)
}

fn slice(bytes: &[u8], range: core::ops::Range<usize>) -> &[u8] {
    bytes.get(range).unwrap_or_default()
}

fn digits_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len())
}

/// The value of decimal digits, at most 10^15: larger exponents all mean the same here.
fn saturating_integer(digits: &[u8]) -> i64 {
    const MAX: i64 = 1_000_000_000_000_000;
    digits.iter().fold(0, |value: i64, digit| (value * 10 + i64::from(digit - b'0')).min(MAX))
}

struct Parts<'a> {
    integer: &'a [u8],
    fraction: &'a [u8],
    exponent: i64,
}

impl Parts<'_> {
    /// Whether the number becomes a finite double, and not zero unless it is zero.
    fn fit_double(&self, text: &[u8]) -> bool {
        let Some(leading) = self.leading_exponent() else { return true };
        if leading.abs() <= SAFE_EXPONENT {
            return true;
        }
        if leading.abs() >= HOPELESS_EXPONENT {
            return false;
        }
        let value = core::str::from_utf8(text).ok().and_then(|text| text.parse::<f64>().ok());
        value.is_some_and(|value| value.is_finite() && value != 0.0)
    }

    /// The decimal exponent of the first digit that is not 0; `None` for zero.
    fn leading_exponent(&self) -> Option<i64> {
        let nonzero = |digits: &[u8]| digits.iter().position(|&digit| digit != b'0');
        let place = match nonzero(self.integer) {
            Some(at) => i64::try_from(self.integer.len() - at).ok()? - 1,
            None => -1 - i64::try_from(nonzero(self.fraction)?).ok()?,
        };
        Some(place + self.exponent)
    }
}
