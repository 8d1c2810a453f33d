//! How the process ends: running calls are finished, new ones refused, nobody waits for ever.

use std::time::Duration;

use it::recorder::Fault;
use it::scene::{Plan, Scene, ran};
use it::wait;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::regressions::{hello, listen};

const DRAIN_SECONDS: u64 = 3;

fn open() -> Value {
    json!({ "version": "1", "default": "allow", "tools": {} })
}

async fn scene() -> Scene {
    let mut plan = Plan::plain().await.granting("agent", &open());
    plan.config.lines.push(format!("drain_seconds = {DRAIN_SECONDS}"));
    plan.start().await
}

async fn one_running(scene: &Scene) {
    wait::until("a running call", || async { (scene.log.executed_count() == 1).then_some(()) })
        .await;
}

async fn closed(scene: &Scene) {
    wait::until("a closed door", || async {
        tokio::net::TcpStream::connect(scene.gateway.door).await.is_err().then_some(())
    })
    .await;
}

/// How long a call goes on after the stop, in milliseconds: longer than a gateway takes that waits for
/// nobody, much shorter than the 20 seconds that it may.
const LATER_MS: u64 = 500;

#[tokio::test(flavor = "multi_thread")]
async fn a_running_call_is_finished() {
    let mut scene = Plan::plain().await.granting("agent", &open()).start().await;
    scene.recorder.set_fault(Some(Fault::Held));
    let call = scene.call("agent", "read_item", json!({}));
    let stop = async {
        one_running(&scene).await;
        scene.gateway.signal(Signal::TERM);
        closed(&scene).await;
        tokio::time::sleep(Duration::from_millis(LATER_MS)).await;
        scene.recorder.release(1);
    };
    let (answer, ()) = tokio::join!(call, stop);
    assert!(ran(&answer), "{}", answer.text());
    assert_eq!(scene.gateway.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_does_not_end_is_not_waited_for() {
    let mut scene = scene().await;
    scene.recorder.set_fault(Some(Fault::Held));
    let door = scene.gateway.door;
    let ask = scene.ask("agent", &it::scene::call_body(1, "read_item", &json!({})));
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move { it::wire::ask(door, &ask).await });
    one_running(&scene).await;
    let begun = Instant::now();
    scene.gateway.signal(Signal::TERM);
    assert_eq!(scene.gateway.ended().await.code(), Some(0));
    let took = begun.elapsed();
    let (least, most) =
        (Duration::from_secs(DRAIN_SECONDS - 1), Duration::from_secs(DRAIN_SECONDS + 3));
    assert!(took >= least && took <= most, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_it_at_once() {
    let mut plan = Plan::plain().await.granting("agent", &open());
    plan.config.lines.push("drain_seconds = 60".to_owned());
    let mut scene = plan.start().await;
    scene.recorder.set_fault(Some(Fault::Held));
    let door = scene.gateway.door;
    let ask = scene.ask("agent", &it::scene::call_body(1, "read_item", &json!({})));
    let mut calls = tokio::task::JoinSet::new();
    calls.spawn(async move { it::wire::ask(door, &ask).await });
    one_running(&scene).await;
    scene.gateway.signal(Signal::TERM);
    closed(&scene).await;
    scene.gateway.signal(Signal::TERM);
    let begun = Instant::now();
    scene.gateway.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn open_streams_are_closed() {
    let plan = Plan::with(it::recorder::Options::strict("alpha").stateful()).await;
    let mut plan = plan.granting("agent", &open());
    plan.config.lines.push("drain_seconds = 20".to_owned());
    let mut scene = plan.start().await;
    let session = hello(&scene, "agent").await;
    let mut stream = listen(&scene, "agent", &session).await;
    let begun = Instant::now();
    scene.gateway.signal(Signal::TERM);
    wait::bounded("the end of the stream", stream.rest()).await;
    assert_eq!(scene.gateway.ended().await.code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
