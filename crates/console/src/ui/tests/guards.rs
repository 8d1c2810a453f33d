//! Guards that stand before every page and form, each tried by what it keeps out.

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use store::{ApiRole, DeedFilter, Email, PersonId, STEP_UP_MS_MAX};
use tower::ServiceExt as _;

use super::{Answer, Asked, ORIGIN, PASSWORD, SignedIn, World, email_of};
use crate::api::ENDPOINTS;
use crate::ui::pages::PAGES;
use crate::ui::visitor::SESSION_COOKIE;

const AS_ADMIN: &str = "email=admin%40example.com&password=correct+horse+battery&next=/";
const KNOWN_COOKIE: &str = "__Host-portcullis-browser";

async fn deeds(world: &World) -> usize {
    world.console.store.deeds(DeedFilter::default(), 1_000).await.unwrap().deeds.len()
}

async fn id_of(world: &World, role: ApiRole) -> PersonId {
    world.console.store.credentials(&email_of(role)).await.unwrap().unwrap().person.id
}

/// Every source file of this crate but tests: its path below the crate, and its text.
fn sources() -> Vec<(String, String)> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut folders, mut found) = (vec![root.join("src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !name.contains("tests") && path.extension().is_some_and(|kind| kind == "rs") {
                found.push((name, std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    found
}

/// The only files that may route anything: the golden table covers the first two, the third tells no
/// secret to anybody.
#[test]
fn nothing_is_routed_elsewhere() {
    let routing = sources().into_iter().filter(|(_, text)| text.contains(".route("));
    let mut found: Vec<String> = routing.map(|(name, _)| name).collect();
    found.sort();
    assert_eq!(found, ["src/api/mod.rs", "src/health.rs", "src/ui/mod.rs"]);
}

/// Every path and method of the API's router stands in the table of endpoints, and so in the golden one.
#[test]
fn every_routed_endpoint_stands_in_the_table() {
    let mut routed = 0;
    for statement in include_str!("../../api/mod.rs").split(".route(").skip(1) {
        let path = statement.split('"').nth(1).unwrap();
        let statement = statement.split(".fallback(").next().unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            let is_routed = statement.contains(&format!("{method}("));
            let named = ENDPOINTS.iter().any(|one| one.method == method && one.path == path);
            assert_eq!(is_routed, named, "{method} {path} in the router, and in ENDPOINTS");
            routed += usize::from(is_routed);
        }
    }
    assert_eq!(routed, ENDPOINTS.len());
}

#[tokio::test]
async fn looking_changes_nothing() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let before = deeds(&world).await;
    let paths = PAGES.iter().filter(|page| page.method == "get").map(|page| page.path);
    for path in paths.chain(ENDPOINTS.iter().filter(|one| one.method == "get").map(|one| one.path))
    {
        world.get(&path.replace(['{', '}'], ""), Some(&admin)).await;
    }
    // Forms by the wrong method do nothing either.
    for page in PAGES.iter().filter(|page| page.method == "post") {
        let path = format!("{}?csrf={}", page.path.replace(['{', '}'], ""), admin.csrf);
        world.get(&path, Some(&admin)).await;
    }
    assert_eq!(deeds(&world).await, before);
    assert_eq!(world.get("/account", Some(&admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn answers_that_are_no_pages_guard_themselves_too() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let long = format!("name={}", "x".repeat(70_000));
    let answers = [
        world.get("/nothing/here", None).await,
        world.get("/api/v1/nothing", None).await,
        world.send(Asked { method: "DELETE", ..Asked::get("/people") }).await,
        world.post("/settings/organisation", Some(&admin), &long).await,
        world.post("/settings/organisation", None, "name=x").await,
        world.get("/people", Some(&world.session(ApiRole::Viewer).await)).await,
        world.get("/welcome/pcl_nothing", None).await,
        world.get("/people?done=%0d%0aSet-Cookie:%20x=1", Some(&admin)).await,
    ];
    let foreign = Request::get("/sign-in").header(header::HOST, "evil.example");
    let foreign = world.router.clone().oneshot(foreign.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(foreign.status(), StatusCode::FORBIDDEN);
    let foreign = Answer {
        status: foreign.status(),
        headers: foreign.headers().clone(),
        text: String::new(),
    };
    for answer in answers.into_iter().chain([foreign]) {
        let status = answer.status;
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("frame-ancestors 'none'"), "{status}: {policy}");
        assert!(policy.contains("default-src 'none'"), "{status}: {policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{status}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{status}");
        let referrer = answer.header(header::REFERRER_POLICY);
        assert!(["same-origin", "no-referrer"].contains(&referrer), "{status}: {referrer}");
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{status}");
    }
}

#[tokio::test]
async fn every_cookie_is_of_this_host_alone() {
    let world = World::new().await;
    let signed = world.post("/sign-in", None, AS_ADMIN).await;
    let session = signed.cookie(SESSION_COOKIE).unwrap();
    let own = SignedIn { secret: session.clone(), csrf: String::new() };
    let page = world.get("/account", Some(&own));
    let csrf = page.await.text.split("name=\"csrf\" value=\"").nth(1).unwrap().to_owned();
    let csrf = csrf.split('"').next().unwrap().to_owned();
    let signed_in = SignedIn { secret: session, csrf };
    let answers = [
        world.get("/sign-in", None).await,
        signed,
        world.get("/sign-in/callback?state=x&code=y", None).await,
        world.post("/sign-out", Some(&signed_in), "").await,
    ];
    let mut names = Vec::new();
    for answer in &answers {
        for line in answer.headers.get_all(header::SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once("; ").unwrap();
            let attributes: Vec<&str> = attributes.split("; ").collect();
            assert!(pair.starts_with("__Host-portcullis"), "{line}");
            for wanted in ["Path=/", "HttpOnly", "Secure", "SameSite=Lax"] {
                assert!(attributes.contains(&wanted), "{line}");
            }
            assert!(!line.to_lowercase().contains("domain"), "{line}");
            names.push(pair.split('=').next().unwrap().to_owned());
        }
    }
    names.sort();
    names.dedup();
    let wanted = ["", "-browser", "-form", "-sign-on"].map(|end| format!("__Host-portcullis{end}"));
    assert_eq!(names, wanted);
}

#[tokio::test]
async fn strangers_who_guess_lock_nobody_out_of_their_own_browser() {
    let world = World::new().await;
    let signed = world.post("/sign-in", None, AS_ADMIN).await;
    let known = signed.cookie(KNOWN_COOKIE).unwrap();
    let wrong = "email=admin%40example.com&password=wrong&next=/";
    for number in 0..60 {
        let from = format!("198.51.{}.{}:9", number / 250, number % 250);
        world.send_from(&from, Asked::post("/sign-in", wrong)).await;
    }
    let elsewhere = world.send_from("203.0.113.9:9", Asked::post("/sign-in", AS_ADMIN)).await;
    assert_eq!(elsewhere.status, StatusCode::TOO_MANY_REQUESTS, "the account as such waits");
    let own = async |known: &str, fields: &str, from: &str| {
        let who = SignedIn { secret: format!("x; {KNOWN_COOKIE}={known}"), csrf: String::new() };
        let asked = Asked { who: Some(&who), ..Asked::post("/sign-in", fields) };
        world.send_from(from, asked).await.status
    };
    assert_eq!(own(&known, AS_ADMIN, "198.51.0.1:9").await, StatusCode::SEE_OTHER, "not its owner");
    // A cookie that somebody made up, or of another account, opens no further attempts.
    let viewer = AS_ADMIN.replace("admin", "viewer");
    let other = world.post("/sign-in", None, &viewer).await.cookie(KNOWN_COOKIE).unwrap();
    for made_up in ["x", other.as_str(), known.trim_start_matches(char::is_alphanumeric)] {
        let status = own(made_up, AS_ADMIN, "203.0.113.9:9").await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{made_up}");
    }
    // Nor is the own browser a place to guess from.
    for _ in 0..5 {
        assert_eq!(own(&known, wrong, "203.0.113.8:9").await, StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(own(&known, wrong, "203.0.113.8:9").await, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn ids_of_others_open_nothing() {
    let world = World::new().await;
    let (viewer, admin) =
        (world.session(ApiRole::Viewer).await, world.session(ApiRole::Admin).await);
    let (own, others) = (id_of(&world, ApiRole::Viewer).await, id_of(&world, ApiRole::Admin).await);
    let page = world.get(&format!("/people/{others}"), Some(&viewer)).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let sessions = world.console.store.sessions(&others, world.now()).await.unwrap();
    let handle = sessions[0].handle();
    let fields = format!("session={handle}");
    for path in [
        "/account/sessions/end".to_owned(),
        format!("/people/{own}/sessions/end"),
        format!("/people/{others}/sessions/end"),
    ] {
        let answer = world.post(&path, Some(&viewer), &fields).await;
        let status = answer.status;
        assert!(
            [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND].contains(&status),
            "{path} {status}"
        );
    }
    for deed in ["role", "disable", "enable", "new-password", "remove"] {
        for id in [&own, &others] {
            let fields = "role=admin&email=admin@example.com";
            let answer = world.post(&format!("/people/{id}/{deed}"), Some(&viewer), fields).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{deed}");
        }
    }
    assert_eq!(world.get("/people", Some(&admin)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn fields_that_no_page_has_say_nothing() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let made = world.post("/people/invite", Some(&admin), "email=eve%40example.com&role=viewer");
    let text = made.await.text;
    let link = text.split(ORIGIN).find(|part| part.starts_with("/join/")).unwrap();
    let link = link.split('<').next().unwrap().to_owned();
    let fields = "display=Eve&password=a+password+of+eve&again=a+password+of+eve\
        &role=admin&email=admin2%40example.com&organisation=Mine&id=usr_1&version=9";
    // The same link from two browsers at once makes one account.
    let (one, two) = tokio::join!(world.post(&link, None, fields), world.post(&link, None, fields));
    let joined = |answer: &Answer| answer.status == StatusCode::SEE_OTHER;
    assert!(joined(&one) != joined(&two), "{} {}", one.status, two.status);
    let people = world.console.store.people().await.unwrap();
    let eve = Email::parse("eve@example.com").unwrap();
    let eve = people.iter().find(|person| person.email == eve).unwrap();
    assert_eq!((eve.role, people.len()), (ApiRole::Viewer, 5));
    assert_ne!(world.console.store.organisation().await.unwrap(), "Mine");
    let server = r#"{"slug":"pay","url":"https://mcp.example.com/mcp","managed_by_file":true}"#;
    let asked = Asked {
        who: Some(&admin),
        json: Some(server.to_owned()),
        fields: None,
        ..Asked::post("/api/v1/servers", "")
    };
    assert!(world.send(asked).await.status.is_client_error());
}

#[tokio::test]
async fn links_name_the_console_as_it_is_configured() {
    let mut world = World::new().await;
    let site = crate::Site { url: Some("https://gate.example".into()), ..crate::Site::default() };
    world.console.site = std::sync::Arc::new(site);
    let pages = crate::ui::router(world.console.clone());
    let hosts = vec!["evil.example".to_owned(), "gate.example".to_owned()];
    world.router = crate::door::guarded(pages, "127.0.0.1:8421".parse().unwrap(), hosts);
    let admin = world.session(ApiRole::Admin).await;
    let asked =
        Asked { who: Some(&admin), ..Asked::post("/people/invite", "email=e@x.org&role=viewer") };
    let mut request = asked.request();
    request.headers_mut().insert(header::HOST, "evil.example".parse().unwrap());
    request.headers_mut().insert(header::ORIGIN, "http://evil.example".parse().unwrap());
    request.headers_mut().insert("x-forwarded-host", "evil.example".parse().unwrap());
    let answer = world.router.clone().oneshot(request).await.unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body);
    assert!(text.contains("https://gate.example/join/pcl_") && !text.contains("evil.example/"));
}

#[tokio::test]
async fn what_contradicts_itself_is_refused() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let form = || {
        let asked = Asked { who: Some(&admin), ..Asked::post("/settings/organisation", "name=X") };
        asked.request()
    };
    let status = async |request: Request<Body>| {
        world.router.clone().oneshot(request).await.unwrap().status()
    };
    for (name, value) in
        [("origin", "https://evil.example"), ("origin", ORIGIN), ("sec-fetch-site", "cross-site")]
    {
        let mut request = form();
        request.headers_mut().append(name, value.parse().unwrap());
        assert_eq!(status(request).await, StatusCode::FORBIDDEN, "a second {name}: {value}");
    }
    // A secret of forms that somebody could guess is none.
    let mut request = Asked { csrf: Some("x"), ..Asked::post("/sign-in", AS_ADMIN) }.request();
    let cookie = "__Host-portcullis-form=x".parse().unwrap();
    request.headers_mut().insert(header::COOKIE, cookie);
    assert_eq!(status(request).await, StatusCode::FORBIDDEN);
    let token = world.tokens.iter().find(|(role, _)| *role == ApiRole::Viewer).unwrap().1.expose();
    let bearer = format!("Bearer {token}");
    for (headers, wanted) in [
        (vec![bearer.clone()], StatusCode::OK),
        (vec![bearer.clone(), "Bearer x".to_owned()], StatusCode::UNAUTHORIZED),
        (vec![bearer.clone(), bearer.clone()], StatusCode::UNAUTHORIZED),
        (vec![format!("Basic {token}")], StatusCode::UNAUTHORIZED),
        (vec![token.to_owned()], StatusCode::UNAUTHORIZED),
    ] {
        let mut request = Asked::get("/api/v1/servers").request();
        for value in &headers {
            request.headers_mut().append(header::AUTHORIZATION, value.parse().unwrap());
        }
        assert_eq!(status(request).await, wanted, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_that_never_ends_is_given_up() {
    let world = World::new().await;
    let mut request = Asked::post("/sign-in", AS_ADMIN).request();
    *request.body_mut() =
        Body::from_stream(futures_util::stream::pending::<Result<&[u8], std::io::Error>>());
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn forms_of_other_kinds_are_not_read() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    for kind in [
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/json",
        "application/x-www-form-urlencoded, text/plain",
        "",
    ] {
        let asked = Asked { who: Some(&admin), ..Asked::post("/settings/organisation", "name=X") };
        let mut request = asked.request();
        request.headers_mut().insert(header::CONTENT_TYPE, kind.parse().unwrap());
        let answer = world.router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
    }
    assert_eq!(world.console.store.organisation().await.unwrap(), "Engines");
}

#[tokio::test]
async fn a_link_puts_no_words_into_a_pages_mouth() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    for page in ["/approvals", "/settings/notifications"] {
        for query in [
            "told=Call+Mallory+at+once",
            "told=ok&told=Call%20Mallory",
            "by=0&told=Call%2DMallory",
            "%74old=Call+Mallory",
            "t%6Fld=Call+Mallory&%62y=0",
        ] {
            let shown = world.get(&format!("{page}?{query}"), Some(&admin)).await;
            assert_eq!(shown.status, StatusCode::OK, "{page}");
            assert!(!shown.text.contains("Mallory"), "{page}?{query}");
        }
    }
    let policy = r#"{"name":"new","document":{"version":"1","default":"deny"}}"#.to_owned();
    let asked = Asked {
        who: Some(&admin),
        json: Some(policy),
        fields: None,
        ..Asked::post("/api/v1/policies", "")
    };
    assert_eq!(world.send(asked).await.status, StatusCode::CREATED);
    let done = world.post("/policies/new/review/discard", Some(&admin), "").await;
    let place = done.location().to_owned();
    assert!(place.contains("told=") && place.contains("&by="), "{place}");
    let said = "Your unsaved text was thrown away";
    assert!(world.get(&place, Some(&admin)).await.text.contains(said), "{place}");
    let other = world.session(ApiRole::Viewer).await;
    assert!(!world.get(&place, Some(&other)).await.text.contains(said));
    let changed = place.replace("thrown", "sold");
    assert!(!world.get(&changed, Some(&admin)).await.text.contains("sold"));
}

#[tokio::test]
async fn a_live_view_ends_with_its_session() {
    use futures_util::StreamExt as _;
    let world = World::new().await;
    let viewer = world.session(ApiRole::Viewer).await;
    let request = Asked { who: Some(&viewer), ..Asked::get("/activity/events") }.request();
    let answer = world.router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let mut heard = answer.into_body().into_data_stream();
    world.post("/sign-out", Some(&viewer), "").await;
    let rest = async {
        while let Some(piece) = heard.next().await {
            let piece = piece.unwrap();
            let says_nothing = piece.starts_with(b":") || piece.starts_with(b"id: ");
            assert!(says_nothing, "its place and signs of life alone");
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), rest).await.expect("it ends");
}

#[tokio::test]
async fn nobody_takes_the_live_views_of_all_others() {
    let world = World::new().await;
    let (viewer, admin) =
        (world.session(ApiRole::Viewer).await, world.session(ApiRole::Admin).await);
    let open = async |who: &SignedIn, path: &str| {
        let request = Asked { who: Some(who), ..Asked::get(path) }.request();
        world.router.clone().oneshot(request).await.unwrap()
    };
    let mut views = Vec::new();
    for number in 0..12 {
        let path = if number % 2 == 0 { "/activity/events" } else { "/approvals/events" };
        views.push(open(&viewer, path).await);
    }
    assert!(views.iter().all(|view| view.status() == StatusCode::OK));
    let again = world.session(ApiRole::Viewer).await;
    for (who, status) in [(&again, 503), (&admin, 200)] {
        for path in ["/activity/events", "/approvals/events"] {
            assert_eq!(open(who, path).await.status(), status, "{path}");
        }
    }
    // A view that is closed gives its place back.
    views.pop();
    assert_eq!(open(&again, "/activity/events").await.status(), StatusCode::OK);
}

#[tokio::test]
async fn secrets_of_a_server_are_replaced_by_the_api_only_with_a_fresh_proof() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let send = async |method: &str, path: &str, headers: &str| {
        let json =
            format!(r#"{{"slug":"pay","url":"https://mcp.example.com/mcp","headers":{headers}}}"#);
        let asked = Asked {
            method,
            who: Some(&admin),
            json: Some(json),
            fields: None,
            ..Asked::post(path, "")
        };
        world.send(asked).await.status
    };
    let (all, one) = ("/api/v1/servers", "/api/v1/servers/pay");
    assert_eq!(send("POST", all, "{}").await, StatusCode::CREATED);
    world.pass(STEP_UP_MS_MAX);
    let other = r#"{"x-api-key":"of a thief"}"#;
    assert_eq!(send("PUT", one, "{}").await, StatusCode::OK, "there is no secret");
    assert_eq!(send("PUT", one, other).await, StatusCode::FORBIDDEN);
    let slug = store::ServerSlug::parse("pay").unwrap();
    let mut record = world.console.store.server(&slug).await.unwrap().unwrap();
    if let store::Transport::Http { headers, .. } = &mut record.transport {
        headers.push(("x-api-key".to_owned(), store::Secret::new("own".to_owned())));
    }
    world.console.store.save_server(record, None, world.now()).await.unwrap();
    for headers in [other, "{}", r#"{"x-api-key":"own"}"#] {
        assert_eq!(send("PUT", one, headers).await, StatusCode::FORBIDDEN, "{headers}");
    }
}

#[tokio::test]
async fn trying_a_channel_leaves_a_deed() {
    let mut world = World::new().await;
    let channel = crate::ops::notifications::Channel {
        name: "ops".to_owned(),
        kind: "webhook",
        events: Vec::new(),
    };
    let site = crate::Site { channels: vec![channel], ..crate::Site::default() };
    world.console.site = std::sync::Arc::new(site);
    let pages = crate::ui::router(world.console.clone());
    world.router = crate::door::guarded(pages, "127.0.0.1:8421".parse().unwrap(), Vec::new());
    let admin = world.session(ApiRole::Admin).await;
    let tried = world.post("/settings/notifications/ops/test", Some(&admin), "").await;
    assert_eq!(tried.status, StatusCode::SEE_OTHER);
    let deed = world.console.store.deeds(DeedFilter::default(), 1).await.unwrap().deeds.remove(0);
    let said = (deed.actor.as_str(), deed.deed.as_str(), deed.object.as_str());
    assert_eq!(said, ("user:admin@example.com", "try_channel", "ops"));
}

#[tokio::test]
async fn what_is_done_names_who_did_it_and_from_where() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let viewer = id_of(&world, ApiRole::Viewer).await;
    world.post("/settings/organisation", Some(&admin), "name=Other").await;
    world.post(&format!("/people/{viewer}/role"), Some(&admin), "role=approver").await;
    world.post("/settings/own-calls", Some(&admin), "own_calls=allow").await;
    let wrong = "email=admin%40example.com&password=wrong&next=/";
    world.send_from("198.51.100.7:1", Asked::post("/sign-in", wrong)).await;
    let hidden = "email=correct+horse+battery&password=wrong&next=/";
    world.send_from("198.51.100.7:1", Asked::post("/sign-in", hidden)).await;
    let found = world.console.store.deeds(DeedFilter::default(), 5).await.unwrap().deeds;
    let said: Vec<String> = found
        .iter()
        .map(|d| format!("{} {} {} {} {}", d.actor, d.from, d.deed.as_str(), d.object, d.detail))
        .collect();
    assert_eq!(
        said,
        [
            "nobody 198.51.100.7 sign_in_failed  no such account",
            "nobody 198.51.100.7 sign_in_failed admin@example.com ",
            "user:admin@example.com 127.0.0.1 change_settings own calls refuse → allow",
            "user:admin@example.com 127.0.0.1 change_role viewer@example.com viewer → approver",
            "user:admin@example.com 127.0.0.1 rename_organisation Other ",
        ]
    );
}

/// Each op that changes something asks the store in the name of its actor, so that no deed is nobody's.
#[test]
fn ops_change_nothing_in_nobodys_name() {
    let changing = [
        "create_grant",
        "rotate_grant",
        "attach_policy",
        "revoke_grant",
        "save_server",
        "remove_server",
        "accept_pin",
        "accept_pins",
        "save_policy",
        "remove_policy",
        "save_settings",
        "decide_as_shown",
        "decide_approval",
        "end_session",
        "end_session_of",
        "end_other_sessions",
        "create_link",
        "withdraw_link",
        "set_role",
        "set_standing",
        "remove_person",
        "rename_organisation",
        "offer_set_up",
        "set_up",
        "join",
        "renew_password",
        "set_password",
        "start_session",
        "step_up",
        "tie_subject",
        "create_person",
        "join_by_sign_on",
        "set_display",
        "create_api_token",
        "remove_api_token",
        "remove_pin",
        "keep_out_pins",
        "try_channel",
    ];
    let found = sources();
    assert!(found.len() > 50);
    for (name, text) in found {
        for method in changing {
            let bare = format!("console.store.{method}(");
            assert!(!text.contains(&bare), "{name} changes something in nobody's name: {bare}");
        }
    }
}

#[tokio::test]
async fn a_session_that_is_not_fresh_gives_the_gateway_no_program_to_start() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    world.pass(STEP_UP_MS_MAX + 1);
    for way in ["command", "paste"] {
        let asked = world.get(&format!("/setup?way={way}"), Some(&admin)).await;
        assert_eq!(asked.location(), format!("/step-up?next=/setup%3Fway%3D{way}"));
    }
    let pasted = "way=paste&text=%7B%22mcpServers%22%3A%7B%22own%22%3A%7B%22command%22%3A%22%2Fbin%2Fsh%22%7D%7D%7D";
    for form in ["way=command&slug=own&command=%2Fbin%2Fsh", pasted] {
        let refused = world.post("/setup", Some(&admin), form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text);
        assert!(refused.text.contains("/bin/sh"), "what was typed is given back");
        assert!(refused.text.contains("href=\"/step-up?next=/account\""), "{}", refused.text);
    }
    assert!(world.console.store.servers().await.unwrap().is_empty());
    // A server that is asked by its URL takes none.
    let url = "way=url&slug=far&url=https%3A%2F%2Fx.example";
    assert_eq!(world.post("/setup", Some(&admin), url).await.location(), "/setup/far");
    let again = format!("password={}&next=/", PASSWORD.replace(' ', "+"));
    let stepped = world.post("/step-up", Some(&admin), &again).await;
    let secret = stepped.cookie(SESSION_COOKIE).unwrap();
    let proven = SignedIn { secret, ..admin };
    let page = world.get("/setup?way=command", Some(&proven)).await;
    assert_eq!(page.status, StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_answered_by_a_page() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    for (path, status, says) in [
        ("/activity?format=csv", StatusCode::BAD_REQUEST, "unknown field `format`"),
        ("/activity?since=1h&since=2h", StatusCode::BAD_REQUEST, "duplicate field `since`"),
        ("/deeds?before=%3Cscript%3E", StatusCode::BAD_REQUEST, "This address cannot be read"),
        ("/activity/9223372036854775808", StatusCode::NOT_FOUND, "There is no such page"),
        ("/servers/%ff", StatusCode::NOT_FOUND, "There is no such page"),
    ] {
        let answer = world.get(path, Some(&admin)).await;
        assert_eq!(answer.status, status, "{path}");
        assert!(answer.header(header::CONTENT_TYPE).starts_with("text/html"), "{path}");
        assert!(answer.text.contains(says), "{path}: {}", answer.text);
        assert!(!answer.text.contains("<script>"), "{path}");
    }
    let stranger = world.get("/sign-in?next=a&next=b", None).await;
    assert_eq!(stranger.status, StatusCode::BAD_REQUEST);
    assert!(stranger.header(header::CONTENT_TYPE).starts_with("text/html"));
}

#[tokio::test]
async fn a_session_that_is_not_fresh_replaces_no_secret_by_the_form_of_the_server() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let made = [
        (
            "way=command&slug=own&command=run+it&env=KEY%3Dreal",
            "way=command&slug=own&command=run+it&env=KEY%3Dother%0AHTTPS_PROXY%3Dhttp%3A%2F%2Fevil.example",
        ),
        (
            "way=url&slug=far&url=https%3A%2F%2Fx.example&headers=K%3A+real",
            "way=url&slug=far&url=https%3A%2F%2Fx.example&headers=K%3A+other",
        ),
        (
            "way=url&slug=bare&url=https%3A%2F%2Fx.example",
            "way=url&slug=bare&url=https%3A%2F%2Fx.example&headers=K%3A+other",
        ),
        // A guess that is right is answered as a wrong one is.
        (
            "way=url&slug=guessed&url=https%3A%2F%2Fx.example&headers=K%3A+real",
            "way=url&slug=guessed&url=https%3A%2F%2Fx.example&headers=K%3A+real",
        ),
    ];
    for (first, _) in made {
        assert!(world.post("/setup", Some(&admin), first).await.location().starts_with("/setup/"));
    }
    let before = world.console.store.servers().await.unwrap();
    world.pass(STEP_UP_MS_MAX + 1);
    for (_, other) in made {
        let slug = other.split("slug=").nth(1).unwrap().split('&').next().unwrap();
        let held = before.iter().find(|record| record.slug.as_str() == slug).unwrap();
        let form = format!("{other}&instead={}", held.revision.0);
        let refused = world.post("/setup", Some(&admin), &form).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{other}: {}", refused.text);
    }
    assert_eq!(world.console.store.servers().await.unwrap(), before);
}
