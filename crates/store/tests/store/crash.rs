//! kill -9: whatever was answered is on disk. The tests run this test binary again as the process
//! that is killed.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use policy::{ApprovalId, ApprovalState, Window, sha256};
use store::{Answer, AuditMode, CheckError, Decision, Role, Store};
use tempfile::TempDir;

use crate::fixture::{
    T0, actor, admit, approval, ask, charge, config, ids, ok, serve, slug, whole_log,
};

/// Where the killed process finds its directory.
const DIR: &str = "STORE_TEST_DIR";
/// Which round it is, so that ids differ.
const ROUND: &str = "STORE_TEST_ROUND";

/// Calls at one time in the killed process.
const TASKS: u64 = 8;
/// More than any run admits.
const PLENTY: u64 = 1_000_000;

pub(crate) fn child(test: &str, dir: &Path, round: u8) -> Child {
    command(test, dir, round).spawn().unwrap()
}

fn command(test: &str, dir: &Path, round: u8) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["--exact", test, "--nocapture", "--include-ignored"])
        .env(DIR, dir)
        .env(ROUND, round.to_string())
        .stdout(Stdio::piped());
    command
}

pub(crate) fn child_dir() -> Option<std::path::PathBuf> {
    env::var_os(DIR).map(Into::into)
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n@{line}").unwrap();
    out.flush().unwrap();
}

/// The process that is killed: eight tasks that admit calls with a daily limit, every tenth with an
/// approval, and say so once they may leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn process_under_load() {
    let Some(dir) = child_dir() else { return };
    let round: u8 = env::var_os(ROUND).unwrap().into_string().unwrap().parse().unwrap();
    let store = serve(&dir);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for number in 0..u64::MAX {
                let id = format!("{round}-{task}-{number}");
                let approval = (number % 10 == 0).then_some(&id);
                let approval = match approval {
                    Some(id) => Some(approved(&store, id).await),
                    None => None,
                };
                let limit = [charge(Window::Day, PLENTY)];
                let admitted = admit(&store, &id, &limit, approval.as_ref()).await.unwrap();
                say(&format!("call {id}"));
                if let Some(approval) = approval {
                    say(&format!("used {approval}"));
                }
                admitted.close(&ok(), None, T0);
            }
        });
    }
    while tasks.join_next().await.is_some() {}
}

