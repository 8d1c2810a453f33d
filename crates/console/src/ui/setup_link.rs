//! Pages of one-time links: the first account, joining, another password. Opening one uses nothing;
//! sending its form does.
//!
//! What never lives here: what a link is good for.

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde::Deserialize;
use store::{LinkFor, Secret};

use super::form::PostedByAnyone;
use super::look::filters;
use super::page::{self, Trouble};
use super::people::role_word;
use super::sign_in::{before_session, capitalised, opened, with_form_cookie};
use super::visitor::see_other;
use crate::Console;
use crate::ops::OpError;
use crate::ops::accounts::{self, NewAccount, PASSWORD_CHARS_MIN};
use crate::ui::address::Path;

/// What the fields of such a form hold.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    organisation: String,
    display: String,
    email: String,
    password: String,
    again: String,
}

/// Which of the three pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Welcome,
    Join,
    NewPassword,
}

#[derive(Template)]
#[template(path = "link.html")]
struct Page<'a> {
    kind: Kind,
    csrf: &'a str,
    link: &'a str,
    fields: &'a Fields,
    /// The address and role of an invitation, or the address whose password is chosen.
    email: &'a str,
    role: Option<&'static str>,
    organisation: &'a str,
    wrong: Option<String>,
    chars_min: usize,
}

impl Page<'_> {
    fn address(&self) -> &'static str {
        match self.kind {
            Kind::Welcome => "welcome",
            Kind::Join => "join",
            Kind::NewPassword => "new-password",
        }
    }
}

/// `GET /welcome/{link}`.
pub(super) async fn welcome(
    State(console): State<Console>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    first_look(&console, Kind::Welcome, &link, &headers).await
}

/// `GET /join/{link}`.
pub(super) async fn join(
    State(console): State<Console>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    first_look(&console, Kind::Join, &link, &headers).await
}

/// `GET /new-password/{link}`.
pub(super) async fn new_password(
    State(console): State<Console>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    first_look(&console, Kind::NewPassword, &link, &headers).await
}

async fn first_look(
    console: &Console,
    kind: Kind,
    link: &str,
    headers: &HeaderMap,
) -> Result<Response, Trouble> {
    let csrf = before_session(console, headers)?;
    let page = show(console, (kind, link, &csrf), &Fields::default(), None).await?;
    Ok(with_form_cookie(page, &csrf))
}

/// The page of a link that works, with what is wrong in its form.
async fn show(
    console: &Console,
    (kind, link, csrf): (Kind, &str, &str),
    fields: &Fields,
    wrong: Option<String>,
) -> Result<Response, Trouble> {
    let (email, role) = match (kind, accounts::link(console, link).await?.purpose) {
        (Kind::Welcome, LinkFor::SetUp) => (String::new(), None),
        (Kind::Join, LinkFor::Invitation { email, role }) => {
            (email.to_string(), Some(role_word(role)))
        }
        (Kind::NewPassword, LinkFor::NewPassword(id)) => {
            let person = console.store.person(&id).await.map_err(OpError::from)?;
            let person = person.ok_or(OpError::from(store::AccountError::LinkOver))?;
            (person.email.to_string(), None)
        }
        (Kind::Welcome | Kind::Join | Kind::NewPassword, _) => {
            return Err(OpError::from(store::AccountError::LinkOver).into());
        }
    };
    let organisation = console.store.organisation().await.map_err(OpError::from)?;
    let status = if wrong.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = Page {
        kind,
        csrf,
        link,
        fields,
        email: &email,
        role,
        organisation: &organisation,
        wrong,
        chars_min: PASSWORD_CHARS_MIN,
    };
    Ok(page::answer(status, &page))
}

/// What is wrong with the fields before anybody else looks at them.
fn mistyped(fields: &Fields) -> Option<String> {
    let same = fields.password == fields.again;
    (!same).then(|| "The two passwords are not the same.".to_owned())
}

/// What goes on after a form that was refused: its page again, where something in it is wrong.
async fn again(
    console: &Console,
    page: (Kind, &str, &str),
    fields: &Fields,
    error: OpError,
) -> Result<Response, Trouble> {
    if !matches!(error, OpError::Invalid(_) | OpError::Name(_) | OpError::Busy) {
        return Err(error.into());
    }
    show(console, page, fields, Some(capitalised(&error.to_string()))).await
}

/// `POST /welcome/{link}`.
pub(super) async fn set_up(
    State(console): State<Console>,
    Path(link): Path<String>,
    PostedByAnyone { browser, parts, form }: PostedByAnyone<Fields>,
) -> Result<Response, Trouble> {
    let csrf = before_session(&console, &parts.headers)?;
    let page = (Kind::Welcome, link.as_str(), csrf.as_str());
    if let Some(wrong) = mistyped(&form) {
        return show(&console, page, &form, Some(wrong)).await;
    }
    let made = (account(&form), form.email.as_str(), form.organisation.as_str());
    match accounts::set_up(&console, &link, made, &browser).await {
        Ok(session) => Ok(opened("/", &session)),
        Err(error) => again(&console, page, &form, error).await,
    }
}

fn account(form: &Fields) -> NewAccount {
    NewAccount { display: form.display.clone(), password: Secret::new(form.password.clone()) }
}

/// `POST /join/{link}`.
pub(super) async fn accept(
    State(console): State<Console>,
    Path(link): Path<String>,
    PostedByAnyone { browser, parts, form }: PostedByAnyone<Fields>,
) -> Result<Response, Trouble> {
    let csrf = before_session(&console, &parts.headers)?;
    let page = (Kind::Join, link.as_str(), csrf.as_str());
    if let Some(wrong) = mistyped(&form) {
        return show(&console, page, &form, Some(wrong)).await;
    }
    match accounts::join(&console, &link, account(&form), &browser).await {
        Ok(session) => Ok(opened("/", &session)),
        Err(error) => again(&console, page, &form, error).await,
    }
}

/// `POST /new-password/{link}`.
pub(super) async fn renew(
    State(console): State<Console>,
    Path(link): Path<String>,
    PostedByAnyone { browser, parts, form }: PostedByAnyone<Fields>,
) -> Result<Response, Trouble> {
    let csrf = before_session(&console, &parts.headers)?;
    let page = (Kind::NewPassword, link.as_str(), csrf.as_str());
    if let Some(wrong) = mistyped(&form) {
        return show(&console, page, &form, Some(wrong)).await;
    }
    let password = Secret::new(form.password.clone());
    match accounts::renew_password(&console, &link, password, &browser).await {
        Ok(()) => Ok(see_other(super::visitor::SIGN_IN)),
        Err(error) => again(&console, page, &form, error).await,
    }
}
