//! A list of tools on its way to an agent: filtering it, and looking for definitions that are new.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{Criterion, Throughput};
use mcp::{CacheRewrite, ListItem, ListKind, definition_pin, filter_list, list_items};

use crate::cpu_time::CpuTime;

/// A definition of about 1 KiB.
fn definition(number: usize) -> String {
    let description = "what this tool does, for whom, and when it must not be used; ".repeat(13);
    format!(
        r#"{{"name":"tool_{number:03}","description":"{description}","inputSchema":{{"type":"object","properties":{{"note":{{"type":"string"}},"amount":{{"type":"number"}},"currency":{{"type":"string"}}}}}}}}"#
    )
}

pub(super) fn all(criterion: &mut Criterion<CpuTime>) {
    let definitions: Vec<String> = (0..200).map(definition).collect();
    let tools = definitions.join(",");
    let body = Bytes::from(format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{tools}]}}}}"#));
    let filter = |keep: fn(&ListItem<'_>) -> bool| {
        filter_list(black_box(&body), ListKind::Tools, CacheRewrite::Keep, keep)
    };
    let some: fn(&ListItem<'_>) -> bool = |item| !item.key.ends_with('9');
    assert_eq!(filter(some).expect("it is a list").kept, 180);

    let mut group = criterion.benchmark_group("list of 200 tools of 1 KiB");
    group.throughput(Throughput::Bytes(body.len() as u64));
    group.bench_function("filter, all stay", |bencher| bencher.iter(|| filter(|_item| true)));
    group.bench_function("filter, a tenth goes", |bencher| bencher.iter(|| filter(some)));
    group.bench_function("read the items", |bencher| {
        bencher.iter(|| list_items(black_box(&body), ListKind::Tools));
    });
    group.bench_function("pin every definition", |bencher| {
        bencher.iter(|| {
            definitions.iter().filter_map(|text| definition_pin(text.as_bytes()).ok()).count()
        });
    });
    group.finish();
}
