//! The first two stops for one HTTP request: admission and authentication, then the verb. Bodies
//! are read here, within their bounds; what they say is the pipeline's.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use store::{AuditGrant, AuditKind, AuditOpen, TokenHash};
use tokio::time::timeout;

use crate::admission::{self, BODY_BYTES_MAX, Place, Verb};
use crate::answer::{self, Answer, Refused};
use crate::bearer;
use crate::pipeline::{self, visit::Visit};
use crate::plane::{Plane, Recorded};
use crate::seats::Seat;
use crate::serve::Door;
use crate::snapshot::{GrantEntry, Snapshot};

/// The body of a request must be complete within so many seconds.
pub(crate) const BODY_SECONDS_MAX: u64 = 30;

/// The revision that a request is of (MCP 2025-06-18 and later).
pub(crate) const MCP_PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Answers one request.
pub(crate) async fn answer(
    plane: Arc<Plane>,
    door: Arc<Door>,
    request: Request<Incoming>,
) -> Answer {
    let (parts, body) = request.into_parts();
    let origin = parts.headers.get(header::ORIGIN).cloned();
    let outcome = match admission::head(&parts, &door.names) {
        Ok(verb) => admitted(&plane, &door, verb, (&parts, body)).await,
        Err(refusal) => {
            Box::pin(note_refused(&plane, refusal)).await;
            return answer::refused(refusal);
        }
    };
    let mut answer = match outcome {
        Ok(answer) => answer,
        Err(refusal) => {
            Box::pin(note_turned_away(&plane, &parts.headers, refusal)).await;
            answer::refused(refusal)
        }
    };
    if let Some(origin) = origin {
        answer::allow_origin(answer.headers_mut(), origin);
    }
    answer
}

