//! The gateway's own messages, valid against the schemas of both eras. Never forwards anything.

use bytes::Bytes;

use crate::{id::RawId, version::Era};

/// A text as JSON, quotes included.
pub fn json_string(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A JSON-RPC error response. `data` is JSON text. Without an id the member is left out, as the schemas of 2025-11-25 and
/// 2026-07-28 have it.
pub fn error(id: Option<&RawId>, code: i64, message: &str, data: Option<&str>) -> Bytes {
    let id = id.map(|id| format!("\"id\":{},", id.as_str())).unwrap_or_default();
    let data = data.map(|data| format!(",\"data\":{data}")).unwrap_or_default();
    let message = json_string(message);
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",{id}\"error\":{{\"code\":{code},\"message\":{message}{data}}}}}"))
}

/// A JSON-RPC result response. `members` is the JSON text of the result's members without braces; a modern result that names no
/// `resultType` itself gets `"resultType":"complete"`.
pub fn result(id: &RawId, era: Era, members: &str) -> Bytes {
    let kind = match era {
        Era::Legacy => "",
        Era::Modern => "\"resultType\":\"complete\"",
    };
    let comma = if kind.is_empty() || members.is_empty() { "" } else { "," };
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{{kind}{comma}{members}}}}}", id.as_str()))
}

/// The refusal of a tool call: a result with `isError` that the model reads, and the decision as data. `decision` is the JSON
/// text of `_meta["portcullis/decision"]`.
pub fn tool_refusal(id: &RawId, era: Era, text: &str, decision: &str) -> Bytes {
    let text = json_string(text);
    let members = format!(
        "\"content\":[{{\"type\":\"text\",\"text\":{text}}}],\"isError\":true,\"_meta\":{{\"portcullis/decision\":{decision}}}"
    );
    result(id, era, &members)
}

/// A notification. `params` is JSON text of an object.
pub fn notification(method: &str, params: Option<&str>) -> Bytes {
    let params = params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"method\":{}{params}}}", json_string(method)))
}

/// Progress of a request, under the token that its sender chose (JSON text). `progress` must grow from message to message.
pub fn progress(token: &str, progress: u64, total: Option<u64>, message: Option<&str>) -> Bytes {
    let total = total.map(|total| format!(",\"total\":{total}")).unwrap_or_default();
    let message = message.map(|message| format!(",\"message\":{}", json_string(message))).unwrap_or_default();
    notification("notifications/progress", Some(&format!("{{\"progressToken\":{token},\"progress\":{progress}{total}{message}}}")))
}

/// A change notification of the gateway itself, such as `notifications/tools/list_changed`. On a modern subscription it carries
/// the subscription: the id of the `subscriptions/listen` request.
pub fn changed(method: &str, subscription: Option<&RawId>) -> Bytes {
    let params = subscription.map(|id| format!("{{\"_meta\":{{\"{}\":{}}}}}", crate::request::META_SUBSCRIPTION_ID, id.as_str()));
    notification(method, params.as_deref())
}

/// A request of the gateway itself. `params` is JSON text of an object.
pub fn request(id: &RawId, method: &str, params: Option<&str>) -> Bytes {
    let params = params.map(|params| format!(",\"params\":{params}")).unwrap_or_default();
    Bytes::from(format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":{}{params}}}", id.as_str(), json_string(method)))
}
