//! The tasks that the gateway itself serves for held calls (GATEWAY.md section 7, point 4): whose
//! they are and where each stands. Kept in memory and bounded; they lie in the store as well, those
//! that wait and those that ended, and a process that starts anew takes them up when somebody asks.
//! Nothing here sends or decides.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use policy::UnixMillis;
use store::{GrantId, HeldTaskRecord, ServerSlug};
use tokio_util::sync::CancellationToken;

use crate::config::Randomness;
use crate::sessions::hex;

/// How many tasks of one grant are remembered. For a further one its oldest that has ended is
/// forgotten; where none has, the call waits without a task.
pub(crate) const TASKS_PER_GRANT_MAX: usize = 32;

/// How long the results that tasks keep may be together, in bytes; beyond it the task that ended
/// first is forgotten.
pub(crate) const RESULTS_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The longest result that a task keeps, in bytes.
pub(crate) const RESULT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How long a task that has ended is remembered, in seconds, and at least until its approval would
/// have been over.
pub(crate) const ENDED_SECONDS_MAX: u32 = 300;

/// How long a task is remembered that stands for one of the server, in seconds.
pub(crate) const DELEGATED_SECONDS_MAX: u32 = 24 * 60 * 60;

const ID_PREFIX: &str = "portcullis-";

/// Where a task stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It waits for a person: a sentence with the link, and JSON text of the result's `_meta`.
    Waiting { message: Arc<str>, meta: Arc<str> },
    /// It was approved and is on its way.
    Running,
    /// The server made a task of it, which has this identifier there.
    Delegated(Arc<str>),
    /// JSON text of what the call returned.
    Completed(Bytes),
    /// JSON text of the JSON-RPC error that the call ended with.
    Failed(Bytes),
    /// It was withdrawn.
    Cancelled,
    /// Its call ended and is not made again; what it came to had to make room.
    NotKept,
}

impl Stage {
    /// Whether nothing more comes.
    pub(crate) fn is_over(&self) -> bool {
        match self {
            Self::Waiting { .. } | Self::Running | Self::Delegated(_) => false,
            Self::Completed(_) | Self::Failed(_) | Self::Cancelled | Self::NotKept => true,
        }
    }

    fn kept_bytes(&self) -> usize {
        match self {
            Self::Completed(json) | Self::Failed(json) => json.len(),
            Self::Waiting { .. }
            | Self::Running
            | Self::Delegated(_)
            | Self::Cancelled
            | Self::NotKept => 0,
        }
    }
}

/// What a task looks like at one instant.
#[derive(Clone, Debug)]
pub(crate) struct View {
    pub(crate) stage: Stage,
    pub(crate) updated_at: UnixMillis,
    /// When the client need not ask any more.
    pub(crate) expires_at: UnixMillis,
}

/// One task.
#[derive(Debug)]
pub(crate) struct HeldTask {
    pub(crate) id: Box<str>,
    grant: GrantId,
    server: ServerSlug,
    pub(crate) created_at: UnixMillis,
    /// Cancelled when the agent withdraws the call.
    pub(crate) withdrawn: CancellationToken,
    /// Cancelled when it has ended, and its end lies in the store.
    pub(crate) ended: CancellationToken,
    view: Mutex<View>,
}

impl HeldTask {
    fn lock(&self) -> MutexGuard<'_, View> {
        // Every change replaces whole values: the view is whole also after a panic.
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it stands.
    pub(crate) fn view(&self) -> View {
        self.lock().clone()
    }

    /// Whether it is forgotten at `now`.
    fn is_over(&self, now: UnixMillis) -> bool {
        let view = self.lock();
        let kept = match view.stage {
            Stage::Waiting { .. } | Stage::Running => return false,
            Stage::Delegated(_) => DELEGATED_SECONDS_MAX,
            Stage::Completed(_) | Stage::Failed(_) | Stage::Cancelled | Stage::NotKept => {
                ENDED_SECONDS_MAX
            }
        };
        now >= view.updated_at.plus_seconds(kept) && now >= view.expires_at
    }
}

/// All tasks.
#[derive(Debug, Default)]
pub(crate) struct HeldTasks {
    table: Mutex<HashMap<Box<str>, Arc<HeldTask>>>,
}

