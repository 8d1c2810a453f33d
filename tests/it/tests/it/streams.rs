//! Ten thousand agents that listen: each has a session and a stream that stays open. What a server
//! says reaches every one of them, somebody's calls are answered beside them, each costs little
//! memory, and all is given back when they leave and ended when the gateway stops.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use it::gateway::{Config, Gateway, Grant, Server};
use it::recorder::Options;
use it::scene::{Plan, SERVER, Scene, ran};
use it::wait;
use it::wire::{self, Ask, OpenStream};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Streams where one child is behind the gateway, so that each costs the gateway one descriptor.
const STREAMS_OF_A_CHILD: usize = 10_000;
/// Streams where a server on HTTP is: each takes a connection to it, of which there are 2,048.
const STREAMS_OF_HTTP: usize = 1_500;
/// With fewer the test would show nothing.
const STREAMS_MIN: usize = 1_000;
/// Streams of one agent, which may have 1,024 requests open.
const STREAMS_PER_AGENT: usize = 750;
/// What one more stream may cost, its session included.
const BYTES_PER_STREAM_MAX: u64 = 40 * 1024;
/// The same where a connection to the server belongs to it.
const BYTES_PER_STREAM_OF_HTTP_MAX: u64 = 60 * 1024;
/// Descriptors of each process that are no streams.
const DESCRIPTORS_BESIDE: usize = 512;
/// Agents that open their stream at the same time.
const OPENING_AT_ONCE: usize = 64;
/// Calls of another agent while all of them listen.
const CALLS: usize = 200;

/// As many streams as were wished for, or fewer where the system's upper limit of descriptors says
/// so, which this process and the gateway both go up to.
fn streams_within_limits(wished: usize, descriptors_of_each: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("up to its upper limit everybody may go");
    let most = limit.maximum.map_or(usize::MAX, |most| usize::try_from(most).expect("a number"));
    let fit = most.saturating_sub(DESCRIPTORS_BESIDE) / descriptors_of_each;
    assert!(fit >= STREAMS_MIN, "{most} descriptors are too few: raise `ulimit -Hn`");
    wished.min(fit)
}

fn label(number: usize) -> String {
    format!("listener-{}", number / STREAMS_PER_AGENT)
}

async fn scene(options: Options, streams: usize, piped: bool) -> Scene {
    let policy = json!({ "version": "1", "default": "allow", "tools": {} });
    let mut plan = Plan::with(options).await.granting("agent", &policy);
    if piped {
        plan.config.servers = vec![Server::piped(SERVER, plan.recorder())];
    }
    for number in (0..streams).step_by(STREAMS_PER_AGENT) {
        let label = label(number);
        let token = Config::token_of(&label);
        plan.config.grants.push(Grant::new(&label, SERVER, Some("agent"), &token));
    }
    let scene = plan.start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    scene
}

/// Opens a session and its stream, as a client does: all on one connection.
async fn listen(scene: &Scene, number: usize) -> OpenStream {
    let token = Config::token_of(&label(number));
    let target = format!("/mcp/{SERVER}");
    let mut connection = TcpStream::connect(scene.gateway.door).await.expect("a connection");
    let hello = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "listener", "version": "1" },
    });
    let hello = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello });
    let hello = Ask::mcp(&target, &token, hello.to_string());
    let hello = wire::ask_on(&mut connection, &hello).await.expect("an answer");
    assert_eq!(hello.status, 200, "{}", hello.text());
    let session = hello.header("mcp-session-id").expect("a session").to_owned();
    let ready = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    let ready = Ask::mcp(&target, &token, ready.to_string()).with("Mcp-Session-Id", &session);
    let ready = wire::ask_on(&mut connection, &ready).await.expect("an answer");
    assert_eq!(ready.status, 202, "{}", ready.text());
    let get = Ask::bare("GET", &target)
        .with("Authorization", &format!("Bearer {token}"))
        .with("Accept", "text/event-stream")
        .with("MCP-Protocol-Version", "2025-11-25")
        .with("Mcp-Session-Id", &session);
    let stream = wire::open_on(connection, &get).await.expect("a stream");
    assert_eq!(stream.head.status, 200, "{:?}", stream.head);
    stream
}

async fn all_listen(scene: &Scene, count: usize) -> Vec<OpenStream> {
    let opening = (0..count).map(|number| wait::bounded("a stream", listen(scene, number)));
    futures_util::stream::iter(opening).buffer_unordered(OPENING_AT_ONCE).collect().await
}

