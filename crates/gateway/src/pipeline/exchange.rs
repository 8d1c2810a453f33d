//! Stops 12 to 14: the server's answer to one request is checked, rewritten where the gateway must
//! (lists, capabilities), closes the audit record, and goes to the agent: as one JSON message or as
//! the events that the server sends, byte for byte.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use mcp::sse::{self, Event};
use mcp::{BadReply, Era, ListKind, Method, RawId, Request, Response, ServerMessage, admit_reply};

use super::forward;
use super::opencall::OpenCall;
use super::refusal::{self, Notice};
use super::rewrite::{self, Expect};
use super::visit::Visit;
use crate::answer::{self, Answer, MCP_SESSION_ID};
use crate::body::{Finisher, LiveStream, OnLeave, Pieces};
use crate::desk::{Desk, Running};
use crate::upstream::{EventStream, Media, Refused as UpstreamRefused, Reply, SendError, Sent};

/// One request of an agent while its answer is on its way.
pub(crate) struct Exchange {
    pub(crate) visit: Box<Visit>,
    pub(crate) id: RawId,
    pub(crate) era: Era,
    pub(crate) expect: Expect,
    pub(crate) call: Option<OpenCall>,
    /// Marks the request as under way for as long as the exchange lives.
    _running: Running,
    resumable: Resumable,
    /// Where expectation and call are once the exchange is or was resumable.
    awaited: Option<Arc<Awaited>>,
    answered: bool,
}

/// Whether the answer may come on a resumed stream: it may once the server gave an event of the
/// exchange an identifier (MCP 2025-11-25, Resumability).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resumable {
    /// No event had an identifier yet.
    NotYet,
    Yes,
    /// It had, but there was no place on the desk, or the message opens a session.
    Never,
}

/// A request whose answer may come on a resumed stream: whoever reads the answer first takes the
/// call and closes its record.
pub(crate) struct Awaited {
    pub(crate) expect: Expect,
    call: Mutex<Option<OpenCall>>,
}

impl Awaited {
    /// The call, for the first who asks.
    pub(crate) fn take_call(&self) -> Option<OpenCall> {
        // Taking is one step: the value is whole even when a thread died while it held the lock.
        self.call.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Closes the record of a request that nothing answered in time.
    pub(crate) fn give_up(&self) {
        if let Some(call) = self.take_call() {
            call.failed(&SendError::TimedOut(Sent::Maybe));
        }
    }
}

impl std::fmt::Debug for Awaited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awaited").field("expect", &self.expect).finish_non_exhaustive()
    }
}

impl Exchange {
    pub(crate) fn new(visit: Box<Visit>, request: &Request, expect: Expect) -> Self {
        let running = visit.desk().begin(request.id_key());
        Self {
            id: request.id().clone(),
            era: request.era(),
            visit,
            expect,
            call: None,
            _running: running,
            resumable: Resumable::NotYet,
            awaited: None,
            answered: false,
        }
    }

    pub(crate) fn with_call(mut self, call: OpenCall) -> Self {
        self.call = Some(call);
        self
    }

    /// Answers the agent with what the server replied.
    pub(crate) async fn deliver(mut self, reply: Result<Reply, SendError>) -> Answer {
        match reply {
            Ok(Reply::Json { session, body }) => {
                let session = self.open_session(session);
                let notice = self.whole(body).await;
                let session = if self.session_failed() { None } else { session };
                with_session(answer::json(notice.status, notice.body), session)
            }
            Ok(Reply::Sse { session, events }) => {
                let session = self.open_session(session);
                with_session(self.relay(events), session)
            }
            Ok(Reply::Empty { status, .. }) => {
                self.close_broken(status);
                notice_answer(refusal::bad_answer(&self.id))
            }
            Ok(Reply::Refused(refused)) => notice_answer(Box::pin(self.refused(refused)).await),
            Err(error) => notice_answer(self.failed(&error)),
        }
    }

    /// What the server replied without a stream, as one message.
    pub(crate) async fn noticed(mut self, reply: Result<Reply, SendError>) -> Notice {
        match reply {
            Ok(Reply::Json { body, .. }) => self.whole(body).await,
            Ok(Reply::Sse { .. }) => {
                self.close_broken(StatusCode::OK);
                refusal::bad_answer(&self.id)
            }
            Ok(Reply::Empty { status, .. }) => {
                self.close_broken(status);
                refusal::bad_answer(&self.id)
            }
            Ok(Reply::Refused(refused)) => Box::pin(self.refused(refused)).await,
            Err(error) => self.failed(&error),
        }
    }

