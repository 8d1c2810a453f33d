//! What the console's listener serves: the API of the console crate, health and metrics; and how it is
//! served: over the same listener as the gateway's, with the console's own bounds.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use console::door::{CONNECTIONS_MAX, HEAD_SECONDS_MAX, STALL_SECONDS_MAX};
use console::health::{Check, Checks, Health, Required};
use console::ops::LongWork;
use console::ops::accounts::Hashing;
use console::ops::chain::Walks;
use console::plane::{Diary, LogLine, Plane, ServerState, ServerStateKind};
use console::{Console, Inspection, Site};
use gateway::address::{AddressRule, check_url};
use gateway::listener::{self, Bounds};
use gateway::variable::{check_variable, is_own_search_path};
use gateway::{DiaryKind, DiaryLine, DiaryPage, DiaryState, Gateway};
use http::Request;
use hyper::body::Incoming;
use store::{Entropy, ServerRecord, ServerSlug, Store, Transport};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::reload::ReloadState;
use crate::causes::chain;

/// The control plane of a process that serves.
pub(super) fn console(store: &Store, gateway: &Gateway, (site, checks): (Site, Checks)) -> Console {
    let inspecting = gateway.clone();
    Console {
        store: store.clone(),
        clock: super::console_clock(),
        entropy: Entropy::system(),
        inspect: Arc::new(move |slug| {
            let gateway = inspecting.clone();
            Box::pin(async move { inspect(&gateway, slug).await })
        }),
        check_server: Arc::new(check_server),
        plane: plane(gateway),
        long_work: LongWork::default(),
        hashing: Hashing::default(),
        tally: console::ops::overview::Tally::default(),
        lints: console::ops::builder::Lints::default(),
        views: console::ui::Views::default(),
        pinned: console::ops::Pinned::default(),
        walks: Walks::default(),
        checks,
        site: Arc::new(site),
    }
}

/// What the console asks the data plane.
fn plane(gateway: &Gateway) -> Plane {
    let (diaries, arrivals) = (gateway.clone(), gateway.clone());
    Plane {
        diary: Arc::new(move |slug| diaries.diary(slug).map(diary)),
        arrival: Arc::new(move |grant| {
            let gateway::Arrival { client, introduced_at, listed_at } = arrivals.arrival(grant)?;
            Some(console::plane::Arrival { client, introduced_at, listed_at })
        }),
    }
}

fn diary(page: DiaryPage) -> Diary {
    let lines = page.lines.into_iter();
    let states = page.states.into_iter();
    Diary {
        lines: lines
            .map(|DiaryLine { at, text, left_out }| LogLine { at, text, left_out })
            .collect(),
        dropped: page.dropped,
        states: states
            .map(|DiaryState { since, last, kind }| {
                let kind = match kind {
                    DiaryKind::Up { tools } => ServerStateKind::Up(tools),
                    DiaryKind::Failing { why } => ServerStateKind::Failing(why),
                    DiaryKind::Ended { status } => ServerStateKind::Ended(status),
                };
                ServerState { since, last, kind }
            })
            .collect(),
    }
}

/// All pages.
pub(super) fn router(console: Console, gateway: &Gateway) -> axum::Router {
    let metrics = gateway.clone();
    let health = Health {
        checks: Arc::clone(&console.checks),
        metrics: Arc::new(move || metrics.encode_metrics()),
    };
    console::api::router(console.clone())
        .merge(console::ui::router(console))
        .merge(console::health::router(health))
}

/// Serves `pages` until `stop`, and tells them who asks.
pub(super) async fn serve(listener: TcpListener, pages: axum::Router, stop: CancellationToken) {
    let bounds = Bounds {
        connections_max: CONNECTIONS_MAX,
        head_max: Duration::from_secs(HEAD_SECONDS_MAX),
        stall_max: Duration::from_secs(STALL_SECONDS_MAX),
    };
    let answer = move |peer, request| page(pages.clone(), peer, request);
    listener::serve(listener, bounds, answer, stop).await;
}

async fn page(pages: axum::Router, peer: SocketAddr, request: Request<Incoming>) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(peer));
    match pages.oneshot(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

async fn inspect(gateway: &Gateway, slug: ServerSlug) -> Inspection {
    match gateway.inspect(&slug).await {
        Ok(found) => Inspection {
            reachable: true,
            problem: None,
            tools: found.tools,
            quarantined: found.quarantined,
        },
        Err(error) => Inspection { problem: Some(chain(&error)), ..Inspection::default() },
    }
}

/// The address rules of GATEWAY section 5 and those for variables of a child, for servers that do not come from the file.
pub(crate) fn check_server(record: &ServerRecord) -> Result<(), String> {
    match &record.transport {
        Transport::Http { url, .. } => {
            let rule = if record.allow_private_address {
                AddressRule::AllowPrivate
            } else {
                AddressRule::PublicOnly
            };
            check_url(url, rule).map(drop).map_err(|error| chain(&error))
        }
        Transport::Stdio { command, env } => {
            for (name, value) in env {
                if !is_own_search_path(name, value.expose()) {
                    check_variable(name).map_err(|error| chain(&error))?;
                }
            }
            let named = command.first().is_some_and(|program| !program.is_empty());
            let clean = !command.iter().any(|word| word.contains('\0'));
            if named && clean { Ok(()) } else { Err("the command names no program".to_owned()) }
        }
    }
}

/// What is looked at for readiness and for the page of health.
pub(super) fn checks(
    store: Store,
    gateway: Gateway,
    reload: watch::Receiver<ReloadState>,
) -> Checks {
    Arc::new(move || {
        let status = gateway.status();
        let mut checks = vec![
            Check {
                name: "process".to_owned(),
                problem: status.closing.then(|| "shutting down".to_owned()),
                required: Required::Yes,
            },
            Check {
                name: "store".to_owned(),
                problem: match store.health() {
                    store::Health::Good => None,
                    store::Health::Failing { why } => Some(why),
                },
                required: Required::Yes,
            },
        ];
        let problems = reload.borrow().problems.clone();
        if problems.is_empty() {
            checks.push(shown("configuration".to_owned(), None));
        }
        for problem in problems {
            checks.push(shown("configuration refused".to_owned(), Some(problem)));
        }
        for server in status.servers {
            let problem = match (server.problem, server.listed) {
                (Some(problem), _) => Some(problem),
                (None, false) => Some("its tools are not listed yet".to_owned()),
                (None, true) => None,
            };
            checks.push(shown(format!("server {}", server.slug), problem));
        }
        checks
    })
}

fn shown(name: String, problem: Option<String>) -> Check {
    Check { name, problem, required: Required::No }
}

#[cfg(test)]
mod tests;
