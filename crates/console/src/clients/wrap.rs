//! A program of a client's file put behind `portcullis run`, and back: edits of a few bytes that leave everything
//! else as it stands, comments included.
//!
//! Nothing is lost on the way: the program moves, as it is written, to the end of what is put in front of the
//! arguments, so that taking the addition out again gives the very bytes that were there. An edit that cannot be
//! taken back to the byte, or that reads as something else than what was meant, is refused.
//!
//! What never lives here: files, backups, asking.

use std::ops::Range;

use thiserror::Error;

use super::node::Node;
use super::quote::string;
use super::read::{named, reach};
use super::{Format, SyntaxError};

/// The file and the entry that an edit is about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// How the file is written.
    pub format: Format,
    /// Where its servers may stand.
    pub containers: &'a [&'a [&'a str]],
    /// The entry's name.
    pub server: &'a str,
    /// The project, where the containers name several.
    pub project: Option<&'a str>,
}

/// What is put in front of a program: `portcullis`, `run` and its switches. The `--` follows by itself.
#[derive(Debug, Clone, Copy)]
pub struct Front<'a> {
    /// The program that takes over.
    pub program: &'a str,
    /// Its arguments, without `--`.
    pub arguments: &'a [String],
}

/// Why an entry is left as it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum WrapError {
    /// The file cannot be read.
    #[error("the file cannot be read: {0}")]
    Syntax(#[from] SyntaxError),
    /// No such entry.
    #[error("there is no server `{0}` in it")]
    NotFound(String),
    /// Several entries of this name.
    #[error("the server `{0}` stands there more than once")]
    Ambiguous(String),
    /// The entry has no program.
    #[error("`{0}` is no program: give its URL to the gateway as a server instead")]
    NotAProgram(String),
    /// It goes through the gateway already.
    #[error("`{0}` is behind the gateway already")]
    AlreadyWrapped(String),
    /// It does not go through the gateway.
    #[error("`{0}` was not put behind the gateway by `portcullis wrap`")]
    NotWrapped(String),
    /// It is written in a way that is not understood.
    #[error(
        "`{0}` is written in a way that cannot be changed and changed back to the byte; change it by hand"
    )]
    NotUnderstood(String),
}

/// The text with the entry behind `front`.
///
/// # Errors
/// [`WrapError`]; the text is then to stay as it is.
pub fn wrap(text: &str, target: Target<'_>, front: Front<'_>) -> Result<String, WrapError> {
    let name = || target.server.to_owned();
    let root = Node::parse(target.format, text)?;
    let entry = find(&root, target)?;
    let program = Program::of(entry).ok_or_else(|| unfit(entry, target.server))?;
    if program.words.get(1).is_some_and(|word| word == "run" || word == "connect")
        && program.words.first().is_some_and(|word| ends_in_ours(word))
    {
        return Err(WrapError::AlreadyWrapped(name()));
    }
    let edits = putting_in_front(text, target.format, &program, front);
    let wrapped = apply(text, edits.ok_or_else(|| WrapError::NotUnderstood(name()))?);
    let mut expected = vec![front.program.to_owned()];
    expected.extend_from_slice(front.arguments);
    expected.push("--".to_owned());
    expected.extend_from_slice(&program.words);
    let found = words(&wrapped, target).ok();
    let back = unwrap(&wrapped, target).ok();
    if found.as_ref() == Some(&expected) && back.as_deref() == Some(text) {
        Ok(wrapped)
    } else {
        Err(WrapError::NotUnderstood(name()))
    }
}

/// The text with the entry as it was before [`wrap`].
///
/// # Errors
/// [`WrapError`]; the text is then to stay as it is.
pub fn unwrap(text: &str, target: Target<'_>) -> Result<String, WrapError> {
    let name = || target.server.to_owned();
    let root = Node::parse(target.format, text)?;
    let entry = find(&root, target)?;
    let program = Program::of(entry).ok_or_else(|| unfit(entry, target.server))?;
    let ours = program.words.first().is_some_and(|word| ends_in_ours(word))
        && program.words.get(1).is_some_and(|word| word == "run");
    let cut = program.words.iter().position(|word| word == "--");
    let (true, Some(cut)) = (ours, cut) else { return Err(WrapError::NotWrapped(name())) };
    let rest: Vec<String> = program.words.iter().skip(cut.saturating_add(1)).cloned().collect();
    if rest.is_empty() {
        return Err(WrapError::NotWrapped(name()));
    }
    let edits = taking_away(text, target.format, &program, cut);
    let bare = apply(text, edits.ok_or_else(|| WrapError::NotUnderstood(name()))?);
    if words(&bare, target).is_ok_and(|found| found == rest) {
        Ok(bare)
    } else {
        Err(WrapError::NotUnderstood(name()))
    }
}

/// The program of an entry with its arguments.
///
/// # Errors
/// [`WrapError`] for an entry that is not there or has no program.
pub fn words(text: &str, target: Target<'_>) -> Result<Vec<String>, WrapError> {
    let root = Node::parse(target.format, text)?;
    let entry = find(&root, target)?;
    let program = Program::of(entry);
    program.map(|program| program.words).ok_or_else(|| unfit(entry, target.server))
}

