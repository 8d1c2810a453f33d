//! The process is killed under load, again and again: no charge is lost, no call ran without a row.

use futures_util::future::join_all;
use it::gateway::Config;
use it::scene::{Plan, SERVER, Scene, call_body, ran};
use it::{wait, wire};
use serde_json::{Value, json};

const KILLS: usize = 8;
const CALLS_AT_ONCE: usize = 40;
const MAX: usize = 100;

fn at_most(max: usize) -> Value {
    let limit = json!({ "counter": "c", "window": "day", "max": max });
    json!({ "version": "1", "default": "deny", "tools": { "read_item": { "limits": [limit] } } })
}

/// Starts many calls and kills the gateway once `enough` of them ran, or all were answered.
async fn kill_in_the_middle(scene: &mut Scene, round: usize, enough: usize) -> usize {
    let door = scene.gateway.door;
    let token = Config::token_of("agent");
    let calls = (0..CALLS_AT_ONCE).map(|n| {
        let nonce = json!({ "id": format!("nonce-{round}-{n}") });
        let body = call_body(1, "read_item", &nonce);
        let ask = wire::Ask::mcp(&format!("/mcp/{SERVER}"), &token, body);
        async move { wire::ask(door, &ask).await.unwrap_or_default() }
    });
    let calls: Vec<_> = calls.collect();
    let log = scene.log.clone();
    let before = log.executed_count();
    let everything = join_all(calls);
    let killer = async {
        let begun = || async { (log.executed_count() >= before + enough).then_some(()) };
        wait::poll(std::time::Duration::from_secs(2), begun).await;
        scene.gateway.kill().await;
    };
    let (answers, ()) = tokio::join!(everything, killer);
    scene.gateway.restart().await;
    answers.iter().filter(|answer| ran(answer)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_charge_is_lost_and_no_call_is_unrecorded() {
    let mut scene = Plan::plain().await.granting("agent", &at_most(MAX)).start().await;
    for round in 0..KILLS {
        kill_in_the_middle(&mut scene, round, 1 + round * 4).await;
        assert!(scene.log.executed_count() <= MAX, "after kill {round}");
    }
    while ran(&scene.call("agent", "read_item", json!({ "id": "rest" })).await) {
        assert!(scene.log.executed_count() <= MAX);
    }
    let rows = scene.gateway.audit().await;
    let recorded = |nonce: &str| {
        rows.iter().any(|row| {
            row["verdict"] == "allow"
                && row["arguments"].to_string().contains(&format!("\"{nonce}\""))
        })
    };
    for call in scene.log.executed() {
        let nonce = call.arguments["id"].as_str().expect("a nonce");
        assert!(recorded(nonce), "{nonce} ran without a row");
    }
    let verified = scene.gateway.command(&["audit", "verify"]).output().await.expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clean_stop_loses_nothing_either() {
    let mut scene = Plan::plain().await.granting("agent", &at_most(3)).start().await;
    for _call in 0..2 {
        assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    }
    scene.gateway.signal(rustix::process::Signal::TERM);
    assert!(scene.gateway.ended().await.success());
    scene.gateway.restart().await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    assert!(!ran(&scene.call("agent", "read_item", json!({})).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_on_the_same_data_is_refused() {
    let scene = Plan::plain().await.granting("agent", &at_most(3)).start().await;
    let second = scene.gateway.command(&["serve"]).output();
    let second = wait::bounded("the refusal", second).await.expect("it runs");
    assert!(!second.status.success());
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
}
