//! What a recorder does with one message: runs it, writes it down, and says the result as raw JSON
//! text. The transport around it lives elsewhere.

use serde_json::{Value, json};

use super::lenient::understood;
use super::log::{Executed, Forwarded};
use super::node::Node;
use super::strict::Message;
use super::tools;
use super::{Fault, Personality, Server};

/// A tool's own failure, as a result.
pub(super) const TOOL_FAILED: &str =
    r#"{"content":[{"type":"text","text":"the tool failed"}],"isError":true}"#;

/// The stateless revision.
pub(super) const MODERN: &str = "2026-07-28";

/// What becomes of a message.
#[derive(Debug)]
pub(super) enum Outcome {
    /// No answer: a notification or a response.
    Accepted,
    /// A result, as JSON text.
    Result(String),
    /// A JSON-RPC error.
    Error(i64, String),
    /// The call ran, and then this happened.
    Faulted(Fault),
}

/// The protocol era of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    Legacy,
    Modern,
}

impl Server {
    /// Acts on a message.
    pub(super) async fn act(&self, message: &Message, era: Era) -> Outcome {
        let Some(method) = message.method.as_deref() else {
            self.note(message, "(response)");
            return Outcome::Accepted;
        };
        self.note(message, method);
        let lenient = self.options.personality == Personality::Lenient;
        let method = if lenient { understood(method) } else { method.to_owned() };
        let runs = method == "tools/call" || (lenient && is_alias(&method));
        if runs && (message.id.is_some() || lenient) {
            return self.call(message, &method, era).await;
        }
        if message.id.is_none() {
            return Outcome::Accepted;
        }
        self.answer(message, &method, era)
    }

    fn note(&self, message: &Message, method: &str) {
        let subject = message.text("name").or_else(|| message.text("uri")).unwrap_or_default();
        self.log.forward(Forwarded {
            server: self.options.name,
            method: method.to_owned(),
            subject: subject.to_owned(),
        });
    }

    async fn call(&self, message: &Message, method: &str, era: Era) -> Outcome {
        let Some(tool) = self.tool_of(message, method) else {
            let name = message.text("name").unwrap_or_default();
            return Outcome::Error(-32602, format!("Unknown tool: {name}"));
        };
        let arguments = message
            .params
            .member(|key| key == "arguments")
            .map_or_else(|| json!({}), |found| self.read_arguments(found));
        let executed = Executed {
            server: self.options.name,
            tool: tool.clone(),
            arguments: arguments.clone(),
        };
        // Before it is written down: who saw that a call ran may change what becomes of later ones only.
        let fault = self.fault.lock().expect("no holder panics").clone();
        self.log.execute(executed);
        match fault {
            Some(Fault::Held) => {
                self.gate.acquire().await.expect("never closed").forget();
            }
            Some(Fault::Result(text)) => return Outcome::Result(text),
            Some(Fault::RpcError(code)) => {
                return Outcome::Error(code, "after the deed".to_owned());
            }
            Some(other) => return Outcome::Faulted(other),
            None => {}
        }
        if era == Era::Legacy && message.params.member(|key| key == "task").is_some() {
            return result(json!({ "task": self.new_task() }), era);
        }
        let said = json!({ "ran": tool, "on": self.options.name, "arguments": arguments });
        let content = json!([{ "type": "text", "text": said.to_string() }]);
        result(json!({ "content": content, "isError": false }), era)
    }

    /// Begins a task (2025-11-25). The server takes all its clients for one, as one behind a gateway's single
    /// credential does.
    fn new_task(&self) -> Value {
        let mut tasks = self.tasks.lock().expect("no holder panics");
        let id = format!("{}-task-{}", self.options.name, tasks.len() + 1);
        let begun = task(&id);
        tasks.push(id);
        begun
    }

    /// The tool that a call means, in the eyes of this server.
    fn tool_of(&self, message: &Message, method: &str) -> Option<String> {
        let tools = self.tools.lock().expect("no holder panics");
        let known: Vec<&str> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
        if self.options.personality == Personality::Strict {
            let name = message.text("name")?;
            return known.contains(&name).then(|| name.to_owned());
        }
        let name = match message.params.member(|key| key == "name") {
            Some(Node::Text(name)) => understood(name),
            Some(Node::Array(names)) => names.first().and_then(Node::as_text).map(understood)?,
            _ => understood(method.rsplit('/').next()?),
        };
        let same = |tool: &&&str| {
            let tool = understood(tool);
            name == tool
                || name.rsplit(['/', '.', ':', '\\']).next() == Some(tool.as_str())
                || name.ends_with(&format!("__{tool}"))
        };
        known.iter().find(same).map(|tool| (*tool).to_owned())
    }

