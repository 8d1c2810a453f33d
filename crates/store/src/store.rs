//! Opening the store, its shape, and the notices of change.
//!
//! What never lives here: the operations on one kind of object, which stand with that kind.

use std::path::PathBuf;
use std::sync::Arc;

use policy::UnixMillis;
use thiserror::Error;
use tokio::sync::watch;

use crate::name::Revision;

/// Whether a call waits for its audit row (GATEWAY section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditMode {
    /// The call leaves when the row is on disk.
    #[default]
    Durable,
    /// The call leaves at once; a power loss may take the last second of rows.
    Buffered,
}

/// What the process is to the data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that admits calls; takes the exclusive lock file.
    Serve,
    /// A command beside it; takes no lock and admits no call.
    Command,
}

/// What a store is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where the database, the key file and the lock live; created with mode 0700.
    pub data_dir: PathBuf,
    /// Whether calls wait for their audit rows.
    pub audit_mode: AuditMode,
    /// What the process is to the data directory.
    pub role: Role,
}

/// Why a store cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The directory, the key file or the lock file cannot be made or read.
    #[error("cannot use {}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Others than the owner may read the key file.
    #[error("{} can be read by others (mode {mode:o}): set it to 600", path.display())]
    KeyFileMode {
        /// The key file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The key file does not hold a key.
    #[error("{} does not hold a key", path.display())]
    KeyFileForm {
        /// The key file.
        path: PathBuf,
    },
    /// The key file is gone, but the database was made with one.
    #[error("{} is missing: without it the stored secrets cannot be opened", path.display())]
    KeyFileMissing {
        /// The key file.
        path: PathBuf,
    },
    /// The key file is not the one that the database was made with.
    #[error("{} is not the key file of this database", path.display())]
    KeyFileOther {
        /// The key file.
        path: PathBuf,
    },
    /// Another process serves this directory.
    #[error("another portcullis serves {}", data_dir.display())]
    InUse {
        /// The directory.
        data_dir: PathBuf,
    },
    /// A newer portcullis made this database.
    #[error("the database is of version {found}, and this program knows versions up to {known}")]
    Newer {
        /// The database's version.
        found: u32,
        /// The newest version that this program knows.
        known: u32,
    },
    /// The schema could not be brought up to date; the database is as it was.
    #[error("the database could not be brought up to date: {why}")]
    Migration {
        /// What went wrong.
        why: String,
    },
    /// The database cannot be opened or read.
    #[error("the database cannot be opened: {why}")]
    Database {
        /// What it said.
        why: String,
    },
    /// No random bytes for a new key.
    #[error(transparent)]
    NoEntropy(#[from] crate::entropy::NoEntropy),
}

/// Whether the writer gets its work done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The last transaction was committed.
    Good,
    /// The last transaction failed; calls are refused until one succeeds.
    Failing {
        /// What the database said.
        why: String,
    },
}

/// The truth on disk: one handle for the whole process, cheap to clone.
#[derive(Debug, Clone)]
pub struct Store(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    watch: watch::Sender<u64>,
}

impl Store {
    /// Opens the store, making it if there is none, and brings its schema up to date. Blocks: call
    /// it before serving.
    pub fn open(config: &StoreConfig, now: UnixMillis) -> Result<Store, OpenError> {
        let _ = (config, now);
        Ok(Store(Arc::new(Shared { watch: watch::Sender::new(0) })))
    }

    /// The revision in force, moved by every change of servers, pins, policies, grants and API
    /// tokens, by this process or (within half a second, for [`Role::Serve`]) another one.
    pub fn revision(&self) -> watch::Receiver<Revision> {
        watch::Sender::new(Revision(0)).subscribe()
    }

    /// Whether the writer gets its work done.
    pub fn health(&self) -> Health {
        Health::Failing { why: "not built yet".into() }
    }

    /// Writes what is queued, then stops the writer. Later work is refused. The last step of a
    /// drain.
    pub async fn close(&self) {
        let _ = &self.0;
    }

    pub(crate) fn unbuilt_watch(&self) -> watch::Receiver<u64> {
        self.0.watch.subscribe()
    }
}
