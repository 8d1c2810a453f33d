//! What somebody typed is not lost because a session ended or a proof grew old in the meantime: a form that
//! is refused for that comes back to them whole, to be sent once more by their own hand. Nothing of it is done
//! before.
//!
//! What never lives here: which forms are refused.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use askama::Template;
use axum::body::{Body, HttpBody};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt as _, Collected, Limited};
use serde::Deserialize;

use super::form::{self, CSRF_FIELD, FORM_BYTES_MAX, OfAnotherSession, TEXT_FORM_BYTES_MAX};
use super::look::filters;
use super::page;
use super::pages::PAGES;
use super::sign_in::{BROWSER_COOKIE, STEP_UP, step_up_page};
use super::told;
use super::visitor::{self, SIGN_IN, Visitor, own_path, with_next};
use crate::Console;
use crate::ops::accounts::KnownBrowser;

/// Bytes of a form that is carried through the page of the password, at most: that page's own form has
/// room for it, encoded once more.
const CARRIED_BYTES_MAX: usize = 12 * 1024;
/// Characters of a field that are shown before it is sent, at most.
const SHOWN_CHARS_MAX: usize = 2_000;
/// Forms that are never kept: what they carry is a password, or nothing.
const NEVER_KEPT: [&str; 7] = [
    "/sign-in",
    "/sign-out",
    "/step-up",
    "/account/password",
    "/welcome/",
    "/join/",
    "/new-password/",
];
/// Fields that may hold a secret, by the beginning of the path of their form.
const SECRETS: [(&str, &[&str]); 2] =
    [("/setup", &["headers", "env", "text"]), ("/servers/", &["value"])];

/// A form that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Waiting {
    /// Where it goes to: a path of ours.
    pub(super) path: String,
    fields: Vec<(String, String)>,
    /// Names of fields that are not kept.
    pub(super) secrets: Vec<String>,
}

/// A form as the page of the password carries it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Carried {
    waits_at: Option<String>,
    waits_with: Option<String>,
}

impl Carried {
    /// The form, if there is one.
    pub(super) fn form(&self) -> Option<Waiting> {
        let path = self.waits_at.as_deref()?;
        Waiting::read(path, self.waits_with.as_deref().unwrap_or_default())
    }
}

/// The page of the held call that a form approves: nobody approves what is not before their eyes, so that
/// page comes back instead of the form.
fn approves(path: &str) -> Option<&str> {
    path.strip_suffix("/approve").filter(|page| page.starts_with("/approvals/"))
}

impl Waiting {
    /// Reads a form without the secret of its session; `None` where forms of that page are not kept.
    fn read(path: &str, body: &str) -> Option<Waiting> {
        let path = own_path(path)?;
        if NEVER_KEPT.iter().any(|never| path.starts_with(never)) || approves(path).is_some() {
            return None;
        }
        let fields: Vec<(String, String)> = serde_urlencoded::from_str(body).ok()?;
        let secret = |name: &str| {
            SECRETS.iter().any(|(page, names)| path.starts_with(page) && names.contains(&name))
        };
        let filled = fields.iter().filter(|(name, value)| secret(name) && !value.is_empty());
        let secrets = filled.map(|(name, _)| name.clone()).collect();
        let kept = fields.into_iter().filter(|(name, _)| name != CSRF_FIELD && !secret(name));
        Some(Waiting { path: path.to_owned(), fields: kept.collect(), secrets })
    }

    /// What it would do, in words.
    pub(super) fn what(&self) -> &'static str {
        let path = self.path.split('?').next().unwrap_or_default();
        let fits = |pattern: &str| {
            let (mut ours, mut theirs) = (pattern.split('/'), path.split('/'));
            let same = ours
                .by_ref()
                .zip(theirs.by_ref())
                .all(|(own, part)| own == part || (own.starts_with('{') && !part.is_empty()));
            same && pattern.split('/').count() == path.split('/').count()
        };
        let found = PAGES.iter().find(|page| page.method == "post" && fits(page.path));
        found.map_or("Send the form", |page| page.summary)
    }

    /// Its fields, as a body.
    pub(super) fn encoded(&self) -> String {
        serde_urlencoded::to_string(&self.fields).unwrap_or_default()
    }

    /// Its fields as they are shown before it is sent: cut, and how many characters that leaves out.
    fn shown(&self) -> Vec<(&str, String, usize)> {
        let filled = self.fields.iter().filter(|(_, value)| !value.is_empty());
        filled
            .map(|(name, value)| {
                let shown: String = value.chars().take(SHOWN_CHARS_MAX).collect();
                let more = value.chars().count().saturating_sub(SHOWN_CHARS_MAX);
                (name.as_str(), shown, more)
            })
            .collect()
    }
}

