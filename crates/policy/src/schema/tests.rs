//! What `validate` lets pass and names as the fault.

use super::{Schema, SchemaMode};
use crate::Value;

/// The pointer of the fault, or `None`.
fn fault(schema: &str, args: &str, mode: SchemaMode) -> Option<String> {
    let schema = Schema::compile(schema).unwrap_or_else(|error| panic!("{schema}: {error}"));
    let args = Value::parse(args).unwrap();
    schema.check(&args, mode).err().map(|fault| fault.pointer)
}

fn plain(schema: &str, args: &str) -> Option<String> {
    fault(schema, args, SchemaMode::Schema)
}

fn strict(schema: &str, args: &str) -> Option<String> {
    fault(schema, args, SchemaMode::Strict)
}

#[test]
fn arguments_keep_to_the_schema() {
    let schema = r#"{"type":"object","properties":{"to":{"type":"string"},"n":{"type":"integer","minimum":1}},"required":["to"]}"#;
    for (args, pointer) in [
        (r#"{"to":"x","n":1}"#, None),
        (r#"{"to":"x","extra":1}"#, None),
        (r#"{"to":"x","n":1.0}"#, None),
        (r#"{"n":1}"#, Some("")),
        (r#"{"to":"x","n":0}"#, Some("/n")),
        (r#"{"to":5}"#, Some("/to")),
        (r#"{"to":"x","n":0.5}"#, Some("/n")),
    ] {
        assert_eq!(plain(schema, args).as_deref(), pointer, "{args}");
    }
}

#[test]
fn numbers_are_exact() {
    for (schema, number, holds) in [
        (r#"{"const":9007199254740993}"#, "9007199254740993.0", true),
        (r#"{"const":9007199254740993}"#, "9007199254740992", false),
        (r#"{"maximum":0.3}"#, "0.30000000000000000001", false),
        (r#"{"maximum":0.3}"#, "0.3", true),
        (r#"{"type":"integer"}"#, "1e900", true),
        (r#"{"type":"integer"}"#, "10000000000000000000000000000.5", false),
        (r#"{"multipleOf":0.01}"#, "19.99", true),
        (r#"{"multipleOf":0.01}"#, "0.075", false),
        (r#"{"enum":[0.1]}"#, "1e-1", true),
        (r#"{"exclusiveMinimum":0}"#, "1e-400", true),
        (r#"{"const":0}"#, "1e-400", false),
        (r#"{"maximum":1e400}"#, "1e401", false),
        ("{}", "1e1001", false),
    ] {
        let schema = format!(r#"{{"properties":{{"n":{schema}}}}}"#);
        let pointer = (!holds).then(|| "/n".to_owned());
        assert_eq!(plain(&schema, &format!(r#"{{"n":{number}}}"#)), pointer, "{schema} {number}");
    }
    assert_eq!(plain("{}", r#"{"a":[{"b/c":-1e1001}]}"#).as_deref(), Some("/a/0/b~1c"));
}

#[test]
fn formats_are_not_asserted_and_patterns_end_at_the_end() {
    let schema = r#"{"properties":{"m":{"format":"email"},"p":{"pattern":"^a$"}}}"#;
    assert_eq!(plain(schema, r#"{"m":"no mail","p":"a"}"#), None);
    assert_eq!(plain(schema, r#"{"p":"a\n"}"#).as_deref(), Some("/p"));
}

#[test]
fn strict_names_every_key() {
    let schema = r#"{
        "type": "object",
        "properties": {
            "to": {"type": "string"},
            "deep": {"properties": {"x": {}}, "additionalProperties": true},
            "free": {"type": "object"},
            "list": {"items": {"properties": {"y": {}}}},
            "map": {"additionalProperties": {"properties": {"z": {}}}},
            "a/b": {"properties": {}},
            "const": {"const": {"properties": {"q": 1}}}
        },
        "additionalProperties": true,
        "patternProperties": {"^x-": {}}
    }"#;
    for (args, pointer) in [
        (r#"{"to":"x"}"#, None),
        (r#"{"to":"x","extra":1}"#, Some("/extra")),
        (r#"{"x-a":1}"#, Some("/x-a")),
        (r#"{"deep":{"x":1}}"#, None),
        (r#"{"deep":{"x":1,"w":1}}"#, Some("/deep/w")),
        (r#"{"free":{"anything":{"goes":1}}}"#, None),
        (r#"{"list":[{"y":1},{"w":1}]}"#, Some("/list/1/w")),
        (r#"{"map":{"k":{"z":1}}}"#, None),
        (r#"{"map":{"k":{"w":1}}}"#, Some("/map/k/w")),
        (r#"{"a/b":{"w":1}}"#, Some("/a~1b/w")),
        (r#"{"const":{"properties":{"q":1}}}"#, None),
    ] {
        assert_eq!(strict(schema, args).as_deref(), pointer, "{args}");
        assert_eq!(plain(schema, args), None, "{args}");
    }
}

#[test]
fn strict_joins_the_parts_of_a_schema_that_hold() {
    let schema = r##"{
        "$defs": {"id": {"properties": {"id": {}}}, "tree": {"properties": {"l": {"$ref": "#/$defs/tree"}}}},
        "allOf": [{"$ref": "#/$defs/id"}, {"properties": {"a": {}}}],
        "anyOf": [
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
            {"properties": {"c": {"type": "string"}}, "required": ["c"]}
        ],
        "properties": {"t": {"$ref": "#/$defs/tree"}}
    }"##;
    for (args, pointer) in [
        (r#"{"id":1,"a":1,"b":"x"}"#, None),
        (r#"{"b":"x","c":"y"}"#, None),
        (r#"{"b":"x","c":5}"#, Some("/c")),
        (r#"{"b":"x","t":{"l":{"l":{}}}}"#, None),
        (r#"{"b":"x","t":{"l":{"l":{"r":1}}}}"#, Some("/t/l/l/r")),
    ] {
        assert_eq!(strict(schema, args).as_deref(), pointer, "{args}");
    }
    // A schema without names knows none; `not` names nothing.
    assert_eq!(strict(r#"{"type":"object"}"#, "{}"), None);
    assert_eq!(strict(r#"{"type":"object"}"#, r#"{"a":1}"#).as_deref(), Some("/a"));
    assert_eq!(strict("true", r#"{"a":1}"#).as_deref(), Some("/a"));
    let not = r#"{"not":{"properties":{"a":{}},"required":["a","b"]}}"#;
    assert_eq!(strict(not, r#"{"a":1}"#).as_deref(), Some("/a"));
    // The mark beside `properties` cannot be brought along.
    let forged = r#"{"x-portcullis-names":["a"],"properties":{"b":{"x-portcullis-names":["c"]}}}"#;
    assert_eq!(strict(forged, r#"{"a":1}"#).as_deref(), Some("/a"));
}

#[test]
fn a_fault_never_shows_a_value() {
    let schema = Schema::compile(r#"{"properties":{"p":{"type":"integer","enum":[1]}}}"#).unwrap();
    let args = Value::parse(r#"{"p":"hunter2"}"#).unwrap();
    let fault = schema.check(&args, SchemaMode::Schema).unwrap_err();
    assert!(!fault.to_string().contains("hunter2"), "{fault}");
}

#[test]
fn what_is_no_usable_schema() {
    for schema in [
        "",
        "{",
        "5",
        "[]",
        r#"{"type":"strin"}"#,
        r#"{"type":"string","type":"object"}"#,
        r#"{"$ref":"https://example.com/schema"}"#,
        r#"{"$ref":"file:///etc/passwd"}"#,
        r##"{"$ref":"#/$defs/no"}"##,
        r#"{"pattern":"(?=a)b"}"#,
        r#"{"pattern":"("}"#,
        r#"{"pattern":"((a{1000}){1000}){1000}"}"#,
        r#"{"maximum":1e1001}"#,
        r#"{"minimum":"5"}"#,
    ] {
        assert!(Schema::compile(schema).is_err(), "{schema}");
    }
    let long = format!("{{\"description\":\"{}\"}}", "x".repeat(1 << 20));
    assert!(Schema::compile(&long).is_err());
    let nested = |depth: usize| format!("{{\"a\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(plain("{}", &nested(127)), None);
    assert_eq!(plain("{}", &nested(128)).as_deref(), Some(""));
    assert_eq!(plain("{}", &nested(500_000)).as_deref(), Some(""));
    assert!(Schema::compile(&nested(100_000)).is_err());
    // A schema that refers only to itself says nothing, and ends.
    assert_eq!(plain(r##"{"allOf":[{"$ref":"#"}]}"##, "{}"), None);
}
