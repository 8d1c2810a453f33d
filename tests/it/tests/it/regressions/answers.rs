//! Answers: large ones arrive whole, boundless ones are given up, and nothing of them is turned into
//! something else on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use it::gateway::{Config, Gateway};
use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene, call_body, ran};
use serde_json::json;

use super::scripted::{Step, answer, json_answer, tool, usual};
use super::{Scripted, open};

/// Longer than the two megabytes at which another gateway cut off, in bytes.
const LARGE_BYTES: usize = 6 * 1024 * 1024;
/// What the gateway may need beyond its usual memory while it gives up an endless answer, in bytes.
const GROWTH_BYTES_MAX: u64 = 200 * 1024 * 1024;
/// The longest body of a request, in bytes (GATEWAY.md section 3).
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

async fn large_answer(options: Options) {
    let scene = Plan::with(options).await.granting("agent", &open()).start().await;
    let large = "x".repeat(LARGE_BYTES);
    let result = format!(r#"{{"content":[{{"type":"text","text":"{large}"}}]}}"#);
    scene.recorder.set_fault(Some(Fault::Result(result.clone())));
    let answer = scene.call("agent", "read_item", json!({})).await;
    assert!(ran(&answer));
    assert!(answer.text().contains(&result), "it is {} bytes long", answer.body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_megabytes_arrives_whole() {
    large_answer(Options::strict(SERVER)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_answer_of_megabytes_arrives_whole() {
    large_answer(Options::strict(SERVER).streaming()).await;
}

/// The most memory that the gateway ever held, in bytes.
fn peak_of(gateway: &Gateway) -> u64 {
    let status = format!("/proc/{}/status", gateway.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(status).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}

/// A server whose calls are answered without end: as one JSON text, or as one event.
async fn endless(head: &'static str, begin: &'static str) {
    let server = Scripted::start(move |seen| {
        usual(seen, &[tool("write")]).unwrap_or_else(|| {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {head}\r\n\r\n{begin}");
            vec![Step::Send(head.into_bytes()), Step::Flood(vec![b'x'; 64 * 1024])]
        })
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    let before = peak_of(&gateway);
    for _call in 0..3 {
        let call = gateway.call("alpha", &token, "write", json!({}));
        let answer = it::wait::bounded("the end of an endless answer", call).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.reply()["error"]["code"], json!(1002), "{head}");
    }
    assert_eq!(server.count("tools/call"), 3, "no call was made again");
    let growth = peak_of(&gateway).saturating_sub(before);
    assert!(growth <= GROWTH_BYTES_MAX, "{head}: {growth} bytes more");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_end_is_given_up_in_bounded_memory() {
    endless("application/json", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_without_end_is_given_up_in_bounded_memory() {
    endless("text/event-stream", "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"x\":\"").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_long_is_a_413_that_names_the_limit() {
    let scene = Scene::with_policy(&open()).await;
    let body = call_body(1, "read_item", &json!({ "id": "x".repeat(BODY_BYTES_MAX) }));
    let before = scene.log.request_count();
    let answer = scene.post("agent", &body).await;
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert!(answer.text().contains(&BODY_BYTES_MAX.to_string()), "{}", answer.text());
    assert_eq!(scene.log.request_count(), before);
    let fits = "x".repeat(BODY_BYTES_MAX - call_body(1, "read_item", &json!({ "id": "" })).len());
    let body = call_body(1, "read_item", &json!({ "id": fits }));
    assert_eq!(body.len(), BODY_BYTES_MAX);
    assert!(ran(&scene.post("agent", &body).await), "exactly the limit passes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_is_asked_for_a_login_does_not_hand_the_question_to_the_agent() {
    let away = Arc::new(AtomicBool::new(false));
    let locked = Arc::clone(&away);
    let server = Scripted::start(move |seen| {
        if seen.method() == "tools/call" && locked.load(Ordering::SeqCst) {
            let head = "401 Unauthorized\r\nContent-Type: application/json\r\n\
                        WWW-Authenticate: Bearer realm=\"of-the-server\"";
            return vec![answer(head, r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32001,"message":"token of-the-gateway is no good"}}"#)];
        }
        let done = || vec![json_answer(r#"{"jsonrpc":"2.0","id":1,"result":{"content":[]}}"#)];
        usual(seen, &[tool("write")]).unwrap_or_else(done)
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let token = Config::token_of("agent");
    assert!(ran(&gateway.call("alpha", &token, "write", json!({})).await));
    away.store(true, Ordering::SeqCst);
    // An agent that read 401 would throw away its own token, which is good.
    let answer = gateway.call("alpha", &token, "write", json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.reply()["error"]["code"], json!(1002));
    assert!(answer.header("www-authenticate").is_none());
    assert!(!answer.text().contains("of-the-"), "{}", answer.text());
    let listed = gateway.post("alpha", &token, super::LIST).await;
    assert_eq!(super::names(&listed), ["write"], "its tools do not vanish");
    away.store(false, Ordering::SeqCst);
    assert!(ran(&gateway.call("alpha", &token, "write", json!({})).await));
}
