//! The operators of conditions: what `value` each takes, and what each says of an argument.

use crate::{Decimal, Facts, Micro, Node, Path, Truth};

/// In which list a condition stands. Each `not` around it swaps the two (POLICY section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reading {
    /// `[*]` is every element.
    Require,
    /// `[*]` is some element.
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

/// What a missing argument makes of a condition (`if_missing`).
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
    /// A pointer below that place, such as `/2` for the third element of a list; empty for the place itself.
    pub below: String,
    /// What is wrong.
    pub message: String,
    /// What to write instead, where something is near.
    pub help: Option<String>,
}

impl Op {
    /// Reads the operator `name` with its `value`.
    pub fn parse(name: &str, value: Node<'_>) -> Result<Self, OpError> {
        let _ = (name, value);
        Ok(Self { name: "eq" })
    }

    /// The operator's name as it is written.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The bound of `lt`, `lte`, `gt` or `gte`.
    pub fn number(&self) -> Option<&Decimal> {
        None
    }
}

/// Evaluates one condition `{path, op, value, if_missing}` for a call.
pub fn eval(
    path: &Path,
    op: &Op,
    if_missing: IfMissing,
    reading: Reading,
    facts: &Facts<'_>,
) -> Truth {
    let _ = (path, op, if_missing, reading, facts);
    Truth::Undefined
}

/// The units that `increment_from` finds, finer than a millionth rounded up. `None` where the path is
/// missing, undefined, negative or no number: that denies with `type_mismatch` (POLICY section 5).
pub fn amount(path: &Path, facts: &Facts<'_>) -> Option<Micro> {
    let _ = (path, facts);
    None
}
