//! What schemas, as they are really written, say of their values.

use serde_json::json;

use super::*;

#[track_caller]
fn check(schema: &Value, kind: &str, said: &str) {
    let part = SchemaPart::of(schema);
    assert_eq!((part.kind(), part.said().as_str()), (kind, said), "{schema}");
}

#[test]
fn types_formats_and_bounds_are_said() {
    check(
        &json!({"type": "integer", "minimum": 1, "maximum": 50}),
        "integer",
        "whole number, 1 to 50",
    );
    check(&json!({"type": "number", "minimum": 0.5}), "number", "number, at least 0.5");
    check(
        &json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 9, "multipleOf": 3}),
        "number",
        "number, more than 0, less than 9, a multiple of 3",
    );
    check(
        &json!({"type": "string", "format": "date", "maxLength": 10}),
        "string",
        "text, format date, at most 10 characters",
    );
    check(&json!({"type": "string", "pattern": "^a$"}), "string", "text, pattern ^a$");
    check(
        &json!({"type": "array", "minItems": 1, "maxItems": 3}),
        "array",
        "list, 1 to 3 elements",
    );
    check(&json!({"type": ["boolean", "null"]}), "boolean", "true or false, may be null");
    check(&json!({"enum": ["a", 1]}), "any", "one of what its schema lists");
    check(&json!({"type": ["string", "number"]}), "any", "");
    check(&json!(true), "any", "");
}

#[test]
fn what_generators_write_for_nested_and_optional_values_is_followed() {
    let schema = json!({
        "$defs": { "Payee": { "type": "object", "description": "Who.", "required": ["name"],
            "properties": { "name": { "type": "string" } } } },
        "properties": {
            "to": { "$ref": "#/$defs/Payee" },
            "copy": { "anyOf": [{ "$ref": "#/$defs/Payee" }, { "type": "null" }], "description": "Also." },
            "either": { "anyOf": [{ "type": "string" }, { "type": "number" }] },
            "endless": { "$ref": "#/properties/endless" },
            "outside": { "$ref": "https://example.com/x" }
        }
    });
    let found: Vec<_> = SchemaPart::of(&schema)
        .members()
        .map(|(name, required, part)| {
            (name, required, part.kind(), part.is_nullable(), part.description())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("to", false, "object", false, Some("Who.")),
            ("copy", false, "object", true, Some("Also.")),
            ("either", false, "any", false, None),
            ("endless", false, "any", false, None),
            ("outside", false, "any", false, None),
        ]
    );
    let to = SchemaPart::of(&schema).members().next().map(|(_, _, part)| part).unwrap();
    assert!(to.members().any(|(name, required, part)| (name, required, part.kind()) == ("name", true, "string")));
}
