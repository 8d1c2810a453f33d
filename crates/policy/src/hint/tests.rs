//! What hints say, and what they keep to themselves.

use crate::{
    Call, ClientFacts, Document, GrantFacts, Policy, Target, ToolFacts, UnixMillis, Value, Verdict,
    decide,
};

fn hint(list: &str, condition: &str, args: &str) -> Option<String> {
    let text = format!(
        r#"{{"version":"1","default":"deny","tools":{{"t":{{"{list}":[{{"conditions":[{condition}]}}]}}}}}}"#
    );
    let policy = Policy::compile(&Document::parse(&text).unwrap());
    let args = Value::parse(args).unwrap();
    let tags = std::collections::BTreeMap::new();
    let call = Call {
        target: Target::Tool(ToolFacts { name: "t", class: None, risk: None, schema: None }),
        args: &args,
        grant: GrantFacts { label: "g", tags: &tags },
        client: ClientFacts::default(),
        now: UnixMillis(0),
    };
    match decide(&policy, &call).verdict {
        Verdict::Deny(denial) => denial.hint,
        verdict @ (Verdict::Allow(_) | Verdict::Hold(..)) => panic!("not denied: {verdict:?}"),
    }
}

#[test]
fn hints_say_what_would_make_the_call_pass() {
    for (list, condition, args, expected) in [
        (
            "require",
            r#"{"path":"args.amount","op":"lte","value":10000}"#,
            r#"{"amount":20000}"#,
            "args.amount is 20000; at most 10000",
        ),
        (
            "deny_if",
            r#"{"path":"args.amount","op":"gt","value":10000}"#,
            r#"{"amount":20000}"#,
            "args.amount is 20000; at most 10000",
        ),
        (
            "deny_if",
            r#"{"not":{"path":"args.n","op":"gte","value":5}}"#,
            r#"{"n":4}"#,
            "args.n is 4; at least 5",
        ),
        (
            "require",
            r#"{"path":"args.n","op":"lt","value":5}"#,
            r#"{"n":"4"}"#,
            "args.n is \"4\"; a number is needed",
        ),
        (
            "require",
            r#"{"path":"args.region","op":"in","value":["eu","us"]}"#,
            r#"{"region":"cn"}"#,
            "args.region is \"cn\"; must be one of \"eu\", \"us\"",
        ),
        (
            "require",
            r#"{"path":"args.f","op":"path_within","value":"/data"}"#,
            r#"{"f":"/etc"}"#,
            "args.f is \"/etc\"; must lie within /data",
        ),
        (
            "require",
            r#"{"path":"args.to","op":"exists","value":true}"#,
            "{}",
            "args.to is missing or not readable; it must be given",
        ),
        (
            "require",
            r#"{"path":"now.hour","op":"gte","value":8}"#,
            "{}",
            "now.hour is 0; at least 8",
        ),
        (
            "require",
            r#"{"any":[{"path":"args.a","op":"eq","value":1},{"path":"args.b","op":"eq","value":2}]}"#,
            r#"{"a":3,"b":3}"#,
            "args.a is 3; must be 1",
        ),
        (
            "require",
            r#"{"path":"args.s","op":"length_lte","value":2}"#,
            r#"{"s":"abc"}"#,
            "args.s is \"abc\"; at most 2 characters",
        ),
    ] {
        assert_eq!(hint(list, condition, args).as_deref(), Some(expected), "{condition}");
    }
}

#[test]
fn hints_keep_secrets() {
    let long = format!(r#"{{"text":"{}\n"}}"#, "x".repeat(5000));
    for (condition, args, secret) in [
        (r#"{"path":"args.user","op":"eq","value":"hunter2"}"#, r#"{"user":"eve"}"#, "hunter2"),
        (
            r#"{"path":"args.api_key","op":"in","value":["hunter2"]}"#,
            r#"{"api_key":"sesame"}"#,
            "hunter2",
        ),
        (
            r#"{"path":"args.api_key","op":"in","value":["hunter2"]}"#,
            r#"{"api_key":"sesame"}"#,
            "sesame",
        ),
        (r#"{"path":"args.PIN","op":"eq","value":4711}"#, r#"{"PIN":815}"#, "4711"),
        (r#"{"path":"args.PIN","op":"eq","value":4711}"#, r#"{"PIN":815}"#, "815"),
        (r#"{"path":"args.x","op":"regex","value":"^hunter2$"}"#, r#"{"x":"y"}"#, "hunter2"),
        (r#"{"path":"args.x","op":"starts_with","value":"hunter2"}"#, r#"{"x":"y"}"#, "hunter2"),
        (
            r#"{"path":"args.text","op":"length_lte","value":5}"#,
            &long,
            "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        ),
    ] {
        let hint = hint("require", condition, args).unwrap();
        assert!(!hint.contains(secret), "{hint}");
        assert!(hint.len() < 200, "{hint}");
    }
}
