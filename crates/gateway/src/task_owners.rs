//! Which grant created which task of which server (GATEWAY.md section 4: `tasks/*` only for tasks
//! that this grant created). Kept in memory and bounded: after a restart, or when a task was
//! pushed out, its grant has to be content with the task's result being out of reach.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use store::{GrantId, ServerSlug};

/// How many tasks are remembered; beyond it the oldest are forgotten.
pub(crate) const TASKS_MAX: usize = 100_000;

/// The longest task identifier that is remembered, in bytes.
const TASK_ID_BYTES_MAX: usize = 512;

type TaskKey = (ServerSlug, Box<str>);

/// The owners of tasks.
#[derive(Debug, Default)]
pub(crate) struct TaskOwners {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    owners: HashMap<TaskKey, GrantId>,
    order: VecDeque<TaskKey>,
}

impl TaskOwners {
    /// Notes that a call of this grant created a task. A task that somebody owns already keeps its
    /// owner: a server cannot hand one grant's task to another.
    pub(crate) fn created(&self, server: &ServerSlug, task: &str, grant: &GrantId) {
        if task.len() > TASK_ID_BYTES_MAX {
            return;
        }
        let mut book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        let key: TaskKey = (server.clone(), task.into());
        if book.owners.contains_key(&key) {
            return;
        }
        if book.order.len() >= TASKS_MAX
            && let Some(oldest) = book.order.pop_front()
        {
            book.owners.remove(&oldest);
        }
        book.order.push_back(key.clone());
        book.owners.insert(key, grant.clone());
    }

    /// Whether this grant created the task.
    pub(crate) fn owns(&self, server: &ServerSlug, task: &str, grant: &GrantId) -> bool {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.owners.get(&(server.clone(), task.into())).is_some_and(|owner| owner == grant)
    }

    /// Whether another grant created the task.
    pub(crate) fn is_foreign(&self, server: &ServerSlug, task: &str, grant: &GrantId) -> bool {
        let book = self.book.lock().unwrap_or_else(PoisonError::into_inner);
        book.owners.get(&(server.clone(), task.into())).is_some_and(|owner| owner != grant)
    }
}
