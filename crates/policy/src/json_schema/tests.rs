//! The published schema and the parser agree, as far as a schema can say it.

use crate::{Document, json_schema};

fn validator() -> jsonschema::Validator {
    let schema: serde_json::Value = serde_json::from_str(json_schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap()
}

fn policies_of_cases() -> Vec<String> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let mut policies = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        // The cases of edits hold texts in lines, and lie in a folder of their own.
        if file.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(file).unwrap();
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            match (case.get("policy"), case.get("policy_text")) {
                (Some(policy), _) if policy.is_object() => policies.push(policy.to_string()),
                (_, Some(text)) => policies.push(text.as_str().unwrap().to_owned()),
                _ => {}
            }
        }
    }
    policies
}

#[test]
fn every_valid_document_satisfies_the_schema() {
    let validator = validator();
    let mut checked = 0;
    for text in policies_of_cases() {
        let Ok(document) = Document::parse(&text) else { continue };
        let json: serde_json::Value = serde_json::from_str(document.canonical()).unwrap();
        let errors: Vec<String> = validator.iter_errors(&json).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{errors:?}\n{text}");
        checked += 1;
    }
    assert!(checked > 100, "only {checked} documents");
}

#[test]
fn mistakes_of_shape_do_not_satisfy_the_schema() {
    let validator = validator();
    for text in [
        r#"{"default":"deny"}"#,
        r#"{"version":1,"default":"deny"}"#,
        r#"{"version":"1","default":"maybe"}"#,
        r#"{"version":"1","default":"deny","tool":{}}"#,
        r#"{"version":"1","default":"deny","tools":{"":{}}}"#,
        r#"{"version":"1","default":"deny","tools":{"@reed":{}}}"#,
        r#"{"version":"1","default":"deny","prompts":{"@read":{}}}"#,
        r#"{"version":"1","default":"deny","resources":{"a":{"validate":"off"}}}"#,
        r#"{"version":"1","default":"deny","all_tools":{"action":"deny"}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"acton":"deny"}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"require":[{"conditions":[]}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"deny_if":[{}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"deny_if":[{"conditions":[{"path":"args.a","op":"lt","value":"5"}]}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"deny_if":[{"conditions":[{"path":"args.a","op":"like","value":5}]}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"deny_if":[{"conditions":[{"any":[]}]}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"limits":[{"window":"year","max":1}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"limits":[{"window":"day","max":1,"increment":1,"increment_from":"args.a"}]}}}"#,
        r#"{"version":"1","default":"deny","tools":{"t":{"rate_limit":"10 / minute"}}}"#,
        r#"{"version":"1","default":"deny","tests":[{"call":{"tool":"t"},"expect":{"verdict":"allow","rule":"x"}}]}"#,
    ] {
        let json: serde_json::Value = serde_json::from_str(text).unwrap();
        assert!(!validator.is_valid(&json), "{text}");
        assert!(Document::parse(text).is_err(), "{text}");
    }
}
