//! The grammar of paths, twins, and what a walk finds.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Found, Path, PathRoot, Section, Step};
use crate::op::Reading;
use crate::{ClientFacts, Facts, GrantFacts, Truth, UnixMillis, Value};

fn path(text: &str) -> Path {
    Path::parse(text, Section::Tools).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `present`, `missing` or `undefined`.
fn look(path_text: &str, args: &str) -> &'static str {
    look_tags(path_text, args, &[])
}

fn look_tags(path_text: &str, args: &str, tags: &[(&str, &str)]) -> &'static str {
    let args = Value::parse(args).unwrap();
    let tags: BTreeMap<String, String> =
        tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let facts = Facts {
        args: &args,
        tool: None,
        grant: GrantFacts { label: "l", tags: &tags },
        client: ClientFacts::default(),
        now: UnixMillis(0),
    };
    let truth = path(path_text).ask(&facts, Reading::DenyIf, &|found| match found {
        Found::Subject(_) => Truth::True,
        Found::Missing => Truth::False,
        Found::Undefined => Truth::Undefined,
    });
    match truth {
        Truth::True => "present",
        Truth::False => "missing",
        Truth::Undefined => "undefined",
    }
}

#[test]
fn the_grammar() {
    let key = |text: &str| Step::Key(text.into());
    for (text, steps) in [
        ("args", vec![]),
        ("args.a.b", vec![key("a"), key("b")]),
        ("args.items[0].price", vec![key("items"), Step::Index(0), key("price")]),
        ("args.items[*].price", vec![key("items"), Step::Each, key("price")]),
        ("args[\"a.b\"]", vec![key("a.b")]),
        ("args[\"\"][10]", vec![key(""), Step::Index(10)]),
        (r#"args["\"]\\\u0041"].x"#, vec![key("\"]\\A"), key("x")]),
        ("args.$ref.a-b.ä", vec![key("$ref"), key("a-b"), key("ä")]),
    ] {
        let parsed = path(text);
        assert_eq!(parsed.root(), PathRoot::Args);
        assert_eq!(parsed.steps(), steps, "{text}");
        assert_eq!(parsed.as_str(), text);
    }
    assert!(path("args.a[*]").has_star() && !path("args.a").has_star());
    for text in
        ["tool.name", "tool.class", "tool.risk", "grant.label", "client.name", "client.version"]
    {
        assert!(path(text).steps().is_empty());
    }
    assert_eq!(path("grant.tags.a").root(), PathRoot::GrantTags);
    assert_eq!(path("grant.tags[\"a b\"]").steps(), [key("a b")]);
}

#[test]
fn anything_else_is_an_error() {
    for text in [
        "",
        "amount",
        "arg.a",
        "args.",
        "args..a",
        "args.a.",
        "args[",
        "args[]",
        "args[-1]",
        "args[+1]",
        "args[01]",
        "args[ 0]",
        "args[0",
        "args[a]",
        "args[\"a]",
        "args[\"a\"",
        "args[\"a\\x\"]",
        "args['a']",
        "args.a b",
        "args.a\u{a0}b",
        "args.a]",
        "args.a\"",
        "args.*",
        "args.a*",
        "args[**]",
        "args[*",
        " args",
        "args ",
        "Args.a",
        "argsa",
        "args[99999999999999999999999]",
        "tool",
        "tool.schema",
        "tool.name.x",
        "grant",
        "grant.tags",
        "grant.tags.",
        "grant.tags[*]",
        "grant.tags[0]",
        "grant.tags.a[0]",
        "grant.id",
        "client",
        "client.title",
        "now",
        "now.minute",
        "now.hour[0]",
        "args\u{0}",
    ] {
        assert!(Path::parse(text, Section::Tools).is_err(), "{text:?}");
    }
    assert!(Path::parse(&format!("args{}", ".a".repeat(129)), Section::Tools).is_err());
    for section in [Section::Resources, Section::Prompts] {
        assert!(Path::parse("tool.name", section).is_err());
        assert!(Path::parse("grant.label", section).is_ok());
    }
    let help = |text| Path::parse(text, Section::Tools).unwrap_err().help.unwrap();
    assert_eq!(help("tool.nam"), "did you mean `tool.name`?");
    assert_eq!(help("amount"), "arguments are written `args.amount`");
}

#[test]
fn missing_and_wrong_types() {
    for (path, args, found) in [
        ("args", "{}", "present"),
        ("args.a", "{\"a\":false}", "present"),
        ("args.a", "{}", "missing"),
        ("args.a", "{\"a\":null}", "missing"),
        ("args.a.b", "{\"a\":null}", "missing"),
        ("args.a.b", "{\"a\":\"text\"}", "undefined"),
        ("args.a.b", "{\"a\":[1]}", "undefined"),
        ("args.a[0]", "{\"a\":[1]}", "present"),
        ("args.a[1]", "{\"a\":[1]}", "missing"),
        ("args.a[0]", "{\"a\":[null]}", "missing"),
        ("args.a[0]", "{\"a\":{\"0\":1}}", "undefined"),
        ("args.a[*]", "{\"a\":{}}", "undefined"),
        ("args.a[*]", "{\"a\":[]}", "missing"),
        ("args.a[*]", "{}", "missing"),
        ("args.a[*]", "{\"a\":null}", "missing"),
        ("args.a[*].b", "{\"a\":[{}, {\"b\":1}]}", "present"),
        ("args.a[*].b", "{\"a\":[{}, 5]}", "undefined"),
        ("args.a[*].b[*]", "{\"a\":[{\"b\":[]}]}", "missing"),
    ] {
        assert_eq!(look(path, args), found, "{path} {args}");
    }
}

#[test]
fn twins_of_keys() {
    for (path, args, found) in [
        ("args.amount", "{\"Amount\":1}", "undefined"),
        ("args.amount", "{\"amount\":1,\"AMOUNT\":1}", "undefined"),
        ("args.amount", "{\"AMOUNT\":null,\"amount\":1}", "undefined"),
        ("args.amount", "{\"amounts\":1,\"amoun\":1}", "missing"),
        ("args.ss", "{\"ß\":1}", "undefined"),
        ("args.ß", "{\"SS\":1}", "undefined"),
        ("args.paras", "{\"paraſ\":1}", "undefined"),
        ("args.k", "{\"\u{212a}\":1}", "undefined"),
        ("args.ΟΔΟΣ", "{\"οδος\":1}", "undefined"),
        ("args.ﬁle", "{\"FILE\":1}", "undefined"),
        ("args.ı", "{\"i\":1}", "undefined"),
        ("args.a.b", "{\"a.b\":1}", "undefined"),
        ("args.a.b", "{\"A.B\":1,\"a\":{\"b\":1}}", "undefined"),
        ("args.a.b.c", "{\"a.b\":1,\"a\":{\"b\":{\"c\":1}}}", "undefined"),
        ("args.a.b.c", "{\"a.b.c\":1,\"a\":{\"b\":{\"c\":1}}}", "undefined"),
        ("args.a.b.c", "{\"a\":{\"B.c\":1,\"b\":{\"c\":1}}}", "undefined"),
        ("args.a.b", "{\"a.b.c\":1,\"a\":{\"b\":1}}", "present"),
        ("args.a.b", "{\"a.bc\":1,\"a.\":1,\"a\":{\"b\":1}}", "present"),
        ("args.a[0].b", "{\"a.b\":1,\"a\":[{\"b\":1}]}", "present"),
        ("args[\"a.b\"]", "{\"a.b\":1}", "present"),
        ("args[\"a.b\"].c", "{\"A.b.C\":1,\"a.b\":{\"c\":1}}", "undefined"),
        ("args[\"\"][\"\"]", "{\".\":1}", "undefined"),
        ("args.a[*].b", "{\"a\":[{\"B\":1}]}", "undefined"),
    ] {
        assert_eq!(look(path, args), found, "{path} {args}");
    }
}

#[test]
fn tags_have_twins_too() {
    for (path, tags, found) in [
        ("grant.tags.team", vec![("team", "x")], "present"),
        ("grant.tags.team", vec![], "missing"),
        ("grant.tags.team", vec![("Team", "x")], "undefined"),
        ("grant.tags.team", vec![("TEAM", "y"), ("team", "x")], "undefined"),
        ("grant.tags.a.b", vec![("a.b", "x")], "undefined"),
        ("grant.tags.a.b", vec![("a", "x")], "undefined"),
        ("grant.tags.a.b", vec![], "missing"),
        ("grant.tags[\"a.b\"]", vec![("a.b", "x")], "present"),
    ] {
        assert_eq!(look_tags(path, "{}", &tags), found, "{path}");
    }
}

proptest! {
    #[test]
    fn any_text_is_a_path_or_not(text in r#"(args|tool|grant|now)([.\[\]"*a0\\ ]|name|tags){0,12}"#) {
        if let Ok(path) = Path::parse(&text, Section::Tools) {
            prop_assert_eq!(path.as_str(), text);
        }
    }

    #[test]
    fn a_walk_never_fails(value in crate::value::tests::json(), path in r"args(\.[a-c]|\[[0-2]\]|\[\*\]){0,5}") {
        look(&path, &value.to_string());
    }

    /// Folding whole words instead of characters never finds a twin that folding characters does not.
    #[test]
    fn twins_of_words_are_twins(left in "[σςΣßſkKıiİa.ŉΐ]{1,4}", right in "[σςΣßſkKıiİa.ŉΐ]{1,4}") {
        let words = |text: &str| text.to_uppercase().to_lowercase();
        if left != right && words(&left) == words(&right) {
            let text = serde_json::to_string(&left).unwrap();
            let args = serde_json::json!({ right: 1 }).to_string();
            prop_assert_eq!(look(&format!("args[{text}]"), &args), "undefined");
        }
    }
}
