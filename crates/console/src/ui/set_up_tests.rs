//! The pages of servers, tools, grants and the inventory over a real store, as a browser asks for them.

mod choosing;
mod watching;

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use policy::{Class, Risk, UnixMillis};
use store::{
    ApiRole, AuditMode, Email, Entropy, PinRecord, PinState, Role, Secret, ServerSlug, Store,
    StoreConfig, Token,
};
use tempfile::TempDir;
use tower::ServiceExt as _;

use super::router;
use super::visitor::SESSION_COOKIE;
use crate::ops::accounts::{self, Browser, Hashing, NewAccount};
use crate::ops::{Actor, LongWork, Proof};
use crate::{Console, Inspection};

const NOW: UnixMillis = UnixMillis(1_800_000_000_000);
const HOST: &str = "console.example";
const EVIL: &str = "<script>alert(1)</script>\u{202e}";

struct World {
    console: Console,
    pages: Router,
    session: Token,
    csrf: String,
    _dir: TempDir,
}

fn browser() -> Browser {
    Browser { address: None, name: "Test/1".to_owned() }
}

fn account(display: &str) -> NewAccount {
    let password = Secret::new("correct horse battery".to_owned());
    NewAccount { display: display.to_owned(), password }
}

fn terminal() -> Actor {
    let name = store::Actor::parse("cli").unwrap();
    Actor { name, role: ApiRole::Admin, from: "terminal".to_owned(), proof: Proof::Standing }
}

fn console(dir: &TempDir) -> Console {
    let config = StoreConfig {
        data_dir: PathBuf::from(dir.path()).join("data"),
        audit_mode: AuditMode::Durable,
        role: Role::Serve,
    };
    let found = || Inspection {
        reachable: false,
        problem: Some(format!("nobody answers {EVIL}")),
        ..Inspection::default()
    };
    let site = crate::Site {
        gateway_url: Some("https://gate.example".to_owned()),
        ..crate::Site::default()
    };
    Console {
        store: Store::open(&config, NOW).unwrap(),
        clock: Arc::new(|| NOW),
        entropy: Entropy::system(),
        inspect: Arc::new(move |_slug| {
            let found = found();
            Box::pin(async move { found })
        }),
        plane: crate::plane::Plane::default(),
        check_server: Arc::new(|_record| Ok(())),
        long_work: LongWork::default(),
        hashing: Hashing::default(),
        site: Arc::new(site),
        tally: crate::ops::overview::Tally::default(),
        lints: crate::ops::builder::Lints::default(),
        views: super::Views::default(),
        pinned: crate::ops::Pinned::default(),
        walks: crate::ops::chain::Walks::default(),
        checks: Arc::new(|| {
            vec![crate::health::Check {
                name: "server pay".to_owned(),
                problem: Some(format!("refused {EVIL}")),
                required: crate::health::Required::No,
            }]
        }),
    }
}

/// What came back.
struct Page {
    status: StatusCode,
    place: String,
    text: String,
}

impl World {
    /// Somebody with this role, and an administrator beside them.
    async fn of(role: ApiRole) -> World {
        let dir = tempfile::tempdir().unwrap();
        let console = console(&dir);
        let link = accounts::offer_set_up(&console, &terminal()).await.unwrap().unwrap();
        let made = (account("Ada"), "ada@example.com", "Engines");
        let opened = accounts::set_up(&console, link.expose(), made, &browser()).await.unwrap();
        let session = if role == ApiRole::Admin {
            opened.secret
        } else {
            let email = Email::parse("eve@example.com").unwrap();
            let link = accounts::invite(&console, &terminal(), (email, role)).await.unwrap();
            accounts::join(&console, link.expose(), account("Eve"), &browser())
                .await
                .unwrap()
                .secret
        };
        let pages = router(console.clone());
        let mut world = World { console, pages, session, csrf: String::new(), _dir: dir };
        let text = world.get("/servers").await.text;
        let (_, rest) = text.split_once("name=\"csrf\" value=\"").unwrap();
        world.csrf = rest.split('"').next().unwrap().to_owned();
        world
    }

