//! Pages for people: server-rendered, readable and decidable without JavaScript. Each page asks the use cases of
//! [`crate::ops`], as the visitor it is for; every POST comes through [`form::Posted`].
//!
//! What never lives here: SQL, decisions, who may do what.

mod account;
mod activity;
mod address;
mod approvals;
mod assets;
mod builder;
mod call;
mod deeds;
pub mod diff;
pub mod form;
mod grants;
mod health;
mod history;
mod inventory;
mod kept;
mod live;
pub mod look;
mod notifications;
mod overview;
pub mod page;
pub mod pages;
mod people;
mod playground;
mod policies;
mod review;
mod servers;
mod settings;
mod setup;
mod setup_link;
mod sign_in;
mod sign_on;
mod theme;
mod told;
mod tools;
pub mod visitor;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};

use crate::Console;

pub use live::Views;

/// All pages. Requests need `ConnectInfo<SocketAddr>` where records should name the visitor's address.
pub fn router(console: Console) -> Router {
    Router::new()
        .route("/", get(overview::show))
        .route("/approvals", get(approvals::list))
        .route("/approvals/events", get(approvals::events))
        .route("/approvals/{id}", get(approvals::show))
        .route("/approvals/{id}/approve", post(approvals::approve))
        .route("/approvals/{id}/reject", post(approvals::reject))
        .route("/settings/notifications", get(notifications::show))
        .route("/settings/notifications/{name}/test", post(notifications::try_channel))
        .route("/activity", get(activity::show))
        .route("/activity/events", get(live::events))
        .route("/activity/{seq}", get(call::show))
        .merge(set_up())
        .route("/policies/{name}/review", get(review::show).post(review::save))
        .route("/policies/{name}/review/discard", post(review::discard))
        .route("/policies/{name}/history", get(history::show))
        .route("/policies/{name}/history/{version}/restore", post(history::restore))
        .route("/playground", get(playground::show))
        .route("/playground/test", post(playground::keep))
        .route("/policies", get(policies::show).post(policies::begin))
        .route("/policies/{name}", get(builder::show))
        .route("/policies/{name}/begin", get(builder::begin))
        .route("/policies/{name}/look", post(builder::look))
        .route("/policies/{name}/text", post(builder::keep))
        .route("/policies/{name}/from-call", post(builder::put_from_call))
        .route("/policies/{name}/discard", post(builder::discard))
        .route("/assets/{mark}/{name}", get(assets::show))
        .merge(people_router())
        .method_not_allowed_fallback(|| async { page::Trouble::no_such_use() })
        .layer(from_fn_with_state(console.clone(), kept::keeping))
        .layer(axum::middleware::from_fn(theme::with_choice))
        .with_state(console)
}

/// What people do with accounts: their own, and those of others.
fn people_router() -> Router<Console> {
    Router::new()
        .route("/sign-in", get(sign_in::show).post(sign_in::sign_in))
        .route("/sign-in/on", get(sign_on::begin))
        .route("/sign-in/callback", get(sign_on::finish))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/step-up", get(sign_in::ask_again).post(sign_in::step_up))
        .route("/welcome/{link}", get(setup_link::welcome).post(setup_link::set_up))
        .route("/join/{link}", get(setup_link::join).post(setup_link::accept))
        .route("/new-password/{link}", get(setup_link::new_password).post(setup_link::renew))
        .route("/account", get(account::show))
        .route("/account/password", post(account::change_password))
        .route("/account/theme", post(theme::choose))
        .route("/account/sessions/end", post(account::end_session))
        .route("/account/sessions/end-others", post(account::end_others))
        .route("/people", get(people::show))
        .route("/people/invite", post(people::invite))
        .route("/people/links/{link}/withdraw", post(people::withdraw))
        .route("/people/{id}", get(people::one))
        .route("/people/{id}/role", post(people::change_role))
        .route("/people/{id}/disable", post(people::disable))
        .route("/people/{id}/enable", post(people::enable))
        .route("/people/{id}/new-password", post(people::new_password))
        .route("/people/{id}/remove", post(people::remove))
        .route("/people/{id}/sessions/end", post(people::end_session))
        .route("/deeds", get(deeds::show))
        .route("/settings", get(settings::show))
        .route("/settings/organisation", post(settings::rename))
        .route("/settings/own-calls", post(settings::own_calls))
        .route("/health", get(health::show))
        .route("/health/verify", post(health::verify))
}

/// Servers, their tools, grants, and how the first ones come to be.
fn set_up() -> Router<Console> {
    Router::new()
        .route("/setup", get(setup::start).post(setup::add))
        .route("/setup/{slug}", get(setup::review))
        .route("/setup/{slug}/test", post(setup::test))
        .route("/setup/{slug}/choices", post(setup::choose))
        .route("/setup/{slug}/policy", post(setup::save))
        .route("/servers", get(servers::list))
        .route("/servers/{slug}", get(servers::one))
        .route("/servers/{slug}/test", post(servers::test))
        .route("/servers/{slug}/settings", post(servers::settings))
        .route("/servers/{slug}/credentials", post(servers::credentials))
        .route("/servers/{slug}/class", post(servers::class))
        .route("/servers/{slug}/remove", post(servers::remove))
        .route("/servers/{slug}/changes", get(tools::changes).post(tools::decide))
        .route("/grants", get(grants::list).post(grants::create))
        .route("/grants/new", get(grants::form))
        .route("/grants/{id}/first-call", get(grants::first_call))
        .route("/grants/{id}", get(grants::one))
        .route("/grants/{id}/rotate", post(grants::rotate))
        .route("/grants/{id}/policy", post(grants::attach))
        .route("/grants/{id}/revoke", post(grants::revoke))
        .route("/inventory", get(inventory::matrix))
        .route("/inventory/{id}", get(inventory::one))
}

/// The page that says that nothing is at an address.
pub(crate) fn no_page() -> Response {
    page::Trouble::no_page().into_response()
}

#[cfg(test)]
mod set_up_tests;
#[cfg(test)]
mod tests;
