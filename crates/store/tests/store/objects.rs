//! Servers, pins, policies, grants, tokens, approvals, settings: what is saved, refused, noticed.

use std::fs;

use policy::{ApprovalState, Settled, sha256};
use store::{
    Actor, Answer, ApiRole, ApiTokenRecord, ApprovalFilter, AuditCounts, AuditCursor, AuditFilter,
    AuditKind, AuditMode, AuditOpen, AuditOrder, AuditPage, Claim, DecideError, Decision, Deed,
    DeedFilter, FileApiToken, FileGrant, FileObjects, FilePolicy, GrantRecord, IDEMPOTENCY_MS_MAX,
    NewPolicy, Opened, OwnCalls, POLICY_DRAFT_BYTES_MAX, POLICY_DRAFTS_PER_PERSON_MAX, PinRecord,
    PinState, PolicyDraft, PolicyMode, PolicyName, Revision, Role, Rotation, ServerRecord,
    Settings, Store, TokenHash, WriteError,
};

use crate::fixture::{
    Fixture, T0, actor, approval, ask, config, label, new_grant, open_row, server, slug,
};

fn policy_name(text: &str) -> PolicyName {
    PolicyName::parse(text).unwrap()
}

fn new_policy(name: &str, text: &str) -> NewPolicy {
    NewPolicy {
        name: policy_name(name),
        server: Some(slug("pay")),
        text: text.into(),
        canonical: text.into(),
        mode: PolicyMode::Enforce,
        actor: actor("ada"),
        note: Some("first".into()),
    }
}

async fn with_server() -> Fixture {
    let fixture = Fixture::new();
    fixture.store.save_server(server("pay"), None, T0).await.unwrap();
    fixture
}

#[tokio::test]
async fn a_server_survives_and_its_credentials_are_sealed() {
    let fixture = with_server().await;
    let stored = fixture.store.server(&slug("pay")).await.unwrap().unwrap();
    assert_eq!(stored, ServerRecord { revision: Revision(1), ..server("pay") });
    let stale = fixture.store.save_server(server("pay"), Some(Revision(0)), T0).await;
    assert!(matches!(stale, Err(WriteError::Changed { .. })));
    fixture.store.save_server(server("pay"), Some(Revision(1)), T0).await.unwrap();
    assert_eq!(*fixture.store.revision().borrow(), Revision(2));
    let fixture = fixture.reopen().await;
    assert_eq!(*fixture.store.revision().borrow(), Revision(2));
    assert_eq!(fixture.store.servers().await.unwrap().len(), 1);
    let secret = b"Bearer of pay";
    for entry in fs::read_dir(fixture.dir.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        let found = bytes.windows(secret.len()).any(|window| window == secret);
        assert!(!found, "{}", path.display());
    }
    fixture.store.remove_server(&slug("pay")).await.unwrap();
    let missing = fixture.store.remove_server(&slug("pay")).await;
    assert!(matches!(missing, Err(WriteError::NotFound { .. })));
}

#[tokio::test]
async fn every_version_of_a_policy_is_kept() {
    let fixture = with_server().await;
    let store = &fixture.store;
    assert_eq!(store.save_policy(new_policy("p", "one"), Some(0), T0).await.unwrap(), 1);
    assert_eq!(store.save_policy(new_policy("p", "two"), Some(1), T0).await.unwrap(), 2);
    let revision = *store.revision().borrow();
    assert_eq!(store.save_policy(new_policy("p", "two"), None, T0).await.unwrap(), 2);
    assert_eq!(*store.revision().borrow(), revision, "nothing changed");
    let stale = store.save_policy(new_policy("p", "three"), Some(1), T0).await;
    assert!(matches!(stale, Err(WriteError::Changed { .. })));
    let name = policy_name("p");
    assert_eq!(store.policy(&name, None).await.unwrap().unwrap().text, "two");
    assert_eq!(store.policy(&name, Some(1)).await.unwrap().unwrap().text, "one");
    assert_eq!(store.policy(&name, Some(3)).await.unwrap(), None);
    let versions = store.policy_versions(&name).await.unwrap();
    assert_eq!(versions.iter().map(|v| v.version).collect::<Vec<_>>(), [2, 1]);
    let mut grant = new_grant(1, None);
    grant.policy = Some(name.clone());
    let grant = store.create_grant(grant, T0).await.unwrap();
    assert!(matches!(store.remove_policy(&name).await, Err(WriteError::InUse { .. })));
    store.revoke_grant(&grant.id, T0).await.unwrap();
    store.remove_policy(&name).await.unwrap();
    assert_eq!(store.policies().await.unwrap(), []);
}

