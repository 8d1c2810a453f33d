//! What the gateway must know of a server to speak to it, checked once. Never here: connections.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use policy::UnixMillis;

use super::room::Room;
use crate::address::{AddressError, AddressRule, ServerUrl, check_url};
use crate::diary::Diary;

/// The largest answer that is taken from a server, in bytes, unless the server is given another bound.
pub const ANSWER_BYTES_MAX: usize = 32 * 1024 * 1024;
/// The largest single event of a stream, in bytes.
pub const EVENT_BYTES_MAX: usize = ANSWER_BYTES_MAX;
/// How many connections to one server on HTTP are in use at a time, unless the server is given another bound. A message over it
/// waits as long as connecting may take. More than one grant may have open, so that none can have them all.
pub const CONNECTIONS_MAX: usize = 2048;

/// A server as the gateway speaks to it.
#[derive(Debug, Clone)]
pub struct ServerSpec {
    pub(crate) slug: Arc<str>,
    pub(crate) transport: Transport,
    pub(crate) timeouts: Timeouts,
    pub(crate) from_server: FromServer,
    pub(crate) answer_bytes_max: usize,
    pub(crate) connections_max: usize,
    pub(crate) room: Arc<Room>,
    pub(crate) diary: Arc<Diary>,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    Http(HttpTarget),
    Stdio(Program),
}

/// An HTTP server: where it is, and the gateway's own credentials for it (marked sensitive: `Debug` does not print them).
#[derive(Debug, Clone)]
pub(crate) struct HttpTarget {
    pub(crate) url: ServerUrl,
    pub(crate) rule: AddressRule,
    pub(crate) credentials: Vec<(HeaderName, HeaderValue)>,
}

/// A program that speaks MCP on its standard streams.
#[derive(Clone)]
pub(crate) struct Program {
    pub(crate) command: Vec<String>,
    pub(crate) env: Vec<(String, String)>,
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Program").field("command", &self.command).field("env", &names).finish()
    }
}

/// The time-outs of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Until a connection stands: name, TCP and TLS together. Also how long a child may take for its handshake.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub first_byte: Duration,
    /// From the request to the end of the answer.
    pub total: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_mins(1),
            total: Duration::from_mins(5),
        }
    }
}

/// What the server may ask of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FromServer {
    /// `sampling/createMessage`.
    pub sampling: Allowed,
    /// `elicitation/create`.
    pub elicitation: Allowed,
    /// `roots/list`.
    pub roots: Allowed,
}

/// Whether a server may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowed {
    /// It may.
    Yes,
    /// Refused towards the server.
    No,
}

impl Default for FromServer {
    fn default() -> Self {
        Self { sampling: Allowed::No, elicitation: Allowed::Yes, roots: Allowed::No }
    }
}

/// Why a server cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SpecError {
    /// The URL is refused.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A header that the gateway sets itself, or one that HTTP does not allow.
    #[error("the header `{0}` cannot be set for a server")]
    Header(String),
    /// Credentials given to a program, or environment given to a URL.
    #[error("`{0}` does not go with this kind of server")]
    Misplaced(&'static str),
    /// No program, or a NUL byte in the command or environment.
    #[error("the command or its environment is empty or holds a NUL byte")]
    Command,
    /// TLS cannot be set up.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
}

impl ServerSpec {
    /// A server on Streamable HTTP.
    pub fn http(
        slug: impl Into<Arc<str>>,
        url: &str,
        rule: AddressRule,
    ) -> Result<Self, SpecError> {
        let url = check_url(url, rule)?;
        Ok(Self::new(
            slug.into(),
            Transport::Http(HttpTarget { url, rule, credentials: Vec::new() }),
        ))
    }

    /// A program on stdio: the program and its arguments, handed over as they are, never to a shell.
    pub fn stdio(slug: impl Into<Arc<str>>, command: Vec<String>) -> Result<Self, SpecError> {
        let named = command.first().is_some_and(|program| !program.is_empty());
        if !named || command.iter().any(|word| word.contains('\0')) {
            return Err(SpecError::Command);
        }
        Ok(Self::new(slug.into(), Transport::Stdio(Program { command, env: Vec::new() })))
    }

    fn new(slug: Arc<str>, transport: Transport) -> Self {
        Self {
            slug,
            transport,
            timeouts: Timeouts::default(),
            from_server: FromServer::default(),
            answer_bytes_max: ANSWER_BYTES_MAX,
            connections_max: CONNECTIONS_MAX,
            room: Arc::default(),
            diary: Arc::new(Diary::new(UnixMillis(0))),
        }
    }

    /// Adds one of the gateway's own headers for this server (a credential, already unsealed). Headers that the transport or
    /// the protocol owns are refused.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, SpecError> {
        let bad = || SpecError::Header(name.to_owned());
        let header = HeaderName::try_from(name).map_err(|_invalid| bad())?;
        if is_reserved(&header) {
            return Err(bad());
        }
        let mut value = HeaderValue::try_from(value).map_err(|_invalid| bad())?;
        value.set_sensitive(true);
        match &mut self.transport {
            Transport::Http(target) => target.credentials.push((header, value)),
            Transport::Stdio(_) => return Err(SpecError::Misplaced("headers")),
        }
        Ok(self)
    }

    /// Declares one environment variable of the program (already unsealed). Nothing else is in its environment.
    pub fn env(mut self, name: &str, value: &str) -> Result<Self, SpecError> {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(SpecError::Command);
        }
        match &mut self.transport {
            Transport::Stdio(program) => program.env.push((name.to_owned(), value.to_owned())),
            Transport::Http(_) => return Err(SpecError::Misplaced("env")),
        }
        Ok(self)
    }

    /// Sets the time-outs.
    #[must_use]
    pub fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets what the server may ask of a client.
    #[must_use]
    pub fn from_server(mut self, from_server: FromServer) -> Self {
        self.from_server = from_server;
        self
    }

    /// Sets the largest answer, in bytes.
    #[must_use]
    pub fn answer_bytes_max(mut self, bytes: usize) -> Self {
        self.answer_bytes_max = bytes;
        self
    }

    /// The diary that the server's program writes its errors into.
    pub(crate) fn diary(mut self, diary: Arc<Diary>) -> Self {
        self.diary = diary;
        self
    }

    /// Shares the room for answers with other servers; without this the server has one of its own.
    #[must_use]
    pub fn room(mut self, room: Arc<Room>) -> Self {
        self.room = room;
        self
    }

    /// Sets how many connections are in use at a time. A program on stdio has none.
    #[must_use]
    pub fn connections_max(mut self, connections: usize) -> Self {
        self.connections_max = connections;
        self
    }
}

/// Headers that only the transport or the protocol may set.
fn is_reserved(name: &HeaderName) -> bool {
    const RESERVED: [HeaderName; 11] = [
        http::header::HOST,
        http::header::CONNECTION,
        http::header::CONTENT_LENGTH,
        http::header::CONTENT_TYPE,
        http::header::CONTENT_ENCODING,
        http::header::TRANSFER_ENCODING,
        http::header::ACCEPT,
        http::header::ACCEPT_ENCODING,
        http::header::TE,
        http::header::TRAILER,
        http::header::UPGRADE,
    ];
    RESERVED.contains(name)
        || name.as_str().starts_with("mcp-")
        || matches!(name.as_str(), "last-event-id" | "keep-alive" | "proxy-connection" | "expect")
}
