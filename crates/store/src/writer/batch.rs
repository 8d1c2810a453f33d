//! One transaction of the writer: audit rows with their chain, approvals used, counters, changes.
//!
//! What never lives here: retrying, telling callers.

use policy::{ApprovalId, BucketRow, UnixMillis};
use rusqlite::{CachedStatement, Connection};
use thiserror::Error;

use super::queue::Job;
use super::uses::GrantUses;
use crate::audit::{Head, HeadFault, RowKind, Texts, read_head, write_head};
use crate::error::Unavailable;
use crate::failpoint::{Place, reached};
use crate::seal::Keys;

const INSERT_OPENING: &str =
    "INSERT INTO audit (seq, at, record, hash, outcome) VALUES (?1, ?2, ?3, ?4, ?5)";
const INSERT_OUTCOME: &str =
    "INSERT INTO audit_outcome (opening, seq, at, record, hash) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT (opening) DO NOTHING";
const USE_APPROVAL: &str = "UPDATE approvals SET state = 'used', used_at = ?2
    WHERE id = ?1 AND state = 'approved' AND expires_at > ?2";
const SAVE_COUNTER: &str = "INSERT INTO counters (key, state) VALUES (?1, ?2)
    ON CONFLICT (key) DO UPDATE SET state = ?2";
const FORGET_COUNTER: &str = "DELETE FROM counters WHERE key = ?1";
const SAVE_USE: &str = "INSERT INTO grant_uses (grant_id, at) VALUES (?1, ?2)
    ON CONFLICT (grant_id) DO UPDATE SET at = max(at, ?2)";

/// What a transaction needs.
pub(super) struct Parts<'a> {
    pub(super) connection: &'a Connection,
    pub(super) keys: &'a Keys,
    /// Counters to save, oldest first; an empty state forgets the counter.
    pub(super) counters: &'a [BucketRow],
    /// Whether something is written in any case, to see whether the disk takes it.
    pub(super) probe: bool,
    /// The head as it was written last on this connection.
    pub(super) known: Option<Known>,
}

/// A head that needs no reading as long as no other connection commits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    head: Head,
    data_version: i64,
}

/// What was committed.
pub(super) struct Written {
    /// Whether there was anything to commit.
    pub(super) any: bool,
    /// The database's notice within the transaction: commits of others before it are in it.
    pub(super) data_version: Option<i64>,
    /// The head to go on from in the next transaction.
    pub(super) known: Option<Known>,
    /// The audit log's head, if rows were written.
    pub(super) head: Option<Head>,
    /// Indices of the jobs whose approval was used before or is over; of those nothing was written.
    pub(super) approval_gone: Vec<usize>,
}

/// Why nothing was committed.
#[derive(Debug, Error)]
pub(super) enum BatchError {
    /// The database.
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    /// The log has no trustworthy head to go on from.
    #[error("{0}")]
    Head(String),
}

impl BatchError {
    /// Whether another process holds the database.
    pub(super) fn is_busy(&self) -> bool {
        match self {
            BatchError::Database(error) => matches!(
                error.sqlite_error_code(),
                Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked)
            ),
            BatchError::Head(_) => false,
        }
    }
}

impl From<BatchError> for Unavailable {
    fn from(error: BatchError) -> Unavailable {
        Unavailable { why: error.to_string() }
    }
}

impl From<HeadFault> for BatchError {
    fn from(fault: HeadFault) -> BatchError {
        BatchError::Head(match fault {
            HeadFault::Missing => "the audit log's head is missing".into(),
            HeadFault::Unsigned => "the audit log's head was altered".into(),
            HeadFault::Unavailable(unavailable) => unavailable.why,
        })
    }
}

