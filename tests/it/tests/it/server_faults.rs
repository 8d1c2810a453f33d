//! Servers that fail or lie: the agent gets one clear error, the call is never made twice, and the
//! audit says what happened.

use it::gateway::{Config, Grant, Server};
use it::recorder::Fault;
use it::scene::{Plan, Scene, ran};
use serde_json::{Value, json};

fn open() -> Value {
    json!({ "version": "1", "default": "allow", "tools": {} })
}

async fn code_after(scene: &Scene, fault: Fault) -> Value {
    let before = scene.log.executed_count();
    scene.recorder.set_fault(Some(fault.clone()));
    let answer = scene.call("agent", "read_item", json!({})).await;
    scene.recorder.set_fault(None);
    assert_eq!(answer.status, 200, "{fault:?}: {}", answer.text());
    assert_eq!(scene.log.executed_count() - before, 1, "{fault:?} was tried again");
    assert!(ran(&scene.call("agent", "read_item", json!({})).await), "{fault:?} lasts");
    answer.reply()["error"]["code"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_is_said_to_be_one() {
    let scene = Scene::with_policy(&open()).await;
    let faults = [
        Fault::Status(500),
        Fault::Status(503),
        Fault::OtherId,
        Fault::Cut,
        Fault::BadJson,
        Fault::Redirect("http://127.0.0.1:1/".to_owned()),
        Fault::Body("[]".to_owned()),
        Fault::Body(r#"{"jsonrpc":"2.0","id":1}"#.to_owned()),
        Fault::Body(r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#.to_owned()),
    ];
    for fault in faults {
        assert_eq!(code_after(&scene, fault.clone()).await, json!(1002), "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_said_to_be() {
    let mut plan = Plan::plain().await.granting("agent", &open());
    plan.config.servers.push(Server::http("away", "http://127.0.0.1:9/mcp", "Bearer nobody"));
    plan.config.policies.insert("away".to_owned(), open());
    let token = Config::token_of("away");
    plan.config.grants.push(Grant::new("away", "away", Some("away"), &token));
    let scene = plan.start().await;
    let answer = scene.gateway.call("away", &token, "read_item", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.reply()["error"]["code"], json!(1001), "{}", answer.text());
    assert!(ran(&scene.call("agent", "read_item", json!({})).await), "the others go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_is_not_waited_for() {
    let mut plan = Plan::plain().await.granting("agent", &open());
    let server = plan.config.servers.first_mut().expect("a server");
    let line = "timeouts = { connect_seconds = 1, first_byte_seconds = 1, total_seconds = 2 }";
    server.lines.push(line.to_owned());
    let scene = plan.start().await;
    scene.recorder.set_fault(Some(Fault::Held));
    let answer = scene.call("agent", "read_item", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.reply()["error"]["code"].is_i64(), "{}", answer.text());
    assert_eq!(scene.log.executed_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_decision_has_a_row() {
    let scene = Scene::with_policy(&json!({
        "version": "1", "default": "deny", "tools": { "read_item": {} },
    }))
    .await;
    scene.call("agent", "read_item", json!({ "id": "one" })).await;
    scene.call("agent", "delete_all", json!({})).await;
    scene.recorder.set_fault(Some(Fault::Status(500)));
    scene.call("agent", "read_item", json!({ "id": "two" })).await;
    let rows = scene
        .gateway
        .audited("three rows", |rows| {
            let calls: Vec<Value> =
                rows.iter().filter(|row| row["method"] == "tools/call").cloned().collect();
            let closed = calls.iter().filter(|row| !row["latency_ms"].is_null()).count();
            (calls.len() == 3 && closed == 2).then_some(calls)
        })
        .await;
    let verdicts: Vec<&Value> = rows.iter().map(|row| &row["verdict"]).collect();
    assert_eq!(verdicts, ["allow", "deny", "allow"]);
    let statuses: Vec<&Value> = rows.iter().map(|row| &row["upstream_status"]).collect();
    assert_eq!(statuses, [&json!(200), &Value::Null, &json!(500)]);
    for row in &rows {
        assert_eq!(row["kind"], "decision");
        assert_eq!(row["grant"], "agent");
        assert_eq!(row["server"], "alpha");
        assert_eq!(row["policy"], "agent");
        assert!(row["request_id"].is_string() && row["time"].is_string(), "{row}");
    }
    assert_eq!(rows[1]["reason"], "not_listed");
    assert_eq!(rows[1]["rule"], "/default");
}
