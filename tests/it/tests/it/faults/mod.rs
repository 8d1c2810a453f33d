//! What goes wrong around the gateway, through the whole process: the disk, the servers, the children, the crowd at
//! the door and the end. Each test shows three things: while the fault lasts calls are denied or get a clear error,
//! nothing is lost, and once it is gone calls run again by themselves. Each prints what it measured as a line that
//! begins with `figure:`. How a fault is refused in detail is shown by the modules beside this one.

mod child;
mod crowd;
mod disk;
mod end;
mod flood;
mod server;

use std::fmt::Display;
use std::future::ready;
use std::time::Duration;

use it::gateway::{Config, Gateway};
use it::scene::{SERVER, Scene, call_body, ran};
use it::wire::{self, Answer, Ask};
use it::{long, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;

/// Within this time after a fault is gone calls run again, on a machine that has nothing else to do (docs/promises.md,
/// R21). A test that shares its processors prints what it saw, and gives up only where everything gives up.
const HEALTHY_WITHIN: Duration = Duration::from_secs(5);

/// A policy that lets everything through.
fn open() -> Value {
    json!({ "version": "1", "default": "allow", "tools": {} })
}

/// Says what was measured, in one line that a report can collect.
fn figure(fault: &str, what: impl Display) {
    println!("figure: {fault}: {what}");
}

/// `usual` for a usual run, or what a long run asks for.
fn seconds(usual: u64) -> Duration {
    Duration::from_secs(long::asked(long::SECONDS).unwrap_or(usual).max(usual))
}

/// Waits until a call runs, and says how long that took after the fault was gone.
async fn healthy(fault: &str, gateway: &Gateway, tool: &str) -> Duration {
    let token = Config::token_of("agent");
    let gone = Instant::now();
    wait::until(format!("a call that runs after {fault}"), || async {
        let answer = gateway.call(SERVER, &token, tool, json!({ "id": "healthy" })).await;
        ran(&answer).then_some(())
    })
    .await;
    let took = gone.elapsed();
    let late = if took > HEALTHY_WITHIN { " (LATE)" } else { "" };
    figure(fault, format!("healthy again after {} ms{late}", took.as_millis()));
    took
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
    let executed = scene.log.executed();
    let rows = scene
        .gateway
        .audited("the end of every call", |rows| {
            let open = |row: &&Value| row["verdict"] == "allow" && row["outcome"].is_null();
            let calls = rows.iter().filter(|row| row["method"] == "tools/call");
            (calls.filter(open).count() == 0).then(|| rows.to_vec())
        })
        .await;
    for call in executed {
        let mark = call.arguments["id"].to_string();
        let recorded = rows
            .iter()
            .any(|row| row["verdict"] == "allow" && row["arguments"].to_string().contains(&mark));
        assert!(recorded, "{mark} ran without a row");
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
