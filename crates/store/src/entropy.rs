//! The edge to the operating system's random numbers.
//!
//! What never lives here: what the bytes are used for.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

/// The operating system gave no random bytes; nothing may be made without them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the operating system gave no random bytes")]
pub struct NoEntropy;

/// Where random bytes come from: the operating system through aws-lc, and nothing else.
#[derive(Debug, Clone)]
pub struct Entropy(SystemRandom);

impl Entropy {
    /// The system's generator.
    pub fn system() -> Entropy {
        Entropy(SystemRandom::new())
    }

    /// `N` fresh random bytes.
    pub fn bytes<const N: usize>(&self) -> Result<[u8; N], NoEntropy> {
        let mut bytes = [0; N];
        self.0.fill(&mut bytes).map_err(|_unspecified| NoEntropy)?;
        Ok(bytes)
    }
}
