use bytes::Bytes;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{ClientMessage, Era, Frame, MirrorHeaders, Request, Token};

/// One line of the files in `testdata`.
struct Case(Value);

impl Case {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).and_then(Value::as_str)
    }

    fn values(&self, header: &str) -> Vec<&[u8]> {
        let values =
            self.0.get("headers").and_then(|headers| headers.get(header)).and_then(Value::as_array);
        values.into_iter().flatten().map(|value| value.as_str().unwrap().as_bytes()).collect()
    }

    fn decode(&self) -> Result<Inbound, Refusal> {
        let headers = MirrorHeaders {
            protocol_version: self.values("version").into(),
            method: self.values("method").into(),
            name: self.values("mcp_name").into(),
        };
        let batch =
            if self.0.get("batch").is_some() { BatchRule::Allowed } else { BatchRule::Refused };
        decode(Frame { body: Bytes::from(self.text("body").unwrap().to_owned()), headers, batch })
    }
}

fn cases(file: &str) -> impl Iterator<Item = Case> {
    file.lines().map(|line| Case(serde_json::from_str(line).unwrap()))
}

fn plain(body: impl Into<Bytes>) -> Result<Inbound, Refusal> {
    decode(Frame {
        body: body.into(),
        headers: MirrorHeaders::default(),
        batch: BatchRule::Refused,
    })
}

fn request(body: &str) -> Request {
    match plain(body.to_owned()) {
        Ok(Inbound::One(ClientMessage::Request(request))) => request,
        other => panic!("{other:?}"),
    }
}

fn call(arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"pay","arguments":{arguments}}}}}"#
    )
}

#[test]
fn takes_what_the_contract_takes() {
    for case in cases(include_str!("../../testdata/accepted.jsonl")) {
        let name = case.text("name").unwrap();
        let inbound = case.decode().unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
        let (kind, method, era, subject) = match &inbound {
            Inbound::Batch(messages) => {
                assert_eq!(messages.len(), 3, "{name}");
                ("batch", None, Era::Legacy, None)
            }
            Inbound::One(ClientMessage::Request(request)) => {
                assert_eq!(request.body(), case.text("body").unwrap().as_bytes(), "{name}");
                ("request", Some(request.method().as_str()), request.era(), request.subject())
            }
            Inbound::One(ClientMessage::Notification(note)) => {
                ("notification", Some(note.method().as_str()), note.era(), None)
            }
            Inbound::One(ClientMessage::Response(_)) => ("response", None, Era::Legacy, None),
        };
        assert_eq!(Some(kind), case.text("kind"), "{name}");
        if let Some(expected) = case.text("method") {
            assert_eq!(method, Some(expected), "{name}");
        }
        if let Some(expected) = case.text("subject") {
            assert_eq!(subject, Some(expected), "{name}");
        }
        if let Some(expected) = case.text("era") {
            assert_eq!(era, if expected == "modern" { Era::Modern } else { Era::Legacy }, "{name}");
        }
    }
}

#[test]
fn refuses_what_the_contract_refuses() {
    for case in cases(include_str!("../../testdata/refused.jsonl")) {
        let name = case.text("name").unwrap();
        let refusal = case.decode().expect_err(name);
        assert_eq!(refusal.http_status, 400, "{name}");
        assert_eq!(Some(refusal.code), case.0["code"].as_i64(), "{name}: {refusal}");
        assert_eq!(
            Some(format!("{:?}", refusal.kind).as_str()),
            case.text("kind"),
            "{name}: {refusal}"
        );
        if let Some(expected) = case.0.get("id") {
            assert_eq!(refusal.id.as_ref().map(RawId::as_str), expected.as_str(), "{name}");
        }
        let body: Value = serde_json::from_slice(&refusal.to_body()).unwrap();
        assert_eq!(body["error"]["code"], case.0["code"], "{name}");
    }
}

#[test]
fn refuses_other_encodings() {
    let text = call("{}");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let utf32: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let marked = [b"\xFF\xFE".as_slice(), &utf16].concat();
    let overlong = text.replace("pay", "p\u{1}y").replace('\u{1}', "X").into_bytes();
    let overlong: Vec<u8> = overlong
        .iter()
        .flat_map(|&byte| if byte == b'X' { vec![0xC1, 0x9F] } else { vec![byte] })
        .collect();
    let invalid = [&text.as_bytes()[..60], b"\xFF", &text.as_bytes()[60..]].concat();
    for body in [utf16, utf32, marked, overlong, invalid] {
        assert_eq!(plain(body).expect_err("not UTF-8").code, code::PARSE_ERROR);
    }
}

#[test]
fn bounds_depth() {
    let nested =
        |levels: usize| call(&format!("{{\"q\":{}{}}}", "[".repeat(levels), "]".repeat(levels)));
    // The message, params and arguments are the first three levels.
    plain(nested(97)).unwrap();
    for levels in [98, 1_000, 100_000] {
        let refusal = plain(nested(levels)).expect_err("too deep");
        assert_eq!(refusal.kind, RefusalKind::Limits);
        assert_eq!(refusal.id.unwrap().as_str(), "1");
    }
}

