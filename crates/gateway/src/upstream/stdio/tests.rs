//! The stdio client against real children: `testdata/child.py`, which does what the name of a tool says.
#![expect(clippy::wildcard_enum_match_arm, reason = "a test panics on whatever it did not expect")]

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::upstream::message::{
    Outgoing, Patience, Reply, SendError, Sent, Unreachable, UpstreamSession, Verb,
};
use crate::upstream::spec::{Allowed, FromServer, ServerSpec, Timeouts};
use crate::upstream::{EventStream, ListError, Upstream};

pub(super) const CHILD: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/child.py");

/// A `python3` earlier on the search path may be a script that sets an environment of its own.
pub(super) fn python() -> &'static str {
    let system = "/usr/bin/python3";
    if std::path::Path::new(system).exists() { system } else { "python3" }
}

pub(super) fn spec(mode: &str) -> ServerSpec {
    let command = [python(), "-u", CHILD, mode, "a;b", "$(c)", "d\ne"].map(str::to_owned).to_vec();
    ServerSpec::stdio("child", command).expect("a command")
}

pub(super) fn open(mode: &str) -> Upstream {
    Upstream::open(&spec(mode)).expect("a child")
}

/// A request as an agent sends it.
fn request(id: &str, method: &str, params: &Value) -> Outgoing {
    let text =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{params}}}");
    Outgoing::post(Bytes::from(text))
}

pub(super) fn tool(id: &str, name: &str) -> Outgoing {
    request(id, "tools/call", &json!({"name": name, "arguments": {}}))
}

fn within(mut out: Outgoing, session: &UpstreamSession) -> Outgoing {
    out.session = Some(session.clone());
    out
}

fn of(verb: Verb, session: &UpstreamSession) -> Outgoing {
    let out = Outgoing { verb, patience: Patience::Stream, ..Outgoing::post(Bytes::new()) };
    within(out, session)
}

pub(super) async fn body(upstream: &Upstream, out: Outgoing) -> Bytes {
    match upstream.client.dispatch(out).await.expect("a reply") {
        Reply::Json { body, .. } => body,
        other => panic!("not JSON: {other:?}"),
    }
}

pub(super) async fn value(upstream: &Upstream, out: Outgoing) -> Value {
    serde_json::from_slice(&body(upstream, out).await).expect("JSON")
}

async fn stream(upstream: &Upstream, out: Outgoing) -> EventStream {
    match upstream.client.dispatch(out).await.expect("a reply") {
        Reply::Sse { events, .. } => events,
        other => panic!("not a stream: {other:?}"),
    }
}

async fn event(events: &mut EventStream) -> Value {
    let event = events.next().await.expect("an event").expect("no failure");
    serde_json::from_slice(&event.data.expect("data")).expect("JSON")
}

async fn initialize(
    upstream: &Upstream,
    version: &str,
    capabilities: Value,
) -> (Value, UpstreamSession) {
    let params = json!({"protocolVersion": version, "capabilities": capabilities, "clientInfo": {"name": "a", "version": "1"}});
    match upstream
        .client
        .dispatch(request("\"i-1\"", "initialize", &params))
        .await
        .expect("a reply")
    {
        Reply::Json { session, body } => {
            (serde_json::from_slice(&body).expect("JSON"), session.expect("a session"))
        }
        other => panic!("not JSON: {other:?}"),
    }
}

async fn accepted(upstream: &Upstream, out: Outgoing) {
    let reply = upstream.client.dispatch(out).await.expect("a reply");
    assert!(matches!(reply, Reply::Empty { status, .. } if status == 202), "{reply:?}");
}

