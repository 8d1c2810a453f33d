//! A server over HTTP that hangs, breaks off at any byte, drips or answers garbage. Each of its calls gets one clear
//! error or its whole answer, is sent once, and the next one runs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use it::gateway::{Config, Gateway};
use it::scene::{SERVER, ran};
use it::wait;
use it::wire::Answer;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{call, figure, healthy, open, peak, seconds, verified};
use crate::regressions::scripted::{Scripted, Seen, Step, json_answer, tool, usual};

/// Time-outs short enough to be waited for.
const TIMEOUTS: &str =
    "timeouts = { connect_seconds = 2, first_byte_seconds = 2, total_seconds = 3 }";
/// The longest of them.
const TOTAL: Duration = Duration::from_secs(3);
/// Nobody waits longer for an answer than its time-out and this.
const BEYOND: Duration = Duration::from_secs(3);
/// Rounds of pseudo-random bytes.
const RANDOM_ANSWERS: usize = 40;

/// What calls of the tool `faulty` are answered with, by turns.
type Plan = Arc<Mutex<Vec<Step>>>;

/// A server whose tool `faulty` does what is planned, and whose tool `sound` works.
struct Stage {
    server: Scripted,
    gateway: Gateway,
    plan: Plan,
}

impl Stage {
    async fn set(lines: &[&str]) -> Self {
        let plan = Plan::default();
        let planned = Arc::clone(&plan);
        let server = Scripted::start(move |seen| {
            usual(seen, &[tool("faulty"), tool("sound")]).unwrap_or_else(|| {
                if seen.body["params"]["name"] == "faulty" {
                    return planned.lock().expect("no holder panics").clone();
                }
                vec![sound(seen)]
            })
        })
        .await;
        let gateway = server.behind(&open(), lines).await;
        Self { server, gateway, plan }
    }

    fn plan(&self, steps: Vec<Step>) {
        *self.plan.lock().expect("no holder panics") = steps;
    }

    /// A call that goes wrong as planned; it is sent once.
    async fn faulty(&self, what: &str) -> Answer {
        let answer = wait::bounded(what, call(&self.gateway, "agent", "faulty", what)).await;
        assert_eq!(self.sent(what), 1, "{what} was sent again");
        answer
    }

    /// How many calls with that mark were sent.
    fn sent(&self, mark: &str) -> usize {
        let marked = |seen: &&Seen| seen.body["params"]["arguments"]["id"] == mark;
        self.server.seen().iter().filter(marked).count()
    }

    /// A call that fails with one clear error.
    async fn fails(&self, what: &str) -> Answer {
        let answer = self.faulty(what).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(answer.reply()["error"]["code"], json!(1002), "{what}: {}", answer.text());
        answer
    }

    async fn works(&self, after: &str) {
        let answer = wait::bounded(after, call(&self.gateway, "agent", "sound", "next")).await;
        assert!(ran(&answer), "after {after}: {} {}", answer.status, answer.text());
    }

    /// Every call that was sent has a row with an end.
    async fn recorded(&self) {
        let sent = self.server.count("tools/call");
        self.gateway
            .audited("a row with an end for each call", |rows| {
                let ended =
                    |row: &&Value| row["method"] == "tools/call" && !row["latency_ms"].is_null();
                (rows.iter().filter(ended).count() == sent).then_some(())
            })
            .await;
        verified(&self.gateway).await;
    }
}

fn sound(seen: &Seen) -> Step {
    let result = json!({ "content": [{ "type": "text", "text": "sound" }] });
    json_answer(json!({ "jsonrpc": "2.0", "id": seen.body["id"], "result": result }).to_string())
}

/// A good answer's message, to the one id that the calls here have.
const MESSAGE: &str =
    r#"{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"whole"}]}}"#;

/// The same as one JSON body.
fn as_json() -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ";
    format!("{head}{}\r\n\r\n{MESSAGE}", MESSAGE.len()).into_bytes()
}

/// The same as an event stream in chunks, and how many of its bytes the answer is complete with.
fn as_events() -> (Vec<u8>, usize) {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    let opening = ": hello\n\n";
    let event = format!("event: message\ndata: {MESSAGE}\n\n");
    let mut bytes =
        format!("{head}{:x}\r\n{opening}\r\n{:x}\r\n{event}", opening.len(), event.len());
    let complete = bytes.len();
    bytes.push_str("\r\n0\r\n\r\n");
    (bytes.into_bytes(), complete)
}

