//! Verification finds whatever was done to the log, and says where.

use std::fs;
use std::path::Path;

use policy::UnixMillis;
use rusqlite::Connection;
use store::{AuditMode, OpenError, Role, Store, VerifyError};
use tempfile::TempDir;

use crate::fixture::{Fixture, T0, admit, config, ok, open_row};

/// Row 1 to 10: five calls, each opened and closed, with a genuine head kept from after row 6.
async fn log() -> (TempDir, String) {
    let fixture = Fixture::new();
    let mut older_head = String::new();
    for number in 0..5 {
        let admitted = admit(&fixture.store, &format!("r{number}"), &[], None).await.unwrap();
        admitted.close(&ok(), None, T0.plus_seconds(number));
        // The denial after it shows that the outcome before it is on disk.
        if number == 2 {
            fixture.store.record(&open_row("deny"), T0).await.unwrap();
            let database = Connection::open(fixture.database()).unwrap();
            let read = "SELECT printf('UPDATE audit_head SET seq = %d, openings = %d, at = %d,
                clock_back_ms = %d, hash = x''%s'', mac = x''%s''', seq, openings, at,
                clock_back_ms, hex(hash), hex(mac)) FROM audit_head";
            older_head = database.query_row(read, [], |row| row.get(0)).unwrap();
        }
    }
    fixture.store.close().await;
    (fixture.dir, older_head)
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

async fn verify(dir: &Path) -> Result<u64, VerifyError> {
    let config = config(dir, AuditMode::Durable, Role::Command);
    let store = Store::open(&config, UnixMillis(0)).unwrap();
    let report = store.verify_audit(|_| {}).await;
    store.close().await;
    report.map(|report| report.rows)
}

async fn bad_row_after(log: &Path, sql: &str) -> i64 {
    let copy = copy(log);
    let database = Connection::open(copy.path().join("data/portcullis.db")).unwrap();
    database.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    drop(database);
    match verify(copy.path()).await {
        Err(VerifyError::Broken(bad)) => bad.seq,
        other => panic!("{sql}: {other:?}"),
    }
}

#[tokio::test]
async fn an_untouched_log_verifies() {
    let (log, _) = log().await;
    assert_eq!(verify(copy(log.path()).path()).await, Ok(11));
}

/// The statement, and the first row that is wrong because of it. Openings stand at 1, 3, 5, 7, 8,
/// 10; outcomes at 2, 4, 6, 9, 11 (row 7 is the denial).
const TAMPERINGS: [(&str, i64); 33] = [
    ("UPDATE audit SET at = at + 1 WHERE seq = 3", 3),
    ("UPDATE audit SET at = at - 1 WHERE seq = 3", 3),
    ("UPDATE audit SET record = replace(record, 'pay_invoice', 'pay_invoicf') WHERE seq = 1", 1),
    ("UPDATE audit SET record = record || ' ' WHERE seq = 10", 10),
    ("UPDATE audit SET record = CAST(record AS BLOB) WHERE seq = 5", 5),
    ("UPDATE audit SET hash = zeroblob(32) WHERE seq = 5", 5),
    ("UPDATE audit SET hash = x'00' WHERE seq = 5", 5),
    ("UPDATE audit SET seq = 12 WHERE seq = 10", 10),
    ("UPDATE audit SET seq = -1 WHERE seq = 1", -1),
    ("UPDATE audit_outcome SET at = at + 1 WHERE seq = 4", 4),
    ("UPDATE audit_outcome SET record = replace(record, '200', '500') WHERE seq = 4", 4),
    ("UPDATE audit_outcome SET hash = zeroblob(32) WHERE seq = 11", 11),
    ("UPDATE audit_outcome SET seq = 12 WHERE seq = 11", 11),
    ("UPDATE audit_outcome SET seq = 6 WHERE seq = 4", 4),
    ("UPDATE audit_outcome SET opening = 7 WHERE opening = 1", 2),
    ("UPDATE audit_outcome SET opening = -5 WHERE opening = 3", 4),
    ("DELETE FROM audit WHERE seq = 1", 1),
    ("DELETE FROM audit WHERE seq = 5", 5),
    ("DELETE FROM audit_outcome WHERE seq = 6", 6),
    ("DELETE FROM audit_outcome WHERE seq = 11", 11),
    ("DELETE FROM audit_outcome WHERE seq = 11; DELETE FROM audit WHERE seq = 10", 10),
    ("DELETE FROM audit; DELETE FROM audit_outcome", 1),
    (
        "CREATE TEMP TABLE swap AS SELECT seq, record FROM audit WHERE seq IN (3, 5);
         UPDATE audit SET record = (SELECT record FROM swap WHERE swap.seq <> audit.seq)
         WHERE seq IN (3, 5)",
        3,
    ),
    (
        "UPDATE audit SET seq = 100 WHERE seq = 3; UPDATE audit SET seq = 3 WHERE seq = 5;
         UPDATE audit SET seq = 5 WHERE seq = 100",
        3,
    ),
    ("INSERT INTO audit SELECT 12, at, record, hash, outcome FROM audit WHERE seq = 10", 12),
    ("INSERT INTO audit_outcome SELECT 7, 12, at, record, hash FROM audit_outcome LIMIT 1", 12),
    ("INSERT INTO audit_outcome SELECT 7, 2, at, record, hash FROM audit_outcome LIMIT 1", 2),
    ("DELETE FROM audit_head", 12),
    ("UPDATE audit_head SET seq = seq - 1", 12),
    ("UPDATE audit_head SET openings = 1", 12),
    ("UPDATE audit_head SET at = at + 1", 12),
    ("UPDATE audit_head SET clock_back_ms = clock_back_ms + 1", 12),
    ("UPDATE audit_head SET hash = zeroblob(32), mac = zeroblob(32)", 12),
];

#[tokio::test]
async fn every_tampering_is_found_where_it_was_done() {
    let (log, _) = log().await;
    for (sql, row) in TAMPERINGS {
        let found = bad_row_after(log.path(), sql).await;
        // A row that stands twice is found at its place or at the one behind it.
        assert!(found == row || (sql.starts_with("INSERT") && found == row + 1), "{sql}: {found}");
    }
}

#[tokio::test]
async fn a_log_cut_back_together_with_its_head_is_found_by_the_anchor() {
    let (log, older_head) = log().await;
    let cut = "DELETE FROM audit WHERE seq > 7; DELETE FROM audit_outcome WHERE seq > 7;";
    assert_eq!(bad_row_after(log.path(), &format!("{cut} {older_head}")).await, 8);
    // A writer that goes on from there does not hide it.
    let copy = copy(log.path());
    let database = Connection::open(copy.path().join("data/portcullis.db")).unwrap();
    database.execute_batch(&format!("{cut} {older_head}")).unwrap();
    drop(database);
    let fixture = Fixture { store: crate::fixture::serve(copy.path()), dir: copy };
    for number in 0..5 {
        admit(&fixture.store, &format!("n{number}"), &[], None).await.unwrap().close(
            &ok(),
            None,
            T0,
        );
    }
    fixture.store.close().await;
    match verify(fixture.dir.path()).await {
        Err(VerifyError::Broken(bad)) => assert_eq!(bad.seq, 11),
        other => panic!("{other:?}"),
    }
}

async fn goes_on(dir: TempDir, word: &str) -> TempDir {
    let fixture = Fixture { store: crate::fixture::serve(dir.path()), dir };
    for number in 0..3 {
        fixture.store.record(&open_row(&format!("{word}{number}")), T0).await.unwrap();
    }
    fixture.store.close().await;
    fixture.dir
}

/// What docs/backup.md says: anchors that are copied before the database belong to it, and later ones to what was lost.
#[tokio::test]
async fn a_backup_is_whole_with_the_anchors_that_were_copied_before_it() {
    let (log, _) = log().await;
    let first = copy(log.path());
    let later = goes_on(copy(log.path()), "lost").await;
    let anchors = |from: &Path, to: &Path| {
        for name in ["audit.anchor", "deeds.anchor"] {
            fs::copy(from.join("data").join(name), to.join("data").join(name)).unwrap();
        }
    };
    let restored = copy(later.path());
    anchors(first.path(), restored.path());
    assert!(verify(restored.path()).await.is_ok());
    let restored = goes_on(restored, "new").await;
    assert!(verify(restored.path()).await.is_ok(), "the anchor follows the log again");
    let cut = first;
    anchors(later.path(), cut.path());
    let said = verify(cut.path()).await.unwrap_err().to_string();
    assert!(said.contains("was cut off: audit.anchor remembers row"), "{said}");
    // The log goes on past the row that is remembered: it is another one, and that is said.
    let said = verify(goes_on(cut, "other").await.path()).await.unwrap_err().to_string();
    assert!(said.contains("is not the row that audit.anchor remembers"), "{said}");
}

#[tokio::test]
async fn a_missing_or_altered_anchor_is_found() {
    let (log, _) = log().await;
    let missing = copy(log.path());
    fs::remove_file(missing.path().join("data/audit.anchor")).unwrap();
    assert!(matches!(verify(missing.path()).await, Err(VerifyError::Broken(_))));
    let altered = copy(log.path());
    let path = altered.path().join("data/audit.anchor");
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] -= 1;
    fs::write(&path, bytes).unwrap();
    assert!(matches!(verify(altered.path()).await, Err(VerifyError::Broken(_))));
}

#[tokio::test]
async fn another_key_file_opens_nothing() {
    let (log, _) = log().await;
    fs::write(log.path().join("data/seal.key"), [7; 32]).unwrap();
    let config = config(log.path(), AuditMode::Durable, Role::Command);
    assert!(matches!(Store::open(&config, T0), Err(OpenError::KeyFileOther { .. })));
    fs::remove_file(log.path().join("data/seal.key")).unwrap();
    assert!(matches!(Store::open(&config, T0), Err(OpenError::KeyFileMissing { .. })));
}

/// Rows 1 to 10, each an opening with its outcome, and row 11 without one.
async fn log_of_whole_rows() -> TempDir {
    let fixture = Fixture::with_mode(AuditMode::Buffered);
    // One runtime thread, and no wait in between: what is written is written at the end, unless
    // the machine is so slow that the writer comes by; then the log is another one.
    for number in 0..10 {
        let admitted = admit(&fixture.store, &format!("r{number}"), &[], None).await.unwrap();
        admitted.close(&ok(), None, T0);
    }
    fixture.store.record(&open_row("deny"), T0).await.unwrap();
    fixture.store.close().await;
    fixture.dir
}

const TAMPERINGS_OF_WHOLE_ROWS: [(&str, i64); 8] = [
    ("UPDATE audit SET outcome = replace(outcome, '200', '500') WHERE seq = 4", 4),
    ("UPDATE audit SET outcome = '' WHERE seq = 4", 4),
    ("UPDATE audit SET outcome = CAST(outcome AS BLOB) WHERE seq = 10", 10),
    ("UPDATE audit SET outcome = outcome || ' ' WHERE seq = 11", 11),
    ("UPDATE audit SET record = record || outcome, outcome = '' WHERE seq = 2", 2),
    (
        "UPDATE audit SET record = record || substr(outcome, 1, 1), outcome = substr(outcome, 2)
         WHERE seq = 3",
        3,
    ),
    (
        "INSERT INTO audit_outcome SELECT 5, 12, at, outcome, hash FROM audit WHERE seq = 5;
         UPDATE audit SET outcome = '' WHERE seq = 5",
        5,
    ),
    ("DELETE FROM audit WHERE seq = 1", 1),
];

#[tokio::test]
async fn every_tampering_with_whole_rows_is_found_where_it_was_done() {
    let mut log = log_of_whole_rows().await;
    while verify(copy(log.path()).path()).await != Ok(11) {
        log = log_of_whole_rows().await;
    }
    for (sql, row) in TAMPERINGS_OF_WHOLE_ROWS {
        assert_eq!(bad_row_after(log.path(), sql).await, row, "{sql}");
    }
}
