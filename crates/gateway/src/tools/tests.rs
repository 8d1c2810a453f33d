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
