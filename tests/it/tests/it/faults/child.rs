//! Servers that the gateway starts as children: they die, hang, print noise, fail again and again, and start processes
//! of their own, some of which get away. Their calls end with a clear error, and the next child serves.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::join_all;
use it::gateway::Server;
use it::places;
use it::recorder::{Fault, Recorder};
use it::scene::{Scene, ran};
use it::wait;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    call, figure, healthy, mib, nothing_lost, peak, runs_again, seconds, served_meanwhile,
};
use crate::regressions::children::{children, piped, runs};

const CALLS_AT_ONCE: usize = 300;
/// Processes that a child starts.
const GRANDCHILDREN: usize = 20;
/// How much the log may grow while a child floods it, in bytes for each second.
const LOG_BYTES_PER_SECOND_MAX: u64 = 1024 * 1024;
/// What a pipe takes whole (POSIX `PIPE_BUF` on Linux), in bytes.
const PIPE_WRITES_WHOLE_BYTES: usize = 4096;
/// Lines that a shell writes at once.
const LINES_AT_ONCE: usize = 60;
/// Time-outs short enough to be waited for.
const TIMEOUTS: &str =
    "timeouts = { connect_seconds = 4, first_byte_seconds = 4, total_seconds = 6 }";

fn signal(pid: i32, signal: Signal) {
    kill_process(Pid::from_raw(pid).expect("a process"), signal).expect("it runs");
}

fn signal_all(pids: &[i32], which: Signal) {
    for pid in pids {
        signal(*pid, which);
    }
}

/// The processes of the server.
fn pids(scene: &Scene) -> Vec<i32> {
    children(scene).iter().map(|child| child.0).collect()
}

/// A recorder behind a shell that does something before it becomes the bridge.
async fn behind_shell(before: &str) -> Scene {
    let before = before.to_owned();
    piped(move |server, recorder| shell(server, recorder, &before)).await
}

fn shell(mut server: Server, recorder: &Recorder, before: &str) -> Server {
    let bridge = places::binary("stdio-bridge");
    let script = format!("{before}\nexec {} {}", bridge.display(), recorder.pipe_port());
    server.transport = format!("command = [\"/bin/sh\", \"-c\", {}]", Value::from(script));
    server.with(TIMEOUTS)
}

