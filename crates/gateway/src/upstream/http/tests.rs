//! The HTTP client against peers that send exactly these bytes.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test panics on whatever it did not expect")]

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::address::{AddressError, AddressRule};
use crate::upstream::message::{
    BadAnswer, Media, Outgoing, Patience, Reply, SendError, Sent, Unreachable, UpstreamSession,
    Verb,
};
use crate::upstream::peer::{Peer, Step, answer, chunk, send};
use crate::upstream::spec::{ServerSpec, Timeouts};
use crate::upstream::{EventStream, Upstream, system_resolver};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const JSON: &str = "200 OK\r\ncontent-type: application/json";
const SSE: &str =
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";

fn open(spec: &ServerSpec) -> Upstream {
    Upstream::open(spec).expect("a server")
}

fn spec(peer: &Peer) -> ServerSpec {
    ServerSpec::http("t", &peer.url(), AddressRule::AllowPrivate).expect("a loopback URL")
}

fn ping() -> Outgoing {
    Outgoing::post(Bytes::from_static(br#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#))
}

fn session(text: &'static str) -> Option<UpstreamSession> {
    UpstreamSession::new(HeaderValue::from_static(text))
}

async fn json(upstream: &Upstream) -> Bytes {
    match upstream.client.dispatch(ping()).await.expect("a reply") {
        Reply::Json { body, .. } => body,
        other => panic!("not JSON: {other:?}"),
    }
}

/// Waits until the peer has read this many requests.
async fn arrived(peer: &Peer, count: usize) {
    while peer.requests().len() < count {
        tokio::task::yield_now().await;
    }
}

async fn failure(upstream: &Upstream) -> SendError {
    upstream.client.dispatch(ping()).await.expect_err("no reply")
}

#[tokio::test]
async fn one_connection_serves_calls_one_after_the_other() {
    let peer = Peer::start(|_, n| vec![answer(JSON, &format!("{{\"n\":{n}}}"))]).await;
    let upstream = open(&spec(&peer));
    for n in 0..20 {
        assert_eq!(json(&upstream).await, format!("{{\"n\":{n}}}"));
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn calls_at_the_same_time_do_not_wait_for_each_other() {
    let peer = Peer::start(|_, _| vec![answer(JSON, "{}")]).await;
    let upstream = open(&spec(&peer));
    let all = futures_util::future::join_all((0..40).map(|_| json(&upstream))).await;
    assert_eq!(all.len(), 40);
    let used = peer.connections();
    futures_util::future::join_all((0..40).map(|_| json(&upstream))).await;
    assert_eq!(peer.connections(), used, "idle connections are used again");
}

#[tokio::test]
async fn the_request_carries_our_headers_and_the_mirrored_ones_only() {
    let peer = Peer::start(|_, _| vec![answer(JSON, "{}")]).await;
    let credential = spec(&peer).header("Authorization", "Bearer upstream-key").expect("allowed");
    let upstream = open(&credential);
    let mut out = ping();
    out.session = session("s-1");
    let mirrored = [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-name", "pay"),
        ("mcp-param-region", "eu"),
        ("authorization", "Bearer agent"),
        ("cookie", "a=b"),
        ("mcp-session-id", "other"),
        ("host", "evil.example"),
        ("x-forwarded-for", "1.2.3.4"),
    ];
    for (name, value) in mirrored {
        out.headers.push((HeaderName::from_static(name), HeaderValue::from_static(value)));
    }
    upstream.client.dispatch(out).await.expect("a reply");
    let request = peer.requests().remove(0);
    let (head, body) = request.split_once("\r\n\r\n").expect("a head");
    let mut lines: Vec<&str> = head.lines().collect();
    lines.sort_unstable();
    let host = format!("host: {}", peer.address);
    let mut expected = vec![
        "POST /mcp HTTP/1.1",
        "accept: application/json, text/event-stream",
        "authorization: Bearer upstream-key",
        "content-length: 40",
        "content-type: application/json",
        host.as_str(),
        "mcp-name: pay",
        "mcp-param-region: eu",
        "mcp-protocol-version: 2025-11-25",
        "mcp-session-id: s-1",
    ];
    expected.sort_unstable();
    assert_eq!(lines, expected);
    assert_eq!(body, r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
}

#[test]
fn headers_of_the_transport_cannot_be_set_for_a_server() {
    for name in
        ["Host", "content-length", "Mcp-Session-Id", "Accept-Encoding", "transfer-encoding", "a b"]
    {
        let spec =
            ServerSpec::http("t", "http://127.0.0.1/", AddressRule::AllowPrivate).expect("a URL");
        assert!(spec.header(name, "x").is_err(), "{name}");
    }
    let spec =
        ServerSpec::http("t", "http://127.0.0.1/", AddressRule::AllowPrivate).expect("a URL");
    assert!(spec.clone().header("x-key", "a\r\nb: c").is_err());
    let shown = format!("{:?}", spec.header("x-key", "hush").expect("allowed"));
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn redirects_are_not_followed() {
    for status in ["301 A", "302 A", "303 A", "307 A", "308 A"] {
        let peer = Peer::start(move |_, _| {
            vec![answer(&format!("{status}\r\nlocation: http://169.254.169.254/"), "")]
        })
        .await;
        let error = failure(&open(&spec(&peer))).await;
        assert!(matches!(error, SendError::BadAnswer(BadAnswer::Redirect(_))), "{error:?}");
        assert!(!error.certainly_not_run());
        assert_eq!(peer.requests().len(), 1);
    }
}

#[tokio::test]
async fn statuses_and_types_are_told_apart() {
    let cases = [
        ("500 A\r\ncontent-type: application/json", "{}", "server error"),
        ("503 A", "", "server error"),
        ("200 A\r\ncontent-type: text/html", "<p>", "content type"),
        ("200 A", "{}", "content type"),
        (
            "200 A\r\ncontent-type: application/json\r\ncontent-type: text/html",
            "{}",
            "content type",
        ),
        ("200 A\r\ncontent-type: application/jsonx", "{}", "content type"),
        ("200 A\r\ncontent-type: application/json\r\ncontent-encoding: gzip", "{}", "encoded"),
        ("206 A\r\ncontent-type: application/json", "{}", "unexpected status"),
        ("200 A\r\ncontent-type: application/json\r\nmcp-session-id: a b", "{}", "unreadable"),
        (
            "200 A\r\ncontent-type: application/json\r\nmcp-session-id: a\r\nmcp-session-id: b",
            "{}",
            "unreadable",
        ),
    ];
    for (head, body, expected) in cases {
        let peer = Peer::start(move |_, _| vec![answer(head, body)]).await;
        let error = failure(&open(&spec(&peer))).await;
        assert!(error.to_string().contains(expected), "{head:?}: {error}");
        assert!(!error.certainly_not_run());
    }
}

#[tokio::test]
async fn json_is_recognised_in_any_case_and_with_parameters() {
    for media in ["APPLICATION/JSON", "Application/Json; Charset=UTF-8", "application/json ;x=y"] {
        let peer = Peer::start(move |_, _| {
            vec![answer(&format!("200 OK\r\nContent-Type: {media}\r\ncontent-encoding: identity\r\nmcp-session-id: s9"), "{}")]
        })
        .await;
        match open(&spec(&peer)).client.dispatch(ping()).await {
            Ok(Reply::Json { session: opened, body }) => {
                assert_eq!((opened, body), (session("s9"), Bytes::from_static(b"{}")));
            }
            other => panic!("{media}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn answers_without_a_body_and_refusals() {
    let peer = Peer::start(|_, n| match n {
        0 => vec![send("HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")],
        1 => vec![send("HTTP/1.1 204 No Content\r\n\r\n")],
        2 => vec![answer("200 OK\r\ncontent-type: text/plain", "")],
        3 => vec![answer("400 Bad\r\ncontent-type: application/json", "{\"e\":1}")],
        4 => vec![answer("404 No\r\ncontent-type: text/plain", "who?")],
        _ => vec![answer("404 No", "gone")],
    })
    .await;
    let upstream = open(&spec(&peer));
    for expected in [202, 204, 200] {
        match upstream.client.dispatch(ping()).await.expect("a reply") {
            Reply::Empty { status, .. } => assert_eq!(status, expected),
            other => panic!("{other:?}"),
        }
    }
    for (expected, media, text) in [(400, Media::Json, "{\"e\":1}"), (404, Media::Other, "who?")] {
        match upstream.client.dispatch(ping()).await.expect("a reply") {
            Reply::Refused(refused) => {
                assert_eq!((refused.status.as_u16(), refused.media), (expected, media));
                assert_eq!(refused.body, text);
            }
            other => panic!("{other:?}"),
        }
    }
    let mut out = ping();
    out.session = session("s");
    let error = upstream.client.dispatch(out).await.expect_err("a forgotten session");
    assert!(error.certainly_not_run());
    assert!(
        matches!(error, SendError::SessionGone(refused) if refused.status == StatusCode::NOT_FOUND)
    );
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn large_answers_are_bounded_and_whole() {
    let body = "x".repeat(300_000);
    let text = body.clone();
    let peer = Peer::start(move |_, n| match n {
        0 => vec![answer(JSON, &text)],
        1 => vec![
            send(format!("HTTP/1.1 {JSON}\r\ntransfer-encoding: chunked\r\n\r\n")),
            chunk(&text),
            chunk("y"),
            send("0\r\n\r\n"),
        ],
        2 => vec![
            send(format!("HTTP/1.1 {JSON}\r\ncontent-length: 99999999999\r\n\r\n")),
            Step::UntilClosed,
        ],
        _ => vec![
            send(format!("HTTP/1.1 {JSON}\r\ntransfer-encoding: chunked\r\n\r\n")),
            Step::Flood(b"8\r\nxxxxxxxx\r\n".repeat(1000)),
        ],
    })
    .await;
    let upstream = open(&spec(&peer).answer_bytes_max(400_000));
    assert_eq!(json(&upstream).await, body);
    assert_eq!(json(&upstream).await, format!("{body}y"));
    assert_eq!(peer.connections(), 1);
    for _ in 0..2 {
        let error = failure(&upstream).await;
        assert!(matches!(error, SendError::TooLarge { bytes_max: 400_000 }), "{error:?}");
        assert!(!error.certainly_not_run());
    }
}

#[tokio::test]
async fn what_follows_an_answer_answers_nobody() {
    let chunked = "transfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
    for first in [
        format!("HTTP/1.1 {JSON}\r\ncontent-length: 2\r\n\r\n{{}}"),
        format!("HTTP/1.1 {JSON}\r\n{chunked}"),
        "HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
    ] {
        let forged = format!("{first}HTTP/1.1 {JSON}\r\ncontent-length: 8\r\n\r\n\"forged\"");
        let peer = Peer::start(move |_, n| match n {
            0 => vec![send(forged.clone()), Step::UntilClosed],
            _ => vec![answer(JSON, "\"own\"")],
        })
        .await;
        let upstream = open(&spec(&peer));
        upstream.client.dispatch(ping()).await.expect("a reply");
        assert_eq!(json(&upstream).await, "\"own\"", "{first}");
        assert_eq!(peer.connections(), 2, "{first}");
    }
}

#[tokio::test]
async fn a_connection_with_half_a_request_carries_no_other() {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
    let url = format!("http://{}/mcp", listener.local_addr().expect("an address"));
    let spec = ServerSpec::http("t", &url, AddressRule::AllowPrivate).expect("a loopback URL");
    let upstream = open(&spec);
    let reply = format!("HTTP/1.1 {JSON}\r\ncontent-length: 2\r\n\r\n{{}}");
    // More than the system takes of it while nobody reads.
    let long = Outgoing::post(Bytes::from(vec![b' '; 64 * 1024 * 1024]));
    let mut open = Vec::new();
    for out in [long, ping()] {
        let serving = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut begun = [0; 16];
            stream.read_exact(&mut begun).await.expect("it begins");
            stream.write_all(reply.as_bytes()).await.expect("it is taken");
            open.push(stream);
        };
        let both = async { tokio::join!(upstream.client.dispatch(out), serving) };
        let (answered, ()) = tokio::time::timeout(Duration::from_secs(30), both)
            .await
            .expect("each has a connection of its own");
        assert!(matches!(answered, Ok(Reply::Json { .. })), "{answered:?}");
    }
}

#[tokio::test]
async fn heads_beyond_the_bounds_are_refused() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "a".repeat(1_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(500));
    let early = |count| "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(count);
    for head in [long, many, "SSH-2.0-OpenSSH\r\n\r\n".to_owned(), early(17)] {
        let peer = Peer::start(move |_, _| vec![send(head.clone()), Step::UntilClosed]).await;
        let error = failure(&open(&spec(&peer))).await;
        assert!(matches!(error, SendError::BadAnswer(BadAnswer::Unreadable)), "{error:?}");
    }
    let peer = Peer::start(move |_, _| vec![send(early(16)), answer(JSON, "{}")]).await;
    assert_eq!(json(&open(&spec(&peer))).await, "{}");
}

#[tokio::test]
async fn answers_that_break_off() {
    let cut = format!("HTTP/1.1 {JSON}\r\ncontent-length: 100\r\n\r\n{{\"half\":");
    let scripts = [
        vec![Step::Close],
        vec![Step::Reset],
        vec![send("HTTP/1.1 200 OK\r\ncontent-"), Step::Close],
        vec![send(cut.clone()), Step::Close],
        vec![send(cut), Step::Reset],
    ];
    for script in scripts {
        let steps = script.clone();
        let peer = Peer::start(move |_, _| steps.clone()).await;
        let error = failure(&open(&spec(&peer))).await;
        assert!(matches!(error, SendError::Broken(Sent::Maybe)), "{script:?}: {error:?}");
        assert!(!error.certainly_not_run());
        assert_eq!(peer.requests().len(), 1, "sent once");
    }
}

#[tokio::test]
async fn time_outs_before_the_head_and_within_the_body() {
    for start in
        ["", "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n{"]
    {
        let mut peer = Peer::start(move |_, _| vec![send(start), Step::UntilClosed]).await;
        let upstream = open(&spec(&peer));
        let (error, ()) = tokio::join!(failure(&upstream), async {
            arrived(&peer, 1).await;
            tokio::time::pause();
        });
        tokio::time::resume();
        assert!(matches!(error, SendError::TimedOut(Sent::Maybe)), "{error:?}");
        peer.closed.recv().await.expect("the connection was closed");
    }
}

#[tokio::test]
async fn dropping_and_cancelling_close_the_request() {
    let mut peer = Peer::start(|_, _| vec![Step::UntilClosed]).await;
    let upstream = open(&spec(&peer));
    let token = CancellationToken::new();
    let mut out = ping();
    out.cancel = Some(token.clone());
    let requests = Arc::clone(&peer.requests);
    let arrived = async move {
        while requests.lock().expect("not poisoned").is_empty() {
            tokio::task::yield_now().await;
        }
        token.cancel();
    };
    let (reply, ()) = tokio::join!(upstream.client.dispatch(out), arrived);
    assert!(matches!(reply, Err(SendError::Cancelled(Sent::Maybe))));
    peer.closed.recv().await.expect("cancelled");

    let requests = Arc::clone(&peer.requests);
    tokio::select! {
        _ = upstream.client.dispatch(ping()) => panic!("there is no answer"),
        () = async { while requests.lock().expect("not poisoned").len() < 2 { tokio::task::yield_now().await } } => {}
    }
    peer.closed.recv().await.expect("dropped");

    let token = CancellationToken::new();
    token.cancel();
    let mut out = ping();
    out.cancel = Some(token);
    let error = upstream.client.dispatch(out).await.expect_err("cancelled before it left");
    assert!(error.certainly_not_run());
    assert_eq!(peer.requests().len(), 2);
}

#[tokio::test]
async fn a_connection_that_was_closed_while_idle_is_not_used() {
    let mut peer = Peer::start(|_, _| vec![answer(JSON, "{}"), Step::Close]).await;
    let upstream = open(&spec(&peer));
    for _ in 0..10 {
        json(&upstream).await;
        peer.closed.recv().await.expect("closed");
        // The runtime looks at its sockets before it comes back.
        tokio::task::yield_now().await;
    }
    assert_eq!(peer.connections(), 10);
    assert_eq!(peer.requests().len(), 10);
}

#[tokio::test]
async fn nothing_was_sent_when_there_is_no_connection() {
    let closed = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let url = format!("http://{}/", closed.local_addr().expect("an address"));
    drop(closed);
    let upstream = open(&ServerSpec::http("t", &url, AddressRule::AllowPrivate).expect("a URL"));
    let error = failure(&upstream).await;
    assert!(matches!(error, SendError::Unreachable(Unreachable::Connect(_))), "{error:?}");
    assert!(error.certainly_not_run());
    upstream.stop().await;
    assert!(matches!(failure(&upstream).await, SendError::Unreachable(Unreachable::Stopped)));
}

fn named(
    rule: AddressRule,
    port: u16,
    answers: Vec<Vec<&'static str>>,
) -> (Upstream, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let resolve = Arc::new(move |name: Arc<str>| {
        assert_eq!(&*name, "pay.example");
        let n = count.fetch_add(1, Ordering::SeqCst);
        let found: Vec<IpAddr> = answers[n.min(answers.len() - 1)]
            .iter()
            .map(|ip| ip.parse().expect("an address"))
            .collect();
        Box::pin(async move { Ok(found) }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    });
    let spec =
        ServerSpec::http("t", &format!("http://pay.example:{port}/mcp"), rule).expect("a URL");
    (Upstream::open_with(&spec, resolve).expect("a server"), asked)
}

#[tokio::test]
async fn private_and_mixed_resolutions_are_refused_before_connecting() {
    let peer = Peer::start(|_, _| vec![answer(JSON, "{}")]).await;
    let private = [
        "127.0.0.1",
        "::1",
        "fd00::1",
        "169.254.169.254",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "0.0.0.0",
    ];
    for ip in private {
        for answers in [vec![ip], vec!["93.184.216.34", ip], vec![ip, "93.184.216.34"]] {
            let (upstream, _) = named(AddressRule::PublicOnly, peer.address.port(), vec![answers]);
            let error = failure(&upstream).await;
            let refused = matches!(
                error,
                SendError::Unreachable(Unreachable::Address(AddressError::ResolvesPrivate { .. }))
            );
            assert!(refused, "{ip}: {error:?}");
            assert!(error.certainly_not_run());
        }
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn a_name_is_resolved_and_checked_at_every_connect() {
    let mut peer = Peer::start(|_, _| vec![answer(JSON, "{}"), Step::Close]).await;
    let (upstream, asked) =
        named(AddressRule::AllowPrivate, peer.address.port(), vec![vec!["127.0.0.1"], vec![]]);
    json(&upstream).await;
    assert!(peer.requests()[0].contains(&format!("host: pay.example:{}\r\n", peer.address.port())));
    peer.closed.recv().await.expect("closed");
    tokio::task::yield_now().await;
    let error = failure(&upstream).await;
    assert!(matches!(error, SendError::Unreachable(Unreachable::Resolve(_))), "{error:?}");
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    // What a name resolves to later is judged as what it resolved to first.
    let answers = vec![vec![], vec!["127.0.0.1"], vec!["93.184.216.34", "10.0.0.1"]];
    let (upstream, asked) = named(AddressRule::PublicOnly, peer.address.port(), answers);
    let error = failure(&upstream).await;
    assert!(matches!(error, SendError::Unreachable(Unreachable::Resolve(_))), "{error:?}");
    for _ in 0..2 {
        let error = failure(&upstream).await;
        let refused = matches!(
            error,
            SendError::Unreachable(Unreachable::Address(AddressError::ResolvesPrivate { .. }))
        );
        assert!(refused, "{error:?}");
    }
    assert_eq!((asked.load(Ordering::SeqCst), peer.connections()), (3, 1));
    // The system's resolver is the one outside of tests.
    let found = system_resolver()(Arc::from("localhost")).await.expect("localhost resolves");
    assert!(found.iter().all(IpAddr::is_loopback));
}

#[tokio::test]
async fn events_come_in_odd_pieces_and_one_by_one() {
    let peer = Peer::start(|_, _| {
        vec![
            send(SSE),
            chunk("id: 1\nda"),
            chunk("ta: {\"a\":1}\r"),
            chunk("\n\r"),
            chunk("\n: beat\n\n"),
            chunk("data: {\"b\":2}\n\ndata: half"),
            send("0\r\n\r\n"),
        ]
    })
    .await;
    let upstream = open(&spec(&peer));
    for _ in 0..2 {
        let Ok(Reply::Sse { mut events, .. }) = upstream.client.dispatch(ping()).await else {
            panic!("not a stream");
        };
        let mut seen = Vec::new();
        while let Some(event) = events.next().await {
            seen.push(event.expect("an event").data);
        }
        let data: Vec<_> = seen.into_iter().flatten().collect();
        assert_eq!(data, ["{\"a\":1}", "{\"b\":2}"]);
    }
    assert_eq!(peer.connections(), 1, "a finished stream gives its connection back");
}

#[tokio::test]
async fn a_stream_that_ends_after_its_answer_gives_its_connection_back() {
    let event = "data: {\"a\":1}\n\n";
    let at_once = format!("{SSE}{:x}\r\n{event}\r\n0\r\n\r\n", event.len());
    let mut peer = Peer::start(move |_, n| match n {
        0 => vec![send(at_once.clone())],
        1 | 3 => vec![send(SSE), chunk(event), chunk(": a beat\n\n"), send("0\r\n\r\n")],
        _ => vec![send(SSE), chunk(event), Step::Flood(b"8\r\n: beat\n\n\r\n".to_vec())],
    })
    .await;
    let upstream = open(&spec(&peer));
    for connections in [1, 1, 1, 2] {
        let Ok(Reply::Sse { mut events, .. }) = upstream.client.dispatch(ping()).await else {
            panic!("not a stream");
        };
        assert!(matches!(events.next().await, Some(Ok(_))));
        assert_eq!(peer.connections(), connections);
        let tracker = tokio_util::task::TaskTracker::new();
        events.run_out(&tracker);
        tracker.close();
        tracker.wait().await;
    }
    peer.closed.recv().await.expect("one that goes on and on is closed");
}

/// The next request, which is answered with a stream.
async fn streamed(upstream: &Upstream) -> EventStream {
    let Ok(Reply::Sse { events, .. }) = upstream.client.dispatch(ping()).await else {
        panic!("not a stream");
    };
    events
}

/// What a stream that cannot end in order ends with.
async fn end_of(events: &mut EventStream) -> String {
    loop {
        match events.next().await {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                assert!(events.next().await.is_none());
                return error.to_string();
            }
            None => panic!("the stream cannot end in order"),
        }
    }
}

#[tokio::test]
async fn streams_are_bounded_in_time_and_events_in_size() {
    let mut peer = Peer::start(|_, n| match n {
        0 => vec![send(SSE), Step::Flood(b"8\r\n: beat\n\n\r\n".to_vec())],
        1 => vec![send(SSE), Step::UntilClosed],
        2 => vec![send(SSE), Step::Flood(b"8\r\ndata:xxx\r\n".repeat(100))],
        _ => vec![send(SSE), chunk("data: 1\n\n"), Step::Reset],
    })
    .await;
    let upstream = open(&spec(&peer).answer_bytes_max(10_000));
    for _ in ["it never pauses", "it says nothing"] {
        let mut events = streamed(&upstream).await;
        // Only the clock is moved: how much arrives meanwhile does not matter.
        tokio::time::pause();
        let (error, ()) =
            tokio::join!(end_of(&mut events), tokio::time::advance(Timeouts::default().total));
        tokio::time::resume();
        assert!(error.contains("did not answer in time"), "{error}");
        peer.closed.recv().await.expect("the connection was closed");
    }
    let error = end_of(&mut streamed(&upstream).await).await;
    assert!(error.contains("cannot be split"), "{error}");
    peer.closed.recv().await.expect("the connection was closed");
    let mut events = streamed(&upstream).await;
    assert!(matches!(events.next().await, Some(Ok(_))));
    assert!(matches!(events.next().await, Some(Err(SendError::Broken(Sent::Maybe)))));
}

#[tokio::test]
async fn a_listening_stream_outlives_the_total_time_out_and_closes_when_dropped() {
    let mut peer = Peer::start(|_, _| vec![send(SSE), Step::UntilClosed]).await;
    let upstream = open(&spec(&peer));
    let mut out = ping();
    out.verb = Verb::Get;
    out.body = Bytes::new();
    out.patience = Patience::Stream;
    let Ok(Reply::Sse { mut events, .. }) = upstream.client.dispatch(out).await else {
        panic!("not a stream");
    };
    tokio::time::pause();
    let waited = tokio::time::timeout(Timeouts::default().total * 2, events.next()).await;
    assert!(waited.is_err(), "still open: {waited:?}");
    tokio::time::resume();
    drop(events);
    peer.closed.recv().await.expect("closed");
    assert!(peer.requests()[0].starts_with("GET /mcp HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
    let certificate: &[u8] = include_bytes!("../../../testdata/self-signed.cert.der");
    let key: &[u8] = include_bytes!("../../../testdata/self-signed.key.der");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::aws_lc_rs::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(
        vec![CertificateDer::from(certificate)],
        PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key)),
    )
    .expect("a certificate");
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let resolve = Arc::new(|_| {
        let found = vec![IpAddr::from([127, 0, 0, 1])];
        Box::pin(async move { Ok(found) }) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    });
    let url = format!("https://pay.example:{port}/");
    let spec = ServerSpec::http("t", &url, AddressRule::AllowPrivate).expect("a URL");
    let upstream = Upstream::open_with(&spec, resolve).expect("a server");
    let (error, accepted) = tokio::join!(failure(&upstream), async {
        let (stream, _) = listener.accept().await.expect("a connection");
        acceptor.accept(stream).await
    });
    assert!(matches!(error, SendError::Unreachable(Unreachable::Connect(_))), "{error:?}");
    assert!(error.certainly_not_run());
    assert!(accepted.is_err(), "the client gave up the handshake");
}

#[tokio::test]
async fn connections_are_bounded_and_a_place_is_waited_for() {
    let peer = Peer::start(|request, _| {
        if request.contains("hold") { vec![Step::UntilClosed] } else { vec![answer(JSON, "{}")] }
    })
    .await;
    let upstream = open(&spec(&peer).connections_max(2));
    let hold = || Outgoing::post(Bytes::from_static(br#"{"hold":1}"#));
    let both = || {
        let calls = (0..2).map(|_| Box::pin(upstream.client.dispatch(hold())));
        futures_util::future::join_all(calls)
    };
    let mut held = both();
    tokio::select! {
        _ = &mut held => panic!("there is no answer"),
        () = arrived(&peer, 2) => {}
    }
    // From here on nothing but time can happen.
    tokio::time::pause();
    let error = failure(&upstream).await;
    assert!(matches!(error, SendError::Unreachable(Unreachable::Busy)), "{error:?}");
    assert!(error.certainly_not_run());
    tokio::time::resume();
    assert_eq!(peer.connections(), 2);
    let (body, ()) = tokio::join!(json(&upstream), async {
        tokio::task::yield_now().await;
        drop(held);
    });
    assert_eq!(body, "{}");

    let mut held = both();
    tokio::select! {
        _ = &mut held => panic!("there is no answer"),
        () = arrived(&peer, 5) => {}
    }
    let (error, ()) = tokio::join!(failure(&upstream), async {
        tokio::task::yield_now().await;
        upstream.stop().await;
    });
    assert!(matches!(error, SendError::Unreachable(Unreachable::Stopped)), "{error:?}");
}

#[tokio::test]
async fn idle_connections_are_closed_in_time_though_nothing_is_sent() {
    let mut peer = Peer::start(|_, _| vec![answer(JSON, "{}"), Step::UntilClosed]).await;
    let upstream = open(&spec(&peer));
    for _ in 0..2 {
        json(&upstream).await;
        tokio::time::pause();
        peer.closed.recv().await.expect("it was closed");
        tokio::time::resume();
    }
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn a_call_cancelled_while_it_waits_for_a_connection_did_not_run() {
    let resolve = Arc::new(|_| {
        let never = std::future::pending::<std::io::Result<Vec<IpAddr>>>();
        Box::pin(never) as std::pin::Pin<Box<dyn Future<Output = _> + Send>>
    });
    let spec = ServerSpec::http("t", "http://pay.example/mcp", AddressRule::AllowPrivate);
    let upstream = Upstream::open_with(&spec.expect("a URL"), resolve).expect("a server");
    let token = CancellationToken::new();
    let mut out = ping();
    out.cancel = Some(token.clone());
    let (reply, ()) = tokio::join!(upstream.client.dispatch(out), async {
        tokio::task::yield_now().await;
        token.cancel();
    });
    let error = reply.expect_err("cancelled");
    assert!(matches!(error, SendError::Cancelled(Sent::No)), "{error:?}");
    assert!(error.certainly_not_run());
}
