//! Held calls that are served as tasks: while they wait, what a process that starts anew needs to go
//! on with them; once they ended, what became of them, sealed and bounded, for as long as their
//! clients may ask (MCP 2026-07-28, tasks extension: a task stands until its time to live is over).
//!
//! What never lives here: where a task stands that has not ended (the process that serves it knows).

use std::sync::Arc;

use policy::{ApprovalId, UnixMillis};
use rusqlite::OptionalExtension as _;

use crate::error::{ReadError, WriteError, damaged};
use crate::name::{GrantId, ServerSlug};
use crate::seal::Keys;
use crate::store::Store;

/// How long a task is kept after its time to live, in seconds: whoever asks then learns what became
/// of it.
const KEPT_SECONDS: u32 = 300;

/// Tasks of one grant that have ended and are kept, at most; beyond it the oldest are forgotten.
pub const ENDED_TASKS_PER_GRANT_MAX: usize = 32;

/// How long what all tasks came to may be together, in bytes; beyond it the oldest results go, and
/// their tasks say so.
pub const ENDED_RESULTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What became of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskOutcome {
    /// JSON text of what the call returned; `None` when it is no longer kept.
    Completed(Option<Vec<u8>>),
    /// JSON text of the JSON-RPC error that the call ended with; `None` when it is no longer kept.
    Failed(Option<Vec<u8>>),
    /// It was withdrawn.
    Cancelled,
    /// The server made a task of it, which has this identifier there.
    Delegated(String),
}

impl TaskOutcome {
    fn word(&self) -> &'static str {
        match self {
            Self::Completed(_) => "completed",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Delegated(_) => "delegated",
        }
    }

    fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Completed(json) | Self::Failed(json) => json.as_deref(),
            Self::Cancelled => None,
            Self::Delegated(there) => Some(there.as_bytes()),
        }
    }

    /// How much of it counts as a result.
    fn result_bytes(&self) -> i64 {
        match self {
            Self::Completed(json) | Self::Failed(json) => count(json.as_ref().map_or(0, Vec::len)),
            Self::Cancelled | Self::Delegated(_) => 0,
        }
    }

    fn read(word: &str, bytes: Option<Vec<u8>>) -> Result<Self, String> {
        match (word, bytes) {
            ("completed", json) => Ok(Self::Completed(json)),
            ("failed", json) => Ok(Self::Failed(json)),
            ("cancelled", _) => Ok(Self::Cancelled),
            ("delegated", Some(there)) => {
                String::from_utf8(there).map(Self::Delegated).map_err(|error| error.to_string())
            }
            (other, _) => Err(format!("an outcome {other:?} that cannot be")),
        }
    }
}

/// The end of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTaskEnd {
    /// What became of it.
    pub outcome: TaskOutcome,
    /// When.
    pub at: UnixMillis,
    /// When its client need not ask any more.
    pub expires_at: UnixMillis,
}

/// A held call as a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldTaskRecord {
    /// Its identifier.
    pub id: String,
    /// The grant that made the call.
    pub grant: GrantId,
    /// The server that it is for.
    pub server: ServerSlug,
    /// The approval that it waits for.
    pub approval: ApprovalId,
    /// The message, as it came; empty once it has ended.
    pub body: Vec<u8>,
    /// The mirrored headers that came with it; none once it has ended.
    pub headers: Vec<(String, String)>,
    /// When it was made.
    pub made_at: UnixMillis,
    /// When nobody can decide it any more, or its client need not ask any more.
    pub expires_at: UnixMillis,
    /// What became of it; `None` while it waits or is on its way.
    pub ended: Option<HeldTaskEnd>,
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn place(id: &str) -> String {
    format!("held task {id}")
}

/// A row, without the identifier.
struct Row {
    names: (String, String, String),
    message: (Vec<u8>, String),
    times: (i64, i64),
    end: (Option<i64>, Option<String>, Option<Vec<u8>>),
}

impl Row {
    fn parse(self, id: String, keys: &Keys) -> Result<HeldTaskRecord, ReadError> {
        let damage = |why: &dyn std::fmt::Display| damaged("task", &id, why);
        let expires_at = UnixMillis(self.times.1);
        let (ended_at, outcome, sealed) = self.end;
        let ended = match ended_at.zip(outcome) {
            None => None,
            Some((at, word)) => {
                let open = |sealed: Vec<u8>| keys.open(&place(&id), &sealed);
                let bytes = sealed.map(open).transpose();
                let bytes = bytes
                    .map_err(|_unseal| ReadError::Sealed { what: "task", name: id.clone() })?
                    .map(|bytes| bytes.expose().clone());
                let outcome = TaskOutcome::read(&word, bytes).map_err(|why| damage(&why))?;
                Some(HeldTaskEnd { outcome, at: UnixMillis(at), expires_at })
            }
        };
        Ok(HeldTaskRecord {
            grant: GrantId::parse(&self.names.0).map_err(|error| damage(&error))?,
            server: ServerSlug::parse(&self.names.1).map_err(|error| damage(&error))?,
            approval: self
                .names
                .2
                .parse()
                .map_err(|error: policy::ApprovalIdError| damage(&error))?,
            headers: serde_json::from_str(&self.message.1).map_err(|error| damage(&error))?,
            body: self.message.0,
            made_at: UnixMillis(self.times.0),
            expires_at,
            ended,
            id,
        })
    }
}

