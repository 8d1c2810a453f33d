//! Reading one TOML table strictly: every key is asked for by name and type, what is wrong is
//! noted with its place, and what nobody asked for is refused. Knows no key of its own.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::place::{Problem, nearest};

/// A value and the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Located<T> {
    /// What was read.
    pub(crate) value: T,
    /// Where it stands.
    pub(crate) span: Range<usize>,
}

/// The problems found so far in one file.
#[derive(Debug, Default)]
pub(crate) struct Problems(Vec<Problem>);

impl Problems {
    /// Notes a problem.
    pub(crate) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.0.push(Problem { span, message: message.into(), help: None });
    }

    /// Notes a problem and its cure.
    pub(crate) fn add_with_help(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Problem { span, message: message.into(), help: Some(help.into()) });
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Hands the list over.
    pub(crate) fn into_vec(self) -> Vec<Problem> {
        self.0
    }
}

/// One table of the file that is being read.
#[derive(Debug)]
pub(crate) struct Section<'t, 'd> {
    name: String,
    span: Range<usize>,
    table: &'t DeTable<'d>,
    known: Vec<&'static str>,
}

impl<'t, 'd> Section<'t, 'd> {
    /// The table `table`, called `name` in messages, standing at `span`.
    pub(crate) fn new(name: impl Into<String>, table: &'t DeTable<'d>, span: Range<usize>) -> Self {
        Self { name: name.into(), span, table, known: Vec::new() }
    }

    /// Where the table begins.
    pub(crate) fn span(&self) -> Range<usize> {
        self.span.clone()
    }

    /// The key and its value, marking the key as known.
    fn take(&mut self, key: &'static str) -> Option<&'t Spanned<DeValue<'d>>> {
        self.known.push(key);
        self.table.iter().find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    /// Whether `key` is written in the table.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref().as_ref() == key)
    }

    /// Where the name of `key` stands, or the table when it is not there.
    pub(crate) fn key_span(&self, key: &str) -> Range<usize> {
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map_or_else(|| self.span(), |(name, _)| name.span())
    }

    /// A text, or `None` when it is absent or wrong.
    pub(crate) fn text(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<&'t str>> {
        let value = self.take(key)?;
        let text = value.get_ref().as_str();
        if text.is_none() {
            wrong_type(problems, value, key, "a string");
        }
        text.map(|text| Located { value: text, span: value.span() })
    }

    /// A text that must be there.
    pub(crate) fn required_text(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<&'t str>> {
        if !self.has(key) {
            self.known.push(key);
            problems.add_with_help(
                self.span(),
                format!("{} needs `{key}`", self.name),
                format!("add `{key} = \"…\"`"),
            );
            return None;
        }
        self.text(key, problems)
    }

    /// `true` or `false`, or `absent` when it is not written or wrong.
    pub(crate) fn flag(
        &mut self,
        key: &'static str,
        absent: Flag,
        problems: &mut Problems,
    ) -> Flag {
        let Some(value) = self.take(key) else { return absent };
        let Some(flag) = value.get_ref().as_bool() else {
            wrong_type(problems, value, key, "true or false");
            return absent;
        };
        if flag { Flag::Yes } else { Flag::No }
    }

    /// A whole number within `range`, or `absent`.
    pub(crate) fn whole(
        &mut self,
        key: &'static str,
        range: std::ops::RangeInclusive<u32>,
        absent: u32,
        problems: &mut Problems,
    ) -> u32 {
        let Some(value) = self.take(key) else { return absent };
        let Some(integer) = value.get_ref().as_integer() else {
            wrong_type(problems, value, key, "a whole number");
            return absent;
        };
        let number = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        if let Some(number) = number.filter(|number| range.contains(number)) {
            return number;
        }
        problems.add(
            value.span(),
            format!("`{key}` must be from {} to {}", range.start(), range.end()),
        );
        absent
    }

