//! Deciding over HTTP while others do the same, and while what a call stands on changes.

use std::sync::Arc;

use it::gateway::{ADMIN_TOKEN, Gateway, Server};
use it::recorder::{Log, Options, Recorder};
use it::scene::{SERVER, Scene, decision, denied, held, ran};
use it::wire::{self, Answer, Ask};
use serde_json::{Value, json};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::console::Browser;
use crate::console::people::{PASSWORD, set_up};

/// Rounds of a race.
const ROUNDS: usize = 25;
/// Who takes part in one.
const PEOPLE: usize = 8;

fn ask_always() -> Value {
    policy("A person has to agree.")
}

fn policy(why: &str) -> Value {
    let question = json!({ "conditions": [], "on_deny": why });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

async fn hold(scene: &Scene, number: usize) -> String {
    let answer = scene.call("agent", "delete_all", json!({ "scope": format!("s{number}") })).await;
    assert!(held(&answer), "{}", answer.text());
    decision(&answer)["approval"]["id"].as_str().expect("an id").to_owned()
}

/// A decision over the API, on what was shown if somebody says so.
fn decide(id: &str, word: &str, shown: Option<&str>) -> Ask {
    let ask = Ask::bare("POST", &format!("/api/v1/approvals/{id}/{word}"))
        .with("Authorization", &format!("Bearer {ADMIN_TOKEN}"))
        .with("Content-Type", "application/json");
    let mut ask = match shown {
        Some(tag) => ask.with("If-Match", tag),
        None => ask,
    };
    ask.body = json!({ "reason": format!("{word} it") }).to_string().into_bytes();
    ask
}

async fn record(gateway: &Gateway, id: &str) -> (Answer, Value) {
    let answer = gateway.api("GET", &format!("approvals/{id}"), None).await;
    let record = serde_json::from_slice(&answer.body).expect("JSON");
    (answer, record)
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// Sends all at once, each on a connection of its own that is open already.
async fn at_once(console: std::net::SocketAddr, asks: Vec<Ask>) -> Vec<Answer> {
    let start = Arc::new(Barrier::new(asks.len()));
    let mut racing = JoinSet::new();
    for (number, ask) in asks.into_iter().enumerate() {
        let start = Arc::clone(&start);
        racing.spawn(async move {
            start.wait().await;
            (number, wire::ask(console, &ask).await.expect("the console answers"))
        });
    }
    let mut answers = racing.join_all().await;
    answers.sort_by_key(|(number, _)| *number);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_people_who_decide_at_the_same_moment_over_http_one_decides() {
    let scene = Scene::with_policy(&ask_always()).await;
    let mut words = [0, 0];
    for round in 0..ROUNDS {
        let id = hold(&scene, round).await;
        let asks = (0..PEOPLE).map(|one| decide(&id, ["approve", "reject"][one % 2], None));
        let answers = at_once(scene.gateway.console, asks.collect()).await;
        let winners: Vec<usize> = (0..PEOPLE).filter(|one| answers[*one].status == 200).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        assert!(answers.iter().all(|answer| matches!(answer.status, 200 | 409)), "{answers:?}");
        let winner = winners[0] % 2;
        words[winner] += 1;
        let (_, record) = record(&scene.gateway, &id).await;
        assert_eq!(record["state"], ["approved", "rejected"][winner]);
        assert_eq!(record["reason"], ["approve it", "reject it"][winner]);
        let loser = &answers[(0..PEOPLE).find(|one| *one != winners[0]).expect("somebody")];
        let told: Value = serde_json::from_slice(&loser.body).expect("a problem document");
        let why = told["detail"].as_str().expect("a sentence");
        for part in ["is already", text(&record["decided_by"]), text(&record["decided_at"])] {
            assert!(why.contains(part), "who decided, and when: {told}");
        }
        // The agent gets what stands, and once.
        let scope = json!({ "scope": format!("s{round}") });
        let answer = scene.call("agent", "delete_all", scope).await;
        assert_eq!((ran(&answer), denied(&answer)), (winner == 0, winner == 1));
    }
    assert_eq!(scene.log.executed_count(), words[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_people_with_the_same_page_open_the_slower_one_is_told() {
    let scene = Scene::with_policy(&ask_always()).await;
    let mut ada = set_up(&scene.gateway).await;
    let mut again = Browser::new(scene.gateway.console);
    assert_eq!(again.sign_in("ada@example.com", PASSWORD).await.status, 303);
    for round in 0..5 {
        let id = hold(&scene, round).await;
        let page = format!("/approvals/{id}");
        let approve = ada.form(&page, "approve").await;
        let reject = again.form(&page, "reject").await;
        let asks = vec![
            ada.filled(&format!("{page}/approve"), &approve),
            again.filled(&format!("{page}/reject"), &format!("{reject}&reason=not+this")),
        ];
        let answers = at_once(scene.gateway.console, asks).await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        let slower = statuses.iter().position(|status| *status == 409).expect("one is slower");
        let told = answers[slower].text();
        assert!(told.contains("Nothing was decided by you") && told.contains("is already"));
        assert!(told.contains("user:ada@example.com"), "{told}");
        statuses.sort_unstable();
        assert_eq!(statuses, [303, 409]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_page_and_a_program_that_decide_at_the_same_moment_one_decides() {
    let scene = Scene::with_policy(&ask_always()).await;
    let mut ada = set_up(&scene.gateway).await;
    for round in 0..5 {
        let id = hold(&scene, round).await;
        let page = format!("/approvals/{id}");
        let approve = ada.form(&page, "approve").await;
        let asks =
            vec![ada.filled(&format!("{page}/approve"), &approve), decide(&id, "reject", None)];
        let answers = at_once(scene.gateway.console, asks).await;
        let statuses = [answers[0].status, answers[1].status];
        assert!(matches!(statuses, [303, 409] | [409, 200]), "{answers:?}");
        let (_, record) = record(&scene.gateway, &id).await;
        let by_page = statuses[0] == 303;
        assert_eq!(record["state"], if by_page { "approved" } else { "rejected" });
        let slower = answers[usize::from(by_page)].text();
        for part in ["is already", text(&record["decided_by"]), text(&record["decided_at"])] {
            assert!(slower.contains(part), "who decided, and when: {slower}");
        }
    }
}

/// Holds a call, looks at it, changes something, and decides on what was shown.
async fn changed_meanwhile(change: impl AsyncFnOnce(&mut Scene)) -> (Scene, String) {
    let mut scene = Scene::with_policy(&ask_always()).await;
    let id = hold(&scene, 0).await;
    let (shown, before) = record(&scene.gateway, &id).await;
    let tag = shown.header("etag").expect("a tag").to_owned();
    assert_eq!(tag, format!("\"{}\"", before["stands_on"]["tag"].as_str().expect("a tag")));
    change(&mut scene).await;
    for word in ["approve", "reject"] {
        let ask = decide(&id, word, Some(&tag));
        let answer = wire::ask(scene.gateway.console, &ask).await.expect("an answer");
        assert_eq!(answer.status, 412, "{}", answer.text());
    }
    let (shown, now) = record(&scene.gateway, &id).await;
    assert_eq!(now["state"], "pending");
    let tag = shown.header("etag").expect("a tag").to_owned();
    // On what is shown now it can be decided.
    let answer = wire::ask(scene.gateway.console, &decide(&id, "approve", Some(&tag))).await;
    assert_eq!(answer.expect("an answer").status, 200);
    (scene, now["stands_on"].to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_policy_changed_is_not_approved_blindly_and_not_let_through() {
    let (scene, stands) = changed_meanwhile(async |scene| {
        let name = scene.gateway.config().policies.keys().next().expect("a policy").clone();
        scene.gateway.set_policy(&name, &policy("Another rule by now."));
        scene.gateway.reload().await;
    })
    .await;
    assert!(stands.contains(r#""policy_version":2"#), "{stands}");
    // The approval waives what was asked when the call was held, and no other rule.
    let answer = scene.call("agent", "delete_all", json!({ "scope": "s0" })).await;
    assert!(held(&answer), "{}", answer.text());
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_grant_was_revoked_is_not_approved_blindly_and_not_let_through() {
    let (scene, stands) = changed_meanwhile(async |scene| {
        let answer = scene.gateway.api("GET", "grants", None).await;
        let grants: Value = serde_json::from_slice(&answer.body).expect("JSON");
        let id = grants["items"][0]["id"].as_str().expect("an id");
        let path = format!("grants/{id}/revoke");
        assert_eq!(scene.gateway.api("POST", &path, Some(json!({}))).await.status / 100, 2);
    })
    .await;
    assert!(stands.contains(r#""grant_works":false"#), "{stands}");
    let answer = scene.call("agent", "delete_all", json!({ "scope": "s0" })).await;
    assert_eq!(answer.status, 401);
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_tool_changed_is_not_approved_blindly_and_not_let_through() {
    let (scene, stands) = changed_meanwhile(async |scene| {
        scene.recorder.change_tool("delete_all");
        let path = format!("servers/{SERVER}/inspect");
        let answer = scene.gateway.api("POST", &path, Some(json!({}))).await;
        assert_eq!(answer.status / 100, 2, "{}", answer.text());
    })
    .await;
    assert!(stands.contains(r#""definition_same":false"#), "{stands}");
    let answer = scene.call("agent", "delete_all", json!({ "scope": "s0" })).await;
    assert!(denied(&answer), "{}", answer.text());
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_whose_server_moved_is_not_approved_blindly() {
    let elsewhere = Recorder::start(Options::strict(SERVER), Log::default()).await;
    let (scene, _stands) = changed_meanwhile(async |scene| {
        scene.gateway.config().servers[0] = Server::of(SERVER, &elsewhere);
        scene.gateway.reload().await;
    })
    .await;
    assert_eq!(scene.log.executed_count(), 0);
}
