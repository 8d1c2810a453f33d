//! What goes wrong around the gateway, through the whole process: the disk, the servers, the children, the crowd at
//! the door and the end. Each test shows three things: while the fault lasts calls are denied or get a clear error,
//! nothing is lost, and once it is gone calls run again by themselves. Each prints what it measured as a line that
//! begins with `figure:`. How a fault is refused in detail is shown by the modules beside this one.

mod broken;
mod child;
mod crowd;
mod disk;
mod end;
mod flood;
mod server;

use std::collections::HashSet;
use std::fmt::Display;
use std::future::ready;
use std::time::Duration;

use it::gateway::{Config, Gateway};
use it::scene::{SERVER, Scene, call_body, decision, ran};
use it::wire::{self, Answer, Ask};
use it::{long, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Within this time after a fault is gone calls run again (docs/promises.md, R21).
const HEALTHY_WITHIN: Duration = Duration::from_secs(5);

/// A policy that lets everything through.
fn open() -> Value {
    json!({ "version": "1", "default": "allow", "tools": {} })
}

/// A policy of one tool without a limit, so that only the audit can deny, and one that may run so often a day.
fn limited(most: usize) -> Value {
    let limit = json!({ "counter": "c", "window": "day", "max": most });
    json!({
        "version": "1", "default": "deny",
        "tools": { "read_item": {}, "pay": { "limits": [limit] } },
    })
}

/// How a call ended: it ran, or it was denied because nothing can be written.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Ran,
    Denied,
    LimitReached,
}

impl End {
    fn of(tool: &str, answer: &Answer) -> Self {
        if ran(answer) {
            return Self::Ran;
        }
        assert_eq!(answer.status, 200, "{}", answer.text());
        let reason = decision(answer)["reason"].clone();
        match (tool, reason.as_str()) {
            ("pay", Some("limit_exceeded")) => Self::LimitReached,
            ("pay", Some("store_unavailable")) | ("read_item", Some("audit_unavailable")) => {
                Self::Denied
            }
            _ => panic!("{tool}: {}", answer.text()),
        }
    }
}

/// Says what was measured, in one line that a report can collect.
fn figure(fault: &str, what: impl Display) {
    println!("figure: {fault}: {what}");
}

/// `usual` for a usual run, or what a long run asks for.
fn seconds(usual: u64) -> Duration {
    Duration::from_secs(long::asked(long::SECONDS).unwrap_or(usual).max(usual))
}

/// Waits until a call runs, and says how long that took after the fault was gone: no longer than is promised.
async fn healthy(fault: &str, gateway: &Gateway, tool: &str) -> Duration {
    let took = runs_again(gateway, tool).await;
    figure(fault, format!("healthy again after {} ms", took.as_millis()));
    assert!(took < HEALTHY_WITHIN, "{fault}: {took:?} after it was gone");
    took
}

/// Waits until a call runs; how long that took.
async fn runs_again(gateway: &Gateway, tool: &str) -> Duration {
    let token = Config::token_of("agent");
    let begun = Instant::now();
    wait::until("a call that runs", || async {
        let answer = gateway.call(SERVER, &token, tool, json!({ "id": "healthy" })).await;
        ran(&answer).then_some(())
    })
    .await;
    begun.elapsed()
}

/// A call on a connection of its own, that can be awaited elsewhere. Status 0 stands for no answer.
fn call(
    gateway: &Gateway,
    label: &str,
    tool: &str,
    mark: &str,
) -> impl Future<Output = Answer> + Send + use<> {
    let body = call_body(1, tool, &json!({ "id": mark }));
    let ask = Ask::mcp(&format!("/mcp/{SERVER}"), &Config::token_of(label), body);
    let door = gateway.door;
    async move { wire::ask(door, &ask).await.unwrap_or_default() }
}

/// What the process holds in memory, in bytes: now (`VmRSS`) or at most so far (`VmHWM`).
fn memory(gateway: &Gateway, name: &str) -> u64 {
    let status = format!("/proc/{}/status", gateway.pid().as_raw_nonzero());
    let status = std::fs::read_to_string(status).expect("it runs");
    let line =
        status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of that name");
    let kilobytes: u64 =
        line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}

/// The most that the process ever held, in bytes.
fn peak(gateway: &Gateway) -> u64 {
    memory(gateway, "VmHWM")
}

/// Bytes as whole MiB.
fn mib(bytes: u64) -> u64 {
    bytes.div_ceil(1024 * 1024)
}

/// Every call that ran has its row, every row its end, and the chain holds.
async fn nothing_lost(scene: &Scene) {
    scene
        .gateway
        .audited("the end of every call", |rows| {
            // So reads a call that runs, and one whose end was never written.
            rows.iter().all(|row| row["outcome"] != "unknown").then_some(())
        })
        .await;
    all_recorded(scene).await;
}

/// Every call that ran has its row, and the chain holds: all that a kill promises, which may take how a call ended.
async fn all_recorded(scene: &Scene) {
    let rows = scene.gateway.audit().await;
    let allowed = rows.iter().filter(|row| row["verdict"] == "allow");
    let recorded: HashSet<&str> =
        allowed.filter_map(|row| row["arguments"]["id"].as_str()).collect();
    for call in scene.log.executed() {
        let mark = call.arguments["id"].as_str().expect("a mark");
        assert!(recorded.contains(mark), "{mark} ran without a row");
    }
    verified(&scene.gateway).await;
}

/// The chain of the audit holds.
async fn verified(gateway: &Gateway) {
    let verified = gateway.command(&["audit", "verify"]).output().await.expect("it runs");
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stderr));
}

/// Sends a request and throws its answer away as it comes, for as long as it comes; how many bytes that were.
async fn discarded(gateway: &Gateway, ask: &Ask) -> u64 {
    let mut stream = TcpStream::connect(gateway.door).await.expect("a connection");
    let bytes = ask.bytes(&gateway.door.to_string());
    stream.write_all(&bytes).await.expect("the request is taken");
    let (mut block, mut all) = (vec![0; 256 * 1024], 0);
    while let Ok(count) = stream.read(&mut block).await
        && count > 0
    {
        all += count as u64;
    }
    all
}

/// Calls one after the other until `over` ends; how many ran, and the longest of them.
async fn served_meanwhile(
    gateway: &Gateway,
    label: &str,
    tool: &str,
    over: impl Future<Output = ()>,
) -> (usize, Duration) {
    let (mut count, mut longest) = (0, Duration::ZERO);
    let mut over = std::pin::pin!(over);
    loop {
        let begun = Instant::now();
        let answer = wait::bounded("a call beside the fault", call(gateway, label, tool, "beside"));
        let answer = answer.await;
        assert!(ran(&answer), "beside the fault: {} {}", answer.status, answer.text());
        (count, longest) = (count + 1, longest.max(begun.elapsed()));
        let ended = tokio::select! {
            biased;
            () = &mut over => true,
            () = ready(()) => false,
        };
        if ended {
            return (count, longest);
        }
    }
}
