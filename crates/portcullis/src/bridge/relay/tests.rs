use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Endpoint, Relay};
use crate::input::Line;

type Body = BoxBody<Bytes, Infallible>;

/// One request as the server saw it.
#[derive(Debug, Clone)]
struct Seen {
    method: String,
    headers: HeaderMap,
    body: Value,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    fn rpc(&self) -> &str {
        self.body["method"].as_str().unwrap_or_default()
    }
}

/// A scripted gateway: answers by a function, remembers what came.
struct Peer {
    url: String,
    seen: watch::Sender<Vec<Seen>>,
    _tasks: JoinSet<()>,
}

impl Peer {
    async fn start(
        answer: impl Fn(&Seen, usize) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp/x", listener.local_addr().unwrap());
        let seen = watch::Sender::new(Vec::new());
        let (noted, answer) = (seen.clone(), Arc::new(answer));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (noted, answer) = (noted.clone(), Arc::clone(&answer));
                connections.spawn(async move {
                    let service = service_fn(move |request: Request<Incoming>| {
                        let (noted, answer) = (noted.clone(), Arc::clone(&answer));
                        async move {
                            let (head, body) = request.into_parts();
                            let body = body.collect().await.unwrap().to_bytes();
                            let one = Seen {
                                method: head.method.to_string(),
                                headers: head.headers,
                                body: serde_json::from_slice(&body).unwrap_or_default(),
                            };
                            noted.send_modify(|all| all.push(one.clone()));
                            let index = noted.borrow().len();
                            Ok::<_, Infallible>(answer(&one, index))
                        }
                    });
                    let served = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service);
                    drop(served.await);
                });
            }
        });
        Self { url, seen, _tasks: tasks }
    }

    fn seen(&self) -> Vec<Seen> {
        self.seen.borrow().clone()
    }

    async fn until(&self, enough: impl Fn(&[Seen]) -> bool) {
        let mut changes = self.seen.subscribe();
        let waiting = changes.wait_for(|all| enough(all));
        tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    }

    fn posted(&self, rpc: &str) -> Vec<Seen> {
        self.seen().into_iter().filter(|one| one.rpc() == rpc).collect()
    }
}

fn answer(status: u16, body: impl Into<Bytes>) -> Response<Body> {
    let body = Full::new(body.into()).boxed();
    let builder = Response::builder().status(status).header("content-type", "application/json");
    builder.body(body).unwrap()
}

fn result(id: &Value) -> Response<Body> {
    answer(200, json!({ "jsonrpc": "2.0", "id": id, "result": {} }).to_string())
}

fn opened(id: &Value, session: &str) -> Response<Body> {
    let result = json!({ "protocolVersion": "2025-06-18", "capabilities": {} });
    let mut response =
        answer(200, json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string());
    response.headers_mut().insert("mcp-session-id", session.parse().unwrap());
    response
}

fn stream(text: &'static str) -> Response<Body> {
    let body = Full::new(Bytes::from(text)).boxed();
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

/// A stream that says nothing and does not end; `gone` is cancelled when its reader goes.
fn endless(gone: CancellationToken) -> Response<Body> {
    let guard = gone.drop_guard();
    let frames = futures_util::stream::unfold((false, guard), |(said, guard)| async move {
        if said {
            std::future::pending::<()>().await;
        }
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(":\n\n"))), (true, guard)))
    });
    let body = BodyExt::boxed(StreamBody::new(SyncStream(Mutex::new(Box::pin(frames)))));
    Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
}

/// Boxed bodies must be `Sync`; only one task ever polls this one.
struct SyncStream<S>(Mutex<std::pin::Pin<Box<S>>>);

impl<S: futures_util::Stream> futures_util::Stream for SyncStream<S> {
    type Item = S::Item;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<S::Item>> {
        self.0.lock().unwrap().as_mut().poll_next(context)
    }
}

/// A client on stdio.
struct Client {
    lines: Option<mpsc::Sender<Line>>,
    out: mpsc::Receiver<Bytes>,
    run: JoinSet<()>,
}

impl Client {
    fn start(peer: &Peer) -> Self {
        let (lines, from_client) = mpsc::channel(16);
        let (to_client, out) = mpsc::channel(64);
        let endpoint = Endpoint::new(&peer.url, "the-token").unwrap();
        let mut run = JoinSet::new();
        run.spawn(Relay::new(endpoint, to_client).run(from_client, CancellationToken::new()));
        Self { lines: Some(lines), out, run }
    }