const END: &str =
    "UPDATE held_tasks SET body = x'', headers = '[]', expires_at = ?2, ended_at = ?3,
    outcome = ?4, result = ?5, result_bytes = ?6 WHERE id = ?1 AND ended_at IS NULL";

const FORGET_OLDEST: &str = "DELETE FROM held_tasks WHERE id IN (SELECT id FROM held_tasks
    WHERE grant_id = (SELECT grant_id FROM held_tasks WHERE id = ?1) AND ended_at IS NOT NULL
    ORDER BY ended_at DESC, id = ?1 DESC LIMIT -1 OFFSET ?2)";

const MAKE_ROOM: &str = "UPDATE held_tasks SET result = NULL, result_bytes = 0 WHERE id IN (
    SELECT id FROM (SELECT id, sum(result_bytes) OVER (ORDER BY ended_at DESC, id DESC) AS upto
    FROM held_tasks WHERE result_bytes > 0) WHERE upto > ?1)";

impl Store {
    /// Keeps a task. Those that ended some time ago are forgotten.
    pub async fn keep_held_task(&self, task: HeldTaskRecord) -> Result<(), WriteError> {
        self.change(move |tx| {
            // Texts only: this cannot fail.
            let headers = serde_json::to_string(&task.headers).unwrap_or_default();
            tx.prepare_cached(
                "INSERT INTO held_tasks (id, grant_id, server, approval, body, headers, made_at,
                 expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                &task.id,
                task.grant.as_str(),
                task.server.as_str(),
                task.approval.as_str(),
                &task.body,
                headers,
                task.made_at.0,
                task.expires_at.0,
            ))?;
            let over = task.made_at.0.saturating_sub(i64::from(KEPT_SECONDS) * 1000);
            tx.prepare_cached("DELETE FROM held_tasks WHERE expires_at < ?1")?.execute([over])?;
            Ok(())
        })
        .await
    }

    /// The task of this identifier.
    pub async fn held_task(&self, id: &str) -> Result<Option<HeldTaskRecord>, ReadError> {
        let id = id.to_owned();
        let core = Arc::clone(self.core());
        self.read(move |connection| {
            let found = connection
                .prepare_cached(
                    "SELECT grant_id, server, approval, body, headers, made_at, expires_at, ended_at,
                     outcome, result FROM held_tasks WHERE id = ?1",
                )?
                .query_row([&id], |row| {
                    Ok(Row {
                        names: (row.get(0)?, row.get(1)?, row.get(2)?),
                        message: (row.get(3)?, row.get(4)?),
                        times: (row.get(5)?, row.get(6)?),
                        end: (row.get(7)?, row.get(8)?, row.get(9)?),
                    })
                })
                .optional()?;
            found.map(|row| row.parse(id, &core.keys)).transpose()
        })
        .await
    }

    /// Writes down what became of a task; the call itself is forgotten. The first end stands, and
    /// nothing happens where there is no such task. What is kept of others makes room within
    /// [`ENDED_TASKS_PER_GRANT_MAX`] and [`ENDED_RESULTS_BYTES_MAX`].
    pub async fn end_held_task(&self, id: &str, end: HeldTaskEnd) -> Result<(), WriteError> {
        let id = id.to_owned();
        let core = Arc::clone(self.core());
        self.change(move |tx| {
            let bytes = end.outcome.bytes();
            let sealed = bytes.map(|bytes| core.keys.seal(&place(&id), bytes)).transpose()?;
            tx.prepare_cached(END)?.execute((
                &id,
                end.expires_at.0,
                end.at.0,
                end.outcome.word(),
                sealed,
                end.outcome.result_bytes(),
            ))?;
            let tasks_max = count(ENDED_TASKS_PER_GRANT_MAX);
            tx.prepare_cached(FORGET_OLDEST)?.execute((&id, tasks_max))?;
            tx.prepare_cached(MAKE_ROOM)?.execute([count(ENDED_RESULTS_BYTES_MAX)])?;
            Ok(())
        })
        .await
    }
}
