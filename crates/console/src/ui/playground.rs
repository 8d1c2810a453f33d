//! The playground: a grant, a tool, arguments and a clock; what policy says of that call, condition by condition. The
//! whole call stands in the address, so that it can be sent to somebody; nothing is sent to a server.
//!
//! What never lives here: deciding (`ops::trial`).

mod fields;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use policy::{Truth, UnixMillis};
use store::{AuditEntry, GrantId, GrantRecord};

use self::fields::{Field, arguments, fields};
use super::form::Posted;
use super::look::{Badge, filters};
use super::page::{Frame, Place, Trouble, encoded, see_other};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::trial::{self, Bench, Trial, Tried, bench, try_call};
use crate::ops::{OpError, Permission, audit};

/// Bytes of a member of the address, at most.
const MEMBER_BYTES_MAX: usize = 32 * 1024;
/// Tools that the choice offers, at most; a further one is typed into the address.
const TOOLS_SHOWN_MAX: usize = 2_000;

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
struct Asked {
    grant: Option<GrantRecord>,
    tool: String,
    arguments: String,
    client: String,
    at: String,
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
    asked: Asked,
    fields: Vec<Field>,
    /// What came; nothing: nothing was tried yet, or it could not be read.
    tried: Option<Tried>,
    conditions: Vec<Shown>,
    wrong: Option<String>,
    policy: Option<(String, u32, &'static str)>,
    /// Said where the arguments were taken from a recorded call that does not hold all of them.
    partial: bool,
}

impl Page {
    fn verdict(tried: &Tried) -> Badge {
        Badge::verdict(tried.verdict, tried.reason)
    }

    fn may_keep(&self) -> bool {
        self.tried.is_some() && self.policy.is_some() && self.frame.may(Permission::EditPolicies)
    }

    fn policy_path(&self) -> String {
        let name = self.policy.as_ref().map_or("", |(name, _, _)| name);
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
    let asked = Asked {
        grant: grant.cloned(),
        tool: member(members, "tool").to_owned(),
        arguments: String::new(),
        client: member(members, "client").to_owned(),
        at: member(members, "at").to_owned(),
    };
    Ok((asked, false))
}

fn of_record(entry: &AuditEntry, grants: &[GrantRecord]) -> (Asked, bool) {
    let id = entry.grant_id.as_deref().and_then(|id| GrantId::parse(id).ok());
    let grant = grants.iter().find(|grant| Some(&grant.id) == id.as_ref());
    let arguments = entry.arguments_json.clone().unwrap_or_default();
    let partial = ["[redacted]", "\"<", "…"].iter().any(|mark| arguments.contains(mark));
    let client = entry.client.as_deref().and_then(|client| client.split('/').next());
    let asked = Asked {
        grant: grant.or_else(|| grants.first()).cloned(),
        tool: entry.tool.clone().unwrap_or_default(),
        arguments,
        client: client.unwrap_or_default().to_owned(),
        at: super::look::rfc3339(entry.time),
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
    Ok(Trial {
        tool: asked.tool.clone(),
        arguments: asked.arguments.clone(),
        client: Some(asked.client.clone()).filter(|client| !client.is_empty()),
        at: instant(&asked.at)?,
    })
}

/// The arguments: what was typed as JSON, or what the fields of the schema hold.
fn typed(members: &Members, bench: &Bench, asked: &mut Asked) -> Result<(), OpError> {
    let schema = bench.tools.iter().find(|tool| tool.name == asked.tool);
    let schema = schema.and_then(|tool| tool.input_schema.as_deref());
    if asked.arguments.is_empty() {
        let json = member(members, "args");
        let by_form = member(members, "by") == "form" || json.trim().is_empty();
        asked.arguments =
            if by_form { arguments(schema, members)? } else { json.trim().to_owned() };
    }
    Ok(())
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
        fields: Vec::new(),
        tried: None,
        conditions: Vec::new(),
        wrong: None,
        policy: None,
        partial,
        asked: Asked {
            grant: asked.grant.clone(),
            tool: asked.tool.clone(),
            arguments: String::new(),
            client: asked.client.clone(),
            at: asked.at.clone(),
        },
    };
    if let Some(grant) = asked.grant.clone() {
        let bench = bench(&console, &visitor.actor, grant).await?;
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
    page.policy = bench
        .policy
        .as_ref()
        .map(|record| (record.name.to_string(), record.version, record.mode.as_str()));
    let offered = bench.tools.iter().take(TOOLS_SHOWN_MAX);
    page.tools = offered.map(|tool| (tool.name.clone(), tool.name == asked.tool)).collect();
    if asked.tool.is_empty() {
        return Ok(());
    }
    let read = typed(members, bench, asked);
    let schema = bench.tools.iter().find(|tool| tool.name == asked.tool);
    page.fields = fields(schema.and_then(|tool| tool.input_schema.as_deref()), &asked.arguments);
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
    let bench = bench(&console, &visitor.actor, grant).await?;
    let asked = Asked {
        grant: None,
        tool: member(&form, "tool").to_owned(),
        arguments: member(&form, "args").to_owned(),
        client: member(&form, "client").to_owned(),
        at: member(&form, "at").to_owned(),
    };
    let trial = trial_of(&asked)?;
    let tried = try_call(&console, &bench, trial.clone()).await?;
    let what = (&bench, &trial, &tried);
    let policy = trial::keep_as_test(&console, &visitor.actor, what, member(&form, "name")).await?;
    let told = encoded("The call is a test of your text now. Save it to keep it.");
    Ok(see_other(&format!("/policies/{}/review?told={told}", encoded(policy.as_str()))))
}
