//! A form read off the tree of a valid document.

use std::ops::Range;

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Ranged as _;

use super::json::{FIELD, Json};
use super::page::{array, member, object};
use super::{
    Action, ApprovalForm, ConditionForm, Entry, Form, LimitForm, List, Mode, Opaque, Place,
    RateForm, RuleForm, Seen, TermsForm, TestForm, sentence,
};
use crate::parse::{Lines, escape, number_of, text_of};
use crate::{Decimal, DefaultAction};

/// The form of a document that was found valid.
pub(super) fn form(text: &str, tree: &Ast<'_>) -> Form {
    let reader = Reader { text, lines: Lines::new(text), units: Units::new(text) };
    reader.form(tree)
}

struct Reader<'t> {
    text: &'t str,
    lines: Lines<'t>,
    units: Units<'t>,
}

/// How many UTF-16 code units lie before byte offsets.
struct Units<'t> {
    text: &'t str,
    /// Units before each multiple of [`UNITS_STEP_BYTES`]; empty for a text that is all ASCII.
    marks: Vec<usize>,
}

/// Distance of marks in bytes.
const UNITS_STEP_BYTES: usize = 512;

impl<'t> Units<'t> {
    fn new(text: &'t str) -> Self {
        let mut marks = Vec::new();
        if !text.is_ascii() {
            let mut units = 0;
            for (at, c) in text.char_indices() {
                // A character that lies across a mark counts behind it.
                while marks.len() * UNITS_STEP_BYTES <= at {
                    marks.push(units);
                }
                units += c.len_utf16();
            }
        }
        Self { text, marks }
    }

    fn before(&self, offset: usize) -> usize {
        if self.marks.is_empty() {
            return offset;
        }
        let mark = (offset / UNITS_STEP_BYTES).min(self.marks.len() - 1);
        let units = self.marks.get(mark).copied().unwrap_or(0);
        // The first character at or behind the mark is the first that the mark did not count.
        let mut start = mark * UNITS_STEP_BYTES;
        while start < offset && !self.text.is_char_boundary(start) {
            start += 1;
        }
        let rest = self.text.get(start..offset).unwrap_or("");
        units + rest.chars().map(char::len_utf16).sum::<usize>()
    }
}

