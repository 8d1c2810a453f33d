//! What a tool's pinned schema says of one of its values, as far as it is plain, so that the fields of forms fit it. A hint
//! for people, never a check.
//!
//! What never lives here: whether arguments satisfy a schema (`policy`), fields.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Steps from a reference or a union of one to what it stands for, at most.
const TURNS_MAX: usize = 8;
/// Characters of a word that the server wrote, such as a format or a pattern.
const WORD_CHARS_MAX: usize = 60;

/// A part of a schema, and the whole that its references are into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SchemaPart<'s> {
    whole: &'s Value,
    here: &'s Value,
    /// What the author said of it where it is named.
    described: Option<&'s str>,
    /// Whether `null` is one of the values.
    nullable: bool,
}

impl<'s> SchemaPart<'s> {
    /// All of a schema.
    pub(crate) fn of(whole: &'s Value) -> Self {
        Self { whole, here: whole, described: None, nullable: false }.settled()
    }

    fn at(self, here: &'s Value) -> Self {
        Self { whole: self.whole, here, described: None, nullable: false }.settled()
    }

    /// What a reference, or a union of one type and `null`, stands for: so generators of schemas write nested models and
    /// what may be left out.
    fn settled(mut self) -> Self {
        for _turn in 0..TURNS_MAX {
            self.described = self.described.or_else(|| self.text("description"));
            let Some(next) = self.referred().or_else(|| self.only_alternative()) else { break };
            self.nullable |= self.alternatives().is_some_and(|list| list.iter().any(is_null));
            self.here = next;
        }
        self.nullable |= self.names().any(|name| name == "null");
        self
    }

    fn referred(self) -> Option<&'s Value> {
        let pointer = self.text("$ref")?.strip_prefix('#')?;
        self.whole.pointer(pointer)
    }

    fn alternatives(self) -> Option<&'s [Value]> {
        let found = ["anyOf", "oneOf", "allOf"].into_iter().find_map(|key| self.here.get(key))?;
        found.as_array().map(Vec::as_slice)
    }

    fn only_alternative(self) -> Option<&'s Value> {
        let mut others = self.alternatives()?.iter().filter(|one| !is_null(one));
        others.next().filter(|_one| others.next().is_none())
    }

    fn text(self, key: &str) -> Option<&'s str> {
        self.here.get(key)?.as_str()
    }

    fn names(self) -> impl Iterator<Item = &'s str> {
        let kind = self.here.get("type");
        let several = kind.and_then(Value::as_array).into_iter().flatten();
        kind.and_then(Value::as_str).into_iter().chain(several.filter_map(Value::as_str))
    }

    /// The one type that is not `null`: `string`, `number`, `integer`, `boolean`, `array` or `object`; else `any`.
    pub(crate) fn kind(self) -> &'static str {
        let mut names = self.names().filter(|name| *name != "null");
        match names.next().filter(|_one| names.next().is_none()) {
            Some("string") => "string",
            Some("number") => "number",
            Some("integer") => "integer",
            Some("boolean") => "boolean",
            Some("array") => "array",
            Some("object") => "object",
            Some(_) | None => "any",
        }
    }

    /// Whether `null`, which counts as missing, is one of its values.
    pub(crate) fn is_nullable(self) -> bool {
        self.nullable
    }

    /// The values that it is one of, if the schema lists them.
    pub(crate) fn words(self) -> Vec<&'s Value> {
        match (self.here.get("enum").and_then(Value::as_array), self.here.get("const")) {
            (Some(words), _) => words.iter().collect(),
            (None, Some(word)) => vec![word],
            (None, None) => Vec::new(),
        }
    }

    /// The `format` that it names.
    pub(crate) fn format(self) -> Option<&'s str> {
        self.text("format")
    }

    /// What its author says of it.
    pub(crate) fn description(self) -> Option<&'s str> {
        self.described
    }

    /// The members of an object with their names, in the schema's order, and whether each must be given.
    pub(crate) fn members(self) -> impl Iterator<Item = (&'s str, bool, Self)> {
        let required = self.here.get("required").and_then(Value::as_array);
        let is_required =
            move |name: &str| required.is_some_and(|all| all.iter().any(|one| one == name));
        let properties = self.here.get("properties").and_then(Value::as_object);
        let members = properties.into_iter().flat_map(Map::iter);
        members.map(move |(name, here)| (name.as_str(), is_required(name), self.at(here)))
    }

    /// What each element of an array is.
    pub(crate) fn items(self) -> Option<Self> {
        let items = self.here.get("items").filter(|items| items.is_object());
        items.map(|items| self.at(items))
    }

    /// Type, format and bounds in words, such as "whole number, 1 to 50".
    pub(crate) fn said(self) -> String {
        let mut said = match self.kind() {
            "string" => "text",
            "integer" => "whole number",
            "boolean" => "true or false",
            "array" => "list",
            "any" => "",
            other => other,
        }
        .to_owned();
        let mut add = |part: Option<String>| {
            if let Some(part) = part {
                let comma = if said.is_empty() { "" } else { ", " };
                let _infallible = write!(said, "{comma}{part}");
            }
        };
        add((!self.words().is_empty()).then(|| "one of what its schema lists".to_owned()));
        add(self.text("format").map(|format| format!("format {}", short(format))));
        add(self.range(("minimum", "maximum"), ""));
        add(self.number("exclusiveMinimum").map(|least| format!("more than {least}")));
        add(self.number("exclusiveMaximum").map(|most| format!("less than {most}")));
        add(self.number("multipleOf").map(|step| format!("a multiple of {step}")));
        add(self.range(("minLength", "maxLength"), " characters"));
        add(self.text("pattern").map(|pattern| format!("pattern {}", short(pattern))));
        add(self.range(("minItems", "maxItems"), " elements"));
        add(self.nullable.then(|| "may be null".to_owned()));
        said
    }

    fn number(self, key: &str) -> Option<String> {
        self.here.get(key).filter(|bound| bound.is_number()).map(|bound| short(&bound.to_string()))
    }

    fn range(self, (least, most): (&str, &str), of: &str) -> Option<String> {
        match (self.number(least), self.number(most)) {
            (Some(least), Some(most)) => Some(format!("{least} to {most}{of}")),
            (Some(least), None) => Some(format!("at least {least}{of}")),
            (None, Some(most)) => Some(format!("at most {most}{of}")),
            (None, None) => None,
        }
    }
}

fn is_null(schema: &Value) -> bool {
    schema.get("type").is_some_and(|name| name == "null")
}

fn short(word: &str) -> String {
    word.chars().take(WORD_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