async fn all_running(scene: &Scene, count: usize) {
    wait::until("running calls", || async { (scene.log.executed_count() >= count).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_with_calls_in_flight_is_replaced() {
    let scene = behind_shell("").await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    scene.recorder.set_fault(Some(Fault::Held));
    let calls = (0..CALLS_AT_ONCE)
        .map(|n| call(&scene.gateway, "agent", "read_item", &format!("in flight {n}.")));
    let death = async {
        all_running(&scene, CALLS_AT_ONCE + 1).await;
        signal_all(&pids(&scene), Signal::KILL);
        Instant::now()
    };
    let (answers, died) = tokio::join!(join_all(calls), death);
    let took = died.elapsed();
    for answer in &answers {
        assert_eq!(answer.reply()["error"]["code"], json!(1002), "{}", answer.text());
    }
    figure("child dies", format!("{CALLS_AT_ONCE} calls ended {} ms later", took.as_millis()));
    scene.recorder.set_fault(None);
    healthy("child dies", &scene.gateway, "read_item").await;
    nothing_lost(&scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_at_every_start_is_used_soon_after_it_is_cured() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken");
    fs::write(&broken, "").expect("a file");
    let scene = behind_shell(&format!("[ -e {} ] && exit 3", broken.display())).await;
    // So long that the waits between the starts have grown.
    let until = Instant::now() + seconds(12);
    let (mut refused, mut longest) = (0, Duration::ZERO);
    while Instant::now() < until {
        let begun = Instant::now();
        let answer =
            wait::bounded("a refusal", call(&scene.gateway, "agent", "read_item", "early")).await;
        assert!(!ran(&answer) && answer.reply()["error"]["code"].is_i64(), "{}", answer.text());
        (refused, longest) = (refused + 1, longest.max(begun.elapsed()));
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(scene.log.executed_count(), 0);
    figure(
        "program fails at start",
        format!("{refused} calls refused, the longest after {} ms", longest.as_millis()),
    );
    fs::remove_file(&broken).expect("it is there");
    healthy("program fails at start", &scene.gateway, "read_item").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_hangs_fails_its_calls_in_time_and_goes_on_when_it_can() {
    let scene = behind_shell("").await;
    assert!(ran(&scene.call("agent", "read_item", json!({ "id": "before" })).await));
    let mut stopped = pids(&scene);
    signal_all(&stopped, Signal::STOP);
    let begun = Instant::now();
    let calls = (0..CALLS_AT_ONCE)
        .map(|n| call(&scene.gateway, "agent", "read_item", &format!("hanging {n}.")));
    let answers = wait::bounded("the end of calls of a child that hangs", join_all(calls)).await;
    let took = begun.elapsed();
    for answer in &answers {
        assert!(answer.reply()["error"]["code"].is_i64(), "{} {}", answer.status, answer.text());
    }
    figure("child hangs", format!("{CALLS_AT_ONCE} calls ended after {} ms", took.as_millis()));
    stopped.retain(|child| runs(*child));
    signal_all(&stopped, Signal::CONT);
    healthy("child hangs", &scene.gateway, "read_item").await;
    // What the child was told before it hung may still run now: each of these calls was recorded before it was told.
    nothing_lost(&scene).await;
}

/// A child that writes what is no message, as fast as it can, where only messages belong and where its log belongs.
async fn noisy(what: &str, noise: &str) {
    let scene = behind_shell(noise).await;
    let first = runs_again(&scene.gateway, "read_item").await;
    figure(what, format!("the first call ran after {} ms of it", first.as_millis()));
    let log = scene.gateway.folder().join("serve.log");
    let size = |log: &Path| fs::metadata(log).expect("a log").len();
    let (before, held) = (size(&log), peak(&scene.gateway));
    let lasts = seconds(3);
    let begun = Instant::now();
    let over = sleep(lasts);
    let (served, longest) = served_meanwhile(&scene.gateway, "agent", "read_item", over).await;
    let took = begun.elapsed();
    let written = size(&log) - before;
    let grown = mib(peak(&scene.gateway).saturating_sub(held));
    figure(
        what,
        format!(
            "{} ms: {served} calls, the longest {} ms; the log grew by {} KiB, memory by {grown} MiB",
            took.as_millis(),
            longest.as_millis(),
            written / 1024
        ),
    );
    assert!(
        written < (took.as_secs() + 1) * LOG_BYTES_PER_SECOND_MAX,
        "the log grew by {written} bytes"
    );
    assert!(grown < 64, "memory grew by {grown} MiB");
    nothing_lost(&scene).await;
}

/// A shell that writes these lines again and again. Each time it writes at once what a pipe takes whole, so that no line
/// comes between the halves of another, and rests for so many milliseconds (none: not at all).
fn lines(line: &str, rest_millis: u64) -> String {
    let times = (PIPE_WRITES_WHOLE_BYTES / (line.len() + 1)).min(LINES_AT_ONCE);
    let block = format!("{line}\\n").repeat(times);
    let rest =
        if rest_millis == 0 { String::new() } else { format!("; /bin/sleep 0.{rest_millis:03}") };
    format!("(while :; do printf '{block}'{rest}; done)")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_prints_noise_among_its_messages_serves() {
    noisy("noise on stdout", &format!("{} &", lines("no message at all", 0))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_floods_its_log_serves_and_fills_no_disk() {
    noisy("noise on stderr", "/usr/bin/yes 'a line of a log' >&2 &").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_notices_a_second_of_a_child_cost_no_call() {
    let line = r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#;
    let beat = format!("{} &", lines(line, 5));
    noisy("10,000 list_changed a second of a child", &beat).await;
}

/// A script that notes the processes that it starts.
fn starting(note: &Path, what: &str) -> String {
    format!(
        "n=0; while [ $n -lt {GRANDCHILDREN} ]; do {what} & echo $! >> {}; n=$((n + 1)); done",
        note.display()
    )
}

fn noted(note: &Path) -> Vec<i32> {
    let text = fs::read_to_string(note).unwrap_or_default();
    text.lines().map(|line| line.trim().parse().expect("a process")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_child_started_ends_with_it_when_it_dies() {
    let folder = tempfile::tempdir().expect("a folder");
    let note: PathBuf = folder.path().join("started");
    let scene = behind_shell(&starting(&note, "/bin/sleep 86398")).await;
    for round in 0..3 {
        healthy(&format!("child with children, round {round}"), &scene.gateway, "read_item").await;
        let started = noted(&note);
        fs::remove_file(&note).expect("it was written");
        assert!(started.len() >= GRANDCHILDREN && started.len().is_multiple_of(GRANDCHILDREN));
        let dying = pids(&scene);
        let died = Instant::now();
        signal_all(&dying, Signal::KILL);
        wait::until("the end of what it started", || async {
            (!started.iter().any(|process| runs(*process))).then_some(())
        })
        .await;
        figure(
            "child with children",
            format!("{} processes gone after {} ms", started.len(), died.elapsed().as_millis()),
        );
    }
    healthy("child with children", &scene.gateway, "read_item").await;
    nothing_lost(&scene).await;
}

/// Ends what got away when the test ends, however it ends.
struct Escaped(PathBuf);

impl Drop for Escaped {
    fn drop(&mut self) {
        for pid in noted(&self.0).into_iter().filter(|pid| runs(*pid)) {
            signal(pid, Signal::KILL);
        }
    }
}

/// A process that leaves the group keeps the ends of the pipes: nobody can end it, and nobody waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn processes_that_get_away_hold_nobody_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let escaped = Escaped(folder.path().join("escaped"));
    let script = format!(
        "n=0; while [ $n -lt {GRANDCHILDREN} ]; do /usr/bin/setsid /bin/sh -c 'echo $$ >> {}; exec /bin/sleep 86397' & \
         n=$((n + 1)); done",
        escaped.0.display()
    );
    let scene = behind_shell(&script).await;
    for round in 0..6 {
        healthy(
            &format!("child whose children get away, round {round}"),
            &scene.gateway,
            "read_item",
        )
        .await;
        signal_all(&pids(&scene), Signal::KILL);
        wait::until("the end of the child", || async {
            children(&scene).iter().all(|(_pid, state)| *state != 'Z').then_some(())
        })
        .await;
    }
    healthy("child whose children get away", &scene.gateway, "read_item").await;
    nothing_lost(&scene).await;
}
