//! What is under way between one agent and one server: the agent's own requests, and the requests
//! of the server that wait for the agent's answer. Nothing here sends, decides or keeps bodies.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp::IdKey;

use crate::pipeline::exchange::Parked;

/// How many requests of a server may wait for the agent's answer at a time; a further one is
/// refused towards the server.
pub(crate) const SERVER_REQUESTS_MAX: usize = 256;

/// How many event identifiers are remembered, so that a stream can be resumed from them.
pub(crate) const EVENT_IDS_MAX: usize = 4096;

/// How many requests may wait for an answer on a resumed stream.
pub(crate) const PARKED_MAX: usize = 64;

/// The requests under way in one session, or, without a session, of one grant.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    sheet: Mutex<Sheet>,
}

#[derive(Debug, Default)]
struct Sheet {
    running: HashMap<IdKey, u32>,
    asked: HashMap<IdKey, u32>,
    parked: HashMap<IdKey, Parked>,
    /// Hashes under random keys: an agent cannot aim at a collision.
    events: VecDeque<u64>,
    hasher: RandomState,
}

/// The server has too many requests open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DeskFull;

impl Desk {
    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        // Every change of a sheet is a single insertion or removal, so that a sheet is whole even
        // when a thread died while it held the lock.
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a request of the agent until the returned value is dropped.
    pub(crate) fn begin(self: &Arc<Self>, id: &IdKey) -> Running {
        let id = id.clone();
        let count = &mut *self.sheet();
        let running = count.running.entry(id.clone()).or_insert(0);
        *running = running.saturating_add(1);
        Running { desk: Arc::clone(self), id }
    }

    /// Whether the agent has a request with this identifier (as it stands in the message) under
    /// way.
    pub(crate) fn runs(&self, id: &IdKey) -> bool {
        self.sheet().running.contains_key(id)
    }

    /// Notes a request of the server that goes out to the agent.
    ///
    /// # Errors
    /// [`DeskFull`] when [`SERVER_REQUESTS_MAX`] wait already.
    pub(crate) fn ask(&self, id: &IdKey) -> Result<(), DeskFull> {
        let mut sheet = self.sheet();
        if sheet.asked.len() >= SERVER_REQUESTS_MAX {
            return Err(DeskFull);
        }
        let asked = sheet.asked.entry(id.clone()).or_insert(0);
        *asked = asked.saturating_add(1);
        Ok(())
    }

    /// Takes an outstanding request of the server, so that it is answered once.
    pub(crate) fn answer(&self, id: &IdKey) -> Answered {
        let mut sheet = self.sheet();
        match sheet.asked.get_mut(id) {
            None => Answered::NeverAsked,
            Some(count) => {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    sheet.asked.remove(id);
                }
                Answered::Yes
            }
        }
    }
}

impl Desk {
    /// Notes the identifier of an event that went out, so that the stream can be resumed from it.
    pub(crate) fn issued(&self, event_id: &[u8]) {
        let mut sheet = self.sheet();
        let hash = sheet.hasher.hash_one(event_id);
        if sheet.events.len() >= EVENT_IDS_MAX {
            sheet.events.pop_front();
        }
        sheet.events.push_back(hash);
    }

    /// Whether an event of this identifier went out here.
    pub(crate) fn has_issued(&self, event_id: &[u8]) -> bool {
        let sheet = self.sheet();
        let hash = sheet.hasher.hash_one(event_id);
        sheet.events.iter().rev().any(|known| *known == hash)
    }

    /// Keeps what is needed to judge an answer that comes later, on a resumed stream.
    ///
    /// # Errors
    /// [`DeskFull`] when [`PARKED_MAX`] wait already.
    pub(crate) fn park(&self, id: &IdKey, parked: Parked) -> Result<(), DeskFull> {
        let mut sheet = self.sheet();
        if sheet.parked.len() >= PARKED_MAX {
            return Err(DeskFull);
        }
        sheet.parked.insert(id.clone(), parked);
        Ok(())
    }

    /// Takes what was kept for an answer.
    pub(crate) fn unpark(&self, id: &IdKey) -> Option<Parked> {
        self.sheet().parked.remove(id)
    }
}

/// Whether a response answers something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It answers an outstanding request.
    Yes,
    /// Nobody asked.
    NeverAsked,
}

/// A request of the agent that is under way.
#[derive(Debug)]
pub(crate) struct Running {
    desk: Arc<Desk>,
    id: IdKey,
}

impl Drop for Running {
    fn drop(&mut self) {
        let mut sheet = self.desk.sheet();
        if let Some(count) = sheet.running.get_mut(&self.id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                sheet.running.remove(&self.id);
            }
        }
    }
}

#[cfg(test)]
mod tests;
