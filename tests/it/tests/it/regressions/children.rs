//! Servers that the gateway starts: one child however many calls, nothing left behind, and nobody
//! reaches into a call of somebody else through the pipe that all share.

use futures_util::future::join_all;
use it::gateway::{Config, Grant, Server};
use it::places;
use it::recorder::{Fault, Log, Options, Recorder};
use it::scene::{SERVER, Scene, call_body, ran};
use it::{gateway::Gateway, wait};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{forwarded, open, runs_of};

const CALLS_AT_ONCE: usize = 100;

/// A recorder behind the gateway as a child process; `change` may change the server's block.
pub(crate) async fn piped(change: impl FnOnce(Server, &Recorder) -> Server) -> Scene {
    let log = Log::default();
    let recorder = Recorder::start(Options::strict(SERVER), log.clone()).await;
    let server = change(Server::piped(SERVER, &recorder), &recorder);
    let config = Config::with_servers(vec![server]);
    let config = config.granting("agent", &open()).granting("other", &open());
    Scene { gateway: Gateway::start(config).await, recorder, log }
}

/// A process as `/proc/<pid>/stat` has it: its state and its parent.
fn stat_of(pid: i32) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// The children of the gateway, with their states; a dead one that nobody asked for is `Z`.
pub(crate) fn children(scene: &Scene) -> Vec<(i32, char)> {
    let own = scene.gateway.pid().as_raw_nonzero().get();
    let all = std::fs::read_dir("/proc").expect("/proc");
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    let with_state =
        pids.filter_map(|pid| stat_of(pid).map(|(state, parent)| (pid, state, parent)));
    with_state.filter(|found| found.2 == own).map(|(pid, state, _parent)| (pid, state)).collect()
}

