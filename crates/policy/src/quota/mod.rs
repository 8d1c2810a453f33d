//! Counters as pure arithmetic over `now`: windows, buckets, charges, give-backs. No storage, no clock, no locks.

mod bucket;
mod key;
mod log;
#[cfg(test)]
mod tests;
mod window;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use self::bucket::{Bucket, Fit, Origin};
pub use self::key::{BucketKey, ScopeIds};
use self::log::Need;
pub use self::window::Window;
use crate::Micro;
use crate::time::{NANOS_PER_MILLI, NANOS_PER_SECOND, UnixNanos};

/// Most buckets that one process keeps. Beyond, a call that needs a new one is refused.
pub const BUCKETS_MAX: usize = 1_000_000;
/// How long a bucket is kept after its window is over, in seconds: a clock that is set back by less than this
/// finds the window as it was.
const SWEEP_GRACE_SECONDS: i128 = 86_400;

/// Whose calls share a bucket (POLICY section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The grant.
    Grant,
    /// The session within the grant; the grant where there is none.
    Session,
    /// The server.
    Server,
    /// All servers of the organisation.
    Organisation,
}

impl Scope {
    /// The word in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Session => "session",
            Self::Server => "server",
            Self::Organisation => "organisation",
        }
    }
}

/// How a window moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Calendar or epoch-aligned windows, each from empty.
    Fixed,
    /// Any trailing window.
    Sliding,
}

impl Algorithm {
    /// The word in policies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Sliding => "sliding",
        }
    }
}

/// One limit of one call: what a counter must accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charge {
    /// The counter's name.
    pub counter: Arc<str>,
    /// The window, as written.
    pub window: Window,
    /// Whose calls share the bucket.
    pub scope: Scope,
    /// How the window moves.
    pub algorithm: Algorithm,
    /// How many units pass.
    pub max: Micro,
    /// How many units this call takes.
    pub amount: Micro,
    /// The limit's name in traces, a JSON Pointer in the canonical document.
    pub rule: Arc<str>,
    /// The limit's `on_deny`.
    pub message: Option<Arc<str>>,
}

/// A limit without room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("limit {index} has no room")]
pub struct Exceeded {
    /// The first limit without room, as an index into the charges.
    pub index: usize,
    /// Milliseconds, rounded up, until the call would fit **all** its limits if nothing else came; `None` if it
    /// never would or waits for running calls.
    pub retry_after_ms: Option<u64>,
}

/// Why a charge is given back (POLICY section 5, rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The call certainly never left: not bounded.
    NeverLeft,
    /// The server answered that it did not run the call: at most `max` units per bucket and window.
    ServerRefused,
}

/// What one admitted call was charged. Given back at most once and ended at most once, however often asked.
#[derive(Debug, Default)]
pub struct Receipt {
    /// True if a charged window is of an hour or longer: such charges must survive a crash.
    pub durable: bool,
    parts: SmallVec<[Part; 2]>,
    given_back: AtomicBool,
    ended: AtomicBool,
}

/// What went to one bucket.
#[derive(Debug)]
struct Part {
    key: BucketKey,
    origin: Origin,
    need: Need,
}

/// One bucket as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketRow {
    /// The bucket's identity.
    pub key: BucketKey,
    /// The bucket's state, opaque outside this module; empty for a bucket that is to be deleted.
    pub state: Vec<u8>,
}

/// A stored bucket cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored counter `{key}` cannot be read")]
pub struct RestoreError {
    /// The bucket's key.
    pub key: String,
}

/// All counters of one process.
#[derive(Debug, Default)]
pub struct Buckets {
    buckets: HashMap<BucketKey, Bucket, RandomState>,
    changed: HashSet<BucketKey, RandomState>,
}

/// The limits of one call that share a bucket: their amounts add up, the sum is held against each `max`, and
/// charged once.
#[derive(Debug)]
struct Group {
    key: BucketKey,
    window: Window,
    algorithm: Algorithm,
    amount: u64,
    max_min: u64,
}

