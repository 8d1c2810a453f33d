use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::differential::generate;
use crate::{Buckets, Charge, Document, decide};

/// 2026-01-05T09:30:00Z, a Monday.
const NOW: UnixMillis = UnixMillis(1_767_605_400_000);

const ALLOWED: Was = Was { word: Word::Allow, asked: false };

fn policy(doc: &Json) -> Policy {
    let document = Document::parse(&doc.to_string()).unwrap_or_else(|p| panic!("{p:#?}\n{doc}"));
    Policy::compile(&document)
}

fn no_tags() -> &'static BTreeMap<String, String> {
    static NONE: BTreeMap<String, String> = BTreeMap::new();
    &NONE
}

fn tool(name: &str) -> ToolFacts<'_> {
    ToolFacts { name, class: None, risk: None, schema: None }
}

fn recorded<'a>(name: &'a str, arguments: &'a str) -> RecordedCall<'a> {
    RecordedCall {
        id: "r",
        at: NOW,
        kind: Kind::Tool,
        name,
        tool: Some(tool(name)),
        arguments,
        grant_id: "g",
        label: "ab",
        tags: Some(no_tags()),
        session: None,
        server: "s",
        client: None,
        was: ALLOWED,
        ended: None,
    }
}

fn replay(doc: &Json) -> Replay {
    Replay::new(policy(doc), "default", Start::Empty)
}

/// What the policy says of the whole call, limits included, from empty counters.
fn truth(doc: &Json, call: &RecordedCall<'_>) -> Opinion {
    let args = Value::parse(call.arguments).unwrap();
    let judged = Call {
        target: Target::Tool(call.tool.unwrap()),
        args: &args,
        grant: GrantFacts { label: call.label, tags: call.tags.unwrap() },
        client: ClientFacts::default(),
        now: call.at,
    };
    let (found, owed) = opinion(decide(&policy(doc), &judged).verdict);
    let ids = ScopeIds { grant: "g", session: None, server: "s", organisation: "default" };
    match Buckets::new().check(&owed.charges, &ids, call.at) {
        Err(full) => Opinion {
            word: Word::Deny,
            reason: Some(Reason::LimitExceeded),
            rule: Arc::clone(&owed.charges[full.index].rule),
        },
        Ok(()) => found,
    }
}

/// Takes values away as the audit does, where `coins` say so.
fn blurred(json: &Json, coins: &mut impl Iterator<Item = u8>) -> Json {
    let coin = coins.next().unwrap_or(0) % 8;
    match (json, coin) {
        (_, 1) => json!("[redacted]"),
        (Json::Null, 2) => json!("<null>"),
        (Json::Bool(_), 2) => json!("<boolean>"),
        (Json::Number(_), 2) => json!("<number>"),
        (Json::String(_), 2) => json!("<string>"),
        (Json::Array(_), 2) => json!("<array>"),
        (Json::Object(_), 2) => json!("<object>"),
        (Json::String(text), 3) => {
            let start: String = text.chars().take(1).collect();
            json!(format!("{start}… ({} bytes)", text.len()))
        }
        (Json::Array(elements), _) => {
            let kept = if coin == 3 { elements.len() / 2 } else { elements.len() };
            let mut kept: Vec<Json> =
                elements.iter().take(kept).map(|element| blurred(element, coins)).collect();
            if kept.len() < elements.len() {
                kept.push(json!("…"));
            }
            Json::Array(kept)
        }
        (Json::Object(_), _) => object(json, coins, coin == 3),
        (other, _) => other.clone(),
    }
}

