//! Under which names the console answers. A page of a foreign site can point its own name at the loopback
//! address and read what a browser of this machine may read; the `Host` header gives it away.
//!
//! What never lives here: who may do what.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};

use crate::api::Refusal;

/// Puts the check of `Host` before all pages, where the console listens on a loopback address: there only
/// loopback names and `further` ones (host names, lower case, without a port) are its own. On any other
/// address probes come by names and addresses that nobody can list, and every page that tells more than health
/// wants a token.
pub fn guarded(pages: Router, listens: SocketAddr, further: Vec<String>) -> Router {
    if !listens.ip().is_loopback() {
        return pages;
    }
    pages.layer(from_fn_with_state(Arc::new(further), check))
}

async fn check(State(further): State<Arc<Vec<String>>>, request: Request, next: Next) -> Response {
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let own = match (hosts.next().map(HeaderValue::to_str), hosts.next()) {
        (Some(Ok(host)), None) => is_own(host, &further),
        _ => false,
    };
    if own {
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
