//! The tools of one server as the gateway knows them: their pinned definitions, which of them are
//! quarantined, and what policy may know of them. Nothing here fetches a list or decides a call.
//!
//! A tool is pinned when it is first listed. A new or changed definition is quarantined until an
//! administrator accepts it, unless the server is set to take new tools, or it came with the very
//! first list of a server whose first list is accepted (GATEWAY.md section 4). A definition that
//! returns to what was accepted is accepted again.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;
use mcp::{AnnotationFault, ParamHeaders};
use policy::{Class, Policy, Risk, Schema, Target, ToolFacts, UnixMillis};
use store::{NewTools, PinRecord, PinState, ServerRecord, ServerSlug, Store, WriteError};
use tokio::sync::Mutex;

use crate::config::Classifier;

mod filtered;

pub(crate) use filtered::FilteredLists;

/// How many tools of one server are known at a time; a list with more is cut off.
pub(crate) const TOOLS_MAX: usize = 50_000;

/// The longest definition that is pinned, in bytes. A longer one is as unreadable as one that can be
/// read in two ways: a new tool with such a definition is never known, a known one is quarantined.
pub(crate) const DEFINITION_BYTES_MAX: usize = 256 * 1024;

/// How long the pinned definitions of one server are together, in bytes. What would go beyond counts
/// as unreadable too: else a server could fill memory and disk with ever new lists.
pub(crate) const DEFINITIONS_BYTES_MAX: usize = 64 * 1024 * 1024;

/// One known tool.
#[derive(Debug)]
pub(crate) struct Tool {
    pub(crate) name: Box<str>,
    pub(crate) digest: Box<str>,
    definition: Box<str>,
    state: PinState,
    class: Option<Class>,
    risk: Option<Risk>,
    schema: OnceLock<Option<Schema>>,
    mirrored: OnceLock<Result<ParamHeaders, AnnotationFault>>,
}

impl Tool {
    fn of_pin(pin: &PinRecord, server: &ServerRecord) -> Self {
        let state = match server.new_tools {
            NewTools::Allow => PinState::Accepted,
            NewTools::Quarantine => pin.state,
        };
        let (class, risk) = server.counts_as(&pin.tool, (pin.class, pin.risk));
        Self {
            name: pin.tool.as_str().into(),
            digest: pin.digest.as_str().into(),
            definition: pin.definition.as_str().into(),
            state,
            class,
            risk,
            schema: OnceLock::new(),
            mirrored: OnceLock::new(),
        }
    }

    /// Whether the tool waits for an administrator.
    pub(crate) fn is_quarantined(&self) -> bool {
        match self.state {
            PinState::Quarantined => true,
            PinState::Accepted => false,
        }
    }

    /// What policy may know of the tool. The input schema is compiled on first use and kept; one
    /// that cannot be compiled counts as none, so that `validate` fails.
    pub(crate) fn facts(&self) -> ToolFacts<'_> {
        let schema = self.schema.get_or_init(|| {
            input_schema(&self.definition).and_then(|schema| Schema::compile(schema).ok())
        });
        ToolFacts { name: &self.name, class: self.class, risk: self.risk, schema: schema.as_ref() }
    }

    /// Whether this is its definition as it was pinned, byte for byte.
    pub(crate) fn is_defined_by(&self, raw: &[u8]) -> bool {
        self.definition.as_bytes() == raw
    }

    /// Whether a policy lists the tool. Its schema does not matter for that.
    pub(crate) fn is_listed_by(&self, policy: &Policy) -> bool {
        let facts =
            ToolFacts { name: &self.name, class: self.class, risk: self.risk, schema: None };
        policy.lists(&Target::Tool(facts))
    }

    /// The arguments that modern clients mirror in headers (MCP 2026-07-28, `x-mcp-header`).
    ///
    /// # Errors
    /// When nobody can say which, because the annotations break the rules of the revision.
    pub(crate) fn mirrored(&self) -> Result<&ParamHeaders, &AnnotationFault> {
        self.mirrored.get_or_init(|| ParamHeaders::of_tool(self.definition.as_bytes())).as_ref()
    }
}

