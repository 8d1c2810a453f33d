//! What the gateway hands to `decode`: a body and the headers that mirror it. Never reads an HTTP message itself.

use bytes::Bytes;
use smallvec::SmallVec;

/// Every value of one header, in the order of the message, as raw bytes.
pub type HeaderValues<'h> = SmallVec<[&'h [u8]; 1]>;

/// The headers that a body is compared with. All values, so that a repeated header is seen.
#[derive(Clone, Debug, Default)]
pub struct MirrorHeaders<'h> {
    /// `MCP-Protocol-Version`.
    pub protocol_version: HeaderValues<'h>,
    /// `Mcp-Method`.
    pub method: HeaderValues<'h>,
    /// `Mcp-Name`.
    pub name: HeaderValues<'h>,
}

/// Whether an array of messages may stand where one message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchRule {
    /// Refused with 400: every revision but one.
    Refused,
    /// The session negotiated 2025-03-26.
    Allowed,
}

/// One POST of a client, its transport matters (media type, size, coding) already settled.
#[derive(Clone, Debug)]
pub struct Frame<'h> {
    /// The whole body.
    pub body: Bytes,
    /// The headers that mirror it.
    pub headers: MirrorHeaders<'h>,
    /// Whether it may be a batch.
    pub batch: BatchRule,
}
