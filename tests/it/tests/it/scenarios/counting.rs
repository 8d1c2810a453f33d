//! Limits, grants and policies at their edges.

use futures_util::future::join_all;
use it::gateway::Config;
use it::recorder::{Log, Options, Recorder};
use it::scene::{Plan, SERVER, Scene, denied, ran};
use it::wire::{self, Ask};
use it::{gateway::Gateway, gateway::Server, wait};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::regressions::open;

/// At most `max` calls a day of this tool.
fn at_most(tool: &str, max: u64) -> Value {
    let limit = json!({ "window": "day", "max": max });
    json!({ "version": "1", "default": "deny", "tools": { tool: { "limits": [limit] } } })
}

#[tokio::test(flavor = "multi_thread")]
async fn s41_as_many_as_the_limit_run_on_one_two_and_eight_workers() {
    for workers in [1, 2, 8] {
        let log = Log::default();
        let recorder = Recorder::start(Options::strict(SERVER), log.clone()).await;
        let mut config = Config::with_servers(vec![Server::of(SERVER, &recorder)]);
        config = config.granting("agent", &at_most("read_item", 7));
        config.variables = vec![("TOKIO_WORKER_THREADS".to_owned(), workers.to_string())];
        let scene = Scene { gateway: Gateway::start(config).await, recorder, log };
        let calls = (0..100).map(|_n| scene.call("agent", "read_item", json!({})));
        let answers = join_all(calls).await;
        assert_eq!(answers.iter().filter(|answer| ran(answer)).count(), 7, "{workers} workers");
        assert_eq!(answers.iter().filter(|answer| denied(answer)).count(), 93);
        assert_eq!(scene.log.executed_count(), 7, "{workers} workers");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s40_tools_that_are_named_like_parts_of_a_policy_have_buckets_of_their_own() {
    let names = ["_global", "all_tools", "tools", "hide", "default", "a.b", "a", "b.c", "c"];
    let plan = Plan::plain().await;
    let tool = |name: &&str| json!({ "name": name, "inputSchema": { "type": "object" } });
    plan.recorder().set_tools(names.iter().map(tool).collect());
    let limit = json!([{ "window": "day", "max": 1 }]);
    let mut policy = json!({ "version": "1", "default": "deny", "tools": {} });
    for name in names {
        policy["tools"][name] = json!({ "limits": limit });
    }
    let scene = plan.granting("agent", &policy).start().await;
    for name in names {
        assert!(ran(&scene.call("agent", name, json!({})).await), "{name}");
    }
    for name in names {
        assert!(denied(&scene.call("agent", name, json!({})).await), "{name}");
    }
    assert_eq!(scene.log.executed_count(), names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn s49_a_policy_that_becomes_nothing_changes_nothing() {
    let only = json!({ "version": "1", "default": "deny", "tools": { "read_item": {} } });
    let scene = Scene::with_policy(&only).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let verbose = || async {
        let ask = Ask::bare("GET", "/readyz?verbose");
        wire::ask(scene.gateway.console, &ask).await.expect("an answer").text()
    };
    let before = verbose().await;
    let file = scene.gateway.folder().join("agent.policy.json");
    let texts = ["", "null", "{}", "[]", "\u{feff}", r#"{"version":"2","default":"allow"}"#];
    for text in texts.map(Some).into_iter().chain([None]) {
        match text {
            Some(text) => std::fs::write(&file, text).expect("a file"),
            None => std::fs::remove_file(&file).expect("a file"),
        }
        scene.gateway.signal(Signal::HUP);
        wait::until("the refusal", || async { (verbose().await != before).then_some(()) }).await;
        assert!(ran(&scene.call("agent", "read_item", json!({})).await), "{text:?}");
        assert!(denied(&scene.call("agent", "delete_all", json!({})).await), "{text:?}");
        std::fs::write(&file, only.to_string()).expect("a file");
        scene.gateway.signal(Signal::HUP);
        wait::until("the good file", || async { (verbose().await == before).then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s50_a_grant_is_over_at_its_end_and_with_its_server() {
    let log = Log::default();
    let recorder = Recorder::start(Options::strict(SERVER), log.clone()).await;
    let config = Config::with_servers(vec![Server::of(SERVER, &recorder)]);
    let gateway = Gateway::start_with_clock(config.granting("agent", &open())).await;
    let made = |body: Value| {
        let gateway = &gateway;
        async move {
            let made = gateway.api("POST", "grants", Some(body)).await;
            assert_eq!(made.status, 201, "{}", made.text());
            let made: Value = serde_json::from_slice(&made.body).expect("JSON");
            made["token"].as_str().expect("a token").to_owned()
        }
    };
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let is_open = |server: &'static str, token: String, open: bool| {
        let gateway = &gateway;
        async move {
            wait::until("what the token opens", || async {
                let status = gateway.post(server, &token, ping).await.status;
                ((status != 401) == open).then_some(())
            })
            .await;
        }
    };
    let ends = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(2);
    let ends = json!({ "label": "short", "server": SERVER, "expires": ends.to_string() });
    let short = made(ends).await;
    is_open(SERVER, short.clone(), true).await;
    gateway.set_clock("+7000");
    is_open(SERVER, short.clone(), true).await;
    gateway.set_clock("+7201");
    is_open(SERVER, short, false).await;
    let child = json!({ "slug": "child", "command": ["/bin/cat"] });
    assert_eq!(gateway.api("POST", "servers", Some(child)).await.status, 201);
    let orphan = made(json!({ "label": "orphan", "server": "child" })).await;
    is_open("child", orphan.clone(), true).await;
    assert!(gateway.api("DELETE", "servers/child", None).await.status < 300);
    is_open("child", orphan, false).await;
}
