//! Builds what a benchmark needs and starts it: the gateway as it is shipped, and the `bench` program
//! beside it. What is measured, and how, lives in `bench`.

use std::fs;
use std::io::Write;

use serde_json::Value;

use crate::process::{self, command};
use crate::repository::Repository;

/// Measures a release build.
///
/// # Errors
/// When something cannot be built.
pub(crate) fn run(found: &Repository, arguments: &[String]) -> Result<bool, String> {
    let help = arguments.iter().any(|argument| argument == "-h" || argument == "--help");
    if help {
        let words = ["run", "--quiet", "--package=bench", "--locked", "--", "run", "--help"];
        return process::run(command(found.root(), "cargo", &words)).map(|()| true);
    }
    // One after the other: built together, the gateway would get what `bench` asks of their common
    // dependencies, and would not be the program that `cargo build --release` makes.
    for (package, about) in [("portcullis", "the gateway"), ("bench", "what measures it")] {
        note(&format!("builds {about}; the first time, this takes some minutes\n"));
        let package = format!("--package={package}");
        let words = ["build", "--release", "--bins", "--locked", &package];
        process::run(command(found.root(), "cargo", &words))?;
    }
    let program = found.target().join("release/bench");
    let here = std::env::current_dir().map_err(|problem| problem.to_string())?;
    let words: Vec<&str> =
        ["run"].into_iter().chain(arguments.iter().map(String::as_str)).collect();
    Ok(process::run(command(&here, program, &words)).is_ok())
}

/// Says something to a person, beside what goes to a file.
fn note(text: &str) {
    drop(std::io::stderr().lock().write_all(text.as_bytes()));
}

/// The rows that a run of all workloads has: workload and target.
const ROWS: [(&str, &str); 21] = [
    ("W1", "proxy"),
    ("W1", "portcullis"),
    ("W1", "portcullis-durable"),
    ("W1 fixed", "proxy"),
    ("W1 fixed", "portcullis"),
    ("W1 fixed", "portcullis-durable"),
    ("W1 fixed", "direct"),
    ("W2", "proxy"),
    ("W2", "portcullis"),
    ("W2", "portcullis-durable"),
    ("W3", "proxy"),
    ("W3", "portcullis"),
    ("W3", "portcullis-durable"),
    ("W4", "proxy"),
    ("W4", "portcullis"),
    ("W4", "portcullis-durable"),
    ("W5", "proxy"),
    ("W5", "portcullis"),
    ("W6", "proxy"),
    ("W6", "portcullis"),
    ("W6", "portcullis-500"),
];

/// Runs everything for a moment on the debug build: no figure is judged, but every answer is checked,
/// and no row may be missing. Hands back how many rows there are.
///
/// # Errors
/// When a call was refused or failed, or a row is missing.
pub(crate) fn smoke(found: &Repository) -> Result<usize, String> {
    let program = found.target().join("debug/bench");
    let file = found.target().join("bench-smoke.json");
    let place = file.to_string_lossy().into_owned();
    let mut words: Vec<&str> = SMOKE.split(' ').collect();
    words.extend(["--json", &place]);
    process::output(found.root(), &program.to_string_lossy(), &words)?;
    let text = fs::read_to_string(&file).map_err(|problem| problem.to_string())?;
    let results = serde_json::from_str(&text).map_err(|problem| problem.to_string())?;
    let missing: Vec<String> =
        ROWS.iter().filter(|row| !is_right(&results, row)).map(|row| format!("{row:?}")).collect();
    if !missing.is_empty() {
        return Err(format!(
            "rows that are missing or hold no right answer: {}",
            missing.join(", ")
        ));
    }
    let of = |list: &str| results.get(list).and_then(Value::as_array).map_or(0, Vec::len);
    let (scale, limits) = (of("scale"), of("limits"));
    if (scale, limits) != (SCALE_ROWS, LIMIT_ROWS) {
        return Err(format!("{scale} rows of `scale` and {limits} of `limits`"));
    }
    Ok(ROWS.len() + scale + limits)
}

/// Rows of the part `scale`.
const SCALE_ROWS: usize = 6;
/// Rows of the part `limits`.
const LIMIT_ROWS: usize = 25;

const SMOKE: &str = "run --quick -d 0.3 --warmup 0.1 --settle 0.1 -c 4 --sessions 25 --rows 1000";

/// Whether a row is there, with answers and without refusals or errors.
fn is_right(results: &Value, (workload, target): &(&str, &str)) -> bool {
    let (workload, is_fixed) =
        workload.strip_suffix(" fixed").map_or((*workload, false), |name| (name, true));
    let rows = results.get("rows").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let wanted = |row: &&Value| {
        let pace = row.get("pace");
        row.get("workload").and_then(Value::as_str) == Some(workload)
            && row.get("target").and_then(Value::as_str) == Some(*target)
            && pace.is_some_and(|pace| pace.get("fixed").is_some() == is_fixed)
    };
    let runs = rows.iter().find(wanted).and_then(|row| row.get("runs")?.as_array());
    let count = |run: &Value, name: &str| run.get(name).and_then(Value::as_u64);
    runs.is_some_and(|runs| {
        let right = |run: &Value| {
            count(run, "answers") > Some(0)
                && count(run, "denied") == Some(0)
                && count(run, "errors") == Some(0)
        };
        !runs.is_empty() && runs.iter().all(right)
    })
}

#[cfg(test)]
#[path = "bench_tests.rs"]
mod tests;
