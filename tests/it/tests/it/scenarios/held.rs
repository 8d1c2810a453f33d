//! What somebody tries who waits for a person's yes: to show one thing and have another approved.

use it::gateway::ADMIN_TOKEN;
use it::scene::{Plan, Scene, decision, denied, held, said};
use serde_json::{Value, json};

fn asking(rules: &Value) -> Value {
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": rules } })
}

#[tokio::test(flavor = "multi_thread")]
async fn s31_a_person_sees_every_argument_of_a_held_call() {
    let waived = |path: &str, says: &str| {
        let condition = json!({ "path": path, "op": "exists", "value": true });
        json!({ "conditions": [condition], "approval": true, "on_deny": says })
    };
    let rules = json!({ "deny_if": [waived("args.a", "harmless"), waived("args.z", "harmful")] });
    let scene = Scene::with_policy(&asking(&rules)).await;
    // What matters stands last, behind more than a page of what does not.
    let padding = "x".repeat(300_000);
    let arguments = json!({ "a": padding, "z": { "number": 9_007_199_254_740_993_u64 } });
    let answer = scene.call("agent", "delete_all", arguments.clone()).await;
    assert!(held(&answer), "{}", answer.text());
    let id = decision(&answer)["approval"]["id"].as_str().expect("an id").to_owned();
    let shown = scene.pending().await.remove(0);
    assert_eq!(shown["arguments"], arguments);
    let text = shown["arguments_text"].as_str().expect("a text");
    assert!(text.ends_with(r#""z":{"number":9007199254740993}}"#), "{}", text.len());
    let listed = scene.gateway.command(&["approvals", "list", "--json"]).output().await;
    let listed: Value = serde_json::from_slice(&listed.expect("it runs").stdout).expect("JSON");
    assert_eq!((&listed[0]["id"], &listed[0]["arguments"]), (&json!(id), &arguments));
    for shown in [&shown["rules"], &listed[0]["rules"]] {
        let says: Vec<&Value> =
            shown.as_array().expect("rules").iter().map(|rule| &rule["message"]).collect();
        assert_eq!(says, ["harmless", "harmful"], "everything that a yes would waive");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s35_what_a_policy_says_to_an_agent_is_text_and_nothing_is_filled_in() {
    let says = "<script>alert(1)</script> {{args.secret}} ${args.secret} %s \u{202e}\n\"}]";
    let rules = json!({ "deny_if": [{ "conditions": [], "approval": false, "on_deny": says }] });
    let scene = Plan::plain().await.granting("agent", &asking(&rules)).start().await;
    let answer = scene.call("agent", "delete_all", json!({ "secret": "hunter2" })).await;
    assert!(denied(&answer), "{}", answer.text());
    assert_eq!(said(&answer), format!("[POLICY DENIED] {says}"));
    assert!(!answer.text().contains("hunter2"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn s32_a_cookie_opens_nothing_and_a_foreign_host_is_turned_away() {
    let scene = Scene::with_policy(&asking(&json!({}))).await;
    let token = ADMIN_TOKEN;
    let console = scene.gateway.console;
    let host = console.to_string();
    let ask = |host: &str, extra: &str| {
        let body = r#"{"label":"stolen","server":"alpha"}"#;
        format!(
            "POST /api/v1/grants HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n{extra}\r\n{body}",
            body.len()
        )
    };
    let as_cookie =
        format!("Cookie: token={token}; session={token}; Authorization=Bearer {token}\r\n");
    let as_bearer = format!("Authorization: Bearer {token}\r\n");
    for (host, extra, status) in
        [(host.as_str(), &as_cookie, 401), ("rebind.evil.example", &as_bearer, 403)]
    {
        let answer = it::wire::exchange(console, ask(host, extra).into_bytes()).await;
        assert_eq!(answer.expect("an answer").status, status, "{extra}");
    }
    let grants = scene.gateway.api("GET", "grants", None).await.text();
    assert!(!grants.contains("stolen"), "{grants}");
}
