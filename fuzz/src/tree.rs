//! JSON as plain data, read by three unrelated parsers: the strict pass, serde_json and jiter.
//! Members keep their order and their repetitions, numbers their text. Never compares meanings.

use std::fmt;

use jiter::{Jiter, JiterResult, Peek};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// One JSON value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tree {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number as it is spelled.
    Number(String),
    /// A string, unescaped.
    String(String),
    /// An array.
    Array(Vec<Tree>),
    /// An object: members in their order, keys unescaped.
    Object(Vec<(String, Tree)>),
}

impl Tree {
    /// The value of the only member of this name; `None` for other kinds, without one, and with two.
    pub fn only(&self, name: &str) -> Option<&Tree> {
        let Tree::Object(members) = self else { return None };
        let mut found = members.iter().filter(|(key, _)| key == name);
        let (_, value) = found.next()?;
        found.next().is_none().then_some(value)
    }

    /// The text, if this is a string.
    pub fn text(&self) -> Option<&str> {
        if let Tree::String(text) = self { Some(text) } else { None }
    }

    /// The value with each number in the spelling that serde_json keeps: `E` and a missing sign of
    /// the exponent are the only freedoms that it takes. An object of the one member in which it hands
    /// numbers around counts as the number: nobody can tell the two apart behind its interface.
    pub fn as_serde_spells(self) -> Tree {
        match self {
            Tree::Object(members) if matches!(members.as_slice(), [(key, Tree::String(_))] if key == NUMBER_KEY) =>
            {
                let text =
                    members.into_iter().next().and_then(|(_, text)| text.text().map(str::to_owned));
                Tree::Number(text.unwrap_or_default()).as_serde_spells()
            }
            Tree::Number(text) => {
                let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, ""));
                let plain = exponent.strip_prefix('+').unwrap_or(exponent);
                let mark = if exponent.is_empty() { "" } else { "e" };
                Tree::Number(format!("{mantissa}{mark}{plain}"))
            }
            Tree::Array(list) => Tree::Array(list.into_iter().map(Tree::as_serde_spells).collect()),
            Tree::Object(members) => Tree::Object(
                members.into_iter().map(|(key, value)| (key, value.as_serde_spells())).collect(),
            ),
            Tree::Null | Tree::Bool(_) | Tree::String(_) => self,
        }
    }
}

/// As the strict pass recorded it. Lone surrogates, which only a server's message may hold, are
/// shown by a mark.
pub fn of_node(node: mcp::Node<'_>) -> Tree {
    match node.kind() {
        mcp::NodeKind::Null => Tree::Null,
        mcp::NodeKind::Bool => Tree::Bool(node.as_bool() == Some(true)),
        mcp::NodeKind::Number => Tree::Number(node.raw_str().to_owned()),
        mcp::NodeKind::String => Tree::String(node.as_str().expect("a string").into_owned()),
        mcp::NodeKind::Array => Tree::Array(node.elements().map(of_node).collect()),
        mcp::NodeKind::Object => Tree::Object(
            node.members()
                .map(|(key, value)| (key.text().expect("a key").into_owned(), of_node(value)))
                .collect(),
        ),
    }
}

/// As the tokens of the strict pass say it: the second way to read a tape.
pub fn of_tokens(tokens: mcp::Tokens<'_>) -> Tree {
    enum Open {
        Array(Vec<Tree>),
        Object(Vec<(String, Tree)>, Option<String>),
    }
    let mut open: Vec<Open> = Vec::new();
    let mut whole = None;
    for token in tokens {
        let value = match token {
            mcp::Token::BeginObject => {
                open.push(Open::Object(Vec::new(), None));
                continue;
            }
            mcp::Token::BeginArray => {
                open.push(Open::Array(Vec::new()));
                continue;
            }
            mcp::Token::Key(name) => {
                let Some(Open::Object(_, key)) = open.last_mut() else { panic!("a key outside") };
                assert!(key.replace(name.into_owned()).is_none(), "two keys in a row");
                continue;
            }
            mcp::Token::EndObject => match open.pop() {
                Some(Open::Object(members, None)) => Tree::Object(members),
                Some(_) | None => panic!("an end without begin"),
            },
            mcp::Token::EndArray => match open.pop() {
                Some(Open::Array(list)) => Tree::Array(list),
                Some(_) | None => panic!("an end without begin"),
            },
            mcp::Token::Null => Tree::Null,
            mcp::Token::Bool(value) => Tree::Bool(value),
            mcp::Token::Number(text) => Tree::Number(text.to_owned()),
            mcp::Token::String(text) => Tree::String(text.into_owned()),
        };
        match open.last_mut() {
            None => assert!(whole.replace(value).is_none(), "two values"),
            Some(Open::Array(list)) => list.push(value),
            Some(Open::Object(members, key)) => {
                members.push((key.take().expect("a value without key"), value));
            }
        }
    }
    assert!(open.is_empty(), "an open container");
    whole.expect("a value")
}

/// As serde_json reads it.
///
/// # Errors
/// When it is not one JSON text for serde_json.
pub fn by_serde(bytes: &[u8]) -> Result<Tree, serde_json::Error> {
    serde_json::from_slice(bytes)
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Shape)
    }
}

struct Shape;

/// The key under which serde_json hands out a number's text.
const NUMBER_KEY: &str = "$serde_json::private::Number";

impl<'de> Visitor<'de> for Shape {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
        Ok(Tree::Bool(value))
    }

    // An integer of 64 bits has one text only.
    fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
        Ok(Tree::Number(value.to_string()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tree, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            elements.push(element);
        }
        Ok(Tree::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members: Vec<(String, Tree)> = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        match members.as_slice() {
            [(key, Tree::String(text))] if key == NUMBER_KEY => Ok(Tree::Number(text.clone())),
            _ => Ok(Tree::Object(members)),
        }
    }
}

/// As jiter reads it.
///
/// # Errors
/// When it is not one JSON text for jiter.
pub fn by_jiter(bytes: &[u8]) -> JiterResult<Tree> {
    let mut from = Jiter::new(bytes);
    let peek = from.peek()?;
    let tree = jiter_value(&mut from, peek)?;
    from.finish()?;
    Ok(tree)
}

fn jiter_value(from: &mut Jiter<'_>, peek: Peek) -> JiterResult<Tree> {
    match peek {
        Peek::Null => from.known_null().map(|()| Tree::Null),
        Peek::True | Peek::False => from.known_bool(peek).map(Tree::Bool),
        Peek::String => Ok(Tree::String(from.known_str()?.to_owned())),
        Peek::Array => {
            let mut elements = Vec::new();
            let mut next = from.known_array()?;
            while let Some(peek) = next {
                elements.push(jiter_value(from, peek)?);
                next = from.array_step()?;
            }
            Ok(Tree::Array(elements))
        }
        Peek::Object => {
            let mut members = Vec::new();
            let mut next = from.known_object()?.map(str::to_owned);
            while let Some(key) = next {
                let peek = from.peek()?;
                members.push((key, jiter_value(from, peek)?));
                next = from.next_key()?.map(str::to_owned);
            }
            Ok(Tree::Object(members))
        }
        _ => {
            let text = from.known_number_bytes(peek)?;
            Ok(Tree::Number(String::from_utf8_lossy(text).into_owned()))
        }
    }
}
