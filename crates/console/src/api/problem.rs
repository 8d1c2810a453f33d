//! RFC 9457 problem documents: the one place where an [`OpError`] becomes a status and a body.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use store::{AccountError, ReadError, WriteError};
use utoipa::ToSchema;

use crate::ops::{Forbidden, OpError};

/// A problem document.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// A stable word for the kind of problem, as a URI reference: `/problems/not-found`.
    #[serde(rename = "type")]
    pub kind: String,
    /// What is wrong, in general.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong here, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Every error of a policy, or every failing test.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<PlacedError>,
}

/// One error with its place.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlacedError {
    /// JSON Pointer into the document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column, from 1, in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

/// An answer that is a problem document.
#[derive(Debug)]
pub struct Refusal(
    pub(super) StatusCode,
    pub(super) &'static str,
    pub(super) Option<String>,
    Vec<PlacedError>,
);

impl Refusal {
    pub(crate) fn new(
        status: StatusCode,
        kind: &'static str,
        detail: impl Into<String>,
    ) -> Refusal {
        Refusal(status, kind, Some(detail.into()), Vec::new())
    }

    pub(super) fn invalid(detail: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, "invalid", detail)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let Refusal(status, kind, detail, errors) = self;
        let body = Problem {
            kind: format!("/problems/{kind}"),
            title: kind.replace('-', " "),
            status: status.as_u16(),
            detail,
            errors,
        };
        let mut response = (status, Json(body)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        if status == StatusCode::UNAUTHORIZED {
            let challenge = HeaderValue::from_static("Bearer realm=\"portcullis api\"");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

fn placed(problem: policy::Problem) -> PlacedError {
    PlacedError {
        pointer: Some(problem.pointer),
        line: Some(problem.line),
        column: Some(problem.column),
        message: problem.message,
        help: problem.help,
    }
}

fn plain(message: String) -> PlacedError {
    PlacedError { pointer: None, line: None, column: None, message, help: None }
}

/// The status of an error, and the word for its kind.
pub(crate) fn status_of(error: &OpError) -> (StatusCode, &'static str) {
    match error {
        OpError::Forbidden(Forbidden::StepUp) => (StatusCode::FORBIDDEN, "step-up"),
        OpError::Forbidden(Forbidden::Role { .. }) | OpError::NotYours(_) => {
            (StatusCode::FORBIDDEN, "forbidden")
        }
        OpError::WrongPassword => (StatusCode::FORBIDDEN, "wrong-password"),
        OpError::Busy => (StatusCode::TOO_MANY_REQUESTS, "busy"),
        OpError::Account(error) => account_status(error),
        OpError::Name(_) | OpError::Token(_) | OpError::Invalid(_) => {
            (StatusCode::BAD_REQUEST, "invalid")
        }
        OpError::Policy(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid-policy"),
        OpError::TooLong(_) => (StatusCode::UNPROCESSABLE_ENTITY, "too-long"),
        OpError::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "failed"),
        OpError::Tests(_) => (StatusCode::UNPROCESSABLE_ENTITY, "failing-tests"),
        OpError::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
        OpError::Conflict(_) => (StatusCode::CONFLICT, "conflict"),
        OpError::Changed(_) => (StatusCode::PRECONDITION_FAILED, "changed"),
        OpError::Write(error) => write_status(error),
        OpError::Read(error) => read_status(error),
        OpError::NoEntropy(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
    }
}

impl From<OpError> for Refusal {
    fn from(error: OpError) -> Refusal {
        let detail = error.to_string();
        let (status, kind) = status_of(&error);
        let errors = match error {
            OpError::Policy(problems) => problems.into_iter().map(placed).collect(),
            OpError::Tests(failures) => failures.into_iter().map(plain).collect(),
            OpError::Forbidden(_)
            | OpError::NotYours(_)
            | OpError::Name(_)
            | OpError::Token(_)
            | OpError::Invalid(_)
            | OpError::TooLong(_)
            | OpError::Broken
            | OpError::NotFound { .. }
            | OpError::Conflict(_)
            | OpError::Changed(_)
            | OpError::Write(_)
            | OpError::Read(_)
            | OpError::Account(_)
            | OpError::WrongPassword
            | OpError::Busy
            | OpError::NoEntropy(_) => Vec::new(),
        };
        Refusal(status, kind, Some(detail), errors)
    }
}

fn write_status(error: &WriteError) -> (StatusCode, &'static str) {
    match error {
        WriteError::Unavailable(_) | WriteError::NoEntropy(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable")
        }
        WriteError::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found"),
        WriteError::Exists { .. } | WriteError::InUse { .. } => (StatusCode::CONFLICT, "conflict"),
        WriteError::ManagedByFile { .. } => (StatusCode::CONFLICT, "managed-by-file"),
        WriteError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too-large"),
        WriteError::Changed { .. } => (StatusCode::PRECONDITION_FAILED, "changed"),
        WriteError::Damaged(error) => read_status(error),
    }
}

fn account_status(error: &AccountError) -> (StatusCode, &'static str) {
    match error {
        AccountError::Unavailable(_) | AccountError::NoEntropy(_) => {
            (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable")
        }
        AccountError::NotFound(_) | AccountError::LinkOver => (StatusCode::NOT_FOUND, "not-found"),
        AccountError::Exists(_) | AccountError::LastAdmin | AccountError::Full { .. } => {
            (StatusCode::CONFLICT, "conflict")
        }
        AccountError::Changed => (StatusCode::PRECONDITION_FAILED, "changed"),
        AccountError::Blocked { .. } => (StatusCode::TOO_MANY_REQUESTS, "too-many-attempts"),
        AccountError::Damaged(error) => read_status(error),
    }
}

fn read_status(error: &ReadError) -> (StatusCode, &'static str) {
    match error {
        ReadError::Unavailable(_) => (StatusCode::SERVICE_UNAVAILABLE, "store-unavailable"),
        ReadError::Damaged { .. } | ReadError::Sealed { .. } => {
            (StatusCode::INTERNAL_SERVER_ERROR, "damaged")
        }
    }
}
