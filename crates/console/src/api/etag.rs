//! `ETag` and `If-Match`: an edit says which state it started from.

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::problem::Refusal;

/// Puts the version of what is shown on an answer.
pub(super) fn tagged(version: u64, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{version}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Puts the digest of what is shown on an answer.
pub(super) fn tagged_with(tag: &str, body: impl IntoResponse) -> Response {
    let mut response = body.into_response();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// The digest of what the caller was shown, under the rules of [`expected`].
pub(super) fn shown(headers: &HeaderMap) -> Result<Option<String>, Refusal> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    match (text, inner, values.next()) {
        ("*", _, None) => Ok(None),
        (_, Some(tag), None) => Ok(Some(tag.to_owned())),
        (_, _, _) => {
            let detail = "`If-Match` takes the `ETag` of the call as it was shown";
            Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "changed", detail))
        }
    }
}

/// The version that the caller started from. Without `If-Match` an edit replaces whatever is
/// there; `*` says so on purpose; anything else must be one strong tag of ours.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" && values.next().is_none() {
        return Ok(None);
    }
    let inner = text.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
    if let (Some(version), None) = (inner.and_then(|t| t.parse().ok()), values.next()) {
        return Ok(Some(version));
    }
    let detail = "`If-Match` takes the `ETag` of the state that the edit started from";
    Err(Refusal::new(StatusCode::PRECONDITION_FAILED, "changed", detail))
}