pub(super) fn is_alive(pid: &Value) -> bool {
    // A zombie counts as dead: it waits for its parent only.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits until a process has ended, whoever its parent is.
async fn ended(pid: &Value) {
    let pid = pid.as_i64().and_then(|pid| i32::try_from(pid).ok());
    let pid = pid.and_then(rustix::process::Pid::from_raw).expect("a process");
    let Ok(handle) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::NONBLOCK) else {
        return;
    };
    let limit = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
    let waiting = tokio::task::spawn_blocking(move || {
        let mut handles = [rustix::event::PollFd::new(&handle, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut handles, Some(&limit))
    });
    assert_eq!(waiting.await.expect("it waited"), Ok(1), "it ends");
}

#[tokio::test]
async fn many_agents_share_one_child_and_keep_their_ids() {
    let upstream = open("legacy");
    let ids = ["1", "\"1\"", "\"a\\u0062\"", "-7", "9007199254740991", "\"\u{e9}\""];
    let calls = (0..60).map(|n| body(&upstream, tool(ids[n % ids.len()], "spelling")));
    for (n, body) in futures_util::future::join_all(calls).await.into_iter().enumerate() {
        let id = ids[n % ids.len()];
        // Spelling, order and spaces are the child's; only the id was put back.
        let expected = format!(
            "{{ \"id\" : {id} , \"result\":{{\"n\":1.50e2, \"u\":\"\\u0041\", \"z\":1, \"a\":2}},\"jsonrpc\":\"2.0\"}}"
        );
        assert_eq!(body, expected);
    }
    let one = value(&upstream, tool("1", "echo")).await;
    let two = value(&upstream, tool("2", "echo")).await;
    assert_eq!(one["result"]["pid"], two["result"]["pid"]);
}

#[tokio::test]
async fn the_body_reaches_the_child_on_one_line_and_otherwise_unchanged() {
    let upstream = open("legacy");
    let text = "{\"jsonrpc\":\"2.0\",\r\n \"id\":\"x\",\n\"method\":\"tools/call\",\"params\":{ \"name\":\"echo\",\n\"arguments\":{\"n\":1.0e+2,\"s\":\"a\\nb \\u0041\"}}}";
    let answer = value(&upstream, Outgoing::post(Bytes::from_static(text.as_bytes()))).await;
    let line = answer["result"]["line"].as_str().expect("a line");
    let (start, rest) = line.split_once("\"id\":").expect("an id");
    let (id, rest) = rest.split_once(',').expect("more");
    assert_eq!(start, "{\"jsonrpc\":\"2.0\", ");
    assert!(id.parse::<u64>().is_ok(), "{id}");
    assert_eq!(
        rest,
        "\"method\":\"tools/call\",\"params\":{ \"name\":\"echo\",\"arguments\":{\"n\":1.0e+2,\"s\":\"a\\nb \\u0041\"}}}\n"
    );
}

#[tokio::test]
async fn the_environment_is_empty_and_arguments_are_not_for_a_shell() {
    let upstream =
        Upstream::open(&spec("legacy").env("KEY", "v").expect("a name")).expect("a child");
    let facts = value(&upstream, tool("1", "facts")).await["result"].clone();
    // Python itself sets LC_CTYPE when there is no locale.
    let names: Vec<&str> =
        facts["env"].as_array().expect("names").iter().filter_map(Value::as_str).collect();
    assert_eq!(names.into_iter().filter(|name| *name != "LC_CTYPE").collect::<Vec<_>>(), ["KEY"]);
    assert_eq!(facts["argv"], json!(["a;b", "$(c)", "d\ne"]));
    assert_eq!(facts["leads"], json!(true));
    let own = spec("legacy").env("PATH", "env:PATH").expect("a name");
    let facts = value(&Upstream::open(&own).expect("a child"), tool("1", "facts")).await;
    let own = std::env::var_os("PATH").and_then(|path| path.into_string().ok());
    assert_eq!(facts["result"]["path"], json!(own), "the gateway's own, when it is asked for");
    let shown = format!("{:?}", spec("legacy").env("KEY", "hush").expect("a name"));
    assert!(!shown.contains("hush"), "{shown}");
}

#[tokio::test]
async fn initialize_is_answered_from_the_childs_own_answer() {
    let upstream = open("legacy");
    let (hello, first) = initialize(&upstream, "2025-06-18", json!({})).await;
    assert_eq!(hello["id"], "i-1");
    assert_eq!(hello["result"]["protocolVersion"], "2025-06-18");
    assert_eq!(
        hello["result"]["capabilities"],
        json!({"tools": {"listChanged": true}, "declared": {"elicitation": {}}})
    );
    let (again, second) = initialize(&upstream, "2030-01-01", json!({})).await;
    assert_eq!(again["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(again["result"]["serverInfo"], hello["result"]["serverInfo"], "one child");
    assert_ne!(first, second);
    accepted(
        &upstream,
        within(
            Outgoing::post(Bytes::from_static(
                b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}",
            )),
            &first,
        ),
    )
    .await;
    let seen = value(&upstream, within(tool("1", "seen"), &first)).await;
    let methods: Vec<&Value> =
        seen["result"]["seen"].as_array().expect("a list").iter().map(|m| &m["method"]).collect();
    assert_eq!(methods, ["notifications/initialized"], "once, from the gateway");

    let old = open("old");
    assert_eq!(
        initialize(&old, "2025-11-25", json!({})).await.0["result"]["protocolVersion"],
        "2025-03-26"
    );
    assert_eq!(
        initialize(&old, "2024-11-05", json!({})).await.0["result"]["protocolVersion"],
        "2024-11-05"
    );
}

#[tokio::test]
async fn sessions_end_and_unknown_ones_are_refused_as_not_run() {
    let upstream = open("legacy");
    let (_, session) = initialize(&upstream, "2025-11-25", json!({})).await;
    body(&upstream, within(tool("1", "echo"), &session)).await;
    let reply = upstream.client.dispatch(of(Verb::Delete, &session)).await.expect("ended");
    assert!(matches!(reply, Reply::Empty { status, .. } if status == 200));
    let made_up = UpstreamSession::new(HeaderValue::from_static("00-1")).expect("an id");
    for session in [&session, &made_up] {
        for out in
            [within(tool("1", "echo"), session), of(Verb::Get, session), of(Verb::Delete, session)]
        {
            let error = upstream.client.dispatch(out).await.expect_err("gone");
            assert!(matches!(error, SendError::SessionGone(_)), "{error:?}");
            assert!(error.certainly_not_run());
        }
    }
}

#[tokio::test]
async fn progress_comes_under_the_agents_own_token() {
    let upstream = open("legacy");
    for token in ["\"tok\\u0065n\"", "1", "17"] {
        let text = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"tools/call\",\"params\":{{\"name\":\"progress\",\"_meta\":{{\"progressToken\":{token}}}}}}}"
        );
        let mut events = stream(&upstream, Outgoing::post(Bytes::from(text))).await;
        for n in 0..3 {
            let event = events.next().await.expect("an event").expect("no failure");
            assert!(event.id.is_none());
            let data = String::from_utf8(event.data.expect("data").to_vec()).expect("text");
            assert!(
                data.contains(&format!("\"progressToken\": {token}, \"progress\": {n}")),
                "{data}"
            );
        }
        assert_eq!(event(&mut events).await, json!({"jsonrpc": "2.0", "id": 5, "result": {}}));
        assert!(events.next().await.is_none());
    }
}

#[tokio::test]
async fn a_dying_child_fails_its_calls_once_and_is_started_again() {
    let upstream = open("legacy");
    let (_, session) = initialize(&upstream, "2025-11-25", json!({})).await;
    let before = value(&upstream, tool("1", "echo")).await["result"]["pid"].clone();
    let mut listening = stream(&upstream, of(Verb::Get, &session)).await;
    let held = upstream.client.dispatch(within(tool("2", "hold"), &session));
    let dying = upstream.client.dispatch(tool("3", "die"));
    for lost in futures_util::future::join_all([Box::pin(held), Box::pin(dying)]).await {
        let error = lost.expect_err("the child died");
        assert!(matches!(error, SendError::Broken(Sent::Maybe)), "{error:?}");
        assert!(!error.certainly_not_run());
    }
    assert!(listening.next().await.is_none());
    let after = value(&upstream, tool("4", "echo")).await["result"]["pid"].clone();
    assert_ne!(before, after);
    let error = upstream
        .client
        .dispatch(within(tool("5", "echo"), &session))
        .await
        .expect_err("old session");
    assert!(matches!(error, SendError::SessionGone(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_before_the_end_still_arrives() {
    let upstream = open("legacy");
    assert_eq!(value(&upstream, tool("1", "last-words")).await["result"], json!({"last": true}));
}

#[tokio::test]
async fn restarts_wait_longer_each_time_and_are_refused_meanwhile() {
    let upstream = open("legacy");
    let mut refused = None;
    for _ in 0..8 {
        let error = upstream.client.dispatch(tool("1", "die")).await.expect_err("it dies");
        if matches!(error, SendError::Unreachable(Unreachable::NotRunning)) {
            refused = Some(error);
            break;
        }
        assert!(matches!(error, SendError::Broken(Sent::Maybe)), "{error:?}");
    }
    assert!(refused.expect("the back-off grows past what is waited for").certainly_not_run());
}

#[tokio::test]
async fn noise_is_skipped_and_lines_beyond_the_bound_end_the_child() {
    let upstream = Upstream::open(&spec("legacy").answer_bytes_max(1_000_000)).expect("a child");
    assert_eq!(value(&upstream, tool("1", "noise")).await["result"], json!({}));
    let noisy = value(&upstream, tool("1", "echo")).await["result"]["pid"].clone();
    let error = upstream.client.dispatch(tool("2", "huge")).await.expect_err("too long");
    assert!(matches!(error, SendError::Broken(Sent::Maybe)), "{error:?}");
    ended(&noisy).await;
    let next = value(&upstream, tool("3", "echo")).await["result"]["pid"].clone();
    assert_ne!(next, noisy);
}

#[tokio::test]
async fn stop_ends_the_whole_process_group() {
    let upstream = open("legacy");
    let grandchild = value(&upstream, tool("1", "fork")).await["result"]["pid"].clone();
    let child = value(&upstream, tool("2", "facts")).await["result"]["pid"].clone();
    assert!(is_alive(&grandchild) && is_alive(&child));
    upstream.stop().await;
    ended(&grandchild).await;
    ended(&child).await;
    let error = upstream.client.dispatch(tool("3", "echo")).await.expect_err("stopped");
    assert!(matches!(error, SendError::Unreachable(Unreachable::Stopped)), "{error:?}");
}

#[tokio::test]
async fn stop_kills_a_child_that_ignores_the_request() {
    let upstream = open("legacy");
    let child = value(&upstream, tool("1", "stubborn")).await["result"]["pid"].clone();
    upstream.stop().await;
    assert!(!is_alive(&child));
}

#[tokio::test]
async fn dropping_the_client_and_dying_leave_nobody_behind() {
    let upstream = open("legacy");
    let grandchild = value(&upstream, tool("1", "fork")).await["result"]["pid"].clone();
    drop(upstream);
    ended(&grandchild).await;

    let upstream = open("legacy");
    let grandchild = value(&upstream, tool("1", "fork")).await["result"]["pid"].clone();
    upstream.client.dispatch(tool("2", "die")).await.expect_err("it dies");
    ended(&grandchild).await;
}

#[tokio::test]
async fn a_dropped_or_late_call_is_cancelled_at_the_child() {
    let upstream = open("legacy");
    body(&upstream, tool("1", "echo")).await;
    let cancelled = |seen: &Value| {
        seen["result"]["seen"]
            .as_array()
            .expect("a list")
            .iter()
            .filter(|m| m["method"] == "notifications/cancelled")
            .count()
    };
    tokio::select! {
        biased;
        _ = upstream.client.dispatch(tool("2", "hold")) => panic!("it is held"),
        _ = body(&upstream, tool("2", "echo")) => {}
    }
    assert_eq!(cancelled(&value(&upstream, tool("3", "seen")).await), 1);
    let token = CancellationToken::new();
    let mut out = tool("4", "hold");
    out.cancel = Some(token.clone());
    let (reply, ()) = tokio::join!(upstream.client.dispatch(out), async {
        body(&upstream, tool("5", "echo")).await;
        token.cancel();
    });
    assert!(matches!(reply, Err(SendError::Cancelled(Sent::Maybe))));
    assert_eq!(cancelled(&value(&upstream, tool("6", "seen")).await), 2);
}

#[tokio::test(start_paused = true)]
async fn a_child_that_hangs_runs_into_the_time_out() {
    let upstream = open("mute");
    let error = upstream.client.dispatch(tool("1", "echo")).await.expect_err("no handshake");
    assert!(matches!(error, SendError::Unreachable(Unreachable::Handshake)), "{error:?}");
    assert!(error.certainly_not_run());

    let missing =
        ServerSpec::stdio("x", vec!["no-such-program-here".to_owned()]).expect("a command");
    let error = Upstream::open(&missing)
        .expect("a child")
        .client
        .dispatch(tool("1", "echo"))
        .await
        .expect_err("none");
    assert!(matches!(error, SendError::Unreachable(Unreachable::Spawn(_))), "{error:?}");
}

#[tokio::test]
async fn cancellations_reach_the_own_request_only() {
    let upstream = open("legacy");
    let (_, mine) = initialize(&upstream, "2025-11-25", json!({})).await;
    let (_, other) = initialize(&upstream, "2025-11-25", json!({})).await;
    let cancel = |id: &str| {
        Outgoing::post(Bytes::from(format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/cancelled\",\"params\":{{\"requestId\":{id}}}}}"
        )))
    };
    let held = upstream.client.dispatch(within(tool("\"h\"", "hold"), &mine));
    let meddling = async {
        // The held call is with the child once a later call is answered.
        body(&upstream, within(tool("1", "echo"), &other)).await;
        accepted(&upstream, within(cancel("\"h\""), &other)).await;
        accepted(&upstream, within(cancel("\"x\""), &mine)).await;
        let none = value(&upstream, within(tool("2", "seen"), &other)).await;
        assert_eq!(none["result"]["seen"].as_array().map(Vec::len), Some(1), "{none}");
        accepted(&upstream, within(cancel("\"\\u0068\""), &mine)).await;
        let seen = value(&upstream, within(tool("3", "seen"), &other)).await;
        assert!(seen["result"]["seen"][1]["params"]["requestId"].is_u64(), "{seen}");
        body(&upstream, within(tool("4", "release"), &other)).await;
    };
    let (reply, ()) = tokio::join!(held, meddling);
    reply.expect("the child answered anyway");
}

/// A call of the tool that asks the client something first.
fn asking(method: &str) -> Outgoing {
    request("9", "tools/call", &json!({"name": "ask", "arguments": {"method": method}}))
}

#[tokio::test]
async fn a_request_of_the_child_reaches_the_only_agent_that_can_be_meant() {
    let upstream = open("legacy");
    let (_, asked) = initialize(&upstream, "2025-11-25", json!({"elicitation": {}})).await;
    let (_, other) = initialize(&upstream, "2025-11-25", json!({"elicitation": {}})).await;
    let mut events = stream(&upstream, within(asking("elicitation/create"), &asked)).await;
    let question = event(&mut events).await;
    assert_eq!(question["method"], "elicitation/create");
    let answer = || {
        Outgoing::post(Bytes::from(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{\"action\":\"accept\"}}}}",
            question["id"]
        )))
    };
    for (out, whose) in [(within(answer(), &other), "another session"), (answer(), "no session")] {
        let reply = upstream.client.dispatch(out).await.expect("a reply");
        assert!(matches!(reply, Reply::Refused(_)), "{whose}: {reply:?}");
    }
    accepted(&upstream, within(answer(), &asked)).await;
    let last = event(&mut events).await;
    assert_eq!(last["id"], 9);
    assert_eq!(
        last["result"]["answer"],
        json!({"jsonrpc": "2.0", "id": "ask-1", "result": {"action": "accept"}})
    );
    let again = upstream.client.dispatch(within(answer(), &asked)).await.expect("a reply");
    assert!(matches!(again, Reply::Refused(_)), "answered twice: {again:?}");
}

#[tokio::test]
async fn only_the_agent_that_is_asked_reports_progress_to_the_child() {
    let upstream = open("legacy");
    let (_, asked) = initialize(&upstream, "2025-11-25", json!({"elicitation": {}})).await;
    let (_, other) = initialize(&upstream, "2025-11-25", json!({"elicitation": {}})).await;
    let mut events = stream(&upstream, within(asking("elicitation/create"), &asked)).await;
    event(&mut events).await;
    let report = |token: &str| {
        Outgoing::post(Bytes::from(format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":{{\"progressToken\":{token},\"progress\":1}}}}"
        )))
    };
    accepted(&upstream, report("\"asking\"")).await;
    accepted(&upstream, within(report("\"asking\""), &other)).await;
    accepted(&upstream, within(report("1"), &asked)).await;
    accepted(&upstream, within(report("\"\\u0061sking\""), &asked)).await;
    let seen = value(&upstream, within(tool("2", "seen"), &other)).await;
    let seen = seen["result"]["seen"].as_array().expect("a list").clone();
    let reports = seen.iter().filter(|note| note["method"] == "notifications/progress");
    assert_eq!(reports.count(), 1, "{seen:?}");
}

#[tokio::test]
async fn requests_of_the_child_that_nobody_may_answer_are_refused() {
    let all = FromServer { sampling: Allowed::Yes, elicitation: Allowed::Yes, roots: Allowed::No };
    let upstream = Upstream::open(&spec("legacy").from_server(all)).expect("a child");
    let (hello, able) =
        initialize(&upstream, "2025-11-25", json!({"sampling": {}, "roots": {}})).await;
    assert_eq!(
        hello["result"]["capabilities"]["declared"],
        json!({"sampling": {}, "elicitation": {}})
    );
    let refused = |answer: &Value| answer["result"]["answer"]["error"]["code"] == -32601;
    // Forbidden by the settings; not declared by the agent; unknown; without a session.
    for method in ["roots/list", "elicitation/create", "vendor/thing"] {
        let answer = value(&upstream, within(asking(method), &able)).await;
        assert!(refused(&answer), "{method}: {answer}");
    }
    let answer = value(&upstream, asking("sampling/createMessage")).await;
    assert!(refused(&answer), "{answer}");
    // Two agents have calls open: nobody can tell whom it is for.
    let (_, other) = initialize(&upstream, "2025-11-25", json!({"sampling": {}})).await;
    let held = upstream.client.dispatch(within(tool("1", "hold"), &other));
    let (_, ()) = tokio::join!(held, async {
        body(&upstream, within(tool("2", "echo"), &able)).await;
        let answer = value(&upstream, within(asking("sampling/createMessage"), &able)).await;
        assert!(refused(&answer), "{answer}");
        body(&upstream, within(tool("3", "release"), &able)).await;
    });
    // A ping is answered by the gateway.
    let answer = value(&upstream, within(asking("ping"), &able)).await;
    assert_eq!(answer["result"]["answer"]["result"], json!({}));
}

#[tokio::test]
async fn notices_go_to_the_listening_streams_and_storms_become_one() {
    let upstream = open("legacy");
    let (_, session) = initialize(&upstream, "2025-11-25", json!({})).await;
    let (_, other) = initialize(&upstream, "2025-11-25", json!({})).await;
    let mut first = stream(&upstream, of(Verb::Get, &session)).await;
    let mut events = stream(&upstream, of(Verb::Get, &session)).await;
    let mut others = stream(&upstream, of(Verb::Get, &other)).await;
    assert!(first.next().await.is_none(), "the later stream takes over");
    let changes = upstream.tool_changes();
    body(&upstream, within(tool("1", "changed"), &session)).await;
    assert!(changes.has_changed().expect("it lives"));
    assert_eq!(*changes.borrow(), 1000);
    assert_eq!(event(&mut events).await["method"], "notifications/tools/list_changed");
    assert_eq!(event(&mut others).await["method"], "notifications/tools/list_changed");
    drop((events, others));
    let mut events = stream(&upstream, of(Verb::Get, &session)).await;
    let mut others = stream(&upstream, of(Verb::Get, &other)).await;
    let subscribe = |method: &str| request("1", method, &json!({"uri": "a://1"}));
    body(&upstream, within(subscribe("resources/subscribe"), &session)).await;
    body(&upstream, within(tool("1", "updated"), &session)).await;
    assert_eq!(event(&mut events).await["params"]["uri"], "a://1");
    body(&upstream, within(tool("1", "changed"), &session)).await;
    assert_eq!(
        event(&mut others).await["method"],
        "notifications/tools/list_changed",
        "not the update"
    );
}

/// How a message ends whose child does not answer when it is asked what it speaks. The time that it
/// has for that passes once it was asked, however long its start took.
async fn asked_in_vain(out: Outgoing) -> (Upstream, Result<Reply, SendError>) {
    let dir = tempfile::tempdir().expect("a directory");
    let asked = dir.path().join("asked");
    let path = asked.to_str().expect("a path");
    let command = [python(), "-u", CHILD, "deaf", path].map(str::to_owned).to_vec();
    let spec = ServerSpec::stdio("child", command).expect("a command");
    let upstream = Upstream::open(&spec).expect("a child");
    let reply = {
        let mut reply = std::pin::pin!(upstream.client.dispatch(out));
        let mut looks = tokio::time::interval(Duration::from_millis(2));
        while !asked.exists() {
            tokio::select! {
                biased;
                reply = &mut reply => panic!("the child was not waited for: {reply:?}"),
                _look = looks.tick() => {}
            }
        }
        tokio::time::pause();
        tokio::time::advance(Timeouts::default().connect).await;
        tokio::time::resume();
        reply.await
    };
    (upstream, reply)
}

#[tokio::test]
async fn each_era_is_served_by_what_the_program_speaks() {
    let modern = |id: &str, method: &str| {
        request(
            id,
            method,
            &json!({"name": "echo", "_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}),
        )
    };
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"}});
    for mode in ["legacy", "dies", "deaf"] {
        let first = modern("1", "tools/call");
        let (upstream, reply) = if mode == "deaf" {
            asked_in_vain(first).await
        } else {
            let upstream = open(mode);
            let reply = upstream.client.dispatch(first).await;
            (upstream, reply)
        };
        let reply = reply.expect("a reply");
        let Reply::Refused(refused) = reply else { panic!("{mode}: {reply:?}") };
        let error: Value = serde_json::from_slice(&refused.body).expect("JSON");
        assert_eq!(
            (refused.status.as_u16(), &error["error"]["code"], &error["id"]),
            (400, &json!(-32600), &json!(1))
        );
        initialize(&upstream, "2025-11-25", json!({})).await;
    }
    let upstream = open("modern");
    let reply =
        upstream.client.dispatch(request("2", "initialize", &params)).await.expect("a reply");
    let Reply::Refused(refused) = reply else { panic!("{reply:?}") };
    let error: Value = serde_json::from_slice(&refused.body).expect("JSON");
    assert_eq!(error["error"]["code"], -32022);
    assert_eq!(
        error["error"]["data"],
        json!({"supported": ["2026-07-28"], "requested": "2025-11-25"})
    );
    assert_eq!(value(&upstream, modern("3", "tools/call")).await["id"], 3);

    for mode in ["both", "sdk"] {
        let upstream = open(mode);
        assert_eq!(value(&upstream, modern("4", "tools/call")).await["id"], 4, "{mode}");
        initialize(&upstream, "2025-11-25", json!({})).await;
        assert_eq!(value(&upstream, modern("5", "tools/call")).await["id"], 5, "{mode}");
    }

    let error = open("neither")
        .client
        .dispatch(request("5", "initialize", &params))
        .await
        .expect_err("no handshake");
    assert!(matches!(error, SendError::Unreachable(Unreachable::Handshake)), "{error:?}");
}

#[tokio::test]
async fn subscriptions_carry_the_agents_own_id() {
    let upstream = open("modern");
    let mut out = request(
        "\"sub\"",
        "subscriptions/listen",
        &json!({"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}),
    );
    out.headers.push((
        HeaderName::from_static("mcp-protocol-version"),
        HeaderValue::from_static("2026-07-28"),
    ));
    out.patience = Patience::Stream;
    let mut events = stream(&upstream, out).await;
    for method in ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"] {
        let event = event(&mut events).await;
        assert_eq!(event["method"], method);
        assert_eq!(event["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub");
    }
    let last = event(&mut events).await;
    assert_eq!(last["id"], "sub");
    assert_eq!(last["result"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "sub");
    assert!(upstream.tool_changes().has_changed().is_ok());
}

#[tokio::test]
async fn a_childs_tools_are_listed_within_bounds() {
    for mode in ["legacy", "modern", "both", "dies"] {
        let upstream = open(mode);
        let listing = upstream.lister.list(&upstream.client).await.expect("a list");
        let names: Vec<String> =
            listing.tools.iter().map(|raw| String::from_utf8_lossy(raw).into_owned()).collect();
        assert_eq!(names.len(), 3, "{mode}");
        assert!(names[2].starts_with("{\"name\": \"t2\""), "{names:?}");
    }
    for mode in ["loop", "endless"] {
        let upstream = open(mode);
        let error = upstream.lister.list(&upstream.client).await.expect_err("no end");
        assert!(matches!(error, ListError::Endless), "{mode}: {error:?}");
    }
}

#[tokio::test]
async fn a_call_cancelled_during_the_start_did_not_run() {
    let upstream = open("mute");
    let token = CancellationToken::new();
    let mut out = tool("1", "echo");
    out.cancel = Some(token.clone());
    let (reply, ()) = tokio::join!(upstream.client.dispatch(out), async {
        tokio::task::yield_now().await;
        token.cancel();
    });
    let error = reply.expect_err("cancelled");
    assert!(matches!(error, SendError::Cancelled(Sent::No)), "{error:?}");
    assert!(error.certainly_not_run());
}
