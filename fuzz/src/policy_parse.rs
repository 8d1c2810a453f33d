//! Policy documents from any text: reading never panics, problems point into the text, what is read
//! has one canonical form, and that form decides like the author's text.

use std::collections::BTreeMap;

use policy::{
    Call, ClientFacts, Document, GrantFacts, Policy, Target, ToolDefinition, ToolFacts, UnixMillis,
    Value, decide,
};

/// Longest text that is tried: longer ones only cost time.
const TEXT_BYTES_MAX: usize = 16 * 1024;
/// Most test calls of a document that are run.
const CALLS_MAX: usize = 1_000;

/// Checks one input.
pub fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.len() > TEXT_BYTES_MAX {
        return;
    }
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(problems) => return check_problems(text, &problems),
    };
    assert_eq!(document.text(), text);
    let canonical = document.canonical();
    serde_json::from_str::<serde_json::Value>(canonical).expect("the canonical form is JSON");
    let again = Document::parse(canonical).unwrap_or_else(|problems| panic!("{problems:#?}"));
    assert_eq!(again.canonical(), canonical, "the canonical form has another canonical form");
    check_lints(text, &document);
    check_decisions(&document, &again);
    check_own_tests(text, &document);
}

fn check_problems(text: &str, problems: &[policy::Problem]) {
    assert!(!problems.is_empty(), "refused without a problem");
    let mut last = 0;
    for problem in problems {
        let span = problem.span.clone();
        assert!(span.start <= span.end && span.end <= text.len(), "{problem:?} is outside");
        assert!(text.get(span.clone()).is_some(), "{problem:?} cuts a character");
        assert!(span.start >= last, "problems out of order");
        last = span.start;
        let before = &text[..span.start];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let place = (u64::from(problem.line), u64::from(problem.column));
        assert_eq!(place, (line as u64, column as u64), "{problem:?}");
        assert!(problem.pointer.is_empty() || problem.pointer.starts_with('/'));
        assert!(!problem.message.is_empty() && !problem.to_string().contains('\0'));
    }
}

fn tools() -> Vec<ToolDefinition> {
    let schema = r#"{"type":"object","properties":{"x":{"type":"number"},"amount":{"type":"integer"}},"required":["x"]}"#;
    vec![
        ToolDefinition::new(
            "a".to_owned(),
            Some(schema.to_owned()),
            "read".parse().ok(),
            "low".parse().ok(),
        ),
        ToolDefinition::new("pay".to_owned(), Some("{".to_owned()), "financial".parse().ok(), None),
        ToolDefinition::new("zz".to_owned(), None, None, "critical".parse().ok()),
    ]
}

fn check_lints(text: &str, document: &Document) {
    let known = tools();
    for tools in [None, Some(known.as_slice())] {
        for lint in policy::lint(document, tools) {
            assert!(lint.code.starts_with("L0") && !lint.message.is_empty(), "{lint}");
            let line = usize::try_from(lint.line).unwrap_or(0).checked_sub(1).expect("a line");
            let line = text.split('\n').nth(line).expect("a line of the text");
            let column = usize::try_from(lint.column).unwrap_or(0);
            assert!((1..=line.chars().count() + 1).contains(&column), "{lint}");
        }
    }
}

/// What a sample of calls is told: verdict, trace and all.
fn answers(document: &Document) -> Vec<String> {
    let policy = Policy::compile(document);
    let texts =
        ["{}", r#"{"x":1,"amount":20000,"y":["a",null]}"#, r#"{"X":{"x":"a"},"path":"/a/../b"}"#];
    let values: Vec<Value<'_>> = texts.iter().filter_map(|text| Value::parse(text).ok()).collect();
    let tags = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    let targets = [
        Target::Tool(ToolFacts { name: "a", class: "read".parse().ok(), risk: None, schema: None }),
        Target::Tool(ToolFacts {
            name: "pay",
            class: None,
            risk: "high".parse().ok(),
            schema: None,
        }),
        Target::Resource { uri: "file:///a/b" },
        Target::Prompt { name: "a" },
    ];
    let mut answers = Vec::new();
    for target in targets {
        for args in &values {
            let call = Call {
                target,
                args,
                grant: GrantFacts { label: "a", tags: &tags },
                client: ClientFacts { name: Some("c"), version: None },
                now: UnixMillis(1_767_605_400_000),
            };
            answers.push(format!("{:?}", decide(&policy, &call)));
        }
    }
    answers
}

fn check_decisions(one: &Document, other: &Document) {
    assert_eq!(answers(one), answers(other), "the canonical form decides otherwise");
}

fn check_own_tests(text: &str, document: &Document) {
    let calls: usize = text.matches("\"times\"").count() * 100 + document.tests().len();
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    // A test may ask for a million calls; those are for other tests.
    if document.tests().is_empty() || calls > CALLS_MAX || (text.contains("times") && digits > 60) {
        return;
    }
    drop(policy::run_document_tests(document, &tools()));
}
