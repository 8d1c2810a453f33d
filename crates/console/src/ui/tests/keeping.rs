//! What is typed outlives sessions and proofs, and is done by nobody's hand but the typist's.

use axum::http::StatusCode;
use store::{ApiRole, SESSION_IDLE_MS_MAX, STEP_UP_MS_MAX};

use super::{Answer, Asked, PASSWORD, SignedIn, World, email_of};
use crate::ui::visitor::SESSION_COOKIE;

const AS_ADMIN: &str = "email=admin%40example.com&password=correct+horse+battery&next=/";
const INVITED: &str = "email=new%40example.com&role=viewer";

/// The values of a form's fields on a page, as a browser sends them.
fn fields(page: &str, form: &str) -> String {
    let found = page.split("<form").find(|part| part.contains(&format!("action=\"{form}\"")));
    let form = found.unwrap_or_else(|| panic!("no form to {form}: {page}"));
    let form = form.split("</form>").next().unwrap();
    let text = |raw: &str| {
        raw.replace("&#34;", "\"").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
    };
    let mut pairs = Vec::new();
    for part in form.split("<input").skip(1).filter(|part| part.contains("type=\"hidden\"")) {
        let of = |name: &str| part.split(&format!("{name}=\"")).nth(1)?.split('"').next();
        pairs.push((of("name").unwrap(), text(of("value").unwrap())));
    }
    for part in form.split("<textarea name=\"").skip(1) {
        let (name, rest) = part.split_once('"').unwrap();
        let value = rest.split_once(">\n").unwrap().1.split("</textarea>").next().unwrap();
        pairs.push((name, text(value)));
    }
    pairs.retain(|(name, _)| *name != "csrf");
    serde_urlencoded::to_string(pairs).unwrap()
}

async fn invitations(world: &World) -> usize {
    world.console.store.links(world.now()).await.unwrap().len()
}

fn signed_in(answer: &Answer, csrf: &str) -> SignedIn {
    SignedIn { secret: answer.cookie(SESSION_COOKIE).unwrap(), csrf: csrf.to_owned() }
}

#[tokio::test]
async fn a_form_waits_for_the_password_and_is_sent_by_hand() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    world.pass(STEP_UP_MS_MAX);
    let asked = world.post("/people/invite", Some(&admin), INVITED).await;
    assert_eq!(asked.status, StatusCode::FORBIDDEN);
    assert!(asked.text.contains("Make a link by which somebody joins"), "{}", asked.text);
    let waiting = fields(&asked.text, "/step-up");
    let wrong = format!("{waiting}&password=wrong");
    let again = world.post("/step-up", Some(&admin), &wrong).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);
    let waiting = fields(&again.text, "/step-up");
    let right = format!("{waiting}&password={}", PASSWORD.replace(' ', "+"));
    let proved = world.post("/step-up", Some(&admin), &right).await;
    assert_eq!(proved.status, StatusCode::OK, "{}", proved.text);
    assert!(proved.text.contains("Nothing has been done yet"));
    assert!(proved.text.contains("new@example.com"), "it is shown");
    assert_eq!(invitations(&world).await, 0, "nothing is done without another click");
    let fresh = signed_in(&proved, &admin.csrf);
    let sent = fields(&proved.text, "/people/invite");
    let made = world.post("/people/invite", Some(&fresh), &sent).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    assert_eq!(invitations(&world).await, 1);
}

