//! Review and save: what a text changes, in effect first; its tests; the last week of calls judged by it; then what it is
//! saved as. The text is the one that the visitor kept while writing, or else the newest version.
//!
//! What never lives here: editing (`builder`), old versions (`history`).

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use policy::{Group, UnixMillis, Word};
use serde::Deserialize;
use store::{PolicyDraft, PolicyMode, PolicyName, PolicyRecord, WriteError};

use super::diff::{Line, between};
use super::form::Posted;
use super::look::{Badge, When, filters, grouped, rfc3339};
use super::page::{Frame, Place, Trouble, answer, encoded, see_other};
use super::visitor::Visitor;
use crate::Console;
use crate::api::replay_stopped_because;
use crate::ops::policies::{self, Draft};
use crate::ops::replay::{Calls, Patience, REPLAY_BACK_MS_DEFAULT, Replayed, replay};
use crate::ops::review::{Fitness, Review, fitness, review};
use crate::ops::{OpError, Permission};
use crate::ui::address::{Path, Query};

/// Calls of a group that are linked, at most.
const LINKED_MAX: usize = 5;

/// What the address says.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// Said once: what was done before.
    told: Option<String>,
    /// `long`: let the replay take its time.
    replay: String,
}

/// What the form says.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Form {
    mode: String,
    #[serde(default)]
    note: String,
    /// The newest version when the page was made; 0: there was none.
    expected: u32,
    /// The mark of the text that the page was about; without it nothing is saved.
    #[serde(default)]
    seen: String,
}

/// The text under review, and what it is to take the place of.
struct Subject {
    name: PolicyName,
    text: String,
    server: Option<store::ServerSlug>,
    /// The version that its author began from.
    base: u32,
    newest: Option<PolicyRecord>,
    unsaved: bool,
}

impl Subject {
    async fn of(console: &Console, visitor: &Visitor, name: &str) -> Result<Self, Trouble> {
        let name = PolicyName::parse(name).map_err(OpError::from)?;
        let actor = &visitor.actor;
        let newest = match policies::get(console, actor, &name, None).await {
            Ok(record) => Some(record),
            Err(OpError::NotFound { .. }) => None,
            Err(other) => return Err(other.into()),
        };
        let draft = if actor.may(Permission::EditPolicies).is_ok() {
            policies::draft(console, actor, &name).await?
        } else {
            None
        };
        match (draft, newest) {
            (Some(PolicyDraft { server, text, base, .. }), newest) => {
                Ok(Self { name, text, server, base, newest, unsaved: true })
            }
            (None, Some(newest)) => Ok(Self {
                name,
                text: newest.text.clone(),
                server: newest.server.clone(),
                base: newest.version,
                newest: Some(newest),
                unsaved: false,
            }),
            (None, None) => {
                Err(OpError::NotFound { what: "policy", name: name.to_string() }.into())
            }
        }
    }

    /// Changes with the text and its server: what was reviewed is what is saved.
    fn mark(&self) -> String {
        let server = self.server.as_ref().map_or("", store::ServerSlug::as_str);
        policy::sha256(format!("{server}\n{}", self.text).as_bytes()).to_string()
    }

    fn newest_version(&self) -> u32 {
        self.newest.as_ref().map_or(0, |newest| newest.version)
    }
}

/// A change of the replay, with links to the calls behind it.
struct Changed {
    tool: String,
    was: Badge,
    would: Badge,
    why: String,
    calls: String,
    doubt: Option<&'static str>,
    /// Activity, filtered to the tool.
    all: String,
    links: Vec<String>,
}

fn changed(group: &Group, since: UnixMillis) -> Changed {
    let reason = group.would.reason.map_or("", policy::Reason::as_str);
    let rule = &group.would.rule;
    let link = |id: &String| format!("/activity?request={}", encoded(id));
    Changed {
        tool: group.name.clone(),
        was: Badge::verdict(group.was.as_str(), None),
        would: Badge::verdict(
            group.would.word.as_str(),
            group.would.reason.map(policy::Reason::as_str),
        ),
        why: match (super::look::reason(reason), rule.is_empty()) {
            ("", _) => rule.to_string(),
            (words, true) => words.to_owned(),
            (words, false) => format!("{words}: {rule}"),
        },
        calls: grouped(group.calls),
        doubt: group.doubt.map(|doubt| match doubt {
            policy::Doubt::Values => "a rule reads a value that was not recorded",
            policy::Doubt::Counters => "what the limits had taken before is not known",
        }),
        all: format!("/activity?tool={}&since={}", encoded(&group.name), encoded(&rfc3339(since))),
        links: group.ids.iter().take(LINKED_MAX).map(link).collect(),
    }
}

/// What a week of calls would have become.
struct Week {
    /// The whole in one sentence.
    headline: String,
    calls: String,
    same: String,
    unsure: String,
    unjudged: String,
    groups: Vec<Changed>,
    /// What could not be judged or is not sure, and why, in lines.
    gaps: Vec<String>,
    stopped: Option<String>,
}

