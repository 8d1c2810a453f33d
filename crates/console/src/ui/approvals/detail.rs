//! One held call with all that a decision needs: who asks, for what exactly, which rule holds it, how
//! it differs from what was approved before, and what its grant did lately.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use policy::{ApprovalId, ApprovalRecord, UnixMillis};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::{AuditEntry, Footing};

use super::super::look::{Badge, When, filters, grouped, is_unseen};
use super::super::page::{Frame, Place, Trouble, answer as answered, encoded};
use super::super::visitor::Visitor;
use super::{Left, id_of, risk, state};
use crate::Console;
use crate::ops::{Permission, approvals};
use crate::ui::address::{Path, Query};

/// Characters of the exact arguments that are shown before somebody opens the rest.
const SHOWN_CHARS_MAX: usize = 4_000;
/// Characters of one value in the form.
const VALUE_CHARS_MAX: usize = 400;
/// Values in the form.
const VALUES_MAX: usize = 100;
/// Calls of the grant that are shown.
const BEFORE_ROWS: usize = 8;
/// Arguments that are compared, at most; how many more differ is said.
const CHANGES_MAX: usize = 100;
/// Characters before the first difference of two values that are shown with it.
const LEAD_CHARS: usize = 40;

/// What a page is asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Asked {
    /// `yes`: with everything that is long.
    #[serde(default)]
    pub(super) whole: Option<String>,
}

/// The page again, with why it is not what was asked for.
#[derive(Debug)]
pub(super) struct Again {
    pub(super) status: StatusCode,
    pub(super) why: String,
}

#[derive(Debug, Template)]
#[template(path = "approval.html")]
struct Held {
    frame: Frame,
    again: Option<String>,
    record: ApprovalRecord,
    footing: Footing,
    grant: String,
    state: Badge,
    risk: Badge,
    class: Option<Badge>,
    why_risk: &'static str,
    since: When,
    left: Left,
    decided: Option<When>,
    is_open: bool,
    /// Whether the visitor may decide it, as far as their role goes.
    may: bool,
    values: Vec<Field>,
    values_left_out: usize,
    exact: String,
    /// Characters of the exact arguments that are not on the page.
    hidden_chars: String,
    is_whole: bool,
    unseen: usize,
    asked_as: Option<AuditEntry>,
    before: Vec<Before>,
    differs: Option<Differs>,
    neighbours: (Option<ApprovalId>, Option<ApprovalId>),
}

/// One argument in the form.
#[derive(Debug)]
struct Field {
    name: String,
    kind: &'static str,
    value: String,
    /// Characters of the value that are not shown in the form.
    cut: usize,
}

/// One call that the grant made.
#[derive(Debug)]
struct Before {
    seq: i64,
    badge: Badge,
    what: String,
    when: When,
    rule: Option<String>,
}

/// How the call differs from the last approved one of this tool.
#[derive(Debug)]
struct Differs {
    id: String,
    when: When,
    lines: Vec<Changed>,
    /// Arguments that differ and are not compared here.
    left_out: usize,
}

/// One argument that is not the same.
#[derive(Debug, PartialEq, Eq)]
struct Changed {
    name: String,
    before: Option<Piece>,
    now: Option<Piece>,
}

/// A part of a value, and how many characters stand before and behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    skipped: usize,
    text: String,
    cut: usize,
}

impl Held {
    /// The calls of this grant to this tool.
    fn alike(&self) -> String {
        let (grant, tool) = (encoded(&self.grant), encoded(&self.record.name));
        format!("/activity?grant={grant}&tool={tool}")
    }

    /// All calls of this grant.
    fn all(&self) -> String {
        format!("/activity?grant={}", encoded(&self.grant))
    }
}

/// The page of one call.
pub(crate) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let id = id_of(&id)?;
    answer(&console, &visitor, (&id, asked.whole.as_deref() == Some("yes")), None).await
}

/// The page, with why it comes again.
pub(super) async fn answer(
    console: &Console,
    visitor: &Visitor,
    (id, whole): (&ApprovalId, bool),
    again: Option<Again>,
) -> Result<Response, Trouble> {
    // What it stands on comes first: should that change in between, the tag is the older one, and a
    // decision on this page is refused.
    let footing = approvals::footing(console, &visitor.actor, id).await?;
    let record = approvals::get(console, &visitor.actor, id).await?;
    let now = (console.clock)();
    let title = format!("{} waits", record.name);
    let frame = Frame::of(console, visitor, Place::Approvals, &title).await?;
    let (status, why) =
        again.map_or((StatusCode::OK, None), |again| (again.status, Some(again.why)));
    let grant = footing.grant.clone().unwrap_or_else(|| record.grant.clone());
    // This very call may stand there more than once.
    let looked = BEFORE_ROWS.saturating_mul(4);
    let done = approvals::done_lately(console, &visitor.actor, &record.grant, looked).await?;
    let (values, values_left_out) = fields(&record.arguments);
    let length = record.arguments.chars().count();
    let is_whole = whole || length <= SHOWN_CHARS_MAX;
    let kept = if is_whole { length } else { SHOWN_CHARS_MAX };
    let is_open = record.is_pending(now);
    let page = Held {
        may: frame.may(Permission::Decide),
        again: why,
        state: state(record.state, record.expires_at, now),
        risk: risk(footing.risk),
        class: footing.class.map(|class| Badge::class(class.as_str())),
        why_risk: approvals::why_risk(footing.class),
        since: When::new(record.created_at, now),
        left: Left::of(record.expires_at, now),
        decided: record.decided_at.map(|at| When::new(at, now)),
        values,
        values_left_out,
        exact: record.arguments.chars().take(kept).collect(),
        hidden_chars: grouped(u64::try_from(length.saturating_sub(kept)).unwrap_or(u64::MAX)),
        is_whole,
        unseen: unseen(&record),
        asked_as: approvals::asked_as(console, &visitor.actor, &record).await?,
        before: before(&done, &record, now),
        differs: differs(console, visitor, &record, now).await?,
        neighbours: approvals::beside(console, &visitor.actor, id).await?,
        is_open,
        grant,
        footing,
        record,
        frame,
    };
    Ok(answered(status, &page))
}

