//! Somebody's own account: their password, and where they are signed in.
//!
//! What never lives here: accounts of others.

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use policy::UnixMillis;
use serde::Deserialize;
use store::{Secret, SessionHandle, SessionRecord};

use super::form::Posted;
use super::look::{When, browser, filters};
use super::page::{self, Frame, Place, Trouble};
use super::sign_in::{Nothing, capitalised, opened, refused};
use super::visitor::{Visitor, see_other};
use crate::Console;
use crate::ops::OpError;
use crate::ops::accounts::{self, PASSWORD_CHARS_MIN};
use crate::ui::address::Query;

const HERE: &str = "/account";

/// Which of the things that can be done here was done.
#[derive(Debug, Deserialize)]
pub(super) struct Told {
    pub(super) done: Option<String>,
}

/// A session as a list shows it.
#[derive(Debug)]
pub(super) struct SessionLine {
    pub(super) handle: String,
    pub(super) browser: String,
    /// What the browser says of itself, whole.
    pub(super) said: String,
    pub(super) address: String,
    pub(super) began: When,
    pub(super) used: When,
    pub(super) is_this: bool,
}

/// Sessions as a list shows them.
pub(super) fn lines(
    sessions: &[SessionRecord],
    visitor: &Visitor,
    now: UnixMillis,
) -> Vec<SessionLine> {
    sessions
        .iter()
        .map(|session| SessionLine {
            handle: session.handle().to_string(),
            browser: browser(&session.browser),
            said: session.browser.clone(),
            address: session.address.clone(),
            began: When::new(session.created_at, now),
            used: When::new(session.used_at, now),
            is_this: session.hash == visitor.session,
        })
        .collect()
}

#[derive(Template)]
#[template(path = "account.html")]
struct Page {
    frame: Frame,
    email: String,
    has_password: bool,
    sessions: Vec<SessionLine>,
    wrong: Option<String>,
    chars_min: usize,
}

/// `GET /account`.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(told): Query<Told>,
) -> Result<Response, Trouble> {
    let told = match told.done.as_deref() {
        Some("password") => Some("Your password is another one now. All other sessions ended."),
        Some("session") => Some("The session ended."),
        Some("sessions") => Some("All other sessions ended."),
        _ => None,
    };
    of(&console, &visitor, told, None).await
}

async fn of(
    console: &Console,
    visitor: &Visitor,
    told: Option<&str>,
    wrong: Option<(StatusCode, String)>,
) -> Result<Response, Trouble> {
    let found = accounts::person(console, &visitor.actor, &visitor.person).await?;
    let frame = Frame::of(console, visitor, Place::Beside, "Your account").await?;
    let (status, wrong) =
        wrong.map_or((StatusCode::OK, None), |(status, wrong)| (status, Some(wrong)));
    let page = Page {
        frame: frame.telling(told.map(str::to_owned)),
        email: visitor.email.to_string(),
        has_password: found.record.has_password,
        sessions: lines(&found.sessions, visitor, (console.clock)()),
        wrong,
        chars_min: PASSWORD_CHARS_MIN,
    };
    Ok(page::answer(status, &page))
}

#[derive(Deserialize)]
pub(super) struct NewPassword {
    old: String,
    new: String,
    again: String,
}

/// `POST /account/password`.
pub(super) async fn change_password(
    State(console): State<Console>,
    Posted { visitor, browser, form, .. }: Posted<NewPassword>,
) -> Result<Response, Trouble> {
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    if form.new != form.again {
        let wrong = "The two new passwords are not the same.".to_owned();
        return of(&console, &visitor, None, Some((unprocessable, wrong))).await;
    }
    let passwords = (Secret::new(form.old), Secret::new(form.new));
    let of_them = (&visitor.email, visitor.session);
    match accounts::change_password(&console, of_them, passwords, &browser).await {
        Ok(session) => Ok(opened("/account?done=password", &session)),
        Err(OpError::WrongPassword) => {
            let wrong = "The current password is wrong.".to_owned();
            of(&console, &visitor, None, Some((unprocessable, wrong))).await
        }
        Err(error @ (OpError::Invalid(_) | OpError::Busy)) => {
            let wrong = capitalised(&error.to_string());
            of(&console, &visitor, None, Some((unprocessable, wrong))).await
        }
        Err(error) => Err(error.into()),
    }
}

/// Which session.
#[derive(Debug, Deserialize)]
pub(super) struct OneSession {
    pub(super) session: String,
}

/// `POST /account/sessions/end`.
pub(super) async fn end_session(
    State(console): State<Console>,
    Posted { visitor, form, .. }: Posted<OneSession>,
) -> Result<Response, Trouble> {
    let session = SessionHandle::parse(&form.session).map_err(OpError::from)?;
    let of = (&visitor.person, &session);
    match accounts::end_session(&console, &visitor.actor, of).await {
        Ok(()) => Ok(see_other("/account?done=session")),
        Err(error) => Ok(refused(error, HERE)),
    }
}

/// `POST /account/sessions/end-others`.
pub(super) async fn end_others(
    State(console): State<Console>,
    Posted { visitor, .. }: Posted<Nothing>,
) -> Response {
    let of = (&visitor.person, visitor.session);
    match accounts::end_other_sessions(&console, &visitor.actor, of).await {
        Ok(()) => see_other("/account?done=sessions"),
        Err(error) => Trouble::from(error).into_response(),
    }
}
