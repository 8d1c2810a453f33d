//! `[[policy]]`: each policy file, read and parsed with the configuration. A policy that cannot be
//! read or does not parse refuses the whole load; so does, where it is to be put in force, one
//! whose own tests fail.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use policy::{Document, TestFailure, ToolDefinition, run_document_tests};
use store::{PolicyMode, PolicyName, ServerRecord, ServerSlug};

use super::place::{FileProblems, Problem};
use super::principals::server;
use super::section::{Located, Problems, Section};
use crate::{text_file, tool_file};

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
    /// What it says.
    pub(crate) document: Document,
    /// What it does; never a draft.
    pub(crate) mode: PolicyMode,
    /// The tools that its own tests are run against, if the file names some.
    pub(crate) tools: Option<Vec<ToolDefinition>>,
}

/// An entry whose file was read and not parsed yet.
#[derive(Debug)]
pub(super) struct PolicyDraft {
    pub(super) name: PolicyName,
    pub(super) server: ServerSlug,
    path: PathBuf,
    text: String,
    mode: PolicyMode,
    tools: Option<(PathBuf, Vec<ToolDefinition>)>,
}

impl PolicyDraft {
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
) -> Vec<PolicyDraft> {
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
        let mode = mode(&mut section, problems);
        let tools = tools(&mut section, base, problems);
        section.finish(problems);
        if let (Some(name), Some(server), Some((path, text))) = (name, server, text) {
            policies.push(PolicyDraft { name, server, path, text, mode, tools });
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

/// What the policy does. A draft stands beside a version in force, which a file does not have.
fn mode(section: &mut Section<'_, '_>, problems: &mut Problems) -> PolicyMode {
    let Some(text) = section.text("mode", problems) else { return PolicyMode::Enforce };
    match text.value.parse() {
        Ok(mode @ (PolicyMode::Observe | PolicyMode::Enforce)) => mode,
        Ok(PolicyMode::Draft) | Err(_) => {
            problems.add(text.span, "a policy's mode is \"observe\" or \"enforce\"".to_owned());
            PolicyMode::Enforce
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
    text_file::read(path, POLICY_BYTES_MAX)
}

/// Parses every policy; the problems of all files at once.
pub(super) fn parse(drafts: Vec<PolicyDraft>) -> Result<Vec<PolicyEntry>, Vec<FileProblems>> {
    let mut policies = Vec::new();
    let mut refused = Vec::new();
    for draft in drafts {
        match Document::parse(&draft.text) {
            Ok(document) => policies.push(PolicyEntry {
                name: draft.name,
                server: draft.server,
                path: draft.path,
                document,
                mode: draft.mode,
                tools: draft.tools.map(|(_, tools)| tools),
            }),
            Err(problems) => refused.push(from_policy(&draft.path, &draft.text, problems)),
        }
    }
    if refused.is_empty() { Ok(policies) } else { Err(refused) }
}

/// The tools of each server as they are pinned.
pub(crate) type PinnedTools = BTreeMap<ServerSlug, Vec<ToolDefinition>>;

/// Runs the policies' own tests, each against the tools that the file names for it, else against
/// those that are pinned for its server; the failures of all files at once.
pub(crate) fn run_tests(
    policies: &[PolicyEntry],
    pinned: &PinnedTools,
) -> Result<(), Vec<FileProblems>> {
    let failing = policies.iter().filter_map(|entry| {
        let tools = entry.tools.as_ref().or_else(|| pinned.get(&entry.server));
        let failures = run_document_tests(&entry.document, tools.map_or(&[][..], Vec::as_slice));
        if failures.is_empty() {
            return None;
        }
        let help = tools.is_none().then(|| {
            "no tool of the server is pinned yet; tests that need schemas or classes want \
             `tools = \"FILE\"` beside the policy's `file`"
                .to_owned()
        });
        let text = entry.document.text();
        let problems = failures.iter().map(|failure| problem(entry, failure, help.clone()));
        Some(FileProblems::new(&entry.path, text, problems.collect()))
    });
    let failing: Vec<FileProblems> = failing.collect();
    if failing.is_empty() { Ok(()) } else { Err(failing) }
}

fn problem(entry: &PolicyEntry, failure: &TestFailure, help: Option<String>) -> Problem {
    let test = entry.document.tests().iter().find(|test| test.pointer() == failure.pointer);
    let at = test.map_or(0, policy::PolicyTest::offset);
    Problem {
        span: at..at.saturating_add(1).min(entry.document.text().len()),
        message: format!("the policy's own test fails: {failure}"),
        help,
    }
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
