use serde_json::{Value, json};

use super::*;

fn value(body: &Bytes) -> Value {
    serde_json::from_slice(body).unwrap()
}

fn id() -> RawId {
    RawId::from_key(crate::IdKey::Text("a\"b".into()))
}

const CLIENT: OwnClient<'_> = OwnClient { name: "Port\"cullis", version: "1", capabilities: "{}" };

#[test]
fn errors() {
    let body = error(Some(&id()), 1003, "denied \"by\" policy", Some("{\"x\":1}"));
    assert_eq!(
        value(&body),
        json!({"jsonrpc":"2.0","id":"a\"b","error":{"code":1003,"message":"denied \"by\" policy","data":{"x":1}}})
    );
    assert_eq!(
        value(&error(None, -32700, "x", None)),
        json!({"jsonrpc":"2.0","error":{"code":-32700,"message":"x"}})
    );
}

#[test]
fn refusals_of_tool_calls() {
    let legacy =
        value(&tool_refusal(&id(), Era::Legacy, "[POLICY DENIED] no\n", "{\"verdict\":\"deny\"}"));
    let result = json!({"content":[{"type":"text","text":"[POLICY DENIED] no\n"}],"isError":true,"_meta":{"portcullis/decision":{"verdict":"deny"}}});
    assert_eq!(legacy["result"], result);
    let modern = value(&tool_refusal(&id(), Era::Modern, "x", "{}"));
    assert_eq!(modern["result"]["resultType"], "complete");
}

#[test]
fn notifications() {
    let sent = value(&progress("\"t\"", 3, Some(9), Some("waiting")));
    assert_eq!(
        sent,
        json!({"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":3,"total":9,"message":"waiting"}})
    );
    assert_eq!(
        value(&changed("notifications/tools/list_changed", None)),
        json!({"jsonrpc":"2.0","method":"notifications/tools/list_changed"})
    );
    let modern = value(&changed("notifications/tools/list_changed", Some(&id())));
    assert_eq!(modern["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], "a\"b");
    assert_eq!(
        value(&cancelled("7", Some("gone")))["params"],
        json!({"requestId":7,"reason":"gone"})
    );
    let open = value(&subscription_acknowledged(&id(), "{\"toolsListChanged\":true}"));
    assert_eq!(open["params"]["notifications"], json!({"toolsListChanged":true}));
    assert_eq!(value(&subscription_ended(&id()))["result"]["resultType"], "complete");
}

#[test]
fn own_requests_satisfy_the_own_contract() {
    let number = RawId::from_integer(3).unwrap();
    let modern = list_request(
        &number,
        ProtocolVersion::V2026_07_28,
        &Method::ToolsList,
        Some("c\""),
        CLIENT,
    );
    let headers = crate::MirrorHeaders {
        protocol_version: [b"2026-07-28".as_slice()].as_slice().into(),
        method: [b"tools/list".as_slice()].as_slice().into(),
        ..crate::MirrorHeaders::default()
    };
    let frame = crate::Frame { body: modern, headers, batch: crate::BatchRule::Refused };
    let Ok(crate::Inbound::One(crate::ClientMessage::Request(request))) = crate::decode(frame)
    else {
        panic!("refused")
    };
    assert_eq!(
        (request.cursor().as_deref(), request.client_info().unwrap().name.as_deref()),
        (Some("c\""), Some("Port\"cullis"))
    );
    for body in [
        list_request(&number, ProtocolVersion::V2025_11_25, &Method::ToolsList, None, CLIENT),
        initialize(&number, ProtocolVersion::V2025_11_25, CLIENT),
    ] {
        let frame = crate::Frame {
            body,
            headers: crate::MirrorHeaders::default(),
            batch: crate::BatchRule::Refused,
        };
        assert!(crate::decode(frame).is_ok());
    }
}

#[test]
fn tasks_and_elicitations() {
    let task = Task {
        id: "t",
        status: TaskStatus::Working,
        message: Some("waiting for a person"),
        created_at: "2026-11-20T00:00:00Z",
        updated_at: "2026-11-20T00:00:01Z",
        ttl_ms: None,
        meta: None,
        poll_interval_ms: Some(2_000),
    };
    let created = value(&task_created(&id(), &task));
    assert_eq!(
        created["result"],
        json!({"resultType":"task","taskId":"t","status":"working","statusMessage":"waiting for a person","createdAt":"2026-11-20T00:00:00Z","lastUpdatedAt":"2026-11-20T00:00:01Z","ttlMs":null,"pollIntervalMs":2000})
    );
    let done = Task { status: TaskStatus::Completed("{\"content\":[]}"), ttl_ms: Some(5), ..task };
    let done = value(&task_state(&id(), &done));
    assert_eq!(
        (&done["result"]["resultType"], &done["result"]["result"], &done["result"]["ttlMs"]),
        (&json!("complete"), &json!({"content":[]}), &json!(5))
    );
    for (status, name, member) in [
        (TaskStatus::Failed("{\"code\":1,\"message\":\"\"}"), "failed", Some("error")),
        (TaskStatus::InputRequired("{}"), "input_required", Some("inputRequests")),
        (TaskStatus::Cancelled, "cancelled", None),
    ] {
        let state = value(&task_state(&id(), &Task { status, ..task }));
        assert_eq!(state["result"]["status"], name);
        assert!(member.is_none_or(|member| state["result"].get(member).is_some()));
    }
    let legacy = value(&elicit_url(&id(), "e", "Open", "https://x/"));
    assert_eq!(
        legacy["params"],
        json!({"mode":"url","message":"Open","url":"https://x/","elicitationId":"e"})
    );
    let modern = value(&input_required_url(&id(), "approval", "Open", "https://x/", "s"));
    assert_eq!(
        modern["result"]["inputRequests"]["approval"],
        json!({"method":"elicitation/create","params":{"mode":"url","message":"Open","url":"https://x/"}})
    );
    assert_eq!(modern["result"]["requestState"], "s");
}