fn object(json: &Json, coins: &mut impl Iterator<Item = u8>, cut: bool) -> Json {
    let members = json.as_object().unwrap();
    let kept = if cut { members.len() / 2 } else { members.len() };
    let mut blurry: serde_json::Map<String, Json> = members
        .iter()
        .take(kept)
        .map(|(key, value)| (key.clone(), blurred(value, coins)))
        .collect();
    if kept < members.len() {
        blurry.insert("…".to_owned(), json!("…"));
    }
    Json::Object(blurry)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn a_whole_record_gives_exactly_what_the_engine_says(
        doc in generate::document(),
        name in proptest::sample::select(generate::TOOLS.to_vec()),
        args in generate::arguments(),
    ) {
        let text = args.to_string();
        let call = recorded(name, &text);
        prop_assert_eq!(replay(&doc).call(&call), Replayed::Sure(truth(&doc, &call)));
    }

    #[test]
    fn what_is_not_known_makes_a_verdict_unsure_and_never_wrong(
        doc in generate::document(),
        name in proptest::sample::select(generate::TOOLS.to_vec()),
        args in generate::arguments(),
        coins in prop::collection::vec(any::<u8>(), 24),
        whole in any::<bool>(),
    ) {
        let text = args.to_string();
        let truth = truth(&doc, &recorded(name, &text));
        let coins = &mut coins.into_iter();
        let blurry = if whole { blurred(&args, coins) } else { object(&args, coins, false) };
        let blurry = blurry.to_string();
        match replay(&doc).call(&recorded(name, &blurry)) {
            Replayed::Sure(opinion) => prop_assert_eq!(opinion.word, truth.word, "{}", blurry),
            Replayed::Unsure { mildest, strictest, .. } => {
                prop_assert!(mildest.word <= truth.word && truth.word <= strictest.word, "{}", blurry);
            }
            Replayed::Unreadable => prop_assert!(blurry.starts_with('"'), "{}", blurry),
            Replayed::UnknownTool => prop_assert!(false),
        }
    }

    /// One world that is whole, and the replays of its later part: what they are sure of is so.
    #[test]
    fn counters_of_a_part_are_sure_only_of_what_the_whole_says(
        (window, max, sliding) in (0_usize..4, 1_u64..5, any::<bool>()),
        steps in prop::collection::vec((0_i64..90_000, 0_u64..3, any::<bool>(), any::<bool>()), 1..40),
        skipped in 0_usize..20,
    ) {
        let window = [json!("minute"), json!(60), json!(7), json!("hour")][window].clone();
        let algorithm = if sliding { "sliding" } else { "fixed" };
        let doc = json!({ "version": "1", "default": "deny", "tools": { "t": { "limits": [
            { "window": window, "max": max, "increment_from": "args.n", "algorithm": algorithm }
        ] } } });
        let world = replay_of(&doc, Start::Empty, &steps, 0);
        let exact: Vec<Word> = world.iter().map(|came| sure(came).expect("a whole record is sure")).collect();
        let skipped = skipped.min(steps.len() - 1);
        let since = UnixMillis(NOW.0 + steps[..skipped].iter().map(|step| step.0).sum::<i64>() + 1);
        let part = replay_of(&doc, Start::Unknown(since), &steps, skipped);
        for (came, truth) in part.iter().zip(&exact[skipped..]) {
            match came {
                Replayed::Sure(opinion) => prop_assert_eq!(&opinion.word, truth),
                Replayed::Unsure { mildest, strictest, doubt: Doubt::Counters } => {
                    prop_assert!(mildest.word <= *truth && *truth <= strictest.word);
                }
                Replayed::Unsure { .. } | Replayed::Unreadable | Replayed::UnknownTool => {
                    prop_assert!(false, "{came:?}");
                }
            }
        }
    }
}

fn sure(came: &Replayed) -> Option<Word> {
    match came {
        Replayed::Sure(opinion) => Some(opinion.word),
        Replayed::Unsure { .. } | Replayed::Unreadable | Replayed::UnknownTool => None,
    }
}

