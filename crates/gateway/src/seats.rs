//! How much one grant may have open at a time, so that one agent cannot take the gateway from the
//! others: requests under way, with those whose client left, and streams. What is open is counted
//! here and nowhere decided otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::snapshot::GrantLive;

/// How many requests and streams of one grant are open at a time; further ones are refused.
pub(crate) const OPEN_PER_GRANT_MAX: usize = 1024;

/// How many seats of a grant are taken.
#[derive(Debug, Default)]
pub(crate) struct Seats {
    taken: AtomicUsize,
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
}

impl Seat {
    /// Takes a seat, if fewer than `max` are taken.
    pub(crate) fn take(grant: &Arc<GrantLive>, max: usize) -> Option<Self> {
        let seat = Self { grant: Some(Arc::clone(grant)) };
        // One that is too many is given back as it is dropped.
        (grant.seats.taken.fetch_add(1, Ordering::Relaxed) < max).then_some(seat)
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
        }
    }
}
