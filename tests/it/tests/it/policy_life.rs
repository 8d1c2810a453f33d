//! A policy's whole life with real calls: written in a page, drafted, observed, enforced, replayed, brought back. What the log
//! holds of it stays whole.

use it::scene::{Plan, SERVER, Scene, denied, ran};
use it::wait::until;
use it::wire::Answer;
use serde_json::{Value, json};

use crate::console::Browser;
use crate::console::people::set_up;

const NAME: &str = "life";

/// A gateway with one grant, under a policy that was saved by the API and allows everything.
async fn scene(values: &str) -> Scene {
    let mut plan = Plan::plain().await;
    plan.config.audit = vec![format!("values = \"{values}\"")];
    let scene = plan.start().await;
    let policy = json!({ "name": NAME, "server": SERVER, "mode": "enforce",
        "document": { "version": "1", "default": "allow" } });
    let made = scene.gateway.api("POST", "policies", Some(policy)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    scene
}

/// The token of a new grant with that policy, which is in force.
async fn granted(scene: &Scene) -> String {
    let grant = json!({ "label": NAME, "server": SERVER, "policy": NAME });
    let made = scene.gateway.api("POST", "grants", Some(grant)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let token = json_of(&made)["token"].as_str().expect("a token").to_owned();
    let list = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#;
    let known =
        || async { (scene.gateway.post(SERVER, &token, list).await.status == 200).then_some(()) };
    until("the grant to be in force", known).await;
    token
}

fn json_of(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|error| panic!("{error}: {}", answer.text()))
}

/// A form's value.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(byte).collect()
}

async fn verified(scene: &Scene) {
    let verified = scene.gateway.command(&["audit", "verify"]).output().await.expect("it runs");
    assert!(verified.status.success(), "{verified:?}");
}

/// Pays so much, and says what came.
async fn pay(scene: &Scene, token: &str, amount: u32) -> Answer {
    let arguments = json!({ "amount": amount, "currency": "EUR" });
    scene.gateway.call(SERVER, token, "pay", arguments).await
}

/// At most 100 are paid.
fn strict() -> String {
    json!({ "version": "1", "default": "deny", "tools": { "read_item": {}, "pay": { "require": [
        { "id": "small", "conditions": [{ "path": "args.amount", "op": "lte", "value": 100 }] } ] } } })
    .to_string()
}

/// Saves what the review page shows.
async fn saved(ada: &mut Browser, mode: &str) {
    let page = format!("/policies/{NAME}/review");
    let shown = ada.open(&page).await.text();
    let hidden = |name: &str| {
        let rest = shown.split(&format!("name=\"{name}\" value=\"")).nth(1);
        let value = rest.and_then(|rest| rest.split('"').next());
        value.unwrap_or_else(|| panic!("{name}: {shown}")).to_owned()
    };
    let fields = format!(
        "expected={}&seen={}&mode={mode}&note=why+{mode}",
        hidden("expected"),
        hidden("seen")
    );
    let done = ada.submit(&page, (&page, &fields)).await;
    assert_eq!(done.status, 303, "{}", done.text());
}