#[tokio::test]
async fn in_force_is_the_newest_version_that_is_no_draft() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let name = policy_name("p");
    let save = |text: &str, mode| NewPolicy { mode, ..new_policy("p", text) };
    let in_force = || async {
        let rows = store.configuration().await.unwrap().policies;
        rows.into_iter().map(|row| (row.version, row.text, row.mode)).collect::<Vec<_>>()
    };
    store.save_policy(save("one", PolicyMode::Draft), None, T0).await.unwrap();
    assert_eq!(in_force().await, []);
    let record = store.policy(&name, None).await.unwrap().unwrap();
    assert_eq!((record.mode, record.in_force), (PolicyMode::Draft, None));
    assert_eq!(store.save_policy(save("one", PolicyMode::Observe), Some(1), T0).await.unwrap(), 2);
    assert_eq!(store.save_policy(save("one", PolicyMode::Observe), Some(2), T0).await.unwrap(), 2);
    store.save_policy(save("two", PolicyMode::Draft), Some(2), T0).await.unwrap();
    assert_eq!(in_force().await, [(2, "one".to_owned(), PolicyMode::Observe)]);
    let record = store.policy(&name, None).await.unwrap().unwrap();
    assert_eq!((record.version, record.mode, record.in_force), (3, PolicyMode::Draft, Some(2)));
    store.save_policy(save("two", PolicyMode::Enforce), None, T0).await.unwrap();
    let fixture = fixture.reopen().await;
    let modes = fixture.store.policy_versions(&name).await.unwrap();
    let modes: Vec<_> = modes.into_iter().map(|version| version.mode).collect();
    let wanted = [PolicyMode::Enforce, PolicyMode::Draft, PolicyMode::Observe, PolicyMode::Draft];
    assert_eq!(modes, wanted);
}

