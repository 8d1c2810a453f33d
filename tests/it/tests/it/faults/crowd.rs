//! The crowd at the door: a thousand who send slowly and a thousand who read slowly, and so many connections that no
//! descriptor is left. Memory stays bounded, others are served, and when the crowd has gone all is as before.

use std::net::SocketAddr;
use std::time::Duration;

use it::gateway::{Config, Gateway, Grant, Server};
use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene, call_body, ran};
use it::wait;
use it::wire::{self, Ask};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::{call, figure, healthy, memory, mib, open, peak, seconds, served_meanwhile};

const SENDERS: usize = 1000;
const READERS: usize = 1000;
/// The most that a release may hold with all of them, in MiB.
const MEMORY_MIB_MAX: u64 = 256;
/// What a release holds at rest, in MiB (docs/performance.md). The build under test is not optimised and holds twice as
/// much before anybody comes, so that what the crowd costs is held against the rest.
const AT_REST_MIB: u64 = 25;
/// How much each sender says it will send: as much as a body may have.
const BODY_BYTES: usize = 4 * 1024 * 1024;
/// How much of it each of them sends at once, before it goes on slowly.
const BODY_BYTES_AT_ONCE: usize = 256 * 1024;
/// How long the answer is that each reader has asked for.
const ANSWER_BYTES: usize = 256 * 1024;
/// How long it may take until all of them have asked and been answered as far as they read: 1,000 calls and a quarter of a
/// gigabyte through a build without optimisation, on processors that are shared.
const COMING_MAX: Duration = Duration::from_mins(3);
/// Agents that share the crowd; each may have 1,024 requests open.
const AGENTS: usize = 4;
/// How long its calls are held at most: whoever made them waits for 30 seconds.
const HELD_MAX: Duration = Duration::from_secs(15);
/// Requests that one agent may have open (docs/configuration.md, Bounds).
const OPEN_PER_AGENT_MAX: usize = 1024;
/// Descriptors that the process may have when they run out.
const DESCRIPTORS: u64 = 200;
/// Connections more than that: fewer than wait in the system's queue.
const TOO_MANY: u64 = 20;
/// Descriptors that this process needs at least.
const OWN_DESCRIPTORS_MIN: u64 = 8192;

/// This process holds the other ends of all connections.
fn enough_descriptors() {
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.maximum.is_none_or(|maximum| maximum >= OWN_DESCRIPTORS_MIN);
    assert!(enough, "at least {OWN_DESCRIPTORS_MIN} descriptors are needed: raise `ulimit -Hn`");
    if limit.current.is_some_and(|current| current < OWN_DESCRIPTORS_MIN) {
        let raised = Rlimit { current: Some(OWN_DESCRIPTORS_MIN), ..limit };
        setrlimit(Resource::Nofile, raised).expect("the limit can be raised");
    }
}

/// How the server is reached, and how it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Json,
    Events,
    Child,
}

async fn scene(manner: Manner) -> Scene {
    enough_descriptors();
    let options = Options::strict(SERVER);
    let options = if manner == Manner::Events { options.streaming() } else { options };
    let mut plan = Plan::with(options).await.granting("agent", &open());
    if manner == Manner::Child {
        plan.config.servers = vec![Server::piped(SERVER, plan.recorder())];
    }
    for number in 0..AGENTS {
        let label = format!("crowd-{number}");
        plan.config.grants.push(Grant::new(
            &label,
            SERVER,
            Some("agent"),
            &Config::token_of(&label),
        ));
    }
    let scene = plan.start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    scene
}

fn ask(number: usize, mark: &str) -> Ask {
    let label = format!("crowd-{}", number % AGENTS);
    let body = call_body(1, "read_item", &json!({ "id": mark }));
    Ask::mcp(&format!("/mcp/{SERVER}"), &Config::token_of(&label), body)
}

/// A connection whose own buffer takes next to nothing.
async fn narrow(door: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("an option of every socket");
    socket.connect(door).await.expect("a connection")
}