impl Buckets {
    /// No charges yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The buckets of an earlier process.
    ///
    /// # Errors
    /// A row that cannot be read: what was charged there is not known, so nothing may be counted.
    pub fn restore(rows: impl Iterator<Item = BucketRow>) -> Result<Self, RestoreError> {
        let mut buckets = HashMap::default();
        for row in rows.filter(|row| !row.state.is_empty()) {
            let Some(bucket) = Bucket::decode(&row.state) else {
                return Err(RestoreError { key: row.key.to_string() });
            };
            buckets.insert(row.key, bucket);
        }
        Ok(Self { buckets, changed: HashSet::default() })
    }

    /// Asks whether every limit has room, charging nothing.
    ///
    /// # Errors
    /// [`Exceeded`] for the first limit, in their order, without room.
    pub fn check(
        &self,
        charges: &[Charge],
        ids: &ScopeIds<'_>,
        now: impl Into<UnixNanos>,
    ) -> Result<(), Exceeded> {
        self.plan(charges, ids, now.into()).map(|_| ())
    }

    /// Charges all limits or none (POLICY section 5, rule 1).
    ///
    /// # Errors
    /// [`Exceeded`] for the first limit, in their order, without room; then nothing is charged.
    pub fn charge(
        &mut self,
        charges: &[Charge],
        ids: &ScopeIds<'_>,
        now: impl Into<UnixNanos>,
    ) -> Result<Receipt, Exceeded> {
        let now = now.into();
        let groups = self.plan(charges, ids, now)?;
        Ok(self.take(groups, now))
    }

    /// Charges all limits, whether they have room or not: for an upper bound of what may have been charged, never
    /// for deciding a call.
    pub(crate) fn charge_anyway(
        &mut self,
        charges: &[Charge],
        ids: &ScopeIds<'_>,
        now: impl Into<UnixNanos>,
    ) -> Receipt {
        self.take(groups(charges, ids).0, now.into())
    }

    fn take(&mut self, groups: SmallVec<[Group; 2]>, now: UnixNanos) -> Receipt {
        let mut receipt = Receipt::default();
        for group in groups.into_iter().filter(|group| group.amount > 0) {
            let Group { key, window, algorithm, amount, max_min } = group;
            let new = || Bucket::new(window, algorithm, now);
            let bucket = self.buckets.entry(key.clone()).or_insert_with(new);
            let origin = bucket.charge(amount, window, now);
            receipt.durable |= window.is_durable();
            if !self.changed.contains(&key) {
                self.changed.insert(key.clone());
            }
            receipt.parts.push(Part { key, origin, need: Need { max: max_min, amount } });
        }
        receipt
    }

    /// Gives a charge back to the windows it came from, where they are not over; a second time does nothing.
    /// Charges of `in_flight` are not touched: [`Buckets::end`] ends them.
    pub fn give_back(&mut self, receipt: &Receipt, cause: Cause, now: impl Into<UnixNanos>) {
        if receipt.given_back.swap(true, Ordering::Relaxed) {
            return;
        }
        let now = now.into();
        for part in &receipt.parts {
            if let Some(bucket) = self.buckets.get_mut(&part.key) {
                bucket.give_back(part.origin, part.need, cause, now);
                self.changed.insert(part.key.clone());
            }
        }
    }

    /// The call ended: its `in_flight` charges end; a second time does nothing.
    pub fn end(&mut self, receipt: &Receipt) {
        if receipt.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        for part in receipt.parts.iter().filter(|part| part.origin == Origin::InFlight) {
            if let Some(bucket) = self.buckets.get_mut(&part.key) {
                bucket.end(part.need.amount);
                if bucket.over_at().is_none() {
                    self.buckets.remove(&part.key);
                }
            }
        }
    }

    /// The rows to write since this was last asked: all but the counts of running calls. A row with an empty
    /// state is to be deleted.
    pub fn changed(&mut self) -> Vec<BucketRow> {
        let keys = std::mem::take(&mut self.changed);
        let row = |key: BucketKey| match self.buckets.get(&key) {
            Some(bucket) if bucket.is_in_flight() => None,
            Some(bucket) => Some(BucketRow { state: bucket.encode(), key }),
            None => Some(BucketRow { state: Vec::new(), key }),
        };
        keys.into_iter().filter_map(row).collect()
    }

