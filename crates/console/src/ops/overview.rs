//! What the gateway did lately, and what needs somebody.
//!
//! What never lives here: how that looks.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use policy::UnixMillis;
use store::{AuditCounts, AuditCursor, ServerSlug};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::builder::summaries;
use super::{Actor, OpError, Permission, approvals};
use crate::Console;

/// Hours that are counted.
pub const HOURS: i64 = 24;
const HOUR_MILLIS: i64 = 3_600_000;
/// How long a visitor waits for the count, in milliseconds. It goes on with the next one where it was.
const COUNTING_MILLIS_MAX: u64 = 15;
/// A grant that ends within so many days is told.
pub const EXPIRES_SOON_DAYS: i64 = 7;
/// Things of one kind that need somebody and are named; further ones are counted.
pub const NAMED_MAX: usize = 5;
/// Policies whose warnings are looked for, at most.
const POLICIES_MAX: usize = 1_000;

/// What was counted so far, kept between visits: a clone is the same one.
#[derive(Debug, Clone, Default)]
pub struct Tally(Arc<Mutex<Counted>>);

#[derive(Debug, Default)]
struct Counted {
    hours: BTreeMap<i64, AuditCounts>,
    next: AuditCursor,
}

/// The last 24 hours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// From when on they count: the beginning of the first hour.
    pub since: UnixMillis,
    /// One count for each hour, the oldest first; the last one is the hour that runs.
    pub hours: Vec<AuditCounts>,
    /// Whether the whole log of that time is counted.
    pub is_complete: bool,
}

impl Numbers {
    /// All hours together.
    pub fn all(&self) -> AuditCounts {
        let mut all = AuditCounts::default();
        self.hours.iter().for_each(|hour| all.add(*hour));
        all
    }
}

/// Counts the last 24 hours; as far as that goes in a moment, and further with the next visit.
pub async fn numbers(console: &Console, actor: &Actor) -> Result<Numbers, OpError> {
    actor.may(Permission::Read)?;
    let now = (console.clock)();
    let hour = now.0.div_euclid(HOUR_MILLIS);
    let first = hour.saturating_sub(HOURS - 1);
    let since = UnixMillis(first.saturating_mul(HOUR_MILLIS));
    let mut counted = console.tally.0.lock().await;
    counted.hours = counted.hours.split_off(&first);
    let wait = Duration::from_millis(COUNTING_MILLIS_MAX);
    let is_complete = timeout(wait, count(console, &mut counted, since)).await;
    let is_complete = is_complete.unwrap_or(Ok(false))?;
    let of = |hour| counted.hours.get(&hour).copied().unwrap_or_default();
    Ok(Numbers { since, hours: (first..=hour).map(of).collect(), is_complete })
}

/// Counts to the end of the log. What is counted is kept slice by slice: whoever gives this up loses nothing.
async fn count(
    console: &Console,
    counted: &mut Counted,
    since: UnixMillis,
) -> Result<bool, OpError> {
    loop {
        let _place = console.long_work.audit_read().await?;
        let slice = console.store.audit_tally(counted.next, since).await?;
        counted.next = slice.next;
        for (hour, counts) in slice.hours {
            counted.hours.entry(hour).or_default().add(counts);
        }
        if slice.is_complete {
            return Ok(true);
        }
    }
}

/// What needs somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attention {
    /// Calls that wait for a person.
    pub holds: u64,
    /// Tool definitions that wait to be accepted, by server.
    pub quarantined: Vec<(ServerSlug, u64)>,
    /// Grants that end soon: label, id, end.
    pub expiring: Vec<(String, String, UnixMillis)>,
    /// Grants without a policy, which deny everything: label, id.
    pub without_policy: Vec<(String, String)>,
    /// Policies that warn of something, and of how much: name, number.
    pub warned: Vec<(String, usize)>,
    /// Whether there is any server, and any grant that works.
    pub has_server: bool,
    /// Whether there is a grant that works.
    pub has_grant: bool,
}

/// What needs somebody, now.
pub async fn attention(console: &Console, actor: &Actor) -> Result<Attention, OpError> {
    actor.may(Permission::Read)?;
    let now = (console.clock)();
    let soon = UnixMillis(now.0.saturating_add(EXPIRES_SOON_DAYS * 24 * HOUR_MILLIS));
    let holds = approvals::waiting_count(console, actor).await?;
    let grants = console.store.grants().await?;
    let live = || {
        grants.iter().filter(|grant| {
            grant.revoked_at.is_none() && grant.expires_at.is_none_or(|end| end > now)
        })
    };
    let name = |grant: &store::GrantRecord| (grant.label.to_string(), grant.id.to_string());
    let expiring = live().filter_map(|grant| {
        let end = grant.expires_at.filter(|end| *end <= soon)?;
        let (label, id) = name(grant);
        Some((label, id, end))
    });
    let (policies, _more) = summaries(console, actor, "", POLICIES_MAX).await?;
    let warned = policies.into_iter().filter(|policy| policy.lints > 0);
    let warned = warned.map(|policy| (policy.record.name.to_string(), policy.lints)).collect();
    Ok(Attention {
        holds,
        quarantined: console.store.quarantined_pins().await?,
        expiring: expiring.collect(),
        without_policy: live().filter(|grant| grant.policy.is_none()).map(name).collect(),
        warned,
        has_server: !console.store.servers().await?.is_empty(),
        has_grant: live().next().is_some(),
    })
}
