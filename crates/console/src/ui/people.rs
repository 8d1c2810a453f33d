//! People: who there is, what they may do, who was invited. For administrators.
//!
//! What never lives here: who the last administrator is.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use policy::UnixMillis;
use serde::Deserialize;
use store::{
    ApiRole, Email, LinkFor, LinkHandle, LinkRecord, PersonId, PersonRecord, SessionHandle,
    Standing, Token,
};

use super::account::{OneSession, SessionLine, lines};
use super::form::Posted;
use super::look::{Badge, When, filters};
use super::page::{self, Frame, Place, Trouble, encoded};
use super::sign_in::{Nothing, STEP_UP, capitalised, refused};
use super::visitor::{Visitor, see_other, with_next};
use crate::Console;
use crate::ops::{OpError, Proof, accounts};
use crate::ui::address::{Path, Query};

const HERE: &str = "/people";
/// People of one page.
const PAGE_ROWS: usize = 100;

/// A role in words.
pub(super) fn role_word(role: ApiRole) -> &'static str {
    match role {
        ApiRole::Viewer => "Viewer",
        ApiRole::PolicyManager => "Policy manager",
        ApiRole::Approver => "Approver",
        ApiRole::Admin => "Admin",
    }
}

/// What a role may do, in words.
fn role_rights(role: ApiRole) -> &'static str {
    match role {
        ApiRole::Viewer => "sees everything but secrets",
        ApiRole::PolicyManager => "edits policies and attaches them to grants",
        ApiRole::Approver => "decides held calls",
        ApiRole::Admin => "everything",
    }
}

/// A person as a row.
#[derive(Debug)]
struct Row {
    id: String,
    display: String,
    email: String,
    role: &'static str,
    state: Badge,
    signed_in: Option<When>,
}

impl Row {
    fn of(person: &PersonRecord, now: UnixMillis) -> Row {
        Row {
            id: person.id.to_string(),
            display: person.display.to_string(),
            email: person.email.to_string(),
            role: role_word(person.role),
            state: state(person),
            signed_in: person.signed_in_at.map(|at| When::new(at, now)),
        }
    }
}

fn state(person: &PersonRecord) -> Badge {
    match person.standing {
        Standing::Active => Badge::state("ok", "Active"),
        Standing::Disabled(_) => Badge::state("bad", "Disabled"),
    }
}

/// A link that was given out, as a row.
#[derive(Debug)]
struct LinkRow {
    handle: String,
    what: String,
    by: String,
    ends: When,
}

impl LinkRow {
    fn of(link: &LinkRecord, people: &[PersonRecord], now: UnixMillis) -> LinkRow {
        let what = match &link.purpose {
            LinkFor::SetUp => "Make the first account".to_owned(),
            LinkFor::Invitation { email, role } => {
                format!("{email} joins as {}", role_word(*role))
            }
            LinkFor::NewPassword(id) => {
                let found = people.iter().find(|person| person.id == *id);
                let of = found.map_or_else(|| id.to_string(), |person| person.email.to_string());
                format!("{of} chooses another password")
            }
        };
        let handle = link.handle.to_string();
        LinkRow {
            handle,
            what,
            by: link.made_by.to_string(),
            ends: When::new(link.expires_at, now),
        }
    }
}

/// A link that was just made: shown this once.
#[derive(Debug)]
struct Made {
    link: String,
    whom: String,
}

#[derive(Template)]
#[template(path = "people.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    total: usize,
    next: Option<String>,
    links: Vec<LinkRow>,
    made: Option<Made>,
    wrong: Option<String>,
    email: String,
    /// Where the password is asked for again, if it has to be.
    step_up: Option<String>,
    roles: [(&'static str, &'static str, &'static str); 4],
}

/// What a look at the list asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    after: Option<String>,
    done: Option<String>,
}

/// `GET /people`.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let page = page_of(&console, &visitor, &asked).await?;
    Ok(page::show(&page))
}

