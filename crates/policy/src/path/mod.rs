//! Condition paths: their grammar, their twins, and the walk through a call's facts. No operators.

mod fold;
mod parse;
#[cfg(test)]
mod tests;
mod walk;

use std::fmt;

pub(crate) use walk::{Found, Gaps, Subject};

/// Which selectors a path stands under. `all_tools` counts as tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// `tools` and `all_tools`.
    Tools,
    /// `resources`: `tool.*` is an error.
    Resources,
    /// `prompts`: `tool.*` is an error.
    Prompts,
}

/// Where a path begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PathRoot {
    /// The call's arguments.
    Args,
    /// `tool.name`
    ToolName,
    /// `tool.class`
    ToolClass,
    /// `tool.risk`
    ToolRisk,
    /// `grant.label`
    GrantLabel,
    /// `grant.tags`, with one or more keys as steps.
    GrantTags,
    /// `client.name`
    ClientName,
    /// `client.version`
    ClientVersion,
    /// `now.hour`, a number from 0 to 23.
    NowHour,
    /// `now.weekday`, `"mon"` to `"sun"`.
    NowWeekday,
}

/// One step of a path below its root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// `.key` or `["key"]`
    Key(Box<str>),
    /// `[n]`, from 0.
    Index(usize),
    /// `[*]`
    Each,
}

/// A parsed path (POLICY section 4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    root: PathRoot,
    steps: Box<[Step]>,
    /// Beside each step its key, folded for the search of twins; empty where the step is no key.
    folded: Box<[Box<str>]>,
    text: Box<str>,
}

/// Why a text is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct PathError {
    /// What is wrong.
    pub message: String,
    /// What to write instead, where something is near.
    pub help: Option<String>,
}

impl Path {
    /// Parses a path as it may stand in `section`.
    pub fn parse(text: &str, section: Section) -> Result<Self, PathError> {
        parse::parse(text, section)
    }

    /// True if a step is `[*]`.
    pub fn has_star(&self) -> bool {
        self.steps.contains(&Step::Each)
    }

    /// Where the path begins.
    pub fn root(&self) -> PathRoot {
        self.root
    }

    /// The steps below the root; for every root but `args` and `grant.tags` there are none.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The path as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
