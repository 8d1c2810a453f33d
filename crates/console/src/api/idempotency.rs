//! `Idempotency-Key` on POST: the same request again gets the first one's answer and runs once.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected};
use store::{Claim, TokenHash};

use super::problem::Refusal;
use crate::Console;
use crate::ops::{Actor, OpError};

/// Bytes of a key, at most.
const KEY_BYTES_MAX: usize = 200;
/// Bytes of an answer that is remembered, at most; a longer one is not remembered.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// Wraps the whole API. The claim is made under the presented token's hash and its role of now, so
/// that one caller's keys never meet another's, and a role that was taken away takes its answers
/// along. A token that is none claims nothing and gets nothing that was remembered.
pub(super) async fn replay(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Response {
    let key = request.headers().get("idempotency-key").cloned();
    let Some(key) = key.filter(|_| request.method() == Method::POST) else {
        return next.run(request).await;
    };
    match key.to_str() {
        Ok(key) if (1..=KEY_BYTES_MAX).contains(&key.len()) => {
            let key = key.to_owned();
            keyed(console, &key, request, next).await.unwrap_or_else(IntoResponse::into_response)
        }
        _ => Refusal::invalid("`Idempotency-Key` is 1 to 200 visible ASCII characters")
            .into_response(),
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _infallible = write!(text, "{byte:02x}");
    }
    text
}

async fn keyed(
    console: Console,
    key: &str,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let (mut parts, body) = request.into_parts();
    let role = Actor::from_request_parts(&mut parts, &console).await?.role;
    let presented = parts.headers.get(header::AUTHORIZATION).map(|v| v.as_bytes().to_vec());
    let presented = String::from_utf8_lossy(&presented.unwrap_or_default()).into_owned();
    let actor = format!("{} {}", hex(&TokenHash::of(&presented).0), role.as_str());
    let limited = http_body_util::Limited::new(body, super::BODY_BYTES_MAX);
    let bytes = limited.collect().await.map_err(|_too_large_or_cut_off| {
        let detail = format!("the body is larger than {} bytes", super::BODY_BYTES_MAX);
        Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
    })?;
    let bytes: Bytes = bytes.to_bytes();
    let mut whole = format!("{} {}\n", parts.method, parts.uri).into_bytes();
    whole.extend_from_slice(&bytes);
    let now = (console.clock)();
    let claim = console.store.claim_idempotent(&actor, key, policy::sha256(&whole), now).await;
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
    let response = next.run(Request::from_parts(parts, Body::from(bytes))).await;
    finish(&console, (&actor, key), response).await
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
