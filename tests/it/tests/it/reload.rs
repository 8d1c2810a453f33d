//! A changed configuration comes into force whole or not at all, and without a call being dropped.

use std::time::Duration;

use futures_util::future::join_all;
use it::scene::{Plan, Scene, denied, ran};
use it::wire::{self, Ask};
use it::{gateway::Config, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::regressions::{hello, listen};

fn only(tool: &str) -> Value {
    json!({ "version": "1", "default": "deny", "tools": { tool: {} } })
}

async fn verbose(scene: &Scene) -> String {
    let ask = Ask::bare("GET", "/readyz?verbose");
    wire::ask(scene.gateway.console, &ask).await.expect("an answer").text()
}

/// Writes a broken file, asks for a reload, and waits until the refusal is to be seen.
async fn refused(scene: &Scene, text: &str) {
    let before = verbose(scene).await;
    let kept = std::fs::read_to_string(scene.gateway.config_file()).expect("a file");
    std::fs::write(scene.gateway.config_file(), text).expect("a file");
    scene.gateway.signal(Signal::HUP);
    wait::until("the refusal in /readyz?verbose", || async {
        (verbose(scene).await != before).then_some(())
    })
    .await;
    let ready = wire::ask(scene.gateway.console, &Ask::bare("GET", "/readyz")).await;
    assert_eq!(ready.expect("an answer").status, 200);
    assert!(ran(&scene.call("agent", "read_item", json!({})).await), "the last good state");
    assert!(denied(&scene.call("agent", "delete_all", json!({})).await), "the last good state");
    std::fs::write(scene.gateway.config_file(), kept).expect("a file");
    scene.gateway.signal(Signal::HUP);
    wait::until("the good file again", || async { (verbose(scene).await == before).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_a_mistake_changes_nothing() {
    let scene = Scene::with_policy(&only("read_item")).await;
    // A call waits for the first list of tools, which `/readyz?verbose` shows.
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    refused(&scene, "this is no configuration").await;
    refused(&scene, "data_dir = \"data\"\nunknown_key = 1\n").await;
    refused(&scene, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_with_a_mistake_changes_nothing() {
    let mut scene = Scene::with_policy(&only("read_item")).await;
    let before = verbose(&scene).await;
    let file = scene.gateway.folder().join("agent.policy.json");
    std::fs::write(&file, r#"{"version":"1","default":"allow","tools":{"x":{"deny_fi":[]}}}"#)
        .expect("a file");
    scene.gateway.signal(Signal::HUP);
    wait::until("the refusal", || async { (verbose(&scene).await != before).then_some(()) }).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    assert!(denied(&scene.call("agent", "delete_all", json!({})).await));
    scene.gateway.set_policy("agent", &only("delete_all"));
    scene.gateway.reload().await;
    assert!(denied(&scene.call("agent", "read_item", json!({})).await));
    assert!(ran(&scene.call("agent", "delete_all", json!({})).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_file_is_noticed_without_a_signal() {
    let scene = Scene::with_policy(&only("read_item")).await;
    let file = scene.gateway.folder().join("agent.policy.json");
    std::fs::write(&file, only("delete_all").to_string()).expect("a file");
    wait::until("the changed policy", || async {
        ran(&scene.call("agent", "delete_all", json!({})).await).then_some(())
    })
    .await;
    assert!(denied(&scene.call("agent", "read_item", json!({})).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_call_is_lost_while_policies_change() {
    let mut scene = Scene::with_policy(&only("read_item")).await;
    let door = scene.gateway.door;
    let token = Config::token_of("agent");
    let body = it::scene::call_body(1, "read_item", &json!({}));
    let ask = Ask::mcp("/mcp/alpha", &token, body);
    let load = async {
        let mut answers = Vec::new();
        for _batch in 0..40 {
            answers.extend(join_all((0..10).map(|_n| wire::ask(door, &ask))).await);
        }
        answers
    };
    let changes = async {
        for round in 0..10 {
            let tool = if round % 2 == 0 { "delete_all" } else { "read_item" };
            scene.gateway.set_policy("agent", &only(tool));
            scene.gateway.reload().await;
        }
    };
    let (answers, ()) = tokio::join!(load, changes);
    for answer in answers {
        let answer = answer.expect("an answer");
        assert!(ran(&answer) || denied(&answer), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_that_listen_hear_that_their_tools_changed() {
    let mut scene = Plan::with(it::recorder::Options::strict("alpha").stateful())
        .await
        .granting("agent", &only("read_item"))
        .start()
        .await;
    let session = hello(&scene, "agent").await;
    let mut stream = listen(&scene, "agent", &session).await;
    scene.gateway.set_policy("agent", &only("delete_all"));
    scene.gateway.reload().await;
    let heard = stream.event(|data| data.contains("notifications/tools/list_changed"));
    let heard = tokio::time::timeout(Duration::from_secs(10), heard).await.expect("in time");
    assert!(heard.is_some());
}
