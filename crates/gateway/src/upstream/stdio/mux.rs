//! One child, many agents: whose message is whose. Ids and progress tokens are replaced by numbers of the gateway on the way to the
//! child and restored byte for byte on the way back. Pure bookkeeping. Never here: processes, waiting.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use mcp::{
    Era, META_SUBSCRIPTION_ID, Method, Node, NodeKind, RawId, Response, ServerMessage,
    ServerNotification, ServerRequest, code, read_message, replace_values, reply,
};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::noise::Noise;
use super::sessions::{Declared, Sessions};
use crate::upstream::room::Room;
use crate::upstream::spec::{Allowed, FromServer};

/// How many messages wait for a reader that is behind. One place is kept for the answer; what does not fit is dropped if it is a
/// notification, and refused towards the child if it is a request.
pub(super) const WAITING_MESSAGES_MAX: usize = 64;
/// How many calls one child may have open.
const CALLS_OPEN_MAX: usize = 10_000;
/// How many requests of the child may be waiting for an answer of an agent.
const ASKED_MAX: usize = 1000;

/// A message for an agent.
#[derive(Debug)]
pub(super) enum Item {
    /// Something before the answer, or anything on a listening stream.
    Between(Bytes),
    /// The answer.
    Last(Bytes),
}

/// Why a call cannot be taken in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The child has ended.
    Gone,
    /// More calls are open than the bound.
    Full,
}

/// Who sent a request to the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The gateway itself: handshakes and listings.
    Gateway,
    /// An agent.
    Agent(Party),
}

impl Owner {
    /// Whose part of the room for answers it takes. Sessions are counted apart from agents without one.
    const fn number(self) -> u64 {
        const SESSION: u64 = 1 << 63;
        match self {
            Self::Gateway => 0,
            Self::Agent(Party::Session(number)) => number | SESSION,
            Self::Agent(Party::Agent(number)) => number,
        }
    }
}

/// Whom a message of an agent belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// A legacy session.
    Session(u64),
    /// No session: the agent by its number (`Outgoing::agent`).
    Agent(u64),
}

/// A request that waits for its answer.
struct Open {
    id: RawId,
    progress_token: Option<String>,
    owner: Owner,
    listens: bool,
    messages: mpsc::Sender<Item>,
    /// Where what waits for the agent has its share.
    room: Arc<Room>,
}

impl Open {
    /// Hands over the answer. Nobody can wait here until the agent takes others, so that an answer without room fails.
    fn give(&self, body: Bytes) {
        let Some(body) = self.room.hold(self.owner.number(), body) else {
            tracing::warn!("an answer of the child is dropped: its agent takes no others");
            return;
        };
        if self.messages.try_send(Item::Last(body)).is_err() {
            tracing::debug!("the agent no longer waits for an answer");
        }
    }

    fn give_between(&self, body: Bytes) {
        if !self.offer(body) {
            tracing::debug!("an agent is behind and misses a notification");
        }
    }

    /// Queues a message unless that would take the place of the answer.
    fn offer(&self, body: Bytes) -> bool {
        let body = self.room.hold(self.owner.number(), body);
        body.is_some_and(|body| {
            self.messages.capacity() > 1 && self.messages.try_send(Item::Between(body)).is_ok()
        })
    }
}

/// A request of the child that an agent is to answer.
struct Asked {
    id: RawId,
    session: u64,
    /// The meaning of the token under which the child wants progress.
    progress_token: Option<Token>,
}

/// What a progress token means, however it is spelt.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Text(String),
    Number(String),
}

impl Token {
    fn of(node: Node<'_>) -> Option<Self> {
        match node.kind() {
            NodeKind::String => Some(Self::Text(node.as_str()?.into_owned())),
            NodeKind::Number => Some(Self::Number(node.raw_str().to_owned())),
            NodeKind::Null | NodeKind::Bool | NodeKind::Array | NodeKind::Object => None,
        }
    }
}

#[derive(Default)]
struct State {
    gone: bool,
    issued: i64,
    open: HashMap<i64, Open>,
    asked: HashMap<i64, Asked>,
    sessions: Sessions,
}

