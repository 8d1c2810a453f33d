//! `portcullis approvals watch` in a real terminal and without one, beside the store and over the API
//! of a running server.

use std::path::PathBuf;
use std::process::Stdio;

use it::gateway::ADMIN_TOKEN;
use it::scene::{Plan, Scene, denied, held, ran, said};
use it::{places, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

async fn hold(scene: &Scene, scope: &str) {
    assert!(held(&scene.call("agent", "delete_all", json!({ "scope": scope })).await));
}

/// Where the command looks.
fn arguments(scene: &Scene, over_api: bool) -> Vec<String> {
    let mut words = vec!["approvals".to_owned(), "watch".to_owned()];
    if over_api {
        let url = format!("http://{}", scene.gateway.console);
        words.extend(["--url".to_owned(), url, "--token-env".to_owned(), "API_TOKEN".to_owned()]);
    } else {
        let file = scene.gateway.config_file().to_string_lossy().into_owned();
        words.extend(["--config".to_owned(), file]);
    }
    words
}

/// The command, apart from the scene that it watches.
struct Watching {
    arguments: Vec<String>,
    folder: PathBuf,
}

impl Watching {
    fn of(scene: &Scene, over_api: bool) -> Self {
        let folder = scene.gateway.folder().to_owned();
        Self { arguments: arguments(scene, over_api), folder }
    }

    /// Runs it in a terminal that types these steps.
    async fn in_terminal(self, steps: Value) -> Value {
        in_terminal_of(self, steps).await
    }
}

/// Runs the command in a terminal that types these steps.
async fn in_terminal(scene: &Scene, over_api: bool, steps: Value) -> Value {
    in_terminal_of(Watching::of(scene, over_api), steps).await
}

async fn in_terminal_of(watching: Watching, steps: Value) -> Value {
    let mut command = Command::new(places::tool("python/bin/python"));
    command
        .arg(places::own("python/watch.py"))
        .arg(steps.to_string())
        .arg(places::binary("portcullis"))
        .args(watching.arguments)
        .current_dir(watching.folder)
        .env("API_TOKEN", ADMIN_TOKEN)
        .envs(scene_variables())
        .kill_on_drop(true);
    let output = wait::bounded("the terminal", command.output()).await.expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let end: Value = serde_json::from_str(text.trim()).unwrap_or_else(|_odd| panic!("{output:?}"));
    assert!(end["failed"].is_null(), "{end:#}");
    end
}

/// The variables that the configuration names.
fn scene_variables() -> Vec<(&'static str, &'static str)> {
    vec![("CREDENTIAL_ALPHA", "Bearer unused")]
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_decide_in_a_terminal_over_the_api() {
    let scene = Scene::with_policy(&ask_always()).await;
    hold(&scene, "first").await;
    hold(&scene, "second").await;
    let steps = json!([
        { "show": "Held calls: 2" },
        { "show": "first" },
        { "type": "?" },
        { "show": "approve exactly this call" },
        { "type": "x" },
        { "show": "alpha/delete_all" },
        { "type": "a" },
        { "show": "is approved" },
        { "show": "Held calls: 1" },
        { "type": "j" },
        { "show": "second" },
        { "type": "r" },
        { "show": "reason" },
        { "type": "not today\r" },
        { "show": "is rejected" },
        { "type": "q" },
    ]);
    let end = in_terminal(&scene, true, steps).await;
    assert_eq!(end["code"], 0, "{end:#}");
    assert!(ran(&scene.call("agent", "delete_all", json!({ "scope": "first" })).await));
    let refused = scene.call("agent", "delete_all", json!({ "scope": "second" })).await;
    assert!(denied(&refused));
    assert!(said(&refused).contains("not today"), "{}", said(&refused));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_comes_while_somebody_watches_shows_beside_the_store() {
    let scene = Scene::with_policy(&ask_always()).await;
    let coming = async {
        hold(&scene, "later").await;
    };
    let steps = json!([
        { "show": "later" },
        { "type": "a" },
        { "show": "is approved" },
        { "type": "q" },
    ]);
    let (end, ()) = tokio::join!(in_terminal(&scene, false, steps), coming);
    assert_eq!(end["code"], 0, "{end:#}");
    // The decision was written by another process: the gateway notices within half a second.
    wait::until("the approved call", || async {
        let answer = scene.call("agent", "delete_all", json!({ "scope": "later" })).await;
        ran(&answer).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_lines_come_and_lines_decide() {
    let scene = Scene::with_policy(&ask_always()).await;
    hold(&scene, "first").await;
    let mut child = Command::new(places::binary("portcullis"))
        .args(arguments(&scene, true))
        .env("API_TOKEN", ADMIN_TOKEN)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
    let line = wait::bounded("a line", lines.next_line()).await.expect("readable").expect("a line");
    assert!(line.starts_with("[1] alpha/delete_all") && line.contains("first"), "{line}");
    let mut told = String::new();
    while !told.contains("(until ") {
        let line = wait::bounded("a line", lines.next_line()).await.expect("readable");
        told.push_str(&line.expect("a line"));
    }
    for word in ["grant agent", "risk unknown", "policy agent, version 1", "A person has to agree."]
    {
        assert!(told.contains(word), "{told}");
    }
    let mut typed = child.stdin.take().expect("an input");
    typed.write_all(b"a 1 because\n").await.expect("written");
    let line = wait::bounded("a line", lines.next_line()).await.expect("readable");
    assert_eq!(line.as_deref(), Some("[1] is decided or over"));
    assert!(ran(&scene.call("agent", "delete_all", json!({ "scope": "first" })).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_starts_anew_is_waited_for_and_risk_and_rule_are_shown() {
    let mut plan = Plan::plain().await.granting("agent", &ask_always());
    plan.config.servers[0].lines.push("classes = { delete_all = \"destructive\" }".to_owned());
    let mut scene = plan.start().await;
    hold(&scene, "before").await;
    let [decided, away] = ["decided", "away"].map(|name| scene.gateway.folder().join(name));
    let steps = json!([
        { "show": "before" },
        { "show": "risk: critical (destructive: it deletes or overwrites)" },
        { "show": "policy agent, version 1" },
        { "show": "held because: A person has to agree." },
        { "type": "a" },
        { "show": "is approved" },
        { "touch": decided.to_string_lossy() },
        { "show": "not up to date" },
        { "touch": away.to_string_lossy() },
        { "show": "after" },
        { "type": "j" },
        { "type": "a" },
        { "show": "is approved" },
        { "type": "q" },
    ]);
    let watching = Watching::of(&scene, true);
    let restarting = async {
        wait::until("the first decision", || async { decided.exists().then_some(()) }).await;
        scene.gateway.kill().await;
        wait::until("the watcher's word", || async { away.exists().then_some(()) }).await;
        scene.gateway.restart().await;
        hold(&scene, "after").await;
    };
    let (end, ()) = tokio::join!(watching.in_terminal(steps), restarting);
    assert_eq!(end["code"], 0, "{end:#}");
    assert!(ran(&scene.call("agent", "delete_all", json!({ "scope": "after" })).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_it_was_shown_is_not_decided_before_it_is_shown_anew() {
    let mut scene = Scene::with_policy(&ask_always()).await;
    hold(&scene, "first").await;
    let changed = scene.gateway.folder().join("shown");
    let steps = json!([
        { "show": "policy agent, version 1" },
        { "touch": changed.to_string_lossy() },
        { "show": "policy agent, version 2" },
        { "show": "CHANGED since it was first shown here" },
        { "type": "a" },
        { "show": "nothing was decided" },
        { "type": "a" },
        { "show": "is approved" },
        { "type": "q" },
    ]);
    let watching = Watching::of(&scene, true);
    let changing = async {
        wait::until("the first picture", || async { changed.exists().then_some(()) }).await;
        let mut policy = ask_always();
        policy["description"] = json!("another one");
        scene.gateway.set_policy("agent", &policy);
        scene.gateway.reload().await;
    };
    let (end, ()) = tokio::join!(watching.in_terminal(steps), changing);
    assert_eq!(end["code"], 0, "{end:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn piped_lines_carry_no_sequence_of_a_terminal_and_json_lines_carry_all() {
    let scene = Scene::with_policy(&ask_always()).await;
    let hostile = "\u{1b}]0;mine\u{7}\u{1b}[2J\u{9b}2J\u{202e}\r\nx";
    hold(&scene, hostile).await;
    for json_lines in [false, true] {
        let mut words = arguments(&scene, true);
        words.extend(json_lines.then(|| "--json".to_owned()));
        let mut child = Command::new(places::binary("portcullis"))
            .args(words)
            .env("API_TOKEN", ADMIN_TOKEN)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("it starts");
        let mut lines = BufReader::new(child.stdout.take().expect("an output")).lines();
        let mut next = async || {
            let line = wait::bounded("a line", lines.next_line()).await;
            line.expect("readable").expect("a line")
        };
        let line = next().await;
        assert!(!line.chars().any(|c| c.is_ascii_control()), "{line:?}");
        if json_lines {
            let held: Value = serde_json::from_str(&line).expect("JSON");
            assert_eq!((&held["event"], &held["number"]), (&json!("held"), &json!(1)));
            let text = held["arguments_text"].as_str().expect("a text");
            assert_eq!(serde_json::from_str::<Value>(text).expect("JSON")["scope"], hostile);
            let id = held["id"].as_str().expect("an id");
            assert_eq!(scene.gateway.decide(id, "reject").await.status / 100, 2);
            let gone: Value = serde_json::from_str(&next().await).expect("JSON");
            assert_eq!(gone, json!({ "number": 1, "event": "gone", "id": id }));
            // It ends when nobody reads it any more, at the next thing that it has to say.
            drop(lines);
            hold(&scene, "another").await;
            let ended = wait::bounded("the end of the command", child.wait()).await;
            assert!(ended.expect("it ends").success());
        } else {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            assert!(line.contains("\\u{202e}") && line.contains("\u{fffd}2J"), "{line:?}");
        }
    }
}
