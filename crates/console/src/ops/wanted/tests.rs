use std::collections::BTreeMap;

use policy::{ClientFacts, Facts, GrantFacts, UnixMillis};
use serde_json::json;

use super::{Wanted, client, conditions};

fn wanted(path: &str, wanted: &str, found: Option<&str>) -> Wanted {
    Wanted { path: path.to_owned(), wanted: wanted.to_owned(), found: found.map(str::to_owned) }
}

#[test]
fn a_rule_is_found_by_its_pointer_and_by_its_id() {
    let document = json!({ "version": "1", "default": "deny", "tools": { "pay": {
        "require": [{ "conditions": [
            { "path": "args.amount", "op": "lte", "value": 100 },
            { "path": "args.to", "op": "in", "value": ["a", "b"] },
        ] }],
        "deny_if": [{ "id": "odd", "conditions": [
            { "not": { "any": [{ "path": "client.name", "op": "eq", "value": "x" }] } },
            { "path": "args.items[*].price", "op": "gt", "value": 1 },
        ] }],
    } } });
    let args = policy::Value::parse(r#"{"amount":250,"items":[{"price":2}]}"#).unwrap();
    let facts = Facts {
        args: &args,
        tool: None,
        grant: GrantFacts { label: "g", tags: &BTreeMap::new() },
        client: ClientFacts { name: Some("cursor"), version: None },
        now: UnixMillis(0),
    };
    assert_eq!(
        conditions(&document, "/tools/pay/require/0", &facts),
        [
            wanted("args.amount", "lte 100", Some("250")),
            wanted("args.to", "in [\"a\",\"b\"]", None),
        ]
    );
    assert_eq!(
        conditions(&document, "odd", &facts),
        [
            wanted("client.name", "not eq \"x\"", Some("\"cursor\"")),
            wanted("args.items[*].price", "gt 1", None),
        ]
    );
    for nothing in ["/tools/pay/action", "/default", "no such", ""] {
        assert_eq!(conditions(&document, nothing, &facts), []);
    }
}

#[test]
fn a_client_is_taken_apart_as_it_was_written() {
    assert_eq!(client(Some("claude-code/1.0.0")), (Some("claude-code"), Some("1.0.0")));
    assert_eq!(client(Some("cursor")), (Some("cursor"), None));
    assert_eq!(client(None), (None, None));
}
