//! What a recorded call offers, and what becomes of a text when somebody agrees.

use policy::{Document, UnixMillis};
use store::AuditKind;

use super::*;

fn entry(method: &str, name: &str, arguments: &str) -> AuditEntry {
    AuditEntry {
        seq: 7,
        kind: AuditKind::Decision,
        time: UnixMillis(1_767_225_600_000),
        request_id: "r".to_owned(),
        grant: Some("agent".to_owned()),
        grant_id: Some("g".to_owned()),
        server: Some("pay".to_owned()),
        session: None,
        client: Some("cli/1.2".to_owned()),
        method: Some(method.to_owned()),
        tool: Some(name.to_owned()),
        risk: None,
        arguments_json: Some(arguments.to_owned()),
        policy: Some("p".to_owned()),
        policy_version: Some(1),
        revision: 1,
        verdict: "allow".to_owned(),
        reason: None,
        rule: None,
        message: None,
        trace_json: None,
        approval_id: None,
        would: None,
        outcome: None,
        upstream_status: None,
        error_code: None,
        latency_ms: None,
        request_bytes: None,
        answer_bytes: None,
    }
}

const ARGUMENTS: &str = r#"{"amount": 12.50, "note": "[redacted]", "to": {"name": "Eve", "a.b": true}, "tags": ["x"], "none": null}"#;
const LISTED: &str =
    "{\n  \"version\": \"1\", // mine\n  \"default\": \"deny\",\n  \"tools\": { \"p*\": {} }\n}\n";

fn rule(refusal: Refusal, conditions: &[Suggested]) -> NewRule {
    let chosen = |one: &Suggested| Chosen {
        path: one.path.clone(),
        op: one.ops[0].0.to_owned(),
        value: one.value.clone(),
    };
    let conditions = conditions.iter().filter(|one| one.chosen).map(chosen).collect();
    NewRule { refusal, conditions, message: Some("Not again.".to_owned()) }
}

#[test]
fn every_argument_that_was_kept_is_offered_as_it_was_sent() {
    let from = offered(&entry("tools/call", "pay", ARGUMENTS)).unwrap();
    let offered: Vec<(&str, &str, bool)> = from
        .conditions
        .iter()
        .map(|one| (one.path.as_str(), one.value.as_str(), one.chosen))
        .collect();
    assert_eq!(
        offered,
        [
            ("args.amount", "12.50", true),
            ("args.to.name", "\"Eve\"", true),
            ("args.to[\"a.b\"]", "true", true),
            ("args.tags", "[\"x\"]", false),
        ]
    );
    assert_eq!((from.left, from.verdict), (1, "allow"));
    assert!(super::offered(&entry("tools/list", "x", "{}")).is_err());
}

#[test]
fn a_rule_goes_into_the_text_and_nothing_else_changes() {
    let from = offered(&entry("tools/call", "pay", ARGUMENTS)).unwrap();
    let text = put_rule(LISTED, &from, rule(Refusal::Deny, &from.conditions)).unwrap();
    assert!(
        text.starts_with("{\n  \"version\": \"1\", // mine\n  \"default\": \"deny\",\n"),
        "{text}"
    );
    let form = edit::form(&text).unwrap();
    let entry = form.entry(&Block::Tools("pay".to_owned())).unwrap();
    assert_eq!(
        entry.deny_if[0].sentence.0,
        "A call is denied if `amount` is 12.50 and `to.name` is \"Eve\" and `to[\"a.b\"]` is true."
    );
    assert_eq!(entry.deny_if[0].on_deny.as_deref(), Some("Not again."));
    let asks = put_rule(LISTED, &from, rule(Refusal::Ask, &from.conditions)).unwrap();
    assert!(asks.contains("\"approval\": true"), "{asks}");
    let alone = put_rule(LISTED, &from, rule(Refusal::Others, &from.conditions)).unwrap();
    assert!(alone.contains("\"require\""), "{alone}");
}

#[test]
fn a_rule_opens_no_tool_that_nobody_listed() {
    let closed = r#"{"version":"1","default":"deny","tools":{"@read":{}}}"#;
    let mut from = offered(&entry("tools/call", "pay", ARGUMENTS)).unwrap();
    for refusal in [Refusal::Deny, Refusal::Ask] {
        let refused = put_rule(closed, &from, rule(refusal, &from.conditions)).unwrap_err();
        assert_eq!(refused.to_string(), "no entry lists this, so its calls are denied already");
    }
    let nothing_chosen = rule(Refusal::Others, &[]);
    assert!(put_rule(closed, &from, nothing_chosen).is_err());
    // Only such calls are to pass: that is said by somebody who knows it.
    assert!(put_rule(closed, &from, rule(Refusal::Others, &from.conditions)).is_ok());
    from.class = Some(Class::Read);
    assert!(put_rule(closed, &from, rule(Refusal::Deny, &from.conditions)).is_ok());
}

#[test]
fn a_call_becomes_a_test_with_its_numbers_as_they_were() {
    for (method, name) in
        [("tools/call", "pay"), ("resources/read", "file:///a"), ("prompts/get", "p")]
    {
        let entry = entry(method, name, r#"{"amount": 12.50}"#);
        let from = offered(&entry).unwrap();
        let test = NewTest {
            name: "it <b>\"works\"".to_owned(),
            arguments: from.arguments.clone(),
            verdict: "allow".to_owned(),
        };
        let text = put_test(LISTED, (&from, &entry), &test).unwrap();
        assert_eq!(Document::parse(&text).unwrap().tests().len(), 1, "{text}");
        assert_eq!(text.contains("12.50"), method != "resources/read", "{text}");
        assert!(text.contains("2026-01-01T00:00:00Z"), "{text}");
        let wrong = NewTest { verdict: "perhaps".to_owned(), ..test };
        assert!(put_test(LISTED, (&from, &entry), &wrong).is_err());
    }
}
