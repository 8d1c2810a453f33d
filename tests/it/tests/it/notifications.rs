//! People outside hear of held calls: over real HTTP, signed, at least once, and nobody waits for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use it::scene::{Plan, Scene, held};
use it::wait;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

const SECRET: &str = "shared-secret-of-the-receiver";

/// What a receiver got.
#[derive(Clone, Debug)]
struct Got {
    headers: HeaderMap,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("JSON")
    }
}

/// A receiver that answers with a status, and not before it may.
struct Receiver {
    address: SocketAddr,
    got: Arc<Mutex<Vec<Got>>>,
    status: watch::Sender<Option<StatusCode>>,
    _serving: JoinSet<()>,
}

#[derive(Clone)]
struct Desk {
    got: Arc<Mutex<Vec<Got>>>,
    status: watch::Receiver<Option<StatusCode>>,
}

async fn take(State(mut desk): State<Desk>, headers: HeaderMap, body: Bytes) -> StatusCode {
    desk.got.lock().expect("not poisoned").push(Got { headers, body });
    let status = desk.status.wait_for(Option::is_some).await.expect("the test lives");
    status.expect("a status")
}

impl Receiver {
    async fn start(status: Option<StatusCode>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, receiver) = watch::channel(status);
        let got = Arc::default();
        let desk = Desk { got: Arc::clone(&got), status: receiver };
        let router = Router::new().fallback(take).with_state(desk);
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { address, got, status: sender, _serving: serving }
    }

    fn all(&self) -> Vec<Got> {
        self.got.lock().expect("not poisoned").clone()
    }

    /// Waits until so many messages came.
    async fn came(&self, count: usize) -> Vec<Got> {
        wait::until("a message", || async {
            let all = self.all();
            (all.len() >= count).then_some(all)
        })
        .await
    }
}

fn ask_always() -> Value {
    let question = json!({ "conditions": [], "on_deny": "A person has to agree." });
    json!({ "version": "1", "default": "deny", "tools": { "delete_all": { "deny_if": [question] } } })
}

async fn scene(channels: &[String]) -> Scene {
    let mut plan = Plan::plain().await.granting("agent", &ask_always());
    plan.config.approvals.extend(channels.iter().cloned());
    plan.config.audit = vec!["values = \"redacted\"".to_owned()];
    plan.config.variables.push(("HOOK_SECRET".to_owned(), SECRET.to_owned()));
    plan.start().await
}

fn webhook(name: &str, receiver: &Receiver) -> String {
    format!(
        "[notifications.{name}]\nkind = \"webhook\"\nurl = \"http://{}/hook\"\n\
         secret = \"env:HOOK_SECRET\"\nallow_private_address = true",
        receiver.address
    )
}

async fn hold(scene: &Scene, arguments: Value) {
    assert!(held(&scene.call("agent", "delete_all", arguments).await));
}

