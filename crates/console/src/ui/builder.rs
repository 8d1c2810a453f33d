//! The policy builder: tools at the left, the rules of the selected ones in the middle, the text at the right. The
//! page is a form with the text; a script makes the rest of it, and asks here for every change.
//!
//! What never lives here: what a text means and how it is changed (`ops::builder`), saving (`review`).

mod from_call;
mod sent;
mod unseen;

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use policy::edit::{Block, Edit};
use serde::{Deserialize, Serialize};
use store::{PolicyName, ServerSlug};

use self::from_call::Offer;
pub(super) use self::from_call::put as put_from_call;
use self::sent::Sent;
use self::unseen::{Unseen, unseen};
use super::form::{Posted, PostedText};
use super::look::{When, filters};
use super::page::{Frame, Place, Trouble, encoded, see_other, show as shown};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::builder::{self, Change, Find, Looked, Mark, Warnings};
use crate::ops::{OpError, Permission, policies};
use crate::ui::address::{Path, Query};

/// What was done before, and what is to be worked on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    told: String,
    /// The tool whose rules are opened.
    tool: String,
    /// The position of a recorded call of which a rule is to be made, or a test.
    from: Option<i64>,
    /// `test`: a test is to be made of it.
    r#as: String,
}

/// The text that is worked on, and where it comes from.
struct Work {
    name: PolicyName,
    server: Option<ServerSlug>,
    text: String,
    /// The version that it began from; 0 for a new policy.
    base: u32,
    /// The newest version; none for a new policy.
    newest: Option<u32>,
    /// When it was kept unsaved.
    kept: Option<policy::UnixMillis>,
    managed: bool,
}

