//! A server that is a child process on stdio. The gateway is the transport: it starts the child, keeps the legacy sessions, and lets
//! many agents use one child. Never here: an agent's side of HTTP, decisions.
//!
//! A child speaks the handshake revisions, the stateless one, or both, and it is asked once. A child that speaks both runs as two
//! processes, one for each era that agents use, since one process cannot be in a handshake session and stateless at a time. There
//! is no bridge between the eras: an agent of the other era gets the refusal that makes dual-era clients fall back.

mod child;
mod events;
mod handshake;
mod lane;
mod mux;
mod noise;
mod pipes;
mod process;
mod sessions;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use mcp::{
    Era, META_PROTOCOL_VERSION, Method, Node, ProtocolVersion, RawId, Response, ServerMessage,
    ServerNotification, ServerRequest, code, read_message, replace_values, reply,
};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use self::child::{Child, Pending};
pub(crate) use self::events::StdioEvents;
use self::handshake::Hello;
pub(crate) use self::handshake::{own_client, own_id};
use self::lane::{Lanes, Ready};
use self::mux::{Item, Owner, Party, WAITING_MESSAGES_MAX};
use self::sessions::Declared;
use super::message::{
    Media, Outgoing, Patience, Refused, Reply, SendError, Sent, UpstreamSession, Verb,
    unless_cancelled,
};
use super::spec::{Allowed, FromServer, Program, ServerSpec, Timeouts};

/// The client to one child.
#[derive(Debug)]
pub(crate) struct StdioClient {
    lanes: Lanes,
    timeouts: Timeouts,
    from_server: FromServer,
}

/// A child that an agent's message goes to, and the session that it names.
struct Bound {
    child: Arc<Child>,
    hello: Option<Hello>,
    session: Option<u64>,
}

impl StdioClient {
    pub(crate) fn new(spec: &ServerSpec, program: &Program, changes: watch::Sender<u64>) -> Self {
        let (timeouts, from_server) = (spec.timeouts, spec.from_server);
        Self { lanes: Lanes::new(spec, program.clone(), changes), timeouts, from_server }
    }

    /// Ends the child and everything that it started.
    pub(crate) async fn stop(&self) {
        self.lanes.stop().await;
    }

    /// The era that the gateway's own messages should be in.
    pub(crate) async fn era(&self) -> Result<Era, SendError> {
        self.lanes.era(Instant::now() + self.timeouts.first_byte).await
    }

    /// Sends one message; see `Upstream::send`.
    pub(crate) async fn send(&self, out: Outgoing) -> Result<Reply, SendError> {
        let agent = Party::Agent(out.agent);
        self.exchange(out, Owner::Agent(agent)).await
    }

    /// Sends a message of the gateway itself.
    pub(crate) async fn send_own(&self, out: Outgoing) -> Result<Reply, SendError> {
        self.exchange(out, Owner::Gateway).await
    }

    async fn exchange(&self, out: Outgoing, owner: Owner) -> Result<Reply, SendError> {
        let started = Instant::now();
        let waits = Waits {
            first_by: started + self.timeouts.first_byte.min(self.timeouts.total),
            whole_by: match out.patience {
                Patience::Call => Some(started + self.timeouts.total),
                Patience::Stream => None,
            },
            cancel: out.cancel.clone(),
        };
        match out.verb {
            Verb::Get => self.listen(&out, waits),
            Verb::Delete => self.end_session(&out),
            Verb::Post => {
                let message = read_message(out.body.clone());
                match message {
                    Ok(ServerMessage::Request(request)) => {
                        self.request(&request, &out, (owner, waits)).await
                    }
                    Ok(ServerMessage::Notification(note)) => {
                        self.notification(&note, &out, waits).await
                    }
                    Ok(ServerMessage::Response(response)) => {
                        self.response(&response, &out, waits).await
                    }
                    Err(_unreadable) => {
                        Ok(refused(None, code::INVALID_REQUEST, "not one JSON-RPC message"))
                    }
                }
            }
        }
    }

