//! The page of what broke elsewhere: each of its rows says what keeps that out, and whatever test,
//! case or file it names is there. It is prose, so it names tests by their names alone. No file
//! system: the page and the sources are handed in as texts.

use std::collections::BTreeSet;

use super::proofs::{CASE, CASES, Source};

const PAGE: &str = "docs/regressions.md";
/// The rows of other gateways' advisories that must be there: G1 to the last.
const ADVISORIES: std::ops::RangeInclusive<u32> = 1..=26;
/// How the first line of each table ends.
const HEADING: &str = "| what keeps it out |";
/// What a row says that names nothing.
const CANNOT: &str = "Cannot apply: ";
/// Where the tests live that the page names without a folder.
const FOLDERS: [&str; 2] = ["tests/it/tests/it/regressions/", "tests/it/tests/it/"];
/// How the names of sources end.
const SOURCE: &str = ".rs";
/// A name with so many underscores is a test's.
const UNDERSCORES_OF_TESTS: usize = 3;

/// Every fault of the page among these files.
pub(super) fn check(files: &[Source<'_>]) -> Vec<String> {
    let Some(page) = files.iter().find(|file| file.name == PAGE) else {
        return vec![format!("{PAGE}: the page is missing")];
    };
    let mut faults = Vec::new();
    let mut advisories = BTreeSet::new();
    for (number, line) in (1..).zip(page.text.lines()) {
        let named: Vec<Named<'_>> = quoted(line).chain(cases(line)).collect();
        let missing = named.iter().filter(|named| !named.exists(files));
        faults.extend(missing.map(|named| format!("{PAGE}:{number}: there is no `{named}`")));
        if !line.starts_with("| ") || line.ends_with(HEADING) {
            continue;
        }
        let mark = line.split('|').nth(1).unwrap_or_default().trim().strip_prefix('G');
        advisories.extend(mark.and_then(|mark| mark.parse::<u32>().ok()));
        if named.is_empty() && !line.contains(CANNOT) {
            faults.push(format!("{PAGE}:{number}: the row names neither a test nor why not"));
        }
    }
    let absent = ADVISORIES.filter(|row| !advisories.contains(row));
    faults.extend(absent.map(|row| format!("{PAGE}: no row G{row}")));
    faults
}

/// What a row names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named<'a> {
    Test(&'a str),
    /// A module of integration tests.
    Module(&'a str),
    File(&'a str),
    /// A case of the bypass suite, or a group of them.
    Case(&'a str),
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::Test(name) | Self::Module(name) | Self::File(name) | Self::Case(name)) = self;
        f.write_str(name)
    }
}

impl Named<'_> {
    fn exists(&self, files: &[Source<'_>]) -> bool {
        match *self {
            Self::Test(name) => {
                let (plain, generic) = (format!("fn {name}("), format!("fn {name}<"));
                let mut sources = files.iter().filter(|file| file.name.ends_with(SOURCE));
                sources.any(|file| file.text.contains(&plain) || file.text.contains(&generic))
            }
            Self::Module(name) => {
                let paths = FOLDERS.map(|folder| format!("{folder}{name}.rs"));
                files.iter().any(|file| paths.iter().any(|path| path == file.name))
            }
            Self::File(name) => files.iter().any(|file| file.name == name),
            Self::Case(name) => {
                let id = format!("\"id\":\"{name}");
                let mut cases = files.iter().filter(|file| file.name.starts_with(CASES));
                cases.any(|file| file.text.contains(&id))
            }
        }
    }
}

/// What stands in backquotes and is a name: `module`, `module::test`, `test`, a path. Other things in
/// backquotes are words of the prose.
fn quoted(line: &str) -> impl Iterator<Item = Named<'_>> {
    let texts = line.split('`').skip(1).step_by(2);
    texts.flat_map(|text| {
        if text.ends_with(SOURCE) {
            return vec![Named::File(text)];
        }
        let (module, test) = match text.split_once("::") {
            Some((module, test)) => (Some(module), Some(test)),
            None if is_name(text) && text.matches('_').count() >= UNDERSCORES_OF_TESTS => {
                (None, Some(text))
            }
            None if is_name(text) && text != "false" => (Some(text), None),
            None => (None, None),
        };
        module.map(Named::Module).into_iter().chain(test.map(Named::Test)).collect()
    })
}

fn is_name(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    !text.is_empty() && text.chars().all(letters)
}

/// Each case or group of cases; of "OWN-A-001 to 007" the first.
fn cases(line: &str) -> impl Iterator<Item = Named<'_>> {
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    // The page says what a name looks like, too.
    words.filter(|word| word.starts_with(CASE) && *word != "OWN-X-000").map(Named::Case)
}

#[cfg(test)]
#[path = "regressions_tests.rs"]
mod tests;
