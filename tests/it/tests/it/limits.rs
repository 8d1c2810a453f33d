//! What a limit says to agents, whose calls it counts, and when a running call's place is free again.

use futures_util::future::join_all;
use it::scene::{Plan, denied, ran};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_says_when_to_try_again() {
    let limit = json!({ "counter": "one", "window": "day", "max": 1 });
    let policy = json!({
        "version": "1", "default": "deny", "tools": { "read_item": { "limits": [limit] } },
    });
    let scene = Plan::plain().await.granting("agent", &policy).start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let second = scene.call("agent", "read_item", json!({})).await;
    assert!(denied(&second));
    let decision = it::scene::decision(&second);
    assert_eq!(decision["reason"], "limit_exceeded");
    assert_eq!(decision["rule"], "/tools/read_item/limits/0");
    let wait_ms = decision["retry_after_ms"].as_u64().expect("a time");
    assert!(wait_ms > 0 && wait_ms <= 86_400_000, "{wait_ms}");
}

#[tokio::test(flavor = "multi_thread")]
async fn grants_do_not_share_what_is_theirs_and_share_what_is_the_servers() {
    let limits = |scope: &str| {
        let limit = json!({ "counter": "c", "window": "day", "max": 1, "scope": scope });
        json!({ "version": "1", "default": "deny", "tools": { "read_item": { "limits": [limit] } } })
    };
    let (own, common) = (limits("grant"), limits("server"));
    let plan = Plan::plain().await;
    let plan = plan.granting("first", &own).granting("second", &own);
    let scene = plan.granting("third", &common).granting("fourth", &common).start().await;
    for (label, runs) in [("first", true), ("second", true), ("third", true), ("fourth", false)] {
        assert_eq!(ran(&scene.call(label, "read_item", json!({})).await), runs, "{label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_holds_its_place_until_it_ends() {
    let limit = json!({ "counter": "running", "window": "in_flight", "max": 2 });
    let policy = json!({
        "version": "1", "default": "deny", "tools": { "read_item": { "limits": [limit] } },
    });
    let scene = Plan::plain().await.granting("agent", &policy).start().await;
    scene.recorder.set_fault(Some(it::recorder::Fault::Held));
    let both =
        async { join_all((0..2).map(|_n| scene.call("agent", "read_item", json!({})))).await };
    let third = async {
        it::wait::until("two running calls", || async {
            (scene.log.executed_count() == 2).then_some(())
        })
        .await;
        let refused = scene.call("agent", "read_item", json!({})).await;
        scene.recorder.set_fault(None);
        scene.recorder.release(2);
        refused
    };
    let (finished, refused) = tokio::join!(both, third);
    assert!(denied(&refused));
    assert!(finished.iter().all(ran));
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
}