#[tokio::test]
async fn an_unsaved_text_is_kept_for_each_person_and_policy() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let draft = |name: &str, text: &str, second| PolicyDraft {
        name: policy_name(name),
        server: Some(slug("pay")),
        text: text.to_owned(),
        base: 3,
        kept_at: T0.plus_seconds(second),
    };
    let (ada, ben) = (actor("ada"), actor("ben"));
    let revision = *store.revision().borrow();
    store.keep_policy_draft(&ada, draft("p", "{", 0)).await.unwrap();
    store.keep_policy_draft(&ada, draft("p", "{}", 1)).await.unwrap();
    store.keep_policy_draft(&ben, draft("p", "[]", 2)).await.unwrap();
    let kept = store.policy_draft(&ada, &policy_name("p")).await.unwrap();
    assert_eq!(kept, Some(draft("p", "{}", 1)));
    store.drop_policy_draft(&ada, &policy_name("p")).await.unwrap();
    assert_eq!(store.policy_draft(&ada, &policy_name("p")).await.unwrap(), None);
    assert!(store.policy_draft(&ben, &policy_name("p")).await.unwrap().is_some());
    assert_eq!(*store.revision().borrow(), revision, "drafts are no configuration");
    let long = draft("p", &"x".repeat(POLICY_DRAFT_BYTES_MAX + 1), 0);
    let refused = store.keep_policy_draft(&ada, long).await;
    assert!(matches!(refused, Err(WriteError::TooLarge { .. })));
    for number in 0..=POLICY_DRAFTS_PER_PERSON_MAX {
        let next = draft(&format!("p{number}"), "{}", number);
        store.keep_policy_draft(&ada, next).await.unwrap();
    }
    let first = store.policy_draft(&ada, &policy_name("p0")).await.unwrap();
    assert_eq!(first, None, "the oldest made room");
    assert!(store.policy_draft(&ada, &policy_name("p1")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_grant_is_made_rotated_and_revoked() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let grant = store.create_grant(new_grant(1, Some("ada")), T0).await.unwrap();
    assert_eq!(store.grant(&grant.id).await.unwrap(), Some(grant.clone()));
    let mut same_label = new_grant(2, None);
    same_label.label = grant.label.clone();
    let taken = store.create_grant(same_label, T0).await;
    assert!(matches!(taken, Err(WriteError::Exists { what: "grant", .. })));
    let mut same_token = new_grant(2, None);
    same_token.token_hash = grant.token_hash;
    let taken = store.create_grant(same_token, T0).await;
    assert!(matches!(taken, Err(WriteError::Exists { what: "token of grant", .. })));
    let mut elsewhere = new_grant(2, None);
    elsewhere.server = slug("crm");
    let nowhere = store.create_grant(elsewhere, T0).await;
    assert!(matches!(nowhere, Err(WriteError::NotFound { what: "server", .. })));
    let until = T0.plus_seconds(60);
    let rotation = Rotation { token_hash: TokenHash::of("new"), keep_old_until: Some(until) };
    store.rotate_grant(&grant.id, rotation).await.unwrap();
    let rotated = store.grant(&grant.id).await.unwrap().unwrap();
    assert_eq!(rotated.token_hash, TokenHash::of("new"));
    let previous = rotated.previous.unwrap();
    assert_eq!((previous.hash, previous.until), (grant.token_hash, until));
    let mut old_token = new_grant(2, None);
    old_token.token_hash = grant.token_hash;
    assert!(store.create_grant(old_token, T0).await.is_err(), "the old token still works");
    store.revoke_grant(&grant.id, T0).await.unwrap();
    store.revoke_grant(&grant.id, T0.plus_seconds(9)).await.unwrap();
    assert_eq!(store.grant(&grant.id).await.unwrap().unwrap().revoked_at, Some(T0));
    assert!(store.rotate_grant(&grant.id, rotation).await.is_err());
    let mut heir = new_grant(2, None);
    heir.label = grant.label;
    store.create_grant(heir, T0).await.unwrap();
    assert_eq!(store.grants().await.unwrap().len(), 2);
}

fn pin(digest: &str, state: PinState) -> PinRecord {
    let accepted = state == PinState::Accepted;
    PinRecord {
        server: slug("pay"),
        tool: "pay_invoice".into(),
        state,
        digest: digest.into(),
        definition: format!("{{\"name\":\"{digest}\"}}"),
        accepted_digest: accepted.then(|| digest.into()),
        accepted_definition: accepted.then(|| "{}".into()),
        class: Some(policy::Class::Financial),
        risk: None,
        seen_at: T0,
        accepted_at: accepted.then_some(T0),
        accepted_by: accepted.then(|| actor("first contact")),
    }
}

#[tokio::test]
async fn a_changed_tool_is_accepted_by_its_digest() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let first = store.save_pins(vec![pin("a", PinState::Accepted)]).await.unwrap();
    let same = store.save_pins(vec![pin("a", PinState::Accepted)]).await.unwrap();
    assert_eq!(first, same, "nothing changed");
    store.save_pins(vec![pin("b", PinState::Quarantined)]).await.unwrap();
    let stored = store.pins(&slug("pay")).await.unwrap().remove(0);
    assert_eq!(stored.state, PinState::Quarantined);
    assert_eq!(stored.accepted_digest.as_deref(), Some("a"));
    let tool = (&slug("pay"), "pay_invoice");
    let stale = store.accept_pin(tool, "a", &actor("ada"), T0).await;
    assert!(matches!(stale, Err(WriteError::Changed { .. })));
    store.accept_pin(tool, "b", &actor("ada"), T0).await.unwrap();
    // A listing that began before the acceptance does not take it back.
    store.save_pins(vec![pin("b", PinState::Quarantined)]).await.unwrap();
    let stored = store.all_pins().await.unwrap().remove(0);
    assert_eq!(stored.state, PinState::Accepted);
    assert_eq!(stored.accepted_by, Some(actor("ada")));
    let unknown = store.accept_pin((&slug("pay"), "x"), "b", &actor("ada"), T0).await;
    assert!(matches!(unknown, Err(WriteError::NotFound { .. })));
    store.remove_pin(&slug("pay"), "pay_invoice").await.unwrap();
    assert_eq!(store.all_pins().await.unwrap(), []);
}

