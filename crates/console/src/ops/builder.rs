//! What the policy builder asks for: a text looked at as a form, changed by an edit, or given what is recommended
//! for tools. Nothing is saved here; the text comes from the page and goes back to it.
//!
//! What never lives here: how a text is edited (`policy::edit`), pages.

mod arguments;
mod from_call;
mod listed;
mod marks;
mod summary;

use std::collections::HashSet;

use policy::edit::{self, Block, Edit, EditError, Edited, Effect, Entry, Form, NewEntry, Verdict};
use policy::{DefaultAction, Document, Policy, ToolDefinition, ToolFacts};
use serde::Serialize;
use store::{PinLine, ServerSlug};

pub use arguments::Argument;
pub use from_call::{
    Chosen, FromCall, NewRule, NewTest, Refusal, Suggested, from_call, put_rule, put_test,
};
pub(crate) use from_call::{invalid, is_cut, test_text};
pub use listed::{Find, FindKind, Found, LISTED_MAX, Row};
pub use marks::Mark;
pub use summary::{Lints, Summary, summaries};

use super::{Actor, OpError, Permission, recommend};
use crate::Console;

/// Blocks whose entries are shown at once, at most; of further ones only the number.
pub const BLOCKS_SHOWN_MAX: usize = 50;

/// What a page wants of a text.
#[derive(Debug)]
pub struct Asked {
    /// The server that the policy is written for.
    pub server: Option<ServerSlug>,
    /// The text as it stands in the page.
    pub text: String,
    /// What is to be done to it.
    pub change: Change,
    /// The blocks whose rules the page shows.
    pub selected: Vec<Block>,
    /// What of the tools and entries is listed.
    pub find: Find,
    /// Whether warnings are wanted as well, which take longest.
    pub warnings: Warnings,
}

/// What is to be done to a text.
#[derive(Debug)]
pub enum Change {
    /// Nothing.
    None,
    /// An edit of its form.
    Edit(Box<Edit>),
    /// What is recommended for these tools; for all of the server where none is named.
    Recommended(Vec<String>),
}

/// Whether warnings are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warnings {
    /// They are.
    Wanted,
    /// Not now.
    Spared,
}

/// A text as the builder shows it.
#[derive(Debug, Serialize)]
pub struct Looked {
    /// The text after the change; none where nothing changed.
    pub text: Option<String>,
    /// Why it was not changed.
    pub refused: Option<Refused>,
    /// What was done, where it needs words.
    pub told: Option<String>,
    /// Errors of the text.
    pub problems: Vec<Mark>,
    /// Warnings, if they were wanted and the text has no errors.
    pub lints: Option<Vec<Mark>>,
    /// The form; none while the text is no JSON. Of a text with errors it is there to be read only.
    pub form: Option<Shown>,
    /// The tools and entries that were looked for.
    pub found: Found,
}

/// Why a change was refused.
#[derive(Debug, Serialize)]
pub struct Refused {
    /// For people.
    pub message: String,
    /// Where it goes wrong, in words.
    pub places: Vec<String>,
}

/// What the builder shows of a form.
#[derive(Debug, Serialize)]
pub struct Shown {
    /// `default`
    pub default: DefaultAction,
    /// `description`
    pub description: Option<String>,
    /// `hide`
    pub hide: Vec<String>,
    /// The entries of the selected blocks.
    pub entries: Vec<Selected>,
    /// How many of the selected blocks are written.
    pub written: usize,
    /// Members of the document that are edited as text only.
    pub opaque: Vec<edit::Opaque>,
    /// The one selected tool.
    pub tool: Option<ToolShown>,
}

/// An entry in a list.
#[derive(Debug, Serialize)]
pub struct Pattern {
    /// Its address.
    pub block: Block,
    /// What it comes to.
    pub verdict: Verdict,
}

/// A selected block.
#[derive(Debug, Serialize)]
pub struct Selected {
    /// Its address.
    pub block: Block,
    /// What it comes to; none where nothing is written.
    pub verdict: Option<Verdict>,
    /// What is written.
    pub entry: Option<Entry>,
}

/// What is known of a tool beside the policy.
#[derive(Debug, Serialize)]
pub struct ToolShown {
    /// What its server says of it.
    pub description: Option<String>,
    /// Its arguments as its pinned schema names them.
    pub arguments: Vec<Argument>,
    /// Whether no selector can name it alone: it begins with `@` or holds `*` (POLICY section 2).
    pub unnameable: bool,
    /// What the whole policy comes to for it; none while the text has errors.
    pub effect: Option<Effect>,
    /// Other blocks whose rules apply to it as well.
    pub also: Vec<Pattern>,
}