impl Week {
    fn of(found: &Replayed, since: UnixMillis) -> Self {
        let report = &found.report;
        let unsure = report.unsure_values.saturating_add(report.unsure_counters);
        let unjudged = [report.unknown_tools, report.unreadable, report.skipped];
        Self {
            headline: headline(report),
            calls: grouped(report.calls),
            same: grouped(report.same),
            unsure: grouped(unsure),
            unjudged: grouped(unjudged.into_iter().fold(0, u64::saturating_add)),
            gaps: gaps(found),
            groups: report.groups().into_iter().map(|group| changed(group, since)).collect(),
            stopped: found
                .stopped
                .map(|(at, why)| format!("{}: {}", rfc3339(at), replay_stopped_because(why))),
        }
    }
}

/// Why calls are unsure, or not judged at all.
fn gaps(found: &Replayed) -> Vec<String> {
    let report = &found.report;
    let reasons = [
        (report.unsure_values, "unsure: a rule reads a value that the log did not keep"),
        (report.unsure_counters, "unsure: what the limits had taken before is not known"),
        (report.unknown_tools, "not judged: their tools are not pinned any more"),
        (report.unreadable, "not judged: the log kept no readable arguments"),
        (report.skipped, "not judged: refused before any policy was asked"),
        (report.ungrouped, "change or are unsure beyond the groups shown"),
    ];
    let mut gaps: Vec<String> = reasons
        .into_iter()
        .filter(|(calls, _)| *calls > 0)
        .map(|(calls, why)| format!("{} {why}", grouped(calls)))
        .collect();
    if !found.from_the_start && report.calls > 0 {
        gaps.push(
            "The log does not go back to the first call: limits begin as if empty.".to_owned(),
        );
    }
    gaps
}

/// "42 calls would now be denied, 3 tools."
fn headline(report: &policy::Report) -> String {
    let words =
        [(Word::Deny, "denied"), (Word::Hold, "held for a person"), (Word::Allow, "allowed")];
    let parts: Vec<String> = words
        .into_iter()
        .map(|(word, done)| (report.changed_to(word), done))
        .filter(|((calls, _), _)| *calls > 0)
        .map(|((calls, tools), done)| {
            let calls_word = if calls == 1 { "call" } else { "calls" };
            let tools_word = if tools == 1 { "tool" } else { "tools" };
            format!("{} {calls_word} would now be {done}, {tools} {tools_word}", grouped(calls))
        })
        .collect();
    match (parts.is_empty(), report.calls) {
        (true, 0) => "No calls to judge in the last 7 days".to_owned(),
        (true, _) => "No verdict would certainly change".to_owned(),
        (false, _) => parts.join("; "),
    }
}

#[derive(Template)]
#[template(path = "review.html")]
struct Page {
    frame: Frame,
    name: String,
    path: String,
    subject: Subject,
    /// Why the text cannot be saved, in lines; empty: it can.
    wrong: Vec<String>,
    wrong_word: &'static str,
    lints: Vec<policy::Lint>,
    tests: usize,
    review: Review,
    lines: Vec<Line>,
    week: Option<Week>,
    /// Said above: somebody saved a version meanwhile, or the form was not taken.
    notice: Option<String>,
    saved: Option<(String, When)>,
    note: String,
}

impl Page {
    fn may_save(&self) -> bool {
        self.wrong.is_empty() && self.frame.may(Permission::EditPolicies) && !self.by_file()
    }

    fn by_file(&self) -> bool {
        self.subject.newest.as_ref().is_some_and(|newest| newest.managed_by_file)
    }

    fn mode(&self) -> &'static str {
        self.subject.newest.as_ref().map_or("new", |newest| newest.mode.as_str())
    }

    fn class_badge(class: &str) -> Badge {
        Badge::class(class)
    }

    fn risk_badge(risk: &str) -> Badge {
        Badge::risk(risk)
    }
}

fn verdict_of(fitness: Fitness) -> (Vec<String>, &'static str, Vec<policy::Lint>) {
    match fitness {
        Fitness::Fit(lints) => (Vec::new(), "", lints),
        Fitness::Failing(failing) => (failing, "The policy’s own tests fail", Vec::new()),
        Fitness::Wrong(problems) => {
            let lines = problems.iter().map(ToString::to_string).collect();
            (lines, "The text has errors", Vec::new())
        }
        Fitness::Endless => {
            let line = "Its tests take too long to be run here.".to_owned();
            (vec![line], "The policy’s own tests do not end", Vec::new())
        }
    }
}

