//! The `policy` commands as the command line reads them; what they print is checked by running
//! the program.

use clap::Parser;

use super::run;
use crate::cli::{Cli, Command};
use crate::exit::Exit;
use crate::failure::Failure;

const PAY: &str = r#"{"version": "1", "default": "deny", "tools": {
    "get": {}, "blocked": {"action": "deny"}, "ask": {"action": "approve"},
    "pay": {"require": [{"conditions": [{"path": "args.amount", "op": "lte", "value": 100}]}],
            "limits": [{"window": "day", "max": 50, "increment_from": "args.amount"}]},
    "@financial": {"deny_if": [{"conditions": [], "approval": false}]}},
  "resources": {"file:///srv/*": {}}, "prompts": {"hello": {}},
  "tests": [{"call": {"tool": "get"}, "expect": {"verdict": "allow"}}]}"#;

/// Runs `portcullis policy …` with `@name` replaced by a file of that content.
fn policy(words: &[&str], files: &[(&str, &str)]) -> Result<Exit, Failure> {
    let folder = tempfile::tempdir().unwrap();
    let mut line = vec!["portcullis".to_owned(), "policy".to_owned()];
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    for word in words {
        line.push(match word.strip_prefix('@') {
            Some(name) => folder.path().join(name).display().to_string(),
            None => (*word).to_owned(),
        });
    }
    let Command::Policy(command) = Cli::try_parse_from(line).unwrap().command else {
        panic!("no policy command: {words:?}");
    };
    run(*command)
}

fn exit(words: &[&str], files: &[(&str, &str)]) -> Exit {
    policy(words, files).unwrap_or_else(|failure| failure.report())
}

fn explain(words: &[&str]) -> Exit {
    let mut line = vec!["explain", "@pay.json"];
    line.extend(words);
    let tools = r#"[{"name": "wire", "class": "financial"}, {"name": "get"}]"#;
    exit(&line, &[("pay.json", PAY), ("tools.json", tools)])
}

#[test]
fn explain_says_the_verdict_by_its_exit_code() {
    assert_eq!(explain(&["--tool", "get"]), Exit::Good);
    assert_eq!(explain(&["--tool", "get", "--json"]), Exit::Good);
    assert_eq!(explain(&["--tool", "ask"]), Exit::Held);
    assert_eq!(explain(&["--tool", "blocked"]), Exit::Denied);
    assert_eq!(explain(&["--tool", "unknown"]), Exit::Denied);
    assert_eq!(explain(&["--tool", "pay", "--args", r#"{"amount": 120}"#]), Exit::Denied);
    assert_eq!(explain(&["--tool", "pay", "--args", r#"{"amount": 80}"#]), Exit::Limited);
    assert_eq!(explain(&["--tool", "pay", "--args", r#"{"amount": 50}"#]), Exit::Good);
    assert_eq!(explain(&["--resource", "file:///srv/a"]), Exit::Good);
    assert_eq!(explain(&["--resource", "file:///srv/../a"]), Exit::Denied);
    assert_eq!(explain(&["--prompt", "hello"]), Exit::Good);
    assert_eq!(explain(&["--prompt", "bye"]), Exit::Denied);
}

#[test]
fn explain_reads_classes_from_the_tools() {
    assert_eq!(explain(&["--tool", "get", "--class", "financial"]), Exit::Denied);
    assert_eq!(explain(&["--tool", "wire", "--tools", "@tools.json"]), Exit::Denied);
}

#[test]
fn explain_refuses_what_is_no_object() {
    assert_eq!(explain(&["--tool", "get", "--args", "[1]"]), Exit::Usage);
    assert_eq!(explain(&["--tool", "get", "--args", "{"]), Exit::Usage);
    let twice = r#"{"a": 1, "a": 2}"#;
    assert_eq!(explain(&["--tool", "get", "--args", twice]), Exit::Denied, "malformed");
}

#[test]
fn validate_and_test_fail_with_three() {
    let failing = PAY.replace(r#""verdict": "allow""#, r#""verdict": "deny""#);
    for command in ["validate", "test"] {
        for json in [&[][..], &["--json"][..]] {
            let run = |content: &str| {
                let words = [&[command, "@p.json"][..], json].concat();
                exit(&words, &[("p.json", content)])
            };
            assert_eq!(run(PAY), Exit::Good, "{command}");
            assert_eq!(run(&failing), Exit::Policy, "{command}");
            assert_eq!(run("{}"), Exit::Policy, "{command}");
        }
        assert_eq!(exit(&[command, "@missing.json"], &[]), Exit::Usage);
    }
    let open = r#"{"version": "1", "default": "allow"}"#;
    assert_eq!(exit(&["validate", "@p.json"], &[("p.json", open)]), Exit::Good);
    let denied = ["validate", "--deny-warnings", "@p.json"];
    assert_eq!(exit(&denied, &[("p.json", open)]), Exit::Failed);
}

#[test]
fn cases_pass_only_when_all_do() {
    let case = |name: &str, verdict: &str| {
        format!(
            r#"{{"name": "{name}", "policy": {{"version": "1", "default": "deny", "tools": {{"a": {{}}}}}}, "steps": [{{"call": {{"tool": "a"}}, "expect": {{"verdict": "{verdict}"}}}}]}}"#
        )
    };
    let good = format!("{}\n\n{}\n", case("one", "allow"), case("two", "allow"));
    assert_eq!(exit(&["cases", "@c.jsonl"], &[("c.jsonl", &good)]), Exit::Good);
    let bad = format!("{good}{}\n", case("three", "deny"));
    assert_eq!(exit(&["cases", "@c.jsonl"], &[("c.jsonl", &bad)]), Exit::Policy);
    let twice = format!("{good}{}\n", case("one", "allow"));
    assert_eq!(exit(&["cases", "--json", "@c.jsonl"], &[("c.jsonl", &twice)]), Exit::Policy);
    assert_eq!(exit(&["cases", "@missing.jsonl"], &[]), Exit::Usage);
}

#[test]
fn diff_sees_meaning_and_not_spelling() {
    let spelled = PAY.replace(": 100", ": 100 /* euros */");
    let files = [("a", PAY), ("b", spelled.as_str())];
    assert_eq!(exit(&["diff", "@a", "@b"], &files), Exit::Good);
    let changed = PAY.replace(": 100", ": 200");
    let files = [("a", PAY), ("b", changed.as_str())];
    assert_eq!(exit(&["diff", "@a", "@b"], &files), Exit::Failed);
    assert_eq!(exit(&["diff", "--json", "@a", "@b"], &files), Exit::Failed);
}

#[test]
fn fmt_checks_and_prints() {
    let formatted = "{\n  \"version\": \"1\",\n  \"default\": \"deny\"\n}\n";
    let files = [("p", formatted)];
    assert_eq!(exit(&["fmt", "--check", "@p"], &files), Exit::Good);
    assert_eq!(exit(&["fmt", "@p"], &files), Exit::Good);
    assert_eq!(exit(&["fmt", "--check", "@p"], &[("p", PAY)]), Exit::Failed);
    assert_eq!(exit(&["fmt", "@p"], &[("p", "{")]), Exit::Policy);
}
