//! A call's arguments as they may be shown outside of the gateway: the very redaction that the audit
//! applies (`audit.values`, GATEWAY.md section 6), for whoever holds the arguments as text.

use bytes::Bytes;
use mcp::{BatchRule, ClientMessage, Frame, HeaderValues, Inbound, MirrorHeaders, decode};

use crate::config::AuditValues;
use crate::pipeline::redacted;

/// The arguments (JSON text of an object) as an audit record would hold them. What cannot be read
/// is not shown at all.
pub fn redacted_arguments(values: AuditValues, json: &str) -> String {
    // The arguments of a call, so that they are read by the one parser that reads arguments.
    let call = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"tools/call\",\"params\":{{\"name\":\"-\",\"arguments\":{json}}}}}"
    );
    let none = HeaderValues::default;
    let headers = MirrorHeaders { protocol_version: none(), method: none(), name: none() };
    let frame = Frame { body: Bytes::from(call), headers, batch: BatchRule::Refused };
    match decode(frame) {
        Ok(Inbound::One(ClientMessage::Request(request))) => {
            redacted(values, request.arguments().map(mcp::Arguments::node)).into_owned()
        }
        Ok(Inbound::One(_) | Inbound::Batch(_)) | Err(_) => "{}".to_owned(),
    }
}

#[cfg(test)]
mod tests;
