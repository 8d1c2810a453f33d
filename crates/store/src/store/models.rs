//! The store itself, its writer and its database included, under schedules of shuttle: what holds
//! however the threads of callers and the writer are interleaved. A schedule that fails is printed and
//! can be replayed.

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use policy::{
    Algorithm, ApprovalId, ApprovalRecord, ApprovalState, Ask, AskRule, Cause, Charge, Kind, Micro,
    Scope, ScopeIds, UnixMillis, Window, sha256,
};
use shuttle::scheduler::{PctScheduler, RandomScheduler, Scheduler};
use shuttle::{Config, Runner, future, thread};
use tempfile::TempDir;

use super::{AuditMode, Role, Store, StoreConfig};
use crate::admission::{AdmitError, AdmitRequest, Admitted};
use crate::approval::{Answer, Decision};
use crate::audit::{AuditOpen, AuditOutcome};
use crate::connection::open_writer;
use crate::name::Actor;
use crate::sync::timers_ring;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
/// Schedules of each model where nobody asks for more.
const SCHEDULES: usize = 400;
/// The seed where nobody says another.
const SEED: u64 = 2026;
/// Enough for the database's own code.
const STACK_BYTES: usize = 1 << 20;
/// Switches of threads that a schedule of the second kind places where it hurts.
const DEPTH: usize = 3;

fn asked(variable: &str) -> Option<u64> {
    let text = env::var_os(variable)?.into_string().unwrap();
    Some(text.parse().unwrap_or_else(|_not| panic!("{variable}: no number")))
}

/// Whether a wait runs out of time.
#[derive(Clone, Copy)]
enum Timers {
    /// At any moment.
    Ring,
    /// Never: who is not woken sleeps for good, and the schedule fails.
    Sleep,
}

/// Runs a model under half of the schedules at random and half with few, far-reaching switches.
fn check(timers: Timers, model: impl Fn(&Path) + Send + Sync + Copy + 'static) {
    let schedules = asked("PORTCULLIS_SOAK_SCHEDULES");
    let schedules = schedules.map_or(SCHEDULES, |asked| usize::try_from(asked).unwrap()).max(2);
    let seed = asked("PORTCULLIS_SOAK_SEED").unwrap_or(SEED);
    println!("{schedules} schedules of seed {seed}");
    run(RandomScheduler::new_from_seed(seed, schedules / 2), timers, model);
    run(PctScheduler::new_from_seed(seed, DEPTH, schedules / 2), timers, model);
}

fn run(
    scheduler: impl Scheduler + 'static,
    timers: Timers,
    model: impl Fn(&Path) + Send + Sync + 'static,
) {
    timers_ring(matches!(timers, Timers::Ring));
    // Making a database takes longer than a model: each schedule gets a copy of one.
    let made = folder();
    let path = made.path().to_owned();
    let once = RandomScheduler::new_from_seed(SEED, 1);
    Runner::new(once, config()).run(move || closed(&open(&path, AuditMode::Durable)));
    Runner::new(scheduler, config()).run(move || {
        let copy = folder();
        std::fs::create_dir(copy.path().join("data")).unwrap();
        for entry in std::fs::read_dir(made.path().join("data")).unwrap() {
            let file = entry.unwrap();
            std::fs::copy(file.path(), copy.path().join("data").join(file.file_name())).unwrap();
        }
        model(copy.path());
    });
}

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = STACK_BYTES;
    config
}

/// A folder, in memory where that can be had: what is modelled is threads, not disks.
fn folder() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_none| TempDir::new()).unwrap()
}

fn open(dir: &Path, audit_mode: AuditMode) -> Store {
    let config = StoreConfig { data_dir: dir.join("data"), audit_mode, role: Role::Serve };
    Store::open(&config, NOW).unwrap()
}

/// Ends a store and waits for its writer.
fn closed(store: &Store) {
    store.core().queue.close();
    let writer = store.handle.writer.lock().unwrap().take();
    writer.unwrap().join().unwrap();
}

fn joined(threads: Vec<thread::JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn charge(counter: &str, window: Window, max: u64) -> Charge {
    Charge {
        counter: counter.into(),
        window,
        scope: Scope::Grant,
        algorithm: Algorithm::Fixed,
        max: Micro(max * Micro::ONE.0),
        amount: Micro::ONE,
        rule: "/tools/pay/limits/0".into(),
        message: None,
    }
}

const IDS: ScopeIds<'static> =
    ScopeIds { grant: "grt_1", session: None, server: "pay", organisation: "default" };

fn opening(request_id: &str) -> AuditOpen<'_> {
    AuditOpen { request_id, verdict: "allow", ..AuditOpen::default() }
}

