//! The latest lists of a server as they were filtered. Servers say the same again and again: what is
//! byte for byte the same, for the same policy and the same pins, is not read again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use mcp::{Era, FilteredBefore, RawId, Response};

use crate::snapshot::PolicyEntry;

/// How many lists of one server are kept: pages, for policies.
const LISTS_MAX: usize = 8;
/// The longest list that is kept, in bytes as the server sent it.
const LIST_BYTES_MAX: usize = 512 * 1024;

/// Lists that were filtered under one table of pins, the latest first.
#[derive(Debug, Default)]
pub(crate) struct FilteredLists(Mutex<VecDeque<Kept>>);

/// A list, and what else its filtering depended on.
#[derive(Debug)]
struct Kept {
    /// Only for telling policies apart: a policy that is gone is not kept alive.
    policy: Weak<PolicyEntry>,
    era: Era,
    list: Arc<FilteredBefore>,
}

impl FilteredLists {
    fn kept(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Every change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this answer becomes, if the same one was filtered for this policy before.
    pub(crate) fn again(
        &self,
        (policy, era): (&Arc<PolicyEntry>, Era),
        body: &[u8],
        id: &RawId,
    ) -> Option<Bytes> {
        let of_policy = |kept: &&Kept| kept.era == era && is_of(kept, policy);
        let lists: Vec<Arc<FilteredBefore>> =
            self.kept().iter().filter(of_policy).map(|kept| Arc::clone(&kept.list)).collect();
        // Long texts are compared without the lock.
        lists.iter().find_map(|list| list.again(body, id))
    }

    /// Keeps what became of a list.
    pub(crate) fn keep(
        &self,
        (policy, era): (&Arc<PolicyEntry>, Era),
        response: &Response,
        made: &Bytes,
    ) {
        if response.body().len() > LIST_BYTES_MAX {
            return;
        }
        let Some(list) = FilteredBefore::of(response, made) else { return };
        let kept = Kept { policy: Arc::downgrade(policy), era, list: Arc::new(list) };
        let mut all = self.kept();
        all.truncate(LISTS_MAX.saturating_sub(1));
        all.push_front(kept);
    }
}

fn is_of(kept: &Kept, policy: &Arc<PolicyEntry>) -> bool {
    std::ptr::eq(kept.policy.as_ptr(), Arc::as_ptr(policy))
}
