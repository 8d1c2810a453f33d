//! The messages of a run, as text: what the load generator asks, what the mock server answers, and
//! whether an answer is the one that was asked for. No sockets.

use serde_json::{Value, json};

use crate::workload::{CALLED, Method, Shape, tool_name};

/// The revision that every session speaks.
pub(crate) const REVISION: &str = "2025-11-25";
/// The tool that makes the mock server send [`announcement`] on every open stream.
pub(crate) const ANNOUNCE: &str = "announce";
/// What an announcement holds.
pub(crate) const ANNOUNCED: &str = "announced-to-every-stream";
/// How a request begins, up to its id.
pub(crate) const OPENING: &str = r#"{"jsonrpc":"2.0","id":"#;
/// Digits of every id of a measured request, so that all requests are equally long.
pub(crate) const ID_DIGITS: usize = 10;
/// The first id of a run.
pub(crate) const FIRST_ID: u64 = 1_000_000_000;
/// How the length of the request that the server has seen is called in its answer.
const RECEIVED: &str = "bench/received";

/// A measured request; its id is [`FIRST_ID`], right after [`OPENING`].
pub(crate) fn request(shape: &Shape) -> String {
    let method = match shape.method {
        Method::List => return format!(r#"{OPENING}{FIRST_ID},"method":"tools/list"}}"#),
        Method::Call => "tools/call",
    };
    let arguments = json!({
        "note": filler(shape.argument_bytes), "amount": 129.95, "currency": "EUR",
        "recipient": "acct-7731",
    });
    let params = json!({ "name": CALLED, "arguments": arguments });
    format!(r#"{OPENING}{FIRST_ID},"method":"{method}","params":{params}}}"#)
}

/// The first message of a session.
pub(crate) fn initialize() -> String {
    let client = json!({ "name": "bench-load", "version": "1" });
    let params = json!({ "protocolVersion": REVISION, "capabilities": {}, "clientInfo": client });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string()
}

/// The second one.
pub(crate) fn initialized() -> String {
    json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string()
}

/// The call that makes the server send [`announcement`].
pub(crate) fn announce() -> String {
    let params = json!({ "name": ANNOUNCE, "arguments": {} });
    json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params }).to_string()
}

/// What the server sends on every open stream.
pub(crate) fn announcement() -> String {
    let params = json!({ "level": "error", "data": ANNOUNCED });
    json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": params }).to_string()
}

/// The definitions of the mock server's tools.
pub(crate) fn tools(shape: &Shape) -> Vec<Value> {
    let properties = json!({
        "note": { "type": "string" }, "amount": { "type": "number" },
        "currency": { "type": "string" }, "recipient": { "type": "string" },
    });
    let schema = json!({ "type": "object", "properties": properties });
    let bare =
        schema.to_string().len() + r#"{"name":"tool_000","description":"","inputSchema":}"#.len();
    let description = filler(shape.tool_bytes.saturating_sub(bare));
    let tool =
        |name: String| json!({ "name": name, "description": description, "inputSchema": schema });
    let own = (0..shape.tools).map(tool_name);
    own.chain([ANNOUNCE.to_owned()]).map(tool).collect()
}

/// The answer to a call, in two parts around the id and the length of the request.
pub(crate) fn call_answer(id: &str, received: usize) -> String {
    format!(
        r#"{OPENING}{id},"result":{{"_meta":{{"{RECEIVED}":{received}}},"content":[{{"type":"text","text":""#
    )
}

/// What follows [`call_answer`].
pub(crate) fn call_answer_end(shape: &Shape) -> String {
    format!(r#"{}"}}],"isError":false}}}}"#, filler(shape.text_bytes))
}

/// The answer to a list, up to and without the tools.
pub(crate) fn list_answer(id: &str) -> String {
    format!(r#"{OPENING}{id},"result":{{"tools":"#)
}

/// What follows [`list_answer`].
pub(crate) fn list_answer_end(shape: &Shape) -> String {
    format!("{}}}}}", Value::from(tools(shape)))
}

/// Text of so many bytes that JSON need not escape.
fn filler(bytes: usize) -> String {
    const WORDS: &str = "an invoice of last month that nobody has looked at yet, ";
    WORDS.chars().cycle().take(bytes).collect()
}

/// Why an answer does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The gateway refused the call.
    Denied(String),
    /// Anything else that is not the answer.
    Wrong(String),
}

/// What a right answer to a measured request is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Expected {
    /// The workload's sizes.
    pub(crate) shape: Shape,
    /// Bytes of the request.
    pub(crate) request_bytes: usize,
    /// Tools in a list.
    pub(crate) tools: usize,
}

impl Expected {
    /// Reads a whole answer and compares it with what was asked.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub(crate) fn check(&self, body: &[u8], id: u64) -> Result<(), Fault> {
        let text = std::str::from_utf8(body).map_err(|_invalid| wrong("no UTF-8", body))?;
        let is_json = text.starts_with('{');
        let message = if is_json { serde_json::from_str(text).ok() } else { last_event(text) };
        let message: Value = message.ok_or_else(|| wrong("no JSON-RPC message", body))?;
        if let Some(refusal) = refusal(&message) {
            return Err(Fault::Denied(refusal));
        }
        if message.get("id").and_then(Value::as_u64) != Some(id) {
            return Err(wrong("another id", body));
        }
        let result = message.get("result").ok_or_else(|| wrong("no result", body))?;
        let right = match self.shape.method {
            Method::List => self.is_list(result),
            Method::Call => self.is_answer(result),
        };
        if right { Ok(()) } else { Err(wrong("another result than expected", body)) }
    }

    fn is_answer(&self, result: &Value) -> bool {
        let received = result.get("_meta").and_then(|meta| meta.get(RECEIVED)?.as_u64());
        let text = result.pointer("/content/0/text").and_then(Value::as_str);
        result.get("isError") == Some(&Value::Bool(false))
            && received.and_then(|bytes| usize::try_from(bytes).ok()) == Some(self.request_bytes)
            && text == Some(&filler(self.shape.text_bytes))
    }

    /// The right number of tools, each as the server defined it.
    fn is_list(&self, result: &Value) -> bool {
        let Some(listed) = result.get("tools").and_then(Value::as_array) else {
            return false;
        };
        let defined = tools(&self.shape);
        listed.len() == self.tools && listed.iter().all(|tool| defined.contains(tool))
    }
}

/// The message of the last event with one.
fn last_event(stream: &str) -> Option<Value> {
    let data = stream.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data).ok()).next_back()
}

/// What the gateway said, if it refused.
fn refusal(message: &Value) -> Option<String> {
    if let Some(error) = message.get("error") {
        return Some(error.to_string());
    }
    let result = message.get("result")?;
    let refused = result.get("isError") == Some(&Value::Bool(true));
    refused.then(|| result.get("content").unwrap_or(result).to_string())
}

/// Characters of an answer that are shown.
const SHOWN_CHARS_MAX: usize = 300;

pub(crate) fn wrong(what: &str, body: &[u8]) -> Fault {
    let shown: String = String::from_utf8_lossy(body).chars().take(SHOWN_CHARS_MAX).collect();
    Fault::Wrong(format!("{what}: {shown}"))
}

#[cfg(test)]
#[path = "message_tests.rs"]
mod tests;
