//! Connections to the SQLite file: how they are set up, and whether the file is still the one they
//! opened.
//!
//! What never lives here: SQL of operations.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::Unavailable;

/// The database's file name in the data directory.
pub(crate) const DATABASE_FILE: &str = "portcullis.db";
/// How long a healthy writer waits for another process's transaction, in milliseconds.
pub(crate) const BUSY_MS_MAX: u64 = 2_000;
/// How long a failing writer waits: short, so that calls are refused soon.
pub(crate) const BUSY_FAILING_MS_MAX: u64 = 100;
/// Bytes of the write-ahead log that stay on disk between checkpoints. SQLite checkpoints at 1000
/// pages of 4 KiB; a log that keeps that room is overwritten in place, and syncing it changes no
/// metadata, which costs half as much. A longer log is cut back to this.
const LOG_BYTES_KEPT: i64 = 4_300_000;
/// Prepared statements that a connection keeps, at most.
const STATEMENTS_MAX: usize = 64;

/// Opens the writing connection. The file must exist.
pub(crate) fn open_writer(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    // A commit is on disk when it returns: FULL syncs the log at every commit.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Opens a reading connection, which can write nothing.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    // A reader of a write-ahead log must be able to write its shared memory file, so the file is
    // opened for writing and the connection forbidden to.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS_MAX))?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// Which files a connection works on: SQLite goes on writing into files that were removed, and what
/// it commits there is lost.
#[derive(Debug)]
pub(crate) struct FileIdentity {
    database: PathBuf,
    log: PathBuf,
    seen: [(u64, u64); 2],
}

impl FileIdentity {
    /// The files at `database` and its write-ahead log as they are now.
    pub(crate) fn of(database: &Path) -> Result<FileIdentity, Unavailable> {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let log = PathBuf::from(log);
        let seen = [node(database)?, node(&log)?];
        Ok(FileIdentity { database: database.to_owned(), log, seen })
    }

    /// Whether both are still there and still the same.
    pub(crate) fn state(&self) -> FileState {
        let Ok(database) = node(&self.database) else { return FileState::Missing };
        match node(&self.log) {
            Ok(log) if [database, log] == self.seen => FileState::Same,
            Ok(_) | Err(_) => FileState::Replaced,
        }
    }
}

/// What became of the files that a connection opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileState {
    /// They are there.
    Same,
    /// The database is gone; if it comes back, the connection is good again.
    Missing,
    /// Another file is in the place of one of them, or the log is gone.
    Replaced,
}

fn node(path: &Path) -> Result<(u64, u64), Unavailable> {
    match fs::metadata(path) {
        Ok(metadata) => Ok((metadata.dev(), metadata.ino())),
        Err(error) => Err(Unavailable { why: format!("the database file is gone: {error}") }),
    }
}
