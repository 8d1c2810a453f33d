//! Asking for the list of tools when a call was refused for its headers, as the revision advises (MCP
//! 2026-07-28, "Client Behavior"): the tool may want arguments mirrored that the bridge does not know
//! of, because the client never listed it or it changed since. Never here: any other request.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use mcp::{IdKey, ParamHeaders, ProtocolVersion, RawId, reply};
use tokio::time::timeout;

use super::{Outcome, Relay};
use crate::bridge::message::Mirror;
use crate::bridge::params::{Page, look_up};

/// How long a call that was refused for its headers waits for the list of tools, in seconds.
const LIST_SECONDS_MAX: u64 = 15;
/// Pages of the list that are read for it, at most.
const LIST_PAGES_MAX: u32 = 64;
/// What the bridge calls itself.
const CLIENT_NAME: &str = "portcullis-connect";

impl Relay {
    /// What the tool of a refused call wants mirrored, if that is something else than `used`: then the
    /// call, which was not run, can be made again.
    pub(super) async fn learn_anew(
        &self,
        mirror: &Mirror,
        used: &ParamHeaders,
    ) -> Option<Arc<ParamHeaders>> {
        let tool = mirror.called_tool()?;
        let asking = async {
            let _one_at_a_time = self.params.listing.lock().await;
            let known = self.params.of(tool);
            if *known != *used {
                return Some(known);
            }
            self.listed(mirror, tool).await.map(Arc::new)
        };
        let patience = Duration::from_secs(LIST_SECONDS_MAX);
        let found = timeout(patience, asking).await.unwrap_or_else(|_elapsed| {
            tracing::warn!(tool, "the tools were not listed in time");
            None
        });
        found.filter(|found| **found != *used)
    }

    /// Lists tools up to the page that holds this one.
    async fn listed(&self, mirror: &Mirror, tool: &str) -> Option<ParamHeaders> {
        let named = mirror.version()?;
        let version = ProtocolVersion::parse(named.to_str().ok()?)?;
        let id = RawId::from_key(IdKey::Text("portcullis-list".into()));
        let client = reply::OwnClient {
            name: CLIENT_NAME,
            version: env!("CARGO_PKG_VERSION"),
            capabilities: "{}",
        };
        let mut cursor: Option<String> = None;
        for _page in 0..LIST_PAGES_MAX {
            let body = reply::list_request(
                &id,
                version,
                &mcp::Method::ToolsList,
                cursor.as_deref(),
                client,
            );
            let headers = mirror.of_list().headers(named);
            let answer = self.endpoint.send(Method::POST, headers, body).await.ok()?;
            let Ok(Outcome::Answered(page)) = self.outcome(&id, answer, true).await else {
                return None;
            };
            self.params.learn(page.clone());
            match look_up(&page, tool)? {
                Page::Found(params) => return Some(params),
                Page::Elsewhere(next) => cursor = Some(next?),
            }
        }
        None
    }
}
