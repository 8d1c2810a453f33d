//! Signing in through a real issuer of OpenID Connect, and through one that lies.

use it::gateway::{Config, Gateway, Server};
use it::issuer::Issuer;
use it::recorder::{Log, Options, Recorder};
use it::scene::SERVER;
use it::wire::Answer;
use serde_json::json;

use super::Browser;

struct Office {
    issuer: Issuer,
    gateway: Gateway,
    _recorder: Recorder,
}

const EMAIL: &str = "grace@example.com";

impl Office {
    async fn with(algorithm: &str, lines: &str) -> Self {
        let mut issuer = Issuer::start().await;
        let recorder = Recorder::start(Options::strict(SERVER), Log::default()).await;
        let mut config = Config::with_servers(vec![Server::of(SERVER, &recorder)]);
        config.lines.push(format!(
            "[console.oidc]\nissuer = \"{}\"\nclient_id = \"{}\"\n\
             client_secret = \"env:OIDC_SECRET\"\n{lines}",
            issuer.url, issuer.client
        ));
        config.variables.push(("OIDC_SECRET".to_owned(), issuer.secret.clone()));
        let gateway = Gateway::start(config).await;
        issuer.serves(&format!("http://{}/sign-in/callback", gateway.console), algorithm).await;
        issuer.person("grace-1", EMAIL, true).await;
        Self { issuer, gateway, _recorder: recorder }
    }

