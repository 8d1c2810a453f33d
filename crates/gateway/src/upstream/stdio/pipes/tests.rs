//! Children that misuse their pipes. Everything runs on one thread of the runtime, so that a single blocked call would stop it all.

use serde_json::Value;

use crate::upstream::Upstream;
use crate::upstream::message::SendError;
use crate::upstream::stdio::tests::{CHILD, body, is_alive, open, python, tool, value};

/// A child whose threads can be told from those of other tests.
fn named(slug: &'static str) -> Upstream {
    let command = [python(), "-u", CHILD, "legacy"].map(str::to_owned).to_vec();
    let spec = crate::upstream::ServerSpec::stdio(slug, command).expect("a command");
    Upstream::open(&spec).expect("a child")
}

/// The state of each thread of this process that serves a server, as in `/proc/PID/stat`.
fn states_of(slug: &str) -> Vec<char> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("threads");
    let stats = tasks.filter_map(|t| std::fs::read_to_string(t.ok()?.path().join("stat")).ok());
    let own = |stat: String| {
        let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
        let state = rest.trim_start().chars().next()?;
        (name.split_once(':')?.1 == slug).then_some(state)
    };
    stats.filter_map(own).collect()
}

fn threads_of(slug: &str) -> usize {
    states_of(slug).len()
}

/// Waits until a server has so many threads. They run beside the runtime, take their names when they first run,
/// and announce nothing.
async fn until_threads(slug: &str, wanted: usize) {
    let waiting = async {
        while threads_of(slug) != wanted {
            tokio::task::yield_now().await;
        }
    };
    let bounded = tokio::time::timeout(std::time::Duration::from_secs(20), waiting);
    bounded.await.expect("they begin and end");
}

/// Waits until a server's threads have ended.
async fn gone(slug: &str) {
    until_threads(slug, 0).await;
}

/// Whether a thread waits in the kernel where no signal reaches it.
fn is_blocked(slug: &str) -> bool {
    states_of(slug).contains(&'D')
}

#[tokio::test]
async fn a_child_that_holds_the_lock_of_a_pipe_stops_nobody_else() {
    for (slug, how) in [("locked-out", "splice-out"), ("locked-in", "splice-in")] {
        let (stuck, other) = (named(slug), open("legacy"));
        body(&stuck, tool("1", "echo")).await;
        // More than the pipe holds follows, so that there is always something to read and to write.
        let filler = "x".repeat(100_000);
        let calls = futures_util::future::join_all((2..12).map(|n| {
            let name = if n == 2 { how } else { &filler };
            stuck.client.dispatch(tool(&n.to_string(), name))
        }));
        let elsewhere = async {
            // Kernels differ in where they block; most often it is seen within a few calls.
            let mut calls = 0;
            while calls < 200 && !is_blocked(slug) {
                body(&other, tool("1", "echo")).await;
                calls += 1;
            }
            body(&other, tool("2", "echo")).await;
            stuck.stop().await;
        };
        let (lost, ()) = tokio::join!(calls, elsewhere);
        assert!(lost.iter().all(|reply| matches!(reply, Err(SendError::Broken(_)))), "{lost:?}");
        gone(slug).await;
    }
}

#[tokio::test]
async fn the_threads_of_a_child_end_though_somebody_still_has_its_pipes() {
    let upstream = named("left");
    let heir: Value = value(&upstream, tool("1", "escape")).await["result"]["pid"].clone();
    until_threads("left", 3).await;
    upstream.stop().await;
    gone("left").await;
    assert!(is_alive(&heir));
    let heir = heir.as_i64().and_then(|pid| i32::try_from(pid).ok());
    let heir = heir.and_then(rustix::process::Pid::from_raw).expect("a process");
    rustix::process::kill_process(heir, rustix::process::Signal::KILL).expect("it is ours");
}

#[tokio::test]
async fn the_threads_of_a_child_that_died_end() {
    let upstream = named("died");
    body(&upstream, tool("1", "echo")).await;
    upstream.client.dispatch(tool("2", "die")).await.expect_err("it dies");
    gone("died").await;
    body(&upstream, tool("3", "echo")).await;
    drop(upstream);
    gone("died").await;
}
