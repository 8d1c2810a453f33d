//! What the cases share: a store in a directory of its own, and requests to it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use policy::{
    Algorithm, ApprovalId, ApprovalRecord, ApprovalState, Ask, AskRule, Charge, Kind, Micro, Scope,
    ScopeIds, Sha256Digest, UnixMillis, Window, sha256,
};
use store::{
    Actor, AdmitError, AdmitRequest, Admitted, AuditFilter, AuditMode, AuditOpen, AuditOrder,
    AuditOutcome, AuditPage, FromServer, GrantId, Label, NewGrant, NewTools, Revision, Role,
    Secret, ServerRecord, ServerSlug, Store, StoreConfig, Timeouts, TokenHash, Transport,
};
use tempfile::TempDir;

/// 2026-01-01T00:00:00Z.
pub(crate) const T0: UnixMillis = UnixMillis(1_767_225_600_000);

pub(crate) struct Fixture {
    pub(crate) dir: TempDir,
    pub(crate) store: Store,
}

pub(crate) fn config(dir: &Path, audit_mode: AuditMode, role: Role) -> StoreConfig {
    StoreConfig { data_dir: dir.join("data"), audit_mode, role }
}

pub(crate) fn serve(dir: &Path) -> Store {
    Store::open(&config(dir, AuditMode::Durable, Role::Serve), T0).unwrap()
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        Fixture::with_mode(AuditMode::Durable)
    }

    pub(crate) fn with_mode(mode: AuditMode) -> Fixture {
        let dir = TempDir::new().unwrap();
        let store = Store::open(&config(dir.path(), mode, Role::Serve), T0).unwrap();
        Fixture { dir, store }
    }

    pub(crate) async fn reopen(self) -> Fixture {
        self.store.close().await;
        drop(self.store);
        let store = serve(self.dir.path());
        Fixture { dir: self.dir, store }
    }

    pub(crate) fn database(&self) -> std::path::PathBuf {
        self.dir.path().join("data/portcullis.db")
    }
}

pub(crate) fn charge(window: Window, max: u64) -> Charge {
    Charge {
        counter: "calls".into(),
        window,
        scope: Scope::Grant,
        algorithm: Algorithm::Fixed,
        max: Micro(max * Micro::ONE.0),
        amount: Micro::ONE,
        rule: "/tools/pay/limits/0".into(),
        message: None,
    }
}

pub(crate) fn ids() -> ScopeIds<'static> {
    ScopeIds { grant: "grt_1", session: None, server: "pay", organisation: "default" }
}

pub(crate) fn open_row(request_id: &str) -> AuditOpen<'_> {
    AuditOpen {
        request_id,
        server: Some("pay"),
        method: Some("tools/call"),
        tool: Some("pay_invoice"),
        arguments_json: Some(r#"{"amount":"[redacted]"}"#),
        policy: Some("pay-strict"),
        policy_version: Some(3),
        revision: Revision(7),
        verdict: "allow",
        ..AuditOpen::default()
    }
}

pub(crate) async fn admit(
    store: &Store,
    request_id: &str,
    charges: &[Charge],
    approval: Option<&ApprovalId>,
) -> Result<Admitted, AdmitError> {
    let open = open_row(request_id);
    store.admit(&AdmitRequest { charges, scope: ids(), approval, open: &open, now: T0 }).await
}

pub(crate) fn ok() -> AuditOutcome<'static> {
    AuditOutcome {
        outcome: "ok",
        upstream_status: Some(200),
        latency_ms: 12,
        request_bytes: 100,
        answer_bytes: 200,
        ..AuditOutcome::default()
    }
}

pub(crate) async fn whole_log(store: &Store) -> AuditPage {
    let mut page = AuditPage::default();
    loop {
        let next = store
            .audit(AuditFilter::default(), AuditOrder::OldestFirst, page.next, 1_000)
            .await
            .unwrap();
        page.entries.extend(next.entries);
        page.next = next.next;
        if page.next.is_none() {
            return page;
        }
    }
}

pub(crate) fn slug(text: &str) -> ServerSlug {
    ServerSlug::parse(text).unwrap()
}

pub(crate) fn actor(text: &str) -> Actor {
    Actor::parse(text).unwrap()
}

pub(crate) fn label(text: &str) -> Label {
    Label::parse(text).unwrap()
}

pub(crate) fn server(text: &str) -> ServerRecord {
    ServerRecord {
        slug: slug(text),
        transport: Transport::Http {
            url: format!("https://{text}.example/mcp"),
            headers: vec![("Authorization".into(), Secret::new(format!("Bearer of {text}")))],
        },
        allow_private_address: false,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools: NewTools::Quarantine,
        accept_first: true,
        classes: BTreeMap::from([("pay_invoice".into(), policy::Class::Financial)]),
        from_server: FromServer::default(),
        managed_by_file: false,
        revision: Revision(0),
    }
}

pub(crate) fn new_grant(number: u8, owner: Option<&str>) -> NewGrant {
    NewGrant {
        id: GrantId::from_bytes([number; 16]),
        label: label(&format!("agent {number}")),
        server: slug("pay"),
        policy: None,
        token_hash: TokenHash::of(&format!("token {number}")),
        expires_at: None,
        tags: BTreeMap::from([("team".into(), "finance".into())]),
        owner: owner.map(actor),
    }
}

pub(crate) fn approval(number: u8, grant: &str, digest: Sha256Digest) -> ApprovalRecord {
    ApprovalRecord {
        id: ApprovalId::from_random([number; 16]),
        digest,
        grant: grant.into(),
        server: "pay".into(),
        kind: Kind::Tool,
        name: "pay_invoice".into(),
        definition_pin: Some("ab12".into()),
        arguments: r#"{"amount":20000}"#.into(),
        rules: ask().rules,
        approvers: Vec::new(),
        state: ApprovalState::Pending,
        created_at: T0,
        expires_at: T0.plus_seconds(3600),
        decided_by: None,
        decided_at: None,
        decided_from: None,
        decided_reason: None,
        used_at: None,
    }
}

pub(crate) fn ask() -> Ask {
    let rule: Arc<str> = "/tools/pay_invoice/deny_if/0".into();
    Ask {
        rule: Arc::clone(&rule),
        message: "ask a person".into(),
        hint: None,
        rules: vec![AskRule { digest: sha256(b"rule"), rule, message: "ask a person".into() }],
        wait_seconds: None,
        expires_seconds: 3600,
        approvers: Vec::new(),
    }
}

/// The number of the newest migration.
pub(crate) fn newest_version() -> u32 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let number = |name: std::ffi::OsString| {
        let name = name.into_string().unwrap();
        let (number, _) = name.strip_prefix('V').unwrap().split_once("__").unwrap();
        number.parse().unwrap()
    };
    files.map(number).max().unwrap()
}
