use std::collections::BTreeMap;

use policy::{Document, Policy, UnixMillis};
use store::{
    AuditMode, FromServer, NewTools, Revision, Role, ServerRecord, ServerSlug, Store, StoreConfig,
    Timeouts, Transport,
};

use super::{Change, Changed, Observing, Seen, Shelf, Whole};
use crate::Classifier;

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

struct Stage {
    shelf: Shelf,
    record: ServerRecord,
    store: Store,
    _dir: tempfile::TempDir,
}

impl Stage {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let config = StoreConfig {
            data_dir: dir.path().to_owned(),
            audit_mode: AuditMode::Durable,
            role: Role::Serve,
        };
        let store = Store::open(&config, NOW).expect("a store");
        let transport =
            Transport::Http { url: "http://a.example/".to_owned(), headers: Vec::new() };
        let record = ServerRecord {
            slug: ServerSlug::parse("pay").expect("a slug"),
            transport,
            allow_private_address: false,
            timeouts: Timeouts::default(),
            refresh_seconds: 60,
            new_tools: NewTools::Quarantine,
            accept_first: true,
            classes: BTreeMap::new(),
            from_server: FromServer::default(),
            managed_by_file: false,
            revision: Revision::default(),
        };
        store.save_server(record.clone(), None, NOW).await.expect("saved");
        Self { shelf: Shelf::new(&record, &[]), record, store, _dir: dir }
    }

    async fn list(&self, tools: &[(&str, &str)]) -> Changed {
        let texts: Vec<String> = tools
            .iter()
            .map(|(name, says)| format!(r#"{{"name":"{name}","description":"{says}"}}"#))
            .collect();
        let seen: Vec<Seen<'_>> =
            tools.iter().zip(&texts).map(|((name, _), raw)| Seen { name, raw }).collect();
        let context = Observing {
            server: &self.record,
            store: &self.store,
            classifier: &Classifier::unknown(),
            now: NOW,
            bytes_max: 10_000,
        };
        self.shelf.observe(&seen, Whole::Yes, &context).await.expect("pinned")
    }
}

fn changes(changed: Changed) -> Vec<Change> {
    match changed {
        Changed::Yes(changes) => changes,
        other @ (Changed::First | Changed::No) => panic!("{other:?}"),
    }
}

fn policy(text: &str) -> Policy {
    Policy::compile(&Document::parse(text).expect("a policy"))
}

#[tokio::test]
async fn what_becomes_known_first_is_a_change_only_for_who_was_shown_a_list_before() {
    let stage = Stage::new().await;
    assert!(matches!(stage.list(&[("a", "x")]).await, Changed::First));
    assert!(matches!(stage.list(&[("a", "x")]).await, Changed::No));
    let shown = Stage::new().await;
    shown.shelf.show_unlisted();
    assert_eq!(changes(shown.list(&[("a", "x"), ("b", "x")]).await).len(), 2);
}

#[tokio::test]
async fn a_change_alters_the_lists_that_show_the_tool() {
    let all = policy(r#"{"version":"1","default":"allow"}"#);
    let only_a = policy(r#"{"version":"1","default":"deny","tools":{"a":{"action":"deny"}}}"#);
    let no_b = policy(r#"{"version":"1","default":"allow","hide":["b"]}"#);
    let nothing = Policy::deny_all(policy::DenyAll::NoPolicy);
    let stage = Stage::new().await;
    stage.list(&[("a", "x"), ("b", "x")]).await;
    // A new tool is quarantined; lists read as before.
    assert!(matches!(stage.list(&[("a", "x"), ("b", "x"), ("c", "x")]).await, Changed::No));
    let changed = changes(stage.list(&[("a", "x"), ("b", "y")]).await);
    let alters = |policy: &Policy| changed.iter().any(|change| change.alters(policy));
    assert_eq!([&all, &only_a, &no_b, &nothing].map(alters), [true, false, false, false]);
    let changed = changes(stage.list(&[("a", "y"), ("b", "x")]).await);
    let alters = |policy: &Policy| changed.iter().any(|change| change.alters(policy));
    assert_eq!(changed.len(), 2, "b is as it was accepted again");
    assert_eq!([&all, &only_a, &no_b, &nothing].map(alters), [true, true, true, false]);
}

#[tokio::test]
async fn a_name_that_stands_twice_is_quarantined_however_often_it_is_listed() {
    let open = |stage: &Stage, name: &str| {
        stage.shelf.with_table(|table| table.get(name).is_some_and(|tool| !tool.is_quarantined()))
    };
    let once = [("a", "x"), ("b", "x")];
    for (first, second) in [("x", "y"), ("y", "x"), ("x", "x"), ("y", "z")] {
        let twice = [("a", first), ("a", second), ("b", "x")];
        let stage = Stage::new().await;
        stage.list(&once).await;
        assert!(open(&stage, "a") && open(&stage, "b"));
        for _look in 0..3 {
            stage.list(&twice).await;
            assert!(!open(&stage, "a") && open(&stage, "b"), "{twice:?}");
        }
        stage.list(&once).await;
        assert!(open(&stage, "a"), "what was accepted is accepted again");
        // Known from the beginning as ambiguous, it is accepted by nobody.
        let stage = Stage::new().await;
        for list in [twice.as_slice(), &twice, &once] {
            stage.list(list).await;
            assert!(!open(&stage, "a") && open(&stage, "b"), "{list:?}");
        }
    }
}

#[tokio::test]
async fn a_server_cannot_have_more_pinned_than_there_is_room_for() {
    let stage = Stage::new().await;
    let long = "x".repeat(1_000);
    // Never more at once than fits, but other tools each time.
    for round in 0..5 {
        let names: Vec<String> = (0..4).map(|n| format!("{round}-{n}")).collect();
        let tools: Vec<(&str, &str)> = names.iter().map(|name| (&**name, &*long)).collect();
        stage.list(&tools).await;
    }
    let known = |name: &str| stage.shelf.with_table(|table| table.get(name).cloned());
    let bytes = |table: &super::ToolTable| -> usize {
        table.tools.values().map(|tool| tool.definition.len()).sum()
    };
    assert!(stage.shelf.with_table(bytes) <= 10_000);
    assert!(known("0-0").is_some() && known("4-3").is_none());
    // A known tool that grows beyond the room is no longer what was accepted.
    stage.list(&[("0-0", &"y".repeat(3_000)), ("small", "z")]).await;
    assert!(known("0-0").expect("it stays known").is_quarantined());
    assert!(stage.shelf.with_table(bytes) <= 10_000);
}
