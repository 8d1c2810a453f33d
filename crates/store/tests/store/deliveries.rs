//! What people outside are told, and what a decision was made on.

use policy::{ApprovalId, UnixMillis, sha256};
use store::{
    Answer, Attempted, DELIVERIES_WAITING_MAX, DecideError, Decision, DeliveryFilter, DeliveryId,
    DeliveryState, GrantId, NewDelivery, NewPolicy, Occasion, Opened, PinRecord, PinState,
    PolicyMode, PolicyName, Store, Unannounced,
};

use crate::fixture::{Fixture, T0, actor, approval, ask, new_grant, server, slug};

const CHANNEL: &str = "ops";

fn decision(answer: Answer) -> Decision {
    Decision {
        answer,
        by: actor("boss"),
        roles: vec!["approver".into()],
        from: "test".into(),
        reason: None,
    }
}

/// A pending request of the grant of this number.
async fn held(store: &Store, number: u8, grant: &str) -> ApprovalId {
    let record = approval(number, grant, sha256(&[number]));
    let id = record.id.clone();
    assert_eq!(store.open_approval(record, &ask(), T0).await.unwrap(), Opened::New);
    id
}

fn new(number: u8, found: &Unannounced, state: DeliveryState) -> NewDelivery {
    NewDelivery {
        id: DeliveryId::from_random([number; 16]),
        channel: CHANNEL.into(),
        occasion: found.occasion,
        subject: Some(found.record.id.clone()),
        payload: format!("about {}", found.record.id),
        state,
    }
}

async fn unannounced(store: &Store, now: UnixMillis) -> Vec<(Occasion, ApprovalId)> {
    let found = store.unannounced(CHANNEL, 100, now).await.unwrap();
    found.into_iter().map(|found| (found.occasion, found.record.id)).collect()
}

/// Tells the channel of everything that it was not told yet.
async fn announce(store: &Store, number: u8, now: UnixMillis) {
    let found = store.unannounced(CHANNEL, 100, now).await.unwrap();
    let made = (number..).zip(&found).map(|(n, found)| new(n, found, DeliveryState::Pending));
    store.make_deliveries(made.collect(), now).await.unwrap();
}

