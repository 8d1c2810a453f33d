//! What the policy builder asks for: a text looked at as a form, changed by an edit, or given what is recommended
//! for tools. Nothing is saved here; the text comes from the page and goes back to it.
//!
//! What never lives here: how a text is edited (`policy::edit`), pages.

mod arguments;
mod marks;
mod recommend;
mod summary;

use std::collections::HashSet;

use policy::edit::{self, Block, Edit, EditError, Effect, Entry, Form, Verdict};
use policy::{Document, Policy, ToolDefinition, ToolFacts};
use serde::Serialize;
use store::{PinRecord, PinState, ServerSlug};

pub use arguments::Argument;
pub use marks::Mark;
pub use recommend::recommended;
pub use summary::{Lints, Summary, summaries};

use super::{Actor, OpError, Permission};
use crate::Console;

/// Blocks whose entries are shown at once, at most; of further ones only the number.
pub const BLOCKS_SHOWN_MAX: usize = 50;
/// Selectors that are no tool's name and are listed, at most.
pub const PATTERNS_SHOWN_MAX: usize = 2_000;

/// A tool as the builder lists it.
#[derive(Debug, Serialize)]
pub struct BuilderTool {
    /// Its name.
    pub name: String,
    /// The class of its pin.
    pub class: Option<&'static str>,
    /// The risk of its pin.
    pub risk: Option<&'static str>,
    /// Whether it waits for somebody to accept its definition.
    pub quarantined: bool,
    /// Whether no selector can name it alone: it begins with `@` or holds `*`.
    pub unnameable: bool,
}

/// The tools of a policy's server in the order in which [`Looked`] speaks of them: by name.
pub async fn tools(
    console: &Console,
    actor: &Actor,
    server: Option<&ServerSlug>,
) -> Result<Vec<BuilderTool>, OpError> {
    actor.may(Permission::Read)?;
    let Some(server) = server else { return Ok(Vec::new()) };
    Ok(console.store.pins(server).await?.into_iter().map(tool).collect())
}

fn tool(pin: PinRecord) -> BuilderTool {
    BuilderTool {
        class: pin.class.map(policy::Class::as_str),
        risk: pin.risk.map(policy::Risk::as_str),
        quarantined: pin.state == PinState::Quarantined,
        unnameable: is_unnameable(&pin.tool),
        name: pin.tool,
    }
}

/// Whether a selector of that spelling would be a class or a glob (POLICY section 2).
fn is_unnameable(tool: &str) -> bool {
    tool.starts_with('@') || tool.contains('*')
}

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
    /// The form; none while the text has errors.
    pub form: Option<Shown>,
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
    pub default: policy::DefaultAction,
    /// `description`
    pub description: Option<String>,
    /// `hide`
    pub hide: Vec<String>,
    /// One letter for each tool: `a`llow, `d`eny, `h`ide, `u`nlisted, a`p`prove, `c`ustom.
    pub effects: String,
    /// Entries whose selector is no tool of the server.
    pub patterns: Vec<Pattern>,
    /// How many of them there are.
    pub patterns_count: usize,
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
    /// What the whole policy comes to for it.
    pub effect: Effect,
    /// Other blocks whose rules apply to it as well.
    pub also: Vec<Pattern>,
}

/// Looks at a text, after a change of it.
pub async fn look(console: &Console, actor: &Actor, asked: Asked) -> Result<Looked, OpError> {
    actor.may(Permission::Read)?;
    if !matches!(asked.change, Change::None) {
        actor.may(Permission::EditPolicies)?;
    }
    let pins = match &asked.server {
        Some(server) => console.store.pins(server).await?,
        None => Vec::new(),
    };
    console.long_work.check(move || looked(&asked, &pins)).await
}

fn looked(asked: &Asked, pins: &[PinRecord]) -> Looked {
    let mut looked = Looked {
        text: None,
        refused: None,
        told: None,
        problems: Vec::new(),
        lints: None,
        form: None,
    };
    let edit = match &asked.change {
        Change::None => None,
        Change::Edit(edit) => {
            let (edit, told) = of_written_blocks(edit, &asked.text);
            looked.told = told;
            Some(edit)
        }
        Change::Recommended(names) => match edit::form(&asked.text) {
            Ok(form) => {
                let (edit, told) = recommended(&form, pins, names);
                looked.told = Some(told);
                edit
            }
            Err(_problems) => None,
        },
    };
    match edit.map(|edit| edit::apply(&asked.text, &edit)) {
        None => {}
        Some(Ok(edited)) => looked.text = Some(edited.text),
        Some(Err(EditError::Text(_problems))) => {}
        Some(Err(error)) => looked.refused = Some(refused(&error)),
    }
    let text = looked.text.as_deref().unwrap_or(&asked.text);
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(problems) => {
            looked.problems = marks::of_problems(text, &problems);
            return looked;
        }
    };
    if asked.warnings == Warnings::Wanted {
        let tools: Vec<ToolDefinition> = pins.iter().map(super::policies::definition).collect();
        let known = asked.server.is_some().then_some(tools.as_slice());
        looked.lints = Some(marks::of_lints(text, &policy::lint(&document, known)));
    }
    looked.form = edit::form(text).ok().map(|form| shown(form, &document, pins, &asked.selected));
    looked
}

