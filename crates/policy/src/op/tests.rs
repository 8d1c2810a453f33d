//! What each operator says, in both readings, and what values each takes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{IfMissing, Op, OpErrorAt, Reading, amount, eval, observed};
use crate::{
    Class, ClientFacts, Facts, GrantFacts, Micro, Path, Risk, Section, ToolFacts, Truth,
    UnixMillis, Value,
};

const T: Truth = Truth::True;
const F: Truth = Truth::False;
const U: Truth = Truth::Undefined;

fn op(name: &str, value: &str) -> Op {
    let value = Value::parse(value).unwrap();
    Op::parse(name, value.root()).unwrap_or_else(|errors| panic!("{name}: {errors:?}"))
}

fn with_facts<R>(args: &str, look: impl FnOnce(&Facts<'_>) -> R) -> R {
    let args = Value::parse(args).unwrap();
    let tags = BTreeMap::from([("team".to_owned(), "finance".to_owned())]);
    look(&Facts {
        args: &args,
        tool: Some(ToolFacts {
            name: "pay",
            class: Some(Class::Write),
            risk: Some(Risk::High),
            schema: None,
        }),
        grant: GrantFacts { label: "agent", tags: &tags },
        client: ClientFacts { name: Some("cli"), version: None },
        // A Friday, 17:59:59 UTC.
        now: UnixMillis(1_795_197_599_000),
    })
}

fn ask(
    condition: (&str, &str, &str),
    if_missing: IfMissing,
    reading: Reading,
    args: &str,
) -> Truth {
    let (path, name, value) = condition;
    let path = Path::parse(path, Section::Tools).unwrap();
    with_facts(args, |facts| eval(&path, &op(name, value), if_missing, reading, facts))
}

/// The truth of `{path: args.v, op, value}` for an argument `v`; both readings must agree.
fn of(name: &str, value: &str, v: &str) -> Truth {
    let args = format!("{{\"v\":{v}}}");
    let ask = |reading| ask(("args.v", name, value), IfMissing::False, reading, &args);
    assert_eq!(ask(Reading::Require), ask(Reading::DenyIf), "{name} {value} {v}");
    ask(Reading::Require)
}

#[test]
fn eq_is_structural_and_by_type() {
    for (value, v, truth) in [
        ("\"a\"", "\"a\"", T),
        ("\"a\"", "\"A\"", F),
        ("\"1\"", "1", U),
        ("1", "1.0", T),
        ("1", "true", U),
        ("true", "true", T),
        ("true", "false", F),
        ("9007199254740993", "9007199254740992", F),
        ("0", "1e-400", F),
        ("0", "-0", T),
        ("{\"a\":[1,2.50]}", "{\"a\":[1.0,2.5]}", T),
        ("{\"a\":[1,2.50]}", "{\"a\":[\"1\",2.5]}", F),
        ("{\"a\":1,\"b\":null}", "{\"b\":null,\"a\":1}", T),
        ("{\"a\":1}", "{\"a\":1,\"b\":1}", F),
        ("{\"a\":1}", "{\"b\":1}", F),
        ("[]", "[]", T),
        ("[]", "{}", U),
        ("null", "1", U),
        ("5", "1e1001", U),
        ("{\"a\":5}", "{\"a\":1e1001}", U),
        ("{\"a\":5}", "{\"b\":[[1e1001]],\"a\":6}", U),
        ("\"a\"", "{\"n\":1e1001}", U),
    ] {
        assert_eq!(of("eq", value, v), truth, "{value} {v}");
        assert_eq!(of("neq", value, v), !truth, "{value} {v}");
    }
}

#[test]
fn order_is_for_numbers_only() {
    for (v, lt, lte, gt, gte) in [
        ("4.9999999999999999999", T, T, F, F),
        ("5.0", F, T, F, T),
        ("5.0000000000000000001", F, F, T, T),
        ("-1e1000", T, T, F, F),
        ("1e1001", U, U, U, U),
        ("\"5\"", U, U, U, U),
        ("[5]", U, U, U, U),
        ("true", U, U, U, U),
    ] {
        for (name, truth) in [("lt", lt), ("lte", lte), ("gt", gt), ("gte", gte)] {
            assert_eq!(of(name, "5", v), truth, "{name} {v}");
        }
    }
    assert_eq!(op("lt", "5").number().unwrap().to_string(), "5");
    assert!(op("eq", "5").number().is_none());
}

#[test]
fn in_asks_the_elements_of_its_type() {
    for (value, v, truth) in [
        ("[\"rm\",\"dd\"]", "\"rm\"", T),
        ("[\"rm\",\"dd\"]", "\"ls\"", F),
        ("[\"rm\",\"dd\"]", "1", U),
        ("[\"rm\",1]", "1.0", T),
        ("[\"rm\",1]", "2", F),
        ("[\"rm\",1]", "1e1001", U),
        ("[\"rm\",1]", "true", U),
        ("[true]", "false", F),
        ("[false,true]", "false", T),
        ("[[1],{\"a\":1}]", "[1.0]", T),
        ("[[1],{\"a\":1}]", "{\"a\":2}", F),
        ("[[1]]", "{\"a\":2}", U),
        ("[[1]]", "[1e2000]", U),
        ("[null]", "1", U),
    ] {
        assert_eq!(of("in", value, v), truth, "{value} {v}");
        assert_eq!(of("not_in", value, v), !truth, "{value} {v}");
    }
}

#[test]
fn missing_is_false_or_a_match() {
    for args in ["{}", "{\"v\":null}"] {
        for (name, value) in [
            ("eq", "1"),
            ("neq", "1"),
            ("lt", "1"),
            ("in", "[1]"),
            ("not_in", "[1]"),
            ("regex", "\"a\""),
            ("not_regex", "\"a\""),
            ("contains", "\"a\""),
            ("not_contains", "\"a\""),
            ("starts_with", "\"a\""),
            ("length_lte", "1"),
            ("count_lte", "1"),
            ("path_within", "\"/a\""),
            ("host_in", "[\"a\"]"),
            ("eq", "null"),
        ] {
            for reading in [Reading::Require, Reading::DenyIf] {
                let asked = |if_missing| ask(("args.v", name, value), if_missing, reading, args);
                assert_eq!(asked(IfMissing::False), F, "{name}");
                assert_eq!(asked(IfMissing::Match), T, "{name}");
            }
        }
        for if_missing in [IfMissing::False, IfMissing::Match] {
            let exists =
                |value| ask(("args.v", "exists", value), if_missing, Reading::Require, args);
            assert_eq!((exists("true"), exists("false")), (F, T));
        }
    }
    for v in ["false", "\"\"", "[]", "{}", "1e9999"] {
        assert_eq!((of("exists", "true", v), of("exists", "false", v)), (T, F));
    }
}

#[test]
fn contains_reads_strings_inside_arrays_where_that_denies() {
    for (value, v, require, deny_if) in [
        ("\"rm\"", "\"sudo rm -rf\"", T, T),
        ("\"rm\"", "\"ls\"", F, F),
        ("\"rm\"", "[\"rm\"]", T, T),
        ("\"rm\"", "[\"sudo rm\"]", F, T),
        ("\"rm\"", "[\"sudo rm\",1]", U, T),
        ("\"rm\"", "[\"ls\",1]", U, U),
        ("\"rm\"", "[\"rm\",null]", T, T),
        ("\"rm\"", "[\"ls\",null]", U, U),
        ("\"rm\"", "[[\"rm\"]]", U, U),
        ("\"rm\"", "[]", F, F),
        ("\"rm\"", "{\"rm\":1}", U, U),
        ("\"rm\"", "5", U, U),
        ("5", "[5.0,6]", T, T),
        ("5", "[6]", F, F),
        ("5", "[\"5\"]", U, U),
        ("5", "[1e1001]", U, U),
        ("5", "[1e1001,5]", T, T),
        ("5", "\"5\"", U, U),
        ("true", "[false,true]", T, T),
    ] {
        let args = format!("{{\"v\":{v}}}");
        let asked = |name, reading| ask(("args.v", name, value), IfMissing::False, reading, &args);
        assert_eq!(asked("contains", Reading::Require), require, "{value} {v}");
        assert_eq!(asked("contains", Reading::DenyIf), deny_if, "{value} {v}");
        assert_eq!(asked("not_contains", Reading::Require), !deny_if, "{value} {v}");
        assert_eq!(asked("not_contains", Reading::DenyIf), !require, "{value} {v}");
    }
}

#[test]
fn strings() {
    for (name, value, v, truth) in [
        ("regex", "\"^[a-z]+$\"", "\"abc\"", T),
        ("regex", "\"^[a-z]+$\"", "\"abc\\n\"", F),
        ("regex", "\"b\"", "\"abc\"", T),
        ("regex", "\"^\\\\w+$\"", "\"äß\"", T),
        ("regex", "\"a\"", "1", U),
        ("not_regex", "\"b\"", "\"abc\"", F),
        ("not_regex", "\"b\"", "[\"b\"]", U),
        ("starts_with", "\"tmp_\"", "\"tmp_x\"", T),
        ("starts_with", "\"tmp_\"", "\"x_tmp_\"", F),
        ("ends_with", "\"_tmp\"", "\"x_tmp\"", T),
        ("ends_with", "\"\"", "\"\"", T),
        ("ends_with", "\"x\"", "3", U),
        ("length_lte", "2", "\"ä😀\"", T),
        ("length_lte", "2", "\"abc\"", F),
        ("length_gte", "3.0", "\"abc\"", T),
        ("length_gte", "4", "\"abc\"", F),
        ("length_lte", "1e30", "\"abc\"", T),
        ("length_lte", "2", "12", U),
        ("length_lte", "2", "[1]", U),
        ("count_gte", "2", "[null,2]", T),
        ("count_gte", "2", "{\"a\":1,\"b\":1}", T),
        ("count_lte", "0", "{}", T),
        ("count_lte", "0", "[1e9999]", F),
        ("count_gte", "2", "\"abc\"", U),
        ("count_gte", "2", "5", U),
    ] {
        assert_eq!(of(name, value, v), truth, "{name} {value} {v}");
    }
}

#[test]
fn paths_lie_within_folders() {
    for (v, truth) in [
        ("/data", T),
        ("/data/", T),
        ("/data/x/../y", T),
        ("/etc/../data//z", T),
        ("/../../data/z", T),
        ("/srv/app/.", T),
        ("/srv/app", T),
        ("/srv", F),
        ("/database", F),
        ("/Data", F),
        ("/data/../etc/passwd", F),
        ("/", F),
        ("data/x", U),
        ("", U),
        ("~/data", U),
        ("~", U),
        ("/data/~root", U),
        ("/data/a\\u0000b", U),
        ("/data\\\\..\\\\x", U),
        ("/data/a%20b", T),
        ("/data/%2e/a", T),
        ("/etc/a%20b", F),
        ("/data%2f..%2fetc", F),
        ("/data/%2e%2e/etc", U),
        ("/etc/%2e%2e/data", U),
        ("/d%61ta/x", U),
        ("%2fdata/x", U),
        ("/data/%252e%252e/x", U),
        ("/data/%25", T),
        ("/data/100%", U),
        ("/data/%zz", U),
        ("/data/%ff", U),
        ("/data/%c3%a4", T),
        ("/data/%00", U),
        ("/data/%5c", U),
        ("/data/%7e", U),
        ("file:///data/x", U),
    ] {
        let v = format!("\"{v}\"");
        assert_eq!(of("path_within", "[\"/data\",\"/srv//x/../app/\"]", &v), truth, "{v}");
    }
    assert_eq!(of("path_within", "\"/\"", "\"/anything\""), T);
    assert_eq!(of("path_within", "\"/a%20b\"", "\"/a%20b/c\""), U);
    assert_eq!(of("path_within", "\"/data\"", "1"), U);
}

#[test]
fn hosts_have_one_spelling() {
    let value = r#"["example.com","*.example.org","127.0.0.1","bücher.example","8.8.8.8"]"#;
    for (v, truth) in [
        ("https://EXAMPLE.com:8443/x", T),
        ("HTTP://example.com", T),
        ("https://example.com.", T),
        ("https://example.com:", T),
        ("https://example.com?x", T),
        ("https://example.com#x@evil", T),
        ("https://ex%61mple.com/", T),
        ("https://ｅxample.com/", T),
        ("http://a.b.example.org", T),
        ("http://example.org", F),
        ("http://.example.org", U),
        ("https://example.com.evil.net", F),
        ("https://evil.net/example.com", F),
        ("https://xn--bcher-kva.example/", T),
        ("https://BÜCHER.example/", T),
        ("http://127.0.0.1/", T),
        ("http://127.1/", T),
        ("http://0x7f.1/", T),
        ("http://0177.0.0.1/", T),
        ("http://2130706433/", T),
        ("http://0x7f000001./", T),
        ("http://１２７.0.0.1/", T),
        ("http://127.0.0.2/", F),
        ("http://127.0.0.256/", U),
        ("http://08.8.8.8/", U),
        ("http://4294967296/", U),
        ("http://1.2.3.4.5/", U),
        ("http://a.1/", U),
        ("https://example.com@evil.net/", U),
        ("https://me:pw@example.com/", U),
        ("https://[::1]/", U),
        ("https://example.com:65535/", T),
        ("https://example.com:0065535/", T),
        ("https://example.com:65536/", U),
        ("https://example.com:8a/", U),
        ("https://example.com:1:2/", U),
        ("https://example.com/ x", U),
        (" https://example.com/", U),
        ("https://example.com/\\u0001", U),
        ("https://example.com\\\\@evil.net", U),
        ("https://example%2ecom/", T),
        ("https://example.com%2f.evil.net/", U),
        ("https://example.com%00/", U),
        ("https://example%zz.com/", U),
        ("https://exam%25ple.com/", U),
        ("https:///example.com", U),
        ("https://", U),
        ("https:/example.com", U),
        ("https:example.com", U),
        ("//example.com", U),
        ("ftp://example.com/", U),
        ("example.com", U),
        ("https://example..com/", U),
        ("https://example.com../", U),
    ] {
        let v = format!("\"{v}\"");
        assert_eq!(of("host_in", value, &v), truth, "{v}");
    }
    assert_eq!(of("host_in", value, "5"), U);
    assert_eq!(of("host_in", "[\"EXAMPLE.com.\"]", "\"http://example.com\""), T);
    assert_eq!(of("host_in", "[\"0x7f.1\"]", "\"http://127.0.0.1\""), T);
    assert_eq!(of("host_in", "[\"*.com\"]", "\"http://com\""), F);
}

#[test]
fn stars_are_every_or_some() {
    for (name, value, args, require, deny_if) in [
        ("lte", "10", "[1,10]", T, T),
        ("lte", "10", "[1,11]", F, T),
        ("lte", "10", "[11,12]", F, F),
        ("lte", "10", "[1,\"11\"]", U, T),
        ("lte", "10", "[11,\"11\"]", F, U),
        ("lte", "10", "[1,null]", F, T),
        ("lte", "10", "[]", F, F),
        ("exists", "true", "[1,null]", F, T),
        ("not_contains", "\"x\"", "[\"y\",\"ax\"]", F, T),
    ] {
        let args = format!("{{\"v\":{args}}}");
        let asked = |reading| ask(("args.v[*]", name, value), IfMissing::False, reading, &args);
        assert_eq!(asked(Reading::Require), require, "{name} {args}");
        assert_eq!(asked(Reading::DenyIf), deny_if, "{name} {args}");
    }
    for args in ["{\"v\":[]}", "{}", "{\"v\":null}"] {
        let asked = |reading| ask(("args.v[*]", "eq", "1"), IfMissing::Match, reading, args);
        assert_eq!((asked(Reading::Require), asked(Reading::DenyIf)), (T, T));
    }
    // Two stars: every (or some) element of every (or some) array.
    let args = r#"{"v":[{"w":[1,2]},{"w":[]}]}"#;
    let asked = |reading| ask(("args.v[*].w[*]", "lt", "9"), IfMissing::False, reading, args);
    assert_eq!((asked(Reading::Require), asked(Reading::DenyIf)), (F, T));
}

#[test]
fn facts_other_than_arguments() {
    for (path, name, value, truth) in [
        ("tool.name", "eq", "\"pay\"", T),
        ("tool.class", "eq", "\"write\"", T),
        ("tool.risk", "in", "[\"high\",\"critical\"]", T),
        ("grant.label", "starts_with", "\"ag\"", T),
        ("grant.tags.team", "eq", "\"finance\"", T),
        ("grant.tags.cost", "exists", "true", F),
        ("client.name", "eq", "\"cli\"", T),
        ("client.version", "exists", "true", F),
        ("now.hour", "eq", "17.0", T),
        ("now.hour", "lt", "18", T),
        ("now.hour", "eq", "\"17\"", U),
        ("now.hour", "count_lte", "1", U),
        ("now.weekday", "eq", "\"fri\"", T),
        ("tool.name", "contains", "\"a\"", T),
        ("tool.name", "eq", "{}", U),
        ("now.hour", "in", "[[17]]", U),
    ] {
        let asked = ask((path, name, value), IfMissing::False, Reading::Require, "{}");
        assert_eq!(asked, truth, "{path} {name} {value}");
    }
}

#[test]
fn amounts() {
    let amount_of = |args: &str| {
        let path = Path::parse("args.n", Section::Tools).unwrap();
        with_facts(args, |facts| amount(&path, facts))
    };
    assert_eq!(amount_of("{\"n\":0.1}"), Some(Micro(100_000)));
    assert_eq!(amount_of("{\"n\":0.0000001}"), Some(Micro(1)));
    assert_eq!(amount_of("{\"n\":0}"), Some(Micro(0)));
    assert_eq!(amount_of("{\"n\":-0.0}"), Some(Micro(0)));
    assert_eq!(amount_of("{\"n\":1e999}"), Some(Micro(u64::MAX)));
    for args in [
        "{}",
        "{\"n\":null}",
        "{\"n\":-1}",
        "{\"n\":\"5\"}",
        "{\"N\":5}",
        "{\"n\":1e1001}",
        "{\"n\":[1]}",
    ] {
        assert_eq!(amount_of(args), None, "{args}");
    }
    let star = Path::parse("args.n[*]", Section::Tools).unwrap();
    assert_eq!(with_facts("{\"n\":[1]}", |facts| amount(&star, facts)), None);
}

#[test]
fn what_was_observed() {
    let shown = |args: &str| {
        let path = Path::parse("args.n", Section::Tools).unwrap();
        with_facts(args, |facts| observed(&path, facts))
    };
    assert_eq!(shown("{\"n\":20000}").as_deref(), Some("20000"));
    assert_eq!(shown("{\"n\":true}").as_deref(), Some("true"));
    assert_eq!(shown("{\"n\":\"a\\nb\"}").as_deref(), Some("\"a\\nb\""));
    assert_eq!(shown("{\"n\":[1]}").as_deref(), Some("an array"));
    assert_eq!(shown(&format!("{{\"n\":\"{}\"}}", "x".repeat(999))).unwrap().len(), 66);
    assert_eq!(shown("{}"), None);
    assert_eq!(shown("{\"N\":1}"), None);
}

fn errors(name: &str, value: &str) -> Vec<(OpErrorAt, String)> {
    let value = Value::parse(value).unwrap();
    match Op::parse(name, value.root()) {
        Ok(_) => Vec::new(),
        Err(errors) => errors.into_iter().map(|error| (error.at, error.below)).collect(),
    }
}

#[test]
fn values_of_the_wrong_type_are_errors() {
    for (name, value) in [
        ("lt", "\"5\""),
        ("lt", "1e1001"),
        ("lt", "null"),
        ("in", "[]"),
        ("in", "\"a\""),
        ("not_in", "{}"),
        ("exists", "1"),
        ("exists", "null"),
        ("regex", "1"),
        ("regex", "\"(\""),
        ("regex", "\"(?=a)\""),
        ("regex", "\"(a)\\\\1\""),
        ("not_regex", "\"((a{1000}){1000}){1000}\""),
        ("contains", "null"),
        ("contains", "[1]"),
        ("starts_with", "[\"a\"]"),
        ("ends_with", "1"),
        ("length_lte", "-1"),
        ("length_gte", "1.5"),
        ("count_lte", "\"1\""),
        ("path_within", "\"data\""),
        ("path_within", "[]"),
        ("path_within", "5"),
        ("path_within", "\"\""),
        ("host_in", "\"example.com\""),
        ("host_in", "[]"),
        ("eq", "1e1001"),
    ] {
        assert_eq!(errors(name, value), [(OpErrorAt::Value, String::new())], "{name} {value}");
    }
    let below = |name: &str, value: &str| -> Vec<String> {
        errors(name, value).into_iter().map(|(_, below)| below).collect()
    };
    assert_eq!(below("path_within", "[\"/a\",\"b\",5]"), ["/1", "/2"]);
    assert_eq!(below("eq", "{\"a/b\":[1,1e1001],\"~\":1e-1001}"), ["/a~1b/1", "/~0"]);
    assert_eq!(below("in", "[1,1e1001]"), ["/1"]);
    for host in [
        "http://a",
        "a/b",
        "a:1",
        "[::1]",
        "a b",
        "*",
        "*.",
        "a.*",
        "*.*.a",
        "",
        ".",
        "a%41",
        "*.127.0.0.1",
        "a..b",
        "1.2.3.4.5",
        "me@a",
    ] {
        let value = format!("[\"ok.example\",\"{host}\"]");
        assert_eq!(below("host_in", &value), ["/1"], "{host}");
    }
    for name in ["equals", "", "EQ", "eq ", "matches"] {
        assert_eq!(errors(name, "1"), [(OpErrorAt::Op, String::new())], "{name}");
    }
    let value = Value::parse("1").unwrap();
    let help = |name: &str| Op::parse(name, value.root()).unwrap_err().remove(0).help;
    assert_eq!(help("equals").as_deref(), Some("did you mean `eq`?"));
    assert_eq!(help("path_witin").as_deref(), Some("did you mean `path_within`?"));
}

/// A pattern whose automaton is too large is refused when the policy is read; what is let in takes
/// time that grows with the text alone. An engine that tries one way after the other would not come
/// to an end with these.
#[test]
fn patterns_that_explode_are_refused_or_take_linear_time() {
    let long = r"\w".repeat(1 << 11);
    for pattern in [r"(?:a{1000}){1000}", r"(\p{L}{100}){100}", r"((.{99}){99}){99}", &long] {
        let value = serde_json::to_string(pattern).unwrap();
        let refused = errors("regex", &value);
        assert_eq!(refused, [(OpErrorAt::Value, String::new())], "{pattern:.40}");
    }
    let text = serde_json::to_string(&format!("{}!", "a".repeat(500))).unwrap();
    for pattern in [r"(a+)+$", r"(a|aa)+$", r"^(a|a?)+$", r"^([a-zA-Z]+)*$", r"^(a?){30}a{30}$"] {
        let value = serde_json::to_string(pattern).unwrap();
        assert_eq!(of("regex", &value, &text), F, "{pattern}");
    }
}

#[test]
fn ordinary_patterns_fit_the_bound() {
    for pattern in [
        r"^\w{1,128}$",
        r"^[\w.+-]+@[\w-]+(\.[\w-]+)+$",
        r"^[\p{L}\p{N} ]{1,200}$",
        r"(?i)^drop\s+table\b",
    ] {
        let value = serde_json::to_string(pattern).unwrap();
        assert!(errors("regex", &value).is_empty(), "{pattern}");
    }
}

const CONDITIONS: [(&str, &str); 24] = [
    ("eq", "{\"a\":[1]}"),
    ("neq", "\"a\""),
    ("lt", "1e5"),
    ("lte", "0"),
    ("gt", "-1"),
    ("gte", "1e1000"),
    ("in", "[1,\"a\",[],{},null,true]"),
    ("not_in", "[\"a\"]"),
    ("exists", "true"),
    ("exists", "false"),
    ("regex", "\"^a$\""),
    ("not_regex", "\"b\""),
    ("contains", "\"a\""),
    ("contains", "1"),
    ("not_contains", "true"),
    ("starts_with", "\"a\""),
    ("ends_with", "\"b\""),
    ("length_lte", "1"),
    ("length_gte", "2"),
    ("count_lte", "1"),
    ("count_gte", "2"),
    ("path_within", "\"/a\""),
    ("host_in", "[\"a\"]"),
    ("eq", "null"),
];

proptest! {
    #[test]
    fn every_operator_answers_for_every_argument(
        value in crate::value::tests::json(),
        path in r"args(\.[a-c]|\[[0-2]\]|\[\*\]){0,4}",
    ) {
        let args = value.to_string();
        for (name, value) in CONDITIONS {
            for reading in [Reading::Require, Reading::DenyIf] {
                let plain = ask((&path, name, value), IfMissing::False, reading, &args);
                let matched = ask((&path, name, value), IfMissing::Match, reading, &args);
                // What is missing never makes an undefined condition of a defined one, nor the reverse, without a star.
                if !path.contains('*') {
                    prop_assert_eq!(plain.is_undefined(), matched.is_undefined());
                }
            }
        }
    }

    #[test]
    fn any_url_has_a_host_or_not(url in r"(https?://)?([a-c0-9x.:%/@\\\[\]?#ßİ\u{ad}-]|xn--|%41|%2e){0,20}") {
        let args = serde_json::json!({ "v": url }).to_string();
        ask(("args.v", "host_in", "[\"a.b\"]"), IfMissing::False, Reading::Require, &args);
        ask(("args.v", "path_within", "\"/a\""), IfMissing::False, Reading::Require, &args);
    }

    /// A defined answer does not change when the path is resolved first.
    #[test]
    fn a_resolved_path_lies_where_it_lay(segments in prop::collection::vec("[ab]|\\.|\\.\\.|", 0..8)) {
        let path = format!("/{}", segments.join("/"));
        let mut resolved: Vec<&str> = Vec::new();
        for segment in &segments {
            match segment.as_str() {
                "" | "." => {}
                ".." => { resolved.pop(); }
                segment => resolved.push(segment),
            }
        }
        let within = Truth::from(resolved.first() == Some(&"a"));
        prop_assert_eq!(of("path_within", "\"/a\"", &format!("\"{path}\"")), within);
    }
}
