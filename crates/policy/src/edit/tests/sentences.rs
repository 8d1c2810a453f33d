//! Rules said back in plain words.

use std::fmt::Write as _;

use expect_test::{Expect, expect};

use crate::edit::{ConditionForm, form};

fn check(entry: &str, expected: &Expect) {
    let text = format!(r#"{{"version":"1","default":"deny","tools":{{"t":{entry}}}}}"#);
    let form = form(&text).unwrap();
    let entry = &form.tools[0];
    let mut said = format!("{}\n", entry.sentence.0);
    for rule in entry.require.iter().chain(&entry.deny_if) {
        writeln!(said, "{}", rule.sentence.0).unwrap();
        for condition in &rule.conditions {
            if let ConditionForm::Opaque(opaque) = condition {
                writeln!(said, "  | {}", opaque.sentence.0).unwrap();
            }
        }
    }
    for limit in &entry.limits {
        writeln!(said, "{}", limit.sentence.0).unwrap();
    }
    expected.assert_eq(&said);
}

#[test]
fn entries_say_what_they_come_to() {
    check(
        "{}",
        &expect![[r"
        Every call is allowed.
    "]],
    );
    check(
        r#"{"action":"deny","validate":"strict"}"#,
        &expect![[r"
        Every call is denied, and nobody can approve it.
    "]],
    );
    check(
        r#"{"action":"hide"}"#,
        &expect![[r"
        Hidden: for the agent it does not exist.
    "]],
    );
    check(
        r#"{"action":"approve","validate":"schema"}"#,
        &expect![[r"
        Every call needs a person's approval. Arguments must satisfy the tool's schema.
    "]],
    );
    check(
        r#"{"validate":"strict","rate_limit":"10/minute"}"#,
        &expect![[r"
        Calls are allowed that pass what follows. Arguments must satisfy the tool's schema and hold nothing that it does not name. At most 10 calls per minute.
    "]],
    );
}

#[test]
fn rules_say_when_a_call_fails() {
    check(
        r#"{"require":[
            {"conditions":[{"path":"args.amount","op":"lte","value":10000},{"path":"args.currency","op":"in","value":["EUR","USD"]}]},
            {"conditions":[{"path":"args.items[*].price","op":"lt","value":1e3}],"approval":true},
            {"conditions":[{"any":[{"path":"args.file","op":"path_within","value":["/srv","/tmp"]},{"not":{"path":"args.file","op":"exists","value":true}}]},{"path":"now.hour","op":"gte","value":8}]}],
          "deny_if":[
            {"conditions":[]},
            {"conditions":[],"approval":false},
            {"conditions":[{"path":"args.to[*]","op":"ends_with","value":"@example.com","if_missing":"match"}],"approval":{"approvers":["role:admin","user:eve"]}},
            {"conditions":[{"path":"grant.tags.team","op":"neq","value":"ops"},{"not":{"path":"args.to[*]","op":"contains","value":"x"}}]}]}"#,
        &expect![[r#"
            Calls are allowed that pass what follows.
            A call is denied unless `amount` is at most 10000 and `currency` is one of "EUR", "USD".
            A call needs approval unless every `items[*].price` is less than 1e3.
            A call is denied unless (`file` lies within "/srv" or "/tmp" or not (`file` is given)) and the hour (UTC) is at least 8.
              | `file` lies within "/srv" or "/tmp" or not (`file` is given)
            Every call needs approval.
            Every call is denied.
            A call needs approval by role:admin or user:eve if some `to[*]` ends with "@example.com" or is missing.
            A call is denied if the grant's tag `team` is not "ops" and not (every `to[*]` contains "x").
              | not (every `to[*]` contains "x")
        "#]],
    );
}

#[test]
fn limits_say_what_they_count() {
    check(
        r#"{"limits":[{"window":"day","max":5},{"window":60,"max":1,"algorithm":"sliding","scope":"session"},
            {"window":"month","max":1000,"increment_from":"args.amount","scope":"organisation","counter":"spend"},
            {"window":"in_flight","max":2,"scope":"server"},{"window":"hour","max":10,"increment":2.5}]}"#,
        &expect![[r"
            Calls are allowed that pass what follows.
            At most 5 calls per day for each grant.
            At most 1 call in any 60 seconds for each session.
            At most 1000 of `amount`, added up, per month for the whole organisation together; counted in `spend`.
            At most 2 calls at the same time for all grants of the server together.
            At most 10 units per hour for each grant; each call takes 2.5.
        "]],
    );
}
