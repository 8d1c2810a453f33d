//! A JSON value that keeps what other models lose: duplicate keys, the order of keys, the text of
//! numbers. Both readers produce it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// The key under which the JSON library hands over a number's text.
const NUMBER_KEY: &str = "$serde_json::private::Number";

/// A JSON value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

impl Node {
    /// The first member whose key satisfies `same`.
    pub(super) fn member(&self, same: impl Fn(&str) -> bool) -> Option<&Node> {
        let Self::Object(members) = self else {
            return None;
        };
        members.iter().find(|(key, _value)| same(key)).map(|(_key, value)| value)
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// Whether some object in it has a key twice.
    pub(super) fn has_duplicates(&self) -> bool {
        match self {
            Self::Object(members) => {
                let mut keys: Vec<&String> = members.iter().map(|(key, _value)| key).collect();
                keys.sort_unstable();
                let twice = keys.windows(2).any(|pair| pair[0] == pair[1]);
                twice || members.iter().any(|(_key, value)| value.has_duplicates())
            }
            Self::Array(elements) => elements.iter().any(Self::has_duplicates),
            Self::Null | Self::Bool(_) | Self::Number(_) | Self::Text(_) => false,
        }
    }

    /// The ordinary model; the first of two equal keys stays, odd numbers become text.
    pub(super) fn to_value(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(flag) => Value::Bool(*flag),
            Self::Number(text) => {
                serde_json::from_str(text).unwrap_or_else(|_odd| Value::String(text.clone()))
            }
            Self::Text(text) => Value::String(text.clone()),
            Self::Array(elements) => Value::Array(elements.iter().map(Self::to_value).collect()),
            Self::Object(members) => {
                let mut object = Map::new();
                for (key, value) in members {
                    if !object.contains_key(key) {
                        object.insert(key.clone(), value.to_value());
                    }
                }
                Value::Object(object)
            }
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Node, E> {
        Ok(Node::Bool(flag))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node, E> {
        Ok(Node::Number(number.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = access.next_element()? {
            elements.push(element);
        }
        Ok(Node::Array(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut members: Vec<(String, Node)> = Vec::new();
        while let Some(member) = access.next_entry()? {
            members.push(member);
        }
        if let [(key, Node::Text(number))] = members.as_slice()
            && key == NUMBER_KEY
        {
            return Ok(Node::Number(number.clone()));
        }
        Ok(Node::Object(members))
    }
}
