//! What somebody tries who is not signed in, is somebody else, or sits on another page.

use axum::http::{StatusCode, header};
use store::{ApiRole, STEP_UP_MS_MAX};

use super::{Answer, Asked, FORM_SECRET, HOST, ORIGIN, PASSWORD, SignedIn, World, email_of};
use crate::ui::form::FORM_COOKIE;
use crate::ui::pages::PAGES;
use crate::ui::visitor::SESSION_COOKIE;

/// Forms of people who are signed in.
fn forms() -> impl Iterator<Item = String> {
    let forms = PAGES.iter().filter(|page| page.method == "post" && page.permission.is_some());
    forms.map(|page| {
        let id = format!("usr_{}", "0".repeat(26));
        page.path.replace("{id}", &id).replace(['{', '}'], "")
    })
}

fn is_untaken(answer: &Answer) -> bool {
    answer.status == StatusCode::FORBIDDEN && answer.text.contains("This form was not taken")
}

#[tokio::test]
async fn no_form_is_taken_without_the_secret_of_its_own_session() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let other = world.session(ApiRole::Admin).await;
    let cut = admin.csrf.strip_suffix(char::is_alphanumeric).unwrap_or("x");
    for path in forms() {
        let asked = Asked { who: Some(&admin), ..Asked::post(&path, "x=1") };
        for csrf in ["", "x", FORM_SECRET, &other.csrf, &admin.secret, cut] {
            let answer = world.send(Asked { csrf: Some(csrf), ..asked.clone() }).await;
            assert!(is_untaken(&answer), "{path} with {csrf:?}: {}", answer.status);
        }
        let doubled = format!("csrf={}", admin.csrf);
        let answer = world.send(Asked { fields: Some(&doubled), ..asked.clone() }).await;
        assert!(is_untaken(&answer), "{path} with two secrets");
    }
    assert!(!world.get("/account", Some(&admin)).await.is_sent_to_sign_in());
}

/// Origins and sites of requests that no page of this console sends.
const FOREIGN: [(Option<&str>, Option<&str>); 13] = [
    (None, None),
    (Some("null"), None),
    (Some("https://evil.example"), None),
    (Some("http://localhost:8420"), None),
    (Some("http://localhost"), None),
    (Some("http://localhost:8421.evil.example"), None),
    (Some("http://evil.example#localhost:8421"), None),
    (Some("localhost:8421"), None),
    (Some("https://evil.example"), Some("same-origin")),
    (Some(ORIGIN), Some("cross-site")),
    (Some(ORIGIN), Some("same-site")),
    (None, Some("none")),
    (Some("null"), Some("cross-site")),
];

#[tokio::test]
async fn no_form_is_taken_from_a_foreign_page() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let open = ["/sign-in", "/welcome/x", "/join/x", "/new-password/x"].map(str::to_owned);
    for path in forms().chain(open) {
        for (origin, site) in FOREIGN {
            let asked = Asked { who: Some(&admin), ..Asked::post(&path, "x=1") };
            let answer = world.send(Asked { origin, site, ..asked }).await;
            assert!(is_untaken(&answer), "{path} from {origin:?} {site:?}: {}", answer.status);
        }
    }
    for (origin, site) in [(Some(ORIGIN), None), (None, Some("same-origin"))] {
        let asked = Asked { who: Some(&admin), ..Asked::post("/settings/organisation", "name=X") };
        let answer = world.send(Asked { origin, site, ..asked }).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "its own page: {origin:?} {site:?}");
    }
}

#[tokio::test]
async fn the_api_takes_a_session_from_pages_of_this_console_alone() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let server = r#"{"slug":"pay","url":"https://mcp.example.com/mcp"}"#.to_owned();
    let path = "/api/v1/servers";
    let asked =
        Asked { who: Some(&admin), json: Some(server), fields: None, ..Asked::post(path, "") };
    for (origin, site) in FOREIGN {
        let answer = world.send(Asked { origin, site, ..asked.clone() }).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{origin:?} {site:?}");
    }
    for csrf in ["", "x", FORM_SECRET] {
        let answer = world.send(Asked { csrf: Some(csrf), ..asked.clone() }).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{csrf}");
    }
    for method in ["PUT", "DELETE"] {
        let asked = Asked { method, path: "/api/v1/servers/pay", ..asked.clone() };
        for odd in [
            Asked { csrf: Some(""), ..asked.clone() },
            Asked { origin: Some("https://evil.example"), site: None, ..asked },
        ] {
            assert_eq!(world.send(odd).await.status, StatusCode::FORBIDDEN, "{method}");
        }
    }
    let both = Asked { token: Some("no-token-of-anybody"), ..asked.clone() };
    assert_eq!(world.send(both).await.status, StatusCode::UNAUTHORIZED, "a token goes first");
    assert_eq!(world.send(asked).await.status, StatusCode::CREATED);
    assert_eq!(world.get(path, Some(&admin)).await.status, StatusCode::OK);
    assert_eq!(world.get(path, None).await.status, StatusCode::UNAUTHORIZED);
}

