//! Opening the store, its shape, and the notices of change.
//!
//! What never lives here: the operations on one kind of object, which stand with that kind.

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use policy::{BucketKey, BucketRow, Buckets, UnixMillis};
use rusqlite::Connection;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use crate::approval::{self, ApprovalIndex};
use crate::audit::ANCHOR_FILE;
use crate::connection::{DATABASE_FILE, FileIdentity, open_writer};
use crate::data_dir::DataDir;
use crate::deed::{self, By, DEEDS_ANCHOR_FILE, Did};
use crate::entropy::{Entropy, NoEntropy};
use crate::error::{ReadError, Unavailable};
use crate::name::Revision;
use crate::reader::Readers;
use crate::schema::migrate;
use crate::seal::{Keys, UnsealError};
use crate::secret::Secret;
use crate::sync::thread::JoinHandle;
use crate::sync::{AtomicBool, Mutex, MutexGuard};
use crate::writer::{self, ClosureChange, Job, Queue, Ticket, Tx, Wakes, WakesOthers, WriterStart};

/// How long a reader of the log waits for rows that are on their way, in milliseconds.
const FLUSH_MS_MAX: u64 = 2_000;

/// Whether a call waits for its audit row (GATEWAY section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuditMode {
    /// The call leaves when the row is on disk.
    #[default]
    Durable,
    /// The call leaves at once; a power loss may take the last second of rows, a kill of the
    /// process the last tenth of one.
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
    NoEntropy(#[from] NoEntropy),
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

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> OpenError {
        OpenError::Database { why: error.to_string() }
    }
}

impl From<Unavailable> for OpenError {
    fn from(error: Unavailable) -> OpenError {
        OpenError::Database { why: error.why }
    }
}

impl From<ReadError> for OpenError {
    fn from(error: ReadError) -> OpenError {
        OpenError::Database { why: error.to_string() }
    }
}

/// The truth on disk: one handle for the whole process, cheap to clone. The writer ends when the
/// last clone is dropped, after writing what is queued; [`Store::close`] waits for that.
#[derive(Debug, Clone)]
pub struct Store {
    handle: Arc<Handle>,
    /// Who asks for what this handle changes.
    by: Option<Arc<By>>,
}

#[derive(Debug)]
struct Handle {
    core: Arc<Core>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.core.queue.close();
    }
}

/// What the tasks and the writer share.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) queue: Queue,
    pub(crate) wakes: Wakes,
    pub(crate) readers: Readers,
    pub(crate) keys: Keys,
    pub(crate) audit_mode: AuditMode,
    pub(crate) approvals: ApprovalIndex,
    data_dir: PathBuf,
    role: Role,
    buckets: Mutex<Buckets>,
    revision: watch::Sender<Revision>,
    failing: AtomicBool,
    health: Mutex<Health>,
}

impl Core {
    pub(crate) fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn take_changed_counters(&self) -> Vec<BucketRow> {
        self.buckets().changed()
    }

