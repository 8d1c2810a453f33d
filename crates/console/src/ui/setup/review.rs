//! The second step: the server's tools with their classes, and the policy that is recommended for them.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use store::{PinLine, PinRecord, PinState, PolicyMode, PolicyName, ServerSlug, WriteError};

use crate::Console;
use crate::ops::policies::Draft;
use crate::ops::{OpError, Permission, policies, recommend, servers};
use crate::ui::form::Posted;
use crate::ui::look::{Badge, filters};
use crate::ui::page::{Frame, Place, Trouble, answer, encoded, see_other};
use crate::ui::servers::{RiskCount, by_risk, reached, risk_badge};
use crate::ui::visitor::Visitor;

/// Tools that are shown, at most; the policy is for all of them.
const SHOWN_TOOLS: usize = 200;
/// Names that are tried for the policy, at most.
const NAMES_MAX: u32 = 50;

/// A tool, and what is recommended for it.
#[derive(Debug)]
struct Tool {
    name: String,
    class: Badge,
    risk: Badge,
    effect: &'static str,
}

/// What a test of the connection said.
#[derive(Debug)]
struct Tested {
    kind: &'static str,
    text: String,
}

#[derive(Debug, Template)]
#[template(path = "setup_review.html")]
struct Review {
    frame: Frame,
    slug: String,
    reached: String,
    tested: Option<Tested>,
    tools: Vec<Tool>,
    all: usize,
    unknown: usize,
    risks: Vec<RiskCount>,
    /// What the form sends back, so that nothing is accepted that was not shown.
    seen: String,
    policy: String,
}

fn slug_of(text: &str) -> Result<ServerSlug, OpError> {
    ServerSlug::parse(text).map_err(OpError::from)
}

/// The page.
pub(in crate::ui) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(slug): Path<String>,
) -> Result<Response, Trouble> {
    page(&console, &visitor, (&slug_of(&slug)?, None), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    (slug, tested): (&ServerSlug, Option<Tested>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let record = servers::get(console, &visitor.actor, slug).await?;
    let pins = servers::tools(console, &visitor.actor, slug).await?;
    let lines = servers::lines(console, &visitor.actor, Some(slug)).await?;
    let mut riskiest: Vec<&PinLine> = lines.iter().collect();
    riskiest.sort_by(|a, b| b.risk.cmp(&a.risk).then_with(|| a.tool.cmp(&b.tool)));
    let tools = riskiest.into_iter().take(SHOWN_TOOLS).map(|pin| Tool {
        name: pin.tool.clone(),
        class: Badge::class(pin.class.map_or("unknown", policy::Class::as_str)),
        risk: risk_badge(pin.risk),
        effect: recommend::for_tool(&pin.tool, pin.class).effect,
    });
    let page = Review {
        tools: tools.collect(),
        frame: Frame::of(console, visitor, Place::Servers, "Tools and policy").await?,
        slug: slug.to_string(),
        reached: reached(&record),
        tested,
        all: pins.len(),
        unknown: lines.iter().filter(|line| line.class.is_none()).count(),
        risks: by_risk(&lines),
        seen: mark(&pins),
        policy: text(&lines),
    };
    Ok(answer(status, &page))
}

/// The recommended policy of these tools.
fn text(lines: &[PinLine]) -> String {
    recommend::document(lines.iter().map(|line| (line.tool.as_str(), line.class)))
}

/// Changes whenever a tool or a definition does.
fn mark(pins: &[PinRecord]) -> String {
    let mut hash = Sha256::new();
    for pin in pins {
        for part in [pin.tool.as_str(), pin.digest.as_str()] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect::<Vec<String>>().concat()
}

/// Nothing but the secret of the session.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct Nothing {}

/// Looks at the live server now.
pub(in crate::ui) async fn test(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let slug = slug_of(&slug)?;
    let found = servers::inspect(&console, &posted.visitor.actor, &slug).await?;
    let tested = if found.reachable {
        Tested { kind: "ok", text: format!("It answers, and lists {} tools.", found.tools) }
    } else {
        let why = found.problem.unwrap_or_else(|| "it does not answer".to_owned());
        Tested { kind: "bad", text: format!("No connection: {why}") }
    };
    page(&console, &posted.visitor, (&slug, Some(tested)), StatusCode::OK).await
}

/// What the second step says.
#[derive(Debug, Deserialize)]
pub(in crate::ui) struct ReviewForm {
    seen: String,
    /// `enforce` or `observe`.
    mode: String,
}

/// Accepts the tools as they were shown, saves their policy, and goes on to the grant.
pub(in crate::ui) async fn save(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: Posted<ReviewForm>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = slug_of(&slug)?;
    let pins = servers::tools(&console, &visitor.actor, &slug).await?;
    let changed = || Tested {
        kind: "bad",
        text: "Nothing was saved: the tools changed after the page was made. They are shown anew."
            .to_owned(),
    };
    if mark(&pins) != form.seen {
        return page(&console, &visitor, (&slug, Some(changed())), StatusCode::CONFLICT).await;
    }
    let waiting = pins.iter().filter(|pin| pin.state == PinState::Quarantined);
    let waiting: Vec<(String, String)> =
        waiting.map(|pin| (pin.tool.clone(), pin.digest.clone())).collect();
    if !waiting.is_empty() {
        match servers::accept_many(&console, &visitor.actor, &slug, waiting).await {
            Ok(()) => {}
            Err(OpError::Write(WriteError::Changed { .. })) => {
                return page(&console, &visitor, (&slug, Some(changed())), StatusCode::CONFLICT)
                    .await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let mode = if form.mode == "observe" { PolicyMode::Observe } else { PolicyMode::Enforce };
    let lines = servers::lines(&console, &visitor.actor, Some(&slug)).await?;
    let name = save_policy(&console, &visitor, &slug, (&text(&lines), mode)).await?;
    let (slug, name) = (encoded(slug.as_str()), encoded(name.as_str()));
    Ok(see_other(&format!("/grants/new?server={slug}&policy={name}&expires=30&setup=1")))
}

/// Saves the policy under the first name that is free.
async fn save_policy(
    console: &Console,
    visitor: &Visitor,
    slug: &ServerSlug,
    (text, mode): (&str, PolicyMode),
) -> Result<PolicyName, OpError> {
    let taken = policies::list(console, &visitor.actor).await?;
    for number in 1..=NAMES_MAX {
        let name = match number {
            1 => PolicyName::parse(&format!("{slug}-recommended"))?,
            number => PolicyName::parse(&format!("{slug}-recommended-{number}"))?,
        };
        let known = taken.iter().find(|policy| policy.name == name);
        // Somebody who comes back to this step finds what they saved.
        if known.is_some_and(|policy| policy.text == text && policy.mode == mode) {
            return Ok(name);
        }
        if known.is_none() {
            let draft = Draft {
                name: name.clone(),
                server: Some(slug.clone()),
                text,
                mode,
                note: Some("recommended in the set-up".to_owned()),
            };
            policies::save(console, &visitor.actor, draft, None).await?;
            return Ok(name);
        }
    }
    Err(OpError::Conflict(format!("{NAMES_MAX} recommended policies of {slug} are there already")))
}
