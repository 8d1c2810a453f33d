//! The end: SIGTERM while five hundred calls are in flight. Those that the server answers in time are finished, the
//! others are cut off and recorded, and the next process finds every one.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene, ran};
use it::wait;
use it::wire::Answer;
use rustix::process::Signal;
use serde_json::Value;
use tokio::time::Instant;

use super::{HEALTHY_WITHIN, call, figure, open, verified};

const CALLS: usize = 500;
const DRAIN_SECONDS: u64 = 3;

async fn scene(options: Options, drain_seconds: u64) -> Scene {
    let mut plan = Plan::with(options).await.granting("agent", &open());
    plan.config.lines.push(format!("drain_seconds = {drain_seconds}"));
    let scene = plan.start().await;
    scene.recorder.set_fault(Some(Fault::Held));
    scene
}

/// Ends the process while all calls are at the server; `then` happens after the door is closed. The answers, and how
/// long the end took.
async fn ended_in_flight(scene: &mut Scene, release: usize) -> (Vec<Answer>, Duration) {
    let calls: Vec<_> = (0..CALLS)
        .map(|n| call(&scene.gateway, "agent", "read_item", &format!("in flight {n}.")))
        .collect();
    let stopping = async {
        wait::until("all calls at the server", || async {
            (scene.log.executed_count() == CALLS).then_some(())
        })
        .await;
        let begun = Instant::now();
        scene.gateway.signal(Signal::TERM);
        wait::until("a closed door", || async {
            tokio::net::TcpStream::connect(scene.gateway.door).await.is_err().then_some(())
        })
        .await;
        scene.recorder.release(release);
        assert_eq!(scene.gateway.ended().await.code(), Some(0));
        begun.elapsed()
    };
    tokio::join!(join_all(calls), stopping)
}

/// After a new start: a row with an end for each call that was in flight.
async fn all_recorded(scene: &mut Scene) -> Vec<Value> {
    scene.recorder.set_fault(None);
    let begun = Instant::now();
    scene.gateway.restart().await;
    let took = begun.elapsed();
    figure("SIGTERM", format!("ready again {} ms after the new start", took.as_millis()));
    assert!(took < HEALTHY_WITHIN, "{took:?}");
    let rows: Vec<Value> = scene.gateway.audit().await;
    let calls: Vec<Value> = rows.into_iter().filter(|row| row["method"] == "tools/call").collect();
    let marks: HashSet<String> = calls.iter().map(|row| row["arguments"].to_string()).collect();
    assert_eq!((calls.len(), marks.len()), (CALLS, CALLS), "each call has its row");
    verified(&scene.gateway).await;
    calls
}

async fn finished(what: &str, options: Options) {
    let mut scene = scene(options, 60).await;
    let (answers, took) = ended_in_flight(&mut scene, CALLS).await;
    let finished = answers.iter().filter(|answer| ran(answer)).count();
    figure(
        what,
        format!(
            "{finished} of {CALLS} calls finished, the process ended after {} ms",
            took.as_millis()
        ),
    );
    assert_eq!(finished, CALLS);
    assert_eq!(scene.log.executed_count(), CALLS, "none was sent again");
    let rows = all_recorded(&mut scene).await;
    assert!(rows.iter().all(|row| row["outcome"] == "ok"), "{:?}", rows.first());
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_calls_in_flight_are_finished() {
    finished("SIGTERM, 500 in flight, JSON", Options::strict(SERVER)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_calls_in_flight_as_streams_are_finished() {
    finished("SIGTERM, 500 in flight, SSE", Options::strict(SERVER).streaming()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_calls_that_do_not_end_are_recorded() {
    let half = CALLS / 2;
    let mut scene = scene(Options::strict(SERVER), DRAIN_SECONDS).await;
    let (answers, took) = ended_in_flight(&mut scene, half).await;
    let finished = answers.iter().filter(|answer| ran(answer)).count();
    figure(
        "SIGTERM, 500 in flight, half of them hang",
        format!(
            "{finished} calls finished, {} cut off, the process ended after {} ms",
            CALLS - finished,
            took.as_millis()
        ),
    );
    assert_eq!(finished, half);
    let rows = all_recorded(&mut scene).await;
    let ok = rows.iter().filter(|row| row["outcome"] == "ok").count();
    assert_eq!(ok, half, "what was cut off is not said to have ended well");
    assert!(rows.iter().all(|row| row["verdict"] == "allow"));
}
