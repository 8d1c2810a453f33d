//! The strict parser, the builder, and the walk over their arena.

use proptest::prelude::*;

use super::{BuildError, JSON_DEPTH_MAX, JsonError, JsonKind, Node, Value};

/// Any JSON, as text with unique keys.
pub(crate) fn json() -> impl Strategy<Value = serde_json::Value> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        (any::<i32>(), -1200_i32..1200).prop_map(|(n, e)| format!("{n}e{e}")),
        (any::<i16>(), 0_u32..100_000).prop_map(|(n, f)| format!("{n}.{f}")),
    ];
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(serde_json::Value::Bool),
        number.prop_map(|text| serde_json::from_str(&text).unwrap()),
        ".{0,8}".prop_map(serde_json::Value::String),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(serde_json::Value::Array),
            prop::collection::vec(("[a-cA-C.\"ſß]{0,3}", inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

fn to_serde(node: Node<'_>) -> serde_json::Value {
    match node.kind() {
        JsonKind::Null => serde_json::Value::Null,
        JsonKind::Bool => node.as_bool().unwrap().into(),
        JsonKind::Number => serde_json::from_str(node.number_text().unwrap()).unwrap(),
        JsonKind::String => node.as_str().unwrap().into(),
        JsonKind::Array => node.elements().map(to_serde).collect(),
        JsonKind::Object => node.members().map(|(key, node)| (key, to_serde(node))).collect(),
    }
}

fn rebuild<'a>(node: Node<'a>, builder: &mut super::ValueBuilder<'a>) {
    match node.kind() {
        JsonKind::Null => builder.null(),
        JsonKind::Bool => builder.bool(node.as_bool().unwrap()),
        JsonKind::Number => builder.number(node.number_text().unwrap()),
        JsonKind::String => builder.string(node.as_str().unwrap()),
        JsonKind::Array => {
            builder.begin_array();
            node.elements().for_each(|element| rebuild(element, builder));
            builder.end_array();
        }
        JsonKind::Object => {
            builder.begin_object();
            for (key, member) in node.members() {
                builder.key(key);
                rebuild(member, builder);
            }
            builder.end_object();
        }
    }
}

proptest! {
    #[test]
    fn what_is_parsed_is_what_was_written(value in json()) {
        let text = value.to_string();
        let parsed = Value::parse(&text).unwrap();
        prop_assert_eq!(to_serde(parsed.root()), value.clone());
        let mut builder = Value::builder();
        rebuild(parsed.root(), &mut builder);
        prop_assert_eq!(to_serde(builder.finish().unwrap().root()), value.clone());
        prop_assert_eq!(to_serde(parsed.into_owned().root()), value);
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in r#"([\[\]{}",:\\u0-9eE+.\-a-f \t]|true|false|null){0,24}"#) {
        let ours = Value::parse(&text).is_ok();
        let theirs = serde_json::from_str::<serde_json::Value>(&text).is_ok();
        // Stricter only where a key stands twice.
        if ours != theirs {
            prop_assert!(matches!(Value::parse(&text), Err(JsonError::DuplicateKey { .. })), "{text}");
        }
    }
}

#[test]
fn accepts_what_json_allows() {
    for text in [
        " 1 ",
        "-0",
        "0.0",
        "1e5",
        "1E+5",
        "1e-5",
        "\"\"",
        "\"\\u00e4\\ud83d\\ude00\\/\"",
        "[]",
        "{}",
        "[ ]",
        "{ }",
        "[1 , 2]",
        "{\"a\":1,\"A\":2}",
        "\t\n\r null",
        "\"\u{7f}\u{feff}\"",
    ] {
        assert!(Value::parse(text).is_ok(), "{text}");
    }
}

#[test]
fn refuses_what_json_does_not_allow() {
    for text in [
        "",
        " ",
        "01",
        "-",
        "+1",
        ".5",
        "1.",
        "1e",
        "1e+",
        "--1",
        "0x10",
        "NaN",
        "Infinity",
        "nul",
        "True",
        "[1,]",
        "[,1]",
        "[1 2]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{a:1}",
        "{'a':1}",
        "{\"a\" 1}",
        "[",
        "{",
        "]",
        "[1}",
        "\"",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u+123\"",
        "\"a\nb\"",
        "\"\u{0}\"",
        "1 2",
        "null,",
        "\u{feff}1",
        "\u{b}1",
        "/**/1",
        "[1]x",
    ] {
        assert!(
            matches!(Value::parse(text), Err(JsonError::Syntax { .. })),
            "{text:?}: {:?}",
            Value::parse(text)
        );
    }
}

#[test]
fn a_key_stands_once_at_any_depth_however_it_is_written() {
    for text in [r#"{"a":1,"a":1}"#, r#"{"a":1,"\u0061":2}"#, r#"[{"x":{"b":[],"c":1,"b":null}}]"#]
    {
        assert!(matches!(Value::parse(text), Err(JsonError::DuplicateKey { .. })), "{text}");
    }
    let mut many: Vec<String> = (0..500).map(|n| format!("\"k{n}\":{n}")).collect();
    assert!(Value::parse(&format!("{{{}}}", many.join(","))).is_ok());
    many.push("\"k250\":1".to_owned());
    let twice = format!("{{{}}}", many.join(","));
    let error = Value::parse(&twice).unwrap_err();
    assert_eq!(error, JsonError::DuplicateKey { key: "k250".to_owned() });
}

#[test]
fn lone_surrogates_are_refused() {
    for text in
        [r#""\ud800""#, r#""\udc00""#, r#""\ud800x""#, r#""\ud800\u0041""#, r#"{"\udfff":1}"#]
    {
        assert!(matches!(Value::parse(text), Err(JsonError::LoneSurrogate { .. })), "{text}");
    }
}

#[test]
fn nesting_is_bounded_but_not_by_the_stack() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    let deep = nested(JSON_DEPTH_MAX);
    let value = Value::parse(&deep).unwrap();
    assert!(value.root().is_deeper_than(JSON_DEPTH_MAX - 1));
    assert!(!value.root().is_deeper_than(JSON_DEPTH_MAX));
    assert_eq!(crate::canonical_json(value.root()), deep);
    drop(value.into_owned());
    let deeper = nested(JSON_DEPTH_MAX + 1);
    assert_eq!(Value::parse(&deeper).unwrap_err(), JsonError::TooDeep);
    let mut builder = Value::builder();
    (0..=JSON_DEPTH_MAX).for_each(|_| builder.begin_array());
    (0..=JSON_DEPTH_MAX).for_each(|_| builder.end_array());
    assert_eq!(builder.finish().unwrap_err(), BuildError::TooDeep);
    for (text, depth) in [("1", 0), ("[]", 1), ("{\"a\":[1,[2]],\"b\":[[]]}", 3), ("[[],[],[]]", 2)]
    {
        let value = Value::parse(text).unwrap();
        assert!(!value.root().is_deeper_than(depth), "{text}");
        assert!(depth == 0 || value.root().is_deeper_than(depth - 1), "{text}");
    }
}

#[test]
fn strings_without_escapes_are_borrowed() {
    let text = r#"["plain", "\n"]"#.to_owned();
    let value = Value::parse(&text).unwrap();
    let first = value.root().elements().next().unwrap().as_str().unwrap();
    assert!(text.as_bytes().as_ptr_range().contains(&first.as_ptr()));
}

#[test]
fn a_builder_refuses_what_makes_no_value() {
    let unbalanced: [fn(&mut super::ValueBuilder<'_>); 8] = [
        |_| {},
        |b| b.begin_object(),
        |b| b.end_array(),
        |b| {
            b.null();
            b.null();
        },
        |b| {
            b.begin_object();
            b.null();
            b.end_object();
        },
        |b| {
            b.begin_object();
            b.key("a");
            b.end_object();
        },
        |b| {
            b.begin_array();
            b.end_object();
        },
        |b| b.key("a"),
    ];
    for parts in unbalanced {
        let mut builder = Value::builder();
        parts(&mut builder);
        assert_eq!(builder.finish().unwrap_err(), BuildError::Unbalanced);
    }
    let mut builder = Value::builder();
    builder.number("1.");
    assert!(matches!(builder.finish(), Err(BuildError::BadNumber { .. })));
    let mut builder = Value::builder();
    builder.begin_object();
    for _ in 0..2 {
        builder.key("k");
        builder.bool(true);
    }
    builder.end_object();
    assert_eq!(builder.finish().unwrap_err(), BuildError::DuplicateKey { key: "k".to_owned() });
}

#[test]
fn a_part_can_be_taken_out() {
    let value = Value::parse(r#"{"a":[1,{"b":[2,3]},4],"c":5}"#).unwrap();
    let part = value.root().get("a").unwrap().elements().nth(1).unwrap().to_value();
    assert_eq!(to_serde(part.root()).to_string(), r#"{"b":[2,3]}"#);
    assert_eq!(value.root().numbers().collect::<Vec<_>>(), ["1", "2", "3", "4", "5"]);
    let inner = value.root().get("a").unwrap();
    assert_eq!(inner.numbers().count(), 4);
    assert_eq!(Value::object().root().len(), 0);
}

/// The wire's own cases: what a client may send is read here too, and what is not JSON is not. Numbers
/// beyond a double and deep nesting are refused on the wire alone.
#[test]
fn reads_what_the_wire_lets_through() {
    let mut seen = 0;
    for line in include_str!("../../../mcp/testdata/json.jsonl").lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(text) = case["text"].as_str() else { continue };
        let name = case["name"].as_str().unwrap();
        let wire_only = matches!(case["kind"].as_str(), Some("Number" | "Limits"));
        let parsed = Value::parse(text);
        assert_eq!(parsed.is_ok(), name.starts_with('y') || wire_only, "{name}: {parsed:?}");
        if let (Ok(value), Some(means)) = (&parsed, case["means"].as_str()) {
            assert_eq!(value.root().as_str(), Some(means), "{name}");
        }
        seen += 1;
    }
    assert!(seen >= 350, "{seen}");
}