/// What is known of the tools of a policy's server.
struct Known {
    lines: std::sync::Arc<Vec<PinLine>>,
    /// The definition of the one selected tool.
    selected: Option<String>,
    /// All definitions, where warnings are wanted.
    definitions: Option<std::sync::Arc<Vec<ToolDefinition>>>,
}

/// Looks at a text, after a change of it.
pub async fn look(console: &Console, actor: &Actor, asked: Asked) -> Result<Looked, OpError> {
    actor.may(Permission::Read)?;
    if !matches!(asked.change, Change::None) {
        actor.may(Permission::EditPolicies)?;
    }
    let mut known = Known { lines: std::sync::Arc::default(), selected: None, definitions: None };
    if let Some(server) = &asked.server {
        known.lines = console.pinned.lines(&console.store, server).await?;
        if let [Block::Tools(name)] = asked.selected.as_slice() {
            known.selected = console.store.pin(server, name).await?.map(|pin| pin.definition);
        }
        if asked.warnings == Warnings::Wanted {
            known.definitions = Some(console.pinned.definitions(&console.store, server).await?);
        }
    }
    console.long_work.check(move || looked(&asked, &known)).await
}

fn looked(asked: &Asked, known: &Known) -> Looked {
    let mut looked = Looked {
        text: None,
        refused: None,
        told: None,
        problems: Vec::new(),
        lints: None,
        form: None,
        found: Found::default(),
    };
    let read = changed(asked, known, &mut looked);
    let text = looked.text.as_deref().unwrap_or(&asked.text);
    match read {
        Ok((document, form)) => {
            if asked.warnings == Warnings::Wanted {
                let tools = known.definitions.as_ref().map(|tools| tools.as_slice());
                looked.lints = Some(marks::of_lints(text, &policy::lint(&document, tools)));
            }
            let policy = Policy::compile(&document);
            looked.found = asked.find.run(&known.lines, Some((&form, &policy)));
            looked.form = Some(shown(form, Some(&policy), known, &asked.selected));
        }
        Err(problems) => {
            looked.problems = marks::of_problems(text, &problems);
            looked.found = asked.find.run(&known.lines, None);
            let outline = edit::outline(text);
            looked.form = outline.map(|form| shown(form, None, known, &asked.selected));
        }
    }
    looked
}

/// The text after what is to be done to it, read; what cannot be done is said, and the text stays.
fn changed(
    asked: &Asked,
    known: &Known,
    looked: &mut Looked,
) -> Result<(Document, Form), Vec<policy::Problem>> {
    let before = edit::read_off(&asked.text);
    let edit = match (&asked.change, &before) {
        (Change::None, _) | (_, Err(_)) => None,
        (Change::Edit(edit), Ok((_, form))) => {
            let (edit, told) = of_written_blocks(edit, form);
            looked.told = told;
            Some(edit)
        }
        (Change::Recommended(names), Ok((_, form))) => {
            let (edit, told) = recommended(form, &known.lines, names);
            looked.told = Some(told);
            edit
        }
    };
    match edit.map(|edit| edit::apply(&asked.text, &edit)) {
        None => before,
        Some(Ok(Edited { text, document, form, .. })) => {
            looked.text = Some(text);
            Ok((document, form))
        }
        Some(Err(error)) => {
            looked.refused = Some(refused(&error));
            before
        }
    }
}

/// The edit that gives tools what is recommended for them, and what it does in words. Tools about which the policy
/// says something by their own name are left as they are, and so are names that no selector can be. No names: all
/// tools of the server.
fn recommended(form: &Form, lines: &[PinLine], names: &[String]) -> (Option<Edit>, String) {
    let wanted: HashSet<&str> = names.iter().map(String::as_str).collect();
    let said: HashSet<&str> =
        form.tools.iter().map(|e| &e.selector).chain(&form.hide).map(String::as_str).collect();
    let mut entries = Vec::new();
    let (mut left, mut unnameable) = (0_usize, 0_usize);
    for line in lines.iter().filter(|l| names.is_empty() || wanted.contains(l.tool.as_str())) {
        if said.contains(line.tool.as_str()) {
            left += 1;
        } else if let Some(rules) = recommend::for_tool(&line.tool, line.class).rules {
            let block = Block::Tools(line.tool.clone());
            entries.push(NewEntry { block, rules: rules.to_string() });
        } else {
            unnameable += 1;
        }
    }
    let mut told = format!("Tools given what is recommended for their class: {}.", entries.len());
    if left > 0 {
        let count = left.to_string();
        told.extend([" Left as they are, since they have their own entry: ", &count, "."]);
    }
    if unnameable > 0 {
        let count = unnameable.to_string();
        told.extend([" Left out, since no selector can be their name: ", &count, "."]);
    }
    if form.default == DefaultAction::Allow {
        told.push_str(" The default still allows what no entry names.");
    }
    ((!entries.is_empty()).then_some(Edit::AddEntries(entries)), told)
}

