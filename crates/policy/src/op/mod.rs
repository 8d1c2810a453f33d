//! The operators of conditions: what `value` each takes, and what each says of an argument.

mod constant;
mod folders;
mod hosts;
mod parse;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use regex::Regex;

use self::constant::{Constant, List};
use self::folders::Folders;
use self::hosts::Hosts;
use crate::path::{Found, Subject};
use crate::{Decimal, Facts, JsonKind, Micro, Node, Path, Truth};

/// In which list a condition stands. Each `not` around it swaps the two (POLICY section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// `[*]` is every element, and `contains` wants the element of an array itself.
    Require,
    /// `[*]` is some element, and `contains` also looks into the strings of an array.
    DenyIf,
}

impl Reading {
    /// The reading inside one more `not`.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Require => Self::DenyIf,
            Self::DenyIf => Self::Require,
        }
    }
}

/// What a missing argument makes of a condition (`if_missing`). `exists` does not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IfMissing {
    /// The default: the condition is false.
    False,
    /// `"match"`: the condition is true.
    Match,
}

/// A parsed operator with its value.
#[derive(Debug, Clone)]
pub struct Op {
    name: &'static str,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Same { constant: Constant, sense: Sense },
    Order { bound: Decimal, side: Side },
    Member { list: List, sense: Sense },
    Exists { wanted: bool },
    Pattern { regex: Regex, sense: Sense },
    Contains { needle: Constant, sense: Sense },
    StartsWith(Box<str>),
    EndsWith(Box<str>),
    Length { bound: usize, side: Side },
    Count { bound: usize, side: Side },
    Within(Folders),
    Host(Hosts),
}

/// Whether an operator says what it finds, or the opposite (`neq`, `not_in`, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sense {
    Plain,
    Negated,
}

impl Sense {
    fn of(self, truth: Truth) -> Truth {
        match self {
            Self::Plain => truth,
            Self::Negated => !truth,
        }
    }
}

/// On which side of a bound an argument must lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Side {
    fn admits(self, argument_to_bound: Ordering) -> Truth {
        Truth::from(match self {
            Self::Less => argument_to_bound.is_lt(),
            Self::LessOrEqual => argument_to_bound.is_le(),
            Self::Greater => argument_to_bound.is_gt(),
            Self::GreaterOrEqual => argument_to_bound.is_ge(),
        })
    }
}

/// Which member of the condition is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpErrorAt {
    /// `op`
    Op,
    /// `value`
    Value,
}

/// Why a name and a value make no operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct OpError {
    /// Where the mistake stands.
    pub at: OpErrorAt,
    /// A JSON Pointer below that place, such as `/2` for the third element of a list; empty for the place
    /// itself.
    pub below: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where something is near.
    pub help: Option<String>,
}

impl Op {
    /// Reads the operator `name` with its `value`. Under an unknown name the value is not looked at.
    ///
    /// # Errors
    /// Every mistake there is, at least one.
    pub fn parse(name: &str, value: Node<'_>) -> Result<Self, Vec<OpError>> {
        parse::parse(name, value)
    }

    /// The operator's name as it is written.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The bound of `lt`, `lte`, `gt` or `gte`.
    pub fn number(&self) -> Option<&Decimal> {
        if let Test::Order { bound, .. } = &self.test { Some(bound) } else { None }
    }

    fn test(&self, found: Found<'_>, if_missing: IfMissing, reading: Reading) -> Truth {
        match (found, &self.test) {
            (Found::Undefined, _) => Truth::Undefined,
            (Found::Missing, Test::Exists { wanted }) => Truth::from(!wanted),
            (Found::Missing, _) => Truth::from(if_missing == IfMissing::Match),
            (Found::Subject(subject), test) => test.of(subject, reading),
        }
    }
}

impl Test {
    fn of(&self, subject: Subject<'_>, reading: Reading) -> Truth {
        match self {
            Self::Same { constant, sense } => sense.of(constant.same(subject)),
            Self::Member { list, sense } => sense.of(list.holds(subject)),
            Self::Exists { wanted } => Truth::from(*wanted),
            Self::Order { bound, side } => match subject.number() {
                Some(number) => side.admits(number.cmp(bound)),
                None => Truth::Undefined,
            },
            Self::Contains { needle, sense: Sense::Plain } => contains(needle, subject, reading),
            Self::Contains { needle, sense: Sense::Negated } => {
                !contains(needle, subject, reading.swapped())
            }
            Self::Count { bound, side } => count(subject, *bound, *side),
            Self::Pattern { .. }
            | Self::StartsWith(_)
            | Self::EndsWith(_)
            | Self::Length { .. }
            | Self::Within(_)
            | Self::Host(_) => match subject.as_str() {
                Some(text) => self.of_text(text),
                None => Truth::Undefined,
            },
        }
    }