/// Why a form comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The session is over.
    SignedOut,
    /// It was made by another session of this browser.
    OtherSession,
    /// The proof is too old, and the form too long to be carried through the page of the password.
    StepUp,
    /// The proof was given just now.
    Proved,
}

#[derive(Debug, Template)]
#[template(path = "kept.html")]
struct Page<'a> {
    why: Why,
    waiting: &'a Waiting,
    csrf: &'a str,
    who: &'a str,
}

fn answer(why: Why, visitor: Option<&Visitor>, waiting: &Waiting) -> Response {
    let status = if why == Why::Proved { StatusCode::OK } else { StatusCode::FORBIDDEN };
    let (csrf, who) = visitor.map_or(("", ""), |v| (v.csrf.as_str(), v.email.as_str()));
    page::answer(status, &Page { why, waiting, csrf, who })
}

/// The page from which a form is sent after the password was given.
pub(super) fn confirm(visitor: &Visitor, waiting: &Waiting) -> Response {
    answer(Why::Proved, Some(visitor), waiting)
}

/// Stands before all pages: gives a form back that is refused because of the session alone, and shows of
/// what an address tells what a form of this session led to.
pub(super) async fn keeping(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path().to_owned();
    let never = NEVER_KEPT.iter().any(|never| path.starts_with(never));
    let is_form = request.method() == Method::POST && form::is_form(request.headers());
    if request.method() == Method::GET && told::tells(request.uri()) {
        let (parts, body) = request.into_parts();
        let visitor = visitor::find(&console, &parts).await.ok().flatten();
        let request = Request::from_parts(parts, body);
        return next.run(told::held(request, visitor.as_ref())).await;
    }
    if never || !is_form || form::check_origin(&console, request.headers()).is_err() {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let visitor = match visitor::find(&console, &parts).await {
        Ok(visitor) => visitor,
        Err(error) => return page::Trouble::from(error).into_response(),
    };
    let Some(visitor) = visitor else {
        return signed_out(&console, (parts, body), next).await;
    };
    let read = Arc::new(Mutex::new(Vec::new()));
    let tee = Body::new(Tee { body, read: Arc::clone(&read) });
    let refused = next.run(Request::from_parts(parts, tee)).await;
    let other_session = refused.extensions().get::<OfAnotherSession>().is_some();
    let location = refused.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
    let step_up = location.is_some_and(|to| to.starts_with(STEP_UP)).then(|| leads_to(location));
    if !other_session && step_up.is_none() {
        return told::proved(refused, &visitor);
    }
    let pieces = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
    let whole = pieces.concat();
    let waiting = std::str::from_utf8(&whole).ok().and_then(|text| Waiting::read(&path, text));
    match (waiting, step_up) {
        (None, _) => refused,
        (Some(waiting), None) => answer(Why::OtherSession, Some(&visitor), &waiting),
        (Some(waiting), Some(next)) if waiting.encoded().len() <= CARRIED_BYTES_MAX => {
            step_up_page(&console, &visitor, (&next, Some(&waiting)), None)
        }
        (Some(waiting), Some(_)) => answer(Why::StepUp, Some(&visitor), &waiting),
    }
}

/// Where the page of the password would lead to.
fn leads_to(location: Option<&str>) -> String {
    let query = location.and_then(|to| to.split_once("?next=")).map(|(_, next)| next);
    let pairs = query.map(|next| format!("next={next}")).unwrap_or_default();
    let decoded: Vec<(String, String)> = serde_urlencoded::from_str(&pairs).unwrap_or_default();
    let next = decoded.into_iter().next().map(|(_, next)| next).unwrap_or_default();
    own_path(&next).unwrap_or("/").to_owned()
}

/// Gives a form back whose session is over, in a browser where somebody signed in before: of any other
/// nothing is read.
async fn signed_out(console: &Console, (parts, body): (Parts, Body), next: Next) -> Response {
    let carried = visitor::cookie(&parts.headers, BROWSER_COOKIE);
    if KnownBrowser::of_anybody(console, carried).is_none() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let path = parts.uri.path();
    let long = path.starts_with("/policies") || path.starts_with("/playground");
    let bytes_max = if long { TEXT_FORM_BYTES_MAX } else { FORM_BYTES_MAX };
    let whole = Limited::new(body, bytes_max).collect().await.map(Collected::to_bytes);
    let waiting = whole.ok().and_then(|bytes| {
        std::str::from_utf8(&bytes).ok().and_then(|text| Waiting::read(path, text))
    });
    match waiting {
        Some(waiting) => answer(Why::SignedOut, None, &waiting),
        None => visitor::see_other(&with_next(SIGN_IN, approves(path))),
    }
}

/// A body, and what was read of it: as much as whoever reads it takes.
struct Tee {
    body: Body,
    read: Arc<Mutex<Vec<Bytes>>>,
}

impl HttpBody for Tee {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.read.lock().unwrap_or_else(PoisonError::into_inner).push(data.clone());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
