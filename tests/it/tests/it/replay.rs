//! Recorded calls judged again: a policy gives exactly the verdicts that it gave when it judged them, and another
//! one changes exactly those that it should.

use it::scene::{Plan, Scene, ran};
use serde_json::{Value, json};

/// Random calls of each grant.
const CALLS: usize = 60;

/// A sequence that looks random and is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        // Marsaglia's xorshift.
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

fn policies() -> [(&'static str, Value); 3] {
    let large = json!({ "id": "large", "conditions": [{ "path": "args.amount", "op": "gt", "value": 40 }], "approval": true });
    [
        (
            "limits",
            json!({ "version": "1", "default": "deny", "tools": {
            "pay": { "limits": [
                { "counter": "sum", "window": "month", "max": 900, "increment_from": "args.amount" },
                { "counter": "calls", "window": "month", "max": 12, "algorithm": "fixed" } ] },
            "read_*": { "rate_limit": { "max": 9, "window": 31_536_000 } } } }),
        ),
        (
            "rules",
            json!({ "version": "1", "default": "allow", "hide": ["delete_all"], "tools": {
            "pay": { "validate": "strict",
                "require": [{ "id": "small", "conditions": [{ "path": "args.amount", "op": "lte", "value": 90 }] }],
                "deny_if": [{ "id": "usd", "conditions": [{ "path": "args.currency", "op": "eq", "value": "USD" }] }, large] },
            "set_role": { "action": "deny" } } }),
        ),
        (
            "shared",
            json!({ "version": "1", "default": "deny", "all_tools": { "limits": [
            { "counter": "all", "window": 31_536_000, "max": 25, "scope": "server", "algorithm": "sliding" } ] },
            "tools": { "*": {} } }),
        ),
    ]
}

async fn call(scene: &Scene, label: &str, dice: &mut Dice) {
    let tool = ["pay", "pay", "read_item", "read_file", "delete_all", "set_role", "nothing"];
    let tool = tool[usize::try_from(dice.below(7)).unwrap()];
    let amount = dice.below(120);
    let arguments = match dice.below(6) {
        0 => json!({}),
        1 => json!({ "amount": amount.to_string() }),
        2 => json!({ "amount": amount, "currency": "USD" }),
        3 => json!({ "amount": amount, "other": [amount, null] }),
        _ => json!({ "amount": amount, "currency": "EUR" }),
    };
    scene.call(label, tool, arguments).await;
}

async fn replayed(scene: &Scene, policy: &str, input: Value) -> Value {
    let path = format!("policies/{policy}/replay");
    let answer = scene.gateway.api("POST", &path, Some(input)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    serde_json::from_slice(&answer.body).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_replayed_over_its_own_calls_changes_nothing_and_doubts_nothing() {
    let mut plan = Plan::plain().await;
    for (label, policy) in policies() {
        plan = plan.granting(label, &policy);
    }
    // Two grants of one policy share the counters of their server.
    let shared = it::gateway::Grant::new(
        "another",
        it::scene::SERVER,
        Some("shared"),
        &it::gateway::Config::token_of("another"),
    );
    plan.config.grants.push(shared);
    let scene = plan.start().await;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    for _ in 0..CALLS {
        for label in ["limits", "rules", "shared", "another"] {
            call(&scene, label, &mut dice).await;
        }
    }
    // A tool that was never listed is refused by the gateway, whatever policy says.
    for (policy, _) in policies() {
        let found = replayed(&scene, policy, json!({})).await;
        let calls = found["calls"].as_u64().expect("a number");
        let unjudged = found["skipped"].as_u64().expect("a number");
        assert!(calls + unjudged >= CALLS as u64, "{found}");
        assert_eq!(found["same"].as_u64(), Some(calls), "{policy}: {found}");
        assert_eq!(found["groups"], json!([]), "{policy}: {found}");
        assert_eq!(found["counters_known"], true, "{policy}: {found}");
        assert!(unjudged > 0, "{policy}: {found}");
    }
    // One grant of two: the other one's calls count, and are not shown.
    let found = replayed(&scene, "shared", json!({ "grant": "another" })).await;
    let (calls, skipped) = (found["calls"].as_u64().unwrap(), found["skipped"].as_u64().unwrap());
    assert_eq!(calls + skipped, CALLS as u64, "{found}");
    assert_eq!(found["same"], found["calls"], "{found}");
    let verdicts: Vec<Value> =
        scene.gateway.audit().await.into_iter().map(|row| row["verdict"].clone()).collect();
    for verdict in ["allow", "deny", "hold"] {
        assert!(verdicts.contains(&json!(verdict)), "the calls reach every verdict");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_draft_shows_which_calls_it_would_change_and_what_nobody_can_say() {
    let open = json!({ "version": "1", "default": "allow" });
    let mut plan = Plan::plain().await.granting("agent", &open);
    plan.config.audit = vec!["values = \"redacted\"".to_owned()];
    let scene = plan.start().await;
    let long = "x".repeat(200);
    let calls = [
        ("pay", json!({ "amount": 200, "currency": "EUR" })),
        ("pay", json!({ "amount": 20, "currency": "EUR" })),
        ("pay", json!({ "amount": 20, "currency": long })),
        ("pay", json!({ "amount": 300, "currency": long })),
        ("read_item", json!({ "id": "1" })),
    ];
    for (tool, arguments) in calls {
        assert!(ran(&scene.call("agent", tool, arguments).await));
    }
    let draft = json!({ "version": "1", "default": "allow", "tools": { "pay": { "require": [
        { "id": "small", "conditions": [{ "path": "args.amount", "op": "lte", "value": 100 }] },
        { "id": "currency", "conditions": [{ "path": "args.currency", "op": "in", "value": ["EUR"] }] },
    ] } } });
    let found = replayed(&scene, "agent", json!({ "text": draft.to_string() })).await;
    let numbers = |name: &str| found[name].as_u64();
    assert_eq!(
        (numbers("calls"), numbers("same"), numbers("changed"), numbers("unsure_values")),
        (Some(5), Some(2), Some(2), Some(1)),
        "{found}"
    );
    let group = &found["groups"][0];
    assert_eq!(
        (&group["tool"], &group["rule"], &group["sure"]),
        (&json!("pay"), &json!("small"), &json!(true))
    );
    assert_eq!(
        (&group["was"], &group["would"], &group["calls"]),
        (&json!("allow"), &json!("deny"), &json!(2))
    );
    let rows = scene.gateway.audit().await;
    let ids: Vec<&Value> = [0, 3].iter().map(|at| &rows[*at]["request_id"]).collect();
    assert_eq!(json!(ids), group["ids"], "{found}");
    assert_eq!(found["groups"][1]["doubt"], "values", "{found}");
    // The command says the same.
    let path = scene.gateway.folder().join("draft.json");
    std::fs::write(&path, draft.to_string()).expect("a file");
    let path = path.to_string_lossy();
    let words = ["policy", "replay", &path, "--for", "agent", "-o", "json"];
    let said = scene.gateway.command(&words).output().await.expect("it runs");
    assert_eq!(said.status.code(), Some(1), "{said:?}");
    let said: Value = serde_json::from_slice(&said.stdout).expect("JSON");
    assert_eq!(said["groups"], found["groups"]);
    // From now on nothing was called, and what the counters hold is not known.
    let later = json!({ "since": "2999-01-01T00:00:00Z" });
    let none = replayed(&scene, "agent", later).await;
    assert_eq!((&none["calls"], &none["counters_known"]), (&json!(0), &json!(false)));
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_listed_and_an_old_one_is_restored() {
    let open = json!({ "version": "1", "default": "allow" });
    let scene = Plan::plain().await.granting("agent", &open).start().await;
    let api = &scene.gateway;
    let save = |mode: &str, default: &str| {
        json!({ "name": "p", "server": "alpha", "mode": mode, "note": format!("{mode} it"),
            "document": { "version": "1", "default": default } })
    };
    let made = api.api("POST", "policies", Some(save("enforce", "deny"))).await;
    assert_eq!(made.status, 201, "{}", made.text());
    for mode in ["observe", "draft"] {
        let saved = api.api("PUT", "policies/p", Some(save(mode, "allow"))).await;
        assert_eq!(saved.status, 200, "{}", saved.text());
    }
    let shown = api.api("GET", "policies/p", None).await;
    let shown: Value = serde_json::from_slice(&shown.body).expect("JSON");
    assert_eq!(
        (&shown["mode"], &shown["version"], &shown["in_force"]),
        (&json!("draft"), &json!(3), &json!(2))
    );
    let restored = api.api("POST", "policies/p/versions/1/restore", Some(json!({}))).await;
    assert_eq!(restored.status, 200, "{}", restored.text());
    let missing = api.api("POST", "policies/p/versions/9/restore", Some(json!({}))).await;
    assert_eq!(missing.status, 404, "{}", missing.text());
    let history =
        api.command(&["policy", "history", "p", "--json"]).output().await.expect("it runs");
    let history: Value = serde_json::from_slice(&history.stdout).expect("JSON");
    let modes: Vec<&Value> =
        history.as_array().expect("versions").iter().map(|v| &v["mode"]).collect();
    assert_eq!(json!(modes), json!(["enforce", "draft", "observe", "enforce"]));
    assert_eq!(history[0]["note"], "restores version 1");
    let words = ["policy", "restore", "p", "2", "--mode", "observe", "--if-version", "3"];
    let stale = api.command(&words).output().await.expect("it runs");
    assert_eq!(stale.status.code(), Some(1), "{stale:?}");
    let words = ["policy", "restore", "p", "2", "--mode", "observe", "--if-version", "4"];
    let done = api.command(&words).output().await.expect("it runs");
    assert!(done.status.success(), "{done:?}");
    let listed = api.command(&["policy", "list", "--json"]).output().await.expect("it runs");
    let listed: Value = serde_json::from_slice(&listed.stdout).expect("JSON");
    let p = listed.as_array().expect("policies").iter().find(|row| row["name"] == "p");
    assert_eq!(p.map(|row| (&row["version"], &row["mode"])), Some((&json!(5), &json!("observe"))));
}
