//! The walk along a path through a call's facts: what is there, missing, or undefined. No operators.

use super::fold::is_twin;
use super::{Path, PathRoot, Step};
use crate::op::Reading;
use crate::{Decimal, Facts, JsonKind, Node, Truth};

/// What stands at the end of a path.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Found<'v> {
    /// A value other than `null`.
    Subject(Subject<'v>),
    /// The path cannot be walked, or ends at `null`.
    Missing,
    /// A step into a wrong type, or a twin of a key.
    Undefined,
}

/// A value that an operator looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'v> {
    /// Of the arguments.
    Node(Node<'v>),
    /// A fact that is text.
    Text(&'v str),
    /// A fact that is a small number.
    Small(u8),
}

impl<'v> Subject<'v> {
    pub(crate) fn kind(self) -> JsonKind {
        match self {
            Self::Node(node) => node.kind(),
            Self::Text(_) => JsonKind::String,
            Self::Small(_) => JsonKind::Number,
        }
    }

    pub(crate) fn as_str(self) -> Option<&'v str> {
        match self {
            Self::Node(node) => node.as_str(),
            Self::Text(text) => Some(text),
            Self::Small(_) => None,
        }
    }

    /// The number, if this is one and has a value.
    pub(crate) fn number(self) -> Option<Decimal> {
        match self {
            Self::Node(node) => Decimal::parse(node.number_text()?),
            Self::Text(_) => None,
            Self::Small(number) => Some(Decimal::from_u8(number)),
        }
    }
}

impl Path {
    /// Asks `leaf` about what stands at the end of this path; with `[*]` about every element, joined as
    /// `reading` says. An array without elements counts as missing in both readings, which refuses more
    /// than "no element matches" where a condition says `"if_missing": "match"`.
    pub(crate) fn ask<'v>(
        &self,
        facts: &Facts<'v>,
        reading: Reading,
        leaf: &impl Fn(Found<'v>) -> Truth,
    ) -> Truth {
        let text = |text: Option<&'v str>| match text {
            Some(text) => leaf(Found::Subject(Subject::Text(text))),
            None => leaf(Found::Missing),
        };
        match self.root {
            PathRoot::Args => {
                let rest = Rest { steps: &self.steps, folded: &self.folded };
                rest.walk(facts.args.root(), reading, leaf)
            }
            PathRoot::ToolName => text(facts.tool.map(|tool| tool.name)),
            PathRoot::ToolClass => {
                text(facts.tool.and_then(|tool| tool.class).map(crate::Class::as_str))
            }
            PathRoot::ToolRisk => {
                text(facts.tool.and_then(|tool| tool.risk).map(crate::Risk::as_str))
            }
            PathRoot::GrantLabel => text(Some(facts.grant.label)),
            PathRoot::GrantTags => leaf(self.tag(facts)),
            PathRoot::ClientName => text(facts.client.name),
            PathRoot::ClientVersion => text(facts.client.version),
            PathRoot::NowHour => leaf(Found::Subject(Subject::Small(facts.now.hour()))),
            PathRoot::NowWeekday => text(Some(facts.now.weekday())),
        }
    }

    /// Whether what stands at the end of this path depends on a place of the arguments that is not known. Such
    /// places are what `gaps` says they are.
    pub(crate) fn meets_gap(&self, facts: &Facts<'_>, gaps: &impl Gaps) -> bool {
        match self.root {
            PathRoot::Args => gap_below(&self.steps, facts.args.root(), gaps),
            PathRoot::ToolName
            | PathRoot::ToolClass
            | PathRoot::ToolRisk
            | PathRoot::GrantLabel
            | PathRoot::GrantTags
            | PathRoot::ClientName
            | PathRoot::ClientVersion
            | PathRoot::NowHour
            | PathRoot::NowWeekday => false,
        }
    }

    fn tag<'v>(&self, facts: &Facts<'v>) -> Found<'v> {
        let Some((Step::Key(wanted), deeper)) = self.steps.split_first() else {
            return Found::Undefined;
        };
        let mut found = None;
        for (key, value) in facts.grant.tags {
            if **key == **wanted {
                found = Some(value);
            } else if is_twin(key, &self.folded) {
                return Found::Undefined;
            }
        }
        match found {
            None => Found::Missing,
            // A tag is a string: a step into it is a step into a value of the wrong type.
            Some(_) if !deeper.is_empty() => Found::Undefined,
            Some(value) => Found::Subject(Subject::Text(value)),
        }
    }
}

