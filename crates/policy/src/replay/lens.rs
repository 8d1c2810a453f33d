//! A call that is known in part, read as the most that it can be, and as the least.
//!
//! Whatever the missing values are, the verdict lies between the two: a rule that passes in place of one that fails
//! never makes a verdict stricter. Each unknown condition is taken for itself, as if it could say anything, so the two
//! may lie further apart than the values allow; a verdict on which both agree is certain.

use super::gap::Marks;
use crate::decide::{Lens, Plain, truth_of};
use crate::document::Condition;
use crate::path::Gaps as _;
use crate::{Facts, Micro, Path, PathRoot, Reading, SchemaFault, SchemaMode, Truth};

/// An amount that is not known, as a charge: more than any limit takes.
pub(super) const UNKNOWN_AMOUNT: Micro = Micro(u64::MAX);

/// Which end of what is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Every rule that may pass does.
    Mildest,
    /// Every rule that may fail does.
    Strictest,
}

/// What of a call is not known beside the marks in its arguments.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Missing {
    /// What the client said of itself.
    pub(super) client: bool,
    /// The tags that the grant had.
    pub(super) tags: bool,
}

/// One end of what a call may have been.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partial {
    pub(super) end: End,
    pub(super) missing: Missing,
}

/// Which truths a condition may have.
#[derive(Debug, Clone, Copy)]
struct Possible {
    yes: bool,
    no: bool,
    undefined: bool,
}

impl Possible {
    const ANY: Self = Self { yes: true, no: true, undefined: true };
    const NONE: Self = Self { yes: false, no: false, undefined: false };

    fn of(truth: Truth) -> Self {
        Self::NONE.with(truth)
    }

    fn with(self, truth: Truth) -> Self {
        match truth {
            Truth::True => Self { yes: true, ..self },
            Truth::False => Self { no: true, ..self },
            Truth::Undefined => Self { undefined: true, ..self },
        }
    }

    fn has(self, truth: Truth) -> bool {
        match truth {
            Truth::True => self.yes,
            Truth::False => self.no,
            Truth::Undefined => self.undefined,
        }
    }

    /// Whatever `join` makes of one truth of each.
    fn joined(self, other: Self, join: impl Fn(Truth, Truth) -> Truth) -> Self {
        const ALL: [Truth; 3] = [Truth::True, Truth::False, Truth::Undefined];
        let pairs =
            ALL.into_iter().flat_map(|left| ALL.into_iter().map(move |right| (left, right)));
        pairs
            .filter(|(left, right)| self.has(*left) && other.has(*right))
            .fold(Self::NONE, |all, (left, right)| all.with(join(left, right)))
    }
}

impl Partial {
    fn knows(self, path: &Path, facts: &Facts<'_>) -> bool {
        match path.root() {
            PathRoot::ClientName | PathRoot::ClientVersion => !self.missing.client,
            PathRoot::GrantTags => !self.missing.tags,
            PathRoot::Args
            | PathRoot::ToolName
            | PathRoot::ToolClass
            | PathRoot::ToolRisk
            | PathRoot::GrantLabel
            | PathRoot::NowHour
            | PathRoot::NowWeekday => !path.meets_gap(facts, &Marks),
        }
    }

    /// Recursion is bounded by the document's depth.
    fn possible(self, condition: &Condition, reading: Reading, facts: &Facts<'_>) -> Possible {
        match condition {
            Condition::Test(test) if !self.knows(&test.path, facts) => Possible::ANY,
            Condition::Test(_) => Possible::of(truth_of(condition, reading, facts)),
            Condition::Not(inner) => {
                let inner = self.possible(inner, reading.swapped(), facts);
                Possible { yes: inner.no, no: inner.yes, undefined: inner.undefined }
            }
            Condition::Any(inner) => inner
                .iter()
                .map(|inner| self.possible(inner, reading, facts))
                .fold(Possible::of(Truth::False), |all, next| all.joined(next, Truth::or)),
        }
    }
}

impl Lens for Partial {
    fn rule(&self, conditions: &[Condition], reading: Reading, facts: &Facts<'_>) -> Truth {
        let possible = conditions
            .iter()
            .map(|condition| self.possible(condition, reading, facts))
            .fold(Possible::of(Truth::True), |all, next| all.joined(next, Truth::and));
        let (passes, fails) = match reading {
            Reading::Require => (Truth::True, Truth::False),
            Reading::DenyIf => (Truth::False, Truth::True),
        };
        // What a person may waive lies between what passes and what nobody can decide.
        let order = match self.end {
            End::Mildest => [passes, fails, Truth::Undefined],
            End::Strictest => [Truth::Undefined, fails, passes],
        };
        order.into_iter().find(|truth| possible.has(*truth)).unwrap_or(Truth::Undefined)
    }

    fn schema(&self, mode: SchemaMode, facts: &Facts<'_>) -> Option<Result<(), SchemaFault>> {
        if !Marks.has_gap(facts.args.root()) {
            return Plain.schema(mode, facts);
        }
        facts.tool.and_then(|tool| tool.schema)?;
        Some(match self.end {
            End::Mildest => Ok(()),
            End::Strictest => {
                let message = "the arguments are not known".to_owned();
                Err(SchemaFault { pointer: String::new(), message })
            }
        })
    }

    fn amount(&self, path: &Path, facts: &Facts<'_>) -> Option<Micro> {
        match self.end {
            _ if self.knows(path, facts) => Plain.amount(path, facts),
            End::Mildest => Some(UNKNOWN_AMOUNT),
            End::Strictest => None,
        }
    }
}