    /// Where this exchange is noted: the desk of its session, also of one that it opens itself.
    fn desk(&self) -> &Arc<Desk> {
        match &self.expect {
            Expect::Initialize(handshake) => {
                handshake.session.as_ref().map_or_else(|| self.visit.desk(), |opened| &opened.desk)
            }
            Expect::Raw
            | Expect::Call
            | Expect::List(_)
            | Expect::Discover(_)
            | Expect::Task(_) => self.visit.desk(),
        }
    }

    /// Whether the session that this exchange opened is over already, because the handshake failed.
    fn session_failed(&self) -> bool {
        match &self.expect {
            Expect::Initialize(handshake) => {
                handshake.session.as_ref().is_some_and(|opened| opened.ended())
            }
            Expect::Raw
            | Expect::Call
            | Expect::List(_)
            | Expect::Discover(_)
            | Expect::Task(_) => false,
        }
    }

    fn take_call(&mut self) -> Option<OpenCall> {
        self.call.take().or_else(|| self.awaited.as_ref()?.take_call())
    }

    /// Notes the identifier of an event of the server: from here on the stream can be resumed, and
    /// the answer may come there.
    fn issued(&mut self, event_id: &[u8]) {
        self.desk().issued(event_id);
        if self.resumable != Resumable::NotYet {
            return;
        }
        self.resumable = Resumable::Never;
        if matches!(self.expect, Expect::Initialize(_)) {
            return;
        }
        let total = self.visit.server.record.timeouts.total_ms;
        let until = self.visit.started + Duration::from_millis(u64::from(total));
        let awaited = Arc::new(Awaited {
            expect: std::mem::replace(&mut self.expect, Expect::Raw),
            call: Mutex::new(self.call.take()),
        });
        if self.visit.desk().awaits(self.id.key(), &awaited, until).is_ok() {
            self.resumable = Resumable::Yes;
        }
        self.awaited = Some(awaited);
    }

    fn open_session(
        &mut self,
        session: Option<crate::upstream::UpstreamSession>,
    ) -> Option<HeaderValue> {
        match (&mut self.expect, session) {
            (Expect::Initialize(opening), Some(upstream)) => {
                rewrite::open_session(&self.visit, opening, upstream)
            }
            (
                Expect::Initialize(_)
                | Expect::Raw
                | Expect::Call
                | Expect::List(_)
                | Expect::Discover(_)
                | Expect::Task(_),
                _,
            ) => None,
        }
    }

    /// A whole JSON message: it must be the answer.
    pub(crate) async fn whole(&mut self, body: Bytes) -> Notice {
        if matches!(self.expect, Expect::List(ListKind::Tools))
            && self.call.is_none()
            && let Some(body) = rewrite::tools_again(&self.visit, self.era, &body, &self.id)
        {
            self.answered = true;
            return Notice { status: StatusCode::OK, body };
        }
        match admit_reply(body, &self.id) {
            Ok(ServerMessage::Response(response)) => {
                let body = self.answer(response, None).await;
                Notice { status: StatusCode::OK, body }
            }
            Ok(ServerMessage::Request(_) | ServerMessage::Notification(_)) | Err(_) => {
                self.close_broken(StatusCode::OK);
                refusal::bad_answer(&self.id)
            }
        }
    }

    /// Takes the answer: closes the record, rewrites what must be, and yields the bytes for the
    /// agent.
    async fn answer(&mut self, response: Response, event_id: Option<&[u8]>) -> Bytes {
        self.answered = true;
        if let Some(call) = self.take_call() {
            call.answered(&response, StatusCode::OK.as_u16());
        }
        if let Some(awaited) = &self.awaited {
            self.visit.desk().answered(self.id.key(), awaited, event_id);
        }
        let expect = self.awaited.as_ref().map_or(&self.expect, |awaited| &awaited.expect);
        rewrite::answer(&self.visit, expect, self.era, response).await
    }

    /// There will be no answer: the server said something else, under this status.
    fn close_broken(&mut self, status: StatusCode) {
        self.answered = true;
        if let Some(call) = self.take_call() {
            call.broken(status.as_u16());
        }
        self.close();
    }