#[tokio::test]
async fn a_definition_that_somebody_keeps_out_is_remembered_by_its_digest() {
    let fixture = with_server().await;
    let (store, pay) = (&fixture.store, slug("pay"));
    let waiting = async || store.quarantined_pins().await.unwrap().len();
    store.save_pins(vec![pin("a", PinState::Quarantined)]).await.unwrap();
    assert_eq!(waiting().await, 1);
    let seen = |digest: &str| vec![("pay_invoice".to_owned(), digest.to_owned())];
    let stale = store.keep_out_pins(&pay, seen("z"), &actor("ada"), T0).await;
    assert!(matches!(stale, Err(WriteError::Changed { .. })));
    assert_eq!(store.kept_out(&pay).await.unwrap(), []);
    store.keep_out_pins(&pay, seen("a"), &actor("ada"), T0).await.unwrap();
    let kept = store.kept_out(&pay).await.unwrap().remove(0);
    assert_eq!((kept.digest.as_str(), kept.by, kept.at), ("a", actor("ada"), T0));
    // Somebody looked at it: it waits for nobody. Another definition waits again.
    assert_eq!(waiting().await, 0);
    store.save_pins(vec![pin("b", PinState::Quarantined)]).await.unwrap();
    assert_eq!(waiting().await, 1);
    store.accept_pins(&pay, seen("b"), &actor("ada"), T0).await.unwrap();
    assert_eq!(store.kept_out(&pay).await.unwrap(), []);
    let accepted = store.keep_out_pins(&pay, seen("b"), &actor("ada"), T0).await;
    assert!(matches!(accepted, Err(WriteError::Changed { .. })));
    let named = store.pins_named(&pay, vec!["x".into(), "pay_invoice".into()]).await.unwrap();
    assert_eq!(named, store.pins(&pay).await.unwrap());
}

#[tokio::test]
async fn tools_that_are_accepted_as_they_come_leave_one_deed() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let of =
        |tool: &str, digest: &str, state| PinRecord { tool: tool.into(), ..pin(digest, state) };
    let deeds = || async {
        let filter = DeedFilter { deed: Some(Deed::AcceptTool), ..DeedFilter::default() };
        let found = store.deeds(filter, 10).await.unwrap().deeds;
        found.into_iter().map(|d| (d.actor, d.at, d.object, d.detail)).collect::<Vec<_>>()
    };
    let both = [of("a", "1", PinState::Accepted), of("b", "2", PinState::Accepted)];
    store.save_pins(both.to_vec()).await.unwrap();
    let detail = "2 tools as they came: a, b".to_owned();
    let first = (Actor::system(), T0, "pay".to_owned(), detail);
    assert_eq!(deeds().await, std::slice::from_ref(&first));
    // What is there already, and what is only seen, leaves none.
    store.save_pins(both.to_vec()).await.unwrap();
    store.save_pins(vec![of("a", "3", PinState::Quarantined)]).await.unwrap();
    assert_eq!(deeds().await, std::slice::from_ref(&first));
    store.save_pins(vec![of("b", "4", PinState::Accepted)]).await.unwrap();
    let second = "as it came, definition 4".to_owned();
    let second = (Actor::system(), T0, "pay: b".to_owned(), second);
    assert_eq!(deeds().await, [second, first]);
}

#[tokio::test]
async fn an_owner_is_the_same_person_however_the_address_was_typed() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let owners =
        ["user:ada@example.com", "ada@example.com", "User:Ada@Example.com", "ADA@EXAMPLE.COM"];
    for (number, owner) in (1..).zip(owners) {
        let grant = store.create_grant(new_grant(number, Some(owner)), T0).await.unwrap();
        let record = approval(number, grant.id.as_str(), sha256(&[number]));
        store.open_approval(record.clone(), &ask(), T0).await.unwrap();
        let by = |by: &str| store.decide_approval(&record.id, decide(by, Answer::Approve), T0);
        assert_eq!(by("user:ada@example.com").await, Err(DecideError::OwnGrant), "{owner:?}");
        by("user:ada@example.com.au").await.unwrap();
    }
}

fn decide(by: &str, answer: Answer) -> Decision {
    Decision {
        answer,
        by: actor(by),
        roles: vec!["approver".into()],
        from: "203.0.113.7".into(),
        reason: Some("because".into()),
    }
}