    async fn request(
        &self,
        request: &ServerRequest,
        out: &Outgoing,
        (owner, waits): (Owner, Waits),
    ) -> Result<Reply, SendError> {
        let era = era_of(request, out);
        let starting = self.lanes.ready(era, waits.first_by);
        let ready = match unless_cancelled(waits.cancel.as_ref(), Sent::No, starting).await? {
            Ready::Running(child, hello) => (child, hello),
            Ready::OtherEra => return Ok(other_era(request, era)),
        };
        let Bound { child, hello, session } = bind(ready, out)?;
        match (request.method(), hello) {
            (Method::Initialize, Some(hello)) => Ok(open_session(&child, &hello, request)),
            (Method::ResourcesUnsubscribe, Some(_))
                if still_subscribed(&child, session, request) =>
            {
                Ok(Reply::Json {
                    session: None,
                    body: reply::result(request.id(), Era::Legacy, ""),
                })
            }
            (method, _) => {
                if let (Method::ResourcesSubscribe, Some(session), Some(uri)) =
                    (method, session, uri_of(request))
                {
                    child.mux.with_sessions(|sessions| sessions.subscribe(session, uri));
                }
                let owner = match owner {
                    Owner::Gateway => Owner::Gateway,
                    Owner::Agent(_) => Owner::Agent(party(session, out)),
                };
                call(&child, out.body.clone(), owner, waits).await
            }
        }
    }

    /// Notifications of an agent. `initialized` stays here, since the child was initialised by the gateway.
    async fn notification(
        &self,
        note: &ServerNotification,
        out: &Outgoing,
        waits: Waits,
    ) -> Result<Reply, SendError> {
        let accepted = Ok(Reply::Empty { status: StatusCode::ACCEPTED, session: None });
        let Some(ready) = self.lanes.running(era_of_headers(out)) else {
            return match out.session {
                Some(_) => Err(session_gone()),
                None => accepted,
            };
        };
        let Bound { child, session, .. } = bind(ready, out)?;
        let method = note.method();
        let unasked =
            *method == Method::NotifyRootsListChanged && self.from_server.roots == Allowed::No;
        if *method == Method::NotifyInitialized || unasked {
            return accepted;
        }
        if *method == Method::NotifyProgress {
            // On a request of the child to another agent nobody else reports.
            let token = note.params().and_then(|params| params.get("progressToken"));
            if !token.is_some_and(|token| child.mux.may_report(session, token)) {
                return accepted;
            }
        }
        let body = if *method == Method::NotifyCancelled {
            // Another agent's request, or one that has ended, is nothing to cancel.
            let Some(body) = own_cancellation(&child, party(session, out), note) else {
                return accepted;
            };
            body
        } else {
            note.body().clone()
        };
        write(&child, &body, waits).await?;
        accepted
    }

    /// An agent's answer to a request of the child.
    async fn response(
        &self,
        response: &Response,
        out: &Outgoing,
        waits: Waits,
    ) -> Result<Reply, SendError> {
        let Some(ready) = self.lanes.running(Era::Legacy) else { return Err(session_gone()) };
        let Bound { child, session, .. } = bind(ready, out)?;
        let Some(body) = child.mux.answer(session, response) else {
            return Ok(refused(
                None,
                code::INVALID_REQUEST,
                "this response answers no open request",
            ));
        };
        write(&child, &body, waits).await?;
        Ok(Reply::Empty { status: StatusCode::ACCEPTED, session: None })
    }

    fn listen(&self, out: &Outgoing, waits: Waits) -> Result<Reply, SendError> {
        let Some(ready) = self.lanes.running(Era::Legacy) else { return Err(session_gone()) };
        let Bound { child, session, .. } = bind(ready, out)?;
        let Some(session) = session else {
            return Ok(refused(None, code::INVALID_REQUEST, "a listening stream needs a session"));
        };
        let (sender, messages) = mpsc::channel::<Item>(WAITING_MESSAGES_MAX);
        child.mux.with_sessions(|sessions| sessions.listen(session, sender));
        let events = StdioEvents::listening(messages).end_by(waits.whole_by).end_on(waits.cancel);
        Ok(Reply::Sse { session: None, events: events.into() })
    }