#[test]
fn bounds_elements() {
    // The message, its four members, the name, the arguments and the array are eight values.
    let many = |count: usize| call(&format!("{{\"q\":[{}]}}", vec!["0"; count].join(",")));
    plain(many(100_000 - 8)).unwrap();
    assert_eq!(plain(many(100_000 - 7)).expect_err("too many").kind, RefusalKind::Limits);
    let keys: Vec<String> = (0..120_000).map(|index| format!("\"k{index}\":0")).collect();
    assert_eq!(
        plain(call(&format!("{{{}}}", keys.join(",")))).expect_err("too many").kind,
        RefusalKind::Limits
    );
    let keys = keys[..90_000].join(",");
    plain(call(&format!("{{{keys}}}"))).unwrap();
}

#[test]
fn decides_numbers_of_a_million_digits() {
    let digits = "0".repeat(1_000_000);
    assert_eq!(
        plain(call(&format!("{{\"a\":1{digits}}}"))).expect_err("infinite").kind,
        RefusalKind::Number
    );
    assert_eq!(
        plain(call(&format!("{{\"a\":0.{digits}1}}"))).expect_err("underflows").kind,
        RefusalKind::Number
    );
    plain(call(&format!("{{\"a\":0.{digits}1e1000001}}"))).unwrap();
    plain(call(&format!("{{\"a\":1{digits}e-1000000}}"))).unwrap();
    plain(call(&format!("{{\"a\":0.{digits}}}"))).unwrap();
}

#[test]
fn reads_a_call() {
    let body = r#"{"jsonrpc":"2.0","id":"a\u0062","method":"tools/call","params":{"name":"p\u0061y","arguments":{"n":1.50,"s":"x\ny","l":[true,false,null,{}],"o":{"k\u0065y":"v"}},"_meta":{"progressToken":7}}}"#;
    let request = request(body);
    assert_eq!((request.id_raw(), request.id_key()), (r#""a\u0062""#, &IdKey::Text("ab".into())));
    assert_eq!(
        (request.name(), request.uri(), request.progress_token()),
        (Some("pay"), None, Some("7"))
    );
    let arguments = request.arguments().unwrap();
    assert_eq!(
        arguments.raw_str(),
        r#"{"n":1.50,"s":"x\ny","l":[true,false,null,{}],"o":{"k\u0065y":"v"}}"#
    );
    let tokens: Vec<Token<'_>> = arguments.tokens().collect();
    let expected = [
        Token::BeginObject,
        Token::Key("n".into()),
        Token::Number("1.50"),
        Token::Key("s".into()),
        Token::String("x\ny".into()),
        Token::Key("l".into()),
        Token::BeginArray,
        Token::Bool(true),
        Token::Bool(false),
        Token::Null,
        Token::BeginObject,
        Token::EndObject,
        Token::EndArray,
        Token::Key("o".into()),
        Token::BeginObject,
        Token::Key("key".into()),
        Token::String("v".into()),
        Token::EndObject,
        Token::EndObject,
    ];
    assert_eq!(tokens, expected);
    assert_eq!(request.with_id("42"), body.replace(r#""a\u0062""#, "42"));
}

#[test]
fn reads_what_other_requests_name() {
    let read = request(
        r#"{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"file:\/\/\/a"}}"#,
    );
    assert_eq!((read.uri(), read.name()), (Some("file:///a"), None));
    let complete = request(
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{}}}"#,
    );
    assert_eq!(complete.completion_target(), Some(crate::CompletionTarget::Prompt("p".into())));
    let other = request(
        r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/x","name":"p"}}}"#,
    );
    assert_eq!(other.completion_target(), None);
    let listen = request(
        r#"{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"resourceSubscriptions":["a:b",1]}}}"#,
    );
    let uris: Vec<Option<String>> =
        listen.subscribed_uris().map(|uri| uri.map(std::borrow::Cow::into_owned)).collect();
    assert_eq!(uris, [Some("a:b".to_owned()), None]);
    let open = request(
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{"roots":{},"elicitation":{"url":{}},"sampling":null},"clientInfo":{"name":"c","version":"1"}}}"#,
    );
    assert_eq!(open.requested_version().as_deref(), Some("2025-06-18"));
    assert_eq!(open.client_info().unwrap().name.as_deref(), Some("c"));
    assert!(
        open.declares(&["elicitation", "url"])
            && !open.declares(&["sampling"])
            && !open.declares_extension("x")
    );
}

