//! Members of objects with fixed keys: unknown, duplicate and missing ones, and values of plain types.

use jsonc_parser::ast::{Object, Value as Ast};
use jsonc_parser::common::Ranged as _;

use super::{Place, Reader, did_you_mean, kind_name, number_of, span};
use crate::Decimal;

/// The known members of one object.
pub(crate) struct Fields<'t, 'a> {
    pub(crate) place: &'t Place<'t>,
    members: Vec<(&'t str, &'t Ast<'a>)>,
    /// Byte offset of the object's opening brace.
    pub(crate) at: usize,
}

impl<'t, 'a> Fields<'t, 'a> {
    /// The members of an object whose keys were checked before.
    pub(crate) fn all(place: &'t Place<'t>, object: &'t Object<'a>) -> Self {
        let members = object.properties.iter().map(|m| (m.name.as_str(), &m.value)).collect();
        Self { place, members, at: object.start() }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&'t Ast<'a>> {
        self.members.iter().find(|(name, _)| *name == key).map(|(_, value)| *value)
    }
}

impl Reader {
    /// The members of an object; `None`, with a problem, for anything else.
    pub(crate) fn fields<'t, 'a>(
        &mut self,
        place: &'t Place<'t>,
        value: &'t Ast<'a>,
        known: &[&str],
    ) -> Option<Fields<'t, 'a>> {
        if let Ast::Object(object) = value {
            return Some(self.object_fields(place, object, known));
        }
        self.wrong_type(place, value, "an object");
        None
    }

    fn object_fields<'t, 'a>(
        &mut self,
        place: &'t Place<'t>,
        object: &'t Object<'a>,
        known: &[&str],
    ) -> Fields<'t, 'a> {
        let mut members = Vec::new();
        for (key, key_span, value) in self.unique_members(place, object) {
            if known.contains(&key) {
                members.push((key, value));
            } else {
                let help = did_you_mean(key, known.iter().copied());
                let message = format!("unknown key `{key}`");
                self.report_with_help(&place.key(key), key_span, message, help);
            }
        }
        Fields { place, members, at: object.start() }
    }

    /// Reports a member that must be there and is not, at the pointer that it would have.
    pub(crate) fn require_member(&mut self, fields: &Fields<'_, '_>, key: &str) {
        if fields.get(key).is_none() {
            let message = format!("`{key}` is missing");
            self.report(&fields.place.key(key), fields.at..fields.at + 1, message);
        }
    }

    /// A string member, one of `words` if there are any.
    pub(crate) fn word<'t>(
        &mut self,
        fields: &Fields<'t, '_>,
        key: &str,
        words: Option<&[&str]>,
    ) -> Option<&'t str> {
        let value = fields.get(key)?;
        let place = fields.place.key(key);
        let Ast::StringLit(text) = value else {
            let expected = words.map_or_else(|| "a string".to_owned(), list_of);
            self.wrong_type(&place, value, &expected);
            return None;
        };
        let text: &'t str = &text.value;
        match words {
            Some(words) if !words.contains(&text) => {
                let message = format!("expected {}, found `{text}`", list_of(words));
                let help = did_you_mean(text, words.iter().copied());
                self.report_with_help(&place, span(value), message, help);
                None
            }
            _ => Some(text),
        }
    }

    /// A string member that is not empty.
    pub(crate) fn name<'t>(&mut self, fields: &Fields<'t, '_>, key: &str) -> Option<&'t str> {
        let text = self.word(fields, key, None)?;
        if text.is_empty() {
            let span = fields.get(key).map_or(0..0, span);
            self.report(&fields.place.key(key), span, format!("`{key}` is never empty"));
            return None;
        }
        Some(text)
    }

    /// An array member.
    pub(crate) fn array<'t, 'a>(
        &mut self,
        fields: &Fields<'t, 'a>,
        key: &str,
    ) -> Option<&'t [Ast<'a>]> {
        let value = fields.get(key)?;
        if let Ast::Array(array) = value {
            return Some(&array.elements);
        }
        self.wrong_type(&fields.place.key(key), value, "an array");
        None
    }

    /// A whole number in `range`, however it is written.
    pub(crate) fn integer(
        &mut self,
        fields: &Fields<'_, '_>,
        key: &str,
        range: std::ops::RangeInclusive<u64>,
    ) -> Option<u64> {
        let value = fields.get(key)?;
        let found = number_of(value).and_then(Decimal::parse).and_then(|number| number.to_u64());
        if let Some(number) = found.filter(|number| range.contains(number)) {
            return Some(number);
        }
        let found = number_of(value)
            .map_or_else(|| kind_name(value).into(), |number| crate::hint::shortened(number, 40));
        let message = format!(
            "expected a whole number from {} to {}, found {found}",
            range.start(),
            range.end()
        );
        self.report(&fields.place.key(key), span(value), message);
        None
    }

    /// Reports every duplicate key inside a value of free form.
    pub(crate) fn check_free_form(&mut self, place: &Place<'_>, value: &Ast<'_>) {
        match value {
            Ast::Object(object) => {
                for (key, _, value) in self.unique_members(place, object) {
                    self.check_free_form(&place.key(key), value);
                }
            }
            Ast::Array(array) => {
                for (index, element) in array.elements.iter().enumerate() {
                    self.check_free_form(&place.index(index), element);
                }
            }
            Ast::StringLit(_) | Ast::NumberLit(_) | Ast::BooleanLit(_) | Ast::NullKeyword(_) => {}
        }
    }
}

fn list_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    quoted.join(" or ")
}
