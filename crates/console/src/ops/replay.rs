//! Recorded calls, judged again by a policy that is not in force yet: reads the audit and hands it to [`policy::Replay`].
//!
//! What never lives here: deciding, counting.

mod recorded;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use policy::{Document, Policy, Report, Start, ToolDefinition, UnixMillis};
use store::{
    AUDIT_PAGE_ROWS_MAX, AuditEntry, AuditFilter, AuditKind, AuditOrder, PolicyName, ServerRecord,
    ServerSlug,
};

use self::recorded::{Row, row};
use super::pinned::definition;
use super::{Actor, OpError, Permission};
use crate::{Clock, Console};

/// Rows of the audit that one replay walks, at most.
pub const REPLAY_ROWS_MAX: u64 = 1_000_000;
/// Seconds that a replay may take where somebody waits for an answer over HTTP.
pub const REPLAY_SECONDS_MAX: i64 = 10;
/// Seconds that a replay may take while a page waits for it.
pub const REPLAY_PAGE_SECONDS_MAX: i64 = 2;
/// How far a replay goes back unless somebody says otherwise, in milliseconds: seven days.
pub const REPLAY_BACK_MS_DEFAULT: i64 = 7 * 24 * 3_600_000;
/// The organisation that all grants belong to.
const ORGANISATION: &str = "default";

/// Which recorded calls are judged again.
#[derive(Debug, Clone)]
pub struct Calls {
    /// Those that this policy judged.
    pub policy: Option<PolicyName>,
    /// Those of the grant with this label or id, whatever judged them.
    pub grant: Option<String>,
    /// Those to this server.
    pub server: Option<ServerSlug>,
    /// Those from this instant on.
    pub since: UnixMillis,
    /// Those before this instant; `None` up to now.
    pub until: Option<UnixMillis>,
}

/// How far a replay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Rows walked.
    pub rows: u64,
    /// The time of the last one.
    pub at: UnixMillis,
}

/// How long a replay may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Patience {
    /// Until the rows are walked.
    Rows,
    /// [`REPLAY_SECONDS_MAX`].
    Seconds,
    /// [`REPLAY_PAGE_SECONDS_MAX`]: a page waits for it.
    Page,
}

impl Patience {
    fn seconds(self) -> Option<i64> {
        match self {
            Patience::Rows => None,
            Patience::Seconds => Some(REPLAY_SECONDS_MAX),
            Patience::Page => Some(REPLAY_PAGE_SECONDS_MAX),
        }
    }
}

/// What a replay found.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// The changes and the doubts.
    pub report: Report,
    /// Rows of the audit that were walked.
    pub rows: u64,
    /// Whether the log holds everything that the counters ever took.
    pub from_the_start: bool,
    /// Where the replay ended before its rows did: the time of the last row, and why.
    pub stopped: Option<(UnixMillis, Stopped)>,
}

/// Why a replay ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// [`REPLAY_ROWS_MAX`] rows were walked.
    Rows,
    /// The time that it may take was over.
    Time,
}

/// Judges recorded calls by the policy `text`; nothing is changed. Tools, classes and tags of grants are those of
/// today: the records do not hold them.
///
/// # Errors
/// [`OpError::Policy`] for a text that is no policy.
pub async fn replay(
    console: &Console,
    actor: &Actor,
    (text, calls, patience): (String, Calls, Patience),
    progress: impl Fn(Progress) + Send,
) -> Result<Replayed, OpError> {
    actor.may(Permission::Read)?;
    let begun = (console.clock)();
    let since = calls.since;
    let from_the_start = holds_the_start(console, since).await?;
    let start = if from_the_start { Start::Empty } else { Start::Unknown(since) };
    let mut work = Work {
        replay: compiled(console, text, start).await?,
        facts: facts(console).await?,
        calls,
        clock: Arc::clone(&console.clock),
        // Also a clock that goes back ends it.
        time: patience
            .seconds()
            .map(|seconds| (begun.0, begun.0.saturating_add(seconds.saturating_mul(1000)))),
        rows: 0,
        at: since,
        stopped: None,
    };
    let mut cursor = None;
    loop {
        let walk = (AuditOrder::OldestFirst, cursor, AUDIT_PAGE_ROWS_MAX);
        let page = super::audit::page(console, actor, work.filter(), walk).await?;
        cursor = page.next;
        work = console.long_work.check(move || work.take(page.entries)).await?;
        progress(Progress { rows: work.rows, at: work.at });
        if cursor.is_none() || work.stopped.is_some() {
            break;
        }
    }
    Ok(Replayed {
        report: work.replay.finish(),
        rows: work.rows,
        from_the_start,
        stopped: work.stopped.map(|why| (work.at, why)),
    })
}

