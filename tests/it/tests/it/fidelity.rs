//! What policy allows goes through byte for byte, both ways: unknown members, the spelling of
//! numbers, the order of keys, as JSON and as event streams.

use it::recorder::{Fault, Options};
use it::scene::{Plan, SERVER, Scene};
use serde_json::{Value, json};

/// A call with everything that a typed model would lose.
const ODD_CALL: &str = "{ \"id\" : \"x-\\u00e9\",\n \"jsonrpc\":\"2.0\", \"params\": {\"arguments\":{\"z\":1.0,\"a\":1e2,\"big\":123456789012345678901234567890,\"t\":\"\\u0041\\/\"},\"_meta\":{\"vendor/x\":{\"keep\":[1.50,null]},\"progressToken\":7},\"name\":\"read_item\"},\"method\":\"tools\\/call\"}";

/// A result with the same.
const ODD_RESULT: &str = r#"{"vendor":{"n":1.0,"big":123456789012345678901234567890},"content":[{"type":"text","text":"A\/","annotations":{"x-own":[1e2]},"own":0.10},{"type":"of-tomorrow","data":{}}],"structuredContent":{"b":1,"a":2},"_meta":{"vendor/y":-0.0}}"#;

fn open() -> Value {
    json!({ "version": "1", "default": "allow", "tools": {} })
}

async fn scene(options: Options) -> Scene {
    Plan::with(options).await.granting("agent", &open()).start().await
}

async fn both_ways(options: Options) {
    let scene = scene(options).await;
    scene.recorder.set_fault(Some(Fault::Result(ODD_RESULT.to_owned())));
    let before = scene.log.request_count();
    let answer = scene.post("agent", ODD_CALL).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut bodies = Vec::new();
    scene.log.each_request_after(before, |request| bodies.push(request.body.clone()));
    let wanted = ODD_CALL.as_bytes();
    assert!(bodies.iter().any(|body| body == wanted), "the call arrived otherwise: {bodies:?}");
    assert!(answer.text().contains(ODD_RESULT), "{}", answer.text());
    assert!(answer.text().contains("\"x-"), "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_json_answer_arrive_as_they_were() {
    both_ways(Options::strict(SERVER)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_and_its_streamed_answer_arrive_as_they_were() {
    both_ways(Options::strict(SERVER).streaming()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_servers_own_error_arrives_as_it_was() {
    let scene = scene(Options::strict(SERVER)).await;
    let error = r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32042,"message":"A\/","data":{"n":1.0},"own":1}}"#;
    scene.recorder.set_fault(Some(Fault::Body(error.to_owned())));
    let answer = scene.call("agent", "read_item", json!({})).await;
    assert_eq!(answer.text(), error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filtered_list_keeps_everything_of_what_it_shows() {
    let policy = json!({ "version": "1", "default": "deny", "tools": { "b*": {} } });
    let plan = Plan::plain().await.granting("agent", &policy);
    let scene = plan.start().await;
    let shown = |name: &str| {
        json!({
            "name": name, "title": "T", "inputSchema": { "type": "object", "x-own": 1 },
            "execution": { "taskSupport": "optional" }, "vendor": { "z": [1], "a": null },
            "annotations": { "readOnlyHint": true, "own": 2 },
        })
    };
    let listed = || async {
        let answer = scene.post("agent", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).await;
        answer.reply()["result"]["tools"].clone()
    };
    assert_eq!(listed().await, json!([]));
    scene.recorder.set_tools(vec![shown("a1"), shown("b2"), shown("c3"), shown("b1")]);
    // New tools are quarantined until somebody accepts them: an administrator does.
    listed().await;
    for name in ["b2", "b1"] {
        let path = format!("servers/{SERVER}/tools/{name}/accept");
        it::wait::until("the tool to be accepted", || async {
            let answer = scene.gateway.api("POST", &path, Some(json!({}))).await;
            (answer.status / 100 == 2).then_some(())
        })
        .await;
    }
    let found = it::wait::until("the accepted tools", || async {
        let found = listed().await;
        (found.as_array().map_or(0, Vec::len) == 2).then_some(found)
    })
    .await;
    assert_eq!(found.to_string(), json!([shown("b2"), shown("b1")]).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_come_back_as_they_were_spelt() {
    let scene = scene(Options::strict(SERVER)).await;
    for id in ["0", "-1", "\"\"", "\"1\"", "9007199254740992", "\"a\\u0062\""] {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/call","params":{{"name":"read_item"}}}}"#
        );
        let answer = scene.post("agent", &body).await;
        let wanted: Value = serde_json::from_str(id).expect("an id");
        assert_eq!(answer.reply()["id"], wanted, "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_client_is_passed_on_but_the_message() {
    let scene = scene(Options::strict(SERVER)).await;
    let body = it::scene::call_body(1, "read_item", &json!({}));
    let ask = scene
        .ask("agent", &body)
        .with("Cookie", "session=of-the-client")
        .with("X-Forwarded-For", "10.9.8.7")
        .with("Proxy-Authorization", "Basic of-the-client");
    let before = scene.log.request_count();
    assert_eq!(scene.send(&ask).await.status, 200);
    scene.log.each_request_after(before, |request| {
        assert!(request.credential);
        assert!(!request.holds("of-the-client") && !request.holds("10.9.8.7"), "{request:?}");
    });
}
