//! Traces of calls, in the build with the feature `otel`: what a collector gets of them, that it gets
//! nothing else, and that no call depends on it.

use std::collections::BTreeMap;
use std::net::TcpListener;

use it::collector::{Collector, Mood, attributes};
use it::gateway::{ADMIN_TOKEN, Config};
use it::recorder::Fault;
use it::scene::{Plan, Scene, call_body, denied, held, ran};
use it::{places, wait};
use opentelemetry_proto::tonic::trace::v1::{Span, span::SpanKind, status::StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";
/// Stands in arguments, names, headers and bodies that agents write.
const MARK: &str = "m4rked-by-the-agent";
/// The collector's credential.
const KEY: &str = "k3y-of-the-collector";

fn policy() -> Value {
    let large = json!({ "conditions": [{ "path": "args.amount", "op": "gt", "value": 10 }] });
    let ask = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({
        "version": "1",
        "default": "deny",
        "tools": { "read_item": {}, "pay": { "deny_if": [large] }, "delete_all": { "deny_if": [ask] } },
    })
}

async fn plan(variables: &[(&str, &str)]) -> Plan {
    let mut plan = Plan::plain().await.granting("agent", &policy());
    plan.config.program = places::binary_with_traces();
    let set = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    plan.config.variables = set.collect();
    plan
}

async fn traced(collector: &Collector, variables: &[(&str, &str)]) -> Scene {
    let endpoint = collector.endpoint();
    let own = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint)];
    let all: Vec<_> = own.into_iter().chain(variables.iter().copied()).collect();
    plan(&all).await.start().await
}

/// The facts of a span below `portcullis.`.
fn facts(span: &Span) -> [String; 4] {
    let all = attributes(&span.attributes);
    ["verdict", "reason", "rule", "outcome"]
        .map(|name| all.get(&format!("portcullis.{name}")).cloned().unwrap_or_default())
}

