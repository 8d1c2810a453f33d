//! Servers that never stop: streams without end, ten thousand notices a second, lists of which every page names another.
//! They cost bounded memory and a bounded part of the processors, and others are served.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use it::gateway::{Config, Gateway};
use it::scene::{SERVER, call_body, ran};
use it::wait;
use it::wire::{self, Ask};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::{call, discarded, figure, healthy, mib, open, peak, seconds, served_meanwhile};
use crate::regressions::hello_body;
use crate::regressions::scripted::{Scripted, Seen, Step, answer, result, tool, usual};

/// What a flood may cost beyond what the process held before, in MiB.
const GROWTH_MIB_MAX: u64 = 64;
/// The time-out that ends an answer without end, in seconds.
const TOTAL_SECONDS: u64 = 3;
/// Notices in a second.
const NOTICES: u64 = 10_000;
/// How many lists one second of notices may cost: they are drawn together for 200 ms (GATEWAY.md section 4).
const LISTS_PER_SECOND_MAX: u64 = 5;

fn stream_head() -> Step {
    Step::Send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec())
}

fn sound(seen: &Seen) -> Vec<Step> {
    vec![result(seen, &json!({ "content": [{ "type": "text", "text": "sound" }] }))]
}

fn ask(tool: &str, mark: &str) -> Ask {
    let body = call_body(1, tool, &json!({ "id": mark }));
    Ask::mcp(&format!("/mcp/{SERVER}"), &Config::token_of("agent"), body)
}

