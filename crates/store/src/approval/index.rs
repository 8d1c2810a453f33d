//! The requests that are not used and not over, in memory: held calls and admissions ask here.
//!
//! What never lives here: SQL, the rules of settling.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use policy::{
    ApprovalId, ApprovalRecord, ApprovalState, Ask, Settled, Sha256Digest, UnixMillis, settle,
};
use tokio::sync::watch;

use crate::sync::{AtomicI64, Mutex, MutexGuard};

/// The index, and the notice of its changes.
#[derive(Debug)]
pub(crate) struct ApprovalIndex {
    records: Mutex<Records>,
    changes: watch::Sender<u64>,
    /// The time that a caller brought last: what was over by then is not loaded again. Not the highest
    /// ever: a clock that leaps ahead for a moment must not put an end to what is asked after it.
    seen: AtomicI64,
}

#[derive(Debug, Default)]
struct Records {
    by_digest: HashMap<Sha256Digest, Vec<ApprovalRecord>>,
    digests: HashMap<ApprovalId, Sha256Digest>,
    /// Made by this process and not on disk yet.
    unsaved: HashSet<ApprovalId>,
    /// Taken by an admission that is not on disk yet.
    in_use: HashSet<ApprovalId>,
}

impl Records {
    fn insert(&mut self, record: ApprovalRecord) {
        self.digests.insert(record.id.clone(), record.digest);
        self.by_digest.entry(record.digest).or_default().push(record);
    }

    fn remove(&mut self, id: &ApprovalId) {
        if let Some(digest) = self.digests.remove(id)
            && let Some(records) = self.by_digest.get_mut(&digest)
        {
            records.retain(|record| record.id != *id);
            if records.is_empty() {
                self.by_digest.remove(&digest);
            }
        }
    }

    fn get_mut(&mut self, id: &ApprovalId) -> Option<&mut ApprovalRecord> {
        let digest = self.digests.get(id)?;
        self.by_digest.get_mut(digest)?.iter_mut().find(|record| record.id == *id)
    }

    fn settle(&self, digest: &Sha256Digest, grant: &str, ask: &Ask, now: UnixMillis) -> Settled {
        let same = self.by_digest.get(digest).map_or(&[][..], Vec::as_slice);
        let pending = self
            .by_digest
            .values()
            .flatten()
            .filter(|record| {
                record.grant == grant
                    && record.state == ApprovalState::Pending
                    && record.expires_at > now
            })
            .count();
        settle(same, pending, ask, now)
    }
}

impl ApprovalIndex {
    /// An index of what the database holds.
    pub(crate) fn new(live: Vec<ApprovalRecord>, now: UnixMillis) -> ApprovalIndex {
        let index = ApprovalIndex {
            records: Mutex::default(),
            changes: watch::Sender::new(0),
            seen: AtomicI64::new(now.0),
        };
        index.replace(live);
        index
    }

    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The notice of changes.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The time that a caller brought last.
    pub(crate) fn seen(&self) -> UnixMillis {
        UnixMillis(self.seen.load(Ordering::Relaxed))
    }

    /// Takes over what the database holds; what is on its way there stays as it is.
    pub(crate) fn replace(&self, live: Vec<ApprovalRecord>) {
        let mut records = self.records();
        let before = std::mem::take(&mut *records);
        for record in live {
            records.insert(record);
        }
        for record in before.by_digest.into_values().flatten() {
            if before.unsaved.contains(&record.id) && !records.digests.contains_key(&record.id) {
                records.insert(record);
            }
        }
        for id in &before.in_use {
            if let Some(record) = records.get_mut(id) {
                record.state = ApprovalState::Used;
            }
        }
        records.unsaved = before.unsaved;
        records.in_use = before.in_use;
        drop(records);
        self.changed();
    }

    /// Somebody asks at this time.
    pub(crate) fn look(&self, now: UnixMillis) {
        self.seen.store(now.0, Ordering::Relaxed);
    }

    /// What a held call finds.
    pub(crate) fn settle(
        &self,
        digest: &Sha256Digest,
        grant: &str,
        ask: &Ask,
        now: UnixMillis,
    ) -> Settled {
        self.look(now);
        self.records().settle(digest, grant, ask, now)
    }

    /// Puts a new request in, unless something settles its call by now.
    pub(crate) fn open(
        &self,
        record: &ApprovalRecord,
        ask: &Ask,
        now: UnixMillis,
    ) -> Result<Unsaved<'_>, Settled> {
        self.look(now);
        let mut records = self.records();
        match records.settle(&record.digest, &record.grant, ask, now) {
            Settled::Open => {
                records.unsaved.insert(record.id.clone());
                records.insert(record.clone());
                Ok(Unsaved { index: self, id: record.id.clone() })
            }
            settled @ (Settled::Use(_)
            | Settled::Join { .. }
            | Settled::Rejected { .. }
            | Settled::TooManyPending) => Err(settled),
        }
    }

    /// Forgets a request that could not be saved.
    pub(crate) fn forget(&self, id: &ApprovalId) {
        self.records().remove(id);
        self.changed();
    }

    /// One request.
    pub(crate) fn get(&self, id: &ApprovalId) -> Option<ApprovalRecord> {
        self.records().get_mut(id).cloned()
    }

    /// Takes an approval for one call: of two that race one gets it.
    pub(crate) fn take(&self, id: &ApprovalId, now: UnixMillis) -> bool {
        self.look(now);
        let mut records = self.records();
        let Some(record) = records.get_mut(id) else { return false };
        if record.state != ApprovalState::Approved || record.expires_at <= now {
            return false;
        }
        record.state = ApprovalState::Used;
        records.in_use.insert(id.clone());
        true
    }

    /// The call that took the approval is on disk, or it never will be and the approval is free
    /// again.
    pub(crate) fn taken(&self, id: &ApprovalId, fate: Taken) {
        let mut records = self.records();
        if records.in_use.remove(id) {
            match fate {
                Taken::ForGood => records.remove(id),
                Taken::NotAtAll => {
                    if let Some(record) = records.get_mut(id) {
                        record.state = ApprovalState::Approved;
                    }
                }
            }
            drop(records);
            self.changed();
        }
    }
}

/// What became of an approval that a call took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is used.
    ForGood,
    /// The call was not admitted.
    NotAtAll,
}

/// A request on its way to the disk; when this is dropped, the next look at the database tells
/// whether it arrived.
#[derive(Debug)]
pub(crate) struct Unsaved<'i> {
    index: &'i ApprovalIndex,
    id: ApprovalId,
}

impl Drop for Unsaved<'_> {
    fn drop(&mut self) {
        self.index.records().unsaved.remove(&self.id);
    }
}
