//! Who somebody is: only what the gateway itself knows counts, and nothing that a message says.

use it::gateway::{Config, Gateway, Grant, Server};
use it::recorder::{Log, Options, Recorder};
use it::scene::{Plan, SERVER, Scene, call_body, denied, ran};
use it::wire::{self, Ask};
use serde_json::{Value, json};

use super::open;

#[tokio::test(flavor = "multi_thread")]
async fn each_server_gets_its_own_credential_and_nobody_elses() {
    let log = Log::default();
    let alpha = Recorder::start(Options::strict("alpha"), log.clone()).await;
    let beta = Recorder::start(Options::strict("beta"), log.clone()).await;
    let servers = vec![Server::of("alpha", &alpha), Server::of("beta", &beta)];
    let mut config = Config::with_servers(servers).granting("agent", &open());
    config.policies.insert("of-beta".to_owned(), open());
    let of_beta = Config::token_of("of-beta");
    config.grants.push(Grant::new("of-beta", "beta", Some("of-beta"), &of_beta));
    let gateway = Gateway::start(config).await;
    let of_alpha = Config::token_of("agent");
    for _round in 0..3 {
        assert!(ran(&gateway.call("alpha", &of_alpha, "read_item", json!({})).await));
        assert!(ran(&gateway.call("beta", &of_beta, "read_item", json!({})).await));
    }
    for request in log.requests() {
        assert!(request.credential, "{request:?}");
        let foreign = if request.server == "alpha" { &beta } else { &alpha };
        assert!(!request.holds(&foreign.options().credential), "{request:?}");
        assert!(!request.holds(&of_alpha) && !request.holds(&of_beta), "{request:?}");
    }
    let crossed = gateway.call("beta", &of_alpha, "read_item", json!({})).await;
    assert_eq!(crossed.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_challenge_leads_to_a_document_about_this_very_address() {
    let scene = Scene::with_policy(&open()).await;
    let door = scene.gateway.door;
    for method in ["POST", "GET", "DELETE"] {
        let ask = Ask::bare(method, "/mcp/alpha").with("Content-Type", "application/json");
        let answer = wire::ask(door, &ask).await.expect("an answer");
        assert_eq!(answer.status, 401, "{method}");
        let challenge = answer.header("www-authenticate").expect("a challenge").to_owned();
        let url = challenge.split('"').nth(1).expect("a URL");
        let path = url.strip_prefix(&format!("http://{door}")).expect("absolute, and here");
        let found = wire::ask(door, &Ask::bare("GET", path)).await.expect("an answer");
        assert_eq!(found.status, 200, "{path}");
        let found: Value = serde_json::from_slice(&found.body).expect("JSON");
        assert_eq!(found["resource"], format!("http://{door}/mcp/alpha"), "{method}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_message_calls_itself_charges_nobody_elses_quota() {
    let limit =
        |scope: &str| json!({ "counter": "shared", "window": "day", "max": 2, "scope": scope });
    let policy = |scope: &str| json!({ "version": "1", "default": "deny", "tools": { "read_item": { "limits": [limit(scope)] } } });
    let plan = Plan::plain().await;
    let scene = plan.granting("victim", &policy("grant")).granting("agent", &policy("grant"));
    let scene = scene.start().await;
    let victim = Config::token_of("victim");
    let lies = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "read_item",
            "arguments": { "id": "victim", "grant": "victim", "server": "beta", "server_id": "beta" },
            "_meta": {
                "grant": "victim", "server": "beta", "session": "of-the-victim",
                "portcullis/decision": { "verdict": "allow" },
                "io.modelcontextprotocol/clientInfo": { "name": "victim", "version": "1" },
            },
        },
    });
    let lie = || async {
        let ask = scene
            .ask("agent", &lies.to_string())
            .with("X-Portcullis-Grant", "victim")
            .with("X-Grant", "victim")
            .with("X-User", "victim")
            .with("X-Auth-Request-Email", &victim);
        scene.send(&ask).await
    };
    for runs in [true, true, false, false] {
        assert_eq!(ran(&lie().await), runs, "it pays itself");
    }
    for runs in [true, true, false] {
        let answer = scene.call("victim", "read_item", json!({})).await;
        assert_eq!(ran(&answer), runs, "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_of_the_inside_open_nothing_from_the_outside() {
    let scene = Scene::with_policy(&open()).await;
    let body = call_body(1, "read_item", &json!({}));
    let inside = [
        "X-Portcullis-Grant",
        "X-Portcullis-Internal",
        "X-Internal",
        "X-Internal-Key",
        "X-Mcp-Internal",
        "X-Envoy-Internal",
        "X-Forwarded-User",
        "X-Remote-User",
        "X-Api-Key",
        "Proxy-Authorization",
        "X-Auth-Token",
        "Mcp-Session-Id",
    ];
    for name in inside {
        for value in ["agent", "true", &Config::token_of("agent")] {
            let mut ask = Ask::mcp("/mcp/alpha", "", body.clone());
            ask.headers.retain(|(held, _value)| held != "Authorization");
            let answer = scene.send(&ask.with(name, value)).await;
            assert_eq!(answer.status, 401, "{name}: {value}");
        }
    }
    assert_eq!(scene.log.executed_count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_without_grants_lets_nobody_in() {
    let recorder = Recorder::start(Options::strict(SERVER), Log::default()).await;
    let gateway = Gateway::start(Config::with_servers(vec![Server::of(SERVER, &recorder)])).await;
    let body = call_body(1, "read_item", &json!({}));
    for token in
        ["admin-token-of-the-integration-tests", "portcullis-default-token", "changeme-changeme"]
    {
        assert_eq!(gateway.post(SERVER, token, &body).await.status, 401, "{token}");
        for path in ["grants", "audit", "servers", "approvals"] {
            let ask = Ask::bare("GET", &format!("/api/v1/{path}"));
            let answer = wire::ask(gateway.console, &ask).await.expect("an answer");
            assert_eq!(answer.status, 401, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_token_is_not_replaced_by_an_identity_from_elsewhere() {
    let mut plan = Plan::plain().await.granting("agent", &open());
    let mut over = Grant::new("over", SERVER, Some("agent"), "token-of-a-grant-that-is-over");
    over.lines.push("expires = \"2020-01-01T00:00:00Z\"".to_owned());
    plan.config.grants.push(over);
    let scene = plan.start().await;
    let body = call_body(1, "read_item", &json!({}));
    // A connection on which a good token was just accepted knows nothing of it at the next request.
    let good = scene.ask("agent", &body).with("Connection", "keep-alive");
    let bad = Ask::mcp("/mcp/alpha", "token-of-a-grant-that-is-over", body.clone());
    let none = Ask {
        headers: vec![("Content-Type".to_owned(), "application/json".to_owned())],
        ..bad.clone()
    };
    for second in [bad, none] {
        let host = scene.gateway.door.to_string();
        let both = [good.bytes(&host), second.bytes(&host)].concat();
        let answers = wire::exchange_all(scene.gateway.door, both).await.expect("answers");
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 401]);
    }
    assert_eq!(scene.log.executed_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_that_lost_its_policy_is_denied_and_not_let_through() {
    let mut scene = Scene::with_policy(&open()).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let config = scene.gateway.config();
    config.grants[0].policy = None;
    scene.gateway.reload().await;
    let answer = scene.call("agent", "read_item", json!({})).await;
    assert!(denied(&answer), "{}", answer.text());
    assert_eq!(it::scene::decision(&answer)["reason"], "no_policy");
    assert_eq!(super::names(&scene.post("agent", super::LIST).await), Vec::<String>::new());
}

/// Has a call of a grant run as a task (2025-11-25); the task's id.
async fn begin(gateway: &Gateway, label: &str) -> String {
    let mut call: Value =
        serde_json::from_str(&call_body(1, "read_item", &json!({}))).expect("JSON");
    call["params"]["task"] = json!({ "ttl": 60_000 });
    let answer = gateway.post(SERVER, &Config::token_of(label), &call.to_string()).await;
    let task = answer.reply()["result"]["task"]["taskId"].clone();
    task.as_str().unwrap_or_else(|| panic!("no task: {}", answer.text())).to_owned()
}

/// The tasks that a grant is shown.
async fn tasks(gateway: &Gateway, label: &str) -> Vec<String> {
    let body = r#"{"jsonrpc":"2.0","id":2,"method":"tasks/list"}"#;
    let answer = gateway.post(SERVER, &Config::token_of(label), body).await;
    let list = answer.reply()["result"].clone();
    assert_eq!(list["nextCursor"], "more", "{}", answer.text());
    let tasks = list["tasks"].as_array().unwrap_or_else(|| panic!("no list: {}", answer.text()));
    assert!(tasks.iter().all(|task| task["x-vendor"] == true), "{tasks:?}");
    tasks.iter().map(|task| task["taskId"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_one_server_never_see_each_others_tasks() {
    let deny = json!({ "version": "1", "default": "deny", "tools": { "read_item": {} } });
    for of in [Server::of, Server::piped] {
        let recorder = Recorder::start(Options::strict(SERVER), Log::default()).await;
        let config = Config::with_servers(vec![of(SERVER, &recorder)]);
        let mut gateway =
            Gateway::start(config.granting("agent", &open()).granting("other", &deny)).await;
        let first = begin(&gateway, "agent").await;
        let theirs = begin(&gateway, "other").await;
        let second = begin(&gateway, "agent").await;
        assert_eq!(tasks(&gateway, "agent").await, [first.clone(), second]);
        assert_eq!(tasks(&gateway, "other").await, std::slice::from_ref(&theirs));
        let get = |task: &str| {
            let params = json!({ "taskId": task });
            json!({ "jsonrpc": "2.0", "id": 3, "method": "tasks/get", "params": params })
                .to_string()
        };
        let (agent, other) = (Config::token_of("agent"), Config::token_of("other"));
        let own = gateway.post(SERVER, &other, &get(&theirs)).await;
        assert_eq!(own.reply()["result"]["taskId"], theirs.as_str(), "{}", own.text());
        let foreign = gateway.post(SERVER, &agent, &get(&theirs)).await;
        assert_eq!(foreign.reply()["error"]["code"], -32602, "{}", foreign.text());
        // Whose a task is stands in memory: after a restart it is nobody's.
        gateway.signal(rustix::process::Signal::TERM);
        gateway.ended().await;
        gateway.restart().await;
        assert_eq!(tasks(&gateway, "agent").await, Vec::<String>::new());
        let forgotten = gateway.post(SERVER, &agent, &get(&first)).await;
        assert_eq!(forgotten.reply()["error"]["code"], -32602, "{}", forgotten.text());
    }
}
