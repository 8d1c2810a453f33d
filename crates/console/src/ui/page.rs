//! What is around every page, and how a page becomes an answer; pages that say what went wrong.
//!
//! What never lives here: what a page is about.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use store::{AccountError, ReadError};

use super::look::filters;
use super::sign_in::capitalised;
use super::visitor::Visitor;
use crate::Console;
use crate::api::status_of;
use crate::ops::{Forbidden, OpError, Permission, approvals};

/// What a page may load and do: its own style sheet and scripts, nothing of anybody else, and in nobody's frame.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; require-trusted-types-for 'script'; \
     trusted-types portcullis";

/// Holds that the navigation counts, at most.
const WAITING_SHOWN_MAX: u64 = 99;

/// Where in the navigation a page belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// What happened, what needs somebody.
    Overview,
    /// Calls that wait for a person.
    Approvals,
    /// The calls.
    Activity,
    /// Servers and their tools.
    Servers,
    /// Policies and the builder.
    Policies,
    /// Trying a call.
    Playground,
    /// Grants of agents.
    Grants,
    /// What each agent can call.
    Inventory,
    /// Accounts and roles.
    People,
    /// Settings.
    Settings,
    /// Health.
    Health,
    /// Nowhere: somebody's own account and the like.
    Beside,
}

/// A line of the navigation.
#[derive(Debug)]
pub struct Entry {
    /// Its page.
    pub address: &'static str,
    /// What it is called.
    pub word: &'static str,
    /// Whether the page belongs there.
    pub is_here: bool,
    /// What waits there.
    pub count: u64,
}

impl Entry {
    /// What waits there, as it is shown.
    pub fn shown_count(&self) -> String {
        if self.count > WAITING_SHOWN_MAX {
            format!("{WAITING_SHOWN_MAX}+")
        } else {
            self.count.to_string()
        }
    }
}

/// What is around a page of somebody who is signed in.
#[derive(Debug)]
pub struct Frame {
    /// The title of the page.
    pub title: String,
    place: Place,
    /// Who is signed in.
    pub display: String,
    role: store::ApiRole,
    /// What every form sends back.
    pub csrf: String,
    waiting: u64,
    /// Said once, above the page: what the form before it did.
    pub told: Option<String>,
}

impl Frame {
    /// The frame of a page of this visitor.
    pub async fn of(
        console: &Console,
        visitor: &Visitor,
        place: Place,
        title: &str,
    ) -> Result<Self, Trouble> {
        let waiting = approvals::waiting_count(console, &visitor.actor).await?;
        Ok(Self {
            title: title.to_owned(),
            place,
            display: visitor.display.clone(),
            role: visitor.actor.role,
            csrf: visitor.csrf.clone(),
            waiting,
            told: None,
        })
    }

    /// The same, saying once what was done.
    #[must_use]
    pub fn telling(self, told: Option<String>) -> Self {
        Self { told, ..self }
    }

    /// Whether the visitor may do that: controls that would be refused are not shown.
    pub fn may(&self, permission: Permission) -> bool {
        crate::ops::actor::role_may(self.role, permission)
    }

    /// Their role, for people.
    pub fn role_word(&self) -> &'static str {
        match self.role {
            store::ApiRole::Viewer => "Viewer",
            store::ApiRole::PolicyManager => "Policy manager",
            store::ApiRole::Approver => "Approver",
            store::ApiRole::Admin => "Admin",
        }
    }

    /// The navigation.
    pub fn entries(&self) -> Vec<Entry> {
        const ALL: [(Place, &str, &str); 11] = [
            (Place::Overview, "/", "Overview"),
            (Place::Approvals, "/approvals", "Approvals"),
            (Place::Activity, "/activity", "Activity"),
            (Place::Servers, "/servers", "Servers"),
            (Place::Policies, "/policies", "Policies"),
            (Place::Playground, "/playground", "Playground"),
            (Place::Grants, "/grants", "Grants"),
            (Place::Inventory, "/inventory", "Inventory"),
            (Place::People, "/people", "People"),
            (Place::Settings, "/settings", "Settings"),
            (Place::Health, "/health", "Health"),
        ];
        ALL.into_iter()
            .map(|(place, address, word)| Entry {
                address,
                word,
                is_here: place == self.place,
                count: if place == Place::Approvals { self.waiting } else { 0 },
            })
            .collect()
    }
}

/// A page as an answer.
pub fn show(page: &impl Template) -> Response {
    answer(StatusCode::OK, page)
}

