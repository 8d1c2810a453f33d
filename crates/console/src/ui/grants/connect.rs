//! What to paste into each client for a grant, and how far its agent came: from its first word to its newest call.
//!
//! What never lives here: how a client's file is written (`clients`).

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use policy::{ApprovalId, ApprovalState, UnixMillis};
use store::{AuditEntry, GrantId, GrantRecord};

use crate::Console;
use crate::clients::snippet::{self, Access, TOKEN_VARIABLE, TokenSource};
use crate::clients::{CLIENTS, System};
use crate::ops::{Actor, approvals, grants};
use crate::ui::address::Path;
use crate::ui::look::{Badge, When, filters, reason};
use crate::ui::page::{Trouble, answer, encoded};
use crate::ui::visitor::Visitor;

/// Where agents reach the gateway when nobody says otherwise (GATEWAY section 8).
const GATEWAY_URL: &str = "http://127.0.0.1:8420";

/// What to paste into one client.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// The files, one of each system where they differ.
    pub(super) files: Vec<String>,
    pub(super) text: String,
    pub(super) command: Option<String>,
    pub(super) link: Option<String>,
    pub(super) note: Option<&'static str>,
    pub(super) checked_on: &'static str,
}

/// The server's URL at the gateway.
pub(super) fn url(console: &Console, grant: &GrantRecord) -> String {
    let gateway = console.site.gateway_url.as_deref().unwrap_or(GATEWAY_URL);
    format!("{}/mcp/{}", gateway.trim_end_matches('/'), grant.server)
}

/// What to paste into every client; without the token, a variable stands for it.
pub(super) fn recipes(console: &Console, grant: &GrantRecord, token: Option<&str>) -> Vec<Recipe> {
    let url = url(console, grant);
    let token = token.map_or(TokenSource::Variable(TOKEN_VARIABLE), TokenSource::Literal);
    let access = Access { name: grant.server.as_str(), url: &url, token };
    let made = CLIENTS.iter().filter_map(|client| snippet::of(client, access));
    made.map(|made| {
        let mut files =
            [System::Linux, System::Mac, System::Windows].map(|s| made.file(s)).to_vec();
        files.dedup();
        Recipe {
            id: made.client.id,
            name: made.client.name,
            files,
            text: made.text,
            command: made.command,
            link: made.link,
            note: made.note,
            checked_on: made.client.checked_on,
        }
    })
    .collect()
}

/// How far the agent of a grant came.
#[derive(Debug)]
pub(super) struct Calls {
    /// The newest call; none came yet where there is none.
    pub(super) newest: Option<Newest>,
    /// What the client calls itself, where it said so.
    pub(super) client: Option<String>,
    /// When it introduced itself.
    pub(super) introduced: Option<When>,
    /// When it asked for the tools.
    pub(super) listed: Option<When>,
    /// Where this is shown anew.
    pub(super) again: String,
    /// The calls of this grant.
    pub(super) address: String,
    /// Who the agent is to people.
    pub(super) label: String,
}

/// The newest call of a grant.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) when: When,
    pub(super) address: String,
    pub(super) what: String,
    pub(super) verdict: Badge,
    /// Why it was refused, in words.
    pub(super) why: Option<String>,
    /// Where it is decided, while it waits for somebody.
    pub(super) waits: Option<String>,
    /// What became of a call that waited for a person.
    pub(super) after: Option<&'static str>,
}

/// The part of a page that waits for an agent.
#[derive(Debug, Template)]
#[template(path = "first_call.html")]
struct Waiting {
    calls: Calls,
}

impl Calls {
    /// Looks into the log for the newest call, and asks the data plane what came before it.
    pub(super) async fn of(
        console: &Console,
        actor: &Actor,
        (grant, now): (&GrantRecord, UnixMillis),
    ) -> Result<Calls, Trouble> {
        let entry = grants::last_call(console, actor, &grant.id).await?;
        let newest = match entry {
            Some(entry) => Some(newest(console, actor, entry, now).await?),
            None => None,
        };
        let id = encoded(grant.id.as_str());
        let arrival = grants::arrival(console, actor, &grant.id)?;
        let when = |at: Option<UnixMillis>| at.map(|at| When::new(at, now));
        Ok(Calls {
            client: arrival.client,
            introduced: when(arrival.introduced_at),
            listed: when(arrival.listed_at),
            newest,
            again: format!("/grants/{id}/first-call"),
            address: format!("/activity?grant={id}"),
            label: grant.label.to_string(),
        })
    }

    /// The page of the grant: what is left to somebody without a script.
    pub(super) fn again_page(&self) -> &str {
        self.again.strip_suffix("/first-call").unwrap_or(&self.again)
    }

    /// Who asks: the client's own name, or the grant's.
    pub(super) fn who(&self) -> &str {
        self.client.as_deref().unwrap_or(&self.label)
    }
}

async fn newest(
    console: &Console,
    actor: &Actor,
    entry: AuditEntry,
    now: UnixMillis,
) -> Result<Newest, Trouble> {
    let held = entry.approval_id.as_deref().and_then(|id| id.parse::<ApprovalId>().ok());
    let record = match held.filter(|_| entry.verdict == "hold") {
        Some(id) => approvals::get(console, actor, &id).await.ok(),
        None => None,
    };
    let state = record.as_ref().map(|record| (record.state, record.expires_at > now));
    let waits = record.as_ref().filter(|_| state == Some((ApprovalState::Pending, true)));
    let waits = waits.map(|record| format!("/approvals/{}", encoded(record.id.as_str())));
    let after = state.and_then(|state| match state {
        (ApprovalState::Pending, true) => None,
        (ApprovalState::Approved, true) => {
            Some("a person approved it, and the same call passes once")
        }
        (ApprovalState::Used, _) => Some("a person approved it"),
        (ApprovalState::Rejected, _) => Some("a person rejected it"),
        (ApprovalState::Pending | ApprovalState::Approved, false) => Some("its time is over"),
    });
    Ok(Newest {
        when: When::new(entry.time, now),
        address: format!("/activity/{}", entry.seq),
        verdict: Badge::verdict(&entry.verdict, entry.reason.as_deref()),
        why: entry.reason.as_deref().map(|word| reason(word).to_owned()),
        what: entry.tool.or(entry.method).unwrap_or_else(|| "a message".to_owned()),
        waits,
        after,
    })
}

/// The part of a page that waits for an agent, as it is now.
pub(in crate::ui) async fn first_call(
    State(console): State<Console>,
    visitor: Visitor,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let id = GrantId::parse(&id).map_err(|_no_id| Trouble::no_page())?;
    let grant = grants::get(&console, &visitor.actor, &id).await?;
    let calls = Calls::of(&console, &visitor.actor, (&grant, (console.clock)())).await?;
    Ok(answer(StatusCode::OK, &Waiting { calls }))
}
