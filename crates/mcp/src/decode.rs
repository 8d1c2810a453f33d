//! The parser contract: from the bytes of a POST to messages, or to one refusal. Never lets through what could be read two ways.

use bytes::Bytes;

use crate::{
    frame::Frame,
    id::{ID_BYTES_MAX, IdKey, RawId},
    refusal::Refusal,
    request::Inbound,
    tape::{Node, NodeKind},
};

/// Deepest nesting of a client's message; its object is depth 1.
pub const DEPTH_MAX: u32 = 100;
/// Most values in a client's message: the object itself, each member's value, each array's element.
pub const ELEMENTS_MAX: u32 = 100_000;
/// Most messages in a batch.
pub const BATCH_MESSAGES_MAX: usize = 100;

/// Reads what a client sent. The only parse: everything later works on its result.
///
/// # Errors
/// [`Refusal`]: nothing of the body may reach the server.
pub fn decode(frame: Frame<'_>) -> Result<Inbound, Refusal> {
    Err(Refusal::envelope(format!("{} bytes", frame.body.len())))
}

/// Reads an id that satisfies the contract.
pub(crate) fn id_of(body: &Bytes, node: Node<'_>) -> Result<RawId, Refusal> {
    let key = match node.kind() {
        NodeKind::Number => crate::id::integer_key(node.raw()),
        NodeKind::String => node.as_str().filter(|text| text.len() <= ID_BYTES_MAX).map(|text| IdKey::Text(text.into())),
        NodeKind::Null | NodeKind::Bool | NodeKind::Array | NodeKind::Object => None,
    };
    let key = key.ok_or_else(|| Refusal::envelope("id must be a string of at most 256 bytes or an integer within 2^53"))?;
    Ok(RawId::new(body.slice(node.span()), key))
}
