//! People of a whole process: the first account, signing in, and what a restart must not forget.

use it::gateway::{Config, Gateway, Server};
use it::recorder::{Log, Options, Recorder};
use it::scene::{SERVER, Scene};
use serde_json::json;

use super::Browser;

pub(crate) const PASSWORD: &str = "correct horse battery";

/// Paths of the links that the process printed, oldest first.
fn printed(gateway: &Gateway) -> Vec<String> {
    let log = gateway.log();
    let links = log.lines().filter_map(|line| line.split_once("/welcome/"));
    links.map(|(_site, token)| format!("/welcome/{}", token.trim())).collect()
}

async fn with_ada() -> (Scene, Browser) {
    let scene = Scene::with_policy(&json!({ "version": "1", "default": "deny" })).await;
    let browser = set_up(&scene.gateway).await;
    (scene, browser)
}

/// Ada makes the first account.
pub(crate) async fn set_up(gateway: &Gateway) -> Browser {
    let link = printed(gateway).pop().expect("a link is printed");
    let mut browser = Browser::new(gateway.console);
    let fields = "organisation=Engines&email=ada%40example.com&display=Ada\
        &password=correct+horse+battery&again=correct+horse+battery";
    let made = browser.submit(&link, (&link, fields)).await;
    assert_eq!((made.status, made.header("location")), (303, Some("/")), "{}", made.text());
    browser
}

#[tokio::test(flavor = "multi_thread")]
async fn the_printed_link_makes_the_first_account_and_a_restart_keeps_it() {
    let (mut scene, mut ada) = with_ada().await;
    assert_eq!(ada.open("/").await.status, 200);
    let link = printed(&scene.gateway).pop().expect("a link");
    assert_eq!(Browser::new(scene.gateway.console).open(&link).await.status, 404, "used");
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    assert_eq!(printed(&scene.gateway).len(), 1, "none is needed any more");
    assert_eq!(ada.open("/").await.status, 200, "the session outlives the process");
    let mut other = Browser::new(scene.gateway.console);
    assert_eq!(other.sign_in("Ada@Example.com", PASSWORD).await.status, 303);
    assert_ne!(ada.session(), other.session());
    let log = scene.gateway.log();
    for secret in [ada.session(), other.session(), Some(PASSWORD), Some("horse")] {
        assert!(!log.contains(secret.expect("a secret")), "a secret in the log");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_start_prints_another_link_until_there_is_an_account() {
    let mut scene = Scene::with_policy(&json!({ "version": "1", "default": "deny" })).await;
    scene.gateway.kill().await;
    scene.gateway.restart().await;
    let links = printed(&scene.gateway);
    assert_eq!(links.len(), 2);
    let mut browser = Browser::new(scene.gateway.console);
    assert_eq!(browser.open(&links[0]).await.status, 404, "the later one takes its place");
    assert_eq!(browser.open(&links[1]).await.status, 200);
}

/// Wall clocks that stand still, so that a wait lasts however long the machine takes.
const NOON: &str = "2031-06-18 12:00:00";
const A_SECOND_LATER: &str = "2031-06-18 12:00:01";

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_does_not_end_the_wait_of_somebody_who_guesses() {
    let recorder = Recorder::start(Options::strict(SERVER), Log::default()).await;
    let config = Config::with_servers(vec![Server::of(SERVER, &recorder)]);
    let mut gateway = Gateway::start_at(config, NOON).await;
    set_up(&gateway).await;
    let mut guesser = Browser::new(gateway.console);
    for _ in 0..5 {
        let guess = guesser.sign_in("ada@example.com", "a wrong password").await;
        assert_eq!(guess.status, 422, "{}", guess.text());
    }
    assert_eq!(guesser.sign_in("ada@example.com", PASSWORD).await.status, 429);
    gateway.kill().await;
    gateway.restart().await;
    assert_eq!(guesser.sign_in("ada@example.com", PASSWORD).await.status, 429, "a restart");
    let other = guesser.sign_in("eve@example.com", "a wrong password").await;
    assert_eq!(other.status, 422, "others are judged");
    gateway.set_clock(A_SECOND_LATER);
    assert_eq!(guesser.sign_in("ada@example.com", PASSWORD).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_before_opens_nothing_after_sign_out() {
    let (scene, mut ada) = with_ada().await;
    let stolen = ada.clone();
    let out = ada.submit("/", ("/sign-out", "")).await;
    assert_eq!((out.status, out.header("location")), (303, Some("/sign-in")));
    for mut browser in [ada, stolen] {
        let page = browser.open("/people").await;
        assert_eq!((page.status, page.header("location")), (303, Some("/sign-in?next=/people")));
    }
    drop(scene);
}
