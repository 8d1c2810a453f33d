//! Signing in, signing out, and proving again who somebody is.
//!
//! What never lives here: what is compared, and how often it may be wrong.

use askama::Template;
use axum::extract::{FromRequestParts as _, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use store::{AccountError, Secret, Token};

use super::form::{FORM_COOKIE, Posted, PostedByAnyone, form_secret};
use super::kept::{self, Waiting};
use super::look::{filters, span};
use super::page::{self, Trouble};
use super::visitor::{
    self, SESSION_COOKIE, SIGN_IN, Visitor, own_path, see_other, session_cookie, set_cookie,
    with_next,
};
use crate::Console;
use crate::ops::accounts::{self, KNOWN_MS_MAX, Opened, SignIn};
use crate::ops::{Forbidden, OpError};
use crate::ui::address::Query;

/// The cookie of a browser in which somebody signed in before; sealed.
pub(super) const BROWSER_COOKIE: &str = "__Host-portcullis-browser";
/// The page where people prove again who they are.
pub(crate) const STEP_UP: &str = "/step-up";

/// Where somebody goes from a page.
#[derive(Debug, Deserialize)]
pub(super) struct Leads {
    next: Option<String>,
}

impl Leads {
    /// A path of ours; the overview where it is none.
    fn place(&self) -> &str {
        self.next.as_deref().and_then(own_path).unwrap_or("/")
    }
}

#[derive(Debug, Template)]
#[template(path = "sign_in.html")]
struct Page<'a> {
    csrf: &'a str,
    next: &'a str,
    email: &'a str,
    wrong: Option<String>,
    organisation: &'a str,
    is_set_up: bool,
    /// Where people sign in through the issuer of sign-on, if there is one.
    sign_on: Option<String>,
}

/// `GET /sign-in`.
pub(super) async fn show(
    State(console): State<Console>,
    Query(leads): Query<Leads>,
    request: Request,
) -> Result<Response, Trouble> {
    let (mut parts, _body) = request.into_parts();
    if Visitor::from_request_parts(&mut parts, &console).await.is_ok() {
        return Ok(see_other(leads.place()));
    }
    let csrf = before_session(&console, &parts.headers)?;
    let place = leads.place().to_owned();
    let page = (place.as_str(), "", None);
    Ok(with_form_cookie(of(&console, &csrf, page, StatusCode::OK).await?, &csrf))
}

async fn of(
    console: &Console,
    csrf: &str,
    (next, email, wrong): (&str, &str, Option<String>),
    status: StatusCode,
) -> Result<Response, Trouble> {
    let organisation = console.store.organisation().await.map_err(OpError::from)?;
    let is_set_up = !organisation.is_empty();
    let configured = console.site.sign_on.is_some();
    let sign_on = configured.then(|| with_next("/sign-in/on", Some(next)));
    let organisation = organisation.as_str();
    let page = Page { csrf, next, email, wrong, organisation, is_set_up, sign_on };
    Ok(page::answer(status, &page))
}

/// The secret that forms carry before anybody is signed in: the one that the browser has, or a
/// fresh one.
pub(super) fn before_session(console: &Console, headers: &HeaderMap) -> Result<String, Trouble> {
    if let Some(secret) = form_secret(headers) {
        return Ok(secret.to_owned());
    }
    let random = console.entropy.bytes().map_err(OpError::from)?;
    Ok(Token::make(random).expose().to_owned())
}

/// Gives the browser the cookie that such forms are held against.
pub(super) fn with_form_cookie(mut page: Response, secret: &str) -> Response {
    page.headers_mut().append(header::SET_COOKIE, set_cookie(FORM_COOKIE, secret));
    page
}

/// To a place, with the cookies of a session that was just opened.
pub(super) fn opened(place: &str, session: &Opened) -> Response {
    with_session(see_other(place), session)
}

/// An answer with the cookies of a session that was just opened.
fn with_session(mut answer: Response, session: &Opened) -> Response {
    let known = visitor::lasting_cookie((BROWSER_COOKIE, &session.known), KNOWN_MS_MAX / 1_000);
    answer.headers_mut().append(header::SET_COOKIE, session_cookie(&session.secret));
    answer.headers_mut().append(header::SET_COOKIE, known);
    answer
}

#[derive(Deserialize)]
pub(super) struct Form {
    email: String,
    password: String,
    #[serde(flatten)]
    leads: Leads,
}

/// `POST /sign-in`.
pub(super) async fn sign_in(
    State(console): State<Console>,
    PostedByAnyone { browser, parts, form }: PostedByAnyone<Form>,
) -> Result<Response, Trouble> {
    let asked = SignIn {
        email: form.email.clone(),
        password: Secret::new(form.password),
        instead: session_of(&parts),
        known: visitor::cookie(&parts.headers, BROWSER_COOKIE).map(str::to_owned),
    };
    match accounts::sign_in(&console, asked, &browser).await {
        Ok(session) => Ok(opened(form.leads.place(), &session)),
        Err(error) => {
            let (status, wrong) = refusal(error)?;
            let csrf = before_session(&console, &parts.headers)?;
            let page = (form.leads.place(), form.email.as_str(), Some(wrong));
            of(&console, &csrf, page, status).await
        }
    }
}