    /// Forgets what waits for the answer: the desk's note, and a session that was to be opened.
    fn close(&self) {
        if let Some(awaited) = &self.awaited {
            self.visit.desk().answered(self.id.key(), awaited, None);
        }
        if let Expect::Initialize(handshake) = &self.expect
            && let Some(session) = &handshake.session
        {
            self.visit.plane.sessions.end(session);
        }
    }

    /// A 4xx of the server. A JSON-RPC message in it goes to the agent with its status, because
    /// clients tell the eras apart by it; the server's challenges do not: the agent has no
    /// credentials there.
    async fn refused(&mut self, refused: UpstreamRefused) -> Notice {
        let challenge = matches!(
            refused.status,
            StatusCode::UNAUTHORIZED
                | StatusCode::FORBIDDEN
                | StatusCode::PROXY_AUTHENTICATION_REQUIRED
        );
        if refused.media == Media::Json
            && !challenge
            && let Ok(ServerMessage::Response(response)) = admit_reply(refused.body, &self.id)
        {
            self.answered = true;
            if let Some(call) = self.call.take() {
                call.answered(&response, refused.status.as_u16());
            }
            let body = rewrite::answer(&self.visit, &self.expect, self.era, response).await;
            return Notice { status: refused.status, body };
        }
        let was_call = self.call.is_some();
        if let Some(call) = self.call.take() {
            call.refused(refused.status.as_u16());
        }
        let mut notice = refusal::bad_answer(&self.id);
        if !was_call && !challenge {
            notice.status = refused.status;
        }
        notice
    }

    fn failed(&mut self, error: &SendError) -> Notice {
        let slug = self.visit.server.record.slug.as_str();
        tracing::info!(server = slug, %error, "no answer of the server");
        if let Some(call) = self.take_call() {
            call.failed(error);
        }
        match error {
            SendError::Unreachable(_) => refusal::unreachable(&self.id),
            SendError::SessionGone(_) => {
                if let Some(session) = self.visit.session() {
                    self.visit.plane.sessions.end(session);
                }
                refusal::no_session(&self.id)
            }
            SendError::Broken(_)
            | SendError::TimedOut(_)
            | SendError::Cancelled(_)
            | SendError::TooLarge { .. }
            | SendError::BadAnswer(_) => refusal::bad_answer(&self.id),
        }
    }

    /// The events of the server as the agent's stream.
    fn relay(self, events: EventStream) -> Answer {
        let plane = Arc::clone(&self.visit.plane);
        let ends = [self.visit.grant.live.ended.clone(), plane.over.clone()];
        let finisher = Finisher::new(plane.tracker.clone(), plane.over.clone());
        let on_leave = match self.era {
            Era::Legacy => OnLeave::Finish(finisher),
            Era::Modern => OnLeave::Cancel(finisher),
        };
        let by = events.until();
        answer::live(LiveStream::new(self.pieces(events), ends, by, on_leave))
    }

    /// The pieces of the agent's stream.
    pub(crate) fn pieces(self, events: EventStream) -> Pieces {
        Box::pin(futures_util::stream::unfold((self, events), |(mut exchange, mut events)| async {
            if let Some(piece) = exchange.next_piece(&mut events).await {
                return Some((piece, (exchange, events)));
            }
            events.run_out(&exchange.visit.plane.tracker);
            None
        }))
    }

    async fn next_piece(&mut self, events: &mut EventStream) -> Option<Bytes> {
        while !self.answered {
            let event = match events.next().await {
                Some(Ok(event)) => event,
                None => return self.ended_early(),
                Some(Err(error)) => {
                    self.answered = true;
                    tracing::info!(%error, "the stream of a server broke");
                    if let Some(call) = self.take_call() {
                        call.failed(&error);
                    }
                    self.close();
                    return Some(sse::encode(&refusal::bad_answer(&self.id).body));
                }
            };
            if let Some(piece) = self.event(event).await {
                return Some(piece);
            }
        }
        None
    }

    /// The stream ended before the answer. The server may have closed it on purpose, to answer on a
    /// resumed stream (MCP 2025-11-25); else the agent learns that there is none.
    fn ended_early(&mut self) -> Option<Bytes> {
        if self.resumable == Resumable::Yes {
            self.answered = true;
            return None;
        }
        self.close_broken(StatusCode::OK);
        Some(sse::encode(&refusal::bad_answer(&self.id).body))
    }

