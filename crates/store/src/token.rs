//! Tokens that the gateway makes, and the hash that is all it keeps of any token.
//!
//! What never lives here: looking tokens up, HTTP headers.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use thiserror::Error;

use crate::secret::Secret;

/// What every token that the gateway makes begins with, so that secret scanners find it.
const PREFIX: &str = "pcl_";
/// Base62 digits that hold 256 bits.
const RANDOM_CHARS: usize = 43;
/// Base62 digits that hold a CRC-32.
const CHECK_CHARS: usize = 6;
/// Bytes of a token from the configuration file, at least.
const CONFIGURED_BYTES_MIN: usize = 16;
/// Bytes of any token, at most.
const CONFIGURED_BYTES_MAX: usize = 256;

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Why a text is not a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Not 16 to 256 visible ASCII characters (GATEWAY section 1).
    #[error("a token is 16 to 256 visible ASCII characters")]
    Form,
    /// Not a token that the gateway made: its length, digits or check digits are wrong.
    #[error("the token's check digits are wrong: it is mistyped or cut off")]
    Check,
}

/// The SHA-256 of a token: what is stored and looked up, and nothing else is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    /// The hash of a token as it was presented. Any text has one; only stored ones open a door.
    pub fn of(presented: &str) -> TokenHash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, presented.as_bytes()).as_ref());
        TokenHash(hash)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(..)")
    }
}

/// A token in clear: held only between its making or reading and its hashing.
#[derive(Debug, Clone)]
pub struct Token(Secret<String>);

impl Token {
    /// Makes a token from 32 random bytes: `pcl_`, 43 base62 digits, 6 check digits (GATEWAY
    /// section 1).
    pub fn make(random: [u8; 32]) -> Token {
        let mut text = String::with_capacity(PREFIX.len() + RANDOM_CHARS + CHECK_CHARS);
        text.push_str(PREFIX);
        push_base62(&mut text, random, RANDOM_CHARS);
        let check = check_bytes(&text);
        push_base62(&mut text, check, CHECK_CHARS);
        Token(Secret::new(text))
    }

    /// Reads a token of ours; one whose check digits are wrong is refused.
    pub fn parse(text: &str) -> Result<Token, TokenError> {
        let token = Token::parse_configured(text)?;
        if text.starts_with(PREFIX) && has_right_check(text) {
            Ok(token)
        } else {
            Err(TokenError::Check)
        }
    }

    /// Reads a token from the configuration file: any 16 to 256 visible ASCII characters.
    pub fn parse_configured(text: &str) -> Result<Token, TokenError> {
        let fits = (CONFIGURED_BYTES_MIN..=CONFIGURED_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Token(Secret::new(text.to_owned()))) } else { Err(TokenError::Form) }
    }

    /// The token in clear, to be shown once.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is stored of it.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(self.expose())
    }
}

fn has_right_check(text: &str) -> bool {
    if text.len() != PREFIX.len() + RANDOM_CHARS + CHECK_CHARS {
        return false;
    }
    let Some((body, check)) = text.split_at_checked(PREFIX.len() + RANDOM_CHARS) else {
        return false;
    };
    let mut wanted = String::with_capacity(CHECK_CHARS);
    push_base62(&mut wanted, check_bytes(body), CHECK_CHARS);
    check == wanted && body.bytes().skip(PREFIX.len()).all(|b| b.is_ascii_alphanumeric())
}

/// The CRC-32 of the text, as a 256-bit number.
fn check_bytes(text: &str) -> [u8; 32] {
    let mut bytes = [0; 32];
    let check = crc32fast::hash(text.as_bytes()).to_be_bytes();
    for (place, byte) in bytes.iter_mut().rev().zip(check.iter().rev()) {
        *place = *byte;
    }
    bytes
}

/// Appends the number, big end first, as exactly `chars` base62 digits (leading zeros kept).
fn push_base62(text: &mut String, mut number: [u8; 32], chars: usize) {
    let mut digits = [b'0'; RANDOM_CHARS];
    for digit in digits.iter_mut().take(chars).rev() {
        let mut rest: u32 = 0;
        for byte in &mut number {
            let value = (rest << 8) | u32::from(*byte);
            *byte = u8::try_from(value / 62).unwrap_or_default();
            rest = value % 62;
        }
        let index = usize::try_from(rest).unwrap_or_default();
        *digit = BASE62.get(index).copied().unwrap_or(b'0');
    }
    text.extend(digits.iter().take(chars).map(|&b| char::from(b)));
}

#[cfg(test)]
mod tests;
