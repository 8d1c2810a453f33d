//! The JSON API under `/api/v1`: requests in, use cases, views out.
//!
//! What never lives here: what anybody may do (`ops`), SQL, pages.

mod approvals;
mod audit;
mod auth;
mod deeds;
mod endpoints;
mod etag;
mod grants;
mod idempotency;
mod input;
mod openapi;
mod policies;
mod problem;
mod replay;
mod servers;
#[cfg(test)]
mod tests;

pub use audit::{AuditView, CSV_HEADER};
pub use deeds::DeedView;
pub use endpoints::{ENDPOINTS, Endpoint, Query};
pub use openapi::document as openapi_document;
pub use problem::{PlacedError, Problem};
pub(crate) use problem::{Refusal, status_of};
pub use replay::{GroupView, ReplayView, StoppedView, because as replay_stopped_because};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use serde::Serialize;
use utoipa::ToSchema;

use crate::Console;

/// Bytes of a request's body, at most: a policy's 1 MiB as a JSON string, with room for escapes.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Items of one page, at most.
pub const PAGE_ITEMS_MAX: usize = 1_000;
/// Items of one page where the caller does not say.
pub const PAGE_ITEMS_DEFAULT: usize = 100;

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// The cursor of the next page; `null` on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    fn whole(items: Vec<T>) -> Page<T> {
        Page { items, next: None }
    }
}

/// The API. Requests need `ConnectInfo<SocketAddr>` where records should name the caller's address.
pub fn router(console: Console) -> Router {
    Router::new()
        .route("/api/v1/openapi.json", get(openapi::show))
        .route("/api/v1/servers", get(servers::list).post(servers::create))
        .route(
            "/api/v1/servers/{slug}",
            get(servers::show).put(servers::replace).delete(servers::remove),
        )
        .route("/api/v1/servers/{slug}/tools", get(servers::tools))
        .route("/api/v1/servers/{slug}/inspect", post(servers::inspect))
        .route("/api/v1/servers/{slug}/tools/{name}/accept", post(servers::accept))
        .route("/api/v1/policies", get(policies::list).post(policies::create))
        .route("/api/v1/policies/validate", post(policies::validate))
        .route(
            "/api/v1/policies/{name}",
            get(policies::show).put(policies::replace).delete(policies::remove),
        )
        .route("/api/v1/policies/{name}/versions", get(policies::versions))
        .route("/api/v1/policies/{name}/versions/{version}/restore", post(policies::restore))
        .route("/api/v1/policies/{name}/test", post(policies::test))
        .route("/api/v1/policies/{name}/replay", post(replay::run))
        .route("/api/v1/policies/{name}/explain", post(policies::explain))
        .route("/api/v1/grants", get(grants::list).post(grants::create))
        .route("/api/v1/grants/{id}", get(grants::show).patch(grants::change))
        .route("/api/v1/grants/{id}/rotate", post(grants::rotate))
        .route("/api/v1/grants/{id}/revoke", post(grants::revoke))
        .route("/api/v1/approvals", get(approvals::list))
        .route("/api/v1/approvals/{id}", get(approvals::show))
        .route("/api/v1/approvals/{id}/approve", post(approvals::approve))
        .route("/api/v1/approvals/{id}/reject", post(approvals::reject))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/deeds", get(deeds::list))
        .fallback(missing)
        .method_not_allowed_fallback(|| async {
            let detail = "this endpoint does not know this method";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(axum::middleware::from_fn_with_state(
            idempotency::Keyed::new(console.clone()),
            idempotency::replay,
        ))
        .with_state(console)
}

/// What is said where nothing is: to programs as a problem document, to people as a page.
async fn missing(uri: Uri) -> Response {
    if uri.path().starts_with("/api/") {
        let detail = "no such endpoint";
        return Refusal::new(StatusCode::NOT_FOUND, "not-found", detail).into_response();
    }
    crate::ui::no_page()
}
