//! `/api/v1/policies/{name}/replay`: recorded calls judged again.

use axum::Json;
use axum::extract::{Path, State};
use policy::{Doubt, Group, Opinion, Report, UnixMillis};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::input::{Body, instant, rfc3339};
use super::policies::name_of;
use super::problem::Refusal;
use super::servers::slug_of;
use crate::Console;
use crate::ops::replay::{
    Calls, Patience, REPLAY_BACK_MS_DEFAULT, REPLAY_ROWS_MAX, Replayed, Stopped,
};
use crate::ops::{Actor, policies, replay};

/// What is judged again, and by what.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReplayInput {
    /// A text that is not saved; without it, the policy's newest version, drafts included.
    text: Option<String>,
    /// RFC 3339, from this instant on; without it, the last seven days.
    since: Option<String>,
    /// RFC 3339, before this instant.
    until: Option<String>,
    /// The calls of this grant (label or id), whatever policy judged them; without it, those that the
    /// policy of this name judged.
    grant: Option<String>,
    /// Calls to this server only.
    server: Option<String>,
}

/// What a replay found.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayView {
    /// From when on calls were judged again.
    since: String,
    /// Rows of the audit that were walked.
    rows: u64,
    /// Calls that were looked at: the sum of the six numbers that follow.
    calls: u64,
    /// Their verdict stays.
    same: u64,
    /// Their verdict changes.
    changed: u64,
    /// Nobody can say: a rule reads a value that was not recorded, or was masked.
    unsure_values: u64,
    /// Nobody can say: what the limits had taken before is not known.
    unsure_counters: u64,
    /// Their tool is not pinned any more, so that its class and schema are not known.
    unknown_tools: u64,
    /// Their recorded arguments are no JSON object.
    unreadable: u64,
    /// Beside those: calls that no policy judges, of quarantined tools or with malformed arguments.
    skipped: u64,
    /// Changed and unsure calls beyond the groups shown.
    ungrouped: u64,
    /// Whether the counters are known from their first charge on.
    counters_known: bool,
    /// Where the replay ended early, and why.
    stopped: Option<StoppedView>,
    /// Changes by tool and rule, sure ones first.
    groups: Vec<GroupView>,
}

/// Where a replay ended early.
#[derive(Debug, Serialize, ToSchema)]
pub struct StoppedView {
    /// The time of the last call that was judged.
    at: String,
    /// Why, in words.
    because: String,
}

/// Calls that change in one way.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupView {
    /// The tool's or prompt's name, or the resource's URI.
    tool: String,
    /// What the policy of that time said.
    was: &'static str,
    /// What this one says; of unsure calls, what it may say.
    would: &'static str,
    /// Why, in one word; absent where it allows.
    reason: Option<&'static str>,
    /// The rule that says so.
    rule: Option<String>,
    /// Whether it is certain.
    sure: bool,
    /// Why it is not: `values` or `counters`.
    doubt: Option<&'static str>,
    /// How many calls.
    calls: u64,
    /// Request ids of the first of them.
    ids: Vec<String>,
    /// When the first of them was made, RFC 3339.
    first_at: String,
    /// When the last of them was made, RFC 3339.
    last_at: String,
}

impl From<&Group> for GroupView {
    fn from(group: &Group) -> GroupView {
        let Opinion { word, reason, rule } = &group.would;
        GroupView {
            tool: group.name.clone(),
            was: group.was.as_str(),
            would: word.as_str(),
            reason: reason.map(policy::Reason::as_str),
            rule: Some(rule.to_string()).filter(|rule| !rule.is_empty()),
            sure: group.doubt.is_none(),
            doubt: group.doubt.map(Doubt::as_str),
            calls: group.calls,
            ids: group.ids.clone(),
            first_at: rfc3339(group.first_at),
            last_at: rfc3339(group.last_at),
        }
    }
}

impl ReplayView {
    /// What a replay of the calls from `since` on found.
    pub fn new(since: UnixMillis, found: &Replayed) -> ReplayView {
        let report: &Report = &found.report;
        ReplayView {
            since: rfc3339(since),
            rows: found.rows,
            calls: report.calls,
            same: report.same,
            changed: report.changed,
            unsure_values: report.unsure_values,
            unsure_counters: report.unsure_counters,
            unknown_tools: report.unknown_tools,
            unreadable: report.unreadable,
            skipped: report.skipped,
            ungrouped: report.ungrouped,
            counters_known: found.from_the_start,
            stopped: found
                .stopped
                .map(|(at, why)| StoppedView { at: rfc3339(at), because: because(why) }),
            groups: report.groups().into_iter().map(GroupView::from).collect(),
        }
    }
}

/// Why a replay ended early, in words.
pub fn because(why: Stopped) -> String {
    match why {
        Stopped::Rows => format!("{REPLAY_ROWS_MAX} rows were walked"),
        Stopped::Time => {
            "the time for an answer was over; `portcullis policy replay` has no such bound"
                .to_owned()
        }
    }
}

pub(super) async fn run(
    State(console): State<Console>,
    actor: Actor,
    Path(name): Path<String>,
    Body(input): Body<ReplayInput>,
) -> Result<Json<ReplayView>, Refusal> {
    let name = name_of(&name)?;
    let record = policies::get(&console, &actor, &name, None).await?;
    let week = || UnixMillis((console.clock)().0.saturating_sub(REPLAY_BACK_MS_DEFAULT));
    let since = input.since.as_deref().map(|t| instant("since", t)).transpose()?;
    let since = since.unwrap_or_else(week);
    let calls = Calls {
        policy: Some(name),
        grant: input.grant,
        server: input.server.as_deref().map(slug_of).transpose()?,
        since,
        until: input.until.as_deref().map(|t| instant("until", t)).transpose()?,
    };
    let ask = (input.text.unwrap_or(record.text), calls, Patience::Seconds);
    let found = replay::replay(&console, &actor, ask, |_progress| {}).await?;
    Ok(Json(ReplayView::new(since, &found)))
}
