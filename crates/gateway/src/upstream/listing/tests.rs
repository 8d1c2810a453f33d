//! Listing tools of servers on HTTP: eras, pages, bounds, forgotten sessions.

use crate::address::AddressRule;
use crate::upstream::peer::{Peer, Step, answer, send};
use crate::upstream::{ListError, Listing, ServerSpec, Upstream};

const JSON: &str = "200 OK\r\ncontent-type: application/json";
const HELLO: &str = r#"{"jsonrpc":"2.0","id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#;

fn open(peer: &Peer) -> Upstream {
    let spec = ServerSpec::http("t", &peer.url(), AddressRule::AllowPrivate).expect("a URL");
    Upstream::open(&spec).expect("a server")
}

async fn list(upstream: &Upstream) -> Result<Listing, ListError> {
    upstream.lister.list(&upstream.client).await
}

fn page(names: &[&str], next: Option<&str>) -> Step {
    let tools: Vec<String> =
        names.iter().map(|name| format!("{{\"name\":\"{name}\", \"n\":1.0}}")).collect();
    let next = next.map(|next| format!(",\"nextCursor\":\"{next}\"")).unwrap_or_default();
    answer(
        JSON,
        &format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":0,\"result\":{{\"tools\":[{}]{next}}}}}",
            tools.join(",")
        ),
    )
}

fn error(status: &str, code: i64) -> Step {
    answer(
        &format!("{status}\r\ncontent-type: application/json"),
        &format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":0,\"error\":{{\"code\":{code},\"message\":\"no\"}}}}"
        ),
    )
}

/// What a server answers to a list request.
type Script = Box<dyn Fn(&str) -> Step + Send + Sync>;

/// What a request asks for.
fn method(request: &str) -> &str {
    let start = request.split_once("\"method\":\"");
    start.and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

/// A legacy server that wants its session.
fn legacy(request: &str, session: &str) -> Vec<Step> {
    let known = request.contains(&format!("mcp-session-id: {session}\r\n"));
    vec![match method(request) {
        "initialize" => answer(&format!("{JSON}\r\nmcp-session-id: {session}"), HELLO),
        _ if !known && request.contains("mcp-session-id: ") => error("404 Not Found", -32600),
        _ if !known => error("400 Bad Request", -32000),
        "notifications/initialized" => send("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"),
        "tools/list" if request.contains("\"cursor\":\"2\"") => page(&["b"], None),
        "tools/list" => page(&["a"], Some("2")),
        _ => send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"),
    }]
}

#[tokio::test]
async fn one_session_serves_all_lists_of_a_legacy_server() {
    let peer = Peer::start(|request, _| legacy(request, "s-1")).await;
    let upstream = open(&peer);
    for _ in 0..3 {
        let listing = list(&upstream).await.expect("a list");
        assert_eq!(listing.tools, ["{\"name\":\"a\", \"n\":1.0}", "{\"name\":\"b\", \"n\":1.0}"]);
    }
    upstream.stop().await;
    let requests = peer.requests();
    let methods: Vec<&str> = requests.iter().map(|request| method(request)).collect();
    let start = ["server/discover", "initialize", "notifications/initialized"];
    assert_eq!(methods[..3], start);
    assert!(methods[3..9].iter().all(|method| *method == "tools/list"), "{methods:?}");
    assert!(requests[3].contains("mcp-protocol-version: 2025-06-18\r\n"));
    assert!(
        requests[9].starts_with("DELETE /mcp") && requests.len() == 10,
        "{:?}",
        requests.last()
    );
}

#[tokio::test]
async fn a_forgotten_session_is_opened_again_once() {
    let peer = Peer::start(|request, n| legacy(request, if n < 5 { "old" } else { "new" })).await;
    let upstream = open(&peer);
    list(&upstream).await.expect("a list");
    assert_eq!(list(&upstream).await.expect("a list").tools.len(), 2);
    let requests = peer.requests();
    assert_eq!(requests.iter().filter(|request| method(request) == "initialize").count(), 2);
}

#[tokio::test]
async fn a_modern_server_is_asked_without_a_session() {
    let peer = Peer::start(|request, _| {
        vec![match method(request) {
            "server/discover" => answer(JSON, r#"{"jsonrpc":"2.0","id":0,"result":{"supportedVersions":["2026-07-28"],"resultType":"complete"}}"#),
            _ => page(&["a"], None),
        }]
    })
    .await;
    assert_eq!(list(&open(&peer)).await.expect("a list").tools.len(), 1);
    let asked = peer.requests().remove(1);
    assert!(
        asked.contains("mcp-protocol-version: 2026-07-28\r\n")
            && asked.contains("mcp-method: tools/list\r\n"),
        "{asked}"
    );
    assert!(
        asked.contains("\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""),
        "{asked}"
    );
}

#[tokio::test]
async fn answers_may_come_as_streams() {
    let stream = |body: &str| {
        let events = format!(
            ": beat\n\nevent: message\ndata: {{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{{}}}}\n\ndata: {body}\n\n"
        );
        answer("200 OK\r\ncontent-type: text/event-stream", &events)
    };
    let peer = Peer::start(move |request, _| {
        vec![match method(request) {
            "server/discover" => error("200 OK", -32601),
            "initialize" => stream(HELLO),
            "tools/list" => stream(r#"{"jsonrpc":"2.0","id":0,"result":{"tools":[{"name":"x"}]}}"#),
            _ => send("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"),
        }]
    })
    .await;
    assert_eq!(list(&open(&peer)).await.expect("a list").tools, ["{\"name\":\"x\"}"]);
}

#[tokio::test]
async fn lists_without_end_and_refusals() {
    let many = vec!["t"; 30_000];
    let scripts: Vec<Script> = vec![
        Box::new(|_| page(&["a"], Some("same"))),
        Box::new(move |request| page(&many, Some(&format!("{}", request.len() + 1)))),
        Box::new(|_| error("200 OK", -32603)),
        Box::new(|_| answer(JSON, r#"{"jsonrpc":"2.0","id":0,"result":{"tools":7}}"#)),
    ];
    let expected = ["does not end", "does not end", "refused", "not a list"];
    for (script, expected) in scripts.into_iter().zip(expected) {
        let peer = Peer::start(move |request, _| {
            vec![if method(request) == "tools/list" {
                script(request)
            } else {
                legacy(request, "s").remove(0)
            }]
        })
        .await;
        let error = list(&open(&peer)).await.expect_err("no list");
        assert!(error.to_string().contains(expected), "{error}");
    }
}