fn ended() -> AuditOutcome<'static> {
    AuditOutcome { outcome: "ok", ..AuditOutcome::default() }
}

fn admit(
    store: &Store,
    request_id: &str,
    charges: &[Charge],
    approval: Option<&ApprovalId>,
) -> Result<Admitted, AdmitError> {
    let open = &opening(request_id);
    future::block_on(store.admit(&AdmitRequest { charges, scope: IDS, approval, open, now: NOW }))
}

/// The request ids of opening rows, of a log that is whole.
fn log(store: &Store) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let report = runtime.block_on(store.verify_audit(|_progress| {})).unwrap();
    assert_eq!(report.open, 0, "each call has its outcome");
    let connection = open_writer(&store.data_dir().join(crate::connection::DATABASE_FILE)).unwrap();
    let mut rows = connection.prepare("SELECT record FROM audit ORDER BY seq").unwrap();
    let records = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let id_of = |record: Result<String, rusqlite::Error>| {
        let record: serde_json::Value = serde_json::from_str(&record.unwrap()).unwrap();
        record["request_id"].as_str().unwrap().to_owned()
    };
    records.map(id_of).collect()
}

/// What a caller does with its call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It ends.
    Ends,
    /// It certainly did not run.
    NeverLeft,
    /// Whoever called is gone before the call is admitted.
    Leaves,
    /// Whoever called is gone afterwards.
    Abandoned,
}

const FATES: [Fate; 4] = [Fate::Ends, Fate::NeverLeft, Fate::Leaves, Fate::Abandoned];

/// Room for calls in a day, and at one time.
const A_DAY: usize = 2;
const AT_ONCE: usize = 1;

#[derive(Default)]
struct Held {
    /// Calls that count against the day.
    charged: AtomicUsize,
    /// Calls that run.
    running: AtomicUsize,
    /// Calls that were admitted, ever.
    admitted: AtomicUsize,
}

fn one_call(store: &Store, held: &Held, id: &str, fate: Fate) {
    let limits = [
        charge("day", Window::Day, u64::try_from(A_DAY).unwrap()),
        charge("running", Window::InFlight, u64::try_from(AT_ONCE).unwrap()),
    ];
    if fate == Fate::Leaves {
        let open = &opening(id);
        let request = AdmitRequest { charges: &limits, scope: IDS, approval: None, open, now: NOW };
        drop(store.admit(&request));
        return;
    }
    let admitted = match admit(store, id, &limits, None) {
        Ok(admitted) => admitted,
        Err(AdmitError::Exceeded(_)) => return,
        Err(other) => panic!("{other}"),
    };
    assert!(held.charged.fetch_add(1, Ordering::SeqCst) < A_DAY, "more than a day has room for");
    assert!(held.running.fetch_add(1, Ordering::SeqCst) < AT_ONCE, "more than run at once");
    held.admitted.fetch_add(1, Ordering::SeqCst);
    thread::yield_now();
    held.running.fetch_sub(1, Ordering::SeqCst);
    match fate {
        Fate::NeverLeft => {
            held.charged.fetch_sub(1, Ordering::SeqCst);
            admitted.close(&ended(), Some(Cause::NeverLeft), NOW);
        }
        Fate::Abandoned => drop(admitted),
        Fate::Ends | Fate::Leaves => admitted.close(&ended(), None, NOW),
    }
}

#[test]
fn no_more_is_charged_and_not_returned_than_there_is_room_for() {
    check(Timers::Ring, |dir| {
        let store = open(dir, AuditMode::Durable);
        let held: Arc<Held> = Arc::default();
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (store, held) = (store.clone(), Arc::clone(&held));
                thread::spawn(move || {
                    for call in 0..2 {
                        let fate = FATES[(caller + call) % FATES.len()];
                        one_call(&store, &held, &format!("{caller}-{call}"), fate);
                    }
                })
            })
            .collect();
        joined(callers);
        closed(&store);
        assert!(log(&store).len() >= held.admitted.load(Ordering::SeqCst));
        // What another process finds is what was charged and not returned, no more and no less.
        let again = open(dir, AuditMode::Durable);
        let left = A_DAY - held.charged.load(Ordering::SeqCst);
        let asks = |amount: usize| {
            let amount = Micro(u64::try_from(amount).unwrap() * Micro::ONE.0);
            let day = charge("day", Window::Day, u64::try_from(A_DAY).unwrap());
            again.check_limits(&[Charge { amount, ..day }], &IDS, NOW).is_ok()
        };
        assert!(asks(left), "what was returned is charged still");
        assert!(!asks(left + 1), "a charge is lost");
        closed(&again);
    });
}

