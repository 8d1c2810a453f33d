//! The envelope and the parameters of one message. Never looks at a byte that is not on the tape.

use bytes::Bytes;

use super::{era, salvaged_id};
use crate::{
    frame::MirrorHeaders,
    headers,
    id::{ID_BYTES_MAX, IdKey, RawId},
    method::{METHOD_BYTES_MAX, MessageKind, Method, Sender},
    refusal::{Refusal, RefusalKind, code},
    request::{ClientMessage, ClientResponse, Failed, Notification, Parsed, Request, Text},
    scan::case_twins,
    tape::{Entry, Members, Node, NodeKind},
    version::{Era, ProtocolVersion},
};

/// Reads an id that satisfies the contract.
pub(crate) fn id_of(body: &Bytes, node: Node<'_>) -> Result<RawId, Refusal> {
    let key = match node.kind() {
        NodeKind::Number => crate::id::integer_key(node.raw()),
        NodeKind::String => node
            .as_str()
            .filter(|text| text.len() <= ID_BYTES_MAX)
            .map(|text| IdKey::Text(text.into())),
        NodeKind::Null | NodeKind::Bool | NodeKind::Array | NodeKind::Object => None,
    };
    let key = key.ok_or_else(|| {
        Refusal::envelope("id must be a string of at most 256 bytes or an integer within 2^53")
    })?;
    Ok(RawId::new(body.slice(node.span()), key))
}

/// Turns one scanned object into a message.
pub(super) fn message(
    body: Bytes,
    tape: Vec<Entry>,
    headers: &MirrorHeaders<'_>,
) -> Result<ClientMessage, Refusal> {
    match check(&body, &tape, headers) {
        Ok(checked) => Ok(checked.into_message(body, tape)),
        Err(refusal) => Err(refusal.with_id(salvaged_id(&body, &tape))),
    }
}

/// What the checks found, without bytes and tape.
struct Checked {
    era: Era,
    version: Option<ProtocolVersion>,
    params: u32,
    meta: u32,
    what: What,
}

enum What {
    Request { id: RawId, id_at: u32, method: Method, subject: Option<Text>, arguments: u32 },
    Notification { method: Method },
    Response { id: RawId, id_at: u32, outcome: u32, failed: Failed },
}

impl Checked {
    fn into_message(self, body: Bytes, tape: Vec<Entry>) -> ClientMessage {
        let parsed = Parsed {
            body,
            tape,
            era: self.era,
            version: self.version,
            params: self.params,
            meta: self.meta,
        };
        match self.what {
            What::Request { id, id_at, method, subject, arguments } => {
                ClientMessage::Request(Request { parsed, id, id_at, method, subject, arguments })
            }
            What::Notification { method } => {
                ClientMessage::Notification(Notification { parsed, method })
            }
            What::Response { id, id_at, outcome, failed } => {
                ClientMessage::Response(ClientResponse { parsed, id, id_at, outcome, failed })
            }
        }
    }
}

/// The members that an envelope may have; the strict pass made sure that each stands once.
#[derive(Clone, Copy, Default)]
struct Envelope<'a> {
    id: Option<Node<'a>>,
    method: Option<Node<'a>>,
    params: Option<Node<'a>>,
    result: Option<Node<'a>>,
    error: Option<Node<'a>>,
}

impl<'a> Envelope<'a> {
    fn of(root: Node<'a>) -> Result<Self, Refusal> {
        if root.kind() != NodeKind::Object {
            return Err(Refusal::envelope("the body must be one JSON object"));
        }
        let mut envelope = Self::default();
        let mut jsonrpc = None;
        for (key, value) in root.members() {
            let slot = match key.meaning().as_ref() {
                b"jsonrpc" => &mut jsonrpc,
                b"id" => &mut envelope.id,
                b"method" => &mut envelope.method,
                b"params" => &mut envelope.params,
                b"result" => &mut envelope.result,
                b"error" => &mut envelope.error,
                _ => {
                    return Err(Refusal::envelope(
                        "the envelope has a member that JSON-RPC does not define",
                    ));
                }
            };
            *slot = Some(value);
        }
        if !jsonrpc.is_some_and(|version| version.is_str("2.0")) {
            return Err(Refusal::envelope("jsonrpc must be \"2.0\""));
        }
        Ok(envelope)
    }
}