/// A page as an answer with a status of its own: a form that comes back with what is wrong in it.
pub fn answer(status: StatusCode, page: &impl Template) -> Response {
    let Ok(text) = page.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
        // Without one, browsers would not say from which page a form was sent (`Origin: null`).
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ];
    (status, headers, text).into_response()
}

/// Another page of ours; what was done is told there once (`told` in its query).
pub fn see_other(address: &str) -> Response {
    match HeaderValue::from_str(address) {
        Ok(place) => (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response(),
        Err(_not_ours) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// A part of an address: everything but letters, digits, `-`, `.`, `_` and `~` percent-encoded.
pub fn encoded(part: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Something went wrong, as a page.
#[derive(Debug, Template)]
#[template(path = "trouble.html")]
pub struct Trouble {
    status: u16,
    title: &'static str,
    text: String,
    /// Further lines: errors of a policy, tests that fail.
    places: Vec<String>,
    /// Where to go on, and what that is called.
    back: (&'static str, &'static str),
}

impl Trouble {
    /// An answer of that status, in words.
    pub fn new(status: StatusCode, title: &'static str, text: impl Into<String>) -> Self {
        let (text, places) = (text.into(), Vec::new());
        Self { status: status.as_u16(), title, text, places, back: ("/", "Go to the overview") }
    }

    /// There is no such page.
    pub fn no_page() -> Self {
        let text =
            "Nothing is at this address. It may have been removed, or the link is incomplete.";
        Self::new(StatusCode::NOT_FOUND, "There is no such page", text)
    }

    /// Nothing is shown at an address that takes a form, or the other way round.
    pub fn no_such_use() -> Self {
        let text = "This address takes what a form sends, or only shows something. A page that is \
                    loaded again after a form was sent, or a link to where the form goes, ends here.";
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "Not in this way", text)
    }

    fn with(self, places: Vec<String>) -> Self {
        Self { places, ..self }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer(status, &self)
    }
}

impl From<ReadError> for Trouble {
    fn from(error: ReadError) -> Self {
        Self::from(OpError::Read(error))
    }
}

impl From<OpError> for Trouble {
    fn from(error: OpError) -> Self {
        let text = error.to_string();
        let (status, _kind) = status_of(&error);
        match error {
            OpError::Forbidden(Forbidden::StepUp) => Self {
                back: ("/step-up", "Give your password again"),
                ..Self::new(status, "This takes your password again", text)
            },
            OpError::Forbidden(Forbidden::Role { .. }) | OpError::NotYours(_) => {
                Self::new(StatusCode::FORBIDDEN, "You may not do this", capitalised(&text))
            }
            OpError::NotFound { .. } => {
                Self::new(StatusCode::NOT_FOUND, "This is not there (any more)", text)
            }
            OpError::Conflict(_) | OpError::Changed(_) => {
                Self::new(StatusCode::CONFLICT, "Somebody was faster, or it is over", text)
            }
            OpError::Policy(problems) => {
                let places = problems.iter().map(ToString::to_string).collect();
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The policy has errors", text)
                    .with(places)
            }
            OpError::Tests(failing) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "The policy’s tests fail", text)
                    .with(failing)
            }
            OpError::Name(_) | OpError::Token(_) | OpError::Invalid(_) | OpError::TooLong(_) => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Something in the form is wrong", text)
            }
            OpError::Write(_) if status == StatusCode::NOT_FOUND => {
                Self::new(status, "This is not there (any more)", capitalised(&text))
            }
            OpError::Write(_) if status == StatusCode::PRECONDITION_FAILED => {
                let then = "Nothing was saved. Load the page again to see what it is now.";
                let text = format!("{}. {then}", capitalised(text.trim_end_matches('.')));
                Self::new(status, "Somebody was faster", text)
            }
            OpError::Write(_) if status.is_client_error() => {
                Self::new(status, "This cannot be done", capitalised(&text))
            }
            OpError::Write(_) | OpError::Read(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "The store does not answer", text)
            }
            OpError::Account(AccountError::LinkOver) => {
                Self::new(status, "This link does not work (any more)", capitalised(&text))
            }
            OpError::Account(_) => Self::new(status, "This cannot be done", capitalised(&text)),
            OpError::WrongPassword => {
                Self::new(StatusCode::FORBIDDEN, "The password is not right", text)
            }
            OpError::Busy => Self::new(StatusCode::TOO_MANY_REQUESTS, "Too much at once", text),
            OpError::Broken | OpError::NoEntropy(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Something broke", text)
            }
        }
    }
}