/// Which places of the arguments are not known.
pub(crate) trait Gaps {
    /// Whether this value, whatever it is, stands for another one.
    fn is_gap(&self, node: Node<'_>) -> bool;

    /// Whether this object or array may have had more members or elements.
    fn is_cut(&self, node: Node<'_>) -> bool;

    /// Whether anything in this value is not known.
    fn has_gap(&self, node: Node<'_>) -> bool;
}

/// The walk of [`Rest::walk`], which asks about gaps in the place of values. Keys are known wherever the object is
/// whole, so what is missing and what is a twin is known too. Recurses once for each `[*]`.
fn gap_below(steps: &[Step], mut node: Node<'_>, gaps: &impl Gaps) -> bool {
    let mut steps = steps.iter();
    loop {
        if gaps.is_gap(node) {
            return true;
        }
        let Some(step) = steps.next() else { return gaps.has_gap(node) };
        let cut = matches!(node.kind(), JsonKind::Object | JsonKind::Array) && gaps.is_cut(node);
        let next = match (step, node.kind()) {
            (_, JsonKind::Object | JsonKind::Array) if cut => return true,
            (Step::Key(key), JsonKind::Object) => node.get(key),
            (Step::Index(index), JsonKind::Array) => node.elements().nth(*index),
            (Step::Each, JsonKind::Array) => {
                let rest = steps.as_slice();
                return node.elements().any(|element| gap_below(rest, element, gaps));
            }
            _ => None,
        };
        match next {
            Some(inner) => node = inner,
            None => return false,
        }
    }
}

/// The steps that are still to be walked, with the folded keys beside them.
#[derive(Debug, Clone, Copy)]
struct Rest<'p> {
    steps: &'p [Step],
    folded: &'p [Box<str>],
}

impl Rest<'_> {
    /// Recurses once for each `[*]` on the way: a path has at most 128 steps.
    fn walk<'v>(
        mut self,
        mut node: Node<'v>,
        reading: Reading,
        leaf: &impl Fn(Found<'v>) -> Truth,
    ) -> Truth {
        while let Some(step) = self.steps.first() {
            let found = match (step, node.kind()) {
                (_, JsonKind::Null) => return leaf(Found::Missing),
                (Step::Key(key), JsonKind::Object) => self.member(node, key),
                (Step::Index(index), JsonKind::Array) => match node.elements().nth(*index) {
                    Some(node) => Next::At(node),
                    None => Next::Missing,
                },
                (Step::Each, JsonKind::Array) => {
                    return self.next().each(node, reading, leaf);
                }
                _ => Next::Undefined,
            };
            match found {
                Next::At(inner) => node = inner,
                Next::Missing => return leaf(Found::Missing),
                Next::Undefined => return leaf(Found::Undefined),
            }
            self = self.next();
        }
        if node.kind() == JsonKind::Null {
            return leaf(Found::Missing);
        }
        leaf(Found::Subject(Subject::Node(node)))
    }

    fn each<'v>(
        self,
        array: Node<'v>,
        reading: Reading,
        leaf: &impl Fn(Found<'v>) -> Truth,
    ) -> Truth {
        let truths = array.elements().map(|element| self.walk(element, reading, leaf));
        let joined = match reading {
            Reading::Require => truths.reduce(Truth::and),
            Reading::DenyIf => truths.reduce(Truth::or),
        };
        joined.unwrap_or_else(|| leaf(Found::Missing))
    }

    fn member<'v>(&self, object: Node<'v>, wanted: &str) -> Next<'v> {
        let mut found = Next::Missing;
        for (key, node) in object.members() {
            if key == wanted {
                found = Next::At(node);
            } else if is_twin(key, self.folded_keys()) {
                return Next::Undefined;
            }
        }
        found
    }

    /// The folded keys from here to the next step that is no key.
    fn folded_keys(&self) -> &[Box<str>] {
        let keys = self.steps.iter().take_while(|step| matches!(step, Step::Key(_))).count();
        self.folded.get(..keys).unwrap_or_default()
    }

    /// The same steps without the first.
    fn next(self) -> Self {
        Self {
            steps: self.steps.get(1..).unwrap_or_default(),
            folded: self.folded.get(1..).unwrap_or_default(),
        }
    }
}

enum Next<'v> {
    At(Node<'v>),
    Missing,
    Undefined,
}
