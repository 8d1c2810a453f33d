//! Which grant created which task of which server (GATEWAY.md section 4: `tasks/*` only for tasks
//! that this grant created). Kept in memory and bounded: after a restart, or when a task was
//! pushed out, its grant has to be content with the task's result being out of reach.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use store::{GrantId, ServerSlug};

/// How many tasks are remembered; beyond it the oldest are forgotten.
pub(crate) const TASKS_MAX: usize = 100_000;

/// The longest task identifier that is remembered, in bytes.
const TASK_ID_BYTES_MAX: usize = 512;

/// The owners of one server's tasks.
type Owners = HashMap<Box<str>, GrantId>;

/// The owners of tasks.
#[derive(Debug, Default)]
pub(crate) struct TaskOwners {
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    owners: HashMap<ServerSlug, Owners>,
    /// Oldest first.
    order: VecDeque<(ServerSlug, Box<str>)>,
}

impl Book {
    fn owner(&self, server: &ServerSlug, task: &str) -> Option<&GrantId> {
        self.owners.get(server)?.get(task)
    }

    fn forget_oldest(&mut self) {
        if let Some((server, task)) = self.order.pop_front()
            && let Some(owners) = self.owners.get_mut(&server)
        {
            owners.remove(&task);
            if owners.is_empty() {
                self.owners.remove(&server);
            }
        }
    }
}

impl TaskOwners {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a call of this grant created a task. A task that somebody owns already keeps its
    /// owner: a server cannot hand one grant's task to another.
    pub(crate) fn created(&self, server: &ServerSlug, task: &str, grant: &GrantId) {
        if task.len() > TASK_ID_BYTES_MAX {
            return;
        }
        let mut book = self.book();
        if book.owner(server, task).is_some() {
            return;
        }
        if book.order.len() >= TASKS_MAX {
            book.forget_oldest();
        }
        book.order.push_back((server.clone(), task.into()));
        book.owners.entry(server.clone()).or_default().insert(task.into(), grant.clone());
    }

    /// Whether this grant created the task. One of which nobody knows who created it, because the
    /// gateway was started again or the task was pushed out, is nobody's.
    pub(crate) fn owns(&self, server: &ServerSlug, task: &str, grant: &GrantId) -> bool {
        self.book().owner(server, task).is_some_and(|owner| owner == grant)
    }

    /// Whether another grant created the task.
    pub(crate) fn is_foreign(&self, server: &ServerSlug, task: &str, grant: &GrantId) -> bool {
        self.book().owner(server, task).is_some_and(|owner| owner != grant)
    }
}

#[cfg(test)]
mod tests;
