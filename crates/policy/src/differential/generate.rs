//! Random documents and calls from a small alphabet, so that selectors, keys and values collide often.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value as Json, json};

fn parsed(text: &str) -> Json {
    serde_json::from_str(text).unwrap()
}

/// Values whose comparison is where evaluators differ: spellings of one number, numbers beyond a
/// double and beyond the bounds, strings that look like numbers, twins in structures.
fn scalar() -> impl Strategy<Value = Json> {
    select(vec![
        "null",
        "true",
        "false",
        "0",
        "-0",
        "1",
        "1.0",
        "1e0",
        "10",
        "9.99",
        "10.50",
        "-3",
        "9007199254740992",
        "9007199254740993",
        "1e1001",
        "\"\"",
        "\"a\"",
        "\"A\"",
        "\"ab\"",
        "\"1\"",
        "\"abc\"",
        "\"ä😀\"",
        "\"b\\n\"",
    ])
    .prop_map(parsed)
}

fn key() -> impl Strategy<Value = &'static str> {
    select(vec!["x", "y", "X", "x.y", "X.Y", "z", "ſ", "s", "ß"])
}

pub(crate) fn value() -> impl Strategy<Value = Json> {
    scalar().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Json::Array),
            prop::collection::vec((key(), inner), 0..3).prop_map(object),
        ]
    })
}

fn object(members: Vec<(&'static str, Json)>) -> Json {
    Json::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
}

pub(crate) fn arguments() -> impl Strategy<Value = Json> {
    prop::collection::vec((key(), value()), 0..4).prop_map(object)
}

fn argument_path() -> impl Strategy<Value = String> {
    let step = select(vec![".x", ".y", ".s", "[0]", "[1]", "[*]", "[\"x.y\"]"]);
    prop::collection::vec(step, 0..4).prop_map(|steps| format!("args{}", steps.concat()))
}

fn path(section: &'static str) -> impl Strategy<Value = String> {
    let mut fixed = vec!["grant.label", "grant.tags.x", "client.name", "now.hour", "now.weekday"];
    if section == "tools" {
        fixed.extend(["tool.name", "tool.class", "tool.risk"]);
    }
    prop_oneof![5 => argument_path(), 1 => select(fixed).prop_map(str::to_owned)]
}

fn comparison() -> impl Strategy<Value = (&'static str, Json)> {
    let number = select(vec!["0", "1", "10", "9.99", "9007199254740992", "-3.0"]).prop_map(parsed);
    let text = select(vec!["a", "A", "ab", "", "1", "read", "mon"]).prop_map(Json::from);
    let size = (0u64..3).prop_map(Json::from);
    let bit = any::<bool>().prop_map(Json::from);
    let pattern = select(vec!["^a", "b$", "a.?c", "(?i)A", "."]).prop_map(Json::from);
    let list = prop::collection::vec(value(), 1..4).prop_map(Json::Array);
    prop_oneof![
        (select(vec!["eq", "neq"]), value()),
        (select(vec!["lt", "lte", "gt", "gte"]), number.clone()),
        (select(vec!["in", "not_in"]), list),
        (Just("exists"), bit.clone()),
        (select(vec!["regex", "not_regex"]), pattern),
        (select(vec!["contains", "not_contains"]), prop_oneof![text.clone(), number, bit]),
        (select(vec!["starts_with", "ends_with"]), text),
        (select(vec!["length_lte", "length_gte", "count_lte", "count_gte"]), size),
    ]
    .prop_filter("no number beyond the bounds in a document", |(_, v)| {
        !v.to_string().contains("1e1001") && !v.to_string().contains("1e+1001")
    })
}

fn condition(section: &'static str) -> impl Strategy<Value = Json> {
    let leaf =
        (path(section), comparison(), any::<bool>()).prop_map(|(path, (op, value), matched)| {
            let mut c = json!({"path": path, "op": op, "value": value});
            if matched {
                c["if_missing"] = "match".into();
            }
            c
        });
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|list| json!({ "any": list })),
            inner.prop_map(|c| json!({ "not": c })),
        ]
    })
}

fn rule(section: &'static str, conditions_min: usize) -> impl Strategy<Value = Json> {
    let conditions = prop::collection::vec(condition(section), conditions_min..3);
    let approval = select(vec![None, None, Some(json!(true)), Some(json!(false)), Some(json!({}))]);
    (conditions, approval).prop_map(|(conditions, approval)| {
        let mut rule = json!({ "conditions": conditions });
        if let Some(approval) = approval {
            rule["approval"] = approval;
        }
        rule
    })
}

fn rules(section: &'static str) -> impl Strategy<Value = Json> {
    let action = select(vec![
        None,
        None,
        None,
        None,
        Some("allow"),
        Some("approve"),
        Some("deny"),
        Some("hide"),
    ]);
    let limit = prop::option::weighted(
        0.2,
        argument_path().prop_filter("no star", |p| !p.contains('*') && p != "args"),
    );
    let require = prop::collection::vec(rule(section, 1), 0..3);
    let deny_if = prop::collection::vec(rule(section, 0), 0..3);
    (action, require, deny_if, limit).prop_map(|(action, require, deny_if, limit)| {
        let mut rules = json!({ "require": require, "deny_if": deny_if });
        if let Some(action) = action {
            rules["action"] = action.into();
        }
        if let Some(path) = limit {
            rules["limits"] =
                json!([{ "window": "day", "max": 1_000_000, "increment_from": path }]);
        }
        rules
    })
}

fn section(name: &'static str, selectors: Vec<&'static str>) -> impl Strategy<Value = Json> {
    prop::collection::vec((select(selectors), rules(name)), 0..4).prop_map(object)
}

pub(crate) const TOOLS: [&str; 4] = ["a", "ab", "abb", "@read"];
pub(crate) const URIS: [&str; 7] = [
    "file:///a/b",
    "db://x",
    "file:///a/../b",
    "file:///a%2Fb",
    "DB://x",
    "file:///a%20b",
    "file:a",
];
pub(crate) const PROMPTS: [&str; 2] = ["a", "ab"];

pub(crate) fn document() -> impl Strategy<Value = Json> {
    let tool_selectors =
        vec!["a", "ab", "a*", "*b", "*", "a*b", "@read", "@write", "@high", "@low"];
    let hide = prop::collection::vec(select(vec!["abb", "a*b", "@high", "zz"]), 0..2);
    let all_tools = prop::option::weighted(0.3, rules("tools"));
    (
        select(vec!["allow", "deny"]),
        prop::option::weighted(0.3, hide),
        all_tools,
        section("tools", tool_selectors),
        section("resources", vec!["file:///a/*", "db://x", "*", "file:///a/../b"]),
        section("prompts", vec!["a", "a*"]),
    )
        .prop_map(|(default, hide, all_tools, tools, resources, prompts)| {
            let mut doc = json!({ "version": "1", "default": default, "tools": tools,
                "resources": resources, "prompts": prompts });
            if let Some(hide) = hide {
                doc["hide"] = json!(hide);
            }
            if let Some(mut rules) = all_tools {
                rules.as_object_mut().unwrap().shift_remove("action");
                doc["all_tools"] = rules;
            }
            doc
        })
}
