//! What a server sends, checked before it is passed on: one whole JSON message, an envelope that cannot be read two ways, the
//! right id. The bytes are left alone. Never decides what the client may see: lists are filtered in `list`.

#[cfg(test)]
mod tests;

use bytes::Bytes;

use crate::{
    id::{IdKey, RawId},
    method::{MessageKind, Method},
    scan::{self, Fault, Rules},
    tape::{Entry, Node, NodeKind},
};

/// Deepest nesting of a server's message.
pub const REPLY_DEPTH_MAX: u32 = 128;
/// Depth down to which the envelope of a server's message is recorded: its members, those of `result`, `error` and `params`, and
/// their members, such as `params._meta.progressToken`.
const ENVELOPE_DEPTH: u32 = 4;

/// Why bytes of a server are no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadReply {
    /// Not UTF-8, not JSON, cut off, or too deep.
    #[error("the server's message is not JSON: {0}")]
    NotJson(String),
    /// JSON, but no JSON-RPC message that can be read in one way only.
    #[error("the server's message is no JSON-RPC message: {0}")]
    Envelope(&'static str),
    /// A response with another id than the request's.
    #[error("the server's response carries another id")]
    OtherId,
    /// A list result that cannot be filtered with certainty.
    #[error("the server's list cannot be filtered: {0}")]
    List(&'static str),
}

impl From<Fault> for BadReply {
    fn from(fault: Fault) -> Self {
        Self::NotJson(fault.to_string())
    }
}

/// One message of a server. The bytes are as they came.
#[derive(Clone, Debug)]
pub enum ServerMessage {
    /// The answer to the request.
    Response(Response),
    /// A request to the client (legacy).
    Request(ServerRequest),
    /// A notification.
    Notification(ServerNotification),
}

/// What a response says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// `result`.
    Result,
    /// `error`, with its code; `None` when the code is no integer of 64 bits.
    Error(Option<i64>),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) shallow: Shallow,
    pub(crate) body: Bytes,
    /// `None`: an error without id or with `null`, which JSON-RPC allows for a request whose id could not be read.
    pub(crate) id: Option<RawId>,
    pub(crate) outcome: Outcome,
    pub(crate) payload: u32,
}

impl Response {
    /// The message, byte for byte.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The id; `None` for an error that names no request.
    pub const fn id(&self) -> Option<&RawId> {
        self.id.as_ref()
    }

    /// Result or error.
    pub const fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// `result` or `error`, recorded two levels deep: members of members are there, deeper containers count as empty.
    pub fn payload(&self) -> Node<'_> {
        self.shallow.node(&self.body, self.payload)
    }

    /// `result.isError` is `true`.
    pub fn is_tool_error(&self) -> bool {
        self.outcome == Outcome::Result
            && self.payload().get("isError").and_then(Node::as_bool) == Some(true)
    }

    /// `result.resultType`; a missing one means `complete` (2026-07-28). `None` for an error and for a type that is no string.
    pub fn result_type(&self) -> Option<std::borrow::Cow<'_, str>> {
        match self.outcome {
            Outcome::Error(_) => None,
            Outcome::Result => match self.payload().get("resultType") {
                None => Some(std::borrow::Cow::Borrowed("complete")),
                Some(node) => node.as_str(),
            },
        }
    }

    /// `error.message`.
    pub fn error_message(&self) -> Option<std::borrow::Cow<'_, str>> {
        matches!(self.outcome, Outcome::Error(_))
            .then(|| self.payload().get("message")?.as_str())?
    }
}

/// A request of the server to the client.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    shallow: Shallow,
    body: Bytes,
    id: RawId,
    method: Method,
}

impl ServerRequest {
    /// The message, byte for byte.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The id.
    pub const fn id(&self) -> &RawId {
        &self.id
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// `params`, recorded two levels deep.
    pub fn params(&self) -> Option<Node<'_>> {
        self.shallow.root(&self.body).get("params")
    }
}

/// A notification of the server.
#[derive(Clone, Debug)]
pub struct ServerNotification {
    shallow: Shallow,
    body: Bytes,
    method: Method,
}

impl ServerNotification {
    /// The message, byte for byte.
    pub const fn body(&self) -> &Bytes {
        &self.body
    }

    /// The method.
    pub const fn method(&self) -> &Method {
        &self.method
    }

    /// `params`, recorded two levels deep.
    pub fn params(&self) -> Option<Node<'_>> {
        self.shallow.root(&self.body).get("params")
    }

    /// JSON text of the token that `notifications/progress` reports on.
    pub fn progress_token(&self) -> Option<&str> {
        (self.method == Method::NotifyProgress)
            .then(|| self.params()?.get("progressToken").map(Node::raw_str))?
    }
}

/// The upper levels of a scanned message.
#[derive(Clone, Debug)]
pub(crate) struct Shallow {
    tape: Vec<Entry>,
}

impl Shallow {
    pub(crate) fn root<'a>(&'a self, body: &'a [u8]) -> Node<'a> {
        self.node(body, 0)
    }

    pub(crate) fn node<'a>(&'a self, body: &'a [u8], at: u32) -> Node<'a> {
        Node::new(body, &self.tape, at)
    }
}

