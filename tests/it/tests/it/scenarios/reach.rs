//! What somebody tries to reach past what the grant may see: other methods, other spellings, other
//! agents' calls.

use it::recorder::Fault;
use it::scene::{Plan, SERVER, Scene, call_body};
use it::wait;
use it::wire::{Answer, Ask};
use serde_json::{Value, json};

use crate::regressions::children::piped;
use crate::regressions::{forwarded, runs_of};

/// Everything is open but one resource.
fn all_but_the_secret() -> Value {
    let denied = json!({ "action": "deny" });
    json!({
        "version": "1", "default": "allow", "tools": {},
        "resources": { "file:///secret.txt": denied },
        "prompts": { "draft_payment": denied },
    })
}

/// A request of the stateless revision.
fn modern(scene: &Scene, label: &str, method: &str, params: &Value) -> Ask {
    let mut params = params.clone();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let ask = scene.ask(label, &body.to_string()).set("MCP-Protocol-Version", "2026-07-28");
    ask.with("Mcp-Method", method)
}

async fn refused(scene: &Scene, ask: &Ask, method: &str) -> Answer {
    let before = forwarded(scene, method);
    let answer: Answer = scene.send(ask).await;
    assert!(answer.reply().get("error").is_some(), "{}", answer.text());
    assert_eq!(forwarded(scene, method), before, "{}", answer.text());
    answer
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_of_another_revision_is_judged_like_in_its_own() {
    let scene = Plan::plain().await.granting("agent", &all_but_the_secret()).start().await;
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        for params in [json!({ "uri": "file:///secret.txt" }), json!({})] {
            let ask = modern(&scene, "agent", method, &params);
            let answer = refused(&scene, &ask, method).await;
            // As a server says it that does not know the method.
            let code = &answer.reply()["error"]["code"];
            assert_eq!((answer.status, code.as_i64()), (404, Some(-32601)), "{}", answer.text());
        }
    }
    for method in ["tasks/result", "tasks/get", "tasks/cancel"] {
        let ask = modern(&scene, "agent", method, &json!({ "taskId": "somebody-elses" }));
        refused(&scene, &ask, method).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_completed_has_one_spelling() {
    let scene = Plan::plain().await.granting("agent", &all_but_the_secret()).start().await;
    let references = [
        r#"{"type":"ref/resource","uri":"db://orders/1","URI":"file:///secret.txt"}"#,
        r#"{"type":"ref/resource","Uri":"file:///secret.txt","uri":"db://orders/1"}"#,
        r#"{"type":"ref/prompt","name":"summarise","Name":"draft_payment"}"#,
        r#"{"type":"ref/prompt","Type":"ref/resource","name":"summarise","uri":"file:///secret.txt"}"#,
        r#"{"type":"ref/resource","uri":"db://orders/1","name":"draft_payment"}"#,
        r#"{"type":"ref/prompt","name":"summarise","uri":"file:///secret.txt"}"#,
    ];
    let method = "completion/complete";
    for reference in references {
        let params = format!(r#"{{"ref":{reference},"argument":{{"name":"a","value":"b"}}}}"#);
        let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        refused(&scene, &scene.ask("agent", &body), method).await;
    }
    let honest = r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":
        {"type":"ref/prompt","name":"summarise"},"argument":{"name":"a","value":"b"}}}"#;
    let answer = scene.post("agent", honest).await;
    assert!(answer.reply().get("result").is_some(), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_listened_to_has_one_spelling() {
    let scene = Plan::plain().await.granting("agent", &all_but_the_secret()).start().await;
    let secret = json!(["file:///secret.txt"]);
    let odd = [
        json!({ "notifications": { "resourceSubscriptions": secret } }),
        json!({ "notifications": { "resourceSubscriptions": "file:///secret.txt" } }),
        json!({ "notifications": { "resourceSubscriptions": { "0": "file:///secret.txt" } } }),
        json!({ "notifications": { "ResourceSubscriptions": secret } }),
        json!({ "notifications": { "resourceSubscriptions": [], "resourcesubscriptions": secret } }),
        json!({ "notifications": [{ "resourceSubscriptions": secret }] }),
        json!({ "Notifications": { "resourceSubscriptions": secret } }),
    ];
    for params in odd {
        let ask = modern(&scene, "agent", "subscriptions/listen", &params);
        refused(&scene, &ask, "subscriptions/listen").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s57_nobody_cancels_a_call_by_having_one_of_the_same_id() {
    let scene = piped(|server, _recorder| server).await;
    scene.recorder.set_fault(Some(Fault::Held));
    let own = |label: &'static str| call_body(7, "read_item", &json!({ "id": label }));
    let (first, second) = (own("agent"), own("other"));
    let started = |mark: &'static str| {
        let scene = &scene;
        async move {
            wait::until("a running call", || async { (runs_of(scene, mark) == 1).then_some(()) })
                .await;
        }
    };
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#;
    let calls = async {
        tokio::join!(scene.post("agent", &first), async {
            started("agent").await;
            scene.post("other", &second).await
        })
    };
    let story = async {
        started("agent").await;
        started("other").await;
        for _round in 0..8 {
            // Each grant has exactly one call of this id: its own is what it cancels, every time.
            scene.post("other", cancel).await;
        }
        wait::until("the cancellations", || async {
            (forwarded(&scene, "notifications/cancelled") == 8).then_some(())
        })
        .await;
        scene.recorder.release(2);
    };
    let (_answers, ()) = tokio::join!(calls, story);
    let lines: Vec<Value> = scene
        .log
        .requests()
        .iter()
        .filter_map(|request| serde_json::from_slice(&request.body).ok())
        .collect();
    let others = lines.iter().find(|line| line["params"]["arguments"]["id"] == "other");
    let others = others.expect("the other's call")["id"].clone();
    let cancelled: Vec<Value> = lines
        .iter()
        .filter(|line| line["method"] == "notifications/cancelled")
        .map(|line| line["params"]["requestId"].clone())
        .collect();
    assert_eq!(cancelled, vec![others; 8], "on {SERVER}");
}