/// The week's calls, judged by a text that can be compiled.
async fn week(
    console: &Console,
    visitor: &Visitor,
    subject: &Subject,
    patience: Patience,
) -> Result<Option<Week>, Trouble> {
    let since = UnixMillis((console.clock)().0.saturating_sub(REPLAY_BACK_MS_DEFAULT));
    let calls =
        Calls { policy: Some(subject.name.clone()), grant: None, server: None, since, until: None };
    let ask = (subject.text.clone(), calls, patience);
    match replay(console, &visitor.actor, ask, |_progress| {}).await {
        Ok(found) => Ok(Some(Week::of(&found, since))),
        Err(OpError::Policy(_)) => Ok(None),
        Err(other) => Err(other.into()),
    }
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    subject: Subject,
    asked: &Asked,
) -> Result<Page, Trouble> {
    let title = format!("Review {}", subject.name);
    let frame = Frame::of(console, visitor, Place::Policies, &title).await?;
    let server = subject.server.as_ref();
    let fitness = fitness(console, &visitor.actor, &subject.text, server).await?;
    let (wrong, wrong_word, lints) = verdict_of(fitness);
    let about = (&subject.name, subject.text.as_str());
    let review = review(console, &visitor.actor, about, server).await?;
    let in_force = match subject.newest.as_ref().and_then(|newest| newest.in_force) {
        Some(version) => {
            policies::get(console, &visitor.actor, &subject.name, Some(version)).await?.text
        }
        None => String::new(),
    };
    let patience = if asked.replay == "long" { Patience::Seconds } else { Patience::Page };
    let week = week(console, visitor, &subject, patience).await?;
    let now = (console.clock)();
    let notice = (subject.newest_version() != subject.base).then(|| {
        format!(
            "Version {} was saved after you began from version {}. Your text is kept; what you save \
             takes its place, so compare first.",
            subject.newest_version(),
            subject.base
        )
    });
    Ok(Page {
        frame: frame.telling(asked.told.clone()),
        name: subject.name.to_string(),
        path: format!("/policies/{}", encoded(subject.name.as_str())),
        tests: policy::Document::parse(&subject.text).map_or(0, |document| document.tests().len()),
        lines: between(&in_force, &subject.text),
        saved: subject
            .newest
            .as_ref()
            .map(|newest| (newest.actor.to_string(), When::new(newest.saved_at, now))),
        note: String::new(),
        wrong,
        wrong_word,
        lints,
        review,
        week,
        notice,
        subject,
    })
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let subject = Subject::of(&console, &visitor, &name).await?;
    Ok(super::page::show(&page(&console, &visitor, subject, &asked).await?))
}

/// Saves what is under review.
pub(super) async fn save(
    State(console): State<Console>,
    Path(name): Path<String>,
    posted: Posted<Form>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let mode: PolicyMode = form.mode.parse().map_err(OpError::from)?;
    let subject = Subject::of(&console, &visitor, &name).await?;
    if subject.mark() != form.seen {
        let mut page = page(&console, &visitor, subject, &Asked::default()).await?;
        page.note = form.note;
        page.notice = Some(
            "Nothing was saved: your text changed after the review was made. What follows is about \
             the text as it is now."
                .to_owned(),
        );
        return Ok(answer(StatusCode::CONFLICT, &page));
    }
    let note = Some(form.note.trim().to_owned()).filter(|note| !note.is_empty());
    let draft = Draft {
        name: subject.name.clone(),
        server: subject.server.clone(),
        text: &subject.text,
        mode,
        note,
    };
    let saved = policies::save(&console, &visitor.actor, draft, Some(form.expected)).await;
    match saved {
        Ok((version, _checked)) => {
            policies::drop_draft(&console, &visitor.actor, &subject.name).await?;
            let told = format!("Saved as version {version} ({}).", mode.as_str());
            let name = encoded(subject.name.as_str());
            Ok(see_other(&format!("/policies/{name}/history?told={}", encoded(&told))))
        }
        Err(OpError::Write(WriteError::Changed { .. })) => {
            let mut page = page(&console, &visitor, subject, &Asked::default()).await?;
            page.note = form.note;
            page.notice = Some(format!(
                "Nothing was saved: version {} came in between, from {}. Your text is kept. What follows \
                 compares it with what is in force now; save again to put it in its place.",
                page.subject.newest_version(),
                page.saved.as_ref().map_or("somebody", |(who, _)| who.as_str())
            ));
            Ok(answer(StatusCode::CONFLICT, &page))
        }
        Err(OpError::Tests(_) | OpError::Policy(_)) => {
            let mut page = page(&console, &visitor, subject, &Asked::default()).await?;
            page.note = form.note;
            Ok(answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(other) => Err(other.into()),
    }
}

/// Forgets what the visitor wrote and did not save.
pub(super) async fn discard(
    State(console): State<Console>,
    Path(name): Path<String>,
    posted: Posted<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    posted.visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let name = PolicyName::parse(&name).map_err(OpError::from)?;
    policies::drop_draft(&console, &posted.visitor.actor, &name).await?;
    let told = encoded("Your unsaved text was thrown away.");
    let name = encoded(name.as_str());
    Ok(see_other(&format!("/policies/{name}/history?told={told}")).into_response())
}

#[cfg(test)]
mod tests;