/// The names of the variables that the entry gives its program.
///
/// # Errors
/// [`WrapError`] for an entry that is not there.
pub fn variables(text: &str, target: Target<'_>) -> Result<Vec<String>, WrapError> {
    let root = Node::parse(target.format, text)?;
    let entry = find(&root, target)?;
    let tables = ["env", "environment", "envs"].iter().filter_map(|name| entry.get(name));
    Ok(tables.flat_map(Node::table).map(|(name, _)| name.clone()).collect())
}

fn unfit(entry: &Node, server: &str) -> WrapError {
    let has_program = entry.get("command").or_else(|| entry.get("cmd")).is_some();
    if has_program {
        WrapError::NotUnderstood(server.to_owned())
    } else {
        WrapError::NotAProgram(server.to_owned())
    }
}

fn ends_in_ours(program: &str) -> bool {
    let last = program.rsplit(['/', '\\']).next().unwrap_or(program);
    last.strip_suffix(".exe").unwrap_or(last) == "portcullis"
}

fn find<'n>(root: &'n Node, target: Target<'_>) -> Result<&'n Node, WrapError> {
    let mut found = Vec::new();
    for container in target.containers {
        // Readers differ in which of two tables of one name counts.
        if stands_twice(root, container) {
            return Err(WrapError::Ambiguous(target.server.to_owned()));
        }
        for (project, node) in reach(root, container, None) {
            if target.project.is_none_or(|wanted| project == Some(wanted)) {
                let named = named(node).into_iter();
                found.extend(named.filter(|(name, _)| *name == target.server).map(|(_, e)| e));
            }
        }
    }
    match found.as_slice() {
        [entry] => Ok(entry),
        [] => Err(WrapError::NotFound(target.server.to_owned())),
        _ => Err(WrapError::Ambiguous(target.server.to_owned())),
    }
}

/// Whether a name on the way to the servers stands twice in its table.
fn stands_twice(node: &Node, path: &[&str]) -> bool {
    let Some((name, rest)) = path.split_first() else { return false };
    let mut below = node.table().iter();
    if *name == "*" {
        return below.any(|(name, below)| node.times(name) > 1 || stands_twice(below, rest));
    }
    node.times(name) > 1 || node.get(name).is_some_and(|below| stands_twice(below, rest))
}

/// A program and its arguments, and where they stand.
#[derive(Debug)]
struct Program<'n> {
    /// The table that both stand in.
    table: &'n Node,
    place: Place<'n>,
    words: Vec<String>,
}

#[derive(Debug, Clone, Copy)]
enum Place<'n> {
    /// A text, and a list of its own for the arguments if there is one.
    Beside(&'n Node, Option<&'n Node>),
    /// One list.
    Within(&'n Node),
}

impl<'n> Program<'n> {
    /// Reads an entry; `None` when it has no program, or one that is not written as any client writes it.
    fn of(entry: &'n Node) -> Option<Program<'n>> {
        let key = if entry.get("command").is_some() { "command" } else { "cmd" };
        let command = entry.get(key)?;
        if entry.times("command").saturating_add(entry.times("cmd")) != 1 {
            return None;
        }
        if command.list().is_some() {
            let words = command.texts().filter(|words| !words.is_empty())?;
            let beside = entry.get("args").is_none();
            return beside.then_some(Program {
                table: entry,
                place: Place::Within(command),
                words,
            });
        }
        // Zed once had a table with `path` and `args` there.
        let (table, program) = match command.get("path") {
            Some(path) => (command, path),
            None => (entry, command),
        };
        let arguments = table.get("args");
        if table.times("args") > 1 || table.times("path") > 1 {
            return None;
        }
        let mut words = vec![program.text()?.to_owned()];
        if let Some(arguments) = arguments {
            words.extend(arguments.texts()?);
        }
        Some(Program { table, place: Place::Beside(program, arguments), words })
    }
}

/// Bytes that give way to others.
type Edit = (Range<usize>, String);

fn apply(text: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|(range, _)| range.start);
    let mut edited = String::with_capacity(text.len().saturating_add(256));
    let mut from = 0;
    for (range, new) in edits {
        edited.push_str(text.get(from..range.start).unwrap_or_default());
        edited.push_str(&new);
        from = range.end;
    }
    edited.push_str(text.get(from..).unwrap_or_default());
    edited
}

fn putting_in_front(
    text: &str,
    format: Format,
    program: &Program<'_>,
    front: Front<'_>,
) -> Option<Vec<Edit>> {
    let mut added: Vec<String> = front.arguments.iter().map(|word| string(format, word)).collect();
    added.push(string(format, "--"));
    let ours = string(format, front.program);
    match program.place {
        Place::Within(list) => {
            added.insert(0, ours);
            Some(vec![before_the_first(text, list, &added)?])
        }
        Place::Beside(command, arguments) => {
            added.push(text.get(command.span.clone())?.to_owned());
            let taken_over = (command.span.clone(), ours);
            let edit = if let Some(list) = arguments {
                before_the_first(text, list, &added)?
            } else {
                let opening = opening(text, format, program.table, command)?;
                let end = command.span.end;
                (end..end, format!("{opening}{}]", added.join(",")))
            };
            Some(vec![taken_over, edit])
        }
    }
}

