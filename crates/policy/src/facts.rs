//! What a condition may ask about: the call's arguments, its tool, grant, client and instant. No rules here.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::{Schema, UnixMillis, Value};

/// Everything that a condition can see of one call.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The arguments as judged; for a resource an object with `uri`.
    pub args: &'a Value<'a>,
    /// The tool, or `None` for a resource or a prompt.
    pub tool: Option<ToolFacts<'a>>,
    /// The grant of the call.
    pub grant: GrantFacts<'a>,
    /// What the client says of itself; no security boundary.
    pub client: ClientFacts<'a>,
    /// When the call came.
    pub now: UnixMillis,
}

/// A tool as pinned for its server.
#[derive(Debug, Clone, Copy)]
pub struct ToolFacts<'a> {
    /// The tool's name, byte for byte.
    pub name: &'a str,
    /// The pinned class; `None` is "missing" for conditions and matches no class selector.
    pub class: Option<Class>,
    /// The pinned risk; `None` as for `class`.
    pub risk: Option<Risk>,
    /// The pinned `inputSchema`; `None` fails every `validate` but `off`.
    pub schema: Option<&'a Schema>,
}

/// What conditions may see of a grant. Its identity for counters is in [`crate::ScopeIds`].
#[derive(Debug, Clone, Copy)]
pub struct GrantFacts<'a> {
    /// The grant's label.
    pub label: &'a str,
    /// The grant's tags.
    pub tags: &'a BTreeMap<String, String>,
}

/// The client's own name and version, as it says.
#[derive(Debug, Clone, Copy, Default)]
pub struct ClientFacts<'a> {
    /// The name, if it gave one.
    pub name: Option<&'a str>,
    /// The version, if it gave one.
    pub version: Option<&'a str>,
}

/// What a tool does (the catalogue's class).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// Reads only.
    Read,
    /// Changes state.
    Write,
    /// Runs code or commands.
    Execute,
    /// Destroys state.
    Destructive,
    /// Moves money.
    Financial,
}

/// How bad a wrong call of a tool is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Risk {
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// The text is none of the class words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no class: expected read, write, execute, destructive or financial")]
pub struct ClassError(pub String);

/// The text is none of the risk words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no risk: expected low, medium, high or critical")]
pub struct RiskError(pub String);

impl Class {
    /// Every class, in the order of the specification.
    pub const ALL: [Self; 5] =
        [Self::Read, Self::Write, Self::Execute, Self::Destructive, Self::Financial];

    /// The lower-case word, without `@`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Execute => "execute",
            Self::Destructive => "destructive",
            Self::Financial => "financial",
        }
    }

    /// The risk of a tool of which nothing but its class is known (CATALOGUE section 1).
    pub fn usual_risk(self) -> Risk {
        match self {
            Self::Read => Risk::Low,
            Self::Write => Risk::Medium,
            Self::Execute => Risk::High,
            Self::Destructive | Self::Financial => Risk::Critical,
        }
    }
}

/// What a tool counts as wherever somebody asks: by its `pinned` class and risk, and by the class that an operator
/// `given`. The operator's word on the class is taken, and then the tool counts at least as risky as its class usually
/// is; nobody makes a tool less risky by naming its class.
pub fn counts_as(
    (class, risk): (Option<Class>, Option<Risk>),
    given: Option<Class>,
) -> (Option<Class>, Option<Risk>) {
    (given.or(class), risk.max(given.map(Class::usual_risk)))
}

impl Risk {
    /// Every risk, lowest first.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The lower-case word, without `@`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl std::str::FromStr for Class {
    type Err = ClassError;

    fn from_str(text: &str) -> Result<Self, ClassError> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| ClassError(text.to_owned()))
    }
}

impl std::str::FromStr for Risk {
    type Err = RiskError;

    fn from_str(text: &str) -> Result<Self, RiskError> {
        Self::ALL
            .into_iter()
            .find(|risk| risk.as_str() == text)
            .ok_or_else(|| RiskError(text.to_owned()))
    }
}

impl std::fmt::Display for Class {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::fmt::Display for Risk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
