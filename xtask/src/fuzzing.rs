//! Builds the targets of `fuzz/` with libFuzzer's coverage and runs them: short as a step of
//! `cargo xtask test`, long as a part of `cargo xtask soak`. What a target checks lives in `fuzz/`.
//!
//! Stable Rust is enough: coverage comes from an LLVM pass that any compiler has. It is asked for
//! by standing in for `rustc` ([`stand_in`]), so that only the crates in question pay for it.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use crate::process::{self, command};
use crate::repository::Repository;
use crate::say;
use crate::soak::Wish;

/// Crates whose branches guide the fuzzer: ours that are under test, and the parsers below them.
const GUIDING: [&str; 7] =
    ["fuzz", "fuzz_edge", "policy", "mcp", "jsonc_parser", "toml", "toml_parser"];
/// What libFuzzer needs of the code that guides it. Cargo knows neither of these nor of [`GUIDING`]: after
/// a change remove `target/fuzzing`.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];
/// The workspace of the targets.
const MANIFEST: &str = "fuzz/Cargo.toml";
/// The package whose targets need no more than the pure crates.
const PURE: &str = "portcullis-fuzz";
/// The package whose targets need half of the product: their kept inputs run as unit tests of the crates
/// that own the code, and only `cargo xtask soak` builds them as targets.
const EDGE: &str = "fuzz-edge";
/// Longest input that is drawn, in bytes.
const INPUT_BYTES_MAX: u32 = 2048;
/// Longest time for one input: far more than any takes, because machines are shared.
const INPUT_SECONDS_MAX: u32 = 120;
/// Most memory of a target, in MiB.
const MEMORY_MIB_MAX: u32 = 2048;
/// Inputs that `cargo xtask test` runs for each target, the kept ones among them.
const SHORT_INPUTS: u32 = 20_000;
/// Longest time that they may take for each target, in seconds.
const SHORT_SECONDS_MAX: u64 = 12;

