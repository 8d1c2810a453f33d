//! The parser contract: from the bytes of a POST to messages, or to one refusal. Never lets through what could be read two ways.

mod envelope;
mod era;

#[cfg(test)]
mod json_tests;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub(crate) use envelope::id_of;

use crate::{
    frame::{BatchRule, Frame, MirrorHeaders},
    id::{IdKey, RawId},
    method::Method,
    refusal::{Refusal, RefusalKind, code},
    request::{ClientMessage, Inbound},
    scan::{self, Fault, FaultKind, Rules},
    tape::{Entry, Node, NodeKind, Tag},
    version::ProtocolVersion,
};

/// Deepest nesting of a client's message; its object is depth 1.
pub const DEPTH_MAX: u32 = 100;
/// Most values in a client's message: the object itself, each member's value, each array's element.
pub const ELEMENTS_MAX: u32 = 100_000;
/// Most messages in a batch.
pub const BATCH_MESSAGES_MAX: usize = 100;

/// Reads what a client sent. The only parse: everything later works on its result.
///
/// Sources: JSON-RPC 2.0; MCP 2025-03-26 to 2026-07-28, of the last the transport's "Server Validation". On top of them stands
/// the parser contract: one object of bounded size that no two readers can understand in two ways. A method that is only
/// another spelling of a defined one (`Tools/Call`, `tools/call\u0000`) is refused as well, and so is a response in the modern era.
///
/// # Errors
/// [`Refusal`]: nothing of the body may reach the server.
pub fn decode(frame: Frame<'_>) -> Result<Inbound, Refusal> {
    let first = frame.body.iter().find(|byte| !matches!(byte, b' ' | b'\n' | b'\r' | b'\t'));
    match (first, frame.batch) {
        (Some(b'['), BatchRule::Refused) => Err(Refusal::new(
            RefusalKind::Batch,
            code::INVALID_REQUEST,
            "a body must be one object: batches are not taken here",
        )),
        (Some(b'['), BatchRule::Allowed) => batch(&frame),
        (_, BatchRule::Refused | BatchRule::Allowed) => one(frame).map(Inbound::One),
    }
}

fn one(frame: Frame<'_>) -> Result<ClientMessage, Refusal> {
    let (tape, outcome) = scan::scan_keeping(&frame.body, Rules::contract(DEPTH_MAX, ELEMENTS_MAX));
    outcome.map_err(|fault| refusal_of(fault).with_id(salvaged_id(&frame.body, &tape)))?;
    envelope::message(frame.body, tape, &frame.headers)
}

fn batch(frame: &Frame<'_>) -> Result<Inbound, Refusal> {
    let refuse = |message| Err(Refusal::new(RefusalKind::Batch, code::INVALID_REQUEST, message));
    if !(frame.headers.method.is_empty() && frame.headers.name.is_empty()) {
        return refuse("Mcp-Method and Mcp-Name cannot mirror a batch");
    }
    // The array around the messages is no part of any of them.
    let tape = scan::scan(&frame.body, Rules::contract(DEPTH_MAX + 1, ELEMENTS_MAX))
        .map_err(refusal_of)?;
    let root = Node::new(&frame.body, &tape, 0);
    if root.is_empty() || root.len() > BATCH_MESSAGES_MAX {
        return refuse("a batch must hold 1 to 100 messages");
    }
    let headers = MirrorHeaders {
        protocol_version: frame.headers.protocol_version.clone(),
        ..MirrorHeaders::default()
    };
    let mut messages = Vec::with_capacity(root.len());
    let mut ids: Vec<IdKey> = Vec::new();
    for element in root.elements() {
        let message =
            envelope::message(frame.body.slice(element.span()), rebased(element), &headers)?;
        match &message {
            ClientMessage::Request(request) => {
                if request.effective_version() != ProtocolVersion::V2025_03_26 {
                    return refuse("only 2025-03-26 has batches");
                }
                if *request.method() == Method::Initialize {
                    return refuse("initialize must not stand in a batch");
                }
                if ids.contains(request.id_key()) {
                    return refuse("two requests of a batch have the same id");
                }
                ids.push(request.id_key().clone());
            }
            ClientMessage::Notification(_) | ClientMessage::Response(_) => {}
        }
        messages.push(message);
    }
    Ok(Inbound::Batch(messages))
}

/// The tape of one element as if it were a whole text.
fn rebased(element: Node<'_>) -> Vec<Entry> {
    let base = u32::try_from(element.span().start).unwrap_or(u32::MAX);
    let first = element.index();
    let shift = |entry: &Entry| Entry {
        start: entry.start.saturating_sub(base),
        end: entry.end.saturating_sub(base),
        next: entry.next.saturating_sub(first),
        ..*entry
    };
    element.entries().iter().map(shift).collect()
}

/// The refusal of a text that the strict pass did not take.
fn refusal_of(fault: Fault) -> Refusal {
    let (kind, code) = match fault.kind {
        FaultKind::ByteOrderMark | FaultKind::NotUtf8 | FaultKind::LoneSurrogate => {
            (RefusalKind::Encoding, code::PARSE_ERROR)
        }
        FaultKind::Empty
        | FaultKind::Expected(_)
        | FaultKind::ControlInString
        | FaultKind::BadEscape
        | FaultKind::BadNumber
        | FaultKind::Trailing => (RefusalKind::Syntax, code::PARSE_ERROR),
        FaultKind::TooLong | FaultKind::TooDeep(_) | FaultKind::TooMany(_) => {
            (RefusalKind::Limits, code::INVALID_REQUEST)
        }
        FaultKind::DuplicateKey => (RefusalKind::DuplicateKey, code::INVALID_REQUEST),
        FaultKind::NumberRange => (RefusalKind::Number, code::INVALID_REQUEST),
    };
    Refusal::new(kind, code, format!("the body is refused: {fault}"))
}

/// The id of a message that was refused, if one stands in what was recorded before the fault, and only one.
fn salvaged_id(body: &Bytes, tape: &[Entry]) -> Option<RawId> {
    if tape.first().is_none_or(|root| root.tag != Tag::Object) {
        return None;
    }
    let mut found = None;
    let mut at = 1_u32;
    while let (Some(key), Some(value)) = (tape.get(at as usize), tape.get(at as usize + 1)) {
        if key.is(body, "id") && found.replace(at + 1).is_some() {
            return None;
        }
        // A container that the fault left open points back at its parent.
        if value.next <= at {
            break;
        }
        at = value.next;
    }
    let node = Node::new(body, tape, found?);
    match node.kind() {
        NodeKind::String | NodeKind::Number => id_of(body, node).ok(),
        NodeKind::Null | NodeKind::Bool | NodeKind::Array | NodeKind::Object => None,
    }
}
