//! Why a message of the client is not taken, as data. Never the HTTP answer itself: the gateway sends it.

use core::fmt;

use bytes::Bytes;

use crate::{
    id::RawId,
    version::{Era, ProtocolVersion},
};

/// JSON-RPC error codes, of the base protocol, of MCP and of Portcullis.
pub mod code {
    /// Not JSON, or not the encoding that JSON has.
    pub const PARSE_ERROR: i64 = -32700;
    /// JSON, but no message that the parser contract takes.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// Parameters that the method does not take; unknown tools, prompts and resources too.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The receiver failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// A header contradicts the body, or a required one is missing (2026-07-28).
    pub const HEADER_MISMATCH: i64 = -32020;
    /// The client did not declare what the request needs (2026-07-28).
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// A revision that is not spoken here (2026-07-28).
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// The user has to be at a link first (2025-11-25, URL mode elicitation).
    pub const ELICITATION_REQUIRED: i64 = -32042;
    /// A resource that does not exist, up to 2025-11-25. Modern servers answer [`INVALID_PARAMS`].
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// Portcullis: the server cannot be reached, or was never listed.
    pub const UPSTREAM_UNREACHABLE: i64 = 1001;
    /// Portcullis: the server's answer is none to this request.
    pub const BAD_UPSTREAM_ANSWER: i64 = 1002;
    /// Portcullis: policy denies a method that is not a tool call.
    pub const DENIED: i64 = 1003;
    /// Portcullis: a resource or prompt waits for a person.
    pub const APPROVAL_REQUIRED: i64 = 1004;
}

/// What a refusal is about, for counting; says nothing about content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// Not UTF-8, a byte order mark, a lone surrogate.
    Encoding,
    /// Not one JSON text.
    Syntax,
    /// Too deep or too many elements.
    Limits,
    /// Two keys of one object are equal, or equal ignoring case where that matters.
    DuplicateKey,
    /// A number that a double cannot hold.
    Number,
    /// The JSON-RPC envelope, an id or a method name.
    Envelope,
    /// The method's parameters.
    Params,
    /// `_meta`.
    Meta,
    /// A header that contradicts the body.
    Header,
    /// The protocol revision.
    Version,
    /// An array of messages where none may be.
    Batch,
}

/// A message that the parser contract refuses: nothing of it reaches the server.
///
/// The message names places (byte offsets, members, headers) and never repeats what the client wrote, so it can be logged.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The HTTP status: 400 for everything that is decided here.
    pub http_status: u16,
    /// The JSON-RPC error code.
    pub code: i64,
    /// One sentence for the person who debugs the client.
    pub message: String,
    /// The id of the refused request, where it could be read.
    pub id: Option<RawId>,
    /// JSON for the error's `data`.
    pub data: Option<String>,
    /// What it is about.
    pub kind: RefusalKind,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, code: i64, message: impl Into<String>) -> Self {
        Self { http_status: 400, code, message: message.into(), id: None, data: None, kind }
    }

    /// A refusal of the envelope, −32600.
    pub(crate) fn envelope(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Envelope, code::INVALID_REQUEST, message)
    }

    /// A refusal of parameters, −32602.
    pub(crate) fn params(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Params, code::INVALID_PARAMS, message)
    }

    /// A refusal of `_meta`, −32602.
    pub(crate) fn meta(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Meta, code::INVALID_PARAMS, message)
    }

    /// A header that contradicts the body, −32020.
    pub(crate) fn header(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Header, code::HEADER_MISMATCH, message)
    }

    /// A revision that is not spoken here: −32022 with the modern ones that are (2026-07-28, `UnsupportedProtocolVersionError`).
    /// Legacy ones are negotiated by `initialize` and not listed: the server behind may not speak them.
    pub(crate) fn version(requested: &str) -> Self {
        let supported =
            ProtocolVersion::ALL.into_iter().filter(|version| version.era() == Era::Modern);
        let supported: Vec<String> = supported.map(|version| format!("\"{version}\"")).collect();
        let requested = crate::reply::json_string(requested);
        let mut refusal = Self::new(
            RefusalKind::Version,
            code::UNSUPPORTED_VERSION,
            "this protocol version is not supported",
        );
        refusal.data =
            Some(format!("{{\"supported\":[{}],\"requested\":{requested}}}", supported.join(",")));
        refusal
    }

    pub(crate) fn with_id(mut self, id: Option<RawId>) -> Self {
        self.id = self.id.or(id);
        self
    }

    /// The JSON-RPC error response. Without an id the member is left out, as both eras' schemas have it.
    pub fn to_body(&self) -> Bytes {
        crate::reply::error(self.id.as_ref(), self.code, &self.message, self.data.as_deref())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl core::error::Error for Refusal {}
