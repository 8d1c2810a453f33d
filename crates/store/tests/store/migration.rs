//! Between versions: a database that an older program made is carried over whole, and a kill in the
//! middle of it leaves either the old one or the new one.

use std::fs;
use std::path::Path;

use policy::Window;
use rusqlite::Connection;
use store::{AuditMode, CheckError, Role, Store, VerifyReport};
use tempfile::TempDir;

use crate::crash::{child, child_dir};
use crate::fixture::{
    Fixture, T0, admit, charge, config, ids, newest_version, ok, open_row, serve, server, slug,
    whole_log,
};

const V1: &str = include_str!("../../migrations/V1__initial.sql");
const V2: &str = include_str!("../../migrations/V2__whole_rows.sql");

/// Calls in the old database, each with an opening and an outcome.
const CALLS: u64 = 300;

/// A data directory as version 1 left it: its schema is made by its own SQL, and filled with what
/// a store of today writes into the columns that it had.
async fn version_one() -> TempDir {
    let fixture = Fixture::new();
    fixture.store.save_server(server("pay"), None, T0).await.unwrap();
    let limit = [charge(Window::Month, CALLS + 1)];
    for number in 0..CALLS {
        let admitted = admit(&fixture.store, &format!("r{number}"), &limit, None).await.unwrap();
        admitted.close(&ok(), None, T0);
    }
    fixture.store.record(&open_row("denied"), T0).await.unwrap();
    fixture.store.close().await;
    let today = fixture.database();
    let old = fixture.dir.path().join("data/old.db");
    let database = Connection::open(&old).unwrap();
    database.execute_batch("PRAGMA journal_mode = WAL; PRAGMA foreign_keys = OFF").unwrap();
    database.execute_batch(V1).unwrap();
    database
        .execute_batch(
            "CREATE TABLE refinery_schema_history (
                version INT4 PRIMARY KEY, name VARCHAR(255), applied_on VARCHAR(255),
                checksum VARCHAR(255));
             DELETE FROM revisions; DELETE FROM settings;",
        )
        .unwrap();
    database.execute("ATTACH ?1 AS today", [today.to_str().unwrap()]).unwrap();
    let tables = names(&database, "SELECT name FROM main.sqlite_schema WHERE type = 'table'");
    for table in tables {
        let columns = format!("SELECT name FROM pragma_table_info('{table}', 'main')");
        let columns = names(&database, &columns).join(", ");
        let fill =
            format!("INSERT INTO main.{table} ({columns}) SELECT {columns} FROM today.{table}");
        database.execute(&fill, []).unwrap_or_else(|error| panic!("{fill}: {error}"));
    }
    database.execute("DELETE FROM main.refinery_schema_history WHERE version > 1", []).unwrap();
    database.execute_batch("DETACH today; PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    drop(database);
    fs::rename(&old, &today).unwrap();
    // It knew no deeds.
    fs::remove_file(fixture.dir.path().join("data/deeds.anchor")).unwrap();
    fixture.dir
}

fn names(database: &Connection, sql: &str) -> Vec<String> {
    let mut statement = database.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn version(dir: &Path) -> i64 {
    let database = Connection::open(dir.join("data/portcullis.db")).unwrap();
    let sql = "SELECT max(version) FROM refinery_schema_history";
    database.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn copy(from: &Path) -> TempDir {
    let to = TempDir::new().unwrap();
    fs::create_dir(to.path().join("data")).unwrap();
    for entry in fs::read_dir(from.join("data")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join("data").join(entry.file_name())).unwrap();
    }
    to
}

/// Opens the directory with today's program: everything is there, the chain holds across the
/// versions, and it goes on.
async fn check(dir: &Path) {
    let store = serve(dir);
    assert_eq!(version(dir), i64::from(newest_version()));
    let report = store.verify_audit(|_| {}).await.unwrap();
    let whole = VerifyReport { rows: 2 * CALLS + 1, openings: CALLS + 1, open: 0, deeds: 0 };
    assert_eq!(report, whole);
    assert!(store.server(&slug("pay")).await.unwrap().is_some());
    let month = [charge(Window::Month, CALLS + 1)];
    admit(&store, "last", &month, None).await.unwrap().close(&ok(), None, T0);
    let full = store.check_limits(&month, &ids(), T0);
    assert!(matches!(full, Err(CheckError::Exceeded(_))), "a charge was lost");
    let log = whole_log(&store).await.entries;
    assert_eq!(log.len() as u64, CALLS + 2);
    let ended = log.iter().filter(|entry| entry.outcome.as_deref() == Some("ok")).count();
    assert_eq!(ended as u64, CALLS + 1);
    store.close().await;
    // Rows that say both stand behind those of before.
    let buffered = config(dir, AuditMode::Buffered, Role::Serve);
    let store = Store::open(&buffered, T0).unwrap();
    for _ in 0..20 {
        admit(&store, "whole", &[], None).await.unwrap().close(&ok(), None, T0);
    }
    store.close().await;
    let store = serve(dir);
    let report = store.verify_audit(|_| {}).await.unwrap();
    assert_eq!((report.openings, report.open), (CALLS + 22, 0));
    assert!(report.rows > 2 * CALLS + 22 && report.rows <= 2 * CALLS + 43, "{report:?}");
    store.close().await;
}

#[tokio::test]
async fn a_database_of_the_version_before_is_carried_over() {
    let old = version_one().await;
    assert_eq!(version(old.path()), 1);
    check(old.path()).await;
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_made_again() {
    let old = version_one().await;
    let database = Connection::open(old.path().join("data/portcullis.db")).unwrap();
    // So much that pages go to the log before a commit that never comes.
    database.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE").unwrap();
    database.execute_batch(V2).unwrap();
    database.execute_batch("UPDATE audit SET outcome = 'half'").unwrap();
    drop(database);
    assert_eq!(version(old.path()), 1);
    check(old.path()).await;
}

/// The process that is killed while it brings a database up to date.
#[test]
fn process_that_migrates() {
    let Some(dir) = child_dir() else { return };
    drop(serve(&dir));
}

#[tokio::test]
async fn a_kill_between_versions_leaves_a_database_that_opens() {
    let old = version_one().await;
    for file in ["data/portcullis.db-wal", "data/portcullis.db-shm"] {
        for spins in [0_u32, 1 << 6, 1 << 9, 1 << 12, 1 << 14, 1 << 16, 1 << 18] {
            let dir = copy(old.path());
            let mut child = child("migration::process_that_migrates", dir.path(), 0);
            while !dir.path().join(file).exists() && child.try_wait().unwrap().is_none() {
                std::hint::spin_loop();
            }
            for _ in 0..spins {
                std::hint::spin_loop();
            }
            child.kill().unwrap();
            child.wait().unwrap();
            check(dir.path()).await;
        }
    }
}

#[tokio::test]
async fn many_processes_may_bring_one_database_up_to_date_at_the_same_time() {
    let old = version_one().await;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let command = config(old.path(), AuditMode::Durable, Role::Command);
                drop(Store::open(&command, T0).unwrap());
            });
        }
    });
    check(old.path()).await;
}