/// Calls of `t`: milliseconds since the one before, units, whether the server refused it, and, where only a part is
/// replayed, whether the units were recorded.
fn replay_of(
    doc: &Json,
    start: Start,
    steps: &[(i64, u64, bool, bool)],
    from: usize,
) -> Vec<Replayed> {
    let mut replay = Replay::new(policy(doc), "default", start);
    let mut at = NOW.0;
    let mut came = Vec::new();
    for (index, (wait, units, refused, masked)) in steps.iter().enumerate() {
        at += wait;
        if index < from {
            continue;
        }
        let masked = *masked && start != Start::Empty;
        let text = if masked { json!({ "n": "[redacted]" }) } else { json!({ "n": units }) };
        let text = text.to_string();
        // The end is recorded only for calls that ran; a refused one comes back before the next is made.
        let returned = if *refused { Returned::Refused } else { Returned::No };
        let ended = Ended { at: Some(UnixMillis(at)), returned };
        let call = RecordedCall { at: UnixMillis(at), ended: Some(ended), ..recorded("t", &text) };
        let replayed = replay.call(&call);
        // Units that were not recorded can be no number at all.
        came.push(match replayed {
            Replayed::Unsure { mildest, strictest, doubt: Doubt::Values } if masked => {
                Replayed::Unsure { mildest, strictest, doubt: Doubt::Counters }
            }
            Replayed::Sure(_)
            | Replayed::Unsure { .. }
            | Replayed::Unreadable
            | Replayed::UnknownTool => replayed,
        });
    }
    came
}

fn pay() -> Json {
    json!({ "version": "1", "default": "deny", "tools": { "pay": {
        "require": [{ "id": "small", "conditions": [{ "path": "args.amount", "op": "lte", "value": 100 }] }],
        "deny_if": [{ "id": "ask", "conditions": [{ "path": "args.note", "op": "contains", "value": "!" }], "approval": true }],
        "limits": [{ "window": "day", "max": 2 }],
    } } })
}

