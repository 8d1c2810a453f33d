//! `portcullis approvals watch` in a real terminal and without one, beside the store and over the API
//! of a running server.

use std::process::Stdio;

use it::gateway::ADMIN_TOKEN;
use it::scene::{Scene, denied, held, ran, said};
use it::{places, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

async fn hold(scene: &Scene, scope: &str) {
    assert!(held(&scene.call("agent", "delete_all", json!({ "scope": scope })).await));
}

/// Where the command looks.
fn arguments(scene: &Scene, over_api: bool) -> Vec<String> {
    let mut words = vec!["approvals".to_owned(), "watch".to_owned()];
    if over_api {
        let url = format!("http://{}", scene.gateway.console);
        words.extend(["--url".to_owned(), url, "--token-env".to_owned(), "API_TOKEN".to_owned()]);
    } else {
        let file = scene.gateway.config_file().to_string_lossy().into_owned();
        words.extend(["--config".to_owned(), file]);
    }
    words
}

/// Runs the command in a terminal that types these steps.
async fn in_terminal(scene: &Scene, over_api: bool, steps: Value) -> Value {
    let mut command = Command::new(places::tool("python/bin/python"));
    command
        .arg(places::own("python/watch.py"))
        .arg(steps.to_string())
        .arg(places::binary("portcullis"))
        .args(arguments(scene, over_api))
        .current_dir(scene.gateway.folder())
        .env("API_TOKEN", ADMIN_TOKEN)
        .envs(scene_variables())
        .kill_on_drop(true);
    let output = wait::bounded("the terminal", command.output()).await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let end: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_odd| panic!("{output:?}"));
    assert!(end["failed"].is_null(), "{end:#}");
    end
}

/// The variables that the configuration names.
fn scene_variables() -> Vec<(&'static str, &'static str)> {
    vec![("CREDENTIAL_ALPHA", "Bearer unused")]
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_decide_in_a_terminal_over_the_api() {
    let scene = Scene::with_policy(&ask_always()).await;
    hold(&scene, "first").await;
    hold(&scene, "second").await;
    let steps = json!([
        { "show": "Held calls: 2" },
        { "show": "first" },
        { "type": "?" },
        { "show": "approve exactly this call" },
        { "type": "x" },
        { "show": "alpha/delete_all" },
        { "type": "a" },
        { "show": "is approved" },
        { "show": "Held calls: 1" },
        { "type": "j" },
        { "show": "second" },
        { "type": "r" },
        { "show": "reason" },
        { "type": "not today\r" },
        { "show": "is rejected" },
        { "type": "q" },
    ]);
    let end = in_terminal(&scene, true, steps).await;
    assert_eq!(end["code"], 0, "{end:#}");
    assert!(ran(&scene.call("agent", "delete_all", json!({ "scope": "first" })).await));
    let refused = scene.call("agent", "delete_all", json!({ "scope": "second" })).await;
    assert!(denied(&refused));
    assert!(said(&refused).contains("not today"), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_while_somebody_watches_shows_beside_the_store() {
    let scene = Scene::with_policy(&ask_always()).await;
    let coming = async {
        hold(&scene, "later").await;
    };
    let steps = json!([
        { "show": "later" },
        { "type": "a" },
        { "show": "is approved" },
        { "type": "q" },
    ]);
    let (end, ()) = tokio::join!(in_terminal(&scene, false, steps), coming);
    assert_eq!(end["code"], 0, "{end:#}");
    // The decision was written by another process: the gateway notices within half a second.
    wait::until("the approved call", || async {
        let answer = scene.call("agent", "delete_all", json!({ "scope": "later" })).await;
        ran(&answer).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_lines_come_and_lines_decide() {
    let scene = Scene::with_policy(&ask_always()).await;
    hold(&scene, "first").await;
    let mut child = Command::new(places::binary("portcullis"))
        .args(arguments(&scene, true))
        .env("API_TOKEN", ADMIN_TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let line = wait::bounded("a line", lines.next_line()).await.expect("readable").expect("a line");
    assert!(line.starts_with("[1] alpha/delete_all") && line.contains("first"), "{line}");
    let mut typed = child.stdin.take().expect("an input");
    typed.write_all(b"a 1 because\n").await.expect("written");
    wait::until("the decision", || async { scene.pending().await.is_empty().then_some(()) }).await;
    assert!(ran(&scene.call("agent", "delete_all", json!({ "scope": "first" })).await));
}