    pub(crate) fn sweep(&self, now: UnixMillis) {
        let forgotten = self.buckets().sweep(now);
        tracing::trace!(forgotten, "buckets whose windows are over");
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    pub(crate) fn health(&self) -> Health {
        self.health.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_health(&self, health: Health) {
        self.failing.store(health != Health::Good, Ordering::Release);
        *self.health.lock().unwrap_or_else(PoisonError::into_inner) = health;
    }

    /// Whether this process may admit calls: counters are right in one process only.
    pub(crate) fn serves(&self) -> bool {
        self.role == Role::Serve
    }

    pub(crate) fn publish_revision(&self, config: i64) {
        self.revision.send_replace(Revision(u64::try_from(config).unwrap_or_default()));
    }

    pub(crate) fn reload_approvals(&self, connection: &Connection) -> Result<(), Unavailable> {
        let live = approval::read_live(connection, self.approvals.seen())
            .map_err(|error| Unavailable { why: error.to_string() })?;
        self.approvals.replace(live);
        Ok(())
    }
}

impl Store {
    /// Opens the store, making it if there is none, and brings its schema up to date. Blocks on
    /// the disk: call it before serving.
    pub fn open(config: &StoreConfig, now: UnixMillis) -> Result<Store, OpenError> {
        let dir = DataDir::make(&config.data_dir)?;
        let lock = match config.role {
            Role::Serve => Some(dir.lock_for_serving()?),
            Role::Command => None,
        };
        let opening = dir.lock_for_opening()?;
        let database = dir.touch(DATABASE_FILE)?;
        let anchor = dir.file(ANCHOR_FILE);
        let mut connection = open_writer(&database)?;
        migrate(&mut connection)?;
        let keys = open_keys(&dir, &mut connection, &anchor)?;
        let deeds_anchor = dir.file(DEEDS_ANCHOR_FILE);
        deed::ensure_anchor(&connection, &keys, &deeds_anchor)?;
        writer::touch(&connection)?;
        drop(opening);
        let core = Arc::new(Core {
            queue: Queue::default(),
            wakes: Wakes::default(),
            readers: Readers::new(&database),
            approvals: ApprovalIndex::new(approval::read_live(&connection, now)?, now),
            buckets: Mutex::new(read_counters(&connection)?),
            revision: watch::Sender::new(read_revision(&connection)?),
            failing: AtomicBool::new(false),
            health: Mutex::new(Health::Good),
            audit_mode: config.audit_mode,
            role: config.role,
            data_dir: config.data_dir.clone(),
            keys,
        });
        let identity = FileIdentity::of(&database)?;
        let key_check = core.keys.check();
        let core_of_writer = Arc::clone(&core);
        let start = WriterStart {
            core: core_of_writer,
            database,
            anchor,
            deeds_anchor,
            connection,
            identity,
            key_check,
            lock,
        };
        let writer = writer::start(start)
            .map_err(|source| OpenError::Files { path: config.data_dir.clone(), source })?;
        let handle = Arc::new(Handle { core, writer: Mutex::new(Some(writer)) });
        Ok(Store { handle, by: None })
    }

    /// The revision in force, moved by every change of servers, pins, policies, grants and API
    /// tokens, by this process or (within half a second) another one.
    pub fn revision(&self) -> watch::Receiver<Revision> {
        self.core().revision.subscribe()
    }

    /// Whether the writer gets its work done.
    pub fn health(&self) -> Health {
        self.core().health()
    }

    /// Where the store lives.
    pub fn data_dir(&self) -> &Path {
        &self.core().data_dir
    }

    /// Writes what is queued, then stops the writer and gives the lock back. Later work is
    /// refused. The last step of a drain.
    pub async fn close(&self) {
        self.core().queue.close();
        let writer = self.handle.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let joined = spawn_blocking(move || writer.join().is_ok()).await;
            if !joined.unwrap_or(false) {
                tracing::error!("the store's writer did not end as it should");
            }
        }
        self.core().readers.forget();
    }

    /// Seals a secret for one place (`oidc client`): it opens at no other.
    pub fn seal(&self, place: &str, clear: &Secret<Vec<u8>>) -> Result<Vec<u8>, NoEntropy> {
        self.core().keys.seal(place, clear.expose())
    }

    /// Opens what [`Store::seal`] sealed for the same place.
    pub fn unseal(&self, place: &str, sealed: &[u8]) -> Result<Secret<Vec<u8>>, UnsealError> {
        self.core().keys.open(place, sealed)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.handle.core
    }

    /// Runs a read on a connection of its own.
    pub(crate) async fn read<T, E, F>(&self, read: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Unavailable> + Send + 'static,
        F: FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    {
        self.core().readers.read(read).await
    }

    /// Waits until what this process has queued is in the database, so that a reader of the log
    /// finds what it saw happen. While nothing can be written it shows what there is.
    pub async fn flush(&self) {
        let queue = &self.core().queue;
        if queue.is_done() {
            return;
        }
        let ticket: Arc<Ticket> = Arc::default();
        if queue.push(Job::Flush(Arc::clone(&ticket))).is_err() {
            return;
        }
        let _others = WakesOthers(&self.core().wakes);
        let done = std::future::poll_fn(|cx| ticket.poll(cx, &self.core().wakes));
        let done = tokio::time::timeout(Duration::from_millis(FLUSH_MS_MAX), done).await;
        if !matches!(done, Ok(Ok(()))) {
            tracing::debug!("the log is read before the last rows are in it");
        }
    }

    /// The same store, for what `by` asks for: the deeds that its changes leave name them. Without,
    /// they name the process itself.
    #[must_use]
    pub fn by(&self, by: By) -> Store {
        Store { handle: Arc::clone(&self.handle), by: Some(Arc::new(by)) }
    }

    /// The same store, for what `by` does unless somebody else asked for it.
    pub(crate) fn or_by(&self, by: By) -> Store {
        if self.by.is_some() { self.clone() } else { self.by(by) }
    }

    /// Runs a change for which somebody answers, with the deed that says so; both are on disk when
    /// this returns, or neither.
    pub(crate) async fn act<T, E, F>(&self, act: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Unavailable> + Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<(T, Did), E> + Send + 'static,
    {
        self.change(move |tx| act(tx).map(|(done, _did)| done)).await
    }

    /// Runs a change in the writer's transaction; it is on disk when this returns. For what the
    /// process does by itself: whatever somebody asked for is an act ([`Store::act`]).
    pub(crate) async fn change<T, E, F>(&self, change: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Unavailable> + Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T, E> + Send + 'static,
    {
        // A deed of the process itself is as old as the one before it.
        let by = self.by.clone();
        let by = by.unwrap_or_else(|| Arc::new(By::system(UnixMillis(0))));
        let (change, done) = ClosureChange::new(change, (Arc::clone(self.core()), by));
        self.core().queue.push(Job::Change(Box::new(change)))?;
        match done.await {
            Ok(result) => result,
            Err(_dropped) => Err(Unavailable { why: "the writer ended".into() }.into()),
        }
    }
}

/// Reads or makes the keys. A database that was made with a key file opens with that one only.
fn open_keys(dir: &DataDir, connection: &mut Connection, anchor: &Path) -> Result<Keys, OpenError> {
    let entropy = Entropy::system();
    let known = writer::key_check(connection)?;
    let master = match (dir.read_key()?, known) {
        (Some(master), _) => master,
        (None, Some(_)) => return Err(OpenError::KeyFileMissing { path: dir.key_path() }),
        (None, None) => {
            let master = Secret::new(entropy.bytes()?);
            dir.write_key(&master)?;
            master
        }
    };
    let keys = Keys::derive(&master, entropy)
        .ok_or_else(|| OpenError::KeyFileForm { path: dir.key_path() })?;
    match known {
        None => writer::initialise(connection, &keys, anchor)?,
        Some(check) if check == keys.check() => writer::ensure_anchor(connection, &keys, anchor)?,
        Some(_) => return Err(OpenError::KeyFileOther { path: dir.key_path() }),
    }
    Ok(keys)
}

fn read_counters(connection: &Connection) -> Result<Buckets, OpenError> {
    let mut statement = connection.prepare("SELECT key, state FROM counters")?;
    let rows = statement.query_map([], |row| {
        let key: String = row.get(0)?;
        Ok(BucketRow { key: BucketKey::from_stored(&key), state: row.get(1)? })
    })?;
    let rows: Vec<BucketRow> = rows.collect::<Result<_, _>>()?;
    Buckets::restore(rows.into_iter())
        .map_err(|error| OpenError::Database { why: error.to_string() })
}

fn read_revision(connection: &Connection) -> Result<Revision, OpenError> {
    let sql = "SELECT config FROM revisions WHERE id = 1";
    let config: i64 = connection.query_row(sql, [], |row| row.get(0))?;
    Ok(Revision(u64::try_from(config).unwrap_or_default()))
}

#[cfg(test)]
mod models;
