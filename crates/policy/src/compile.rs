//! A policy as the data path uses it: one hash look-up for a name, then the few globs and classes.
//!
//! The cost of a decision depends on the number of globs and classes, never on the number of exact names.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use smallvec::SmallVec;

use crate::document::{
    Action, DefaultAction, Document, Entry, Limit, Rule, Rules, Selector, Waiver,
};
use crate::trace::Names;
use crate::{Class, Glob, Risk, SchemaMode, Section, ToolFacts};

/// Why nothing is allowed at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DenyAll {
    /// The grant has no policy (POLICY section 1).
    NoPolicy,
    /// The stored policy cannot be compiled; the text says why, for the operator.
    Invalid(String),
}

/// A compiled policy.
#[derive(Debug, Clone)]
pub struct Policy {
    pub(crate) body: Body,
    pub(crate) names: Names,
}

#[derive(Debug, Clone)]
pub(crate) enum Body {
    DenyAll(DenyAll),
    Rules(Box<Book>),
}

/// Everything that a policy says.
#[derive(Debug, Clone)]
pub(crate) struct Book {
    pub default: DefaultAction,
    /// Index of `/default` among the names.
    pub default_name: u32,
    /// Index of `/resources` among the names.
    pub resources_name: u32,
    pub hide: Table<u32>,
    pub tools: Table<Numbered>,
    pub resources: Table<Numbered>,
    pub prompts: Table<Numbered>,
    pub all_tools: Option<Numbered>,
}

/// The rules of one selector, each with its index among the names.
#[derive(Debug, Clone)]
pub(crate) struct Numbered {
    pub name: u32,
    pub action: Action,
    pub action_rule: (u32, Arc<Rule>),
    pub validate: Option<(u32, SchemaMode)>,
    pub require: Box<[(u32, Arc<Rule>)]>,
    pub deny_if: Box<[(u32, Arc<Rule>)]>,
    pub limits: Box<[(u32, Arc<Limit>)]>,
}

impl Numbered {
    fn may_hold(&self) -> bool {
        let mut rules = self.require.iter().chain(&self.deny_if);
        self.action == Action::Approve
            || rules.any(|(_, rule)| matches!(rule.waiver, Waiver::Asks(_)))
    }

    /// Whether every call needs a person.
    pub(crate) fn asks(&self) -> bool {
        self.action == Action::Approve
    }

    fn reads_arguments(&self) -> bool {
        self.action == Action::Approve
            || self.validate.is_some()
            || !self.require.is_empty()
            || !self.deny_if.is_empty()
            || !self.limits.is_empty()
    }
}

/// Selectors of one section with what belongs to each.
#[derive(Debug, Clone)]
pub(crate) struct Table<T> {
    exact: HashMap<Arc<str>, T, RandomState>,
    /// More characters other than `*` first, then by bytes.
    globs: Box<[(Glob, T)]>,
    /// By text.
    classes: Box<[(ClassSelector, T)]>,
}

/// What matches one call, in the order of reports.
pub(crate) type Matched<'p, T> = SmallVec<[&'p T; 4]>;

#[derive(Debug, Clone, Copy)]
enum ClassSelector {
    Class(Class),
    Risk(Risk),
}

impl<T> Table<T> {
    fn new(entries: impl Iterator<Item = (Selector, T)>) -> Self {
        let mut exact = HashMap::default();
        let mut globs: Vec<(Arc<str>, Glob, T)> = Vec::new();
        let mut classes: Vec<(&'static str, ClassSelector, T)> = Vec::new();
        for (selector, rules) in entries {
            match selector {
                // A name that stands twice in `hide` keeps the first place.
                Selector::Exact(name) => drop(exact.entry(name).or_insert(rules)),
                Selector::Glob(text, glob) => globs.push((text, glob, rules)),
                Selector::Class(class) => {
                    classes.push((class.as_str(), ClassSelector::Class(class), rules));
                }
                Selector::Risk(risk) => {
                    classes.push((risk.as_str(), ClassSelector::Risk(risk), rules));
                }
            }
        }
        globs.sort_by(|(left_text, left, _), (right_text, right, _)| {
            let by_length = right.literal_chars().cmp(&left.literal_chars());
            by_length.then_with(|| left_text.as_bytes().cmp(right_text.as_bytes()))
        });
        classes.sort_by_key(|(text, _, _)| *text);
        Self {
            exact,
            globs: globs.into_iter().map(|(_, glob, rules)| (glob, rules)).collect(),
            classes: classes.into_iter().map(|(_, class, rules)| (class, rules)).collect(),
        }
    }

    /// Everything in the table, in no order.
    fn all(&self) -> impl Iterator<Item = &T> {
        let globs = self.globs.iter().map(|(_, rules)| rules);
        self.exact.values().chain(globs).chain(self.classes.iter().map(|(_, rules)| rules))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.globs.is_empty() && self.classes.is_empty()
    }

    fn exact<'p>(&'p self, name: &str, found: &mut Matched<'p, T>) {
        found.extend(self.exact.get(name));
    }

