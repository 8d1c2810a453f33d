//! The second step: the server's tools with what the server says of them, a class and an answer for each, and the policy
//! that these make.
//!
//! What never lives here: what is recommended (`ops::recommend`), the policy's text (`ops::set_up`).

mod sent;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use store::{PinLine, PinRecord, PinState, PolicyMode, ServerRecord, ServerSlug, WriteError};

use self::sent::{Doing, Sent};
use crate::Console;
use crate::ops::set_up::{self, Answer, Claims, Plan};
use crate::ops::{OpError, Permission, recommend, servers};
use crate::plane::{Diary, ServerStateKind};
use crate::ui::address::{Path, Query};
use crate::ui::form::{Posted, PostedText};
use crate::ui::look::{Badge, filters};
use crate::ui::page::{Frame, Place, Trouble, answer, encoded, see_other};
use crate::ui::servers::{RiskCount, by_risk, reached, risk_badge};
use crate::ui::visitor::Visitor;

/// Tools of one page.
const PAGE_TOOLS: usize = 100;
/// Characters of a description that stand in the table, at most.
const DESCRIPTION_CHARS_MAX: usize = 240;
/// Lines of a program's error output that stand beside a failure, at most.
const SAID_LINES: usize = 12;
/// Tools whose policy is shown as text on the page, at most; the builder shows longer ones.
const TEXT_TOOLS_MAX: usize = 200;

/// A tool, and what becomes of its calls.
#[derive(Debug)]
struct Row {
    number: usize,
    name: String,
    description: String,
    risk: Badge,
    says: Vec<Claim>,
    /// The word of its class; empty where it is not known.
    class: &'static str,
    answer: Answer,
    /// What is recommended for it, in a few words.
    recommended: &'static str,
    /// Whether a rule can name it.
    nameable: bool,
}

/// What the server says of a tool.
#[derive(Debug)]
struct Claim {
    text: &'static str,
    /// Whether it is a warning rather than a comfort.
    warns: bool,
}

/// Which tools are shown.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(in crate::ui) struct Asked {
    /// A part of the name.
    q: String,
    /// A class, or `unknown`.
    class: String,
    /// An answer.
    answer: String,
    /// How many tools stand on the pages before.
    from: usize,
    /// What the page before has done.
    told: String,
    /// How many tools it was done to.
    n: usize,
}

impl Asked {
    fn is_filtered(&self) -> bool {
        !(self.q.is_empty() && self.class.is_empty() && self.answer.is_empty())
    }

    fn takes(&self, line: &PinLine, plan: &Plan) -> bool {
        let needle = self.q.to_lowercase();
        (needle.is_empty() || line.tool.to_lowercase().contains(&needle))
            && (self.class.is_empty() || self.class == class_word(line.class, "unknown"))
            && (self.answer.is_empty() || self.answer == plan.answer(line).as_str())
    }

    /// The address of the same view, from another tool on.
    fn address(&self, slug: &ServerSlug, from: usize) -> String {
        let (q, class, answer) = (encoded(&self.q), encoded(&self.class), encoded(&self.answer));
        let slug = encoded(slug.as_str());
        format!("/setup/{slug}?q={q}&class={class}&answer={answer}&from={from}")
    }

    fn notice(&self) -> Option<Tested> {
        let text = match self.told.as_str() {
            "kept" => "Your choices are kept. Nothing is in force yet.".to_owned(),
            "ticked" => format!("Chosen for {} tools. Nothing is in force yet.", self.n),
            "word" if self.n == 0 => {
                "The server says of no undecided tool that it only reads: nothing changed."
                    .to_owned()
            }
            "word" => format!(
                "{} tools are allowed that the server says only read. Nothing else changed, and nothing is in force yet.",
                self.n
            ),
            _ => return None,
        };
        Some(Tested { kind: "ok", text })
    }
}

fn class_word(class: Option<policy::Class>, unknown: &'static str) -> &'static str {
    class.map_or(unknown, policy::Class::as_str)
}

/// Something said above the tools.
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
    /// Why there are no tools, as far as that is known.
    why: Option<String>,
    /// What its program said last.
    said: Vec<String>,
    tested: Option<Tested>,
    rows: Vec<Row>,
    all: usize,
    found: usize,
    unknown: usize,
    risks: Vec<RiskCount>,
    asked: Asked,
    before: Option<String>,
    next: Option<String>,
    /// What the form sends back, so that nothing is accepted that was not shown.
    seen: String,
    /// The name of the policy.
    policy: String,
    /// Its text, where it is short enough to be read here.
    text: Option<String>,
    is_begun: bool,
    is_simple: bool,
    /// Whether classes can be chosen here.
    may_class: bool,
    /// Tools that get no rule because a policy can name no more.
    beyond: usize,
}

impl Review {
    fn classes() -> [(&'static str, &'static str); 6] {
        [
            ("", "Not known"),
            ("read", "Read"),
            ("write", "Write"),
            ("execute", "Execute"),
            ("destructive", "Destructive"),
            ("financial", "Financial"),
        ]
    }