/// The cookie that a sign-in gave, and the secret of its forms.
async fn sign_in(world: &World, fields: &str, before: Option<&SignedIn>) -> (Answer, SignedIn) {
    let answer = world.post("/sign-in", before, fields).await;
    let secret = answer.cookie(SESSION_COOKIE).unwrap_or_default();
    let signed_in = SignedIn { secret, csrf: String::new() };
    let page = world.get("/account", Some(&signed_in)).await;
    let csrf = page.text.split("name=\"csrf\" value=\"").nth(1).unwrap_or_default();
    let csrf = csrf.split('"').next().unwrap_or_default().to_owned();
    (answer, SignedIn { csrf, ..signed_in })
}

const AS_ADMIN: &str = "email=admin%40example.com&password=correct+horse+battery&next=/";

#[tokio::test]
async fn the_secret_of_a_session_is_new_with_every_proof() {
    let world = World::new().await;
    let planted = world.session(ApiRole::Viewer).await;
    let (answer, first) = sign_in(&world, AS_ADMIN, Some(&planted)).await;
    assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"));
    let line = answer.headers[header::SET_COOKIE].to_str().unwrap();
    assert!(line.starts_with("__Host-portcullis=pcl_"), "{line}");
    assert!(line.ends_with("; Path=/; HttpOnly; Secure; SameSite=Lax"), "{line}");
    assert_ne!(first.secret, planted.secret);
    assert!(world.get("/", Some(&planted)).await.is_sent_to_sign_in(), "what was planted is over");
    let made_up = SignedIn { secret: "pcl_chosen-by-somebody".to_owned(), csrf: String::new() };
    let (_, second) = sign_in(&world, AS_ADMIN, Some(&made_up)).await;
    assert!(world.get("/", Some(&made_up)).await.is_sent_to_sign_in());
    let again = format!("password={}&next=/people", PASSWORD.replace(' ', "+"));
    let stepped = world.post("/step-up", Some(&second), &again).await;
    assert_eq!((stepped.status, stepped.location()), (StatusCode::SEE_OTHER, "/people"));
    let third = stepped.cookie(SESSION_COOKIE).unwrap();
    assert_ne!(third, second.secret);
    assert!(world.get("/", Some(&second)).await.is_sent_to_sign_in());
    let third = SignedIn { secret: third, ..second };
    assert_eq!(world.get("/", Some(&third)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_stolen_cookie_opens_nothing_after_sign_out_or_another_password() {
    let world = World::new().await;
    let (_, one) = sign_in(&world, AS_ADMIN, None).await;
    let out = world.post("/sign-out", Some(&one), "").await;
    assert_eq!(out.location(), "/sign-in");
    assert_eq!(out.cookie(SESSION_COOKIE).as_deref(), Some(""), "the browser forgets it");
    assert!(world.get("/", Some(&one)).await.is_sent_to_sign_in());
    let (_, stolen) = sign_in(&world, AS_ADMIN, None).await;
    let (_, own) = sign_in(&world, AS_ADMIN, None).await;
    let new = "old=correct+horse+battery&new=another+long+one&again=another+long+one";
    let changed = world.post("/account/password", Some(&own), new).await;
    assert_eq!(changed.status, StatusCode::SEE_OTHER, "{}", changed.text);
    for over in [&stolen, &own] {
        assert!(world.get("/", Some(over)).await.is_sent_to_sign_in());
        let api = world.get("/api/v1/servers", Some(over)).await;
        assert_eq!(api.status, StatusCode::UNAUTHORIZED);
    }
    let fresh = SignedIn { secret: changed.cookie(SESSION_COOKIE).unwrap(), csrf: String::new() };
    assert_eq!(world.get("/", Some(&fresh)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn guessing_is_told_to_wait_and_nobody_else_is() {
    let world = World::new().await;
    let wrong = "email=admin%40example.com&password=wrong&next=/";
    let guess = async |from: &str, fields: &str| {
        world.send_from(from, Asked::post("/sign-in", fields)).await
    };
    for _ in 0..5 {
        let answer = guess("192.0.2.1:1", wrong).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(answer.text.contains("wrong") && !answer.text.contains("password=wrong"));
    }
    let answer = guess("192.0.2.1:2", AS_ADMIN).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(answer.cookie(SESSION_COOKIE).is_none());
    assert_eq!(guess("192.0.2.2:1", AS_ADMIN).await.status, StatusCode::SEE_OTHER, "elsewhere");
    let viewer = AS_ADMIN.replace("admin", "viewer");
    assert_eq!(guess("192.0.2.1:3", &viewer).await.status, StatusCode::SEE_OTHER, "somebody else");
    // An attacker with a whole network of IPv6 addresses is one attacker.
    for last in 1..=5 {
        guess(&format!("[2001:db8::{last:x}]:1"), wrong).await;
    }
    let answer = guess("[2001:db8::ffff]:1", AS_ADMIN).await;
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn who_has_no_account_gets_the_same_answer_as_who_mistypes() {
    let world = World::new().await;
    let said = async |email: &str| {
        let fields = format!("email={email}&password=wrong+password&next=/");
        let answer = world.post("/sign-in", None, &fields).await;
        (answer.status, answer.text.replace(email, "…").replace(&email.replace("%40", "@"), "…"))
    };
    let (known, unknown) = (said("admin%40example.com").await, said("nobody%40example.com").await);
    assert_eq!(known, unknown);
}

#[tokio::test]
async fn nobody_is_led_away_from_this_console() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    for next in [
        "//evil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "/%09/evil.example",
        "https%3A%2F%2Fevil.example",
        "javascript%3Aalert(1)",
        "/%252Fevil.example",
        "/%0D%0ASet-Cookie%3A+x%3D1",
        "/..%2F%2Fevil.example",
    ] {
        let fields = AS_ADMIN.replace("next=/", &format!("next={next}"));
        let answer = world.post("/sign-in", None, &fields).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, "/"), "{next}");
        let signed_in = world.get(&format!("/sign-in?next={next}"), Some(&admin)).await;
        assert_eq!(signed_in.location(), "/", "{next}");
        let asked = world.get(&format!("/step-up?next={next}"), Some(&admin)).await;
        assert!(asked.text.contains("name=\"next\" value=\"/\""), "{next}");
    }
    let there = world.get("/activity?verdict=deny", None).await;
    assert_eq!(there.location(), "/sign-in?next=/activity%3Fverdict%3Ddeny");
    let back = AS_ADMIN.replace("next=/", "next=/activity%3Fverdict%3Ddeny");
    assert_eq!(world.post("/sign-in", None, &back).await.location(), "/activity?verdict=deny");
}

#[tokio::test]
async fn what_is_critical_takes_the_password_again_and_comes_back() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    world.pass(STEP_UP_MS_MAX);
    let invited = "email=new%40example.com&role=viewer";
    let refused = world.post("/people/invite", Some(&admin), invited).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("action=\"/step-up\""), "{}", refused.text);
    let rotate = format!("/api/v1/grants/grt_{}/rotate", "0".repeat(26));
    let asked = Asked {
        who: Some(&admin),
        json: Some("{}".to_owned()),
        fields: None,
        ..Asked::post(&rotate, "")
    };
    let secret = world.send(asked.clone()).await;
    assert_eq!(secret.status, StatusCode::FORBIDDEN);
    assert!(secret.text.contains("/problems/step-up"), "{}", secret.text);
    let again = format!("password={}&next=/people", PASSWORD.replace(' ', "+"));
    let stepped = world.post("/step-up", Some(&admin), &again).await;
    let fresh = SignedIn { secret: stepped.cookie(SESSION_COOKIE).unwrap(), ..admin.clone() };
    let made = world.post("/people/invite", Some(&fresh), invited).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert!(made.text.contains("http://localhost:8421/join/pcl_"), "the link is shown");
    let listed = world.get("/people", Some(&fresh)).await;
    assert!(!listed.text.contains("/join/pcl_"), "once");
    assert!(listed.text.contains("new@example.com joins as Viewer"));
    let asked = Asked { who: Some(&fresh), ..asked };
    assert_eq!(world.send(asked).await.status, StatusCode::NOT_FOUND, "there is no such grant");
}

#[tokio::test]
async fn two_administrators_who_go_at_the_same_time_leave_one() {
    let world = World::new().await;
    let other = store::Email::parse("other@example.com").unwrap();
    let other_id = world.person(&other, ApiRole::Admin).await;
    let found = world.console.store.credentials(&email_of(ApiRole::Admin)).await.unwrap();
    let first_id = found.unwrap().person.id;
    let (first, second) = (world.session(ApiRole::Admin).await, world.session_of(&other).await);
    let (one, two) = (format!("/people/{other_id}/disable"), format!("/people/{first_id}/role"));
    let (one, two) = tokio::join!(
        world.post(&one, Some(&first), ""),
        world.post(&two, Some(&second), "role=viewer"),
    );
    let done = |answer: &Answer| answer.location().contains("?done=");
    assert!(done(&one) != done(&two), "{} {}", one.status, two.status);
    let people = world.console.store.people().await.unwrap();
    let able = people.iter().filter(|person| {
        person.role == ApiRole::Admin && person.standing == store::Standing::Active
    });
    assert_eq!(able.count(), 1);
}

#[tokio::test]
async fn every_page_tells_browsers_to_load_nothing_foreign_and_to_be_in_no_frame() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    for page in PAGES.iter().filter(|page| page.method == "get") {
        let path = page.path.replace(['{', '}'], "");
        for who in [None, Some(&admin)] {
            let answer = world.get(&path, who).await;
            let policy = answer.header(header::CONTENT_SECURITY_POLICY);
            assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
            assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
            assert!(!policy.contains("unsafe"), "{path}: {policy}");
            assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
            if answer.header(header::CONTENT_TYPE).starts_with("text/html") {
                assert!(policy.contains("require-trusted-types-for 'script'"), "{path}");
                for part in [
                    "form-action 'self'",
                    "base-uri 'none'",
                    "script-src 'self';",
                    "style-src 'self';",
                    "connect-src 'self';",
                    "trusted-types portcullis",
                ] {
                    assert!(policy.contains(part), "{path}: {part}");
                }
                assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin", "{path}");
                assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
                let inline = ["<script>", "<style", " style=", " onclick=", "javascript:"];
                assert!(inline.iter().all(|odd| !answer.text.contains(odd)), "{path}");
            }
        }
    }
}

#[tokio::test]
async fn names_of_people_are_text() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    for path in ["/people", "/account", "/"] {
        let page = world.get(path, Some(&admin)).await;
        assert!(!page.text.contains("<b>Lovelace"), "{path}");
        assert!(page.text.contains("Lovelace"), "{path}");
    }
}