/// An edit of many blocks without those that are not written, and how many these are: only an action lists a tool
/// that nobody listed.
fn of_written_blocks(edit: &Edit, form: &Form) -> (Edit, Option<String>) {
    let mut edit = edit.clone();
    let Some(blocks) = edit.written_blocks().filter(|blocks| blocks.len() > 1) else {
        return (edit, None);
    };
    let all = blocks.len();
    let written: HashSet<Block> = form.blocks().collect();
    blocks.retain(|block| *block == Block::AllTools || written.contains(block));
    let left = all - blocks.len();
    let told = format!("Left as they are, since they have no entry: {left}.");
    (edit, (left > 0).then_some(told))
}

fn refused(error: &EditError) -> Refused {
    let places = match error {
        EditError::Text(problems) | EditError::Result(problems) => problems.as_slice(),
        EditError::Missing(_)
        | EditError::Opaque { .. }
        | EditError::Value(_)
        | EditError::Differs => &[],
    };
    let words = |problem: &policy::Problem| match &problem.help {
        Some(help) => format!("{}: {}; {help}", problem.pointer, problem.message),
        None => format!("{}: {}", problem.pointer, problem.message),
    };
    Refused {
        message: error.to_string(),
        places: places.iter().take(marks::MARKS_MAX).map(words).collect(),
    }
}

fn facts(line: &PinLine) -> ToolFacts<'_> {
    ToolFacts { name: &line.tool, class: line.class, risk: line.risk, schema: None }
}

fn shown(form: Form, policy: Option<&Policy>, known: &Known, selected: &[Block]) -> Shown {
    let line = match selected {
        [Block::Tools(name)] => known.lines.iter().find(|line| line.tool == *name),
        _ => None,
    };
    let tool = line.map(|line| tool_shown((line, known.selected.as_deref()), &form, policy));
    let entries: Vec<Selected> = selected
        .iter()
        .take(BLOCKS_SHOWN_MAX)
        .map(|block| {
            let entry = form.entry(block).cloned();
            Selected { block: block.clone(), verdict: entry.as_ref().map(Entry::verdict), entry }
        })
        .collect();
    let blocks: HashSet<&Block> = selected.iter().collect();
    let written = form.blocks().filter(|block| blocks.contains(block)).count();
    Shown {
        written,
        default: form.default,
        description: form.description,
        hide: form.hide,
        entries,
        opaque: form.opaque,
        tool,
    }
}

fn tool_shown(
    (line, definition): (&PinLine, Option<&str>),
    form: &Form,
    policy: Option<&Policy>,
) -> ToolShown {
    let definition: Option<serde_json::Value> =
        definition.and_then(|definition| serde_json::from_str(definition).ok());
    let text = |key: &str| Some(definition.as_ref()?.get(key)?.as_str()?.to_owned());
    let schema = definition.as_ref().and_then(|definition| definition.get("inputSchema"));
    let applies = |entry: &&Entry| entry.selector != line.tool && matches(&entry.selector, line);
    let others = form.tools.iter().filter(applies);
    let others = others.map(|entry| (Block::Tools(entry.selector.clone()), entry));
    let all = form.all_tools.iter().map(|entry| (Block::AllTools, entry));
    ToolShown {
        description: text("description"),
        arguments: schema.map(arguments::of_schema).unwrap_or_default(),
        unnameable: line.tool.starts_with('@') || line.tool.contains('*'),
        effect: policy.map(|policy| edit::effect(policy, &facts(line))),
        also: others
            .chain(all)
            .take(BLOCKS_SHOWN_MAX)
            .map(|(block, entry)| Pattern { block, verdict: entry.verdict() })
            .collect(),
    }
}

/// Whether a selector that is no name applies to a tool (POLICY section 2).
fn matches(selector: &str, line: &PinLine) -> bool {
    if let Some(word) = selector.strip_prefix('@') {
        return line.class.is_some_and(|class| class.as_str() == word)
            || line.risk.is_some_and(|risk| risk.as_str() == word);
    }
    selector.contains('*') && policy::Glob::new(selector).matches(&line.tool)
}

#[cfg(test)]
mod tests;