#[test]
fn a_masked_value_is_unsure_only_where_it_decides() {
    let mut replay = replay(&pay());
    let word = |replay: &mut Replay, text| replay.call(&recorded("pay", text));
    assert_eq!(
        sure(&word(&mut replay, r#"{"amount":1000,"note":"[redacted]"}"#)),
        Some(Word::Deny),
        "the amount decides whatever the note says"
    );
    let Replayed::Unsure { mildest, strictest, doubt } =
        word(&mut replay, r#"{"amount":1,"note":"a long one… (99 bytes)"}"#)
    else {
        panic!("the note decides")
    };
    assert_eq!((mildest.word, strictest.word, doubt), (Word::Allow, Word::Deny, Doubt::Values));
    assert_eq!(sure(&word(&mut replay, r#"{"amount":1,"other":"[redacted]"}"#)), Some(Word::Allow));
    let Replayed::Unsure { doubt, .. } = word(&mut replay, r#"{"amount":1}"#) else {
        panic!("the unsure call may have taken the second place")
    };
    assert_eq!(doubt, Doubt::Counters);
    let report = replay.finish();
    assert_eq!((report.calls, report.same, report.changed), (4, 1, 1));
    assert_eq!((report.unsure_values, report.unsure_counters), (1, 1));
    assert_eq!(report.changed_to(Word::Deny), (1, 1));
    let groups = report.groups();
    assert_eq!(&*groups[0].would.rule, "small");
    assert_eq!(groups[0].ids, ["r"]);
    assert!(groups[1].doubt.is_some() && groups[2].doubt.is_some());
}

#[test]
fn a_person_who_said_yes_is_taken_to_say_it_again() {
    let doc = json!({ "version": "1", "default": "deny", "tools": {
        "pay": { "action": "approve", "limits": [{ "window": "day", "max": 1 }] } } });
    let mut replay = replay(&doc);
    let held = Was { word: Word::Hold, asked: true };
    let approved = Was { word: Word::Allow, asked: true };
    let rejected = Was { word: Word::Deny, asked: true };
    for was in [held, approved] {
        let came = replay.call(&RecordedCall { was, ..recorded("pay", "{}") });
        assert_eq!(sure(&came), Some(Word::Hold));
    }
    let came = replay.call(&RecordedCall { was: rejected, ..recorded("pay", "{}") });
    assert_eq!(sure(&came), Some(Word::Deny), "the approved call took the only place");
    assert_eq!(replay.report().same, 2);
}

#[test]
fn every_reading_of_a_client_counts() {
    let doc = json!({ "version": "1", "default": "deny", "tools": { "t": { "require": [
        { "conditions": [{ "path": "client.name", "op": "eq", "value": "a/b" }] }] } } });
    let came = |client: &str| {
        replay(&doc).call(&RecordedCall { client: Some(client), ..recorded("t", "{}") })
    };
    assert_eq!(sure(&came("c")), Some(Word::Deny));
    assert_eq!(sure(&came("a/c")), Some(Word::Deny));
    assert_eq!(sure(&came("a/b")), None, "its version may be b");
    assert_eq!(sure(&came("a/b/1")), None);
    assert_eq!(sure(&came(&"x".repeat(80))), None, "it may have been cut");
}

#[test]
fn gone_tools_gone_grants_and_odd_records_are_said_so() {
    let doc = json!({ "version": "1", "default": "deny", "tools": { "t": { "require": [
        { "conditions": [{ "path": "grant.tags.team", "op": "eq", "value": "x" }] }] } } });
    let mut replay = replay(&doc);
    let call = recorded("t", "{}");
    assert_eq!(replay.call(&RecordedCall { tool: None, ..call }), Replayed::UnknownTool);
    assert_eq!(replay.call(&RecordedCall { arguments: "[]", ..call }), Replayed::Unreadable);
    assert_eq!(sure(&replay.call(&RecordedCall { tags: None, ..call })), None);
    assert_eq!(sure(&replay.call(&call)), Some(Word::Deny));
    replay.skip();
    let report = replay.finish();
    assert_eq!((report.unknown_tools, report.unreadable, report.skipped), (1, 1, 1));
    assert_eq!((report.calls, report.changed, report.unsure_values), (4, 1, 1));
}

#[test]
fn groups_and_names_in_them_are_bounded() {
    let doc = json!({ "version": "1", "default": "deny" });
    let mut replay = replay(&doc);
    for number in 0..REPORT_GROUPS_MAX + 5 {
        replay.call(&recorded(&format!("t{number}"), "{}"));
    }
    for _ in 0..REPORT_IDS_MAX + 5 {
        replay.call(&recorded("t0", "{}"));
    }
    let report = replay.finish();
    assert_eq!((report.groups().len(), report.ungrouped), (REPORT_GROUPS_MAX, 5));
    let first = report.groups()[0];
    assert_eq!((first.calls, first.ids.len()), (REPORT_IDS_MAX as u64 + 6, REPORT_IDS_MAX));
}

#[test]
fn a_charge_says_whether_it_is_known() {
    let charge: Charge = {
        let doc = pay();
        let args = Value::parse(r#"{"amount":1}"#).unwrap();
        let call = Call {
            target: Target::Tool(tool("pay")),
            args: &args,
            grant: GrantFacts { label: "ab", tags: no_tags() },
            client: ClientFacts::default(),
            now: NOW,
        };
        let Verdict::Allow(owed) = decide(&policy(&doc), &call).verdict else { panic!() };
        owed.charges[0].clone()
    };
    let ids = ScopeIds { grant: "g", session: None, server: "s", organisation: "default" };
    let day = UnixMillis(NOW.0 - NOW.0 % 86_400_000);
    let charges = std::slice::from_ref(&charge);
    let known = |since: UnixMillis| Counters::new(Start::Unknown(since)).room(charges, &ids, NOW);
    assert_eq!(known(day), Room::Yes, "the day began with the records");
    assert_eq!(known(UnixMillis(day.0 + 1)), Room::Maybe(0));
}