    /// One of a few words; the first is what an absent or wrong one counts as.
    pub(crate) fn word<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&'static str, T)],
        problems: &mut Problems,
    ) -> Option<T> {
        let absent = words.first().map(|(_, value)| *value);
        let Some(text) = self.text(key, problems) else { return absent };
        let found = words.iter().find(|(word, _)| *word == text.value).map(|(_, value)| *value);
        if found.is_none() {
            let names: Vec<String> = words.iter().map(|(word, _)| format!("\"{word}\"")).collect();
            let message = format!("`{key}` must be one of {}", names.join(", "));
            match nearest(text.value, words.iter().map(|(word, _)| *word)) {
                Some(near) => {
                    problems.add_with_help(text.span, message, format!("did you mean \"{near}\"?"));
                }
                None => problems.add(text.span, message),
            }
        }
        found.or(absent)
    }

    /// A table under `key`.
    pub(crate) fn section(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Section<'t, 'd>> {
        let value = self.take(key)?;
        let Some(table) = value.get_ref().as_table() else {
            wrong_type(problems, value, key, "a table");
            return None;
        };
        // A table within a table that stands once is called as the file writes it.
        let outer = self.name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
        let name = match outer.filter(|outer| !outer.starts_with('[')) {
            Some(outer) => format!("[{outer}.{key}]"),
            None => format!("[{key}]"),
        };
        Some(Section::new(name, table, value.span()))
    }

    /// The tables written as `[[key]]`, in their order.
    pub(crate) fn sections(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<Section<'t, 'd>> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            problems.add_with_help(
                value.span(),
                format!("`{key}` must be a list of tables"),
                format!("write [[{key}]] with double brackets"),
            );
            return Vec::new();
        };
        let mut sections = Vec::new();
        for element in array {
            match element.get_ref().as_table() {
                Some(table) => {
                    sections.push(Section::new(format!("[[{key}]]"), table, element.span()));
                }
                None => wrong_type(problems, element, key, "a list of tables"),
            }
        }
        sections
    }

    /// The tables written as `[key.<name>]`, by name.
    pub(crate) fn named_sections(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Vec<(&'t str, Section<'t, 'd>)> {
        let Some(value) = self.take(key) else { return Vec::new() };
        let Some(table) = value.get_ref().as_table() else {
            wrong_type(problems, value, key, "a table of tables");
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (name, value) in table {
            let name = name.get_ref().as_ref();
            match value.get_ref().as_table() {
                Some(table) => {
                    let section = Section::new(format!("[{key}.{name}]"), table, value.span());
                    sections.push((name, section));
                }
                None => wrong_type(problems, value, key, "a table of tables"),
            }
        }
        sections
    }

    /// A list of texts.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<Vec<Located<&'t str>>>> {
        let value = self.take(key)?;
        let Some(array) = value.get_ref().as_array() else {
            wrong_type(problems, value, key, "a list of strings");
            return None;
        };
        let mut texts = Vec::new();
        for element in array {
            match element.get_ref().as_str() {
                Some(text) => texts.push(Located { value: text, span: element.span() }),
                None => wrong_type(problems, element, key, "a list of strings"),
            }
        }
        Some(Located { value: texts, span: value.span() })
    }

    /// A table whose values are all texts, by name.
    pub(crate) fn text_map(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> BTreeMap<&'t str, MapEntry<'t>> {
        let Some(value) = self.take(key) else { return BTreeMap::new() };
        let Some(table) = value.get_ref().as_table() else {
            wrong_type(problems, value, key, "a table of strings");
            return BTreeMap::new();
        };
        let mut entries = BTreeMap::new();
        for (name, value) in table {
            match value.get_ref().as_str() {
                Some(text) => {
                    let value = Located { value: text, span: value.span() };
                    entries.insert(name.get_ref().as_ref(), MapEntry { key: name.span(), value });
                }
                None => wrong_type(problems, value, key, "a table of strings"),
            }
        }
        entries
    }

    /// A date and time with an offset, as a string or as TOML's own.
    pub(crate) fn instant_text(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Located<String>> {
        let value = self.take(key)?;
        let text = match value.get_ref() {
            DeValue::String(text) => text.as_ref().to_owned(),
            DeValue::Datetime(instant) => instant.to_string(),
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                wrong_type(
                    problems,
                    value,
                    key,
                    "a date and time such as \"2027-01-01T00:00:00Z\"",
                );
                return None;
            }
        };
        Some(Located { value: text, span: value.span() })
    }

    /// Refuses the keys that nobody asked for.
    pub(crate) fn finish(self, problems: &mut Problems) {
        for (name, _) in self.table {
            let key = name.get_ref().as_ref();
            if self.known.contains(&key) {
                continue;
            }
            let message = format!("unknown key `{key}` in {}", self.name);
            let help = nearest(key, self.known.iter().copied()).map_or_else(
                || format!("known keys: {}", self.known.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            problems.add_with_help(name.span(), message, help);
        }
    }
}

/// One entry of a table of texts.
#[derive(Debug, Clone)]
pub(crate) struct MapEntry<'t> {
    /// Where the name stands.
    pub(crate) key: Range<usize>,
    /// The text.
    pub(crate) value: Located<&'t str>,
}

/// A setting that is on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flag {
    /// On.
    Yes,
    /// Off.
    No,
}

impl Flag {
    /// Whether it is on.
    pub(crate) fn is_yes(self) -> bool {
        self == Self::Yes
    }
}

fn wrong_type(problems: &mut Problems, value: &Spanned<DeValue<'_>>, key: &str, wanted: &str) {
    let found = match value.get_ref() {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    problems.add(value.span(), format!("`{key}` must be {wanted}, not {found}"));
}
