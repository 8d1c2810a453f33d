//! What goes to a server and what comes back: one message out, one reply, one error enum.
//! Never here: sockets, processes, timers.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use smallvec::SmallVec;
use tokio_util::sync::CancellationToken;

use super::events::EventStream;
use crate::address::AddressError;

/// The longest session id of a server that is accepted, in bytes. MCP 2025-11-25 only asks for visible ASCII.
pub const SESSION_ID_BYTES_MAX: usize = 1024;

/// How a message travels over Streamable HTTP. A child on stdio sees only what the verb means: a message, a listening
/// stream, the end of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// One JSON-RPC message.
    Post,
    /// The listening stream of a legacy session.
    Get,
    /// The end of a legacy session.
    Delete,
}

/// How long a reply may take. The figures are the server's own (`Timeouts`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Connect, first byte and total are all bounded: calls and everything that ends by itself.
    Call,
    /// Connect and first byte are bounded, the stream itself is not: GET streams and `subscriptions/listen`.
    Stream,
}

/// Headers that are mirrored to the server, at most a handful: `MCP-Protocol-Version`, `Mcp-Method`, `Mcp-Name`, `Mcp-Param-*`
/// and `Last-Event-ID`. Any other name is left out when the message is sent.
pub type MirroredHeaders = SmallVec<[(HeaderName, HeaderValue); 3]>;

/// One message to a server, judged and permitted.
#[derive(Debug)]
pub struct Outgoing {
    /// How it travels.
    pub verb: Verb,
    /// The bytes that were judged; empty for GET and DELETE.
    pub body: Bytes,
    /// The server's session that the message belongs to (legacy only).
    pub session: Option<UpstreamSession>,
    /// The headers of the client that are mirrored.
    pub headers: MirroredHeaders,
    /// How long the reply may take.
    pub patience: Patience,
    /// Whose message it is: a child on stdio is shared, and without sessions agents are told apart by
    /// this alone. `0`: the gateway's own.
    pub agent: u64,
    /// Ends the exchange from outside. Dropping the future or the stream does the same, without the cost of a token.
    pub cancel: Option<CancellationToken>,
}

impl Outgoing {
    /// A POST of `body` that ends by itself, outside any session.
    pub fn post(body: Bytes) -> Self {
        Self {
            verb: Verb::Post,
            body,
            session: None,
            headers: SmallVec::new(),
            patience: Patience::Call,
            agent: 0,
            cancel: None,
        }
    }
}

/// A session id that a server issued. It is a capability of the gateway towards that server: `Debug` does not print it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct UpstreamSession(HeaderValue);

impl UpstreamSession {
    /// Takes a session id: 1 to `SESSION_ID_BYTES_MAX` bytes of visible ASCII (MCP 2025-11-25, Session Management).
    pub fn new(value: HeaderValue) -> Option<Self> {
        let bytes = value.as_bytes();
        let visible = bytes.iter().all(u8::is_ascii_graphic);
        (visible && !bytes.is_empty() && bytes.len() <= SESSION_ID_BYTES_MAX).then_some(Self(value))
    }

    /// The same id in memory of its own: what a head was read into stays as long as one value of it.
    pub(crate) fn kept(self) -> Self {
        Self(kept(&self.0))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The id as a header value.
    pub(crate) fn header(&self) -> &HeaderValue {
        &self.0
    }
}

/// The same value in memory of its own. A value of a head that was read is a piece of the connection's
/// buffer, and keeps some KiB of it.
pub(crate) fn kept(value: &HeaderValue) -> HeaderValue {
    HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_invalid| value.clone())
}

impl std::fmt::Debug for UpstreamSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UpstreamSession(…)")
    }
}

/// What a server answered.
#[derive(Debug)]
pub enum Reply {
    /// 200 with `application/json`: one message, not looked at yet.
    Json {
        /// A session that the server opened with this answer.
        session: Option<UpstreamSession>,
        /// The message as the server sent it.
        body: Bytes,
    },
    /// 200 with `text/event-stream`.
    Sse {
        /// A session that the server opened with this answer.
        session: Option<UpstreamSession>,
        /// The events, read from the server only as fast as they are taken.
        events: EventStream,
    },
    /// A 2xx without a body: accepted notifications and responses, ended sessions.
    Empty {
        /// 200, 202, 204…
        status: StatusCode,
        /// A session that the server opened with this answer.
        session: Option<UpstreamSession>,
    },
    /// The server's own 4xx.
    Refused(Refused),
}

/// A 4xx of a server.
#[derive(Debug, Clone)]
pub struct Refused {
    /// 400 to 499.
    pub status: StatusCode,
    /// Whether the body says that it is JSON.
    pub media: Media,
    /// The body, bounded like any answer.
    pub body: Bytes,
}

