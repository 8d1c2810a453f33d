//! The steps of `cargo xtask test`, in the order in which a mistake is found soonest, and the
//! closing line that sums them up. What tidy and the snippets look for lives in their own files.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::process::{self, command};
use crate::repository::Repository;
use crate::{bench, browser, fuzzing, say, snippets, tidy, tools};

/// How many checks a step made.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// One check, passed or not.
    fn one(ok: bool) -> Self {
        Self { passed: usize::from(ok), failed: usize::from(!ok) }
    }

    fn add(self, other: Self) -> Self {
        Self { passed: self.passed + other.passed, failed: self.failed + other.failed }
    }
}

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn(&Repository) -> Result<Tally, String>,
}

const STEPS: [Step; 15] = [
    Step { name: "tidy", about: "the repository's own rules", run: tidy_step },
    Step { name: "fmt", about: "cargo fmt --check", run: fmt },
    Step { name: "clippy", about: "every target, warnings are errors", run: clippy },
    Step { name: "build", about: "the binaries that the tests start", run: build },
    Step { name: "tools", about: "installs peers and tools below target/tools", run: tools_step },
    Step { name: "test", about: "all tests but those of steps of their own below", run: tests },
    Step { name: "browser", about: "the console in Chromium, used as people use it", run: browser },
    Step { name: "otel", about: "the build with traces: clippy, its tests", run: otel },
    Step { name: "doc", about: "documentation tests", run: doc },
    Step { name: "fuzz", about: "kept inputs, then 20,000 fresh ones a target", run: fuzz },
    Step { name: "conformance", about: "the official suite, direct and through", run: conformance },
    Step { name: "real-servers", about: "published servers and SDK clients", run: real_servers },
    Step { name: "bench", about: "every workload for a moment, no figure judged", run: bench_step },
    Step { name: "snippets", about: "README and docs: commands and policies", run: snippets_step },
    Step { name: "deny", about: "bans, licences and sources of crates", run: deny },
];

/// What `--list` prints.
pub(crate) fn listing() -> String {
    let lines: Vec<String> =
        STEPS.iter().map(|step| format!("{:<13} {}", step.name, step.about)).collect();
    lines.join("\n") + "\n"
}

/// Runs the named steps, or all; whether nothing failed.
///
/// # Errors
/// When a name is no step's.
pub(crate) fn run(found: &Repository, names: &[String]) -> Result<bool, String> {
    let known = |name: &&String| STEPS.iter().any(|step| step.name == name.as_str());
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        return Err(format!("there is no step `{unknown}`; there are:\n{}", listing()));
    }
    let wanted = |step: &&Step| names.is_empty() || names.iter().any(|name| name == step.name);
    let mut total = Tally::default();
    let mut lines = String::new();
    for step in STEPS.iter().filter(wanted) {
        say(&format!("\n=== {} ({})\n", step.name, step.about));
        let (outcome, time) = timed(|| (step.run)(found));
        let (tally, note) = match outcome {
            Ok(tally) => (tally, String::new()),
            Err(problem) => (Tally::one(false), format!(": {problem}")),
        };
        let word = if tally.failed == 0 { "ok" } else { "FAILED" };
        let line = format!("{:<13} {word:<6} {:>6.1} s{note}\n", step.name, time.as_secs_f32());
        say(&line);
        lines.push_str(&line);
        total = total.add(tally);
    }
    say(&format!("\n{lines}\n{} passed, {} failed\n", total.passed, total.failed));
    Ok(total.failed == 0)
}

/// Runs bypass case files with the runner of `tests/it`.
///
/// # Errors
/// When something cannot be built or started.
pub(crate) fn bypass(found: &Repository, files: &[String]) -> Result<bool, String> {
    build(found)?;
    let runner = found.target().join("debug/bypass");
    Ok(process::run(command(&std::env::current_dir().map_err(|p| p.to_string())?, runner, files))
        .is_ok())
}

#[expect(clippy::disallowed_methods, reason = "the edge of a chore: timings are for people")]
fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    let result = work();
    (result, begun.elapsed())
}

fn cargo(found: &Repository, arguments: &[&str]) -> Command {
    command(found.root(), "cargo", arguments)
}

fn simple(found: &Repository, arguments: &[&str]) -> Result<Tally, String> {
    process::run(cargo(found, arguments)).map(|()| Tally::one(true))
}

fn tidy_step(found: &Repository) -> Result<Tally, String> {
    let faults = tidy::check(found)?;
    for fault in &faults {
        say(&format!("tidy: {fault}\n"));
    }
    Ok(Tally { passed: usize::from(faults.is_empty()), failed: faults.len() })
}

fn fmt(found: &Repository) -> Result<Tally, String> {
    simple(found, &["fmt", "--all", "--check"])?;
    fuzzing::formatted(found).map(|()| Tally::one(true))
}

fn clippy(found: &Repository) -> Result<Tally, String> {
    let arguments =
        ["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"];
    simple(found, &arguments)?;
    fuzzing::lint(found).map(|()| Tally::one(true))
}

/// Builds the binaries that the tests start.
///
/// # Errors
/// When that fails.
pub(crate) fn build(found: &Repository) -> Result<Tally, String> {
    simple(found, &["build", "--workspace", "--bins", "--locked", "--quiet"])
}

fn tools_step(found: &Repository) -> Result<Tally, String> {
    tools::install(found).map(|()| Tally::one(true))
}

/// Modules of the integration binary that have a step of their own.
const OWN_STEPS: [&str; 3] = ["conformance", "otel", "real_servers"];

