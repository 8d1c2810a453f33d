//! The key file's two uses: sealing secrets (AES-256-GCM) and signing the audit log's head (HMAC).
//!
//! What never lives here: reading or writing the key file, SQL.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use thiserror::Error;

use crate::data_dir::KEY_BYTES;
use crate::entropy::{Entropy, NoEntropy};
use crate::secret::Secret;

/// Sealed bytes cannot be opened: another key, another place, or altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("sealed bytes cannot be opened: another key, or they were altered")]
pub struct UnsealError;

/// The keys that are derived from the key file.
pub(crate) struct Keys {
    seal: LessSafeKey,
    audit: hmac::Key,
    check: [u8; 32],
    entropy: Entropy,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keys(..)")
    }
}

impl Keys {
    /// Derives the keys; `None` if the library refuses one, which it does not for 32 bytes.
    pub(crate) fn derive(master: &Secret<[u8; KEY_BYTES]>, entropy: Entropy) -> Option<Keys> {
        let root = hmac::Key::new(hmac::HMAC_SHA256, master.expose());
        let seal = hmac::sign(&root, b"portcullis seal 1");
        let audit = hmac::sign(&root, b"portcullis audit head 1");
        let mut check = [0; 32];
        check.copy_from_slice(hmac::sign(&root, b"portcullis key check 1").as_ref());
        Some(Keys {
            seal: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, seal.as_ref()).ok()?),
            audit: hmac::Key::new(hmac::HMAC_SHA256, audit.as_ref()),
            check,
            entropy,
        })
    }

    /// What the database keeps to know its key file by; tells nothing of the key.
    pub(crate) fn check(&self) -> [u8; 32] {
        self.check
    }

    /// Seals bytes for one place: they open nowhere else.
    pub(crate) fn seal(&self, place: &str, clear: &[u8]) -> Result<Vec<u8>, NoEntropy> {
        let nonce: [u8; NONCE_LEN] = self.entropy.bytes()?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + clear.len() + AES_256_GCM.tag_len());
        sealed.extend_from_slice(&nonce);
        let mut body = clear.to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        let place = Aad::from(place.as_bytes());
        self.seal
            .seal_in_place_append_tag(nonce, place, &mut body)
            .map_err(|_unspecified| NoEntropy)?;
        sealed.append(&mut body);
        Ok(sealed)
    }

    /// Opens what [`Keys::seal`] sealed for the same place.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, UnsealError> {
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).ok_or(UnsealError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_length| UnsealError)?;
        let mut clear = body.to_vec();
        let length = self
            .seal
            .open_in_place(nonce, Aad::from(place.as_bytes()), &mut clear)
            .map_err(|_unspecified| UnsealError)?
            .len();
        clear.truncate(length);
        Ok(Secret::new(clear))
    }

    /// Signs the audit log's head.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 32] {
        let mut mac = [0; 32];
        mac.copy_from_slice(hmac::sign(&self.audit, message).as_ref());
        mac
    }

    /// Whether a head was signed with this key; in constant time.
    pub(crate) fn is_signed(&self, message: &[u8], mac: &[u8]) -> bool {
        hmac::verify(&self.audit, message, mac).is_ok()
    }
}

#[cfg(test)]
mod tests;