    fn end_session(&self, out: &Outgoing) -> Result<Reply, SendError> {
        let Some(ready) = self.lanes.running(Era::Legacy) else { return Err(session_gone()) };
        let Bound { child, session, .. } = bind(ready, out)?;
        match session {
            Some(session) if child.mux.end_session(session) => {
                Ok(Reply::Empty { status: StatusCode::OK, session: None })
            }
            Some(_) => Err(session_gone()),
            None => Ok(refused(None, code::INVALID_REQUEST, "there is no session to end")),
        }
    }
}

/// Whom a message belongs to.
fn party(session: Option<u64>, out: &Outgoing) -> Party {
    session.map_or(Party::Agent(out.agent), Party::Session)
}

/// A cancellation with the number under which the child knows the request.
fn own_cancellation(child: &Child, party: Party, note: &ServerNotification) -> Option<Bytes> {
    let id = note.params()?.get("requestId")?;
    let number = child.mux.number_of(party, id)?.to_string();
    replace_values(note.body(), &[(&["params", "requestId"], &number)]).ok()
}

/// When waiting ends.
struct Waits {
    first_by: Instant,
    whole_by: Option<Instant>,
    cancel: Option<CancellationToken>,
}

/// Sends a request and waits for the first message. An answer that comes alone is JSON, anything else a stream, as a server on
/// HTTP would choose.
async fn call(
    child: &Arc<Child>,
    body: Bytes,
    owner: Owner,
    waits: Waits,
) -> Result<Reply, SendError> {
    let cancel = waits.cancel.as_ref();
    let sending = in_time(waits.first_by, Sent::No, child.request(body, owner));
    let mut pending: Pending = unless_cancelled(cancel, Sent::No, sending).await?;
    let answering = async { Ok(pending.next().await) };
    let answering = in_time(waits.first_by, Sent::Maybe, answering);
    match unless_cancelled(cancel, Sent::Maybe, answering).await? {
        None => Err(SendError::Broken(Sent::Maybe)),
        Some(Item::Last(body)) => Ok(Reply::Json { session: None, body }),
        Some(Item::Between(body)) => {
            let events = StdioEvents::of_call(body, pending);
            let events = events.end_by(waits.whole_by).end_on(waits.cancel);
            Ok(Reply::Sse { session: None, events: events.into() })
        }
    }
}

async fn write(child: &Child, body: &Bytes, waits: Waits) -> Result<(), SendError> {
    let writing = in_time(waits.first_by, Sent::No, child.write(body));
    unless_cancelled(waits.cancel.as_ref(), Sent::No, writing).await
}

/// Waits for something until an instant; `sent` is what a late end then means for the server.
async fn in_time<T>(
    by: Instant,
    sent: Sent,
    work: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    timeout_at(by, work).await.unwrap_or(Err(SendError::TimedOut(sent)))
}

/// Finds the session that a message names. A message without one is taken as it is (MCP clients exist that never send it); one that
/// names a session of an earlier child, or none that was ever issued, is refused like a server on HTTP does.
fn bind((child, hello): (Arc<Child>, Option<Hello>), out: &Outgoing) -> Result<Bound, SendError> {
    let Some(named) = out.session.as_ref().filter(|_| hello.is_some()) else {
        return Ok(Bound { child, hello, session: None });
    };
    let number = named.as_str().strip_prefix(&child.nonce).and_then(|rest| rest.strip_prefix('-'));
    let number = number.and_then(|number| number.parse::<u64>().ok());
    let session =
        number.filter(|number| child.mux.with_sessions(|sessions| sessions.touch(*number)));
    match session {
        Some(_) => Ok(Bound { child, hello, session }),
        None => Err(session_gone()),
    }
}

