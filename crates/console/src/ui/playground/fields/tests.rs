//! Schemas become fields, fields arguments, and nothing is lost on the way.

use super::*;

const SCHEMA: &str = r##"{"type": "object", "required": ["amount"],
    "$defs": {"Payee": {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string"}, "a/b": {"type": "object", "properties": {"zip": {"type": "integer"}}}}}},
    "properties": {
        "amount": {"type": "number", "minimum": 0, "maximum": 500}, "note": {"type": "string"},
        "currency": {"enum": ["EUR", "USD"]}, "level": {"enum": [1, 2.0, null]}, "urgent": {"type": "boolean"},
        "to": {"anyOf": [{"$ref": "#/$defs/Payee"}, {"type": "null"}]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "sums": {"type": "array", "items": {"type": "number"}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {}}}},
        "free": {"type": "object"}, "x": {}}}"##;

fn members(pairs: &[(&str, &str)]) -> Members {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What a browser sends of the fields.
fn sent(fields: &[Field]) -> Members {
    fields.iter().map(|field| (field.sent_as.clone(), field.value.clone())).collect()
}

#[track_caller]
fn field<'f>(fields: &'f [Field], name: &str) -> &'f Field {
    fields.iter().find(|field| field.name == name).unwrap_or_else(|| panic!("{name}: {fields:?}"))
}

#[test]
fn every_argument_has_a_field_that_fits_it() {
    let fields = fields(Some(SCHEMA), "{}");
    let found: Vec<_> = fields.iter().map(|f| (f.sent_as.as_str(), f.hint.as_str())).collect();
    assert_eq!(
        found,
        [
            ("arg.amount", "number, 0 to 500"),
            ("arg.note", "text"),
            ("arg.currency", "one of what its schema lists"),
            ("arg.level", "one of what its schema lists"),
            ("arg.urgent", "true or false"),
            ("arg.to/name", "text"),
            ("arg.to/a~1b/zip", "whole number"),
            ("arg.tags", "list, one element in a line"),
            ("arg.sums", "list, one element in a line"),
            ("json.lines", "list, as JSON"),
            ("json.free", "object, as JSON"),
            ("json.x", "JSON"),
        ]
    );
    assert!(field(&fields, "amount").required && !field(&fields, "note").required);
    assert_eq!(field(&fields, "currency").words(), ["EUR", "USD"]);
    assert_eq!(field(&fields, "level").words(), ["1", "2.0", "null"]);
    assert_eq!(field(&fields, "to › a/b › zip").kind, Kind::Number);
    // Nothing typed is nothing given.
    assert_eq!(arguments(Some(SCHEMA), "", &sent(&fields)).unwrap(), "{}");
}

#[test]
fn what_is_typed_becomes_arguments_with_numbers_as_they_were_typed() {
    let typed = members(&[
        ("arg.amount", "1.50"),
        ("arg.note", "say \"hi\""),
        ("arg.currency", "EUR"),
        ("arg.level", "2.0"),
        ("arg.urgent", "true"),
        ("arg.to/name", "Mara"),
        ("arg.to/a~1b/zip", "08001"),
        ("arg.tags", "a\r\n b \r\n\r\n5"),
        ("arg.sums", "1.0\n9007199254740993"),
        ("json.lines", "[{\"n\": 1e0}]"),
        ("json.x", ""),
        ("arg.unknown", "1"),
        ("tool", "pay"),
    ]);
    // A leading zero is no JSON number: it is said, not mended.
    let wrong = arguments(Some(SCHEMA), "", &typed).unwrap_err().to_string();
    assert_eq!(wrong, "the argument `to › a/b › zip` is no JSON");
    let typed: Members = typed.into_iter().filter(|(_, value)| value != "08001").collect();
    assert_eq!(
        arguments(Some(SCHEMA), "", &typed).unwrap(),
        r#"{ "amount": 1.50, "note": "say \"hi\"", "currency": "EUR", "level": 2.0, "urgent": true, "to": { "name": "Mara" }, "tags": ["a", "b", "5"], "sums": [1.0, 9007199254740993], "lines": [{"n": 1e0}] }"#
    );
}

#[test]
fn arguments_pass_through_the_fields_unchanged_whatever_they_are() {
    for held in [
        r#"{ "amount": 1e0, "note": "a", "to": { "name": "M", "more": [1, 1.0] }, "beyond": { "a": 1 } }"#,
        // Of other types than the schema says, and what a field of one line would change.
        r#"{ "amount": "1", "note": 5, "currency": "GBP", "level": 2, "urgent": "true", "to": null, "tags": "a", "sums": ["1"] }"#,
        r#"{ "note": "two\nlines", "to": 5, "tags": ["", " a", "b\nc"], "sums": [], "lines": [], "x": null }"#,
        r#"{ "amount": 1e400, "note": "", "to": {  }, "tags": [1], "free": {"b": {"c": {"d": {"e": {}}}}} }"#,
        "{}",
    ] {
        let held = &arguments(Some(SCHEMA), held, &Vec::new()).unwrap();
        let fields = fields(Some(SCHEMA), held);
        assert_eq!(&arguments(Some(SCHEMA), held, &sent(&fields)).unwrap(), held, "{fields:?}");
    }
}

#[test]
fn an_emptied_field_takes_its_argument_away_and_nothing_else() {
    let held = r#"{ "amount": 1, "to": { "name": "M" }, "beyond": true }"#;
    let without = |name: &str| {
        let mut fields = fields(Some(SCHEMA), held);
        let emptied = fields.iter_mut().find(|field| field.name == name).unwrap();
        emptied.value.clear();
        arguments(Some(SCHEMA), held, &sent(&fields)).unwrap()
    };
    assert_eq!(without("amount"), r#"{ "to": { "name": "M" }, "beyond": true }"#);
    assert_eq!(without("to › name"), r#"{ "amount": 1, "beyond": true }"#);
}

#[test]
fn what_is_no_json_is_said_and_no_schema_gives_no_fields() {
    let wrong = members(&[("arg.amount", "one")]);
    assert!(matches!(arguments(Some(SCHEMA), "", &wrong), Err(OpError::Invalid(_))));
    assert!(fields(None, "{}").is_empty());
    assert!(fields(Some("["), "{").is_empty());
    assert_eq!(arguments(None, "", &wrong).unwrap(), "{}");
    assert_eq!(arguments(None, r#"{ "a": 1 }"#, &wrong).unwrap(), r#"{ "a": 1 }"#);
}

#[test]
fn an_endless_schema_has_a_bounded_number_of_fields() {
    let schema = r##"{"type": "object", "properties": {"a": {"$ref": "#"}, "b": {"$ref": "#"}, "c": {"$ref": "#"}, "d": {"type": "number"}}}"##;
    let fields = fields(Some(schema), "{}");
    assert_eq!(fields.len(), FIELDS_MAX);
    assert!(fields.iter().all(|field| field.name.split(" › ").count() <= STEPS_MAX));
}
