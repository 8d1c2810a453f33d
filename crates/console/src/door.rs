//! What stands before all pages: the bounds of the console's listener, the time that a body may take, and the
//! names under which the console answers. A page of a foreign site can point its own name at the loopback address
//! and read what a browser of this machine may read; the `Host` header gives it away.
//!
//! What never lives here: who may do what.

mod body;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};

use crate::api::Refusal;

pub(crate) use body::is_late;

/// Connections to the console that are open at a time; a further one is closed at once. They take descriptors that
/// the gateway needs for agents, so there are few.
pub const CONNECTIONS_MAX: usize = 256;
/// The head of a request must be complete within so many seconds; also how long a connection may stand idle
/// between two requests.
pub const HEAD_SECONDS_MAX: u64 = 30;
/// The body of a request must be complete within so many seconds.
pub const BODY_SECONDS_MAX: u64 = 30;
/// Somebody who takes not one byte of an answer for so many seconds has gone.
pub const STALL_SECONDS_MAX: u64 = 60;

/// What every answer says to a browser: take it for what it says it is, keep it nowhere (some hold a token), run and
/// load nothing of it, show it in no frame, and name it to nobody.
const TO_BROWSERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Puts the bound of [`BODY_SECONDS_MAX`] before all pages, and what browsers are told on their answers; and, where the console listens on a loopback address,
/// the check of `Host`: there only loopback names and `further` ones (host names, lower case, without a port) are its own. On any other
/// address probes come by names and addresses that nobody can list, and every page that tells more than health
/// wants a token.
pub fn guarded(pages: Router, listens: SocketAddr, further: Vec<String>) -> Router {
    let pages = pages.layer(from_fn(in_time));
    let pages = if listens.ip().is_loopback() {
        pages.layer(from_fn_with_state(Arc::new(further), check))
    } else {
        pages
    };
    pages.layer(map_response(to_browsers))
}

async fn to_browsers(mut answer: Response) -> Response {
    for (name, value) in TO_BROWSERS {
        answer.headers_mut().entry(name).or_insert(value);
    }
    answer
}

async fn in_time(request: Request, next: Next) -> Response {
    next.run(request.map(|body| body::within(body, Duration::from_secs(BODY_SECONDS_MAX)))).await
}

async fn check(State(further): State<Arc<Vec<String>>>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let own = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => is_own(host, &further),
        _ => false,
    };
    // A target that names an authority counts before `Host` (RFC 9112 section 3.2.2): it is ours as well.
    let named = request.uri().authority().is_none_or(|named| is_own(named.as_str(), &further));
    if own && named {
        return next.run(request).await;
    }
    let detail = "this listener does not answer under this name (see `listen.hosts`)";
    Refusal::new(StatusCode::FORBIDDEN, "foreign-host", detail).into_response()
}

/// Whether a `Host` value names this listener: `localhost`, a loopback address, or a further name, each with
/// or without a port.
fn is_own(host: &str, further: &[String]) -> bool {
    let Some(name) = without_port(host) else { return false };
    if let Some(literal) = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        return literal.parse().is_ok_and(|ip: IpAddr| ip.is_ipv6() && ip.is_loopback());
    }
    let literal = name.parse().is_ok_and(|ip: IpAddr| ip.is_ipv4() && ip.is_loopback());
    let named = |own: &str| name.eq_ignore_ascii_case(own);
    literal || named("localhost") || further.iter().any(|own| named(own))
}

/// The name before an optional port; `None` if what follows it is no port.
fn without_port(host: &str) -> Option<&str> {
    match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => port.parse::<u16>().ok().map(|_port| name),
        Some(_) | None => Some(host),
    }
}

#[cfg(test)]
mod tests;
