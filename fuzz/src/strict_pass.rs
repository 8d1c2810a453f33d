//! The strict pass against two other parsers: what it takes, both take, and both read the same
//! method, id, parameters and results out of the same bytes. Bounds hold, and nothing is rewritten.

use bytes::Bytes;
use mcp::{
    BatchRule, ClientMessage, Frame, IdKey, Inbound, MirrorHeaders, Refusal, RefusalKind, Request,
    decode,
};

use crate::tree::{self, Tree};

/// First bytes that choose headers and batches; any other input is a plain body. No JSON begins
/// with one of these.
const WAYS: std::ops::RangeInclusive<u8> = b'A'..=b'H';

/// Checks one input.
pub fn run(data: &[u8]) {
    let (way, body) = match data.split_first() {
        Some((way, rest)) if WAYS.contains(way) => (way - b'A', rest),
        Some(_) | None => (0, data),
    };
    let body = Bytes::copy_from_slice(body);
    let (serde, jiter) = (tree::by_serde(&body), tree::by_jiter(&body));
    if let (Ok(one), Ok(other)) = (&serde, &jiter) {
        let other = other.clone().as_serde_spells();
        assert_eq!(one.clone().as_serde_spells(), other, "the two peers read different values");
    }
    match decoded(way, body.clone(), jiter.as_ref().ok()) {
        Ok(inbound) => {
            serde.expect("serde_json refuses what the strict pass takes");
            let exact = jiter.expect("jiter refuses what the strict pass takes");
            check_inbound(&inbound, &exact, &body);
        }
        Err(refusal) => {
            check_answer(&refusal);
            check_reason(refusal.kind, serde.is_ok(), jiter.ok().as_ref());
        }
    }
}

/// Decodes with the headers of this way: plain, legacy, modern with true mirrors, and the same
/// where batches are allowed.
fn decoded(way: u8, body: Bytes, peer: Option<&Tree>) -> Result<Inbound, Refusal> {
    let batch = if way & 4 == 0 { BatchRule::Refused } else { BatchRule::Allowed };
    let text = |path: &[&str]| {
        let found = path.iter().try_fold(peer?, |tree, name| tree.only(name));
        found.and_then(Tree::text).map(str::to_owned)
    };
    let method = text(&["method"]).unwrap_or_default();
    let name = text(&["params", "name"]).or_else(|| text(&["params", "uri"]));
    let name = name.map(|name| mcp::encode_header_value(&name).into_owned());
    let mut headers = MirrorHeaders::default();
    match way & 3 {
        1 => headers.protocol_version.push(b"2025-03-26"),
        2 => headers.protocol_version.push(b"2025-11-25"),
        3 => {
            headers.protocol_version.push(b"2026-07-28");
            headers.method.push(method.as_bytes());
            headers.name.extend(name.as_deref().map(str::as_bytes));
        }
        _ => {}
    }
    decode(Frame { body, headers, batch })
}

fn check_answer(refusal: &Refusal) {
    assert_eq!(refusal.http_status, 400);
    let answer = tree::by_serde(&refusal.to_body()).expect("the error's body is JSON");
    let code = answer.only("error").and_then(|error| error.only("code"));
    assert_eq!(code, Some(&Tree::Number(refusal.code.to_string())));
}

/// The reasons that speak of JSON are true: a text that both peers read is not called broken, and keys,
/// numbers and bounds are to blame only where they are as said.
fn check_reason(kind: RefusalKind, serde_reads: bool, read: Option<&Tree>) {
    let justified = match (kind, read) {
        (RefusalKind::Encoding | RefusalKind::Syntax, read) => !serde_reads && read.is_none(),
        (RefusalKind::DuplicateKey, Some(tree)) => has_twins(tree),
        (RefusalKind::Number, Some(tree)) => has_number_beyond_doubles(tree),
        (RefusalKind::Limits, Some(tree)) => {
            let mut counted = Counted::default();
            counted.add(tree, 1);
            counted.depth > mcp::DEPTH_MAX || counted.elements > mcp::ELEMENTS_MAX
        }
        // A text that is refused at its first fault need not be JSON behind it.
        (RefusalKind::DuplicateKey | RefusalKind::Number | RefusalKind::Limits, None) => true,
        (RefusalKind::Batch, read) => read.is_none_or(|tree| matches!(tree, Tree::Array(_))),
        // What is wrong with a message is known only of JSON.
        (
            RefusalKind::Envelope
            | RefusalKind::Params
            | RefusalKind::Meta
            | RefusalKind::Header
            | RefusalKind::Version,
            read,
        ) => serde_reads && read.is_some(),
    };
    assert!(justified, "refused for {kind:?}, which it is not");
}

