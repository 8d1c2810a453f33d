//! What a server sends: messages are read as a second parser reads them, and a filtered list is the
//! list without the refused items, byte for byte elsewhere.

use bytes::Bytes;
use mcp::{CacheRewrite, ListItem, ListKind, Outcome, RawId, ServerMessage};
use serde_json::value::RawValue;

use crate::tree::{self, Tree};

/// Checks one input: the first byte picks the list, the cache rule and what is refused; the rest is
/// the message.
pub fn run(data: &[u8]) {
    let Some((way, body)) = data.split_first() else { return };
    let body = Bytes::copy_from_slice(body);
    let kinds = [ListKind::Tools, ListKind::Prompts, ListKind::Resources, ListKind::Templates];
    let kind = kinds[usize::from(*way & 3)];
    let cache = if way & 4 == 0 { CacheRewrite::Keep } else { CacheRewrite::Private };
    let keep = Keep(way >> 3);
    let peer = tree::by_jiter(&body).ok();
    check_message(&body, peer.as_ref());
    check_filter(&body, kind, cache, keep, peer.as_ref());
}

/// Which names stay: a rule that the fuzzer can steer.
#[derive(Clone, Copy)]
struct Keep(u8);

impl Keep {
    fn stays(self, name: &str) -> bool {
        match self.0 & 3 {
            0 => true,
            1 => false,
            2 => name.len() & 1 == usize::from(self.0 >> 2 & 1),
            _ => name.bytes().next().is_some_and(|byte| byte & 1 == self.0 >> 2 & 1),
        }
    }
}

/// How often a member stands in an object.
fn count(tree: &Tree, name: &str) -> usize {
    let Tree::Object(members) = tree else { return 0 };
    members.iter().filter(|(key, _)| key == name).count()
}

const ENVELOPE: [&str; 6] = ["jsonrpc", "id", "method", "params", "result", "error"];

fn check_message(body: &Bytes, peer: Option<&Tree>) {
    let read = mcp::read_message(body.clone());
    let own = RawId::from_integer(1).expect("an id");
    let answer = mcp::admit_reply(body.clone(), &own);
    let message = match read {
        Err(problem) => {
            assert_eq!(answer.expect_err("admitted, but not read"), problem);
            return;
        }
        Ok(message) => message,
    };
    let Some(peer) = peer else {
        assert!(has_surrogates(body), "the peer refuses what is passed on");
        return;
    };
    assert!(ENVELOPE.iter().all(|name| count(peer, name) <= 1), "a member that stands twice");
    assert_eq!(peer.only("jsonrpc").and_then(Tree::text), Some("2.0"));
    match &message {
        ServerMessage::Response(response) => {
            assert_eq!(response.body(), body);
            check_response(response, peer);
            let other = response.id().is_some_and(|id| *id != own);
            assert_eq!(answer.is_err(), other, "an answer to another request");
        }
        ServerMessage::Request(request) => {
            assert_eq!(request.body(), body);
            assert_eq!(peer.only("method").and_then(Tree::text), Some(request.method().as_str()));
            assert_eq!(peer.only("id"), Some(&id_of(request.id())));
            answer.expect("requests are no answers");
        }
        ServerMessage::Notification(note) => {
            assert_eq!(note.body(), body);
            assert_eq!(peer.only("method").and_then(Tree::text), Some(note.method().as_str()));
            assert_eq!(peer.only("id"), None);
            answer.expect("notifications are no answers");
        }
    }
}

fn id_of(id: &RawId) -> Tree {
    tree::by_jiter(id.as_bytes()).expect("an id is JSON")
}

fn check_response(response: &mcp::Response, peer: &Tree) {
    assert_eq!(peer.only("method"), None);
    match response.id() {
        Some(id) => assert_eq!(peer.only("id"), Some(&id_of(id))),
        None => assert!(peer.only("id").is_none_or(|id| *id == Tree::Null)),
    }
    let (result, error) = (peer.only("result"), peer.only("error"));
    assert!(result.is_some() != error.is_some(), "result and error");
    match response.outcome() {
        Outcome::Result => {
            let flag = result.and_then(|result| first(result, "isError"));
            assert_eq!(response.is_tool_error(), flag == Some(&Tree::Bool(true)));
        }
        Outcome::Error(code) => {
            let named = error.and_then(|error| first(error, "code"));
            let read = match named {
                Some(Tree::Number(text)) => text.parse().ok(),
                _ => None,
            };
            assert_eq!(code, read);
        }
    }
}

fn first<'t>(tree: &'t Tree, name: &str) -> Option<&'t Tree> {
    let Tree::Object(members) = tree else { return None };
    members.iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Escapes of half a character, which the peers refuse and servers may send.
