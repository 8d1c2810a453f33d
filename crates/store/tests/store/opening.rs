//! Opening: directory, key file, locks, versions.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rusqlite::Connection;
use store::{AuditMode, OpenError, Role, Store};
use tempfile::TempDir;

use crate::fixture::{Fixture, T0, config, newest_version, serve};

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn nobody_else_can_read_what_is_made() {
    let fixture = Fixture::new();
    let data = fixture.dir.path().join("data");
    assert_eq!(mode(&data), 0o700);
    for entry in fs::read_dir(&data).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[tokio::test]
async fn one_process_serves_a_directory_and_commands_run_beside_it() {
    let fixture = Fixture::new();
    let serving = config(fixture.dir.path(), AuditMode::Durable, Role::Serve);
    let error = Store::open(&serving, T0).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    assert!(error.to_string().starts_with("another portcullis serves "));
    let command = config(fixture.dir.path(), AuditMode::Durable, Role::Command);
    Store::open(&command, T0).unwrap().close().await;
    fixture.reopen().await;
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    let fixture = Fixture::new();
    fixture.store.close().await;
    let key = fixture.dir.path().join("data/seal.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let serving = config(fixture.dir.path(), AuditMode::Durable, Role::Serve);
    let error = Store::open(&serving, T0).unwrap_err();
    assert!(matches!(error, OpenError::KeyFileMode { mode: 0o644, .. }), "{error}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&key, b"short").unwrap();
    let error = Store::open(&serving, T0).unwrap_err();
    assert!(matches!(error, OpenError::KeyFileForm { .. }), "{error}");
}

#[tokio::test]
async fn a_newer_database_is_refused_and_stays_as_it_is() {
    let fixture = Fixture::new();
    fixture.store.close().await;
    let database = Connection::open(fixture.database()).unwrap();
    database
        .execute(
            "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
             VALUES (99, 'later', '2030-01-01T00:00:00Z', '1')",
            [],
        )
        .unwrap();
    drop(database);
    let command = config(fixture.dir.path(), AuditMode::Durable, Role::Command);
    let error = Store::open(&command, T0).unwrap_err();
    let OpenError::Newer { found: 99, known } = error else { panic!("{error}") };
    assert_eq!(known, newest_version());
}

#[tokio::test]
async fn a_damaged_counter_is_not_taken_for_an_empty_one() {
    let fixture = Fixture::new();
    fixture.store.close().await;
    let database = Connection::open(fixture.database()).unwrap();
    database.execute("INSERT INTO counters (key, state) VALUES ('x', x'ff')", []).unwrap();
    drop(database);
    let serving = config(fixture.dir.path(), AuditMode::Durable, Role::Serve);
    assert!(matches!(Store::open(&serving, T0), Err(OpenError::Database { .. })));
}

#[test]
fn many_processes_may_make_one_database_at_the_same_time() {
    let dir = TempDir::new().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let command = config(dir.path(), AuditMode::Durable, Role::Command);
                drop(Store::open(&command, T0).unwrap());
            });
        }
    });
    drop(serve(dir.path()));
}
