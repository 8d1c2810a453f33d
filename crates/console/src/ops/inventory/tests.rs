use std::collections::BTreeMap;

use policy::{Class, Document, Policy, Risk, UnixMillis};
use store::{GrantId, GrantRecord, Label, PinLine, PinState, PolicyMode, ServerSlug, TokenHash};

use super::{Effect, effect};

fn pin(tool: &str, state: PinState) -> PinLine {
    PinLine {
        digest: "00".to_owned(),
        server: ServerSlug::parse("pay").unwrap(),
        tool: tool.to_owned(),
        state,
        is_new: false,
        class: Some(Class::Write),
        risk: Some(Risk::Medium),
    }
}

fn grant() -> GrantRecord {
    GrantRecord {
        id: GrantId::from_bytes([1; 16]),
        label: Label::parse("agent").unwrap(),
        server: ServerSlug::parse("pay").unwrap(),
        policy: None,
        token_hash: TokenHash([0; 32]),
        previous: None,
        expires_at: None,
        tags: BTreeMap::new(),
        revoked_at: None,
        owner: None,
        managed_by_file: false,
        created_at: UnixMillis(0),
    }
}

fn effects(mode: PolicyMode) -> Vec<(&'static str, Effect)> {
    let text = r#"{
        "version": "1", "default": "deny",
        "tools": {
            "free": {},
            "limited": {"rate_limit": "10/minute"},
            "amount": {"require": [{"conditions": [{"path": "args.amount", "op": "lte", "value": 5}]}]},
            "asks": {"action": "approve"},
            "no": {"action": "deny"},
            "gone": {"action": "hide"},
            "new": {}
        }
    }"#;
    let document = Document::parse(text).unwrap_or_else(|problems| panic!("{problems:?}"));
    let rule = (Policy::compile(&document), mode);
    ["free", "limited", "amount", "asks", "no", "gone", "unlisted", "new"]
        .into_iter()
        .map(|tool| {
            let new = tool == "new";
            let state = if new { PinState::Quarantined } else { PinState::Accepted };
            (tool, effect(Some(&rule), &pin(tool, state), &grant(), UnixMillis(0)))
        })
        .collect()
}

#[test]
fn the_policy_in_force_says_what_a_grant_can_do() {
    let wanted = [
        ("free", Effect::Allowed),
        ("limited", Effect::Limited),
        ("amount", Effect::ByArguments),
        ("asks", Effect::Held),
        ("no", Effect::Denied),
        ("gone", Effect::Hidden),
        ("unlisted", Effect::Hidden),
        ("new", Effect::KeptOut),
    ];
    assert_eq!(effects(PolicyMode::Enforce), wanted);
}

#[test]
fn a_policy_that_only_observes_stops_nothing_but_what_is_kept_out() {
    for (tool, effect) in effects(PolicyMode::Observe) {
        let wanted = match tool {
            "free" => Effect::Allowed,
            "new" => Effect::KeptOut,
            _ => Effect::Observed,
        };
        assert_eq!(effect, wanted, "{tool}");
    }
}

#[test]
fn without_a_policy_nothing_is_there() {
    let pin = pin("free", PinState::Accepted);
    assert_eq!(effect(None, &pin, &grant(), UnixMillis(0)), Effect::Hidden);
}
