//! How the strict server reads: one JSON object, no duplicate keys, the members of JSON-RPC exactly
//! as they are spelt. Says no to everything else.

use super::log::RawRequest;
use super::node::Node;

/// A message that may be acted on.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// The id as JSON text; nothing for a notification.
    pub(super) id: Option<String>,
    /// The method; nothing for a response to one of the server's own requests.
    pub(super) method: Option<String>,
    pub(super) params: Node,
}

impl Message {
    /// A text under `params`.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.params.member(|held| held == key).and_then(Node::as_text)
    }
}

/// Why a body was refused: the JSON-RPC code and words.
pub(super) type Refusal = (i64, &'static str);

/// Reads a POST.
pub(super) fn read(request: &RawRequest) -> Result<Message, Refusal> {
    if request.method == "POST" {
        let media = request.header("content-type").unwrap_or_default().to_ascii_lowercase();
        let plain = media.split(';').next().unwrap_or_default().trim() == "application/json";
        if !plain || request.header("content-encoding").is_some() {
            return Err((-32600, "not JSON"));
        }
    }
    let node: Node =
        serde_json::from_slice(&request.body).map_err(|_problem| (-32700, "no JSON"))?;
    if node.has_duplicates() {
        return Err((-32600, "a key stands twice"));
    }
    message(&node)
}

fn message(node: &Node) -> Result<Message, Refusal> {
    let member = |key: &str| node.member(|held| held == key);
    if member("jsonrpc").and_then(Node::as_text) != Some("2.0") {
        return Err((-32600, "not JSON-RPC 2.0"));
    }
    let id = match member("id") {
        None => None,
        Some(Node::Text(text)) => Some(serde_json::Value::from(text.as_str()).to_string()),
        Some(Node::Number(number)) if number.parse::<i64>().is_ok() => Some(number.clone()),
        Some(_other) => return Err((-32600, "an id is a text or a whole number")),
    };
    let method = member("method").and_then(Node::as_text).map(str::to_owned);
    let answer = member("result").is_some() || member("error").is_some();
    if method.is_none() != answer {
        return Err((-32600, "neither request nor response"));
    }
    let params = member("params").cloned().unwrap_or_else(|| Node::Object(Vec::new()));
    if !matches!(params, Node::Object(_)) {
        return Err((-32602, "params are an object"));
    }
    Ok(Message { id, method, params })
}
