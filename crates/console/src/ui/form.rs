//! What a browser posts: taken only from a page of this console, by the session that the page was
//! made for, and within bounds.
//!
//! What never lives here: what the forms of a screen mean.

use axum::body::Body;
use axum::extract::{FromRef, FromRequest, FromRequestParts as _, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use super::page::Trouble;
use super::sign_in::capitalised;
use super::visitor::{Visitor, browser, cookie};
use crate::Console;
use crate::door::is_late;
use crate::ops::accounts::Browser;

/// Bytes of a form, at most.
pub const FORM_BYTES_MAX: usize = 64 * 1024;
/// Bytes of a form that carries a policy's text, at most: 1 MiB, every byte of it percent-encoded, and
/// the other fields.
pub const TEXT_FORM_BYTES_MAX: usize = 3 * 1024 * 1024 + FORM_BYTES_MAX;
/// The field that carries the session's secret.
pub const CSRF_FIELD: &str = "csrf";
/// The header by which a script carries it.
pub const CSRF_HEADER: &str = "x-portcullis-csrf";
/// The cookie that forms of people without a session are held against.
pub const FORM_COOKIE: &str = "__Host-portcullis-form";
/// Bytes of the secret that such forms carry, at least.
const FORM_SECRET_BYTES_MIN: usize = 43;

/// Why a form is not taken.
#[derive(Debug, Error)]
pub enum FormError {
    /// It comes from a page of somebody else.
    #[error(
        "this form was not sent from a page of this console: open the page here and send it again"
    )]
    Foreign,
    /// It does not carry the secret of this session.
    #[error("this form belongs to another session: open the page again, then send it again")]
    Token,
    /// The cookie of the page did not come back.
    #[error(
        "your browser did not send the page's cookie back: it takes one only over https, or from \
         localhost"
    )]
    NoCookie,
    /// It is no form.
    #[error("this takes a form (application/x-www-form-urlencoded)")]
    MediaType,
    /// It is too long.
    #[error("this form is larger than {0} bytes")]
    TooLarge(usize),
    /// It took too long.
    #[error("this form did not arrive in time")]
    Late,
    /// Its fields are not those of the page.
    #[error("a field of this form is missing or wrong: {0}")]
    Fields(String),
}

impl FormError {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            FormError::Foreign | FormError::Token | FormError::NoCookie => StatusCode::FORBIDDEN,
            FormError::MediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            FormError::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            FormError::Late => StatusCode::REQUEST_TIMEOUT,
            FormError::Fields(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Marks the answer to a form that was whole and right but for the secret of its session.
#[derive(Debug, Clone, Copy)]
pub(super) struct OfAnotherSession;

impl IntoResponse for FormError {
    fn into_response(self) -> Response {
        let text = capitalised(&self.to_string());
        let trouble = Trouble::new(self.status(), "This form was not taken", text);
        let mut answer = trouble.into_response();
        if matches!(self, FormError::Token) {
            answer.extensions_mut().insert(OfAnotherSession);
        }
        answer
    }
}

/// A form of somebody who is signed in. The extractor of every POST: it checks the session, where
/// the form comes from, its secret and its size, in this order, and then its fields. Fields that
/// the page repeats are read with `T = Vec<(String, String)>`.
#[derive(Debug)]
pub struct Posted<T> {
    /// Who sent it.
    pub visitor: Visitor,
    /// Where it comes from.
    pub browser: Browser,
    /// What links to the page it comes from begin with, without a closing slash.
    pub site: String,
    /// Its fields, without the secret.
    pub form: T,
}

impl<S, T> FromRequest<S> for Posted<T>
where
    S: Send + Sync,
    Console: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Posted<T>, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await;
        let visitor = visitor.map_err(IntoResponse::into_response)?;
        let console = Console::from_ref(state);
        let form = read(&console, &parts, (body, FORM_BYTES_MAX), &visitor.csrf).await;
        let form = form.map_err(IntoResponse::into_response)?;
        let site = own_url(&console, &parts.headers);
        Ok(Posted { visitor, browser: browser(&parts), site, form })
    }
}

/// The same as [`Posted`], of up to [`TEXT_FORM_BYTES_MAX`]: a form that carries a policy's text.
#[derive(Debug)]
pub struct PostedText<T> {
    /// Who sent it.
    pub visitor: Visitor,
    /// Its fields, without the secret.
    pub form: T,
}

impl<S, T> FromRequest<S> for PostedText<T>
where
    S: Send + Sync,
    Console: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<PostedText<T>, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, state).await;
        let visitor = visitor.map_err(IntoResponse::into_response)?;
        let console = Console::from_ref(state);
        let form = read(&console, &parts, (body, TEXT_FORM_BYTES_MAX), &visitor.csrf).await;
        Ok(PostedText { visitor, form: form.map_err(IntoResponse::into_response)? })
    }
}

/// A form of somebody who is not signed in: held against a cookie that its page set.
#[derive(Debug)]
pub struct PostedByAnyone<T> {
    /// Where it comes from.
    pub browser: Browser,
    /// The head of the request.
    pub parts: Parts,
    /// Its fields, without the secret.
    pub form: T,
}

