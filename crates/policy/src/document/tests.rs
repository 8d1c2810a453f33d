//! Reading documents: places, help, bounds, the canonical form, and that no text makes the parser panic.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::Document;

fn check(text: &str, expected: &Expect) {
    let lines: Vec<String> = match Document::parse(text) {
        Ok(_) => vec!["valid".to_owned()],
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    };
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn problems_come_in_the_order_of_the_text_with_lines_and_columns() {
    check(
        "{\n  \"versoin\": \"1\",\n  /* ä */ \"défault\": 1, \"default\": \"dney\",\n  \"tools\": {\"t\": {\"acton\": \"deny\"}}\n}",
        &expect![[r#"
            1:1: `version` is missing (/version)
            2:3: unknown key `versoin` (/versoin); did you mean `version`?
            3:11: unknown key `défault` (/défault); did you mean `default`?
            3:36: expected "allow" or "deny", found `dney` (/default); did you mean `deny`?
            4:19: unknown key `acton` (/tools/t/acton); did you mean `action`?"#]],
    );
}

#[test]
fn help_names_the_nearest_word() {
    check(
        r#"{"version":"1","default":"deny","hide":["@wriet"],"tools":{"t":{"require":[{"conditions":[{"path":"args.a","op":"starts_wiht","value":"x"}]}],"limits":[{"window":"minutes","max":1}]}}}"#,
        &expect![[r"
            1:41: `@wriet` is no class selector (/hide/0); did you mean `@write`?
            1:113: unknown operator `starts_wiht` (/tools/t/require/0/conditions/0/op); did you mean `starts_with`?
            1:163: expected second, minute, hour, day, week, month, in_flight, or 1 to 31536000 seconds (/tools/t/limits/0/window); did you mean `minute`?"]],
    );
}

#[test]
fn text_that_is_no_document_says_where_it_stops() {
    check("", &expect!["1:1: the document is empty"]);
    check("{\n \"a\": \u{1}}", &expect!["2:7: not JSON: U+0001 outside a string"]);
    check(
        "{\"a\": \"x\ny\"}",
        &expect!["1:9: not JSON: the control character U+000A in a string; write it as \\u000a"],
    );
    check("{\"a\": \"ö\\ud800\"}", &expect!["1:9: half of a surrogate pair in a string"]);
    check(
        "{\"a\" 1}",
        &expect!["1:6: not JSON: Expected colon after the string or word in object property"],
    );
}

#[test]
fn size_depth_and_number_of_selectors_are_bounded() {
    let pad = |bytes: usize| {
        let head = r#"{"version":"1","default":"deny"}"#;
        format!("{head}{}", " ".repeat(bytes - head.len()))
    };
    assert!(Document::parse(&pad(1_048_576)).is_ok());
    let problems = Document::parse(&pad(1_048_577)).unwrap_err();
    assert_eq!((problems.len(), problems[0].pointer.as_str()), (1, ""));
    let deep = "[".repeat(100_000);
    assert_eq!(Document::parse(&deep).unwrap_err().len(), 1);
    let many = |count: usize| {
        let tools: Vec<String> = (0..count - 3).map(|n| format!("\"t{n}\":{{}}")).collect();
        let tools = tools.join(",");
        format!(
            r#"{{"version":"2","default":"deny","hide":["a"],"tools":{{{tools}}},"resources":{{"b":{{}}}},"prompts":{{"c":{{}}}}}}"#
        )
    };
    let pointers = |text: &str| -> Vec<String> {
        Document::parse(text).unwrap_err().into_iter().map(|problem| problem.pointer).collect()
    };
    assert_eq!(pointers(&many(10_000)), ["/version"]);
    assert_eq!(pointers(&many(10_001)), [""]);
}

#[test]
fn the_canonical_form_has_the_same_members_in_one_spelling() {
    let text = "// c\n{\"version\":\"\\u0031\",\"default\":\"deny\",\"hide\":[],\"tools\":{\"a\\/b\":{\"limits\":[{\"window\":\"day\",\"max\":1.50,}]}}}";
    let document = Document::parse(text).unwrap();
    expect![[r#"
        {
          "version": "1",
          "default": "deny",
          "hide": [],
          "tools": {
            "a/b": {
              "limits": [
                {
                  "window": "day",
                  "max": 1.50
                }
              ]
            }
          }
        }
    "#]]
    .assert_eq(document.canonical());
    assert_eq!(document.text(), text);
}

#[test]
fn tests_are_bounded_in_total() {
    let test = r#"{"call":{"tool":"t"},"times":100000,"expect":{"verdict":"deny"}}"#;
    let document = |count: usize| {
        let tests = vec![test; count].join(",");
        Document::parse(&format!(r#"{{"version":"1","default":"deny","tests":[{tests}]}}"#))
    };
    assert!(document(10).is_ok());
    assert_eq!(document(11).unwrap_err()[0].pointer, "/tests/10/times");
}

/// Texts that look like documents often enough to reach every part of the parser.
fn document_like() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "version",
        "default",
        "tools",
        "hide",
        "all_tools",
        "require",
        "deny_if",
        "conditions",
        "path",
        "op",
        "value",
        "any",
        "not",
        "limits",
        "window",
        "max",
        "approval",
        "id",
        "tests",
        "call",
        "expect",
        "args.a",
        "eq",
        "deny",
        "1",
        "t",
        "@read",
        "*",
        "resources",
        "regex",
        "é",
    ]);
    let leaf = prop_oneof![
        word.clone().prop_map(|word| format!("\"{word}\"")),
        Just("1".to_owned()),
        Just("1e1001".to_owned()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("\"\\ud83d\"".to_owned()),
    ];
    leaf.prop_recursive(6, 60, 5, move |inner| {
        let members = prop::collection::vec((word.clone(), inner.clone()), 0..5);
        prop_oneof![
            members.prop_map(|members| {
                let members: Vec<String> =
                    members.into_iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{},]", list.join(","))),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".{0,200}") {
        let _unused = Document::parse(&text).is_ok();
    }

    #[test]
    fn every_problem_has_a_place_in_the_text(text in document_like()) {
        if let Err(problems) = Document::parse(&text) {
            prop_assert!(!problems.is_empty());
            for problem in problems {
                prop_assert!(problem.line >= 1 && problem.column >= 1);
                prop_assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
            }
        }
    }

    #[test]
    fn the_canonical_form_is_its_own(text in crate::decide::tests::documents()) {
        let document = Document::parse(&text).unwrap();
        let again = Document::parse(document.canonical()).unwrap();
        prop_assert_eq!(again.canonical(), document.canonical());
    }
}
