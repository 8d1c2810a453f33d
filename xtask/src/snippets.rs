//! Tries what README.md and docs/ show. Blocks marked `console run` are run as a reader would run them; every policy must
//! validate, every configuration (`toml`) must be one that `serve` would take, other JSON must be JSON, and every
//! `portcullis` command, in a block or between backticks, must be one that the program knows. A block that cannot be
//! tried says `unchecked` behind its language; a language that is not known is a fault. Judges no prose.

use std::fs;
use std::path::Path;

use crate::process;
use crate::repository::Repository;
use crate::walkthrough::Walk;

/// What was tried, and what did not hold.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) checked: usize,
    pub(crate) faults: Vec<String>,
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block {
    language: String,
    line: usize,
    text: String,
}

/// Tries every block of every page.
///
/// # Errors
/// When a page cannot be read.
pub(crate) fn check(found: &Repository, program: &Path) -> Result<Results, String> {
    let mut results = Results::default();
    let pages = found.files()?;
    let is_page = |name: &&String| {
        name.as_str() == "README.md"
            || (name.starts_with("docs/") && Path::new(name).extension().is_some_and(|e| e == "md"))
    };
    for page in pages.iter().filter(is_page) {
        let text = fs::read_to_string(found.root().join(page))
            .map_err(|problem| format!("cannot read {page}: {problem}"))?;
        let mut walk = None;
        for block in blocks(&text) {
            let place = format!("{page}:{}", block.line);
            let outcomes = if block.is("run") {
                walked(&mut walk, &block, found, program)?
            } else {
                try_block(&block, found, program)
            };
            results.note(&place, outcomes);
        }
        for (line, command) in spans(&text) {
            results.note(&format!("{page}:{line}"), try_commands(&command, found, program));
        }
    }
    if results.checked == 0 {
        results.checked = 1;
        results.faults.push("README.md and docs/ show nothing that could be tried".to_owned());
    }
    Ok(results)
}