/// Scans a server's message and records it down to `depth`. Its root is an object.
pub(crate) fn shallow(body: &[u8], depth: u32) -> Result<Shallow, BadReply> {
    let tape = scan::scan(body, Rules::reply(depth))?;
    let shallow = Shallow { tape };
    match shallow.root(body).kind() {
        NodeKind::Object => Ok(shallow),
        NodeKind::Null | NodeKind::Bool | NodeKind::Number | NodeKind::String | NodeKind::Array => {
            Err(BadReply::Envelope("not an object"))
        }
    }
}

/// The members of an envelope, each at most once.
#[derive(Clone, Copy, Default)]
pub(crate) struct Members<'a> {
    pub(crate) jsonrpc: Option<Node<'a>>,
    pub(crate) id: Option<Node<'a>>,
    pub(crate) method: Option<Node<'a>>,
    pub(crate) params: Option<Node<'a>>,
    pub(crate) result: Option<Node<'a>>,
    pub(crate) error: Option<Node<'a>>,
}

impl<'a> Members<'a> {
    pub(crate) fn of(root: Node<'a>) -> Result<Self, BadReply> {
        let mut members = Self::default();
        for (key, value) in root.members() {
            let slot = match key.meaning().as_ref() {
                b"jsonrpc" => &mut members.jsonrpc,
                b"id" => &mut members.id,
                b"method" => &mut members.method,
                b"params" => &mut members.params,
                b"result" => &mut members.result,
                b"error" => &mut members.error,
                // Anything else is the server's own business.
                _ => continue,
            };
            if slot.replace(value).is_some() {
                return Err(BadReply::Envelope("a member of the envelope stands twice"));
            }
        }
        Ok(members)
    }
}

/// Reads one message of a server: a whole JSON body, or the data of one event. A response must answer `expect_id`.
///
/// Keys below the envelope may stand twice, and numbers may have any size: that is between the server and the client. An error
/// whose id is missing or `null` counts as the answer, because on HTTP nothing else can be meant.
///
/// # Errors
/// [`BadReply`] for anything that is no message, and for a response to another request.
pub fn admit_reply(body: Bytes, expect_id: &RawId) -> Result<ServerMessage, BadReply> {
    let message = read_message(body)?;
    match &message {
        ServerMessage::Response(response)
            if response.id.as_ref().is_some_and(|id| id != expect_id) =>
        {
            Err(BadReply::OtherId)
        }
        ServerMessage::Response(_) | ServerMessage::Request(_) | ServerMessage::Notification(_) => {
            Ok(message)
        }
    }
}

/// Reads one message of a server whose answer may belong to any request, as on stdio and on a GET stream.
///
/// # Errors
/// [`BadReply`] for anything that is no message.
pub fn read_message(body: Bytes) -> Result<ServerMessage, BadReply> {
    let shallow = shallow(&body, ENVELOPE_DEPTH)?;
    let members = Members::of(shallow.root(&body))?;
    if !members.jsonrpc.is_some_and(|version| version.is_str("2.0")) {
        return Err(BadReply::Envelope("jsonrpc is not \"2.0\""));
    }
    let id = match members.id {
        None => None,
        Some(node) if node.kind() == NodeKind::Null => None,
        Some(node) => Some(id_of(&body, node)?),
    };
    match (members.method, members.result, members.error) {
        (Some(method), None, None) => {
            let method = Method::from_name(
                &method.as_str().ok_or(BadReply::Envelope("method is no string"))?,
            );
            match (id, members.id.is_some()) {
                (Some(id), _) => {
                    Ok(ServerMessage::Request(ServerRequest { shallow, body, id, method }))
                }
                (None, true) => Err(BadReply::Envelope("a request with the id null")),
                (None, false) if method.kind() == Some(MessageKind::Request) => {
                    Err(BadReply::Envelope("a request without id"))
                }
                (None, false) => {
                    Ok(ServerMessage::Notification(ServerNotification { shallow, body, method }))
                }
            }
        }
        (None, Some(result), None) => {
            let id = Some(id.ok_or(BadReply::Envelope("a result without id"))?);
            let payload = result.index();
            Ok(ServerMessage::Response(Response {
                id,
                outcome: Outcome::Result,
                payload,
                shallow,
                body,
            }))
        }
        (None, None, Some(error)) => {
            if error.kind() != NodeKind::Object {
                return Err(BadReply::Envelope("error is no object"));
            }
            let code = error.get("code").and_then(|code| code.raw_str().parse().ok());
            let payload = error.index();
            Ok(ServerMessage::Response(Response {
                id,
                outcome: Outcome::Error(code),
                payload,
                shallow,
                body,
            }))
        }
        (None, None, None) => Err(BadReply::Envelope("neither method nor result nor error")),
        (_, _, _) => Err(BadReply::Envelope("more than one of method, result and error")),
    }
}

fn id_of(body: &Bytes, node: Node<'_>) -> Result<RawId, BadReply> {
    let key = match node.kind() {
        NodeKind::Number => crate::id::integer_key(node.raw()),
        NodeKind::String => node.as_str().map(|text| IdKey::Text(text.into())),
        NodeKind::Null | NodeKind::Bool | NodeKind::Array | NodeKind::Object => None,
    };
    Ok(RawId::new(
        body.slice(node.span()),
        key.ok_or(BadReply::Envelope("id is neither a string nor an integer within 2^53"))?,
    ))
}