    /// One event of the server; `None` when it is not for the agent.
    async fn event(&mut self, event: Event) -> Option<Bytes> {
        let event_id = event.id.clone().filter(|id| self.era == Era::Legacy && !id.is_empty());
        if let Some(id) = &event_id {
            self.issued(id);
        }
        let data = match &event.data {
            Some(data) if !data.is_empty() => data.clone(),
            Some(_) | None => return Some(event.raw),
        };
        match admit_reply(data, &self.id) {
            Ok(ServerMessage::Response(response)) => {
                let before = response.body().clone();
                let body = self.answer(response, event_id.as_deref()).await;
                Some(if is_same(&body, &before) { event.raw } else { reframed(&event, &body) })
            }
            Ok(message @ (ServerMessage::Request(_) | ServerMessage::Notification(_))) => {
                from_server(&self.visit, self.era, message, event).await
            }
            // An answer to somebody else's request is dropped; anything else ends the exchange.
            Err(BadReply::OtherId) => None,
            Err(error) => {
                tracing::info!(%error, "a server sent what is no message");
                self.close_broken(StatusCode::OK);
                Some(sse::encode(&refusal::bad_answer(&self.id).body))
            }
        }
    }
}

/// Turns a message of the gateway into an answer.
pub(crate) fn notice_answer(notice: Notice) -> Answer {
    answer::json(notice.status, notice.body)
}

fn with_session(mut answer: Answer, session: Option<HeaderValue>) -> Answer {
    if let Some(session) = session {
        answer.headers_mut().insert(MCP_SESSION_ID, session);
    }
    answer
}

/// Whether an answer passes as the server sent it: the very bytes, which are not compared one by
/// one.
pub(crate) fn is_same(after: &Bytes, before: &Bytes) -> bool {
    std::ptr::eq(after.as_ptr(), before.as_ptr()) && after.len() == before.len()
}

/// An event with other data; its identifier, name and retry time stay, so that resuming works.
pub(crate) fn reframed(event: &Event, data: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(data.len().saturating_add(64));
    let mut field = |name: &[u8], value: &[u8]| {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\n");
    };
    if let Some(id) = &event.id {
        field(b"id", id);
    }
    if let Some(name) = &event.event {
        field(b"event", name);
    }
    if let Some(retry) = event.retry_ms {
        field(b"retry", retry.to_string().as_bytes());
    }
    for line in data.split(|byte| matches!(byte, b'\n' | b'\r')) {
        field(b"data", line);
    }
    out.extend_from_slice(b"\n");
    out.freeze()
}

/// A request or notification of the server on its way to the agent; `None` when it does not pass.
pub(crate) async fn from_server(
    visit: &Visit,
    era: Era,
    message: ServerMessage,
    event: Event,
) -> Option<Bytes> {
    match message {
        ServerMessage::Notification(notification) => {
            let method = notification.method();
            if *method == Method::NotifyToolsListChanged {
                visit.server.poke.notify_one();
            }
            if matches!(method, Method::NotifyTasksStatus | Method::NotifyTasks) {
                let task = notification.params().and_then(|params| params.get("taskId")?.as_str());
                let record = &visit.grant.record;
                let owners = &visit.plane.task_owners;
                // A task may be heard of before the answer that creates it.
                let foreign =
                    task.is_none_or(|task| owners.is_foreign(&record.server, &task, &record.id));
                return (!foreign).then_some(event.raw);
            }
            if *method == Method::NotifyResourcesUpdated {
                let uri = notification.params().and_then(|params| params.get("uri")?.as_str());
                let seen = uri.is_some_and(|uri| rewrite::sees_resource(visit, &uri));
                return seen.then_some(event.raw);
            }
            Some(event.raw)
        }
        ServerMessage::Request(request) => {
            if era == Era::Modern {
                // The modern era has neither requests from the server nor a way to refuse one.
                tracing::info!("a server sent a request, which its revision does not have");
                return None;
            }
            if !rewrite::may_ask(visit, request.method()) {
                forward::refuse_server_request(visit, request.id(), "not allowed by the gateway")
                    .await;
                return None;
            }
            visit.desk().ask(request.id().key());
            Some(event.raw)
        }
        ServerMessage::Response(_) => None,
    }
}