/// Has the server say something to everybody, and waits until it arrived on every stream.
async fn told_everybody(scene: &Scene, streams: &mut [OpenStream], what: &str) {
    let news = json!({
        "jsonrpc": "2.0", "method": "notifications/resources/list_changed",
        "params": { "_meta": { "what": what } },
    });
    scene.recorder.send(&news);
    for (number, stream) in streams.iter_mut().enumerate() {
        let heard = stream.event(|data| is_news(data, &news));
        let heard = wait::bounded(format!("`{what}` on stream {number}"), heard).await;
        assert!(heard.is_some(), "stream {number} ended before `{what}`");
    }
}

fn is_news(data: &str, news: &Value) -> bool {
    serde_json::from_str::<Value>(data).is_ok_and(|message| message == *news)
}

/// Calls one after the other; the longest of them.
async fn calls_of_another(scene: &Scene) -> Duration {
    let mut longest = Duration::ZERO;
    for number in 0..CALLS {
        let begun = Instant::now();
        let call = scene.call("agent", "read_item", json!({ "id": format!("beside {number}") }));
        let answer = wait::bounded("a call beside the streams", call).await;
        assert!(ran(&answer), "{} {}", answer.status, answer.text());
        longest = longest.max(begun.elapsed());
    }
    longest
}

/// What the process holds in memory now, in bytes.
fn memory(gateway: &Gateway) -> u64 {
    let status = format!("/proc/{}/status", gateway.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(status).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes = line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number");
    kilobytes * 1024
}

/// How many descriptors the process has open.
fn descriptors(gateway: &Gateway) -> usize {
    let folder = format!("/proc/{}/fd", gateway.pid().as_raw_nonzero());
    std::fs::read_dir(Path::new(&folder)).expect("it runs").count()
}

/// What a stream costs the gateway.
#[derive(Debug, Clone, Copy)]
struct Cost {
    descriptors: usize,
    bytes_max: u64,
}

async fn everybody_listens(mut scene: Scene, count: usize, cost: Cost) {
    let (at_rest, open_at_rest) = (memory(&scene.gateway), descriptors(&scene.gateway));
    let begun = Instant::now();
    let mut streams = all_listen(&scene, count).await;
    let took = begun.elapsed();
    let each = memory(&scene.gateway).saturating_sub(at_rest) / count as u64;
    told_everybody(&scene, &mut streams, "all are there").await;
    let (longest, ()) = tokio::join!(
        calls_of_another(&scene),
        told_everybody(&scene, &mut streams, "somebody calls"),
    );
    let each_used = memory(&scene.gateway).saturating_sub(at_rest) / count as u64;
    println!(
        "figure: {count} open streams: there after {} ms; {each} B each, {each_used} B once they \
         were used; {CALLS} calls beside them, the longest {} ms",
        took.as_millis(),
        longest.as_millis()
    );
    assert!(each.max(each_used) <= cost.bytes_max, "{each} and {each_used} B each");
    // Who leaves gives everything back, and who stays hears on.
    let mut staying = streams.split_off(count / 2);
    drop(streams);
    let most = open_at_rest + DESCRIPTORS_BESIDE + staying.len() * cost.descriptors;
    wait::until("the descriptors of who left", || async {
        (descriptors(&scene.gateway) <= most).then_some(())
    })
    .await;
    told_everybody(&scene, &mut staying, "half are left").await;
    scene.gateway.signal(Signal::TERM);
    for (number, stream) in staying.iter_mut().enumerate() {
        wait::bounded(format!("the end of stream {number}"), stream.rest()).await;
    }
    assert!(scene.gateway.ended().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_streams_are_alive_beside_calls_and_cost_little() {
    let cost = Cost { descriptors: 1, bytes_max: BYTES_PER_STREAM_MAX };
    let count = streams_within_limits(STREAMS_OF_A_CHILD, 1);
    let scene = scene(Options::strict(SERVER), count, true).await;
    everybody_listens(scene, count, cost).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_of_a_server_on_http_are_alive_beside_calls_and_cost_little() {
    let cost = Cost { descriptors: 2, bytes_max: BYTES_PER_STREAM_OF_HTTP_MAX };
    // This process holds the agents' ends and the server's.
    let count = streams_within_limits(STREAMS_OF_HTTP, 2);
    let scene = scene(Options::strict(SERVER).stateful(), count, false).await;
    everybody_listens(scene, count, cost).await;
}