fn has_surrogates(body: &[u8]) -> bool {
    body.windows(4).any(|four| {
        matches!(four, [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F'])
    })
}

fn check_filter(
    body: &Bytes,
    kind: ListKind,
    cache: CacheRewrite,
    keep: Keep,
    peer: Option<&Tree>,
) {
    let mut asked = Vec::new();
    let filtered = mcp::filter_list(body, kind, cache, |item: &ListItem<'_>| {
        asked.push(item.key.to_string());
        keep.stays(&item.key)
    });
    let page = mcp::list_items(body, kind);
    assert_eq!(filtered.is_ok(), page.is_ok(), "a list is read, but not filtered, or so");
    let Some(peer) = peer else { return };
    let (Ok(filtered), Ok(page)) = (filtered, page) else {
        assert!(may_be_refused(peer, kind), "a plain list is refused");
        return;
    };
    let names: Vec<String> = page.items.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, asked);
    assert_eq!(filtered.kept + filtered.removed, asked.len() + page.unnamed);
    let wanted = naive(peer.clone(), kind, cache, keep);
    let found = tree::by_jiter(&filtered.body).expect("a filtered list is JSON");
    assert_eq!(found, wanted, "not the list without the refused items");
    if &wanted == peer {
        assert_eq!(filtered.body, body, "nothing is refused, and bytes change");
    }
    for (name, span) in &page.items {
        if keep.stays(name) {
            let item = &body[span.clone()];
            assert!(
                filtered.body.windows(item.len()).any(|bytes| bytes == item),
                "an item changed"
            );
        }
    }
    check_spelling(body, &filtered.body, kind, keep);
    let again = mcp::filter_list(&filtered.body, kind, cache, |item| keep.stays(&item.key));
    assert_eq!(again.expect("a filtered list is a list").body, filtered.body);
}

/// The texts of the items that stay are those of the filtered list, in order.
fn check_spelling(before: &[u8], after: &[u8], kind: ListKind, keep: Keep) {
    let (Some(before), Some(after)) = (raw_items(before, kind), raw_items(after, kind)) else {
        return;
    };
    let stays = |item: &&&RawValue| {
        let tree = tree::by_jiter(item.get().as_bytes()).ok();
        let name = tree.as_ref().and_then(|tree| tree.only(kind.key())).and_then(Tree::text);
        name.is_some_and(|name| keep.stays(name))
    };
    let kept: Vec<&str> = before.iter().filter(stays).map(|item| item.get()).collect();
    let found: Vec<&str> = after.iter().map(|item| item.get()).collect();
    assert_eq!(kept, found, "items are spelled otherwise");
}

/// The items' texts, read by serde_json; `None` where it does not see such a list.
fn raw_items(body: &[u8], kind: ListKind) -> Option<Vec<&RawValue>> {
    type Members<'a> = std::collections::HashMap<String, &'a RawValue>;
    let message: Members<'_> = serde_json::from_slice(body).ok()?;
    let result: Members<'_> = serde_json::from_str(message.get("result")?.get()).ok()?;
    serde_json::from_str(result.get(kind.member())?.get()).ok()
}

/// Whether a message has one of the faults that a filter refuses: another envelope, a list that is
/// none, stands twice or has a twin.
fn may_be_refused(peer: &Tree, kind: ListKind) -> bool {
    let twice = ENVELOPE.iter().any(|name| count(peer, name) > 1);
    let answers = count(peer, "result") + count(peer, "error");
    if twice || !matches!(peer, Tree::Object(_)) || count(peer, "method") > 0 || answers != 1 {
        return true;
    }
    let Some(Tree::Object(members)) = peer.only("result") else { return false };
    let lists = members.iter().filter(|(key, _)| key.eq_ignore_ascii_case(kind.member()));
    let lists: Vec<_> = lists.collect();
    match lists.as_slice() {
        [] => false,
        [(key, list)] => key != kind.member() || !matches!(list, Tree::Array(_)),
        _ => true,
    }
}

/// The filter on plain data.
fn naive(mut message: Tree, kind: ListKind, cache: CacheRewrite, keep: Keep) -> Tree {
    let Tree::Object(envelope) = &mut message else { return message };
    let Some((_, Tree::Object(result))) = envelope.iter_mut().find(|(key, _)| key == "result")
    else {
        return message;
    };
    for (key, value) in result.iter_mut() {
        if let Tree::Array(items) = value
            && key == kind.member()
        {
            items.retain(|item| {
                item.only(kind.key()).and_then(Tree::text).is_some_and(|name| keep.stays(name))
            });
        }
    }
    if cache == CacheRewrite::Private {
        let private = Tree::String("private".to_owned());
        let mut scopes = 0;
        for (_, value) in result.iter_mut().filter(|(key, _)| key == "cacheScope") {
            scopes += 1;
            *value = private.clone();
        }
        if scopes == 0 {
            result.insert(0, ("cacheScope".to_owned(), private));
        }
    }
    message
}
