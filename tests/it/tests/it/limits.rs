//! Limits admit exactly as many calls as they say, however many come at once.

use futures_util::future::join_all;
use it::gateway::{Config, Grant};
use it::scene::{Plan, SERVER, denied, ran};
use serde_json::{Value, json};

const ROUNDS: usize = 100;
const CALLS_AT_ONCE: usize = 200;
const MAXIMA: [usize; 3] = [1, 3, 50];

/// Two limits on one call: the narrow one decides, the wide one must not be charged for what the
/// narrow one denies.
fn two_limits(max: usize) -> Value {
    let narrow = json!({ "counter": "narrow", "window": "day", "max": max });
    let wide =
        json!({ "counter": "wide", "window": 86_400, "max": 2 * max, "algorithm": "sliding" });
    json!({ "version": "1", "default": "deny", "tools": { "read_item": { "limits": [wide, narrow] } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_as_many_as_the_limit_run() {
    let mut plan = Plan::plain().await;
    for max in MAXIMA {
        plan.config.policies.insert(format!("at-most-{max}"), two_limits(max));
    }
    for round in 0..ROUNDS {
        let label = format!("round-{round}");
        let policy = format!("at-most-{}", MAXIMA[round % MAXIMA.len()]);
        let token = Config::token_of(&label);
        plan.config.grants.push(Grant::new(&label, SERVER, Some(&policy), &token));
    }
    let scene = plan.start().await;
    for round in 0..ROUNDS {
        let max = MAXIMA[round % MAXIMA.len()];
        let label = format!("round-{round}");
        let before = scene.log.executed_count();
        let calls = (0..CALLS_AT_ONCE).map(|_n| scene.call(&label, "read_item", json!({})));
        let answers = join_all(calls).await;
        let let_through = answers.iter().filter(|answer| ran(answer)).count();
        let refused = answers.iter().filter(|answer| denied(answer)).count();
        assert_eq!((let_through, refused), (max, CALLS_AT_ONCE - max), "round {round}");
        assert_eq!(scene.log.executed_count() - before, max, "round {round}");
    }
}

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