impl HeldTasks {
    fn table(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<HeldTask>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a task; `None` when its grant has too many that have not ended.
    pub(crate) fn open(
        &self,
        (grant, server): (&GrantId, &ServerSlug),
        view: View,
        randomness: Randomness,
    ) -> Option<Arc<HeldTask>> {
        let id = format!("{ID_PREFIX}{}", hex(&randomness.bytes::<16>())).into_boxed_str();
        let now = view.updated_at;
        let mut table = self.table();
        table.retain(|_, task| !task.is_over(now));
        let own = || table.values().filter(|task| task.grant == *grant);
        if own().count() >= TASKS_PER_GRANT_MAX {
            let ended = own().filter(|task| task.lock().stage.is_over());
            let oldest = ended.min_by_key(|task| task.lock().updated_at)?.id.clone();
            table.remove(&oldest);
        }
        let task = Arc::new(HeldTask {
            id: id.clone(),
            grant: grant.clone(),
            server: server.clone(),
            created_at: now,
            withdrawn: CancellationToken::new(),
            ended: CancellationToken::new(),
            view: Mutex::new(view),
        });
        table.insert(id, Arc::clone(&task));
        Some(task)
    }

    /// Takes up a task that lies in the store; `None` when it is there already. What all tasks keep
    /// stays within its bound.
    pub(crate) fn take_up(
        &self,
        known: &HeldTaskRecord,
        view: View,
        now: UnixMillis,
    ) -> Option<Arc<HeldTask>> {
        let over = view.stage.is_over();
        let mut table = self.table();
        let Entry::Vacant(place) = table.entry(known.id.as_str().into()) else { return None };
        let task = Arc::new(HeldTask {
            id: known.id.as_str().into(),
            grant: known.grant.clone(),
            server: known.server.clone(),
            created_at: known.made_at,
            withdrawn: CancellationToken::new(),
            ended: CancellationToken::new(),
            view: Mutex::new(view),
        });
        place.insert(Arc::clone(&task));
        drop(table);
        if over {
            task.ended.cancel();
            self.make_room(&task.id, now);
        }
        Some(task)
    }

    /// Forgets a task that nobody was told of.
    pub(crate) fn drop_unsaid(&self, task: &HeldTask) {
        self.table().remove(&task.id);
    }

    /// Whether an identifier may be one of these tasks'.
    pub(crate) fn is_one(id: &str) -> bool {
        id.starts_with(ID_PREFIX)
    }

    /// The task with this identifier, if this grant's call of this server became it.
    pub(crate) fn find(
        &self,
        id: &str,
        grant: &GrantId,
        server: &ServerSlug,
        now: UnixMillis,
    ) -> Option<Arc<HeldTask>> {
        if !Self::is_one(id) {
            return None;
        }
        let task = self.table().get(id).cloned()?;
        (task.grant == *grant && task.server == *server && !task.is_over(now)).then_some(task)
    }

    /// Moves a task on, unless it has ended. What all tasks keep stays within its bound.
    pub(crate) fn moved(
        &self,
        task: &HeldTask,
        stage: Stage,
        (now, expires_at): (UnixMillis, UnixMillis),
    ) {
        let over = stage.is_over();
        {
            let mut view = task.lock();
            if view.stage.is_over() {
                return;
            }
            *view = View { stage, updated_at: now, expires_at };
        }
        if over {
            task.ended.cancel();
            self.make_room(&task.id, now);
        }
    }

    /// Forgets what is over, then the tasks that ended first, until the results fit.
    fn make_room(&self, newest: &str, now: UnixMillis) {
        let mut table = self.table();
        table.retain(|_, task| !task.is_over(now));
        let mut kept: usize = table.values().map(|task| task.lock().stage.kept_bytes()).sum();
        while kept > RESULTS_BYTES_MAX {
            let others = table
                .values()
                .filter(|task| *task.id != *newest && task.lock().stage.kept_bytes() > 0);
            let Some(first) = others.min_by_key(|task| task.lock().updated_at) else { return };
            let id = first.id.clone();
            kept = kept.saturating_sub(first.lock().stage.kept_bytes());
            table.remove(&id);
        }
    }

    /// Forgets what is over, and the tasks of grants that are no more.
    pub(crate) fn sweep(&self, now: UnixMillis, gone: impl Fn(&GrantId) -> bool) {
        self.table().retain(|_, task| !task.is_over(now) && !gone(&task.grant));
    }
}

#[cfg(test)]
mod tests;
