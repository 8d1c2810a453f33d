//! Which revision a message belongs to: header and `_meta` must say the same. Never guesses from a method.

use crate::{
    frame::MirrorHeaders,
    headers,
    method::MessageKind,
    refusal::Refusal,
    request::{META_CLIENT_CAPABILITIES, META_PROTOCOL_VERSION},
    tape::{Node, NodeKind},
    version::{Era, ProtocolVersion},
};

/// The era of a message and the revision that its header names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) era: Era,
    pub(super) version: Option<ProtocolVersion>,
}

/// Settles era and revision, and demands what each modern request must carry in `_meta`.
///
/// No header at all means the handshake era (2025-06-18: assume 2025-03-26) unless `_meta` names a revision, which only modern
/// clients do: then the header is missing. A revision that exists nowhere is −32022 in both eras: only a client newer than this
/// gateway sends one, and such a client knows that code.
pub(super) fn settle(
    headers: &MirrorHeaders<'_>,
    meta: Option<Node<'_>>,
    kind: MessageKind,
) -> Result<Found, Refusal> {
    let header = headers::single(&headers.protocol_version, "MCP-Protocol-Version")
        .map_err(Refusal::header)?;
    let named = match meta.and_then(|meta| meta.get(META_PROTOCOL_VERSION)) {
        None => None,
        Some(node) => Some(node.as_str().ok_or_else(|| {
            Refusal::meta("_meta[\"io.modelcontextprotocol/protocolVersion\"] must be a string")
        })?),
    };
    let Some(header) = header else {
        return match named {
            None => Ok(Found { era: Era::Legacy, version: None }),
            Some(_) => Err(Refusal::header(
                "the header MCP-Protocol-Version is missing: _meta names a protocol version",
            )),
        };
    };
    if named.as_deref().is_some_and(|named| named != header) {
        return Err(Refusal::header(
            "MCP-Protocol-Version and _meta name different protocol versions",
        ));
    }
    let version = ProtocolVersion::parse(header).ok_or_else(|| Refusal::version(header))?;
    if version.era() == Era::Modern && kind == MessageKind::Request {
        if named.is_none() {
            return Err(Refusal::meta("_meta must carry io.modelcontextprotocol/protocolVersion"));
        }
        let capabilities = meta.and_then(|meta| meta.get(META_CLIENT_CAPABILITIES));
        if capabilities.is_none_or(|node| node.kind() != NodeKind::Object) {
            return Err(Refusal::meta(
                "_meta must carry io.modelcontextprotocol/clientCapabilities, an object",
            ));
        }
    }
    Ok(Found { era: version.era(), version: Some(version) })
}
