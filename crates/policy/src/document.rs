//! A policy document that was read and found valid: its text, its canonical form and its model.
//!
//! Nothing here decides calls; [`crate::Policy`] does, compiled from this.

#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::cases::PolicyTest;
use crate::{
    Algorithm, Approver, Class, Glob, IfMissing, Micro, Op, Path, Risk, SchemaMode, Scope,
    Sha256Digest, Window,
};

/// One mistake in a document (POLICY section 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// JSON Pointer of the offending place, or of the place that a missing member would have; empty for the
    /// whole document.
    pub pointer: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// Bytes of the text that the problem is about, on character boundaries.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where something is near.
    pub help: Option<String>,
}

/// `line:column: message (pointer)`, with the help behind it.
impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)?;
        if !self.pointer.is_empty() {
            write!(f, " ({})", self.pointer)?;
        }
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// A valid policy document. A value of this type can always be compiled.
#[derive(Debug, Clone)]
pub struct Document {
    text: String,
    canonical: String,
    pub(crate) model: Model,
}

impl Document {
    /// Reads a document: JSON with comments and trailing commas, at most 1 MiB, 64 levels and 10,000 selectors
    /// (POLICY section 1).
    ///
    /// # Errors
    /// Every problem of the document at once, in the order of the text.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        let (model, canonical) = crate::parse::parse(text)?;
        Ok(Self { text: text.to_owned(), canonical, model })
    }

    /// The document as its author wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The document as plain JSON: same members in the same order, two spaces of indentation, strings and
    /// numbers in one spelling, no comments and no trailing commas. JSON Pointers of rules hold here.
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// What people read about the policy.
    pub fn description(&self) -> Option<&str> {
        self.model.description.as_deref()
    }

    /// The policy's own tests (POLICY section 10), in order.
    pub fn tests(&self) -> &[PolicyTest] {
        &self.model.tests
    }
}

/// What happens to what no selector lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultAction {
    /// It passes, as far as `all_tools` lets it.
    Allow,
    /// It is neither shown nor reached.
    Deny,
}

impl DefaultAction {
    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// The document without its spelling.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    pub description: Option<String>,
    pub default: DefaultAction,
    /// Byte offset of the value of `default`.
    pub default_at: usize,
    pub hide: Vec<Entry<()>>,
    pub all_tools: Option<Arc<Rules>>,
    pub tools: Vec<Entry<Arc<Rules>>>,
    pub resources: Vec<Entry<Arc<Rules>>>,
    pub prompts: Vec<Entry<Arc<Rules>>>,
    pub tests: Vec<PolicyTest>,
}

/// A selector with what belongs to it.
#[derive(Debug, Clone)]
pub(crate) struct Entry<T> {
    pub selector: Selector,
    /// The pointer of the entry, `/hide/0` or `/tools/pay`.
    pub pointer: Arc<str>,
    /// Byte offset of the selector.
    pub at: usize,
    pub rules: T,
}

/// What an entry is about (POLICY section 2).
#[derive(Debug, Clone)]
pub(crate) enum Selector {
    Exact(Arc<str>),
    Glob(Arc<str>, Glob),
    Class(Class),
    Risk(Risk),
}

impl Selector {
    /// The selector as it is written.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Exact(text) | Self::Glob(text, _) => text.to_string(),
            Self::Class(class) => format!("@{class}"),
            Self::Risk(risk) => format!("@{risk}"),
        }
    }
}

/// What a selector's action says (POLICY section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Calls pass, as far as rules and limits let them.
    Allow,
    /// Every call is denied; nobody can approve it.
    Deny,
    /// As if it were in `hide`.
    Hide,
    /// Every call needs a person.
    Approve,
}

impl Action {
    /// The word in the document.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hide => "hide",
            Self::Approve => "approve",
        }
    }

    /// The action of a word.
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        [Self::Allow, Self::Deny, Self::Hide, Self::Approve]
            .into_iter()
            .find(|action| action.as_str() == word)
    }
}

/// All that is said under one selector (POLICY section 3).
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub action: Action,
    /// Name, message and digest of the action, as of a rule.
    pub action_rule: Arc<Rule>,
    pub validate: Option<SchemaMode>,
    pub validate_name: Arc<str>,
    pub require: Vec<Arc<Rule>>,
    pub deny_if: Vec<Arc<Rule>>,
    /// `limits`, then `rate_limit`.
    pub limits: Vec<Arc<Limit>>,
}

/// One rule, or an action in the place of one.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// The `id`, or the pointer.
    pub name: Arc<str>,
    pub pointer: Arc<str>,
    /// Byte offset.
    pub at: usize,
    pub conditions: Vec<Condition>,
    pub message: Option<Arc<str>>,
    pub waiver: Waiver,
    /// Digest of {section, selector, list, canonical JSON of the rule} (POLICY section 7).
    pub digest: Sha256Digest,
    /// Canonical JSON of `conditions` alone.
    pub conditions_json: String,
}

/// Whether a person may let a call pass that fails a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Waiver {
    Final,
    Asks(Terms),
}

/// How a person is asked (POLICY section 3, Approval).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub wait_seconds: Option<u32>,
    pub expires_seconds: u32,
    pub approvers: Vec<Approver>,
}

impl Terms {
    /// How long a request lives where nothing else is written, in seconds.
    pub(crate) const EXPIRES_SECONDS_DEFAULT: u32 = 3600;
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            wait_seconds: None,
            expires_seconds: Self::EXPIRES_SECONDS_DEFAULT,
            approvers: Vec::new(),
        }
    }
}

/// One condition (POLICY section 4).
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    Any(Vec<Condition>),
    Not(Box<Condition>),
    Test(Box<Test>),
}

/// One comparison.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub path: Path,
    pub op: Op,
    pub if_missing: IfMissing,
    pub value: Operand,
    pub pointer: String,
    /// Byte offset.
    pub at: usize,
}

/// The `value` of a comparison as far as hints and warnings read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Operand {
    Null,
    Bool(bool),
    /// As it is written.
    Number(String),
    Text(String),
    List(Vec<Operand>),
    Object,
}

/// One limit (POLICY section 5).
#[derive(Debug, Clone)]
pub(crate) struct Limit {
    /// The pointer.
    pub name: Arc<str>,
    /// Byte offset.
    pub at: usize,
    pub counter: Arc<str>,
    pub window: Window,
    pub scope: Scope,
    pub algorithm: Algorithm,
    pub max: Micro,
    pub increment: Increment,
    pub message: Option<Arc<str>>,
}

/// How many units a call takes.
#[derive(Debug, Clone)]
pub(crate) enum Increment {
    Fixed(Micro),
    From(Path),
}