#[tokio::test]
async fn a_channel_is_told_of_a_request_and_of_its_end_once() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let (first, second) = (held(store, 1, "g1").await, held(store, 2, "g2").await);
    let both = [(Occasion::Requested, first.clone()), (Occasion::Requested, second.clone())];
    assert_eq!(unannounced(store, T0).await, both);
    announce(store, 10, T0).await;
    assert!(unannounced(store, T0).await.is_empty());
    store.decide_approval(&first, decision(Answer::Reject), T0).await.unwrap();
    assert_eq!(unannounced(store, T0).await, [(Occasion::Decided, first.clone())]);
    let found = store.unannounced(CHANNEL, 100, T0).await.unwrap();
    // Two who look at the same time make one message.
    for number in [20, 21] {
        let made = found.iter().map(|found| new(number, found, DeliveryState::Skipped)).collect();
        store.make_deliveries(made, T0).await.unwrap();
    }
    let over = T0.plus_seconds(3600);
    assert_eq!(unannounced(store, over).await, [(Occasion::Expired, second)]);
    announce(store, 30, over).await;
    assert!(unannounced(store, over).await.is_empty());
    let log = store.deliveries(DeliveryFilter::default(), 100).await.unwrap();
    assert_eq!(log.len(), 3, "what was skipped is not in the log");
    assert!(store.unannounced("other", 100, over).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_message_is_due_until_it_is_delivered_or_given_up_also_after_a_restart() {
    let fixture = Fixture::new();
    held(&fixture.store, 1, "g1").await;
    held(&fixture.store, 2, "g2").await;
    announce(&fixture.store, 10, T0).await;
    let due = fixture.store.due_deliveries(CHANNEL, 100, T0).await.unwrap();
    assert_eq!(due.len(), 2);
    let (first, second) = (&due[0].id, &due[1].id);
    let later = T0.plus_seconds(60);
    fixture.store.delivery_begins(first, later).await.unwrap();
    assert_eq!(fixture.store.due_deliveries(CHANNEL, 100, T0).await.unwrap().len(), 1);
    assert_eq!(fixture.store.next_delivery(CHANNEL).await.unwrap(), Some(T0));
    fixture.store.delivery_begins(second, later).await.unwrap();
    let refused = Attempted::Again(later, Some(503), "busy".into());
    fixture.store.delivery_ends(second, refused, T0).await.unwrap();
    assert_eq!(fixture.store.next_delivery(CHANNEL).await.unwrap(), Some(later));
    let (first, second) = (first.clone(), second.clone());
    let fixture = fixture.reopen().await;
    assert!(fixture.store.due_deliveries(CHANNEL, 100, T0).await.unwrap().is_empty());
    fixture.store.resume_deliveries(T0).await.unwrap();
    let due = fixture.store.due_deliveries(CHANNEL, 100, T0).await.unwrap();
    assert_eq!(due.iter().map(|one| one.attempts).collect::<Vec<_>>(), [1, 1]);
    assert_eq!(due[1].last_error.as_deref(), Some("busy"));
    fixture.store.delivery_ends(&first, Attempted::Delivered(204), T0).await.unwrap();
    let given_up = Attempted::GivenUp(None, "no answer".into());
    fixture.store.delivery_ends(&second, given_up, T0).await.unwrap();
    // What has ended stays as it ended.
    fixture.store.delivery_ends(&first, Attempted::GivenUp(None, "x".into()), T0).await.unwrap();
    let log = fixture.store.deliveries(DeliveryFilter::default(), 100).await.unwrap();
    let states: Vec<_> = log.iter().map(|one| (one.state, one.last_status)).collect();
    assert_eq!(states, [(DeliveryState::Failed, None), (DeliveryState::Delivered, Some(204))]);
    assert!(log.iter().all(|one| one.payload.is_empty()), "what ended keeps nothing of its call");
    let page = DeliveryFilter { channel: Some(CHANNEL.into()), before: Some(log[0].number) };
    assert_eq!(fixture.store.deliveries(page, 100).await.unwrap().len(), 1);
    // Long after, the log is empty.
    let long_after = T0.plus_seconds(31 * 24 * 60 * 60);
    fixture.store.make_deliveries(Vec::new(), long_after).await.unwrap();
    assert!(fixture.store.deliveries(DeliveryFilter::default(), 9).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_outbox_has_a_bound_and_what_does_not_fit_is_given_up_and_said() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let test = |number: u32, channel: &str| NewDelivery {
        id: DeliveryId::from_random(u128::from(number).to_be_bytes()),
        channel: channel.to_owned(),
        occasion: Occasion::Test,
        subject: None,
        payload: "secret of the call".to_owned(),
        state: DeliveryState::Pending,
    };
    store.make_deliveries(vec![test(0, CHANNEL)], T0).await.unwrap();
    let sql = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
        INSERT INTO deliveries (id, channel, event, payload, state, attempts, next_at, made_at)
        SELECT 'dlv_' || i, channel, event, payload, state, 0, next_at, made_at FROM deliveries, n";
    let database = rusqlite::Connection::open(fixture.database()).unwrap();
    database.execute(sql, [DELIVERIES_WAITING_MAX - 1]).unwrap();
    let further = DELIVERIES_WAITING_MAX;
    let both = vec![test(further, CHANNEL), test(further + 1, "other")];
    store.make_deliveries(both, T0).await.unwrap();
    let log = store.deliveries(DeliveryFilter::default(), 2).await.unwrap();
    assert_eq!((log[0].state, &*log[0].channel), (DeliveryState::Pending, "other"));
    assert_eq!((log[1].state, &*log[1].payload), (DeliveryState::Failed, ""));
    assert!(log[1].last_error.as_deref().is_some_and(|why| why.contains("as many messages")));
    // Room comes back as messages end.
    let due = store.due_deliveries(CHANNEL, 1, T0).await.unwrap();
    store.delivery_ends(&due[0].id, Attempted::Delivered(204), T0).await.unwrap();
    store.make_deliveries(vec![test(further + 2, CHANNEL)], T0).await.unwrap();
    let log = store.deliveries(DeliveryFilter::default(), 1).await.unwrap();
    assert_eq!(log[0].state, DeliveryState::Pending);
}

fn pin(digest: &str) -> PinRecord {
    PinRecord {
        server: slug("pay"),
        tool: "pay_invoice".into(),
        state: PinState::Accepted,
        digest: digest.into(),
        definition: "{}".into(),
        accepted_digest: Some(digest.into()),
        accepted_definition: Some("{}".into()),
        class: Some(policy::Class::Financial),
        risk: Some(policy::Risk::Critical),
        seen_at: T0,
        accepted_at: Some(T0),
        accepted_by: Some(actor("ada")),
    }
}

async fn save_policy(store: &Store, text: &str, mode: PolicyMode) {
    let policy = NewPolicy {
        name: PolicyName::parse("p").unwrap(),
        server: Some(slug("pay")),
        text: text.into(),
        canonical: text.into(),
        mode,
        actor: actor("ada"),
        note: None,
    };
    store.save_policy(policy, None, T0).await.unwrap();
}

#[tokio::test]
async fn what_changed_under_the_deciders_eyes_is_not_decided() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    store.save_server(server("pay"), None, T0).await.unwrap();
    save_policy(store, "one", PolicyMode::Enforce).await;
    store.save_pins(vec![pin("ab12")]).await.unwrap();
    let mut grant = new_grant(1, Some("ada"));
    grant.policy = Some(PolicyName::parse("p").unwrap());
    let grant: GrantId = store.create_grant(grant, T0).await.unwrap().id;
    let id = held(store, 1, grant.as_str()).await;
    let footing = || async { store.approval_footing(&id, T0).await.unwrap().unwrap() };
    let before = footing().await;
    assert!(before.definition_same && before.grant_works);
    assert_eq!(before.risk, Some(policy::Risk::Critical));
    assert_eq!(before.owner.as_deref(), Some("ada"));
    assert_eq!(footing().await, before);
    // A draft changes nothing that is in force.
    save_policy(store, "draft", PolicyMode::Draft).await;
    assert_eq!(footing().await.tag, before.tag);
    let refused = || async {
        let what = (decision(Answer::Approve), Some(before.tag.clone()));
        let got = store.decide_as_shown(&id, what, T0).await;
        assert_eq!(got, Err(DecideError::Changed(id.clone())));
    };
    save_policy(store, "two", PolicyMode::Enforce).await;
    refused().await;
    assert_eq!(footing().await.policy.unwrap().version, 3);
    store.save_pins(vec![pin("cd34")]).await.unwrap();
    assert!(!footing().await.definition_same);
    refused().await;
    store.revoke_grant(&grant, T0).await.unwrap();
    assert!(!footing().await.grant_works);
    refused().await;
    // What is shown now can be decided; then it is decided, whatever was shown.
    let now = footing().await.tag;
    let what = |tag| (decision(Answer::Reject), Some(tag));
    store.decide_as_shown(&id, what(now), T0).await.unwrap();
    let late = store.decide_as_shown(&id, what(before.tag.clone()), T0).await;
    assert!(matches!(late, Err(DecideError::AlreadyDecided(_))), "{late:?}");
}
