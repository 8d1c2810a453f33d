//! Who calls the API: a bearer token, looked up by its hash, or a person's session from a page of this
//! console, becomes an [`Actor`].
//!
//! What never lives here: what an actor may do (`ops::actor`).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use store::TokenHash;

use super::problem::Refusal;
use crate::Console;
use crate::ops::{Actor, OpError, Proof};
use crate::ui::{form, visitor};

fn unauthorised() -> Refusal {
    let detail = "send `Authorization: Bearer <API token>`; tokens stand in the configuration file under [[api_token]]";
    Refusal::new(StatusCode::UNAUTHORIZED, "unauthorised", detail)
}

/// The bearer token of a request: exactly one header, nothing around it.
fn bearer(parts: &Parts) -> Option<&str> {
    let mut headers = parts.headers.get_all(header::AUTHORIZATION).iter();
    let only = headers.next().filter(|_| headers.next().is_none())?;
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

impl FromRequestParts<Console> for Actor {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Actor, Refusal> {
        if parts.headers.contains_key(header::AUTHORIZATION) {
            by_token(parts, console).await
        } else {
            by_session(parts, console).await
        }
    }
}

async fn by_token(parts: &Parts, console: &Console) -> Result<Actor, Refusal> {
    let token = bearer(parts).ok_or_else(unauthorised)?;
    let found = console.store.api_token(TokenHash::of(token)).await;
    let record = found.map_err(|error| Refusal::from(OpError::from(error)))?;
    let record = record.ok_or_else(unauthorised)?;
    let name = store::Actor::parse(&format!("api:{}", record.label))
        .map_err(|error| Refusal::from(OpError::from(error)))?;
    let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let from = from.map_or_else(|| "api".to_owned(), |info| info.0.ip().to_string());
    Ok(Actor { name, role: record.role, from, proof: Proof::Standing })
}

/// A session answers for a page of this console alone: whatever may change something carries the
/// session's secret and comes from such a page. What only looks needs neither, since no other page
/// can read the answer.
async fn by_session(parts: &Parts, console: &Console) -> Result<Actor, Refusal> {
    let found = visitor::find(console, parts).await?.ok_or_else(unauthorised)?;
    if matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(found.actor);
    }
    let foreign =
        |error: form::FormError| Refusal::new(error.status(), "foreign-request", error.to_string());
    form::check_origin(console, &parts.headers).map_err(foreign)?;
    let presented = form::csrf_header(&parts.headers);
    if !presented.is_some_and(|presented| form::is_same(presented, &found.csrf)) {
        return Err(foreign(form::FormError::Token));
    }
    Ok(found.actor)
}
