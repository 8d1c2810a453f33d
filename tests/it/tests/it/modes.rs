//! A policy that observes lets everything pass and writes down what it would have done: exactly what
//! it does to the same calls once it is enforced, for every case of `cases/modes.json`.

use it::places;
use it::scene::{Plan, Scene, ran};
use serde::Deserialize;
use serde_json::{Value, json};

/// A policy, and calls of one grant in their order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    policy: Value,
    calls: Vec<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    arguments: Value,
    /// What the policy says against it; nothing: it allows it.
    would: Option<Would>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Would {
    verdict: String,
    reason: String,
    rule: String,
}

fn cases() -> Vec<Case> {
    let path = places::own("cases/modes.json");
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A scene in which each case is a grant with its policy.
async fn scene(cases: &[Case], mode: &str) -> Scene {
    let mut plan = Plan::plain().await;
    for (index, case) in cases.iter().enumerate() {
        let label = format!("case-{index}");
        plan = plan.granting(&label, &case.policy);
        plan.config.policy_lines.insert(label, vec![format!("mode = \"{mode}\"")]);
    }
    plan.start().await
}

/// The members of a row that say something against the call.
fn against(row: &Value, names: [&str; 3]) -> Option<Would> {
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    let [verdict, reason, rule] = names;
    (!row[reason].is_null()).then(|| Would {
        verdict: text(verdict),
        reason: text(reason),
        rule: text(rule),
    })
}

async fn run(mode: &str, names: [&str; 3]) {
    let cases = cases();
    let scene = scene(&cases, mode).await;
    let mut made = Vec::new();
    for (index, case) in cases.iter().enumerate() {
        for call in &case.calls {
            let label = format!("case-{index}");
            let answer = scene.call(&label, &call.tool, call.arguments.clone()).await;
            let passes = mode == "observe" || call.would.is_none();
            assert_eq!(ran(&answer), passes, "{}: {call:?}: {}", case.name, answer.text());
            made.push((case, call));
        }
    }
    let rows: Vec<Value> = scene
        .gateway
        .audit()
        .await
        .into_iter()
        .filter(|row| row["method"] == "tools/call")
        .collect();
    assert_eq!(rows.len(), made.len());
    for (row, (case, call)) in rows.iter().zip(made) {
        let found = against(row, names);
        assert_eq!(found, call.would, "{}: {call:?}: {row}", case.name);
        if mode == "observe" {
            assert_eq!((&row["verdict"], &row["reason"]), (&json!("allow"), &Value::Null), "{row}");
        }
    }
    let verified = scene.gateway.command(&["audit", "verify"]).output().await.expect("it runs");
    assert!(verified.status.success(), "{verified:?}");
    assert!(scene.pending().await.is_empty() == (mode == "observe"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_observing_policy_would_do_is_written_down_and_everything_passes() {
    run("observe", ["would", "would_reason", "would_rule"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_policy_enforced_does_exactly_that() {
    run("enforce", ["verdict", "reason", "rule"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_what_would_have_been_and_filters_find_it() {
    let policy = json!({ "version": "1", "default": "deny" });
    let mut plan = Plan::plain().await.granting("agent", &policy);
    plan.config.policy_lines.insert("agent".to_owned(), vec!["mode = \"observe\"".to_owned()]);
    let scene = plan.start().await;
    assert!(ran(&scene.call("agent", "pay", json!({})).await));
    let csv = scene.gateway.api("GET", "audit?format=csv&would=deny", None).await.text();
    let mut lines = csv.lines();
    assert!(
        lines.next().expect("a head").ends_with(",would,would_reason,would_rule,risk"),
        "{csv}"
    );
    assert!(lines.next().expect("a row").ends_with(",deny,not_listed,/default,"), "{csv}");
    let none = scene.gateway.api("GET", "audit?format=csv&would=hold", None).await.text();
    assert_eq!(none.lines().count(), 1, "{none}");
}
