//! How the author of a text spaces it, read off what is written.

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;

use super::container::{Container, own_line_indent};
use super::json::{Json, Spacing};

/// Longest line, in bytes, on which a new value is put.
pub(super) const LINE_BYTES_MAX: usize = 100;

/// The habits of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    pub newline: &'static str,
    /// One level of indentation.
    pub unit: String,
    /// Whether the document stands on several lines at all.
    pub broken: bool,
    /// Whether also the innermost objects are broken over lines.
    leaves_broken: bool,
    colon: String,
    comma: String,
    pad: String,
}

/// What is found on the way through a tree; the first find counts.
#[derive(Default)]
struct Habits {
    colon: Option<String>,
    comma: Option<String>,
    pad: Option<String>,
    leaves_broken: Option<bool>,
}

impl Layout {
    pub(super) fn of(text: &str, tree: &Ast<'_>) -> Self {
        let newline = match text.find('\n') {
            Some(at) if at > 0 && text.as_bytes().get(at - 1) == Some(&b'\r') => "\r\n",
            _ => "\n",
        };
        let mut habits = Habits::default();
        habits.visit(text, tree);
        let (broken, unit) = if let Ast::Object(object) = tree {
            let root = Container::of_object(text, object);
            let base = super::container::indent_of_line(text, root.open).to_owned();
            let own = root.items.first().and_then(|item| own_line_indent(text, item.start));
            let unit = own.map(|own| own.strip_prefix(base.as_str()).unwrap_or(own).to_owned());
            (root.is_broken(), unit)
        } else {
            (false, None)
        };
        let colon = habits.colon.unwrap_or_else(|| ": ".to_owned());
        let tight = if colon == ":" { "," } else { ", " };
        Self {
            newline,
            unit: unit.unwrap_or_else(|| "  ".to_owned()),
            broken,
            leaves_broken: habits.leaves_broken.unwrap_or(false),
            comma: habits.comma.unwrap_or_else(|| tight.to_owned()),
            pad: habits.pad.unwrap_or_else(|| if broken { " " } else { "" }.to_owned()),
            colon,
        }
    }

    /// The spacing of values on one line.
    pub(super) fn spacing(&self) -> Spacing<'_> {
        Spacing { colon: &self.colon, comma: &self.comma, pad: &self.pad }
    }

    /// A value as it is written behind `column` bytes of its line, whose own indentation is `indent`.
    pub(super) fn print(&self, value: &Json, indent: &str, column: usize) -> String {
        let line = value.line(self.spacing());
        let empty = matches!(value, Json::Object(members) if members.is_empty())
            || matches!(value, Json::Array(elements) if elements.is_empty());
        let is_object = matches!(value, Json::Object(_));
        let fits = column + line.len() <= LINE_BYTES_MAX;
        let leaf = value.is_leaf() && fits && !(is_object && self.leaves_broken);
        if !self.broken || empty || leaf {
            return line;
        }
        let inner = format!("{indent}{}", self.unit);
        let parts: Vec<String> = match value {
            Json::Text(_) | Json::Word(_) => return line,
            Json::Array(elements) => {
                elements.iter().map(|e| self.print(e, &inner, inner.len())).collect()
            }
            Json::Object(members) => {
                members.iter().map(|(key, value)| self.member(key, value, &inner)).collect()
            }
        };
        let newline = self.newline;
        let body = parts.join(&format!(",{newline}{inner}"));
        let (open, close) = if is_object { ('{', '}') } else { ('[', ']') };
        format!("{open}{newline}{inner}{body}{newline}{indent}{close}")
    }

    /// A member of an object on a line of its own.
    pub(super) fn member(&self, key: &str, value: &Json, indent: &str) -> String {
        let mut out = String::new();
        crate::push_json_string(&mut out, key);
        out.push_str(&self.colon);
        let column = indent.len() + out.len();
        out.push_str(&self.print(value, indent, column));
        out
    }
}

impl Habits {
    fn complete(&self) -> bool {
        self.colon.is_some()
            && self.comma.is_some()
            && self.pad.is_some()
            && self.leaves_broken.is_some()
    }

    fn visit(&mut self, text: &str, value: &Ast<'_>) {
        if self.complete() {
            return;
        }
        if let Ast::Object(object) = value {
            let container = Container::of_object(text, object);
            if self.pad.is_none() && Self::is_telling(&container) {
                let first = container.gaps().next().unwrap_or("");
                self.pad = Some(if first.is_empty() { "" } else { " " }.to_owned());
            }
            self.look(&container);
            if let Some(member) = object.properties.first() {
                let between = text.get(member.name.end()..member.value.start()).unwrap_or("");
                if self.colon.is_none() && matches!(between, ":" | ": " | " : " | " :") {
                    self.colon = Some(between.to_owned());
                }
            }
            let leaf = object
                .properties
                .iter()
                .all(|member| !matches!(member.value, Ast::Object(_) | Ast::Array(_)));
            if leaf && !object.properties.is_empty() && self.leaves_broken.is_none() {
                self.leaves_broken = Some(container.is_broken());
            }
            object.properties.iter().for_each(|member| self.visit(text, &member.value));
        } else if let Ast::Array(array) = value {
            self.look(&Container::of_array(text, array));
            array.elements.iter().for_each(|element| self.visit(text, element));
        }
    }

    /// Whether something stands in it, on one line and without comments.
    fn is_telling(container: &Container<'_>) -> bool {
        !container.items.is_empty() && !container.is_broken() && !container.has_comments()
    }

    fn look(&mut self, container: &Container<'_>) {
        if self.comma.is_none() && container.items.len() > 1 && Self::is_telling(container) {
            self.comma = container.gaps().nth(1).map(str::to_owned);
        }
    }
}
