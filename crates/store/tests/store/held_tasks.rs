//! What became of held calls that were served as tasks: kept sealed, within bounds, and as it was first
//! said.

use policy::UnixMillis;
use store::{
    ENDED_RESULTS_BYTES_MAX, ENDED_TASKS_PER_GRANT_MAX, GrantId, HeldTaskEnd, HeldTaskRecord,
    Store, TaskOutcome,
};

use crate::fixture::{Fixture, T0, approval, slug};

fn waiting(id: &str, grant: u8) -> HeldTaskRecord {
    HeldTaskRecord {
        id: id.to_owned(),
        grant: GrantId::from_bytes([grant; 16]),
        server: slug("pay"),
        approval: approval(1, "g", policy::sha256(b"x")).id,
        body: br#"{"arguments":"a secret argument"}"#.to_vec(),
        headers: vec![("mcp-name".to_owned(), "pay".to_owned())],
        made_at: T0,
        expires_at: T0.plus_seconds(3600),
        ended: None,
    }
}

fn end(outcome: TaskOutcome, second: u32) -> HeldTaskEnd {
    HeldTaskEnd { outcome, at: T0.plus_seconds(second), expires_at: T0.plus_seconds(3600) }
}

async fn ended(store: &Store, id: &str, grant: u8, end: HeldTaskEnd) {
    store.keep_held_task(waiting(id, grant)).await.unwrap();
    store.end_held_task(id, end).await.unwrap();
}

async fn outcome(store: &Store, id: &str) -> Option<TaskOutcome> {
    store.held_task(id).await.unwrap()?.ended.map(|end| end.outcome)
}

#[tokio::test]
async fn a_task_ends_once_and_stays_what_it_is_when_the_store_opens_anew() {
    let fixture = Fixture::new();
    let result = TaskOutcome::Completed(Some(b"{\"content\":\"a secret result\"}".to_vec()));
    let outcomes = [
        result.clone(),
        TaskOutcome::Failed(Some(b"{}".to_vec())),
        TaskOutcome::Cancelled,
        TaskOutcome::Delegated("there".to_owned()),
    ];
    for (number, outcome) in outcomes.iter().enumerate() {
        ended(&fixture.store, &format!("t{number}"), 1, end(outcome.clone(), 5)).await;
    }
    fixture.store.end_held_task("t0", end(TaskOutcome::Cancelled, 6)).await.unwrap();
    fixture.store.end_held_task("nothing", end(TaskOutcome::Cancelled, 6)).await.unwrap();
    fixture.store.keep_held_task(waiting("waits", 1)).await.unwrap();
    let fixture = fixture.reopen().await;
    for (number, expected) in outcomes.into_iter().enumerate() {
        assert_eq!(outcome(&fixture.store, &format!("t{number}")).await, Some(expected));
    }
    let kept = fixture.store.held_task("t0").await.unwrap().unwrap();
    assert_eq!(kept.ended, Some(end(result, 5)));
    assert!(kept.body.is_empty() && kept.headers.is_empty(), "the call is not kept: {kept:?}");
    assert_eq!(fixture.store.held_task("waits").await.unwrap(), Some(waiting("waits", 1)));
    assert_eq!(fixture.store.held_task("nothing").await.unwrap(), None);
    fixture.store.close().await;
    for entry in std::fs::read_dir(fixture.dir.path().join("data")).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("a secret result"), "what a call returned is sealed");
    }
}

#[tokio::test]
async fn of_tasks_that_ended_each_grant_keeps_its_newest() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    ended(store, "other", 2, end(TaskOutcome::Cancelled, 0)).await;
    store.keep_held_task(waiting("waits", 1)).await.unwrap();
    for number in 0..=ENDED_TASKS_PER_GRANT_MAX {
        let second = u32::try_from(number).unwrap();
        ended(store, &format!("t{number}"), 1, end(TaskOutcome::Cancelled, second)).await;
    }
    assert_eq!(store.held_task("t0").await.unwrap(), None);
    for id in ["t1", "other", "waits"] {
        assert!(store.held_task(id).await.unwrap().is_some(), "{id}");
    }
}

#[tokio::test]
async fn results_make_room_the_oldest_first_and_their_tasks_say_so() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let half = vec![b' '; ENDED_RESULTS_BYTES_MAX / 2];
    let there = TaskOutcome::Delegated("there".to_owned());
    ended(store, "there", 1, end(there.clone(), 0)).await;
    for (id, second) in [("first", 1), ("second", 2)] {
        ended(store, id, 1, end(TaskOutcome::Completed(Some(half.clone())), second)).await;
    }
    assert_eq!(outcome(store, "first").await, Some(TaskOutcome::Completed(Some(half.clone()))));
    ended(store, "third", 2, end(TaskOutcome::Failed(Some(b"{}".to_vec())), 3)).await;
    assert_eq!(outcome(store, "first").await, Some(TaskOutcome::Completed(None)));
    assert_eq!(outcome(store, "second").await, Some(TaskOutcome::Completed(Some(half))));
    assert_eq!(outcome(store, "third").await, Some(TaskOutcome::Failed(Some(b"{}".to_vec()))));
    assert_eq!(outcome(store, "there").await, Some(there));
}

#[tokio::test]
async fn a_task_is_forgotten_some_time_after_its_time_to_live() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    ended(store, "old", 1, end(TaskOutcome::Cancelled, 0)).await;
    for (id, seconds, there) in [("in time", 3900, true), ("late", 3901, false)] {
        let made_at: UnixMillis = T0.plus_seconds(seconds);
        let expires_at = made_at.plus_seconds(60);
        let task = HeldTaskRecord { made_at, expires_at, ..waiting(id, 2) };
        store.keep_held_task(task).await.unwrap();
        assert_eq!(store.held_task("old").await.unwrap().is_some(), there, "{id}");
    }
}
