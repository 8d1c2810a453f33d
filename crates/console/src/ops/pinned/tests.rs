//! Tools that are kept: the same ones until the store has another revision.

use policy::{Class, Risk, UnixMillis};
use store::{
    AuditMode, NewTools, PinRecord, PinState, Revision, Role, ServerRecord, StoreConfig, Timeouts,
    Transport,
};

use super::*;

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);

fn pin(server: &ServerSlug, tool: &str) -> PinRecord {
    PinRecord {
        server: server.clone(),
        tool: tool.to_owned(),
        state: PinState::Accepted,
        digest: "00".repeat(32),
        definition: format!(r#"{{"name":"{tool}","inputSchema":{{"type": "object"}}}}"#),
        accepted_digest: Some("00".repeat(32)),
        accepted_definition: None,
        class: None,
        risk: None,
        seen_at: NOW,
        accepted_at: None,
        accepted_by: None,
    }
}

#[tokio::test]
async fn they_are_read_once_for_each_revision() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig {
        data_dir: dir.path().join("data"),
        audit_mode: AuditMode::Durable,
        role: Role::Serve,
    };
    let store = Store::open(&config, NOW).unwrap();
    let server = ServerSlug::parse("s").unwrap();
    let record = ServerRecord {
        slug: server.clone(),
        transport: Transport::Http { url: "https://s.example/mcp".to_owned(), headers: Vec::new() },
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools: NewTools::Quarantine,
        accept_first: true,
        classes: [("a".to_owned(), Class::Financial)].into(),
        from_server: store::FromServer::default(),
        managed_by_file: false,
        revision: Revision::default(),
    };
    store.save_server(record, None, NOW).await.unwrap();
    store.save_pins(vec![pin(&server, "a")]).await.unwrap();
    let pinned = Pinned::default();
    let first = pinned.lines(&store, &server).await.unwrap();
    let definitions = pinned.definitions(&store, &server).await.unwrap();
    assert_eq!((first.len(), definitions.len()), (1, 1));
    assert_eq!(definitions[0].input_schema.as_deref(), Some(r#"{"type": "object"}"#));
    // A tool counts as what an operator said that it is, here as at the gate.
    let said = (Some(Class::Financial), Some(Risk::Critical));
    assert_eq!((first[0].class, first[0].risk), said);
    assert_eq!((definitions[0].class, definitions[0].risk), said);
    assert!(Arc::ptr_eq(&first, &pinned.lines(&store, &server).await.unwrap()));
    assert!(Arc::ptr_eq(&definitions, &pinned.definitions(&store, &server).await.unwrap()));
    store.save_pins(vec![pin(&server, "b")]).await.unwrap();
    assert_eq!(pinned.lines(&store, &server).await.unwrap().len(), 2);
    assert_eq!(pinned.definitions(&store, &server).await.unwrap().len(), 2);
    // Others push out the one that was asked for longest ago, and nothing is wrong then.
    for number in 0..SERVERS_KEPT_MAX {
        let other = ServerSlug::parse(&format!("s{number}")).unwrap();
        assert!(pinned.lines(&store, &other).await.unwrap().is_empty());
    }
    assert_eq!(pinned.kept.lock().unwrap().len(), SERVERS_KEPT_MAX);
    assert_eq!(pinned.lines(&store, &server).await.unwrap().len(), 2);
}
