//! What the gateway knows at one instant: servers, grants and compiled policies, in one immutable
//! value that every request reads once. Built from the store's rows and swapped whole; what lives
//! longer than one snapshot (clients to servers, known tools, open streams) is carried over.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use foldhash::fast::RandomState;
use policy::{DenyAll, Document, Policy, UnixMillis};
use store::{
    Configuration, GrantId, GrantRecord, PinRecord, PolicyMode, PolicyName, PolicyRecord, Revision,
    ServerRecord, ServerSlug, TokenHash, Transport,
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::address::AddressRule;
use crate::arrival::Arrivals;
use crate::desk::Desk;
use crate::diary::Diary;
use crate::seats::Seats;
use crate::tools::Shelf;
use crate::upstream::{Allowed, FromServer, Room, ServerSpec, SpecError, Timeouts, Upstream};

/// Everything that one request is judged with.
#[derive(Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) servers: Servers,
    tokens: Tokens,
    grants: HashMap<GrantId, Arc<GrantEntry>>,
    /// The room for answers, handed on from one snapshot to the next.
    room: Arc<Room>,
}

/// Servers by their names.
pub(crate) type Servers = HashMap<ServerSlug, Arc<ServerEntry>, RandomState>;

/// Grants by the hash of their token.
type Tokens = HashMap<TokenHash, TokenEntry, RandomState>;

#[derive(Debug)]
struct TokenEntry {
    grant: Arc<GrantEntry>,
    until: Option<UnixMillis>,
}

/// One grant in force.
#[derive(Debug)]
pub(crate) struct GrantEntry {
    pub(crate) record: GrantRecord,
    pub(crate) policy: Arc<PolicyEntry>,
    pub(crate) live: Arc<GrantLive>,
}

/// What outlives a snapshot of a grant: its open streams, and what it has under way without a
/// session.
#[derive(Debug)]
pub(crate) struct GrantLive {
    /// Tells it apart from every other of this process; never 0.
    pub(crate) number: u64,
    /// Cancelled when the grant is revoked, removed or over.
    pub(crate) ended: CancellationToken,
    /// Counts up when the lists that the grant sees changed.
    pub(crate) changes: watch::Sender<u64>,
    /// Requests outside any session.
    pub(crate) desk: Arc<Desk>,
    /// What the grant has open.
    pub(crate) seats: Seats,
    /// How far its agent came before any call.
    pub(crate) arrivals: Arrivals,
}

impl GrantLive {
    fn new() -> Self {
        static MADE: AtomicU64 = AtomicU64::new(1);
        Self {
            number: MADE.fetch_add(1, Ordering::Relaxed),
            ended: CancellationToken::new(),
            changes: watch::Sender::new(0),
            desk: Arc::new(Desk::default()),
            seats: Seats::default(),
            arrivals: Arrivals::default(),
        }
    }

    /// Wakes the streams that announce changes of lists.
    pub(crate) fn announce(&self) {
        self.changes.send_modify(|epoch| *epoch = epoch.saturating_add(1));
    }
}

/// One compiled policy.
#[derive(Debug)]
pub(crate) struct PolicyEntry {
    pub(crate) name: Option<PolicyName>,
    pub(crate) version: Option<u32>,
    pub(crate) policy: Policy,
    mode: PolicyMode,
    text: String,
    /// The grant may see and do nothing, whatever the server offers.
    pub(crate) nothing: bool,
}

impl PolicyEntry {
    /// Whether what the policy refuses or holds is recorded and let pass.
    pub(crate) fn observes(&self) -> bool {
        self.mode == PolicyMode::Observe
    }

