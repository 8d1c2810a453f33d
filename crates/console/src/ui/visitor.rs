//! Who looks at a page: a person with a session, found by the cookie. Somebody without one is sent
//! to the sign-in page, and comes back from there.
//!
//! What never lives here: what a visitor may do (`ops::actor`), forms.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use policy::UnixMillis;
use store::{Email, PersonId, Token, TokenHash, Visit};

use super::page::Trouble;
use crate::Console;
use crate::ops::accounts::{self, Browser};
use crate::ops::{Actor, OpError, Proof};

/// The cookie of a session. The prefix makes browsers refuse it from anybody but this very host
/// over a safe connection (RFC 6265bis section 4.1.3.2).
pub const SESSION_COOKIE: &str = "__Host-portcullis";
/// The page where people sign in.
pub const SIGN_IN: &str = "/sign-in";
/// Bytes of a path that somebody comes back to, at most.
const NEXT_BYTES_MAX: usize = 2_048;

/// A person with a session. The extractor of every page.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Who they are to use cases.
    pub actor: Actor,
    /// What every form of this session carries as `csrf`, and every request of a script as
    /// `X-Portcullis-CSRF`.
    pub csrf: String,
    /// What people call them.
    pub display: String,
    /// What the people of this installation call themselves.
    pub organisation: String,
    /// What they sign in with.
    pub email: Email,
    /// Their account.
    pub person: PersonId,
    /// Their session.
    pub session: TokenHash,
}

/// Why there is no visitor.
#[derive(Debug)]
pub enum NoVisitor {
    /// Nobody is signed in: to the sign-in page, and back to this path from there.
    SignedOut {
        /// Where they wanted to go; pages only.
        next: Option<String>,
    },
    /// The session could not be looked up.
    Failed(OpError),
}

impl IntoResponse for NoVisitor {
    fn into_response(self) -> Response {
        match self {
            NoVisitor::SignedOut { next } => see_other(&sign_in_path(next.as_deref())),
            NoVisitor::Failed(error) => Trouble::from(error).into_response(),
        }
    }
}

impl<S> FromRequestParts<S> for Visitor
where
    S: Send + Sync,
    Console: FromRef<S>,
{
    type Rejection = NoVisitor;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Visitor, NoVisitor> {
        let console = Console::from_ref(state);
        let found = find(&console, parts).await.map_err(NoVisitor::Failed)?;
        found.ok_or_else(|| {
            let page = matches!(parts.method, Method::GET | Method::HEAD);
            let path = parts.uri.path_and_query().filter(|_| page);
            NoVisitor::SignedOut { next: path.map(|path| path.as_str().to_owned()) }
        })
    }
}

/// The visitor behind a request's cookie, if their session is not over.
pub(crate) async fn find(console: &Console, parts: &Parts) -> Result<Option<Visitor>, OpError> {
    let Some(secret) = cookie(&parts.headers, SESSION_COOKIE) else { return Ok(None) };
    let Some(visit) = accounts::visit(console, secret).await? else { return Ok(None) };
    of(visit, &browser(parts), (console.clock)()).map(Some)
}

fn of(visit: Visit, browser: &Browser, now: UnixMillis) -> Result<Visitor, OpError> {
    let Visit { session, person, organisation } = visit;
    let fresh = session.stepped_up_until.is_some_and(|until| until > now);
    Ok(Visitor {
        actor: Actor {
            name: person.email.actor()?,
            role: person.role,
            from: browser.from(),
            proof: if fresh { Proof::Fresh } else { Proof::Session },
        },
        csrf: URL_SAFE_NO_PAD.encode(session.csrf.expose()),
        display: person.display.to_string(),
        organisation,
        email: person.email,
        person: person.id,
        session: session.hash,
    })
}

/// Where a request comes from.
pub(crate) fn browser(parts: &Parts) -> Browser {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let name = parts.headers.get(header::USER_AGENT).and_then(|name| name.to_str().ok());
    Browser {
        address: peer.map(|peer| peer.0.ip()),
        name: name.unwrap_or("unknown browser").to_owned(),
    }
}

/// The value of a cookie that stands exactly once in a request.
pub(crate) fn cookie<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut values = lines
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim_matches(' ').split_once('='))
        .filter(|(found, _value)| *found == name)
        .map(|(_name, value)| value);
    values.next().filter(|_| values.next().is_none())
}

/// The cookie that opens a session in the browser. It ends with the browser's own session, and
/// the session itself ends earlier.
pub fn session_cookie(secret: &Token) -> HeaderValue {
    set_cookie(SESSION_COOKIE, secret.expose())
}

/// The cookie that takes a cookie away.
pub fn no_cookie(name: &str) -> HeaderValue {
    let text = format!("{name}=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax");
    HeaderValue::try_from(text).unwrap_or_else(|_never| HeaderValue::from_static(""))
}

/// A cookie of ours; a value that no cookie can have gives one that opens nothing.
pub fn set_cookie(name: &str, value: &str) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; HttpOnly; Secure; SameSite=Lax");
    let mut cookie = HeaderValue::try_from(text).unwrap_or_else(|_odd| no_cookie(name));
    cookie.set_sensitive(true);
    cookie
}

/// A cookie of ours that outlives the browser's own session by so many seconds.
pub(crate) fn lasting_cookie((name, value): (&str, &str), seconds: i64) -> HeaderValue {
    let text = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; Secure; SameSite=Lax");
    let mut cookie = HeaderValue::try_from(text).unwrap_or_else(|_odd| no_cookie(name));
    cookie.set_sensitive(true);
    cookie
}

/// `303 See Other` to a path of ours.
pub(crate) fn see_other(path: &str) -> Response {
    let location = HeaderValue::try_from(path).unwrap_or_else(|_odd| HeaderValue::from_static("/"));
    (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response()
}

/// The sign-in page, which leads back to a path.
pub(crate) fn sign_in_path(next: Option<&str>) -> String {
    with_next(SIGN_IN, next)
}

/// A page that leads back to a path.
pub(crate) fn with_next(page: &str, next: Option<&str>) -> String {
    match next.filter(|next| *next != "/").and_then(own_path) {
        Some(next) => format!("{page}?next={}", percent_encoded(next)),
        None => page.to_owned(),
    }
}

/// A path of this very console, or none: what browsers could take for another host, a script or
/// a line of a header is no path (RFC 3986 section 4.2; browsers read `\` as `/` and drop tabs).
pub(crate) fn own_path(text: &str) -> Option<&str> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    let folded = path.to_ascii_lowercase();
    let own = text.len() <= NEXT_BYTES_MAX
        && text.starts_with('/')
        && text.bytes().all(|b| b.is_ascii_graphic())
        && !path.contains("//")
        && !text.contains('\\')
        && !text.contains('#')
        && !["%2f", "%5c", "%2e", "%00", "%0a", "%0d", "%09"]
            .iter()
            .any(|odd| folded.contains(odd))
        && !path.split('/').any(|part| matches!(part, "." | ".."))
        && text.parse::<Uri>().is_ok_and(|uri| uri.authority().is_none());
    own.then_some(text)
}

/// A text as the value of a query's parameter.
pub(crate) fn percent_encoded(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'/') {
            encoded.push(char::from(byte));
        } else {
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests;
