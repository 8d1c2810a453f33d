//! The way of one message through the gateway, stop by stop: decode, route, judge, settle, charge
//! and record, permit, send, check the answer, close the record, answer. HTTP admission and
//! authentication come before it, in `entry`; each stop has its own module below.

mod batch;
mod climb;
mod elicit;
pub(crate) mod exchange;
mod facts;
mod forward;
pub(crate) mod hold;
mod judge;
mod lasting;
mod ledger;
pub(crate) mod listen;
mod observe;
mod opencall;
mod own_task;
pub mod permit;
mod refusal;
mod rewrite;
mod route;
mod take_up;
pub(crate) mod visit;

use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use http::header::{HeaderMap, HeaderName};
use mcp::{
    BatchRule, ClientMessage, ClientResponse, Era, Frame, HeaderValues, Inbound, Method,
    MirrorHeaders, Notification, Request, decode,
};
use policy::DefaultAction;

pub(crate) use self::facts::arguments as redacted;
pub(crate) use self::forward::{end_upstream_session, housekeeping};
use self::judge::Attempt;
use self::lasting::Answering;
use self::visit::{Claim, Visit};
use crate::answer::{self, Answer, Refused};
use crate::desk::Answered;
use crate::entry::MCP_PROTOCOL_VERSION;
use crate::upstream::{Outgoing, Patience, Reply, SendError, Verb};

/// The headers in which a modern client repeats what its message says (MCP 2026-07-28).
const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// Takes the body of a POST: one message, or a batch where the session may send one. The message
/// is read at once; what it needs to wait for is the future, one allocation of its own.
///
/// # Errors
/// As [`Refused`]: what HTTP itself refuses, before any decision.
pub(crate) fn post(
    mut visit: Box<Visit>,
    headers: &HeaderMap,
    body: Bytes,
) -> Result<Answering, Refused> {
    visit.read_headers(headers)?;
    let batches = visit.session().is_some_and(|session| session.batches());
    let frame = Frame {
        body,
        headers: MirrorHeaders {
            protocol_version: values(headers, &MCP_PROTOCOL_VERSION),
            method: values(headers, &MCP_METHOD),
            name: values(headers, &MCP_NAME),
        },
        batch: if batches { BatchRule::Allowed } else { BatchRule::Refused },
    };
    match decode(frame) {
        Ok(Inbound::One(message)) => one(visit, message),
        Ok(Inbound::Batch(messages)) => {
            // Of a legacy session: it is finished also when its client leaves.
            let plane = Arc::clone(&visit.plane);
            Ok(Answering::lasting(Box::pin(batch::answer(visit, messages)), plane))
        }
        Err(refusal) => {
            let work = async move { Ok(malformed(&visit, &refusal).await) };
            Ok(Answering::passing(Box::pin(work)))
        }
    }
}

fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> HeaderValues<'h> {
    headers.get_all(name).iter().map(http::HeaderValue::as_bytes).collect()
}

/// Counts, records and answers what the parser contract refuses.
async fn malformed(visit: &Visit, refusal: &mcp::Refusal) -> Answer {
    crate::entry::note_malformed(visit, refusal).await;
    let status = StatusCode::from_u16(refusal.http_status).unwrap_or(StatusCode::BAD_REQUEST);
    answer::json(status, refusal.to_body())
}

/// One message.
fn one(mut visit: Box<Visit>, message: ClientMessage) -> Result<Answering, Refused> {
    let era = match &message {
        ClientMessage::Request(request) => request.era(),
        ClientMessage::Notification(notification) => notification.era(),
        ClientMessage::Response(_) => Era::Legacy,
    };
    match (era, &visit.claim) {
        // The modern era has no sessions; what the header says is ignored there.
        (Era::Modern, _) => visit.claim = Claim::None,
        (Era::Legacy, Claim::Unknown) => return Err(Refused::NoSession),
        (Era::Legacy, Claim::None | Claim::Own(_)) => {}
    }
    Ok(match message {
        ClientMessage::Request(request) => request_of(visit, request, era),
        ClientMessage::Notification(notification) => {
            Answering::passing(Box::pin(notify(visit, notification)))
        }
        ClientMessage::Response(response) => Answering::passing(Box::pin(respond(visit, response))),
    })
}

/// A request. In the legacy era it is finished and recorded also when its client leaves; in the
/// modern era leaving cancels it.
fn request_of(visit: Box<Visit>, request: Request, era: Era) -> Answering {
    match era {
        Era::Legacy => {
            let plane = Arc::clone(&visit.plane);
            Answering::lasting(route::request(visit, request), plane)
        }
        Era::Modern => Answering::passing(route::request(visit, request)),
    }
}