    async fn say(&self, text: impl Into<Bytes>) {
        self.lines.as_ref().unwrap().send(Line::Whole(text.into())).await.unwrap();
    }

    async fn hear(&mut self) -> String {
        let line = tokio::time::timeout(Duration::from_secs(20), self.out.recv()).await;
        String::from_utf8(line.unwrap().unwrap().to_vec()).unwrap()
    }

    async fn open(&mut self) {
        self.say(r#"{"jsonrpc":"2.0","id":0,"method":"initialize","params":{}}"#).await;
        self.hear().await;
        self.say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#).await;
    }

    /// Ends stdin and waits for the bridge.
    async fn leave(mut self) -> Vec<String> {
        self.lines = None;
        let mut rest = Vec::new();
        while let Some(line) = self.out.recv().await {
            rest.push(String::from_utf8(line.to_vec()).unwrap());
        }
        while self.run.join_next().await.is_some() {}
        rest
    }
}

#[tokio::test]
async fn a_session_is_opened_used_and_ended() {
    let peer = Peer::start(|seen, _| match (seen.method.as_str(), seen.rpc()) {
        ("POST", "initialize") => opened(&seen.body["id"], "s-1"),
        ("POST", _) if seen.body.get("id").is_none() => answer(202, ""),
        ("POST", _) => result(&seen.body["id"]),
        ("GET", _) => answer(405, ""),
        (_, _) => answer(200, ""),
    })
    .await;
    let mut client = Client::start(&peer);
    client.open().await;
    client.say(r#"{"jsonrpc":"2.0","id":"a","method":"ping"}"#).await;
    assert_eq!(client.hear().await, r#"{"jsonrpc":"2.0","id":"a","result":{}}"#);
    peer.until(|seen| seen.iter().any(|one| one.method == "GET")).await;
    assert_eq!(client.leave().await, Vec::<String>::new());
    let seen = peer.seen();
    let first = &seen[0];
    assert_eq!((first.rpc(), first.header("mcp-session-id")), ("initialize", None));
    assert_eq!(first.header("mcp-protocol-version"), None);
    for one in &seen {
        assert_eq!(one.header("authorization"), Some("Bearer the-token"));
    }
    for one in &seen[1..] {
        assert_eq!(one.header("mcp-session-id"), Some("s-1"), "{one:?}");
        assert_eq!(one.header("mcp-protocol-version"), Some("2025-06-18"));
        assert_eq!(one.header("mcp-method"), None);
    }
    assert_eq!(seen.iter().filter(|one| one.method == "GET").count(), 1);
    assert_eq!(seen.last().unwrap().method, "DELETE");
}

#[tokio::test]
async fn a_forgotten_session_is_opened_anew_and_the_call_made_once_more() {
    let peer = Peer::start(|seen, index| {
        let old = seen.header("mcp-session-id") == Some("s-1");
        match (seen.method.as_str(), seen.rpc()) {
            ("POST", "initialize") => {
                opened(&seen.body["id"], if index == 1 { "s-1" } else { "s-2" })
            }
            ("POST", "notifications/initialized") => answer(202, ""),
            ("POST", _) if old => answer(404, r#"{"error":"session not found"}"#),
            ("POST", _) => result(&seen.body["id"]),
            (_, _) => answer(405, ""),
        }
    })
    .await;
    let mut client = Client::start(&peer);
    client.open().await;
    client.say(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#).await;
    assert_eq!(client.hear().await, r#"{"jsonrpc":"2.0","id":1,"result":{}}"#);
    client.leave().await;
    assert_eq!(peer.posted("initialize").len(), 2);
    assert_eq!(peer.posted("notifications/initialized").len(), 2);
    let pings = peer.posted("ping");
    let sessions: Vec<_> = pings.iter().map(|one| one.header("mcp-session-id")).collect();
    assert_eq!(sessions, [Some("s-1"), Some("s-2")]);
}

#[tokio::test]
async fn a_stream_that_ends_too_soon_is_taken_up_where_it_ended() {
    let peer = Peer::start(|seen, _| match (seen.method.as_str(), seen.rpc()) {
        ("POST", "initialize") => opened(&seen.body["id"], "s-1"),
        ("POST", "tools/call") => stream(
            "id: e1\nretry: 1\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"method\":\"notifications/message\"}\n\n",
        ),
        ("POST", _) => answer(202, ""),
        ("GET", _) if seen.header("last-event-id") == Some("e1") => {
            stream("id: e2\ndata: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"x\":1.50}}\n\n")
        }
        (_, _) => answer(405, ""),
    })
    .await;
    let mut client = Client::start(&peer);
    client.open().await;
    client.say(r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"t"}}"#).await;
    assert_eq!(client.hear().await, r#"{"jsonrpc":"2.0","method":"notifications/message"}"#);
    assert_eq!(client.hear().await, r#"{"jsonrpc":"2.0","id":7,"result":{"x":1.50}}"#);
    client.leave().await;
}

fn modern(id: u32, method: &str, params: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{{{params}"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    )
}

#[tokio::test]
async fn a_stateless_request_is_mirrored_in_its_headers() {
    let peer = Peer::start(|seen, _| result(&seen.body["id"])).await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/call", r#""name":"päy","arguments":{},"#)).await;
    client.hear().await;
    client.say(modern(2, "resources/read", r#""uri":"file:///a b","#)).await;
    client.hear().await;
    client.leave().await;
    let seen = peer.seen();
    assert_eq!(seen.len(), 2, "no session, so nothing to end: {seen:?}");
    assert_eq!(seen[0].header("mcp-protocol-version"), Some("2026-07-28"));
    assert_eq!(seen[0].header("mcp-method"), Some("tools/call"));
    assert_eq!(seen[0].header("mcp-name"), Some("=?base64?cMOkeQ==?="));
    assert_eq!(seen[1].header("mcp-name"), Some("file:///a b"));
}

#[tokio::test]
async fn a_stateless_request_is_cancelled_by_closing_its_connection() {
    let gone = CancellationToken::new();
    let handed = gone.clone();
    let peer = Peer::start(move |seen, _| match seen.rpc() {
        "tools/call" => endless(handed.clone()),
        _ => result(&seen.body["id"]),
    })
    .await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/call", r#""name":"t","#)).await;
    client.say(modern(2, "tools/list", "")).await;
    assert!(client.hear().await.contains(r#""id":2"#));
    client
        .say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    tokio::time::timeout(Duration::from_secs(20), gone.cancelled()).await.unwrap();
    assert_eq!(client.leave().await, Vec::<String>::new(), "a cancelled request has no answer");
    assert!(peer.posted("notifications/cancelled").is_empty());
}

#[tokio::test]
async fn what_is_no_answer_becomes_an_error_with_the_id() {
    let peer = Peer::start(|seen, _| match seen.rpc() {
        "a" => answer(401, "no"),
        "b" => answer(502, "<html>"),
        "c" => answer(200, r#"{"jsonrpc":"2.0","id":99,"result":{}}"#),
        "d" => answer(400, r#"{"jsonrpc":"2.0","error":{"code":-32600,"message":"odd"}}"#),
        "e" => stream("data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n"),
        _ => answer(404, r#"{"jsonrpc":"2.0","id":6,"error":{"code":-32601,"message":"none"}}"#),
    })
    .await;
    let mut client = Client::start(&peer);
    let mut answers = Vec::new();
    for (id, method) in ["a", "b", "c", "d", "e", "f"].iter().enumerate() {
        let id = id + 1;
        client.say(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}"}}"#)).await;
        let line = loop {
            let line: Value = serde_json::from_str(&client.hear().await).unwrap();
            if line.get("method").is_none() {
                break line;
            }
        };
        assert_eq!(line["id"], id, "{line}");
        answers.push((line["error"]["code"].clone(), line["error"]["message"].to_string()));
    }
    client.leave().await;
    let codes: Vec<_> = answers.iter().map(|(code, _)| code.as_i64().unwrap()).collect();
    assert_eq!(codes, [1002, 1002, 1002, -32600, 1002, -32601], "{answers:?}");
    assert!(answers[0].1.contains("token"), "{answers:?}");
}

#[tokio::test]
async fn a_gateway_that_is_gone_is_said_and_the_client_lives_on() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp/x", listener.local_addr().unwrap());
    drop(listener);
    let endpoint = Endpoint::new(&url, "the-token").unwrap();
    assert!(endpoint.probe().await.is_err());
    let peer = Peer { url, seen: watch::Sender::new(Vec::new()), _tasks: JoinSet::new() };
    let mut client = Client::start(&peer);
    for id in 1..3 {
        client.say(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#)).await;
        let line: Value = serde_json::from_str(&client.hear().await).unwrap();
        assert_eq!((&line["id"], &line["error"]["code"]), (&json!(id), &json!(1001)));
    }
    client.leave().await;
}

#[tokio::test]
async fn two_requests_with_one_id_do_not_run_at_once() {
    let gone = CancellationToken::new();
    let peer = Peer::start(move |_, _| endless(gone.clone())).await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/call", r#""name":"t","#)).await;
    peer.until(|seen| seen.len() == 1).await;
    client.say(modern(1, "tools/call", r#""name":"t","#)).await;
    assert!(client.hear().await.contains("a request with this id is running"));
    client
        .say(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#)
        .await;
    client.leave().await;
    assert_eq!(peer.seen().len(), 1);
}

/// A definition of a tool that wants an argument mirrored as `Mcp-Param-<header>`.
fn mirroring(name: &str, property: &str, header: &str) -> Value {
    let property = json!({ property: { "type": "string", "x-mcp-header": header } });
    json!({ "name": name, "inputSchema": { "type": "object", "properties": property } })
}

fn page(id: &Value, tools: &[Value], next: Option<&str>) -> Response<Body> {
    let mut result = json!({ "tools": tools, "resultType": "complete" });
    if let Some(next) = next {
        result["nextCursor"] = json!(next);
    }
    answer(200, json!({ "jsonrpc": "2.0", "id": id, "result": result }).to_string())
}

fn mismatch(id: &Value) -> Response<Body> {
    let error = json!({ "code": -32020, "message": "the header is missing" });
    answer(400, json!({ "jsonrpc": "2.0", "id": id, "error": error }).to_string())
}

/// A gateway that lists `pages`, and takes a call only with the header that it wants.
async fn strict(pages: Vec<Vec<Value>>, wanted: &'static str) -> Peer {
    Peer::start(move |seen, _| {
        let id = &seen.body["id"];
        match seen.rpc() {
            "tools/list" => {
                let cursor = seen.body["params"]["cursor"].as_str();
                let at: usize = cursor.map_or(0, |cursor| cursor.parse().unwrap());
                let next = (at + 1 < pages.len()).then(|| (at + 1).to_string());
                page(id, &pages[at], next.as_deref())
            }
            _ if seen.header(wanted).is_none() => mismatch(id),
            _ => result(id),
        }
    })
    .await
}

#[tokio::test]
async fn arguments_are_mirrored_as_the_list_says_that_passed_through() {
    let schema = json!({ "type": "object", "properties": {
        "region": { "type": "string", "x-mcp-header": "Region" },
        "amount": { "type": "integer", "x-mcp-header": "Amount" },
        "dry": { "type": "boolean", "x-mcp-header": "Dry" },
        "to": { "type": "object", "properties": { "city": { "type": "string", "x-mcp-header": "City" } } },
    }});
    let tool = json!({ "name": "pay", "inputSchema": schema });
    let peer = Peer::start(move |seen, _| match seen.rpc() {
        "tools/list" => page(&seen.body["id"], std::slice::from_ref(&tool), None),
        _ => result(&seen.body["id"]),
    })
    .await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/list", "")).await;
    assert!(client.hear().await.contains("x-mcp-header"), "the list passes as it is");
    let calls = [
        r#""name":"pay","arguments":{"region":"zürich ","amount":1.20e2,"dry":false,"to":{"city":"Ulm"}},"#,
        r#""name":"pay","arguments":{"region":null,"amount":7,"to":null},"#,
        r#""name":"pay","#,
        r#""name":"other","arguments":{"region":"eu"},"#,
    ];
    for (id, call) in calls.iter().enumerate() {
        client.say(modern(u32::try_from(id).unwrap() + 2, "tools/call", call)).await;
        client.hear().await;
    }
    client.leave().await;
    let called = peer.posted("tools/call");
    let of = |at: usize| {
        ["region", "amount", "dry", "city"]
            .map(|name| called[at].header(&format!("mcp-param-{name}")).map(str::to_owned))
    };
    let some = |text: &str| Some(text.to_owned());
    let encoded = some("=?base64?esO8cmljaCA=?=");
    assert_eq!(of(0), [encoded, some("120"), some("false"), some("Ulm")]);
    assert_eq!(of(1), [None, some("7"), None, None]);
    assert_eq!((of(2), of(3)), (Default::default(), Default::default()));
    assert_eq!(peer.posted("tools/list").len(), 1);
}

#[tokio::test]
async fn a_call_that_is_refused_for_its_headers_is_made_again_as_a_fresh_list_says() {
    let pages =
        vec![vec![mirroring("other", "a", "A")], vec![mirroring("pay", "region", "Region")]];
    let peer = strict(pages, "mcp-param-region").await;
    let mut client = Client::start(&peer);
    let call = r#""name":"pay","arguments":{"region":"eu"},"#;
    for id in [1, 2] {
        client.say(modern(id, "tools/call", call)).await;
        let line = client.hear().await;
        assert_eq!(line, format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#));
    }
    client.leave().await;
    let called = peer.posted("tools/call");
    let headers: Vec<_> = called.iter().map(|one| one.header("mcp-param-region")).collect();
    assert_eq!(headers, [None, Some("eu"), Some("eu")], "once learnt, a call goes out once");
    let listed = peer.posted("tools/list");
    assert_eq!(listed.len(), 2, "up to the page that holds the tool");
    for one in &listed {
        assert_eq!(one.header("mcp-method"), Some("tools/list"));
        assert_eq!(one.header("mcp-protocol-version"), Some("2026-07-28"));
        let meta = &one.body["params"]["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], "2026-07-28");
        assert!(meta["io.modelcontextprotocol/clientCapabilities"].is_object());
    }
}

#[tokio::test]
async fn a_refusal_that_no_list_explains_is_the_clients() {
    let peer = strict(vec![vec![json!({ "name": "pay", "inputSchema": {} })]], "mcp-param-x").await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/call", r#""name":"pay","arguments":{"region":"eu"},"#)).await;
    assert!(client.hear().await.contains("-32020"));
    // Without the revision in `_meta` there is nothing to learn, and nothing is asked.
    client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"pay"}}"#).await;
    assert!(client.hear().await.contains("-32020"));
    client.leave().await;
    assert_eq!((peer.posted("tools/call").len(), peer.posted("tools/list").len()), (2, 1));
}

#[tokio::test]
async fn a_changed_definition_is_learnt_anew_and_calls_at_once_list_once() {
    let later = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let changed = Arc::clone(&later);
    let peer = Peer::start(move |seen, _| {
        let id = &seen.body["id"];
        let after = changed.load(std::sync::atomic::Ordering::SeqCst);
        let header = if after { "Zone" } else { "Region" };
        match seen.rpc() {
            "tools/list" => page(id, &[mirroring("pay", "region", header)], None),
            _ if seen.header(&format!("mcp-param-{header}")).is_none() => mismatch(id),
            _ => result(id),
        }
    })
    .await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/list", "")).await;
    client.hear().await;
    later.store(true, std::sync::atomic::Ordering::SeqCst);
    let call = r#""name":"pay","arguments":{"region":"eu"},"#;
    for id in 2..8 {
        client.say(modern(id, "tools/call", call)).await;
    }
    for _call in 2..8 {
        assert!(client.hear().await.contains(r#""result":{}"#));
    }
    client.leave().await;
    assert_eq!(peer.posted("tools/list").len(), 2, "the client's, and one for all calls");
}

#[tokio::test]
async fn a_tool_whose_annotations_are_forbidden_is_left_out_of_the_list() {
    let bad = mirroring("bad", "region", "not a token");
    let tools = [mirroring("pay", "region", "Region"), bad, json!({ "name": "plain" })];
    let peer = Peer::start(move |seen, _| page(&seen.body["id"], &tools, None)).await;
    let mut client = Client::start(&peer);
    client.say(modern(1, "tools/list", "")).await;
    let line: Value = serde_json::from_str(&client.hear().await).unwrap();
    let names: Vec<_> = line["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tool| tool["name"].clone())
        .collect();
    assert_eq!(names, ["pay", "plain"]);
    // The handshake era has no such rule.
    client.open().await;
    client.say(r#"{"jsonrpc":"2.0","id":2,"method":"tools/list"}"#).await;
    assert!(client.hear().await.contains("bad"));
    client.leave().await;
}

#[tokio::test]
async fn looking_whether_a_gateway_is_there_sends_it_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/mcp/x", listener.local_addr().unwrap());
    let endpoint = Endpoint::new(&url, "the-token").unwrap();
    let (probed, accepted) = tokio::join!(endpoint.probe(), listener.accept());
    probed.unwrap();
    let (mut stream, mut heard) = (accepted.unwrap().0, Vec::new());
    stream.read_to_end(&mut heard).await.unwrap();
    assert!(heard.is_empty(), "{heard:?}");
}
