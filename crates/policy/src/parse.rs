//! From text to the model of a document, collecting every problem (POLICY sections 1 to 5, 10 and 11).
//!
//! Nothing here decides calls, and nothing stops at the first mistake but text that is no JSON.

mod condition;
mod fields;
mod limits;
mod place;
mod rules;
mod syntax;
mod tests_section;

use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Ranged;

pub(crate) use fields::Fields;
pub(crate) use place::{Lines, Place, escape};
pub(crate) use syntax::{parse_part, parse_tree};
pub(crate) use tests_section::{CallDialect, read_call, read_expect, read_grant, read_times};

use crate::document::{DefaultAction, Entry, Model, Problem, Rules, Selector};
use crate::{Class, Glob, Risk, Section};

/// Most selectors of one document: `hide`, `tools`, `resources` and `prompts` together (POLICY section 1).
pub(crate) const SELECTORS_MAX: usize = 10_000;

const DOCUMENT_KEYS: [&str; 9] = [
    "$schema",
    "version",
    "description",
    "default",
    "hide",
    "all_tools",
    "tools",
    "resources",
    "prompts",
];

/// Collects problems, and the ids of rules with their places.
#[derive(Default)]
pub(crate) struct Reader {
    problems: Vec<Found>,
    ids: Vec<(usize, String, String)>,
}

/// A problem before lines and columns are known.
struct Found {
    pointer: String,
    span: Range<usize>,
    message: String,
    help: Option<String>,
}

impl Reader {
    pub(crate) fn report(&mut self, place: &Place<'_>, span: Range<usize>, message: String) {
        self.report_with_help(place, span, message, None);
    }

    pub(crate) fn report_with_help(
        &mut self,
        place: &Place<'_>,
        span: Range<usize>,
        message: String,
        help: Option<String>,
    ) {
        self.problems.push(Found { pointer: place.to_string(), span, message, help });
    }

    /// Reports a value of the wrong type; what stands below it is not looked at.
    pub(crate) fn wrong_type(&mut self, place: &Place<'_>, value: &Ast<'_>, expected: &str) {
        self.report(place, span(value), format!("expected {expected}, found {}", kind_name(value)));
    }

    fn id(&mut self, place: &Place<'_>, at: usize, id: &str) {
        self.ids.push((at, id.to_owned(), place.to_string()));
    }

    /// An `id` that stands earlier in the text is a problem of the later one.
    fn report_repeated_ids(&mut self) {
        let mut ids = std::mem::take(&mut self.ids);
        ids.sort();
        let mut seen = HashSet::new();
        for (at, id, pointer) in &ids {
            if !seen.insert(id) {
                let message = format!("the id `{id}` stands earlier in the document");
                let span = *at..*at + 1;
                self.problems.push(Found { pointer: pointer.clone(), span, message, help: None });
            }
        }
    }

    /// The problems in the order of the text, with lines and columns.
    pub(crate) fn into_problems(mut self, text: &str) -> Vec<Problem> {
        self.report_repeated_ids();
        self.problems.sort_by_key(|found| found.span.start);
        let lines = Lines::new(text);
        let problems = self.problems.into_iter().map(|found| {
            let (line, column) = lines.position(found.span.start);
            Problem {
                pointer: found.pointer,
                line,
                column,
                span: found.span,
                message: found.message,
                help: found.help,
            }
        });
        problems.collect()
    }
}

/// The bytes of a value.
pub(crate) fn span(value: &Ast<'_>) -> Range<usize> {
    value.start()..value.end()
}

/// The text, if the value is a string.
pub(crate) fn text_of<'t>(value: &'t Ast<'_>) -> Option<&'t str> {
    if let Ast::StringLit(text) = value { Some(&text.value) } else { None }
}

/// The number as it is written, if the value is one.
pub(crate) fn number_of<'t>(value: &'t Ast<'_>) -> Option<&'t str> {
    if let Ast::NumberLit(number) = value { Some(number.value) } else { None }
}