    /// Forgets buckets whose windows have been over for a day, and returns how many there were. Costs a look
    /// at every bucket: for a timer, not for the path of a call.
    pub fn sweep(&mut self, now: impl Into<UnixNanos>) -> usize {
        let kept_until = now.into().0.saturating_sub(SWEEP_GRACE_SECONDS * NANOS_PER_SECOND);
        let is_over = |bucket: &Bucket| bucket.over_at().is_none_or(|over| over.0 <= kept_until);
        let over: Vec<BucketKey> =
            self.buckets.iter().filter(|(_, b)| is_over(b)).map(|(key, _)| key.clone()).collect();
        for key in &over {
            self.buckets.remove(key);
        }
        let count = over.len();
        self.changed.extend(over);
        count
    }

    /// How many buckets there are.
    pub fn len(&self) -> usize {
        self.buckets.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// The groups of a call's charges, if every limit has room.
    fn plan(
        &self,
        charges: &[Charge],
        ids: &ScopeIds<'_>,
        now: UnixNanos,
    ) -> Result<SmallVec<[Group; 2]>, Exceeded> {
        let (groups, group_of) = groups(charges, ids);
        let fits = charges.iter().zip(&group_of).map(|(charge, at)| match groups.get(*at) {
            Some(group) => self.fit(charge, group, now),
            None => Fit::Unknown,
        });
        verdict(fits, now)?;
        let new = |group: &&Group| group.amount > 0 && !self.buckets.contains_key(&group.key);
        if self.buckets.len() + groups.iter().filter(new).count() > BUCKETS_MAX {
            return Err(Exceeded { index: 0, retry_after_ms: None });
        }
        Ok(groups)
    }

    fn fit(&self, charge: &Charge, group: &Group, now: UnixNanos) -> Fit {
        let need = Need { max: charge.max.0, amount: group.amount };
        match self.buckets.get(&group.key) {
            Some(bucket) => bucket.fit(need, group.window, now),
            None if need.amount == 0 || need.amount <= need.max => Fit::Now,
            None => Fit::Unknown,
        }
    }
}

/// The buckets of a call's charges, and for each charge its bucket among them.
fn groups(charges: &[Charge], ids: &ScopeIds<'_>) -> (SmallVec<[Group; 2]>, SmallVec<[usize; 4]>) {
    let mut groups: SmallVec<[Group; 2]> = SmallVec::new();
    let mut group_of: SmallVec<[usize; 4]> = SmallVec::new();
    for charge in charges {
        let key = BucketKey::new(charge, ids);
        let known = groups.iter().position(|group| group.key == key);
        group_of.push(known.unwrap_or(groups.len()));
        match known.and_then(|at| groups.get_mut(at)) {
            Some(group) => {
                group.amount = group.amount.saturating_add(charge.amount.0);
                group.max_min = group.max_min.min(charge.max.0);
            }
            None => groups.push(Group {
                key,
                window: charge.window,
                algorithm: charge.algorithm,
                amount: charge.amount.0,
                max_min: charge.max.0,
            }),
        }
    }
    (groups, group_of)
}

/// The first limit without room, and when all of them would have it.
fn verdict(fits: impl Iterator<Item = Fit>, now: UnixNanos) -> Result<(), Exceeded> {
    let mut first = None;
    let mut all_fit_at = Some(now);
    for (index, fit) in fits.enumerate() {
        match fit {
            Fit::Now => continue,
            Fit::At(at) => all_fit_at = all_fit_at.map(|latest| latest.max(at)),
            Fit::Unknown => all_fit_at = None,
        }
        first.get_or_insert(index);
    }
    let Some(index) = first else { return Ok(()) };
    let retry_after_ms = all_fit_at.map(|at| {
        let nanos = at.0.saturating_sub(now.0).saturating_add(NANOS_PER_MILLI - 1);
        u64::try_from(nanos / NANOS_PER_MILLI).unwrap_or(u64::MAX)
    });
    Err(Exceeded { index, retry_after_ms })
}
