//! Every case file of the crate runs through the runner that users have, and the runner can say no.

use super::*;

fn files() -> Vec<(String, String)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata");
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let text = std::fs::read_to_string(&path).unwrap();
            files.push((path.file_name().unwrap().to_string_lossy().into_owned(), text));
        }
    }
    files.sort();
    files
}

#[test]
fn every_case_of_the_crate_passes() {
    let files = files();
    assert!(files.len() >= 9, "the case files are missing");
    let mut total = 0;
    let mut failures = Vec::new();
    for (name, text) in &files {
        for report in run_cases(text) {
            total += 1;
            if !report.passed() {
                failures.push(format!("{name}: {}\n{}", report.name, report.failures.join("\n")));
            }
        }
    }
    assert!(total >= 150, "only {total} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn one(line: &str) -> Vec<String> {
    match run_case_line(line) {
        Ok(report) => report.failures,
        Err(error) => vec![error.to_string()],
    }
}

const POLICY: &str = r#""policy":{"version":"1","default":"deny","tools":{"t":{"limits":[{"window":"day","max":1}]}}}"#;

#[test]
fn a_wrong_expectation_fails_with_what_was_expected_what_came_and_the_trace() {
    let line = format!(
        r#"{{"name":"n",{POLICY},"steps":[{{"call":{{"tool":"t"}},"times":2,"expect":{{"verdict":"allow"}}}}]}}"#
    );
    let failures = one(&line);
    expect_test::expect![[r#"
        step 1: repetition 2 of 2: expected allow
             got deny reason=limit_exceeded rule=/tools/t/limits/0 message="The limit /tools/t/limits/0 has no room for this call." retry_after_ms=86400000
           trace /tools/t: matches
                   /tools/t/limits/0: charges"#]]
    .assert_eq(&failures.join("\n"));
}

#[test]
fn every_part_of_an_expectation_is_compared() {
    for expect in [
        r#"{"verdict":"hold"}"#,
        r#"{"verdict":"deny","reason":"hidden"}"#,
        r#"{"verdict":"deny","rule":"/tools"}"#,
        r#"{"verdict":"deny","message":"no"}"#,
        r#"{"verdict":"deny","retry_after_ms":0}"#,
    ] {
        let line = format!(
            r#"{{"name":"n",{POLICY},"steps":[{{"call":{{"tool":"u"}},"expect":{expect}}}]}}"#
        );
        assert_eq!(one(&line).len(), 1, "{expect}");
    }
    let list = format!(
        r#"{{"name":"n",{POLICY},"tools":[{{"name":"t"}}],"steps":[{{"list":"tools","expect":[]}}]}}"#
    );
    assert_eq!(one(&list).len(), 1);
}

#[test]
fn validity_errors_and_lints_are_compared() {
    let invalid = r#"{"version":"1"}"#;
    for (line, failures) in [
        (format!(r#"{{"name":"n","policy":{invalid}}}"#), 1),
        (format!(r#"{{"name":"n","policy":{invalid},"valid":false}}"#), 0),
        (format!(r#"{{"name":"n","policy":{invalid},"valid":false,"errors":["/default"]}}"#), 0),
        (format!(r#"{{"name":"n","policy":{invalid},"errors":["/default","/x"]}}"#), 1),
        (format!(r#"{{"name":"n","policy":{invalid},"errors":[]}}"#), 1),
        (format!(r#"{{"name":"n",{POLICY},"valid":false}}"#), 1),
        (format!(r#"{{"name":"n",{POLICY},"lints":["L012"]}}"#), 1),
        (format!(r#"{{"name":"n",{POLICY},"tools":[],"no_lints":["L002"]}}"#), 1),
    ] {
        assert_eq!(one(&line).len(), failures, "{line}");
    }
}

#[test]
fn what_is_no_case_fails() {
    let step = |step: &str| format!(r#"{{"name":"n",{POLICY},"steps":[{step}]}}"#);
    let lines = [
        "5".to_owned(),
        format!("{{{POLICY}}}"),
        r#"{"name":"n"}"#.to_owned(),
        format!(r#"{{"name":"n",{POLICY},"policy_text":"{{}}"}}"#),
        format!(r#"{{"name":"n",{POLICY},"valid":true}}"#),
        format!(r#"{{"name":"n",{POLICY},"extra":1}}"#),
        format!(r#"{{"name":"n","name":"n",{POLICY}}}"#),
        format!(r#"{{"name":"n",{POLICY},"tools":[{{"name":"t","class":"reed"}}]}}"#),
        format!(r#"{{"name":"n",{POLICY},"tools":[{{"name":"t","schema":{{}}}}]}}"#),
        step("{}"),
        step(r#"{"call":{"tool":"t"}}"#),
        step(r#"{"name":"x","call":{"tool":"t"},"expect":{"verdict":"allow"}}"#),
        step(r#"{"call":{"tool":"t","x":1},"expect":{"verdict":"allow"}}"#),
        step(r#"{"call":{"tool":"t","store":"up"},"expect":{"verdict":"allow"}}"#),
        step(r#"{"call":{"tool":"t","outcome":"fine"},"expect":{"verdict":"allow"}}"#),
        step(r#"{"call":{"tool":"t","outcome":{"code":"x"}},"expect":{"verdict":"allow"}}"#),
        step(r#"{"call":{"tool":"t","args":{},"args_text":"{}"},"expect":{"verdict":"allow"}}"#),
        step(r#"{"call":{"resource":"t","args_text":"{}"},"expect":{"verdict":"deny"}}"#),
        step(r#"{"finish":0}"#),
        step(r#"{"finish":1}"#),
        step(r#"{"finish":1,"outcome":"open"}"#),
        step(r#"{"approve":1}"#),
        step(r#"{"approve":1,"by":"eve"}"#),
        step(r#"{"list":"tools"}"#),
        step(r#"{"list":"tool","expect":[]}"#),
    ];
    for line in lines {
        assert!(!one(&line).is_empty(), "{line}");
    }
}

#[test]
fn names_are_unique_and_blank_lines_are_nothing() {
    let line = format!(r#"{{"name":"n",{POLICY}}}"#);
    let reports = run_cases(&format!("{line}\n\n{line}\nno case\n"));
    let passed: Vec<bool> = reports.iter().map(CaseReport::passed).collect();
    assert_eq!(passed, [true, false, false]);
    assert_eq!(reports[2].name, "line 4");
}

#[test]
fn a_documents_own_tests_share_counters_and_are_named_when_they_fail() {
    let text = r#"{"version":"1","default":"deny","tools":{"t":{"limits":[{"window":"day","max":1}]}},"tests":[
        {"call":{"tool":"t"},"expect":{"verdict":"allow"}},
        {"name":"second","call":{"tool":"t"},"expect":{"verdict":"allow"}},
        {"call":{"tool":"t","grant":"other"},"expect":{"verdict":"allow"}}]}"#;
    let document = Document::parse(text).unwrap();
    let failures = run_document_tests(&document, &[]);
    assert_eq!(failures.len(), 1);
    assert_eq!(failures[0].name.as_deref(), Some("second"));
    assert_eq!(failures[0].pointer, "/tests/1");
    assert!(failures[0].message.contains("limit_exceeded"), "{}", failures[0]);
}

#[test]
fn instants_are_read_as_rfc_3339_writes_them() {
    for (text, nanos) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("1969-12-31T23:59:59.999Z", Some(-1_000_000)),
        ("2000-03-01T00:00:00Z", Some(951_868_800_000_000_000)),
        ("2026-01-01T00:00:00Z", Some(Instant::FIRST.0)),
        ("1970-01-01T01:00:00+01:00", Some(0)),
        ("1970-01-01T00:00:00.0000000019Z", Some(1)),
        ("0000-01-01T00:00:00Z", Some(-62_167_219_200_000_000_000)),
        ("1970-01-01 00:00:00Z", None),
        ("1970-01-01T00:00:60Z", None),
        ("1970-01-01T00:00:00.Z", None),
        ("1970-01-01T00:00Z", None),
        ("1970-1-01T00:00:00Z", None),
        ("1970-01-01T00:00:00+1:00", None),
        ("1970-01-01T00:00:00+24:00", None),
        ("1900-02-29T00:00:00Z", None),
        ("", None),
    ] {
        assert_eq!(Instant::parse(text).map(|instant| instant.0), nanos, "{text}");
    }
}
