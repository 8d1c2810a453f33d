//! Configuration files from any text: loading never panics, every problem stands at a line and column
//! of the file, and what is said of a file repeats none of its secrets.

use std::path::Path;

use miette::GraphicalTheme;
use toml::de::{DeTable, DeValue};

use crate::config::{ConfigError, Environment, FileProblems, Position, Source, load};
use crate::drawing;

/// Shorter values are found in any text by accident.
const SECRET_BYTES_MIN: usize = 8;
/// Texts that may name a device are left out: reading a terminal waits for a person.
const DEVICES: &str = "dev";

/// Checks one input, with `folder` for the file.
pub(crate) fn run(data: &[u8], folder: &Path) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(DEVICES) {
        return;
    }
    let path = folder.join("portcullis.toml");
    std::fs::write(&path, text).expect("the folder takes files");
    let environment = Environment::default();
    let source = Source { path, environment: &environment };
    match load(&source) {
        Ok(config) => {
            // Debug forms reach logs.
            no_secrets(text, &format!("{config:?}"));
            assert!(!config.watched.is_empty());
        }
        Err(error) => check(text, &error),
    }
}

fn check(text: &str, error: &ConfigError) {
    for line in error.lines() {
        no_secrets(text, &line);
    }
    match error {
        ConfigError::Invalid(file) => check_file(text, file),
        ConfigError::Policies(files) => assert!(!files.is_empty()),
        ConfigError::NotFound { .. } | ConfigError::Unreadable { .. } => {
            panic!("the file is there: {error}");
        }
    }
}

fn check_file(text: &str, file: &FileProblems) {
    assert_eq!(file.text, text);
    assert!(!file.problems.is_empty(), "refused without a problem");
    let lines: Vec<&str> = text.split('\n').collect();
    for problem in &file.problems {
        let span = problem.span.clone();
        assert!(span.start <= span.end && span.end <= text.len(), "{problem:?} is outside");
        let at = Position::of(text, span.start);
        let line = lines.get(at.line - 1).expect("a line of the file");
        assert!((1..=line.chars().count() + 1).contains(&at.column), "{problem:?}: {at:?}");
        no_secrets(text, &format!("{problem:?}"));
    }
    for drawing in drawing::problems(file, &GraphicalTheme::unicode_nocolor()) {
        assert!(drawing.contains("portcullis.toml:") || drawing.contains(" more"), "{drawing}");
        no_secrets(text, &drawing);
    }
}

fn no_secrets(text: &str, said: &str) {
    for secret in secrets(text) {
        assert!(!said.contains(&secret), "{secret:?} of the file stands in what is said:\n{said}");
    }
}

/// Literal values of tokens, headers and variables that stand nowhere else in the text.
fn secrets(text: &str) -> Vec<String> {
    let (table, _errors) = DeTable::parse_recoverable(text);
    let mut found = Vec::new();
    for (section, key) in
        [("grant", "token"), ("api_token", "token"), ("server", "headers"), ("server", "env")]
    {
        let tables = table.get_ref().get(section).and_then(|list| list.get_ref().as_array());
        for entry in tables.into_iter().flatten() {
            let Some(value) = entry.get_ref().as_table().and_then(|table| table.get(key)) else {
                continue;
            };
            match value.get_ref() {
                DeValue::String(value) => found.push(value.to_string()),
                DeValue::Table(values) => {
                    let texts = values.iter().filter_map(|(_, value)| value.get_ref().as_str());
                    found.extend(texts.map(str::to_owned));
                }
                DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => {}
            }
        }
    }
    let told = |value: &str| ["env:", "file:"].iter().any(|way| value.starts_with(way));
    found.retain(|value| {
        value.len() >= SECRET_BYTES_MIN && !told(value) && text.matches(value.as_str()).count() <= 1
    });
    found
}