/// The media type of a body, as far as the gateway tells them apart. Compared ignoring case and parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `text/event-stream`.
    EventStream,
    /// Anything else, or none.
    Other,
}

/// Whether the server can have seen any of the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// Not one byte of it was handed to the transport.
    No,
    /// It may have been read, and the call may have run.
    Maybe,
}

/// Why there is no reply.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection, or no running child: nothing was sent.
    #[error("the server cannot be reached: {0}")]
    Unreachable(Unreachable),
    /// The server does not know the session of this message: it refused the message unread (MCP 2025-11-25: 404).
    #[error("the server has forgotten the session")]
    SessionGone(Refused),
    /// The connection or the child ended before the answer was complete.
    #[error("the connection to the server broke")]
    Broken(Sent),
    /// A time-out of the server's settings passed, or the caller cancelled.
    #[error("the server did not answer in time")]
    TimedOut(Sent),
    /// The caller's cancellation token was used.
    #[error("the call was cancelled")]
    Cancelled(Sent),
    /// The answer is larger than the bound.
    #[error("the answer of the server is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound that was passed.
        bytes_max: usize,
    },
    /// The answer is none that a server may give.
    #[error("the server answered with {0}")]
    BadAnswer(BadAnswer),
}

/// Why no connection came about. Each of them means that nothing was sent.
#[derive(Debug, thiserror::Error)]
pub enum Unreachable {
    /// The address is one that this server may not use.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The name did not resolve.
    #[error("the name does not resolve")]
    Resolve(#[source] std::io::Error),
    /// The connection was refused or reset, or TLS failed.
    #[error("the connection failed")]
    Connect(#[source] std::io::Error),
    /// Connecting took longer than `connect_seconds`.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// As many connections as may be were in use for as long as connecting may take.
    #[error("too many messages to the server are under way")]
    Busy,
    /// The child could not be started.
    #[error("the program could not be started: {0}")]
    Spawn(#[source] std::io::Error),
    /// The child ended or failed its handshake; the next start waits for the back-off.
    #[error("the program is not running")]
    NotRunning,
    /// The program runs but does not answer the handshake as an MCP server does.
    #[error("the program does not complete the MCP handshake")]
    Handshake,
    /// The server was stopped.
    #[error("the server is stopped")]
    Stopped,
}

/// An answer that cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadAnswer {
    /// 3xx: redirects are never followed.
    #[error("a redirect ({0})")]
    Redirect(StatusCode),
    /// 5xx.
    #[error("a server error ({0})")]
    ServerError(StatusCode),
    /// A status that means nothing here.
    #[error("an unexpected status ({0})")]
    Status(StatusCode),
    /// Neither `application/json` nor `text/event-stream`.
    #[error("an unexpected content type")]
    ContentType,
    /// A `Content-Encoding` that was not asked for.
    #[error("an encoded body")]
    Encoded,
    /// Not HTTP, or headers beyond the bounds.
    #[error("an unreadable answer")]
    Unreadable,
    /// An event stream that breaks its bounds.
    #[error("an event stream that cannot be split")]
    Events,
}

impl SendError {
    /// The HTTP status of the answer, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::BadAnswer(
                BadAnswer::Redirect(status)
                | BadAnswer::ServerError(status)
                | BadAnswer::Status(status),
            ) => Some(status.as_u16()),
            Self::SessionGone(refused) => Some(refused.status.as_u16()),
            Self::BadAnswer(
                BadAnswer::ContentType
                | BadAnswer::Encoded
                | BadAnswer::Unreadable
                | BadAnswer::Events,
            )
            | Self::Unreachable(_)
            | Self::Broken(_)
            | Self::TimedOut(_)
            | Self::Cancelled(_)
            | Self::TooLarge { .. } => None,
        }
    }

    /// True only if the server certainly did not act on the message, so that it may be sent again.
    pub fn certainly_not_run(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::SessionGone(_) => true,
            Self::Broken(sent) | Self::TimedOut(sent) | Self::Cancelled(sent) => *sent == Sent::No,
            Self::TooLarge { .. } | Self::BadAnswer(_) => false,
        }
    }
}

/// Waits for something unless the caller cancels first; `sent` is what a cancellation then means for the server.
pub(super) async fn unless_cancelled<T>(
    cancel: Option<&CancellationToken>,
    sent: Sent,
    work: impl Future<Output = Result<T, SendError>>,
) -> Result<T, SendError> {
    let Some(cancel) = cancel else { return work.await };
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(SendError::Cancelled(sent)),
        done = work => done,
    }
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
