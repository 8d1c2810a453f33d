//! What is under way between one agent and one server: the agent's own requests, and the requests
//! of the server that wait for the agent's answer. Nothing here sends, decides or keeps bodies.

use std::collections::hash_map::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState as FastState;
use mcp::IdKey;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::pipeline::exchange::Awaited;

/// How many requests of a server may wait for the agent's answer at a time; for a further one the
/// oldest is forgotten.
pub(crate) const SERVER_REQUESTS_MAX: usize = 256;

/// How many event identifiers are remembered, so that a stream can be resumed from them.
pub(crate) const EVENT_IDS_MAX: usize = 4096;

/// How many requests may be answered on a resumed stream at a time.
pub(crate) const AWAITED_MAX: usize = 256;

/// How many answers that went out may be sent again on a resumed stream.
pub(crate) const REPLAYS_MAX: usize = 256;

/// The requests under way in one session, or, without a session, of one grant.
#[derive(Debug, Default)]
pub(crate) struct Desk {
    sheet: Mutex<Sheet>,
}

#[derive(Debug, Default)]
struct Sheet {
    running: HashMap<IdKey, u32, FastState>,
    /// Calls that wait for a person; the gateway as a whole bounds how many there are.
    held: Vec<(IdKey, CancellationToken)>,
    /// Requests of the server, oldest first.
    asked: VecDeque<IdKey>,
    /// Requests of the gateway itself, oldest first.
    own: VecDeque<IdKey>,
    awaited: HashMap<IdKey, Waiting>,
    /// What went out as the answer in an event of this hash, oldest first.
    answered: VecDeque<(u64, Arc<Awaited>)>,
    /// Hashes under random keys: an agent cannot aim at a collision.
    events: VecDeque<u64>,
    hasher: RandomState,
}

/// A request whose answer may come on another stream than its own.
#[derive(Debug)]
struct Waiting {
    /// `None` when two requests of one identifier were under way: which of them an answer belongs
    /// to cannot be told, so neither gets it on a resumed stream.
    awaited: Option<Arc<Awaited>>,
    until: Instant,
}

/// There is no place on the desk.
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
        let sheet = self.sheet();
        sheet.running.contains_key(id) || sheet.awaited.contains_key(id)
    }

    /// Notes a call that waits for a person until the returned value is dropped.
    pub(crate) fn hold(self: &Arc<Self>, id: &IdKey) -> Holding {
        let withdrawn = CancellationToken::new();
        self.sheet().held.push((id.clone(), withdrawn.clone()));
        Holding { desk: Arc::clone(self), withdrawn }
    }

    /// The agent withdraws its calls of this identifier that wait for a person.
    pub(crate) fn withdraw(&self, id: &IdKey) {
        let sheet = self.sheet();
        let own = sheet.held.iter().filter(|(held, _)| held == id);
        own.for_each(|(_, withdrawn)| withdrawn.cancel());
    }

    /// Notes a request of the server that goes out to the agent.
    pub(crate) fn ask(&self, id: &IdKey) {
        let mut sheet = self.sheet();
        if sheet.asked.len() >= SERVER_REQUESTS_MAX {
            sheet.asked.pop_front();
        }
        sheet.asked.push_back(id.clone());
    }

    /// Notes a request of the gateway itself that goes out to the agent.
    pub(crate) fn ask_own(&self, id: &IdKey) {
        let mut sheet = self.sheet();
        if sheet.own.len() >= SERVER_REQUESTS_MAX {
            sheet.own.pop_front();
        }
        sheet.own.push_back(id.clone());
    }

    /// Takes an outstanding request of the server, so that it is answered once.
    pub(crate) fn answer(&self, id: &IdKey) -> Answered {
        let mut sheet = self.sheet();
        if let Some(at) = sheet.own.iter().position(|own| own == id) {
            sheet.own.remove(at);
            return Answered::Own;
        }
        match sheet.asked.iter().position(|asked| asked == id) {
            None => Answered::NeverAsked,
            Some(at) => {
                sheet.asked.remove(at);
                Answered::Yes
            }
        }
    }
}

impl Sheet {
    fn hash(&self, event_id: &[u8]) -> u64 {
        self.hasher.hash_one(event_id)
    }

