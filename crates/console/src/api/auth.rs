//! Who calls the API: a bearer token, looked up by its hash, becomes an [`Actor`].
//!
//! What never lives here: what an actor may do (`ops::actor`).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use store::TokenHash;

use super::problem::Refusal;
use crate::Console;
use crate::ops::Actor;

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
        let token = bearer(parts).ok_or_else(unauthorised)?;
        let found = console.store.api_token(TokenHash::of(token)).await;
        let record = found.map_err(|error| Refusal::from(crate::ops::OpError::from(error)))?;
        let record = record.ok_or_else(unauthorised)?;
        let name = store::Actor::parse(&format!("api:{}", record.label))
            .map_err(|error| Refusal::from(crate::ops::OpError::from(error)))?;
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let from = from.map_or_else(|| "api".to_owned(), |info| info.0.ip().to_string());
        Ok(Actor { name, role: record.role, from })
    }
}
