//! Stop 11: the permitted message leaves for its server, with the session and the headers that
//! belong to it, at most once. The one exception to that is a session that the server has
//! forgotten: it refused the message unread, so the session is opened again, once, and the message
//! goes out again.

use std::sync::Arc;

use bytes::Bytes;
use mcp::{ProtocolVersion, RawId, ServerMessage, reply};
use smallvec::SmallVec;

use super::permit::{Basis, Permit};
use super::visit::Visit;
use crate::sessions::Session;
use crate::snapshot::ServerEntry;
use crate::upstream::{
    MirroredHeaders, Outgoing, Patience, Reply, SendError, Unreachable, Upstream, UpstreamSession,
    Verb,
};

/// The client to the server of a visit.
pub(crate) fn upstream(server: &ServerEntry) -> Result<&Arc<Upstream>, SendError> {
    server.upstream.as_ref().map_err(|_why| SendError::Unreachable(Unreachable::Stopped))
}

/// Sends a message of the visit's session.
pub(crate) async fn send(
    visit: &Visit,
    permit: Permit,
    body: Bytes,
    patience: Patience,
) -> Result<Reply, SendError> {
    let basis = permit.basis();
    let before = visit.session().map(|session| session.upstream());
    let outgoing = |session: Option<UpstreamSession>| Outgoing {
        verb: Verb::Post,
        body: body.clone(),
        session,
        headers: visit.mirrored.clone(),
        patience,
        agent: visit.grant.live.number,
        cancel: None,
    };
    let server = upstream(&visit.server)?;
    let first = server.send(permit, outgoing(before.clone())).await;
    let (Err(SendError::SessionGone(gone)), Some(session), Some(before)) =
        (&first, visit.session(), before)
    else {
        return first;
    };
    match Box::pin(reopen(&visit.server, session, &before)).await {
        Some(fresh) => Box::pin(server.send(Permit::new(basis), outgoing(Some(fresh)))).await,
        None => Err(SendError::SessionGone(gone.clone())),
    }
}

/// Opens the server's session again, unless somebody else just did.
async fn reopen(
    server: &ServerEntry,
    session: &Session,
    dead: &UpstreamSession,
) -> Option<UpstreamSession> {
    let _reopening = session.reopening.lock().await;
    let current = session.upstream();
    if current != *dead {
        return Some(current);
    }
    let request = &session.opening.request;
    if request.is_empty() || session.ended() {
        return None;
    }
    let client = upstream(server).ok()?;
    let reply = client.send(housekeeping(), Outgoing::post(request.clone())).await.ok()?;
    let fresh = match reply {
        Reply::Json { session, .. } => session,
        Reply::Sse { session, mut events } => {
            // The handshake is over when its answer was read.
            while let Some(Ok(event)) = events.next().await {
                let message = event.data.map(mcp::read_message);
                if matches!(message, Some(Ok(ServerMessage::Response(_)) | Err(_))) {
                    break;
                }
            }
            session
        }
        Reply::Empty { .. } | Reply::Refused(_) => None,
    }?;
    let mut notice = Outgoing::post(reply::notification("notifications/initialized", None));
    notice.session = Some(fresh.clone());
    notice.headers = version_header(session);
    if let Err(error) = client.send(housekeeping(), notice).await {
        tracing::debug!(%error, "the server did not take the end of the handshake");
    }
    session.replace_upstream(fresh.clone());
    Some(fresh)
}

fn version_header(session: &Session) -> MirroredHeaders {
    let mut headers: MirroredHeaders = SmallVec::new();
    let version = session.protocol_version().and_then(ProtocolVersion::parse);
    if let Some(version) = version {
        headers.push((
            http::HeaderName::from_static("mcp-protocol-version"),
            http::HeaderValue::from_static(version.as_str()),
        ));
    }
    headers
}

/// The permit of what the gateway itself asks of a server.
pub(crate) const fn housekeeping() -> Permit {
    Permit::new(Basis::Housekeeping)
}

/// The permit of a method that passes without a decision of policy.
pub(super) const fn passage() -> Permit {
    Permit::new(Basis::Passage)
}

/// Tells a server that one of its sessions is over; best effort, nobody waits for it.
pub(crate) async fn end_upstream_session(server: Arc<ServerEntry>, session: Arc<Session>) {
    let Ok(client) = upstream(&server) else { return };
    let mut end = Outgoing::post(Bytes::new());
    end.verb = Verb::Delete;
    end.session = Some(session.upstream());
    end.headers = version_header(&session);
    if let Err(error) = client.send(housekeeping(), end).await {
        tracing::debug!(%error, "the server did not take the end of a session");
    }
}

/// Refuses a request of the server in the agent's name, so that the server does not wait for it.
pub(super) async fn refuse_server_request(visit: &Visit, id: &RawId, message: &'static str) {
    let Ok(client) = upstream(&visit.server) else { return };
    let body = reply::error(Some(id), mcp::code::METHOD_NOT_FOUND, message, None);
    let mut answer = Outgoing::post(body);
    answer.session = visit.session().map(|session| session.upstream());
    answer.headers = visit.mirrored.clone();
    if let Err(error) = client.send(housekeeping(), answer).await {
        tracing::debug!(%error, "the server did not take a refusal of its request");
    }
}
