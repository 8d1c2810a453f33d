//! Lists of held calls for people: by urgency at any number of them, and bounded in bytes.

use policy::{ApprovalId, ApprovalState, UnixMillis, sha256};
use rusqlite::Connection;
use store::{
    APPROVALS_PAGE_BYTES_MAX, Answer, ApprovalFilter, ApprovalOrder, Decision, InboxPart, Opened,
};

use crate::fixture::{Fixture, T0, actor, approval, ask, new_grant, server};

/// Requests that wait in a long list.
const MANY: u32 = 10_000;

fn id(number: u32) -> ApprovalId {
    format!("apr_{number:026}").parse().unwrap()
}

/// A store in which many requests wait; that with the highest number is the most urgent one.
async fn crowded() -> Fixture {
    let fixture = Fixture::new();
    fixture.store.save_server(server("pay"), None, T0).await.unwrap();
    let grant = fixture.store.create_grant(new_grant(1, None), T0).await.unwrap();
    let first = approval(250, grant.id.as_str(), sha256(b"call"));
    assert_eq!(fixture.store.open_approval(first.clone(), &ask(), T0).await.unwrap(), Opened::New);
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2)
        INSERT INTO approvals (id, digest, grant_id, server, kind, name, definition_pin, arguments,
            rules, approvers, state, created_at, expires_at)
        SELECT 'apr_' || printf('%026d', i), digest, grant_id, server, kind, name, definition_pin,
            arguments, rules, approvers, state, created_at, created_at + 60000 + (?2 - i) / 3
        FROM approvals, n WHERE id = ?1";
    let database = Connection::open(fixture.database()).unwrap();
    database.execute(sql, (first.id.as_str(), MANY)).unwrap();
    fixture
}

#[tokio::test]
async fn ten_thousand_calls_that_wait_are_listed_by_urgency_a_page_at_a_time() {
    let fixture = crowded().await;
    let store = &fixture.store;
    let mut seen: Vec<(UnixMillis, ApprovalId)> = Vec::new();
    let mut after = None;
    loop {
        let page = store.inbox(InboxPart::Waiting, after.take(), 100, T0).await.unwrap();
        assert_eq!((page.waiting, page.last_number), (u64::from(MANY) + 1, i64::from(MANY) + 1));
        assert!(page.calls.len() <= 100);
        seen.extend(page.calls.iter().map(|call| (call.expires_at, call.id.clone())));
        if !page.more {
            break;
        }
        after = page.calls.last().map(|call| call.id.clone());
    }
    let mut all = seen.clone();
    all.sort_by_key(|(at, _)| *at);
    all.dedup();
    assert_eq!((all.len(), all), (seen.len(), seen.clone()), "each once, by urgency");
    assert_eq!(seen.len(), MANY as usize + 1);
    // What is beside a call in that order.
    for at in [0, 1, 4_999, seen.len() - 1] {
        let beside = store.waiting_beside(&seen[at].1, T0).await.unwrap();
        let want = |at: Option<usize>| at.and_then(|at| seen.get(at)).map(|(_, id)| id.clone());
        assert_eq!(beside, (want(at.checked_sub(1)), want(Some(at + 1))), "{at}");
    }
    // What is over is neither counted nor listed, and a page behind it begins anew.
    let later = UnixMillis(seen[2_999].0.0);
    let page = store.inbox(InboxPart::Waiting, Some(seen[5].1.clone()), 100, later).await.unwrap();
    let first = seen.iter().find(|(at, _)| *at > later).unwrap();
    assert_eq!(page.calls[0].id, first.1);
    let left = seen.iter().filter(|(at, _)| *at > later).count();
    assert_eq!(page.waiting, left as u64);
    let over = store.inbox(InboxPart::Over, None, 100, later).await.unwrap();
    assert_eq!(over.calls.len(), 100);
    assert!(over.calls.iter().all(|call| call.expires_at <= later));
}

