//! Hashing of passwords: argon2id with the parameters that OWASP's cheat sheet on password storage
//! recommends (19 MiB, 2 passes, 1 lane), two at a time, and never on the threads that carry calls.
//!
//! What never lives here: whose password it is.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use store::{Entropy, PasswordHash, Secret};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::ops::OpError;

/// Memory of one hashing, in KiB.
const MEMORY_KIB: u32 = 19_456;
/// Passes over it.
const PASSES: u32 = 2;
/// Lanes of it.
const LANES: u32 = 1;
/// Hashings at a time.
const AT_ONCE_MAX: usize = 2;
/// How long somebody waits for a place, in seconds; then they are told to come again.
const WAIT_SECONDS_MAX: u64 = 5;
/// Those who wait for a place, at most; a further one is told at once to come again.
const WAITING_MAX: usize = 32;
/// Characters of a password, at least.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Bytes of a password, at most.
pub const PASSWORD_BYTES_MAX: usize = 1_024;
/// Different characters in a password, at least.
const DIFFERENT_CHARS_MIN: usize = 5;

/// The places for hashing; a clone has the same ones.
#[derive(Debug, Clone)]
pub struct Hashing {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// What the passwords of nobody are held against.
    nobody: Arc<OnceLock<PasswordHash>>,
}

impl Default for Hashing {
    fn default() -> Hashing {
        Hashing {
            places: Arc::new(Semaphore::new(AT_ONCE_MAX)),
            waiting: Arc::new(Semaphore::new(WAITING_MAX)),
            nobody: Arc::default(),
        }
    }
}

/// A place to hash.
pub(crate) type Place = OwnedSemaphorePermit;

/// Whether a password is the right one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is.
    Right,
    /// It is not, or there is none.
    Wrong,
}

impl Hashing {
    /// Waits for a place.
    pub(crate) async fn place(&self) -> Result<Place, OpError> {
        let queued =
            Arc::clone(&self.waiting).try_acquire_owned().map_err(|_full| OpError::Busy)?;
        let place = Arc::clone(&self.places).acquire_owned();
        let place = timeout(Duration::from_secs(WAIT_SECONDS_MAX), place).await;
        drop(queued);
        match place {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_closed)) => Err(OpError::Broken),
            Err(_late) => Err(OpError::Busy),
        }
    }

    /// Hashes a new password.
    pub(super) async fn hash(
        &self,
        password: Secret<String>,
        entropy: &Entropy,
    ) -> Result<PasswordHash, OpError> {
        let place = self.place().await?;
        let salt: [u8; 16] = entropy.bytes()?;
        let hashed = spawn_blocking(move || {
            let _place = place;
            hash(&password, &salt)
        });
        hashed.await.map_err(|_panicked| OpError::Broken)?
    }

    /// Holds a password against a hash. Without one, the same work is done and nothing is right.
    pub(super) async fn verify(
        &self,
        place: Place,
        password: Secret<String>,
        against: Option<PasswordHash>,
    ) -> Result<Verdict, OpError> {
        let nobody = Arc::clone(&self.nobody);
        let verified = spawn_blocking(move || {
            let _place = place;
            let known = against.is_some();
            let against = match against {
                Some(hash) => hash,
                None => nobodys(&nobody)?,
            };
            let right =
                argon2()?.verify_password(password.expose().as_bytes(), against.expose()).is_ok();
            Ok(if right && known { Verdict::Right } else { Verdict::Wrong })
        });
        verified.await.map_err(|_panicked| OpError::Broken)?
    }

    /// Makes what the passwords of nobody are held against, so that the first one of them takes as
    /// long as any other.
    pub(super) async fn prepare(&self) -> Result<(), OpError> {
        let nobody = Arc::clone(&self.nobody);
        let made = spawn_blocking(move || nobodys(&nobody).map(drop));
        made.await.map_err(|_panicked| OpError::Broken)?
    }
}

fn nobodys(once: &OnceLock<PasswordHash>) -> Result<PasswordHash, OpError> {
    if let Some(made) = once.get() {
        return Ok(made.clone());
    }
    // Nobody has this password: what is verified against it is wrong in any case.
    let made = hash(&Secret::new("nobody".to_owned()), &[0; 16])?;
    Ok(once.get_or_init(|| made).clone())
}

fn argon2() -> Result<Argon2<'static>, OpError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_params| OpError::Broken)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &Secret<String>, salt: &[u8; 16]) -> Result<PasswordHash, OpError> {
    let hashed = argon2()?.hash_password_with_salt(password.expose().as_bytes(), salt);
    let hashed = hashed.map_err(|_hashing| OpError::Broken)?;
    Ok(PasswordHash::new(hashed.to_string()))
}

/// Refuses passwords that are guessed first (NIST SP 800-63B section 3.1.1: length counts, rules of
/// composition do not).
pub(super) fn check_new(password: &Secret<String>, names: &[&str]) -> Result<(), OpError> {
    let password = password.expose();
    let refuse = |why: &str| Err(OpError::Invalid(why.to_owned()));
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return refuse("a password has at least 12 characters");
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return refuse("a password has at most 1024 bytes");
    }
    let mut different: Vec<char> = password.chars().collect();
    different.sort_unstable();
    different.dedup();
    if different.len() < DIFFERENT_CHARS_MIN {
        return refuse("a password has at least 5 different characters");
    }
    let folded = password.to_lowercase();
    if names.iter().any(|name| folded == name.to_lowercase()) {
        return refuse("the password is your name or address: choose another one");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