/// Writes a batch; on an error the caller must roll back or drop the connection.
pub(super) fn write(
    parts: &Parts<'_>,
    batch: &mut [Job],
    uses: &mut GrantUses,
) -> Result<Written, BatchError> {
    let mut written = Written {
        any: false,
        data_version: None,
        known: parts.known,
        head: None,
        approval_gone: Vec::new(),
    };
    let nothing = batch.iter().all(|job| matches!(job, Job::Flush(_)));
    if nothing && parts.counters.is_empty() && !parts.probe {
        return Ok(written);
    }
    let connection = parts.connection;
    reached(Place::BeforeBegin);
    connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
    let data_version = super::data_version(connection)?;
    written.data_version = Some(data_version);
    if parts.probe {
        super::touch(connection)?;
    }
    if batch.iter().any(|job| matches!(job, Job::Open { .. } | Job::Outcome { .. })) {
        let head = match parts.known {
            Some(known) if known.data_version == data_version => known.head,
            // Another process wrote in the meantime, perhaps rows.
            Some(_) | None => read_head(connection, parts.keys)?,
        };
        let mut log = Log::open(connection, head)?;
        for (index, job) in batch.iter_mut().enumerate() {
            if log.write(job)? == Wrote::ApprovalGone {
                written.approval_gone.push(index);
            }
        }
        written.known = Some(Known { head: log.head, data_version });
        written.head = log.close(parts.keys)?;
    } else {
        for job in batch.iter_mut() {
            if let Job::Change(change) = job {
                change.run(connection)?;
            }
        }
    }
    reached(Place::RowsWritten);
    save_counters(connection, parts.counters)?;
    let used = uses.due(batch);
    save_uses(connection, &used)?;
    reached(Place::BeforeCommit);
    connection.prepare_cached("COMMIT")?.execute([])?;
    reached(Place::AfterCommit);
    uses.saved(used);
    written.any = true;
    Ok(written)
}

#[derive(PartialEq, Eq)]
enum Wrote {
    Done,
    ApprovalGone,
}

/// The audit log within a transaction, with its statements at hand.
struct Log<'c> {
    connection: &'c Connection,
    before: Head,
    head: Head,
    opening: CachedStatement<'c>,
    outcome: CachedStatement<'c>,
}

impl<'c> Log<'c> {
    fn open(connection: &'c Connection, head: Head) -> Result<Log<'c>, BatchError> {
        Ok(Log {
            connection,
            before: head,
            head,
            opening: connection.prepare_cached(INSERT_OPENING)?,
            outcome: connection.prepare_cached(INSERT_OUTCOME)?,
        })
    }

    fn write(&mut self, job: &mut Job) -> Result<Wrote, BatchError> {
        match job {
            Job::Open { ticket, record, ended, time, approval, .. } => {
                if let Some((id, now)) = approval
                    && !use_approval(self.connection, id, *now)?
                {
                    return Ok(Wrote::ApprovalGone);
                }
                // A call that ended by now has one row; from here on its outcome is one of its own.
                if ended.is_none() {
                    *ended = ticket.take_end();
                }
                let texts = Texts { record, outcome: ended.as_deref().unwrap_or_default() };
                let at = self.head.append(RowKind::Opening, *time, texts);
                let hash = self.head.hash.as_slice();
                self.opening.execute((self.head.seq, at, texts.record, hash, texts.outcome))?;
                ticket.place(Some(self.head.seq));
            }
            Job::Outcome { ticket, record, time } => {
                // An opening that was never committed has no outcome: its caller was refused.
                if let Some(opening) = ticket.seq() {
                    let before = self.head;
                    let texts = Texts { record, outcome: "" };
                    let at = self.head.append(RowKind::Outcome(opening), *time, texts);
                    let hash = self.head.hash.as_slice();
                    let row = (opening, self.head.seq, at, record.as_str(), hash);
                    if self.outcome.execute(row)? == 0 {
                        // A commit that reported an error may have happened all the same, and what
                        // is tried again is there already.
                        self.head = before;
                    }
                }
            }
            Job::Change(change) => change.run(self.connection)?,
            Job::Flush(_) => {}
        }
        Ok(Wrote::Done)
    }

    fn close(self, keys: &Keys) -> Result<Option<Head>, BatchError> {
        if self.head == self.before {
            return Ok(None);
        }
        write_head(self.connection, keys, &self.head)?;
        Ok(Some(self.head))
    }
}

fn use_approval(
    connection: &Connection,
    id: &ApprovalId,
    now: UnixMillis,
) -> Result<bool, rusqlite::Error> {
    Ok(connection.prepare_cached(USE_APPROVAL)?.execute((id.as_str(), now.0))? == 1)
}

fn save_uses(connection: &Connection, used: &[(String, i64)]) -> Result<(), rusqlite::Error> {
    if used.is_empty() {
        return Ok(());
    }
    let mut save = connection.prepare_cached(SAVE_USE)?;
    for (grant, at) in used {
        save.execute((grant.as_str(), at))?;
    }
    Ok(())
}

fn save_counters(connection: &Connection, rows: &[BucketRow]) -> Result<(), rusqlite::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let mut save = connection.prepare_cached(SAVE_COUNTER)?;
    let mut forget = connection.prepare_cached(FORGET_COUNTER)?;
    for row in rows {
        if row.state.is_empty() {
            forget.execute([row.key.as_str()])?;
        } else {
            save.execute((row.key.as_str(), row.state.as_slice()))?;
        }
    }
    Ok(())
}