/// The JSON text of a definition's `inputSchema`.
fn input_schema(definition: &str) -> Option<&str> {
    #[derive(serde::Deserialize)]
    struct WithSchema<'a> {
        #[serde(rename = "inputSchema", borrow)]
        input_schema: &'a serde_json::value::RawValue,
    }
    let parsed: WithSchema<'_> = serde_json::from_str(definition).ok()?;
    Some(parsed.input_schema.get())
}

/// Whether the server's own list was read since the gateway knows the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Not yet: calls wait for it.
    Never,
    /// At least once.
    Yes,
}

/// Tools by name.
type Tools = HashMap<Box<str>, Arc<Tool>, RandomState>;

/// All known tools of a server, swapped whole.
#[derive(Debug)]
pub(crate) struct ToolTable {
    tools: Tools,
    pub(crate) listed: Listed,
    /// What lists became while these were the tools.
    pub(crate) filtered: FilteredLists,
}

impl ToolTable {
    fn new(tools: Tools, listed: Listed) -> Self {
        Self { tools, listed, filtered: FilteredLists::default() }
    }

    /// The tool of exactly this name, if the server ever listed it.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Tool>> {
        self.tools.get(name)
    }

    /// How many tools are known, and how many of them are quarantined.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let quarantined = self.tools.values().filter(|tool| tool.is_quarantined()).count();
        (self.tools.len(), quarantined)
    }
}

/// A definition as a list shows it.
#[derive(Debug)]
pub(crate) struct Seen<'a> {
    pub(crate) name: &'a str,
    /// The tool object, byte for byte.
    pub(crate) raw: &'a str,
}

/// The tools of one server, with the way to change them.
#[derive(Debug)]
pub(crate) struct Shelf {
    server: ServerSlug,
    table: ArcSwap<ToolTable>,
    /// An agent was shown a list before the first one of the gateway's own.
    shown_unlisted: AtomicBool,
    /// Held while pins are written, so that lists do not overtake each other.
    writing: Mutex<()>,
    /// Held while the server is listed, so that it is asked once; no longer than a list usually takes.
    pub(crate) listing: Mutex<()>,
}

/// Whether a change of pins changed what agents may see.
#[derive(Clone, Debug)]
pub(crate) enum Changed {
    /// Lists may read differently now: what they show differently.
    Yes(Vec<Change>),
    /// The server's tools became known, and no agent was shown a list before.
    First,
    /// Nothing that a list shows changed.
    No,
}

/// One tool that lists show differently.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// As lists showed it; `None`: they did not, or it was quarantined.
    before: Option<Arc<Tool>>,
    /// As lists show it now.
    after: Option<Arc<Tool>>,
}

impl Change {
    fn of(before: Option<&Arc<Tool>>, after: Option<&Arc<Tool>>) -> Option<Self> {
        let shown = |tool: Option<&Arc<Tool>>| tool.filter(|tool| !tool.is_quarantined()).cloned();
        let (before, after) = (shown(before), shown(after));
        let same = match (&before, &after) {
            (None, None) => true,
            (Some(old), Some(new)) => {
                old.digest == new.digest && old.class == new.class && old.risk == new.risk
            }
            (None, Some(_)) | (Some(_), None) => false,
        };
        (!same).then_some(Self { before, after })
    }

    /// Whether the list of a grant with this policy reads differently.
    pub(crate) fn alters(&self, policy: &Policy) -> bool {
        let digest = |tool: Option<&Arc<Tool>>| {
            tool.filter(|tool| tool.is_listed_by(policy)).map(|tool| tool.digest.clone())
        };
        digest(self.before.as_ref()) != digest(self.after.as_ref())
    }
}

impl Shelf {
    /// The shelf of a server with the pins of earlier runs.
    pub(crate) fn new(server: &ServerRecord, pins: &[PinRecord]) -> Self {
        Self {
            server: server.slug.clone(),
            table: ArcSwap::from_pointee(ToolTable::new(table_of(server, pins), Listed::Never)),
            shown_unlisted: AtomicBool::new(false),
            writing: Mutex::new(()),
            listing: Mutex::new(()),
        }
    }

