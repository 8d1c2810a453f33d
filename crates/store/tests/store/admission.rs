//! The way of a call: charges, approvals and audit rows together, all or none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use policy::{ApprovalState, Cause, Charge, Settled, UnixMillis, Window, sha256};
use store::{AdmitError, AdmitRequest, Answer, AuditMode, AuditOpen, CheckError, Decision, Opened};

use crate::fixture::{
    Fixture, T0, actor, admit, approval, ask, charge, ids, ok, open_row, whole_log,
};

#[tokio::test]
async fn an_admitted_call_is_one_entry_with_its_outcome() {
    let fixture = Fixture::new();
    let admitted = admit(&fixture.store, "r1", &[], None).await.unwrap();
    assert_eq!(admitted.audit_seq(), Some(1));
    let open = whole_log(&fixture.store).await;
    assert_eq!(open.entries[0].outcome.as_deref(), Some("unknown"));
    admitted.close(&ok(), None, T0);
    let deny = AuditOpen { verdict: "deny", reason: Some("not_listed"), ..open_row("r2") };
    fixture.store.record(&deny, T0.plus_seconds(1)).await.unwrap();
    let log = whole_log(&fixture.store).await.entries;
    assert_eq!(log.len(), 2);
    assert_eq!(log[0].request_id, "r1");
    assert_eq!(log[0].outcome.as_deref(), Some("ok"));
    assert_eq!(log[0].upstream_status, Some(200));
    assert_eq!(log[0].arguments_json.as_deref(), Some(r#"{"amount":"[redacted]"}"#));
    assert_eq!((log[0].policy.as_deref(), log[0].policy_version), (Some("pay-strict"), Some(3)));
    assert_eq!((log[0].revision, log[0].latency_ms), (7, Some(12)));
    assert_eq!((log[1].verdict.as_str(), log[1].reason.as_deref()), ("deny", Some("not_listed")));
    assert_eq!(log[1].outcome, None);
    let report = fixture.store.verify_audit(|_| {}).await.unwrap();
    assert_eq!((report.rows, report.openings, report.open), (3, 2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn exactly_k_of_n_parallel_calls_are_admitted() {
    for (max, window) in [(1, Window::Second), (3, Window::Hour), (50, Window::Month)] {
        let fixture = Fixture::new();
        let passed = Arc::new(AtomicUsize::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..200 {
            let (store, passed) = (fixture.store.clone(), Arc::clone(&passed));
            tasks.spawn(async move {
                match admit(&store, &format!("r{number}"), &[charge(window, max)], None).await {
                    Ok(admitted) => {
                        passed.fetch_add(1, Ordering::SeqCst);
                        admitted.close(&ok(), None, T0);
                    }
                    Err(AdmitError::Exceeded(exceeded)) => assert_eq!(exceeded.index, 0),
                    Err(other) => panic!("{other}"),
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!(passed.load(Ordering::SeqCst), usize::try_from(max).unwrap());
        // And not one more after a restart.
        let fixture = fixture.reopen().await;
        let again = admit(&fixture.store, "again", &[charge(window, max)], None).await;
        assert!(matches!(again, Err(AdmitError::Exceeded(_))), "{window} {again:?}");
        let entries = whole_log(&fixture.store).await.entries;
        assert_eq!(entries.len(), usize::try_from(max).unwrap());
        assert!(entries.iter().all(|entry| entry.outcome.as_deref() == Some("ok")));
        fixture.store.verify_audit(|_| {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_call_that_certainly_did_not_run_gives_its_charge_back() {
    let fixture = Fixture::new();
    let limit = [charge(Window::Day, 1)];
    let first = admit(&fixture.store, "r1", &limit, None).await.unwrap();
    first.close(&ok(), Some(Cause::NeverLeft), T0);
    let second = admit(&fixture.store, "r2", &limit, None).await.unwrap();
    second.close(&ok(), None, T0);
    assert!(admit(&fixture.store, "r3", &limit, None).await.is_err());
    let exceeded = fixture.store.check_limits(&limit, &ids(), T0).unwrap_err();
    assert!(matches!(exceeded, CheckError::Exceeded(_)));
}

#[tokio::test]
async fn in_flight_ends_with_the_call_however_it_ends() {
    let fixture = Fixture::new();
    let limit = [charge(Window::InFlight, 1)];
    let running = admit(&fixture.store, "closed", &limit, None).await.unwrap();
    assert!(admit(&fixture.store, "full", &limit, None).await.is_err());
    running.close(&ok(), None, T0);
    drop(admit(&fixture.store, "dropped", &limit, None).await.unwrap());
    let open = open_row("cut");
    let request =
        AdmitRequest { charges: &limit, scope: ids(), approval: None, open: &open, now: T0 };
    drop(fixture.store.admit(&request));
    admit(&fixture.store, "last", &limit, None).await.unwrap().close(&ok(), None, T0);
    let fixture = fixture.reopen().await;
    let log = whole_log(&fixture.store).await.entries;
    let ends: Vec<(&str, &str)> = log
        .iter()
        .map(|entry| (entry.request_id.as_str(), entry.outcome.as_deref().unwrap()))
        .collect();
    assert_eq!(
        ends,
        [("closed", "ok"), ("dropped", "abandoned"), ("cut", "not_sent"), ("last", "ok")]
    );
}

#[tokio::test]
async fn a_cut_off_admission_gives_its_charge_back() {
    let fixture = Fixture::new();
    let limit = [charge(Window::Month, 1)];
    let open = open_row("cut");
    let request =
        AdmitRequest { charges: &limit, scope: ids(), approval: None, open: &open, now: T0 };
    drop(fixture.store.admit(&request));
    let fixture = fixture.reopen().await;
    admit(&fixture.store, "next", &limit, None).await.unwrap().close(&ok(), None, T0);
}

#[tokio::test]
async fn whoever_reads_the_log_finds_what_happened_before() {
    for mode in [AuditMode::Durable, AuditMode::Buffered] {
        let fixture = Fixture::with_mode(mode);
        for number in 0..20 {
            admit(&fixture.store, "r", &[], None).await.unwrap().close(&ok(), None, T0);
            let log = whole_log(&fixture.store).await.entries;
            assert_eq!(log.len(), number + 1);
            assert!(log.iter().all(|entry| entry.outcome.as_deref() == Some("ok")));
        }
        let report = fixture.store.verify_audit(|_| {}).await.unwrap();
        assert_eq!((report.openings, report.open), (20, 0));
    }
}

#[tokio::test]
async fn callers_that_go_away_or_sleep_on_keep_nobody_waiting() {
    use futures_util::FutureExt as _;
    let fixture = Fixture::new();
    let open = open_row("many");
    let request = AdmitRequest { charges: &[], scope: ids(), approval: None, open: &open, now: T0 };
    let mut asleep = Vec::new();
    for number in 0..30 {
        let mut admission = fixture.store.admit(&request);
        // Looked at once, with a waker that wakes nobody.
        match (&mut admission).now_or_never() {
            Some(admitted) => admitted.unwrap().close(&ok(), None, T0),
            None if number % 3 == 0 => drop(admission),
            None => asleep.push(admission),
        }
    }
    admit(&fixture.store, "awake", &[], None).await.unwrap().close(&ok(), None, T0);
    for admission in asleep {
        admission.await.unwrap().close(&ok(), None, T0);
    }
    assert_eq!(whole_log(&fixture.store).await.entries.len(), 31);
}

#[tokio::test]
async fn buffered_mode_waits_only_for_what_must_survive() {
    use futures_util::FutureExt as _;
    let fixture = Fixture::with_mode(AuditMode::Buffered);
    let open = open_row("now");
    let plain = AdmitRequest {
        charges: &[charge(Window::Minute, 10)],
        scope: ids(),
        approval: None,
        open: &open,
        now: T0,
    };
    let admitted = fixture.store.admit(&plain).now_or_never().expect("ready at once").unwrap();
    admitted.close(&ok(), None, T0);
    // Nothing holds the writer up, so whether this one is ready at the first look is a race; that
    // it is on disk when it is ready is not.
    let day = [charge(Window::Day, 1)];
    let admitted = admit(&fixture.store, "durable", &day, None).await.unwrap();
    assert!(admitted.audit_seq().is_some());
    admitted.close(&ok(), None, T0);
    let fixture = fixture.reopen().await;
    let log = whole_log(&fixture.store).await.entries;
    assert_eq!(log.len(), 2);
    assert!(log.iter().all(|entry| entry.outcome.as_deref() == Some("ok")));
    assert!(admit(&fixture.store, "again", &day, None).await.is_err());
}

fn decision(answer: Answer) -> Decision {
    Decision {
        answer,
        by: actor("ada"),
        roles: vec!["approver".into()],
        from: "cli".into(),
        reason: Some("seen".into()),
    }
}

#[tokio::test]
async fn an_approval_serves_one_call() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let digest = sha256(b"call");
    let record = approval(1, "grt_1", digest);
    assert_eq!(store.settle(&digest, "grt_1", &ask(), T0), Settled::Open);
    let mut changes = store.approval_changes();
    changes.mark_unchanged();
    let opened = store.open_approval(record.clone(), &ask(), T0).await.unwrap();
    assert_eq!(opened, Opened::New);
    changes.changed().await.unwrap();
    let twin = store.open_approval(approval(2, "grt_1", digest), &ask(), T0).await.unwrap();
    assert!(matches!(twin, Opened::Settled(Settled::Join { id, .. }) if id == record.id));
    store.decide_approval(&record.id, decision(Answer::Approve), T0).await.unwrap();
    assert_eq!(store.live_approval(&record.id).unwrap().state, ApprovalState::Approved);
    assert_eq!(store.settle(&digest, "grt_1", &ask(), T0), Settled::Use(record.id.clone()));
    let (first, second) = tokio::join!(
        admit(store, "a", &[], Some(&record.id)),
        admit(store, "b", &[], Some(&record.id)),
    );
    first.unwrap().close(&ok(), None, T0);
    assert_eq!(second.unwrap_err(), AdmitError::ApprovalGone);
    assert_eq!(store.live_approval(&record.id), None);
    let used = store.approval(&record.id).await.unwrap().unwrap();
    assert_eq!((used.state, used.used_at), (ApprovalState::Used, Some(T0)));
    assert_eq!(used.rules, record.rules);
    let fixture = fixture.reopen().await;
    assert!(admit(&fixture.store, "c", &[], Some(&record.id)).await.is_err());
}

#[tokio::test]
async fn an_approval_survives_a_call_that_a_limit_refuses() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let record = approval(1, "grt_1", sha256(b"call"));
    store.open_approval(record.clone(), &ask(), T0).await.unwrap();
    store.decide_approval(&record.id, decision(Answer::Approve), T0).await.unwrap();
    let full = [charge(Window::Hour, 0)];
    let refused = admit(store, "full", &full, Some(&record.id)).await.unwrap_err();
    assert!(matches!(refused, AdmitError::Exceeded(_)));
    admit(store, "fits", &[], Some(&record.id)).await.unwrap().close(&ok(), None, T0);
}

#[tokio::test]
async fn a_clock_that_leapt_ahead_and_came_back_leaves_approvals_of_use() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let digest = sha256(b"call");
    let in_ten_years = T0.plus_seconds(315_360_000);
    assert_eq!(store.settle(&digest, "grt_1", &ask(), in_ten_years), Settled::Open);
    let record = approval(1, "grt_1", digest);
    store.open_approval(record.clone(), &ask(), T0).await.unwrap();
    store.decide_approval(&record.id, decision(Answer::Approve), T0).await.unwrap();
    assert_eq!(store.settle(&digest, "grt_1", &ask(), T0), Settled::Use(record.id.clone()));
    admit(store, "call", &[], Some(&record.id)).await.unwrap().close(&ok(), None, T0);
}

/// Admits a call at that time, and waits until the store has put everything after it in order: it
/// looks after its counters between two commits.
async fn call_at(fixture: &Fixture, now: UnixMillis, charges: &[Charge]) -> bool {
    let open = open_row("timed");
    let request = AdmitRequest { charges, scope: ids(), approval: None, open: &open, now };
    let admitted = fixture.store.admit(&request).await;
    let passed = admitted.is_ok();
    drop(admitted);
    let deny = AuditOpen { verdict: "deny", ..open_row("after") };
    fixture.store.record(&deny, now).await.unwrap();
    passed
}

fn days(count: u32) -> UnixMillis {
    T0.plus_seconds(count * 24 * 60 * 60)
}

/// How many counters are on disk.
fn counters(fixture: &Fixture) -> i64 {
    let database = rusqlite::Connection::open(fixture.database()).unwrap();
    database.query_row("SELECT count(*) FROM counters", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_clock_that_leaps_ahead_for_a_moment_forgets_no_counter() {
    let fixture = Fixture::new();
    let month = [charge(Window::Month, 1)];
    assert!(call_at(&fixture, T0, &month).await);
    assert!(call_at(&fixture, days(3650), &[]).await);
    assert!(!call_at(&fixture, T0.plus_seconds(3600), &month).await, "the counter was forgotten");
    assert_eq!(counters(&fixture), 1);
    let fixture = fixture.reopen().await;
    assert!(!call_at(&fixture, T0.plus_seconds(7200), &month).await, "it is not on disk any more");
}

#[tokio::test]
async fn counters_are_forgotten_once_their_windows_are_over_also_after_a_leap_of_the_clock() {
    for leaps in [false, true] {
        let fixture = Fixture::new();
        assert!(call_at(&fixture, T0, &[charge(Window::Hour, 1)]).await);
        if leaps {
            assert!(call_at(&fixture, days(3650), &[]).await);
        }
        assert!(call_at(&fixture, days(2), &[]).await);
        assert_eq!(counters(&fixture), 1, "what may still be needed is kept");
        for later in [4, 6, 8] {
            assert!(call_at(&fixture, days(later), &[]).await);
        }
        assert_eq!(counters(&fixture), 0, "leaps: {leaps}");
    }
}