fn check_inbound(inbound: &Inbound, exact: &Tree, body: &Bytes) {
    let mut counted = Counted::default();
    match inbound {
        Inbound::One(message) => {
            counted.add(exact, 1);
            assert_eq!(body_of(message), body, "the body is not what came");
            check_message(message, exact);
        }
        Inbound::Batch(messages) => {
            let Tree::Array(elements) = exact else { panic!("a batch that is no array") };
            assert_eq!(messages.len(), elements.len());
            assert!((1..=mcp::BATCH_MESSAGES_MAX).contains(&messages.len()));
            for (message, element) in messages.iter().zip(elements) {
                counted.add(element, 1);
                let alone = tree::by_jiter(body_of(message)).expect("an element is JSON");
                assert_eq!(&alone, element, "an element is not what stands in the batch");
                check_message(message, element);
            }
            counted.elements += 1;
        }
    }
    assert!(counted.depth <= mcp::DEPTH_MAX, "too deep");
    assert!(counted.elements <= mcp::ELEMENTS_MAX, "too many elements");
}

fn body_of(message: &ClientMessage) -> &Bytes {
    match message {
        ClientMessage::Request(request) => request.body(),
        ClientMessage::Notification(note) => note.body(),
        ClientMessage::Response(response) => response.body(),
    }
}

/// Members that an envelope may have.
const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

fn check_message(message: &ClientMessage, exact: &Tree) {
    let Tree::Object(members) = exact else { panic!("a message that is no object") };
    assert!(members.iter().all(|(key, _)| ENVELOPE.contains(&key.as_str())), "a foreign member");
    let version = exact.only("jsonrpc").and_then(Tree::text);
    assert_eq!(version, Some("2.0"));
    assert!(!has_a_key_twice(exact), "a key stands twice");
    assert!(!has_number_beyond_doubles(exact), "a number beyond doubles");
    let params = exact.only("params");
    assert!(params.is_none_or(|params| matches!(params, Tree::Object(_))), "params is no object");
    let method = exact.only("method").and_then(Tree::text);
    match message {
        ClientMessage::Request(request) => {
            assert_eq!(Some(request.method().as_str()), method);
            check_id(exact.only("id"), request.id_key(), request.id_raw());
            assert_eq!(request.params().map(tree::of_node).as_ref(), params);
            check_call(request, params);
            check_other_id(&request.with_id("\"other\""), exact);
        }
        ClientMessage::Notification(note) => {
            assert_eq!(Some(note.method().as_str()), method);
            assert_eq!(exact.only("id"), None);
            assert_eq!(note.params().map(tree::of_node).as_ref(), params);
        }
        ClientMessage::Response(response) => {
            assert_eq!(method, None);
            check_id(exact.only("id"), response.id().key(), response.id().as_str());
            let member = if response.is_error() { "error" } else { "result" };
            assert_eq!(response.outcome().map(tree::of_node).as_ref(), exact.only(member));
            check_other_id(&response.with_id("\"other\""), exact);
        }
    }
}

fn check_id(exact: Option<&Tree>, key: &IdKey, raw: &str) {
    match (exact, key) {
        (Some(Tree::Number(text)), IdKey::Integer(value)) => {
            assert_eq!(*text, value.to_string());
            assert_eq!(text, raw);
            assert!(value.unsigned_abs() <= 1 << 53);
        }
        (Some(Tree::String(text)), IdKey::Text(value)) => {
            assert_eq!(**text, **value);
            assert!(text.len() <= mcp::ID_BYTES_MAX);
        }
        (found, key) => panic!("the id {found:?} was read as {key:?}"),
    }
}

fn check_call(request: &Request, params: Option<&Tree>) {
    let member = |name: &str| params.and_then(|params| params.only(name));
    assert_eq!(
        request.name().is_some(),
        request.name().is_some_and(|name| member("name").and_then(Tree::text) == Some(name))
    );
    assert_eq!(
        request.uri().is_some(),
        request.uri().is_some_and(|uri| member("uri").and_then(Tree::text) == Some(uri))
    );
    if let Some(arguments) = request.arguments() {
        let exact = member("arguments").expect("arguments that the peers do not see");
        assert_eq!(&tree::of_node(arguments.node()), exact);
        assert_eq!(&tree::of_tokens(arguments.tokens()), exact);
        assert_eq!(&tree::by_jiter(arguments.raw()).expect("arguments are JSON"), exact);
        policy_reads_the_same(arguments.raw_str(), exact);
    }
    if request.method().as_str() == "tools/call" {
        assert_eq!(member("name").and_then(Tree::text), request.name());
        assert_eq!(member("arguments").is_some(), request.arguments().is_some());
        let known = ["name", "arguments", "_meta", "task", "inputResponses", "requestState"];
        let Some(Tree::Object(members)) = params else { panic!("a call without params") };
        assert!(members.iter().all(|(key, _)| known.contains(&key.as_str())), "a foreign member");
    }
}

