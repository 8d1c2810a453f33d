//! `policy cases`: case files, with a bar on a terminal.

use std::io::{BufRead, BufReader, IsTerminal};
use std::path::PathBuf;

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use policy::{CaseReport, run_case_line};
use serde::Serialize;

use super::unreadable;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// What `cases` takes.
#[derive(Debug, Args)]
pub(crate) struct CasesArgs {
    /// Case files, one case a line
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    json: JsonSwitch,
}

#[derive(Serialize)]
struct ReportView {
    file: String,
    line: usize,
    name: String,
    passed: bool,
    failures: Vec<String>,
}

#[derive(Serialize)]
struct Summary {
    passed: usize,
    total: usize,
    failed: Vec<ReportView>,
}

/// Runs every case of every file.
pub(super) fn run(args: &CasesArgs) -> Result<Exit, Failure> {
    let bar = bar();
    let mut summary = Summary { passed: 0, total: 0, failed: Vec::new() };
    let mut names = std::collections::HashSet::new();
    for path in &args.files {
        let file = std::fs::File::open(path).map_err(|error| unreadable(path, &error))?;
        for (index, line) in BufReader::new(file).lines().enumerate() {
            let line = line.map_err(|error| unreadable(path, &error))?;
            if line.trim().is_empty() {
                continue;
            }
            let number = index + 1;
            let mut report = run_case_line(&line).unwrap_or_else(|error| CaseReport {
                name: error.name.unwrap_or_else(|| format!("line {number}")),
                failures: vec![format!("no case: {}", error.message)],
            });
            if !names.insert((path, report.name.clone())) {
                report.failures.push("an earlier case of the file has the same name".to_owned());
            }
            summary.total += 1;
            bar.inc(1);
            if report.passed() {
                summary.passed += 1;
                continue;
            }
            let view = ReportView {
                file: path.display().to_string(),
                line: number,
                name: report.name,
                passed: false,
                failures: report.failures,
            };
            if args.json.form() == Form::Text {
                bar.suspend(|| show(&view));
            }
            summary.failed.push(view);
        }
    }
    bar.finish_and_clear();
    match args.json.form() {
        Form::Json => output::json(&summary),
        Form::Text => {
            output::line(format!("{}/{} cases passed", summary.passed, summary.total));
        }
    }
    Ok(if summary.failed.is_empty() { Exit::Good } else { Exit::Policy })
}

fn show(view: &ReportView) {
    output::line(format!("FAILED {} ({}:{})", view.name, view.file, view.line));
    for failure in &view.failures {
        for line in failure.lines() {
            output::line(format!("  {line}"));
        }
    }
}

fn bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} cases, {per_sec}, {elapsed}");
    let bar = ProgressBar::new_spinner();
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