    fn classes_asked(&self) -> Vec<(&'static str, &'static str, bool)> {
        let words = Self::classes().map(|(word, name)| match word {
            "" => ("unknown", name),
            word => (word, name),
        });
        words.map(|(word, name)| (word, name, self.asked.class == word)).to_vec()
    }

    fn answers() -> [(Answer, &'static str); 4] {
        [
            (Answer::Allow, "Allow"),
            (Answer::Ask, "Ask a person"),
            (Answer::Deny, "Deny"),
            (Answer::Hide, "Hide"),
        ]
    }
}

fn slug_of(text: &str) -> Result<ServerSlug, OpError> {
    ServerSlug::parse(text).map_err(OpError::from)
}

/// The page.
pub(in crate::ui) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(slug): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let slug = slug_of(&slug)?;
    let said = (asked.notice(), asked);
    page(&console, &visitor, (&slug, said), StatusCode::OK).await
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    (slug, (tested, asked)): (&ServerSlug, (Option<Tested>, Asked)),
    status: StatusCode,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let record = servers::get(console, &visitor.actor, slug).await?;
    let lines = servers::lines(console, &visitor.actor, Some(slug)).await?;
    let plan = set_up::plan(console, &visitor.actor, slug).await?;
    let diary = servers::diary(console, &visitor.actor, slug).await?;
    let mut taken: Vec<&PinLine> = lines.iter().filter(|line| asked.takes(line, &plan)).collect();
    // The riskiest first, and what is not known before that.
    taken.sort_by(|a, b| {
        let order = |line: &PinLine| (line.risk.is_some(), std::cmp::Reverse(line.risk));
        order(a).cmp(&order(b)).then_with(|| a.tool.cmp(&b.tool))
    });
    let shown: Vec<&PinLine> = taken.iter().skip(asked.from).take(PAGE_TOOLS).copied().collect();
    let names = shown.iter().map(|line| line.tool.clone()).collect();
    let pins = servers::named(console, &visitor.actor, slug, names).await?;
    let rows = shown.iter().enumerate().map(|(number, line)| row(number, line, (&plan, &pins)));
    let end = asked.from.saturating_add(PAGE_TOOLS);
    let page = Review {
        rows: rows.collect(),
        frame: Frame::of(console, visitor, Place::Servers, "Tools and policy").await?,
        slug: slug.to_string(),
        reached: reached(&record),
        why: if lines.is_empty() { why_not(&diary) } else { None },
        said: if lines.is_empty() { said_last(diary) } else { Vec::new() },
        tested,
        all: lines.len(),
        found: taken.len(),
        unknown: lines.iter().filter(|line| line.class.is_none()).count(),
        risks: by_risk(&lines),
        before: (asked.from > 0)
            .then(|| asked.address(slug, asked.from.saturating_sub(PAGE_TOOLS))),
        next: (end < taken.len()).then(|| asked.address(slug, end)),
        asked,
        seen: mark(&lines),
        policy: plan.name.to_string(),
        text: (lines.len() <= TEXT_TOOLS_MAX).then(|| plan.text(&lines)),
        is_begun: plan.is_begun,
        is_simple: plan.is_simple(),
        may_class: !record.managed_by_file,
        beyond: lines.len().saturating_sub(recommend::RECOMMENDED_TOOLS_MAX),
    };
    Ok(answer(status, &page))
}

/// Why a server has listed nothing: what the newest listing came to.
fn why_not(diary: &Diary) -> Option<String> {
    diary.states.iter().rev().find_map(|state| match &state.kind {
        ServerStateKind::Failing(why) => Some(why.clone()),
        ServerStateKind::Ended(how) => Some(format!("its program ended: {how}")),
        ServerStateKind::Up(_) => None,
    })
}

/// The last lines of a program's error output, the oldest first.
fn said_last(diary: Diary) -> Vec<String> {
    let before = diary.lines.len().saturating_sub(SAID_LINES);
    diary.lines.into_iter().skip(before).map(|line| line.text).collect()
}

fn row(number: usize, line: &PinLine, (plan, pins): (&Plan, &[PinRecord])) -> Row {
    let pin = pins.iter().find(|pin| pin.tool == line.tool);
    let definition = pin.map(|pin| pin.definition.as_str()).unwrap_or_default();
    let recommended = recommend::for_tool(&line.tool, line.class);
    Row {
        number,
        name: line.tool.clone(),
        description: description(definition),
        risk: risk_badge(line.risk),
        says: says(Claims::of(definition)),
        class: class_word(line.class, ""),
        answer: plan.answer(line),
        recommended: recommended.effect,
        nameable: recommended.rules.is_some(),
    }
}

/// The beginning of a tool's description, as one line.
fn description(definition: &str) -> String {
    let parsed: Option<serde_json::Value> = serde_json::from_str(definition).ok();
    let text = parsed.as_ref().and_then(|tool| tool.get("description")?.as_str());
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    let whole = words.join(" ");
    match whole.char_indices().nth(DESCRIPTION_CHARS_MAX) {
        None => whole,
        Some((end, _)) => format!("{} …", whole.get(..end).unwrap_or_default()),
    }
}