    /// The same tools under other settings of their server, with the pins as they are stored.
    pub(crate) fn under(&self, server: &ServerRecord, pins: &[PinRecord]) -> Self {
        let other = Self::new(server, pins);
        let (tools, listed) = (table_of(server, pins), self.with_table(|table| table.listed));
        other.table.store(Arc::new(ToolTable::new(tools, listed)));
        if self.shown_unlisted.load(Ordering::SeqCst) {
            other.show_unlisted();
        }
        other
    }

    /// What lists show differently than they did from that shelf.
    pub(crate) fn changed_since(&self, before: &Self) -> Changed {
        let (before, now) = (before.table.load_full(), self.table.load_full());
        if Arc::ptr_eq(&before, &now) {
            return Changed::No;
        }
        let changes = changes(&before.tools, &now.tools);
        if changes.is_empty() { Changed::No } else { Changed::Yes(changes) }
    }

    /// Runs `look` on the tools as they are known now, without counting a reference.
    pub(crate) fn with_table<R>(&self, look: impl FnOnce(&ToolTable) -> R) -> R {
        look(&self.table.load())
    }

    /// The tools as they are known now.
    pub(crate) fn table(&self) -> Arc<ToolTable> {
        self.table.load_full()
    }

    /// Takes the pins as the store has them (after an administrator accepted one, or the server's
    /// settings changed).
    pub(crate) async fn reload(
        &self,
        server: &ServerRecord,
        store: &Store,
    ) -> Result<Changed, store::ReadError> {
        let _writing = self.writing.lock().await;
        let pins = store.pins(&self.server).await?;
        let listed = self.with_table(|table| table.listed);
        Ok(self.swap(table_of(server, &pins), listed))
    }

    fn swap(&self, tools: Tools, listed: Listed) -> Changed {
        let before = self.table.load_full();
        let changes = changes(&before.tools, &tools);
        let first = before.listed == Listed::Never && before.tools.is_empty();
        self.table.store(Arc::new(ToolTable::new(tools, listed)));
        if changes.is_empty() {
            Changed::No
        } else if first && !self.shown_unlisted.load(Ordering::SeqCst) {
            Changed::First
        } else {
            Changed::Yes(changes)
        }
    }

    /// Notes that an agent is shown a list although the server was not listed yet: what it misses
    /// must be announced.
    pub(crate) fn show_unlisted(&self) {
        self.shown_unlisted.store(true, Ordering::SeqCst);
    }

    /// Takes a list of the server: pins what is new or changed, in the store first. `whole` says
    /// whether this is the complete list, which ends the wait of calls for it.
    ///
    /// # Errors
    /// When the store does not take the pins; what is new stays unknown then, and what changed
    /// stays as it was pinned until the next list.
    pub(crate) async fn observe(
        &self,
        seen: &[Seen<'_>],
        whole: Whole,
        context: &Observing<'_>,
    ) -> Result<Changed, WriteError> {
        let _writing = self.writing.lock().await;
        let before = self.table.load_full();
        let pins = new_pins(seen, &before, context);
        let listed = match whole {
            Whole::Yes => Listed::Yes,
            Whole::No => before.listed,
        };
        if pins.is_empty() {
            if before.listed != listed {
                let tools = before.tools.clone();
                self.table.store(Arc::new(ToolTable::new(tools, listed)));
            }
            return Ok(Changed::No);
        }
        let changed: Vec<Box<str>> = pins.iter().map(|pin| pin.tool.as_str().into()).collect();
        let saved = match context.store.save_pins(pins).await {
            Ok(_revision) => context.store.pins(&self.server).await.map_err(WriteError::from),
            Err(error) => Err(error),
        };
        match saved {
            Ok(pins) => Ok(self.swap(table_of(context.server, &pins), listed)),
            Err(error) => {
                // A changed definition must not stay callable because the store is away: it is
                // forgotten until the next list, while nothing new becomes known.
                let mut tools = before.tools.clone();
                tools.retain(|name, _| !changed.contains(name));
                self.swap(tools, before.listed);
                Err(error)
            }
        }
    }

    /// Whether this definition is exactly what is pinned, and not quarantined.
    pub(crate) fn shows(&self, seen: &Seen<'_>) -> Option<Arc<Tool>> {
        self.with_table(|table| {
            let tool = table.get(seen.name)?;
            let same = *tool.definition == *seen.raw
                || mcp::definition_pin(seen.raw.as_bytes())
                    .is_ok_and(|pin| *tool.digest == *pin.digest);
            (same && !tool.is_quarantined()).then(|| Arc::clone(tool))
        })
    }

    /// Whether a list holds a definition that is not pinned as it stands there.
    pub(crate) fn is_news(&self, seen: &Seen<'_>) -> bool {
        self.with_table(|table| {
            table.get(seen.name).is_none_or(|tool| *tool.definition != *seen.raw)
        })
    }
}

/// What lists show differently.
fn changes(before: &Tools, after: &Tools) -> Vec<Change> {
    let known = after.iter().map(|(name, tool)| (before.get(name), Some(tool)));
    let gone = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let gone = gone.map(|(_, old)| (Some(old), None));
    known.chain(gone).filter_map(|(old, new)| Change::of(old, new)).collect()
}

/// Whether a list is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole {
    /// All pages.
    Yes,
    /// A page on its way to an agent.
    No,
}