    /// The tests' administrator invites somebody.
    async fn invite(&self, email: &str, role: &str) {
        let config = self.gateway.config_file();
        let output = tokio::process::Command::new(it::places::binary("portcullis"))
            .args(["people", "invite", email, "--role", role, "--config"])
            .arg(config)
            .env_clear()
            .env("OIDC_SECRET", &self.issuer.secret)
            .env("API_TOKEN", it::gateway::ADMIN_TOKEN)
            .env(format!("CREDENTIAL_{}", SERVER.to_uppercase()), "x")
            .output()
            .await
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn browser(&self) -> Browser {
        Browser::new(self.gateway.console)
    }

    /// To the issuer and back, until the browser would open the callback.
    async fn to_the_callback(&self, browser: &mut Browser, begin: &str) -> String {
        let sent = browser.open(begin).await;
        assert_eq!(sent.status, 303, "{}", sent.text());
        let there = sent.header("location").expect("a place").to_owned();
        assert!(there.starts_with(&self.issuer.url), "{there}");
        let back = self.issuer.visit(&there).await;
        let own = format!("http://{}", self.gateway.console);
        back.strip_prefix(&own).unwrap_or_else(|| panic!("sent to {back}")).to_owned()
    }

    async fn sign_in(&self, browser: &mut Browser) -> Answer {
        let back = self.to_the_callback(browser, "/sign-in/on?next=/account").await;
        browser.open(&back).await
    }
}

fn is_in(answer: &Answer) -> bool {
    answer.status == 303 && answer.header("location") == Some("/account")
}

/// That somebody was not signed in, with a page that says so.
fn assert_out(answer: &Answer, browser: &Browser, why: &str) {
    assert!(matches!(answer.status, 403 | 502), "{why}: {} {}", answer.status, answer.text());
    assert!(answer.text().contains("You are not signed in"), "{why}: {}", answer.text());
    assert_eq!(browser.session(), None, "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_by_tokens_of_each_signature_that_is_taken() {
    for algorithm in ["RS256", "ES256", "EdDSA", "Ed25519"] {
        let office = Office::with(algorithm, "").await;
        office.invite(EMAIL, "approver").await;
        let mut browser = office.browser();
        let page = browser.open("/sign-in").await.text();
        assert!(page.contains("/sign-in/on"), "{page}");
        let answer = office.sign_in(&mut browser).await;
        assert!(is_in(&answer), "{algorithm}: {} {}", answer.status, answer.text());
        let account = browser.open("/account").await.text();
        assert!(account.contains(EMAIL) && account.contains("Approver"), "{algorithm}: {account}");
        // The invitation is used; the account is tied to who it is there, whatever the address becomes.
        let mut again = office.browser();
        assert!(is_in(&office.sign_in(&mut again).await));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_lie_bring_nobody_in() {
    let mut office = Office::with("RS256", "").await;
    office.invite(EMAIL, "admin").await;
    let lies = [
        "issuer",
        "audience",
        "audiences",
        "expired",
        "future",
        "nonce",
        "no nonce",
        "none",
        "unsigned",
        "stranger",
        "HS256",
        "key inside",
    ];
    for lie in lies {
        office.issuer.tell(&json!({ "lie": lie })).await;
        let mut browser = office.browser();
        let answer = office.sign_in(&mut browser).await;
        assert_out(&answer, &browser, lie);
    }
    // A token that was good for one sign-in is not for the next one.
    office.issuer.tell(&json!({ "lie": "" })).await;
    office.issuer.tell(&json!({ "lie": "replayed" })).await;
    assert!(is_in(&office.sign_in(&mut office.browser()).await), "the first time");
    let mut browser = office.browser();
    let answer = office.sign_in(&mut browser).await;
    assert_out(&answer, &browser, "a replayed token");
    office.issuer.tell(&json!({ "lie": "" })).await;
    assert!(is_in(&office.sign_in(&mut office.browser()).await), "the truth");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_back_counts_once_and_in_its_own_browser() {
    let office = Office::with("ES256", "").await;
    office.invite(EMAIL, "viewer").await;
    let mut browser = office.browser();
    let back = office.to_the_callback(&mut browser, "/sign-in/on?next=/account").await;
    // Somebody else's browser, with no sign-in or another one under way.
    let mut victim = office.browser();
    assert_out(&victim.open(&back).await, &victim, "no sign-in under way");
    victim.open("/sign-in/on").await;
    assert_out(&victim.open(&back).await, &victim, "another sign-in");
    for (from, to) in [("state=", "state=x"), ("iss=", "iss=https%3A%2F%2Felsewhere.invalid%3F")] {
        let mut other = browser.clone();
        let mixed = back.replace(from, to);
        assert_ne!(mixed, back, "{back}");
        assert_out(&other.open(&mixed).await, &other, from);
    }
    let late = browser.clone();
    assert!(is_in(&browser.open(&back).await));
    // The code is used: whoever copied it and the cookie of before gets nothing.
    let mut thief = late;
    assert_out(&thief.open(&back).await, &thief, "a code that is used");
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_nobody_invited_stays_out() {
    let mut office = Office::with("ES256", "").await;
    let mut browser = office.browser();
    let answer = office.sign_in(&mut browser).await;
    assert_out(&answer, &browser, "nobody invited them");
    assert!(answer.text().contains("ask an admin"), "{}", answer.text());
    office.invite(EMAIL, "viewer").await;
    office.issuer.person("grace-1", EMAIL, false).await;
    assert_out(&office.sign_in(&mut browser).await, &browser, "the address is not verified");
    office.issuer.person("eve-1", "eve@example.com", true).await;
    assert_out(&office.sign_in(&mut browser).await, &browser, "the invitation is another's");
    office.issuer.person("grace-1", EMAIL, true).await;
    assert!(is_in(&office.sign_in(&mut browser).await));
    // Another person there with the same address is not her.
    office.issuer.person("grace-2", EMAIL, true).await;
    let mut other = office.browser();
    assert_out(&office.sign_in(&mut other).await, &other, "somebody else with her address");
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_trusted_domain_come_in_if_the_file_says_so() {
    let lines = "domains = [\"example.com\"]\nrole_for_new = \"viewer\"";
    let mut office = Office::with("RS256", lines).await;
    let mut browser = office.browser();
    assert!(is_in(&office.sign_in(&mut browser).await));
    assert!(browser.open("/account").await.text().contains("Viewer"));
    office.issuer.person("eve-1", "eve@example.com.elsewhere.invalid", true).await;
    let mut eve = office.browser();
    assert_out(&office.sign_in(&mut eve).await, &eve, "another domain");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_account_stays_out_and_its_deeds_say_so() {
    let mut office = Office::with("ES256", "").await;
    office.invite("ada@example.com", "admin").await;
    office.invite(EMAIL, "viewer").await;
    let mut grace = office.browser();
    assert!(is_in(&office.sign_in(&mut grace).await));
    office.issuer.person("ada-1", "ada@example.com", true).await;
    let mut ada = office.browser();
    // Step-up at the issuer, which asks again: the account of another may be changed then.
    let back = office.to_the_callback(&mut ada, "/sign-in/on?next=/account").await;
    assert!(is_in(&ada.open(&back).await));
    let back = office.to_the_callback(&mut ada, "/sign-in/on?again=1&next=/account").await;
    assert!(is_in(&ada.open(&back).await));
    let people = ada.open("/people").await.text();
    let row = people.split("<tr>").find(|row| row.contains(EMAIL)).expect("her row").to_owned();
    let address = row.split("href=\"").nth(1).and_then(|rest| rest.split('"').next());
    let address = address.expect("an address").to_owned();
    let disabled = ada.submit(&address, (&format!("{address}/disable"), "")).await;
    assert_eq!(disabled.status, 303, "{}", disabled.text());
    assert_eq!(grace.open("/account").await.status, 303, "her session ended");
    office.issuer.person("grace-1", EMAIL, true).await;
    let mut again = office.browser();
    let answer = office.sign_in(&mut again).await;
    assert_out(&answer, &again, "a disabled account");
    let deeds = ada.open("/deeds").await.text();
    for said in ["joined", "disabled", "failed to sign in", "no account for you here"] {
        assert!(deeds.contains(said), "{said}: {deeds}");
    }
}
