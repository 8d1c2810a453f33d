//! Pages for people: server-rendered, readable and decidable without JavaScript. Each page asks the use cases of
//! [`crate::ops`], as the visitor it is for; every POST comes through [`form::Posted`].
//!
//! What never lives here: SQL, decisions, who may do what.

mod activity;
mod assets;
mod call;
pub mod form;
mod live;
pub mod look;
mod overview;
pub mod page;
pub mod pages;
pub mod visitor;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use crate::Console;

pub use live::Views;

/// All pages. Requests need `ConnectInfo<SocketAddr>` where records should name the visitor's address.
pub fn router(console: Console) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/activity", get(activity::show))
        .route("/activity/events", get(live::events))
        .route("/activity/{seq}", get(call::show))
        .route("/assets/{mark}/{name}", get(assets::show))
        .with_state(console)
}

/// The page that says that nothing is at an address.
pub(crate) fn no_page() -> Response {
    page::Trouble::no_page().into_response()
}