impl Reader<'_> {
    fn place(&self, pointer: String, range: Range<usize>) -> Seen<Place> {
        Seen(Place {
            pointer,
            line: self.lines.line(range.start),
            start: self.units.before(range.start),
            end: self.units.before(range.end),
        })
    }

    fn opaque(&self, pointer: String, value: &Ast<'_>, sentence: String) -> Opaque {
        let range = value.start()..value.end();
        let text = self.text.get(range.clone()).unwrap_or("").to_owned();
        Opaque { place: self.place(pointer, range), text, sentence: Seen(sentence) }
    }

    fn form(&self, tree: &Ast<'_>) -> Form {
        let members = object(tree).map(|root| root.properties.as_slice()).unwrap_or_default();
        let get = |key: &str| object(tree).and_then(|root| member(root, key));
        let hide = get("hide").and_then(array);
        let selectors = hide.iter().flat_map(|list| list.elements.iter().filter_map(text_of));
        let opaque =
            members.iter().filter(|member| matches!(member.name.as_str(), "$schema" | "tests"));
        let all_tools = members.iter().find(|member| member.name.as_str() == "all_tools");
        Form {
            description: get("description").and_then(text_of).map(str::to_owned),
            default: match get("default").and_then(text_of) {
                Some("allow") => DefaultAction::Allow,
                _ => DefaultAction::Deny,
            },
            hide: selectors.map(str::to_owned).collect(),
            all_tools: all_tools.and_then(|found| {
                let range = found.name.start()..found.value.end();
                Some(self.entry(("/all_tools".to_owned(), ""), range, object(&found.value)?))
            }),
            tools: self.section("tools", get("tools")),
            resources: self.section("resources", get("resources")),
            prompts: self.section("prompts", get("prompts")),
            opaque: opaque
                .map(|m| self.opaque(format!("/{}", m.name.as_str()), &m.value, String::new()))
                .collect(),
        }
    }

    fn section(&self, name: &str, section: Option<&Ast<'_>>) -> Vec<Entry> {
        let members = section.and_then(object).map(|found| found.properties.as_slice());
        let entries = members.unwrap_or_default().iter().filter_map(|member| {
            let selector = member.name.as_str();
            let pointer = format!("/{name}/{}", escape(selector));
            let range = member.name.start()..member.value.end();
            Some(self.entry((pointer, selector), range, object(&member.value)?))
        });
        entries.collect()
    }

    fn entry(&self, at: (String, &str), range: Range<usize>, found: &Object<'_>) -> Entry {
        let (pointer, selector) = at;
        let mut entry = Entry {
            action: text_of_member(found, "action").and_then(|word| Action::from_word(&word)),
            reason: text_of_member(found, "reason"),
            require: self.rules(&pointer, List::Require, found),
            deny_if: self.rules(&pointer, List::DenyIf, found),
            limits: self.limits(&pointer, found),
            rate_limit: member(found, "rate_limit").and_then(rate),
            validate: match text_of_member(found, "validate").as_deref() {
                Some("off") => Some(Mode::Off),
                Some("schema") => Some(Mode::Schema),
                Some("strict") => Some(Mode::Strict),
                _ => None,
            },
            place: self.place(pointer, range),
            ..Entry::plain(selector)
        };
        entry.sentence = Seen(sentence::entry(&entry));
        entry
    }

    fn rules(&self, pointer: &str, list: List, entry: &Object<'_>) -> Vec<RuleForm> {
        let found = member(entry, list.key()).and_then(array);
        let elements = found.iter().flat_map(|list| list.elements.iter()).enumerate();
        let rules = elements.filter_map(|(index, element)| {
            let pointer = format!("{pointer}/{}/{index}", list.key());
            let found = object(element)?;
            let conditions = member(found, "conditions").and_then(array);
            let conditions = conditions.iter().flat_map(|list| list.elements.iter()).enumerate();
            Some(RuleForm {
                id: text_of_member(found, "id"),
                conditions: conditions
                    .map(|(index, condition)| {
                        let pointer = format!("{pointer}/conditions/{index}");
                        self.condition(pointer, list, condition)
                    })
                    .collect(),
                on_deny: text_of_member(found, "on_deny"),
                approval: member(found, "approval").and_then(approval),
                place: self.place(pointer, element.start()..element.end()),
                sentence: Seen(sentence::rule(list, found)),
            })
        });
        rules.collect()
    }

    fn condition(&self, pointer: String, list: List, condition: &Ast<'_>) -> ConditionForm {
        let test = object(condition).and_then(|found| {
            Some(TestForm {
                path: text_of_member(found, "path")?,
                op: text_of_member(found, "op")?,
                value: Json::of(member(found, "value")?).line(FIELD),
                if_missing: member(found, "if_missing").is_some(),
            })
        });
        if let Some(test) = test {
            return ConditionForm::Test(test);
        }
        let said = sentence::condition(list, condition);
        ConditionForm::Opaque(self.opaque(pointer, condition, said))
    }

    fn limits(&self, pointer: &str, entry: &Object<'_>) -> Vec<LimitForm> {
        let found = member(entry, "limits").and_then(array);
        let elements = found.iter().flat_map(|list| list.elements.iter()).enumerate();
        let limits = elements.filter_map(|(index, element)| {
            let found = object(element)?;
            let pointer = format!("{pointer}/limits/{index}");
            let mut limit = LimitForm {
                place: self.place(pointer, element.start()..element.end()),
                counter: text_of_member(found, "counter"),
                window: member(found, "window").and_then(word_or_number)?,
                max: member(found, "max").and_then(number_of)?.to_owned(),
                scope: text_of_member(found, "scope"),
                increment: member(found, "increment").and_then(number_of).map(str::to_owned),
                increment_from: text_of_member(found, "increment_from"),
                algorithm: text_of_member(found, "algorithm"),
                on_deny: text_of_member(found, "on_deny"),
                sentence: Seen::default(),
            };
            limit.sentence = Seen(sentence::limit(&limit));
            Some(limit)
        });
        limits.collect()
    }
}

fn text_of_member(found: &Object<'_>, key: &str) -> Option<String> {
    member(found, key).and_then(text_of).map(str::to_owned)
}

fn word_or_number(value: &Ast<'_>) -> Option<String> {
    text_of(value).or_else(|| number_of(value)).map(str::to_owned)
}

fn rate(value: &Ast<'_>) -> Option<RateForm> {
    if let Some((max, window)) = text_of(value).and_then(|text| text.split_once('/')) {
        return Some(RateForm { max: max.to_owned(), window: window.to_owned() });
    }
    let found = object(value)?;
    Some(RateForm {
        max: member(found, "max").and_then(number_of)?.to_owned(),
        window: member(found, "window").and_then(word_or_number)?,
    })
}

fn approval(value: &Ast<'_>) -> Option<ApprovalForm> {
    if let Ast::BooleanLit(literal) = value {
        return Some(ApprovalForm::Switch(literal.value));
    }
    let found = object(value)?;
    let seconds = |key: &str| {
        let number = member(found, key).and_then(number_of).and_then(Decimal::parse)?;
        number.to_u64().and_then(|seconds| u32::try_from(seconds).ok())
    };
    let approvers = member(found, "approvers").and_then(array);
    let named = approvers.iter().flat_map(|list| list.elements.iter().filter_map(text_of));
    Some(ApprovalForm::Terms(TermsForm {
        wait_seconds: seconds("wait_seconds"),
        expires_seconds: seconds("expires_seconds"),
        approvers: named.map(str::to_owned).collect(),
    }))
}
