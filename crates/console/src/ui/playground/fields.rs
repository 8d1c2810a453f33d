//! The arguments of a tool as fields of a form, from its schema, nested ones too; and back into JSON. What no field fits
//! is a field of JSON, and what has no field stays in the JSON below them: nothing is a dead end, and nothing is lost.
//!
//! What never lives here: whether arguments satisfy the schema; the policy says that.

mod node;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::node::Node;
use super::Members;
use crate::ops::OpError;
use crate::ops::schema_part::SchemaPart;

/// Fields of one form, at most; more is typed as JSON.
const FIELDS_MAX: usize = 50;
/// Words that a field offers, at most.
const WORDS_MAX: usize = 100;
/// Objects inside each other whose members have fields, at most; what is deeper is JSON.
const STEPS_MAX: usize = 4;
/// What stands before an argument's place in the names of fields that are as the schema has it.
const PREFIX: &str = "arg.";
/// The same for fields of JSON, whatever the schema says.
const JSON_PREFIX: &str = "json.";

/// How an argument is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text, taken as it is.
    Text,
    /// A number, taken as it is.
    Number,
    /// A list, an object, or what no other field fits: JSON.
    Json,
    /// One of these words.
    Word(Vec<String>),
    /// One of these values, each as JSON.
    Value(Vec<String>),
    /// The elements of a list, one in a line.
    Lines(Element),
}

/// What the elements of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Element {
    /// Text.
    Text,
    /// Numbers, `true` or `false`.
    Json,
}

/// One argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    /// The argument's name, behind those of the objects in which it is.
    pub(super) name: String,
    /// The field's name in the form.
    pub(super) sent_as: String,
    /// The number of the field, for its id.
    pub(super) number: usize,
    pub(super) kind: Kind,
    /// The type, for people.
    pub(super) hint: String,
    pub(super) required: bool,
    /// What it holds.
    pub(super) value: String,
}

impl Field {
    /// The words that it offers.
    pub(super) fn words(&self) -> &[String] {
        match &self.kind {
            Kind::Word(words) | Kind::Value(words) => words,
            Kind::Text | Kind::Number | Kind::Json | Kind::Lines(_) => &[],
        }
    }

    pub(super) fn is_number(&self) -> bool {
        self.kind == Kind::Number
    }

    pub(super) fn has_lines(&self) -> bool {
        matches!(self.kind, Kind::Lines(_))
    }

    /// Lines that it shows.
    pub(super) fn rows(&self) -> usize {
        self.value.lines().count().saturating_add(1).min(8)
    }
}

fn parsed(schema: Option<&str>) -> Option<Value> {
    schema.and_then(|schema| serde_json::from_str(schema).ok())
}

fn kind(part: SchemaPart<'_>) -> Kind {
    let words = part.words();
    if !words.is_empty() && words.len() <= WORDS_MAX {
        let texts: Option<Vec<_>> = words.iter().map(|w| w.as_str().map(str::to_owned)).collect();
        return match texts {
            Some(texts) => Kind::Word(texts),
            None => Kind::Value(words.into_iter().map(Value::to_string).collect()),
        };
    }
    match part.kind() {
        "string" => Kind::Text,
        "number" | "integer" => Kind::Number,
        "boolean" => Kind::Value(vec!["true".to_owned(), "false".to_owned()]),
        "array" => match part.items().map(SchemaPart::kind) {
            Some("string") => Kind::Lines(Element::Text),
            Some("number" | "integer" | "boolean") => Kind::Lines(Element::Json),
            Some(_) | None => Kind::Json,
        },
        _ => Kind::Json,
    }
}

/// A leaf of the tool's arguments.
struct Leaf<'s> {
    /// Names from the outermost object on.
    path: Vec<&'s str>,
    required: bool,
    part: SchemaPart<'s>,
}

/// The arguments that have a field, objects opened as far as they hold objects, or nothing.
fn leaves<'s>(whole: &'s Value, held: &Node) -> Vec<Leaf<'s>> {
    let mut found = Vec::new();
    open(SchemaPart::of(whole), (&Vec::new(), Some(held)), &mut found);
    found
}

fn open<'s>(
    part: SchemaPart<'s>,
    (path, held): (&Vec<&'s str>, Option<&Node>),
    found: &mut Vec<Leaf<'s>>,
) {
    for (name, required, part) in part.members() {
        if found.len() >= FIELDS_MAX {
            return;
        }
        let path: Vec<&str> = path.iter().copied().chain([name]).collect();
        let held = held.and_then(|held| held.member(name));
        let opens = part.kind() == "object"
            && part.words().is_empty()
            && part.members().next().is_some()
            && path.len() < STEPS_MAX
            && !matches!(held, Some(Node::Leaf(_)));
        if opens {
            open(part, (&path, held), found);
        } else {
            found.push(Leaf { path, required, part });
        }
    }
}

