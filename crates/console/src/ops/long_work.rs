//! Work that may take long: policies that are checked and explained, the audit that is read. It is done a few at a
//! time and never on the threads that carry calls, so that whoever may only look cannot hold the gateway up.
//!
//! What never lives here: who may ask for it.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use super::OpError;

/// Policies that are checked or explained at a time; further ones wait.
const CHECKS_AT_ONCE_MAX: usize = 2;
/// Pages of the audit that are read at a time; further ones wait. The store has twice as many readers, and tokens are
/// looked up and configurations read by the others.
const AUDIT_READS_AT_ONCE_MAX: usize = 2;

/// The places for long work; a clone has the same ones.
#[derive(Debug, Clone)]
pub struct LongWork {
    checks: Arc<Semaphore>,
    audit_reads: Arc<Semaphore>,
}

impl Default for LongWork {
    fn default() -> LongWork {
        LongWork {
            checks: Arc::new(Semaphore::new(CHECKS_AT_ONCE_MAX)),
            audit_reads: Arc::new(Semaphore::new(AUDIT_READS_AT_ONCE_MAX)),
        }
    }
}

impl LongWork {
    /// Does `work` when there is a place. It goes on when the caller leaves, and keeps its place until it is done.
    ///
    /// # Errors
    /// When the work panics, or the process ends.
    pub(super) async fn check<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, OpError> {
        let place = Arc::clone(&self.checks).acquire_owned().await;
        let place = place.map_err(|_closed| OpError::Broken)?;
        let done = spawn_blocking(move || {
            let _place = place;
            work()
        });
        done.await.map_err(|_panicked| OpError::Broken)
    }

    /// Waits for a place to read a page of the audit.
    pub(super) async fn audit_read(&self) -> Result<SemaphorePermit<'_>, OpError> {
        self.audit_reads.acquire().await.map_err(|_closed| OpError::Broken)
    }
}