/// A call whose answer is an event stream of these bytes again and again.
async fn endless_stream(what: &str, piece: Vec<u8>) {
    let server = Scripted::start(move |seen| {
        usual(seen, &[tool("faulty"), tool("sound")]).unwrap_or_else(|| {
            if seen.body["params"]["name"] == "faulty" {
                return vec![stream_head(), Step::Flood(piece.repeat(1 + 16 * 1024 / piece.len()))];
            }
            sound(seen)
        })
    })
    .await;
    let timeouts = format!(
        "timeouts = {{ connect_seconds = {TOTAL_SECONDS}, first_byte_seconds = {TOTAL_SECONDS}, total_seconds = {TOTAL_SECONDS} }}"
    );
    let gateway = server.behind(&open(), &[timeouts.as_str()]).await;
    let before = peak(&gateway);
    let begun = Instant::now();
    let flooded = ask("faulty", what);
    let (received, lasted) = (std::cell::Cell::new(0), std::cell::Cell::new(Duration::ZERO));
    let over = async {
        received.set(
            wait::bounded("the end of an endless stream", discarded(&gateway, &flooded)).await,
        );
        lasted.set(begun.elapsed());
    };
    let (served, longest) = served_meanwhile(&gateway, "agent", "sound", over).await;
    let grown = mib(peak(&gateway).saturating_sub(before));
    figure(
        what,
        format!(
            "ended after {} ms and {} MiB; {served} calls beside it, the longest {} ms; memory grew by {grown} MiB",
            lasted.get().as_millis(),
            mib(received.get()),
            longest.as_millis()
        ),
    );
    assert!(grown < GROWTH_MIB_MAX, "memory grew by {grown} MiB");
    healthy(what, &gateway, "sound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_comments_without_end_is_ended_in_time() {
    endless_stream("endless comments", b": still here\n\n".to_vec()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_notices_without_end_is_ended_in_time() {
    let notice = json!({
        "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": "still here" },
    });
    endless_stream("endless notices", format!("data: {notice}\n\n").into_bytes()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_answers_to_others_without_end_is_ended_in_time() {
    let other = json!({ "jsonrpc": "2.0", "id": "of-nobody", "result": {} });
    endless_stream("endless answers to others", format!("data: {other}\n\n").into_bytes()).await;
}

/// Opens a legacy session and its stream, and reads it until it ends; how many bytes came.
async fn listened(gateway: &Gateway) -> u64 {
    let token = Config::token_of("agent");
    let opened = gateway.post(SERVER, &token, &hello_body("listener")).await;
    let session = opened.header("mcp-session-id").expect("a session").to_owned();
    let mut listening = ask("", "").set("Accept", "text/event-stream");
    "GET".clone_into(&mut listening.method);
    listening.body.clear();
    listening.headers.retain(|(name, _value)| name != "Content-Type");
    discarded(gateway, &listening.with("Mcp-Session-Id", &session)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_list_changes_a_second_cost_a_few_lists_and_no_call() {
    let notice = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n";
    let calm = Arc::new(AtomicBool::new(false));
    let calmed = Arc::clone(&calm);
    let server = Scripted::start(move |seen| {
        usual(seen, &[tool("sound")]).unwrap_or_else(|| {
            if !seen.head.starts_with("GET") {
                return sound(seen);
            }
            if calmed.load(Ordering::SeqCst) {
                return vec![answer("405 Method Not Allowed", "")];
            }
            vec![stream_head(), Step::Beat(notice.as_bytes().to_vec(), NOTICES)]
        })
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    wait::until("the first list", || async { (server.count("tools/list") > 0).then_some(()) })
        .await;
    let (before, lists) = (peak(&gateway), server.count("tools/list"));
    let lasts = seconds(3);
    let begun = Instant::now();
    let heard = std::cell::Cell::new(0);
    let over = async {
        tokio::select! {
            all = listened(&gateway) => heard.set(all),
            () = sleep(lasts) => {}
        }
    };
    let (served, longest) = served_meanwhile(&gateway, "agent", "sound", over).await;
    let took = begun.elapsed();
    assert_eq!(heard.get(), 0, "the stream ended");
    let lists = (server.count("tools/list") - lists) as u64;
    let grown = mib(peak(&gateway).saturating_sub(before));
    figure(
        "10,000 list_changed a second",
        format!(
            "{} ms: {lists} lists, {served} calls beside it, the longest {} ms; memory grew by {grown} MiB",
            took.as_millis(),
            longest.as_millis()
        ),
    );
    let most = (took.as_secs() + 1) * LISTS_PER_SECOND_MAX + 1;
    assert!((1..=most).contains(&lists), "{lists} lists in {took:?}");
    assert!(grown < GROWTH_MIB_MAX, "memory grew by {grown} MiB");
    calm.store(true, Ordering::SeqCst);
    healthy("10,000 list_changed a second", &gateway, "sound").await;
}

/// A server each of whose pages names another one, until it is cured.
async fn endless_list(what: &str, cursor: impl Fn(usize) -> String + Send + Sync + 'static) {
    let endless = Arc::new(AtomicBool::new(true));
    let number = std::sync::atomic::AtomicUsize::new(0);
    let still = Arc::clone(&endless);
    let server = Scripted::start(move |seen| {
        if seen.method() == "tools/list" && still.load(Ordering::SeqCst) {
            // A name that stands twice in one list would be quarantined, also in one that is cured on its way.
            let page = number.fetch_add(1, Ordering::SeqCst);
            let named = tool(&format!("of-page-{page}"));
            let page = json!({ "tools": [named], "nextCursor": cursor(page) });
            return vec![result(seen, &page)];
        }
        usual(seen, &[tool("sound")]).unwrap_or_else(|| sound(seen))
    })
    .await;
    let gateway = server.behind(&open(), &[]).await;
    let before = peak(&gateway);
    let begun = Instant::now();
    let early =
        wait::bounded("an answer meanwhile", call(&gateway, "agent", "sound", "early")).await;
    let waited = begun.elapsed();
    assert!(!ran(&early), "a tool of a list that never ended is not known");
    assert_eq!(server.count("tools/call"), 0);
    let listed = wire::ask(
        gateway.door,
        &Ask::mcp(&format!("/mcp/{SERVER}"), &Config::token_of("agent"), crate::regressions::LIST),
    )
    .await
    .expect("an answer");
    assert_eq!(listed.status, 200, "an agent gets one page for one question");
    let pages = server.count("tools/list");
    let grown = mib(peak(&gateway).saturating_sub(before));
    figure(
        what,
        format!(
            "a call was refused after {} ms; {pages} pages asked for; memory grew by {grown} MiB",
            waited.as_millis()
        ),
    );
    assert!(grown < GROWTH_MIB_MAX, "memory grew by {grown} MiB");
    endless.store(false, Ordering::SeqCst);
    healthy(what, &gateway, "sound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_never_ends_is_given_up_until_it_does() {
    endless_list("list without end", |page| format!("page-{page}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_goes_round_is_given_up_until_it_ends() {
    endless_list("list that goes round", |page| format!("page-{}", page % 3)).await;
}