#[tokio::test]
async fn news_of_a_page_are_what_came_after_it() {
    let fixture = crowded().await;
    let store = &fixture.store;
    let page = store.inbox(InboxPart::Waiting, None, 100, T0).await.unwrap();
    let since = (None, page.last_number);
    let now = store.waiting_now(since.clone(), 400, T0).await.unwrap();
    assert_eq!((now.newer, now.ids.len()), (0, 400));
    assert_eq!(now.ids[0], page.calls[0].id);
    let mut urgent = approval(251, "another", sha256(b"urgent"));
    urgent.expires_at = T0.plus_seconds(1);
    store.open_approval(urgent.clone(), &ask(), T0).await.unwrap();
    let decision = Decision {
        answer: Answer::Reject,
        by: actor("boss"),
        roles: Vec::new(),
        from: "test".into(),
        reason: None,
    };
    store.decide_approval(&id(MANY), decision, T0).await.unwrap();
    let now = store.waiting_now(since, 400, T0).await.unwrap();
    assert_eq!((now.newer, now.waiting), (1, u64::from(MANY) + 1));
    assert_eq!(now.ids[0], urgent.id);
    assert!(!now.ids.contains(&id(MANY)));
}

#[tokio::test]
async fn a_page_of_long_calls_ends_early_and_goes_on_behind_them() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let long = format!("\"{}\"", "x".repeat(APPROVALS_PAGE_BYTES_MAX / 2));
    for number in 1..=5 {
        let mut record = approval(number, "g", sha256(&[number]));
        record.arguments = format!("{{\"a\":{long}}}");
        record.expires_at = T0.plus_seconds(60 * u32::from(number));
        store.open_approval(record, &ask(), T0).await.unwrap();
    }
    for order in [ApprovalOrder::NewestFirst, ApprovalOrder::UrgentFirst] {
        let mut seen = Vec::new();
        loop {
            let before = seen.last().cloned();
            let filter = ApprovalFilter { before, ..ApprovalFilter::default() };
            let page = store.standing(filter, order, 500, T0).await.unwrap();
            assert!(page.calls.len() <= 2, "{}", page.calls.len());
            assert!(page.calls.iter().all(|one| one.record.arguments.len() > long.len()));
            seen.extend(page.calls.into_iter().map(|one| one.record.id));
            if !page.more {
                break;
            }
        }
        assert_eq!(seen.len(), 5);
    }
    // The inbox carries none of it.
    let inbox = store.inbox(InboxPart::Waiting, None, 100, T0).await.unwrap();
    assert_eq!((inbox.calls.len(), inbox.more), (5, false));
    assert_eq!(inbox.calls[0].name, "pay_invoice");
}

#[tokio::test]
async fn the_last_approved_call_like_another_one_is_found_and_no_other() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let decide = async |number: u8, answer: Answer, at: u32| {
        let decision = Decision {
            answer,
            by: actor("boss"),
            roles: Vec::new(),
            from: "test".into(),
            reason: None,
        };
        let id = ApprovalId::from_random([number; 16]);
        store.decide_approval(&id, decision, T0.plus_seconds(at)).await.unwrap()
    };
    for number in 1..=6 {
        let mut record = approval(number, if number == 5 { "g2" } else { "g" }, sha256(&[number]));
        if number == 4 {
            record.name = "another".into();
        }
        store.open_approval(record, &ask(), T0).await.unwrap();
    }
    decide(1, Answer::Approve, 10).await;
    decide(2, Answer::Approve, 20).await;
    for (number, answer) in [(3, Answer::Reject), (4, Answer::Approve), (5, Answer::Approve)] {
        decide(number, answer, 30).await;
    }
    let last = approval(6, "g", sha256(&[6]));
    let found = store.approved_before(&last).await.unwrap().unwrap();
    assert_eq!(found.id, ApprovalId::from_random([2; 16]));
    assert_eq!(found.state, ApprovalState::Approved);
    // Of a decided one: what was approved before it.
    let found = store.approved_before(&found).await.unwrap().unwrap();
    assert_eq!(found.id, ApprovalId::from_random([1; 16]));
    assert_eq!(store.approved_before(&found).await.unwrap(), None);
}
