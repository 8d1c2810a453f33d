//! One call: the way it took, what was judged about it, what was asked, and what came back.
//!
//! What never lives here: lists of calls (`activity`).

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use policy::{ApprovalRecord, ApprovalState, UnixMillis};
use serde::Deserialize;
use serde_json::Value;
use store::AuditEntry;

use super::look::{self, Badge, When, filters, grouped, rfc3339, span};
use super::page::{Frame, Place, Trouble, encoded, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::wanted::{self, Wanted};
use crate::ops::{approvals, audit};
use crate::ui::address::Path;

/// One line of the trace: a rule, and what it said of the call.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Said {
    rule: String,
    result: String,
}

impl Said {
    /// What a rule said of a call that is only tried: nothing is charged.
    pub(super) fn tried(rule: &str, said: &str) -> Self {
        let result = if said == "charges" { "would_charge" } else { said };
        Self { rule: rule.to_owned(), result: result.to_owned() }
    }

    /// A limit is charged last and with all others, so what a trace says of it is only what it would take: a call that was
    /// not allowed charged nothing, and one of its limits may be what had no room.
    fn settled(mut self, entry: &AuditEntry) -> Self {
        if self.result == "charges" && entry.verdict != "allow" {
            let full = entry.reason.as_deref() == Some("limit_exceeded")
                && entry.rule.as_deref() == Some(self.rule.as_str());
            self.result = String::from(if full { "no_room" } else { "would_charge" });
        }
        self
    }

    /// What it said, in words.
    pub(super) fn words(&self) -> &str {
        match self.result.as_str() {
            "no_room" => "has no room: denied",
            "would_charge" => "would charge its limit",
            "matched" => "matches the call",
            "hides" => "hides it",
            "odd_uri" => "the URI can be read in more than one way: denied",
            "not_listed" => "no entry lists it: denied",
            "default_allows" => "no entry lists it: allowed by default",
            "denies" => "denies it",
            "asks" => "asks a person",
            "passed" => "is met",
            "failed" => "is not met: denied",
            "failed_waivable" => "is not met: a person may waive it",
            "undefined" => "has no answer for these arguments: denied",
            "charges" => "charges its limit",
            "bad_amount" => "has no usable amount: denied",
            "no_policy" => "no policy: nothing is allowed",
            other => other,
        }
    }

    pub(super) fn badge(&self) -> Badge {
        match self.result.as_str() {
            "matched" | "passed" | "default_allows" => Badge::state("ok", "Passes"),
            "charges" => Badge::state("ok", "Charged"),
            "would_charge" => Badge::state("", "Not charged"),
            "asks" | "failed_waivable" => Badge::state("hold", "Asks"),
            _ => Badge::state("bad", "Denies"),
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "call.html")]
struct Call {
    frame: Frame,
    entry: AuditEntry,
    badge: Badge,
    would: Option<Badge>,
    when: When,
    at: String,
    trace: Vec<(Said, Vec<Wanted>)>,
    arguments: Option<String>,
    kept: &'static str,
    way: Vec<Step>,
}

/// A stop on the way of a call.
#[derive(Debug)]
struct Step {
    word: &'static str,
    text: String,
    kind: &'static str,
}

impl Call {
    /// The filter of Activity that shows a part of this call's surroundings.
    fn alike(name: &str, value: &str) -> String {
        format!("/activity?{name}={}", encoded(value))
    }
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(seq): Path<i64>,
) -> Result<Response, Trouble> {
    let entry = audit::one(&console, &visitor.actor, seq).await?;
    let wait = match entry.approval_id.as_deref().map(str::parse) {
        Some(Ok(id)) => approvals::get(&console, &visitor.actor, &id).await.ok(),
        Some(Err(_)) | None => None,
    };
    let now = (console.clock)();
    let frame = Frame::of(&console, &visitor, Place::Activity, "Call").await?;
    let trace = entry.trace_json.as_deref().map(serde_json::from_str).transpose();
    // A trace is written by us: one that cannot be read is shown as none, and the row says the verdict all the same.
    let said: Vec<Said> = trace.ok().flatten().unwrap_or_default();
    let rules: Vec<String> = said.iter().map(|said| said.rule.clone()).collect();
    let mut wanted = wanted::of(&console, &visitor.actor, &entry, &rules).await?;
    wanted.resize_with(said.len(), Vec::new);
    let said = said.into_iter().map(|said| said.settled(&entry));
    let trace = said.zip(wanted).collect();
    let pretty = |text: &String| {
        serde_json::from_str::<Value>(text)
            .ok()
            .and_then(|value| serde_json::to_string_pretty(&value).ok())
            .unwrap_or_else(|| text.clone())
    };
    Ok(shown(&Call {
        badge: Badge::verdict(&entry.verdict, entry.reason.as_deref()),
        would: entry.would.as_ref().map(|would| Badge::would(&would.verdict)),
        when: When::new(entry.time, now),
        at: rfc3339(entry.time),
        trace,
        arguments: entry.arguments_json.as_ref().map(pretty),
        kept: kept(entry.arguments_json.as_deref()),
        way: way(&entry, wait.as_ref()),
        frame,
        entry,
    }))
}

/// What the log kept of the arguments, in words.
fn kept(arguments: Option<&str>) -> &'static str {
    match arguments {
        None => "The arguments of this call were not kept.",
        Some(text) if text.contains("[redacted]") => {
            "Values that the redaction names were replaced before they were written down."
        }
        Some(_) => "As it was written down.",
    }
}

