//! The one thread that writes: it takes what is queued, writes it in one transaction, and tells
//! everybody who waits.
//!
//! What never lives here: deciding what is written; reading for callers.

mod batch;
mod change;
mod queue;
mod ticket;
mod uses;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use policy::BucketRow;
use rusqlite::Connection;

pub(crate) use change::{ClosureChange, Tx};
pub(crate) use queue::{Job, Queue, Waits};
pub use uses::GRANT_USE_LAG_MS;

pub(crate) use ticket::{JobError, Ticket, Wakes, WakesOthers};

use crate::approval::Taken;
use crate::audit::{ANCHOR_FILE, Anchor, Head, HeadFault, read_head, write_head};
use crate::connection::{BUSY_FAILING_MS_MAX, BUSY_MS_MAX, FileIdentity, FileState, open_writer};
use crate::deed::DeedsAnchor;
use crate::error::Unavailable;
use crate::failpoint::{Place, reached};
use crate::seal::Keys;
use crate::store::{AuditMode, Core, Health};
use crate::sync::thread::{self, JoinHandle};
use batch::Known;
use queue::Patience;
use uses::GrantUses;

/// Jobs in one transaction, at most.
const BATCH_JOBS_MAX: usize = 1_024;
/// How often an idle writer looks for other processes' changes, and a failing one tries again, in
/// milliseconds.
const POLL_MS: u64 = 200;
/// How long rows that nobody waits for may lie unwritten in buffered mode, in milliseconds: what
/// a kill can take.
const LINGER_BUFFERED_MS: u64 = 100;
/// The same in durable mode, where these are the outcomes of calls that ended: they go with the
/// next opening row, or soon by themselves.
const LINGER_DURABLE_MS: u64 = 10;
/// For how many of these waits committed rows that nobody waits for may be unsynced: with eight of
/// at most 100 ms, a power loss takes the last second at most.
const UNSYNCED_WAITS_MAX: u32 = 8;
/// Rows of calls that happened, kept while the database fails, at most.
const RETAINED_JOBS_MAX: usize = 65_536;
/// How often buckets whose windows are over are forgotten, in milliseconds of the callers' time.
const SWEEP_MS: i64 = 600_000;

/// What the writer starts with.
pub(crate) struct WriterStart {
    pub(crate) core: Arc<Core>,
    pub(crate) database: PathBuf,
    pub(crate) anchor: PathBuf,
    pub(crate) deeds_anchor: PathBuf,
    pub(crate) connection: Connection,
    pub(crate) identity: FileIdentity,
    pub(crate) key_check: [u8; 32],
    /// Held as long as the writer lives, so that the next process finds everything written.
    pub(crate) lock: Option<File>,
}

/// Starts the thread.
pub(crate) fn start(start: WriterStart) -> io::Result<JoinHandle<()>> {
    let builder = thread::Builder::new().name("store-writer".into());
    builder.spawn(move || {
        let mut writer = Writer {
            open: Some(Open::new(start.connection, start.identity)),
            core: start.core,
            database: start.database,
            anchor_path: start.anchor,
            anchor: None,
            deeds_anchor: DeedsAnchor::at(start.deeds_anchor),
            unanchored: None,
            known: None,
            unsynced_waits: 0,
            closing: false,
            key_check: start.key_check,
            retained: Vec::new(),
            unsaved: Vec::new(),
            seen: Seen::default(),
            swept_at: i64::MIN,
            uses: GrantUses::default(),
        };
        writer.run();
        drop(writer);
        drop(start.lock);
    })
}

struct Open {
    connection: Connection,
    identity: FileIdentity,
    sync: Sync,
}

impl Open {
    fn new(connection: Connection, identity: FileIdentity) -> Open {
        Open { connection, identity, sync: Sync::AtCommit }
    }

    /// Says what the next commit is to do.
    fn set_sync(&mut self, sync: Sync) -> Result<(), rusqlite::Error> {
        if self.sync != sync {
            self.connection.pragma_update(None, "synchronous", sync.pragma())?;
            self.sync = sync;
        }
        Ok(())
    }
}

/// Whether a commit waits until the disk has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sync {
    /// It does. The log is one file that only grows or begins anew after a synced checkpoint, so
    /// everything that was committed before is on the disk then, too.
    AtCommit,
    /// It does not: the system writes it when it likes, in any order, and after a power loss the
    /// database is as it was after some earlier commit.
    Later,
}

