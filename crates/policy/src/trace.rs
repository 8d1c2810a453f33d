//! The trace of a decision: which rules were evaluated and what each said. Built as numbers, printed on request.
//!
//! Never holds an argument's value: it goes into the audit log, which may have been told to keep none.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

/// What one rule said of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The selector matches the call; its rules follow.
    Matched,
    /// Hidden by this entry (step 1).
    Hides,
    /// The URI is odd (step 2).
    OddUri,
    /// No selector lists it, and the default denies (step 2).
    NotListed,
    /// No selector lists it, and the default allows.
    DefaultAllows,
    /// `action: "deny"` (step 3).
    Denies,
    /// `action: "approve"` (step 7).
    Asks,
    /// The rule holds, or the arguments satisfy the schema.
    Passed,
    /// The rule fails and nobody can waive that (steps 4 and 5).
    Failed,
    /// The rule fails and a person may waive that (step 7).
    FailedWaivable,
    /// The rule has no answer for these arguments, which denies (step 5).
    Undefined,
    /// The limit takes its amount from the call, if there is room (step 8).
    Charges,
    /// The limit's amount is missing or no amount (step 6).
    BadAmount,
    /// There is no policy, or none that can be compiled.
    NoPolicy,
}

impl Outcome {
    /// The word in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Matched => "matched",
            Self::Hides => "hides",
            Self::OddUri => "odd_uri",
            Self::NotListed => "not_listed",
            Self::DefaultAllows => "default_allows",
            Self::Denies => "denies",
            Self::Asks => "asks",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::FailedWaivable => "failed_waivable",
            Self::Undefined => "undefined",
            Self::Charges => "charges",
            Self::BadAmount => "bad_amount",
            Self::NoPolicy => "no_policy",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Matched => "matches",
            Self::Hides => "hides it",
            Self::OddUri => "the URI can be read in more than one way: denied",
            Self::NotListed => "not listed: denied",
            Self::DefaultAllows => "not listed: allowed",
            Self::Denies => "denies it",
            Self::Asks => "asks a person",
            Self::Passed => "passes",
            Self::Failed => "fails: denied",
            Self::FailedWaivable => "fails: a person may waive it",
            Self::Undefined => "undefined: denied",
            Self::Charges => "charges",
            Self::BadAmount => "has no usable amount: denied",
            Self::NoPolicy => "nothing is allowed",
        }
    }
}

/// What a step usually takes as JSON, in bytes: a first guess at the room, not a bound.
const STEP_JSON_BYTES: usize = 80;

/// Names of everything that a policy's traces can mention; a trace keeps indices into it.
pub(crate) type Names = Arc<[Arc<str>]>;

/// What every evaluated rule said, in the order of POLICY section 2.
#[derive(Clone)]
pub struct Trace {
    names: Names,
    steps: SmallVec<[(u32, Outcome); 12]>,
}

impl Trace {
    pub(crate) fn new(names: &Names) -> Self {
        Self { names: Arc::clone(names), steps: SmallVec::new() }
    }

    pub(crate) fn push(&mut self, name: u32, outcome: Outcome) {
        self.steps.push((name, outcome));
    }

    /// A trace for a call that met no policy at all, such as one whose arguments are malformed.
    pub fn empty() -> Self {
        Self { names: Arc::from([]), steps: SmallVec::new() }
    }

    /// Rule names with what each said.
    pub fn steps(&self) -> impl Iterator<Item = (&str, Outcome)> {
        self.steps.iter().map(|(name, outcome)| {
            let index = usize::try_from(*name).unwrap_or(usize::MAX);
            (self.names.get(index).map_or("", |name| &**name), *outcome)
        })
    }

    /// A JSON array of `{"rule", "result"}` objects in one line.
    pub fn to_json(&self) -> String {
        let mut out = String::with_capacity(self.steps.len().saturating_mul(STEP_JSON_BYTES));
        out.push('[');
        for (index, (rule, outcome)) in self.steps().enumerate() {
            if index > 0 {
                out.push(',');
            }
            out.push_str("{\"rule\":");
            crate::canonical::push_json_string(&mut out, rule);
            out.push_str(",\"result\":\"");
            out.push_str(outcome.as_str());
            out.push_str("\"}");
        }
        out.push(']');
        out
    }
}

/// One line for each rule, without a line break at the end.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (rule, outcome)) in self.steps().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{rule}: {}", outcome.sentence())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.steps()).finish()
    }
}
