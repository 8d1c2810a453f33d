//! How much one grant may have open at a time, so that one agent cannot take the gateway from the
//! others: requests under way, with those whose client left, and streams. What is open is counted
//! here and nowhere decided otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::snapshot::GrantLive;

/// How many requests and streams of one grant are open at a time; further ones are refused.
pub(crate) const OPEN_PER_GRANT_MAX: usize = 1024;

/// How long the bodies of a grant's open requests may be together, in bytes; a request that would
/// need more is refused. Bodies up to [`BODY_BYTES_FREE`] are not counted.
pub(crate) const BODIES_BYTES_PER_GRANT_MAX: usize = 16 * 1024 * 1024;

/// How long the bodies of the open requests of all grants may be together, in bytes, counted in the same way.
pub(crate) const BODIES_BYTES_MAX: usize = 32 * 1024 * 1024;

/// A body of so many bytes is no burden: as many as there are seats fit beside the bound.
const BODY_BYTES_FREE: usize = 16 * 1024;

/// How many seats of a grant are taken, and how long the bodies are that came with them.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: AtomicUsize,
    bytes: AtomicUsize,
}

impl Seats {
    /// How many are taken now.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }
}

/// The right of one request or stream to be open. A clone, which stands beside its original, takes
/// no seat of its own; the default is nobody's seat.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    grant: Option<Arc<GrantLive>>,
    /// What of the request's body counts.
    bytes: usize,
    /// Where it counts beside the grant's own.
    all: Option<Arc<AtomicUsize>>,
}

/// What the bodies of open requests are counted against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Burden<'a> {
    /// The most that one grant may have, in bytes.
    pub(crate) grant_max: usize,
    /// What all grants have now, in bytes.
    pub(crate) taken: &'a Arc<AtomicUsize>,
    /// The most that all grants may have together, in bytes.
    pub(crate) max: usize,
}

impl Seat {
    /// Takes a seat, if fewer than `max` are taken.
    pub(crate) fn take(grant: &Arc<GrantLive>, max: usize) -> Option<Self> {
        let seat = Self { grant: Some(Arc::clone(grant)), bytes: 0, all: None };
        // One that is too many is given back as it is dropped.
        (grant.seats.taken.fetch_add(1, Ordering::Relaxed) < max).then_some(seat)
    }

    /// Makes room for a body that has grown to this length, if what is open together stays within
    /// its bounds then. Nobody's seat has room for any.
    pub(crate) fn has_room_for(&mut self, length: usize, burden: Burden<'_>) -> bool {
        let more = length.saturating_sub(self.bytes);
        if length <= BODY_BYTES_FREE || more == 0 {
            return true;
        }
        let Some(grant) = &self.grant else { return true };
        let of_grant = grant.seats.bytes.fetch_add(more, Ordering::Relaxed);
        let of_all = burden.taken.fetch_add(more, Ordering::Relaxed);
        // What is too much is given back with the seat.
        self.bytes = length;
        self.all.get_or_insert_with(|| Arc::clone(burden.taken));
        of_grant.saturating_add(more) <= burden.grant_max
            && of_all.saturating_add(more) <= burden.max
    }
}

impl Clone for Seat {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if let Some(grant) = &self.grant {
            grant.seats.taken.fetch_sub(1, Ordering::Relaxed);
            grant.seats.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        }
        if let Some(all) = &self.all {
            all.fetch_sub(self.bytes, Ordering::Relaxed);
        }
    }
}