impl Sync {
    fn pragma(self) -> &'static str {
        match self {
            Sync::AtCommit => "FULL",
            Sync::Later => "NORMAL",
        }
    }
}

/// What was published last of the database's own counters of change.
#[derive(Default, PartialEq, Eq, Clone, Copy)]
struct Seen {
    data_version: i64,
    config: i64,
    approvals: i64,
}

struct Writer {
    core: Arc<Core>,
    database: PathBuf,
    anchor_path: PathBuf,
    /// The open anchor file; none before the first batch, and none for good if the log does not
    /// hold what the anchor remembers, so that the evidence stays.
    anchor: Option<AnchorState>,
    deeds_anchor: DeedsAnchor,
    /// The head of what is committed and not synced: the anchor must never know more than the disk.
    unanchored: Option<Head>,
    /// The head as this process wrote it last, and the database's notice at that time.
    known: Option<Known>,
    /// Waits since something was committed without a sync; 0 if everything is synced.
    unsynced_waits: u32,
    /// Whether this is the last work.
    closing: bool,
    key_check: [u8; 32],
    open: Option<Open>,
    retained: Vec<Job>,
    unsaved: Vec<BucketRow>,
    seen: Seen,
    swept_at: i64,
    uses: GrantUses,
}

enum AnchorState {
    Live(File),
    Frozen,
}

impl Writer {
    fn run(&mut self) {
        if let Some(open) = &self.open {
            self.seen.data_version = data_version(&open.connection).unwrap_or_default();
            (self.seen.config, self.seen.approvals) =
                revisions(&open.connection).unwrap_or_default();
        }
        let linger_ms = match self.core.audit_mode {
            AuditMode::Durable => LINGER_DURABLE_MS,
            AuditMode::Buffered => LINGER_BUFFERED_MS,
        };
        let mut jobs = Vec::new();
        let mut callers = 0;
        let mut quiet = true;
        let mut more = true;
        while more {
            quiet = quiet && self.unsynced_waits == 0;
            let patience = Patience {
                callers,
                idle: quiet.then_some(Duration::from_millis(POLL_MS)),
                linger: Duration::from_millis(if self.core.wakes.is_empty() {
                    linger_ms
                } else {
                    linger_ms.min(LINGER_DURABLE_MS)
                }),
            };
            more = self.core.queue.take(&mut jobs, patience);
            self.core.wakes.wake_all();
            if self.unsynced_waits > 0 {
                self.unsynced_waits = self.unsynced_waits.saturating_add(1);
            }
            quiet = jobs.is_empty();
            if quiet {
                self.idle();
            }
            callers = jobs.iter().filter(|job| job.is_awaited()).count();
            while jobs.len() > BATCH_JOBS_MAX {
                let mut first = jobs.drain(..BATCH_JOBS_MAX).collect();
                self.work(&mut first);
            }
            if !jobs.is_empty() {
                self.work(&mut jobs);
            }
        }
        // Calls that ended after the last job may have left changed counters behind, and the last
        // commits may not be synced.
        self.closing = true;
        self.work(&mut Vec::new());
        self.core.wakes.wake_all();
    }

    /// Nothing is queued: try again what failed, or look what other processes changed.
    fn idle(&mut self) {
        let must_write = self.core.is_failing()
            || !self.retained.is_empty()
            || self.unsynced_waits > UNSYNCED_WAITS_MAX;
        if must_write {
            self.work(&mut Vec::new());
        } else if let Err(unavailable) = self.look_around() {
            self.failed(&unavailable, &mut Vec::new());
        }
    }

    fn look_around(&mut self) -> Result<(), Unavailable> {
        let Some(open) = &self.open else {
            return Err(Unavailable { why: "the database is not open".into() });
        };
        match open.identity.state() {
            FileState::Same => {}
            FileState::Missing | FileState::Replaced => return Err(file_gone()),
        }
        self.seen = notice(&self.core, &open.connection, self.seen)?;
        Ok(())
    }

