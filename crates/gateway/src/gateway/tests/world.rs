//! A gateway on a loopback port, its store in a temporary directory, a real MCP server behind it,
//! and an agent in front of it that speaks plain HTTP.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use policy::{Document, UnixMillis};
use store::{
    Actor, AuditMode, FromServer, GrantId, Label, NewGrant, NewPolicy, NewTools, PolicyMode,
    PolicyName, Revision, Role, ServerRecord, ServerSlug, Store, StoreConfig, Timeouts, TokenHash,
    Transport,
};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::agent::Agent;
use super::peer::Peer;
use crate::plane::{Bounds, HOLDS_WAITING_MAX};
use crate::{
    AuditValues, CallObserver, Classifier, Clock, FinishedCall, Gateway, GatewayConfig, HoldWaits,
    Randomness,
};

/// More calls than any test makes.
const HEARD_MAX: usize = 64;

pub(super) const TOKEN: &str = "agent-a-token-0123456789";
pub(super) const OTHER_TOKEN: &str = "agent-b-token-0123456789";

pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) store: Store,
    pub(super) peer: Peer,
    pub(super) address: SocketAddr,
    pub(super) clock: Arc<AtomicI64>,
    shutdown: CancellationToken,
    serving: JoinHandle<()>,
    _dir: tempfile::TempDir,
}

fn fill(bytes: &mut [u8]) {
    use std::hash::{BuildHasher as _, RandomState};
    let state = RandomState::new();
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = state.hash_one(index).to_le_bytes()[0];
    }
}

pub(super) struct Setup {
    pub(super) policy: Option<&'static str>,
    pub(super) wait_seconds: u32,
    /// The same for calls with a progress token, where it differs.
    pub(super) told_seconds: Option<u32>,
    pub(super) drain_seconds: u32,
    /// How long a call may take.
    pub(super) total_ms: u32,
    pub(super) bounds: Bounds,
    /// How long the grants last, by the world's clock.
    pub(super) grant_seconds: Option<u32>,
    /// The server does not list its tools before `Peer::first_list` says so.
    pub(super) holds_first_list: bool,
    pub(super) observer: Option<CallObserver>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            policy: None,
            wait_seconds: 0,
            told_seconds: None,
            drain_seconds: 5,
            total_ms: Timeouts::default().total_ms,
            bounds: Bounds::default(),
            grant_seconds: None,
            holds_first_list: false,
            observer: None,
        }
    }
}

impl World {
    pub(super) async fn new(policy: &'static str) -> Self {
        Self::with(Setup { policy: Some(policy), ..Setup::default() }).await
    }

    /// A world with an observer, and what it hears.
    pub(super) async fn observed(setup: Setup) -> (Self, mpsc::Receiver<FinishedCall>) {
        let (tell, heard) = mpsc::channel(HEARD_MAX);
        let observer = CallObserver::new(move |call| tell.try_send(call).expect("room"));
        (Self::with(Setup { observer: Some(observer), ..setup }).await, heard)
    }