#[tokio::test]
async fn a_decision_is_taken_down_once_and_by_the_right_person() {
    let fixture = with_server().await;
    let store = &fixture.store;
    let grant = store.create_grant(new_grant(1, Some("ada")), T0).await.unwrap();
    let mut record = approval(1, grant.id.as_str(), sha256(b"call"));
    record.approvers = vec![vec![policy::Approver::Role("approver".into())]];
    assert_eq!(store.open_approval(record.clone(), &ask(), T0).await.unwrap(), Opened::New);
    let own = store.decide_approval(&record.id, decide("ada", Answer::Approve), T0).await;
    assert_eq!(own, Err(DecideError::OwnGrant));
    let mut stranger = decide("bob", Answer::Approve);
    stranger.roles = vec!["viewer".into()];
    let stranger = store.decide_approval(&record.id, stranger, T0).await;
    assert_eq!(stranger, Err(DecideError::NotAnApprover));
    let late = T0.plus_seconds(3600);
    let late = store.decide_approval(&record.id, decide("bob", Answer::Approve), late).await;
    assert_eq!(late, Err(DecideError::Expired(record.id.clone())));
    let (one, two) = tokio::join!(
        store.decide_approval(&record.id, decide("bob", Answer::Reject), T0),
        store.decide_approval(&record.id, decide("eve", Answer::Approve), T0),
    );
    let decided = one.unwrap();
    assert_eq!(decided.state, ApprovalState::Rejected);
    assert_eq!(decided.decided_from.as_deref(), Some("203.0.113.7"));
    assert!(matches!(two, Err(DecideError::AlreadyDecided(was)) if *was == decided));
    let settled = store.settle(&record.digest, grant.id.as_str(), &ask(), T0);
    assert!(matches!(settled, Settled::Rejected { reason: Some(r), .. } if r == "because"));
    // The organisation may allow people to decide their own calls.
    store.save_settings(Settings { own_calls: OwnCalls::Allow }).await.unwrap();
    let record = approval(2, grant.id.as_str(), sha256(b"other call"));
    store.open_approval(record.clone(), &ask(), T0).await.unwrap();
    store.decide_approval(&record.id, decide("ada", Answer::Approve), T0).await.unwrap();
    let unknown = policy::ApprovalId::from_random([9; 16]);
    let unknown = store.decide_approval(&unknown, decide("ada", Answer::Approve), T0).await;
    assert!(matches!(unknown, Err(DecideError::NotFound(_))));
    let pending = ApprovalFilter { state: Some(ApprovalState::Pending), ..Default::default() };
    assert_eq!(store.approvals(pending, 10, T0).await.unwrap(), []);
    let all = store.approvals(ApprovalFilter::default(), 10, T0).await.unwrap();
    assert_eq!(
        all.iter().map(|a| a.state).collect::<Vec<_>>(),
        [ApprovalState::Approved, ApprovalState::Rejected]
    );
}

#[tokio::test]
async fn a_grant_has_twenty_pending_requests_at_most() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    for number in 0..20 {
        let record = approval(number, "grt_1", sha256(&[number]));
        assert_eq!(store.open_approval(record, &ask(), T0).await.unwrap(), Opened::New);
    }
    let over = store.open_approval(approval(20, "grt_1", sha256(b"x")), &ask(), T0).await.unwrap();
    assert_eq!(over, Opened::Settled(Settled::TooManyPending));
    let other = store.open_approval(approval(21, "grt_2", sha256(b"y")), &ask(), T0).await;
    assert_eq!(other.unwrap(), Opened::New);
}

#[tokio::test]
async fn another_process_is_noticed() {
    let fixture = Fixture::new();
    let serving = &fixture.store;
    let record = approval(1, "grt_1", sha256(b"call"));
    serving.open_approval(record.clone(), &ask(), T0).await.unwrap();
    let mut revision = serving.revision();
    let mut approvals = serving.approval_changes();
    revision.mark_unchanged();
    approvals.mark_unchanged();
    let beside = config(fixture.dir.path(), AuditMode::Durable, Role::Command);
    let command = Store::open(&beside, T0).unwrap();
    command.save_server(server("pay"), None, T0).await.unwrap();
    revision.changed().await.unwrap();
    assert_eq!(*revision.borrow(), Revision(1));
    command.decide_approval(&record.id, decide("bob", Answer::Approve), T0).await.unwrap();
    while serving.live_approval(&record.id).unwrap().state == ApprovalState::Pending {
        approvals.changed().await.unwrap();
    }
    assert_eq!(serving.settle(&record.digest, "grt_1", &ask(), T0), Settled::Use(record.id));
    command.close().await;
}

#[tokio::test]
async fn api_tokens_are_found_by_their_hash() {
    let fixture = Fixture::new();
    let token = ApiTokenRecord {
        label: label("ci"),
        role: ApiRole::PolicyManager,
        token_hash: TokenHash::of("secret of ci"),
        managed_by_file: false,
        created_at: T0,
    };
    fixture.store.create_api_token(token.clone()).await.unwrap();
    let taken = fixture.store.create_api_token(token.clone()).await;
    assert!(matches!(taken, Err(WriteError::Exists { .. })));
    let found = fixture.store.api_token(TokenHash::of("secret of ci")).await.unwrap();
    assert_eq!(found, Some(token.clone()));
    assert_eq!(fixture.store.api_token(TokenHash::of("another")).await.unwrap(), None);
    fixture.store.remove_api_token(&token.label).await.unwrap();
    assert_eq!(fixture.store.api_tokens().await.unwrap(), []);
}