    /// Writes the jobs, and those kept from before, in one transaction; takes them out of `batch`,
    /// whose room is used again.
    fn work(&mut self, batch: &mut Vec<Job>) {
        if !self.retained.is_empty() {
            let later = std::mem::replace(batch, std::mem::take(&mut self.retained));
            batch.extend(later);
        }
        let attempt = catch_unwind(AssertUnwindSafe(|| self.attempt(batch)));
        match attempt {
            Ok(Ok(refused)) => self.done(batch, &refused),
            Ok(Err(unavailable)) => self.failed(&unavailable, batch),
            Err(_panic) => {
                self.failed(&Unavailable { why: "the writer panicked".into() }, batch);
            }
        }
    }

    /// One transaction; the indices of jobs whose approval was gone, or why nothing was committed.
    fn attempt(&mut self, batch: &mut [Job]) -> Result<Vec<usize>, Unavailable> {
        // On every early return the connection is dropped and the next attempt opens a new one: no
        // state of a failed connection is trusted.
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.reopen()?,
        };
        match open.identity.state() {
            FileState::Same => {}
            FileState::Missing => {
                self.open = Some(open);
                return Err(file_gone());
            }
            // Dropping the connection carries what only its log holds over into the database.
            FileState::Replaced => return Err(file_gone()),
        }
        self.unsaved.append(&mut self.core.take_changed_counters());
        let sync = self.sync_of(batch);
        open.set_sync(sync)?;
        let written = match batch::write(
            &batch::Parts {
                connection: &open.connection,
                keys: &self.core.keys,
                counters: &self.unsaved,
                probe: self.core.is_failing()
                    || (sync == Sync::AtCommit && self.unsynced_waits > 0),
                known: self.known.take(),
            },
            batch,
            &mut self.uses,
        ) {
            Ok(written) => written,
            // Another process holds the database: the connection is sound and only has to wait.
            Err(error) if error.is_busy() && rolled_back(&open.connection) => {
                self.open = Some(open);
                return Err(error.into());
            }
            Err(error) => return Err(error.into()),
        };
        self.unsaved.clear();
        self.unanchored = written.head.or(self.unanchored);
        match sync {
            Sync::Later if written.any => self.unsynced_waits = self.unsynced_waits.max(1),
            Sync::Later => {}
            Sync::AtCommit => {
                self.unsynced_waits = 0;
                if let Some(head) = self.unanchored.take() {
                    self.remember(&open.connection, &head);
                }
            }
        }
        self.known = written.known;
        // The database's own notice moves with the commits of others only.
        let changed = batch.iter().any(|job| matches!(job, Job::Change(_)));
        if changed {
            self.seen.data_version = -1;
            self.deeds_anchor.remember(&open.connection, &self.core.keys);
        }
        // What is committed stays committed: a notice that fails is repeated with the next batch.
        if (changed || written.data_version != Some(self.seen.data_version))
            && let Ok(seen) = notice(&self.core, &open.connection, self.seen)
        {
            self.seen = seen;
        }
        self.open = Some(open);
        Ok(written.approval_gone)
    }

    /// Whether a batch must be on the disk when it is committed.
    fn sync_of(&self, batch: &[Job]) -> Sync {
        let must = self.closing
            || self.core.is_failing()
            || self.unsynced_waits > UNSYNCED_WAITS_MAX
            || batch.iter().any(Job::must_be_synced);
        if must { Sync::AtCommit } else { Sync::Later }
    }

    /// The batch is committed.
    fn done(&mut self, batch: &mut Vec<Job>, approval_gone: &[usize]) {
        if self.core.is_failing() {
            self.set_busy_timeout(BUSY_MS_MAX);
            tracing::info!("the store can be written again");
            self.core.set_health(Health::Good);
        }
        reached(Place::BeforeAnswers);
        let mut latest = i64::MIN;
        let mut wakers = Vec::with_capacity(batch.iter().filter(|job| job.is_awaited()).count());
        for (index, job) in batch.drain(..).enumerate() {
            match job {
                Job::Open { ticket, time, approval, .. } => {
                    latest = latest.max(time);
                    // Used by this call or by another one: gone either way.
                    if let Some((id, _)) = &approval {
                        self.core.approvals.taken(id, Taken::ForGood);
                    }
                    let fate = if approval_gone.contains(&index) {
                        Err(JobError::ApprovalGone)
                    } else {
                        Ok(())
                    };
                    wakers.extend(ticket.settle(fate));
                }
                Job::Outcome { .. } => {}
                Job::Change(change) => change.finish(Ok(())),
                Job::Flush(ticket) => wakers.extend(ticket.settle(Ok(()))),
            }
        }
        self.core.wakes.hand_on(wakers);
        reached(Place::AfterAnswers);
        self.sweep(latest);
    }

    /// Forgets buckets whose windows are over, now and then.
    fn sweep(&mut self, latest: i64) {
        if latest.saturating_sub(SWEEP_MS) > self.swept_at {
            // By the time of the look before: a clock that jumps ahead for a moment forgets no
            // counter that is still needed when it comes back.
            self.core.sweep(policy::UnixMillis(self.swept_at));
            self.swept_at = latest;
        } else if latest > i64::MIN && latest < self.swept_at.saturating_sub(SWEEP_MS) {
            // It came back, or was set back: looks go on from here.
            self.swept_at = latest;
        }
    }

    /// Nothing of the batch is on disk: whoever waits is told, and what happened already is kept.
    fn failed(&mut self, unavailable: &Unavailable, batch: &mut Vec<Job>) {
        if !self.core.is_failing() {
            tracing::error!(why = %unavailable.why, "the store cannot be written; calls are refused");
        }
        self.core.set_health(Health::Failing { why: unavailable.why.clone() });
        self.set_busy_timeout(BUSY_FAILING_MS_MAX);
        self.core.readers.forget();
        let mut wakers = Vec::new();
        for job in batch.drain(..) {
            match job {
                Job::Open { ticket, waits: Waits::Yes, approval, .. } => {
                    if let Some((id, _)) = &approval {
                        self.core.approvals.taken(id, Taken::NotAtAll);
                    }
                    ticket.place(None);
                    wakers.extend(ticket.settle(Err(JobError::Unavailable(unavailable.clone()))));
                }
                kept @ (Job::Open { waits: Waits::No, .. } | Job::Outcome { .. }) => {
                    if let Job::Open { ticket, .. } = &kept {
                        ticket.place(None);
                    }
                    if self.retained.len() < RETAINED_JOBS_MAX {
                        self.retained.push(kept);
                    } else {
                        tracing::error!("an audit row of a call that happened is lost");
                    }
                }
                Job::Change(change) => change.finish(Err(unavailable.clone())),
                Job::Flush(ticket) => {
                    wakers.extend(ticket.settle(Err(JobError::Unavailable(unavailable.clone()))));
                }
            }
        }
        self.core.wakes.hand_on(wakers);
        keep_newest(&mut self.unsaved);
    }

    fn set_busy_timeout(&mut self, ms: u64) {
        let set =
            self.open.as_ref().map(|open| open.connection.busy_timeout(Duration::from_millis(ms)));
        if let Some(Err(_unusable)) = set {
            self.open = None;
        }
    }

    /// Opens the database anew: the same file, or one with the same key that was put in its place.
    fn reopen(&mut self) -> Result<Open, Unavailable> {
        let connection = open_writer(&self.database)?;
        connection.busy_timeout(Duration::from_millis(BUSY_FAILING_MS_MAX))?;
        if key_check(&connection)? != Some(self.key_check) {
            return Err(Unavailable { why: "the database is another one".into() });
        }
        touch(&connection)?;
        let identity = FileIdentity::of(&self.database)?;
        self.core.readers.forget();
        // Whatever was published may not be what this file says.
        self.seen = Seen { data_version: -1, config: -1, approvals: -1 };
        // The file may be an older one, which does not hold the rows of this head.
        self.unanchored = None;
        self.known = None;
        Ok(Open::new(connection, identity))
    }

    /// Takes the head of a committed batch down in the anchor file.
    fn remember(&mut self, connection: &Connection, head: &Head) {
        if self.anchor.is_none() {
            self.anchor = Some(self.open_anchor(connection));
        }
        reached(Place::BeforeAnchor);
        if let Some(AnchorState::Live(file)) = &self.anchor
            && let Err(error) = Anchor::write(file, head, &self.core.keys)
        {
            tracing::error!(%error, "{ANCHOR_FILE} cannot be written");
        }
        reached(Place::AfterAnchor);
    }

    fn open_anchor(&self, connection: &Connection) -> AnchorState {
        let held = Anchor::read(&self.anchor_path, &self.core.keys)
            .is_some_and(|anchor| anchor.is_held_by(connection).unwrap_or(false));
        let file = OpenOptions::new().write(true).mode(0o600).open(&self.anchor_path);
        if let (true, Ok(file)) = (held, file) {
            return AnchorState::Live(file);
        }
        tracing::error!("the audit log does not hold what {ANCHOR_FILE} remembers: verify it");
        AnchorState::Frozen
    }
}

