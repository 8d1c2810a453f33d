//! The link to an approval as an elicitation by URL (GATEWAY.md section 7, point 4), for clients that
//! declare `elicitation.url`. It shows the link and nothing else: whatever the client answers approves
//! and rejects nothing, the person decides on the page.
//!
//! Modern (2026-07-28): the held call is answered with `input_required`; the retry that comes back is
//! the call itself once the gateway's own members are taken out of it, and it waits as any held call.
//! The link is shown once for one call, so that a client which accepts by itself does not go in
//! circles. Legacy (2025-11-25): the link goes out as a request on the stream of the waiting call, or
//! as error −32042 where no call waits.

use bytes::Bytes;
use http::{HeaderName, StatusCode};
use mcp::{
    BatchRule, ClientMessage, Era, Frame, HeaderValues, IdKey, Inbound, MirrorHeaders, RawId,
    Request, decode, reply,
};
use policy::ApprovalId;

use super::judge::Held;
use super::refusal::Notice;
use super::visit::{LinkShown, Visit, Waiting};
use super::{MCP_METHOD, MCP_NAME};
use crate::answer::{self, Answer};
use crate::entry::MCP_PROTOCOL_VERSION;

/// What the gateway's own state begins with; the approval's identifier follows.
const STATE_PREFIX: &str = "portcullis.approval.";

/// The name of the gateway's own request for input.
const KEY: &str = "portcullis_approval";

/// The revision that has elicitation by URL as a request of the server.
const LEGACY_VERSION: &str = "2025-11-25";

const MESSAGE: &str = "This call needs a person's approval. The page shows it, and whoever may \
                       decide can do so there.";

/// The link as the answer to a modern call; `None` where its client does not take one, or was shown
/// it before.
pub(super) fn answer(visit: &Visit, request: &Request, held: &Held) -> Option<Answer> {
    let takes = request.era() == Era::Modern
        && visit.link_shown == LinkShown::No
        && request.declares(&["elicitation", "url"])
        // A state of the server would be lost.
        && request.request_state().is_none()
        && request.input_responses().is_none();
    if !takes {
        return None;
    }
    let state = format!("{STATE_PREFIX}{}", held.asked.id);
    let url = held.asked.url(&visit.plane);
    let body = reply::input_required_url(request.id(), KEY, MESSAGE, &url, &state);
    Some(answer::json(StatusCode::OK, body))
}

/// The approval whose link this retry comes back from, as the client says.
fn claimed(request: &Request) -> Option<ApprovalId> {
    if request.era() != Era::Modern {
        return None;
    }
    let state: String = serde_json::from_str(request.request_state()?).ok()?;
    state.strip_prefix(STATE_PREFIX)?.parse().ok()
}

/// A retry that comes back from the gateway's own link, as the call that it is: without what the
/// gateway put into it. Anything else stays as it came.
pub(super) async fn returned(visit: &mut Visit, request: Request) -> Request {
    let Some(id) = claimed(&request) else { return request };
    let record = visit.plane.store.approval(&id).await;
    let own = record.ok().flatten();
    if own.is_none_or(|record| record.grant != visit.grant.record.id.as_str()) {
        return request;
    }
    let answered = request.params().and_then(|params| {
        params.at_path(&["inputResponses", KEY, "action"])?.as_str().map(|word| word == "accept")
    });
    let members = ["inputResponses", "requestState"];
    let Ok(body) = mcp::without_params(request.body(), &members) else { return request };
    let Some(call) = read(visit, body) else { return request };
    visit.link_shown = LinkShown::Yes;
    if answered != Some(true) {
        // Nobody went to the page from there: the answer is not kept waiting.
        visit.waiting = Waiting::No;
    }
    call
}

/// A request as it is read with the headers of a visit.
pub(super) fn read(visit: &Visit, body: Bytes) -> Option<Request> {
    let headers = MirrorHeaders {
        protocol_version: values(visit, &MCP_PROTOCOL_VERSION),
        method: values(visit, &MCP_METHOD),
        name: values(visit, &MCP_NAME),
    };
    match decode(Frame { body, headers, batch: BatchRule::Refused }) {
        Ok(Inbound::One(ClientMessage::Request(call))) => Some(call),
        Ok(Inbound::One(_) | Inbound::Batch(_)) | Err(_) => None,
    }
}

fn values<'v>(visit: &'v Visit, name: &HeaderName) -> HeaderValues<'v> {
    let own = visit.mirrored.iter().filter(|(known, _)| known == name);
    own.map(|(_, value)| value.as_bytes()).collect()
}

/// Whether the legacy session of this call takes links.
fn takes_links(visit: &Visit) -> bool {
    visit.session().is_some_and(|session| {
        session.opening.takes_links && session.protocol_version() == Some(LEGACY_VERSION)
    })
}

/// The link as a request on the stream of a call that waits, with the identifier under which its end
/// is announced.
pub(super) fn asked(visit: &Visit, held: &Held) -> Option<Bytes> {
    if !takes_links(visit) {
        return None;
    }
    let key = IdKey::Text(format!("{STATE_PREFIX}{}", visit.request_id).into_boxed_str());
    visit.desk().ask_own(&key);
    let url = held.asked.url(&visit.plane);
    Some(reply::elicit_url(&RawId::from_key(key), held.asked.id.as_str(), MESSAGE, &url))
}

/// Says on the stream of a call that its link is over.
pub(super) fn complete(held: &Held) -> Bytes {
    reply::elicitation_complete(held.asked.id.as_str())
}

/// The answer to a held call that does not wait.
pub(super) fn instead(visit: &Visit, request: &Request, held: &Held) -> Notice {
    if request.era() == Era::Modern || !takes_links(visit) {
        return held.notice.clone();
    }
    let url = held.asked.url(&visit.plane);
    let decision = decision(held).unwrap_or_default();
    let link = (MESSAGE, &*url);
    let body = reply::elicitation_required(request.id(), held.asked.id.as_str(), link, &decision);
    Notice { status: StatusCode::OK, body }
}

/// The decision as a member of an object.
fn decision(held: &Held) -> Option<String> {
    let Ok(mcp::ServerMessage::Response(response)) = mcp::read_message(held.notice.body.clone())
    else {
        return None;
    };
    let payload = response.payload();
    let data = payload.get("_meta").or_else(|| payload.get("data"))?;
    Some(data.raw_str().strip_prefix('{')?.strip_suffix('}')?.to_owned())
}
