//! The audit: what is asked of it is what it answers, and who decided stands in it.

use it::gateway::{Config, Grant, Server};
use it::recorder::{Log, Options, Recorder};
use it::scene::{Plan, SERVER, Scene, decision, held, ran};
use serde_json::{Value, json};

use super::{LIST, inspect};

fn policy() -> Value {
    json!({ "version": "1", "default": "deny", "tools": { "read_item": {}, "pay": {} } })
}

async fn asked(scene: &Scene, query: &str) -> Vec<Value> {
    let answer = scene.gateway.api("GET", &format!("audit?limit=500&{query}"), None).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.text());
    let page: Value = serde_json::from_slice(&answer.body).expect("JSON");
    page["items"].as_array().expect("items").clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_filter_of_the_audit_filters() {
    let mut plan = Plan::plain().await.granting("agent", &policy()).granting("other", &policy());
    let beta = Recorder::start(Options::strict("beta"), Log::default()).await;
    plan.config.servers.push(Server::of("beta", &beta));
    let of_beta = Config::token_of("of-beta");
    plan.config.policies.insert("of-beta".to_owned(), policy());
    plan.config.grants.push(Grant::new("of-beta", "beta", Some("of-beta"), &of_beta));
    let scene = plan.start().await;
    for tool in ["read_item", "pay", "delete_all"] {
        scene.call("agent", tool, json!({})).await;
        scene.call("other", tool, json!({})).await;
        scene.gateway.call("beta", &of_beta, tool, json!({})).await;
    }
    scene.post("agent", "no JSON").await;
    let all = asked(&scene, "").await;
    assert_eq!(all.len(), 10, "{all:?}");
    let filters = [
        ("server", "beta", 3),
        ("server", SERVER, 7),
        ("grant", "other", 3),
        ("tool", "pay", 3),
        ("verdict", "allow", 6),
        ("reason", "not_listed", 3),
        ("kind", "decision", 9),
        ("kind", "rejected", 1),
    ];
    for (field, value, count) in filters {
        let found = asked(&scene, &format!("{field}={value}")).await;
        assert_eq!(found.len(), count, "{field}={value}: {found:?}");
        assert!(found.iter().all(|row| row[field] == value), "{field}={value}: {found:?}");
    }
    let both = asked(&scene, "server=alpha&verdict=deny&grant=agent&tool=delete_all").await;
    assert_eq!(both.len(), 1, "{both:?}");
    assert!(asked(&scene, "grant=nobody").await.is_empty());
    let export = scene.gateway.api("GET", "audit?format=jsonl&server=beta", None).await;
    assert_eq!(export.text().lines().count(), 3, "an export is filtered too: {}", export.text());
    let unknown = scene.gateway.api("GET", "audit?servr=beta", None).await;
    assert_eq!(
        unknown.status / 100,
        4,
        "a filter that is none is not left out: {}",
        unknown.text()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_gateway_asks_on_its_own_account_is_no_decision() {
    let scene = Scene::with_policy(&policy()).await;
    for _look in 0..3 {
        assert_eq!(inspect(&scene).await.status, 200);
    }
    scene.pending().await;
    scene.post("agent", LIST).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let rows = scene.gateway.audited("the call", |rows| (!rows.is_empty()).then(|| rows.to_vec()));
    let rows = rows.await;
    assert!(rows.iter().all(|row| row["grant"] == "agent"), "{rows:?}");
    let calls = rows.iter().filter(|row| row["method"] == "tools/call").count();
    assert_eq!(calls, 1, "{rows:?}");
    assert!(rows.len() <= 2, "{rows:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_keeps_who_when_from_where_and_why() {
    let always = json!({ "conditions": [], "on_deny": "A person has to agree." });
    let policy = json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [always] } } });
    let scene = Scene::with_policy(&policy).await;
    let answer = scene.call("agent", "delete_all", json!({ "scope": "one" })).await;
    assert!(held(&answer), "{}", answer.text());
    let id = decision(&answer)["approval"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(scene.gateway.decide(&id, "approve").await.status / 100, 2);
    let shown = scene.gateway.api("GET", &format!("approvals/{id}"), None).await;
    let shown: Value = serde_json::from_slice(&shown.body).expect("JSON");
    for member in ["decided_by", "decided_at", "decided_from", "reason"] {
        assert!(shown[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {shown}");
    }
    assert_eq!(shown["reason"], "the test says so");
    assert!(ran(&scene.call("agent", "delete_all", json!({ "scope": "one" })).await));
    let rows = scene
        .gateway
        .audited("the call", |rows| rows.iter().find(|row| row["verdict"] == "allow").cloned());
    assert_eq!(rows.await["approval_id"], id.as_str(), "the row names what let it through");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_number_of_an_approval_is_never_given_twice() {
    let always = json!({ "conditions": [] });
    let policy = json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [always] } } });
    let mut scene = Scene::with_policy(&policy).await;
    let mut ids = Vec::new();
    for round in 0..12 {
        let answer = scene.call("agent", "delete_all", json!({ "scope": round })).await;
        let id = decision(&answer)["approval"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(scene.gateway.decide(&id, "reject").await.status / 100, 2);
        ids.push(id);
        if round == 6 {
            scene.gateway.kill().await;
            scene.gateway.restart().await;
        }
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 12, "{ids:?}");
    assert!(ids.iter().all(|id| id.starts_with("apr_") && id.len() == 30), "{ids:?}");
}
