//! How the problems of a file are drawn for people: the lines that are meant, with the secrets in them
//! starred out. Never writes anywhere, never decides what a problem is.

use std::error::Error;
use std::ops::Range;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::config::{FileProblems, Position, Problem};

/// Problems of one file that are shown in full; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 50;

/// One problem as miette draws it.
#[derive(Debug)]
struct Drawn<'p> {
    source: &'p NamedSource<String>,
    problem: &'p Problem,
    heading: String,
}

impl std::fmt::Display for Drawn<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.heading)
    }
}

impl Error for Drawn<'_> {}

impl Diagnostic for Drawn<'_> {
    fn help<'a>(&'a self) -> Option<Box<dyn std::fmt::Display + 'a>> {
        self.problem.help.as_ref().map(|help| Box::new(help) as Box<dyn std::fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let span = &self.problem.span;
        let label = LabeledSpan::new(None, span.start, span.len());
        Some(Box::new(std::iter::once(label)))
    }
}

/// Draws the problems of one file: `file:line:column: message` as the heading of each, then the
/// lines that are meant and the cure.
pub(crate) fn problems(file: &FileProblems, theme: &GraphicalTheme) -> Vec<String> {
    let handler =
        GraphicalReportHandler::new_themed(theme.clone()).with_wrap_lines(false).with_links(false);
    let name = file.path.display().to_string();
    let source = NamedSource::new(&name, without_secrets(&file.text));
    let mut drawings = Vec::new();
    for problem in file.problems.iter().take(PROBLEMS_SHOWN_MAX) {
        let at = Position::of(&file.text, problem.span.start);
        let heading = format!("{name}:{}:{}: {}", at.line, at.column, problem.message);
        let drawn = Drawn { source: &source, problem, heading: heading.clone() };
        let mut text = String::new();
        drawings.push(match handler.render_report(&mut text, &drawn) {
            Ok(()) => text.trim_end().to_owned(),
            Err(_) => heading,
        });
    }
    let more = file.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    if more > 0 {
        drawings.push(format!("{name}: and {more} more"));
    }
    drawings
}

/// Words in a key or a line of a configuration that say that what is quoted there may be a secret.
const SECRET_WORDS: [&str; 9] =
    ["token", "headers", "authorization", "env", "key", "secret", "password", "cookie", "@"];
/// Deepest table that is searched for secrets: the format has none below.
const TABLE_DEPTH_MAX: usize = 8;

/// The text with every quoted value that may be a secret starred out, so that it does not reach a
/// terminal or a log with the lines that are drawn. Names of where a secret is (`env:`, `file:`) stay,
/// and so does every position. Errs towards starring out: values are found by what the text means, as
/// far as it is TOML, and by how its lines look, as it may be none.
fn without_secrets(text: &str) -> String {
    let mut hidden = vec![false; text.len()];
    let (table, _errors) = DeTable::parse_recoverable(text);
    mark_values(table.get_ref(), Named::Plainly, TABLE_DEPTH_MAX, text, &mut hidden);
    mark_lines(text, &mut hidden);
    let starred = text.char_indices().map(|(at, letter)| {
        let hide = hidden.get(at) == Some(&true) && !matches!(letter, '\n' | '\r');
        if hide { "*".repeat(letter.len_utf8()) } else { letter.to_string() }
    });
    starred.collect()
}

/// Whether the name of a value, or of a table around it, speaks of secrets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Named {
    Plainly,
    Secretly,
}

fn speaks_of_secrets(text: &str) -> bool {
    let lower = text.to_lowercase();
    SECRET_WORDS.iter().any(|word| lower.contains(word))
}

fn mark_values(table: &DeTable<'_>, around: Named, depth: usize, text: &str, hidden: &mut [bool]) {
    for (key, value) in table {
        let named = if speaks_of_secrets(key.get_ref()) { Named::Secretly } else { around };
        mark_value(value, named, depth, text, hidden);
    }
}

