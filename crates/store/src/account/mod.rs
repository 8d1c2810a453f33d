//! People of the console: their accounts, sessions, one-time links and failed attempts to sign in.
//! No change here counts as one of the configuration: the gateway knows no people.
//!
//! What never lives here: hashing of passwords, cookies, what a role may do.

mod link;
mod name;
mod people;
mod session;
mod throttle;

pub use link::{LINK_MS_MAX, LINKS_MAX, LinkFor, LinkHandle, LinkRecord, NewLink, SetUpOffer};
pub use name::{EMAIL_BYTES_MAX, Email, PasswordHash, PersonId, Subject};
pub use people::{Credentials, NewPerson, PEOPLE_MAX, PersonRecord, Standing};
pub use session::{
    NewSession, SESSION_IDLE_MS_MAX, SESSION_MS_MAX, SESSIONS_OF_ONE_MAX, STEP_UP_MS_MAX,
    SessionHandle, SessionRecord, Visit,
};
pub use throttle::Attempt;

use thiserror::Error;

use crate::entropy::NoEntropy;
use crate::error::{ReadError, Unavailable};

/// Changing or reading accounts failed; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AccountError {
    /// The database did not answer, or could not write.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Somebody has an account or an invitation with this e-mail address or sign-on.
    #[error("there is already an account with this {0}")]
    Exists(&'static str),
    /// Nobody would be left who may administer.
    #[error("this is the last admin who can sign in: make somebody else an admin first")]
    LastAdmin,
    /// The link was used, withdrawn, replaced, or is too old.
    #[error("this link was used before, was withdrawn or replaced, or is too old")]
    LinkOver,
    /// A bound is reached.
    #[error("there are {max} {what}, and no more are taken")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// How many are taken.
        max: usize,
    },
    /// The account changed between the look and the change.
    #[error("the account was changed in the meantime: sign in again")]
    Changed,
    /// Too many failed attempts: nothing is tried before so many milliseconds have passed.
    #[error("too many failed attempts to sign in")]
    Blocked {
        /// How long, in milliseconds.
        for_ms: i64,
    },
    /// A stored object cannot be understood.
    #[error(transparent)]
    Damaged(ReadError),
    /// No random bytes for sealing.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

impl From<rusqlite::Error> for AccountError {
    fn from(error: rusqlite::Error) -> AccountError {
        AccountError::Unavailable(error.into())
    }
}

impl From<ReadError> for AccountError {
    fn from(error: ReadError) -> AccountError {
        match error {
            ReadError::Unavailable(unavailable) => AccountError::Unavailable(unavailable),
            damaged @ (ReadError::Damaged { .. } | ReadError::Sealed { .. }) => {
                AccountError::Damaged(damaged)
            }
        }
    }
}
