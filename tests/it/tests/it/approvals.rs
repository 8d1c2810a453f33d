//! Calls that wait for a person: bound to exactly one call, used once, and decided outside the
//! agent's reach. What steps can say is in the case files; here is what they cannot.

use futures_util::future::join_all;
use it::scene::{Plan, Scene, decision, denied, held, ran, said};
use it::wait;
use serde_json::{Value, json};

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

async fn hold(scene: &Scene, arguments: Value) -> String {
    let answer = scene.call("agent", "delete_all", arguments).await;
    assert!(held(&answer), "{}", answer.text());
    decision(&answer)["approval"]["id"].as_str().expect("an id").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_says_what_to_do() {
    let scene = Scene::with_policy(&ask_always()).await;
    let answer = scene.call("agent", "delete_all", json!({ "scope": "a" })).await;
    let decision = decision(&answer);
    assert_eq!(decision["verdict"], "hold");
    assert_eq!(decision["reason"], "approval_required");
    assert_eq!(decision["rule"], "/tools/delete_all/deny_if/0");
    assert!(decision["approval"]["url"].is_string(), "{decision}");
    assert!(decision["approval"]["expires_at"].is_string(), "{decision}");
    assert!(decision["request_id"].is_string(), "{decision}");
    let pending = scene.pending().await;
    assert_eq!(pending.len(), 1);
    assert!(pending[0].to_string().contains("delete_all"), "{}", pending[0]);
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_retries_of_one_approval_run_once() {
    let scene = Scene::with_policy(&ask_always()).await;
    for round in 0..10 {
        let arguments = json!({ "scope": format!("{round}") });
        let id = hold(&scene, arguments.clone()).await;
        assert_eq!(scene.gateway.decide(&id, "approve").await.status / 100, 2);
        let retries = (0..30).map(|_n| scene.call("agent", "delete_all", arguments.clone()));
        let answers = join_all(retries).await;
        assert_eq!(answers.iter().filter(|answer| ran(answer)).count(), 1, "round {round}");
        assert_eq!(scene.log.executed_count(), round + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_is_made_once() {
    let scene = Scene::with_policy(&ask_always()).await;
    let id = hold(&scene, json!({})).await;
    assert_eq!(scene.gateway.decide(&id, "approve").await.status / 100, 2);
    assert_eq!(scene.gateway.decide(&id, "approve").await.status, 409);
    assert_eq!(scene.gateway.decide(&id, "reject").await.status, 409);
    assert_eq!(scene.gateway.decide("apr_00000000000000000000000000", "approve").await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejection_carries_its_reason_and_lasts() {
    let scene = Scene::with_policy(&ask_always()).await;
    let id = hold(&scene, json!({})).await;
    assert_eq!(scene.gateway.decide(&id, "reject").await.status / 100, 2);
    for _call in 0..2 {
        let answer = scene.call("agent", "delete_all", json!({})).await;
        assert!(denied(&answer), "{}", answer.text());
        assert_eq!(decision(&answer)["reason"], "approval_rejected");
    }
    assert!(held(&scene.call("agent", "delete_all", json!({ "other": 1 })).await));
    assert_eq!(scene.log.executed_count(), 0);
}

/// A scene in which a held call waits for a decision before it is answered.
async fn waiting_scene() -> Scene {
    let mut plan = Plan::plain().await.granting("agent", &ask_always());
    plan.config.approvals =
        vec!["wait_seconds = 20".to_owned(), "wait_seconds_with_progress = 20".to_owned()];
    plan.start().await
}

async fn decide_the_only_one(scene: &Scene, decision: &str) {
    let id = wait::until("a pending approval", || async {
        scene.pending().await.first().and_then(|item| item["id"].as_str().map(str::to_owned))
    })
    .await;
    assert_eq!(scene.gateway.decide(&id, decision).await.status / 100, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_approved_while_it_waits_goes_on() {
    let scene = waiting_scene().await;
    let call = scene.call("agent", "delete_all", json!({}));
    let (answer, ()) = tokio::join!(call, decide_the_only_one(&scene, "approve"));
    assert!(ran(&answer), "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("text/event-stream"));
    assert!(answer.text().starts_with(':'), "a comment comes first: {}", answer.text());
    assert_eq!(scene.log.executed_count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_rejected_while_it_waits_is_denied() {
    let scene = waiting_scene().await;
    let call = scene.call("agent", "delete_all", json!({}));
    let (answer, ()) = tokio::join!(call, decide_the_only_one(&scene, "reject"));
    assert!(said(&answer).starts_with("[POLICY DENIED] Rejected by a person: the test says so"));
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_call_with_a_progress_token_hears_of_it() {
    let scene = waiting_scene().await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete_all","arguments":{},"_meta":{"progressToken":"t-1"}}}"#;
    let call = scene.post("agent", body);
    let (answer, ()) = tokio::join!(call, decide_the_only_one(&scene, "approve"));
    assert!(ran(&answer), "{}", answer.text());
    let progress: Vec<Value> = answer
        .messages()
        .into_iter()
        .filter(|message| message["method"] == "notifications/progress")
        .collect();
    assert!(!progress.is_empty(), "{}", answer.text());
    assert!(progress.iter().all(|message| message["params"]["progressToken"] == "t-1"));
}