fn mark_value(
    value: &Spanned<DeValue<'_>>,
    named: Named,
    depth: usize,
    text: &str,
    hidden: &mut [bool],
) {
    let Some(depth) = depth.checked_sub(1) else { return };
    match value.get_ref() {
        DeValue::String(held) => {
            if (named == Named::Secretly || held.contains('@')) && !says_where(held) {
                mark(inside_quotes(text, value.span()), hidden);
            }
        }
        DeValue::Array(list) => {
            for value in list {
                mark_value(value, named, depth, text, hidden);
            }
        }
        DeValue::Table(table) => mark_values(table, named, depth, text, hidden),
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}

/// Whether a value names the place of a secret.
fn says_where(value: &str) -> bool {
    value.starts_with("env:") || value.starts_with("file:")
}

fn mark(span: Range<usize>, hidden: &mut [bool]) {
    for place in hidden.get_mut(span).into_iter().flatten() {
        *place = true;
    }
}

/// The bytes of a quoted value between its marks; the closing ones may be missing.
fn inside_quotes(text: &str, span: Range<usize>) -> Range<usize> {
    let quoted = text.get(span.clone()).unwrap_or_default();
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let Some((quote, rest)) =
        quotes.iter().find_map(|quote| Some((quote, quoted.strip_prefix(quote)?)))
    else {
        return span;
    };
    let closing = if rest.ends_with(quote) { quote.len() } else { 0 };
    span.start.saturating_add(quote.len())..span.end.saturating_sub(closing)
}

/// Marks what is quoted in lines that look like secrets.
fn mark_lines(text: &str, hidden: &mut [bool]) {
    let mut in_table = false;
    let mut from = 0;
    while let Some(rest) = text.get(from..).filter(|rest| !rest.is_empty()) {
        let line = rest.split_inclusive('\n').next().unwrap_or(rest);
        let lower = line.to_lowercase();
        if lower.trim_start().starts_with('[') {
            in_table = ["headers", "env"].iter().any(|name| lower.contains(name));
        }
        let mut end = from.saturating_add(line.len());
        if in_table || speaks_of_secrets(line) {
            end = mark_quotations(text, from..end, hidden);
        }
        from = end;
    }
}

/// Marks what is quoted in a line, and says where the line ends: further down where a quotation goes
/// over several lines. A quotation that does not end goes as far as it could.
fn mark_quotations(text: &str, line: Range<usize>, hidden: &mut [bool]) -> usize {
    let mut from = line.start;
    let mut end = line.end;
    while let Some(at) = text.get(from..end).and_then(|rest| rest.find(['"', '\''])) {
        let opening = from.saturating_add(at);
        let rest = text.get(opening..).unwrap_or_default();
        let triple = ["\"\"\"", "'''"].into_iter().find(|triple| rest.starts_with(*triple));
        let quote = triple.or_else(|| rest.get(..1)).unwrap_or("\"");
        let inner = opening.saturating_add(quote.len());
        let limit = if triple.is_some() { text.len() } else { end };
        let length = quoted_length(text.get(inner..limit).unwrap_or_default(), quote);
        let closing = inner.saturating_add(length);
        if !says_where(text.get(inner..closing).unwrap_or_default()) {
            mark(inner..closing, hidden);
        }
        from = closing.saturating_add(quote.len()).min(text.len());
        if from > end {
            let rest = text.get(from..).unwrap_or_default();
            end = from.saturating_add(rest.find('\n').map_or(rest.len(), |at| at + 1));
        }
    }
    end
}

/// How many bytes stand before the closing marks; escapes exist between double ones only.
fn quoted_length(text: &str, quote: &str) -> usize {
    let mut escaped = false;
    let closing = text.char_indices().find(|(at, letter)| {
        let closes = !escaped && text.get(*at..).is_some_and(|rest| rest.starts_with(quote));
        escaped = quote.starts_with('"') && *letter == '\\' && !escaped;
        closes
    });
    closing.map_or(text.len(), |(at, _letter)| at)
}

#[cfg(test)]
#[path = "drawing_tests.rs"]
mod tests;
