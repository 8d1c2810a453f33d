use super::*;

const SCHEMA: &str = r#"{"type": "object", "required": ["amount"], "properties": {
    "amount": {"type": "number"}, "note": {"type": "string"}, "currency": {"enum": ["EUR", "USD"]}, "x": {}}}"#;

fn members(pairs: &[(&str, &str)]) -> Members {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn fields_become_arguments_and_arguments_fields() {
    let typed = members(&[
        ("arg.amount", "1.50"),
        ("arg.note", "say \"hi\""),
        ("arg.currency", "EUR"),
        ("arg.x", ""),
        ("arg.unknown", "1"),
        ("tool", "pay"),
    ]);
    let text = arguments(Some(SCHEMA), &typed).unwrap();
    assert_eq!(text, r#"{ "amount": 1.50, "note": "say \"hi\"", "currency": "EUR" }"#);
    let fields = fields(Some(SCHEMA), &text);
    let held: Vec<_> =
        fields.iter().map(|field| (field.name.as_str(), field.value.as_str())).collect();
    assert!(held.contains(&("note", "say \"hi\"")) && held.contains(&("x", "")), "{held:?}");
    assert!(fields.iter().any(|field| field.required && field.name == "amount"));
    assert!(fields.iter().any(|field| field.words() == ["EUR", "USD"]));
}

#[test]
fn what_is_no_json_is_said_and_no_schema_gives_no_fields() {
    let wrong = members(&[("arg.amount", "one")]);
    assert!(matches!(arguments(Some(SCHEMA), &wrong), Err(OpError::Invalid(_))));
    assert!(fields(None, "{}").is_empty());
    assert!(fields(Some("["), "{").is_empty());
    assert_eq!(arguments(None, &wrong).unwrap(), "{}");
}