fn ask() -> Ask {
    let rule: Arc<str> = "/tools/pay/deny_if/0".into();
    Ask {
        rule: Arc::clone(&rule),
        message: "ask a person".into(),
        hint: None,
        rules: vec![AskRule { digest: sha256(b"rule"), rule, message: "ask a person".into() }],
        wait_seconds: None,
        expires_seconds: 3600,
        approvers: Vec::new(),
    }
}

fn request(number: u8) -> ApprovalRecord {
    ApprovalRecord {
        id: ApprovalId::from_random([number; 16]),
        digest: sha256(b"call"),
        grant: "grt_1".into(),
        server: "pay".into(),
        kind: Kind::Tool,
        name: "pay".into(),
        definition_pin: None,
        arguments: "{}".into(),
        rules: ask().rules,
        approvers: Vec::new(),
        state: ApprovalState::Pending,
        created_at: NOW,
        expires_at: NOW.plus_seconds(3600),
        decided_by: None,
        decided_at: None,
        decided_from: None,
        decided_reason: None,
        used_at: None,
    }
}

fn approve(store: &Store, id: &ApprovalId) {
    let decision = Decision {
        answer: Answer::Approve,
        by: Actor::parse("ada").unwrap(),
        roles: Vec::new(),
        from: "test".into(),
        reason: None,
    };
    future::block_on(store.decide_approval(id, decision, NOW)).unwrap();
}

#[test]
fn an_approval_is_used_once() {
    check(Timers::Ring, |dir| {
        let store = open(dir, AuditMode::Durable);
        let record = request(1);
        future::block_on(store.open_approval(record.clone(), &ask(), NOW)).unwrap();
        let used = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let (store, used, id) = (store.clone(), Arc::clone(&used), record.id.clone());
                thread::spawn(move || {
                    // One of them has no room, and one leaves before it knows.
                    let room = u64::from(caller != 1);
                    let limits = [charge(&format!("own-{caller}"), Window::Day, room)];
                    for call in 0..2 {
                        let request_id = format!("{caller}-{call}");
                        if caller == 2 && call == 0 {
                            let open = &opening(&request_id);
                            let approval = Some(&id);
                            let request = AdmitRequest {
                                charges: &limits,
                                scope: IDS,
                                approval,
                                open,
                                now: NOW,
                            };
                            drop(store.admit(&request));
                        } else if let Ok(admitted) = admit(&store, &request_id, &limits, Some(&id))
                        {
                            used.fetch_add(1, Ordering::SeqCst);
                            admitted.close(&ended(), None, NOW);
                        }
                    }
                })
            })
            .collect();
        // The index is read anew from the database in between.
        let other = request(2);
        approve(&store, &record.id);
        drop(future::block_on(store.open_approval(other, &ask(), NOW)));
        joined(callers);
        closed(&store);
        let used = used.load(Ordering::SeqCst);
        assert!(used <= 1, "used {used} times");
        let rows = log(&store).len();
        let connection =
            open_writer(&store.data_dir().join(crate::connection::DATABASE_FILE)).unwrap();
        let sql = "SELECT state FROM approvals WHERE id = ?1";
        let state: String =
            connection.query_row(sql, [record.id.as_str()], |row| row.get(0)).unwrap();
        assert_eq!(rows, usize::from(state == "used"), "a row for each use, and no other");
        assert!(state == "used" || used == 0, "{state}");
    });
}

#[test]
fn nobody_who_waits_is_forgotten() {
    check(Timers::Sleep, |dir| {
        let store = open(dir, AuditMode::Durable);
        let callers: Vec<_> = (0..4)
            .map(|caller| {
                let store = store.clone();
                thread::spawn(move || {
                    let id = format!("call-{caller}");
                    match caller {
                        0 => future::block_on(store.record(&opening(&id), NOW)).unwrap(),
                        1 => {
                            let record = request(caller);
                            drop(
                                future::block_on(store.open_approval(record, &ask(), NOW)).unwrap(),
                            );
                        }
                        _admitted => {
                            let limits = [charge("day", Window::Day, 10)];
                            for call in 0..2 {
                                let id = format!("{id}-{call}");
                                admit(&store, &id, &limits, None).unwrap().close(
                                    &ended(),
                                    None,
                                    NOW,
                                );
                            }
                        }
                    }
                })
            })
            .collect();
        joined(callers);
        closed(&store);
        assert_eq!(log(&store).len(), 5);
    });
}