impl<S, T> FromRequest<S> for PostedByAnyone<T>
where
    S: Send + Sync,
    Console: FromRef<S>,
    T: DeserializeOwned,
{
    type Rejection = FormError;

    async fn from_request(request: Request, state: &S) -> Result<PostedByAnyone<T>, FormError> {
        let (parts, body) = request.into_parts();
        let console = Console::from_ref(state);
        check_origin(&console, &parts.headers)?;
        let secret = form_secret(&parts.headers).ok_or(FormError::NoCookie)?.to_owned();
        let form = read(&console, &parts, (body, FORM_BYTES_MAX), &secret).await?;
        Ok(PostedByAnyone { browser: browser(&parts), parts, form })
    }
}

/// The secret that forms of this browser carry before anybody is signed in.
pub(crate) fn form_secret(headers: &HeaderMap) -> Option<&str> {
    cookie(headers, FORM_COOKIE).filter(|secret| {
        secret.len() >= FORM_SECRET_BYTES_MIN && secret.bytes().all(|b| b.is_ascii_graphic())
    })
}

async fn read<T: DeserializeOwned>(
    console: &Console,
    parts: &Parts,
    (body, bytes_max): (Body, usize),
    secret: &str,
) -> Result<T, FormError> {
    check_origin(console, &parts.headers)?;
    if !is_form(&parts.headers) {
        return Err(FormError::MediaType);
    }
    let bytes = Limited::new(body, bytes_max).collect().await.map_err(|error| {
        if is_late(&*error) {
            FormError::Late
        } else if error.is::<LengthLimitError>() {
            FormError::TooLarge(bytes_max)
        } else {
            FormError::Fields("the form broke off".to_owned())
        }
    })?;
    let bytes = bytes.to_bytes();
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_bytes| FormError::Fields("it is not UTF-8".to_owned()))?;
    let (presented, fields) = split(text);
    let presented = presented.or_else(|| csrf_header(&parts.headers).map(str::to_owned));
    if !presented.is_some_and(|presented| is_same(&presented, secret)) {
        return Err(FormError::Token);
    }
    serde_urlencoded::from_str(&fields).map_err(|error| FormError::Fields(error.to_string()))
}

/// The secret of a form and its other fields. A secret that stands twice is none.
fn split(text: &str) -> (Option<String>, String) {
    let is_secret = |pair: &&str| pair.split('=').next() == Some(CSRF_FIELD);
    let mut secrets = text.split('&').filter(is_secret);
    let presented = secrets.next().filter(|_| secrets.next().is_none());
    let presented = presented.and_then(|pair| pair.split_once('=')).map(|(_name, value)| value);
    let fields: Vec<&str> = text.split('&').filter(|pair| !is_secret(pair)).collect();
    (presented.map(str::to_owned), fields.join("&"))
}

/// The secret that a script sends along.
pub(crate) fn csrf_header(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(CSRF_HEADER).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok()
}

/// Compares secrets in a time that says nothing of where they differ.
pub(crate) fn is_same(presented: &str, secret: &str) -> bool {
    presented.as_bytes().ct_eq(secret.as_bytes()).into()
}

pub(super) fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// Whether a page of this console sent the request: browsers say so themselves (Fetch Metadata,
/// `Sec-Fetch-Site`), and which page it was (`Origin`, RFC 6454). What says nothing is refused, and
/// what contradicts itself.
pub(crate) fn check_origin(console: &Console, headers: &HeaderMap) -> Result<(), FormError> {
    let only = |name| match one(headers, name) {
        Only::None => Ok(None),
        Only::One(value) => value.to_str().map(Some).map_err(|_odd| FormError::Foreign),
        Only::More => Err(FormError::Foreign),
    };
    let site = only(header::HeaderName::from_static("sec-fetch-site"))?;
    let origin = only(header::ORIGIN)?;
    let host = only(header::HOST)?;
    let own_origin = |origin: &str| {
        let authority = ["https://", "http://"].iter().find_map(|s| origin.strip_prefix(s));
        let named = authority.zip(host).is_some_and(|(a, host)| a.eq_ignore_ascii_case(host));
        named || console.site.url.as_deref().and_then(origin_of).is_some_and(|own| own == origin)
    };
    match (site, origin) {
        // Where no referrer is sent, browsers keep their origin to themselves as well.
        (Some("same-origin"), None | Some("null")) => Ok(()),
        (Some("same-origin") | None, Some(origin)) if own_origin(origin) => Ok(()),
        _ => Err(FormError::Foreign),
    }
}

/// What links to this console begin with: as the configuration says, else as the browser came here.
/// Only for requests that [`check_origin`] let through.
fn own_url(console: &Console, headers: &HeaderMap) -> String {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).filter(|origin| *origin != "null");
    let of_host = || format!("http://{}", text(header::HOST).unwrap_or("localhost"));
    let configured = console.site.url.clone();
    configured.or_else(|| origin.map(str::to_owned)).unwrap_or_else(of_host)
}

enum Only<'h> {
    None,
    One(&'h HeaderValue),
    More,
}

fn one(headers: &HeaderMap, name: header::HeaderName) -> Only<'_> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Only::None,
        (Some(value), None) => Only::One(value),
        (Some(_), Some(_)) => Only::More,
    }
}

/// Scheme and authority of a URL.
fn origin_of(url: &str) -> Option<&str> {
    let authority = url.find("://")?.saturating_add(3);
    let rest = url.get(authority..)?;
    let length = rest.find('/').unwrap_or(rest.len());
    url.get(..authority.saturating_add(length))
}

#[cfg(test)]
mod tests;