    async fn ask(&self, request: http::request::Builder, body: String) -> Page {
        let cookie = format!("{SESSION_COOKIE}={}", self.session.expose());
        let request = request.header("cookie", cookie).header("host", HOST);
        let answer = self.pages.clone().oneshot(request.body(Body::from(body)).unwrap()).await;
        let answer = answer.unwrap();
        let place = answer.headers().get("location").map(|place| place.to_str().unwrap());
        let place = place.unwrap_or_default().to_owned();
        let status = answer.status();
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        Page { status, place, text: String::from_utf8(bytes.to_vec()).unwrap() }
    }

    async fn get(&self, path: &str) -> Page {
        self.ask(Request::get(path), String::new()).await
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut all = vec![("csrf", self.csrf.as_str())];
        all.extend(fields);
        let body = serde_urlencoded::to_string(&all).unwrap();
        let request = Request::post(path)
            .header("origin", format!("https://{HOST}"))
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded");
        self.ask(request, body).await
    }

    async fn pin(&self, server: &str, tools: &[(&str, Option<Class>, Option<Risk>)]) {
        let pins = tools.iter().map(|(tool, class, risk)| PinRecord {
            server: ServerSlug::parse(server).unwrap(),
            tool: (*tool).to_owned(),
            state: PinState::Quarantined,
            digest: "00".to_owned(),
            definition: serde_json::json!({ "name": tool, "description": EVIL }).to_string(),
            accepted_digest: None,
            accepted_definition: None,
            class: *class,
            risk: *risk,
            seen_at: NOW,
            accepted_at: None,
            accepted_by: None,
        });
        self.console.store.save_pins(pins.collect()).await.unwrap();
    }

    /// A server with three tools, in the state that the set-up finds it in.
    async fn with_server() -> World {
        let world = World::of(ApiRole::Admin).await;
        let fields = [
            ("way", "url"),
            ("slug", "pay"),
            ("url", "https://pay.example/mcp"),
            ("headers", "Authorization: Bearer upstream-secret"),
        ];
        let added = world.post("/setup", &fields).await;
        assert_eq!((added.status, added.place.as_str()), (StatusCode::SEE_OTHER, "/setup/pay"));
        let tools = [
            ("look", Some(Class::Read), Some(Risk::Low)),
            ("pay_invoice", Some(Class::Financial), Some(Risk::Critical)),
            (EVIL, None, None),
        ];
        world.pin("pay", &tools).await;
        world
    }

    /// The hidden field of a page.
    fn field(page: &Page, name: &str) -> String {
        let start = format!("name=\"{name}\" value=\"");
        let (_, rest) = page.text.split_once(&start).unwrap();
        rest.split('"').next().unwrap().to_owned()
    }
}

/// Nothing of what others wrote is markup, and nothing of it hides; what a form sends back stays as it is.
fn is_safe(page: &Page) {
    assert!(!page.text.contains("<script>alert"), "{}", page.text);
    let mut pieces = page.text.split(" value=\"");
    let first = pieces.next().unwrap_or_default();
    let behind = pieces.map(|piece| piece.split_once('"').map_or("", |(_, rest)| rest));
    for text in std::iter::once(first).chain(behind) {
        assert!(!text.contains('\u{202e}'), "{text}");
    }
}

