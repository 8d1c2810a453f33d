use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use gateway::{CallEnd, FinishedCall};
use opentelemetry::trace::{SpanKind, Status, TraceFlags, TracerProvider as _};
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData};
use policy::UnixMillis;
use store::Revision;

use super::super::kept::Kept;
use super::{Parents, parse_parent, record};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

fn spans(parents: Parents, call: FinishedCall) -> Vec<SpanData> {
    let kept = Kept::default();
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
        .with_span_processor(kept.clone())
        .build();
    record(&provider.tracer("test"), parents, call);
    kept.spans()
}

fn one(call: FinishedCall) -> SpanData {
    spans(Parents::Taken, call).pop().expect("a span")
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let pairs = span.attributes.iter();
    pairs.map(|pair| (pair.key.to_string(), pair.value.to_string())).collect()
}

fn allowed() -> FinishedCall {
    FinishedCall {
        request_id: "req_1".into(),
        grant: "agent".into(),
        server: "pay".into(),
        method: "tools/call".into(),
        tool: Some("pay_invoice".into()),
        protocol_version: Some("2025-11-25"),
        policy: Some("strict".into()),
        policy_version: Some(3),
        revision: Revision(7),
        verdict: "allow",
        reason: None,
        rule: None,
        end: CallEnd { outcome: Some("ok"), upstream_status: Some(200), error_code: None },
        ended_at: UnixMillis(1_767_225_600_500),
        latency: Duration::from_millis(120),
        message_parent: None,
        request_parent: None,
    }
}

#[test]
fn an_allowed_call_is_a_server_span_with_its_facts() {
    let span = one(allowed());
    assert_eq!(span.name, "tools/call pay_invoice");
    assert_eq!(span.span_kind, SpanKind::Server);
    assert_eq!(span.status, Status::Unset);
    let begun = SystemTime::UNIX_EPOCH + Duration::from_millis(1_767_225_600_380);
    assert_eq!((span.start_time, span.end_time), (begun, begun + Duration::from_millis(120)));
    let expected = [
        ("gen_ai.operation.name", "execute_tool"),
        ("gen_ai.tool.name", "pay_invoice"),
        ("mcp.method.name", "tools/call"),
        ("mcp.protocol.version", "2025-11-25"),
        ("portcullis.grant", "agent"),
        ("portcullis.latency_ms", "120"),
        ("portcullis.outcome", "ok"),
        ("portcullis.policy.name", "strict"),
        ("portcullis.policy.version", "3"),
        ("portcullis.request.id", "req_1"),
        ("portcullis.revision", "7"),
        ("portcullis.server", "pay"),
        ("portcullis.upstream.status_code", "200"),
        ("portcullis.verdict", "allow"),
    ];
    let expected = expected.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(attributes(&span), BTreeMap::from(expected));
}

#[test]
fn a_denial_is_no_error_of_the_gateway() {
    let span = one(FinishedCall {
        tool: None,
        verdict: "deny",
        reason: Some("not_listed"),
        rule: Some("/default".into()),
        end: CallEnd::default(),
        ..allowed()
    });
    assert_eq!((span.name.as_ref(), &span.status), ("tools/call", &Status::Unset));
    let held = attributes(&span);
    assert_eq!(
        (&*held["portcullis.reason"], &*held["portcullis.rule"]),
        ("not_listed", "/default")
    );
    assert!(!held.contains_key("error.type"));
    assert!(!held.contains_key("portcullis.outcome"));
}

#[test]
fn failures_of_the_server_have_a_type() {
    let ended = |outcome, error_code, upstream_status| {
        let end = CallEnd { outcome: Some(outcome), upstream_status, error_code };
        let span = one(FinishedCall { end, ..allowed() });
        assert_eq!(span.status, Status::error(""));
        attributes(&span)["error.type"].clone()
    };
    assert_eq!(ended("is_error", None, Some(200)), "tool_error");
    assert_eq!(ended("error", Some(-32602), Some(200)), "-32602");
    assert_eq!(ended("error", None, Some(403)), "403");
    assert_eq!(ended("timeout", None, None), "timeout");
}

#[test]
fn the_message_says_who_called_and_the_request_is_linked() {
    let both = FinishedCall {
        message_parent: Some(PARENT.into()),
        request_parent: Some(OTHER.into()),
        ..allowed()
    };
    let span = one(both.clone());
    assert_eq!(span.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(span.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(span.parent_span_is_remote);
    let linked = &span.links.links[0].span_context;
    assert_eq!(linked.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");

    let request = one(FinishedCall { request_parent: Some(PARENT.into()), ..allowed() });
    assert_eq!(request.parent_span_id.to_string(), "b7ad6b7169203331");
    assert!(request.links.links.is_empty());

    let alone = spans(Parents::Ignored, both).pop().expect("a span");
    assert_eq!(alone.parent_span_id.to_string(), "0000000000000000");
    assert!(alone.links.links.is_empty());
}

#[test]
fn a_caller_that_does_not_sample_is_not_sampled() {
    let call = FinishedCall { request_parent: Some(OTHER.into()), ..allowed() };
    assert!(spans(Parents::Taken, call).is_empty());
}

#[test]
fn only_a_well_formed_parent_is_one() {
    let context = parse_parent(PARENT).expect("valid");
    assert_eq!(context.trace_flags(), TraceFlags::SAMPLED);
    assert!(context.trace_state().header().is_empty());
    let later = PARENT.replacen("00", "01", 1);
    assert!(parse_parent(&format!("{later}-more")).is_some());
    for wrong in [
        String::new(),
        PARENT.to_uppercase(),
        format!("{PARENT}-more"),
        format!("{later}more"),
        PARENT.replacen("00", "ff", 1),
        PARENT.replacen("0af", "+af", 1),
        PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)),
        PARENT.replace("b7ad6b7169203331", &"0".repeat(16)),
        PARENT.replace('-', "_"),
        "é".repeat(28),
    ] {
        assert!(parse_parent(&wrong).is_none(), "{wrong}");
    }
}
