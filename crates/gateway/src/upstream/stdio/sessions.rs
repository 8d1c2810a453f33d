//! The legacy sessions that the gateway keeps for a child, since the gateway is the transport of a child.
//! Never here: which agent may use which session (the pipeline binds them to grants).

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use mcp::Node;
use tokio::sync::mpsc;

use super::mux::Item;

/// How many sessions one child has at most; beyond it the one that was unused longest is ended.
const SESSIONS_MAX: usize = 10_000;
/// How many resources one session may be subscribed to.
const SUBSCRIPTIONS_MAX: usize = 1024;

/// What an agent declared that it can do for a server.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Declared {
    pub(super) sampling: bool,
    pub(super) elicitation: bool,
    pub(super) roots: bool,
}

impl Declared {
    /// Reads the `params` of an `initialize` request.
    pub(super) fn of(params: Option<Node<'_>>) -> Self {
        let capabilities = params.and_then(|params| params.get("capabilities"));
        let has = |name| capabilities.and_then(|declared| declared.get(name)).is_some();
        Self { sampling: has("sampling"), elicitation: has("elicitation"), roots: has("roots") }
    }
}

#[derive(Debug)]
struct Session {
    declared: Declared,
    listening: Option<mpsc::Sender<Item>>,
    subscribed: HashSet<String>,
    used: u64,
}

/// All sessions of one child.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: HashMap<u64, Session>,
    clock: u64,
    issued: u64,
}

impl Sessions {
    /// Opens a session and returns its number.
    pub(super) fn open(&mut self, declared: Declared) -> u64 {
        if self.open.len() >= SESSIONS_MAX {
            let oldest = self.open.iter().min_by_key(|(_, session)| session.used).map(|(n, _)| *n);
            oldest.map(|n| self.open.remove(&n));
        }
        self.issued = self.issued.wrapping_add(1);
        let used = self.tick();
        let session = Session { declared, listening: None, subscribed: HashSet::new(), used };
        self.open.insert(self.issued, session);
        self.issued
    }

    /// Marks a session as used; false if there is none.
    pub(super) fn touch(&mut self, number: u64) -> bool {
        let used = self.tick();
        self.open.get_mut(&number).map(|session| session.used = used).is_some()
    }

    /// Ends a session; false if there is none.
    pub(super) fn end(&mut self, number: u64) -> bool {
        self.open.remove(&number).is_some()
    }

    /// Attaches a listening stream. An earlier one ends: a message goes to one stream only, and the latest is the live one.
    pub(super) fn listen(&mut self, number: u64, stream: mpsc::Sender<Item>) {
        if let Some(session) = self.open.get_mut(&number) {
            session.listening = Some(stream);
        }
    }

    /// What the agent of a session declared.
    pub(super) fn declared(&self, number: u64) -> Declared {
        self.open.get(&number).map(|session| session.declared).unwrap_or_default()
    }

    /// Sends a notification to every session that listens. A stream whose reader is behind misses it.
    pub(super) fn broadcast(&self, message: &Bytes) {
        self.open.values().for_each(|session| notify(session, message));
    }

    /// Sends a notification to the sessions that are subscribed to a resource.
    pub(super) fn updated(&self, uri: &str, message: &Bytes) {
        let subscribed = self.open.values().filter(|session| session.subscribed.contains(uri));
        subscribed.for_each(|session| notify(session, message));
    }

    /// Notes a subscription of a session.
    pub(super) fn subscribe(&mut self, number: u64, uri: String) {
        let session = self.open.get_mut(&number).filter(|s| s.subscribed.len() < SUBSCRIPTIONS_MAX);
        session.map(|session| session.subscribed.insert(uri));
    }

    /// Ends a subscription of a session, or of an agent without one; true if another session still holds one, so that the child
    /// must keep it.
    pub(super) fn unsubscribe(&mut self, number: Option<u64>, uri: &str) -> bool {
        let own = number.and_then(|number| self.open.get_mut(&number));
        own.map(|session| session.subscribed.remove(uri));
        self.open.values().any(|session| session.subscribed.contains(uri))
    }

    /// Ends all sessions and their streams.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }

    fn tick(&mut self) -> u64 {
        self.clock = self.clock.wrapping_add(1);
        self.clock
    }
}

fn notify(session: &Session, message: &Bytes) {
    if let Some(stream) = &session.listening
        && stream.try_send(Item::Between(message.clone())).is_err()
    {
        tracing::debug!("a listening stream is behind or closed and misses a notification");
    }
}
