//! The one parse of a client's message, the look at a server's answer, and the step between the parse
//! and the judgement.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use mcp::{
    Arguments, BatchRule, ClientMessage, Frame, Inbound, MirrorHeaders, RawId, Request, Token,
    admit_reply, decode,
};
use policy::Value;

use crate::cpu_time::CpuTime;

/// A call whose arguments are this JSON text.
fn call(arguments: &str) -> Bytes {
    Bytes::from(format!(
        r#"{{"jsonrpc":"2.0","id":1000000000,"method":"tools/call","params":{{"name":"tool_005","arguments":{arguments}}}}}"#
    ))
}

/// Arguments that are one long string.
fn text(bytes: usize) -> String {
    format!(r#"{{"note":"{}","amount":129.95,"currency":"EUR"}}"#, "n".repeat(bytes))
}

/// Arguments that are many small objects.
fn structure(bytes: usize) -> String {
    let item =
        |n: usize| format!(r#"{{"id":{n},"price":12.50,"name":"item {n}","tags":["a","b"]}}"#);
    let items: Vec<String> = (0..bytes / 55).map(item).collect();
    format!(r#"{{"items":[{}]}}"#, items.join(","))
}

fn frame(body: &Bytes) -> Frame<'static> {
    let revision = b"2025-11-25".as_slice();
    let headers =
        MirrorHeaders { protocol_version: [revision].into_iter().collect(), ..Default::default() };
    Frame { body: body.clone(), headers, batch: BatchRule::Refused }
}

/// The arguments of a call as the policy reads them.
fn values(arguments: Arguments<'_>) -> Option<Value<'_>> {
    let mut builder = Value::builder();
    for token in arguments.tokens() {
        match token {
            Token::Null => builder.null(),
            Token::Bool(value) => builder.bool(value),
            Token::Number(text) => builder.number(text),
            Token::String(text) => builder.string(text),
            Token::BeginObject => builder.begin_object(),
            Token::Key(key) => builder.key(key),
            Token::EndObject => builder.end_object(),
            Token::BeginArray => builder.begin_array(),
            Token::EndArray => builder.end_array(),
        }
    }
    builder.finish().ok()
}

fn request(body: &Bytes) -> Option<Request> {
    match decode(frame(body)) {
        Ok(Inbound::One(ClientMessage::Request(request))) => Some(request),
        Ok(Inbound::One(_) | Inbound::Batch(_)) | Err(_) => None,
    }
}

pub(super) fn all(criterion: &mut Criterion<CpuTime>) {
    let bodies = [
        ("a call of 200 B", call(&text(70))),
        ("a call with a string of 64 KiB", call(&text(64 * 1024))),
        ("a call with 64 KiB of small objects", call(&structure(64 * 1024))),
    ];
    let mut group = criterion.benchmark_group("decode");
    for (name, body) in &bodies {
        decode(frame(body)).expect("the message is valid");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| decode(black_box(frame(body)))));
    }
    group.finish();

    let mut group = criterion.benchmark_group("arguments to values");
    for (name, body) in &bodies {
        let request = request(body).expect("a request");
        let arguments = || request.arguments().and_then(values);
        arguments().expect("the arguments are an object");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(*name, |bencher| bencher.iter(|| black_box(arguments())));
    }
    group.finish();

    let mut group = criterion.benchmark_group("admit a reply");
    let id = RawId::from_integer(1).expect("an id");
    for (name, bytes) in [("200 B", 100), ("64 KiB", 64 * 1024)] {
        let text = "r".repeat(bytes);
        let body = Bytes::from(format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}}}"#
        ));
        admit_reply(body.clone(), &id).expect("the answer is valid");
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| admit_reply(black_box(body.clone()), &id));
        });
    }
    group.finish();
}