async fn admitted(
    plane: &Arc<Plane>,
    door: &Door,
    verb: Verb,
    request: (&Parts, Incoming),
) -> Result<Answer, Refused> {
    let (parts, body) = request;
    let slug = match admission::place(parts.uri.path()) {
        Place::Server(slug) => Some(slug),
        Place::NoServer => None,
        Place::Metadata(slug) => return metadata(plane, door, slug, verb),
        Place::Elsewhere => return Err(Refused::NotFound),
    };
    if verb == Verb::Options {
        return Ok(answer::preflight());
    }
    let snapshot = plane.snapshot.load_full();
    let now = plane.now();
    let token = bearer(&parts.headers);
    let Some(grant) = snapshot.authenticate(&token, now) else {
        let mut answer = Box::pin(unauthorized(plane, door, slug)).await;
        if !body.is_end_stream() {
            // The body is not waited for, and nothing after it is read as a request.
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        return Ok(answer);
    };
    let grant = Arc::clone(grant);
    let server = snapshot.servers.get(&grant.record.server);
    let server = match (slug, server) {
        (Some(slug), Some(server)) if slug == grant.record.server.as_str() => Arc::clone(server),
        (Some(_) | None, _) => return Err(Refused::NotFound),
    };
    let mut visit = Visit::new(plane, (snapshot, token), grant, server, now);
    match Seat::take(&visit.grant.live, plane.bounds.open_per_grant) {
        Some(seat) => visit.seat = seat,
        None => return Ok(Box::pin(crowded(&visit)).await),
    }
    match verb {
        Verb::Post => {
            admission::body_head(&parts.headers)?;
            let burden = plane.burden();
            let has_room_for = |length| visit.seat.has_room_for(length, burden);
            let Some(body) = read_body(body, has_room_for).await? else {
                return Ok(Box::pin(crowded(&visit)).await);
            };
            // A body may come slowly: what counts is the grant and its policy at its end.
            if visit.renew().is_none() {
                return Ok(Box::pin(unauthorized(plane, door, slug)).await);
            }
            let done = pipeline::post(visit, &parts.headers, body)?.await;
            // The connection writes the answer at once. Those of all who are ready are closed first
            // and written together, so that a client that sleeps is woken once for many of them.
            tokio::task::yield_now().await;
            done
        }
        Verb::Get | Verb::Delete if is_modern(&parts.headers) => Err(Refused::Method),
        // A body here has no meaning, and a server behind might give it one.
        Verb::Get | Verb::Delete if !body.is_end_stream() => Err(Refused::Framing),
        Verb::Get => {
            visit.read_headers(&parts.headers)?;
            Box::pin(pipeline::listen::get(visit, &parts.headers)).await
        }
        Verb::Delete => {
            visit.read_headers(&parts.headers)?;
            Box::pin(pipeline::delete(visit)).await
        }
        Verb::Options => Ok(answer::preflight()),
    }
}

/// The refusal of a request of a grant that has as much open as it may. A flood of them must not
/// become a flood of rows.
async fn crowded(visit: &Visit) -> Answer {
    let refusal = Refused::TooManyOpen;
    visit.plane.count_refused(refusal.word());
    if visit.plane.has_room_to_record(visit.now) == Recorded::Yes {
        record(&visit.plane, refusal.word(), Sender::Visit(visit)).await;
    }
    answer::refused(refusal)
}

/// Records and answers a request whose token opens nothing.
async fn unauthorized(plane: &Plane, door: &Door, slug: Option<&str>) -> Answer {
    note_refused(plane, Refused::Unauthorized).await;
    match slug {
        Some(slug) => answer::unauthorized(&challenge(&door.metadata_url, Some(slug))),
        None => answer::unauthorized(&door.challenge),
    }
}

/// Whether the request says that it is of a revision without sessions.
pub(crate) fn is_modern(headers: &HeaderMap) -> bool {
    headers
        .get(&MCP_PROTOCOL_VERSION)
        .and_then(|value| value.to_str().ok())
        .and_then(mcp::ProtocolVersion::parse)
        .is_some_and(|version| version.era() == mcp::Era::Modern)
}

/// The hash of the presented token. A missing, repeated or malformed one becomes the hash of
/// something that is no token, so that all take the same way and the same time.
fn bearer(headers: &HeaderMap) -> TokenHash {
    let presented = bearer::presented(headers);
    TokenHash::of(presented.unwrap_or(" no token of any grant holds a space "))
}

/// The challenge of a 401 (RFC 9728 section 5.1): an absolute URL, because relative ones are
/// silently ignored by clients.
pub(crate) fn challenge(metadata_url: &str, slug: Option<&str>) -> HeaderValue {
    let text = match slug {
        Some(slug) => format!("Bearer resource_metadata=\"{metadata_url}/mcp/{slug}\""),
        None => format!("Bearer resource_metadata=\"{metadata_url}\""),
    };
    HeaderValue::try_from(text).unwrap_or_else(|_invalid| HeaderValue::from_static("Bearer"))
}

/// The protected-resource metadata (RFC 9728 section 2). Tokens are handed out by administrators,
/// so there is no authorization server to name. It says nothing of which servers there are.
fn metadata(plane: &Plane, door: &Door, slug: Option<&str>, verb: Verb) -> Result<Answer, Refused> {
    match verb {
        Verb::Get => {}
        Verb::Options => return Ok(answer::preflight()),
        Verb::Post | Verb::Delete => return Err(Refused::Method),
    }
    debug_assert!(door.metadata_url.starts_with("http"));
    let base = plane.config.public_url.trim_end_matches('/');
    let resource = match slug {
        Some(slug) => format!("{base}/mcp/{slug}"),
        None => base.to_owned(),
    };
    let document = format!(
        "{{\"resource\":{},\"bearer_methods_supported\":[\"header\"],\
         \"resource_name\":\"Portcullis\"}}",
        mcp::reply::json_string(&resource)
    );
    Ok(answer::json(StatusCode::OK, Bytes::from(document)))
}

/// Reads the whole body within its bounds; `None` when there is no room for more of it.
async fn read_body(
    mut body: Incoming,
    mut has_room_for: impl FnMut(usize) -> bool,
) -> Result<Option<Bytes>, Refused> {
    let reading = async {
        let Some(first) = next_data(&mut body).await? else { return Ok(Some(Bytes::new())) };
        let Some(second) = next_data(&mut body).await? else {
            let first = within(first)?;
            return Ok(has_room_for(first.len()).then_some(first));
        };
        let mut whole = BytesMut::with_capacity(first.len().saturating_add(second.len()));
        whole.extend_from_slice(&within(first)?);
        whole.extend_from_slice(&second);
        while whole.len() <= BODY_BYTES_MAX {
            if !has_room_for(whole.len()) {
                return Ok(None);
            }
            match next_data(&mut body).await? {
                Some(more) => whole.extend_from_slice(&more),
                None => return Ok(Some(whole.freeze())),
            }
        }
        Err(Refused::TooLarge)
    };
    let mut reading = pin!(reading);
    // A body that came with its head needs no timer.
    if let Poll::Ready(read) = poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx))).await {
        return read;
    }
    match timeout(Duration::from_secs(BODY_SECONDS_MAX), reading).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(Refused::BodyLate),
    }
}