async fn page_of(console: &Console, visitor: &Visitor, asked: &Asked) -> Result<Page, Trouble> {
    let people = accounts::people(console, &visitor.actor).await?;
    let links = accounts::links(console, &visitor.actor).await?;
    let now = (console.clock)();
    let after = asked.after.as_deref().unwrap_or_default();
    let mut rest = people.iter().filter(|person| person.email.as_str() > after);
    let shown: Vec<&PersonRecord> = rest.by_ref().take(PAGE_ROWS).collect();
    let further = rest.next().is_some();
    let last = shown.last().filter(|_| further).map(|person| person.email.as_str());
    let told = match asked.done.as_deref() {
        Some("removed") => Some("The account was removed.".to_owned()),
        Some("withdrawn") => Some("The link is withdrawn.".to_owned()),
        _ => None,
    };
    Ok(Page {
        frame: Frame::of(console, visitor, Place::People, "People").await?.telling(told),
        rows: shown.into_iter().map(|person| Row::of(person, now)).collect(),
        total: people.len(),
        next: last.map(|last| format!("{HERE}?after={}", encoded(last))),
        links: links.iter().map(|link| LinkRow::of(link, &people, now)).collect(),
        made: None,
        wrong: None,
        email: String::new(),
        step_up: step_up(visitor, HERE),
        roles: ApiRole::ALL.map(|role| (role.as_str(), role_word(role), role_rights(role))),
    })
}

/// Where the password is asked for again before anything here can be changed.
fn step_up(visitor: &Visitor, here: &str) -> Option<String> {
    (visitor.actor.proof == Proof::Session).then(|| with_next(STEP_UP, Some(here)))
}

#[derive(Debug, Deserialize)]
pub(super) struct Invited {
    email: String,
    role: String,
}

/// `POST /people/invite`.
pub(super) async fn invite(
    State(console): State<Console>,
    Posted { visitor, site, form, .. }: Posted<Invited>,
) -> Result<Response, Trouble> {
    let made = match (Email::parse(&form.email), form.role.parse::<ApiRole>()) {
        (Ok(email), Ok(role)) => accounts::invite(&console, &visitor.actor, (email, role)).await,
        (Err(error), _) | (_, Err(error)) => {
            // Whoever may not invite is not told what an address looks like.
            visitor.actor.may(crate::ops::Permission::ManagePeople).map_err(OpError::from)?;
            Err(error.into())
        }
    };
    match made {
        Ok(token) => {
            let mut page = page_of(&console, &visitor, &Asked::default()).await?;
            page.made = Some(Made { link: link(&site, "join", &token), whom: form.email });
            Ok(page::show(&page))
        }
        Err(error @ (OpError::Name(_) | OpError::Account(_))) => {
            let mut page = page_of(&console, &visitor, &Asked::default()).await?;
            page.wrong = Some(capitalised(&error.to_string()));
            page.email = form.email;
            Ok(page::answer(StatusCode::UNPROCESSABLE_ENTITY, &page))
        }
        Err(error) => Ok(refused(error, HERE)),
    }
}

fn link(site: &str, page: &str, token: &Token) -> String {
    format!("{site}{}", accounts::link_path(page, token))
}