    /// What lists and methods without rules are filtered by: a policy that only observes hides nothing.
    pub(crate) fn shown(&self) -> &Policy {
        static OPEN: OnceLock<Policy> = OnceLock::new();
        if !self.observes() {
            return &self.policy;
        }
        OPEN.get_or_init(|| {
            let open = Document::parse(r#"{"version": "1", "default": "allow"}"#);
            // Were it no policy, everything would be hidden.
            open.map_or_else(
                |_problems| Policy::deny_all(DenyAll::NoPolicy),
                |document| Policy::compile(&document),
            )
        })
    }
}

/// One server.
#[derive(Debug)]
pub(crate) struct ServerEntry {
    pub(crate) record: ServerRecord,
    /// The client to the server, or why there is none.
    pub(crate) upstream: Result<Arc<Upstream>, Arc<str>>,
    pub(crate) shelf: Arc<Shelf>,
    /// Cancelled when the server is removed or set up anew.
    pub(crate) ended: CancellationToken,
    /// Wakes the task that lists the server's tools.
    pub(crate) poke: Arc<tokio::sync::Notify>,
    /// What is known of it since the process started, also from before it was set up anew.
    pub(crate) diary: Arc<Diary>,
}

impl ServerEntry {
    /// Whether this is the server of before, with the same client, perhaps under other settings.
    pub(crate) fn continues(&self, before: &Self) -> bool {
        Arc::ptr_eq(&self.poke, &before.poke)
    }
}

/// Whom a token belongs to.
impl Snapshot {
    /// The grant of a token, if both are in force.
    pub(crate) fn authenticate(
        &self,
        token: &TokenHash,
        now: UnixMillis,
    ) -> Option<&Arc<GrantEntry>> {
        let entry = self.tokens.get(token)?;
        let in_time = |until: Option<UnixMillis>| until.is_none_or(|until| now < until);
        (in_time(entry.until) && in_time(entry.grant.record.expires_at)).then_some(&entry.grant)
    }

    /// All grants in force.
    pub(crate) fn grants(&self) -> impl Iterator<Item = &Arc<GrantEntry>> {
        self.grants.values()
    }

    /// One grant in force.
    pub(crate) fn grant(&self, id: &GrantId) -> Option<&Arc<GrantEntry>> {
        self.grants.get(id)
    }

