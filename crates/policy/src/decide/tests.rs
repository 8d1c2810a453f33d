//! The laws of the decision (POLICY section 6), over random policies and calls, and the trace.

use std::collections::BTreeMap;

use expect_test::expect;
use proptest::prelude::*;

use crate::{
    Call, Class, ClientFacts, Document, GrantFacts, Judgement, Policy, Reason, Risk, Target,
    ToolFacts, UnixMillis, Value, Verdict, decide,
};

/// One condition as JSON text.
fn condition() -> impl Strategy<Value = String> {
    let path = prop::sample::select(vec!["args.a", "args.b", "args.l[*]", "args.a.b", "now.hour"]);
    let comparison = prop::sample::select(vec![
        r#""op":"eq","value":1"#,
        r#""op":"neq","value":"x""#,
        r#""op":"lt","value":2"#,
        r#""op":"in","value":[1,"x"]"#,
        r#""op":"exists","value":true"#,
        r#""op":"contains","value":"x""#,
        r#""op":"count_gte","value":1"#,
        r#""op":"eq","value":1,"if_missing":"match""#,
    ]);
    let test = (path, comparison).prop_map(|(path, test)| format!(r#"{{"path":"{path}",{test}}}"#));
    test.prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|inner| format!(r#"{{"not":{inner}}}"#)),
            prop::collection::vec(inner, 1..3)
                .prop_map(|inner| format!(r#"{{"any":[{}]}}"#, inner.join(","))),
        ]
    })
}

fn rule(conditions: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    let approval = prop::sample::select(vec!["", r#","approval":true"#, r#","approval":false"#]);
    (prop::collection::vec(condition(), conditions), approval).prop_map(|(conditions, approval)| {
        format!(r#"{{"conditions":[{}]{approval}}}"#, conditions.join(","))
    })
}

#[derive(Debug, Clone)]
struct RulesText {
    action: &'static str,
    require: Vec<String>,
    deny_if: Vec<String>,
    limits: Vec<&'static str>,
}

impl RulesText {
    fn json(&self) -> String {
        format!(
            r#"{{{}"require":[{}],"deny_if":[{}],"limits":[{}]}}"#,
            self.action,
            self.require.join(","),
            self.deny_if.join(","),
            self.limits.join(",")
        )
    }
}

fn rules() -> impl Strategy<Value = RulesText> {
    let action = prop::sample::select(vec![
        "",
        "",
        "",
        r#""action":"approve","#,
        r#""action":"deny","#,
        r#""action":"hide","#,
    ]);
    let limit = prop::sample::select(vec![
        r#"{"window":"day","max":5}"#,
        r#"{"counter":"c","window":"day","max":5,"increment_from":"args.a"}"#,
    ]);
    (
        action,
        prop::collection::vec(rule(1..3), 0..3),
        prop::collection::vec(rule(0..3), 0..3),
        prop::collection::vec(limit, 0..2),
    )
        .prop_map(|(action, require, deny_if, limits)| RulesText {
            action,
            require,
            deny_if,
            limits,
        })
}

#[derive(Debug, Clone)]
struct PolicyText {
    default: &'static str,
    hide: Vec<&'static str>,
    tools: BTreeMap<&'static str, RulesText>,
    all_tools: Option<RulesText>,
}

impl PolicyText {
    fn json(&self) -> String {
        let hide: Vec<String> = self.hide.iter().map(|name| format!("\"{name}\"")).collect();
        let tools: Vec<String> =
            self.tools.iter().map(|(name, rules)| format!("\"{name}\":{}", rules.json())).collect();
        let all_tools = match &self.all_tools {
            None => String::new(),
            Some(rules) => {
                format!(r#","all_tools":{}"#, RulesText { action: "", ..rules.clone() }.json())
            }
        };
        format!(
            r#"{{"version":"1","default":"{}","hide":[{}],"tools":{{{}}}{all_tools}}}"#,
            self.default,
            hide.join(","),
            tools.join(",")
        )
    }
}

fn policies() -> impl Strategy<Value = PolicyText> {
    let selector = prop::sample::select(vec!["t", "u", "t*", "*", "@read", "@high"]);
    let hidden = prop::sample::select(vec!["u", "h*", "@critical"]);
    (
        prop::sample::select(vec!["allow", "deny"]),
        prop::collection::vec(hidden, 0..2),
        prop::collection::btree_map(selector, rules(), 0..4),
        prop::option::of(rules()),
    )
        .prop_map(|(default, hide, tools, all_tools)| PolicyText {
            default,
            hide,
            tools,
            all_tools,
        })
}

/// Texts of valid documents.
pub(crate) fn documents() -> impl Strategy<Value = String> {
    policies().prop_map(|policy| policy.json())
}

fn arguments() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "1",
        "3",
        "-1",
        "\"x\"",
        "null",
        "[]",
        "[\"x\",1]",
        "[\"ax\"]",
        "{}",
        "{\"b\":1}",
        "true",
        "1e1001",
    ]);
    let key = prop::sample::select(vec!["a", "b", "l", "A", "a.b"]);
    prop::collection::btree_map(key, value, 0..4).prop_map(|members| {
        let members: Vec<String> =
            members.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
        format!("{{{}}}", members.join(","))
    })
}

const TOOLS: [ToolFacts<'static>; 4] = [
    ToolFacts { name: "t", class: Some(Class::Read), risk: Some(Risk::Low), schema: None },
    ToolFacts { name: "u", class: Some(Class::Write), risk: Some(Risk::High), schema: None },
    ToolFacts { name: "tt", class: None, risk: None, schema: None },
    ToolFacts { name: "x", class: Some(Class::Read), risk: Some(Risk::Critical), schema: None },
];

fn judge(policy: &str, tool: ToolFacts<'static>, args: &str) -> Judgement {
    let policy = Policy::compile(&Document::parse(policy).unwrap());
    judge_compiled(&policy, tool, args)
}

fn judge_compiled(policy: &Policy, tool: ToolFacts<'static>, args: &str) -> Judgement {
    let args = Value::parse(args).unwrap();
    let tags = BTreeMap::new();
    let call = Call {
        target: Target::Tool(tool),
        args: &args,
        grant: GrantFacts { label: "g", tags: &tags },
        client: ClientFacts::default(),
        now: UnixMillis(0),
    };
    decide(policy, &call)
}

/// The verdict without names, messages and hints; what a hold asks and an allow charges as a set.
fn essence(judgement: &Judgement) -> (u8, Option<Reason>, Vec<String>) {
    let sorted = |mut list: Vec<String>| {
        list.sort();
        list
    };
    let charges = |obligations: &crate::Obligations| {
        let charge =
            |c: &crate::Charge| format!("{} {:?} {:?} {:?}", c.counter, c.window, c.max, c.amount);
        obligations.charges.iter().map(charge).collect::<Vec<_>>()
    };
    match &judgement.verdict {
        Verdict::Allow(obligations) => (0, None, sorted(charges(obligations))),
        Verdict::Hold(ask, obligations) => {
            let mut parts = charges(obligations);
            parts.extend(ask.rules.iter().map(|rule| rule.digest.to_string()));
            (1, None, sorted(parts))
        }
        Verdict::Deny(denial) => (2, Some(denial.reason), Vec::new()),
    }
}

proptest! {
    #[test]
    fn a_final_rule_more_never_turns_a_deny_into_an_allow(
        policy in policies(),
        more in condition(),
        list in prop::sample::select(vec!["require", "deny_if"]),
        entry in any::<prop::sample::Index>(),
        position in any::<prop::sample::Index>(),
        tool in prop::sample::select(TOOLS.to_vec()),
        args in arguments(),
    ) {
        prop_assume!(!policy.tools.is_empty());
        let before = judge(&policy.json(), tool, &args);
        let mut stricter = policy.clone();
        let rules = entry.get(&policy.tools.keys().copied().collect::<Vec<_>>()).to_owned();
        let rules = stricter.tools.get_mut(rules).unwrap();
        let rules = if list == "require" { &mut rules.require } else { &mut rules.deny_if };
        rules.insert(position.index(rules.len() + 1), format!(r#"{{"conditions":[{more}]}}"#));
        let after = judge(&stricter.json(), tool, &args);
        prop_assert!(essence(&after).0 >= essence(&before).0, "{before:?}\n{after:?}");
    }

    #[test]
    fn the_order_of_rules_never_changes_the_verdict(
        policy in policies(),
        tool in prop::sample::select(TOOLS.to_vec()),
        args in arguments(),
    ) {
        let before = judge(&policy.json(), tool, &args);
        let mut turned = policy.clone();
        for rules in turned.tools.values_mut().chain(&mut turned.all_tools) {
            rules.require.reverse();
            rules.deny_if.reverse();
            rules.limits.reverse();
        }
        turned.hide.reverse();
        let after = judge(&turned.json(), tool, &args);
        let (before, after) = (essence(&before), essence(&after));
        prop_assert_eq!(before.0, after.0);
        // Of several reasons at one step the first in order is told, so only whole sets are compared.
        prop_assert_eq!(before.2, after.2);
    }

    #[test]
    fn a_tool_is_shown_exactly_when_the_first_two_steps_let_it_pass(
        policy in policies(),
        tool in prop::sample::select(TOOLS.to_vec()),
        args in arguments(),
    ) {
        let policy = Policy::compile(&Document::parse(&policy.json()).unwrap());
        let judgement = judge_compiled(&policy, tool, &args);
        let refused = matches!(
            &judgement.verdict,
            Verdict::Deny(denial) if matches!(denial.reason, Reason::Hidden | Reason::NotListed)
        );
        prop_assert_eq!(policy.lists(&Target::Tool(tool)), !refused);
    }

    #[test]
    fn a_policy_that_does_not_read_arguments_gives_one_verdict_for_all(
        policy in policies(),
        tool in prop::sample::select(TOOLS.to_vec()),
        args in arguments(),
    ) {
        let policy = Policy::compile(&Document::parse(&policy.json()).unwrap());
        if !policy.reads_arguments(&tool) {
            let (with, without) = (judge_compiled(&policy, tool, &args), judge_compiled(&policy, tool, "{}"));
            prop_assert_eq!(essence(&with), essence(&without));
        }
    }

    #[test]
    fn every_rule_that_applies_is_in_the_trace(
        policy in policies(),
        args in arguments(),
    ) {
        let judgement = judge(&policy.json(), TOOLS[0], &args);
        let traced: Vec<&str> = judgement.trace.steps().map(|(name, _)| name).collect();
        for (selector, rules) in &policy.tools {
            let applies = matches!(*selector, "t" | "t*" | "*" | "@read");
            for (list, count) in [("require", rules.require.len()), ("deny_if", rules.deny_if.len()), ("limits", rules.limits.len())] {
                for index in 0..count {
                    let name = format!("/tools/{selector}/{list}/{index}");
                    prop_assert_eq!(traced.contains(&name.as_str()), applies, "{}", name);
                }
            }
        }
    }
}

#[test]
fn the_trace_reads_as_text_and_as_json() {
    let policy = r#"{"version":"1","default":"deny","hide":["h*"],"tools":{
        "t":{"validate":"schema","require":[{"id":"small \"1\"","conditions":[{"path":"args.a","op":"lt","value":2}]}],
             "deny_if":[{"conditions":[{"path":"args.b","op":"eq","value":1}]},{"conditions":[]}],
             "limits":[{"window":"day","max":5},{"window":"day","max":5,"increment_from":"args.n"}]}}}"#;
    let judgement = judge(policy, TOOLS[0], r#"{"a":1,"b":"secret"}"#);
    expect![[r#"
        /tools/t: matches
        /tools/t/validate: fails: denied
        small "1": passes
        /tools/t/deny_if/0: undefined: denied
        /tools/t/deny_if/1: fails: a person may waive it
        /tools/t/limits/0: charges
        /tools/t/limits/1: has no usable amount: denied"#]]
    .assert_eq(&judgement.trace.to_string());
    let json: serde_json::Value = serde_json::from_str(&judgement.trace.to_json()).unwrap();
    assert_eq!(json[2]["rule"], "small \"1\"");
    assert_eq!(json[3]["result"], "undefined");
    let unlisted = judge(policy, TOOLS[1], "{}");
    expect!["/default: not listed: denied"].assert_eq(&unlisted.trace.to_string());
}

#[test]
fn a_hold_asks_once_for_everything() {
    let policy = r#"{"version":"1","default":"deny","tools":{"t":{"action":"approve","reason":"Ask.",
        "deny_if":[{"conditions":[],"approval":{"wait_seconds":30,"expires_seconds":90,"approvers":["role:admin"]}},
                   {"conditions":[],"on_deny":"Twice.","approval":{"wait_seconds":10,"approvers":["user:eve"]}}]}}}"#;
    let Verdict::Hold(ask, _) = judge(policy, TOOLS[0], "{}").verdict else { panic!("not held") };
    assert_eq!((&*ask.rule, ask.message.as_str()), ("/tools/t/action", "Ask."));
    assert_eq!((ask.wait_seconds, ask.expires_seconds), (Some(10), 90));
    assert_eq!(ask.approvers.len(), 2);
    let messages: Vec<&str> = ask.rules.iter().map(|rule| rule.message.as_str()).collect();
    assert_eq!(messages[0], "Ask.");
    assert_eq!(messages[2], "Twice.");
}

#[test]
fn a_rule_is_remembered_by_what_it_says_and_where_it_stands() {
    let digest = |policy: &str| match judge(policy, TOOLS[0], "{}").verdict {
        Verdict::Hold(ask, _) => ask.rules[0].digest,
        verdict @ (Verdict::Allow(_) | Verdict::Deny(_)) => panic!("not held: {verdict:?}"),
    };
    let entry = |selector: &str, rule: &str| {
        digest(&format!(
            r#"{{"version":"1","default":"deny","tools":{{"{selector}":{{"deny_if":[{rule}]}}}}}}"#
        ))
    };
    let one = entry("t", r#"{"conditions":[],"id":"a"}"#);
    assert_eq!(one, entry("t", "{ \"id\" : \"\\u0061\", \"conditions\" : [] }"));
    assert_ne!(one, entry("t", r#"{"conditions":[],"id":"b"}"#));
    assert_ne!(one, entry("t*", r#"{"conditions":[],"id":"a"}"#));
    let all =
        r#"{"version":"1","default":"allow","all_tools":{"deny_if":[{"conditions":[],"id":"a"}]}}"#;
    assert_ne!(one, digest(all));
}

#[test]
fn ten_tools_and_ten_thousand_give_the_same_trace() {
    let policy = |count: usize| {
        let tools: Vec<String> =
            (0..count).map(|n| format!(r#""tool{n}":{{"action":"deny"}}"#)).collect();
        let tools = tools.join(",");
        format!(r#"{{"version":"1","default":"deny","tools":{{"t":{{}},{tools}}}}}"#)
    };
    let few = judge(&policy(9), TOOLS[0], "{}").trace.to_string();
    let many = judge(&policy(9_999), TOOLS[0], "{}").trace.to_string();
    assert_eq!(few, many);
}

#[test]
fn without_a_usable_policy_everything_is_denied_and_nothing_shown() {
    for (deny_all, reason) in [
        (crate::DenyAll::NoPolicy, Reason::NoPolicy),
        (crate::DenyAll::Invalid("why".to_owned()), Reason::PolicyInvalid),
    ] {
        let policy = Policy::deny_all(deny_all);
        let judgement = judge_compiled(&policy, TOOLS[0], "{}");
        assert!(
            matches!(judgement.verdict, Verdict::Deny(denial) if denial.reason == reason && !denial.message.contains("why"))
        );
        assert!(!policy.lists(&Target::Tool(TOOLS[0])));
    }
}