/// `POST /people/links/{link}/withdraw`.
pub(super) async fn withdraw(
    State(console): State<Console>,
    Path(link): Path<String>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let link = LinkHandle::parse(&link).map_err(OpError::from)?;
    Ok(match accounts::withdraw_link(&console, &visitor.actor, &link).await {
        Ok(()) => see_other("/people?done=withdrawn"),
        Err(error) => refused(error, HERE),
    })
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    frame: Frame,
    id: String,
    person: PersonRecord,
    state: Badge,
    created: When,
    signed_in: Option<When>,
    sessions: Vec<SessionLine>,
    is_self: bool,
    is_active: bool,
    made: Option<Made>,
    wrong: Option<String>,
    step_up: Option<String>,
    roles: [(&'static str, &'static str, &'static str); 4],
}

impl PersonPage {
    fn role(&self) -> &'static str {
        role_word(self.person.role)
    }
}

/// `GET /people/{id}`.
pub(super) async fn one(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let id = PersonId::parse(&id).map_err(OpError::from)?;
    let mut page = person_page(&console, &visitor, &id).await?;
    let told = match asked.done.as_deref() {
        Some("role") => Some("The role is another one now. The sessions of before ended."),
        Some("disabled") => Some("The account is disabled. Its sessions ended."),
        Some("enabled") => Some("The account may sign in again."),
        Some("session") => Some("The session ended."),
        _ => None,
    };
    page.frame = page.frame.telling(told.map(str::to_owned));
    Ok(page::show(&page))
}

async fn person_page(
    console: &Console,
    visitor: &Visitor,
    id: &PersonId,
) -> Result<PersonPage, Trouble> {
    let found = accounts::person(console, &visitor.actor, id).await?;
    let now = (console.clock)();
    let title = found.record.display.to_string();
    Ok(PersonPage {
        frame: Frame::of(console, visitor, Place::People, &title).await?,
        id: id.to_string(),
        state: state(&found.record),
        created: When::new(found.record.created_at, now),
        signed_in: found.record.signed_in_at.map(|at| When::new(at, now)),
        sessions: lines(&found.sessions, visitor, now),
        is_self: *id == visitor.person,
        is_active: found.record.standing == Standing::Active,
        person: found.record,
        made: None,
        wrong: None,
        step_up: step_up(visitor, &format!("{HERE}/{id}")),
        roles: ApiRole::ALL.map(|role| (role.as_str(), role_word(role), role_rights(role))),
    })
}

/// What becomes of a change of one person: told on their page, or what is wrong on it.
async fn after(
    console: &Console,
    (visitor, id): (&Visitor, &PersonId),
    changed: Result<(), OpError>,
    told: &str,
) -> Result<Response, Trouble> {
    let here = format!("{HERE}/{id}");
    match changed {
        // Whoever changed themselves is signed out by it.
        Ok(()) => Ok(see_other(&format!("{here}?done={told}"))),
        Err(error @ OpError::Account(store::AccountError::LastAdmin)) => {
            let mut page = person_page(console, visitor, id).await?;
            page.wrong = Some(capitalised(&error.to_string()));
            Ok(page::answer(StatusCode::CONFLICT, &page))
        }
        Err(error) => Ok(refused(error, &here)),
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct NewRole {
    role: String,
}

/// `POST /people/{id}/role`.
pub(super) async fn change_role(
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted { visitor, form, .. }: Posted<NewRole>,
) -> Result<Response, Trouble> {
    let id = PersonId::parse(&id).map_err(OpError::from)?;
    let role = form.role.parse::<ApiRole>().map_err(OpError::from)?;
    let changed = accounts::change_role(&console, &visitor.actor, (&id, role)).await;
    after(&console, (&visitor, &id), changed, "role").await
}

/// `POST /people/{id}/disable`.
pub(super) async fn disable(
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let standing = Standing::Disabled((console.clock)());
    set_standing(&console, &visitor, (&id, standing), "disabled").await
}

/// `POST /people/{id}/enable`.
pub(super) async fn enable(
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    set_standing(&console, &visitor, (&id, Standing::Active), "enabled").await
}

async fn set_standing(
    console: &Console,
    visitor: &Visitor,
    (id, standing): (&str, Standing),
    told: &str,
) -> Result<Response, Trouble> {
    let id = PersonId::parse(id).map_err(OpError::from)?;
    let changed = accounts::set_standing(console, &visitor.actor, (&id, standing)).await;
    after(console, (visitor, &id), changed, told).await
}

/// `POST /people/{id}/new-password`.
pub(super) async fn new_password(
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted { visitor, site, .. }: Posted<Nothing>,
) -> Result<Response, Trouble> {
    let id = PersonId::parse(&id).map_err(OpError::from)?;
    match accounts::new_password_link(&console, &visitor.actor, &id).await {
        Ok(token) => {
            let mut page = person_page(&console, &visitor, &id).await?;
            let whom = page.person.email.to_string();
            page.made = Some(Made { link: link(&site, "new-password", &token), whom });
            Ok(page::show(&page))
        }
        Err(error) => Ok(refused(error, &format!("{HERE}/{id}"))),
    }
}

/// What has to be typed before an account is removed.
#[derive(Debug, Deserialize)]
pub(super) struct Typed {
    email: String,
}

/// `POST /people/{id}/remove`.
pub(super) async fn remove(
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted { visitor, form, .. }: Posted<Typed>,
) -> Result<Response, Trouble> {
    let id = PersonId::parse(&id).map_err(OpError::from)?;
    let found = accounts::person(&console, &visitor.actor, &id).await?;
    let typed = Email::parse(&form.email).is_ok_and(|typed| typed == found.record.email);
    if !typed {
        visitor.actor.may(crate::ops::Permission::ManagePeople).map_err(OpError::from)?;
        let mut page = person_page(&console, &visitor, &id).await?;
        page.wrong = Some("Type the e-mail address of the account to remove it.".to_owned());
        return Ok(page::answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    match accounts::remove(&console, &visitor.actor, &id).await {
        Ok(()) => Ok(see_other("/people?done=removed")),
        error => after(&console, (&visitor, &id), error, "").await,
    }
}

/// `POST /people/{id}/sessions/end`.
pub(super) async fn end_session(
    State(console): State<Console>,
    Path(id): Path<String>,
    Posted { visitor, form, .. }: Posted<OneSession>,
) -> Result<Response, Trouble> {
    let id = PersonId::parse(&id).map_err(OpError::from)?;
    let session = SessionHandle::parse(&form.session).map_err(OpError::from)?;
    let ended = accounts::end_session(&console, &visitor.actor, (&id, &session)).await;
    after(&console, (&visitor, &id), ended, "session").await
}
