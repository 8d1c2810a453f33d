//! Use cases: one function is one authorised transaction, and each takes an [`Actor`].
//!
//! What never lives here: HTTP, JSON, pages.

pub mod accounts;
pub mod actor;
pub mod approvals;
pub mod audit;
pub mod builder;
pub mod chain;
pub mod deeds;
pub mod grants;
pub mod inventory;
mod long_work;
pub mod notifications;
pub mod overview;
mod pinned;
pub mod policies;
pub mod recommend;
pub mod replay;
pub mod review;
pub(crate) mod schema_part;
pub mod servers;
pub mod set_up;
pub mod settings;
pub mod sign_on;
pub mod trial;
pub mod wanted;

pub use actor::{Actor, Forbidden, Permission, Proof};
pub use long_work::LongWork;
pub use pinned::Pinned;

use policy::Problem;
use store::{AccountError, NameError, NoEntropy, ReadError, TokenError, WriteError};
use thiserror::Error;

/// Why a use case was refused; nothing was changed.
#[derive(Debug, Error)]
pub enum OpError {
    /// The actor's role does not allow it.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// The role would do, but this very person may not decide this very thing.
    #[error("{0}")]
    NotYours(String),
    /// A name is not well formed.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A token is not well formed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Something else about the input is wrong; the text says what and what to do.
    #[error("{0}")]
    Invalid(String),
    /// A policy's text has errors, all of them.
    #[error("the policy has {} errors", .0.len())]
    Policy(Vec<Problem>),
    /// A policy's own tests fail; each with what was expected and what came.
    #[error("{} of the policy's own tests fail", .0.len())]
    Tests(Vec<String>),
    /// A policy's own tests take longer than anybody waits for.
    #[error(
        "the policy's own tests take longer than {0} seconds; `portcullis policy test` has no such bound"
    )]
    TooLong(i64),
    /// The work failed inside.
    #[error("the request failed inside the gateway")]
    Broken,
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// The kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Somebody decided already, or it is over.
    #[error("{0}")]
    Conflict(String),
    /// It is no longer what the caller was shown.
    #[error("{0}")]
    Changed(String),
    /// The store did not take the change.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The store did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Accounts did not take the change, or could not be read.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// There is no such account, its password is another one, or it may not sign in: nobody is told
    /// which.
    #[error("the e-mail address or the password is wrong")]
    WrongPassword,
    /// Too many ask for the same at the same time.
    #[error("too many people sign in at this moment: try again in a few seconds")]
    Busy,
    /// No random bytes.
    #[error(transparent)]
    NoEntropy(#[from] NoEntropy),
}

fn not_found(what: &'static str, name: &str) -> OpError {
    OpError::NotFound { what, name: name.chars().take(200).collect() }
}