/// Writes the first state of a database that has none: the check of its key, the empty log's head,
/// and the anchor. Only ever once.
pub(crate) fn initialise(
    connection: &mut Connection,
    keys: &Keys,
    anchor: &std::path::Path,
) -> Result<(), Unavailable> {
    let transaction = connection.transaction()?;
    let check = keys.check();
    let sql = "INSERT INTO meta (key, value) VALUES ('key_check', ?1)";
    transaction.execute(sql, [check.as_slice()])?;
    write_head(&transaction, keys, &Head::EMPTY)?;
    reached(Place::BeforeFirstState);
    transaction.commit()?;
    reached(Place::AfterFirstState);
    ensure_anchor(connection, keys, anchor)
}

/// Makes the anchor file of an empty log, if it is not there.
pub(crate) fn ensure_anchor(
    connection: &Connection,
    keys: &Keys,
    anchor: &std::path::Path,
) -> Result<(), Unavailable> {
    let empty = match read_head(connection, keys) {
        Ok(head) => head.seq == 0,
        Err(HeadFault::Missing | HeadFault::Unsigned) => false,
        Err(HeadFault::Unavailable(unavailable)) => return Err(unavailable),
    };
    if empty && !anchor.exists() {
        // Whole or not at all: a kill in between must not leave an empty anchor.
        let draft = anchor.with_extension("new");
        let make = || -> io::Result<()> {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
            Anchor::write(&file, &Head::EMPTY, keys)?;
            file.sync_all()?;
            reached(Place::BeforeFirstAnchor);
            std::fs::rename(&draft, anchor)?;
            reached(Place::AfterFirstAnchor);
            Ok(())
        };
        make().map_err(|error| Unavailable { why: error.to_string() })?;
    }
    Ok(())
}