/// Literals put before the first item of a list, spaced so that [`taking_away`] knows them.
fn before_the_first(text: &str, list: &Node, added: &[String]) -> Option<Edit> {
    let items = list.list()?;
    let start = list.span.start;
    if text.get(start..)?.starts_with('[') {
        let at = start.checked_add(1)?;
        let end = if items.is_empty() { "" } else { ", " };
        return Some((at..at, format!("{}{end}", added.join(", "))));
    }
    let first = items.first()?;
    let dash = dash_of(text, first)?;
    let indent = " ".repeat(column(text, dash)?);
    let lines: Vec<String> = added.iter().map(|word| format!("- {word}\n{indent}")).collect();
    Some((dash..dash, lines.concat()))
}

/// Where the dash of an item of a YAML block stands; it must begin its line.
fn dash_of(text: &str, item: &Node) -> Option<usize> {
    let before = text.get(..item.span.start)?;
    let dash = before.trim_end_matches(' ').len().checked_sub(1)?;
    let line = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    let is_dash = text.get(dash..)?.starts_with('-');
    let begins = text.get(line..dash)?.bytes().all(|b| b == b' ');
    (is_dash && begins).then_some(dash)
}

fn column(text: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let line = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
    at.checked_sub(line)
}

/// How a list of arguments begins where there was none, right behind the program. Without a space: a list that
/// somebody wrote and that [`before_the_first`] grew has spaces.
fn opening(text: &str, format: Format, table: &Node, command: &Node) -> Option<String> {
    let is_flow = text.get(table.span.start..)?.starts_with('{');
    Some(match (format, is_flow) {
        (Format::Json, _) => ",\"args\":[".to_owned(),
        (Format::Toml, true) => ",args=[".to_owned(),
        (Format::Toml, false) => "\nargs=[".to_owned(),
        (Format::Yaml, true) => ", args: [".to_owned(),
        (Format::Yaml, false) => {
            let before = text.get(..command.span.start)?;
            let line = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
            let key = before.get(line..)?;
            let indent = key.len().checked_sub(key.trim_start_matches([' ', '-']).len())?;
            format!("\n{}args: [", " ".repeat(indent))
        }
    })
}

/// Takes the words before the one behind `--` away; `cut` is the place of `--` among all words.
fn taking_away(text: &str, format: Format, program: &Program<'_>, cut: usize) -> Option<Vec<Edit>> {
    match program.place {
        Place::Within(list) => {
            let first = list.list()?.get(cut.checked_add(1)?)?;
            let from = list.span.start.checked_add(1)?;
            Some(vec![(from..first.span.start, String::new())])
        }
        Place::Beside(command, arguments) => {
            let list = arguments?;
            let items = list.list()?;
            // The words begin with the program, the list does not.
            let moved = items.get(cut)?;
            let literal = text.get(moved.span.clone())?.to_owned();
            let given_back = (command.span.clone(), literal);
            if let Some(whole) = whole_list(text, format, program.table, command, list) {
                return Some(vec![given_back, (whole, String::new())]);
            }
            Some(vec![given_back, (added_range(text, list, items, cut)?, String::new())])
        }
    }
}

/// The bytes of a list that [`opening`] began, if this is one.
fn whole_list(
    text: &str,
    format: Format,
    table: &Node,
    command: &Node,
    list: &Node,
) -> Option<Range<usize>> {
    let opening = opening(text, format, table, command)?;
    let items = list.list()?.iter().map(|item| text.get(item.span.clone()));
    let items: Vec<&str> = items.collect::<Option<_>>()?;
    let whole = format!("{opening}{}]", items.join(","));
    let end = command.span.end.checked_add(whole.len())?;
    (text.get(command.span.end..end)? == whole).then_some(command.span.end..end)
}

/// The bytes of the first items up to the one at `last`, with what parts them from the next one.
fn added_range(text: &str, list: &Node, items: &[Node], last: usize) -> Option<Range<usize>> {
    let next = items.get(last.checked_add(1)?);
    if text.get(list.span.start..)?.starts_with('[') {
        let from = list.span.start.checked_add(1)?;
        let end = items.get(last)?.span.end;
        let parting = if next.is_some() { text.get(end..)?.find(',')?.checked_add(1)? } else { 0 };
        let end = end.checked_add(parting)?;
        let space = usize::from(next.is_some() && text.get(end..)?.starts_with(' '));
        return Some(from..end.checked_add(space)?);
    }
    let from = dash_of(text, items.first()?)?;
    Some(from..dash_of(text, next?)?)
}
