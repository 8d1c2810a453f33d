//! How long the console takes for a page where there is much: ten thousand tools, and a long log of the last minutes. Whoever
//! asks has a session that the store itself started, so that no password is hashed meanwhile. Looks at nothing of a page but
//! its status and its size.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use policy::UnixMillis;
use store::{
    ApiRole, AuditMode, Email, Entropy, Label, NewPerson, NewSession, PasswordHash, PersonId, Role,
    Secret, Store, StoreConfig, Token,
};

use super::child::{Child, PATIENCE};
use super::config::Setup;
use super::summary::Limit;
use super::target::{Plan, Target};
use super::{Bench, fill};
use crate::clock;
use crate::http1::Connection;
use crate::workload::Workload;

/// Tools of the one server.
const TOOLS: usize = 10_000;
/// How often each page is asked for, after a first time that is not counted.
const LOOKS: usize = 20;
/// Milliseconds that a page may take.
const PAGE_MS_MAX: f64 = 30.0;
/// Time between two questions whether the tools are listed.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The cookie of a session.
const COOKIE: &str = "__Host-portcullis";

/// What is asked for.
const PAGES: [(&str, &str); 13] = [
    ("the overview", "/"),
    ("the newest calls", "/activity"),
    ("the denied calls, one in fifty", "/activity?server=bench&verdict=deny"),
    ("calls of which there are none", "/activity?risk=critical"),
    ("the calls of one tool", "/activity?tool=tool_005"),
    ("one call", "/activity/500"),
    ("the approvals", "/approvals"),
    ("the servers", "/servers"),
    ("a server with all tools", "/servers/bench"),
    ("the policies", "/policies"),
    ("a policy in the builder", "/policies/bench"),
    ("the grants", "/grants"),
    ("the inventory", "/inventory"),
];

/// How many steps the progress has.
pub(super) const STEPS: u64 = 2;

/// Measures the group; a page that is not there is a failure.
///
/// # Errors
/// When something does not start, or a page is not answered.
pub(super) async fn run(bench: &Bench) -> Result<Vec<Limit>, String> {
    let rows = bench.args.rows;
    bench.progress.set_message(format!("pages: writes {rows} audit rows"));
    let data = bench.place.folder.join("pages-data");
    let now = clock::today();
    let begin = UnixMillis(now.0.saturating_sub(i64::from(rows)));
    fill::varied(&data, (rows, u32::try_from(TOOLS).unwrap_or(u32::MAX)), begin).await?;
    let session = signed_in(&data, now).await?;
    bench.progress.inc(1);
    bench.progress.set_message("pages: asks for them".to_owned());
    let upstream = Child::announced(&bench.place, Workload::W1, TOOLS).await?;
    let (name, folder) = ("portcullis".to_owned(), "pages".to_owned());
    let plan = Plan { name, folder, setup: Setup::plain(Workload::W1), data: Some(&data) };
    let target = Target::gateway(plan, &bench.place, upstream.address).await?;
    let console = target.console().ok_or("a gateway without a console")?;
    tokio::time::timeout(PATIENCE, listed(console))
        .await
        .map_err(|_late| "the tools are not listed in time".to_owned())??;
    let mut limits = Vec::new();
    for (about, path) in PAGES {
        let measured = page(console, path, &session).await?;
        let about = format!("page: {about}; {TOOLS} tools, {rows} audit rows");
        limits.push(Limit { about, unit: "ms", measured, at_most: Some(PAGE_MS_MAX) });
    }
    bench.progress.inc(1);
    target.stop().await?;
    std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))?;
    Ok(limits)
}

/// An administrator's account and session; what the cookie holds.
async fn signed_in(data: &Path, now: UnixMillis) -> Result<Token, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let audit_mode = AuditMode::Buffered;
    let config = StoreConfig { data_dir: data.to_path_buf(), audit_mode, role: Role::Command };
    let store = Store::open(&config, now).map_err(|error| text(&error))?;
    let entropy = Entropy::system();
    let token = Token::make(entropy.bytes().map_err(|error| text(&error))?);
    let id = PersonId::from_bytes(entropy.bytes().map_err(|error| text(&error))?);
    let email = Email::parse("admin@bench.example").map_err(|error| text(&error))?;
    let person = NewPerson {
        id: id.clone(),
        display: Label::parse("Admin").map_err(|error| text(&error))?,
        // Nobody signs in with it.
        password: Some(PasswordHash::new("none".to_owned())),
        subject: None,
    };
    let made = store.create_person(person, (email.clone(), ApiRole::Admin), now).await;
    made.map_err(|error| text(&error))?;
    let found = store.credentials(&email).await.map_err(|error| text(&error))?;
    let version = found.ok_or("the account is not there")?.version;
    let session = NewSession {
        hash: token.hash(),
        csrf: Secret::new(entropy.bytes().map_err(|error| text(&error))?),
        address: "127.0.0.1".to_owned(),
        browser: "bench".to_owned(),
        stepped_up_until: None,
    };
    let started = store.start_session((&id, version), session, None, now).await;
    started.map_err(|error| text(&error))?;
    store.close().await;
    Ok(token)
}

/// Waits until the gateway has listed its server's tools.
async fn listed(console: SocketAddr) -> Result<(), String> {
    let request = format!("GET /readyz?verbose HTTP/1.1\r\nHost: {console}\r\n\r\n");
    let mut connection = Connection::open(console).await?;
    loop {
        let (_head, body) = connection.exchange(request.as_bytes()).await?;
        let said = String::from_utf8_lossy(body);
        if said.contains("server bench") && !said.contains("not listed yet") {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The middle one of the milliseconds that a page takes, from the request to the last byte.
async fn page(console: SocketAddr, path: &str, session: &Token) -> Result<f64, String> {
    let cookie = session.expose();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {console}\r\nCookie: {COOKIE}={cookie}\r\n\r\n");
    let mut connection = Connection::open(console).await?;
    let mut times = Vec::new();
    for look in 0..=LOOKS {
        let begun = clock::now();
        let (head, body) = connection.exchange(request.as_bytes()).await?;
        let taken = begun.elapsed();
        if head.status != 200 || body.is_empty() {
            return Err(format!("{path} answered {}", head.status));
        }
        if look > 0 {
            times.push(taken);
        }
    }
    times.sort_unstable();
    let middle = times.get(times.len() / 2).copied().unwrap_or_default();
    Ok(middle.as_secs_f64() * 1e3)
}