async fn approved(store: &Store, id: &str) -> ApprovalId {
    let digest = sha256(id.as_bytes());
    let mut record = approval(0, id, digest);
    record.id = ApprovalId::from_random(*digest.0.first_chunk().unwrap());
    store.open_approval(record.clone(), &ask(), T0).await.unwrap();
    let decision = Decision {
        answer: Answer::Approve,
        by: actor("ada"),
        roles: Vec::new(),
        from: "test".into(),
        reason: None,
    };
    store.decide_approval(&record.id, decision, T0).await.unwrap();
    record.id
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_answered() {
    let dir = TempDir::new().unwrap();
    let mut calls = BTreeSet::new();
    let mut used = BTreeSet::new();
    for round in 0..12_u8 {
        let mut child = child("crash::process_under_load", dir.path(), round);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let enough = 3 + usize::from(round) * 23;
        let mut seen = 0;
        // What the process said before it died is read to the end.
        for line in lines.map_while(Result::ok) {
            if let Some(id) = line.strip_prefix("@call ") {
                calls.insert(id.to_owned());
                seen += 1;
                if seen == enough {
                    child.kill().unwrap();
                }
            } else if let Some(id) = line.strip_prefix("@used ") {
                used.insert(id.to_owned());
            }
        }
        child.wait().unwrap();
        assert!(seen >= enough, "round {round} ended by itself after {seen} calls");
        check(dir.path(), &calls, &used, u64::from(round) + 1).await;
    }
}

async fn check(dir: &Path, calls: &BTreeSet<String>, used: &BTreeSet<String>, rounds: u64) {
    let store = serve(dir);
    store.verify_audit(|_| {}).await.unwrap();
    let log = whole_log(&store).await.entries;
    let logged: BTreeSet<String> = log.iter().map(|entry| entry.request_id.clone()).collect();
    assert_eq!(logged.len(), log.len(), "no call is opened twice");
    assert!(calls.is_subset(&logged));
    assert!(log.iter().all(|e| matches!(e.outcome.as_deref(), Some("ok" | "unknown"))));
    let fits = |max| store.check_limits(&[charge(Window::Day, max)], &ids(), T0);
    let charged_least = u64::try_from(calls.len()).unwrap();
    assert!(matches!(fits(charged_least), Err(CheckError::Exceeded(_))), "a charge is lost");
    let charged_most = u64::try_from(log.len()).unwrap() + rounds * TASKS;
    assert_eq!(fits(charged_most + 1), Ok(()));
    for id in used {
        let id: ApprovalId = id.parse().unwrap();
        assert_eq!(store.approval(&id).await.unwrap().unwrap().state, ApprovalState::Used);
        assert!(admit(&store, "again", &[], Some(&id)).await.is_err());
    }
    store.close().await;
}

/// The process that is killed with rows that nobody waits for: it admits and closes calls in
/// buffered mode, and then does nothing more.
#[tokio::test]
async fn process_that_waits_for_nothing() {
    let Some(dir) = child_dir() else { return };
    let store = Store::open(&config(&dir, AuditMode::Buffered, Role::Serve), T0).unwrap();
    for number in 0..UNAWAITED {
        admit(&store, &format!("r{number}"), &[], None).await.unwrap().close(&ok(), None, T0);
    }
    std::future::pending::<()>().await;
}

const UNAWAITED: u64 = 50;

/// The position that the anchor remembers: what the disk has for certain.
fn anchored(dir: &Path) -> i64 {
    let anchor = std::fs::read(dir.join("data/audit.anchor")).unwrap_or_default();
    anchor.first_chunk().map_or(0, |seq| i64::from_be_bytes(*seq))
}

#[tokio::test]
async fn rows_that_nobody_waits_for_reach_the_disk_by_themselves() {
    let dir = TempDir::new().unwrap();
    let mut child = child("crash::process_that_waits_for_nothing", dir.path(), 0);
    let on_disk = || {
        let seq = anchored(dir.path());
        if seq == 0 {
            // There may be no database yet.
            return false;
        }
        let end = log_end(dir.path());
        assert!(seq <= end, "the anchor knows more than the log");
        seq == end && u64::try_from(end).unwrap() >= UNAWAITED
    };
    until(&mut child, "the last row that nobody waits for is on disk and anchored", on_disk).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let store = serve(dir.path());
    let report = store.verify_audit(|_| {}).await.unwrap();
    assert_eq!((report.openings, report.open), (UNAWAITED, 0));
    store.close().await;
}

/// How often a process is looked at before it is given up. How long it takes is not judged, since
/// the machine may be busy: two minutes are long for what takes milliseconds.
const LOOKS_MAX: u32 = 24_000;
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Waits until something is so, which only the process makes so.
async fn until(child: &mut Child, what: &str, is_so: impl Fn() -> bool) {
    for _ in 0..LOOKS_MAX {
        if is_so() {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before: {what}");
        tokio::time::sleep(LOOK_EVERY).await;
    }
    child.kill().unwrap();
    panic!("after {:?} it is still not so that {what}", LOOK_EVERY * LOOKS_MAX);
}

/// The last position in the log, as another process reads it.
fn log_end(dir: &Path) -> i64 {
    let database = rusqlite::Connection::open(dir.join("data/portcullis.db")).unwrap();
    let sql = "SELECT seq FROM audit_head";
    database.query_row(sql, [], |row| row.get(0)).unwrap_or_default()
}

/// The process that is killed while it makes its database.
#[test]
fn process_that_opens() {
    let Some(dir) = child_dir() else { return };
    drop(serve(&dir));
    say("opened");
}

/// Every place around what an opening writes, in its order.
const WHILE_OPENING: [&str; 8] = [
    "before_migration",
    "after_migration",
    "before_key",
    "after_key",
    "before_first_state",
    "after_first_state",
    "before_first_anchor",
    "after_first_anchor",
];

/// Has the process stop at a place, and kills it there.
async fn kill_at(place: &str, dir: &Path, test: &str) {
    let asked = dir.join(place);
    std::fs::write(&asked, "").unwrap();
    let mut command = command(test, dir, 0);
    let mut child = command.env("PORTCULLIS_FAILPOINTS", dir).spawn().unwrap();
    let reached = asked.with_extension("reached");
    until(&mut child, &format!("it came to {place}"), || reached.exists()).await;
    child.kill().unwrap();
    child.wait().unwrap();
}

#[tokio::test]
async fn a_kill_around_each_step_of_the_making_leaves_a_database_that_opens() {
    for (at, first) in WHILE_OPENING.iter().enumerate() {
        // What one process left undone the next one does, and may be killed there in turn.
        let undone = &WHILE_OPENING[at + usize::from(first.starts_with("after"))..];
        for second in undone.iter().map(Some).chain([None]) {
            let dir = TempDir::new().unwrap();
            kill_at(first, dir.path(), "crash::process_that_opens").await;
            if let Some(second) = second {
                kill_at(second, dir.path(), "crash::process_that_opens").await;
            }
            opens(dir.path(), &format!("{first}, {second:?}")).await;
        }
    }
}

async fn opens(dir: &Path, what: &str) {
    let store = serve(dir);
    admit(&store, "first", &[], None).await.unwrap().close(&ok(), None, T0);
    store.save_server(crate::fixture::server("pay"), None, T0).await.unwrap();
    assert!(store.server(&slug("pay")).await.unwrap().is_some());
    store.close().await;
    let command = config(dir, AuditMode::Durable, Role::Command);
    let store = Store::open(&command, T0).unwrap();
    assert_eq!(store.verify_audit(|_| {}).await.unwrap().rows, 2, "{what}");
    store.close().await;
}

#[tokio::test]
async fn a_kill_while_the_database_is_made_leaves_one_that_opens() {
    let files = [
        "data",
        "data/serve.lock",
        "data/open.lock",
        "data/portcullis.db",
        "data/portcullis.db-wal",
        "data/seal.key.new",
        "data/seal.key",
        "data/audit.new",
        "data/audit.anchor",
    ];
    for file in files {
        for spins in [0_u32, 1 << 8, 1 << 12, 1 << 15, 1 << 18] {
            let dir = TempDir::new().unwrap();
            let mut child = child("crash::process_that_opens", dir.path(), 0);
            // Some files exist for a moment only: the process may end before one is seen.
            while !dir.path().join(file).exists() && child.try_wait().unwrap().is_none() {
                std::hint::spin_loop();
            }
            for _ in 0..spins {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            opens(dir.path(), &format!("{file} {spins}")).await;
        }
    }
}
