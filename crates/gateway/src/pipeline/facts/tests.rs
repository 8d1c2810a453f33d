use expect_test::{Expect, expect};
use mcp::{BatchRule, ClientMessage, Frame, Inbound, MirrorHeaders};

use super::{ARGUMENTS_BYTES_MAX, arguments};
use crate::config::AuditValues;

fn recorded(values: AuditValues, text: &str) -> String {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{text}}}}}"#
    );
    let frame =
        Frame { body: body.into(), headers: MirrorHeaders::default(), batch: BatchRule::Refused };
    let Ok(Inbound::One(ClientMessage::Request(request))) = mcp::decode(frame) else {
        panic!("not a request: {text}");
    };
    arguments(values, request.arguments().map(mcp::Arguments::node)).into_owned()
}

fn check(values: AuditValues, text: &str, expected: &Expect) {
    let out = recorded(values, text);
    serde_json::from_str::<serde_json::Value>(&out).expect("recorded arguments are JSON");
    expected.assert_eq(&out);
}

#[test]
fn secrets_are_masked_and_long_strings_cut() {
    check(
        AuditValues::Redacted,
        r#"{"amount":12.50,"apiKey":"abc","nested":{"Access-Token":{"a":1}},"ok":[true,null]}"#,
        &expect![[
            r#"{"amount":12.50,"apiKey":"[redacted]","nested":{"Access-Token":"[redacted]"},"ok":[true,null]}"#
        ]],
    );
    let long = recorded(AuditValues::Redacted, &format!(r#"{{"text":"{}"}}"#, "é".repeat(100)));
    assert_eq!(long, format!(r#"{{"text":"{}… (200 bytes)"}}"#, "é".repeat(80)));
    // What is just short enough stays whole, and one character more is cut.
    for letter in ["a", "é"] {
        let fits = format!(r#"{{"text":"{}"}}"#, letter.repeat(80));
        assert_eq!(recorded(AuditValues::Redacted, &fits), fits);
        let more =
            recorded(AuditValues::Redacted, &format!(r#"{{"text":"{}"}}"#, letter.repeat(81)));
        let bytes = 81 * letter.len();
        assert_eq!(more, format!(r#"{{"text":"{}… ({bytes} bytes)"}}"#, letter.repeat(80)));
    }
}

#[test]
fn without_values_only_names_and_kinds_are_recorded() {
    check(
        AuditValues::None,
        r#"{"amount":1,"who":"me","list":[1]}"#,
        &expect![[r#"{"amount":"<number>","who":"<string>","list":"<array>"}"#]],
    );
}

#[test]
fn full_values_are_recorded_as_they_came() {
    let text = r#"{ "a" : 1.0, "password":"x" }"#;
    assert_eq!(recorded(AuditValues::Full, text), text);
}

#[test]
fn a_record_stays_within_its_bound_and_is_json() {
    let members: Vec<String> = (0..2000).map(|n| format!(r#""key{n}":["a","{n}"]"#)).collect();
    let text = format!("{{{}}}", members.join(","));
    for values in [AuditValues::None, AuditValues::Redacted, AuditValues::Full] {
        let out = recorded(values, &text);
        assert!(out.len() <= ARGUMENTS_BYTES_MAX, "{values:?}: {} bytes", out.len());
        serde_json::from_str::<serde_json::Value>(&out).expect("recorded arguments are JSON");
    }
}
