//! What a command that did not work says, and with which exit code it ends: the one place where
//! errors of the libraries become text for people.

use std::error::Error;
use std::io::IsTerminal;

use miette::{
    Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, SourceCode,
};

use crate::config::{ConfigError, FileProblems, Position, Problem};
use crate::exit::Exit;
use crate::output;

/// Problems of one file that are shown in full; the rest is counted.
const PROBLEMS_SHOWN_MAX: usize = 50;

/// Why a command did not work.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    shown: Shown,
}

#[derive(Debug)]
enum Shown {
    Text(String),
    Files(Vec<FileProblems>),
}

impl Failure {
    /// A failure in one sentence.
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, shown: Shown::Text(text.into()) }
    }

    /// A failure whose text is what was being done and then the whole chain of causes.
    pub(crate) fn because(exit: Exit, doing: &str, error: &dyn Error) -> Self {
        Self::new(exit, format!("{doing}: {}", chain(error)))
    }

    /// Problems in files.
    pub(crate) fn in_files(exit: Exit, files: Vec<FileProblems>) -> Self {
        Self { exit, shown: Shown::Files(files) }
    }

    /// Writes the reason to stderr and says how to exit.
    pub(crate) fn report(&self) -> Exit {
        match &self.shown {
            Shown::Text(text) => output::note(format!("error: {text}")),
            Shown::Files(files) => files.iter().for_each(show),
        }
        self.exit
    }
}

/// An error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        // Some libraries repeat the cause in their own message.
        if !text.ends_with(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        next = cause.source();
    }
    text
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        match error {
            ConfigError::NotFound { looked } => {
                let mut text = String::from("no configuration file found; looked for");
                for path in looked {
                    text.push_str("\n  ");
                    text.push_str(&path.display().to_string());
                }
                text.push_str(
                    "\nName one with --config FILE, or try `portcullis demo`, which needs none.",
                );
                Self::new(Exit::Usage, text)
            }
            error @ ConfigError::Unreadable { .. } => Self::new(Exit::Usage, chain(&error)),
            ConfigError::Invalid(file) => Self::in_files(Exit::Usage, vec![file]),
            ConfigError::Policies(files) => Self::in_files(Exit::Policy, files),
        }
    }
}

impl From<store::ReadError> for Failure {
    fn from(error: store::ReadError) -> Self {
        Self::new(Exit::Failed, chain(&error))
    }
}

impl From<store::WriteError> for Failure {
    fn from(error: store::WriteError) -> Self {
        Self::new(Exit::Failed, chain(&error))
    }
}

impl From<store::NameError> for Failure {
    fn from(error: store::NameError) -> Self {
        Self::new(Exit::Usage, chain(&error))
    }
}

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
fn show(file: &FileProblems) {
    let colour = std::io::stderr().is_terminal();
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler =
        GraphicalReportHandler::new_themed(theme).with_wrap_lines(false).with_links(false);
    let name = file.path.display().to_string();
    let source = NamedSource::new(&name, without_secrets(&file.text));
    for problem in file.problems.iter().take(PROBLEMS_SHOWN_MAX) {
        let at = Position::of(&file.text, problem.span.start);
        let heading = format!("{name}:{}:{}: {}", at.line, at.column, problem.message);
        let drawn = Drawn { source: &source, problem, heading: heading.clone() };
        let mut text = String::new();
        match handler.render_report(&mut text, &drawn) {
            Ok(()) => output::note(text.trim_end()),
            Err(_) => output::note(heading),
        }
    }
    let more = file.problems.len().saturating_sub(PROBLEMS_SHOWN_MAX);
    if more > 0 {
        output::note(format!("{name}: and {more} more"));
    }
}

/// Words in a line of a configuration that say that what is quoted in it may be a secret.
const SECRET_WORDS: [&str; 9] =
    ["token", "headers", "authorization", "env", "key", "secret", "password", "cookie", "@"];

/// The text with every quoted value that may be a secret starred out, so that it does not reach a
/// terminal or a log with the lines that are drawn. Names of where a secret is (`env:`, `file:`) stay,
/// and so does every position. Errs towards starring out.
fn without_secrets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut in_table = false;
    for line in text.split_inclusive('\n') {
        let lower = line.to_lowercase();
        if lower.trim_start().starts_with('[') {
            in_table = ["headers", "env"].iter().any(|name| lower.contains(name));
        }
        if in_table || SECRET_WORDS.iter().any(|word| lower.contains(word)) {
            star_out(line, &mut out);
        } else {
            out.push_str(line);
        }
    }
    out
}

/// Copies a line with its quoted values starred out; a quotation that does not end goes to the line's
/// end.
fn star_out(line: &str, out: &mut String) {
    let mut rest = line;
    while let Some((before, quote, after)) = next_quotation(rest) {
        out.push_str(before);
        out.push(quote);
        let length = quoted_length(after, quote);
        let (value, behind) = after.split_at_checked(length).unwrap_or((after, ""));
        if value.starts_with("env:") || value.starts_with("file:") {
            out.push_str(value);
        } else {
            let star = |letter: char| match letter {
                '\n' | '\r' => letter.to_string(),
                _ => "*".repeat(letter.len_utf8()),
            };
            out.extend(value.chars().map(star));
        }
        let mut behind = behind.chars();
        out.extend(behind.next());
        rest = behind.as_str();
    }
    out.push_str(rest);
}

/// What stands before the next quotation mark, the mark, and what stands after it.
fn next_quotation(text: &str) -> Option<(&str, char, &str)> {
    let at = text.find(['"', '\''])?;
    let (before, rest) = text.split_at_checked(at)?;
    let mut rest = rest.chars();
    let quote = rest.next()?;
    Some((before, quote, rest.as_str()))
}

/// How many bytes stand before the closing mark; escapes exist between double ones only.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut escaped = false;
    let closing = text.char_indices().find(|(_at, letter)| {
        let closes = *letter == quote && !escaped;
        escaped = quote == '"' && *letter == '\\' && !escaped;
        closes
    });
    closing.map_or(text.len(), |(at, _letter)| at)
}

#[cfg(test)]
mod tests;
