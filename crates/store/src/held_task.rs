//! Held calls that are served as tasks, for as long as they wait: what a process that starts anew
//! needs to go on with them.
//!
//! What never lives here: where a task stands (the process that serves it knows), and results.

use policy::{ApprovalId, UnixMillis};
use rusqlite::OptionalExtension as _;

use crate::error::{ReadError, WriteError, damaged};
use crate::name::{GrantId, ServerSlug};
use crate::store::Store;

/// How long a task is kept after its end, in seconds: whoever asks then learns that it is over.
const KEPT_SECONDS: u32 = 300;

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
    /// The message, as it came.
    pub body: Vec<u8>,
    /// The mirrored headers that came with it.
    pub headers: Vec<(String, String)>,
    /// When it was made.
    pub made_at: UnixMillis,
    /// When nobody can decide it any more.
    pub expires_at: UnixMillis,
}

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
        self.read(move |connection| {
            let found = connection
                .prepare_cached(
                    "SELECT grant_id, server, approval, body, headers, made_at, expires_at
                     FROM held_tasks WHERE id = ?1",
                )?
                .query_row([&id], |row| {
                    let names: (String, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    let message: (Vec<u8>, String) = (row.get(3)?, row.get(4)?);
                    let times: (i64, i64) = (row.get(5)?, row.get(6)?);
                    Ok((names, message, times))
                })
                .optional()?;
            let Some((names, (body, headers), (made_at, expires_at))) = found else {
                return Ok(None);
            };
            let damage = |why: &dyn std::fmt::Display| damaged("task", &id, why);
            Ok(Some(HeldTaskRecord {
                grant: GrantId::parse(&names.0).map_err(|error| damage(&error))?,
                server: ServerSlug::parse(&names.1).map_err(|error| damage(&error))?,
                approval: names
                    .2
                    .parse()
                    .map_err(|error: policy::ApprovalIdError| damage(&error))?,
                headers: serde_json::from_str(&headers).map_err(|error| damage(&error))?,
                body,
                made_at: UnixMillis(made_at),
                expires_at: UnixMillis(expires_at),
                id,
            }))
        })
        .await
    }

    /// Forgets a task, because it has ended; nothing happens where there is none.
    pub async fn forget_held_task(&self, id: &str) -> Result<(), WriteError> {
        let id = id.to_owned();
        self.change(move |tx| {
            tx.prepare_cached("DELETE FROM held_tasks WHERE id = ?1")?.execute([&id])?;
            Ok(())
        })
        .await
    }
}
