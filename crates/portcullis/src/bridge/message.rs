//! What the bridge must know of a message to carry it: its kind, its id, and the headers that go
//! with it. The bytes are left alone.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::{
    BadReply, IdKey, META_PROTOCOL_VERSION, Method, Node, RawId, ServerMessage,
    encode_header_value, read_message,
};

/// Which revision a request is made in (Streamable HTTP).
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
/// The session of the handshake era.
pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");

/// One line of the client.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// `initialize`.
    Initialize(RawId),
    /// Any other request.
    Request(RawId, Mirror),
    /// `notifications/initialized`.
    Initialized,
    /// `notifications/cancelled`, and what it cancels.
    Cancelled(Option<IdKey>, Mirror),
    /// Any other notification.
    Notification(Mirror),
    /// An answer to a request of the server.
    Response,
    /// What is no single message, such as a batch; the gateway says what it thinks of it.
    Other,
}

/// What the headers of a modern message mirror of its body.
#[derive(Debug, Clone)]
pub(super) struct Mirror {
    /// The revision that `_meta` names; `None` for messages of the handshake era.
    version: Option<HeaderValue>,
    method: String,
    name: Option<String>,
}

impl Mirror {
    fn new(method: &Method, params: Option<Node<'_>>) -> Self {
        let text = |path: &[&str]| params?.at_path(path)?.as_str();
        let version = text(&["_meta", META_PROTOCOL_VERSION]);
        let member = match method.as_str() {
            "tools/call" | "prompts/get" => Some("name"),
            "resources/read" => Some("uri"),
            other if other.starts_with("tasks/") => Some("taskId"),
            _ => None,
        };
        Self {
            version: version.and_then(|version| HeaderValue::from_str(&version).ok()),
            method: method.as_str().to_owned(),
            name: member.and_then(|member| text(&[member])).map(std::borrow::Cow::into_owned),
        }
    }

    /// The tool of a stateless call.
    pub(super) fn called_tool(&self) -> Option<&str> {
        let calls = self.version.is_some() && self.method == Method::ToolsCall.as_str();
        self.name.as_deref().filter(|_| calls)
    }

    /// Whether this is a stateless request for the list of tools.
    pub(super) fn lists_tools(&self) -> bool {
        self.version.is_some() && self.method == Method::ToolsList.as_str()
    }

    /// The headers of the bridge's own request for the list of tools, in the same revision.
    pub(super) fn of_list(&self) -> Self {
        let method = Method::ToolsList.as_str().to_owned();
        Self { version: self.version.clone(), method, name: None }
    }

    /// The revision of a stateless message.
    pub(super) fn version(&self) -> Option<&HeaderValue> {
        self.version.as_ref()
    }

    /// The headers of a stateless message in `version` (MCP 2026-07-28, Streamable HTTP).
    pub(super) fn headers(&self, version: &HeaderValue) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(PROTOCOL_VERSION, version.clone());
        let encoded = |text: &str| HeaderValue::from_str(&encode_header_value(text)).ok();
        if let Some(method) = encoded(&self.method) {
            headers.insert(METHOD, method);
        }
        if let Some(name) = self.name.as_deref().and_then(encoded) {
            headers.insert(NAME, name);
        }
        headers
    }
}

/// The JSON text of a call's arguments; empty without any.
pub(super) fn arguments_of(body: &Bytes) -> Bytes {
    match read_message(body.clone()) {
        Ok(ServerMessage::Request(request)) => {
            let arguments = request.params().and_then(|params| params.get("arguments"));
            arguments.map(|arguments| body.slice_ref(arguments.raw())).unwrap_or_default()
        }
        Ok(ServerMessage::Notification(_) | ServerMessage::Response(_)) | Err(_) => Bytes::new(),
    }
}

/// Whether a message says that the headers of its request are not what they should be.
pub(super) fn is_header_mismatch(line: &Bytes) -> bool {
    let Ok(ServerMessage::Response(response)) = read_message(line.clone()) else { return false };
    matches!(response.outcome(), mcp::Outcome::Error(Some(mcp::code::HEADER_MISMATCH)))
}

/// Reads a line of the client.
pub(super) fn read_client(body: &Bytes) -> ClientMessage {
    match read_message(body.clone()) {
        Ok(ServerMessage::Request(request)) if *request.method() == Method::Initialize => {
            ClientMessage::Initialize(request.id().clone())
        }
        Ok(ServerMessage::Request(request)) => {
            let mirror = Mirror::new(request.method(), request.params());
            ClientMessage::Request(request.id().clone(), mirror)
        }
        Ok(ServerMessage::Notification(note)) => {
            let mirror = Mirror::new(note.method(), note.params());
            if *note.method() == Method::NotifyInitialized {
                ClientMessage::Initialized
            } else if *note.method() == Method::NotifyCancelled {
                ClientMessage::Cancelled(cancelled(note.params()), mirror)
            } else {
                ClientMessage::Notification(mirror)
            }
        }
        Ok(ServerMessage::Response(_)) => ClientMessage::Response,
        Err(_unreadable) => ClientMessage::Other,
    }
}

fn cancelled(params: Option<Node<'_>>) -> Option<IdKey> {
    let id = params?.get("requestId")?;
    match id.as_str() {
        Some(text) => Some(IdKey::Text(text.into())),
        None => id.raw_str().parse().ok().map(IdKey::Integer),
    }
}

/// `result.protocolVersion` of an answer to `initialize`.
pub(super) fn agreed_version(line: &Bytes) -> Option<HeaderValue> {
    let Ok(ServerMessage::Response(response)) = read_message(line.clone()) else {
        return None;
    };
    let version = response.payload().get("protocolVersion")?.as_str()?;
    HeaderValue::from_str(&version).ok()
}

/// What a message of the gateway is to the request that it comes for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received {
    /// The answer, on one line.
    Answer(Bytes),
    /// An error that names no request: its code and text.
    Nameless(i64, String),
    /// A notification or a request of the server, on one line.
    Aside(Bytes),
    /// An answer to another request.
    Foreign(Bytes),
}

/// Reads a message of the gateway.
///
/// # Errors
/// [`BadReply`] when it is no message.
pub(super) fn read_gateway(body: Bytes, id: Option<&RawId>) -> Result<Received, BadReply> {
    let line = mcp::single_line(&body);
    match read_message(body)? {
        ServerMessage::Request(_) | ServerMessage::Notification(_) => Ok(Received::Aside(line)),
        ServerMessage::Response(response) => match (response.id(), response.outcome()) {
            (Some(found), _) if Some(found) == id => Ok(Received::Answer(line)),
            (None, mcp::Outcome::Error(code)) => {
                let text = response.error_message().map(std::borrow::Cow::into_owned);
                let code = code.unwrap_or(mcp::code::INTERNAL_ERROR);
                Ok(Received::Nameless(code, text.unwrap_or_default()))
            }
            (Some(_) | None, _) => Ok(Received::Foreign(line)),
        },
    }
}