/// Whether the log goes back to the first call ever made, and that is not before `since`.
async fn holds_the_start(console: &Console, since: UnixMillis) -> Result<bool, OpError> {
    let _place = console.long_work.audit_read().await?;
    let filter = AuditFilter::default();
    let first = console.store.audit(filter, AuditOrder::OldestFirst, None, 1).await?;
    Ok(first.entries.first().is_none_or(|first| first.seq == 1 && first.time >= since))
}

async fn compiled(
    console: &Console,
    text: String,
    start: Start,
) -> Result<policy::Replay, OpError> {
    let compile = move || {
        let document = Document::parse(&text).map_err(OpError::Policy)?;
        Ok(policy::Replay::new(Policy::compile(&document), ORGANISATION, start))
    };
    console.long_work.check(compile).await?
}

/// What the records do not hold, as it is today.
struct Facts {
    /// Tools by server and name.
    tools: HashMap<String, HashMap<String, ToolDefinition>>,
    /// Tags by the grant's id.
    tags: HashMap<String, BTreeMap<String, String>>,
}

async fn facts(console: &Console) -> Result<Facts, OpError> {
    let mut tools: HashMap<String, HashMap<String, ToolDefinition>> = HashMap::new();
    let servers = console.store.servers().await?;
    let servers: HashMap<&ServerSlug, &ServerRecord> =
        servers.iter().map(|server| (&server.slug, server)).collect();
    for pin in console.store.all_pins().await? {
        let tools = tools.entry(pin.server.to_string()).or_default();
        tools.insert(pin.tool.clone(), definition(&pin, servers.get(&pin.server).copied()));
    }
    let grants = console.store.grants().await?;
    let tags = grants.into_iter().map(|grant| (grant.id.to_string(), grant.tags)).collect();
    Ok(Facts { tools, tags })
}

/// A replay between two pages of rows.
struct Work {
    replay: policy::Replay,
    facts: Facts,
    calls: Calls,
    clock: Clock,
    /// From when to when it may work.
    time: Option<(i64, i64)>,
    rows: u64,
    at: UnixMillis,
    stopped: Option<Stopped>,
}

impl Work {
    /// The rows that can matter: also those of other grants, whose calls share counters.
    fn filter(&self) -> AuditFilter {
        let judged_by = match self.calls.grant {
            Some(_) => None,
            None => self.calls.policy.as_ref().map(ToString::to_string),
        };
        AuditFilter {
            policy: judged_by,
            server: self.calls.server.as_ref().map(ToString::to_string),
            kind: Some(AuditKind::Decision),
            since: Some(self.calls.since),
            until: self.calls.until,
            ..AuditFilter::default()
        }
    }

    fn take(mut self, entries: Vec<AuditEntry>) -> Self {
        for entry in entries {
            if self.rows >= REPLAY_ROWS_MAX {
                self.stopped = Some(Stopped::Rows);
                return self;
            }
            if self.time.is_some_and(|(from, to)| !(from..to).contains(&(self.clock)().0)) {
                self.stopped = Some(Stopped::Time);
                return self;
            }
            self.rows = self.rows.saturating_add(1);
            self.at = entry.time;
            self.judge(&entry);
        }
        self
    }

    fn judge(&mut self, entry: &AuditEntry) {
        let shown = self.is_shown(entry);
        let judged_by = self.calls.policy.as_ref().map(PolicyName::as_str);
        if !shown && entry.policy.as_deref() != judged_by {
            return;
        }
        match row(entry) {
            Row::Unjudged if shown => self.replay.skip(),
            Row::Unjudged | Row::NoCall => {}
            Row::Call(mut call) => {
                let tools = self.facts.tools.get(call.server);
                let tool = tools.and_then(|tools| tools.get(call.name));
                call.tool = tool.map(ToolDefinition::facts);
                call.tags = self.facts.tags.get(call.grant_id);
                if shown {
                    self.replay.call(&call);
                } else {
                    self.replay.call_beside(&call);
                }
            }
        }
    }

    /// Whether somebody asked about this call; others are judged only for what they take of the counters.
    fn is_shown(&self, entry: &AuditEntry) -> bool {
        let Some(wanted) = self.calls.grant.as_deref() else { return true };
        entry.grant.as_deref() == Some(wanted) || entry.grant_id.as_deref() == Some(wanted)
    }
}