fn within(bytes: Bytes) -> Result<Bytes, Refused> {
    if bytes.len() > BODY_BYTES_MAX { Err(Refused::TooLarge) } else { Ok(bytes) }
}

/// The next piece of data; trailers are dropped, they never become headers.
async fn next_data(body: &mut Incoming) -> Result<Option<Bytes>, Refused> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
            Err(_broken) => return Err(Refused::BodyBroken),
        }
    }
    Ok(None)
}

/// Who sent a request that is refused, as far as that is known.
#[derive(Clone, Copy)]
enum Sender<'a> {
    /// Nobody who has a grant.
    Unknown,
    /// Somebody with this grant, under this snapshot; the message was not read.
    Grant(&'a GrantEntry, &'a Snapshot),
    /// Somebody whose message was read.
    Visit(&'a Visit),
}

/// Counts and records a refused request, without its content.
async fn note_refused(plane: &Plane, refusal: Refused) {
    note(plane, refusal.word(), Sender::Unknown).await;
}

/// Counts and records a request that HTTP itself refuses, without its content. The row names the
/// grant whose token it carries: it is looked up once more, so that a request that is not refused
/// pays nothing for this.
async fn note_turned_away(plane: &Plane, headers: &HeaderMap, refusal: Refused) {
    let snapshot = plane.snapshot.load_full();
    let known = snapshot.authenticate(&bearer(headers), plane.now());
    let sender = known.map_or(Sender::Unknown, |grant| Sender::Grant(grant, &snapshot));
    note(plane, refusal.word(), sender).await;
}

/// Counts and records a message that is refused after authentication.
pub(crate) async fn note_visit(visit: &Visit, refusal: Refused) {
    note(&visit.plane, refusal.word(), Sender::Visit(visit)).await;
}

/// Counts and records a request that was no HTTP.
pub(crate) async fn note_unreadable(plane: &Plane) {
    note(plane, "unreadable", Sender::Unknown).await;
}

/// Counts and records a message that the parser contract refuses.
pub(crate) async fn note_malformed(visit: &Visit, refusal: &mcp::Refusal) {
    let word = match refusal.kind {
        mcp::RefusalKind::Encoding => "encoding",
        mcp::RefusalKind::Syntax => "syntax",
        mcp::RefusalKind::Limits => "limits",
        mcp::RefusalKind::DuplicateKey => "duplicate_key",
        mcp::RefusalKind::Number => "number",
        mcp::RefusalKind::Envelope => "envelope",
        mcp::RefusalKind::Params => "params",
        mcp::RefusalKind::Meta => "meta",
        mcp::RefusalKind::Header => "header",
        mcp::RefusalKind::Version => "version",
        mcp::RefusalKind::Batch => "batch",
    };
    note(&visit.plane, word, Sender::Visit(visit)).await;
}

/// Messages are read one by one and each has its row; what is refused before that comes as fast as
/// the network, so its rows are bounded.
async fn note(plane: &Plane, why: &'static str, sender: Sender<'_>) {
    plane.count_refused(why);
    let bounded = match sender {
        Sender::Unknown | Sender::Grant(..) => true,
        Sender::Visit(_) => false,
    };
    if bounded && plane.has_room_to_record(plane.now()) == Recorded::OnlyCounted {
        return;
    }
    record(plane, why, sender).await;
}

async fn record(plane: &Plane, why: &'static str, sender: Sender<'_>) {
    let now = plane.now();
    let (request_id, known) = match sender {
        Sender::Unknown => (plane.request_id(), None),
        Sender::Grant(grant, snapshot) => (plane.request_id(), Some((grant, snapshot))),
        Sender::Visit(visit) => (visit.request_id.clone(), Some((&*visit.grant, &*visit.snapshot))),
    };
    let grant = known.map(|(grant, _)| &grant.record);
    let row = AuditOpen {
        kind: AuditKind::Rejected,
        request_id: &request_id,
        grant: grant.map(|grant| AuditGrant { id: &grant.id, label: &grant.label }),
        server: grant.map(|grant| grant.server.as_str()),
        revision: known
            .map_or_else(|| plane.snapshot.load().revision, |(_, snapshot)| snapshot.revision),
        verdict: "deny",
        reason: Some("malformed"),
        message: Some(why),
        ..AuditOpen::default()
    };
    if let Err(error) = plane.store.record(&row, now).await {
        tracing::warn!(%error, "a refused request could not be recorded");
    }
}