/// What pinning needs beside the list.
pub(crate) struct Observing<'a> {
    pub(crate) server: &'a ServerRecord,
    pub(crate) store: &'a Store,
    pub(crate) classifier: &'a Classifier,
    pub(crate) now: UnixMillis,
    /// [`DEFINITIONS_BYTES_MAX`].
    pub(crate) bytes_max: usize,
}

fn table_of(server: &ServerRecord, pins: &[PinRecord]) -> Tools {
    pins.iter()
        .take(TOOLS_MAX)
        .map(|pin| {
            let tool = Tool::of_pin(pin, server);
            (tool.name.clone(), Arc::new(tool))
        })
        .collect()
}

/// The pins to write for what a list shows. A name that stands twice in one list is quarantined, also
/// when one of the definitions was accepted: agents and servers may disagree on which of them counts.
fn new_pins(seen: &[Seen<'_>], before: &ToolTable, context: &Observing<'_>) -> Vec<PinRecord> {
    let first_contact = before.listed == Listed::Never && before.tools.is_empty();
    let mut names = HashSet::with_capacity(seen.len());
    let mut twice = HashSet::new();
    for item in seen {
        if !names.insert(item.name) {
            twice.insert(item.name);
        }
    }
    let mut pins = Vec::new();
    let mut room = Room::beside(before, context.bytes_max);
    let mut ambiguous = ambiguous(seen, &twice, context);
    for item in seen {
        let old = before.tools.get(item.name);
        if let Some(texts) = ambiguous.get_mut(item.name) {
            // All of them are one pin, at the first.
            let pin = ambiguous_pin(item.name, &std::mem::take(texts), old, context);
            let fits = |pin: &PinRecord| {
                let bare = Seen { name: item.name, raw: &pin.definition };
                room.take(&bare, old) || old.is_some()
            };
            pins.extend(pin.filter(fits));
            continue;
        }
        let unchanged = old.is_some_and(|old| *old.definition == *item.raw);
        if unchanged && !twice.contains(item.name) {
            continue;
        }
        let digest = readable_digest(item.raw);
        let repeated = twice.contains(item.name);
        let same = |old: &Arc<Tool>| digest.as_deref() == Some(&*old.digest);
        if old.is_some_and(|old| same(old) && (!repeated || old.is_quarantined())) {
            continue;
        }
        let Some(digest) = digest.filter(|_| room.take(item, old)) else {
            pins.extend(old.and_then(|old| unreadable_pin(item, old, context)));
            continue;
        };
        let state = if repeated {
            PinState::Quarantined
        } else if first_contact && context.server.accept_first
            || context.server.new_tools == NewTools::Allow
        {
            PinState::Accepted
        } else {
            PinState::Quarantined
        };
        pins.push(pin_record(item, digest, state, context));
    }
    pins
}

/// The definitions of each name that stands twice, where that matters.
fn ambiguous<'s>(
    seen: &[Seen<'s>],
    twice: &HashSet<&'s str>,
    context: &Observing<'_>,
) -> HashMap<&'s str, Vec<&'s str>> {
    let mut texts: HashMap<&str, Vec<&str>> = HashMap::new();
    if context.server.new_tools == NewTools::Quarantine {
        for item in seen.iter().filter(|item| twice.contains(item.name)) {
            texts.entry(item.name).or_default().push(item.raw);
        }
    }
    texts
}

/// The pin of a name that stands twice: it is that of no definition, so that it is never one that
/// somebody accepted, and the same for the same list. `None` when that is what is pinned already.
fn ambiguous_pin(
    name: &str,
    texts: &[&str],
    old: Option<&Arc<Tool>>,
    context: &Observing<'_>,
) -> Option<PinRecord> {
    // No JSON text holds a zero byte.
    let digest = policy::sha256(texts.join("\0").as_bytes()).to_string();
    if texts.is_empty() || old.is_some_and(|old| *old.digest == *digest) {
        return None;
    }
    let bare = format!("{{\"name\":{}}}", mcp::reply::json_string(name));
    Some(pin_record(&Seen { name, raw: &bare }, digest, PinState::Quarantined, context))
}

/// How much more of a server's definitions may be pinned.
struct Room {
    tools: usize,
    bytes: usize,
}

impl Room {
    fn beside(known: &ToolTable, bytes_max: usize) -> Self {
        let pinned: usize = known.tools.values().map(|tool| tool.definition.len()).sum();
        Self {
            tools: TOOLS_MAX.saturating_sub(known.tools.len()),
            bytes: bytes_max.saturating_sub(pinned),
        }
    }

    /// Takes the room of a definition in the place of the one that is pinned, if there is as much.
    fn take(&mut self, item: &Seen<'_>, old: Option<&Arc<Tool>>) -> bool {
        let tools = self.tools.checked_sub(usize::from(old.is_none()));
        let freed = old.map_or(0, |old| old.definition.len());
        let bytes = self.bytes.saturating_add(freed).checked_sub(item.raw.len());
        let (Some(tools), Some(bytes)) = (tools, bytes) else { return false };
        *self = Self { tools, bytes };
        true
    }
}

/// The digest of a definition; `None` for one that is too long or can be read in two ways.
fn readable_digest(raw: &str) -> Option<String> {
    if raw.len() > DEFINITION_BYTES_MAX {
        return None;
    }
    mcp::definition_pin(raw.as_bytes()).ok().map(|pin| pin.digest)
}

/// The pin of a known tool whose definition cannot be pinned any more: quarantined, with a
/// definition that only names it. `None` when that is what is pinned already.
fn unreadable_pin(item: &Seen<'_>, old: &Tool, context: &Observing<'_>) -> Option<PinRecord> {
    let digest = policy::sha256(item.raw.as_bytes()).to_string();
    let bare = format!("{{\"name\":{}}}", mcp::reply::json_string(item.name));
    let named = Seen { name: item.name, raw: &bare };
    (*old.digest != *digest).then(|| pin_record(&named, digest, PinState::Quarantined, context))
}

fn pin_record(
    item: &Seen<'_>,
    digest: String,
    state: PinState,
    context: &Observing<'_>,
) -> PinRecord {
    let (class, risk) = context.classifier.classify(item.name, item.raw);
    let accepted = state == PinState::Accepted;
    PinRecord {
        server: context.server.slug.clone(),
        tool: item.name.to_owned(),
        state,
        accepted_digest: accepted.then(|| digest.clone()),
        accepted_definition: accepted.then(|| item.raw.to_owned()),
        digest,
        definition: item.raw.to_owned(),
        class,
        risk,
        seen_at: context.now,
        accepted_at: accepted.then_some(context.now),
        accepted_by: None,
    }
}

#[cfg(test)]
mod tests;