#[test]
fn batches_hold_messages_of_their_own() {
    let first = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let second = call(r#"{"a":[1,{"b":"x"}]}"#).replace("\"id\":1", "\"id\":2");
    let frame = Frame {
        body: Bytes::from(format!(" [ {first} , {second} ] ")),
        headers: MirrorHeaders::default(),
        batch: BatchRule::Allowed,
    };
    let Ok(Inbound::Batch(messages)) = decode(frame) else { panic!("no batch") };
    let [ClientMessage::Request(ping), ClientMessage::Request(call)] = messages.as_slice() else {
        panic!("other messages")
    };
    assert_eq!(ping.body(), first.as_bytes());
    assert_eq!(call.body(), second.as_bytes());
    assert_eq!(call.arguments().unwrap().raw_str(), r#"{"a":[1,{"b":"x"}]}"#);
    assert_eq!(call.arguments().unwrap().tokens().count(), 10);
    let many = format!(
        "[{}]",
        (0..101)
            .map(|id| format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#))
            .collect::<Vec<_>>()
            .join(",")
    );
    let frame = Frame {
        body: Bytes::from(many),
        headers: MirrorHeaders::default(),
        batch: BatchRule::Allowed,
    };
    assert_eq!(decode(frame).expect_err("too long").kind, RefusalKind::Batch);
}

/// JSON texts: mostly valid, with odd spellings, sometimes broken by `breakage`.
fn json_text() -> impl Strategy<Value = String> {
    let number = prop_oneof![
        any::<i64>().prop_map(|n| n.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| format!("{n:e}")),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,3})?",
    ];
    let string = prop_oneof![
        "[a-zA-Z]{0,4}".prop_map(|text| format!("\"{text}\"")),
        any::<String>().prop_map(|text| Value::from(text).to_string()),
        r#""(\\u[0-9a-fA-F]{4}|\\[bfnrt/"\\]|[ -!#-\[\]-~é€😀]){0,12}""#,
    ];
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        number,
        string.clone()
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        let space = "[ \n\t\r]{0,1}";
        prop_oneof![
            (proptest::collection::vec((inner.clone(), space), 0..6)).prop_map(|items| {
                let items: Vec<String> =
                    items.into_iter().map(|(item, space)| format!("{space}{item}")).collect();
                format!("[{}]", items.join(","))
            }),
            proptest::collection::vec((string.clone(), space, inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members
                    .into_iter()
                    .map(|(key, space, value)| format!("{key}{space}:{value}"))
                    .collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}

fn value_of(tokens: &mut crate::Tokens<'_>, first: Token<'_>) -> Value {
    match first {
        Token::Null => Value::Null,
        Token::Bool(value) => Value::Bool(value),
        Token::Number(text) => serde_json::from_str(text).unwrap(),
        Token::String(text) => Value::String(text.into_owned()),
        Token::BeginArray => {
            let mut items = Vec::new();
            while let Some(token) = tokens.next().filter(|token| *token != Token::EndArray) {
                items.push(value_of(tokens, token));
            }
            Value::Array(items)
        }
        Token::BeginObject => {
            let mut members = serde_json::Map::new();
            while let Some(Token::Key(key)) = tokens.next() {
                let value = tokens.next().unwrap();
                members.insert(key.into_owned(), value_of(tokens, value));
            }
            Value::Object(members)
        }
        token @ (Token::Key(_) | Token::EndObject | Token::EndArray) => panic!("{token:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    /// What is taken means the same to another parser; what is refused is either no JSON to it, or refused for the contract's own reasons.
    #[test]
    fn agrees_with_another_parser(text in json_text()) {
        let arguments = format!("{{\"v\":{text}}}");
        let theirs: Result<Value, _> = serde_json::from_str(&arguments);
        match plain(call(&arguments)) {
            Ok(Inbound::One(ClientMessage::Request(request))) => {
                let mut tokens = request.arguments().unwrap().tokens();
                let first = tokens.next().unwrap();
                prop_assert_eq!(value_of(&mut tokens, first), theirs.unwrap());
                prop_assert!(tokens.next().is_none());
            }
            Ok(other) => prop_assert!(false, "{:?}", other),
            Err(refusal) => {
                let own = matches!(refusal.kind, RefusalKind::DuplicateKey | RefusalKind::Number | RefusalKind::Encoding);
                prop_assert!(own || theirs.is_err(), "{}: {}", refusal, text);
                if refusal.kind == RefusalKind::Encoding {
                    prop_assert!(theirs.is_err(), "{}: {}", refusal, text);
                }
            }
        }
    }

    /// A text with one byte changed is judged alike: never taken when another parser refuses it.
    #[test]
    fn takes_nothing_that_another_parser_refuses(text in json_text(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut body = call(&format!("{{\"v\":{text}}}")).into_bytes();
        let at = at.index(body.len());
        body[at] = byte;
        let theirs: Result<Value, _> = serde_json::from_slice(&body);
        if plain(body).is_ok() {
            prop_assert!(theirs.is_ok());
        }
    }

    #[test]
    fn never_fails_on_any_bytes(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(plain(body).is_err());
    }
}