/// Somebody's unsaved text, or the newest version.
async fn work(console: &Console, visitor: &Visitor, name: &str) -> Result<Work, Trouble> {
    let Ok(name) = PolicyName::parse(name) else { return Err(Trouble::no_page()) };
    let record = match policies::get(console, &visitor.actor, &name, None).await {
        Ok(record) => Some(record),
        Err(OpError::NotFound { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let managed = record.as_ref().is_some_and(|record| record.managed_by_file);
    let may = !managed && visitor.actor.may(Permission::EditPolicies).is_ok();
    let draft = if may { policies::draft(console, &visitor.actor, &name).await? } else { None };
    let newest = record.as_ref().map(|record| record.version);
    match (draft, record) {
        (Some(draft), record) => Ok(Work {
            name,
            server: draft.server.or_else(|| record.and_then(|record| record.server)),
            text: draft.text,
            base: draft.base,
            newest,
            kept: Some(draft.kept_at),
            managed,
        }),
        (None, Some(record)) => Ok(Work {
            name,
            server: record.server,
            text: record.text,
            base: record.version,
            newest,
            kept: None,
            managed,
        }),
        (None, None) => {
            let text = format!("there is no policy `{}`", name.as_str());
            Err(Trouble::new(StatusCode::NOT_FOUND, "This is not there (any more)", text))
        }
    }
}

#[derive(Debug, Template)]
#[template(path = "builder.html")]
struct Builder {
    frame: Frame,
    name: String,
    address: String,
    server: String,
    text: String,
    base: u32,
    newest: Option<u32>,
    kept: Option<When>,
    managed: bool,
    may_edit: bool,
    problems: Vec<Mark>,
    lints: Vec<Mark>,
    unseen: Vec<Unseen>,
    /// The tool whose rules are opened; empty: none.
    opened: String,
    offer: Option<Offer>,
}

impl Builder {
    /// Whether somebody saved a version after this text was begun.
    fn is_overtaken(&self) -> bool {
        self.newest.is_some_and(|newest| newest != self.base)
    }
}

/// The page.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let work = work(&console, &visitor, &name).await?;
    let may_edit = !work.managed && visitor.actor.may(Permission::EditPolicies).is_ok();
    let offer = match asked.from.filter(|_| may_edit) {
        Some(seq) => Some(Offer::of(&console, &visitor, (seq, asked.r#as == "test")).await?),
        None => None,
    };
    Ok(shown(&page(&console, &visitor, (work, asked), offer).await?))
}

async fn page(
    console: &Console,
    visitor: &Visitor,
    (work, asked): (Work, Asked),
    offer: Option<Offer>,
) -> Result<Builder, Trouble> {
    let looked = builder::Asked {
        server: work.server.clone(),
        text: work.text.clone(),
        change: Change::None,
        selected: Vec::new(),
        find: Find::default(),
        warnings: Warnings::Wanted,
    };
    let looked = builder::look(console, &visitor.actor, looked).await?;
    let told = (!asked.told.is_empty()).then_some(asked.told);
    let frame = Frame::of(console, visitor, Place::Policies, work.name.as_str()).await?;
    let may_edit = !work.managed && frame.may(Permission::EditPolicies);
    Ok(Builder {
        frame: frame.telling(told),
        address: format!("/policies/{}", encoded(work.name.as_str())),
        name: work.name.as_str().to_owned(),
        server: work.server.map(|server| server.as_str().to_owned()).unwrap_or_default(),
        unseen: unseen(&work.text),
        text: work.text,
        base: work.base,
        newest: work.newest,
        kept: work.kept.map(|at| When::new(at, (console.clock)())),
        managed: work.managed,
        may_edit,
        problems: looked.problems,
        lints: looked.lints.unwrap_or_default(),
        opened: offer.as_ref().map_or(asked.tool, |offer| offer.tool.clone()),
        offer,
    })
}

/// What the page's script begins with.
#[derive(Debug, Serialize)]
struct Begin {
    text: String,
}

/// The text, line ends as they are.
pub(super) async fn begin(
    State(console): State<Console>,
    visitor: Visitor,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let work = work(&console, &visitor, &name).await?;
    Ok(json(&Begin { text: work.text }))
}

/// What the page's script asks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    #[serde(default)]
    server: Option<String>,
    text: String,
    #[serde(default)]
    edit: Option<Edit>,
    /// The tools that get what is recommended; all of them where none is named.
    #[serde(default)]
    recommended: Option<Vec<String>>,
    #[serde(default)]
    selected: Vec<Block>,
    #[serde(default)]
    find: Find,
    #[serde(default)]
    warnings: bool,
    /// Whether the text is to be kept as the visitor's unsaved one, and the version that it began from.
    #[serde(default)]
    keep: Option<u32>,
}

/// Looks at a text, changes it, keeps it.
pub(super) async fn look(
    State(console): State<Console>,
    Path(name): Path<String>,
    Sent { visitor, body }: Sent<Question>,
) -> Result<Response, Trouble> {
    let name = PolicyName::parse(&name).map_err(OpError::from)?;
    let server =
        body.server.as_deref().map(ServerSlug::parse).transpose().map_err(OpError::from)?;
    let change = match (body.edit, body.recommended) {
        (Some(edit), None) => Change::Edit(Box::new(edit)),
        (None, Some(tools)) => Change::Recommended(tools),
        (None, None) => Change::None,
        (Some(_), Some(_)) => {
            return Err(OpError::Invalid("an edit or a recommendation, not both".to_owned()).into());
        }
    };
    let asked = builder::Asked {
        server: server.clone(),
        text: body.text.clone(),
        change,
        selected: body.selected,
        find: body.find,
        warnings: if body.warnings { Warnings::Wanted } else { Warnings::Spared },
    };
    let looked: Looked = builder::look(&console, &visitor.actor, asked).await?;
    let body_text = body.text;
    if let Some(base) = body.keep {
        let text = looked.text.clone().unwrap_or_else(|| body_text.clone());
        let kept = (server, text, base);
        policies::keep_draft(&console, &visitor.actor, &name, kept).await?;
    }
    let unseen = unseen(looked.text.as_deref().unwrap_or(&body_text));
    Ok(json(&Answer { looked, unseen }))
}

/// What the page's script is answered.
#[derive(Debug, Serialize)]
struct Answer {
    #[serde(flatten)]
    looked: Looked,
    /// Lines with characters that nobody sees.
    unseen: Vec<Unseen>,
}

fn json(body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_never) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What the page's form sends.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    text: String,
    server: String,
    base: u32,
    /// `check` or `review`.
    then: Then,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Then {
    /// Back to the page, which says what is wrong.
    Check,
    /// On to what the change means.
    Review,
}

/// Keeps a text, and checks it or goes on to its review.
pub(super) async fn keep(
    State(console): State<Console>,
    Path(name): Path<String>,
    PostedText { visitor, form }: PostedText<Kept>,
) -> Result<Response, Trouble> {
    visitor.actor.may(Permission::EditPolicies).map_err(OpError::from)?;
    let work = work(&console, &visitor, &name).await?;
    if work.managed {
        let text = "this policy is managed by `portcullis.toml`; change it there".to_owned();
        return Err(OpError::Conflict(text).into());
    }
    let server = Some(form.server.as_str()).filter(|server| !server.is_empty());
    let server = server.map(ServerSlug::parse).transpose().map_err(OpError::from)?;
    let text = with_line_ends_of(&work.text, &form.text);
    let address = format!("/policies/{}", encoded(work.name.as_str()));
    let kept = (server, text, form.base);
    policies::keep_draft(&console, &visitor.actor, &work.name, kept).await?;
    Ok(see_other(&match form.then {
        Then::Check => address,
        Then::Review => format!("{address}/review"),
    }))
}

/// A text from a form, in which browsers write every line end as CR LF, with the line ends of the text before it;
/// that very text if nothing else differs.
fn with_line_ends_of(before: &str, sent: &str) -> String {
    let plain = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
    let text = plain(sent);
    if plain(before) == text {
        before.to_owned()
    } else if before.contains("\r\n") {
        text.replace('\n', "\r\n")
    } else {
        text
    }
}

/// Nothing but the secret.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Nothing {}

/// Forgets the unsaved text.
pub(super) async fn discard(
    State(console): State<Console>,
    Path(name): Path<String>,
    Posted { visitor, form: Nothing {}, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let name = PolicyName::parse(&name).map_err(OpError::from)?;
    policies::drop_draft(&console, &visitor.actor, &name).await?;
    Ok(match policies::get(&console, &visitor.actor, &name, None).await {
        Ok(_there) => see_other(&format!("/policies/{}", encoded(name.as_str()))),
        Err(_never_saved) => see_other("/policies"),
    })
}

#[cfg(test)]
mod tests;