#[tokio::test]
async fn a_form_without_its_pages_cookie_says_why() {
    let world = World::new().await;
    let page = world.get("/sign-in", None).await;
    assert_eq!(page.cookie(FORM_COOKIE).as_deref(), Some(FORM_SECRET), "what is there is kept");
    let mut request = Asked::post("/sign-in", AS_ADMIN).request();
    request.headers_mut().remove(header::COOKIE);
    assert_eq!(request.headers()[header::HOST], HOST);
    let answer = tower::ServiceExt::oneshot(world.router.clone(), request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_form_that_is_too_large_or_no_form_is_refused() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let long = format!("name={}", "x".repeat(70_000));
    let answer = world.post("/settings/organisation", Some(&admin), &long).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let json = Asked {
        who: Some(&admin),
        json: Some("{}".to_owned()),
        ..Asked::post("/settings/organisation", "")
    };
    assert_eq!(world.send(json).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

#[tokio::test]
async fn a_link_is_used_by_its_form_alone() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let made = world.post("/people/invite", Some(&admin), "email=eve%40example.com&role=approver");
    let text = made.await.text;
    let link = text.split("http://localhost:8421").nth(1).unwrap();
    let link = link.split('<').next().unwrap().to_owned();
    for _ in 0..2 {
        let page = world.get(&link, None).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(page.text.contains("eve@example.com") && page.text.contains("Approver"));
    }
    let fields = |again: &str| format!("display=Eve&password=a+password+of+eve&again={again}");
    let differ = world.post(&link, None, &fields("another")).await;
    assert_eq!(differ.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!differ.text.contains("a password of eve"), "passwords are not sent back");
    let joined = world.post(&link, None, &fields("a+password+of+eve")).await;
    assert_eq!((joined.status, joined.location()), (StatusCode::SEE_OTHER, "/"));
    let eve = SignedIn { secret: joined.cookie(SESSION_COOKIE).unwrap(), csrf: String::new() };
    assert_eq!(world.get("/", Some(&eve)).await.status, StatusCode::OK);
    assert_eq!(world.get("/people", Some(&eve)).await.status, StatusCode::FORBIDDEN);
    assert_eq!(world.get(&link, None).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test(start_paused = true)]
async fn who_has_no_account_waits_for_the_same_work() {
    let world = World::new().await;
    let _places = [
        world.console.hashing.place().await.unwrap(),
        world.console.hashing.place().await.unwrap(),
    ];
    for email in ["admin%40example.com", "nobody%40example.com", "nonsense"] {
        let fields = format!("email={email}&password=x&next=/");
        let answer = world.post("/sign-in", None, &fields).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{email}");
    }
}
