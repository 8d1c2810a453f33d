//! Secrets of the file: `env:NAME` and `file:PATH` are followed, a literal is accepted only where
//! both listeners are loopback. What is read is never shown.

use std::ops::Range;
use std::path::{Path, PathBuf};

use store::{Secret, TokenHash};

use super::Environment;
use super::section::{Located, Problems};
use crate::text_file;

/// The longest secret that is read from a file or a variable.
const SECRET_BYTES_MAX: u64 = 16 * 1024;
/// The fewest characters of a token.
const TOKEN_CHARACTERS_MIN: usize = 16;
/// The most characters of a token.
const TOKEN_CHARACTERS_MAX: usize = 256;

/// Whether secrets may stand in the file itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Literals {
    /// Both listeners are loopback.
    Allowed,
    /// Somebody else's machine can connect.
    Refused,
}

/// What secrets are read with.
#[derive(Debug)]
pub(super) struct Secrets<'e> {
    /// The variables.
    pub(super) environment: &'e Environment,
    /// The folder that relative paths begin at.
    pub(super) base: &'e Path,
    /// Whether secrets may stand in the file itself.
    pub(super) literals: Literals,
    /// The files that were read, for the watch.
    pub(super) files: Vec<PathBuf>,
}

impl Secrets<'_> {
    /// Follows `text`; what cannot be followed is a problem at its place.
    pub(super) fn follow(
        &mut self,
        what: &str,
        text: &Located<&str>,
        problems: &mut Problems,
    ) -> Option<Secret<String>> {
        if let Some(name) = text.value.strip_prefix("env:") {
            return self.variable(name, text.span.clone(), problems);
        }
        if let Some(path) = text.value.strip_prefix("file:") {
            return self.file(path, text.span.clone(), problems);
        }
        if self.literals == Literals::Refused {
            problems.add_with_help(
                text.span.clone(),
                format!("{what} may stand in the file only when both listeners are loopback"),
                "write \"env:NAME\" or \"file:path\"",
            );
            return None;
        }
        Some(Secret::new(text.value.to_owned()))
    }

    fn variable(
        &self,
        name: &str,
        span: Range<usize>,
        problems: &mut Problems,
    ) -> Option<Secret<String>> {
        let value = self.environment.get_non_empty(name);
        if value.is_none() {
            problems.add_with_help(
                span,
                format!("the environment variable {name} is not set"),
                format!("set {name} before the start"),
            );
        }
        value.map(|value| Secret::new(value.to_owned()))
    }

    fn file(
        &mut self,
        path: &str,
        span: Range<usize>,
        problems: &mut Problems,
    ) -> Option<Secret<String>> {
        let path = self.base.join(path);
        self.files.push(path.clone());
        match text_file::read(&path, SECRET_BYTES_MAX) {
            Ok(text) => {
                let text = text.strip_suffix('\n').unwrap_or(&text);
                let text = text.strip_suffix('\r').unwrap_or(text);
                if text.is_empty() {
                    problems.add(span, format!("{} is empty", path.display()));
                    return None;
                }
                Some(Secret::new(text.to_owned()))
            }
            Err(error) => {
                problems.add(span, format!("cannot read {}: {error}", path.display()));
                None
            }
        }
    }

    /// A token: followed, held against the form that GATEWAY section 1 gives, and hashed at once.
    pub(super) fn token(
        &mut self,
        text: &Located<&str>,
        problems: &mut Problems,
    ) -> Option<TokenHash> {
        let token = self.follow("a token", text, problems)?;
        let characters = token.expose().len();
        let visible = token.expose().bytes().all(|byte| byte.is_ascii_graphic());
        if visible && (TOKEN_CHARACTERS_MIN..=TOKEN_CHARACTERS_MAX).contains(&characters) {
            return Some(TokenHash::of(token.expose()));
        }
        problems.add_with_help(
            text.span.clone(),
            format!(
                "a token is {TOKEN_CHARACTERS_MIN} to {TOKEN_CHARACTERS_MAX} visible ASCII \
                 characters"
            ),
            "no spaces and no line breaks; `portcullis grant create` makes a good one",
        );
        None
    }
}
