//! Waiting for a person (GATEWAY.md section 7, points 1 to 3) as agents by official SDKs live it: the
//! TypeScript and the Python one, each in both protocol eras.

use it::driven::{AGENTS, Driven, Sdk, Speaks};
use it::recorder::Options;
use it::scene::{Plan, SERVER, Scene};
use it::wait;
use serde_json::{Value, json};

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

/// A scene in which calls wait so long at most, for agents of that era.
async fn scene(speaks: Speaks, seconds: u32) -> Scene {
    let options = Options::strict(SERVER);
    let options = if speaks == Speaks::Legacy { options.stateful() } else { options };
    let mut plan = Plan::with(options).await.granting("agent", &ask_always());
    plan.config.approvals = vec![
        format!("wait_seconds = {seconds}"),
        format!("wait_seconds_with_progress = {seconds}"),
    ];
    plan.start().await
}

async fn pending(scene: &Scene) -> String {
    wait::until("a pending approval", || async {
        scene.pending().await.first().and_then(|item| item["id"].as_str().map(str::to_owned))
    })
    .await
}

async fn decide(scene: &Scene, id: &str, decision: &str) {
    assert_eq!(scene.gateway.decide(id, decision).await.status / 100, 2);
}

fn text(news: &Value) -> &str {
    news["result"]["content"][0]["text"].as_str().unwrap_or_default()
}

fn ran(news: &Value) -> bool {
    news["result"]["content"].is_array() && news["result"]["isError"] != true
}

/// The state of a request, by its id.
async fn state(scene: &Scene, id: &str) -> String {
    let answer = scene.gateway.api("GET", &format!("approvals/{id}"), None).await;
    let record: Value = serde_json::from_slice(&answer.body).expect("JSON");
    record["state"].as_str().expect("a state").to_owned()
}