    pub(super) async fn with(setup: Setup) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let clock = Arc::new(AtomicI64::new(1_767_225_600_000));
        let now = UnixMillis(clock.load(Ordering::SeqCst));
        let config = StoreConfig {
            data_dir: dir.path().to_owned(),
            audit_mode: AuditMode::Durable,
            role: Role::Serve,
        };
        let store = Store::open(&config, now).expect("a store");
        let peer = Peer::start().await;
        peer.first_list.send_replace(setup.holds_first_list);
        let slug = ServerSlug::parse("pay").expect("a slug");
        let mut record = server(&slug, &peer.url());
        record.timeouts.total_ms = setup.total_ms;
        store.save_server(record, None, now).await.expect("saved");
        if let Some(text) = setup.policy {
            save_policy(&store, text, PolicyMode::Enforce, now).await;
        }
        for (token, label, last) in [(TOKEN, "agent-a", 1), (OTHER_TOKEN, "agent-b", 2)] {
            let policy = setup.policy.map(|_| PolicyName::parse("p").expect("a name"));
            let grant = NewGrant {
                id: GrantId::from_bytes([last; 16]),
                label: Label::parse(label).expect("a label"),
                server: slug.clone(),
                policy,
                token_hash: TokenHash::of(token),
                expires_at: setup.grant_seconds.map(|seconds| now.plus_seconds(seconds)),
                tags: BTreeMap::new(),
                owner: None,
            };
            store.create_grant(grant, now).await.expect("a grant");
        }
        let reading = Arc::clone(&clock);
        let gateway = Gateway::bounded(
            GatewayConfig {
                public_url: "http://127.0.0.1:8420".to_owned(),
                console_url: "http://127.0.0.1:8421".to_owned(),
                host_names: Vec::new(),
                origins: Vec::new(),
                hold_waits: HoldWaits {
                    plain_seconds: setup.wait_seconds,
                    with_progress_seconds: setup.told_seconds.unwrap_or(setup.wait_seconds),
                },
                audit_values: AuditValues::Redacted,
                classifier: Classifier::unknown(),
                clock: Clock::new(move || UnixMillis(reading.load(Ordering::SeqCst))),
                randomness: Randomness::new(fill),
                drain_seconds: setup.drain_seconds,
                observer: setup.observer,
            },
            store.clone(),
            setup.bounds,
        );
        gateway.reload().await.expect("a snapshot");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shutdown = CancellationToken::new();
        let (serving, stop) = (gateway.clone(), shutdown.clone());
        #[expect(clippy::disallowed_methods, reason = "the handle is awaited by `World::stop`")]
        let serving = tokio::spawn(async move {
            serving.serve(listener, stop).await.expect("served");
        });
        Self { gateway, store, peer, address, clock, shutdown, serving, _dir: dir }
    }

    pub(super) fn agent(&self) -> Agent {
        Agent::new(self.address, TOKEN)
    }

    pub(super) fn other_agent(&self) -> Agent {
        Agent::new(self.address, OTHER_TOKEN)
    }

    pub(super) async fn set_policy(&self, text: &str) {
        self.set_mode(text, PolicyMode::Enforce).await;
    }

    /// Saves a policy's next version in a mode.
    pub(super) async fn set_mode(&self, text: &str, mode: PolicyMode) {
        save_policy(&self.store, text, mode, self.now()).await;
        self.gateway.reload().await.expect("a snapshot");
    }

    /// Gives the first grant a policy of which there is a draft only.
    pub(super) async fn only_draft(&self, name: &str, text: &str) {
        save_named(&self.store, (name, text), PolicyMode::Draft, self.now()).await;
        let (grant, name) = (GrantId::from_bytes([1; 16]), PolicyName::parse(name));
        let name = Some(name.expect("a name"));
        self.store.attach_policy(&grant, name).await.expect("attached");
        self.gateway.reload().await.expect("a snapshot");
    }

    /// Puts a policy in force that nobody can read, as after damage.
    pub(super) async fn break_policy(&self) {
        let (text, canonical) = ("{".to_owned(), "{".to_owned());
        let (name, actor) = (PolicyName::parse("p"), Actor::parse("test"));
        let (name, actor) = (name.expect("a name"), actor.expect("an actor"));
        let mode = PolicyMode::Enforce;
        let policy = NewPolicy { name, server: None, text, canonical, mode, actor, note: None };
        self.store.save_policy(policy, None, self.now()).await.expect("saved");
        self.gateway.reload().await.expect("a snapshot");
    }

    /// Shuts the gateway down and waits until it has drained.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.serving.await.expect("no panic");
    }

    /// Waits until no agent is connected any more.
    pub(super) async fn disconnected(&self) {
        while self.gateway.plane.metrics.connections.get() > 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(super) fn now(&self) -> UnixMillis {
        UnixMillis(self.clock.load(Ordering::SeqCst))
    }

    /// Moves the gateway's clock on.
    pub(super) fn pass(&self, seconds: i64) {
        self.clock.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// Waits until no held call waits any more.
    pub(super) async fn nothing_held(&self) {
        while self.gateway.plane.holds.available_permits() < HOLDS_WAITING_MAX {
            tokio::task::yield_now().await;
        }
    }

    /// Revokes the first grant.
    pub(super) async fn revoke(&self) {
        let now = UnixMillis(self.clock.load(Ordering::SeqCst));
        let grant = GrantId::from_bytes([1; 16]);
        self.store.revoke_grant(&grant, now).await.expect("revoked");
    }

    pub(super) fn begin_shutdown(&self) {
        self.shutdown.cancel();
    }

    /// The rows of the audit log, oldest first.
    pub(super) async fn audit(&self) -> Vec<store::AuditEntry> {
        let filter = store::AuditFilter::default();
        let page = self
            .store
            .audit(filter, store::AuditOrder::OldestFirst, None, 500)
            .await
            .expect("audit rows");
        page.entries
    }
}

async fn save_policy(store: &Store, text: &str, mode: PolicyMode, now: UnixMillis) {
    save_named(store, ("p", text), mode, now).await;
}

async fn save_named(store: &Store, (name, text): (&str, &str), mode: PolicyMode, now: UnixMillis) {
    let document = Document::parse(text).expect("a policy");
    let policy = NewPolicy {
        name: PolicyName::parse(name).expect("a name"),
        server: None,
        text: text.to_owned(),
        canonical: document.canonical().to_owned(),
        mode,
        actor: Actor::parse("test").expect("an actor"),
        note: None,
    };
    store.save_policy(policy, None, now).await.expect("saved");
}

fn server(slug: &ServerSlug, url: &str) -> ServerRecord {
    ServerRecord {
        slug: slug.clone(),
        transport: Transport::Http { url: url.to_owned(), headers: Vec::new() },
        allow_private_address: true,
        timeouts: Timeouts::default(),
        refresh_seconds: 60,
        new_tools: NewTools::Quarantine,
        accept_first: true,
        classes: BTreeMap::new(),
        from_server: FromServer::default(),
        managed_by_file: false,
        revision: Revision::default(),
    }
}
