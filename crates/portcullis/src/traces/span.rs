//! A finished call as a span: its name, its parent and its attributes, after the semantic conventions
//! of OpenTelemetry for MCP (status "development", read in November 2026). What they have no word for
//! stands below `portcullis.`. Never here: anything that is not in a `FinishedCall`.

use std::time::{Duration, SystemTime};

use gateway::FinishedCall;
use opentelemetry::trace::{
    Link, Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt as _,
    TraceFlags, TraceId, TraceState, Tracer as _,
};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_sdk::trace::SdkTracer;
use policy::UnixMillis;

use super::settings::Parents;

/// More attributes than a call has.
const ATTRIBUTES_ROOM: usize = 20;

/// The length of a `traceparent` of version 00, in bytes.
const PARENT_BYTES: usize = 55;

/// Makes the span of a call. Neither waits nor blocks.
pub(super) fn record(tracer: &SdkTracer, parents: Parents, call: FinishedCall) {
    let ended = system_time(call.ended_at);
    let started = ended.checked_sub(call.latency).unwrap_or(ended);
    let mut builder =
        SpanBuilder::from_name(name(&call)).with_kind(SpanKind::Server).with_start_time(started);
    let (parent, beside) = match parents {
        Parents::Taken => origin(&call),
        Parents::Ignored => (None, None),
    };
    if let Some(beside) = beside {
        builder = builder.with_links(vec![Link::with_context(beside)]);
    }
    let context = match parent {
        Some(parent) => Context::new().with_remote_span_context(parent),
        None => Context::new(),
    };
    let mut span = tracer.build_with_context(builder, &context);
    if span.is_recording() {
        if let Some(error) = error_type(&call) {
            span.set_attribute(KeyValue::new("error.type", error));
            span.set_status(Status::error(""));
        }
        span.set_attributes(attributes(call));
    }
    span.end_with_timestamp(ended);
}

fn name(call: &FinishedCall) -> String {
    match &call.tool {
        Some(tool) => format!("{} {tool}", call.method),
        None => call.method.clone().into_string(),
    }
}

/// The parent and a context beside it. The message says who called; the request that carried it
/// may belong to another trace, and is then linked.
fn origin(call: &FinishedCall) -> (Option<SpanContext>, Option<SpanContext>) {
    let message = call.message_parent.as_deref().and_then(parse_parent);
    let request = call.request_parent.as_deref().and_then(parse_parent);
    match (message, request) {
        (Some(message), Some(request)) if message != request => (Some(message), Some(request)),
        (Some(same), _) | (None, Some(same)) => (Some(same), None),
        (None, None) => (None, None),
    }
}

/// Reads a `traceparent` (W3C Trace Context, section 3.2.2): lower-case hexadecimal digits in four
/// parts, later versions with more behind. `tracestate` is not read: it could carry any text into
/// what is exported.
fn parse_parent(text: &str) -> Option<SpanContext> {
    let (known, more) = text.split_at_checked(PARENT_BYTES)?;
    let digits =
        |part: &str| part.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'));
    let mut parts = known.split('-');
    let (version, trace) = (parts.next()?, parts.next()?);
    let (span, flags) = (parts.next()?, parts.next()?);
    let lengths = (version.len(), trace.len(), span.len(), flags.len());
    let whole = lengths == (2, 32, 16, 2) && [version, trace, span, flags].into_iter().all(digits);
    let ends = more.is_empty() || (version != "00" && more.starts_with('-'));
    if !whole || !ends || version == "ff" {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
    let context = SpanContext::new(trace, span, flags, true, TraceState::NONE);
    context.is_valid().then_some(context)
}

fn system_time(at: UnixMillis) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(at.0).unwrap_or(0));
    SystemTime::UNIX_EPOCH.checked_add(since).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Why the call failed, for one that went to the server. A denial or a hold is none: there the
/// gateway did what it is for, and `portcullis.verdict` says so.
fn error_type(call: &FinishedCall) -> Option<StringValue> {
    match (call.end.outcome?, call.end.error_code, call.end.upstream_status) {
        ("ok", _, _) => None,
        ("is_error", _, _) => Some("tool_error".into()),
        ("error", Some(code), _) => Some(code.to_string().into()),
        ("error", None, Some(status)) => Some(status.to_string().into()),
        (word, _, _) => Some(word.into()),
    }
}

fn attributes(call: FinishedCall) -> Vec<KeyValue> {
    let text = |text: Box<str>| StringValue::from(text.into_string());
    let mut out = Vec::with_capacity(ATTRIBUTES_ROOM);
    if &*call.method == "tools/call" {
        out.push(KeyValue::new("gen_ai.operation.name", "execute_tool"));
    }
    out.push(KeyValue::new("mcp.method.name", text(call.method)));
    out.extend(call.tool.map(|tool| KeyValue::new("gen_ai.tool.name", text(tool))));
    let version = call.protocol_version;
    out.extend(version.map(|version| KeyValue::new("mcp.protocol.version", version)));
    let code = call.end.error_code.map(|code| code.to_string());
    out.extend(code.map(|code| KeyValue::new("rpc.response.status_code", code)));
    out.push(KeyValue::new("portcullis.request.id", text(call.request_id)));
    out.push(KeyValue::new("portcullis.grant", text(call.grant)));
    out.push(KeyValue::new("portcullis.server", text(call.server)));
    out.extend(call.policy.map(|name| KeyValue::new("portcullis.policy.name", text(name))));
    let version = call.policy_version.map(i64::from);
    out.extend(version.map(|version| KeyValue::new("portcullis.policy.version", version)));
    out.push(KeyValue::new("portcullis.revision", integer(call.revision.0)));
    out.push(KeyValue::new("portcullis.verdict", call.verdict));
    out.extend(call.reason.map(|reason| KeyValue::new("portcullis.reason", reason)));
    out.extend(call.rule.map(|rule| KeyValue::new("portcullis.rule", text(rule))));
    let outcome = call.end.outcome;
    out.extend(outcome.map(|outcome| KeyValue::new("portcullis.outcome", outcome)));
    let status = call.end.upstream_status.map(i64::from);
    out.extend(status.map(|status| KeyValue::new("portcullis.upstream.status_code", status)));
    out.push(KeyValue::new("portcullis.latency_ms", integer(call.latency.as_millis())));
    out
}

/// Numbers of spans have 64 bits and a sign.
fn integer(value: impl TryInto<i64>) -> i64 {
    value.try_into().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
