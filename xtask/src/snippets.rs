//! Tries what README.md and docs/ show: every JSON block that is a policy must validate, and every
//! `portcullis` command of a console block must be one that the program knows. Judges no prose.

use std::fs;
use std::path::Path;

use crate::process;
use crate::repository::Repository;

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
        for block in blocks(&text) {
            let place = format!("{page}:{}", block.line);
            try_block(&block, found, program, &place, &mut results);
        }
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

fn try_block(
    block: &Block,
    found: &Repository,
    program: &Path,
    place: &str,
    results: &mut Results,
) {
    match block.language.as_str() {
        "json" | "jsonc" if is_policy(&block.text) => {
            results.checked += 1;
            let file = found.target().join("snippet.policy.json");
            let outcome = fs::write(&file, &block.text).map_err(|problem| problem.to_string());
            let name = file.to_string_lossy().into_owned();
            let shown = program.to_string_lossy().into_owned();
            let validated = outcome.and_then(|()| {
                process::output(found.root(), &shown, &["policy", "validate", &name])
            });
            results.faults.extend(validated.err().map(|problem| format!("{place}: {problem}")));
        }
        "console" | "sh" => {
            for command in commands(&block.text) {
                results.checked += 1;
                let fault = try_command(found, program, &command).err();
                results.faults.extend(fault.map(|problem| format!("{place}: {problem}")));
            }
        }
        _ => {}
    }
}

/// Whether a JSON block is a whole policy, not a part of one.
fn is_policy(text: &str) -> bool {
    text.trim_start().starts_with('{')
        && text.contains("\"version\"")
        && text.contains("\"default\"")
}

/// The `portcullis` commands of a block, as words: a prompt before and a comment after are dropped.
pub(crate) fn commands(block: &str) -> Vec<Vec<String>> {
    let whole = block.replace("\\\n", " ");
    let lines = whole.lines().map(str::trim).map(|line| line.strip_prefix("$ ").unwrap_or(line));
    lines
        .filter_map(|line| line.strip_prefix("portcullis "))
        .map(|line| line.split(" #").next().unwrap_or(line))
        .map(|line| line.split_whitespace().map(str::to_owned).collect())
        .collect()
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
