//! How much of the answers of all servers the gateway holds in memory at a time. A long answer waits for room before it is
//! read, so that agents who do not take theirs fill a bounded part of memory, and each agent a part of that. Never here:
//! what an answer says, how long anybody waits.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use bytes::Bytes;
use futures_util::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::spec::ANSWER_BYTES_MAX;

/// How much is held at a time, in bytes.
pub(crate) const HELD_BYTES_MAX: usize = 40 * 1024 * 1024;
/// How much of that for one agent, in bytes; its only answer may have as much as an answer may.
pub(crate) const HELD_BYTES_PER_AGENT_MAX: usize = 16 * 1024 * 1024;
/// An answer of so many bytes is no burden, and is not counted.
pub(crate) const BYTES_FREE: usize = 16 * 1024;

/// Who asks where the gateway itself does.
const OWN: u64 = 0;

/// The longest answer has room for itself.
const _: () = assert!(ANSWER_BYTES_MAX <= HELD_BYTES_MAX);

/// The room that all clients to servers share. Whoever waits is served in turn.
#[derive(Debug)]
pub struct Room {
    /// One permit for each byte.
    all: Arc<Semaphore>,
    all_max: usize,
    /// The same for each agent that has a share now.
    agents: Mutex<HashMap<u64, Weak<Semaphore>>>,
    agent_max: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self::new(HELD_BYTES_MAX, HELD_BYTES_PER_AGENT_MAX)
    }
}

impl Room {
    /// Room for so many bytes, and so many of one agent.
    pub(crate) fn new(all_max: usize, agent_max: usize) -> Self {
        let all = Arc::new(Semaphore::new(all_max));
        Self { all, all_max, agents: Mutex::default(), agent_max }
    }

    /// A share without any bytes yet, for an answer to this agent (`Outgoing::agent`). The gateway's own questions are few, and
    /// must have answers whatever agents do: they need no room.
    pub(crate) fn share(self: &Arc<Self>, agent: u64) -> Share {
        let room = (agent != OWN).then(|| Arc::clone(self));
        Share { room, agent, bytes: 0, of_agent: None, of_all: None }
    }

    /// The bytes of an answer that is here already, with their share; `None` where there is no room for them now.
    pub(crate) fn hold(self: &Arc<Self>, agent: u64, bytes: Bytes) -> Option<Bytes> {
        let mut share = self.share(agent);
        share.grow(bytes.len()).now_or_never()?;
        Some(share.keep(bytes))
    }

    /// What one agent may have.
    fn of_agent(&self, agent: u64) -> Arc<Semaphore> {
        let mut agents = self.agents.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = agents.get(&agent).and_then(Weak::upgrade) {
            return known;
        }
        agents.retain(|_agent, bytes| bytes.strong_count() > 0);
        let bytes = Arc::new(Semaphore::new(self.agent_max));
        agents.insert(agent, Arc::downgrade(&bytes));
        bytes
    }

    /// How many bytes are taken now.
    #[cfg(test)]
    pub(crate) fn taken(&self) -> usize {
        self.all_max - self.all.available_permits()
    }
}

/// What one answer has of the room. Dropped, it is given back.
#[derive(Debug)]
pub(crate) struct Share {
    /// `None` needs none.
    room: Option<Arc<Room>>,
    agent: u64,
    bytes: usize,
    of_agent: Option<OwnedSemaphorePermit>,
    of_all: Option<OwnedSemaphorePermit>,
}

impl Share {
    /// Whether an answer of this length fits without taking more.
    pub(crate) const fn has_room_for(&self, length: usize) -> bool {
        self.room.is_none() || length <= BYTES_FREE || length <= self.bytes
    }

    /// Waits until an answer may be this long.
    pub(crate) async fn grow(&mut self, length: usize) {
        if self.has_room_for(length) {
            return;
        }
        let Some(room) = &self.room else { return };
        // One that is longer than an agent's part is the only one that the agent has.
        let part = length.min(room.agent_max);
        if self.of_agent.is_none() && part > 0 {
            let bytes = room.of_agent(self.agent);
            self.of_agent = more(&bytes, part).await;
        } else if let Some(held) = &mut self.of_agent {
            let bytes = Arc::clone(held.semaphore());
            join(held, more(&bytes, part.saturating_sub(held.num_permits())).await);
        }
        let part = length.min(room.all_max);
        match &mut self.of_all {
            None => self.of_all = more(&room.all, part).await,
            Some(held) => {
                join(held, more(&room.all, part.saturating_sub(held.num_permits())).await);
            }
        }
        self.bytes = length;
    }

    /// Gives everything back.
    pub(crate) fn clear(&mut self) {
        self.bytes = 0;
        self.of_agent = None;
        self.of_all = None;
    }

    /// The bytes of an answer, which keep the share for as long as anybody has them.
    pub(crate) fn keep(self, bytes: Bytes) -> Bytes {
        if self.bytes == 0 { bytes } else { Bytes::from_owner(Kept { bytes, _share: self }) }
    }
}

/// Waits for so many bytes.
async fn more(bytes: &Arc<Semaphore>, count: usize) -> Option<OwnedSemaphorePermit> {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    // Nobody closes a room.
    Arc::clone(bytes).acquire_many_owned(count).await.ok()
}

fn join(held: &mut OwnedSemaphorePermit, more: Option<OwnedSemaphorePermit>) {
    if let Some(more) = more {
        held.merge(more);
    }
}

/// Bytes together with their share.
struct Kept {
    bytes: Bytes,
    _share: Share,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests;