    /// The operators that are defined for strings only.
    fn of_text(&self, text: &str) -> Truth {
        match self {
            Self::Pattern { regex, sense } => sense.of(Truth::from(regex.is_match(text))),
            Self::StartsWith(start) => Truth::from(text.starts_with(&**start)),
            Self::EndsWith(end) => Truth::from(text.ends_with(&**end)),
            Self::Length { bound, side } => {
                // One more than the bound is as good as any larger length.
                let length = text.chars().take(bound.saturating_add(1)).count();
                side.admits(length.cmp(bound))
            }
            Self::Within(folders) => folders.hold(text),
            Self::Host(hosts) => hosts.name(text),
            Self::Same { .. }
            | Self::Order { .. }
            | Self::Member { .. }
            | Self::Exists { .. }
            | Self::Contains { .. }
            | Self::Count { .. } => Truth::Undefined,
        }
    }
}

/// `contains`: a substring of a string, or an element of an array; in a `deny_if` also a substring of a
/// string element.
fn contains(needle: &Constant, subject: Subject<'_>, reading: Reading) -> Truth {
    let substring = |text: &str| needle.as_str().map(|needle| text.contains(needle));
    if let Some(text) = subject.as_str() {
        return substring(text).map_or(Truth::Undefined, Truth::from);
    }
    let Subject::Node(node) = subject else { return Truth::Undefined };
    if node.kind() != JsonKind::Array {
        return Truth::Undefined;
    }
    let element = |node: Node<'_>| {
        let inside = reading == Reading::DenyIf && node.as_str().and_then(substring) == Some(true);
        if inside { Truth::True } else { needle.same(Subject::Node(node)) }
    };
    node.elements().map(element).fold(Truth::False, Truth::or)
}

fn count(subject: Subject<'_>, bound: usize, side: Side) -> Truth {
    match (subject, subject.kind()) {
        (Subject::Node(node), JsonKind::Array | JsonKind::Object) => {
            side.admits(node.len().cmp(&bound))
        }
        _ => Truth::Undefined,
    }
}

/// Evaluates one condition `{path, op, value, if_missing}` for a call (POLICY section 4).
///
/// `reading` is that of the list in which the condition stands, swapped for each `not` around it. Total, and
/// recursing no deeper than the path has `[*]`.
pub fn eval(
    path: &Path,
    op: &Op,
    if_missing: IfMissing,
    reading: Reading,
    facts: &Facts<'_>,
) -> Truth {
    path.ask(facts, reading, &|found| op.test(found, if_missing, reading))
}

/// The units that `increment_from` finds, finer than a millionth rounded up. `None` where the path is
/// missing, undefined, negative or no number: that denies with `type_mismatch` (POLICY section 5). An amount
/// beyond the range of [`Micro`] saturates, and fits no limit.
pub fn amount(path: &Path, facts: &Facts<'_>) -> Option<Micro> {
    let amount = std::cell::Cell::new(None);
    // A path with `[*]` is no path of `increment_from`; of several elements none is *the* amount.
    if path.has_star() {
        return None;
    }
    path.ask(facts, Reading::Require, &|found| {
        if let Found::Subject(subject) = found {
            amount.set(subject.number().and_then(|number| number.to_micro_ceil()));
        }
        Truth::Undefined
    });
    amount.get()
}

/// What a condition looked at, in short, for hints: a number or boolean as written, a string in quotes cut to
/// 64 characters, or the kind of anything else. `None` where the path is missing, undefined or has `[*]`.
pub fn observed(path: &Path, facts: &Facts<'_>) -> Option<String> {
    /// Characters of an argument that a hint shows.
    const SHOWN_CHARS_MAX: usize = 64;

    if path.has_star() {
        return None;
    }
    let shown = std::cell::RefCell::new(None);
    path.ask(facts, Reading::Require, &|found| {
        let Found::Subject(subject) = found else { return Truth::Undefined };
        let cut = |text: &str| text.chars().take(SHOWN_CHARS_MAX).collect::<String>();
        let text = match (subject, subject.kind()) {
            (Subject::Small(number), _) => number.to_string(),
            (Subject::Node(node), JsonKind::Number) => cut(node.number_text().unwrap_or_default()),
            (Subject::Node(node), JsonKind::Bool) => node.as_bool().unwrap_or_default().to_string(),
            (_, JsonKind::Array) => "an array".to_owned(),
            (_, JsonKind::Object) => "an object".to_owned(),
            _ => format!("{:?}", cut(subject.as_str().unwrap_or_default())),
        };
        shown.replace(Some(text));
        Truth::Undefined
    });
    shown.into_inner()
}