fn tests(found: &Repository) -> Result<Tally, String> {
    ready(found)?;
    let own = OWN_STEPS.join("|");
    let filter = format!("not (package(it) & test(/^({own})::/))");
    let skips: Vec<String> =
        OWN_STEPS.iter().flat_map(|own| ["--skip".to_owned(), format!("{own}::")]).collect();
    nextest(found, &["--workspace"], &filter, &skips)
}

fn conformance(found: &Repository) -> Result<Tally, String> {
    one_module(found, "conformance")
}

fn real_servers(found: &Repository) -> Result<Tally, String> {
    one_module(found, "real_servers")
}

fn one_module(found: &Repository, module: &str) -> Result<Tally, String> {
    ready(found)?;
    let wanted = format!("{module}::");
    nextest(found, &["--package=it"], &format!("test(/^{wanted}/)"), &[wanted])
}

fn browser(found: &Repository) -> Result<Tally, String> {
    ready(found)?;
    browser::run(found, browser::Wish::Tests).map(|(passed, failed)| Tally { passed, failed })
}

/// Takes the pictures of the documentation.
///
/// # Errors
/// When something cannot be built or started.
pub(crate) fn shots(found: &Repository) -> Result<bool, String> {
    ready(found)?;
    browser::run(found, browser::Wish::Pictures).map(|(_passed, failed)| failed == 0)
}

/// The feature of the product that brings traces.
const TRACES: &str = "--features=portcullis/otel";

/// The product with traces is built in place of the usual one, because both share all but a few
/// crates in one folder; it is then put beside it, and the usual one comes back. The whole
/// workspace is named each time, so that Cargo settles the same features for the other crates.
fn otel(found: &Repository) -> Result<Tally, String> {
    let workspace = ["--workspace", TRACES, "--locked"];
    let with = |before: &[&str], after: &[&str]| {
        let arguments: Vec<&str> = before.iter().chain(&workspace).chain(after).copied().collect();
        simple(found, &arguments)
    };
    let clippy = with(&["clippy", "--all-targets", "--quiet"], &["--", "-D", "warnings"])?;
    let built = with(&["build", "--bins", "--quiet"], &[]);
    let folder = found.target().join("debug");
    let copied = built.and_then(|built| {
        let copied = std::fs::copy(folder.join("portcullis"), folder.join("portcullis-otel"));
        copied.map(|_bytes| built).map_err(|problem| format!("cannot copy the build: {problem}"))
    });
    let usual = build(found)?;
    let filter = "(package(portcullis) & test(/^traces::/)) | (package(it) & test(/^otel::/))";
    let plain = ["traces::".to_owned(), "otel::".to_owned()];
    let tests = nextest(found, &["--workspace", TRACES], filter, &plain)?;
    Ok(clippy.add(copied?).add(usual).add(tests))
}

/// The binaries and tools that integration tests start.
fn ready(found: &Repository) -> Result<(), String> {
    build(found)?;
    tools::install(found)
}

/// Runs tests with nextest, or, loudly, with what Cargo brings.
fn nextest(
    found: &Repository,
    packages: &[&str],
    filter: &str,
    plain: &[String],
) -> Result<Tally, String> {
    if process::there_is("cargo", &["nextest", "--version"]) {
        let mut command = cargo(found, &["nextest", "run", "--locked", "--no-fail-fast"]);
        command.args(packages).args(["-E", filter]);
        let (ok, lines) = process::watched(command)?;
        return Ok(summary(&lines, ok));
    }
    say("!!! cargo-nextest is missing: falling back to `cargo test`, which runs the tests of one \
         binary in one process and shows less. `cargo install cargo-nextest --locked` gets it.\n");
    let mut fallback = cargo(found, &["test", "--locked", "--no-fail-fast"]);
    fallback.args(packages).args(["--bins", "--lib", "--tests", "--"]).args(plain);
    Ok(Tally::one(process::run(fallback).is_ok()))
}

/// Reads nextest's closing line; a run without one, or with no test, has failed.
fn summary(lines: &[String], ok: bool) -> Tally {
    let closing = lines.iter().rev().find(|line| line.contains("Summary ["));
    let count = |word: &str| {
        let line = closing?;
        let before = line.split(&format!(" {word}")).next()?;
        let digits = before.rsplit([' ', '(']).next()?;
        digits.parse::<usize>().ok().filter(|_count| line.contains(&format!(" {word}")))
    };
    let passed = count("passed").unwrap_or(0);
    let failed = count("failed").unwrap_or(0) + count("timed out").unwrap_or(0);
    if (ok && passed > 0) || failed > 0 {
        return Tally { passed, failed };
    }
    Tally { passed, failed: 1 }
}

fn doc(found: &Repository) -> Result<Tally, String> {
    simple(found, &["test", "--workspace", "--doc", "--locked", "--quiet"])
}

fn bench_step(found: &Repository) -> Result<Tally, String> {
    build(found)?;
    bench::smoke(found).map(|rows| Tally { passed: rows, failed: 0 })
}

fn fuzz(found: &Repository) -> Result<Tally, String> {
    fuzzing::short(found).map(|(passed, failed)| Tally { passed, failed })
}

fn snippets_step(found: &Repository) -> Result<Tally, String> {
    build(found)?;
    let program = found.target().join("debug/portcullis");
    let results = snippets::check(found, &program)?;
    for fault in &results.faults {
        say(&format!("snippets: {fault}\n"));
    }
    Ok(Tally { passed: results.checked - results.faults.len(), failed: results.faults.len() })
}

fn deny(found: &Repository) -> Result<Tally, String> {
    let program = tools::deny(found)?;
    let arguments = ["--workspace", "check", "bans", "licenses", "sources"];
    process::run(command(found.root(), program, &arguments)).map(|()| Tally::one(true))
}

#[cfg(test)]
#[path = "steps_tests.rs"]
mod tests_of_steps;
