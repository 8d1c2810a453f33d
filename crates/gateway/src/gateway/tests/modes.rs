use store::PolicyMode;

use super::agent::{call, method};
use super::world::World;

const OPEN: &str = r#"{"version":"1","default":"allow"}"#;

/// Lists one tool with two calls a day, hides one, wants a person for the third.
const STRICT: &str = r#"{"version":"1","default":"deny","hide":["delete_all"],"tools":{
    "read_item":{"limits":[{"window":"day","max":2}]},
    "pay":{"action":"approve"}}}"#;

/// `verdict` of each row, with the reason of what would have been.
async fn verdicts(world: &World) -> Vec<(String, Option<String>)> {
    let rows = world.audit().await;
    rows.into_iter()
        .map(|row| {
            (row.verdict, row.would.map(|would| format!("{} {}", would.verdict, would.reason)))
        })
        .collect()
}

fn passed(would: Option<&str>) -> (String, Option<String>) {
    ("allow".to_owned(), would.map(str::to_owned))
}

#[tokio::test]
async fn a_policy_that_observes_lets_pass_and_records_what_it_would_have_done() {
    let world = World::new(OPEN).await;
    world.set_mode(STRICT, PolicyMode::Observe).await;
    for (name, times) in [("read_item", 3), ("delete_all", 1), ("pay", 1)] {
        for id in 0..times {
            let got = world.agent().post(&call(id, name, "{}")).await;
            assert_eq!(got.text(), format!("ran {name}"), "{got:?}");
        }
    }
    assert_eq!(
        verdicts(&world).await,
        [
            passed(None),
            passed(None),
            passed(Some("deny limit_exceeded")),
            passed(Some("deny hidden")),
            passed(Some("hold approval_required")),
        ]
    );
    let row = world.audit().await.pop().expect("a row");
    assert_eq!((row.reason, row.rule), (None, None));
    let would = row.would.expect("what would have been");
    assert_eq!(would.rule, "/tools/pay/action");
    assert!(!would.message.is_empty());
    // What was let pass charged nothing, so enforcing begins where it would stand.
    world.set_policy(STRICT).await;
    let got = world.agent().post(&call(9, "read_item", "{}")).await;
    assert_eq!(got.json()["result"]["_meta"]["portcullis/decision"]["reason"], "limit_exceeded");
    world.stop().await;
}

#[tokio::test]
async fn a_policy_that_observes_hides_nothing_and_lets_other_methods_pass() {
    let world = World::new(OPEN).await;
    let all = world.agent().post(&method(1, "tools/list", "{}")).await.body;
    world.set_mode(STRICT, PolicyMode::Observe).await;
    assert_eq!(world.agent().post(&method(1, "tools/list", "{}")).await.body, all);
    world.agent().post(&method(1, "x/anything", "{}")).await;
    world.agent().post(&method(1, "resources/read", r#"{"uri":"test://a"}"#)).await;
    let sent: Vec<String> = world.peer.seen().into_iter().map(|seen| seen.body).collect();
    for part in ["x/anything", "resources/read"] {
        assert!(sent.iter().any(|body| body.contains(part)), "{part}: {sent:?}");
    }
    let rows = verdicts(&world).await;
    let would = Some("deny not_listed");
    assert_eq!(rows, [passed(would), passed(would)]);
    world.set_policy(STRICT).await;
    assert!(!world.agent().post(&method(1, "tools/list", "{}")).await.body.contains("delete_all"));
    world.stop().await;
}

#[tokio::test]
async fn a_quarantined_tool_is_refused_also_where_it_would_be_hidden() {
    let world = World::new(OPEN).await;
    world.agent().post(&method(1, "tools/list", "{}")).await;
    world.set_mode(STRICT, PolicyMode::Observe).await;
    world.peer.set(|state| {
        for tool in &mut state.tools {
            tool["description"] = "something else".into();
        }
    });
    world.agent().post(&method(1, "tools/list", "{}")).await;
    for name in ["delete_all", "read_item"] {
        let got = world.agent().post(&call(1, name, "{}")).await;
        let decision = &got.json()["result"]["_meta"]["portcullis/decision"];
        assert_eq!(decision["reason"], "quarantined", "{got:?}");
    }
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn malformed_arguments_and_broken_policies_refuse_in_every_mode() {
    let world = World::new(OPEN).await;
    world.set_mode(STRICT, PolicyMode::Observe).await;
    let twice = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"a":1,"a":2}}}"#;
    assert_eq!(world.agent().post(twice).await.status, 400);
    world.break_policy().await;
    let got = world.agent().post(&call(1, "read_item", "{}")).await;
    assert_eq!(got.json()["result"]["_meta"]["portcullis/decision"]["reason"], "policy_invalid");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_draft_changes_nothing_and_alone_it_denies() {
    let world = World::new(OPEN).await;
    world.set_mode(STRICT, PolicyMode::Draft).await;
    let got = world.agent().post(&call(1, "delete_all", "{}")).await;
    assert_eq!(got.text(), "ran delete_all");
    let row = world.audit().await.pop().expect("a row");
    assert_eq!(row.policy_version, Some(1));
    world.set_mode(STRICT, PolicyMode::Enforce).await;
    let got = world.agent().post(&call(2, "read_item", "{}")).await;
    assert_eq!(got.text(), "ran read_item");
    let row = world.audit().await.pop().expect("a row");
    assert_eq!(row.policy_version, Some(3));
    world.stop().await;
}

#[tokio::test]
async fn a_policy_with_nothing_but_drafts_denies_everything() {
    let world = World::new(OPEN).await;
    world.only_draft("q", OPEN).await;
    let got = world.agent().post(&call(1, "read_item", "{}")).await;
    assert_eq!(got.json()["result"]["_meta"]["portcullis/decision"]["reason"], "policy_invalid");
    let tools = world.agent().post(&method(1, "tools/list", "{}")).await;
    assert_eq!(tools.body, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#);
    world.stop().await;
}
