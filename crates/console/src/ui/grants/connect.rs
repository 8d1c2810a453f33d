//! What to paste into each client for a grant, and whether its first call came.
//!
//! What never lives here: how a client's file is written (`clients`).

use policy::UnixMillis;
use store::{AuditFilter, AuditOrder, GrantRecord};

use crate::Console;
use crate::clients::snippet::{self, Access, TOKEN_VARIABLE, TokenSource};
use crate::clients::{CLIENTS, System};
use crate::ops::{Actor, audit};
use crate::ui::look::When;
use crate::ui::page::{Trouble, encoded};

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

/// Whether a grant was used, and when last.
#[derive(Debug)]
pub(super) struct Calls {
    /// The newest call; none came yet where there is none.
    pub(super) newest: Option<Newest>,
    /// The stream that tells of the next one.
    pub(super) events: String,
    /// The calls of this grant.
    pub(super) address: String,
}

/// The newest call of a grant.
#[derive(Debug)]
pub(super) struct Newest {
    pub(super) when: When,
    pub(super) address: String,
    pub(super) what: String,
    pub(super) client: Option<String>,
}

impl Calls {
    /// Looks into the log, not further back than the grant is old.
    pub(super) async fn of(
        console: &Console,
        actor: &Actor,
        (grant, now): (&GrantRecord, UnixMillis),
    ) -> Result<Calls, Trouble> {
        let filter = AuditFilter {
            grant: Some(grant.id.to_string()),
            since: Some(grant.created_at),
            ..AuditFilter::default()
        };
        let reading = (AuditOrder::NewestFirst, None, 1);
        let page = audit::page(console, actor, filter, reading).await?;
        let id = encoded(grant.id.as_str());
        let newest = page.entries.into_iter().next().map(|entry| Newest {
            when: When::new(entry.time, now),
            address: format!("/activity/{}", entry.seq),
            what: entry.tool.or(entry.method).unwrap_or_else(|| "a message".to_owned()),
            client: entry.client,
        });
        Ok(Calls {
            newest,
            events: format!("/activity/events?grant={id}"),
            address: format!("/activity?grant={id}"),
        })
    }
}