    fn globs<'p>(&'p self, name: &str, found: &mut Matched<'p, T>) {
        found.extend(self.globs.iter().filter(|(g, _)| g.matches(name)).map(|(_, rules)| rules));
    }

    fn classes<'p>(&'p self, tool: &ToolFacts<'_>, found: &mut Matched<'p, T>) {
        let matches = |selector: &ClassSelector| match selector {
            ClassSelector::Class(class) => tool.class == Some(*class),
            ClassSelector::Risk(risk) => tool.risk == Some(*risk),
        };
        found.extend(self.classes.iter().filter(|(c, _)| matches(c)).map(|(_, rules)| rules));
    }

    /// Everything that matches a tool. A name that begins with `@` or holds `*` is reached by globs only, since
    /// no selector of that spelling is exact.
    pub(crate) fn for_tool(&self, tool: &ToolFacts<'_>) -> Matched<'_, T> {
        let mut found = Matched::new();
        self.exact(tool.name, &mut found);
        self.globs(tool.name, &mut found);
        self.classes(tool, &mut found);
        found
    }

    /// Everything that matches a prompt's name or a URI that is not odd.
    pub(crate) fn for_name(&self, name: &str) -> Matched<'_, T> {
        let mut found = Matched::new();
        self.exact(name, &mut found);
        self.globs(name, &mut found);
        found
    }

    /// What matches an odd URI: no glob does (POLICY section 2).
    pub(crate) fn for_odd_uri(&self, uri: &str) -> Matched<'_, T> {
        let mut found = Matched::new();
        self.exact(uri, &mut found);
        found
    }
}

/// Gives every rule its index while the policy is compiled.
#[derive(Default)]
struct Numbering {
    names: Vec<Arc<str>>,
}

impl Numbering {
    fn name(&mut self, name: &Arc<str>) -> u32 {
        let index = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.push(Arc::clone(name));
        index
    }

    fn rules(&mut self, pointer: &Arc<str>, rules: &Rules) -> Numbered {
        let name = self.name(pointer);
        let action_name = self.name(&rules.action_rule.name);
        let validate = rules.validate.map(|mode| (self.name(&rules.validate_name), mode));
        let mut list = |rules: &[Arc<Rule>]| {
            rules.iter().map(|rule| (self.name(&rule.name), Arc::clone(rule))).collect()
        };
        let (require, deny_if) = (list(&rules.require), list(&rules.deny_if));
        let limits = rules.limits.iter();
        Numbered {
            name,
            action: rules.action,
            action_rule: (action_name, Arc::clone(&rules.action_rule)),
            validate,
            require,
            deny_if,
            limits: limits.map(|limit| (self.name(&limit.name), Arc::clone(limit))).collect(),
        }
    }

    fn table(&mut self, entries: &[Entry<Arc<Rules>>]) -> Table<Numbered> {
        Table::new(
            entries
                .iter()
                .map(|entry| (entry.selector.clone(), self.rules(&entry.pointer, &entry.rules))),
        )
    }
}

impl Policy {
    /// Compiles a document; every valid document compiles.
    pub fn compile(document: &Document) -> Self {
        let model = &document.model;
        let mut numbering = Numbering::default();
        let default_name = numbering.name(&Arc::from("/default"));
        let resources_name = numbering.name(&Arc::from("/resources"));
        let hide = Table::new(
            model.hide.iter().map(|entry| (entry.selector.clone(), numbering.name(&entry.pointer))),
        );
        let tools = numbering.table(&model.tools);
        let resources = numbering.table(&model.resources);
        let prompts = numbering.table(&model.prompts);
        let all_tools =
            model.all_tools.as_ref().map(|rules| numbering.rules(&Arc::from("/all_tools"), rules));
        let book = Book {
            default: model.default,
            default_name,
            resources_name,
            hide,
            tools,
            resources,
            prompts,
            all_tools,
        };
        Self { body: Body::Rules(Box::new(book)), names: numbering.names.into() }
    }

    /// A policy that denies every call and shows nothing.
    pub fn deny_all(reason: DenyAll) -> Self {
        Self { body: Body::DenyAll(reason), names: Arc::from([Arc::from("")]) }
    }

    /// What happens to what no selector lists.
    pub fn default_action(&self) -> DefaultAction {
        match &self.body {
            Body::DenyAll(_) => DefaultAction::Deny,
            Body::Rules(book) => book.default,
        }
    }

    /// False when no rule, limit, approval or `validate` looks at the arguments of calls to this tool, so that
    /// the caller may judge an empty object in their place. An approval is bound to the arguments, so it looks.
    pub fn reads_arguments(&self, tool: &ToolFacts<'_>) -> bool {
        match &self.body {
            Body::DenyAll(_) => false,
            Body::Rules(book) => {
                book.all_tools.as_ref().is_some_and(Numbered::reads_arguments)
                    || book.tools.for_tool(tool).iter().any(|rules| rules.reads_arguments())
            }
        }
    }

    /// True if some call may be held: some rule asks a person (POLICY section 3). Not meant for the way of a call:
    /// every rule is looked at.
    pub fn may_hold(&self) -> bool {
        match &self.body {
            Body::DenyAll(_) => false,
            Body::Rules(book) => {
                let tables = [&book.tools, &book.resources, &book.prompts];
                let mut all = tables.into_iter().flat_map(Table::all).chain(&book.all_tools);
                all.any(Numbered::may_hold)
            }
        }
    }

    /// True if some rule in `section` exists, so that a policy without any can be served without matching.
    pub fn has_selectors(&self, section: Section) -> bool {
        match &self.body {
            Body::DenyAll(_) => false,
            Body::Rules(book) => match section {
                Section::Tools => !book.tools.is_empty() || !book.hide.is_empty(),
                Section::Resources => !book.resources.is_empty(),
                Section::Prompts => !book.prompts.is_empty(),
            },
        }
    }
}