/// The span whose audit record is that of the row.
fn row_of<'r>(rows: &'r [Value], span: &Span) -> &'r Value {
    let id = &attributes(&span.attributes)["portcullis.request.id"];
    let row = rows.iter().find(|row| row["request_id"] == json!(id));
    row.unwrap_or_else(|| panic!("no audit row of {id}: {rows:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn allowed_denied_and_held_calls_become_spans() {
    let collector = Collector::start(Mood::Takes).await;
    let headers = format!("x-collector-key={KEY}");
    let scene = traced(
        &collector,
        &[
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
            ("OTEL_SERVICE_NAME", "the-gate"),
            ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test"),
            ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
        ],
    )
    .await;
    let body = call_body(1, "read_item", &json!({ "id": MARK, "q": { MARK: [MARK] } }));
    let ask = scene
        .ask("agent", &body)
        .with("traceparent", &format!("00-{TRACE}-{PARENT}-01"))
        .with("tracestate", &format!("vendor={MARK}"))
        .with("baggage", &format!("user={MARK}"))
        .with("User-Agent", MARK);
    assert!(ran(&scene.send(&ask).await));
    assert!(denied(&scene.call("agent", "pay", json!({ "amount": 11, "account": MARK })).await));
    assert!(held(&scene.call("agent", "delete_all", json!({ "scope": MARK })).await));
    scene.call("agent", MARK, json!({})).await;
    scene.post("agent", &format!(r#"{{"jsonrpc":"2.0","id":"{MARK}","method":"{MARK}/x"}}"#)).await;
    scene.post("agent", &format!(r#"{{"no message": "{MARK}"}}"#)).await;

    let spans = collector.spans_when(5).await;
    let names: Vec<&str> = spans.iter().map(|span| &*span.name).collect();
    assert_eq!(
        names,
        ["tools/call read_item", "tools/call pay", "tools/call delete_all", "tools/call", "_OTHER"]
    );
    let expected = [
        ["allow", "", "", "ok"],
        ["deny", "deny_if_matched", "/tools/pay/deny_if/0", ""],
        ["hold", "approval_required", "/tools/delete_all/deny_if/0", ""],
        ["deny", "not_listed", "/default", ""],
        ["deny", "not_listed", "/default", ""],
    ];
    for (span, expected) in spans.iter().zip(expected) {
        assert_eq!(facts(span), expected.map(str::to_owned), "{}", span.name);
        assert_eq!(span.kind(), SpanKind::Server);
        assert!(span.end_time_unix_nano >= span.start_time_unix_nano);
        assert!(span.trace_state.is_empty() && span.events.is_empty());
    }
    assert_eq!(spans[0].trace_id, hex(TRACE));
    assert_eq!(spans[0].parent_span_id, hex(PARENT));
    assert!(spans[1].parent_span_id.is_empty());
    agrees_with_the_audit(&scene.gateway.audit().await, &spans);
    nothing_else_left(&collector, &scene);
}

fn agrees_with_the_audit(rows: &[Value], spans: &[Span]) {
    for span in spans {
        let row = row_of(rows, span);
        let all = attributes(&span.attributes);
        let held = |name: &str| all.get(name).map_or(Value::Null, |text| json!(text));
        for name in ["grant", "server", "verdict", "reason", "rule"] {
            assert_eq!(held(&format!("portcullis.{name}")), row[name], "{row}");
        }
        assert_eq!(held("portcullis.policy.name"), row["policy"], "{row}");
        assert_eq!(all["portcullis.revision"], row["revision"].to_string(), "{row}");
        assert!(all.contains_key("portcullis.latency_ms"));
    }
    let allowed = attributes(&spans[0].attributes);
    assert_eq!(allowed["portcullis.upstream.status_code"], "200");
    assert_eq!(allowed["gen_ai.tool.name"], "read_item");
    assert_eq!(allowed["gen_ai.operation.name"], "execute_tool");
    assert_eq!(allowed["mcp.method.name"], "tools/call");
    assert_eq!(allowed["mcp.protocol.version"], "2025-11-25");
    assert!(!allowed.contains_key("error.type"));
}

/// No byte that went to the collector is an agent's or a secret.
fn nothing_else_left(collector: &Collector, scene: &Scene) {
    let credential = &scene.recorder.options().credential;
    let token = Config::token_of("agent");
    for export in collector.exports() {
        assert_eq!(export.path, "/v1/traces");
        assert_eq!(export.headers["content-type"], "application/x-protobuf");
        assert_eq!(export.headers["x-collector-key"], KEY);
        let resource = export.request.resource_spans[0].resource.as_ref().expect("a resource");
        let resource = attributes(&resource.attributes);
        assert_eq!(resource["service.name"], "the-gate");
        assert_eq!(resource["deployment.environment.name"], "test");
        assert!(resource.contains_key("service.version"));
        let bytes = String::from_utf8_lossy(&export.body).into_owned();
        let headers = format!("{:?}", export.headers);
        for secret in [MARK, &token, ADMIN_TOKEN, credential, "account", "scope", "A person has"] {
            assert!(!bytes.contains(secret), "{secret} was exported");
            assert!(!headers.contains(secret), "{secret} was exported");
        }
        assert!(!bytes.contains(KEY));
    }
    assert!(!scene.gateway.log().contains(KEY), "{}", scene.gateway.log());
    assert!(scene.log.requests().iter().all(|request| request.header("traceparent").is_none()));
}

fn hex(text: &str) -> Vec<u8> {
    let pair = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("two digits");
    (0..text.len()).step_by(2).map(pair).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_that_is_approved_is_one_span() {
    let collector = Collector::start(Mood::Takes).await;
    let endpoint = collector.endpoint();
    let mut plan = plan(&[
        ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", &format!("{endpoint}/own/path")),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ])
    .await;
    plan.config.approvals = vec!["wait_seconds = 20".to_owned()];
    let scene = plan.start().await;
    let decide = async {
        let id = wait::until("a pending approval", || async {
            scene.pending().await.first().and_then(|item| item["id"].as_str().map(str::to_owned))
        })
        .await;
        assert_eq!(scene.gateway.decide(&id, "approve").await.status / 100, 2);
    };
    let (answer, ()) = tokio::join!(scene.call("agent", "delete_all", json!({})), decide);
    assert!(ran(&answer), "{}", answer.text());
    scene.call("agent", "read_item", json!({})).await;
    let spans = collector.spans_when(2).await;
    assert_eq!(collector.exports()[0].path, "/own/path");
    let seen: Vec<_> = spans.iter().map(|span| (&*span.name, facts(span))).collect();
    let allow = ["allow", "", "", "ok"].map(str::to_owned);
    assert_eq!(seen, [("tools/call delete_all", allow.clone()), ("tools/call read_item", allow)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_is_exported_before_the_process_ends() {
    let collector = Collector::start(Mood::Takes).await;
    let mut scene = traced(&collector, &[("OTEL_BSP_SCHEDULE_DELAY", "60000")]).await;
    scene.recorder.set_fault(Some(Fault::Status(500)));
    scene.call("agent", "read_item", json!({})).await;
    scene.gateway.signal(Signal::TERM);
    assert_eq!(scene.gateway.ended().await.code(), Some(0));
    let spans = collector.spans();
    assert_eq!(spans.len(), 1);
    let all = attributes(&spans[0].attributes);
    assert_eq!(all["portcullis.outcome"], "broken", "{all:?}");
    assert_eq!(all["error.type"], "broken");
    assert_eq!(spans[0].status.as_ref().expect("a status").code(), StatusCode::Error);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_exported_unless_the_environment_says_so() {
    let off: [&[(&str, &str)]; 2] =
        [&[("OTEL_SDK_DISABLED", "true")], &[("OTEL_TRACES_SAMPLER", "always_off")]];
    for variables in off {
        let collector = Collector::start(Mood::Takes).await;
        let mut scene = traced(&collector, variables).await;
        assert!(ran(&scene.call("agent", "read_item", json!({})).await));
        scene.gateway.signal(Signal::TERM);
        assert_eq!(scene.gateway.ended().await.code(), Some(0));
        assert!(collector.exports().is_empty(), "{variables:?}");
    }
    let scene = plan(&[("OTEL_SERVICE_NAME", "the-gate")]).await.start().await;
    assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    assert!(!scene.gateway.log().contains("exported"), "{}", scene.gateway.log());
}

/// Calls go on, the log says what was lost, and the process ends in time.
async fn outlives(mut scene: Scene) -> String {
    for _call in 0..20 {
        assert!(ran(&scene.call("agent", "read_item", json!({})).await));
    }
    scene.gateway.signal(Signal::TERM);
    assert_eq!(scene.gateway.ended().await.code(), Some(0));
    let log = scene.gateway.log();
    assert!(log.contains("traces were lost; calls are not affected"), "{log}");
    log
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_costs_no_call() {
    let gone = TcpListener::bind(("127.0.0.1", 0)).expect("loopback");
    let endpoint = format!("http://{}", gone.local_addr().expect("bound"));
    drop(gone);
    let small = ("OTEL_BSP_MAX_QUEUE_SIZE", "4");
    let plan = plan(&[("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint), small]).await;
    outlives(plan.start().await).await;
}

/// Its one request may take a minute, so an end that waited for it would come too late.
#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_never_answers_costs_no_call_and_a_bounded_end() {
    let collector = Collector::start(Mood::Silent).await;
    let slow = [
        ("OTEL_BSP_MAX_QUEUE_SIZE", "4"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "2"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "60000"),
    ];
    let log = outlives(traced(&collector, &slow).await).await;
    assert!(log.contains("not all traces could be exported"), "{log}");
    assert_eq!(collector.exports().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_none_is_refused_at_the_start() {
    let plan = plan(&[]).await;
    let scene = plan.start().await;
    let mut command = tokio::process::Command::new(places::binary_with_traces());
    let ended = command
        .args(["serve", "--config"])
        .arg(scene.gateway.config_file())
        .envs(BTreeMap::from([("OTEL_EXPORTER_OTLP_ENDPOINT", format!("no url {KEY}"))]))
        .env("API_TOKEN", ADMIN_TOKEN)
        .output();
    let ended = wait::bounded("the end of serve", ended).await.expect("it starts");
    assert_eq!(ended.status.code(), Some(2), "{ended:?}");
    assert!(!String::from_utf8_lossy(&ended.stderr).contains(KEY), "{ended:?}");
}
