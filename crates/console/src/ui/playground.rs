//! The playground: a grant, a tool, arguments and a clock; what policy says of that call, condition by condition. The
//! whole call stands in the address, so that it can be sent to somebody; nothing is sent to a server.
//!
//! What never lives here: deciding (`ops::trial`).

mod fields;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use policy::{Truth, UnixMillis};
use store::{AuditEntry, GrantId, GrantRecord};

use self::fields::{Field, arguments, fields};
use super::call::Said;
use super::form::Posted;
use super::look::{Badge, filters};
use super::page::{Frame, Place, Trouble, encoded, see_other};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::builder::is_cut;
use crate::ops::trial::{self, BEFORE_MAX, Bench, Counters, Source, Trial, Tried, bench, try_call};
use crate::ops::{OpError, Permission, audit};
use crate::ui::address::Query;

/// Bytes of a member of the address, at most.
const MEMBER_BYTES_MAX: usize = 32 * 1024;
/// Tools that a choice offers, at most; where there are more, the name is typed.
const TOOLS_SHOWN_MAX: usize = 500;

/// What the address or a form says: names with their values, those of arguments among them.
type Members = Vec<(String, String)>;

fn member<'m>(members: &'m Members, name: &str) -> &'m str {
    members.iter().find(|(found, _)| found == name).map_or("", |(_, value)| value)
}

fn bounded(members: &Members) -> Result<(), OpError> {
    if members.iter().any(|(name, value)| name.len() + value.len() > MEMBER_BYTES_MAX) {
        let why = format!("something is longer than {MEMBER_BYTES_MAX} bytes");
        return Err(OpError::Invalid(why));
    }
    Ok(())
}

/// What was asked, as far as it could be read.
#[derive(Clone, Default)]
struct Asked {
    grant: Option<GrantRecord>,
    kind: Kind,
    /// The name of a tool or prompt, or the URI of a resource.
    name: String,
    arguments: String,
    client: String,
    at: String,
    /// `force`, `newest` or `unsaved`.
    text: String,
    /// `after` or `now`.
    counters: String,
    before: String,
}

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Kind {
    #[default]
    Tool,
    Resource,
    Prompt,
}

impl Kind {
    fn of(word: &str) -> Self {
        match word {
            "resource" => Self::Resource,
            "prompt" => Self::Prompt,
            _ => Self::Tool,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }

    fn policys(self) -> policy::Kind {
        match self {
            Self::Tool => policy::Kind::Tool,
            Self::Resource => policy::Kind::Resource,
            Self::Prompt => policy::Kind::Prompt,
        }
    }
}

impl Asked {
    /// What the address or the form says, but the arguments.
    fn of(members: &Members, grant: Option<GrantRecord>) -> Self {
        let text = |name: &str| member(members, name).to_owned();
        let kind = Kind::of(member(members, "kind"));
        let name = if kind == Kind::Tool { text("tool") } else { text("name") };
        Self {
            grant,
            kind,
            name,
            arguments: String::new(),
            client: text("client"),
            at: text("at"),
            text: text("text"),
            counters: text("counters"),
            before: text("before"),
        }
    }

    fn source(&self) -> Source {
        match self.text.as_str() {
            "newest" => Source::Newest,
            "unsaved" => Source::Unsaved,
            _ => Source::InForce,
        }
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.word() == kind
    }
}

/// A grant that can be chosen.
struct Choice {
    id: String,
    label: String,
    chosen: bool,
}

/// A condition, as it is shown.
struct Shown {
    rule: String,
    indent: usize,
    asks: String,
    wanted: String,
    found: String,
    badge: Badge,
}

#[derive(Template)]
#[template(path = "playground.html")]
struct Page {
    frame: Frame,
    grants: Vec<Choice>,
    tools: Vec<(String, bool)>,
    tools_count: usize,
    asked: Asked,
    fields: Vec<Field>,
    /// What came; nothing: nothing was tried yet, or it could not be read.
    tried: Option<Tried>,
    conditions: Vec<Shown>,
    wrong: Option<String>,
    /// The policy, and which text of it judged.
    judge: Option<(String, String)>,
    /// Said where the arguments were taken from a recorded call that does not hold all of them.
    partial: bool,
}

impl Page {
    fn verdict(tried: &Tried) -> Badge {
        Badge::verdict(tried.verdict, tried.reason)
    }