    fn read_arguments(&self, found: &Node) -> Value {
        let lenient = self.options.personality == Personality::Lenient;
        match found {
            Node::Text(text) if lenient => {
                serde_json::from_str(text).unwrap_or_else(|_problem| json!(text))
            }
            other => other.to_value(),
        }
    }

    fn answer(&self, message: &Message, method: &str, era: Era) -> Outcome {
        let listed = |key: &str, items: Value| {
            let mut list = json!({ key: items });
            if era == Era::Modern {
                list["ttlMs"] = json!(30_000);
                list["cacheScope"] = json!("public");
            }
            result(list, era)
        };
        match method {
            "initialize" if era == Era::Legacy => {
                let asked = message.text("protocolVersion").unwrap_or("2025-11-25");
                result(described(asked), era)
            }
            "server/discover" if era == Era::Modern => result(discovered(), era),
            "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => {
                result(json!({}), era)
            }
            "tools/list" => {
                let tools = self.tools.lock().expect("no holder panics").clone();
                listed("tools", Value::Array(tools))
            }
            "resources/list" => listed("resources", tools::resources()),
            "resources/templates/list" => listed("resourceTemplates", tools::templates()),
            "prompts/list" => listed("prompts", tools::prompts()),
            "resources/read" => {
                let uri = message.text("uri").unwrap_or_default();
                let content = json!({ "uri": uri, "mimeType": "text/plain", "text": "content" });
                listed("contents", json!([content]))
            }
            "prompts/get" => {
                let words = json!({ "type": "text", "text": "words" });
                result(json!({ "messages": [{ "role": "user", "content": words }] }), era)
            }
            "tasks/list" if era == Era::Legacy => {
                let tasks = self.tasks.lock().expect("no holder panics");
                let tasks: Vec<Value> = tasks.iter().map(|id| task(id)).collect();
                result(json!({ "tasks": tasks, "nextCursor": "more" }), era)
            }
            "tasks/get" if era == Era::Legacy => {
                result(task(message.text("taskId").unwrap_or_default()), era)
            }
            "completion/complete" => {
                result(json!({ "completion": { "values": ["one", "two"], "hasMore": false } }), era)
            }
            other => Outcome::Error(-32601, format!("Method not found: {other}")),
        }
    }
}

fn result(mut value: Value, era: Era) -> Outcome {
    if era == Era::Modern {
        value["resultType"] = json!("complete");
    }
    Outcome::Result(value.to_string())
}

/// A task that runs.
fn task(id: &str) -> Value {
    json!({
        "taskId": id, "status": "working", "ttl": 60_000, "x-vendor": true,
        "createdAt": "2026-11-25T10:30:00Z", "lastUpdatedAt": "2026-11-25T10:30:00Z",
    })
}

/// Methods by which one vendor or another runs a tool.
fn is_alias(method: &str) -> bool {
    let known =
        ["tools/execute", "tools/invoke", "call_tool", "tool/call", "notifications/tools/call"];
    let squeezed = method.replace("//", "/");
    known.contains(&squeezed.as_str()) || squeezed == "tools/call" || method.starts_with("x/")
}

fn capabilities() -> Value {
    json!({
        "tools": { "listChanged": true },
        "resources": { "subscribe": true, "listChanged": true },
        "prompts": { "listChanged": true },
        "logging": {},
        "completions": {},
    })
}

fn described(version: &str) -> Value {
    json!({
        "protocolVersion": version,
        "capabilities": capabilities(),
        "serverInfo": { "name": "recorder", "version": "1.0.0" },
        "instructions": "Everything is written down.",
    })
}

fn discovered() -> Value {
    json!({
        "supportedVersions": [MODERN, "2025-11-25", "2025-06-18", "2025-03-26"],
        "capabilities": capabilities(),
        "ttlMs": 30_000,
        "cacheScope": "public",
        "_meta": {
            "io.modelcontextprotocol/serverInfo": { "name": "recorder", "version": "1.0.0" },
        },
    })
}