/// Whether a process still runs.
pub(crate) fn runs(pid: i32) -> bool {
    stat_of(pid).is_some_and(|(state, _parent)| state != 'Z')
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).expect("a process"), Signal::KILL).expect("it runs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_calls_at_once_start_no_child_more() {
    let scene = piped(|server, _recorder| server).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let before = children(&scene);
    // The recorder speaks both eras, and a process can be in one only.
    assert!(before.len() <= 2, "{before:?}");
    scene.recorder.set_fault(Some(Fault::Held));
    let calls = (0..CALLS_AT_ONCE).map(|_n| scene.call("agent", "read_item", json!({})));
    let look = async {
        wait::until("all calls to run", || async {
            (scene.log.executed_count() == CALLS_AT_ONCE + 1).then_some(())
        })
        .await;
        let found = children(&scene);
        scene.recorder.release(CALLS_AT_ONCE);
        found
    };
    let (answers, found) = tokio::join!(join_all(calls), look);
    let processes = |found: &[(i32, char)]| {
        let mut pids: Vec<i32> = found.iter().map(|child| child.0).collect();
        pids.sort_unstable();
        pids
    };
    assert_eq!(processes(&found), processes(&before), "none was started for a call");
    assert!(answers.iter().all(ran));
    assert_eq!(scene.log.executed_count(), CALLS_AT_ONCE + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_child_started_ends_with_the_gateway() {
    let folder = tempfile::tempdir().expect("a folder");
    let note = folder.path().join("grandchild");
    let mut scene = piped(|mut server, recorder| {
        let bridge = places::binary("stdio-bridge");
        let script = format!(
            "/bin/sleep 86399 & echo $! > {}; exec {} {}",
            note.display(),
            bridge.display(),
            recorder.pipe_port()
        );
        server.transport = format!("command = [\"/bin/sh\", \"-c\", {}]", Value::from(script));
        server
    })
    .await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    let grandchild = std::fs::read_to_string(&note).expect("it was started");
    let grandchild: i32 = grandchild.trim().parse().expect("a process");
    let mut started: Vec<i32> = children(&scene).iter().map(|child| child.0).collect();
    started.push(grandchild);
    assert!(started.len() > 1 && started.iter().all(|process| runs(*process)), "{started:?}");
    scene.gateway.signal(Signal::TERM);
    assert!(scene.gateway.ended().await.success());
    for process in started {
        wait::until("the end of what was started", || async { (!runs(process)).then_some(()) })
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_dies_is_replaced_and_buried_and_its_call_is_not_made_again() {
    let scene = piped(|server, _recorder| server).await;
    for round in 0..3 {
        let mark = format!("write-{round}");
        let before = scene.log.executed_count();
        scene.recorder.set_fault(Some(Fault::Held));
        let call = scene.call("agent", "read_item", json!({ "id": mark }));
        let death = async {
            wait::until("a running call", || async {
                (scene.log.executed_count() == before + 1).then_some(())
            })
            .await;
            for (child, _state) in children(&scene) {
                kill(child);
            }
        };
        let (answer, ()) = tokio::join!(call, death);
        scene.recorder.set_fault(None);
        assert_eq!(answer.reply()["error"]["code"], json!(1002), "{}", answer.text());
        // The server comes back with the next call, after its back-off.
        wait::until("the next child", || async {
            ran(&scene.call("agent", "read_item", json!({ "id": "healthy" })).await).then_some(())
        })
        .await;
        assert_eq!(runs_of(&scene, &mark), 1);
        let left = children(&scene);
        assert!(left.len() <= 2, "nothing is left of the dead: {left:?}");
        assert!(left.iter().all(|(_child, state)| *state != 'Z'), "{left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancellation_reaches_only_the_call_of_whoever_sends_it() {
    let scene = piped(|server, _recorder| server).await;
    scene.recorder.set_fault(Some(Fault::Held));
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    let call = scene.call("agent", "read_item", json!({ "id": "slow" }));
    let others = async {
        wait::until("a running call", || async { (runs_of(&scene, "slow") == 1).then_some(()) })
            .await;
        // Both grants, and the server's own numbers, know a request 1; this one is not the other's.
        scene.post("other", cancel).await;
        let foreign = forwarded(&scene, "notifications/cancelled");
        scene.post("agent", cancel).await;
        let own = wait::until("the agent's own cancellation", || async {
            let count = forwarded(&scene, "notifications/cancelled");
            (count > foreign).then_some(count)
        })
        .await;
        scene.recorder.release(1);
        (foreign, own)
    };
    let (_answer, (foreign, own)) = tokio::join!(call, others);
    assert_eq!((foreign, own), (0, 1));
    let requests = scene.log.requests();
    let number_of = |text: &str, pointer: &str| {
        let line = requests.iter().rfind(|request| request.holds(text)).expect("it came");
        let line: Value = serde_json::from_slice(&line.body).expect("JSON");
        line.pointer(pointer).expect("an id").clone()
    };
    let named = number_of("notifications/cancelled", "/params/requestId");
    assert_eq!(named, number_of("\"slow\"", "/id"), "the server's own number of that call");
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_with_the_same_ids_get_their_own_answers_from_one_child() {
    let scene = piped(|server, _recorder| server).await;
    let calls = (0..60).map(|n| {
        let label = if n % 2 == 0 { "agent" } else { "other" };
        let mark = format!("of-call-{n}.");
        let body = call_body(7, "read_item", &json!({ "id": mark }));
        let scene = &scene;
        async move { (scene.post(label, &body).await, mark) }
    });
    for (answer, mark) in join_all(calls).await {
        assert!(answer.text().contains(&mark), "{mark}: {}", answer.text());
        assert_eq!(answer.reply()["id"], json!(7));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_server_leaves_no_child() {
    let mut scene = piped(|server, _recorder| server).await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    assert!(!children(&scene).is_empty());
    let lines = vec!["allow_private_address = true".to_owned()];
    let transport = "url = \"http://127.0.0.1:9/mcp\"".to_owned();
    let away = Server { slug: "alpha-two".to_owned(), transport, credential: None, lines };
    let config = scene.gateway.config();
    config.servers = vec![away];
    config.grants = vec![Grant::new("last", "alpha-two", None, &Config::token_of("last"))];
    config.policies.clear();
    scene.gateway.reload().await;
    wait::until("the end of the children", || async { children(&scene).is_empty().then_some(()) })
        .await;
}