    fn may_keep(&self) -> bool {
        self.tried.is_some() && self.judge.is_some() && self.frame.may(Permission::EditPolicies)
    }

    fn policy_path(&self) -> String {
        let name = self.judge.as_ref().map_or("", |(name, _)| name);
        format!("/policies/{}", encoded(name))
    }
}

fn truth_badge(truth: Truth) -> Badge {
    match truth {
        Truth::True => Badge::state("ok", "True"),
        Truth::False => Badge::state("neutral", "False"),
        Truth::Undefined => Badge::state("bad", "Undefined"),
    }
}

fn conditions(tried: &Tried) -> Vec<Shown> {
    let shown = |detail: &policy::Detail| Shown {
        rule: detail.rule.to_string(),
        indent: detail.depth,
        asks: detail.asks.clone(),
        wanted: detail.wanted.clone(),
        found: detail.found.clone().unwrap_or_else(|| match detail.wanted.as_str() {
            "" => String::new(),
            _ => "nothing that can be shown".to_owned(),
        }),
        badge: truth_badge(detail.truth),
    };
    tried.details.iter().map(shown).collect()
}

/// What stands in the fields: of a recorded call (`from`), or as the form sent it.
async fn asked(
    console: &Console,
    visitor: &Visitor,
    members: &Members,
    grants: &[GrantRecord],
) -> Result<(Asked, bool), Trouble> {
    if let Ok(seq) = member(members, "from").parse::<i64>() {
        let entry = audit::one(console, &visitor.actor, seq).await?;
        return Ok(of_record(&entry, grants));
    }
    let id = member(members, "grant");
    let grant = grants.iter().find(|grant| grant.id.as_str() == id).or_else(|| grants.first());
    Ok((Asked::of(members, grant.cloned()), false))
}

fn of_record(entry: &AuditEntry, grants: &[GrantRecord]) -> (Asked, bool) {
    let id = entry.grant_id.as_deref().and_then(|id| GrantId::parse(id).ok());
    let grant = grants.iter().find(|grant| Some(&grant.id) == id.as_ref());
    let arguments = entry.arguments_json.clone().unwrap_or_default();
    let partial = is_cut(&arguments);
    let client = entry.client.as_deref().and_then(|client| client.split('/').next());
    let asked = Asked {
        grant: grant.or_else(|| grants.first()).cloned(),
        kind: match entry.method.as_deref() {
            Some("resources/read" | "resources/subscribe") => Kind::Resource,
            Some("prompts/get") => Kind::Prompt,
            Some(_) | None => Kind::Tool,
        },
        name: entry.tool.clone().unwrap_or_default(),
        arguments,
        client: client.unwrap_or_default().to_owned(),
        at: super::look::rfc3339(entry.time),
        ..Asked::default()
    };
    (asked, partial)
}

fn instant(text: &str) -> Result<Option<UnixMillis>, OpError> {
    if text.trim().is_empty() {
        return Ok(None);
    }
    let parsed: Result<jiff::Timestamp, _> = text.trim().parse();
    parsed.map(|at| Some(UnixMillis(at.as_millisecond()))).map_err(|_unparsable| {
        OpError::Invalid("the clock is not a time such as 2027-01-01T09:30:00Z".to_owned())
    })
}

/// The call that the members describe.
fn trial_of(asked: &Asked) -> Result<Trial, OpError> {
    let counters = match (asked.counters.as_str(), asked.before.trim()) {
        ("now", _) => Counters::AsTheyAre,
        (_, "") => Counters::After(0),
        (_, number) => Counters::After(number.parse().map_err(|_no_number| {
            OpError::Invalid("the calls before it are not a number".to_owned())
        })?),
    };
    Ok(Trial {
        kind: asked.kind.policys(),
        name: asked.name.clone(),
        arguments: asked.arguments.clone(),
        client: Some(asked.client.clone()).filter(|client| !client.is_empty()),
        at: instant(&asked.at)?,
        counters,
    })
}

/// The arguments: what was typed as JSON, or what the fields of the schema hold.
fn typed(members: &Members, bench: &Bench, asked: &mut Asked) -> Result<(), OpError> {
    let schema = schema_of(bench, asked);
    if asked.arguments.is_empty() {
        let json = member(members, "args").trim();
        let by_form = member(members, "by") == "form" || json.is_empty();
        // Fields of another tool were made of other arguments.
        let before = if member(members, "shown") == asked.name { json } else { "" };
        asked.arguments =
            if by_form { arguments(schema, before, members)? } else { json.to_owned() };
    }
    Ok(())
}

/// The schema of the chosen tool.
fn schema_of<'b>(bench: &'b Bench, asked: &Asked) -> Option<&'b str> {
    let tool = bench.tools.iter().find(|tool| asked.is("tool") && tool.name == asked.name);
    tool.and_then(|tool| tool.input_schema.as_deref())
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(members): Query<Members>,
) -> Result<Response, Trouble> {
    bounded(&members)?;
    let told = Some(member(&members, "told").to_owned()).filter(|told| !told.is_empty());
    let frame = Frame::of(&console, &visitor, Place::Playground, "Playground").await?;
    let grants = trial::grants(&console, &visitor.actor).await?;
    let (mut asked, partial) = asked(&console, &visitor, &members, &grants).await?;
    let choice = |grant: &GrantRecord| Choice {
        id: grant.id.to_string(),
        label: format!("{} on {}", grant.label, grant.server),
        chosen: asked.grant.as_ref().is_some_and(|chosen| chosen.id == grant.id),
    };
    let choices = grants.iter().map(choice).collect();
    let mut page = Page {
        frame: frame.telling(told),
        grants: choices,
        tools: Vec::new(),
        tools_count: 0,
        fields: Vec::new(),
        tried: None,
        conditions: Vec::new(),
        wrong: None,
        judge: None,
        partial,
        asked: Asked { arguments: String::new(), ..asked.clone() },
    };
    if let Some(grant) = asked.grant.clone() {
        let bench = bench(&console, &visitor.actor, (grant, asked.source())).await?;
        fill(&console, &members, (&bench, &mut asked), &mut page).await?;
        page.asked = asked;
    }
    Ok(super::page::show(&page))
}

