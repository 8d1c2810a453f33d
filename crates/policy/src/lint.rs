//! Warnings about valid policies (POLICY section 9). Errors are the parser's, verdicts are not touched.

mod conditions;
mod limits;
mod rules;
mod schema_view;
mod selectors;

use std::fmt;
use std::sync::Arc;

use crate::document::{Entry, Model, Rules, Selector};
use crate::parse::Lines;
use crate::{Document, Section, ToolDefinition};

/// One warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lint {
    /// `L002` to `L013`.
    pub code: &'static str,
    /// JSON Pointer of what it is about.
    pub pointer: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is doubtful.
    pub message: String,
    /// What to write instead.
    pub help: Option<String>,
}

impl fmt::Display for Lint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, pointer, line, column, message, help } = self;
        write!(f, "{line}:{column}: {code} {message} ({pointer})")?;
        match help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Warnings about a document, in the order of the text. `tools` are the tools of the server it is meant for;
/// without them the warnings that compare the policy with tools are left out.
pub fn lint(document: &Document, tools: Option<&[ToolDefinition]>) -> Vec<Lint> {
    let mut found = Findings { lines: Lines::new(document.text()), lints: Vec::new() };
    let model = &document.model;
    let server = tools.map(schema_view::Server::new);
    selectors::check(&mut found, model, server.as_ref());
    for block in blocks(model) {
        rules::check(&mut found, &block, server.as_ref());
    }
    limits::check(&mut found, model);
    let mut lints = found.lints;
    lints.sort_by_key(|(at, lint)| (*at, lint.code));
    lints.into_iter().map(|(_, lint)| lint).collect()
}

/// Collects warnings with their byte offsets.
struct Findings<'t> {
    lines: Lines<'t>,
    lints: Vec<(usize, Lint)>,
}

impl Findings<'_> {
    fn add(&mut self, code: &'static str, at: usize, pointer: &str, message: String) {
        self.add_with_help(code, (at, pointer), message, None);
    }

    fn add_with_help(
        &mut self,
        code: &'static str,
        place: (usize, &str),
        message: String,
        help: Option<&str>,
    ) {
        let (at, pointer) = place;
        let (line, column) = self.lines.position(at);
        let help = help.map(str::to_owned);
        self.lints
            .push((at, Lint { code, pointer: pointer.to_owned(), line, column, message, help }));
    }
}

/// The rules of one selector with what they apply to.
struct Block<'m> {
    section: Section,
    /// `None` for `all_tools`.
    selector: Option<&'m Selector>,
    rules: &'m Rules,
}

fn blocks<'m>(model: &'m Model) -> Vec<Block<'m>> {
    let section = |entries: &'m [Entry<Arc<Rules>>], section: Section| {
        entries.iter().map(move |entry| (entry, section)).collect::<Vec<_>>()
    };
    let mut entries = section(&model.tools, Section::Tools);
    entries.extend(section(&model.resources, Section::Resources));
    entries.extend(section(&model.prompts, Section::Prompts));
    let blocks = entries.into_iter().map(|(entry, section)| Block {
        section,
        selector: Some(&entry.selector),
        rules: &entry.rules,
    });
    let all_tools = model.all_tools.as_ref().map(|rules| Block {
        section: Section::Tools,
        selector: None,
        rules,
    });
    blocks.chain(all_tools).collect()
}
