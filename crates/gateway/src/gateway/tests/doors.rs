use super::agent::{call, method};
use super::world::World;
use crate::plane::REJECTED_ROWS_PER_SECOND_MAX;

const ALLOW: &str = r#"{"version":"1","default":"allow"}"#;

#[tokio::test]
async fn without_a_valid_token_every_answer_is_the_same_401() {
    let world = World::new(ALLOW).await;
    let body = call(1, "read_item", "{}");
    let mut bodies = Vec::new();
    for token in ["", "wrong-token-0123456789", "x", "agent-a-token-0123456789%00"] {
        let got = world.agent().with_token(token).post(&body).await;
        assert_eq!(got.status, 401, "{got:?}");
        assert_eq!(
            got.header("www-authenticate"),
            Some(
                "Bearer resource_metadata=\"http://127.0.0.1:8420/.well-known/oauth-protected-resource/mcp/pay\""
            )
        );
        bodies.push(got.body);
    }
    let twice =
        world.agent().with("Authorization", "Bearer agent-b-token-0123456789").post(&body).await;
    assert_eq!(twice.status, 401);
    bodies.push(twice.body);
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_server_of_another_grant_is_a_server_that_does_not_exist() {
    let world = World::new(ALLOW).await;
    let body = call(1, "read_item", "{}");
    let paths = [
        "/mcp/other",
        "/mcp/Pay",
        "/mcp/",
        "/mcp/pay/x",
        "/mcp/pay%2f",
        "/mcp/pay;x=1",
        "/mcp/a/../pay",
    ];
    for path in paths {
        let got = world.agent().send("POST", path, &body).await;
        assert_eq!(got.status, 404, "{path}: {got:?}");
    }
    assert_eq!(world.agent().send("POST", "/mcp/pay/", &body).await.status, 200);
    world.stop().await;
}

#[tokio::test]
async fn what_the_parser_contract_refuses_is_400_and_recorded_without_content() {
    let world = World::new(ALLOW).await;
    let bodies = [
        "",
        "[]",
        "{",
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read_item","name":"delete_all"}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
    ];
    for body in bodies {
        let got = world.agent().post(body).await;
        assert_eq!(got.status, 400, "{body}: {got:?}");
        assert!(got.json()["error"]["code"].is_i64(), "{body}: {got:?}");
    }
    let rows = world.audit().await;
    let rejected = rows.iter().filter(|row| row.kind == store::AuditKind::Rejected).count();
    assert_eq!(rejected, bodies.len());
    assert!(rows.iter().all(|row| row.arguments_json.is_none() && row.tool.is_none()));
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn other_verbs_media_types_hosts_and_origins_are_refused() {
    let world = World::new(ALLOW).await;
    let body = method(1, "ping", "{}");
    assert_eq!(world.agent().send("PUT", "/mcp/pay", &body).await.status, 405);
    assert_eq!(world.agent().send("GET", "/mcp/pay", &body).await.status, 400);
    assert_eq!(world.agent().with("Content-Type", "text/plain").post(&body).await.status, 415);
    assert_eq!(world.agent().with("Content-Encoding", "gzip").post(&body).await.status, 415);
    assert_eq!(world.agent().with("Origin", "http://evil.example").post(&body).await.status, 403);
    let own = format!("http://{}", world.address);
    let got = world.agent().with("Origin", &own).post(&body).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("access-control-allow-origin"), Some(own.as_str()));
    assert_eq!(world.agent().send("OPTIONS", "/mcp/pay", "").await.status, 405);
    assert_eq!(
        world.agent().with("Origin", &own).send("OPTIONS", "/mcp/pay", "").await.status,
        204
    );
    let modern = world.agent().with("MCP-Protocol-Version", "2026-07-28");
    assert_eq!(modern.send("GET", "/mcp/pay", "").await.status, 405);
    let metadata = world
        .agent()
        .with_token("")
        .send("GET", "/.well-known/oauth-protected-resource/mcp/pay", "")
        .await;
    assert_eq!(metadata.json()["resource"], "http://127.0.0.1:8420/mcp/pay");
    world.stop().await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_before_it_is_read() {
    let world = World::new(ALLOW).await;
    let mut stream = world.agent().open("POST", "/mcp/pay", "").await;
    drop(stream);
    stream = tokio::net::TcpStream::connect(world.address).await.expect("connected");
    let head = format!(
        "POST /mcp/pay HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\nContent-Length: 4194305\r\n\r\n",
        world.address,
        super::world::TOKEN
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, head.as_bytes()).await.expect("written");
    let got = super::agent::read(stream).await;
    assert_eq!(got.status, 413);
    assert!(got.body.contains("4194304"), "{got:?}");
    let rows = world.audit().await;
    let row = rows.iter().find(|row| row.message.as_deref() == Some("too_large")).expect("a row");
    assert_eq!(row.kind, store::AuditKind::Rejected);
    assert_eq!((row.grant.as_deref(), row.server.as_deref()), (Some("agent-a"), Some("pay")));
    world.stop().await;
}

#[tokio::test]
async fn what_http_refuses_of_a_grant_is_recorded_under_its_name() {
    let world = World::new(ALLOW).await;
    let agent = world.agent();
    let body = method(1, "ping", "{}");
    let asked = [
        (agent.with("Content-Type", "text/plain"), "POST", "/mcp/pay", &body, 415, "media_type"),
        (agent.with("Content-Encoding", "gzip"), "POST", "/mcp/pay", &body, 415, "encoding"),
        (agent.clone(), "GET", "/mcp/pay", &body, 400, "framing"),
        (agent.with("Mcp-Session-Id", "not-mine"), "POST", "/mcp/pay", &body, 404, "session"),
        (agent.clone(), "POST", "/mcp/other", &body, 404, "not_found"),
        (agent.with("Origin", "http://evil.example"), "POST", "/mcp/pay", &body, 403, "origin"),
        (agent.with_token("nobody-s-token-0123456789"), "POST", "/mcp/pay", &body, 401, "-"),
    ];
    for (agent, verb, path, body, status, why) in asked {
        let before = world.audit().await.len();
        assert_eq!(agent.send(verb, path, body).await.status, status, "{why}");
        let rows = world.audit().await;
        assert_eq!(rows.len(), before + 1, "{why}");
        let row = rows.last().expect("a row");
        assert_eq!((row.kind, &*row.verdict), (store::AuditKind::Rejected, "deny"), "{why}");
        assert!(row.method.is_none() && row.tool.is_none() && row.arguments_json.is_none());
        if matches!(status, 401 | 403) {
            assert_eq!((&row.grant, &row.server), (&None, &None), "{why}");
        } else {
            assert_eq!(row.message.as_deref(), Some(why));
            assert_eq!(row.grant.as_deref(), Some("agent-a"), "{why}");
            assert_eq!(row.server.as_deref(), Some("pay"), "{why}");
        }
    }
    assert!(world.peer.ran().is_empty());
    world.stop().await;
}

#[tokio::test]
async fn a_flood_of_what_http_refuses_is_no_flood_of_rows() {
    let world = World::new(ALLOW).await;
    // The clock of these tests stands still, so all of them come in one second.
    let agent = world.agent().with("Content-Type", "text/plain");
    let most = usize::try_from(REJECTED_ROWS_PER_SECOND_MAX).expect("few");
    for _ask in 0..most + 20 {
        assert_eq!(agent.post("{}").await.status, 415);
    }
    assert_eq!(world.audit().await.len(), most);
    world.pass(1);
    assert_eq!(agent.post("{}").await.status, 415);
    assert_eq!(world.audit().await.len(), most + 1);
    world.stop().await;
}
