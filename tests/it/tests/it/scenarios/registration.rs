//! What somebody tries to register as a server, and what a server makes the gateway fetch.

use it::scene::{Plan, Scene, ran};
use serde_json::{Value, json};

use crate::regressions::scripted::{Scripted, json_answer};
use crate::regressions::{inspect, open};

/// Tries to add a server; the status, after making sure that a refused one is not there.
async fn added(scene: &Scene, slug: &str, mut server: Value) -> u16 {
    server["slug"] = json!(slug);
    let status = scene.gateway.api("POST", "servers", Some(server)).await.status;
    let listed = scene.gateway.api("GET", "servers", None).await.text();
    assert_eq!(listed.contains(&format!("\"{slug}\"")), status == 201, "{listed}");
    status
}

#[tokio::test(flavor = "multi_thread")]
async fn s01_s02_s03_s07_no_spelling_registers_an_inner_address_or_another_scheme() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    let inner = [
        "http://169.254.169.254/latest/",
        "http://127.0.0.1:22",
        "http://[::1]/",
        "http://0.0.0.0/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://0177.0.0.1/",
        "http://127.1/",
        "http://localhost./",
        "http://localhost/",
        "http://user@allowed.example@169.254.169.254/",
        "http://allowed.example%2f@evil/",
        "http://allowed.example\\@169.254.169.254/",
        "http://１２７.0.0.1/",
        "file:///etc/passwd",
        "gopher://example.com/",
        "unix:/run/docker.sock",
        "ftp://example.com/",
        "//169.254.169.254/",
        "",
    ];
    for url in inner {
        let status = added(&scene, "inner", json!({ "url": url })).await;
        assert!((400..500).contains(&status), "{url}: {status}");
    }
    assert_eq!(added(&scene, "outer", json!({ "command": ["/bin/cat"] })).await, 201);
}

#[tokio::test(flavor = "multi_thread")]
async fn s14_variables_that_steer_a_program_are_refused_by_the_api() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    let names = [
        "LD_PRELOAD",
        "ld_preload",
        "NODE_OPTIONS",
        "PYTHONSTARTUP",
        "GIT_SSH_COMMAND",
        "PATH",
        "BASH_ENV",
        "A=B",
        "A\u{0}B",
        "",
    ];
    for name in names {
        let server = json!({ "command": ["/bin/true"], "env": { name: "x" } });
        let status = added(&scene, "steered", server).await;
        assert!((400..500).contains(&status), "{name:?}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s09_s10_nothing_that_a_definition_points_to_is_fetched() {
    let bait = Scripted::start(|_seen| vec![json_answer("{}")]).await;
    let url = format!("http://{}/bait", bait.address());
    let plan = Plan::plain().await;
    let schema =
        json!({ "type": "object", "properties": { "id": { "$ref": url } }, "$schema": url });
    plan.recorder().set_tools(vec![json!({
        "name": "read_item", "description": format!("See {url}"), "inputSchema": schema,
        "outputSchema": { "$ref": url }, "icons": [{ "src": url }],
    })]);
    let policy = json!({
        "version": "1", "default": "deny", "tools": { "read_item": { "validate": "schema" } },
    });
    let scene = plan.granting("agent", &policy).granting("open", &open()).start().await;
    assert_eq!(inspect(&scene).await.status, 200);
    // A schema that cannot be read from itself alone satisfies nobody.
    let answer = scene.call("agent", "read_item", json!({ "id": "a" })).await;
    assert_eq!(it::scene::decision(&answer)["reason"], "schema_invalid", "{}", answer.text());
    assert!(ran(&scene.call("open", "read_item", json!({})).await));
    let listed = scene.post("open", crate::regressions::LIST).await;
    assert!(listed.text().contains("/bait"), "it is passed on as it is");
    assert_eq!(bait.connections(), 0);
}