/// Answers an agent's `initialize` with the child's own answer. The revision is the agent's if the child's is a later one of the
/// same era: the handshake revisions differ by additions that the other side ignores, and an agent may give up on a later one.
fn open_session(child: &Child, hello: &Hello, request: &ServerRequest) -> Reply {
    let asked = request.params().and_then(|params| params.get("protocolVersion")?.as_str());
    let asked = asked.and_then(|version| ProtocolVersion::parse(&version));
    let version = match (asked, hello.version) {
        (Some(asked), Some(chosen)) if asked.era() == Era::Legacy => Some(asked.min(chosen)),
        (_, chosen) => chosen,
    };
    let version = version.map(|version| format!("\"{version}\""));
    let id: (&[&str], &str) = (&["id"], request.id().as_str());
    let mut changes = vec![id];
    let path = ["result", "protocolVersion"];
    if let Some(version) = &version {
        changes.push((&path, version));
    }
    let number = child.mux.open_session(Declared::of(request.params()));
    let session = http::HeaderValue::try_from(format!("{}-{number}", child.nonce));
    let session = session.ok().and_then(UpstreamSession::new);
    match replace_values(&hello.body, &changes) {
        Ok(body) => Reply::Json { session, body },
        Err(_unreadable) => {
            refused(Some(request.id()), code::INTERNAL_ERROR, "the server cannot be initialized")
        }
    }
}

/// Whether another session still needs the subscription that this one ends.
fn still_subscribed(child: &Child, session: Option<u64>, request: &ServerRequest) -> bool {
    let Some(uri) = uri_of(request) else { return false };
    child.mux.with_sessions(|sessions| sessions.unsubscribe(session, &uri))
}

fn uri_of(request: &ServerRequest) -> Option<String> {
    request.params()?.get("uri")?.as_str().map(std::borrow::Cow::into_owned)
}

/// Stateless requests say so in each request (MCP 2026-07-28, `_meta`).
fn era_of(request: &ServerRequest, out: &Outgoing) -> Era {
    let version =
        request.params().and_then(|params| params.get("_meta")?.get(META_PROTOCOL_VERSION));
    if version.is_some() { Era::Modern } else { era_of_headers(out) }
}

fn era_of_headers(out: &Outgoing) -> Era {
    let version = out.headers.iter().find(|(name, _)| name.as_str() == "mcp-protocol-version");
    let version =
        version.and_then(|(_, value)| value.to_str().ok()).and_then(ProtocolVersion::parse);
    version.map_or(Era::Legacy, ProtocolVersion::era)
}

/// The refusal of a request of the era that the child does not speak. An agent of the stateless era must not see one of that era's
/// own errors, by which it would know a modern server; an agent of the handshake era learns which revision there is.
fn other_era(request: &ServerRequest, era: Era) -> Reply {
    match era {
        Era::Modern => refused(
            Some(request.id()),
            code::INVALID_REQUEST,
            "this server needs a session: send initialize first",
        ),
        Era::Legacy => {
            let asked = request
                .params()
                .and_then(|params| params.get("protocolVersion").map(Node::raw_str));
            let data = format!(
                "{{\"supported\":[\"{}\"],\"requested\":{}}}",
                ProtocolVersion::NEWEST_MODERN,
                asked.unwrap_or("null"),
            );
            let text = "this server only speaks the stateless revision";
            refusal(reply::error(Some(request.id()), code::UNSUPPORTED_VERSION, text, Some(&data)))
        }
    }
}

fn refused(id: Option<&RawId>, code: i64, message: &str) -> Reply {
    refusal(reply::error(id, code, message, None))
}

fn refusal(body: Bytes) -> Reply {
    Reply::Refused(Refused { status: StatusCode::BAD_REQUEST, media: Media::Json, body })
}

fn session_gone() -> SendError {
    let body = reply::error(None, code::INVALID_REQUEST, "session not found", None);
    SendError::SessionGone(Refused { status: StatusCode::NOT_FOUND, media: Media::Json, body })
}

#[cfg(test)]
mod tests;