/// Whether this process was started in the place of `rustc`; then it becomes that.
pub(crate) fn stand_in(arguments: &[OsString]) -> Option<ExitCode> {
    let (program, rest) = arguments.split_first()?;
    if Path::new(program).file_stem() != Some(OsStr::new("rustc")) {
        return None;
    }
    let mut rustc = Command::new(program);
    rustc.args(rest);
    let name = rest.iter().skip_while(|argument| *argument != "--crate-name").nth(1);
    if name.is_some_and(|name| GUIDING.iter().any(|guiding| name == guiding)) {
        rustc.args(COVERAGE);
    }
    let status = rustc.status().ok().and_then(|status| status.code());
    Some(ExitCode::from(status.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// One target: a program below `fuzz/`.
struct Target {
    name: String,
    package: &'static str,
}

impl Target {
    /// Every target, by name.
    fn all(found: &Repository) -> Result<Vec<Self>, String> {
        let mut targets = Vec::new();
        for (package, folder) in [(PURE, "fuzz/bin"), (EDGE, "fuzz/edge/bin")] {
            let folder = found.root().join(folder);
            let cannot = |problem| format!("cannot read {}: {problem}", folder.display());
            for entry in std::fs::read_dir(&folder).map_err(cannot)? {
                let path = entry.map_err(cannot)?.path();
                let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                targets.extend(name.map(|name| Self { name, package }));
            }
        }
        targets.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(targets)
    }

    /// Inputs that the repository keeps.
    fn kept(&self, found: &Repository) -> PathBuf {
        found.root().join("fuzz/corpus").join(&self.name)
    }
}

/// Where everything goes that fuzzing makes.
fn folder(found: &Repository) -> PathBuf {
    found.target().join("fuzzing")
}

/// The long form: each named target, or every one, runs for a time and keeps what it finds below
/// `target/fuzzing`. Whether none failed.
///
/// # Errors
/// When a name is no target's, or something cannot be built.
pub(crate) fn long(found: &Repository, wish: &Wish) -> Result<bool, String> {
    let targets = Target::all(found)?;
    let known = |name: &&String| targets.iter().any(|target| target.name == name.as_str());
    if let Some(unknown) = wish.names.iter().find(|name| !known(name)) {
        let names: Vec<&str> = targets.iter().map(|target| target.name.as_str()).collect();
        return Err(format!("there is no target `{unknown}`; there are: {}", names.join(", ")));
    }
    let wanted = |target: &&Target| wish.names.is_empty() || wish.names.contains(&target.name);
    let wanted: Vec<&Target> = targets.iter().filter(wanted).collect();
    for package in [PURE, EDGE] {
        if wanted.iter().any(|target| target.package == package) {
            build(found, package)?;
        }
    }
    let mut failures = Vec::new();
    for target in wanted {
        let grown = folder(found).join("corpus").join(&target.name);
        let draw = Draw { grown: &grown, limit: Limit::Time(wish.time), shown: Shown::Always };
        failures.extend(draw.run(found, target).err().map(|problem| (&target.name, problem)));
    }
    for (name, problem) in &failures {
        say(&format!("fuzz: {name}: {problem}\n"));
    }
    Ok(failures.is_empty())
}

/// The step of `cargo xtask test`: every kept input, then a number of fresh ones from a fixed seed.
/// Hands back how many targets passed and failed.
///
/// # Errors
/// When something cannot be built.
pub(crate) fn short(found: &Repository) -> Result<(usize, usize), String> {
    build(found, PURE)?;
    let (mut passed, mut failed) = (0, 0);
    for target in Target::all(found)?.iter().filter(|target| target.package == PURE) {
        let grown = folder(found).join("short").join(&target.name);
        let outcome = replay(found, target).and_then(|()| {
            // Each run begins with the kept inputs alone, so that it does not depend on the last.
            drop(std::fs::remove_dir_all(&grown));
            let draw = Draw { grown: &grown, limit: Limit::Inputs, shown: Shown::WhereWrong };
            draw.run(found, target)
        });
        match outcome {
            Ok(()) => passed += 1,
            Err(problem) => {
                say(&format!("fuzz: {}: {problem}\n", target.name));
                failed += 1;
            }
        }
    }
    Ok((passed, failed))
}

/// Lints every target, where the workspace was linted: most dependencies are there already.
///
/// # Errors
/// When something is found.
pub(crate) fn lint(found: &Repository) -> Result<(), String> {
    let mut words = vec!["clippy", "--workspace", "--lib", "--bins", "--locked", "--quiet"];
    words.extend(["--manifest-path", MANIFEST, "--", "-D", "warnings"]);
    let mut cargo = command(found.root(), "cargo", &words);
    cargo.env("CARGO_TARGET_DIR", found.target());
    process::run(cargo).map_err(|problem| lock_too(&problem))
}

/// Checks the format of the targets' own files.
///
/// # Errors
/// When one is not in order.
pub(crate) fn formatted(found: &Repository) -> Result<(), String> {
    let words =
        ["fmt", "--check", "--manifest-path", MANIFEST, "--package", PURE, "--package", EDGE];
    process::run(command(found.root(), "cargo", &words))
}

fn build(found: &Repository, package: &str) -> Result<(), String> {
    let words = ["build", "--release", "--locked", "--quiet", "--manifest-path", MANIFEST];
    let mut cargo = command(found.root(), "cargo", &words);
    cargo.args(["--package", package, "--features", "engine"]);
    cargo.env("CARGO_TARGET_DIR", folder(found)).env("RUSTC_WRAPPER", found.this_program());
    process::run(cargo).map_err(|problem| lock_too(&problem))
}

/// What to do where the crates asked for something since the lock file of the targets was written.
fn lock_too(problem: &str) -> String {
    format!(
        "{problem}; if fuzz/Cargo.lock is behind the crates: \
         cargo update --workspace --manifest-path {MANIFEST}"
    )
}

fn program(found: &Repository, target: &Target) -> Result<Command, String> {
    let crashes = folder(found).join("crashes").join(&target.name);
    make(&crashes)?;
    let mut run = Command::new(folder(found).join("release").join(&target.name));
    run.current_dir(found.root()).stdin(Stdio::null());
    run.arg(format!("-artifact_prefix={}/", crashes.display()));
    run.arg(format!("-timeout={INPUT_SECONDS_MAX}")).arg(format!("-rss_limit_mb={MEMORY_MIB_MAX}"));
    Ok(run)
}

/// Whether what a target says is shown while it runs, or only where something is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Always,
    WhereWrong,
}

fn replay(found: &Repository, target: &Target) -> Result<(), String> {
    let mut run = program(found, target)?;
    run.arg("-runs=0").arg(target.kept(found));
    judged(found, target, run, Shown::WhereWrong)
}

/// When a run ends.
#[derive(Clone, Copy)]
enum Limit {
    /// After this time, from a seed that nobody chose.
    Time(Duration),
    /// After a number of inputs, from a fixed seed. Which inputs they are still depends on hash seeds and
    /// addresses, as these change which branches are taken: a failing one is written, and fails alone.
    Inputs,
}

/// Fresh inputs for a target.
struct Draw<'a> {
    /// Where inputs go that reach something new.
    grown: &'a Path,
    limit: Limit,
    shown: Shown,
}

impl Draw<'_> {
    fn run(&self, found: &Repository, target: &Target) -> Result<(), String> {
        make(self.grown)?;
        let mut run = program(found, target)?;
        let words = found.root().join("fuzz/dictionaries").join(format!("{}.dict", target.name));
        if words.is_file() {
            run.arg(format!("-dict={}", words.display()));
        }
        let seconds = match self.limit {
            Limit::Time(time) => time.as_secs(),
            Limit::Inputs => {
                run.args(["-seed=1", "-reload=0"]).arg(format!("-runs={SHORT_INPUTS}"));
                SHORT_SECONDS_MAX
            }
        };
        run.arg(format!("-max_len={INPUT_BYTES_MAX}")).arg("-print_final_stats=1");
        run.arg(format!("-max_total_time={seconds}"));
        run.arg(self.grown).arg(target.kept(found));
        judged(found, target, run, self.shown)
    }
}

/// Runs a target to its end; a failure names the input.
fn judged(
    found: &Repository,
    target: &Target,
    mut run: Command,
    shown: Shown,
) -> Result<(), String> {
    let (good, lines) = match shown {
        Shown::Always => process::watched(run)?,
        Shown::WhereWrong => {
            let ran = run.output().map_err(|problem| format!("cannot run it: {problem}"))?;
            let said = String::from_utf8_lossy(&ran.stderr);
            if !ran.status.success() {
                say(&said);
            }
            (ran.status.success(), said.lines().map(str::to_owned).collect())
        }
    };
    if good {
        let figures = lines.iter().rev().find(|line| line.contains(" cov: "));
        say(&format!("fuzz: {}: {}\n", target.name, figures.map_or("done", String::as_str)));
        return Ok(());
    }
    let input = lines.iter().find_map(|line| line.split("Test unit written to ").nth(1));
    let again = folder(found).join("release").join(&target.name);
    Err(match input {
        Some(input) => format!("failed on {input}\nalone: {} {input}", again.display()),
        None => "failed, and wrote no input".to_owned(),
    })
}

fn make(folder: &Path) -> Result<(), String> {
    let cannot = |problem| format!("cannot make {}: {problem}", folder.display());
    std::fs::create_dir_all(folder).map_err(cannot)
}
