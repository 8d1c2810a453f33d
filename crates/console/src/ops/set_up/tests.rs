use policy::Class;
use serde_json::json;
use store::{PinLine, PinState, ServerSlug};

use super::{Answer, Claims, Plan, document, simple};
use crate::ops::recommend;

fn line(tool: &str, class: Option<Class>) -> PinLine {
    PinLine {
        server: ServerSlug::parse("pay").unwrap(),
        tool: tool.to_owned(),
        state: PinState::Quarantined,
        is_new: true,
        digest: "00".to_owned(),
        class,
        risk: None,
    }
}

#[test]
fn every_answer_reads_back_as_itself() {
    let classes = [
        None,
        Some(Class::Read),
        Some(Class::Write),
        Some(Class::Execute),
        Some(Class::Destructive),
        Some(Class::Financial),
    ];
    for class in classes {
        for answer in Answer::CHOICES {
            let rules = answer.rules("pay", class).unwrap();
            let read = Answer::of(&rules, "pay", class);
            // Where the recommendation is the same, the choice is the recommended one.
            let same = Some(&rules) == recommend::for_tool("pay", class).rules.as_ref();
            assert_eq!(read, if same { Answer::Recommended } else { answer }, "{class:?}");
            assert_eq!(Answer::parse(answer.as_str()), Some(answer));
        }
        assert_eq!(Answer::Allow.rules("@all", class), None, "no selector is its name");
    }
    for own in [
        json!({ "limits": [] }),
        json!({ "action": "approve", "validate": "strict" }),
        json!({ "action": "deny", "reason": "no" }),
        json!([]),
    ] {
        assert_eq!(Answer::of(&own, "pay", None), Answer::Own, "{own}");
    }
}

#[test]
fn what_nobody_chose_is_the_recommended_document() {
    let lines = [line("a", Some(Class::Read)), line("b", None), line("@c", None)];
    let plan = Plan {
        name: store::PolicyName::parse("pay-recommended").unwrap(),
        is_begun: false,
        rules: Some(std::collections::BTreeMap::new()),
        text: None,
    };
    let wanted = recommend::document(lines.iter().map(|line| (line.tool.as_str(), line.class)));
    assert_eq!(plan.text(&lines), wanted);
    assert_eq!(simple(&wanted).unwrap().len(), 2);
    assert!(lines.iter().all(|line| plan.answer(line) == Answer::Recommended));
    assert_eq!(document(&[], |_line| None), recommend::document([]));
}

#[test]
fn a_text_that_says_more_is_the_builders() {
    for more in [
        r#"{"version": "1", "default": "allow", "tools": {}}"#,
        r#"{"version": "1", "default": "deny", "tools": {}, "all_tools": {}}"#,
        r#"{"version": "1", "default": "deny", "tools": {"*": {}}}"#,
        r#"{"version": "1", "default": "deny", "tools": {} /* mine */}"#,
        r#"{"version": "1", "default": "deny"}"#,
        "{",
    ] {
        assert!(simple(more).is_none(), "{more}");
    }
}

#[test]
fn a_claim_is_taken_only_as_it_is_made() {
    let says = |annotations: &str| {
        Claims::of(&format!(r#"{{"name": "x", "annotations": {annotations}}}"#)).says_only_reads()
    };
    assert!(says(r#"{"readOnlyHint": true}"#));
    assert!(says(r#"{"readOnlyHint": true, "destructiveHint": false}"#));
    for no in [
        r#"{"readOnlyHint": true, "destructiveHint": true}"#,
        r#"{"readOnlyHint": "true"}"#,
        r#"{"readOnlyHint": false}"#,
        r#"{"destructiveHint": false}"#,
        "{}",
        "null",
        "[true]",
    ] {
        assert!(!says(no), "{no}");
    }
    assert_eq!(Claims::of("no json"), Claims::default());
}
