//! Where secrets must not be found: files, logs, the environment of children, terminals.

use std::path::Path;

use it::gateway::{ADMIN_TOKEN, Config};
use it::recorder::Options;
use it::scene::{Plan, SERVER, call_body, ran};
use serde_json::json;

use crate::regressions::children::{children, piped};
use crate::regressions::open;

/// Whether a text stands in any file below a folder, by the path of the first.
fn found_below(folder: &Path, text: &str) -> Option<String> {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if let Some(found) = found_below(&path, text) {
                return Some(found);
            }
            continue;
        }
        // Files come and go beside a database.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if bytes.windows(text.len()).any(|window| window == text.as_bytes()) {
            return Some(path.display().to_string());
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn s20_s21_no_secret_lies_in_data_or_log() {
    let mut plan = Plan::plain().await.granting("agent", &open());
    plan.config.audit = vec!["values = \"redacted\"".to_owned()];
    let mut scene = plan.start().await;
    let arguments = json!({ "id": "a", "password": "pass-of-an-argument", "api_key": ["k-1"] });
    assert!(ran(&scene.call("agent", "read_item", arguments).await));
    let refused = scene.gateway.call(SERVER, "a-token-that-is-wrong-1", "read_item", json!({}));
    assert_eq!(refused.await.status, 401);
    let new = json!({ "label": "made", "server": SERVER });
    let made = scene.gateway.api("POST", "grants", Some(new)).await;
    let made: serde_json::Value = serde_json::from_slice(&made.body).expect("JSON");
    let made = made["token"].as_str().expect("a token").to_owned();
    let credential = Options::strict(SERVER).credential;
    let secrets = [
        Config::token_of("agent"),
        made,
        ADMIN_TOKEN.to_owned(),
        credential.trim_start_matches("Bearer ").to_owned(),
        "pass-of-an-argument".to_owned(),
        "a-token-that-is-wrong-1".to_owned(),
    ];
    for round in ["while it runs", "after it ended"] {
        for secret in &secrets {
            let data = found_below(&scene.gateway.folder().join("data"), secret);
            assert_eq!(data, None, "{secret} {round}");
            assert!(!scene.gateway.log().contains(secret.as_str()), "{secret} {round}");
        }
        if round == "while it runs" {
            let command = format!("/proc/{}/cmdline", scene.gateway.pid().as_raw_nonzero());
            let command = std::fs::read_to_string(command).expect("it runs");
            assert!(secrets.iter().all(|secret| !command.contains(secret.as_str())), "{command}");
            scene.gateway.kill().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s15_a_child_gets_the_declared_variables_and_nothing_of_the_gateways() {
    let scene = piped(|server, _recorder| server).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let children = children(&scene);
    assert!(!children.is_empty());
    for (child, _state) in children {
        let environment = std::fs::read(format!("/proc/{child}/environ")).expect("it runs");
        let environment = String::from_utf8_lossy(&environment).into_owned();
        let names: Vec<&str> = environment
            .split('\0')
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, _value)| name)
            .collect();
        assert_eq!(names, [it::recorder::CREDENTIAL_VARIABLE], "{names:?}");
        assert!(!environment.contains(ADMIN_TOKEN));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s23_nothing_that_an_agent_says_moves_a_cursor() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    let name = "\u{1b}]0;owned\u{7}\u{9b}31m\r\nINFO forged=true";
    let body = call_body(1, name, &json!({ name: name }));
    assert!(scene.post("agent", &body).await.reply().get("error").is_some());
    let initialize = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": name, "version": name },
        },
    });
    scene.post("agent", &initialize.to_string()).await;
    let harmless = |text: &str, of: &str| {
        let bad = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
        assert_eq!(bad, None, "{of}: {text:?}");
        assert!(!text.lines().any(|line| line.starts_with("INFO forged")), "{of}: {text}");
    };
    harmless(&scene.gateway.log(), "the log");
    for words in [&["audit", "query"][..], &["approvals", "list"]] {
        let output = scene.gateway.command(words).output().await.expect("it runs");
        harmless(&String::from_utf8_lossy(&output.stdout), words[0]);
    }
}