/// A notification of the agent: those that the specification defines pass, a cancellation only for
/// a request of this session (or, without one, of this grant).
async fn notify(visit: Box<Visit>, notification: Notification) -> Result<Answer, Refused> {
    let method = notification.method();
    if *method == Method::NotifyCancelled {
        let accepted = Ok(answer::empty(StatusCode::ACCEPTED));
        let Some(id) = notification.cancelled_id() else { return accepted };
        // The server never heard of a call that waits for a person.
        visit.desk().withdraw(id.key());
        if !visit.desk().runs(id.key()) {
            return accepted;
        }
    }
    let defined = matches!(
        method,
        Method::NotifyInitialized
            | Method::NotifyCancelled
            | Method::NotifyProgress
            | Method::NotifyRootsListChanged
            | Method::NotifyTasksStatus
    );
    let policy = &visit.grant.policy;
    let open = !policy.nothing && policy.shown().default_action() == DefaultAction::Allow;
    if !defined && !open {
        let refused = answer::refused(Refused::Notification);
        crate::entry::note_visit(&visit, Refused::Notification).await;
        return Ok(refused);
    }
    // It counts as any other method, which policy judges: it leaves when that is on record.
    if !defined && let Err(error) = ledger::note_passed(&visit, method, None).await {
        tracing::error!(why = error.why, "a notification was refused: it could not be recorded");
        return Ok(answer::refused(Refused::Notification));
    }
    let sent =
        forward::send(&visit, forward::passage(), notification.body().clone(), Patience::Call);
    Ok(accepted(&visit, sent.await))
}

/// The agent's answer to a request of the server: only one that is outstanding.
async fn respond(visit: Box<Visit>, response: ClientResponse) -> Result<Answer, Refused> {
    match visit.desk().answer(response.id().key()) {
        Answered::Yes => {}
        // What the client says to a link of the gateway decides nothing.
        Answered::Own => return Ok(answer::empty(StatusCode::ACCEPTED)),
        Answered::NeverAsked => {
            crate::entry::note_visit(&visit, Refused::NotAsked).await;
            return Ok(answer::refused(Refused::NotAsked));
        }
    }
    let sent =
        forward::send(&visit, forward::passage(), response.body().clone(), Patience::Call).await;
    Ok(accepted(&visit, sent))
}

/// The answer to a message that has none of its own.
fn accepted(visit: &Visit, sent: Result<Reply, SendError>) -> Answer {
    match sent {
        Ok(Reply::Empty { status, .. }) => answer::empty(status),
        Ok(Reply::Json { .. } | Reply::Sse { .. }) => answer::empty(StatusCode::ACCEPTED),
        Ok(Reply::Refused(refused)) if is_challenge(refused.status) => {
            answer::refused(Refused::BadGateway)
        }
        Ok(Reply::Refused(refused)) => answer::empty(refused.status),
        Err(SendError::SessionGone(_)) => {
            if let Some(session) = visit.session() {
                visit.plane.sessions.end(session);
            }
            answer::refused(Refused::NoSession)
        }
        Err(error) => {
            tracing::info!(%error, "a notification did not reach its server");
            answer::refused(Refused::BadGateway)
        }
    }
}

/// Statuses by which a server asks for credentials. They are the gateway's own affair: to the agent
/// they would mean that its grant is no longer valid.
fn is_challenge(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::PROXY_AUTHENTICATION_REQUIRED
    )
}

/// The end of a session: the agent's, and the server's behind it.
pub(crate) async fn delete(visit: Box<Visit>) -> Result<Answer, Refused> {
    let session = match &visit.claim {
        Claim::Own(session) => Arc::clone(session),
        Claim::Unknown => return Err(Refused::NoSession),
        Claim::None => return Err(Refused::Header),
    };
    let mut end = Outgoing::post(Bytes::new());
    end.verb = Verb::Delete;
    end.session = Some(session.upstream());
    end.headers.clone_from(&visit.mirrored);
    let sent = match forward::upstream(&visit.server) {
        Ok(client) => client.send(forward::passage(), end).await,
        Err(error) => Err(error),
    };
    match sent {
        // The server does not let clients end sessions: it goes on.
        Ok(Reply::Refused(refused)) if refused.status == StatusCode::METHOD_NOT_ALLOWED => {
            Err(Refused::Method)
        }
        Ok(Reply::Empty { status, .. }) => {
            visit.plane.sessions.end(&session);
            Ok(answer::empty(status))
        }
        Ok(Reply::Json { .. } | Reply::Sse { .. } | Reply::Refused(_)) | Err(_) => {
            visit.plane.sessions.end(&session);
            Ok(answer::empty(StatusCode::NO_CONTENT))
        }
    }
}

/// What a judged call becomes: it leaves, it waits, or it is refused.
async fn judged(mut visit: Box<Visit>, mut request: Request) -> Answer {
    if request.era() == Era::Modern && request.request_state().is_some() {
        request = Box::pin(elicit::returned(&mut visit, request)).await;
    }
    match judge::attempt(&visit, &request).await {
        Attempt::Go(call, permit) => {
            let exchange = exchange::Exchange::new(visit, &request, rewrite::Expect::Call);
            go(exchange.with_call(call), permit, &request).await
        }
        Attempt::Held(held) => held_answer(visit, request, *held).await,
        Attempt::Refused(notice) => exchange::notice_answer(notice),
    }
}

/// A held call, as far as its client can take it: as a task, with a link for the user, on a stream
/// that waits, or as a refusal with the link.
async fn held_answer(visit: Box<Visit>, request: Request, mut held: judge::Held) -> Answer {
    if let Some(opened) = Box::pin(own_task::open(&visit, &request, &held)).await {
        return own_task::answer(visit, request, held, opened);
    }
    if let Some(answer) = elicit::answer(&visit, &request, &held) {
        held.stays_held(visit.plane.now());
        return answer;
    }
    hold::answer(visit, request, held)
}

/// Stops 11 to 14.
async fn go(exchange: exchange::Exchange, permit: permit::Permit, request: &Request) -> Answer {
    let body = request.body().clone();
    let reply = forward::send(&exchange.visit, permit, body, Patience::Call).await;
    exchange.deliver(reply).await
}