fn check(body: &Bytes, tape: &[Entry], headers: &MirrorHeaders<'_>) -> Result<Checked, Refusal> {
    let envelope = Envelope::of(Node::new(body, tape, 0))?;
    let Some(method) = envelope.method else { return response(body, envelope, headers) };
    if envelope.result.is_some() || envelope.error.is_some() {
        return Err(Refusal::envelope("a message with a method carries neither result nor error"));
    }
    let method = method_of(method)?;
    let id = envelope.id.map(|node| id_of(body, node)).transpose()?;
    let params = params_of(body, envelope.params)?;
    let meta = meta_of(body, params)?;
    let at = |node: Option<Node<'_>>| node.map_or(0, Node::index);
    match (id.zip(envelope.id), method.kind()) {
        (Some(_), Some(MessageKind::Notification)) => {
            Err(Refusal::envelope("a notification must not carry an id"))
        }
        (None, Some(MessageKind::Request)) => Err(Refusal::envelope("a request must carry an id")),
        (None, Some(MessageKind::Notification) | None) => {
            let found = era::settle(headers, meta, MessageKind::Notification)?;
            headers::check_mirrors(found.era, headers, &method, None)?;
            let what = What::Notification { method };
            Ok(Checked {
                era: found.era,
                version: found.version,
                params: at(params),
                meta: at(meta),
                what,
            })
        }
        (Some((id, id_node)), Some(MessageKind::Request) | None) => {
            let found = era::settle(headers, meta, MessageKind::Request)?;
            let version = found.version.unwrap_or(ProtocolVersion::V2025_03_26);
            let (subject, arguments) = read_params(&method, version, params)?;
            let name = subject.and_then(Node::as_str);
            headers::check_mirrors(found.era, headers, &method, name.as_deref())?;
            let what = What::Request {
                id,
                id_at: id_node.index(),
                method,
                subject: subject.and_then(Text::of),
                arguments: at(arguments),
            };
            Ok(Checked {
                era: found.era,
                version: found.version,
                params: at(params),
                meta: at(meta),
                what,
            })
        }
    }
}

fn method_of(node: Node<'_>) -> Result<Method, Refusal> {
    let name = node.as_str().ok_or_else(|| Refusal::envelope("method must be a string"))?;
    if let Some(defined) = Method::defined(&name) {
        return Ok(defined);
    }
    if name.is_empty() || name.len() > METHOD_BYTES_MAX {
        return Err(Refusal::envelope("method must have 1 to 256 bytes"));
    }
    match Method::resembled(&name) {
        Some(defined) => Err(Refusal::envelope(format!("method is another spelling of {defined}"))),
        None => Ok(Method::Other(name.into())),
    }
}

fn refuse_twins(body: &Bytes, members: Members<'_>, place: &'static str) -> Result<(), Refusal> {
    if case_twins(body, members) {
        let message = format!("two keys of {place} are equal ignoring case");
        return Err(Refusal::new(RefusalKind::DuplicateKey, code::INVALID_REQUEST, message));
    }
    Ok(())
}

fn params_of<'a>(body: &Bytes, params: Option<Node<'a>>) -> Result<Option<Node<'a>>, Refusal> {
    let Some(node) = params else { return Ok(None) };
    if node.kind() != NodeKind::Object {
        return Err(Refusal::envelope("params must be an object"));
    }
    refuse_twins(body, node.members(), "params")?;
    Ok(Some(node))
}

