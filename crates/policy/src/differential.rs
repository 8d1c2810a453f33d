//! The compiled engine against the naive evaluator, on random documents and calls: verdict, reason and rule must agree.

pub(crate) mod generate;
mod reference;

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use serde_json::{Value as Json, json};

use crate::{
    Call, ClientFacts, Document, GrantFacts, Policy, Target, ToolFacts, UnixMillis, Value, Verdict,
    decide,
};
use reference::{Answer, Asked, evaluate};

/// 2026-01-05T09:30:00Z, a Monday.
const NOW: UnixMillis = UnixMillis(1_767_605_400_000);

/// What is called: section, name, class, risk.
pub(crate) type Called = (&'static str, &'static str, Option<&'static str>, Option<&'static str>);

pub(crate) fn called() -> impl Strategy<Value = Called> {
    let class = select(vec![None, Some("read"), Some("write"), Some("destructive")]);
    let risk = select(vec![None, Some("low"), Some("high")]);
    let tool = (select(generate::TOOLS.to_vec()), class, risk);
    prop_oneof![
        4 => tool.prop_map(|(name, class, risk)| ("tools", name, class, risk)),
        1 => select(generate::URIS.to_vec()).prop_map(|uri| ("resources", uri, None, None)),
        1 => select(generate::PROMPTS.to_vec()).prop_map(|name| ("prompts", name, None, None)),
    ]
}

/// What the compiled engine says under a policy's text: verdict, reason and rule.
pub(crate) fn compiled(doc: &str, called: Called, args: &Json) -> Answer {
    let (section, name, class, risk) = called;
    let document = Document::parse(doc).unwrap_or_else(|p| panic!("{p:#?}\n{doc}"));
    let text = args.to_string();
    let args = Value::parse(&text).unwrap();
    let tags = BTreeMap::from([("x".to_owned(), "a".to_owned())]);
    let target = match section {
        "tools" => Target::Tool(ToolFacts {
            name,
            class: class.map(|c| c.parse().unwrap()),
            risk: risk.map(|r| r.parse().unwrap()),
            schema: None,
        }),
        "resources" => Target::Resource { uri: name },
        _ => Target::Prompt { name },
    };
    let call = Call {
        target,
        args: &args,
        grant: GrantFacts { label: "ab", tags: &tags },
        client: ClientFacts { name: None, version: None },
        now: NOW,
    };
    match decide(&Policy::compile(&document), &call).verdict {
        Verdict::Allow(_) => ("allow", String::new(), String::new()),
        Verdict::Hold(ask, _) => ("hold", "approval_required".to_owned(), ask.rule.to_string()),
        Verdict::Deny(denial) => {
            ("deny", denial.reason.as_str().to_owned(), denial.rule.to_string())
        }
    }
}

/// What the naive evaluator says.
pub(crate) fn naive(doc: &Json, (section, name, class, risk): Called, args: &Json) -> Answer {
    let mut tool = json!({ "name": name });
    for (key, value) in [("class", class), ("risk", risk)] {
        if let Some(value) = value {
            tool[key] = value.into();
        }
    }
    let roots = json!({
        "args": args,
        "tool": tool,
        "grant": { "label": "ab", "tags": { "x": "a" } },
        "client": {},
        "now": { "hour": 9, "weekday": "mon" },
    });
    evaluate(doc, &Asked { section, name, class, risk, roots })
}

/// A resource is asked with its URI as the only argument.
pub(crate) fn arguments_of(called: Called, args: &Json) -> Cow<'_, Json> {
    if called.0 == "resources" {
        Cow::Owned(json!({ "uri": called.1 }))
    } else {
        Cow::Borrowed(args)
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_compiled_engine_and_the_naive_one_agree(
        doc in generate::document(),
        called in called(),
        args in generate::arguments(),
    ) {
        let args = arguments_of(called, &args);
        prop_assert_eq!(compiled(&doc.to_string(), called, &args), naive(&doc, called, &args));
    }
}

/// Agreement means little where everything ends in one reason: the same generators must reach all of them.
#[test]
fn random_calls_reach_every_reason() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let strategy = (generate::document(), called(), generate::arguments());
    let mut seen: BTreeMap<(&str, String), u32> = BTreeMap::new();
    for _ in 0..1_500 {
        let (doc, called, args) = strategy.new_tree(&mut runner).unwrap().current();
        let (verdict, reason, _) = naive(&doc, called, &arguments_of(called, &args));
        *seen.entry((verdict, reason)).or_default() += 1;
    }
    let rare: Vec<_> = seen.iter().filter(|(_, n)| **n < 15).collect();
    assert!(seen.len() == 8 && rare.is_empty(), "{seen:#?}");
}
