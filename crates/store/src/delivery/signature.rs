//! The signature of a message to a receiver that shares a secret.
//!
//! What never lives here: where the secret comes from.

use aws_lc_rs::hmac;

use crate::secret::Secret;

/// HMAC-SHA-256 over the time, a dot and the body, as `v1=` and lower-case hexadecimal: so a
/// receiver can tell who sent a message, that nobody changed it, and that it is not an old one.
pub fn sign_delivery(secret: &Secret<String>, unix_seconds: i64, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose().as_bytes());
    let mut context = hmac::Context::with_key(&key);
    context.update(unix_seconds.to_string().as_bytes());
    context.update(b".");
    context.update(body);
    let digest = context.sign();
    let mut text = String::from("v1=");
    for byte in digest.as_ref() {
        for half in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(half), 16).unwrap_or('0'));
        }
    }
    text
}

#[cfg(test)]
mod tests;