fn file() -> FileObjects {
    let grant = |name: &str| FileGrant {
        label: label(name),
        server: slug("pay"),
        policy: Some(policy_name("p")),
        token_hash: TokenHash::of(name),
        expires_at: None,
        tags: std::collections::BTreeMap::default(),
    };
    FileObjects {
        servers: vec![server("pay"), server("crm")],
        policies: vec![FilePolicy {
            name: policy_name("p"),
            server: Some(slug("pay")),
            text: "{}".into(),
            canonical: "{}".into(),
            mode: PolicyMode::Enforce,
        }],
        grants: vec![grant("one"), grant("two")],
        api_tokens: vec![FileApiToken {
            label: label("ci"),
            role: ApiRole::Admin,
            token_hash: TokenHash::of("ci"),
        }],
    }
}

async fn grant_of(store: &Store, name: &str) -> GrantRecord {
    let grants = store.grants().await.unwrap();
    grants.into_iter().find(|grant| grant.label == label(name)).unwrap()
}

#[tokio::test]
async fn the_file_is_applied_all_or_nothing() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let first = store.apply_file_objects(file(), T0).await.unwrap();
    let later = T0.plus_seconds(5);
    assert_eq!(store.apply_file_objects(file(), later).await.unwrap(), first, "nothing changed");
    let read_only = store.save_server(server("pay"), None, T0).await;
    assert!(matches!(read_only, Err(WriteError::ManagedByFile { .. })));
    let one = grant_of(store, "one").await;
    assert!(one.managed_by_file);
    assert_eq!(one.id, file().grants[0].id());
    let rotation = Rotation { token_hash: TokenHash::of("x"), keep_old_until: None };
    let read_only = store.rotate_grant(&one.id, rotation).await;
    assert!(matches!(read_only, Err(WriteError::ManagedByFile { .. })));
    // Revoked stays revoked while the entry stands, whatever else the file changes.
    store.revoke_grant(&one.id, T0).await.unwrap();
    let mut swapped = file();
    swapped.grants[0].token_hash = TokenHash::of("two");
    swapped.grants[1].token_hash = TokenHash::of("one");
    swapped.servers.pop();
    store.apply_file_objects(swapped, later).await.unwrap();
    let one = grant_of(store, "one").await;
    assert_eq!((one.revoked_at, one.token_hash), (Some(T0), TokenHash::of("two")));
    assert_eq!(store.servers().await.unwrap().len(), 1);
    let mut without = file();
    without.grants.remove(0);
    store.apply_file_objects(without, later).await.unwrap();
    store.apply_file_objects(file(), later).await.unwrap();
    let again = grant_of(store, "one").await;
    assert_eq!((again.revoked_at, &again.id), (None, &one.id));
    // One bad entry, and nothing of the file is in force.
    let before = (store.servers().await.unwrap(), store.grants().await.unwrap());
    let mut bad = file();
    bad.servers.remove(1);
    bad.grants[1].policy = Some(policy_name("none"));
    let refused = store.apply_file_objects(bad, later).await;
    assert!(matches!(refused, Err(WriteError::NotFound { what: "policy", .. })));
    assert_eq!((store.servers().await.unwrap(), store.grants().await.unwrap()), before);
    store.apply_file_objects(FileObjects::default(), later).await.unwrap();
    assert_eq!(store.grants().await.unwrap(), []);
    assert_eq!(store.policies().await.unwrap(), []);
    assert_eq!(store.api_tokens().await.unwrap(), []);
    store.save_server(server("pay"), None, T0).await.unwrap();
    let taken = store.apply_file_objects(file(), later).await;
    assert!(matches!(taken, Err(WriteError::Exists { what: "server", .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_configures_a_gateway_is_read_as_one_state() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let round = |n: u32| {
        let mut file = file();
        file.policies[0].text.push_str(&" ".repeat(n as usize));
        file.servers[0].refresh_seconds = 10 + n;
        file.grants[0].tags.insert("round".into(), n.to_string());
        file
    };
    let first = store.apply_file_objects(round(0), T0).await.unwrap();
    let changing = async {
        for n in 1..=200 {
            store.apply_file_objects(round(n), T0).await.unwrap();
        }
    };
    let mut states = std::collections::BTreeSet::new();
    let reading = async {
        loop {
            let state = store.configuration().await.unwrap();
            let server = state.servers.iter().find(|server| server.slug == slug("pay")).unwrap();
            let spaces = state.policies[0].text.len() - file().policies[0].text.len();
            let tag = state.grants.iter().find_map(|grant| grant.tags.get("round")).unwrap();
            let n = u64::from(server.refresh_seconds - 10);
            assert_eq!((spaces as u64, tag.as_str()), (n, n.to_string().as_str()));
            assert_eq!(state.revision.0, first.0 + n, "the revision is that of the rows");
            states.insert(n);
            if n == 200 {
                return;
            }
        }
    };
    tokio::join!(changing, reading);
    assert!(states.len() > 1, "{states:?}");
}

#[tokio::test]
async fn an_idempotency_key_answers_once() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let (first, other) = (sha256(b"request"), sha256(b"other"));
    let claim = |request, now| store.claim_idempotent("api:ci", "k", request, now);
    assert_eq!(claim(first, T0).await.unwrap(), Claim::New);
    assert_eq!(claim(first, T0).await.unwrap(), Claim::Running);
    let answer = Some((201, b"pcl_token in clear".to_vec()));
    store.finish_idempotent("api:ci", "k", answer).await.unwrap();
    let answered = Claim::Answered { status: 201, body: b"pcl_token in clear".to_vec() };
    assert_eq!(claim(first, T0).await.unwrap(), answered);
    assert_eq!(claim(other, T0).await.unwrap(), Claim::OtherRequest);
    let elsewhere = store.claim_idempotent("api:cd", "k", first, T0).await.unwrap();
    assert_eq!(elsewhere, Claim::New);
    store.finish_idempotent("api:cd", "k", None).await.unwrap();
    assert_eq!(store.claim_idempotent("api:cd", "k", first, T0).await.unwrap(), Claim::New);
    let next_day = policy::UnixMillis(T0.0 + IDEMPOTENCY_MS_MAX);
    assert_eq!(claim(other, next_day).await.unwrap(), Claim::New);
    let bytes = fs::read(fixture.dir.path().join("data/portcullis.db-wal")).unwrap();
    assert!(!bytes.windows(9).any(|window| window == b"pcl_token"));
}

#[tokio::test]
async fn the_audit_log_is_queried_by_what_stands_in_it() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    for number in 0..30_u32 {
        let id = format!("r{number}");
        let verdict = if number % 3 == 0 { "deny" } else { "hold" };
        let tool = format!("tool \"{}\"\n", number % 2);
        let row = AuditOpen { verdict, tool: Some(&tool), ..open_row(&id) };
        // The clock goes back by ten seconds half-way.
        let seconds = if number < 15 { number } else { number - 10 };
        store.record(&row, T0.plus_seconds(seconds)).await.unwrap();
    }
    let ids = |filter: AuditFilter, order| async move {
        let mut ids = Vec::new();
        let mut cursor = None;
        loop {
            let page = store.audit(filter.clone(), order, cursor, 4).await.unwrap();
            assert!(page.entries.len() <= 4);
            ids.extend(page.entries.into_iter().map(|entry| entry.request_id));
            cursor = page.next;
            if cursor.is_none() {
                return ids;
            }
        }
    };
    let all = ids(AuditFilter::default(), AuditOrder::OldestFirst).await;
    assert_eq!(all, (0..30).map(|n| format!("r{n}")).collect::<Vec<_>>());
    let mut newest = ids(AuditFilter::default(), AuditOrder::NewestFirst).await;
    newest.reverse();
    assert_eq!(newest, all);
    let filter = AuditFilter {
        verdict: Some("deny".into()),
        tool: Some("tool \"0\"\n".into()),
        server: Some("pay".into()),
        ..AuditFilter::default()
    };
    let found = ids(filter, AuditOrder::OldestFirst).await;
    assert_eq!(found, ["r0", "r6", "r12", "r18", "r24"]);
    let times = AuditFilter {
        since: Some(T0.plus_seconds(13)),
        until: Some(T0.plus_seconds(15)),
        ..AuditFilter::default()
    };
    let found = ids(times, AuditOrder::OldestFirst).await;
    assert_eq!(found, ["r13", "r14", "r23", "r24"]);
    let one = AuditFilter { request_id: Some("r7".into()), ..AuditFilter::default() };
    assert_eq!(ids(one, AuditOrder::NewestFirst).await, ["r7"]);
    let end = store.audit_end().await.unwrap();
    store.record(&open_row("after"), T0).await.unwrap();
    let tail = store.audit(AuditFilter::default(), AuditOrder::OldestFirst, Some(end), 10).await;
    assert_eq!(tail.unwrap().entries[0].request_id, "after");
}

/// Rows of the long log: more than one read walks.
const LONG_LOG_ROWS: u32 = 9_000;

/// Whoever gives a walk up and goes on later finds what one walk finds, each once; and the walk says how far it came.
#[tokio::test]
async fn a_walk_that_is_given_up_goes_on_where_it_stood() {
    let fixture = Fixture::with_mode(AuditMode::Buffered);
    let store = &fixture.store;
    for number in 0..LONG_LOG_ROWS {
        let id = format!("r{number}");
        let risk = Some(if number % 4_000 == 7 { "critical" } else { "low" });
        let row = AuditOpen { risk, ..open_row(&id) };
        store.record(&row, T0.plus_seconds(number)).await.unwrap();
    }
    let rare = AuditFilter { risk: Some("critical".into()), ..AuditFilter::default() };
    let whole = store.audit(rare.clone(), AuditOrder::NewestFirst, None, 100).await.unwrap();
    let ids: Vec<&str> = whole.entries.iter().map(|entry| entry.request_id.as_str()).collect();
    assert_eq!(ids, ["r8007", "r4007", "r7"]);
    assert_eq!(whole.entries[0].risk.as_deref(), Some("critical"));
    assert_eq!((whole.next, whole.reached), (None, Some(T0)));
    let mut page = AuditPage::default();
    let mut walks = 0;
    while walks == 0 || page.next.is_some() {
        let walk = (rare.clone(), AuditOrder::NewestFirst);
        store.audit_onto(&mut page, walk, 100, || false).await.unwrap();
        walks += 1;
    }
    assert!(walks > 1, "{walks}");
    assert_eq!(page.entries, whole.entries);
    assert_eq!((page.next, page.reached), (whole.next, whole.reached));
}

/// A count that goes on where the one before ended counts every decision once, and none that is too old.
#[tokio::test]
async fn decisions_are_counted_by_the_hour_and_each_once() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let kinds = [
        ("allow", None),
        ("deny", Some("action_deny")),
        ("deny", Some("limit_exceeded")),
        ("hold", None),
    ];
    for number in 0..12_u32 {
        let (verdict, reason) = kinds[usize::try_from(number % 4).unwrap()];
        let id = format!("r{number}");
        // What an agent sends is no member of the row.
        let arguments = r#"{"verdict":"allow","reason":"limit_exceeded","time":1}"#;
        let row = AuditOpen { verdict, reason, arguments_json: Some(arguments), ..open_row(&id) };
        store.record(&row, T0.plus_seconds(number * 1_200)).await.unwrap();
    }
    let from = T0.plus_seconds(2_400);
    let first = store.audit_tally(AuditCursor::default(), from).await.unwrap();
    assert!(first.is_complete);
    let mut all = AuditCounts::default();
    first.hours.values().for_each(|hour| all.add(*hour));
    assert_eq!(all, AuditCounts { allowed: 2, denied: 2, limited: 3, held: 3, refused: 0 });
    assert!(first.hours.len() >= 3, "{first:?}");
    store.record(&open_row("later"), T0.plus_seconds(20_000)).await.unwrap();
    let unread = AuditOpen { kind: AuditKind::Rejected, verdict: "", ..open_row("unread") };
    store.record(&unread, T0.plus_seconds(20_000)).await.unwrap();
    let second = store.audit_tally(first.next, from).await.unwrap();
    let counts: Vec<u64> = second.hours.values().map(|hour| hour.all()).collect();
    assert_eq!(counts, [2]);
    assert_eq!(second.hours.values().map(|hour| (hour.denied, hour.refused)).next(), Some((0, 1)));
    // What a number counts is what the filter of its word finds.
    let denied = AuditFilter {
        verdict: Some("deny".into()),
        except_reason: Some("limit_exceeded".into()),
        since: Some(from),
        ..AuditFilter::default()
    };
    let found = store.audit(denied, AuditOrder::OldestFirst, None, 100).await.unwrap();
    assert_eq!(found.entries.len(), 2);
    assert!(found.entries.iter().all(|entry| entry.reason.as_deref() == Some("action_deny")));
    assert!(store.audit_tally(second.next, from).await.unwrap().hours.is_empty());
}