async fn waits_and_goes_on(agent: (Sdk, Speaks)) {
    let scene = scene(agent.1, 60).await;
    let mut driven = Driven::start(&scene.gateway, (SERVER, "agent"), agent).await;
    driven.call("first", "a").await;
    let news = driven.next().await;
    assert_eq!(news["message"], "waiting for a person's approval", "{news}");
    let begun = news["progress"].as_f64().expect("a number");
    let id = pending(&scene).await;
    assert_eq!(scene.log.executed_count(), 0);
    decide(&scene, &id, "approve").await;
    let (told, end) = driven.end_of("first").await;
    assert!(ran(&end), "{end}");
    let told: Vec<f64> = std::iter::once(begun).chain(told).collect();
    assert!(told.windows(2).all(|pair| pair[0] < pair[1]), "{told:?}");
    assert_eq!((scene.log.executed_count(), &*state(&scene, &id).await), (1, "used"));
    // What a person rejects is refused, with the reason.
    driven.call_silently("second", "b").await;
    decide(&scene, &pending(&scene).await, "reject").await;
    let (told, end) = driven.end_of("second").await;
    assert!(told.is_empty(), "nobody asked for progress");
    assert_eq!(end["result"]["isError"], true, "{end}");
    assert_eq!(text(&end), "[POLICY DENIED] Rejected by a person: the test says so");
    assert_eq!(scene.log.executed_count(), 1);
    driven.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_waiting_call_hears_of_it_and_ends_with_what_was_decided() {
    for agent in AGENTS {
        waits_and_goes_on(agent).await;
    }
}

async fn retry_finds_its_approval(agent: (Sdk, Speaks)) {
    let scene = scene(agent.1, 0).await;
    let mut driven = Driven::start(&scene.gateway, (SERVER, "agent"), agent).await;
    driven.call("first", "a").await;
    let (_, end) = driven.end_of("first").await;
    assert_eq!(end["result"]["isError"], true, "{end}");
    assert!(text(&end).starts_with("[APPROVAL REQUIRED]"), "{end}");
    let approval = &end["result"]["_meta"]["portcullis/decision"]["approval"];
    let id = pending(&scene).await;
    assert_eq!(approval["id"], id, "{end}");
    assert_eq!(approval["url"], format!("http://{}/approvals/{id}", scene.gateway.console));
    assert!(text(&end).contains(approval["url"].as_str().expect("a link")), "{end}");
    assert!(text(&end).contains("exactly the same arguments"), "{end}");
    // Made again undecided, it joins its request; decided, it goes through once.
    driven.call("second", "a").await;
    let (_, again) = driven.end_of("second").await;
    assert_eq!(again["result"]["_meta"]["portcullis/decision"]["approval"]["id"], id, "{again}");
    assert_eq!(scene.pending().await.len(), 1);
    decide(&scene, &id, "approve").await;
    driven.call("other", "b").await;
    assert!(text(&driven.end_of("other").await.1).starts_with("[APPROVAL REQUIRED]"));
    assert_eq!(scene.log.executed_count(), 0, "other arguments are another call");
    driven.call("third", "a").await;
    let (_, end) = driven.end_of("third").await;
    assert!(ran(&end), "{end}");
    driven.call("fourth", "a").await;
    let (_, end) = driven.end_of("fourth").await;
    assert!(text(&end).starts_with("[APPROVAL REQUIRED]"), "{end}");
    assert_eq!(scene.log.executed_count(), 1);
    driven.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_made_again_finds_its_approval_once() {
    for agent in AGENTS {
        retry_finds_its_approval(agent).await;
    }
}

/// Gives a waiting call up; then it is approved, and made again.
async fn given_up(agent: (Sdk, Speaks)) {
    let scene = scene(agent.1, 60).await;
    let mut driven = Driven::start(&scene.gateway, (SERVER, "agent"), agent).await;
    driven.call("first", "a").await;
    assert_eq!(driven.next().await["message"], "waiting for a person's approval");
    let id = pending(&scene).await;
    driven.cancel("first").await;
    let (_, end) = driven.end_of("first").await;
    assert!(end["error"].is_string(), "{end}");
    // The gateway knows it once nothing waits any more.
    nothing_held(&scene).await;
    decide(&scene, &id, "approve").await;
    assert_eq!(scene.log.executed_count(), 0, "nobody wants it any more");
    driven.call("second", "a").await;
    let (_, end) = driven.end_of("second").await;
    assert!(ran(&end), "{end}");
    assert_eq!((scene.log.executed_count(), &*state(&scene, &id).await), (1, "used"));
    driven.end().await;
}

/// Waits until no call is held open.
async fn nothing_held(scene: &Scene) {
    wait::until("the end of the wait", || async {
        let ask = it::wire::Ask::bare("GET", "/metrics");
        let answer = it::wire::ask(scene.gateway.console, &ask).await.expect("metrics");
        let text = answer.text();
        let line = text.lines().find(|line| line.starts_with("portcullis_holds"));
        line.is_some_and(|line| line.ends_with(" 0")).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_given_up_does_not_run_and_its_approval_serves_the_next() {
    for agent in AGENTS {
        given_up(agent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_dies_withdraws_a_stateless_call_and_not_one_of_a_session() {
    for (sdk, speaks) in AGENTS {
        let scene = scene(speaks, 60).await;
        let mut driven = Driven::start(&scene.gateway, (SERVER, "agent"), (sdk, speaks)).await;
        driven.call("first", "a").await;
        assert_eq!(driven.next().await["message"], "waiting for a person's approval");
        let id = pending(&scene).await;
        driven.kill().await;
        match speaks {
            Speaks::Modern => {
                nothing_held(&scene).await;
                decide(&scene, &id, "approve").await;
                assert_eq!(state(&scene, &id).await, "approved", "{sdk:?}");
                assert_eq!(scene.log.executed_count(), 0);
            }
            Speaks::Legacy => {
                decide(&scene, &id, "approve").await;
                wait::until("the call", || async {
                    (scene.log.executed_count() == 1).then_some(())
                })
                .await;
                assert_eq!(state(&scene, &id).await, "used", "{sdk:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_anew_keeps_the_request_and_the_approval_of_a_waiting_call() {
    for speaks in [Speaks::Legacy, Speaks::Modern] {
        let agent = (Sdk::TypeScript, speaks);
        let mut scene = scene(speaks, 60).await;
        let mut driven = Driven::start(&scene.gateway, (SERVER, "agent"), agent).await;
        driven.call("first", "a").await;
        assert_eq!(driven.next().await["message"], "waiting for a person's approval");
        let id = pending(&scene).await;
        scene.gateway.kill().await;
        scene.gateway.restart().await;
        driven.kill().await;
        assert_eq!(pending(&scene).await, id);
        decide(&scene, &id, "approve").await;
        scene.gateway.kill().await;
        scene.gateway.restart().await;
        assert_eq!((scene.log.executed_count(), &*state(&scene, &id).await), (0, "approved"));
        let mut driven = Driven::start(&scene.gateway, (SERVER, "agent"), agent).await;
        driven.call("second", "a").await;
        let (_, end) = driven.end_of("second").await;
        assert!(ran(&end), "{end}");
        assert_eq!(scene.log.executed_count(), 1);
        driven.end().await;
    }
}