/// The bookkeeping of one child.
pub(super) struct Mux {
    state: Mutex<State>,
    from_server: FromServer,
    changes: watch::Sender<u64>,
    noise: Mutex<Noise>,
    room: Arc<Room>,
}

impl std::fmt::Debug for Mux {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mux").finish_non_exhaustive()
    }
}

/// A request that was taken in: its number, the message as the child gets it, and where its answers come.
pub(super) struct Taken {
    pub(super) number: i64,
    pub(super) body: Bytes,
    pub(super) messages: mpsc::Receiver<Item>,
}

impl Mux {
    pub(super) fn new(
        from_server: FromServer,
        changes: watch::Sender<u64>,
        room: Arc<Room>,
    ) -> Self {
        let noise = Mutex::new(Noise::new(Instant::now()));
        Self { state: Mutex::default(), from_server, changes, noise, room }
    }

    /// Whether one more fault of the child's messages is logged now: if so, how many before it were not.
    pub(super) fn complains(&self) -> Option<u64> {
        // Counting is one step: the value is whole even when a thread died while it held the lock.
        self.noise.lock().unwrap_or_else(PoisonError::into_inner).admits(Instant::now())
    }

    /// Takes in a request of an agent.
    pub(super) fn open(&self, request: &ServerRequest, owner: Owner) -> Result<Taken, Closed> {
        let (sender, messages) = mpsc::channel(WAITING_MESSAGES_MAX);
        let token = request.params().and_then(|params| params.get("_meta")?.get("progressToken"));
        let entry = Open {
            id: request.id().clone(),
            progress_token: token.map(|token| token.raw_str().to_owned()),
            owner,
            listens: request.method().as_str() == "subscriptions/listen",
            messages: sender,
            room: Arc::clone(&self.room),
        };
        let mut state = self.lock();
        if state.gone {
            return Err(Closed::Gone);
        }
        if state.open.len() >= CALLS_OPEN_MAX {
            return Err(Closed::Full);
        }
        state.issued = state.issued.wrapping_add(1);
        let number = state.issued;
        state.open.insert(number, entry);
        drop(state);
        let text = number.to_string();
        let changes: [(&[&str], &str); 2] =
            [(&["id"], &text), (&["params", "_meta", "progressToken"], &text)];
        match replace_values(request.body(), &changes) {
            Ok(body) => Ok(Taken { number, body, messages }),
            // It was read a moment ago; a message that cannot be changed is not sent.
            Err(_unreadable) => {
                self.close(number);
                Err(Closed::Gone)
            }
        }
    }

    /// Forgets a request; true if it was still open.
    pub(super) fn close(&self, number: i64) -> bool {
        self.lock().open.remove(&number).is_some()
    }

    /// The number of an agent's own open request, for `notifications/cancelled`.
    pub(super) fn number_of(&self, party: Party, id: Node<'_>) -> Option<i64> {
        let state = self.lock();
        let mut own = state.open.iter().filter(|(_, open)| open.owner == Owner::Agent(party));
        own.find(|(_, open)| same_id(&open.id, id)).map(|(number, _)| *number)
    }

    /// An agent's answer to a request of the child, with the child's own id; `None` if that session was not asked this.
    pub(super) fn answer(&self, session: Option<u64>, response: &Response) -> Option<Bytes> {
        let number: i64 = response.id()?.as_str().parse().ok()?;
        let mut state = self.lock();
        if state.asked.get(&number)?.session != session? {
            return None;
        }
        let asked = state.asked.remove(&number)?;
        drop(state);
        replace_values(response.body(), &[(&["id"], asked.id.as_str())]).ok()
    }

    /// Whether an agent may report on this token: only the session that the child asked under it.
    pub(super) fn may_report(&self, session: Option<u64>, token: Node<'_>) -> bool {
        let Some(token) = Token::of(token) else { return false };
        let state = self.lock();
        let mut own = state.asked.values().filter(|asked| Some(asked.session) == session);
        own.any(|asked| asked.progress_token.as_ref() == Some(&token))
    }

