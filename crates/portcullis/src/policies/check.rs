//! `policy validate` and `policy test`.

use std::path::{Path, PathBuf};

use clap::Args;
use policy::{Document, Lint, TestFailure, ToolDefinition};
use serde::Serialize;

use super::{text_of, tools_of};
use crate::config::policies::from_policy;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// What `validate` takes.
#[derive(Debug, Args)]
pub(crate) struct ValidateArgs {
    /// The policies
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The server's tools (a tools/list answer), for warnings and tests that need them
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    /// Fail on warnings, too
    #[arg(long)]
    deny_warnings: bool,
    #[command(flatten)]
    json: JsonSwitch,
}

/// What `test` takes.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The policies
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The server's tools (a tools/list answer), for classes and schemas
    #[arg(long, value_name = "FILE")]
    tools: Option<PathBuf>,
    #[command(flatten)]
    json: JsonSwitch,
}

/// What was found in one file.
struct Checked {
    path: PathBuf,
    text: String,
    found: Found,
}

enum Found {
    Invalid(Vec<policy::Problem>),
    Valid { tests: usize, failures: Vec<TestFailure>, lints: Vec<Lint> },
}

#[derive(Serialize)]
struct FileView<'a> {
    file: String,
    valid: bool,
    errors: Vec<ProblemView<'a>>,
    warnings: Vec<LintView<'a>>,
    tests: usize,
    failures: Vec<FailureView<'a>>,
}

#[derive(Serialize)]
struct ProblemView<'a> {
    pointer: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'a str>,
}

#[derive(Serialize)]
struct LintView<'a> {
    code: &'static str,
    pointer: &'a str,
    line: u32,
    column: u32,
    message: &'a str,
}

#[derive(Serialize)]
struct FailureView<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    pointer: &'a str,
    message: &'a str,
}

fn check(path: &Path, tools: Option<&[ToolDefinition]>) -> Result<Checked, Failure> {
    let text = text_of(path)?;
    let found = match Document::parse(&text) {
        Err(problems) => Found::Invalid(problems),
        Ok(document) => Found::Valid {
            tests: document.tests().len(),
            failures: policy::run_document_tests(&document, tools.unwrap_or_default()),
            lints: policy::lint(&document, tools),
        },
    };
    Ok(Checked { path: path.to_owned(), text, found })
}

impl Checked {
    fn view(&self) -> FileView<'_> {
        let mut view = FileView {
            file: self.path.display().to_string(),
            valid: false,
            errors: Vec::new(),
            warnings: Vec::new(),
            tests: 0,
            failures: Vec::new(),
        };
        match &self.found {
            Found::Invalid(problems) => view.errors = problems.iter().map(problem).collect(),
            Found::Valid { tests, failures, lints } => {
                view.valid = true;
                view.tests = *tests;
                view.failures = failures.iter().map(failure).collect();
                view.warnings = lints.iter().map(lint).collect();
            }
        }
        view
    }

    fn exit(&self, warnings: Warnings) -> Exit {
        match &self.found {
            Found::Invalid(_) => Exit::Policy,
            Found::Valid { failures, .. } if !failures.is_empty() => Exit::Policy,
            Found::Valid { lints, .. } if warnings == Warnings::Fail && !lints.is_empty() => {
                Exit::Failed
            }
            Found::Valid { .. } => Exit::Good,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Warnings {
    Shown,
    Fail,
}

fn problem(problem: &policy::Problem) -> ProblemView<'_> {
    ProblemView {
        pointer: &problem.pointer,
        line: problem.line,
        column: problem.column,
        message: &problem.message,
        help: problem.help.as_deref(),
    }
}

fn lint(lint: &Lint) -> LintView<'_> {
    LintView {
        code: lint.code,
        pointer: &lint.pointer,
        line: lint.line,
        column: lint.column,
        message: &lint.message,
    }
}

fn failure(failure: &TestFailure) -> FailureView<'_> {
    FailureView {
        name: failure.name.as_deref(),
        pointer: &failure.pointer,
        message: &failure.message,
    }
}

/// The worst of several exits: an invalid policy before a warning before nothing.
fn worst(exits: impl Iterator<Item = Exit>) -> Exit {
    exits.max_by_key(|exit| exit.code()).unwrap_or(Exit::Good)
}

/// `policy validate`.
pub(super) fn validate(args: &ValidateArgs) -> Result<Exit, Failure> {
    let tools = tools_of(args.tools.as_ref())?;
    let checked: Vec<Checked> =
        args.files.iter().map(|path| check(path, tools.as_deref())).collect::<Result<_, _>>()?;
    match args.json.form() {
        Form::Json => output::json(&checked.iter().map(Checked::view).collect::<Vec<_>>()),
        Form::Text => checked.iter().for_each(show),
    }
    let warnings = if args.deny_warnings { Warnings::Fail } else { Warnings::Shown };
    Ok(worst(checked.iter().map(|checked| checked.exit(warnings))))
}

fn show(checked: &Checked) {
    let name = checked.path.display();
    match &checked.found {
        Found::Invalid(problems) => {
            let file = from_policy(&checked.path, &checked.text, problems.clone());
            Failure::in_files(Exit::Policy, vec![file]).report();
            output::line(format!("{name}: invalid, {}", count(problems.len(), "error")));
        }
        Found::Valid { tests, failures, lints } => {
            for lint in lints {
                output::line(format!(
                    "{name}:{}:{}: warning {}: {} ({})",
                    lint.line, lint.column, lint.code, lint.message, lint.pointer
                ));
            }
            show_failures(checked, failures);
            output::line(format!(
                "{name}: valid, {}, {}/{tests} tests passed",
                count(lints.len(), "warning"),
                tests.saturating_sub(failures.len()),
            ));
        }
    }
}

fn show_failures(checked: &Checked, failures: &[TestFailure]) {
    for failure in failures {
        output::line(format!("{}: test fails: {failure}", checked.path.display()));
    }
}

fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// `policy test`.
pub(super) fn test(args: &TestArgs) -> Result<Exit, Failure> {
    let tools = tools_of(args.tools.as_ref())?;
    let checked: Vec<Checked> =
        args.files.iter().map(|path| check(path, tools.as_deref())).collect::<Result<_, _>>()?;
    if args.json.form() == Form::Json {
        output::json(&checked.iter().map(Checked::view).collect::<Vec<_>>());
        return Ok(worst(checked.iter().map(|checked| checked.exit(Warnings::Shown))));
    }
    let (mut passed, mut total) = (0, 0);
    for checked in &checked {
        match &checked.found {
            Found::Invalid(_) => show(checked),
            Found::Valid { tests, failures, .. } => {
                show_failures(checked, failures);
                passed += tests.saturating_sub(failures.len());
                total += tests;
            }
        }
    }
    output::line(format!("{passed}/{total} tests passed"));
    Ok(worst(checked.iter().map(|checked| checked.exit(Warnings::Shown))))
}