    fn replayable(&mut self, event_id: Option<&[u8]>, awaited: &Arc<Awaited>) {
        let Some(event_id) = event_id else { return };
        let hash = self.hash(event_id);
        if self.answered.len() >= REPLAYS_MAX {
            self.answered.pop_front();
        }
        self.answered.push_back((hash, Arc::clone(awaited)));
    }
}

impl Desk {
    /// Notes the identifier of an event that went out, so that the stream can be resumed from it.
    pub(crate) fn issued(&self, event_id: &[u8]) {
        let mut sheet = self.sheet();
        let hash = sheet.hash(event_id);
        if sheet.events.len() >= EVENT_IDS_MAX {
            sheet.events.pop_front();
        }
        sheet.events.push_back(hash);
    }

    /// Whether an event of this identifier went out here.
    pub(crate) fn has_issued(&self, event_id: &[u8]) -> bool {
        let sheet = self.sheet();
        let hash = sheet.hash(event_id);
        sheet.events.iter().rev().any(|known| *known == hash)
    }

    /// Keeps what is needed to judge an answer that comes on a resumed stream, until an instant.
    ///
    /// # Errors
    /// [`DeskFull`] when [`AWAITED_MAX`] wait already, or a request of this identifier does: then
    /// no resumed stream can answer either of the two.
    pub(crate) fn awaits(
        &self,
        id: &IdKey,
        awaited: &Arc<Awaited>,
        until: Instant,
    ) -> Result<(), DeskFull> {
        let mut sheet = self.sheet();
        if let Some(other) = sheet.awaited.get_mut(id) {
            other.awaited = None;
            other.until = other.until.max(until);
            return Err(DeskFull);
        }
        if sheet.awaited.len() >= AWAITED_MAX {
            return Err(DeskFull);
        }
        sheet.awaited.insert(id.clone(), Waiting { awaited: Some(Arc::clone(awaited)), until });
        Ok(())
    }

    /// Notes that a request was answered on its own stream, in the event of this identifier.
    pub(crate) fn answered(&self, id: &IdKey, awaited: &Arc<Awaited>, event_id: Option<&[u8]>) {
        let mut sheet = self.sheet();
        let own = |waiting: &Waiting| {
            waiting.awaited.as_ref().is_some_and(|known| Arc::ptr_eq(known, awaited))
        };
        if sheet.awaited.get(id).is_some_and(own) {
            sheet.awaited.remove(id);
        }
        sheet.replayable(event_id, awaited);
    }

    /// What an answer on a resumed stream belongs to: a request that waits for it, or one that was
    /// answered before in the very event that is sent again.
    pub(crate) fn late(&self, id: &IdKey, event_id: Option<&[u8]>) -> Option<Arc<Awaited>> {
        let mut sheet = self.sheet();
        let waits = sheet.awaited.get(id).is_some_and(|waiting| waiting.awaited.is_some());
        if waits {
            let awaited = sheet.awaited.remove(id)?.awaited?;
            sheet.replayable(event_id, &awaited);
            return Some(awaited);
        }
        let hash = sheet.hash(event_id?);
        let known = sheet.answered.iter().rev().find(|(known, _)| *known == hash);
        known.map(|(_, awaited)| Arc::clone(awaited))
    }

    /// Takes the requests whose time for an answer is over at `now`.
    pub(crate) fn overdue(&self, now: Instant) -> Vec<Arc<Awaited>> {
        let mut sheet = self.sheet();
        let over = sheet.awaited.extract_if(|_, waiting| waiting.until <= now);
        over.filter_map(|(_, waiting)| waiting.awaited).collect()
    }
}

/// Whether a response answers something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// It answers an outstanding request.
    Yes,
    /// It answers one of the gateway itself.
    Own,
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

/// A call of the agent that waits for a person.
#[derive(Debug)]
pub(crate) struct Holding {
    desk: Arc<Desk>,
    /// Cancelled when the agent withdraws the call.
    pub(crate) withdrawn: CancellationToken,
}

impl Drop for Holding {
    fn drop(&mut self) {
        // The token tells this call apart from another of the same identifier.
        self.withdrawn.cancel();
        self.desk.sheet().held.retain(|(_, withdrawn)| !withdrawn.is_cancelled());
    }
}

#[cfg(test)]
mod tests;