/// A value's kind with its article, for messages.
pub(crate) fn kind_name(value: &Ast<'_>) -> &'static str {
    match value {
        Ast::StringLit(_) => "a string",
        Ast::NumberLit(_) => "a number",
        Ast::BooleanLit(_) => "a boolean",
        Ast::Object(_) => "an object",
        Ast::Array(_) => "an array",
        Ast::NullKeyword(_) => "null",
    }
}

/// The nearest of the known words, as a question.
pub(crate) fn did_you_mean<'k>(
    word: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<String> {
    let found = crate::nearest::nearest(&word.to_lowercase(), known);
    found.map(|candidate| format!("did you mean `{candidate}`?"))
}

/// Reads a whole document.
pub(crate) fn parse(text: &str) -> Result<(Model, String), Vec<Problem>> {
    let tree = parse_tree(text).map_err(|fault| {
        let mut reader = Reader::default();
        reader.report_with_help(&Place::Root, fault.span, fault.message, fault.help);
        reader.into_problems(text)
    })?;
    let mut reader = Reader::default();
    let selectors = count_selectors(&tree);
    if selectors > SELECTORS_MAX {
        let message = format!("{selectors} selectors; at most {SELECTORS_MAX}");
        reader.report(&Place::Root, 0..0, message);
        return Err(reader.into_problems(text));
    }
    let model = reader.document(&tree);
    let problems = reader.into_problems(text);
    match model {
        Some(model) if problems.is_empty() => Ok((model, crate::canonical::print(&tree))),
        _ => Err(problems),
    }
}

/// Selectors of the sections that count; of a section that stands twice, the first.
fn count_selectors(tree: &Ast<'_>) -> usize {
    let Ast::Object(object) = tree else { return 0 };
    let section = |name: &str| {
        let found = object.properties.iter().find(|member| member.name.as_str() == name);
        match found.map(|member| &member.value) {
            Some(Ast::Object(section)) => section.properties.len(),
            Some(Ast::Array(list)) => list.elements.len(),
            _ => 0,
        }
    };
    ["hide", "tools", "resources", "prompts"].into_iter().map(section).sum()
}

impl Reader {
    fn document(&mut self, tree: &Ast<'_>) -> Option<Model> {
        let place = Place::Root;
        let mut known: Vec<&str> = DOCUMENT_KEYS.to_vec();
        known.push("tests");
        let fields = self.fields(&place, tree, &known)?;
        self.word(&fields, "$schema", None);
        self.require_member(&fields, "version");
        self.word(&fields, "version", Some(&["1"]));
        self.require_member(&fields, "default");
        let default = self.word(&fields, "default", Some(&["allow", "deny"]));
        let default_at = fields.get("default").map_or(0, Ranged::start);
        let default = match default {
            Some("allow") => DefaultAction::Allow,
            _ => DefaultAction::Deny,
        };
        let description = self.word(&fields, "description", None).map(str::to_owned);
        let hide = self.hide(&fields);
        let all_tools = fields.get("all_tools").and_then(|value| {
            let place = place.key("all_tools");
            let scope = rules::Under { section: Section::Tools, selector: None };
            self.rules(&place, value, &scope).map(Arc::new)
        });
        let tools = self.section(&fields, "tools", Section::Tools);
        let resources = self.section(&fields, "resources", Section::Resources);
        let prompts = self.section(&fields, "prompts", Section::Prompts);
        let tests = self.tests(&fields);
        let model = Model {
            description,
            default,
            default_at,
            hide,
            all_tools,
            tools,
            resources,
            prompts,
            tests,
        };
        Some(model)
    }

    fn hide(&mut self, fields: &Fields<'_, '_>) -> Vec<Entry<()>> {
        let Some(list) = self.array(fields, "hide") else { return Vec::new() };
        let place = fields.place.key("hide");
        let mut entries = Vec::new();
        for (index, element) in list.iter().enumerate() {
            let place = place.index(index);
            let Ast::StringLit(text) = element else {
                self.wrong_type(&place, element, "a selector");
                continue;
            };
            let found = self.selector(&place, &text.value, span(element), Section::Tools);
            entries.extend(found.map(|selector| Entry {
                selector,
                pointer: place.to_string().into(),
                at: element.start(),
                rules: (),
            }));
        }
        entries
    }

    fn section(
        &mut self,
        fields: &Fields<'_, '_>,
        name: &str,
        section: Section,
    ) -> Vec<Entry<Arc<Rules>>> {
        let Some(value) = fields.get(name) else { return Vec::new() };
        let place = fields.place.key(name);
        let Ast::Object(object) = value else {
            self.wrong_type(&place, value, "an object of selectors");
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (key, key_span, value) in self.unique_members(&place, object) {
            let place = place.key(key);
            let selector = self.selector(&place, key, key_span.clone(), section);
            let scope = rules::Under { section, selector: Some(key) };
            let rules = self.rules(&place, value, &scope);
            if let (Some(selector), Some(rules)) = (selector, rules) {
                entries.push(Entry {
                    selector,
                    pointer: place.to_string().into(),
                    at: key_span.start,
                    rules: Arc::new(rules),
                });
            }
        }
        entries
    }

    fn selector(
        &mut self,
        place: &Place<'_>,
        text: &str,
        span: Range<usize>,
        section: Section,
    ) -> Option<Selector> {
        let Some(word) = text.strip_prefix('@') else {
            if text.is_empty() {
                self.report(place, span, "a selector is never empty".to_owned());
                return None;
            }
            let whole = Arc::from(text);
            let is_glob = text.contains('*');
            return Some(if is_glob {
                Selector::Glob(whole, Glob::new(text))
            } else {
                Selector::Exact(whole)
            });
        };
        if section != Section::Tools {
            self.report(place, span, "class selectors are for tools only".to_owned());
            return None;
        }
        if let Ok(class) = word.parse::<Class>() {
            return Some(Selector::Class(class));
        }
        if let Ok(risk) = word.parse::<Risk>() {
            return Some(Selector::Risk(risk));
        }
        let known = Class::ALL.map(Class::as_str).into_iter().chain(Risk::ALL.map(Risk::as_str));
        let help =
            did_you_mean(word, known).map(|help| help.replacen('`', "`@", 1)).or_else(|| {
                Some(
                    "a tool whose name begins with `@` is reached by a glob only, such as `*name`"
                        .to_owned(),
                )
            });
        self.report_with_help(place, span, format!("`{text}` is no class selector"), help);
        None
    }

    /// Members in the order of the text; a key that stands earlier is a problem and left out.
    pub(crate) fn unique_members<'t, 'a>(
        &mut self,
        place: &Place<'_>,
        object: &'t Object<'a>,
    ) -> Vec<(&'t str, Range<usize>, &'t Ast<'a>)> {
        let mut seen = HashSet::with_capacity(object.properties.len());
        let mut members = Vec::with_capacity(object.properties.len());
        for member in &object.properties {
            let key = member.name.as_str();
            let key_span = member.name.start()..member.name.end();
            if seen.insert(key) {
                members.push((key, key_span, &member.value));
            } else {
                let message = format!("the key `{key}` stands twice; the first counts");
                self.report(&place.key(key), key_span, message);
            }
        }
        members
    }
}