/// The fenced blocks of a page, with the line of their first line of text.
pub(crate) fn blocks(page: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in (1..).zip(page.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match (&mut open, fence) {
            (None, Some(language)) => {
                let language = language.trim().to_owned();
                open = Some(Block { language, line: number + 1, text: String::new() });
            }
            (Some(_block), Some(_fence)) => found.extend(open.take()),
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

impl Results {
    fn note(&mut self, place: &str, outcomes: Vec<Result<(), String>>) {
        self.checked += outcomes.len();
        let faults = outcomes.into_iter().filter_map(Result::err);
        self.faults.extend(faults.map(|problem| format!("{place}: {problem}")));
    }
}

impl Block {
    /// Whether a word stands behind the language.
    fn is(&self, mark: &str) -> bool {
        self.language.split_whitespace().skip(1).any(|word| word == mark)
    }
}

/// Runs a block in the folder of its page.
fn walked(
    walk: &mut Option<Walk>,
    block: &Block,
    found: &Repository,
    program: &Path,
) -> Result<Vec<Result<(), String>>, String> {
    if walk.is_none() {
        *walk = Some(Walk::begin(found.target().join("snippets/walk"), program)?);
    }
    Ok(walk.as_mut().map(|walk| walk.block(&block.text)).unwrap_or_default())
}

/// What came of each thing that the block shows.
fn try_block(block: &Block, found: &Repository, program: &Path) -> Vec<Result<(), String>> {
    if block.is("unchecked") {
        return Vec::new();
    }
    match block.language.split_whitespace().next() {
        Some("json" | "jsonc") if block.is("policy") => {
            vec![try_policy(&block.text, found, program)]
        }
        Some("json") => {
            let parsed = serde_json::from_str::<serde_json::Value>(&block.text);
            vec![parsed.map(drop).map_err(|problem| problem.to_string())]
        }
        Some("toml") => vec![try_configuration(&block.text, found, program)],
        Some("console" | "sh" | "text") | None => try_commands(&block.text, found, program),
        Some(other) => vec![Err(format!("nothing tries `{other}`: mark the block `unchecked`"))],
    }
}

/// A policy that allows nothing, for configurations that name one.
const SOME_POLICY: &str = r#"{ "version": "1", "default": "deny" }"#;

/// The values in quotes that begin with `begin`.
fn quoted<'t>(text: &'t str, begin: &'t str) -> impl Iterator<Item = &'t str> {
    text.split('"').skip(1).step_by(2).filter_map(move |value| value.strip_prefix(begin))
}

/// A configuration is one that `serve` would take, with the variables and files that it names in place.
fn try_configuration(text: &str, found: &Repository, program: &Path) -> Result<(), String> {
    let folder = found.target().join("snippets/configuration");
    let cannot = |problem: std::io::Error| problem.to_string();
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(cannot)?;
    }
    fs::create_dir_all(&folder).map_err(cannot)?;
    let is_policy = |name: &&str| Path::new(name).extension().is_some_and(|end| end == "json");
    let policies = quoted(text, "").filter(is_policy);
    for name in policies {
        fs::write(folder.join(name), SOME_POLICY).map_err(cannot)?;
    }
    let file = folder.join("portcullis.toml");
    fs::write(&file, text).map_err(cannot)?;
    let listing = ["server".as_ref(), "list".as_ref(), "--config".as_ref(), file.as_os_str()];
    let mut command = process::command(&folder, program, &listing);
    let secret = |number: usize| format!("https://secret.example.com/{number:016}");
    command.envs(quoted(text, "env:").enumerate().map(|(at, name)| (name, secret(at))));
    let ran = command.output().map_err(cannot)?;
    let said = String::from_utf8_lossy(&ran.stderr).trim().to_owned();
    if ran.status.success() { Ok(()) } else { Err(said) }
}

fn try_policy(text: &str, found: &Repository, program: &Path) -> Result<(), String> {
    let file = found.target().join("snippet.policy.json");
    fs::write(&file, text).map_err(|problem| problem.to_string())?;
    let name = file.to_string_lossy().into_owned();
    let shown = program.to_string_lossy().into_owned();
    process::output(found.root(), &shown, &["policy", "validate", &name]).map(drop)
}

fn try_commands(text: &str, found: &Repository, program: &Path) -> Vec<Result<(), String>> {
    commands(text).iter().map(|command| try_command(found, program, command)).collect()
}

/// Commands between backticks in running text, with their lines.
pub(crate) fn spans(page: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(page.lines()) {
        if line.trim_start().starts_with("```") {
            inside = !inside;
            continue;
        }
        if inside {
            continue;
        }
        let code = line.split('`').skip(1).step_by(2);
        let own = code.filter(|code| code.starts_with("portcullis "));
        found.extend(own.map(|code| (number, code.replace("\\|", "|"))));
    }
    found
}

/// The `portcullis` commands of a text, as words: a prompt before and a comment after are dropped,
/// and `a | b` stands for two commands that differ in their last word.
pub(crate) fn commands(block: &str) -> Vec<Vec<String>> {
    let whole = block.replace("\\\n", " ");
    let lines = whole.lines().map(str::trim).map(|line| line.strip_prefix("$ ").unwrap_or(line));
    lines
        .filter_map(|line| line.strip_prefix("portcullis "))
        .map(|line| line.split(" #").next().unwrap_or(line))
        .flat_map(alternatives)
        .collect()
}

fn alternatives(line: &str) -> Vec<Vec<String>> {
    let mut parts = line.split('|').map(|part| {
        let words = part.split_whitespace().filter(|word| *word != "…");
        words.map(str::to_owned).collect::<Vec<String>>()
    });
    let first = parts.next().unwrap_or_default();
    let kept = first.len().saturating_sub(1);
    let others: Vec<Vec<String>> =
        parts.map(|part| first.iter().take(kept).cloned().chain(part).collect()).collect();
    std::iter::once(first).chain(others).collect()
}

/// A command of the documentation is one that the program knows: every subcommand of it has help,
/// and every option that it uses stands in that help.
fn try_command(found: &Repository, program: &Path, words: &[String]) -> Result<(), String> {
    let own: Vec<&String> = words.iter().take_while(|word| word.as_str() != "--").collect();
    let is_name = |word: &&&String| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    let mut path: Vec<&str> = own
        .iter()
        .take_while(is_name)
        .filter(|word| !word.starts_with('-'))
        .take(2)
        .map(|word| word.as_str())
        .collect();
    let shown = program.to_string_lossy().into_owned();
    let help = loop {
        let mut arguments = path.clone();
        arguments.push("--help");
        match process::output(found.root(), &shown, &arguments) {
            Ok(help) => break help,
            Err(problem) if path.len() < 2 => return Err(problem),
            Err(_problem) => path.truncate(1),
        }
    };
    let options = own.iter().filter(|word| word.starts_with("--"));
    for option in options.map(|word| word.split('=').next().unwrap_or(word)) {
        if !help.contains(option) {
            return Err(format!("`portcullis {}` has no {option}", path.join(" ")));
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "snippets_tests.rs"]
mod tests;
