//! What people did: every change of the installation with who made it, from where and when. For
//! administrators.
//!
//! What never lives here: what agents did (`activity`).

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use policy::UnixMillis;
use serde::Deserialize;
use store::{Deed, DeedFilter, DeedRecord};

use super::look::{Badge, When, filters};
use super::page::{self, Frame, Place, Trouble, encoded};
use super::visitor::Visitor;
use crate::Console;
use crate::ops::deeds;
use crate::ui::address::Query;

/// Deeds of one page.
const PAGE_ROWS: usize = 100;

/// A deed as a row.
#[derive(Debug)]
struct Row {
    at: When,
    who: String,
    from: String,
    said: &'static str,
    failed: Option<Badge>,
    object: String,
    /// Where the object is shown, if it has a page.
    address: Option<String>,
    detail: String,
}

impl Row {
    fn of(deed: DeedRecord, now: UnixMillis) -> Row {
        let who = deed.actor.to_string();
        let failed = deed.deed == Deed::SignInFailed;
        Row {
            at: When::new(deed.at, now),
            who: who.strip_prefix("user:").map_or(who.clone(), str::to_owned),
            said: deed.deed.said(),
            failed: failed.then(|| Badge::state("bad", "Failed")),
            address: address(deed.deed, &deed.object),
            from: deed.from,
            object: deed.object,
            detail: deed.detail,
        }
    }
}

fn address(deed: Deed, object: &str) -> Option<String> {
    let under = match deed {
        Deed::SaveServer => "servers",
        Deed::SavePolicy => "policies",
        Deed::ApproveCall | Deed::RejectCall => "approvals",
        Deed::SignIn
        | Deed::SignInFailed
        | Deed::SignOut
        | Deed::StepUp
        | Deed::EndSession
        | Deed::EndOtherSessions
        | Deed::ChangePassword
        | Deed::OfferSetUp
        | Deed::SetUp
        | Deed::Invite
        | Deed::Join
        | Deed::OfferPassword
        | Deed::WithdrawLink
        | Deed::CreatePerson
        | Deed::TieSignOn
        | Deed::ChangeRole
        | Deed::Disable
        | Deed::Enable
        | Deed::RemovePerson
        | Deed::RenamePerson
        | Deed::RenameOrganisation
        | Deed::ChangeSettings
        | Deed::RemoveServer
        | Deed::AcceptTool
        | Deed::KeepOutTool
        | Deed::ForgetTool
        | Deed::RemovePolicy
        | Deed::CreateGrant
        | Deed::RotateGrant
        | Deed::AttachPolicy
        | Deed::RevokeGrant
        | Deed::CreateApiToken
        | Deed::RemoveApiToken
        | Deed::TryChannel
        | Deed::ApplyFile => return None,
    };
    Some(format!("/{under}/{}", encoded(object)))
}

#[derive(Debug, Template)]
#[template(path = "deeds.html")]
struct Page {
    frame: Frame,
    rows: Vec<Row>,
    older: Option<String>,
    actor: String,
    kinds: Vec<(&'static str, &'static str, bool)>,
    is_filtered: bool,
}

/// Which deeds somebody looks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Asked {
    actor: Option<String>,
    deed: Option<String>,
    before: Option<i64>,
}

/// `GET /deeds`.
pub(super) async fn show(
    State(console): State<Console>,
    visitor: Visitor,
    Query(asked): Query<Asked>,
) -> Result<Response, Trouble> {
    let actor = asked.actor.as_deref().map(str::trim).filter(|actor| !actor.is_empty());
    // An address alone means the person.
    let named = actor.map(|actor| {
        let is_address = actor.contains('@') && !actor.contains(':');
        if is_address { format!("user:{}", actor.to_lowercase()) } else { actor.to_owned() }
    });
    let deed = asked.deed.as_deref().and_then(|word| word.parse::<Deed>().ok());
    let filter = DeedFilter { actor: named, deed, before: asked.before, ..DeedFilter::default() };
    let found = deeds::page(&console, &visitor.actor, filter, PAGE_ROWS).await?;
    let now = (console.clock)();
    let word = deed.map_or("", Deed::as_str);
    let older = found.next.map(|before| {
        let actor = encoded(actor.unwrap_or_default());
        format!("/deeds?actor={actor}&deed={word}&before={before}")
    });
    let page = Page {
        frame: Frame::of(&console, &visitor, Place::People, "What people did").await?,
        rows: found.deeds.into_iter().map(|deed| Row::of(deed, now)).collect(),
        older,
        actor: actor.unwrap_or_default().to_owned(),
        kinds: Deed::ALL
            .iter()
            .map(|kind| (kind.as_str(), kind.said(), deed == Some(*kind)))
            .collect(),
        is_filtered: actor.is_some() || deed.is_some() || asked.before.is_some(),
    };
    Ok(page::show(&page))
}