/// How long a call waited for a person, and what came of it.
fn waited(wait: &ApprovalRecord) -> Step {
    let (who, until) = (wait.decided_by.as_deref().unwrap_or("somebody"), wait.decided_at);
    let time = |end: UnixMillis| span(end.0.saturating_sub(wait.created_at.0).max(0) / 1_000);
    let (text, kind) = match (wait.state, until) {
        (ApprovalState::Approved | ApprovalState::Used, Some(at)) => {
            (format!("approved by {who} after {}", time(at)), "ok")
        }
        (ApprovalState::Rejected, Some(at)) => {
            (format!("rejected by {who} after {}", time(at)), "bad")
        }
        (_, _) => (format!("for a person, until {} at most", rfc3339(wait.expires_at)), "hold"),
    };
    Step { word: "Waited", text, kind }
}

/// The stops of a call's way that the log knows, and the wait for a person that it names.
fn way(entry: &AuditEntry, wait: Option<&ApprovalRecord>) -> Vec<Step> {
    let mut way = vec![Step { word: "Received", text: rfc3339(entry.time), kind: "ok" }];
    let (text, kind) = match (entry.verdict.as_str(), &entry.reason) {
        ("allow", _) => ("allowed".to_owned(), "ok"),
        ("hold", _) => ("held for a person".to_owned(), "hold"),
        (_, Some(reason)) => (format!("denied: {}", look::reason(reason)), "bad"),
        (_, None) => ("refused unread".to_owned(), "bad"),
    };
    way.push(Step { word: "Judged", text, kind });
    way.extend(wait.map(waited));
    if let Some(outcome) = &entry.outcome {
        let status =
            entry.upstream_status.map_or_else(String::new, |code| format!(", HTTP {code}"));
        let kind = match outcome.as_str() {
            "ok" => "ok",
            "is_error" | "unknown" => "warn",
            _ => "bad",
        };
        way.push(Step { word: "Server", text: format!("{}{status}", ended(outcome)), kind });
    }
    if let Some(latency) = entry.latency_ms {
        let bytes = entry
            .answer_bytes
            .map_or_else(String::new, |bytes| format!(", {} bytes", grouped(bytes)));
        way.push(Step { word: "Answered", text: format!("after {latency} ms{bytes}"), kind: "ok" });
    }
    way
}

/// How a call ended, in words.
fn ended(outcome: &str) -> &str {
    match outcome {
        "ok" => "answered",
        "is_error" => "answered that the tool failed",
        "error" => "answered with an error",
        "not_sent" => "was not reached; nothing was sent",
        "timeout" => "did not answer in time",
        "broken" => "broke off",
        "cancelled" => "was told that the agent no longer waits",
        "abandoned" => "answered nobody: the agent had gone",
        "unknown" => "has not answered yet, or nobody saw it",
        other => other,
    }
}

#[cfg(test)]
mod tests;