/// `_meta` of an object, checked.
fn meta_of<'a>(body: &Bytes, holder: Option<Node<'a>>) -> Result<Option<Node<'a>>, Refusal> {
    let Some(node) = holder.and_then(|holder| holder.get("_meta")) else { return Ok(None) };
    if node.kind() != NodeKind::Object {
        return Err(Refusal::meta("_meta must be an object"));
    }
    refuse_twins(body, node.members(), "_meta")?;
    Ok(Some(node))
}

/// The member of `params` that says what the request is about.
const fn subject_member(method: &Method) -> Option<&'static str> {
    if matches!(method, Method::ToolsCall | Method::PromptsGet) {
        Some("name")
    } else if matches!(
        method,
        Method::ResourcesRead | Method::ResourcesSubscribe | Method::ResourcesUnsubscribe
    ) {
        Some("uri")
    } else if matches!(
        method,
        Method::TasksGet | Method::TasksResult | Method::TasksCancel | Method::TasksUpdate
    ) {
        Some("taskId")
    } else {
        None
    }
}

/// What the request is about, and its arguments.
type SubjectAndArguments<'a> = (Option<Node<'a>>, Option<Node<'a>>);

/// Reads what the request is about. Its absence is refused only where the revision has the method: elsewhere the answer is that
/// there is no such method.
fn read_params<'a>(
    method: &Method,
    version: ProtocolVersion,
    params: Option<Node<'a>>,
) -> Result<SubjectAndArguments<'a>, Refusal> {
    let subject = match subject_member(method) {
        None => return Ok((None, None)),
        Some(member) => match params.and_then(|params| params.get(member)) {
            Some(node) if node.kind() == NodeKind::String => Some(node),
            None if !method.exists(version, Sender::Client) => None,
            Some(_) | None => {
                return Err(Refusal::params(format!("params.{member} must be a string")));
            }
        },
    };
    let takes_arguments = matches!(method, Method::ToolsCall | Method::PromptsGet);
    let arguments = params.and_then(|params| params.get("arguments")).filter(|_| takes_arguments);
    if arguments.is_some_and(|arguments| arguments.kind() != NodeKind::Object) {
        return Err(Refusal::params("params.arguments must be an object"));
    }
    if *method == Method::ToolsCall {
        let known = ["name", "arguments", "_meta", "task", "inputResponses", "requestState"];
        let stranger = params
            .into_iter()
            .flat_map(Node::members)
            .any(|(key, _)| !known.iter().any(|name| key.is(name)));
        if stranger {
            return Err(Refusal::params(
                "params of tools/call has a member that MCP does not define",
            ));
        }
    }
    Ok((subject, arguments))
}

fn response(
    body: &Bytes,
    envelope: Envelope<'_>,
    headers: &MirrorHeaders<'_>,
) -> Result<Checked, Refusal> {
    let (node, failed) = match (envelope.result, envelope.error) {
        (Some(result), None) => (result, Failed::No),
        (None, Some(error)) => (error, Failed::Yes),
        (None, None) => {
            return Err(Refusal::envelope("a message must have a method, a result or an error"));
        }
        (Some(_), Some(_)) => {
            return Err(Refusal::envelope("a response carries result or error, not both"));
        }
    };
    if envelope.params.is_some() {
        return Err(Refusal::envelope("a response carries no params"));
    }
    let id = envelope.id.ok_or_else(|| Refusal::envelope("a response must carry an id"))?;
    let (id, id_at) = (id_of(body, id)?, id.index());
    if node.kind() != NodeKind::Object {
        return Err(Refusal::envelope("result and error must be objects"));
    }
    if failed == Failed::Yes && node.get("code").is_none_or(|code| code.kind() != NodeKind::Number)
    {
        return Err(Refusal::envelope("error.code must be a number"));
    }
    meta_of(body, Some(node))?;
    let found = era::settle(headers, None, MessageKind::Notification)?;
    if found.era == Era::Modern {
        return Err(Refusal::envelope("clients send no responses in this revision"));
    }
    headers::check_no_mirrors(headers)?;
    let what = What::Response { id, id_at, outcome: node.index(), failed };
    Ok(Checked { era: found.era, version: found.version, params: 0, meta: 0, what })
}
