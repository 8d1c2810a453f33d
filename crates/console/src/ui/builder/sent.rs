//! What the builder's script sends: JSON, taken as forms are, with the session's secret in a header.
//!
//! What never lives here: what it means.

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, FromRequestParts as _, Request};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Limited};
use serde::de::DeserializeOwned;

use crate::Console;
use crate::ui::form::{FormError, check_origin, csrf_header, is_same};
use crate::ui::visitor::Visitor;

/// Bytes of a question, at most: a policy's text of 1 MiB as a JSON string, an edit of every tool, and a selection.
const QUESTION_BYTES_MAX: usize = 8 * 1024 * 1024;

/// A question of somebody who is signed in.
#[derive(Debug)]
pub(in crate::ui) struct Sent<T> {
    pub(in crate::ui) visitor: Visitor,
    pub(in crate::ui) body: T,
}

impl<S, T> FromRequest<S> for Sent<T>
where
    S: Send + Sync,
    Console: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Sent<T>, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await;
        let visitor = visitor.map_err(axum::response::IntoResponse::into_response)?;
        let console = Console::from_ref(state);
        let refused = |error: FormError| error.into_response();
        check_origin(&console, &parts.headers).map_err(refused)?;
        if !csrf_header(&parts.headers).is_some_and(|sent| is_same(sent, &visitor.csrf)) {
            return Err(refused(FormError::Token));
        }
        if !is_json(&parts.headers) {
            let text = "this takes JSON (application/json)";
            return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        }
        Ok(Sent { visitor, body: read(body).await? })
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

async fn read<T: DeserializeOwned>(body: Body) -> Result<T, Response> {
    let bytes = Limited::new(body, QUESTION_BYTES_MAX).collect().await;
    let bytes = bytes.map_err(|_too_large_or_broken| {
        let text = format!("this is larger than {QUESTION_BYTES_MAX} bytes, or broke off");
        plain(StatusCode::PAYLOAD_TOO_LARGE, &text)
    })?;
    serde_json::from_slice(&bytes.to_bytes())
        .map_err(|error| plain(StatusCode::BAD_REQUEST, &error.to_string()))
}

/// A sentence for the script to show.
fn plain(status: StatusCode, text: &str) -> Response {
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], format!("{text}\n"))
        .into_response()
}
