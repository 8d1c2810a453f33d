use super::*;

#[test]
fn replaces_ids_and_tokens() {
    let body = Bytes::from_static(br#"{ "params":{"_meta":{"progressToken":"t","x":1.0},"requestId":3}, "id" : "a" ,"jsonrpc":"2.0"}"#);
    assert_eq!(replace_id(&body, "17").unwrap(), br#"{ "params":{"_meta":{"progressToken":"t","x":1.0},"requestId":3}, "id" : 17 ,"jsonrpc":"2.0"}"#.as_slice());
    let changed = replace_values(
        &body,
        &[
            (&["id"], "1"),
            (&["params", "_meta", "progressToken"], "2"),
            (&["params", "requestId"], "\"r\""),
            (&["none"], "9"),
        ],
    );
    assert_eq!(changed.unwrap(), br#"{ "params":{"_meta":{"progressToken":2,"x":1.0},"requestId":"r"}, "id" : 1 ,"jsonrpc":"2.0"}"#.as_slice());
    let untouched = replace_values(&body, &[(&["params", "none"], "9")]).unwrap();
    assert_eq!(untouched.as_ptr(), body.as_ptr());
    assert!(replace_id(&Bytes::from_static(b"[]"), "1").is_err());
}

#[test]
fn one_line_keeps_strings_and_numbers() {
    let body = Bytes::from_static(b"{\r\n  \"a\": \"x\\ny\",\n  \"b\": 1.50\r}\n");
    assert_eq!(single_line(&body), b"{  \"a\": \"x\\ny\",  \"b\": 1.50}".as_slice());
    let plain = Bytes::from_static(b"{\"a\":1}");
    assert_eq!(single_line(&plain).as_ptr(), plain.as_ptr());
}

#[test]
fn members_of_params_are_taken_out_and_nothing_else_changes() {
    let check = |before: &str, after: &str| {
        let body = Bytes::from(before.to_owned());
        let without =
            without_params(&body, &["inputResponses", "requestState"]).expect("an object");
        assert_eq!(without, after.as_bytes());
    };
    check(
        r#"{"id":1 , "params":{"name":"a", "requestState":"s","arguments":{"requestState":1},"inputResponses":{}}}"#,
        r#"{"id":1 , "params":{"name":"a","arguments":{"requestState":1}}}"#,
    );
    check(r#"{"params":{"requestState":"s","inputResponses":{} }}"#, r#"{"params":{ }}"#);
    check(r#"{"requestState":"s","params":{"a":1}}"#, r#"{"requestState":"s","params":{"a":1}}"#);
}
