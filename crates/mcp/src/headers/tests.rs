use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::{BatchRule, ClientMessage, Frame, Inbound, decode};

const SCHEMA: &str = r#"{"type":"object","properties":{
    "region":{"type":"string","x-mcp-header":"Region"},
    "amount":{"type":"integer","x-mcp-header":"Amount"},
    "dry":{"type":"boolean","x-mcp-header":"Dry"},
    "to":{"type":"object","properties":{"city":{"type":"string","x-mcp-header":"City"}}},
    "plain":{"type":"number"}}}"#;

fn request(arguments: &str) -> Request {
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":5,"method":"tools/call","params":{{"name":"pay","arguments":{arguments},"_meta":{{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{{}}}}}}}}"#
    );
    let headers = MirrorHeaders {
        protocol_version: [b"2026-07-28".as_slice()].as_slice().into(),
        method: [b"tools/call".as_slice()].as_slice().into(),
        name: [b"pay".as_slice()].as_slice().into(),
    };
    match decode(Frame { body: Bytes::from(body), headers, batch: BatchRule::Refused }) {
        Ok(Inbound::One(ClientMessage::Request(request))) => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_annotations() {
    let found = ParamHeaders::of_schema(SCHEMA.as_bytes()).unwrap();
    let found: Vec<(&str, String)> =
        found.iter().map(|param| (param.name.as_str(), param.path.join("."))).collect();
    let expected =
        [("Amount", "amount"), ("Dry", "dry"), ("Region", "region"), ("City", "to.city")];
    assert_eq!(found, expected.map(|(name, path)| (name, path.to_owned())));
    assert!(ParamHeaders::of_schema(br#"{"type":"object"}"#).unwrap().is_empty());
}

#[test]
fn a_property_may_be_called_like_the_annotation() {
    let schema = br#"{"properties":{"x-mcp-header":{"type":"string"}},"default":{"x-mcp-header":"A"},"enum":[{"x-mcp-header":1}]}"#;
    assert!(ParamHeaders::of_schema(schema).unwrap().is_empty());
}

#[test]
fn refuses_annotations_that_the_specification_forbids() {
    let property = |schema: &str| format!(r#"{{"type":"object","properties":{{"a":{schema}}}}}"#);
    for schema in [
        property(r#"{"type":"string","x-mcp-header":""}"#),
        property(r#"{"type":"string","x-mcp-header":"A B"}"#),
        property(r#"{"type":"string","x-mcp-header":"A\r\nB: c"}"#),
        property(r#"{"type":"string","x-mcp-header":1}"#),
        property(r#"{"type":"number","x-mcp-header":"A"}"#),
        property(r#"{"type":["string"],"x-mcp-header":"A"}"#),
        property(r#"{"x-mcp-header":"A"}"#),
        property(r#"{"type":"array","items":{"type":"string","x-mcp-header":"A"}}"#),
        property(r#"{"anyOf":[{"type":"string","x-mcp-header":"A"}]}"#),
        property(r#"{"anyOf":[[{"type":"string","x-mcp-header":"A"}]]}"#),
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#.to_owned(),
        r#"{"$defs":{"a":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}}"#.to_owned(),
        r#"{"if":{"properties":{"b":{"type":"string","x-mcp-header":"A"}}}}"#.to_owned(),
        r#"{"type":"string","x-mcp-header":"A"}"#.to_owned(),
        r#"{"properties":{"a":{"type":"string","x-mcp-header":"A","x-mcp-header":"B"}}}"#.to_owned(),
    ] {
        assert!(ParamHeaders::of_schema(schema.as_bytes()).is_err(), "{schema}");
    }
}

#[test]
fn compares_arguments_with_headers() {
    let params = ParamHeaders::of_schema(SCHEMA.as_bytes()).unwrap();
    let check = |arguments: &str, headers: &[(&str, &str)]| {
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
        check_param_headers(&request(arguments), &params, &headers)
    };
    let region = ("mcp-param-region", "eu");
    check("{}", &[]).unwrap();
    check(r#"{"region":"eu"}"#, &[region]).unwrap();
    check(r#"{"region":"eu"}"#, &[("Mcp-Param-REGION", " eu\t")]).unwrap();
    check(r#"{"region":"\u00fc"}"#, &[("mcp-param-region", "=?base64?w7w=?=")]).unwrap();
    check(r#"{"region":null}"#, &[]).unwrap();
    check(r#"{"region":{"x":1}}"#, &[]).unwrap();
    check(r#"{"amount":42}"#, &[("mcp-param-amount", "42.0")]).unwrap();
    check(r#"{"amount":4.2e1}"#, &[("mcp-param-amount", "42")]).unwrap();
    check(
        r#"{"dry":true,"to":{"city":"Ulm"}}"#,
        &[("mcp-param-dry", "true"), ("mcp-param-city", "Ulm")],
    )
    .unwrap();
    check(r#"{"plain":1}"#, &[("mcp-param-plain", "2"), ("mcp-param-other", "x")]).unwrap();
    for (arguments, headers) in [
        (r#"{"region":"eu"}"#, &[][..]),
        (r#"{"region":"eu"}"#, &[("mcp-param-region", "us")][..]),
        (r#"{"region":"eu"}"#, &[region, region][..]),
        (r#"{"region":"eu"}"#, &[("mcp-param-region", "EU")][..]),
        (r#"{"region":"eu"}"#, &[("mcp-param-region", "=?base64?ZXU?=")][..]),
        ("{}", &[region][..]),
        (r#"{"region":null}"#, &[region][..]),
        (r#"{"amount":999999}"#, &[("mcp-param-amount", "1")][..]),
        (r#"{"amount":9007199254740993}"#, &[("mcp-param-amount", "9007199254740992")][..]),
        (r#"{"amount":"1"}"#, &[("mcp-param-amount", "1.0")][..]),
        (r#"{"dry":true}"#, &[("mcp-param-dry", "True")][..]),
        (r#"{"to":{"city":"Ulm"}}"#, &[][..]),
    ] {
        let refusal = check(arguments, headers).expect_err(arguments);
        assert_eq!(
            (refusal.code, refusal.http_status),
            (code::HEADER_MISMATCH, 400),
            "{arguments}"
        );
        assert_eq!(refusal.id.unwrap().as_str(), "5");
    }
}

proptest! {
    #[test]
    fn values_survive_their_header(value in any::<String>()) {
        let encoded = encode_header_value(&value).into_owned();
        prop_assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')));
        let bytes = encoded.as_bytes();
        let read = single(&[bytes], "x").unwrap().unwrap();
        prop_assert_eq!(decoded(read).unwrap(), value);
    }
}

#[test]
fn mirrors_arguments_as_they_are_checked() {
    let params = ParamHeaders::of_schema(SCHEMA.as_bytes()).unwrap();
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("{}", &[]),
        (r#"{"region":"us-west1","plain":1}"#, &[("Region", "us-west1")]),
        (r#"{"region":"Hello, \u4e16\u754c"}"#, &[("Region", "=?base64?SGVsbG8sIOS4lueVjA==?=")]),
        (r#"{"region":" padded "}"#, &[("Region", "=?base64?IHBhZGRlZCA=?=")]),
        (r#"{"region":"line1\nline2"}"#, &[("Region", "=?base64?bGluZTEKbGluZTI=?=")]),
        (
            r#"{"region":"=?base64?literal?="}"#,
            &[("Region", "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=")],
        ),
        (r#"{"region":""}"#, &[("Region", "")]),
        (r#"{"region":null,"amount":null,"dry":null,"to":null}"#, &[]),
        (r#"{"region":{"x":1},"amount":[1],"to":"Ulm"}"#, &[]),
        (r#"{"amount":42}"#, &[("Amount", "42")]),
        (r#"{"amount":-7}"#, &[("Amount", "-7")]),
        (r#"{"amount":4.20e1}"#, &[("Amount", "42")]),
        (r#"{"amount":1.0}"#, &[("Amount", "1")]),
        (r#"{"amount":9007199254740993}"#, &[("Amount", "9007199254740993")]),
        (r#"{"amount":1.5}"#, &[("Amount", "1.5")]),
        (r#"{"dry":true,"to":{"city":"Ulm"}}"#, &[("Dry", "true"), ("City", "Ulm")]),
        (r#"{"dry":false,"to":{"city":null}}"#, &[("Dry", "false")]),
        (r#"{"Region":"eu"}"#, &[]),
        (r#"{"region":"eu","region":"us"}"#, &[]),
        ("not JSON", &[]),
    ];
    for (arguments, expected) in cases {
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(name, value)| (format!("Mcp-Param-{name}"), (*value).to_owned()))
            .collect();
        assert_eq!(param_headers(&params, arguments.as_bytes()), expected, "{arguments}");
    }
}

#[test]
fn reads_annotations_of_a_whole_definition() {
    let tool = |members: &str| format!(r#"{{"name":"a","inputSchema":{SCHEMA}{members}}}"#);
    let whole = ParamHeaders::of_tool(tool("").as_bytes()).unwrap();
    assert_eq!(whole, ParamHeaders::of_schema(SCHEMA.as_bytes()).unwrap());
    assert_eq!(whole.len(), 4);
    assert!(
        ParamHeaders::of_tool(br#"{"name":"a","outputSchema":{"x-mcp-header":"A"}}"#)
            .unwrap()
            .is_empty()
    );
    assert!(ParamHeaders::of_tool(tool(r#","input\u0053chema":{}"#).as_bytes()).is_err());
    assert!(ParamHeaders::of_tool(br#"{"inputSchema":{"x-mcp-header":"A"}}"#).is_err());
}

proptest! {
    #[test]
    fn what_is_mirrored_passes_the_check(
        region in proptest::option::of(any::<String>()),
        amount in proptest::option::of(prop_oneof![
            any::<i64>().prop_map(|n| n.to_string()),
            (any::<i32>(), 0..4_u8).prop_map(|(n, zeros)| format!("{n}e{zeros}")),
            (any::<i32>(), 1..4_usize).prop_map(|(n, zeros)| format!("{n}.{}", "0".repeat(zeros))),
            any::<f64>().prop_filter("finite", |n| n.is_normal()).prop_map(|n| format!("{n:e}")),
        ]),
        city in proptest::option::of("[ -~\u{e0}-\u{ff}\t]{0,8}"),
    ) {
        let params = ParamHeaders::of_schema(SCHEMA.as_bytes()).unwrap();
        let text = |value: &str| serde_json::Value::from(value).to_string();
        let members = [
            region.map(|region| format!("\"region\":{}", text(&region))),
            amount.map(|amount| format!("\"amount\":{amount}")),
            city.map(|city| format!("\"to\":{{\"city\":{}}}", text(&city))),
        ];
        let members: Vec<String> = members.into_iter().flatten().collect();
        let arguments = format!("{{{}}}", members.join(","));
        let headers = param_headers(&params, arguments.as_bytes());
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        prop_assert_eq!(headers.len(), members.len());
        prop_assert!(check_param_headers(&request(&arguments), &params, &headers).is_ok(), "{}", arguments);
    }
}

#[test]
fn encodes_what_could_be_misread() {
    for (value, encoded) in [
        ("us-west1", "us-west1"),
        ("a b", "a b"),
        (" padded ", "=?base64?IHBhZGRlZCA=?="),
        ("l1\nl2", "=?base64?bDEKbDI=?="),
    ] {
        assert_eq!(encode_header_value(value), encoded);
    }
    assert_eq!(encode_header_value("=?base64?literal?="), "=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=");
}
