//! The other ways in which the product is started: they are no less careful than `serve`, and carry
//! nobody else's code for the protocol.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use it::gateway::{Config, Gateway};
use it::recorder::{Log, Options, Recorder};
use it::scene::{SERVER, Scene, call_body};
use it::wire::{self, Ask};
use it::{places, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::children::runs;
use super::{LIST, hello_body};

/// A quoted value of a configuration.
fn value_of<'t>(text: &'t str, key: &str) -> &'t str {
    let line = text.lines().find(|line| line.starts_with(&format!("{key} = ")));
    line.and_then(|line| line.split('"').nth(1)).unwrap_or_else(|| panic!("no {key} in {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_is_as_closed_as_the_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("demo/portcullis.toml");
    let _demo = Command::new(places::binary("portcullis"))
        .args(["demo", "--dir", "demo"])
        .current_dir(folder.path())
        .env_clear()
        .env("HOME", folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("the demo starts");
    let text = wait::until("the demo's configuration", || async {
        std::fs::read_to_string(&file).ok().filter(|text| text.contains("[[api_token]]"))
    })
    .await;
    let door: SocketAddr = value_of(&text, "gateway").parse().expect("an address");
    let console: SocketAddr = value_of(&text, "console").parse().expect("an address");
    assert!(door.ip().is_loopback() && console.ip().is_loopback());
    let token = value_of(&text, "token").to_owned();
    let good = Ask::mcp("/mcp/pay", &token, LIST);
    let listed = wait::until("the demo to answer", || async {
        wire::ask(door, &good).await.ok().filter(|answer| answer.status == 200)
    })
    .await;
    assert!(listed.text().contains("pay_invoice"), "{}", listed.text());
    for wrong in ["demo", "portcullis-demo-token", ""] {
        let answer = wire::ask(door, &Ask::mcp("/mcp/pay", wrong, LIST)).await.expect("an answer");
        assert_eq!(answer.status, 401, "{wrong}");
    }
    let away = Ask::mcp("/mcp/pay", &token, LIST).set("Origin", "http://page.example");
    assert_eq!(wire::ask(door, &away).await.expect("an answer").status, 403);
    let rebound = Ask::mcp("/mcp/pay", &token, LIST).set("Host", "page.example");
    assert_eq!(wire::ask(door, &rebound).await.expect("an answer").status, 403);
    for path in ["grants", "audit", "approvals"] {
        let ask = Ask::bare("GET", &format!("/api/v1/{path}"));
        assert_eq!(wire::ask(console, &ask).await.expect("an answer").status, 401, "{path}");
    }
    let mode = std::fs::metadata(&file).expect("the file").permissions().mode();
    assert_eq!(mode & 0o077, 0, "tokens stand in it: {mode:o}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrapped_server_is_judged_as_any_and_ends_with_all_that_it_started() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = Log::default();
    let recorder = Recorder::start(Options::strict(SERVER), log.clone()).await;
    let policy = json!({ "version": "1", "default": "deny", "tools": { "read_item": {} } });
    std::fs::write(folder.path().join("policy.json"), policy.to_string()).expect("a file");
    let note = folder.path().join("started");
    let script = format!(
        "/bin/sleep 86398 & echo $$ $! >> {}; exec {} {}",
        note.display(),
        places::binary("stdio-bridge").display(),
        recorder.pipe_port()
    );
    let mut client = Command::new(places::binary("portcullis"))
        .args(["run", "--policy", "policy.json", "--", "/bin/sh", "-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut stdin = client.stdin.take().expect("a pipe");
    let mut lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
    let mut said = Vec::new();
    let messages = [
        hello_body("agent"),
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#.to_owned(),
        call_body(1, "read_item", &json!({ "id": "allowed" })),
        call_body(2, "delete_all", &json!({})),
    ];
    for message in messages {
        stdin.write_all(format!("{message}\n").as_bytes()).await.expect("it reads");
        let asked: Value = serde_json::from_str(&message).expect("JSON");
        while asked.get("id").is_some() {
            let line = wait::bounded("an answer", lines.next_line()).await.expect("a line");
            let line: Value = serde_json::from_str(&line.expect("it goes on")).expect("JSON");
            let answers = line["id"] == asked["id"];
            said.push(line);
            if answers {
                break;
            }
        }
    }
    let last = said.last().expect("an answer").to_string();
    assert!(last.contains("[POLICY DENIED]"), "{last}");
    assert_eq!(log.tools_after(0), ["read_item"]);
    drop(stdin);
    let ended = wait::bounded("the end", client.wait()).await.expect("it can be awaited");
    assert!(ended.success(), "{ended}");
    let started = std::fs::read_to_string(&note).expect("it was started");
    for process in started.split_whitespace() {
        let process: i32 = process.parse().expect("a process");
        wait::until("the end of what was started", || async { (!runs(process)).then_some(()) })
            .await;
    }
}

/// A client on stdio, carried to a gateway.
struct Carried {
    _client: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Carried {
    fn start(gateway: &Gateway, label: &str) -> Self {
        let url = format!("http://{}/mcp/{SERVER}", gateway.door);
        let mut client = Command::new(places::binary("portcullis"))
            .args(["connect", &url, "--token-env", "THE_TOKEN"])
            .env_clear()
            .env("THE_TOKEN", Config::token_of(label))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let stdin = client.stdin.take().expect("a pipe");
        let lines = BufReader::new(client.stdout.take().expect("a pipe")).lines();
        Self { _client: client, stdin, lines }
    }

    /// Asks in the stateless revision, and waits for the answer.
    async fn ask(&mut self, id: u64, method: &str, params: Value) -> Value {
        let mut body = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        body["params"]["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        self.stdin.write_all(format!("{body}\n").as_bytes()).await.expect("it reads");
        loop {
            let line = wait::bounded("an answer", self.lines.next_line()).await.expect("a line");
            let line: Value = serde_json::from_str(&line.expect("it goes on")).expect("JSON");
            if line["id"] == id {
                return line;
            }
        }
    }
}

/// The regions that the calls of the mirroring tool named in their header, as the server saw them.
fn regions(scene: &Scene) -> Vec<Option<String>> {
    let calls = scene.log.requests().into_iter().filter(|request| request.holds("tools/call"));
    calls.map(|call| call.header("mcp-param-region").map(str::to_owned)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_carried_client_mirrors_arguments_whether_it_listed_or_not() {
    let policy = json!({
        "version": "1", "default": "deny",
        "tools": { "mirror": { "require": [
            { "conditions": [{ "path": "args.region", "op": "in", "value": ["zürich", "eu"] }] }
        ] } },
    });
    let scene = Scene::with_policy(&policy).await;
    let call = |region: Value| json!({ "name": "mirror", "arguments": { "region": region } });
    let mut hasty = Carried::start(&scene.gateway, "agent");
    for (id, region) in [(1, "zürich"), (2, "eu")] {
        let answer = hasty.ask(id, "tools/call", call(json!(region))).await;
        assert!(answer["result"]["content"][0]["text"].to_string().contains(region), "{answer}");
    }
    // The gateway checked the header against the argument, and the server saw both.
    let encoded = Some("=?base64?esO8cmljaA==?=".to_owned());
    assert_eq!(regions(&scene), [encoded, Some("eu".to_owned())]);
    let mut careful = Carried::start(&scene.gateway, "agent");
    let listed = careful.ask(1, "tools/list", json!({})).await;
    assert_eq!(listed["result"]["tools"][0]["name"], "mirror", "{listed}");
    let answer = careful.ask(2, "tools/call", call(json!("eu"))).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    // What is absent or null is not mirrored, and a denial is no reason to list again.
    for (id, arguments) in [(3, json!({ "region": null })), (4, json!({}))] {
        let params = json!({ "name": "mirror", "arguments": arguments });
        let answer = careful.ask(id, "tools/call", params).await;
        assert!(answer["result"]["content"][0]["text"].to_string().contains("DENIED"), "{answer}");
    }
    assert_eq!(scene.log.executed_count(), 3);
    let refused = scene.gateway.audit().await;
    let refused = refused.iter().filter(|row| row["kind"] == "rejected" && row["grant"] == "agent");
    let refused = refused.count();
    assert_eq!(refused, 1, "the hasty client's first call, which did not run");
}

#[test]
fn the_product_carries_nobody_elses_protocol_or_second_reader() {
    let crates = places::own("../../crates");
    for entry in std::fs::read_dir(crates).expect("the folder") {
        let manifest = entry.expect("a crate").path().join("Cargo.toml");
        let Ok(text) = std::fs::read_to_string(&manifest) else { continue };
        let own = text.split("[dev-dependencies]").next().unwrap_or_default();
        for kit in ["rmcp", "mcp-sdk", "jsonrpsee", "jsonrpc-core", "pingora", "h2", "simd-json"] {
            let names = |line: &str| {
                let line = line.trim_start();
                line.strip_prefix(kit).is_some_and(|rest| rest.trim_start().starts_with(['=', '.']))
            };
            assert!(!own.lines().any(names), "{kit} in {}", manifest.display());
        }
    }
}
