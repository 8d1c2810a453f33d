//! Stops 12 to 14: the server's answer to one request is checked, rewritten where the gateway must
//! (lists, capabilities), closes the audit record, and goes to the agent: as one JSON message or as
//! the events that the server sends, byte for byte.

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use mcp::sse::{self, Event};
use mcp::{BadReply, Era, Method, RawId, Request, Response, ServerMessage, admit_reply};

use super::forward;
use super::opencall::OpenCall;
use super::refusal::{self, Notice};
use super::rewrite::{self, Expect};
use super::visit::Visit;
use crate::answer::{self, Answer, MCP_SESSION_ID, Refused};
use crate::body::{LiveStream, OnLeave, Pieces};
use crate::desk::Running;
use crate::upstream::{EventStream, Media, Refused as UpstreamRefused, Reply, SendError};

/// One request of an agent while its answer is on its way.
pub(crate) struct Exchange {
    pub(crate) visit: Visit,
    pub(crate) id: RawId,
    pub(crate) era: Era,
    pub(crate) expect: Expect,
    pub(crate) call: Option<OpenCall>,
    /// Marks the request as under way for as long as the exchange lives.
    _running: Running,
    /// The server gave events identifiers, so the answer may come on a resumed stream.
    resumable: bool,
    answered: bool,
}

/// What is kept of an exchange whose stream ended before its answer.
pub(crate) struct Parked {
    pub(crate) expect: Expect,
    pub(crate) call: Option<OpenCall>,
}

impl std::fmt::Debug for Parked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parked").field("expect", &self.expect).finish_non_exhaustive()
    }
}

impl Exchange {
    pub(crate) fn new(visit: Visit, request: &Request, expect: Expect) -> Self {
        let running = visit.desk().begin(request.id_key());
        Self {
            id: request.id().clone(),
            era: request.era(),
            visit,
            expect,
            call: None,
            _running: running,
            resumable: false,
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
                with_session(answer::json(notice.status, notice.body), session)
            }
            Ok(Reply::Sse { session, events }) => {
                let session = self.open_session(session);
                with_session(self.relay(events), session)
            }
            Ok(Reply::Empty { .. }) => {
                self.close_broken();
                notice_answer(refusal::bad_answer(&self.id))
            }
            Ok(Reply::Refused(refused)) => notice_answer(self.refused(refused).await),
            Err(error) => self.failed(&error),
        }
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
                | Expect::Discover,
                _,
            ) => None,
        }
    }

    /// A whole JSON message: it must be the answer.
    pub(crate) async fn whole(&mut self, body: Bytes) -> Notice {
        match admit_reply(body, &self.id) {
            Ok(ServerMessage::Response(response)) => {
                let body = self.answer(response).await;
                Notice { status: StatusCode::OK, body }
            }
            Ok(ServerMessage::Request(_) | ServerMessage::Notification(_)) | Err(_) => {
                self.close_broken();
                refusal::bad_answer(&self.id)
            }
        }
    }

    /// Takes the answer: closes the record, rewrites what must be, and yields the bytes for the
    /// agent.
    async fn answer(&mut self, response: Response) -> Bytes {
        self.answered = true;
        if let Some(call) = self.call.take() {
            call.answered(&response, StatusCode::OK.as_u16());
        }
        rewrite::answer(&self.visit, &self.expect, self.era, response).await
    }

    fn close_broken(&mut self) {
        self.answered = true;
        if let Some(call) = self.call.take() {
            call.broken();
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

    fn failed(&mut self, error: &SendError) -> Answer {
        let slug = self.visit.server.record.slug.as_str();
        tracing::info!(server = slug, %error, "no answer of the server");
        if let Some(call) = self.call.take() {
            call.failed(error);
        }
        match error {
            SendError::Unreachable(_) => notice_answer(refusal::unreachable(&self.id)),
            SendError::SessionGone(_) => {
                if let Some(session) = self.visit.session() {
                    self.visit.plane.sessions.end(session);
                }
                answer::refused(Refused::NoSession)
            }
            SendError::Broken(_)
            | SendError::TimedOut(_)
            | SendError::Cancelled(_)
            | SendError::TooLarge { .. }
            | SendError::BadAnswer(_) => notice_answer(refusal::bad_answer(&self.id)),
        }
    }

    /// The events of the server as the agent's stream.
    fn relay(self, events: EventStream) -> Answer {
        let plane = std::sync::Arc::clone(&self.visit.plane);
        let ends = [self.visit.grant.live.ended.clone(), plane.over.clone()];
        let on_leave = match self.era {
            Era::Legacy => OnLeave::Finish(plane.tracker.clone()),
            Era::Modern => OnLeave::Drop,
        };
        answer::live(LiveStream::new(self.pieces(events), ends, on_leave))
    }

    /// The pieces of the agent's stream.
    pub(crate) fn pieces(self, events: EventStream) -> Pieces {
        Box::pin(futures_util::stream::unfold((self, events), |(mut exchange, mut events)| async {
            let piece = exchange.next_piece(&mut events).await?;
            Some((piece, (exchange, events)))
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
                    if let Some(call) = self.call.take() {
                        call.failed(&error);
                    }
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
        self.answered = true;
        if self.resumable && self.era == Era::Legacy {
            let expect = std::mem::replace(&mut self.expect, Expect::Raw);
            let parked = Parked { expect, call: self.call.take() };
            return match self.visit.desk().park(self.id.key(), parked) {
                Ok(()) => None,
                Err(crate::desk::DeskFull) => {
                    Some(sse::encode(&refusal::bad_answer(&self.id).body))
                }
            };
        }
        self.close_broken();
        Some(sse::encode(&refusal::bad_answer(&self.id).body))
    }

    /// One event of the server; `None` when it is not for the agent.
    async fn event(&mut self, event: Event) -> Option<Bytes> {
        if let Some(id) = &event.id {
            self.resumable = true;
            self.visit.desk().issued(id);
        }
        let data = match &event.data {
            Some(data) if !data.is_empty() => data.clone(),
            Some(_) | None => return Some(event.raw),
        };
        match admit_reply(data, &self.id) {
            Ok(ServerMessage::Response(response)) => {
                let before = response.body().clone();
                let body = self.answer(response).await;
                Some(if body == before { event.raw } else { reframed(&event, &body) })
            }
            Ok(message @ (ServerMessage::Request(_) | ServerMessage::Notification(_))) => {
                from_server(&self.visit, self.era, message, event).await
            }
            // An answer to somebody else's request is dropped; anything else ends the exchange.
            Err(BadReply::OtherId) => None,
            Err(error) => {
                tracing::info!(%error, "a server sent what is no message");
                self.close_broken();
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
            if *method == Method::NotifyResourcesUpdated {
                let uri = notification.params().and_then(|params| params.get("uri")?.as_str());
                let seen = uri.is_some_and(|uri| rewrite::sees_resource(visit, &uri));
                return seen.then_some(event.raw);
            }
            Some(event.raw)
        }
        ServerMessage::Request(request) => {
            // The modern era has no requests from the server.
            if era == Era::Modern || !rewrite::may_ask(visit, request.method()) {
                forward::refuse_server_request(visit, request.id(), "not allowed by the gateway")
                    .await;
                return None;
            }
            if visit.desk().ask(request.id().key()).is_err() {
                forward::refuse_server_request(visit, request.id(), "too many open requests").await;
                return None;
            }
            Some(event.raw)
        }
        ServerMessage::Response(_) => None,
    }
}
