//! What goes wrong in reading and changing stored objects.
//!
//! What never lives here: the errors of opening, admission and verification, which stand with
//! those operations.

use thiserror::Error;

/// The database did not answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the store is not available: {why}")]
pub struct Unavailable {
    /// What the database said, for the operator.
    pub why: String,
}

impl From<rusqlite::Error> for Unavailable {
    fn from(error: rusqlite::Error) -> Unavailable {
        Unavailable { why: error.to_string() }
    }
}

/// Reading failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// The database did not answer.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A stored object cannot be understood; it was changed by something else than this program.
    #[error("the stored {what} {name:?} is damaged: {why}")]
    Damaged {
        /// The kind of object: `server`, `grant`.
        what: &'static str,
        /// Which one.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A secret cannot be opened with this key file.
    #[error("the secrets of {what} {name:?} cannot be opened with this key file")]
    Sealed {
        /// The kind of object.
        what: &'static str,
        /// Which one.
        name: String,
    },
}

impl From<rusqlite::Error> for ReadError {
    fn from(error: rusqlite::Error) -> ReadError {
        ReadError::Unavailable(error.into())
    }
}

/// Changing an object failed; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WriteError {
    /// The database did not answer, or could not write.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The object, or one that it names, does not exist.
    #[error("there is no {what} {name:?}")]
    NotFound {
        /// The kind of object.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Something with this name, label or token exists.
    #[error("there is already a {what} {name:?}")]
    Exists {
        /// The kind of object.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The object stands in the configuration file and is changed there only.
    #[error("{what} {name:?} is managed by the configuration file: change it there")]
    ManagedByFile {
        /// The kind of object.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Somebody else changed the object since the caller looked.
    #[error("{what} {name:?} was changed in the meantime: look at it as it is now, then change it")]
    Changed {
        /// The kind of object.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// Other objects name this one.
    #[error("{what} {name:?} is in use: {by}")]
    InUse {
        /// The kind of object.
        what: &'static str,
        /// Its name.
        name: String,
        /// What uses it.
        by: String,
    },
    /// What is to be kept is too long.
    #[error("the {what} {name:?} is longer than {bytes_max} bytes")]
    TooLarge {
        /// The kind of object.
        what: &'static str,
        /// Its name.
        name: String,
        /// The bound.
        bytes_max: usize,
    },
    /// A stored object that the change needs cannot be understood.
    #[error(transparent)]
    Damaged(ReadError),
    /// No random bytes for sealing.
    #[error(transparent)]
    NoEntropy(#[from] crate::entropy::NoEntropy),
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> WriteError {
        WriteError::Unavailable(error.into())
    }
}

impl From<ReadError> for WriteError {
    fn from(error: ReadError) -> WriteError {
        match error {
            ReadError::Unavailable(unavailable) => WriteError::Unavailable(unavailable),
            damaged @ (ReadError::Damaged { .. } | ReadError::Sealed { .. }) => {
                WriteError::Damaged(damaged)
            }
        }
    }
}

/// The error of a stored object that cannot be understood.
pub(crate) fn damaged(what: &'static str, name: &str, why: &dyn std::fmt::Display) -> ReadError {
    ReadError::Damaged { what, name: name.to_owned(), why: why.to_string() }
}

/// An insert that ran into a unique name, label or token is [`WriteError::Exists`].
pub(crate) fn exists_if_taken(
    result: Result<usize, rusqlite::Error>,
    what: &'static str,
    name: &str,
) -> Result<(), WriteError> {
    match result {
        Ok(_rows) => Ok(()),
        Err(error) if is_taken(&error) => Err(WriteError::Exists { what, name: name.to_owned() }),
        Err(error) => Err(error.into()),
    }
}

fn is_taken(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    matches!(
        code,
        Some(rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE | rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
    )
}

/// Whether a row names an object that does not exist.
pub(crate) fn is_unknown_reference(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_CONSTRAINT_FOREIGNKEY)
}
