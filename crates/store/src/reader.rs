//! Reading: a few connections that can write nothing, used on threads that may block.
//!
//! What never lives here: SQL of operations.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::connection::open_reader;
use crate::error::Unavailable;

/// Reads at one time, at most; more wait.
const READERS_MAX: usize = 4;

/// The reading connections.
#[derive(Debug)]
pub(crate) struct Readers {
    shared: Arc<Shared>,
    permits: Arc<Semaphore>,
}

#[derive(Debug)]
struct Shared {
    database: PathBuf,
    /// Counts how often the file was found damaged or replaced; older connections are not used.
    generation: AtomicU64,
    idle: Mutex<Vec<(u64, Connection)>>,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Vec<(u64, Connection)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Result<(u64, Connection), rusqlite::Error> {
        let generation = self.generation.load(Ordering::Acquire);
        let found = self.idle().pop();
        match found {
            Some(idle) if idle.0 == generation => Ok(idle),
            _ => Ok((generation, open_reader(&self.database)?)),
        }
    }
}

impl Readers {
    /// No connection is opened before the first read.
    pub(crate) fn new(database: &Path) -> Readers {
        let shared = Shared {
            database: database.to_owned(),
            generation: AtomicU64::new(0),
            idle: Mutex::new(Vec::with_capacity(READERS_MAX)),
        };
        Readers { shared: Arc::new(shared), permits: Arc::new(Semaphore::new(READERS_MAX)) }
    }

    /// Runs a read within one transaction, so that it sees one state of the database.
    pub(crate) async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Unavailable> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        let closed = || E::from(Unavailable { why: "the store is closed".into() });
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_closed| closed())?;
        let shared = Arc::clone(&self.shared);
        let task = spawn_blocking(move || {
            let _permit = permit;
            let unavailable = |error: rusqlite::Error| E::from(Unavailable::from(error));
            let (generation, mut connection) = shared.take().map_err(unavailable)?;
            let transaction = connection.transaction().map_err(unavailable)?;
            let result = read(&transaction);
            let sound = transaction.rollback().is_ok();
            if sound {
                shared.idle().push((generation, connection));
            }
            result
        });
        match task.await {
            Ok(result) => result,
            Err(failed) => Err(Unavailable { why: format!("a read failed: {failed}") }.into()),
        }
    }

    /// The file may be another one: no connection of before is used again.
    pub(crate) fn forget(&self) {
        self.shared.generation.fetch_add(1, Ordering::AcqRel);
        self.shared.idle().clear();
    }
}
