use serde_json::{Value as Json, json};

use super::*;
use crate::{Document, ToolFacts};

fn outlook(doc: &Json, name: &str) -> Outlook {
    let document = Document::parse(&doc.to_string()).unwrap();
    let tool = ToolFacts { name, class: None, risk: None, schema: None };
    Policy::compile(&document).outlook(&Target::Tool(tool))
}

#[test]
fn each_standing_has_its_word() {
    let doc = json!({ "version": "1", "default": "deny", "hide": ["h"], "tools": {
        "a": {}, "d": { "action": "deny" }, "p": { "action": "approve" }, "x": { "action": "hide" }, "h": {} } });
    for (name, word) in [
        ("a", OutlookWord::Allowed),
        ("d", OutlookWord::Denied),
        ("p", OutlookWord::Asks),
        ("x", OutlookWord::Hidden),
        ("h", OutlookWord::Hidden),
        ("other", OutlookWord::Unlisted),
    ] {
        assert_eq!(outlook(&doc, name).word, word, "{name}");
    }
    let none = Policy::deny_all(DenyAll::NoPolicy);
    assert_eq!(none.outlook(&Target::Prompt { name: "a" }).word, OutlookWord::Nothing);
}

#[test]
fn the_same_said_elsewhere_is_the_same() {
    let rule = json!({ "conditions": [{ "path": "args.n", "op": "lte", "value": 10 }] });
    let named = json!({ "id": "small", "conditions": rule["conditions"], "on_deny": "too much" });
    let limit = json!({ "counter": "c", "window": "day", "max": 3 });
    let exact = json!({ "version": "1", "default": "deny", "tools": {
        "t": { "require": [rule], "limits": [limit], "validate": "schema" } } });
    let glob = json!({ "version": "1", "default": "deny",
        "all_tools": { "limits": [limit] },
        "tools": { "t*": { "require": [named], "validate": "schema" } } });
    assert_eq!(outlook(&exact, "t"), outlook(&glob, "t"));
    let parts = outlook(&exact, "t").parts;
    assert_eq!(
        parts.iter().map(|part| part.kind).collect::<Vec<_>>(),
        ["limit", "require", "validate"]
    );
    let waived = json!({ "version": "1", "default": "deny", "tools": { "t": {
        "require": [{ "conditions": rule["conditions"], "approval": true }],
        "limits": [limit], "validate": "schema" } } });
    assert_ne!(outlook(&exact, "t"), outlook(&waived, "t"));
}
