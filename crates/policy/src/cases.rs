//! Tests of policies: those that a document carries (POLICY section 10) and case files (section 11).
//!
//! They run the same decision, counters and approvals as the gateway does, without a network or a store.

mod bench;
mod instant;
mod line;
mod step;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::OnceLock;

pub(crate) use instant::Instant;

use crate::{Class, Document, Policy, Reason, Risk, Schema, ToolFacts};

/// One test of a policy document (POLICY section 10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyTest {
    pub(crate) name: Option<String>,
    pub(crate) pointer: String,
    /// Byte offset.
    pub(crate) at: usize,
    pub(crate) times: u64,
    pub(crate) call: CallText,
    pub(crate) expect: Expect,
}

impl PolicyTest {
    /// The test's own name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Where it stands, as a JSON Pointer.
    pub fn pointer(&self) -> &str {
        &self.pointer
    }

    /// Where it stands, in bytes from the beginning of the document's text.
    pub fn offset(&self) -> usize {
        self.at
    }
}

/// A call as a test writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CallText {
    pub target: TargetText,
    /// JSON text of an object.
    pub args: Option<String>,
    pub grant: GrantText,
    pub client: ClientText,
    pub at: Option<Instant>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TargetText {
    Tool(String),
    Resource(String),
    Prompt(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrantText {
    pub label: String,
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ClientText {
    pub name: Option<String>,
    pub version: Option<String>,
}

/// What a test expects; what is not given is not compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expect {
    pub verdict: ExpectedVerdict,
    pub rule: Option<String>,
    pub reason: Option<Reason>,
    pub message: Option<String>,
    pub retry_after: RetryAfter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpectedVerdict {
    Allow,
    Deny,
    Hold,
}

impl ExpectedVerdict {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Hold => "hold",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RetryAfter {
    Any,
    Absent,
    Milliseconds(u64),
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.verdict.as_str())?;
        if let Some(reason) = self.reason {
            write!(f, " reason={reason}")?;
        }
        if let Some(rule) = &self.rule {
            write!(f, " rule={rule}")?;
        }
        if let Some(message) = &self.message {
            write!(f, " message={message:?}")?;
        }
        match self.retry_after {
            RetryAfter::Any => Ok(()),
            RetryAfter::Absent => f.write_str(" retry_after_ms=null"),
            RetryAfter::Milliseconds(milliseconds) => write!(f, " retry_after_ms={milliseconds}"),
        }
    }
}

/// A tool as tests and warnings know it.
#[derive(Debug)]
pub struct ToolDefinition {
    /// The tool's name.
    pub name: String,
    /// The `inputSchema` as JSON text, if the tool has one.
    pub input_schema: Option<String>,
    /// The pinned class.
    pub class: Option<Class>,
    /// The pinned risk.
    pub risk: Option<Risk>,
    /// Compiled when it is first asked for: most tools of a server are in no test.
    schema: OnceLock<Option<Schema>>,
}

impl ToolDefinition {
    /// A tool; a schema that is none is as good as no schema, and fails every `validate`.
    pub fn new(
        name: String,
        input_schema: Option<String>,
        class: Option<Class>,
        risk: Option<Risk>,
    ) -> Self {
        Self { name, input_schema, class, risk, schema: OnceLock::new() }
    }

    /// The facts that a decision reads.
    pub fn facts(&self) -> ToolFacts<'_> {
        let compiled = || Schema::compile(self.input_schema.as_deref()?).ok();
        let schema = self.schema.get_or_init(compiled).as_ref();
        ToolFacts { name: &self.name, class: self.class, risk: self.risk, schema }
    }
}

/// A test of a document that did not come out as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// The test's name, if it has one.
    pub name: Option<String>,
    /// The test's JSON Pointer.
    pub pointer: String,
    /// Expected, got and trace, over several lines.
    pub message: String,
}

impl fmt::Display for TestFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{} ({name}): {}", self.pointer, self.message),
            None => write!(f, "{}: {}", self.pointer, self.message),
        }
    }
}

/// Runs a document's own tests in order against one fresh set of counters (POLICY section 10). `tools` gives the
/// pinned classes and schemas that rules read. Empty when all pass.
pub fn run_document_tests(document: &Document, tools: &[ToolDefinition]) -> Vec<TestFailure> {
    run_document_tests_while(document, tools, &|| true).unwrap_or_default()
}

/// As [`run_document_tests`], asking before each call whether to go on; `None` when it did not. A document of the
/// greatest size can ask for more work than anybody waits for.
pub fn run_document_tests_while(
    document: &Document,
    tools: &[ToolDefinition],
    going: &dyn Fn() -> bool,
) -> Option<Vec<TestFailure>> {
    if document.tests().is_empty() {
        return Some(Vec::new());
    }
    let policy = Policy::compile(document);
    let mut bench = bench::Bench::new(&policy, tools);
    let mut failures = Vec::new();
    for test in document.tests() {
        let step = step::CallStep::from_test(test);
        if let Err(message) = bench.run_call_while(&step, going)? {
            failures.push(TestFailure {
                name: test.name.clone(),
                pointer: test.pointer.clone(),
                message,
            });
        }
    }
    Some(failures)
}

/// A line of a case file that is no case: no JSON, unknown keys, wrong types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct CaseFormatError {
    /// The case's name as far as it could be read.
    pub name: Option<String>,
    /// What is wrong.
    pub message: String,
}

/// How one case came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// The case's name.
    pub name: String,
    /// What did not come out as expected: expected, got, trace. Empty when the case passed.
    pub failures: Vec<String>,
}

impl CaseReport {
    /// True if everything came out as expected.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

/// Runs one line of a case file.
///
/// # Errors
/// The line is no case; that fails it like an unexpected verdict does.
pub fn run_case_line(line: &str) -> Result<CaseReport, CaseFormatError> {
    line::Case::parse(line).map(|case| case.run())
}

/// Runs a whole case file: one case on each line that is not blank, names unique. A line that is no case, or has
/// the name of an earlier one, is reported as a failed case.
pub fn run_cases(text: &str) -> Vec<CaseReport> {
    let mut seen = HashSet::new();
    let mut reports = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let mut report = run_case_line(line).unwrap_or_else(|error| CaseReport {
            name: error.name.unwrap_or_else(|| format!("line {}", index + 1)),
            failures: vec![format!("line {}: {}", index + 1, error.message)],
        });
        if !seen.insert(report.name.clone()) {
            report.failures.push("an earlier case has the same name".to_owned());
        }
        reports.push(report);
    }
    reports
}
