use super::agent::{call, method, modern};
use super::world::{Setup, World};

const ALLOW_READ: &str = r#"{"version":"1","default":"deny","tools":{"read_item":{}}}"#;

#[tokio::test]
async fn an_allowed_call_reaches_the_server_as_it_was_judged_and_comes_back_as_it_was_sent() {
    let world = World::new(ALLOW_READ).await;
    let body = r#"{ "id":7, "jsonrpc":"2.0","method":"tools/call","params":{"arguments":{"n":1.000},"name":"read_item"}}"#;
    let got = world.agent().post(body).await;
    assert_eq!(got.status, 200, "{got:?}");
    assert_eq!(
        got.body,
        r#"{ "jsonrpc":"2.0","vendor":1.50, "id":7,"result":{"content":[{"type":"text","text":"ran read_item"}],"big":123456789012345678901234567890}}"#
    );
    let sent =
        world.peer.seen().into_iter().find(|seen| seen.body.contains("tools/call")).expect("sent");
    assert_eq!(sent.body, body);
    assert!(!sent.head.contains("agent-a-token"), "{}", sent.head);
    let rows = world.audit().await;
    let row = rows.last().expect("a row");
    assert_eq!((row.verdict.as_str(), row.tool.as_deref()), ("allow", Some("read_item")));
    assert_eq!(row.arguments_json.as_deref(), Some(r#"{"n":1.000}"#));
    world.stop().await;
}

#[tokio::test]
async fn a_call_that_no_selector_lists_is_denied_and_nothing_leaves() {
    let world = World::new(ALLOW_READ).await;
    let got = world.agent().post(&call(1, "pay", "{}")).await;
    assert_eq!(got.status, 200);
    assert!(got.text().starts_with("[POLICY DENIED] "), "{got:?}");
    let decision = &got.json()["result"]["_meta"]["portcullis/decision"];
    assert_eq!(decision["reason"], "not_listed");
    assert_eq!(decision["rule"], "/default");
    assert!(world.peer.ran().is_empty());
    let rows = world.audit().await;
    let row = rows.last().expect("a row");
    assert_eq!((row.verdict.as_str(), row.reason.as_deref()), ("deny", Some("not_listed")));
    assert_eq!(decision["request_id"], row.request_id);
    world.stop().await;
}

#[tokio::test]
async fn a_hidden_tool_and_one_that_never_was_are_the_same_bytes() {
    let world = World::new(r#"{"version":"1","default":"allow","hide":["delete_all"]}"#).await;
    let hidden = world.agent().post(&call(1, "delete_all", "{}")).await;
    let never = world.agent().post(&call(1, "delete_all2", "{}")).await;
    assert_eq!(
        hidden.body,
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool: delete_all"}}"#
    );
    assert_eq!(hidden.body, never.body.replace("delete_all2", "delete_all"));
    assert_eq!(hidden.status, never.status);
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn lists_show_what_the_policy_lists_in_the_servers_order_and_spelling() {
    let world = World::new(
        r#"{"version":"1","default":"deny","tools":{"pay":{"action":"deny"},"read_item":{}},"resources":{"test://b":{}}}"#,
    )
    .await;
    let tools = world.agent().post(&method(1, "tools/list", "{}")).await;
    let names: Vec<String> = tools.json()["result"]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| tool["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names, ["read_item", "pay"]);
    assert!(tools.body.contains(r#""x-vendor":1.5"#), "{tools:?}");
    let resources = world.agent().post(&method(2, "resources/list", "{}")).await;
    assert!(
        resources.body.contains("test://b") && !resources.body.contains("test://a"),
        "{resources:?}"
    );
    world.stop().await;
}

#[tokio::test]
async fn a_grant_without_policy_sees_empty_lists_and_may_do_nothing() {
    let world = World::with(Setup { policy: None, wait_seconds: 0, ..Setup::default() }).await;
    let tools = world.agent().post(&method(1, "tools/list", "{}")).await;
    assert_eq!(tools.body, r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[]}}"#);
    let got = world.agent().post(&call(2, "read_item", "{}")).await;
    assert_eq!(got.json()["result"]["_meta"]["portcullis/decision"]["reason"], "no_policy");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn other_methods_are_denied_by_default_and_resources_look_as_if_they_were_not_there() {
    let world = World::new(ALLOW_READ).await;
    for name in ["tools/execute", "x/delete_all", "tasks/all", "roots/list"] {
        let got = world.agent().post(&method(1, name, "{}")).await;
        assert_eq!(
            (got.status, &got.json()["error"]["code"]),
            (200, &serde_json::json!(1003)),
            "{name}: {got:?}"
        );
        assert!(
            got.json()["error"]["data"]["portcullis/decision"]["reason"].is_string(),
            "{got:?}"
        );
    }
    let got = world.agent().post(&method(1, "resources/read", r#"{"uri":"test://a"}"#)).await;
    assert_eq!(got.json()["error"]["code"], -32002, "{got:?}");
    let forwarded = world.peer.seen();
    assert!(forwarded.iter().all(|seen| !seen.body.contains("test://a")), "{forwarded:?}");
    world.stop().await;
}

#[tokio::test]
async fn a_limit_lets_exactly_its_maximum_through_in_parallel() {
    let world = World::new(
        r#"{"version":"1","default":"deny","tools":{"read_item":{"limits":[{"window":"hour","max":3}]}}}"#,
    )
    .await;
    let agent = world.agent();
    let calls = (0..40).map(|id| {
        let agent = agent.clone();
        async move { agent.post(&call(id, "read_item", "{}")).await }
    });
    let answers = futures_util::future::join_all(calls).await;
    let allowed = answers.iter().filter(|got| got.body.contains("ran read_item")).count();
    let limited = answers.iter().filter(|got| got.body.contains("limit_exceeded")).count();
    assert_eq!((allowed, limited), (3, 37));
    assert_eq!(world.peer.ran().len(), 3);
    world.stop().await;
}

#[tokio::test]
async fn only_an_answer_that_says_it_did_not_run_gives_a_charge_back() {
    let world = World::new(
        r#"{"version":"1","default":"deny","tools":{"read_item":{"limits":[{"window":"hour","max":1}]}}}"#,
    )
    .await;
    let refusal = |code: i32| {
        format!(r#"{{"jsonrpc":"2.0","id":1,"error":{{"code":{code},"message":"x"}}}}"#)
    };
    world.peer.set(|state| state.fault = Some((200, "application/json", refusal(-32602))));
    let got = world.agent().post(&call(1, "read_item", "{}")).await;
    assert_eq!(got.body, refusal(-32602));
    world.peer.set(|state| state.fault = Some((200, "application/json", refusal(-32603))));
    let got = world.agent().post(&call(1, "read_item", "{}")).await;
    assert_eq!(got.body, refusal(-32603));
    let got = world.agent().post(&call(1, "read_item", "{}")).await;
    assert!(got.body.contains("limit_exceeded"), "{got:?}");
    world.stop().await;
}

#[tokio::test]
async fn answers_that_are_none_become_1002() {
    let world = World::new(ALLOW_READ).await;
    let ok = |id: &str| format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#);
    let faults = [
        (200, "application/json", ok("2")),
        (200, "application/json", ok("\"1\"")),
        (200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":1,".to_owned()),
        (200, "text/html", ok("1")),
        (500, "application/json", ok("1")),
        (302, "application/json", ok("1")),
        (401, "application/json", ok("1")),
        (202, "application/json", String::new()),
    ];
    for fault in faults {
        let shown = format!("{fault:?}");
        world.peer.set(|state| state.fault = Some(fault));
        let got = world.agent().post(&call(1, "read_item", "{}")).await;
        assert_eq!(got.status, 200, "{shown}: {got:?}");
        assert_eq!(got.json()["error"]["code"], 1002, "{shown}: {got:?}");
    }
    world.stop().await;
}

#[tokio::test]
async fn a_changed_tool_is_quarantined_until_somebody_accepts_it() {
    let world = World::new(r#"{"version":"1","default":"allow"}"#).await;
    assert!(world.agent().post(&call(1, "pay", "{}")).await.body.contains("ran pay"));
    world.peer.set(|state| {
        state.tools[1] = super::peer::tool("pay", "pays somebody else");
        state.tools.push(super::peer::tool("wipe_disk", "wipes"));
    });
    let tools = world.agent().post(&method(2, "tools/list", "{}")).await;
    assert!(!tools.body.contains("\"pay\"") && !tools.body.contains("wipe_disk"), "{tools:?}");
    for name in ["pay", "wipe_disk"] {
        let got = world.agent().post(&call(3, name, "{}")).await;
        assert_eq!(
            got.json()["result"]["_meta"]["portcullis/decision"]["reason"],
            "quarantined",
            "{got:?}"
        );
    }
    assert_eq!(world.peer.ran(), ["pay"]);
    // What returns to its accepted form is accepted again.
    world.peer.set(|state| state.tools[1] = super::peer::tool("pay", "pays"));
    let slug = store::ServerSlug::parse("pay").expect("a slug");
    let found = world.gateway.inspect(&slug).await.expect("inspected");
    assert_eq!((found.tools, found.quarantined), (4, 1));
    assert!(world.agent().post(&call(4, "pay", "{}")).await.body.contains("ran pay"));
    world.stop().await;
}

#[tokio::test]
async fn a_notification_that_nothing_defines_passes_on_record_or_not_at_all() {
    let note = r#"{"jsonrpc":"2.0","method":"vendor/erase","params":{"all":true}}"#;
    let sent = |world: &World| world.peer.seen().iter().any(|seen| seen.body == note);
    for (policy, status, verdict) in [
        (r#"{"version":"1","default":"allow"}"#, 202, "allow"),
        (r#"{"version":"1","default":"deny"}"#, 400, "deny"),
    ] {
        let world = World::new(policy).await;
        assert_eq!(world.agent().post(note).await.status, status);
        assert_eq!(sent(&world), verdict == "allow");
        let rows = world.audit().await;
        let shown: Vec<_> = rows.iter().map(|row| row.verdict.as_str()).collect();
        assert_eq!(shown, [verdict]);
        world.stop().await;
    }
    let world = World::new(r#"{"version":"1","default":"allow"}"#).await;
    world.store.close().await;
    assert_eq!(world.agent().post(note).await.status, 400);
    assert!(!sent(&world), "what cannot be recorded does not leave");
    world.stop().await;
}

#[tokio::test]
async fn a_header_that_nobody_compared_with_an_argument_does_not_leave() {
    let world = World::with(Setup {
        policy: Some(r#"{"version":"1","default":"allow"}"#),
        holds_first_list: true,
        ..Setup::default()
    })
    .await;
    // No number may be mirrored, so nobody can say what the header would have to be.
    let broken = serde_json::json!({
        "type": "object", "properties": {"amount": {"type": "number", "x-mcp-header": "Amount"}}
    });
    world.peer.set(|state| state.tools[1]["inputSchema"] = broken);
    world.peer.first_list.send_replace(false);
    let params = r#""name":"pay","arguments":{"amount":999}"#;
    let (agent, body) = modern(&world.agent(), "tools/call", params, "{}");
    let agent = agent.with("Mcp-Name", "pay");
    let got = agent.with("Mcp-Param-Amount", "1").post(&body).await;
    assert_eq!((got.status, &got.json()["error"]["code"]), (400, &(-32020).into()), "{got:?}");
    assert!(world.peer.ran().is_empty());
    assert!(agent.post(&body).await.body.contains("ran pay"));
    // The revisions with a handshake mirror nothing.
    let legacy = world.agent().with("MCP-Protocol-Version", "2025-11-25");
    let got = legacy.with("Mcp-Param-Amount", "1").post(&call(1, "pay", "{}")).await;
    assert!(got.body.contains("ran pay"), "{got:?}");
    let seen = world.peer.seen();
    assert!(!seen.iter().any(|seen| seen.head.to_lowercase().contains("mcp-param")), "{seen:?}");
    world.stop().await;
}