/// Breaks off after each number of bytes; an answer that is complete by then may arrive, none that is not.
async fn broken_at_every_byte(how: &str, end: Step, bytes: &[u8], complete: usize) {
    // Without short time-outs: a call that works is never cut off because the machine is busy.
    let stage = Stage::set(&[]).await;
    let begun = Instant::now();
    let mut arrived = 0;
    for length in 0..=bytes.len() {
        stage.plan(vec![Step::Send(bytes[..length].to_vec()), end.clone()]);
        let what = format!("{how} after byte {length} of {}", bytes.len());
        let answer = stage.faulty(&what).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        if ran(&answer) {
            assert!(
                length >= complete && answer.text().contains("whole"),
                "{what}: {}",
                answer.text()
            );
            arrived += 1;
        } else {
            assert_eq!(answer.reply()["error"]["code"], json!(1002), "{what}: {}", answer.text());
            assert!(length < bytes.len(), "{what}: the whole answer is lost");
        }
        stage.works(&what).await;
    }
    stage.recorded().await;
    let took = begun.elapsed().as_millis();
    let calls = bytes.len() + 1;
    figure(
        how,
        format!("{calls} places, {arrived} whole answers, each next call ran; {took} ms in all"),
    );
    healthy(how, &stage.gateway, "sound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_answer_that_is_reset_at_any_byte_is_an_error() {
    let bytes = as_json();
    broken_at_every_byte("reset, JSON", Step::Reset, &bytes, bytes.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_json_answer_that_ends_at_any_byte_is_an_error() {
    let bytes = as_json();
    broken_at_every_byte("closed, JSON", Step::Close, &bytes, bytes.len()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_that_is_reset_at_any_byte_is_an_error() {
    let (bytes, complete) = as_events();
    broken_at_every_byte("reset, SSE", Step::Reset, &bytes, complete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_that_ends_at_any_byte_is_an_error() {
    let (bytes, complete) = as_events();
    broken_at_every_byte("closed, SSE", Step::Close, &bytes, complete).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_drips_arrives_whole() {
    let stage = Stage::set(&[]).await;
    for (how, bytes) in [("dripping JSON", as_json()), ("dripping SSE", as_events().0)] {
        stage.plan(vec![Step::Drip(bytes, 2)]);
        let begun = Instant::now();
        let answer = stage.faulty(how).await;
        assert!(ran(&answer) && answer.text().contains("whole"), "{how}: {}", answer.text());
        figure(how, format!("whole after {} ms", begun.elapsed().as_millis()));
        stage.works(how).await;
    }
    stage.recorded().await;
}

/// Servers that stop at some point, and servers that go on so slowly that they never end: nobody is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_anywhere_fails_its_call_in_time_and_no_other() {
    let stage = Stage::set(&[TIMEOUTS]).await;
    let (json, events) = (as_json(), as_events().0);
    let part = |bytes: &[u8], length: usize| Step::Send(bytes[..length].to_vec());
    let endless_head =
        b"HTTP/1.1 200 OK\r\nX-Slow: ".iter().chain(&[b'x'; 2000]).copied().collect();
    let hanging = [
        ("hangs before its answer", vec![Step::Stay]),
        ("hangs in the status line", vec![part(&json, 9), Step::Stay]),
        ("hangs in its headers", vec![part(&json, 40), Step::Stay]),
        ("hangs in a JSON body", vec![part(&json, json.len() - 3), Step::Stay]),
        ("hangs in an event", vec![part(&events, events.len() - 20), Step::Stay]),
        ("drips a head without end", vec![Step::Drip(endless_head, 5), Step::Stay]),
        (
            "drips a body without end",
            vec![
                Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{".to_vec()),
                Step::Drip(vec![b' '; 2000], 5),
                Step::Stay,
            ],
        ),
    ];
    for (what, steps) in hanging {
        stage.plan(steps);
        let begun = Instant::now();
        let failing = stage.fails(what);
        let (_answer, took) = tokio::join!(failing, async {
            // Others are served while it hangs.
            let begun = Instant::now();
            wait::until("a call beside a hanging one", || async {
                (stage.sent(what) == 1).then_some(())
            })
            .await;
            let beside = call(&stage.gateway, "agent", "sound", "beside").await;
            assert!(ran(&beside), "{what}: {}", beside.text());
            begun.elapsed()
        });
        let failed = begun.elapsed();
        assert!(failed < TOTAL + BEYOND, "{what}: {failed:?}");
        figure(
            what,
            format!(
                "error after {} ms; a call beside it took {} ms",
                failed.as_millis(),
                took.as_millis()
            ),
        );
        healthy(what, &stage.gateway, "sound").await;
    }
}

fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let ok = |head: &str, body: &[u8]| {
        let head = format!("HTTP/1.1 200 OK\r\n{head}\r\nContent-Length: {}\r\n\r\n", body.len());
        [head.as_bytes(), body].concat()
    };
    let json = |body: &[u8]| ok("Content-Type: application/json", body);
    let events = |body: &[u8]| ok("Content-Type: text/event-stream", body);
    let deep = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{}"#, "[".repeat(100_000));
    let chunked =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    vec![
        ("no HTTP", b"SSH-2.0-OpenSSH_9.9\r\n\r\n".to_vec()),
        ("zeros", vec![0; 10_000]),
        ("another version of HTTP", b"HTTP/9.9 200 OK\r\n\r\n".to_vec()),
        ("a status of letters", b"HTTP/1.1 yes OK\r\n\r\n".to_vec()),
        ("a negative length", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n{}".to_vec()),
        (
            "two lengths",
            b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{} ".to_vec(),
        ),
        (
            "a head of a megabyte",
            [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'x'; 1 << 20]].concat(),
        ),
        ("a chunk without a size", [chunked.as_bytes(), b"zz\r\n{}\r\n0\r\n\r\n"].concat()),
        ("a chunk of all memory", [chunked.as_bytes(), b"ffffffffffffffff\r\n{}"].concat()),
        ("no JSON", json(b"<html>502 Bad Gateway</html>")),
        (
            "bytes that are no UTF-8",
            json(b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":\"\xff\xfe\"}"),
        ),
        ("a hundred thousand brackets", json(deep.as_bytes())),
        (
            "a body that says it is packed",
            ok("Content-Type: application/json\r\nContent-Encoding: gzip", b"\x1f\x8b"),
        ),
        (
            "two media types",
            ok("Content-Type: application/json\r\nContent-Type: text/plain", MESSAGE.as_bytes()),
        ),
        ("another media type", ok("Content-Type: text/html", MESSAGE.as_bytes())),
        ("an event that is no JSON", events(b"data: {\"jsonrpc\":\n\n")),
        ("an event of bytes", events(b"data: \xff\xfe\x00\n\n")),
        ("a stream of nothing", events(b"\n\n\n\n")),
        ("an answer to another", json(br#"{"jsonrpc":"2.0","id":"other","result":{}}"#)),
        ("an answer to nothing", json(br#"{"jsonrpc":"2.0","id":null,"result":{}}"#)),
        ("a call of its own", json(br#"{"jsonrpc":"2.0","id":1,"method":"tools/call"}"#)),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn garbage_is_an_error_and_the_next_call_runs() {
    let stage = Stage::set(&[]).await;
    let before = peak(&stage.gateway);
    let garbage = garbage();
    for (what, bytes) in &garbage {
        stage.plan(vec![Step::Send(bytes.clone()), Step::Close]);
        stage.fails(what).await;
        stage.works(what).await;
    }
    let counter = AtomicUsize::new(0);
    let until = Instant::now() + seconds(0);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    while counter.load(Ordering::Relaxed) < RANDOM_ANSWERS || Instant::now() < until {
        let number = counter.fetch_add(1, Ordering::Relaxed);
        let mut bytes = if number.is_multiple_of(2) { as_json() } else { as_events().0 };
        for _change in 0..4 {
            // The constants of a well-known generator: what matters is only that a run can be repeated.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let at = usize::try_from(state >> 33).expect("31 bits") % bytes.len();
            bytes[at] = state.to_le_bytes()[3];
        }
        stage.plan(vec![Step::Send(bytes), Step::Close]);
        let what = format!("random bytes {number}");
        let answer = stage.faulty(&what).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert!(answer.reply().is_object(), "{what}: neither answer nor error: {}", answer.text());
        stage.works(&what).await;
    }
    stage.recorded().await;
    let grown = super::mib(peak(&stage.gateway).saturating_sub(before));
    let count = garbage.len() + counter.into_inner();
    figure(
        "garbage",
        format!("{count} answers, each an error, each next call ran; memory grew by {grown} MiB"),
    );
    healthy("garbage", &stage.gateway, "sound").await;
}

/// A server whose first answers never come, so that its tools are not known, and that then works.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hung_before_its_tools_were_known_is_used_once_it_answers() {
    let hangs = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let hanging = Arc::clone(&hangs);
    let server = Scripted::start(move |seen| {
        if hanging.load(Ordering::SeqCst) {
            return vec![Step::Stay];
        }
        usual(seen, &[tool("sound")]).unwrap_or_else(|| vec![sound(seen)])
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    wait::until("the first question", || async { (!server.seen().is_empty()).then_some(()) }).await;
    let refused =
        wait::bounded("a call meanwhile", call(&gateway, "agent", "sound", "early")).await;
    assert!(refused.reply()["error"]["code"].is_i64(), "{} {}", refused.status, refused.text());
    hangs.store(false, Ordering::SeqCst);
    healthy("hung before its tools were known", &gateway, "sound").await;
    let token = Config::token_of("agent");
    assert!(ran(&gateway.call(SERVER, &token, "sound", json!({})).await));
}