/// How a value is typed and what its field shows: JSON where a field of its type would not hold exactly that.
fn shown(kind: Kind, held: Option<&Node>) -> (Kind, String) {
    let Some(held) = held else { return (kind, String::new()) };
    let json = held.json();
    let fits = |kind: &Kind| match kind {
        Kind::Text => plain_text(&json),
        Kind::Word(words) => plain_text(&json).filter(|text| words.contains(text)),
        Kind::Value(values) => values.contains(&json).then(|| json.clone()),
        // Browsers drop what is no finite number of theirs.
        Kind::Number => json.parse().is_ok_and(f64::is_finite).then(|| json.clone()),
        Kind::Lines(element) => lines(&json, *element),
        Kind::Json => Some(json.clone()),
    };
    match fits(&kind) {
        Some(value) => (kind, value),
        None => (Kind::Json, json),
    }
}

/// The text that a field of one line holds; an empty one would be a field that is left out.
fn plain_text(json: &str) -> Option<String> {
    let text: String = serde_json::from_str(json).ok()?;
    (!text.is_empty() && !text.contains(char::is_control)).then_some(text)
}

fn lines(json: &str, element: Element) -> Option<String> {
    let elements: Vec<&serde_json::value::RawValue> = serde_json::from_str(json).ok()?;
    let line = |element_json: &&serde_json::value::RawValue| match element {
        Element::Text => plain_text(element_json.get()).filter(|text| text.trim() == text),
        Element::Json => {
            let value: Value = serde_json::from_str(element_json.get()).ok()?;
            let plain = value.is_number() || value.is_boolean();
            plain.then(|| element_json.get().to_owned())
        }
    };
    let lines: Option<Vec<String>> = elements.iter().map(line).collect();
    lines.filter(|lines| !lines.is_empty()).map(|lines| lines.join("\n"))
}

/// The fields of a tool, filled with the arguments as far as those can be read.
pub(super) fn fields(schema: Option<&str>, arguments: &str) -> Vec<Field> {
    let Some(whole) = parsed(schema) else { return Vec::new() };
    let held = Node::read(arguments, STEPS_MAX).unwrap_or_default();
    let field = |(number, leaf): (usize, Leaf<'_>)| {
        let (kind, value) = shown(kind(leaf.part), held.at(&leaf.path));
        let is_json = kind == Kind::Json;
        let said = leaf.part.said();
        let how = match &kind {
            Kind::Json if said.is_empty() => "JSON",
            Kind::Json => ", as JSON",
            Kind::Lines(_) => ", one element in a line",
            Kind::Text | Kind::Number | Kind::Word(_) | Kind::Value(_) => "",
        };
        let prefix = if is_json { JSON_PREFIX } else { PREFIX };
        Field {
            name: leaf.path.join(" › "),
            sent_as: format!("{prefix}{}", node::place(&leaf.path)),
            number,
            kind,
            hint: format!("{said}{how}"),
            required: leaf.required,
            value,
        }
    };
    leaves(&whole, &held).into_iter().enumerate().map(field).collect()
}

/// The arguments that the fields hold; an empty field is an argument that is not there. Numbers stay as they were typed.
/// What `before`, the arguments that the fields were made of, holds beside the fields is kept.
pub(super) fn arguments(
    schema: Option<&str>,
    before: &str,
    members: &Members,
) -> Result<String, OpError> {
    let whole = parsed(schema).unwrap_or(Value::Null);
    let mut held = Node::read(before, STEPS_MAX).unwrap_or_default();
    for leaf in leaves(&whole, &held.clone()) {
        let place = node::place(&leaf.path);
        let sent = |prefix: &str| {
            let mut found = members.iter().filter_map(|(name, value)| {
                (name.strip_prefix(prefix)? == place).then_some(value.as_str())
            });
            found.next()
        };
        let json = match (sent(PREFIX), sent(JSON_PREFIX)) {
            (None, None) => continue,
            (Some(typed), _) => json_of(&kind(leaf.part), typed),
            (None, Some(typed)) => json_of(&Kind::Json, typed),
        };
        let json = json.map_err(|_unparsable| {
            let name = leaf.path.join(" › ");
            OpError::Invalid(format!("the argument `{name}` is no JSON"))
        })?;
        held.set(&leaf.path, json.map(Node::Leaf));
    }
    Ok(held.json())
}

/// What stands in a field, as JSON; `None` where nothing does.
fn json_of(kind: &Kind, typed: &str) -> Result<Option<String>, serde_json::Error> {
    if typed.trim().is_empty() && !matches!(kind, Kind::Text) || typed.is_empty() {
        return Ok(None);
    }
    let text = |text: &str| Value::from(text).to_string();
    let raw = |json: &str| {
        let raw: Result<&serde_json::value::RawValue, _> = serde_json::from_str(json);
        raw.map(|raw| raw.get().to_owned())
    };
    Ok(Some(match kind {
        Kind::Text | Kind::Word(_) => text(typed),
        Kind::Number | Kind::Json | Kind::Value(_) => raw(typed)?,
        Kind::Lines(element) => {
            let lines = typed.lines().map(str::trim).filter(|line| !line.is_empty());
            let elements = lines.map(|line| match element {
                Element::Text => Ok(text(line)),
                Element::Json => raw(line),
            });
            format!("[{}]", elements.collect::<Result<Vec<_>, _>>()?.join(", "))
        }
    }))
}
