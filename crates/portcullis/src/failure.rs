//! What a command that did not work says, and with which exit code it ends: the one place where
//! errors of the libraries become text for people.

use std::error::Error;
use std::io::IsTerminal;

use miette::GraphicalTheme;

use crate::causes::chain;
use crate::config::{ConfigError, FileProblems};
use crate::drawing;
use crate::exit::Exit;
use crate::output;

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

    /// The reason in one line.
    pub(crate) fn sentence(&self) -> String {
        match &self.shown {
            Shown::Text(text) => text.clone(),
            Shown::Files(files) => format!("{} file(s) have problems", files.len()),
        }
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

/// Draws the problems of one file on stderr.
fn show(file: &FileProblems) {
    let colour = std::io::stderr().is_terminal();
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    drawing::problems(file, &theme).into_iter().for_each(output::note);
}