/// An edit of many blocks without those that are not written, and how many these are: only an action lists a tool
/// that nobody listed.
fn of_written_blocks(edit: &Edit, text: &str) -> (Edit, Option<String>) {
    let mut edit = edit.clone();
    let Some(blocks) = edit.written_blocks().filter(|blocks| blocks.len() > 1) else {
        return (edit, None);
    };
    let Ok(form) = edit::form(text) else { return (edit, None) };
    let all = blocks.len();
    let names = |entries: &[Entry], block: fn(String) -> Block| {
        entries.iter().map(|entry| block(entry.selector.clone())).collect::<Vec<_>>()
    };
    let mut written: HashSet<Block> = names(&form.tools, Block::Tools).into_iter().collect();
    written.extend(names(&form.resources, Block::Resources));
    written.extend(names(&form.prompts, Block::Prompts));
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

fn facts(pin: &PinRecord) -> ToolFacts<'_> {
    ToolFacts { name: &pin.tool, class: pin.class, risk: pin.risk, schema: None }
}

fn shown(form: Form, document: &Document, pins: &[PinRecord], selected: &[Block]) -> Shown {
    let policy = Policy::compile(document);
    let effects = pins.iter().map(|pin| letter(edit::effect(&policy, &facts(pin)))).collect();
    let names: HashSet<&str> = pins.iter().map(|pin| pin.tool.as_str()).collect();
    let all = form.all_tools.iter().map(|entry| (Block::AllTools, entry));
    let tools = form.tools.iter().filter(|entry| !names.contains(entry.selector.as_str()));
    let tools = tools.map(|entry| (Block::Tools(entry.selector.clone()), entry));
    let resources = form.resources.iter().map(|e| (Block::Resources(e.selector.clone()), e));
    let prompts = form.prompts.iter().map(|e| (Block::Prompts(e.selector.clone()), e));
    let mut patterns: Vec<Pattern> = all
        .chain(tools)
        .chain(resources)
        .chain(prompts)
        .map(|(block, entry)| Pattern { block, verdict: entry.verdict() })
        .collect();
    let patterns_count = patterns.len();
    patterns.truncate(PATTERNS_SHOWN_MAX);
    let tool = match selected {
        [Block::Tools(name)] => pins.iter().find(|pin| pin.tool == *name),
        _ => None,
    };
    let tool = tool.map(|pin| tool_shown(pin, &form, &policy));
    let entries: Vec<Selected> = selected
        .iter()
        .take(BLOCKS_SHOWN_MAX)
        .map(|block| {
            let entry = form.entry(block).cloned();
            Selected { block: block.clone(), verdict: entry.as_ref().map(Entry::verdict), entry }
        })
        .collect();
    let blocks: HashSet<&Block> = selected.iter().collect();
    let written = form.tools.iter().filter(|e| blocks.contains(&Block::Tools(e.selector.clone())));
    Shown {
        written: written.count(),
        default: form.default,
        description: form.description,
        hide: form.hide,
        effects,
        patterns,
        patterns_count,
        entries,
        opaque: form.opaque,
        tool,
    }
}

fn letter(effect: Effect) -> char {
    match effect {
        Effect::Allow => 'a',
        Effect::Deny => 'd',
        Effect::Hide => 'h',
        Effect::Unlisted => 'u',
        Effect::Approve => 'p',
        Effect::Custom => 'c',
    }
}

fn tool_shown(pin: &PinRecord, form: &Form, policy: &Policy) -> ToolShown {
    let definition: Option<serde_json::Value> = serde_json::from_str(&pin.definition).ok();
    let text = |key: &str| Some(definition.as_ref()?.get(key)?.as_str()?.to_owned());
    let schema = definition.as_ref().and_then(|definition| definition.get("inputSchema"));
    let applies = |entry: &&Entry| entry.selector != pin.tool && matches(&entry.selector, pin);
    let others = form.tools.iter().filter(applies);
    let others = others.map(|entry| (Block::Tools(entry.selector.clone()), entry));
    let all = form.all_tools.iter().map(|entry| (Block::AllTools, entry));
    ToolShown {
        description: text("description"),
        arguments: schema.map(arguments::of_schema).unwrap_or_default(),
        effect: edit::effect(policy, &facts(pin)),
        also: others
            .chain(all)
            .take(BLOCKS_SHOWN_MAX)
            .map(|(block, entry)| Pattern { block, verdict: entry.verdict() })
            .collect(),
    }
}

/// Whether a selector that is no name applies to a tool (POLICY section 2).
fn matches(selector: &str, pin: &PinRecord) -> bool {
    if let Some(word) = selector.strip_prefix('@') {
        return pin.class.is_some_and(|class| class.as_str() == word)
            || pin.risk.is_some_and(|risk| risk.as_str() == word);
    }
    selector.contains('*') && policy::Glob::new(selector).matches(&pin.tool)
}

#[cfg(test)]
mod tests;