/// Sends the beginning of a long body; what is refused is closed by the gateway, and that is no failure here.
async fn slow_sender(gateway: &Gateway, number: usize) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.door).await.expect("a connection");
    let mut ask = ask(number, "sent slowly").with("Content-Length", &BODY_BYTES.to_string());
    ask.body.resize(BODY_BYTES_AT_ONCE, b' ');
    let bytes = ask.bytes(&gateway.door.to_string());
    // The gateway may stop taking it, and this one goes on slowly then.
    let _sent = tokio::time::timeout(Duration::from_millis(200), stream.write_all(&bytes)).await;
    stream
}

/// Asks for a long answer, and does not read it.
async fn slow_reader(gateway: &Gateway, number: usize) -> TcpStream {
    let mut stream = narrow(gateway.door).await;
    let bytes = ask(number, "read slowly").bytes(&gateway.door.to_string());
    stream.write_all(&bytes).await.expect("the request is taken");
    stream
}

/// One byte more of everything.
fn drip(senders: &mut [TcpStream], readers: &mut [TcpStream]) {
    for stream in senders {
        // A full buffer, and one who was turned away, take nothing.
        let _sent = stream.try_write(b" ");
    }
    let mut byte = [0];
    for stream in readers {
        let _read = stream.try_read(&mut byte);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_ones_fit_and_hold_nobody_up() {
    slow_ones("1,000 slow readers and 1,000 slow senders", Manner::Json).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_ones_with_streams_fit_and_hold_nobody_up() {
    slow_ones("1,000 slow readers of streams and 1,000 slow senders", Manner::Events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_slow_ones_of_a_child_fit_and_hold_nobody_up() {
    slow_ones("1,000 slow readers of a child and 1,000 slow senders", Manner::Child).await;
}

async fn slow_ones(what: &str, manner: Manner) {
    let scene = scene(manner).await;
    let text = "x".repeat(ANSWER_BYTES);
    let long = format!(r#"{{"content":[{{"type":"text","text":"{text}"}}]}}"#);
    let before = memory(&scene.gateway, "VmRSS");
    scene.recorder.set_fault(Some(Fault::Result(long)));
    let begun = Instant::now();
    let readers = (0..READERS).map(|number| slow_reader(&scene.gateway, number));
    let mut readers = futures_util::future::join_all(readers).await;
    // Every answer is on its way, or waits where it costs the gateway nothing.
    wait::until_within(COMING_MAX, "all readers' calls", || async {
        (scene.log.executed_count() > READERS).then_some(())
    })
    .await;
    scene.recorder.set_fault(None);
    let senders = (0..SENDERS).map(|number| slow_sender(&scene.gateway, number));
    let mut senders = futures_util::future::join_all(senders).await;
    if manner == Manner::Child {
        // One pipe carries all answers, one after the other: what the crowd asked for comes first.
        wait::until_within(COMING_MAX, "a call beside the crowd", || async {
            let answer = scene.call("agent", "read_item", json!({ "id": "first beside" })).await;
            ran(&answer).then_some(())
        })
        .await;
    }
    let came = begun.elapsed();
    let lasts = seconds(5);
    let over = async {
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            drip(&mut senders, &mut readers);
            sleep(Duration::from_millis(500)).await;
        }
    };
    let (served, longest) = served_meanwhile(&scene.gateway, "agent", "read_item", over).await;
    let (now, most) = (memory(&scene.gateway, "VmRSS"), peak(&scene.gateway));
    figure(
        what,
        format!(
            "there after {} ms; memory {} MiB before, {} MiB with them, {} MiB at most; {served} calls beside them, \
         the longest {} ms",
            came.as_millis(),
            mib(before),
            mib(now),
            mib(most),
            longest.as_millis()
        ),
    );
    let crowd = mib(most.saturating_sub(before));
    assert!(crowd < MEMORY_MIB_MAX - AT_REST_MIB, "the crowd costs {crowd} MiB");
    drop((readers, senders));
    healthy(what, &scene.gateway, "read_item").await;
}

/// An agent with as many calls open as it may have has not all connections to its server.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_with_all_its_calls_open_holds_nobody_up() {
    let scene = scene(Manner::Json).await;
    let before = scene.log.executed_count();
    scene.recorder.set_fault(Some(Fault::Held));
    let mut calls = JoinSet::new();
    for number in 0..OPEN_PER_AGENT_MAX {
        calls.spawn(call(&scene.gateway, "crowd-0", "read_item", &format!("held {number}.")));
    }
    wait::until("all calls at the server", || async {
        (scene.log.executed_count() - before == OPEN_PER_AGENT_MAX).then_some(())
    })
    .await;
    scene.recorder.set_fault(None);
    let more = scene.call("crowd-0", "read_item", json!({ "id": "one too many" })).await;
    assert_eq!((more.status, more.header("retry-after")), (429, Some("1")), "{}", more.text());
    let lasts = sleep(seconds(1).min(HELD_MAX));
    let (served, longest) = served_meanwhile(&scene.gateway, "agent", "read_item", lasts).await;
    scene.recorder.release(OPEN_PER_AGENT_MAX);
    while let Some(answer) = wait::bounded("the held calls", calls.join_next()).await {
        assert!(ran(&answer.expect("no test task panics")));
    }
    figure(
        "an agent with 1,024 calls open",
        format!("{served} calls of another beside it, the longest {} ms", longest.as_millis()),
    );
    healthy("an agent with 1,024 calls open", &scene.gateway, "read_item").await;
    super::nothing_lost(&scene).await;
}

/// Who has a connection keeps it; who has none waits outside, and is served when there is room.
#[tokio::test(flavor = "multi_thread")]
async fn without_descriptors_old_connections_go_on_and_new_ones_wait() {
    let scene = scene(Manner::Json).await;
    let door = scene.gateway.door;
    let mut kept = TcpStream::connect(door).await.expect("a connection");
    assert_eq!(over(&mut kept, door, "kept").await, 200);
    let usual = scene.gateway.limit_descriptors(Some(DESCRIPTORS));
    let mut crowd = Vec::new();
    for _number in 0..DESCRIPTORS + TOO_MANY {
        let stream = wait::bounded("a place in the queue", TcpStream::connect(door)).await;
        crowd.push(stream.expect("the system's queue has room"));
    }
    wait::until("a process without descriptors", || async {
        scene.gateway.log().contains("could not be accepted").then_some(())
    })
    .await;
    let late = ask(0, "late");
    let late = tokio::time::timeout(Duration::from_secs(1), wire::ask(door, &late)).await;
    assert!(late.is_err(), "a connection was accepted without a descriptor");
    let before = cpu_ticks(&scene.gateway);
    let begun = Instant::now();
    for number in 0..20 {
        let status =
            wait::bounded("a call of old", over(&mut kept, door, &format!("kept {number}"))).await;
        assert_eq!(status, 200, "an old connection goes on");
        sleep(Duration::from_millis(50)).await;
    }
    let busy = cpu_ticks(&scene.gateway) - before;
    figure(
        "no descriptors left",
        format!(
            "20 calls on an old connection in {} ms, {busy} ticks of a processor used",
            begun.elapsed().as_millis()
        ),
    );
    drop(crowd);
    healthy("no descriptors left (crowd gone)", &scene.gateway, "read_item").await;
    scene.gateway.limit_descriptors(usual);
    healthy("no descriptors left", &scene.gateway, "read_item").await;
    super::nothing_lost(&scene).await;
}

/// A call on a connection that stays; its status.
async fn over(stream: &mut TcpStream, door: SocketAddr, mark: &str) -> u16 {
    let ask = ask(0, mark).with("Connection", "keep-alive");
    stream.write_all(&ask.bytes(&door.to_string())).await.expect("it is open");
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if text.contains(mark) {
            let status = text.split(' ').nth(1).expect("a status");
            return status.parse().expect("a number");
        }
        let count = stream.read_buf(&mut received).await.expect("it is open");
        assert!(count > 0, "closed: {text}");
    }
}

/// How long the processors worked for the process, in ticks of a hundredth of a second.
fn cpu_ticks(gateway: &Gateway) -> u64 {
    let stat = format!("/proc/{}/stat", gateway.pid().as_raw_nonzero());
    let stat = std::fs::read_to_string(stat).expect("it runs");
    let fields = stat.rsplit_once(')').expect("a name").1;
    let ticks = fields.split_whitespace().skip(11).take(2);
    ticks.map(|field| field.parse::<u64>().expect("a number")).sum()
}
