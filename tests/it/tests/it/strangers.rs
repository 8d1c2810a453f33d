//! What somebody without the right to know can learn: nothing. And what somebody who only wants to
//! keep the gateway busy achieves: little.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use it::gateway::{ADMIN_TOKEN, Config, Grant};
use it::scene::{Plan, SERVER, Scene, call_body, ran};
use it::wire::{self, Answer, Ask};
use it::{places, wait};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// More are closed at once (docs/configuration.md, Bounds).
const CONSOLE_CONNECTIONS_MAX: usize = 256;

fn hiding() -> Value {
    json!({ "version": "1", "default": "allow", "hide": ["delete_all"], "tools": {} })
}

/// An answer without what may differ: the request's own name and time.
fn shape(answer: &Answer, own: &str) -> (u16, String, Vec<String>) {
    let names = answer.headers.iter().map(|(name, _value)| name.clone()).collect();
    (answer.status, answer.text().replace(own, "NAME"), names)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hidden_tool_looks_like_none() {
    let scene = Scene::with_policy(&hiding()).await;
    let hidden = scene.call("agent", "delete_all", json!({})).await;
    let none = scene.call("agent", "no_such_tool", json!({})).await;
    assert_eq!(hidden.reply()["error"]["code"], json!(-32602));
    assert_eq!(shape(&hidden, "delete_all"), shape(&none, "no_such_tool"));
    assert!(hidden.text().contains("Unknown tool: delete_all"), "{}", hidden.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn all_wrong_tokens_look_alike() {
    let mut plan = Plan::plain().await.granting("agent", &hiding());
    let mut over = Grant::new("over", SERVER, None, "token-of-a-grant-that-is-over");
    over.lines.push("expires = \"2020-01-01T00:00:00Z\"".to_owned());
    plan.config.grants.push(over);
    let scene = plan.start().await;
    let body = call_body(1, "read_item", &json!({}));
    let mut seen = Vec::new();
    for token in ["unknown-token-of-nobody", "token-of-a-grant-that-is-over", "x", "pcl_broken"] {
        let answer = scene.gateway.post(SERVER, token, &body).await;
        assert_eq!(answer.status, 401, "{token}");
        let challenge = answer.header("www-authenticate").unwrap_or_default().to_owned();
        assert!(challenge.starts_with("Bearer resource_metadata=\"http://"), "{challenge}");
        seen.push(shape(&answer, token));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_grants_server_looks_like_none() {
    let mut plan = Plan::plain().await.granting("agent", &hiding());
    let mut other = plan.config.servers[0].clone();
    "other".clone_into(&mut other.slug);
    plan.config.servers.push(other);
    let scene = plan.start().await;
    let token = Config::token_of("agent");
    let body = call_body(1, "read_item", &json!({}));
    let foreign = scene.gateway.post("other", &token, &body).await;
    let none = scene.gateway.post("nobody", &token, &body).await;
    assert_eq!(foreign.status, 404);
    assert_eq!(shape(&foreign, "other"), shape(&none, "nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_and_silent_connections_hold_nobody_up() {
    let scene = Scene::with_policy(&hiding()).await;
    let mut open = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(scene.gateway.door).await.expect("a connection");
        let beginning = match number % 3 {
            0 => "",
            1 => "POST /mcp/alpha HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: ",
            _ => "POST /mcp/alpha HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{",
        };
        stream.write_all(beginning.as_bytes()).await.expect("a beginning");
        open.push(stream);
    }
    for _call in 0..20 {
        let call = scene.call("agent", "read_item", json!({}));
        assert!(ran(&wait::bounded("a healthy call", call).await));
    }
    drop(open);
}

/// The product, started with few files that may be open until it asks for more.
fn with_few_files(folder: &Path) -> PathBuf {
    let script = folder.join("few-files");
    let product = places::binary("portcullis");
    let text = format!("#!/bin/sh\nulimit -Sn 128\nexec '{}' \"$@\"\n", product.display());
    std::fs::write(&script, text).expect("a script");
    let everybody_runs = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&script, everybody_runs).expect("its mode is set");
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_who_only_connect_do_not_use_up_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut plan = Plan::plain().await.granting("agent", &hiding());
    plan.config.program = with_few_files(folder.path());
    let scene = plan.start().await;
    let mut open = Vec::new();
    for _stranger in 0..300 {
        open.push(TcpStream::connect(scene.gateway.door).await.expect("a connection"));
    }
    for _call in 0..5 {
        let call = scene.call("agent", "read_item", json!({}));
        assert!(ran(&wait::bounded("a healthy call", call).await));
    }
    drop(open);
}

/// Waits until the other side closes one of the connections without an answer.
async fn one_is_closed(open: &mut [TcpStream]) {
    wait::until("a connection that is closed", || {
        let closed = open.iter().any(|stream| {
            let mut byte = [0];
            // What is still open has nothing to read.
            match stream.try_read(&mut byte) {
                Ok(read) => read == 0,
                Err(error) => error.kind() != ErrorKind::WouldBlock,
            }
        });
        std::future::ready(closed.then_some(()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flooded_console_closes_connections_and_holds_no_agent_up() {
    let scene = Scene::with_policy(&hiding()).await;
    let mut open = Vec::new();
    let host = "POST /api/v1/grants HTTP/1.1\r\nHost: 127.0.0.1\r\n";
    let unfinished =
        format!("{host}Authorization: Bearer {ADMIN_TOKEN}\r\nContent-Length: 9\r\n\r\n{{");
    for number in 0..CONSOLE_CONNECTIONS_MAX + 20 {
        let mut stream = TcpStream::connect(scene.gateway.console).await.expect("a connection");
        let beginning = match number % 3 {
            0 => "",
            1 => host,
            _ => &unfinished,
        };
        // One that is too many may be closed before it says anything.
        let _said = stream.write_all(beginning.as_bytes()).await;
        open.push(stream);
    }
    one_is_closed(&mut open).await;
    for _call in 0..20 {
        let call = scene.call("agent", "read_item", json!({}));
        assert!(ran(&wait::bounded("a healthy call", call).await));
    }
    drop(open);
    wait::until("a console that answers again", || async {
        let answer = wire::ask(scene.gateway.console, &Ask::bare("GET", "/livez")).await.ok()?;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agents_door_is_not_the_administrators() {
    let scene = Scene::with_policy(&hiding()).await;
    for path in ["/api/v1/grants", "/api/v1/audit", "/", "/metrics", "/readyz"] {
        let ask = Ask::bare("GET", path).with("Authorization", "Bearer admin-token");
        let answer = wire::ask(scene.gateway.door, &ask).await.expect("an answer");
        assert!((400..500).contains(&answer.status), "{path}: {}", answer.status);
    }
    let token = Config::token_of("agent");
    for path in ["/api/v1/grants", "/api/v1/audit", "/api/v1/approvals"] {
        let ask = Ask::bare("GET", path).with("Authorization", &format!("Bearer {token}"));
        let answer = wire::ask(scene.gateway.console, &ask).await.expect("an answer");
        assert!([401, 403].contains(&answer.status), "{path}: {}", answer.status);
    }
}
