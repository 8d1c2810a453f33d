//! The list beside the rules: tools of the server, or the policy's other entries, a page at a time and filtered here, so
//! that ten thousand of them cost a page what ten do.
//!
//! What never lives here: what an entry says.

use std::collections::HashSet;

use policy::Policy;
use policy::edit::{BLOCKS_MAX, Block, Effect, Entry, Form, Verdict, effect};
use serde::{Deserialize, Serialize};
use store::{PinLine, PinState};

use super::facts;

/// Rows of one page.
pub const LISTED_MAX: usize = 100;
/// The word for a tool whose class or risk nobody has said.
const UNKNOWN: &str = "unknown";

/// What is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindKind {
    /// Tools of the server.
    #[default]
    Tools,
    /// Entries whose selector is no tool of the server.
    Others,
}

/// Which rows are wanted. Empty words ask for nothing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Find {
    /// Tools, or other entries.
    pub kind: FindKind,
    /// Parts of the name, each of which must be there; upper and lower case are one.
    pub words: String,
    /// A class, or `unknown`; of tools only.
    pub class: String,
    /// A risk, or `unknown`; of tools only.
    pub risk: String,
    /// What calls come to.
    pub effect: String,
    /// Rows before the first one that is wanted.
    pub from: usize,
    /// Whether the blocks of all rows are wanted as well, for choosing them at once.
    pub all: bool,
}

/// Rows of a list.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Found {
    /// At most [`LISTED_MAX`].
    pub rows: Vec<Row>,
    /// Rows before the first of them.
    pub from: usize,
    /// How many fit.
    pub count: usize,
    /// How many there are of this kind.
    pub of: usize,
    /// The blocks of all that fit, where they were asked for.
    pub all: Option<Vec<Block>>,
}

/// A tool or an entry as the list shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its address in the policy.
    pub block: Block,
    /// What calls come to; none while the text has errors.
    pub effect: Option<&'static str>,
    /// The class of a tool.
    pub class: Option<&'static str>,
    /// The risk of a tool.
    pub risk: Option<&'static str>,
    /// Whether the tool waits for somebody to accept its definition.
    pub quarantined: bool,
}

impl Find {
    /// Looks among the tools or entries; without a form, since the text has errors, no effects are known.
    pub(super) fn run(&self, lines: &[PinLine], read: Option<(&Form, &Policy)>) -> Found {
        match (self.kind, read) {
            (FindKind::Tools, read) => self.tools(lines, read.map(|(_, policy)| policy)),
            (FindKind::Others, Some((form, _))) => self.others(lines, form),
            (FindKind::Others, None) => Found::default(),
        }
    }

    fn tools(&self, lines: &[PinLine], policy: Option<&Policy>) -> Found {
        let words = self.words();
        let effect_of = |line: &PinLine| Some(effect(policy?, &facts(line)).as_str());
        let fits = |line: &&PinLine| {
            let class = line.class.map_or(UNKNOWN, policy::Class::as_str);
            let risk = line.risk.map_or(UNKNOWN, policy::Risk::as_str);
            (self.class.is_empty() || self.class == class)
                && (self.risk.is_empty() || self.risk == risk)
                && has_all(&line.tool, &words)
                && (self.effect.is_empty() || effect_of(line) == Some(self.effect.as_str()))
        };
        let found: Vec<&PinLine> = lines.iter().filter(fits).collect();
        let row = |line: &&PinLine| Row {
            block: Block::Tools(line.tool.clone()),
            effect: effect_of(line),
            class: line.class.map(policy::Class::as_str),
            risk: line.risk.map(policy::Risk::as_str),
            quarantined: line.state == PinState::Quarantined,
        };
        let block = |line: &&PinLine| Block::Tools(line.tool.clone());
        self.page(&found, lines.len(), (row, block))
    }

    fn others(&self, lines: &[PinLine], form: &Form) -> Found {
        let names: HashSet<&str> = lines.iter().map(|line| line.tool.as_str()).collect();
        let words = self.words();
        let all = form.all_tools.iter().map(|entry| (Block::AllTools, entry));
        let tools = form.tools.iter().filter(|entry| !names.contains(entry.selector.as_str()));
        let tools = tools.map(|entry| (Block::Tools(entry.selector.clone()), entry));
        let resources = form.resources.iter().map(|e| (Block::Resources(e.selector.clone()), e));
        let prompts = form.prompts.iter().map(|e| (Block::Prompts(e.selector.clone()), e));
        let entries: Vec<(Block, &Entry)> =
            all.chain(tools).chain(resources).chain(prompts).collect();
        let fits = |(block, entry): &&(Block, &Entry)| {
            has_all(block.selector().unwrap_or(block.section()), &words)
                && (self.effect.is_empty() || word_of(entry.verdict()) == self.effect)
        };
        let found: Vec<&(Block, &Entry)> = entries.iter().filter(fits).collect();
        let row = |(block, entry): &&(Block, &Entry)| Row {
            block: block.clone(),
            effect: Some(word_of(entry.verdict())),
            class: None,
            risk: None,
            quarantined: false,
        };
        let block = |(block, _): &&(Block, &Entry)| block.clone();
        self.page(&found, entries.len(), (row, block))
    }

    fn page<T>(
        &self,
        found: &[T],
        of: usize,
        (row, block): (impl Fn(&T) -> Row, impl Fn(&T) -> Block),
    ) -> Found {
        // Beyond the end is the last page.
        let last = found.len().saturating_sub(1) / LISTED_MAX * LISTED_MAX;
        let from = self.from.min(last);
        Found {
            rows: found.iter().skip(from).take(LISTED_MAX).map(row).collect(),
            from,
            count: found.len(),
            of,
            all: self.all.then(|| found.iter().take(BLOCKS_MAX).map(block).collect()),
        }
    }

    fn words(&self) -> Vec<String> {
        self.words.to_lowercase().split_whitespace().map(str::to_owned).collect()
    }
}

fn has_all(name: &str, words: &[String]) -> bool {
    if words.is_empty() {
        return true;
    }
    let name = name.to_lowercase();
    words.iter().all(|word| name.contains(word.as_str()))
}

/// What an entry by itself comes to, in the words of effects.
fn word_of(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => Effect::Allow,
        Verdict::Deny => Effect::Deny,
        Verdict::Hide => Effect::Hide,
        Verdict::Approve => Effect::Approve,
        Verdict::Custom => Effect::Custom,
    }
    .as_str()
}
