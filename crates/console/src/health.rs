//! `/livez`, `/readyz` and `/metrics`: what a supervisor and a person with `curl` ask.
//!
//! What never lives here: how the answers are found out; the binary hands that in.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// One line of `/readyz?verbose`.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was looked at: `store`, `configuration`, `server pay`.
    pub name: String,
    /// `None`: fine. Otherwise what is wrong; no secret.
    pub problem: Option<String>,
    /// Whether a problem here makes the process not ready; otherwise it only shows.
    pub required: Required,
}

/// Whether readiness depends on a check (GATEWAY section 8: dead servers and a refused reload only show).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Required {
    /// Not ready while it fails.
    Yes,
    /// Shown only.
    No,
}

/// Looks at everything, now.
pub type Checks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;

/// Answers health questions; handed in by the binary.
#[derive(Clone)]
pub struct Health {
    /// All checks, now.
    pub checks: Checks,
    /// The metrics page in the OpenMetrics text format.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
}

impl std::fmt::Debug for Health {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Health").finish_non_exhaustive()
    }
}

/// The three pages; they need no token and tell no secret.
pub fn router(health: Health) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

async fn ready(State(health): State<Health>, RawQuery(query): RawQuery) -> Response {
    let checks = (health.checks)();
    let failing = checks.iter().any(|c| c.required == Required::Yes && c.problem.is_some());
    let verbose =
        query.is_some_and(|q| q.split('&').any(|p| p == "verbose" || p.starts_with("verbose=")));
    let mut text = String::new();
    if verbose {
        for check in &checks {
            // Names and problems may carry what a server said about itself; control characters
            // must not reach a terminal.
            let line = match &check.problem {
                None => format!("[ok] {}", check.name),
                Some(problem) => format!("[failing] {}: {problem}", check.name),
            };
            let safe: String =
                line.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
            let _infallible = writeln!(text, "{safe}");
        }
    }
    text.push_str(if failing { "not ready\n" } else { "ready\n" });
    let status = if failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    (status, [(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
}

async fn metrics(State(health): State<Health>) -> Response {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], (health.metrics)()).into_response()
}
