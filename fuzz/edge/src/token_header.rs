//! The `Authorization` header and the texts of tokens, against the naive reading of their rules.

use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use store::{Token, TokenHash};

use crate::bearer;

/// Checks one input: header values, one a line.
pub(crate) fn run(data: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut values = Vec::new();
    for line in data.split(|byte| *byte == b'\n').take(3) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(AUTHORIZATION, value);
            values.push(line);
        }
    }
    let naive = match values.as_slice() {
        [only] => naive(only),
        _ => None,
    };
    assert_eq!(bearer::presented(&headers).map(str::as_bytes), naive);
    if let Ok(text) = std::str::from_utf8(data) {
        check_token(text);
        check_token(&format!("pcl_{text}"));
    }
    if let Some(random) = data.first_chunk::<32>() {
        check_made(*random);
    }
}

/// The token of a header value: seven bytes that spell `bearer `, then 16 to 256 visible ones.
fn naive(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let visible = token.iter().all(|byte| (0x21..=0x7e).contains(byte));
    let fits = scheme.eq_ignore_ascii_case(b"bearer ") && visible;
    (fits && token.len() >= 16 && token.len() <= 256).then_some(token)
}

fn check_token(text: &str) {
    let visible = text.chars().all(|c| ('!'..='~').contains(&c));
    let fits = visible && (16..=256).contains(&text.len());
    let configured = Token::parse_configured(text);
    assert_eq!(configured.is_ok(), fits);
    if let Ok(token) = Token::parse(text) {
        assert!(fits && text.starts_with("pcl_") && text.len() == 53, "no token of ours");
        assert_eq!(token.expose(), text);
        assert!(!format!("{token:?}").contains(text), "a token is printed");
        assert_eq!(token.hash(), TokenHash::of(text));
    }
}

/// A token that is made is read back, and none that differs in one character is.
fn check_made(random: [u8; 32]) {
    let token = Token::make(random);
    let text = token.expose().to_owned();
    Token::parse(&text).expect("a token of ours");
    let mut headers = HeaderMap::new();
    let value = HeaderValue::try_from(format!("Bearer {text}")).expect("a header's value");
    headers.insert(AUTHORIZATION, value);
    assert_eq!(bearer::presented(&headers), Some(text.as_str()));
    let place = usize::from(random[0]) % text.len();
    let other = if text.as_bytes()[place] == b'0' { b'1' } else { b'0' };
    let mut changed = text.into_bytes();
    changed[place] = other;
    let changed = String::from_utf8(changed).expect("ASCII");
    assert!(Token::parse(&changed).is_err(), "{changed} is mistyped");
}
