//! How far the agent of a grant came before its first call: it introduced itself, it asked for the tools. In memory, for
//! the person who waits for it. Never here: calls, which the audit has.

use std::sync::{Mutex, MutexGuard, PoisonError};

use policy::UnixMillis;

/// Characters of a client's name that are kept, at most.
const CLIENT_CHARS_MAX: usize = 200;

/// How far an agent came, when last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arrival {
    /// What the client calls itself, with its version; its own words.
    pub client: Option<String>,
    /// When it introduced itself (`initialize`, `server/discover`).
    pub introduced_at: Option<UnixMillis>,
    /// When it asked for the tools (`tools/list`).
    pub listed_at: Option<UnixMillis>,
}

/// The arrivals of one grant. Only introductions and lists of tools write here, never a call.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<Arrival>);

impl Arrivals {
    fn lock(&self) -> MutexGuard<'_, Arrival> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn introduced(&self, client: Option<String>, now: UnixMillis) {
        let mut arrival = self.lock();
        arrival.introduced_at = Some(now);
        arrival.client = client
            .map(|name| name.chars().take(CLIENT_CHARS_MAX).collect())
            .or(arrival.client.take());
    }

    pub(crate) fn listed(&self, now: UnixMillis) {
        self.lock().listed_at = Some(now);
    }

    /// How far it came; `None` where nobody came.
    pub(crate) fn seen(&self) -> Option<Arrival> {
        Some(self.lock().clone()).filter(|arrival| *arrival != Arrival::default())
    }
}