    /// Whether a grant is in force.
    pub(crate) fn has_grant(&self, id: &GrantId) -> bool {
        self.grants.contains_key(id)
    }
}

/// Builds the next snapshot, carrying over what did not change. Returned with it are the clients of
/// servers that are no more, or are set up anew: they are to be stopped.
pub(crate) fn build(
    rows: Configuration,
    before: &Snapshot,
    now: UnixMillis,
) -> (Snapshot, Vec<Arc<Upstream>>) {
    let mut stopped = Vec::new();
    let servers = build_servers(&rows, (before, now), &mut stopped);
    let policies = build_policies(rows.policies, before);
    let mut next = Snapshot {
        revision: rows.revision,
        servers,
        tokens: Tokens::with_capacity_and_hasher(rows.grants.len(), RandomState::default()),
        grants: HashMap::with_capacity(rows.grants.len()),
        room: Arc::clone(&before.room),
    };
    let none = Arc::new(PolicyEntry {
        name: None,
        version: None,
        policy: Policy::deny_all(DenyAll::NoPolicy),
        mode: PolicyMode::Enforce,
        text: String::new(),
        nothing: true,
    });
    for record in rows.grants {
        let over = record.expires_at.is_some_and(|until| until <= now);
        if record.revoked_at.is_some() || over || !next.servers.contains_key(&record.server) {
            continue;
        }
        let policy = match &record.policy {
            None => Arc::clone(&none),
            Some(name) => policies.get(name).map_or_else(|| missing(name), Arc::clone),
        };
        let old = before.grants.get(&record.id);
        // One that was over and is not any more, because the clock was set back, begins anew.
        let live = old.filter(|old| !old.live.ended.is_cancelled());
        let live = live.map_or_else(|| Arc::new(GrantLive::new()), |old| Arc::clone(&old.live));
        let same_policy = old.is_none_or(|old| {
            Arc::ptr_eq(&old.policy, &policy) || (old.policy.nothing && policy.nothing)
        });
        let entry = Arc::new(GrantEntry { record, policy, live });
        if !same_policy {
            entry.live.announce();
        }
        admit_tokens(&mut next.tokens, &entry);
        next.grants.insert(entry.record.id.clone(), entry);
    }
    for (id, old) in &before.grants {
        if !next.grants.contains_key(id) {
            old.live.ended.cancel();
        }
    }
    (next, stopped)
}

fn admit_tokens(tokens: &mut Tokens, entry: &Arc<GrantEntry>) {
    let record = &entry.record;
    if let Some(previous) = record.previous {
        let until = Some(previous.until);
        tokens.insert(previous.hash, TokenEntry { grant: Arc::clone(entry), until });
    }
    tokens.insert(record.token_hash, TokenEntry { grant: Arc::clone(entry), until: None });
}

/// The entry of a policy that a grant names and of which no version is in force: there is none, or
/// all are drafts.
fn missing(name: &PolicyName) -> Arc<PolicyEntry> {
    Arc::new(PolicyEntry {
        name: Some(name.clone()),
        version: None,
        policy: Policy::deny_all(DenyAll::Invalid("no version of it is in force".to_owned())),
        mode: PolicyMode::Enforce,
        text: String::new(),
        nothing: true,
    })
}

/// Compiles each policy once for each text.
fn build_policies(
    rows: Vec<PolicyRecord>,
    before: &Snapshot,
) -> HashMap<PolicyName, Arc<PolicyEntry>> {
    let mut old: HashMap<&PolicyName, &Arc<PolicyEntry>> = HashMap::new();
    for grant in before.grants.values() {
        if let Some(name) = &grant.policy.name {
            old.insert(name, &grant.policy);
        }
    }
    rows.into_iter()
        .map(|row| {
            let known = old
                .get(&row.name)
                .filter(|entry| entry.text == row.text && entry.version == Some(row.version));
            let entry = known.map_or_else(|| Arc::new(compile(&row)), |entry| Arc::clone(entry));
            (row.name, entry)
        })
        .collect()
}

/// Compiles a stored policy; one that cannot be read any more denies everything.
fn compile(row: &PolicyRecord) -> PolicyEntry {
    let (policy, mode, nothing) = match Document::parse(&row.text) {
        Ok(document) => (Policy::compile(&document), row.mode, false),
        Err(problems) => {
            let why = problems.first().map_or_else(String::new, |problem| problem.message.clone());
            tracing::error!(policy = row.name.as_str(), %why, "a stored policy denies everything");
            (Policy::deny_all(DenyAll::Invalid(why)), PolicyMode::Enforce, true)
        }
    };
    let name = Some(row.name.clone());
    let (version, text) = (Some(row.version), row.text.clone());
    PolicyEntry { name, version, policy, mode, text, nothing }
}

fn build_servers(
    rows: &Configuration,
    (before, now): (&Snapshot, UnixMillis),
    stopped: &mut Vec<Arc<Upstream>>,
) -> Servers {
    let mut pins: HashMap<&ServerSlug, Vec<PinRecord>> = HashMap::new();
    for pin in &rows.pins {
        pins.entry(&pin.server).or_default().push(pin.clone());
    }
    let mut servers = Servers::with_capacity_and_hasher(rows.servers.len(), RandomState::default());
    for record in &rows.servers {
        let known = before.servers.get(&record.slug);
        let entry = match known {
            Some(known) if known.record == *record => Arc::clone(known),
            Some(known) if same_client(&known.record, record) => Arc::new(ServerEntry {
                record: record.clone(),
                upstream: known.upstream.clone(),
                shelf: shelf_under(known, record, pins.get(&record.slug)),
                ended: known.ended.clone(),
                poke: Arc::clone(&known.poke),
                diary: Arc::clone(&known.diary),
            }),
            Some(_) | None => {
                let pins = pins.get(&record.slug).map_or(&[][..], Vec::as_slice);
                let diary = known.map(|known| Arc::clone(&known.diary));
                let diary = diary.unwrap_or_else(|| Arc::new(Diary::new(now)));
                Arc::new(open_server(record, pins, (&before.room, diary)))
            }
        };
        servers.insert(record.slug.clone(), entry);
    }
    for (slug, old) in &before.servers {
        let stays = servers.get(slug).is_some_and(|new| new.continues(old));
        if !stays {
            old.ended.cancel();
            if let Ok(upstream) = &old.upstream {
                stopped.push(Arc::clone(upstream));
            }
        }
    }
    servers
}

/// The tools of a server whose settings changed. Settings that say what a tool is or whether it may
/// be called come into force with the snapshot, not a moment later: they get a shelf of their own.
fn shelf_under(
    known: &ServerEntry,
    record: &ServerRecord,
    pins: Option<&Vec<PinRecord>>,
) -> Arc<Shelf> {
    if known.record.classes == record.classes && known.record.new_tools == record.new_tools {
        return Arc::clone(&known.shelf);
    }
    Arc::new(known.shelf.under(record, pins.map_or(&[][..], Vec::as_slice)))
}

/// Whether two records of a server are spoken to in the same way.
fn same_client(old: &ServerRecord, new: &ServerRecord) -> bool {
    old.transport == new.transport
        && old.allow_private_address == new.allow_private_address
        && old.timeouts == new.timeouts
        && old.from_server == new.from_server
        && old.refresh_seconds == new.refresh_seconds
}

fn open_server(
    record: &ServerRecord,
    pins: &[PinRecord],
    (room, diary): (&Arc<Room>, Arc<Diary>),
) -> ServerEntry {
    let open =
        |spec: ServerSpec| Upstream::open(&spec.room(Arc::clone(room)).diary(Arc::clone(&diary)));
    let upstream = match spec(record).and_then(open) {
        Ok(upstream) => Ok(Arc::new(upstream)),
        Err(error) => {
            let slug = record.slug.as_str();
            tracing::error!(server = slug, %error, "the server cannot be set up");
            Err(error.to_string().into())
        }
    };
    ServerEntry {
        record: record.clone(),
        upstream,
        shelf: Arc::new(Shelf::new(record, pins)),
        ended: CancellationToken::new(),
        poke: Arc::new(tokio::sync::Notify::new()),
        diary,
    }
}

fn spec(record: &ServerRecord) -> Result<ServerSpec, SpecError> {
    let slug: Arc<str> = record.slug.as_str().into();
    let mut spec = match &record.transport {
        Transport::Http { url, headers } => {
            let rule = if record.allow_private_address {
                AddressRule::AllowPrivate
            } else {
                AddressRule::PublicOnly
            };
            let mut spec = ServerSpec::http(slug, url, rule)?;
            for (name, value) in headers {
                spec = spec.header(name, value.expose())?;
            }
            spec
        }
        Transport::Stdio { command, env } => {
            let mut spec = ServerSpec::stdio(slug, command.clone())?;
            for (name, value) in env {
                spec = spec.env(name, value.expose())?;
            }
            spec
        }
    };
    let millis = |ms: u32| std::time::Duration::from_millis(u64::from(ms));
    spec = spec.timeouts(Timeouts {
        connect: millis(record.timeouts.connect_ms),
        first_byte: millis(record.timeouts.first_byte_ms),
        total: millis(record.timeouts.total_ms),
    });
    let allowed = |yes: bool| if yes { Allowed::Yes } else { Allowed::No };
    Ok(spec.from_server(FromServer {
        sampling: allowed(record.from_server.sampling),
        elicitation: allowed(record.from_server.elicitation),
        roots: allowed(record.from_server.roots),
    }))
}

#[cfg(test)]
mod tests;