/// What is judged: the policy's own value, made from the same text.
fn policy_reads_the_same(text: &str, exact: &Tree) {
    let value = policy::Value::parse(text).expect("the policy refuses the arguments");
    assert_eq!(&of_policy(value.root()), exact);
}

fn of_policy(node: policy::Node<'_>) -> Tree {
    match node.kind() {
        policy::JsonKind::Null => Tree::Null,
        policy::JsonKind::Bool => Tree::Bool(node.as_bool() == Some(true)),
        policy::JsonKind::Number => Tree::Number(node.number_text().unwrap_or_default().to_owned()),
        policy::JsonKind::String => Tree::String(node.as_str().unwrap_or_default().to_owned()),
        policy::JsonKind::Array => Tree::Array(node.elements().map(of_policy).collect()),
        policy::JsonKind::Object => Tree::Object(
            node.members().map(|(key, value)| (key.to_owned(), of_policy(value))).collect(),
        ),
    }
}

/// Another id changes the id and nothing else.
fn check_other_id(bytes: &[u8], exact: &Tree) {
    let Tree::Object(mut members) = exact.clone() else { return };
    for (key, value) in &mut members {
        if key == "id" {
            *value = Tree::String("other".to_owned());
        }
    }
    let changed = tree::by_jiter(bytes).expect("a message with another id is JSON");
    assert_eq!(changed, Tree::Object(members));
}

/// Whether two keys of one object are equal, or differ in case only.
fn has_twins(tree: &Tree) -> bool {
    match tree {
        Tree::Array(list) => list.iter().any(has_twins),
        Tree::Object(members) => {
            let fold = |key: &str| key.to_lowercase().to_uppercase().to_lowercase();
            let mut keys: Vec<String> = members.iter().map(|(key, _)| fold(key)).collect();
            keys.sort_unstable();
            keys.windows(2).any(|pair| pair[0] == pair[1])
                || members.iter().any(|(_, value)| has_twins(value))
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => false,
    }
}

/// Whether a key stands twice in one object, at any depth.
fn has_a_key_twice(tree: &Tree) -> bool {
    match tree {
        Tree::Array(list) => list.iter().any(has_a_key_twice),
        Tree::Object(members) => {
            let mut keys: Vec<&str> = members.iter().map(|(key, _)| key.as_str()).collect();
            keys.sort_unstable();
            keys.windows(2).any(|pair| pair[0] == pair[1])
                || members.iter().any(|(_, value)| has_a_key_twice(value))
        }
        Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => false,
    }
}

/// Whether a double makes a number infinite, or zero where its text is not.
fn has_number_beyond_doubles(tree: &Tree) -> bool {
    match tree {
        Tree::Number(text) => {
            let double: f64 = text.parse().expect("a number");
            let mantissa = text.split(['e', 'E']).next().unwrap_or("");
            let zero = mantissa.bytes().all(|byte| b"-0.".contains(&byte));
            !double.is_finite() || (double == 0.0) != zero
        }
        Tree::Array(list) => list.iter().any(has_number_beyond_doubles),
        Tree::Object(members) => members.iter().any(|(_, value)| has_number_beyond_doubles(value)),
        Tree::Null | Tree::Bool(_) | Tree::String(_) => false,
    }
}

#[derive(Default)]
struct Counted {
    elements: u32,
    depth: u32,
}

impl Counted {
    fn add(&mut self, tree: &Tree, depth: u32) {
        self.elements += 1;
        let within: Vec<&Tree> = match tree {
            Tree::Array(list) => list.iter().collect(),
            Tree::Object(members) => members.iter().map(|(_, value)| value).collect(),
            Tree::Null | Tree::Bool(_) | Tree::Number(_) | Tree::String(_) => return,
        };
        self.depth = self.depth.max(depth);
        within.into_iter().for_each(|tree| self.add(tree, depth + 1));
    }
}
