//! Canonical JSON, and what makes two calls the same.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::{CallIdentity, Kind, Sha256Digest, call_digest, canonical_json, sha256};
use crate::{Decimal, JsonKind, Node, Value};

fn canonical(text: &str) -> String {
    canonical_json(Value::parse(text).unwrap().root())
}

fn digest(args: &str) -> Sha256Digest {
    let args = Value::parse(args).unwrap();
    call_digest(&CallIdentity {
        grant: "grt_1",
        server: "bank",
        kind: Kind::Tool,
        name: "pay",
        definition_pin: Some("ab"),
        args: &args,
    })
}

#[test]
fn canonical_form() {
    for (text, form) in [
        ("{ }", "{}"),
        ("[ ]", "[]"),
        ("[1, 2.50, 1e3, -0, 1e-3, 100]", "[1,2.5,1000,0,0.001,100]"),
        ("{\"b\":1,\"a\":[true,false,null]}", "{\"a\":[true,false,null],\"b\":1}"),
        // UTF-16 puts the surrogates of U+1F600 before U+FB33, bytes would not.
        (
            "{\"\u{fb33}\":1,\"😀\":2,\"ö\":3,\"1\":4,\"\\r\":5}",
            "{\"\\r\":5,\"1\":4,\"ö\":3,\"😀\":2,\"\u{fb33}\":1}",
        ),
        (
            "\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\\\/\\u007f\\u00e9\"",
            "\"\\u0001\\u001f\\b\\t\\n\\f\\r\\\"\\\\/\u{7f}é\"",
        ),
        ("1e1001", "1e1001"),
        ("9007199254740993.0", "9007199254740993"),
    ] {
        assert_eq!(canonical(text), form, "{text}");
    }
}

#[test]
fn every_part_of_a_call_counts() {
    let args = Value::parse("{\"n\":1}").unwrap();
    let base = CallIdentity {
        grant: "g",
        server: "s",
        kind: Kind::Tool,
        name: "n",
        definition_pin: Some("p"),
        args: &args,
    };
    let other_args = Value::parse("{\"n\":2}").unwrap();
    let others = [
        CallIdentity { grant: "h", ..base },
        CallIdentity { server: "t", ..base },
        CallIdentity { kind: Kind::Prompt, ..base },
        CallIdentity { name: "m", ..base },
        CallIdentity { definition_pin: None, ..base },
        CallIdentity { definition_pin: Some(""), ..base },
        CallIdentity { args: &other_args, ..base },
        CallIdentity { grant: "g\",\"kind\":\"tool", ..base },
    ];
    for other in others {
        assert_ne!(call_digest(&base), call_digest(&other), "{other:?}");
    }
    // The bytes are part of what is stored: they must not change from one version to the next.
    let text = r#"{"arguments":{"n":1},"definition_pin":"p","grant":"g","kind":"tool","name":"n","server":"s"}"#;
    assert_eq!(call_digest(&base), sha256(text.as_bytes()));
}

#[test]
fn digests_are_shown_in_hexadecimal() {
    let shown = sha256(b"").to_string();
    assert_eq!(shown, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(shown.parse(), Ok(sha256(b"")));
    for text in ["", "e3", &shown.to_uppercase(), &format!("{shown}0"), &shown.replace('e', "g")] {
        assert!(text.parse::<Sha256Digest>().is_err(), "{text}");
    }
}

/// The same value, written otherwise: members turned round, numbers with another exponent, blanks.
fn rewritten(node: Node<'_>, out: &mut String) {
    match node.kind() {
        JsonKind::Number => {
            let text = node.number_text().unwrap();
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let exponent: i32 = exponent.parse().unwrap();
            if Decimal::parse(text).is_none() || exponent >= 999 {
                out.push_str(text);
            } else if mantissa.contains('.') {
                write!(out, "{mantissa}00E{exponent}").unwrap();
            } else {
                out.push_str(&format!("{mantissa}.0E+{exponent}").replace("+-", "-"));
            }
        }
        JsonKind::Array => {
            out.push_str("[ ");
            for (n, element) in node.elements().enumerate() {
                out.push_str(if n > 0 { " , " } else { "" });
                rewritten(element, out);
            }
            out.push(']');
        }
        JsonKind::Object => {
            out.push('{');
            let members: Vec<_> = node.members().collect();
            for (n, (key, member)) in members.into_iter().rev().enumerate() {
                out.push_str(if n > 0 { ",\n" } else { "" });
                out.push('"');
                key.encode_utf16().for_each(|unit| write!(out, "\\u{unit:04X}").unwrap());
                out.push_str("\": ");
                rewritten(member, out);
            }
            out.push('}');
        }
        JsonKind::Null | JsonKind::Bool | JsonKind::String => out.push_str(&canonical_json(node)),
    }
}

proptest! {
    #[test]
    fn another_spelling_is_the_same_call(value in crate::value::tests::json()) {
        let text = value.to_string();
        let value = Value::parse(&text).unwrap();
        let mut other = String::new();
        rewritten(value.root(), &mut other);
        prop_assert_eq!(digest(&text), digest(&other), "{} {}", text, other);
        // The canonical form is a fixed point, and strict JSON.
        let form = canonical(&text);
        prop_assert_eq!(canonical(&form), form);
    }

    #[test]
    fn another_value_is_another_call(left in crate::value::tests::json(), right in crate::value::tests::json()) {
        let (left, right) = (left.to_string(), right.to_string());
        prop_assert_eq!(canonical(&left) == canonical(&right), digest(&left) == digest(&right));
        let longer = format!("[{left},null]");
        prop_assert_ne!(digest(&longer), digest(&format!("[{left}]")));
    }
}
