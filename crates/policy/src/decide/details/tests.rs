use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{ClientFacts, Document, GrantFacts, Target, ToolFacts, UnixMillis, Value};

#[test]
fn every_condition_says_what_it_wants_and_what_it_found() {
    let doc = json!({ "version": "1", "default": "deny", "tools": { "t": {
        "require": [{ "id": "small", "conditions": [
            { "path": "args.n", "op": "lte", "value": 10 },
            { "any": [
                { "path": "args.to", "op": "in", "value": ["a", "b"] },
                { "not": { "path": "args.x[*]", "op": "exists", "value": true } } ] } ] }],
        "deny_if": [{ "conditions": [{ "path": "args.note", "op": "eq", "value": "x", "if_missing": "match" }] }] } } });
    let document = Document::parse(&doc.to_string()).unwrap();
    let args = Value::parse(r#"{"n": 12, "to": "c"}"#).unwrap();
    let tags = BTreeMap::new();
    let call = Call {
        target: Target::Tool(ToolFacts { name: "t", class: None, risk: None, schema: None }),
        args: &args,
        grant: GrantFacts { label: "g", tags: &tags },
        client: ClientFacts::default(),
        now: UnixMillis(0),
    };
    let found = details(&Policy::compile(&document), &call);
    let lines: Vec<String> = found
        .iter()
        .map(|detail| {
            let found = detail.found.as_deref().unwrap_or("-");
            format!(
                "{} {} {} | {} | {found} | {:?}",
                detail.rule, detail.depth, detail.asks, detail.wanted, detail.truth
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            "small 0 args.n lte | 10 | 12 | False",
            "small 0 any of |  | - | True",
            "small 1 args.to in | [\"a\", \"b\"] | \"c\" | False",
            "small 1 not |  | - | True",
            "small 2 args.x[*] exists | true | - | False",
            "/tools/t/deny_if/0 0 args.note eq (or missing) | \"x\" | - | True",
        ]
    );
}
