//! What a held call finds among the records of the same call.

use std::sync::Arc;

use proptest::prelude::*;

use super::{
    ApprovalId, ApprovalRecord, ApprovalState, Approver, Ask, AskRule, PENDING_PER_GRANT_MAX,
    Settled, approvers_met, settle,
};
use crate::{Kind, UnixMillis, sha256};

fn rule(name: &str) -> AskRule {
    AskRule { digest: sha256(name.as_bytes()), rule: Arc::from(name), message: String::new() }
}

fn ask(rules: &[&str]) -> Ask {
    Ask {
        rule: Arc::from(rules[0]),
        message: String::new(),
        hint: None,
        rules: rules.iter().map(|name| rule(name)).collect(),
        wait_seconds: None,
        expires_seconds: 60,
        approvers: Vec::new(),
    }
}

fn id(n: u8) -> ApprovalId {
    ApprovalId::from_random([n; 16])
}

fn record(n: u8, state: ApprovalState, rules: &[&str], expires_at: i64) -> ApprovalRecord {
    ApprovalRecord {
        id: id(n),
        digest: sha256(b"call"),
        grant: "g".to_owned(),
        server: "s".to_owned(),
        kind: Kind::Tool,
        name: "pay".to_owned(),
        definition_pin: None,
        arguments: "{}".to_owned(),
        rules: rules.iter().map(|name| rule(name)).collect(),
        approvers: Vec::new(),
        state,
        created_at: UnixMillis(0),
        expires_at: UnixMillis(expires_at),
        decided_by: None,
        decided_at: None,
        decided_from: None,
        decided_reason: Some("no".to_owned()),
        used_at: None,
    }
}

use ApprovalState::{Approved, Pending, Rejected, Used};

fn settled(records: &[ApprovalRecord], rules: &[&str], now: i64) -> Settled {
    settle(records, 0, &ask(rules), UnixMillis(now))
}

#[test]
fn an_approval_covers_what_was_shown() {
    let records = [record(1, Approved, &["a", "b"], 100)];
    assert_eq!(settled(&records, &["a"], 99), Settled::Use(id(1)));
    assert_eq!(settled(&records, &["b", "a"], 99), Settled::Use(id(1)));
    assert_eq!(settled(&records, &["a", "c"], 99), Settled::Open);
    assert_eq!(settled(&records, &["a"], 100), Settled::Open);
    assert_eq!(settled(&[record(1, Used, &["a"], 100)], &["a"], 0), Settled::Open);
}

#[test]
fn the_same_call_joins_its_request() {
    let joined = |n| Settled::Join { id: id(n), expires_at: UnixMillis(100) };
    assert_eq!(settled(&[record(1, Pending, &["a"], 100)], &["a"], 99), joined(1));
    assert_eq!(settled(&[record(1, Pending, &["a"], 100)], &["a"], 100), Settled::Open);
    assert_eq!(settled(&[record(1, Pending, &["a"], 100)], &["a", "b"], 99), joined(1));
    // Given both, the one whose approval would let the call pass; and an approval before any request.
    let both = [record(1, Pending, &["a"], 100), record(2, Pending, &["a", "b"], 100)];
    assert_eq!(settled(&both, &["b"], 0), joined(2));
    let waiting = [record(1, Pending, &["a"], 100), record(2, Approved, &["a"], 100)];
    assert_eq!(settled(&waiting, &["a"], 0), Settled::Use(id(2)));
    let other = [record(1, Pending, &["a"], 100), record(2, Approved, &["b"], 100)];
    assert_eq!(settled(&other, &["a"], 0), joined(1));
}

#[test]
fn a_rejection_holds_until_its_end() {
    let no = Settled::Rejected { id: id(1), reason: Some("no".to_owned()) };
    let records = [record(1, Rejected, &["a"], 100), record(2, Approved, &["a"], 200)];
    assert_eq!(settled(&records, &["a"], 99), no);
    assert_eq!(settled(&records, &["b"], 99), no);
    assert_eq!(settled(&records, &["a"], 100), Settled::Use(id(2)));
}

#[test]
fn twenty_requests_at_most() {
    let settled =
        |records: &[ApprovalRecord], pending| settle(records, pending, &ask(&["a"]), UnixMillis(0));
    assert_eq!(settled(&[], PENDING_PER_GRANT_MAX - 1), Settled::Open);
    assert_eq!(settled(&[], PENDING_PER_GRANT_MAX), Settled::TooManyPending);
    // Who does not need a new request does not mind.
    assert!(matches!(settled(&[record(1, Pending, &["a"], 9)], 20), Settled::Join { .. }));
    assert!(matches!(settled(&[record(1, Approved, &["a"], 9)], 20), Settled::Use(_)));
}

#[test]
fn ids() {
    assert_eq!(id(0).as_str(), "apr_00000000000000000000000000");
    assert_eq!(id(255).as_str(), "apr_7zzzzzzzzzzzzzzzzzzzzzzzzz");
    assert_eq!(id(7).as_str().parse(), Ok(id(7)));
    for text in [
        "",
        "apr_",
        "apr_0000000000000000000000000",
        "apr_000000000000000000000000000",
        "apr_8zzzzzzzzzzzzzzzzzzzzzzzzz",
        "apr_0000000000000000000000000u",
        "apr_0000000000000000000000000A",
        "APR_00000000000000000000000000",
        "apr_ä000000000000000000000000",
    ] {
        assert!(text.parse::<ApprovalId>().is_err(), "{text}");
    }
}

#[test]
fn each_list_must_be_met() {
    let list = |texts: &[&str]| {
        texts.iter().map(|text| Approver::parse(text).unwrap()).collect::<Vec<_>>()
    };
    let lists = [list(&["role:approver", "user:eve"]), list(&["user:eve", "user:bob"])];
    assert!(approvers_met(&lists, "eve", &[]));
    assert!(approvers_met(&lists, "bob", &["approver"]));
    assert!(!approvers_met(&lists, "bob", &["admin"]));
    assert!(!approvers_met(&lists, "ann", &["approver"]));
    assert!(!approvers_met(&[Vec::new()], "eve", &["approver"]));
    assert!(approvers_met(&[], "ann", &[]));
    for text in ["", "eve", "role:", "user:", ":eve", "group:x", "Role:x", " role:x"] {
        assert_eq!(Approver::parse(text), None, "{text}");
    }
    assert_eq!(Approver::parse("user:a:b").unwrap().to_string(), "user:a:b");
}

proptest! {
    #[test]
    fn the_order_of_records_does_not_matter(
        states in prop::collection::vec((0_usize..4, 0_usize..3, 1_i64..5), 0..6),
        now in 0_i64..6,
        asked in 0_usize..3,
    ) {
        let rules: [&[&str]; 3] = [&["a"], &["b"], &["a", "b"]];
        let states_of = [Pending, Approved, Rejected, Used];
        let mut records: Vec<_> = (0_u8..)
            .zip(states)
            .map(|(n, (state, shown, end))| record(n, states_of[state], rules[shown], end))
            .collect();
        let forward = settled(&records, rules[asked], now);
        if let Settled::Use(used) = &forward {
            let used = records.iter().find(|record| record.id == *used).unwrap();
            prop_assert!(used.is_usable(UnixMillis(now)) && used.covers(&ask(rules[asked])));
        }
        records.reverse();
        let backward = settled(&records, rules[asked], now);
        // Which of several rejections is named is all that may differ.
        let rejected = |settled: &Settled| matches!(settled, Settled::Rejected { .. });
        prop_assert!(forward == backward || (rejected(&forward) && rejected(&backward)));
    }
}
