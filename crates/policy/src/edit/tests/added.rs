//! Tests that are put into a policy's text, as its author spaces it.

use crate::edit::{EditError, add_test};
use crate::{Document, run_document_tests};

const TEST: &str =
    r#"{"call":{"tool":"a","args":{"n":1e0,"m":10.50}},"expect":{"verdict":"deny"}}"#;

#[track_caller]
fn check(text: &str, expected: &str) {
    let edited = add_test(text, TEST).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(edited.text, expected);
    assert_eq!(edited.undo.apply(expected).as_deref(), Some(text));
    let document = Document::parse(&edited.text).unwrap();
    assert_eq!(document.tests().len(), Document::parse(text).unwrap().tests().len() + 1);
    assert!(run_document_tests(&document, &[]).is_empty());
}

#[test]
fn a_test_goes_behind_the_last_one_and_comments_stay_where_they_are() {
    check(
        "{ // mine\r\n  \"version\": \"1\", \"tests\": [\r\n    /* first */ {\"call\": {\"tool\": \"b\"}, \"expect\": {\"verdict\": \"deny\"}}, // said\r\n  ], \"default\": \"deny\", }\r\n",
        "{ // mine\r\n  \"version\": \"1\", \"tests\": [\r\n    /* first */ {\"call\": {\"tool\": \"b\"}, \"expect\": {\"verdict\": \"deny\"}}, // said\r\n    {\r\n      \"call\": {\r\n        \"tool\": \"a\",\r\n        \"args\": {\"n\": 1e0, \"m\": 10.50}\r\n      },\r\n      \"expect\": {\"verdict\": \"deny\"}\r\n    },\r\n  ], \"default\": \"deny\", }\r\n",
    );
}

#[test]
fn a_document_without_tests_gets_a_list_as_it_is_spaced() {
    check(
        r#"{"version":"1","default":"deny"}"#,
        r#"{"version":"1","default":"deny","tests":[{"call":{"tool":"a","args":{"n":1e0,"m":10.50}},"expect":{"verdict":"deny"}}]}"#,
    );
    check(
        "{\n  \"version\": \"1\",\n  \"default\": \"deny\", // so far\n}\n",
        "{\n  \"version\": \"1\",\n  \"default\": \"deny\", // so far\n  \"tests\": [\n    {\n      \"call\": {\n        \"tool\": \"a\",\n        \"args\": {\n          \"n\": 1e0,\n          \"m\": 10.50\n        }\n      },\n      \"expect\": {\n        \"verdict\": \"deny\"\n      }\n    }\n  ],\n}\n",
    );
}

#[test]
fn what_is_no_test_and_what_is_no_policy_is_refused() {
    let text = r#"{"version": "1", "default": "deny"}"#;
    for wrong in ["{}", "1", "{}, {}", "", "], \"default\": \"allow\", \"x\": [", "{\"call\":{}}"] {
        assert!(add_test(text, wrong).is_err(), "{wrong}");
    }
    assert!(matches!(add_test("{", TEST), Err(EditError::Text(_))));
}
