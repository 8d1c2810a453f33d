//! What a hostile wire or server says in HTTP, and what must not come of it.

use it::gateway::Config;
use it::scene::{Plan, ran};
use it::wire::{self, Ask};
use serde_json::json;

use crate::regressions::open;
use crate::regressions::scripted::{Scripted, answer, tool, usual};

#[tokio::test(flavor = "multi_thread")]
async fn s60_there_is_no_second_version_of_http_to_attack() {
    let scene = Plan::plain().await.granting("agent", &open()).start().await;
    let door = scene.gateway.door;
    // Prior knowledge: the connection preface and a SETTINGS frame, then a flood of resets.
    let mut preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    for _frame in 0..10_000 {
        preface.extend_from_slice(b"\0\0\x04\x03\0\0\0\0\x01\0\0\0\x08");
    }
    let told = wire::exchange(door, preface).await.expect("an end");
    assert!(matches!(told.status, 0 | 400 | 405 | 505), "{told:?}");
    // An upgrade is an HTTP/1.1 request like any other, and is answered as one.
    let body = it::scene::call_body(1, "delete_all", &json!({}));
    let ask = Ask::mcp("/mcp/alpha", &Config::token_of("agent"), body.as_bytes())
        .with("Connection", "Upgrade, HTTP2-Settings, close")
        .with("Upgrade", "h2c")
        .with("HTTP2-Settings", "AAMAAABkAAQCAAAAAAIAAAAA");
    let upgraded = scene.send(&ask).await;
    assert_eq!(upgraded.status, 200, "{}", upgraded.text());
    assert!(upgraded.header("upgrade").is_none(), "{upgraded:?}");
    assert_eq!(scene.log.executed_count(), 1);
    // Names and values that only HTTP/2 could carry.
    let heads = [
        "POST /mcp/alpha HTTP/1.1\r\n:authority: localhost\r\nHost: localhost\r\n\r\n",
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\n: empty name\r\n\r\n",
        "POST /mcp/alpha HTTP/2.0\r\nHost: localhost\r\n\r\n",
        "POST /mcp/alpha HTTP/1.1\r\nHost: localhost\r\nX: a\rb\r\n\r\n",
    ];
    for head in heads {
        let told = wire::exchange(door, head.as_bytes().to_vec()).await.expect("an end");
        assert!(matches!(told.status, 0 | 400 | 401 | 505), "{head:?}: {told:?}");
    }
    assert_eq!(scene.log.executed_count(), 1);
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn s58_headers_of_a_server_stay_with_the_gateway() {
    let server = Scripted::start(|seen| {
        usual(seen, &[tool("write")]).unwrap_or_else(|| {
            let body =
                json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": { "content": [] } });
            let head = "200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\n\
                Mcp-Session-Id: of-somebody\r\nAccess-Control-Allow-Origin: *\r\n\
                Access-Control-Allow-Credentials: true\r\nKeep-Alive: timeout=9\r\n\
                X-Internal: secret\r\nProxy-Authenticate: Basic\r\nWWW-Authenticate: Basic\r\n\
                Location: http://evil.example/\r\nRefresh: 0;url=http://evil.example/\r\n\
                Server: theirs";
            vec![answer(head, body.to_string())]
        })
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let answer = gateway.call("alpha", &Config::token_of("agent"), "write", json!({})).await;
    assert!(ran(&answer), "{}", answer.text());
    let mut names: Vec<&str> = answer.headers.iter().map(|(name, _value)| name.as_str()).collect();
    names.sort_unstable();
    for name in names {
        let own = [
            "cache-control",
            "connection",
            "content-length",
            "content-type",
            "date",
            "vary",
            "x-content-type-options",
        ];
        assert!(own.contains(&name), "{name}: {answer:?}");
    }
}