/// What the database knows its key file by; `None` if it was never initialised.
pub(crate) fn key_check(connection: &Connection) -> Result<Option<[u8; 32]>, rusqlite::Error> {
    use rusqlite::OptionalExtension as _;
    let sql = "SELECT value FROM meta WHERE key = 'key_check'";
    connection.query_row(sql, [], |row| row.get(0)).optional()
}

/// Writes something, so that the write-ahead log exists and the disk has shown that it takes data.
pub(crate) fn touch(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.execute(
        "INSERT INTO meta (key, value) VALUES ('probe', 1)
         ON CONFLICT (key) DO UPDATE SET value = value + 1",
        [],
    )?;
    Ok(())
}

/// Publishes what changed in the database since `seen`, by this process or another one.
fn notice(core: &Core, connection: &Connection, seen: Seen) -> Result<Seen, Unavailable> {
    let version = data_version(connection)?;
    if version == seen.data_version {
        return Ok(seen);
    }
    let (config, approvals) = revisions(connection)?;
    if approvals != seen.approvals {
        core.reload_approvals(connection)?;
    }
    if config != seen.config {
        core.publish_revision(config);
    }
    Ok(Seen { data_version: version, config, approvals })
}

fn file_gone() -> Unavailable {
    Unavailable { why: "the database file was removed or replaced".into() }
}

/// The database's notice: it moves when another connection commits.
fn data_version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
}

fn revisions(connection: &Connection) -> Result<(i64, i64), rusqlite::Error> {
    connection
        .prepare_cached("SELECT config, approvals FROM revisions WHERE id = 1")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

fn rolled_back(connection: &Connection) -> bool {
    connection.is_autocommit() || connection.execute_batch("ROLLBACK").is_ok()
}

/// Of several rows of one counter only the newest is worth writing.
fn keep_newest(rows: &mut Vec<BucketRow>) {
    let mut seen = std::collections::HashSet::new();
    rows.reverse();
    rows.retain(|row| seen.insert(row.key.clone()));
    rows.reverse();
}
