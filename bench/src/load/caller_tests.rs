use super::{Door, is_same};

#[test]
fn answers_are_the_same_but_for_their_id() {
    let right = br#"{"id":1000000001,"result":"ab"}"#;
    let same = |body: &str| is_same(body.as_bytes(), right, 6, "1000000002");
    assert!(same(r#"{"id":1000000002,"result":"ab"}"#));
    assert!(!same(r#"{"id":1000000001,"result":"ab"}"#), "the id of another call");
    assert!(!same(r#"{"id":1000000002,"result":"ax"}"#));
    assert!(!same(r#"{"iD":1000000002,"result":"ab"}"#));
    assert!(!same(r#"{"id":1000000002,"result":"ab"} "#));
}

#[test]
fn a_request_is_whole_http() {
    let door = Door {
        to: "127.0.0.1:9".parse().unwrap(),
        path: "/mcp/x".to_owned(),
        token: Some("secret".to_owned()),
    };
    let text = String::from_utf8(door.request("POST", Some("s"), "{}")).unwrap();
    assert!(text.starts_with("POST /mcp/x HTTP/1.1\r\nHost: 127.0.0.1:9\r\n"), "{text}");
    assert!(text.ends_with("Content-Length: 2\r\n\r\n{}"), "{text}");
    assert!(text.contains("Authorization: Bearer secret\r\n"), "{text}");
    let text = String::from_utf8(door.request("GET", None, "")).unwrap();
    assert!(text.contains("Accept: text/event-stream\r\n") && !text.contains("Length"), "{text}");
}