/// Keeps a text as the builder's form does, begun from that version.
async fn kept(ada: &mut Browser, text: &str, base: u32) {
    let (page, to) = (format!("/policies/{NAME}"), format!("/policies/{NAME}/text"));
    let fields = format!("text={}&server={SERVER}&base={base}&then=review", encoded(text));
    let done = ada.submit(&page, (&to, &fields)).await;
    assert_eq!(done.header("location"), Some(&*format!("{page}/review")), "{}", done.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_drafted_observed_enforced_and_brought_back() {
    let scene = scene("full").await;
    let token = granted(&scene).await;
    let mut ada = set_up(&scene.gateway).await;
    for amount in [200, 300, 400, 20] {
        assert!(ran(&pay(&scene, &token, amount).await));
    }
    // The review says what last week would have been, and links each call.
    kept(&mut ada, &strict(), 1).await;
    let review = ada.open("/policies/life/review").await.text();
    assert!(review.contains("3 calls would now be denied, 1 tool."), "{review}");
    let rows = scene.gateway.audit().await;
    for row in rows.iter().filter(|row| row["method"] == "tools/call") {
        let link = format!("/activity?request={}", row["request_id"].as_str().expect("an id"));
        let is_denied = row["arguments"]["amount"].as_u64().expect("an amount") > 100;
        assert_eq!(review.contains(&format!("\"{link}\"")), is_denied, "{row}: {review}");
        assert_eq!(ada.open(&link).await.status, 200);
    }
    // A draft changes nothing.
    saved(&mut ada, "draft").await;
    assert!(ran(&pay(&scene, &token, 200).await));
    let shown = json_of(&scene.gateway.api("GET", "policies/life", None).await);
    assert_eq!(
        (&shown["mode"], &shown["version"], &shown["in_force"]),
        (&json!("draft"), &json!(2), &json!(1))
    );
    // Observed, it lets pass and writes down what it would have said.
    let input = json!({ "server": SERVER, "text": strict(), "mode": "observe", "note": "look" });
    let observed = scene.gateway.api("PUT", "policies/life", Some(input)).await;
    assert_eq!(observed.status, 200, "{}", observed.text());
    let look = || async {
        assert!(ran(&pay(&scene, &token, 201).await));
        let row = scene.gateway.audit().await.pop()?;
        (!row["would"].is_null()).then_some(row)
    };
    let row = until("the version that observes", look).await;
    assert_eq!(
        (&row["verdict"], &row["would"], &row["would_reason"], &row["would_rule"]),
        (&json!("allow"), &json!("deny"), &json!("require_failed"), &json!("small")),
        "{row}"
    );
    // Enforced, it refuses, and nothing arrives.
    saved(&mut ada, "enforce").await;
    let refused = || async { denied(&pay(&scene, &token, 202).await).then_some(()) };
    until("the version that enforces", refused).await;
    let arrived = scene.log.executed_count();
    assert!(denied(&pay(&scene, &token, 202).await));
    assert_eq!(scene.log.executed_count(), arrived);
    assert!(ran(&pay(&scene, &token, 50).await));
    // The history has everybody and why; an old version comes back as a new one.
    let history = ada.open("/policies/life/history").await.text();
    for part in ["why draft", "look", "why enforce", "user:ada@example.com", "in force"] {
        assert!(history.contains(part), "{part}: {history}");
    }
    let change = ada.open("/policies/life/history?version=2").await.text();
    assert!(change.contains("From version 1 to version 2") && change.contains("class=\"added\""));
    let back = "expected=4&mode=enforce&note=too+strict";
    let page = "/policies/life/history?version=1";
    let done = ada.submit(page, ("/policies/life/history/1/restore", back)).await;
    assert_eq!(done.status, 303, "{}", done.text());
    let paid = || async { ran(&pay(&scene, &token, 203).await).then_some(()) };
    until("the version that came back", paid).await;
    let shown = json_of(&scene.gateway.api("GET", "policies/life", None).await);
    assert_eq!((&shown["version"], &shown["note"]), (&json!(5), &json!("too strict")), "{shown}");
    verified(&scene).await;
}

/// Draft of which one rule reads a number, one a short text, one a long one and one a masked one.
fn asking() -> String {
    let rule = |id: &str, path: &str, op: &str, value: Value| json!({ "id": id, "conditions": [{ "path": path, "op": op, "value": value }] });
    json!({ "version": "1", "default": "allow", "tools": {
        "pay": { "require": [rule("small", "args.amount", "lte", json!(100))] },
        "read_item": { "require": [rule("known", "args.id", "eq", json!("1"))] },
        "read_file": { "deny_if": [rule("secret", "args.password", "eq", json!("hunter2"))] } } })
    .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_says_what_it_cannot_judge_for_want_of_values() {
    // What is kept, and of the five calls: same, changed, unsure.
    for (values, numbers) in [("full", (3, 2, 0)), ("redacted", (2, 2, 1)), ("none", (1, 0, 4))] {
        let scene = scene(values).await;
        let token = granted(&scene).await;
        let calls = [
            ("pay", json!({ "amount": 200, "currency": "EUR" })),
            ("pay", json!({ "amount": 20, "currency": "EUR" })),
            ("read_item", json!({ "id": "2" })),
            ("read_file", json!({ "path": "/a", "password": "hunter3" })),
            ("set_role", json!({})),
        ];
        for (tool, arguments) in calls {
            assert!(ran(&scene.gateway.call(SERVER, &token, tool, arguments).await), "{tool}");
        }
        let input = json!({ "text": asking() });
        let found = json_of(&scene.gateway.api("POST", "policies/life/replay", Some(input)).await);
        let number = |name: &str| found[name].as_u64().expect("a number");
        let got = (number("same"), number("changed"), number("unsure_values"));
        assert_eq!((number("calls"), got), (5, numbers), "{values}: {found}");
        // Each group names its tool, its rule and its calls, and no call is in two.
        let rows = scene.gateway.audit().await;
        let mut named = Vec::new();
        for group in found["groups"].as_array().expect("groups") {
            let ids = group["ids"].as_array().expect("ids");
            assert_eq!(group["calls"], ids.len(), "{group}");
            let rule = match group["tool"].as_str().expect("a tool") {
                "pay" => "small",
                "read_item" => "known",
                "read_file" => "secret",
                other => panic!("{other}: {found}"),
            };
            assert_eq!(group["rule"], rule, "{group}");
            for id in ids {
                let row = rows.iter().find(|row| row["request_id"] == *id).expect("its row");
                assert_eq!(row["tool"], group["tool"], "{group}");
                assert!(!named.contains(id), "{id}: {found}");
                named.push(id.clone());
            }
        }
        assert_eq!(named.len() as u64, numbers.1 + numbers.2, "{found}");
        // The page says the same in words.
        let mut ada = set_up(&scene.gateway).await;
        kept(&mut ada, &asking(), 1).await;
        let review = ada.open("/policies/life/review").await.text();
        let said = format!(
            "Calls judged: 5. Same verdict: {}; unsure: {}; not to be judged: 0.",
            numbers.0, numbers.2
        );
        assert!(review.contains(&said), "{said}: {review}");
        let why = "unsure: a rule reads a value that the log did not keep";
        assert_eq!(review.contains(why), numbers.2 > 0, "{review}");
        for id in named {
            let link = format!("\"/activity?request={}\"", id.as_str().expect("an id"));
            assert!(review.contains(&link), "{link}: {review}");
        }
        verified(&scene).await;
    }
}
