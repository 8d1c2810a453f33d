//! A disk that takes nothing, a database that is locked or gone: calls are refused, nothing is
//! charged, and the store recovers by itself.

use std::fs;
use std::process::Command;

use policy::Window;
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use store::{AdmitError, AdmitRequest, AuditMode, CheckError, Health};
use tempfile::TempDir;

use crate::crash::child_dir;
use crate::fixture::{Fixture, T0, admit, charge, ids, ok, open_row, serve, slug, whole_log};

/// Runs in a process of its own, in which files may not grow: `write` says EFBIG, as it says ENOSPC
/// on a full disk.
#[tokio::test]
async fn process_without_space() {
    let Some(dir) = child_dir() else { return };
    let store = serve(&dir);
    let limit = [charge(Window::Day, 2)];
    let running = admit(&store, "running", &limit, None).await.unwrap();
    let before = getrlimit(Resource::Fsize);
    setrlimit(Resource::Fsize, Rlimit { current: Some(4096), ..before }).unwrap();
    for number in 0..3 {
        let refused = admit(&store, &format!("limited {number}"), &limit, None).await.unwrap_err();
        assert!(matches!(refused, AdmitError::StoreUnavailable(_)), "{refused:?}");
        let refused = admit(&store, &format!("plain {number}"), &[], None).await.unwrap_err();
        assert!(matches!(refused, AdmitError::AuditUnavailable(_)), "{refused:?}");
    }
    assert!(store.record(&open_row("denied"), T0).await.is_err());
    assert!(store.save_server(crate::fixture::server("pay"), None, T0).await.is_err());
    assert!(matches!(store.health(), Health::Failing { .. }));
    let checked = store.check_limits(&limit, &ids(), T0);
    assert!(matches!(checked, Err(CheckError::StoreUnavailable(_))));
    running.close(&ok(), None, T0);
    setrlimit(Resource::Fsize, before).unwrap();
    // The next call tries again; one of the two that the limit allows was used before.
    let second = admit(&store, "second", &limit, None).await.unwrap();
    assert_eq!(store.health(), Health::Good);
    second.close(&ok(), None, T0);
    assert!(matches!(admit(&store, "third", &limit, None).await, Err(AdmitError::Exceeded(_))));
    store.close().await;
    let store = serve(&dir);
    let log = whole_log(&store).await.entries;
    let rows: Vec<_> =
        log.iter().map(|e| (e.request_id.as_str(), e.outcome.as_deref().unwrap())).collect();
    assert_eq!(rows, [("running", "ok"), ("second", "ok")]);
    store.verify_audit(|_| {}).await.unwrap();
    store.close().await;
    fs::write(dir.join("passed"), b"").unwrap();
}

#[test]
fn a_full_disk_refuses_calls_and_nothing_else() {
    let dir = TempDir::new().unwrap();
    // A signal that the shell ignores stays ignored in the program that it becomes.
    let status = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "disk::process_without_space"])
        .env("STORE_TEST_DIR", dir.path())
        .status()
        .unwrap();
    assert!(status.success());
    assert!(dir.path().join("passed").exists());
}

#[tokio::test]
async fn a_database_that_is_gone_refuses_calls_until_it_is_back() {
    for mode in [AuditMode::Durable, AuditMode::Buffered] {
        let fixture = Fixture::with_mode(mode);
        let day = [charge(Window::Day, 10)];
        admit(&fixture.store, "before", &day, None).await.unwrap().close(&ok(), None, T0);
        let database = fixture.database();
        let away = fixture.dir.path().join("away.db");
        fs::rename(&database, &away).unwrap();
        assert!(admit(&fixture.store, "gone", &day, None).await.is_err());
        assert!(admit(&fixture.store, "gone", &[], None).await.is_err());
        assert!(!database.exists(), "no empty database is made in its place");
        fs::rename(&away, &database).unwrap();
        admit(&fixture.store, "back", &day, None).await.unwrap().close(&ok(), None, T0);
        let fixture = fixture.reopen().await;
        assert_eq!(whole_log(&fixture.store).await.entries.len(), 2);
        fixture.store.verify_audit(|_| {}).await.unwrap();
    }
}

#[tokio::test]
async fn a_log_that_was_removed_under_the_database_loses_nothing() {
    let fixture = Fixture::new();
    admit(&fixture.store, "before", &[], None).await.unwrap().close(&ok(), None, T0);
    fs::remove_file(fixture.dir.path().join("data/portcullis.db-wal")).unwrap();
    // Refused, unless the writer noticed by itself and has opened the database anew by now.
    let meanwhile = admit(&fixture.store, "meanwhile", &[], None).await;
    let mut expected = vec!["before"];
    if let Ok(admitted) = meanwhile {
        admitted.close(&ok(), None, T0);
        expected.push("meanwhile");
    }
    admit(&fixture.store, "back", &[], None).await.unwrap().close(&ok(), None, T0);
    expected.push("back");
    let fixture = fixture.reopen().await;
    let log = whole_log(&fixture.store).await.entries;
    let ids: Vec<_> = log.iter().map(|entry| entry.request_id.as_str()).collect();
    assert_eq!(ids, expected);
    fixture.store.verify_audit(|_| {}).await.unwrap();
}

#[tokio::test]
async fn a_locked_database_refuses_calls_until_it_is_free() {
    let fixture = Fixture::new();
    let other = Connection::open(fixture.database()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    assert!(admit(&fixture.store, "locked", &[], None).await.is_err());
    assert!(matches!(fixture.store.health(), Health::Failing { .. }));
    assert!(fixture.store.server(&slug("pay")).await.is_ok(), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    admit(&fixture.store, "free", &[], None).await.unwrap().close(&ok(), None, T0);
    assert_eq!(fixture.store.health(), Health::Good);
}

/// Calls that wait for a writer that does not move, before it is let go.
const WAITING: usize = 20;
/// More calls than buffered mode lets pass unwritten.
const CALLS_MAX: u64 = 10_000;

#[tokio::test]
async fn a_writer_that_falls_behind_slows_buffered_calls_down_and_refuses_none() {
    use futures_util::FutureExt as _;
    let fixture = Fixture::with_mode(AuditMode::Buffered);
    let other = Connection::open(fixture.database()).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let open = open_row("call");
    let request = AdmitRequest { charges: &[], scope: ids(), approval: None, open: &open, now: T0 };
    let mut waiting = Vec::new();
    let mut calls = 0;
    while waiting.len() < WAITING && calls < CALLS_MAX {
        calls += 1;
        let mut admission = fixture.store.admit(&request);
        match (&mut admission).now_or_never() {
            Some(admitted) => admitted.unwrap().close(&ok(), None, T0),
            None => waiting.push(admission),
        }
    }
    assert_eq!(waiting.len(), WAITING, "nobody waited for a writer that stands still");
    other.execute_batch("ROLLBACK").unwrap();
    for admission in waiting {
        admission.await.unwrap().close(&ok(), None, T0);
    }
    let fixture = fixture.reopen().await;
    let report = fixture.store.verify_audit(|_| {}).await.unwrap();
    assert_eq!((report.openings, report.open), (calls, 0));
}
