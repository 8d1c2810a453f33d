//! Constants of a policy, and equality of an argument with them: same type, structurally, numbers by value.

use crate::path::Subject;
use crate::{Decimal, JsonKind, Node, Truth, Value};

/// One constant, made ready for comparison.
#[derive(Debug, Clone)]
pub(super) enum Constant {
    Null,
    Bool(bool),
    Number(Decimal),
    Text(Box<str>),
    /// An array or an object.
    Tree(Value<'static>),
}

impl Constant {
    /// `None` if a number in it has no value.
    pub(super) fn new(node: Node<'_>) -> Option<Self> {
        if has_undefined_number(node) {
            return None;
        }
        Some(match node.kind() {
            JsonKind::Null => Self::Null,
            JsonKind::Bool => Self::Bool(node.as_bool()?),
            JsonKind::Number => Self::Number(Decimal::parse(node.number_text()?)?),
            JsonKind::String => Self::Text(node.as_str()?.into()),
            JsonKind::Array | JsonKind::Object => Self::Tree(node.to_value()),
        })
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }

    /// `eq`: undefined for another type, and where a number of the argument, at any depth, has no value.
    pub(super) fn same(&self, subject: Subject<'_>) -> Truth {
        match (self, subject.kind()) {
            (Self::Null, JsonKind::Null) => Truth::True,
            (Self::Text(text), JsonKind::String) => Truth::from(subject.as_str() == Some(&**text)),
            (Self::Number(number), JsonKind::Number) => match subject.number() {
                Some(argument) => Truth::from(argument == *number),
                None => Truth::Undefined,
            },
            (Self::Bool(value), JsonKind::Bool) => match subject {
                Subject::Node(node) => Truth::from(node.as_bool() == Some(*value)),
                Subject::Text(_) | Subject::Small(_) => Truth::Undefined,
            },
            (Self::Tree(tree), JsonKind::Array | JsonKind::Object) => match subject {
                Subject::Node(node) => same_tree(tree, node),
                Subject::Text(_) | Subject::Small(_) => Truth::Undefined,
            },
            _ => Truth::Undefined,
        }
    }
}

fn same_tree(tree: &Value<'_>, node: Node<'_>) -> Truth {
    if tree.root().kind() != node.kind() || has_undefined_number(node) {
        return Truth::Undefined;
    }
    Truth::from(equal(tree.root(), node))
}

/// True if a number in `node`, at any depth, is written with too many digits or too large an exponent.
pub(super) fn has_undefined_number(node: Node<'_>) -> bool {
    node.numbers().any(|text| Decimal::parse(text).is_none())
}

/// Structural equality; recurses no deeper than the constant, `left`, is nested, which a document bounds.
fn equal(left: Node<'_>, right: Node<'_>) -> bool {
    if left.kind() != right.kind() || left.len() != right.len() {
        return false;
    }
    match left.kind() {
        JsonKind::Null => true,
        JsonKind::Bool => left.as_bool() == right.as_bool(),
        JsonKind::String => left.as_str() == right.as_str(),
        JsonKind::Number => {
            let value = |node: Node<'_>| node.number_text().and_then(Decimal::parse);
            value(left).is_some_and(|left| value(right).is_some_and(|right| left == right))
        }
        JsonKind::Array => {
            left.elements().zip(right.elements()).all(|(left, right)| equal(left, right))
        }
        // Keys are unique in each, so equal numbers of keys and every key found make the same set.
        JsonKind::Object => {
            left.members().all(|(key, left)| right.get(key).is_some_and(|right| equal(left, right)))
        }
    }
}

/// The list of `in` and `not_in`, sorted by type so that long lists cost little.
#[derive(Debug, Clone, Default)]
pub(super) struct List {
    bools: Vec<bool>,
    numbers: Vec<Decimal>,
    texts: Vec<Box<str>>,
    trees: Vec<Value<'static>>,
}

impl List {
    /// A list with these elements. `null` is dropped: an argument that is `null` is missing, so no argument
    /// has that type.
    pub(super) fn new(constants: impl Iterator<Item = Constant>) -> Self {
        let mut list = Self::default();
        for constant in constants {
            match constant {
                Constant::Null => {}
                Constant::Bool(value) => list.bools.push(value),
                Constant::Number(number) => list.numbers.push(number),
                Constant::Text(text) => list.texts.push(text),
                Constant::Tree(tree) => list.trees.push(tree),
            }
        }
        list.numbers.sort_unstable();
        list.texts.sort_unstable();
        list
    }

    /// `in`: true if some element is equal, undefined if none has the argument's type.
    pub(super) fn holds(&self, subject: Subject<'_>) -> Truth {
        match subject.kind() {
            JsonKind::Null => Truth::Undefined,
            JsonKind::Bool => {
                let constants = self.bools.iter().map(|value| Constant::Bool(*value));
                any(constants.map(|constant| constant.same(subject)))
            }
            JsonKind::Number => match subject.number() {
                Some(number) if !self.numbers.is_empty() => {
                    Truth::from(self.numbers.binary_search(&number).is_ok())
                }
                _ => Truth::Undefined,
            },
            JsonKind::String => match subject.as_str() {
                Some(text) if !self.texts.is_empty() => {
                    Truth::from(self.texts.binary_search_by(|known| (**known).cmp(text)).is_ok())
                }
                _ => Truth::Undefined,
            },
            JsonKind::Array | JsonKind::Object => self.holds_tree(subject),
        }
    }

    fn holds_tree(&self, subject: Subject<'_>) -> Truth {
        let Subject::Node(node) = subject else { return Truth::Undefined };
        let alike = self.trees.iter().filter(|tree| tree.root().kind() == node.kind());
        any(alike.map(|tree| same_tree(tree, node)))
    }
}

/// One of the elements of the argument's type; undefined if there is none.
fn any(truths: impl Iterator<Item = Truth>) -> Truth {
    truths.reduce(Truth::or).unwrap_or(Truth::Undefined)
}
