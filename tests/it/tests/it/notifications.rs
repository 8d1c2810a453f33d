//! People outside hear of held calls: over real HTTP, signed, at least once, and nobody waits for it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use it::scene::{Plan, Scene, held};
use it::{places, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::console::people::set_up;

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
    /// Where everybody is sent.
    elsewhere: Option<String>,
}

async fn take(State(mut desk): State<Desk>, headers: HeaderMap, body: Bytes) -> Response {
    desk.got.lock().expect("not poisoned").push(Got { headers, body });
    let status = desk.status.wait_for(Option::is_some).await.expect("the test lives");
    let mut answer = status.expect("a status").into_response();
    if let Some(place) = &desk.elsewhere {
        answer.headers_mut().insert("location", place.parse().expect("a header"));
    }
    answer
}

impl Receiver {
    async fn start(status: Option<StatusCode>) -> Self {
        Self::sending(status, None).await
    }

    /// One that sends everybody elsewhere.
    async fn sending(status: Option<StatusCode>, elsewhere: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (sender, receiver) = watch::channel(status);
        let got = Arc::default();
        let desk = Desk { got: Arc::clone(&got), status: receiver, elsewhere };
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
    let output = Command::new("openssl")
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

/// The Python block of the documentation that checks a message, run on these cases.
async fn documented_check(cases: &Value) -> Value {
    let page = places::own("../../docs/webhooks.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let example =
        page.split("```python unchecked\n").nth(1).and_then(|rest| rest.split("```").next());
    let driver = "\nimport json, sys\ncases = json.load(sys.stdin)\n\
        print(json.dumps([is_genuine(c[\"secret\"], c[\"headers\"], c[\"body\"].encode(), c[\"now\"]) for c in cases]))\n";
    let program = format!("{}{driver}", example.expect("an example"));
    let mut python = Command::new(places::tool("python/bin/python"))
        .args(["-c", &program])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut input = python.stdin.take().expect("an input");
    input.write_all(cases.to_string().as_bytes()).await.expect("written");
    drop(input);
    let output = python.wait_with_output().await.expect("it ends");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documented_check_takes_genuine_messages_and_no_others() {
    let receiver = Receiver::start(Some(StatusCode::OK)).await;
    let scene = scene(&[webhook("ops", &receiver)]).await;
    hold(&scene, json!({ "scope": "ü" })).await;
    let got = receiver.came(1).await[0].clone();
    let stamp: i64 = got.header("portcullis-timestamp").parse().expect("seconds");
    let case = |change: &dyn Fn(&mut Value)| {
        let mut case = json!({
            "secret": SECRET,
            "headers": {
                "portcullis-timestamp": got.header("portcullis-timestamp"),
                "portcullis-signature": got.header("portcullis-signature"),
            },
            "body": String::from_utf8(got.body.to_vec()).expect("text"),
            "now": stamp + 1,
        });
        change(&mut case);
        case
    };
    let cases = json!([
        case(&|_| {}),
        case(&|case| case["now"] = json!(stamp + 299)),
        // A message of long ago, or of a clock that is far ahead.
        case(&|case| case["now"] = json!(stamp + 301)),
        case(&|case| case["now"] = json!(stamp - 301)),
        // The same one with another time, another body, another secret, without a signature.
        case(&|case| case["headers"]["portcullis-timestamp"] = json!((stamp + 1).to_string())),
        case(&|case| case["body"] = json!(format!("{} ", case["body"].as_str().unwrap()))),
        case(&|case| case["secret"] = json!("another-secret-of-theirs")),
        case(&|case| case["headers"] = json!({ "portcullis-timestamp": stamp.to_string() })),
        case(&|case| case["headers"] = json!({})),
    ]);
    let wanted = json!([true, true, false, false, false, false, false, false, false]);
    assert_eq!(documented_check(&cases).await, wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_sends_elsewhere_is_not_followed() {
    let victim = Receiver::start(Some(StatusCode::OK)).await;
    for status in [StatusCode::MOVED_PERMANENTLY, StatusCode::TEMPORARY_REDIRECT] {
        let place = format!("http://{}/latest/meta-data", victim.address);
        let receiver = Receiver::sending(Some(status), Some(place)).await;
        let scene = scene(&[webhook("ops", &receiver)]).await;
        hold(&scene, json!({})).await;
        // It is tried again there, where it was sent to: nobody goes elsewhere.
        receiver.came(2).await;
        let log = log_of(&scene).await;
        assert!(log.contains("Tried again") && log.contains(status.as_str()), "{log}");
        assert!(victim.all().is_empty());
    }
}

/// The page of channels and messages, as an administrator sees it.
async fn log_of(scene: &Scene) -> String {
    let mut ada = set_up(&scene.gateway).await;
    wait::until("an attempt in the log", || {
        let mut ada = ada.clone();
        async move {
            let page = ada.open("/settings/notifications").await.text();
            (page.contains("Tried again") || page.contains("Given up")).then_some(())
        }
    })
    .await;
    ada.open("/settings/notifications").await.text()
}

/// A receiver that takes connections and answers each with these bytes, again and again.
async fn raw(first: &'static str, again: &'static [u8]) -> (SocketAddr, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            open.spawn(async move {
                let mut heard = [0; 4096];
                if stream.read(&mut heard).await.is_err() {
                    return;
                }
                let mut sending = stream.write_all(first.as_bytes()).await;
                while sending.is_ok() && !again.is_empty() {
                    sending = stream.write_all(again).await;
                }
            });
        }
    });
    (address, serving)
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_receivers_cost_no_call_and_keep_no_other_from_hearing() {
    let endless =
        raw("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", &[b'x'; 4096]).await;
    let head = raw("HTTP/1.1 200 OK\r\nx: ", &[b'x'; 4096]).await;
    let garbage = raw("\0\0\0 no HTTP at all\r\n\r\n", b"").await;
    let quick = Receiver::start(Some(StatusCode::OK)).await;
    let mut channels = vec![webhook("quick", &quick)];
    for (name, address) in [("endless", endless.0), ("head", head.0), ("garbage", garbage.0)] {
        channels.push(format!(
            "[notifications.{name}]\nkind = \"webhook\"\nurl = \"http://{address}/\"\n\
             secret = \"env:HOOK_SECRET\"\nallow_private_address = true"
        ));
    }
    let scene = scene(&channels).await;
    for number in 0..5 {
        hold(&scene, json!({ "scope": number.to_string() })).await;
    }
    quick.came(5).await;
    // A status is an answer, however long the rest is: the endless one takes its messages.
    let ada = set_up(&scene.gateway).await;
    for (name, word) in [("endless", "Delivered"), ("head", "Tried"), ("garbage", "Tried")] {
        wait::until("the fate of a message", || {
            let mut ada = ada.clone();
            async move {
                let page = ada.open(&format!("/settings/notifications?channel={name}")).await;
                page.text().contains(word).then_some(())
            }
        })
        .await;
    }
    assert_eq!(scene.gateway.api("GET", "approvals?state=pending", None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chat_that_is_away_is_named_and_its_secret_address_is_not() {
    const ROOM: &str = "T0SECRET0ROOM";
    let gone = Receiver::start(Some(StatusCode::OK)).await.address;
    let mut plan = Plan::plain().await.granting("agent", &ask_always());
    plan.config.approvals.push(
        "[notifications.chat]\nkind = \"slack\"\nurl = \"env:CHAT_URL\"\n\
         allow_private_address = true"
            .to_owned(),
    );
    let address = format!("http://{gone}/services/{ROOM}");
    plan.config.variables.push(("CHAT_URL".to_owned(), address));
    let scene = plan.start().await;
    hold(&scene, json!({ "scope": "a", "password": "hunter2-of-the-call" })).await;
    let page = log_of(&scene).await;
    assert!(page.contains("chat") && page.contains("connect"), "{page}");
    for secret in [ROOM, "hunter2-of-the-call", &gone.to_string()] {
        assert!(!page.contains(secret), "{secret}: {page}");
        assert!(!scene.gateway.log().contains(secret), "{}", scene.gateway.log());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_button_sends_a_signed_message_that_says_who_tries() {
    let receiver = Receiver::start(Some(StatusCode::OK)).await;
    let chat = Receiver::start(Some(StatusCode::OK)).await;
    let slack = format!(
        "[notifications.chat]\nkind = \"slack\"\nurl = \"http://{}/x\"\n\
         allow_private_address = true",
        chat.address
    );
    let scene = scene(&[webhook("ops", &receiver), slack]).await;
    let mut ada = set_up(&scene.gateway).await;
    for name in ["ops", "chat"] {
        let page = "/settings/notifications";
        let sent = ada.submit(page, (&format!("{page}/{name}/test"), "")).await;
        assert_eq!(sent.status, 303, "{}", sent.text());
    }
    let got = receiver.came(1).await[0].clone();
    assert!(is_signed(&got).await, "{got:?}");
    assert_eq!(got.header("portcullis-event"), "test");
    let test = got.json();
    assert_eq!((&test["event"], &test["by"]), (&json!("test"), &json!("user:ada@example.com")));
    assert_eq!(chat.came(1).await[0].json()["text"], "Portcullis can write here");
    wait::until("both in the log", || {
        let mut ada = ada.clone();
        async move {
            let page = ada.open("/settings/notifications").await.text();
            (page.matches("Delivered").count() == 2).then_some(())
        }
    })
    .await;
}
