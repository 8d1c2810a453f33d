//! Health: what is looked at for readiness, the chain of the audit, versions.
//!
//! What never lives here: what is healthy.

use askama::Template;
use axum::extract::State;
use axum::response::Response;

use super::form::Posted;
use super::look::{Badge, When, filters, grouped};
use super::page::{self, Frame, Place, Trouble};
use super::sign_in::{Nothing, refused};
use super::visitor::{Visitor, see_other};
use crate::Console;
use crate::health::Required;
use crate::ops::chain::{self, Chain};

const HERE: &str = "/health";

#[derive(Debug)]
struct Line {
    name: String,
    state: Badge,
    problem: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "health.html")]
struct Page {
    frame: Frame,
    ready: Badge,
    lines: Vec<Line>,
    chain: Badge,
    chain_text: String,
    walked: Option<When>,
    walking: bool,
    version: &'static str,
}

/// `GET /health`.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
) -> Result<Response, Trouble> {
    let checks = (console.checks)();
    let failing = checks.iter().any(|c| c.required == Required::Yes && c.problem.is_some());
    let lines = checks.into_iter().map(|check| Line {
        state: match (&check.problem, check.required) {
            (None, _) => Badge::state("ok", "Good"),
            (Some(_), Required::No) => Badge::state("warn", "Shows"),
            (Some(_), Required::Yes) => Badge::state("bad", "Failing"),
        },
        name: check.name,
        problem: check.problem,
    });
    let known = chain::last(&console, &visitor.actor)?;
    let now = (console.clock)();
    let (chain, chain_text, at) = told(&known);
    let page = Page {
        frame: Frame::of(&console, &visitor, Place::Health, "Health").await?,
        ready: if failing { Badge::state("bad", "Not ready") } else { Badge::state("ok", "Ready") },
        lines: lines.collect(),
        chain,
        chain_text,
        walked: at.map(|at| When::new(at, now)),
        walking: matches!(known, Chain::Walking { .. }),
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(page::show(&page))
}

/// A badge, a sentence, and when it was found.
pub(super) fn told(chain: &Chain) -> (Badge, String, Option<policy::UnixMillis>) {
    match chain {
        Chain::NotWalked => {
            let text = "Nobody walked it since the start of this process.".to_owned();
            (Badge::state("", "Not walked"), text, None)
        }
        Chain::Walking { rows, rows_total } => {
            let text = format!("{} of {} rows so far.", grouped(*rows), grouped(*rows_total));
            (Badge::state("hold", "Walking"), text, None)
        }
        Chain::Whole { at, report } => {
            let (rows, calls) = (grouped(report.rows), grouped(report.openings));
            let text = format!(
                "{rows} rows of {calls} calls and refusals are as they were written; {} have no \
                 outcome (they run, or were cut off).",
                grouped(report.open)
            );
            (Badge::state("ok", "Whole"), text, Some(*at))
        }
        Chain::Broken { at, why } => (Badge::state("bad", "Broken"), why.clone(), Some(*at)),
    }
}

/// `POST /health/verify`.
pub(super) async fn verify(
    State(console): State<Console>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Response {
    match chain::walk(&console, &visitor.actor) {
        Ok(()) => see_other(HERE),
        Err(error) => refused(error, HERE),
    }
}
