use super::*;

fn view(now: i64, until: i64, stage: Stage) -> View {
    View { stage, updated_at: UnixMillis(now), expires_at: UnixMillis(until) }
}

fn waiting() -> Stage {
    Stage::Waiting { message: "m".into(), meta: "{}".into() }
}

/// Bytes that differ from call to call.
fn fill(bytes: &mut [u8]) {
    use std::hash::{BuildHasher as _, RandomState};
    let state = RandomState::new();
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = state.hash_one(index).to_le_bytes()[0];
    }
}

fn open(tasks: &HeldTasks, grant: u8, now: i64) -> Option<Arc<HeldTask>> {
    let (grant, server) = owner(grant);
    tasks.open((&grant, &server), view(now, now + 1000, waiting()), Randomness::new(fill))
}

fn owner(grant: u8) -> (GrantId, ServerSlug) {
    (GrantId::from_bytes([grant; 16]), ServerSlug::parse("pay").expect("a slug"))
}

fn finds(tasks: &HeldTasks, id: &str, grant: u8, now: i64) -> bool {
    let (grant, server) = owner(grant);
    tasks.find(id, &grant, &server, UnixMillis(now)).is_some()
}

#[test]
fn a_task_is_its_grants_until_some_time_after_its_end() {
    let tasks = HeldTasks::default();
    let task = open(&tasks, 1, 0).expect("room");
    assert!(finds(&tasks, &task.id, 1, 0));
    assert!(!finds(&tasks, &task.id, 2, 0));
    assert!(!finds(&tasks, "portcullis-0", 1, 0));
    // It waits for as long as it has to.
    assert!(finds(&tasks, &task.id, 1, i64::MAX));
    let end = (UnixMillis(500), UnixMillis(1000));
    tasks.moved(&task, Stage::Completed(Bytes::from_static(b"{}")), end);
    tasks.moved(&task, Stage::Cancelled, end);
    assert_eq!(task.view().stage, Stage::Completed(Bytes::from_static(b"{}")), "an end stands");
    let over = 500 + i64::from(ENDED_SECONDS_MAX) * 1000;
    assert!(finds(&tasks, &task.id, 1, over - 1));
    assert!(!finds(&tasks, &task.id, 1, over));
}

#[test]
fn a_grant_has_so_many_tasks_and_those_that_ended_make_room() {
    let tasks = HeldTasks::default();
    let all: Vec<_> = (0..TASKS_PER_GRANT_MAX).map(|_| open(&tasks, 1, 0).expect("room")).collect();
    assert!(open(&tasks, 1, 0).is_none());
    assert!(open(&tasks, 2, 0).is_some());
    tasks.moved(&all[3], Stage::Cancelled, (UnixMillis(1), UnixMillis(1000)));
    assert!(open(&tasks, 1, 2).is_some());
    assert!(!finds(&tasks, &all[3].id, 1, 2));
    assert!(open(&tasks, 1, 2).is_none());
}

#[test]
fn results_are_kept_within_their_bound_the_newest_first() {
    let tasks = HeldTasks::default();
    let long = Bytes::from(vec![b' '; RESULT_BYTES_MAX]);
    let count = RESULTS_BYTES_MAX / RESULT_BYTES_MAX + 1;
    let ended: Vec<_> = (0..count)
        .map(|at| {
            let task = open(&tasks, 1, 0).expect("room");
            let now = UnixMillis(i64::try_from(at).expect("few"));
            tasks.moved(&task, Stage::Completed(long.clone()), (now, UnixMillis(10_000)));
            task
        })
        .collect();
    let kept: Vec<bool> = ended.iter().map(|task| finds(&tasks, &task.id, 1, 100)).collect();
    assert_eq!(kept.iter().filter(|kept| !**kept).count(), 1);
    assert!(!kept[0]);
    tasks.sweep(UnixMillis(100), |grant| *grant == owner(1).0);
    assert!(!finds(&tasks, &ended[1].id, 1, 100));
}