#[tokio::test]
async fn a_text_outlives_the_session_in_a_browser_that_is_known() {
    let world = World::new().await;
    let maker = world.session(ApiRole::Admin).await;
    world.post("/policies", Some(&maker), "name=new&server=").await;
    let signed = world.post("/sign-in", None, AS_ADMIN).await;
    let browser = signed.cookie("__Host-portcullis-browser").unwrap();
    let secret = signed.cookie(SESSION_COOKIE).unwrap();
    // The session's cookie with that of the browser behind it.
    let with_both = |secret: &str| format!("{secret}; __Host-portcullis-browser={browser}");
    let over = SignedIn { secret: with_both(&secret), csrf: "of before".to_owned() };
    world.pass(SESSION_IDLE_MS_MAX);
    let text = "{\n  // <script> & \"quotes\"\n  \"version\": \"1\"\n}";
    let body = serde_urlencoded::to_string([("text", text), ("then", "check"), ("base", "0")]);
    let body = format!("{}&server=", body.unwrap());
    let path = "/policies/new/text";
    let refused = world.post(path, Some(&over), &body).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("You are signed out"), "{}", refused.text);
    assert!(!refused.text.contains("<script> &"), "it is text");
    let kept = fields(&refused.text, path);
    assert!(kept.contains(&serde_urlencoded::to_string([("text", text)]).unwrap()), "{kept}");
    // Signed in in another tab, it comes back once more with the secret of that session.
    let fresh = world.session(ApiRole::Admin).await;
    let other = SignedIn { csrf: String::new(), ..fresh.clone() };
    let again = world.post(path, Some(&other), &kept).await;
    assert_eq!(again.status, StatusCode::FORBIDDEN);
    let name = store::PolicyName::parse("new").unwrap();
    let actor = email_of(ApiRole::Admin).actor().unwrap();
    let draft = async || {
        let kept = world.console.store.policy_draft(&actor, &name).await.unwrap();
        kept.map(|kept| kept.text)
    };
    assert_ne!(draft().await.as_deref(), Some(text), "nothing is kept without another click");
    assert!(again.text.contains(&fresh.csrf));
    let sent = world.post(path, Some(&fresh), &fields(&again.text, path)).await;
    assert!(sent.status.is_redirection() || sent.status.is_success(), "{}", sent.text);
    assert_eq!(draft().await.as_deref(), Some(text));
    // Of a browser in which nobody signed in, nothing is read; nor of a foreign page.
    let stranger = SignedIn { secret, csrf: String::new() };
    assert!(world.post(path, Some(&stranger), &body).await.is_sent_to_sign_in());
    let foreign = Asked {
        who: Some(&over),
        origin: Some("https://evil.example"),
        site: Some("cross-site"),
        ..Asked::post(path, &body)
    };
    assert!(world.send(foreign).await.is_sent_to_sign_in());
}

#[tokio::test]
async fn passwords_and_secrets_are_not_kept() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let other = SignedIn { csrf: "another".to_owned(), ..admin.clone() };
    for (path, body) in [
        ("/account/password", "old=a+very+secret+word&new=a+very+secret+word&again=x"),
        (
            "/setup",
            "way=url&slug=x&url=https://x.example&headers=Authorization:+a+very+secret+word",
        ),
        ("/servers/x/credentials", "name=Authorization&value=a+very+secret+word"),
        ("/step-up", "password=a+very+secret+word&next=/"),
    ] {
        let refused = world.post(path, Some(&other), body).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
        assert!(!refused.text.contains("very secret"), "{path}: {}", refused.text);
        // Where the rest is kept, there is a place for what was left out.
        let asks = match path {
            "/setup" => "name=\"headers\" rows=\"3\" required",
            "/servers/x/credentials" => "type=\"password\" id=\"secret-1\" name=\"value\" required",
            _ => "",
        };
        assert!(refused.text.contains(asks), "{path}: {}", refused.text);
    }
    let told = world.post("/servers/x/credentials", Some(&other), "name=A&value=b").await;
    assert!(told.text.contains("Secrets are not kept"), "{}", told.text);
}

#[tokio::test]
async fn a_made_up_waiting_form_leads_nowhere_else() {
    let world = World::new().await;
    for at in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "/sign-out", "/step-up"]
    {
        let body = serde_urlencoded::to_string([
            ("password", PASSWORD),
            ("next", "/"),
            ("waits_at", at),
            ("waits_with", "x=1"),
        ]);
        let admin = world.session(ApiRole::Admin).await;
        let answer = world.post("/step-up", Some(&admin), &body.unwrap()).await;
        assert!(!answer.text.contains("evil.example") && !answer.text.contains("Send it"), "{at}");
    }
}

#[tokio::test]
async fn an_approval_is_not_kept_and_its_page_comes_back() {
    let world = World::new().await;
    let admin = world.session(ApiRole::Admin).await;
    let body = serde_urlencoded::to_string([
        ("password", PASSWORD),
        ("next", "/approvals/apr_1"),
        ("waits_at", "/approvals/apr_1/approve"),
        ("waits_with", "shown=x&whole=yes"),
    ]);
    let answer = world.post("/step-up", Some(&admin), &body.unwrap()).await;
    assert_eq!(answer.location(), "/approvals/apr_1", "{}", answer.text);
    // A rejection has a reason that somebody typed.
    let admin = signed_in(&answer, &admin.csrf);
    let body = serde_urlencoded::to_string([
        ("password", PASSWORD),
        ("next", "/approvals/apr_1"),
        ("waits_at", "/approvals/apr_1/reject"),
        ("waits_with", "shown=x&whole=yes&reason=too+much"),
    ]);
    let answer = world.post("/step-up", Some(&admin), &body.unwrap()).await;
    assert!(answer.text.contains("too much"), "{}", answer.text);
}
