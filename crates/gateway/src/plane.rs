//! The state that all requests share: configuration, store, snapshot, sessions, metrics, tracked
//! tasks. Behaviour stands with the stop that it belongs to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use policy::UnixMillis;
use store::Store;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::GatewayConfig;
use crate::held_tasks::HeldTasks;
use crate::metrics::{Metrics, RefusedLabels};
use crate::pipeline::hold::Attended;
use crate::seats::{BODIES_BYTES_MAX, BODIES_BYTES_PER_GRANT_MAX, Burden, OPEN_PER_GRANT_MAX};
use crate::sessions::{Sessions, hex};
use crate::slow_reader::STALL_SECONDS_MAX;
use crate::snapshot::Snapshot;
use crate::task_owners::TaskOwners;

/// The length of a request's identifier, until more than 2^32 were made.
const REQUEST_ID_BYTES: usize = 4 + 12 + 8;

/// How many calls wait for a person at a time on open streams; a further one is answered at once.
pub(crate) const HOLDS_WAITING_MAX: usize = 4096;

/// How many refused requests outside any grant are recorded in a second; further ones are only
/// counted.
pub(crate) const REJECTED_ROWS_PER_SECOND_MAX: u64 = 200;

/// Bounds that the gateway's own tests set to less.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// How long an agent may take nothing of its answer.
    pub(crate) stall: Duration,
    /// How many requests and streams of one grant are open at a time.
    pub(crate) open_per_grant: usize,
    /// How long the bodies of these requests may be together, in bytes.
    pub(crate) bodies_per_grant: usize,
    /// How long those of all grants may be together, in bytes.
    pub(crate) bodies: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            stall: Duration::from_secs(STALL_SECONDS_MAX),
            open_per_grant: OPEN_PER_GRANT_MAX,
            bodies_per_grant: BODIES_BYTES_PER_GRANT_MAX,
            bodies: BODIES_BYTES_MAX,
        }
    }
}

/// The data plane.
#[derive(Debug)]
pub(crate) struct Plane {
    pub(crate) config: GatewayConfig,
    pub(crate) bounds: Bounds,
    pub(crate) store: Store,
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) sessions: Sessions,
    pub(crate) task_owners: TaskOwners,
    pub(crate) held_tasks: HeldTasks,
    pub(crate) metrics: Metrics,
    /// Everything that outlives its request: calls of clients that left, held calls, listings.
    pub(crate) tracker: TaskTracker,
    /// Cancelled when the gateway begins to shut down: listening streams end.
    pub(crate) closing: CancellationToken,
    /// Cancelled when the time to finish calls is over.
    pub(crate) over: CancellationToken,
    /// Places for held calls.
    pub(crate) holds: Arc<Semaphore>,
    /// Held calls whose client waits with them.
    pub(crate) attended: Attended,
    /// How long the bodies of all open requests are together, as far as they count.
    bodies: Arc<AtomicUsize>,
    request_prefix: Box<str>,
    request_count: AtomicU64,
    rejected_second: AtomicU64,
    rejected_count: AtomicU64,
}

impl Plane {
    pub(crate) fn new(config: GatewayConfig, store: Store, bounds: Bounds) -> Self {
        let request_prefix = hex(&config.randomness.bytes::<6>());
        Self {
            config,
            bounds,
            store,
            snapshot: ArcSwap::from_pointee(Snapshot::default()),
            sessions: Sessions::default(),
            task_owners: TaskOwners::default(),
            held_tasks: HeldTasks::default(),
            metrics: Metrics::new(),
            tracker: TaskTracker::new(),
            closing: CancellationToken::new(),
            over: CancellationToken::new(),
            holds: Arc::new(Semaphore::new(HOLDS_WAITING_MAX)),
            attended: Attended::default(),
            bodies: Arc::default(),
            request_prefix,
            request_count: AtomicU64::new(0),
            rejected_second: AtomicU64::new(0),
            rejected_count: AtomicU64::new(0),
        }
    }

    /// What bodies of requests are counted against.
    pub(crate) fn burden(&self) -> Burden<'_> {
        Burden {
            grant_max: self.bounds.bodies_per_grant,
            taken: &self.bodies,
            max: self.bounds.bodies,
        }
    }

    /// The time now.
    pub(crate) fn now(&self) -> UnixMillis {
        self.config.clock.now()
    }

    /// A new identifier of a request: unique over processes by its random prefix.
    pub(crate) fn request_id(&self) -> Box<str> {
        let count = self.request_count.fetch_add(1, Ordering::Relaxed);
        let mut id = String::with_capacity(REQUEST_ID_BYTES);
        id.push_str("req_");
        id.push_str(&self.request_prefix);
        // Eight digits, or as many as the number has.
        let leading = (count.leading_zeros() / 4).min(8);
        for place in (0..16u32.saturating_sub(leading)).rev() {
            let digit = u32::try_from(count >> (place * 4) & 0xf).unwrap_or(0);
            id.push(char::from_digit(digit, 16).unwrap_or('0'));
        }
        id.into_boxed_str()
    }

    /// Counts a request that was turned away.
    pub(crate) fn count_refused(&self, why: &'static str) {
        self.metrics.refused.get_or_create(&RefusedLabels { why }).inc();
    }

    /// Whether there is room to record a request of somebody who has no grant: a flood of them must
    /// not become a flood of rows.
    pub(crate) fn has_room_to_record(&self, now: UnixMillis) -> Recorded {
        let second = u64::try_from(now.0.div_euclid(1000)).unwrap_or(0);
        if self.rejected_second.swap(second, Ordering::Relaxed) != second {
            self.rejected_count.store(0, Ordering::Relaxed);
        }
        if self.rejected_count.fetch_add(1, Ordering::Relaxed) < REJECTED_ROWS_PER_SECOND_MAX {
            Recorded::Yes
        } else {
            self.metrics.unrecorded.inc();
            Recorded::OnlyCounted
        }
    }
}

/// Whether a refused request gets an audit row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recorded {
    /// It does.
    Yes,
    /// There were too many in this second.
    OnlyCounted,
}
