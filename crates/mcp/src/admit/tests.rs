use super::*;

fn admit(body: &str) -> Result<ServerMessage, BadReply> {
    admit_reply(Bytes::from(body.to_owned()), &RawId::from_integer(1).unwrap())
}

fn response(body: &str) -> Response {
    match admit(body) {
        Ok(ServerMessage::Response(response)) => response,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_answers() {
    let ok = response(
        r#"{"jsonrpc":"2.0","id":1,"vendor":{"a":1,"a":2},"result":{"content":[{"text":"\ud800"}],"isError":true,"n":1e999}}"#,
    );
    assert_eq!(
        (ok.outcome(), ok.is_tool_error(), ok.result_type().as_deref()),
        (Outcome::Result, true, Some("complete"))
    );
    let task = response(r#"{"result":{"resultType":"t\u0061sk"},"id":1,"jsonrpc":"2.0"}"#);
    assert_eq!((task.is_tool_error(), task.result_type().as_deref()), (false, Some("task")));
    let error = response(
        r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"Unknown tool","data":{}}}"#,
    );
    assert_eq!(
        (error.outcome(), error.error_message().as_deref()),
        (Outcome::Error(Some(-32602)), Some("Unknown tool"))
    );
    assert_eq!(
        response(r#"{"jsonrpc":"2.0","id":1,"error":{"code":1.5,"message":""}}"#).outcome(),
        Outcome::Error(None)
    );
}

#[test]
fn errors_without_id_are_answers() {
    for id in ["", "\"id\":null,"] {
        let error = response(&format!(
            r#"{{"jsonrpc":"2.0",{id}"error":{{"code":-32700,"message":"x"}}}}"#
        ));
        assert!(error.id().is_none());
    }
}

#[test]
fn ids_are_compared_by_meaning() {
    let text = RawId::from_key(IdKey::Text("ab".into()));
    let body = Bytes::from_static(br#"{"jsonrpc":"2.0","id":"\u0061b","result":{}}"#);
    assert!(admit_reply(body, &text).is_ok());
    for id in ["2", "\"1\"", "-1"] {
        assert!(
            matches!(
                admit(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{}}}}"#)),
                Err(BadReply::OtherId)
            ),
            "{id}"
        );
    }
}

#[test]
fn tells_requests_and_notifications() {
    let Ok(ServerMessage::Request(request)) =
        admit(r#"{"jsonrpc":"2.0","id":"s1","method":"sampling/createMessage","params":{"a":1}}"#)
    else {
        panic!("no request")
    };
    assert_eq!(
        (request.id().as_str(), request.method()),
        ("\"s1\"", &Method::SamplingCreateMessage)
    );
    let body = r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"t","progress":1}}"#;
    let Ok(ServerMessage::Notification(note)) = admit(body) else { panic!("no notification") };
    assert_eq!((note.progress_token(), note.body().as_ref()), (Some("\"t\""), body.as_bytes()));
}

#[test]
fn refuses_what_is_no_message() {
    for body in [
        "",
        "{",
        "[]",
        "null",
        "\"x\"",
        r#"{"jsonrpc":"2.0","id":1,"result":{}} x"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{"a":01}}"#,
        "\u{feff}{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}",
        r#"{"jsonrpc":"2.0","id":1,"result":{},"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"i\u0064":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"result":{},"error":{"code":1,"message":""}}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":"ping","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1}"#,
        r#"{"jsonrpc":"1.0","id":1,"result":{}}"#,
        r#"{"id":1,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1.0,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":null,"result":{}}"#,
        r#"{"jsonrpc":"2.0","result":{}}"#,
        r#"{"jsonrpc":"2.0","id":1,"error":"x"}"#,
        r#"{"jsonrpc":"2.0","method":"sampling/createMessage"}"#,
        r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
        r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
    ] {
        assert!(admit(body).is_err(), "{body}");
    }
    let deep = "[".repeat(200) + &"]".repeat(200);
    assert!(matches!(
        admit(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":{deep}}}}}"#)),
        Err(BadReply::NotJson(_))
    ));
}
