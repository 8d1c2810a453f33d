//! What changes while a message is on its way: nothing that began under yesterday's rights may end
//! under them.

use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene, call_body};
use it::wait;
use it::wire;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::regressions::{LIST, hello_body, inspect, open, runs_of};

/// Revokes the grant of that label and waits until its token opens nothing any more.
async fn revoke(scene: &Scene, label: &str) {
    let listed = scene.gateway.api("GET", "grants", None).await;
    let grants: serde_json::Value = serde_json::from_slice(&listed.body).expect("JSON");
    let mut all = grants["items"].as_array().expect("a list").iter();
    let own = all.find(|grant| grant["label"] == label).expect("a grant of that label");
    let id = own["id"].as_str().expect("an id");
    let answer = scene.gateway.api("POST", &format!("grants/{id}/revoke"), Some(json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    wait::until("the end of the grant", || async {
        (scene.post(label, ping).await.status == 401).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_ends_after_the_revocation_is_no_call() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    let body = call_body(1, "delete_all", &json!({ "id": "late" }));
    let ask = scene.ask("agent", &body).with("Expect", "100-continue");
    let bytes = ask.bytes(&scene.gateway.door.to_string());
    let head = bytes.len() - body.len();
    let mut stream = TcpStream::connect(scene.gateway.door).await.expect("a connection");
    stream.write_all(&bytes[..head]).await.expect("the head");
    // The gateway has authenticated the request once it asks for the body.
    let mut asked = [0; 25];
    wait::bounded("the gateway to ask for the body", stream.read_exact(&mut asked))
        .await
        .expect("an interim answer");
    assert!(asked.starts_with(b"HTTP/1.1 100"), "{}", String::from_utf8_lossy(&asked));
    revoke(&scene, "agent").await;
    stream.write_all(&bytes[head..]).await.expect("the body");
    let mut answer = Vec::new();
    wait::bounded("the answer", stream.read_to_end(&mut answer)).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_ends_where_its_grant_does() {
    let options = Options::strict(SERVER).stateful();
    let scene = Plan::with(options).await.granting("agent", &open()).start().await;
    let body = hello_body("agent").replace("2025-11-25", "2025-03-26");
    let ask = scene.ask("agent", &body).set("MCP-Protocol-Version", "2025-03-26");
    let opened = scene.send(&ask).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    scene.recorder.set_fault(Some(Fault::Held));
    let calls = [
        call_body(1, "read_item", &json!({ "id": "before" })),
        call_body(2, "read_item", &json!({ "id": "after" })),
    ];
    let batch = format!("[{}]", calls.join(","));
    let ask = scene.ask("agent", &batch).set("MCP-Protocol-Version", "2025-03-26");
    let ask = ask.with("Mcp-Session-Id", &session);
    let ends = async {
        wait::until("the first call", || async { (runs_of(&scene, "before") == 1).then_some(()) })
            .await;
        revoke(&scene, "agent").await;
        scene.recorder.release(2);
    };
    let (answer, ()) = tokio::join!(wire::ask(scene.gateway.door, &ask), ends);
    drop(answer);
    // The refusal of the rest is recorded, whether or not the sender still waits.
    wait::until("the end of the batch", || async {
        let rows = scene.gateway.audit().await;
        let refused =
            |row: &&serde_json::Value| row["kind"] == "rejected" && row["grant"] == "agent";
        rows.iter().find(refused).map(|_row| ())
    })
    .await;
    assert_eq!(runs_of(&scene, "after"), 0, "no element runs after the revocation");
}

#[tokio::test(flavor = "multi_thread")]
async fn s52_a_definition_that_cannot_be_read_any_more_is_a_changed_one() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    assert!(it::scene::ran(&scene.call("agent", "read_item", json!({})).await));
    let tools = scene.recorder.tools();
    let changes = [
        json!("long ".repeat(100_000)),
        // Too deep to be read in one way.
        serde_json::from_str(&format!("{}{}", "[".repeat(100), "]".repeat(100))).expect("JSON"),
    ];
    for change in changes {
        let mut changed = tools.clone();
        changed[0]["description"] = change;
        scene.recorder.set_tools(changed);
        let listed = inspect(&scene).await;
        let denied = scene.call("agent", "read_item", json!({})).await;
        let reason = it::scene::decision(&denied)["reason"].clone();
        assert_eq!(reason, json!("quarantined"), "{} {}", listed.text(), denied.text());
        // What was accepted is accepted again.
        scene.recorder.set_tools(tools.clone());
        inspect(&scene).await;
        assert!(it::scene::ran(&scene.call("agent", "read_item", json!({})).await));
    }
}

/// Of two definitions under one name nobody knows which one a call would run.
#[tokio::test(flavor = "multi_thread")]
async fn s51_a_name_that_stands_twice_is_quarantined_until_it_stands_once() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    let once = scene.recorder.tools();
    let name = once[0]["name"].as_str().expect("a name").to_owned();
    assert!(it::scene::ran(&scene.call("agent", &name, json!({})).await));
    let mut other = once[0].clone();
    other["description"] = json!("Does something else");
    for second in [once[0].clone(), other] {
        let mut twice = once.clone();
        twice.push(second);
        scene.recorder.set_tools(twice);
        inspect(&scene).await;
        let denied = scene.call("agent", &name, json!({})).await;
        let reason = it::scene::decision(&denied)["reason"].clone();
        assert_eq!(reason, json!("quarantined"), "{}", denied.text());
        let listed = scene.post("agent", LIST).await.reply();
        let listed = listed["result"]["tools"].as_array().expect("a list");
        assert!(listed.iter().all(|tool| tool["name"] != name), "{listed:?}");
        assert_eq!(listed.len(), once.len() - 1, "the others are there");
        scene.recorder.set_tools(once.clone());
        inspect(&scene).await;
        assert!(it::scene::ran(&scene.call("agent", &name, json!({})).await));
    }
}