fn says(claims: Claims) -> Vec<Claim> {
    let all = [
        (claims.reads_only == Some(true), "it only reads", false),
        (claims.reads_only == Some(false), "it changes things", true),
        (claims.destroys == Some(true), "it may destroy", true),
        (
            claims.destroys == Some(false) && claims.reads_only != Some(true),
            "it destroys nothing",
            false,
        ),
        (claims.reaches_out == Some(true), "it reaches outside", true),
    ];
    let said = all.into_iter().filter(|(said, ..)| *said);
    said.map(|(_, text, warns)| Claim { text, warns }).collect()
}

/// Changes whenever a tool or a definition does.
fn mark(lines: &[PinLine]) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        for part in [line.tool.as_str(), line.digest.as_str()] {
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
    let said = (Some(tested), Asked::default());
    page(&console, &posted.visitor, (&slug, said), StatusCode::OK).await
}

/// Keeps the choices of one page, and carries out the button that was pressed.
pub(in crate::ui) async fn choose(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: PostedText<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    let PostedText { visitor, form } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = slug_of(&slug)?;
    let sent = Sent::read(form)?;
    let plan = keep(&console, &visitor, &slug, &sent).await?;
    let (told, n) = match sent.doing {
        Doing::Keep => ("kept", 0),
        Doing::Ticked => ("ticked", sent.ticked()),
        Doing::Word => {
            let lines = servers::lines(&console, &visitor.actor, Some(&slug)).await?;
            let choices = set_up::at_its_word(&console, &visitor.actor, &slug, &plan).await?;
            set_up::choose(&console, &visitor.actor, &slug, &choices, (&lines, &lines)).await?;
            ("word", choices.len())
        }
    };
    // Back to the same tools; an address of somebody else is never followed.
    let view = sent.view;
    let here = view.address(&slug, view.from);
    Ok(see_other(&format!("{here}&told={told}&n={n}#told")))
}

/// Keeps the classes and answers that a page sends.
async fn keep(
    console: &Console,
    visitor: &Visitor,
    slug: &ServerSlug,
    sent: &Sent,
) -> Result<Plan, OpError> {
    let actor = &visitor.actor;
    let record: ServerRecord = servers::get(console, actor, slug).await?;
    let before = servers::lines(console, actor, Some(slug)).await?;
    let classes = if record.managed_by_file { Vec::new() } else { sent.classes(&before) };
    let after = if classes.is_empty() {
        before.clone()
    } else {
        servers::set_classes(console, actor, slug, classes).await?;
        servers::lines(console, actor, Some(slug)).await?
    };
    set_up::choose(console, actor, slug, &sent.choices(), (&before, &after)).await
}

/// Accepts the tools as they were shown, saves their policy, and goes on to the grant.
pub(in crate::ui) async fn save(
    State(console): State<Console>,
    Path(slug): Path<String>,
    posted: PostedText<Vec<(String, String)>>,
) -> Result<Response, Trouble> {
    let PostedText { visitor, form } = posted;
    visitor.actor.may(Permission::Administer).map_err(OpError::from)?;
    let slug = slug_of(&slug)?;
    let sent = Sent::read(form)?;
    let actor = &visitor.actor;
    let lines = servers::lines(&console, actor, Some(&slug)).await?;
    let changed = || {
        let text =
            "Nothing was saved: the tools changed after the page was made. They are shown anew.";
        let tested = Tested { kind: "bad", text: text.to_owned() };
        (&slug, (Some(tested), Asked::default()))
    };
    if mark(&lines) != sent.seen {
        return page(&console, &visitor, changed(), StatusCode::CONFLICT).await;
    }
    let plan = if sent.is_empty() {
        set_up::plan(&console, actor, &slug).await?
    } else {
        match keep(&console, &visitor, &slug, &sent).await {
            // The builder has it: its text is saved as it is.
            Err(OpError::Conflict(_)) => set_up::plan(&console, actor, &slug).await?,
            kept => kept?,
        }
    };
    let waiting = lines.iter().filter(|line| line.state == PinState::Quarantined);
    let waiting: Vec<(String, String)> =
        waiting.map(|line| (line.tool.clone(), line.digest.clone())).collect();
    if !waiting.is_empty() {
        match servers::accept_many(&console, actor, &slug, waiting).await {
            Ok(()) => {}
            Err(OpError::Write(WriteError::Changed { .. })) => {
                return page(&console, &visitor, changed(), StatusCode::CONFLICT).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    let lines = servers::lines(&console, actor, Some(&slug)).await?;
    let mode = if sent.observes { PolicyMode::Observe } else { PolicyMode::Enforce };
    let name = set_up::save(&console, actor, &slug, (&plan.text(&lines), mode)).await?;
    let (slug, name) = (encoded(slug.as_str()), encoded(name.as_str()));
    Ok(see_other(&format!("/grants/new?server={slug}&policy={name}&expires=30&setup=1")))
}
