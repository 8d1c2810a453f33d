//! One judgement. It must cost the same whatever the number of tools in the policy.

use std::collections::BTreeMap;
use std::hint::black_box;

use criterion::Criterion;
use policy::{
    Call, ClientFacts, Document, GrantFacts, Judgement, Policy, Target, ToolFacts, UnixMillis,
    Value, Verdict, decide,
};

use crate::cpu_time::CpuTime;

/// 2026-01-01T00:00:00Z.
const NOW: UnixMillis = UnixMillis(1_767_225_600_000);
/// The tool that is called.
const CALLED: &str = "tool_00005";
const ARGUMENTS: &str =
    r#"{"note":"an invoice","amount":129.95,"currency":"EUR","recipient":"acct-7731"}"#;
const CONDITIONS: [&str; 5] = [
    r#"{"path":"args.amount","op":"lte","value":5000}"#,
    r#"{"path":"args.currency","op":"in","value":["CHF","EUR","USD"]}"#,
    r#"{"path":"args.recipient","op":"starts_with","value":"acct-"}"#,
    r#"{"path":"args.note","op":"not_regex","value":"(?i)urgent|wire transfer"}"#,
    r#"{"path":"args.note","op":"length_lte","value":2000}"#,
];

/// A policy of so many tools, of which [`CALLED`] has so many conditions and one limit, and of so many
/// globs that match none. The others are short, because 10,000 long ones are no policy any more.
fn policy(tools: usize, conditions: usize, globs: usize) -> Policy {
    let conditions: Vec<&str> = CONDITIONS.into_iter().take(conditions).collect();
    let conditions = conditions.join(",");
    let rules = format!(
        r#"{{"require":[{{"conditions":[{conditions}]}}],"limits":[{{"counter":"calls","window":"minute","max":1000000}}]}}"#
    );
    let other = r#"{"require":[{"conditions":[{"path":"args.a","op":"exists","value":true}]}]}"#;
    let of = |name: &str| if name == CALLED { rules.clone() } else { other.to_owned() };
    let names = (0..tools).map(|n| format!("tool_{n:05}"));
    let exact = names.map(|name| format!(r#""{name}":{}"#, of(&name)));
    let globs = (0..globs).map(|n| format!(r#""other_{n:05}_*":{{}}"#));
    let selectors: Vec<String> = exact.chain(globs).collect();
    let selectors = selectors.join(",");
    let text = format!(
        r#"{{"version":"1","default":"deny","hide":["delete_*"],"tools":{{{selectors}}}}}"#
    );
    Policy::compile(&Document::parse(&text).expect("the policy is valid"))
}

fn judge(
    policy: &Policy,
    name: &str,
    args: &Value<'_>,
    tags: &BTreeMap<String, String>,
) -> Judgement {
    let tool = ToolFacts { name, class: None, risk: None, schema: None };
    let grant = GrantFacts { label: "agent", tags };
    let client = ClientFacts::default();
    decide(policy, &Call { target: Target::Tool(tool), args, grant, client, now: NOW })
}

pub(super) fn all(criterion: &mut Criterion<CpuTime>) {
    let args = Value::parse(ARGUMENTS).expect("the arguments are JSON");
    let tags = BTreeMap::new();
    let mut group = criterion.benchmark_group("decide");
    for (tools, conditions, globs) in
        [(10, 2, 0), (10, 5, 0), (500, 5, 0), (9_999, 5, 0), (500, 5, 100)]
    {
        let policy = policy(tools, conditions, globs);
        let behind = if globs == 0 { String::new() } else { format!(", {globs} globs") };
        let allowed = judge(&policy, CALLED, &args, &tags);
        assert!(matches!(allowed.verdict, Verdict::Allow(_)), "{:?}", allowed.verdict);
        let name = format!("{tools} tools, {conditions} conditions{behind}");
        group.bench_function(name, |bencher| {
            bencher.iter(|| judge(black_box(&policy), black_box(CALLED), &args, &tags));
        });
    }
    let policy = policy(500, 5, 0);
    group.bench_function("500 tools, refused as not listed", |bencher| {
        bencher.iter(|| judge(black_box(&policy), black_box("no_such_tool"), &args, &tags));
    });
    let trace = judge(&policy, CALLED, &args, &tags).trace;
    group.bench_function("the trace as JSON", |bencher| bencher.iter(|| trace.to_json()));
    group.finish();
}
