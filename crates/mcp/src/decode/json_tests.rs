//! The cases of `testdata/json.jsonl`: texts as the value of an argument and of a result.
//!
//! `y_` is JSON that everybody takes; `n_` is not JSON (RFC 8259), and nobody takes it; `c_` is JSON
//! that a client may not send, because readers differ about it: the case names the refusal.

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::{ClientMessage, MirrorHeaders};

struct Case(Value);

impl Case {
    fn field(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn name(&self) -> &str {
        self.field("name").unwrap()
    }

    /// The text as bytes: from `text`, or from the hexadecimal digits of `hex`.
    fn text(&self) -> Vec<u8> {
        let Some(hex) = self.field("hex") else {
            return self.field("text").unwrap().as_bytes().to_vec();
        };
        let digits = hex.as_bytes().chunks(2).map(|pair| core::str::from_utf8(pair).unwrap());
        digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
    }

    fn between(&self, before: &str, after: &str) -> Bytes {
        [before.as_bytes(), &self.text(), after.as_bytes()].concat().into()
    }

    /// The text as an argument of a call.
    fn call(&self) -> Bytes {
        self.between(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"pay","arguments":{"v":"#,
            "}}}",
        )
    }
}

fn cases() -> Vec<Case> {
    let lines = include_str!("../../testdata/json.jsonl").lines();
    let cases: Vec<Case> = lines.map(|line| Case(serde_json::from_str(line).unwrap())).collect();
    let names: std::collections::HashSet<&str> = cases.iter().map(Case::name).collect();
    assert_eq!(names.len(), cases.len(), "a name stands twice");
    cases
}

fn decoded(case: &Case) -> Result<Inbound, Refusal> {
    let headers = MirrorHeaders::default();
    decode(Frame { body: case.call(), headers, batch: BatchRule::Refused })
}

#[test]
fn clients_may_send_what_has_one_reading() {
    let mut seen = [0; 3];
    for case in cases() {
        let name = case.name();
        let outcome = decoded(&case);
        match name.as_bytes()[0] {
            b'y' => {
                seen[0] += 1;
                let Inbound::One(ClientMessage::Request(request)) = outcome.expect(name) else {
                    panic!("{name}");
                };
                let value = request.arguments().unwrap().node().get("v").unwrap();
                assert_eq!(value.raw(), case.text().trim_ascii(), "{name}");
                assert_eq!(request.body(), &case.call(), "{name}");
                if let Some(means) = case.field("means") {
                    assert_eq!(value.as_str().as_deref(), Some(means), "{name}");
                }
            }
            b'n' => {
                seen[1] += 1;
                assert_eq!(outcome.expect_err(name).code, code::PARSE_ERROR, "{name}");
            }
            _ => {
                seen[2] += 1;
                let kind = format!("{:?}", outcome.expect_err(name).kind);
                assert_eq!(Some(kind.as_str()), case.field("kind"), "{name}");
            }
        }
    }
    assert!(seen.iter().all(|count| *count >= 40), "{seen:?}");
}

#[test]
fn servers_may_send_any_json() {
    for case in cases() {
        let name = case.name();
        let body = case.between(r#"{"jsonrpc":"2.0","id":1,"result":{"v":"#, "}}");
        let read = crate::read_message(body);
        assert_eq!(read.is_err(), name.starts_with('n'), "{name}: {read:?}");
    }
}

/// The marks are right: a parser of another family agrees about what is JSON.
#[test]
fn another_parser_agrees() {
    for case in cases().into_iter().filter(|case| case.field("hex").is_none()) {
        let name = case.name();
        let text = case.text();
        let other = serde_json::from_slice::<&serde_json::value::RawValue>(&text);
        // Raw values skip over halves of characters, which is what JSON's grammar says.
        assert_eq!(other.is_err(), name.starts_with('n'), "{name}: {other:?}");
    }
}