#[tokio::test]
async fn the_set_up_leads_from_a_url_to_a_token_and_its_snippets() {
    let world = World::with_server().await;
    let review = world.get("/setup/pay").await;
    assert_eq!(review.status, StatusCode::OK);
    is_safe(&review);
    for wanted in ["3 tools", "a person decides each call", "pay_invoice", "U+202E", "nothing"] {
        assert!(review.text.contains(wanted), "{wanted}: {}", review.text);
    }
    let seen = World::field(&review, "seen");
    let saved = world.post("/setup/pay/policy", &[("seen", &seen), ("mode", "enforce")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let form = world.get(&saved.place).await;
    assert!(form.text.contains("value=\"pay-recommended\" selected"), "{}", form.text);
    let fields = [
        ("expires", "30"),
        ("label", EVIL),
        ("server", "pay"),
        ("policy", "pay-recommended"),
        ("tags", "team=pay"),
        ("setup", "1"),
    ];
    let made = world.post("/grants", &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    is_safe(&made);
    for wanted in [
        "Waiting for the agent…",
        "https://gate.example/mcp/pay",
        "claude mcp add",
        "[mcp_servers.pay]",
        "pcl_",
    ] {
        assert!(made.text.contains(wanted), "{wanted}");
    }
    assert!(!made.text.contains("upstream-secret"));
    let grants = world.console.store.grants().await.unwrap();
    let id = grants.first().unwrap().id.to_string();
    let later = world.get(&format!("/grants/{id}")).await;
    assert!(!later.text.contains("pcl_"), "the token is shown twice");
    assert!(later.text.contains("PORTCULLIS_TOKEN"));
    is_safe(&later);
    let inventory = world.get("/inventory").await;
    assert!(inventory.text.contains("1 of 1"), "{}", inventory.text);
    is_safe(&inventory);
    let one = world.get(&format!("/inventory/{id}")).await;
    assert!(one.text.contains("A person decides"), "{}", one.text);
    is_safe(&one);
}

#[tokio::test]
async fn nothing_is_accepted_that_was_not_shown() {
    let world = World::with_server().await;
    let review = world.get("/setup/pay").await;
    let seen = World::field(&review, "seen");
    world.pin("pay", &[("later", Some(Class::Read), Some(Risk::Low))]).await;
    let refused = world.post("/setup/pay/policy", &[("seen", &seen), ("mode", "enforce")]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let lines = world.console.store.pin_lines(None).await.unwrap();
    assert!(lines.iter().all(|line| line.state == PinState::Quarantined));
    let changes = world.get("/servers/pay/changes").await;
    is_safe(&changes);
    assert!(changes.text.contains("cannot be seen"));
    let stale = world.post("/servers/pay/changes", &[("tool", "11:look")]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    let none = world.post("/servers/pay/changes", &[]).await;
    assert_eq!(none.status, StatusCode::UNPROCESSABLE_ENTITY);
    let done = world.post("/servers/pay/changes", &[("tool", "00:look")]).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER);
    let lines = world.console.store.pin_lines(None).await.unwrap();
    let accepted = lines.iter().filter(|line| line.state == PinState::Accepted);
    assert_eq!(accepted.map(|line| line.tool.as_str()).collect::<Vec<_>>(), ["look"]);
}

#[tokio::test]
async fn a_server_shows_its_secrets_by_name_and_takes_changes() {
    let world = World::with_server().await;
    let page = world.get("/servers/pay").await;
    is_safe(&page);
    for page in [&page, &world.get("/servers").await] {
        assert!(page.text.contains("refused "), "{}", page.text);
        is_safe(page);
    }
    assert!(page.text.contains("Authorization") && !page.text.contains("upstream-secret"));
    let filtered = world.get("/servers/pay?q=PAY_&risk=critical&state=quarantined").await;
    assert!(filtered.text.contains("pay_invoice") && !filtered.text.contains("<code>look"));
    let none = world.get("/servers/pay?q=nothing").await;
    assert!(none.text.contains("No tool matches"));
    let tested = world.post("/servers/pay/test", &[]).await;
    assert!(tested.text.contains("nobody answers"));
    is_safe(&tested);
    let revision = World::field(&page, "revision");
    let mut fields = vec![
        ("revision", revision.as_str()),
        ("connect_seconds", "7"),
        ("first_byte_seconds", "60"),
        ("total_seconds", "300"),
        ("refresh_seconds", "60"),
        ("new_tools", "quarantine"),
        ("roots", "1"),
    ];
    let saved = world.post("/servers/pay/settings", &fields).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let slug = ServerSlug::parse("pay").unwrap();
    let record = world.console.store.server(&slug).await.unwrap().unwrap();
    assert_eq!(record.timeouts.connect_ms, 7_000);
    assert!(record.from_server.roots && !record.from_server.elicitation);
    let stale = world.post("/servers/pay/settings", &fields).await;
    assert!(!stale.status.is_redirection() && !stale.status.is_success(), "{}", stale.status);
    if let Some(field) = fields.get_mut(1) {
        field.1 = "0";
    }
    let wrong = world.post("/servers/pay/settings", &fields).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for (tool, class, status) in [
        ("look", "write", StatusCode::SEE_OTHER),
        ("nothing", "write", StatusCode::NOT_FOUND),
        ("look", "harmless", StatusCode::UNPROCESSABLE_ENTITY),
    ] {
        let set = world.post("/servers/pay/class", &[("tool", tool), ("class", class)]).await;
        assert_eq!(set.status, status, "{tool} {class}");
    }
    let record = world.console.store.server(&slug).await.unwrap().unwrap();
    assert_eq!(record.classes.get("look"), Some(&Class::Write));
    let kept = world.post("/servers/pay/remove", &[("confirm", "other")]).await;
    assert_eq!(kept.status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = world.post("/servers/pay/remove", &[("confirm", "pay")]).await;
    assert_eq!(gone.place, "/servers?told=removed");
    assert_eq!(world.get("/servers/pay").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_grant_is_rotated_given_a_policy_and_revoked() {
    let world = World::with_server().await;
    let wrong = world.post("/grants", &[("expires", "30"), ("label", ""), ("server", "pay")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made =
        world.post("/grants", &[("expires", "never"), ("label", "a"), ("server", "pay")]).await;
    assert!(made.text.contains("has no policy"), "{}", made.text);
    let id = world.console.store.grants().await.unwrap().first().unwrap().id.clone();
    let address = format!("/grants/{id}");
    let rotated = world.post(&format!("{address}/rotate"), &[("overlap_seconds", "3600")]).await;
    // A session of a moment ago has a fresh proof; an older one is asked for the password.
    assert_eq!(rotated.status, StatusCode::OK, "{}", rotated.place);
    assert!(rotated.text.contains("pcl_") && rotated.text.contains("works until"));
    let none = world.post(&format!("{address}/policy"), &[("policy", "nothing")]).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    let kept = world.post(&format!("{address}/revoke"), &[("confirm", "b")]).await;
    assert_eq!(kept.status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = world.post(&format!("{address}/revoke"), &[("confirm", "a")]).await;
    assert_eq!(gone.place, format!("{address}?told=revoked"));
    assert!(world.get(&gone.place).await.text.contains("Revoked"));
    assert!(world.get("/grants").await.text.contains("No grant matches"));
    assert!(world.get("/grants?state=ended").await.text.contains(&address));
}

#[tokio::test]
async fn somebody_who_may_only_look_sees_no_controls_and_changes_nothing() {
    let world = World::of(ApiRole::Viewer).await;
    let record = |slug: &str| store::ServerRecord {
        slug: ServerSlug::parse(slug).unwrap(),
        transport: store::Transport::Stdio { command: vec!["x".to_owned()], env: Vec::new() },
        allow_private_address: false,
        timeouts: store::Timeouts::default(),
        refresh_seconds: 60,
        new_tools: store::NewTools::Quarantine,
        accept_first: false,
        classes: std::collections::BTreeMap::new(),
        from_server: store::FromServer::default(),
        managed_by_file: false,
        revision: store::Revision(0),
    };
    world.console.store.save_server(record("pay"), None, NOW).await.unwrap();
    world.pin("pay", &[("look", None, None)]).await;
    for path in ["/servers", "/servers/pay", "/servers/pay/changes", "/grants", "/inventory"] {
        let page = world.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        // The one form of every page is the one that signs out.
        assert_eq!(page.text.matches("method=\"post\"").count(), 1, "{path}");
        assert!(!page.text.contains("class=\"button primary\" href=\"/setup\""), "{path}");
    }
    for path in ["/setup", "/setup/pay", "/grants/new"] {
        assert_eq!(world.get(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let posts: [(&str, &[(&str, &str)]); 7] = [
        ("/setup", &[("way", "url"), ("slug", "x"), ("url", "https://x.example")]),
        ("/servers/pay/test", &[]),
        ("/servers/pay/credentials", &[("name", "K"), ("value", "v")]),
        ("/servers/pay/remove", &[("confirm", "pay")]),
        ("/servers/pay/changes", &[("tool", "00:look")]),
        ("/setup/pay/choices", &[("tool", "look"), ("answer", "allow")]),
        ("/grants", &[("expires", "30"), ("label", "x"), ("server", "pay")]),
    ];
    for (path, fields) in posts {
        assert_eq!(world.post(path, fields).await.status, StatusCode::FORBIDDEN, "{path}");
    }
}

#[tokio::test]
async fn first_pages_say_what_will_stand_there() {
    let world = World::of(ApiRole::Admin).await;
    for (path, wanted) in [
        ("/servers", "No server yet"),
        ("/grants", "No grant yet"),
        ("/grants/new", "No server yet"),
        ("/inventory", "No agent can call anything"),
        ("/setup?way=command", "Program and arguments"),
    ] {
        assert!(world.get(path).await.text.contains(wanted), "{path}");
    }
    for path in [
        "/servers/none",
        "/servers/No",
        "/servers/none/changes",
        "/setup/none",
        "/grants/none",
        "/inventory/none",
    ] {
        assert_eq!(world.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let wrong = world.post("/setup", &[("way", "paste"), ("text", "{\"mcpServers\": {}}")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let pasted = "{\"mcpServers\": {\"a\": {\"command\": \"x\"}, \"b\": {\"url\": \"https://b.example?token=t\"}}}";
    let several = world.post("/setup", &[("way", "paste"), ("text", pasted)]).await;
    assert!(several.text.contains("Which of them?"), "{}", several.text);
    let chosen = [("way", "paste"), ("text", pasted), ("entry", "a")];
    assert_eq!(world.post("/setup", &chosen).await.place, "/setup/a");
    let again = world.post("/setup", &chosen).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
}

#[tokio::test]
async fn ten_thousand_tools_are_shown_in_pages() {
    let world = World::of(ApiRole::Admin).await;
    let fields = [("way", "command"), ("slug", "big"), ("command", "x")];
    world.post("/setup", &fields).await;
    let names: Vec<String> = (0..10_000).map(|n| format!("tool_{n:05}")).collect();
    let tools: Vec<_> =
        names.iter().map(|name| (name.as_str(), Some(Class::Read), Some(Risk::Low))).collect();
    world.pin("big", &tools).await;
    let first = world.get("/servers/big").await;
    assert!(first.text.contains("tool_00099") && !first.text.contains("tool_00100"));
    let next = world.get("/servers/big?q=&risk=&state=&after=tool_00099").await;
    assert!(next.text.contains("tool_00100") && !next.text.contains("tool_00099<"));
    let changes = world.get("/servers/big/changes").await;
    assert!(changes.text.contains("10000 in all") && !changes.text.contains("tool_00025<"));
    let review = world.get("/setup/big?from=9900").await;
    assert!(review.text.contains("tool_09900") && !review.text.contains("tool_09899<"));
    assert!(review.text.contains("the other 5000 stay denied"), "{}", review.text);
    let kept = [("tool", "tool_00007"), ("answer", "deny"), ("view_from", "100")];
    let kept = world.post("/setup/big/choices", &kept).await;
    assert_eq!(kept.place, "/setup/big?q=&class=&answer=&from=100&told=kept&n=0#told");
    let denied = world.get("/setup/big?answer=deny").await;
    assert!(
        denied.text.contains(">1 tool")
            && !denied.text.contains("1 tools")
            && denied.text.contains("tool_00007")
    );
}
