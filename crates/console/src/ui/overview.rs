//! Overview: what the gateway did in the last 24 hours, and what needs somebody.
//!
//! What never lives here: counting (`ops::overview`).

use std::fmt::Write as _;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::State;
use axum::response::Response;
use store::{AuditCounts, AuditFilter, AuditOrder};

use super::activity::{Asked, Line, Lines};
use super::look::{When, filters, grouped, rfc3339};
use super::page::{Frame, Place, Trouble, encoded, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::health::Check;
use crate::ops::overview::{Attention, NAMED_MAX, Numbers, attention, numbers};
use crate::ops::{Permission, audit};

/// Calls of the live strip.
const ROWS: usize = 10;
/// The height of a column of a sparkline, in its own units.
const SPARK_HEIGHT: u64 = 32;

/// A column for each hour.
#[derive(Debug)]
struct Spark(Vec<u64>);

impl HtmlSafe for Spark {}

impl std::fmt::Display for Spark {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let most = self.0.iter().copied().max().unwrap_or_default().max(1);
        for (hour, count) in self.0.iter().enumerate() {
            // What is not nothing is seen: one unit at least.
            let height = count.saturating_mul(SPARK_HEIGHT).div_ceil(most).min(SPARK_HEIGHT);
            let (x, y) = (hour * 6, SPARK_HEIGHT - height);
            write!(out, "<rect x=\"{x}\" y=\"{y}\" width=\"4\" height=\"{height}\"/>")?;
        }
        Ok(())
    }
}

/// One of the four numbers.
#[derive(Debug)]
struct Tile {
    word: &'static str,
    kind: &'static str,
    address: String,
    count: String,
    hours: String,
    spark: Spark,
}

fn tiles(numbers: &Numbers) -> Vec<Tile> {
    type Pick = fn(&AuditCounts) -> u64;
    const ALL: [(&str, &str, &str, Pick); 4] = [
        ("Allowed", "allow", "allow", |counts| counts.allowed),
        ("Denied", "deny", "deny", |counts| counts.denied),
        ("Limited", "limit", "limited", |counts| counts.limited),
        ("Held", "hold", "hold", |counts| counts.held),
    ];
    let tile = |(word, kind, verdict, pick): (_, _, _, Pick)| {
        let address = behind(numbers, verdict);
        let spark: Vec<u64> = numbers.hours.iter().map(pick).collect();
        let mut hours = String::new();
        for count in &spark {
            let _infallible = write!(hours, "{count} ");
        }
        let count = grouped(pick(&numbers.all()));
        Tile { word, kind, address, count, hours, spark: Spark(spark) }
    };
    ALL.into_iter().map(tile).collect()
}

/// The calls behind a number: of exactly the time that was counted.
fn behind(numbers: &Numbers, verdict: &str) -> String {
    format!("/activity?verdict={verdict}&since={}", encoded(&rfc3339(numbers.since)))
}

/// Messages that were refused before any policy was asked: how many, and where they are.
fn refused(numbers: &Numbers) -> Option<(String, String)> {
    let count = numbers.all().refused;
    (count > 0).then(|| (grouped(count), behind(numbers, "refused")))
}

/// A thing that needs somebody.
#[derive(Debug)]
struct Need {
    kind: &'static str,
    address: String,
    text: String,
    when: Option<When>,
}

#[derive(Debug, Template)]
#[template(path = "overview.html")]
struct Overview {
    frame: Frame,
    tiles: Vec<Tile>,
    refused: Option<(String, String)>,
    complete: bool,
    needs: Vec<Need>,
    further: usize,
    lines: Lines,
    events: String,
    has_server: bool,
    has_grant: bool,
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let now = (console.clock)();
    let numbers = numbers(&console, &visitor.actor).await?;
    let attention = attention(&console, &visitor.actor).await?;
    let end = audit::end(&console, &visitor.actor).await?;
    let reading = (AuditOrder::NewestFirst, None, ROWS);
    let found = audit::page(&console, &visitor.actor, AuditFilter::default(), reading).await?;
    let failing: Vec<_> =
        (console.checks)().into_iter().filter(|check| check.problem.is_some()).collect();
    let (needs, further) = needs(&attention, &failing, now);
    Ok(shown(&Overview {
        frame: Frame::of(&console, &visitor, Place::Overview, "Overview").await?,
        tiles: tiles(&numbers),
        refused: refused(&numbers),
        events: Asked::default().live(end),
        complete: numbers.is_complete,
        needs,
        further,
        lines: Lines { lines: found.entries.iter().map(|entry| Line::of(entry, now)).collect() },
        has_server: attention.has_server,
        has_grant: attention.has_grant,
    }))
}

/// The needs that are named, most urgent first, and how many are not.
fn needs(attention: &Attention, failing: &[Check], now: policy::UnixMillis) -> (Vec<Need>, usize) {
    let mut needs = Vec::new();
    if attention.holds > 0 {
        let word = if attention.holds == 1 { "call waits" } else { "calls wait" };
        let text = format!("{} {word} for a person", attention.holds);
        needs.push(Need { kind: "hold", address: "/approvals".to_owned(), text, when: None });
    }
    let checks = failing.iter().take(NAMED_MAX).map(|check| Need {
        kind: "bad",
        address: "/health".to_owned(),
        text: format!("{}: {}", check.name, check.problem.as_deref().unwrap_or_default()),
        when: None,
    });
    needs.extend(checks);
    let quarantined = attention.quarantined.iter().take(NAMED_MAX).map(|(server, count)| {
        let word = if *count == 1 { "tool is" } else { "tools are" };
        let text = format!("{count} {word} new or changed on {server}, and kept out");
        let address = format!("/servers/{}/changes", encoded(server.as_str()));
        Need { kind: "warn", address, text, when: None }
    });
    needs.extend(quarantined);
    let expiring = attention.expiring.iter().take(NAMED_MAX).map(|(label, id, end)| Need {
        kind: "warn",
        address: format!("/grants/{}", encoded(id)),
        text: format!("The grant {label} ends"),
        when: Some(When::new(*end, now)),
    });
    needs.extend(expiring);
    let without = attention.without_policy.iter().take(NAMED_MAX).map(|(label, id)| Need {
        kind: "bad",
        address: format!("/grants/{}", encoded(id)),
        text: format!("The grant {label} has no policy: each of its calls is denied"),
        when: None,
    });
    needs.extend(without);
    let warned = attention.warned.iter().take(NAMED_MAX).map(|(name, count)| {
        let word = if *count == 1 { "warning" } else { "warnings" };
        let text = format!("The policy {name} has {count} {word}");
        let address = format!("/policies/{}", encoded(name));
        Need { kind: "warn", address, text, when: None }
    });
    needs.extend(warned);
    let kinds = [
        failing.len(),
        attention.quarantined.len(),
        attention.expiring.len(),
        attention.without_policy.len(),
        attention.warned.len(),
    ];
    (needs, kinds.into_iter().map(|count| count.saturating_sub(NAMED_MAX)).sum())
}

#[cfg(test)]
mod tests;
