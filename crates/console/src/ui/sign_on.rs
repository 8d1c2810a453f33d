//! Signing in through the issuer of sign-on: to it, and back from it.
//!
//! What never lives here: what the issuer must have said.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::page::Trouble;
use super::sign_in::{capitalised, opened, session_of};
use super::visitor::{self, no_cookie, own_path, see_other, set_cookie};
use crate::Console;
use crate::ops::sign_on::{self, Returned, SignOnError, Why};
use crate::ui::address::Query;

/// The cookie of a sign-in that is under way at the issuer; sealed.
const FLOW_COOKIE: &str = "__Host-portcullis-sign-on";

/// Why, and where to afterwards.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    next: Option<String>,
    again: Option<String>,
}

fn trouble(error: SignOnError) -> Trouble {
    let text = capitalised(&error.to_string());
    let title = "You are not signed in";
    match error {
        SignOnError::Op(error) => error.into(),
        SignOnError::NotConfigured => {
            Trouble::new(StatusCode::NOT_FOUND, "There is no sign-on here", text)
        }
        SignOnError::NotBegun | SignOnError::Refused(_) | SignOnError::NoAccount => {
            Trouble::new(StatusCode::FORBIDDEN, title, text)
        }
        SignOnError::Issuer(_) => {
            tracing::warn!(error = text, "sign-on");
            Trouble::new(StatusCode::BAD_GATEWAY, title, text)
        }
    }
}

/// `GET /sign-in/on`.
pub(super) async fn begin(
    State(console): State<Console>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let next = asked.next.as_deref().and_then(own_path).unwrap_or("/");
    let why = if asked.again.is_some() { Why::Again } else { Why::SignIn };
    let begun = sign_on::begin(&console, next, why).await.map_err(trouble)?;
    let mut answer = see_other(&begun.url);
    answer.headers_mut().append(header::SET_COOKIE, set_cookie(FLOW_COOKIE, &begun.carried));
    Ok(answer)
}

/// `GET /sign-in/callback`.
pub(super) async fn finish(
    State(console): State<Console>,
    Query(returned): Query<Returned>,
    request: Request,
) -> Response {
    let (parts, _body) = request.into_parts();
    let carried = visitor::cookie(&parts.headers, FLOW_COOKIE).unwrap_or_default();
    let browser = visitor::browser(&parts);
    let brought = (carried, session_of(&parts));
    let mut answer = match sign_on::finish(&console, brought, returned, &browser).await {
        // Sealed by this console, and held against the rule all the same.
        Ok(ended) => opened(own_path(&ended.next).unwrap_or("/"), &ended.opened),
        Err(error) => trouble(error).into_response(),
    };
    answer.headers_mut().append(header::SET_COOKIE, no_cookie(FLOW_COOKIE));
    answer
}
