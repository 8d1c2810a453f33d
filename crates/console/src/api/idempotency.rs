//! `Idempotency-Key` on POST: the same request again gets the first one's answer and runs once.

use std::error::Error;
use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use store::{Claim, TokenHash};
use tokio_util::task::TaskTracker;

use super::input::{late, too_large};
use super::problem::Refusal;
use crate::Console;
use crate::door::is_late;
use crate::ops::{Actor, OpError};

/// Bytes of a key, at most.
const KEY_BYTES_MAX: usize = 200;
/// Bytes of an answer that is remembered, at most; a longer one is not remembered.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// What the layer works with.
#[derive(Clone)]
pub(super) struct Keyed {
    console: Console,
    /// Requests that run; they go on when their caller leaves.
    running: TaskTracker,
}

impl Keyed {
    pub(super) fn new(console: Console) -> Keyed {
        Keyed { console, running: TaskTracker::new() }
    }
}

/// Wraps the whole API. The claim is made under the hash of the presented token, or of the person's name, and the role of now, so that one
/// caller's keys never meet another's, and a role that was taken away takes its answers along. A token that is none
/// claims nothing, gets nothing that was remembered, and has no body kept in memory here.
pub(super) async fn replay(State(keyed): State<Keyed>, request: Request, next: Next) -> Response {
    let key = request.headers().get("idempotency-key").cloned();
    let Some(key) = key.filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    let key = match key.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => key.to_owned(),
        _ => {
            let detail = "`Idempotency-Key` is 1 to 200 visible ASCII characters";
            return Refusal::invalid(detail).into_response();
        }
    };
    let answered = match claimant(&keyed.console, request).await {
        Ok((actor, request)) => keyed.answer(actor, key, request, next).await,
        Err(refusal) => Err(refusal),
    };
    answered.unwrap_or_else(IntoResponse::into_response)
}

/// Under whose name a key is claimed: the endpoint decides what they may do.
async fn claimant(console: &Console, request: Request) -> Result<(String, Request), Refusal> {
    let (mut parts, body) = request.into_parts();
    let Actor { name, role, .. } = Actor::from_request_parts(&mut parts, console).await?;
    let presented = parts.headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    // A person's session has no such header, and changes its secret; the person stays.
    let presented = presented.unwrap_or(name.as_str().as_bytes());
    let presented = String::from_utf8_lossy(presented);
    let actor = format!("{} {}", hex(&TokenHash::of(&presented).0), role.as_str());
    Ok((actor, Request::from_parts(parts, body)))
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

impl Keyed {
    async fn answer(
        self,
        actor: String,
        key: String,
        request: Request,
        next: Next,
    ) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let limited = Limited::new(body, super::BODY_BYTES_MAX);
        let bytes = limited.collect().await.map_err(|error| unread(&*error))?.to_bytes();
        let mut whole = format!("{} {}\n", parts.method, parts.uri).into_bytes();
        whole.extend_from_slice(&bytes);
        let Keyed { console, running } = self;
        let now = (console.clock)();
        let claim = console.store.claim_idempotent(&actor, &key, policy::sha256(&whole), now).await;
        match claim.map_err(|e| Refusal::from(OpError::from(e)))? {
            Claim::New => {}
            Claim::Answered { status, body } => return Ok(remembered(status, body)),
            Claim::Running => {
                let detail = "the first request with this Idempotency-Key is still running";
                return Err(Refusal::new(StatusCode::CONFLICT, "running", detail));
            }
            Claim::OtherRequest => {
                let detail = "this Idempotency-Key came with another request before";
                return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail));
            }
        }
        // A caller who leaves comes back with the same key, and must then find the answer.
        let work = async move {
            let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
            finish(&console, (&actor, &key), response).await
        };
        let panicked = |_error| Err(Refusal::from(OpError::Broken));
        running.spawn(work).await.unwrap_or_else(panicked)
    }
}

fn unread(error: &(dyn Error + Send + Sync + 'static)) -> Refusal {
    if is_late(error) {
        late()
    } else if error.is::<LengthLimitError>() {
        too_large()
    } else {
        Refusal::invalid("the body broke off")
    }
}

/// Remembers an answer that stands (2xx and 4xx but authentication); anything else may be tried again.
async fn finish(
    console: &Console,
    (actor, key): (&str, &str),
    response: Response,
) -> Result<Response, Refusal> {
    let (parts, body) = response.into_parts();
    let collected = body.collect().await.map(Collected::to_bytes).unwrap_or_default();
    let stands = !parts.status.is_server_error() && parts.status != StatusCode::UNAUTHORIZED;
    let keep = stands && collected.len() <= ANSWER_BYTES_MAX;
    let answer = keep.then(|| (parts.status.as_u16(), collected.to_vec()));
    let finished = console.store.finish_idempotent(actor, key, answer).await;
    finished.map_err(|e| Refusal::from(OpError::from(e)))?;
    Ok(Response::from_parts(parts, Body::from(collected)))
}

fn remembered(status: u16, body: Vec<u8>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    (
        status,
        [
            (header::CONTENT_TYPE, kind),
            (header::HeaderName::from_static("idempotent-replayed"), "true"),
        ],
        body,
    )
        .into_response()
}
