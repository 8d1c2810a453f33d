//! The token in `Authorization`: read strictly, or not at all. Never looks one up.

use http::header::{AUTHORIZATION, HeaderMap};

/// The shortest and the longest token that is looked up, in bytes (GATEWAY.md section 1).
const TOKEN_BYTES: std::ops::RangeInclusive<usize> = 16..=256;

/// The token of `Authorization: Bearer <token>`: one header, one space, 16 to 256 visible ASCII
/// characters. The scheme is compared ignoring case (RFC 9110 section 11.1).
pub(crate) fn presented(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    let fits =
        TOKEN_BYTES.contains(&token.len()) && token.bytes().all(|byte| byte.is_ascii_graphic());
    (scheme.eq_ignore_ascii_case("bearer") && fits).then_some(token)
}

#[cfg(test)]
#[path = "bearer_tests.rs"]
mod tests;
