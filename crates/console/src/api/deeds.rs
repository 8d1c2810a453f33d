//! `/api/v1/deeds`: what people, programs and the configuration file did to the installation.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use store::{Deed, DeedFilter, DeedRecord};
use utoipa::{IntoParams, ToSchema};

use super::input::{Params, instant, rfc3339};
use super::problem::Refusal;
use super::{PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX, Page};
use crate::Console;
use crate::ops::{Actor, deeds};

/// One deed.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeedView {
    /// Counts on without gaps.
    seq: i64,
    /// When, RFC 3339.
    time: String,
    /// `user:<address>`, `api:<label>`, `cli`, `file`, `portcullis`, or `nobody` for a failed sign-in.
    actor: String,
    /// An address, `terminal` or `configuration file`.
    from: String,
    /// Such as `sign_in`, `change_role`, `save_policy`.
    deed: &'static str,
    /// What it was done to.
    object: String,
    /// What else there is to say of it: another role, a name, a version.
    detail: String,
}

impl From<DeedRecord> for DeedView {
    fn from(deed: DeedRecord) -> DeedView {
        DeedView {
            seq: deed.seq,
            time: rfc3339(deed.at),
            actor: deed.actor.to_string(),
            from: deed.from,
            deed: deed.deed.as_str(),
            object: deed.object,
            detail: deed.detail,
        }
    }
}

/// Which deeds are shown.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// Who, as `actor` of a deed says it.
    actor: Option<String>,
    /// What, such as `change_role`.
    deed: Option<String>,
    /// To what.
    object: Option<String>,
    /// RFC 3339, from this instant on.
    since: Option<String>,
    /// Where the page before ended.
    cursor: Option<String>,
    /// Items, at most 1,000; 100 where not given.
    limit: Option<usize>,
}

pub(super) async fn list(
    State(console): State<Console>,
    actor: Actor,
    Params(params): Params<ListParams>,
) -> Result<Json<Page<DeedView>>, Refusal> {
    let deed = params.deed.as_deref().map(str::parse::<Deed>).transpose();
    let before = params.cursor.as_deref().map(str::parse::<i64>).transpose();
    let filter = DeedFilter {
        actor: params.actor,
        deed: deed.map_err(|error| Refusal::invalid(error.to_string()))?,
        object: params.object,
        since: params.since.as_deref().map(|t| instant("since", t)).transpose()?,
        before: before.map_err(|_digits| Refusal::invalid("`cursor` is not one of this list"))?,
    };
    let limit = params.limit.unwrap_or(PAGE_ITEMS_DEFAULT).clamp(1, PAGE_ITEMS_MAX);
    let page = deeds::page(&console, &actor, filter, limit).await?;
    let next = page.next.map(|before| before.to_string());
    Ok(Json(Page { items: page.deeds.into_iter().map(DeedView::from).collect(), next }))
}
