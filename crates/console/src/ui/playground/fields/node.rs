//! Arguments as a tree whose leaves are JSON as it was written, so that one member can be changed and the rest stays.
//!
//! What never lives here: schemas, fields.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// An object that is opened.
    Object(Vec<(String, Node)>),
    /// Anything else, as it was written.
    Leaf(String),
}

/// No arguments.
impl Default for Node {
    fn default() -> Self {
        Self::Object(Vec::new())
    }
}

/// The members of an object, in their order, as they are written.
struct Written(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Written;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Written, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Written(members))
            }
        }
        from.deserialize_map(Members)
    }
}

impl Node {
    /// Reads an object, and objects in it down to so many steps; `None` for anything else.
    pub(super) fn read(json: &str, steps: usize) -> Option<Self> {
        let Written(members) = serde_json::from_str(json).ok()?;
        let node = |(name, raw): (String, Box<RawValue>)| {
            let opened = if steps > 1 { Self::read(raw.get(), steps - 1) } else { None };
            (name, opened.unwrap_or_else(|| Self::Leaf(raw.get().to_owned())))
        };
        Some(Self::Object(members.into_iter().map(node).collect()))
    }

    pub(super) fn member(&self, name: &str) -> Option<&Self> {
        let Self::Object(members) = self else { return None };
        members.iter().find(|(found, _)| found == name).map(|(_, node)| node)
    }

    pub(super) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |node, name| node.member(name))
    }

    /// Puts a value at a place, or takes it away; objects on the way are made, and go when they are left empty.
    pub(super) fn set(&mut self, path: &[&str], value: Option<Self>) {
        let Some((name, rest)) = path.split_first() else { return };
        if value.is_none() && self.member(name).is_none() {
            return;
        }
        if !matches!(self, Self::Object(_)) {
            *self = Self::default();
        }
        let Self::Object(members) = self else { return };
        let index = members.iter().position(|(found, _)| found == name);
        let index = index.unwrap_or_else(|| {
            members.push(((*name).to_owned(), Self::default()));
            members.len() - 1
        });
        let goes = match (rest.is_empty(), value) {
            (true, None) => true,
            (true, Some(value)) => {
                if let Some((_, member)) = members.get_mut(index) {
                    *member = value;
                }
                false
            }
            (false, value) => {
                let takes = value.is_none();
                let Some((_, member)) = members.get_mut(index) else { return };
                let had = *member != Self::default();
                member.set(rest, value);
                takes && had && *member == Self::default()
            }
        };
        if goes {
            members.remove(index);
        }
    }

    /// The value as JSON.
    pub(super) fn json(&self) -> String {
        match self {
            Self::Leaf(json) => json.clone(),
            Self::Object(members) if members.is_empty() => "{}".to_owned(),
            Self::Object(members) => {
                let member = |(name, node): &(String, Self)| {
                    format!("{}: {}", Value::from(name.as_str()), node.json())
                };
                let members: Vec<String> = members.iter().map(member).collect();
                format!("{{ {} }}", members.join(", "))
            }
        }
    }
}

/// The names of a path as one name of a field: a JSON Pointer without its first slash.
pub(super) fn place(path: &[&str]) -> String {
    let names: Vec<String> =
        path.iter().map(|name| name.replace('~', "~0").replace('/', "~1")).collect();
    names.join("/")
}
