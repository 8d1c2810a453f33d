//! `[[policy]]`: the text of each policy file, read with the configuration and checked with it. A
//! policy that cannot be read, does not parse or fails its own tests refuses the whole load.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use policy::{Document, ToolDefinition, run_document_tests};
use store::{PolicyName, ServerRecord, ServerSlug};

use super::place::{FileProblems, Problem};
use super::principals::server;
use super::section::{Located, Problems, Section};
use crate::tool_file;

/// The largest policy file (POLICY section 1).
const POLICY_BYTES_MAX: u64 = 1024 * 1024;
/// The most policies of one file.
const POLICIES_MAX: usize = 10_000;

/// One policy of the file.
#[derive(Debug)]
pub(crate) struct PolicyEntry {
    /// Its name.
    pub(crate) name: PolicyName,
    /// The server it is for.
    pub(crate) server: ServerSlug,
    /// The file.
    pub(crate) path: PathBuf,
    /// Its text.
    pub(crate) text: String,
    /// Its canonical form; empty until the policy was checked.
    pub(crate) canonical: String,
    /// The tools that its own tests are run against.
    pub(crate) tools: Option<(PathBuf, Vec<ToolDefinition>)>,
}

impl PolicyEntry {
    /// The files whose change means a reload.
    pub(super) fn files(&self) -> impl Iterator<Item = PathBuf> {
        std::iter::once(self.path.clone()).chain(self.tools.iter().map(|(path, _)| path.clone()))
    }
}

/// Reads every `[[policy]]` and the text of its file.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    base: &Path,
    servers: &[Located<ServerRecord>],
    problems: &mut Problems,
) -> Vec<PolicyEntry> {
    let mut seen = BTreeSet::new();
    let mut policies = Vec::new();
    for (index, mut section) in root.sections("policy", problems).into_iter().enumerate() {
        if index >= POLICIES_MAX {
            problems.add(section.span(), format!("at most {POLICIES_MAX} policies"));
            break;
        }
        let name = name(&mut section, &mut seen, problems);
        let server = server(&mut section, servers, problems);
        let text = text(&mut section, base, problems);
        let tools = tools(&mut section, base, problems);
        section.finish(problems);
        if let (Some(name), Some(server), Some((path, text))) = (name, server, text) {
            policies.push(PolicyEntry {
                name,
                server,
                path,
                text,
                canonical: String::new(),
                tools,
            });
        }
    }
    policies
}

fn name(
    section: &mut Section<'_, '_>,
    seen: &mut BTreeSet<PolicyName>,
    problems: &mut Problems,
) -> Option<PolicyName> {
    let text = section.required_text("name", problems)?;
    let name = match PolicyName::parse(text.value) {
        Ok(name) => name,
        Err(error) => {
            problems.add(text.span, format!("a policy's name is {}", error.rule));
            return None;
        }
    };
    if !seen.insert(name.clone()) {
        problems.add(text.span, format!("the policy `{name}` is there twice"));
    }
    Some(name)
}

fn text(
    section: &mut Section<'_, '_>,
    base: &Path,
    problems: &mut Problems,
) -> Option<(PathBuf, String)> {
    let file = section.required_text("file", problems)?;
    let path = base.join(file.value);
    match read_policy(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            problems.add(file.span, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

fn tools(
    section: &mut Section<'_, '_>,
    base: &Path,
    problems: &mut Problems,
) -> Option<(PathBuf, Vec<ToolDefinition>)> {
    let file = section.text("tools", problems)?;
    let path = base.join(file.value);
    match tool_file::read(&path) {
        Ok(tools) => Some((path, tools)),
        Err(error) => {
            problems.add(file.span, format!("cannot read {}: {error}", path.display()));
            None
        }
    }
}

/// The text of a policy file, within its bound.
pub(crate) fn read_policy(path: &Path) -> Result<String, std::io::Error> {
    if std::fs::metadata(path)?.len() > POLICY_BYTES_MAX {
        let message = format!("a policy is at most {POLICY_BYTES_MAX} bytes");
        return Err(std::io::Error::other(message));
    }
    std::fs::read_to_string(path)
}

/// Parses every policy and runs its own tests; the problems of all files at once.
pub(super) fn check(policies: &mut [PolicyEntry]) -> Result<(), Vec<FileProblems>> {
    let mut refused = Vec::new();
    for entry in policies {
        let tools = entry.tools.as_ref().map_or(&[][..], |(_, tools)| tools);
        match check_text(&entry.path, &entry.text, tools) {
            Ok(document) => document.canonical().clone_into(&mut entry.canonical),
            Err(problems) => refused.push(problems),
        }
    }
    if refused.is_empty() { Ok(()) } else { Err(refused) }
}

/// Parses one policy and runs its own tests against `tools`.
pub(crate) fn check_text(
    path: &Path,
    text: &str,
    tools: &[ToolDefinition],
) -> Result<Document, FileProblems> {
    let document = Document::parse(text).map_err(|problems| from_policy(path, text, problems))?;
    let failures = run_document_tests(&document, tools);
    if failures.is_empty() {
        return Ok(document);
    }
    let problems = failures
        .into_iter()
        .map(|failure| {
            let test = document.tests().iter().find(|test| test.pointer() == failure.pointer);
            let at = test.map_or(0, policy::PolicyTest::offset);
            Problem {
                span: at..at.saturating_add(1).min(text.len()),
                message: format!("the policy's own test fails: {failure}"),
                help: None,
            }
        })
        .collect();
    Err(FileProblems::new(path, text, problems))
}

/// The problems of a policy as problems of its file.
pub(crate) fn from_policy(path: &Path, text: &str, problems: Vec<policy::Problem>) -> FileProblems {
    let problems = problems
        .into_iter()
        .map(|problem| Problem {
            span: problem.span,
            message: if problem.pointer.is_empty() {
                problem.message
            } else {
                format!("{} ({})", problem.message, problem.pointer)
            },
            help: problem.help,
        })
        .collect();
    FileProblems::new(path, text, problems)
}