/// Checks a signature as a receiver would: with another implementation of HMAC.
async fn is_signed(got: &Got) -> bool {
    let mut signed = got.header("portcullis-timestamp").as_bytes().to_vec();
    signed.push(b'.');
    signed.extend_from_slice(&got.body);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("signed");
    std::fs::write(&file, signed).expect("written");
    let output = tokio::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", SECRET])
        .arg(&file)
        .output()
        .await
        .expect("openssl runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let digest = said.trim().rsplit(' ').next().unwrap_or_default().to_owned();
    got.header("portcullis-signature") == format!("v1={digest}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_hears_of_a_held_call_and_of_its_end_signed_and_redacted() {
    let receiver = Receiver::start(Some(StatusCode::NO_CONTENT)).await;
    let scene = scene(&[webhook("ops", &receiver)]).await;
    hold(&scene, json!({ "scope": "a", "api_key": "hidden-value" })).await;
    let first = receiver.came(1).await[0].clone();
    assert!(is_signed(&first).await, "{first:?}");
    let event = first.json();
    assert_eq!(event["event"], "approval.requested");
    assert_eq!(event["id"], first.header("portcullis-id"));
    assert_eq!(event["id"], first.header("idempotency-key"));
    let approval = &event["approval"];
    assert_eq!(approval["name"], "delete_all");
    assert_eq!(approval["grant"], "agent");
    assert_eq!(approval["arguments"], json!({ "api_key": "[redacted]", "scope": "a" }));
    let id = approval["id"].as_str().expect("an id");
    assert_eq!(approval["url"], format!("http://{}/approvals/{id}", scene.gateway.console));
    assert_eq!(scene.gateway.decide(id, "reject").await.status / 100, 2);
    let second = receiver.came(2).await[1].clone();
    assert!(is_signed(&second).await);
    assert_eq!(second.json()["approval"]["state"], "rejected");
    assert_eq!(second.json()["approval"]["reason"], "the test says so");
    assert_ne!(second.header("portcullis-id"), first.header("portcullis-id"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_between_attempt_and_answer_sends_again_under_the_same_id() {
    let receiver = Receiver::start(None).await;
    let mut scene = scene(&[webhook("ops", &receiver)]).await;
    hold(&scene, json!({})).await;
    receiver.came(1).await;
    scene.gateway.kill().await;
    receiver.status.send_replace(Some(StatusCode::OK));
    scene.gateway.restart().await;
    let all = receiver.came(2).await;
    assert_eq!(all[0].header("portcullis-id"), all[1].header("portcullis-id"));
    assert_eq!(all[0].body, all[1].body);
    assert_eq!(all[1].header("portcullis-attempt"), "2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_no_other_and_no_call() {
    let (slow, quick) = (Receiver::start(None).await, Receiver::start(Some(StatusCode::OK)).await);
    let chat = format!(
        "[notifications.chat]\nkind = \"slack\"\nurl = \"http://{}/x\"\n\
         events = [\"approval.requested\"]\nallow_private_address = true",
        quick.address
    );
    let scene = scene(&[webhook("slow", &slow), chat]).await;
    hold(&scene, json!({ "scope": "<!channel>" })).await;
    slow.came(1).await;
    // The slow one still holds its message; calls and the other channel go on.
    hold(&scene, json!({ "scope": "b" })).await;
    let messages = quick.came(2).await;
    assert_eq!(slow.all().len(), 1);
    let text = messages[0].json()["blocks"].to_string();
    assert!(text.contains("delete_all") && text.contains("&lt;!channel&gt;"), "{text}");
    assert!(!text.contains("<!channel>"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_tried_again_and_private_addresses_need_leave() {
    let receiver = Receiver::start(Some(StatusCode::SERVICE_UNAVAILABLE)).await;
    let scene = scene(&[webhook("ops", &receiver)]).await;
    hold(&scene, json!({})).await;
    receiver.came(1).await;
    receiver.status.send_replace(Some(StatusCode::OK));
    let all = receiver.came(2).await;
    assert_eq!(all[0].header("portcullis-id"), all[1].header("portcullis-id"));
    let mut scene = scene;
    let file = scene.gateway.config_file();
    scene.gateway.kill().await;
    let text = std::fs::read_to_string(&file).expect("the file");
    let public = text.replace("https://", "http://").replacen(
        &format!(
            "{}/hook\"\nsecret = \"env:HOOK_SECRET\"\nallow_private_address = true",
            receiver.address
        ),
        &format!("{}/hook\"\nsecret = \"env:HOOK_SECRET\"", receiver.address),
        1,
    );
    assert_ne!(text, public);
    std::fs::write(&file, public).expect("written");
    scene.gateway.spawn();
    let ended = scene.gateway.ended().await;
    assert_eq!(ended.code(), Some(2), "{}", scene.gateway.log());
    assert!(scene.gateway.log().contains("allow_private_address"), "{}", scene.gateway.log());
}
