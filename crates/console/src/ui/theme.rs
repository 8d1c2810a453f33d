//! Light or dark: as the system of whoever looks at a page, or as they chose in this browser. The choice is a cookie
//! that says nothing else, so that pages before the sign-in keep it too.
//!
//! What never lives here: colours (`assets/app.css`).

use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;

use super::form::Posted;
use super::page::Trouble;
use super::visitor::{cookie, see_other};

/// The cookie of the choice.
const COOKIE: &str = "__Host-portcullis-theme";
/// Seconds that a browser keeps it: a year.
const COOKIE_SECONDS: u32 = 31_536_000;

/// How pages look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Theme {
    /// As the system of the browser.
    #[default]
    System,
    /// Dark text on light ground.
    Light,
    /// Light text on dark ground.
    Dark,
}

impl Theme {
    const ALL: [(Theme, &'static str); 3] =
        [(Theme::System, "As the system"), (Theme::Light, "Light"), (Theme::Dark, "Dark")];

    const fn word(self) -> &'static str {
        match self {
            Theme::System => "system",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    fn of(word: &str) -> Theme {
        let mut all = Theme::ALL.into_iter().map(|(theme, _name)| theme);
        all.find(|theme| theme.word() == word).unwrap_or_default()
    }
}

tokio::task_local! {
    /// The choice of whoever asked for the page that is being made.
    static CHOICE: Theme;
}

/// Makes a page with the choice of whoever asks for it.
pub(super) async fn with_choice(request: Request, next: Next) -> Response {
    let choice = cookie(request.headers(), COOKIE).map(Theme::of).unwrap_or_default();
    CHOICE.scope(choice, next.run(request)).await
}

fn current() -> Theme {
    CHOICE.try_with(|choice| *choice).unwrap_or_default()
}

/// What the page says it is, where somebody chose.
pub(crate) fn chosen() -> Option<&'static str> {
    let choice = current();
    (choice != Theme::System).then(|| choice.word())
}

/// All that can be chosen: the word of the form, the name, and whether it is chosen.
pub(crate) fn choices() -> [(&'static str, &'static str, bool); 3] {
    Theme::ALL.map(|(theme, name)| (theme.word(), name, theme == current()))
}

#[derive(Debug, Deserialize)]
pub(super) struct Choice {
    theme: Theme,
}

/// `POST /account/theme`.
pub(super) async fn choose(posted: Posted<Choice>) -> Result<Response, Trouble> {
    let word = posted.form.theme.word();
    let text = format!(
        "{COOKIE}={word}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; Secure; SameSite=Lax"
    );
    let mut answer = see_other("/account").into_response();
    if let Ok(line) = HeaderValue::try_from(text) {
        answer.headers_mut().append(header::SET_COOKIE, line);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests;
