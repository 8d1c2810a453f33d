//! Deeds under the eyes of somebody who may write to the database's file.

use std::path::Path;

use policy::UnixMillis;
use rusqlite::Connection;
use store::{
    Actor, AuditMode, By, Deed, DeedFilter, Label, OwnCalls, Role, Settings, Store, StoreConfig,
    VerifyError,
};

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn open(dir: &Path, role: Role) -> Store {
    let data_dir = dir.join("data");
    Store::open(&StoreConfig { data_dir, audit_mode: AuditMode::Durable, role }, NOW).unwrap()
}

fn ada(at: i64) -> By {
    By {
        actor: Actor::parse("user:ada@example.com").unwrap(),
        from: "192.0.2.1".to_owned(),
        at: UnixMillis(NOW.0 + at),
    }
}

async fn rename(store: &Store, name: &str, at: i64) {
    let name = Label::parse(name).unwrap();
    store.by(ada(at)).rename_organisation(name).await.unwrap();
}

async fn broken(store: &Store) -> String {
    match store.verify_audit(|_| {}).await {
        Err(VerifyError::Broken(bad)) => bad.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_change_leaves_who_what_and_when() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Role::Serve);
    rename(&store, "Engines", 5).await;
    store.by(ada(3)).save_settings(Settings { own_calls: OwnCalls::Allow }).await.unwrap();
    store.by(ada(9)).save_settings(Settings { own_calls: OwnCalls::Allow }).await.unwrap();
    let page = store.deeds(DeedFilter::default(), 10).await.unwrap();
    assert_eq!(page.deeds.len(), 2, "what changes nothing leaves nothing");
    let [second, first] = page.deeds.as_slice() else { panic!() };
    assert_eq!((first.deed, first.object.as_str()), (Deed::RenameOrganisation, "Engines"));
    assert_eq!((first.actor.as_str(), first.from.as_str()), ("user:ada@example.com", "192.0.2.1"));
    assert_eq!((second.deed, second.detail.as_str()), (Deed::ChangeSettings, "refuse → allow"));
    assert_eq!(second.at, UnixMillis(NOW.0 + 5), "time does not go back");
    assert_eq!(store.verify_audit(|_| {}).await.unwrap().deeds, 2);
    let filter = DeedFilter { deed: Some(Deed::ChangeSettings), ..DeedFilter::default() };
    assert_eq!(store.deeds(filter, 10).await.unwrap().deeds.len(), 1);
    let one = store.deeds(DeedFilter::default(), 1).await.unwrap();
    assert_eq!((one.deeds.len(), one.next), (1, Some(2)));
}

#[tokio::test]
async fn a_change_that_cannot_leave_its_deed_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Role::Serve);
    rename(&store, "Engines", 0).await;
    let other = Connection::open(dir.path().join("data").join("portcullis.db")).unwrap();
    other.execute("UPDATE deeds_head SET seq = 7", []).unwrap();
    let name = Label::parse("Other").unwrap();
    store.by(ada(1)).rename_organisation(name).await.unwrap_err();
    assert_eq!(store.organisation().await.unwrap(), "Engines");
    other.execute("UPDATE deeds_head SET seq = 1", []).unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER full BEFORE INSERT ON deeds BEGIN SELECT raise(ABORT, 'full'); END",
        )
        .unwrap();
    let name = Label::parse("Other").unwrap();
    store.by(ada(1)).rename_organisation(name).await.unwrap_err();
    assert_eq!(store.organisation().await.unwrap(), "Engines");
    other.execute_batch("DROP TRIGGER full").unwrap();
    rename(&store, "Other", 2).await;
}

#[tokio::test]
async fn every_tampering_with_deeds_is_found() {
    for (sql, found) in [
        (
            "UPDATE deeds SET actor = 'user:eve@example.com' WHERE seq = 2",
            "deeds row 2: was altered",
        ),
        ("UPDATE deeds SET detail = 'x' WHERE seq = 3", "deeds row 3: was altered"),
        (
            "UPDATE deeds SET object = 'a', detail = 'b' || detail WHERE seq = 1",
            "deeds row 1: was altered",
        ),
        ("UPDATE deeds SET at = at - 1 WHERE seq = 2", "deeds row 2: was altered"),
        ("UPDATE deeds SET actor = x'00' WHERE seq = 2", "deeds row 2: was altered"),
        ("DELETE FROM deeds WHERE seq = 2", "deeds row 2: is missing"),
        ("DELETE FROM deeds WHERE seq = 4", "deeds row 4: is missing"),
        ("DELETE FROM deeds_head", "the head of the deeds was altered"),
        ("UPDATE deeds_head SET at = at + 1", "the head of the deeds was altered"),
        ("UPDATE deeds SET seq = 9 WHERE seq = 4", "deeds row 4: is missing"),
        ("DELETE FROM deeds; DELETE FROM deeds_head", "deeds row 1: was cut off"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), Role::Serve);
        for name in ["A", "B", "C", "D"] {
            rename(&store, name, 0).await;
        }
        assert_eq!(store.verify_audit(|_| {}).await.unwrap().deeds, 4);
        let other = Connection::open(dir.path().join("data").join("portcullis.db")).unwrap();
        other.execute_batch(sql).unwrap();
        let said = broken(&store).await;
        assert!(said.contains(found), "{sql}: {said}");
    }
}

#[tokio::test]
async fn deeds_cut_off_with_an_older_head_are_missed_by_the_anchor() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), Role::Serve);
    rename(&store, "A", 0).await;
    let other = Connection::open(dir.path().join("data").join("portcullis.db")).unwrap();
    let copy = "CREATE TABLE kept AS SELECT * FROM deeds_head";
    other.execute_batch(copy).unwrap();
    rename(&store, "B", 0).await;
    let back = "DELETE FROM deeds WHERE seq = 2; DELETE FROM deeds_head;
        INSERT INTO deeds_head SELECT * FROM kept";
    other.execute_batch(back).unwrap();
    assert!(broken(&store).await.contains("remembers row 2"));
    // Going on from there keeps the evidence.
    store.close().await;
    let store = open(dir.path(), Role::Serve);
    rename(&store, "C", 0).await;
    assert!(broken(&store).await.contains("is not the row that deeds.anchor remembers"));
    std::fs::remove_file(dir.path().join("data").join("deeds.anchor")).unwrap();
    assert!(broken(&store).await.contains("deeds.anchor is missing"));
}

#[tokio::test]
async fn a_command_beside_the_gateway_goes_on_with_the_same_chain() {
    let dir = tempfile::tempdir().unwrap();
    let serving = open(dir.path(), Role::Serve);
    let command = open(dir.path(), Role::Command);
    for round in 0..5 {
        rename(&serving, "A", round).await;
        rename(&command, "B", round).await;
    }
    assert_eq!(serving.verify_audit(|_| {}).await.unwrap().deeds, 10);
    command.close().await;
    serving.close().await;
    let again = open(dir.path(), Role::Serve);
    assert_eq!(again.verify_audit(|_| {}).await.unwrap().deeds, 10);
}
