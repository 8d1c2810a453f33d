use std::collections::BTreeMap;

use policy::{Class, UnixMillis};
use store::{
    Configuration, GrantId, GrantRecord, Label, NewTools, PinRecord, PinState, Revision,
    ServerRecord, ServerSlug, Timeouts, TokenHash, Transport,
};

use super::{Snapshot, build};

const NOW: UnixMillis = UnixMillis(1_767_225_600_000);

fn slug() -> ServerSlug {
    ServerSlug::parse("pay").expect("a slug")
}

fn configuration() -> Configuration {
    let server = ServerRecord {
        slug: slug(),
        transport: Transport::Http { url: "http://a.example/".to_owned(), headers: Vec::new() },
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools: NewTools::Quarantine,
        accept_first: true,
        classes: BTreeMap::new(),
        from_server: store::FromServer::default(),
        managed_by_file: false,
        revision: Revision(1),
    };
    let pin = |tool: &str, state| PinRecord {
        server: slug(),
        tool: tool.to_owned(),
        state,
        digest: format!("digest of {tool}"),
        definition: format!("{{\"name\":\"{tool}\"}}"),
        accepted_digest: None,
        accepted_definition: None,
        class: None,
        risk: None,
        seen_at: NOW,
        accepted_at: None,
        accepted_by: None,
    };
    let grant = GrantRecord {
        id: GrantId::from_bytes([1; 16]),
        label: Label::parse("agent").expect("a label"),
        server: slug(),
        policy: None,
        token_hash: TokenHash::of("a token of the agent"),
        previous: None,
        expires_at: None,
        tags: BTreeMap::new(),
        revoked_at: None,
        owner: None,
        managed_by_file: false,
        created_at: NOW,
    };
    Configuration {
        revision: Revision(1),
        servers: vec![server],
        policies: Vec::new(),
        grants: vec![grant],
        pins: vec![pin("pay", PinState::Accepted), pin("new", PinState::Quarantined)],
    }
}

/// The class of `pay`, and whether `new` may be called.
fn tools(snapshot: &Snapshot) -> (Option<Class>, bool) {
    let server = snapshot.servers.get(&slug()).expect("the server");
    server.shelf.with_table(|table| {
        let class = table.get("pay").expect("pinned").facts().class;
        (class, !table.get("new").expect("pinned").is_quarantined())
    })
}

#[test]
fn what_a_setting_makes_of_a_tool_comes_into_force_with_the_snapshot_and_not_before() {
    let (before, _none) = build(configuration(), &Snapshot::default(), NOW);
    assert_eq!(tools(&before), (None, false));
    let mut changed = configuration();
    changed.servers[0].classes.insert("pay".to_owned(), Class::Financial);
    changed.servers[0].new_tools = NewTools::Allow;
    changed.servers[0].revision = Revision(2);
    let (after, stopped) = build(changed, &before, NOW);
    assert_eq!(tools(&after), (Some(Class::Financial), true));
    assert_eq!(tools(&before), (None, false), "a request under the old state sees the old one");
    assert!(stopped.is_empty(), "the client to the server stays");
}

#[test]
fn a_grant_without_a_policy_hears_of_no_change() {
    let (before, _none) = build(configuration(), &Snapshot::default(), NOW);
    let live = std::sync::Arc::clone(&before.grants().next().expect("the grant").live);
    let (_after, _none) = build(configuration(), &before, NOW);
    assert_eq!(*live.changes.borrow(), 0);
}

#[test]
fn a_grant_that_was_over_begins_anew_when_the_clock_is_set_back() {
    let mut rows = configuration();
    rows.grants[0].expires_at = Some(NOW.plus_seconds(60));
    let token = TokenHash::of("a token of the agent");
    let (before, _none) = build(rows.clone(), &Snapshot::default(), NOW);
    let live = |snapshot: &Snapshot| {
        std::sync::Arc::clone(&snapshot.authenticate(&token, NOW).expect("the grant").live)
    };
    // Seen to be over by the look of every second, and not by a new state in between.
    live(&before).ended.cancel();
    let (after, _none) = build(rows.clone(), &before, NOW);
    assert!(!live(&after).ended.is_cancelled());
    // And left out of a state, because one was built in between.
    let (ahead, _none) = build(rows.clone(), &after, NOW.plus_seconds(61));
    assert!(live(&after).ended.is_cancelled());
    assert!(ahead.authenticate(&token, NOW).is_none());
    let (back, _none) = build(rows, &ahead, NOW);
    assert!(!live(&back).ended.is_cancelled());
}