/// What the grant did, apart from this very call.
fn before(calls: &[AuditEntry], record: &ApprovalRecord, now: UnixMillis) -> Vec<Before> {
    let others = calls.iter().filter(|call| {
        call.verdict != "hold" || call.approval_id.as_deref() != Some(record.id.as_str())
    });
    others
        .take(BEFORE_ROWS)
        .map(|call| Before {
            seq: call.seq,
            badge: Badge::verdict(&call.verdict, call.reason.as_deref()),
            what: super::line(call.tool.as_deref().or(call.method.as_deref()).unwrap_or_default()),
            when: When::new(call.time, now),
            rule: call.rule.clone(),
        })
        .collect()
}

/// The last request of this grant for this tool that somebody approved, beside this one.
async fn differs(
    console: &Console,
    visitor: &Visitor,
    record: &ApprovalRecord,
    now: UnixMillis,
) -> Result<Option<Differs>, Trouble> {
    let last = approvals::approved_before(console, &visitor.actor, record).await?;
    Ok(last.map(|last| {
        let (lines, left_out) = changes(&last.arguments, &record.arguments);
        Differs {
            id: last.id.to_string(),
            when: When::new(last.decided_at.unwrap_or(last.created_at), now),
            lines,
            left_out,
        }
    }))
}

/// The members of an object, with their JSON as it stands.
fn members(arguments: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(arguments).unwrap_or_default()
}

/// The arguments that are not the same, and how many more there are.
fn changes(before: &str, now: &str) -> (Vec<Changed>, usize) {
    let (before, now) = (members(before), members(now));
    let names: std::collections::BTreeSet<&String> = before.keys().chain(now.keys()).collect();
    let value = |all: &BTreeMap<String, Box<RawValue>>, name: &str| {
        all.get(name).map(|value| value.get().to_owned())
    };
    let mut changed = names.into_iter().filter_map(|name| {
        let (before, now) = (value(&before, name), value(&now, name));
        (before != now).then_some((name, before, now))
    });
    let shown = changed.by_ref().take(CHANGES_MAX);
    let lines = shown
        .map(|(name, before, now)| {
            let same = match (&before, &now) {
                (Some(before), Some(now)) => same_chars(before, now),
                (Some(_) | None, _) => 0,
            };
            let skipped = same.saturating_sub(LEAD_CHARS);
            let piece = |text: String| piece(&text, skipped);
            Changed { name: name.clone(), before: before.map(piece), now: now.map(piece) }
        })
        .collect();
    (lines, changed.count())
}

/// How many characters two texts begin with alike.
fn same_chars(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// A value from where it begins to differ.
fn piece(text: &str, skipped: usize) -> Piece {
    let rest: String = text.chars().skip(skipped).collect();
    let (text, cut) = cut(&rest);
    Piece { skipped, text, cut }
}

/// A value within what the form shows, and how much of it is not shown.
fn cut(text: &str) -> (String, usize) {
    let length = text.chars().count();
    (text.chars().take(VALUE_CHARS_MAX).collect(), length.saturating_sub(VALUE_CHARS_MAX))
}

/// The arguments as a form, and how many are left out of it.
fn fields(arguments: &str) -> (Vec<Field>, usize) {
    let all = members(arguments);
    let left_out = all.len().saturating_sub(VALUES_MAX);
    let fields = all.into_iter().take(VALUES_MAX).map(|(name, raw)| {
        let (kind, text) = match serde_json::from_str::<Value>(raw.get()) {
            Ok(Value::String(text)) => ("text", text),
            Ok(Value::Number(_)) => ("number", raw.get().to_owned()),
            Ok(Value::Bool(_)) => ("yes or no", raw.get().to_owned()),
            Ok(Value::Null) => ("nothing", raw.get().to_owned()),
            Ok(Value::Array(_)) => ("list", raw.get().to_owned()),
            Ok(Value::Object(_)) | Err(_) => ("object", raw.get().to_owned()),
        };
        let (value, cut) = cut(&text);
        Field { name, kind, value, cut }
    });
    (fields.collect(), left_out)
}

/// Characters of the call that cannot be seen: in its name, and in its arguments however they are
/// written.
fn unseen(record: &ApprovalRecord) -> usize {
    fn in_value(value: &Value) -> usize {
        match value {
            Value::String(text) => in_text(text),
            Value::Array(all) => all.iter().map(in_value).sum(),
            Value::Object(all) => all.iter().map(|(name, one)| in_text(name) + in_value(one)).sum(),
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
    }
    fn in_text(text: &str) -> usize {
        text.chars().filter(|c| !matches!(c, '\n' | '\t') && is_unseen(*c)).count()
    }
    let arguments = serde_json::from_str(&record.arguments).unwrap_or(Value::Null);
    in_text(&record.name) + in_value(&arguments)
}

#[cfg(test)]
mod tests;