    /// The child has ended: every open request ends without an answer, every session is forgotten.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.gone = true;
        state.open.clear();
        state.asked.clear();
        state.sessions.clear();
    }

    pub(super) fn open_session(&self, declared: Declared) -> u64 {
        self.lock().sessions.open(declared)
    }

    /// Runs something on the sessions.
    pub(super) fn with_sessions<T>(&self, run: impl FnOnce(&mut Sessions) -> T) -> T {
        run(&mut self.lock().sessions)
    }

    /// Ends a session and what it has open.
    pub(super) fn end_session(&self, number: u64) -> bool {
        let mut state = self.lock();
        state.asked.retain(|_, asked| asked.session != number);
        state.sessions.end(number)
    }

    /// Routes one line of the child. What comes back is to be written to the child.
    pub(super) fn route(&self, line: Bytes) -> Option<Bytes> {
        match read_message(line) {
            Ok(ServerMessage::Request(request)) => return self.route_request(&request),
            Ok(ServerMessage::Response(response)) => self.route_response(&response),
            Ok(ServerMessage::Notification(notification)) => self.route_notification(&notification),
            Err(error) => {
                if let Some(left_out) = self.complains() {
                    tracing::warn!(%error, left_out, "a line of the child is skipped");
                }
            }
        }
        None
    }

    fn route_response(&self, response: &Response) {
        let number = response.id().and_then(|id| id.as_str().parse::<i64>().ok());
        let open = number.and_then(|number| self.lock().open.remove(&number));
        let Some(open) = open else {
            if let Some(left_out) = self.complains() {
                tracing::warn!(left_out, "an answer of the child belongs to no open request");
            }
            return;
        };
        let id = open.id.as_str();
        let subscription = ["result", "_meta", META_SUBSCRIPTION_ID];
        let both: [(&[&str], &str); 2] = [(&["id"], id), (&subscription, id)];
        let changes = if open.listens { both.as_slice() } else { both.split_at(1).0 };
        match replace_values(response.body(), changes) {
            Ok(body) => open.give(body),
            Err(error) => tracing::warn!(%error, "an answer of the child cannot be passed on"),
        }
    }

    fn route_notification(&self, notification: &ServerNotification) {
        let method = notification.method();
        if *method == Method::NotifyToolsListChanged {
            self.changes.send_modify(|count| *count = count.wrapping_add(1));
        }
        if let Some(token) = notification.progress_token() {
            return self.route_progress(notification.body(), token);
        }
        let params = notification.params();
        let subscription = params.and_then(|params| params.get("_meta")?.get(META_SUBSCRIPTION_ID));
        if let Some(subscription) = subscription {
            return self.route_subscription(notification.body(), subscription.raw_str());
        }
        let state = self.lock();
        if *method == Method::NotifyCancelled {
            drop(state);
            return self.route_cancelled(notification);
        }
        let for_all = matches!(
            method,
            Method::NotifyToolsListChanged
                | Method::NotifyPromptsListChanged
                | Method::NotifyResourcesListChanged
        );
        let uri = params.and_then(|params| params.get("uri")?.as_str());
        if for_all {
            state.sessions.broadcast(notification.body());
        } else if let (Method::NotifyResourcesUpdated, Some(uri)) = (method, uri) {
            state.sessions.updated(&uri, notification.body());
        } else if let Some((_, open)) = state.only_owner() {
            open.give_between(notification.body().clone());
        } else {
            tracing::debug!(
                method = method.as_str(),
                "a notification of the child belongs to nobody and is dropped"
            );
        }
    }

    fn route_progress(&self, body: &Bytes, token: &str) {
        let state = self.lock();
        let open = token.parse::<i64>().ok().and_then(|number| state.open.get(&number));
        let Some((open, theirs)) =
            open.and_then(|open| Some((open, open.progress_token.as_deref()?)))
        else {
            tracing::debug!("progress of the child belongs to no open request and is dropped");
            return;
        };
        if let Ok(body) = replace_values(body, &[(&["params", "progressToken"], theirs)]) {
            open.give_between(body);
        }
    }

    fn route_subscription(&self, body: &Bytes, number: &str) {
        let state = self.lock();
        let open = number.parse::<i64>().ok().and_then(|number| state.open.get(&number));
        let Some(open) = open.filter(|open| open.listens) else {
            tracing::debug!(
                "a notification of the child belongs to no open subscription and is dropped"
            );
            return;
        };
        let path = ["params", "_meta", META_SUBSCRIPTION_ID];
        if let Ok(body) = replace_values(body, &[(&path, open.id.as_str())]) {
            open.give_between(body);
        }
    }

    /// The child withdraws one of its own requests.
    fn route_cancelled(&self, notification: &ServerNotification) {
        let Some(id) = notification.params().and_then(|params| params.get("requestId")) else {
            return;
        };
        let mut state = self.lock();
        let found =
            state.asked.iter().find(|(_, asked)| same_id(&asked.id, id)).map(|(number, _)| *number);
        let Some((number, asked)) =
            found.and_then(|number| Some((number, state.asked.remove(&number)?)))
        else {
            return;
        };
        let text = number.to_string();
        let asker = Owner::Agent(Party::Session(asked.session));
        let open = state.open.values().find(|open| open.owner == asker);
        if let (Some(open), Ok(body)) =
            (open, replace_values(notification.body(), &[(&["params", "requestId"], &text)]))
        {
            open.give_between(body);
        }
    }

    /// A request of the child goes to the one session that has calls open, if that agent said it can answer and the settings of the
    /// server allow it. Everything else is refused towards the child.
    fn route_request(&self, request: &ServerRequest) -> Option<Bytes> {
        let name = request.method().as_str();
        let refuse =
            |why| Some(reply::error(Some(request.id()), code::METHOD_NOT_FOUND, why, None));
        let (allowed, can): (Allowed, fn(Declared) -> bool) = match name {
            "ping" => return Some(reply::result(request.id(), Era::Legacy, "")),
            "sampling/createMessage" => (self.from_server.sampling, |can| can.sampling),
            "elicitation/create" => (self.from_server.elicitation, |can| can.elicitation),
            "roots/list" => (self.from_server.roots, |can| can.roots),
            _ => return refuse("method not found"),
        };
        if allowed == Allowed::No {
            return refuse("this gateway does not allow the server to ask for this");
        }
        let mut state = self.lock();
        let owner = state.only_owner().map(|(number, open)| (number, open.owner));
        let Some((call, Owner::Agent(Party::Session(session)))) = owner else {
            return refuse("no single client has a call open that this could belong to");
        };
        if !can(state.sessions.declared(session)) || state.asked.len() >= ASKED_MAX {
            return refuse("the client cannot answer this");
        }
        state.issued = state.issued.wrapping_add(1);
        let number = state.issued;
        let body = replace_values(request.body(), &[(&["id"], &number.to_string())]).ok();
        let given = body.zip(state.open.get(&call)).is_some_and(|(body, open)| open.offer(body));
        if !given {
            return refuse("the client does not keep up");
        }
        let token = request.params().and_then(|params| params.get("_meta")?.get("progressToken"));
        let progress_token = token.and_then(Token::of);
        let asked = Asked { id: request.id().clone(), session, progress_token };
        state.asked.insert(number, asked);
        None
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The latest open call of the agents, if it is the only one or all of them belong to one session. Subscriptions and the
    /// gateway's own requests do not count: nothing is attributed to them by guessing.
    fn only_owner(&self) -> Option<(i64, &Open)> {
        let calls =
            || self.open.iter().filter(|(_, open)| open.owner != Owner::Gateway && !open.listens);
        let (number, latest) = calls().max_by_key(|(number, _)| **number)?;
        let in_session = matches!(latest.owner, Owner::Agent(Party::Session(_)));
        let alone = calls().nth(1).is_none()
            || (in_session && calls().all(|(_, open)| open.owner == latest.owner));
        alone.then_some((*number, latest))
    }
}

/// Whether a JSON value is this id, in whatever spelling.
fn same_id(id: &RawId, other: Node<'_>) -> bool {
    match id.key() {
        mcp::IdKey::Integer(value) => other.raw_str() == value.to_string(),
        mcp::IdKey::Text(text) => other.as_str().as_deref() == Some(&**text),
    }
}
