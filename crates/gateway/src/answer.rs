//! The last stop: the one place that builds the HTTP answers to agents, their headers and the
//! gateway's own refusals. Deciding what is refused happens elsewhere.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};

use crate::admission::BODY_BYTES_MAX;
use crate::body::{AnswerBody, LiveStream};

/// An answer to an agent.
pub(crate) type Answer = Response<AnswerBody>;

/// The header of a legacy session (MCP 2025-11-25, Session Management).
pub(crate) const MCP_SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO: HeaderValue = HeaderValue::from_static("no");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A refusal of the HTTP request itself, before or beside any decision of policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The request target is not in origin form.
    Target,
    /// The length of the message is ambiguous.
    Framing,
    /// `Host` is none of the gateway's names.
    ForeignHost,
    /// `Origin` is not on the allow list.
    ForeignOrigin,
    /// Another HTTP method.
    Method,
    /// No such place, no such server, or not the server of this grant.
    NotFound,
    /// No token, or none that is in force.
    Unauthorized,
    /// The session is unknown, or is somebody else's.
    NoSession,
    /// A header that may stand once stands twice or is unreadable.
    Header,
    /// Not `application/json`.
    MediaType,
    /// A `Content-Encoding`.
    Encoding,
    /// The body is longer than the bound.
    TooLarge,
    /// The body did not arrive in time.
    BodyLate,
    /// The body broke off.
    BodyBroken,
    /// A response to nothing that the server asked.
    NotAsked,
    /// A notification that nothing defines.
    Notification,
    /// `Last-Event-ID` of another session.
    ForeignEvent,
    /// The grant has as many requests and streams open as it may.
    TooManyOpen,
    /// The server cannot be reached or did not answer as a server does.
    BadGateway,
    /// The gateway failed; nothing was allowed.
    Panicked,
}

impl Refused {
    /// The HTTP status.
    pub(crate) const fn status(self) -> StatusCode {
        match self {
            Self::Target
            | Self::Framing
            | Self::Header
            | Self::BodyBroken
            | Self::NotAsked
            | Self::Notification
            | Self::ForeignEvent => StatusCode::BAD_REQUEST,
            Self::TooManyOpen => StatusCode::TOO_MANY_REQUESTS,
            Self::BadGateway => StatusCode::BAD_GATEWAY,
            Self::ForeignHost | Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::NotFound | Self::NoSession => StatusCode::NOT_FOUND,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::MediaType | Self::Encoding => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyLate => StatusCode::REQUEST_TIMEOUT,
            Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The word under which the refusal is counted and recorded.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Framing => "framing",
            Self::ForeignHost => "host",
            Self::ForeignOrigin => "origin",
            Self::Method => "method",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::NoSession => "session",
            Self::Header => "header",
            Self::MediaType => "media_type",
            Self::Encoding => "encoding",
            Self::TooLarge => "too_large",
            Self::BodyLate => "body_late",
            Self::BodyBroken => "body_broken",
            Self::NotAsked => "not_asked",
            Self::Notification => "notification",
            Self::ForeignEvent => "event_id",
            Self::TooManyOpen => "too_many_open",
            Self::BadGateway => "bad_gateway",
            Self::Panicked => "panicked",
        }
    }

    fn message(self) -> String {
        match self {
            Self::Target => "the request target must be a path".into(),
            Self::Framing => "the length of the request is ambiguous".into(),
            Self::ForeignHost => "this Host is none of the gateway's names".into(),
            Self::ForeignOrigin => "this Origin is not allowed".into(),
            Self::Method => "this HTTP method is not supported here".into(),
            Self::NotFound => "there is no such server".into(),
            Self::Unauthorized => "a valid bearer token is required".into(),
            Self::NoSession => "there is no such session".into(),
            Self::Header => "a header is repeated or unreadable".into(),
            Self::MediaType => "the body must be application/json in UTF-8".into(),
            Self::Encoding => "a Content-Encoding is not accepted".into(),
            Self::TooLarge => format!("the body is longer than {BODY_BYTES_MAX} bytes"),
            Self::BodyLate => "the body did not arrive in time".into(),
            Self::BodyBroken => "the body broke off".into(),
            Self::NotAsked => "this answers no request of the server".into(),
            Self::Notification => "this notification is not allowed".into(),
            Self::ForeignEvent => "this event was not issued here".into(),
            Self::TooManyOpen => {
                "too many requests and streams of this grant are open at once".into()
            }
            Self::BadGateway => "the server cannot be reached".into(),
            Self::Panicked => "the gateway failed; the request was not allowed".into(),
        }
    }

    /// The code of the JSON-RPC error: 1000 more than the HTTP status, outside the ranges that
    /// JSON-RPC and MCP reserve (MCP 2026-07-28, error codes).
    fn code(self) -> u32 {
        u32::from(self.status().as_u16()).saturating_add(1000)
    }

    /// Whether the rest of the request may still be under way, so that the connection must end.
    const fn leaves_body_unread(self) -> bool {
        matches!(
            self,
            Self::Framing
                | Self::TooLarge
                | Self::BodyLate
                | Self::BodyBroken
                | Self::TooManyOpen
                | Self::Panicked
        )
    }
}

/// The answer to a refused request. Every refusal of one kind is the same bytes.
pub(crate) fn refused(refusal: Refused) -> Answer {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":null,"error":{{"code":{},"message":"{}"}}}}"#,
        refusal.code(),
        refusal.message()
    );
    let mut answer = json(refusal.status(), Bytes::from(body));
    if refusal.leaves_body_unread() {
        answer.headers_mut().insert(header::CONNECTION, CLOSE);
    }
    if refusal == Refused::TooManyOpen {
        answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if refusal == Refused::Method {
        let allowed = HeaderValue::from_static("POST, GET, DELETE, OPTIONS");
        answer.headers_mut().insert(header::ALLOW, allowed);
    }
    answer
}

/// The 401, with the place of the protected-resource metadata (RFC 9728 section 5.1).
pub(crate) fn unauthorized(challenge: &HeaderValue) -> Answer {
    let mut answer = refused(Refused::Unauthorized);
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, challenge.clone());
    answer
}

/// One JSON message.
pub(crate) fn json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(AnswerBody::Full(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, JSON);
    answer
}

/// No body.
pub(crate) fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(AnswerBody::Empty);
    *answer.status_mut() = status;
    answer
}

/// A live event stream.
pub(crate) fn live(stream: LiveStream) -> Answer {
    let mut answer = Response::new(AnswerBody::Live(Box::new(stream)));
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENTS);
    headers.insert(header::CACHE_CONTROL, NO_STORE);
    headers.insert(HeaderName::from_static("x-accel-buffering"), NO);
    answer
}

/// Lets a page of an allowed origin read the answer (CORS).
pub(crate) fn allow_origin(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    headers.insert(
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Mcp-Session-Id, WWW-Authenticate"),
    );
}

/// The answer to a preflight request of an allowed origin.
pub(crate) fn preflight() -> Answer {
    let mut answer = empty(StatusCode::NO_CONTENT);
    let headers = answer.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_METHODS,
        HeaderValue::from_static("POST, GET, DELETE"),
    );
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static(
            "Authorization, Content-Type, Accept, Last-Event-ID, Mcp-Session-Id, \
             MCP-Protocol-Version, Mcp-Method, Mcp-Name",
        ),
    );
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    answer
}