/// What depends on the grant: its tools, the fields of the chosen one, and what came of the call.
async fn fill(
    console: &Console,
    members: &Members,
    (bench, asked): (&Bench, &mut Asked),
    page: &mut Page,
) -> Result<(), Trouble> {
    page.judge = bench.judge.as_ref().map(|judge| (judge.policy.to_string(), judge.what.clone()));
    page.tools_count = bench.tools.len();
    let shown = if page.tools_count > TOOLS_SHOWN_MAX { 0 } else { TOOLS_SHOWN_MAX };
    let offered = bench.tools.iter().take(shown);
    page.tools = offered.map(|tool| (tool.name.clone(), tool.name == asked.name)).collect();
    if asked.name.is_empty() {
        return Ok(());
    }
    let read = typed(members, bench, asked);
    page.fields = fields(schema_of(bench, asked), &asked.arguments);
    let tried = match read.and_then(|()| trial_of(asked)) {
        Ok(trial) => try_call(console, bench, trial).await,
        Err(wrong) => Err(wrong),
    };
    match tried {
        Ok(tried) => {
            page.conditions = conditions(&tried);
            page.tried = Some(tried);
        }
        Err(wrong @ OpError::Invalid(_)) => page.wrong = Some(wrong.to_string()),
        Err(other) => return Err(other.into()),
    }
    Ok(())
}

/// Keeps the tried call as a test in the policy's text, which is then reviewed.
pub(super) async fn keep(
    State(console): State<Console>,
    posted: Posted<Members>,
) -> Result<Response, Trouble> {
    let Posted { visitor, form, .. } = posted;
    visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    bounded(&form)?;
    let grants = trial::grants(&console, &visitor.actor).await?;
    let id = member(&form, "grant");
    let grant = grants.into_iter().find(|grant| grant.id.as_str() == id);
    let grant = grant.ok_or_else(|| OpError::Invalid("this grant is not there any more".into()))?;
    let asked = Asked { arguments: member(&form, "args").to_owned(), ..Asked::of(&form, None) };
    let bench = bench(&console, &visitor.actor, (grant, asked.source())).await?;
    let trial = trial_of(&asked)?;
    let tried = try_call(&console, &bench, trial.clone()).await?;
    let what = (&bench, &trial, &tried);
    let policy = trial::keep_as_test(&console, &visitor.actor, what, member(&form, "test")).await?;
    let told = encoded("The call is a test of your text now. Save it to keep it.");
    Ok(see_other(&format!("/policies/{}/review?told={told}", encoded(policy.as_str()))))
}
