//! The token in `Authorization`: read strictly, or not at all. Never looks one up.

use http::header::{AUTHORIZATION, HeaderMap};

/// The shortest and the longest token that is looked up, in bytes (GATEWAY.md section 1).
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// The scheme, with the space behind it.
const SCHEME: &[u8] = b"bearer ";

/// The token of `Authorization: Bearer <token>`: one header, one space, 16 to 256 visible ASCII
/// characters. The scheme is compared ignoring case (RFC 9110 section 11.1).
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = only.as_bytes().split_at_checked(SCHEME.len())?;
    let fits = TOKEN_BYTES.contains(&token.len())
        // All of them are looked at, which takes a few instructions for many at once.
        && token.iter().fold(0, |odd, byte| odd | u8::from(!byte.is_ascii_graphic())) == 0;
    let token = fits.then_some(token).and_then(|token| std::str::from_utf8(token).ok())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(token)
}

#[cfg(test)]
#[path = "bearer_tests.rs"]
mod tests;
