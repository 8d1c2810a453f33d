//! How much of what one child says beside the protocol is logged: a child that prints without end must not fill the disk
//! with the gateway's log. Never here: what it says.

use std::time::Duration;

use tokio::time::Instant;

/// How many lines about one child are logged in a second, for each of its streams.
pub(super) const LINES_PER_SECOND_MAX: u32 = 100;

/// What was logged of one stream of a child lately.
#[derive(Debug)]
pub(super) struct Noise {
    since: Instant,
    logged: u32,
    left_out: u64,
}

impl Noise {
    pub(super) const fn new(now: Instant) -> Self {
        Self { since: now, logged: 0, left_out: 0 }
    }

    /// Whether one more line is logged now: if so, how many before it were not.
    pub(super) fn admits(&mut self, now: Instant) -> Option<u64> {
        if now.duration_since(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.logged = 0;
        }
        if self.logged >= LINES_PER_SECOND_MAX {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.logged = self.logged.saturating_add(1);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests;
