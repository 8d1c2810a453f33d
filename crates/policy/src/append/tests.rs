use super::append_test;
use crate::{Document, run_document_tests};

const TEST: &str = r#"{"call": {"tool": "a"}, "expect": {"verdict": "deny"}}"#;

fn appended(text: &str) -> String {
    let longer = append_test(text, TEST).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let document = Document::parse(&longer).unwrap();
    assert_eq!(document.tests().len(), Document::parse(text).unwrap().tests().len() + 1);
    assert!(run_document_tests(&document, &[]).is_empty());
    longer
}

#[test]
fn a_test_goes_behind_the_last_one_and_nothing_else_moves() {
    let text = r#"{ // mine
  "version": "1", "tests": [
    /* first */ {"call": {"tool": "b"}, "expect": {"verdict": "deny"}}, // said
  ], "default": "deny", }
"#;
    let longer = appended(text);
    assert_eq!(longer.replacen(&format!(",\n    {TEST}"), "", 1), text);
}

#[test]
fn a_list_without_tests_and_a_document_without_a_list_get_one() {
    appended(r#"{"version": "1", "default": "deny", "tests": [ /* none yet */ ]}"#);
    appended("{\"version\": \"1\", \"default\": \"deny\"}");
    appended("{\"version\": \"1\", \"default\": \"deny\", // so far\n}");
}

#[test]
fn what_is_no_test_and_what_is_no_policy_is_refused() {
    let text = r#"{"version": "1", "default": "deny"}"#;
    for wrong in ["{}", "1", "{}, {}", "], \"default\": \"allow\", \"x\": ["] {
        assert!(append_test(text, wrong).is_err(), "{wrong}");
    }
    assert!(append_test("{", TEST).is_err());
}
