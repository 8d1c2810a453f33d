//! Reading request bodies and queries strictly: unknown members are errors, and every error is a
//! problem document.

use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;
use jiff::Timestamp;
use policy::UnixMillis;
use serde::de::DeserializeOwned;

use super::problem::Refusal;
use crate::door::{BODY_SECONDS_MAX, is_late};

/// A JSON body. The media type must be `application/json`; this also keeps simple cross-site forms out.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|k| k.trim().eq_ignore_ascii_case("application/json"))
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Refusal> {
        let json = is_json(request.headers());
        let bytes = Bytes::from_request(request, state).await.map_err(|e| unread(&e))?;
        if bytes.is_empty() {
            // An endpoint whose members are all optional takes no body as an empty object.
            return parse(b"{}");
        }
        if !json {
            let detail = "the body must be `application/json`";
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "media-type", detail));
        }
        parse(&bytes)
    }
}

fn unread(rejection: &BytesRejection) -> Refusal {
    if is_late(rejection) {
        return late();
    }
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return too_large();
    }
    Refusal::invalid(rejection.body_text())
}

/// The answer to a body that took too long.
pub(super) fn late() -> Refusal {
    let detail = format!("the body did not arrive within {BODY_SECONDS_MAX} seconds");
    Refusal::new(StatusCode::REQUEST_TIMEOUT, "late", detail)
}

/// The answer to a body that is too long.
pub(super) fn too_large() -> Refusal {
    let detail = format!("the body is larger than {} bytes", super::BODY_BYTES_MAX);
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", detail)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<Body<T>, Refusal> {
    serde_json::from_slice(bytes).map(Body).map_err(|error| Refusal::invalid(error.to_string()))
}

/// A query string; unknown parameters are errors.
#[derive(Debug)]
pub(super) struct Params<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Params<T>, Refusal> {
        let read: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, state).await;
        read.map(|Query(value)| Params(value)).map_err(|e| Refusal::invalid(e.body_text()))
    }
}

/// A time in RFC 3339 as the store's milliseconds.
pub(super) fn instant(name: &str, text: &str) -> Result<UnixMillis, Refusal> {
    let parsed: Result<Timestamp, _> = text.parse();
    parsed.map(|t| UnixMillis(t.as_millisecond())).map_err(|_unparsable| {
        Refusal::invalid(format!("`{name}` is not a time such as 2027-01-01T00:00:00Z"))
    })
}

/// A time for people and programs: RFC 3339, UTC.
pub(super) fn rfc3339(at: UnixMillis) -> String {
    Timestamp::from_millisecond(at.0)
        .map_or_else(|_out_of_range| at.0.to_string(), |t| t.to_string())
}
