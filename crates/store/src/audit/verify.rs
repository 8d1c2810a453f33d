//! Verification of the audit log: finds any altered, missing, reordered or cut-off row or head.
//!
//! What never lives here: repairing anything.

use thiserror::Error;

use crate::error::ReadError;
use crate::store::Store;

/// An intact log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyReport {
    /// Rows walked, openings and outcomes.
    pub rows: u64,
    /// Decisions and rejected messages among them.
    pub openings: u64,
    /// Openings that a crash left without an outcome, or whose calls still run.
    pub open: u64,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Rows walked.
    pub rows: u64,
    /// Rows that the head says there are.
    pub rows_total: u64,
}

/// The first row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("audit row {seq}: {why}")]
pub struct BadRow {
    /// Its position; for a missing or cut-off row the position where it should stand.
    pub seq: i64,
    /// What is wrong.
    pub why: String,
}

/// The log is not intact, or could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// Something was altered.
    #[error(transparent)]
    Broken(#[from] BadRow),
    /// The database did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Store {
    /// Walks the whole log, in bounded memory, and says so now and then.
    pub async fn verify_audit(
        &self,
        progress: impl FnMut(VerifyProgress) + Send + 'static,
    ) -> Result<VerifyReport, VerifyError> {
        let _ = progress;
        Err(VerifyError::Read(ReadError::unbuilt()))
    }
}