/// The session that a browser has, over or not.
pub(super) fn session_of(parts: &Parts) -> Option<store::TokenHash> {
    let secret = visitor::cookie(&parts.headers, SESSION_COOKIE)?;
    Token::parse(secret).ok().map(|secret| secret.hash())
}

/// What a form says about a password that was not taken; any other error is trouble.
fn refusal(error: OpError) -> Result<(StatusCode, String), Trouble> {
    if let OpError::Account(AccountError::Blocked { for_ms }) = error {
        let seconds = for_ms.saturating_add(999) / 1_000;
        let text = format!("Too many failed attempts. Try again in {}.", span(seconds));
        return Ok((StatusCode::TOO_MANY_REQUESTS, text));
    }
    let text = capitalised(&error.to_string());
    if matches!(error, OpError::WrongPassword) {
        Ok((StatusCode::UNPROCESSABLE_ENTITY, text))
    } else if matches!(error, OpError::Busy) {
        Ok((StatusCode::TOO_MANY_REQUESTS, text))
    } else {
        Err(error.into())
    }
}

/// A sentence of an error as a sentence of a page.
pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

/// Nothing but the secret.
#[derive(Debug, Deserialize)]
pub(super) struct Nothing {}

/// `POST /sign-out`.
pub(super) async fn sign_out(
    State(console): State<Console>,
    posted: Posted<Nothing>,
) -> Result<Response, Trouble> {
    accounts::sign_out(&console, &posted.visitor.actor, posted.visitor.session).await?;
    let mut answer = see_other(SIGN_IN);
    answer.headers_mut().append(header::SET_COOKIE, visitor::no_cookie(SESSION_COOKIE));
    let clear = HeaderValue::from_static("\"cache\"");
    answer.headers_mut().insert(header::HeaderName::from_static("clear-site-data"), clear);
    Ok(answer)
}

#[derive(Debug, Template)]
#[template(path = "step_up.html")]
struct StepUpPage<'a> {
    csrf: &'a str,
    next: &'a str,
    email: &'a str,
    wrong: Option<String>,
    /// Where people prove it at the issuer of sign-on, if there is one.
    sign_on: Option<String>,
    /// A form that waits for this, and was not sent.
    waiting: Option<&'a Waiting>,
}

/// The page that asks for the password again.
pub(super) fn step_up_page(
    console: &Console,
    visitor: &Visitor,
    (next, waiting): (&str, Option<&Waiting>),
    refused: Option<(StatusCode, String)>,
) -> Response {
    let unasked = if waiting.is_some() { StatusCode::FORBIDDEN } else { StatusCode::OK };
    let (status, wrong) = refused.map_or((unasked, None), |(status, wrong)| (status, Some(wrong)));
    let email = visitor.email.as_str();
    let configured = console.site.sign_on.is_some();
    let sign_on =
        configured.then(|| format!("/sign-in/on?again=1&next={}", visitor::percent_encoded(next)));
    page::answer(status, &StepUpPage { csrf: &visitor.csrf, next, email, wrong, sign_on, waiting })
}

/// `GET /step-up`.
pub(super) async fn ask_again(
    State(console): State<Console>,
    visitor: Visitor,
    Query(leads): Query<Leads>,
) -> Response {
    step_up_page(&console, &visitor, (leads.place(), None), None)
}

#[derive(Deserialize)]
pub(super) struct Again {
    password: String,
    #[serde(flatten)]
    leads: Leads,
    #[serde(flatten)]
    waiting: kept::Carried,
}

/// `POST /step-up`.
pub(super) async fn step_up(
    State(console): State<Console>,
    Posted { visitor, browser, form, .. }: Posted<Again>,
) -> Result<Response, Trouble> {
    let password = Secret::new(form.password);
    let of = (&visitor.email, visitor.session);
    let waiting = form.waiting.form();
    match accounts::step_up(&console, of, password, &browser).await {
        Ok(session) => Ok(match &waiting {
            Some(waiting) => with_session(kept::confirm(&visitor, waiting), &session),
            None => opened(form.leads.place(), &session),
        }),
        Err(error) => {
            let refused = Some(refusal(error)?);
            let page = (form.leads.place(), waiting.as_ref());
            Ok(step_up_page(&console, &visitor, page, refused))
        }
    }
}

/// What becomes of a form that was refused: whose sender only has to prove again who they are, is
/// asked for that, and comes back to `next`, the page of the form.
pub(crate) fn refused(error: OpError, next: &str) -> Response {
    if matches!(error, OpError::Forbidden(Forbidden::StepUp)) {
        return see_other(&with_next(STEP_UP, Some(next)));
    }
    Trouble::from(error).into_response()
}
