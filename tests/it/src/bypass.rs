//! Runs bypass cases: attempts to get a call past the gateway, over real HTTP, in front of recorders
//! that say what was really run. A case is data; this module and its files know how to run any.

mod case;
mod input;
mod judge;
mod sequence;
mod stage;

use std::fmt;
use std::path::Path;

use crate::recorder::Personality;

pub use case::{Case, CaseError};
use stage::Stage;

/// Why a case failed, in sentences.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The case's name.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What did not hold.
    pub faults: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({})", self.id, self.title)?;
        self.faults.iter().try_for_each(|fault| write!(out, "\n    {fault}"))
    }
}

/// What became of a file of cases.
#[derive(Debug, Default)]
pub struct Report {
    /// How many cases held.
    pub passed: usize,
    /// Those that did not.
    pub failed: Vec<Failure>,
}

/// Reads a file of cases.
///
/// # Errors
/// Names the line that cannot be read.
pub fn read(path: &Path) -> Result<Vec<Case>, CaseError> {
    let text = std::fs::read_to_string(path).map_err(|problem| CaseError {
        line: 0,
        problem: format!("{}: {problem}", path.display()),
    })?;
    case::parse(&text)
}

/// Runs cases against gateways in front of recorders of one personality. Single requests share a
/// gateway, each with grants of its own; a sequence has a gateway to itself.
pub async fn run(cases: &[Case], personality: Personality) -> Report {
    run_watched(cases, personality, |_failure| ()).await
}

/// As [`run`], and tells of each failure at once.
pub async fn run_watched(
    cases: &[Case],
    personality: Personality,
    mut watch: impl FnMut(&Failure),
) -> Report {
    let mut report = Report::default();
    let (alone, together): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| case.needs_a_stage_of_its_own());
    if !together.is_empty() {
        let mut stage = Stage::shared(&together, personality).await;
        for case in together {
            report.note(case, stage.play(case).await, &mut watch);
        }
    }
    for case in alone {
        let mut stage = Stage::alone(case, personality).await;
        report.note(case, stage.play(case).await, &mut watch);
    }
    report
}

impl Report {
    fn note(&mut self, case: &Case, faults: Vec<String>, watch: &mut impl FnMut(&Failure)) {
        if faults.is_empty() {
            self.passed += 1;
        } else {
            let (id, title) = (case.id.clone(), case.title.clone());
            let failure = Failure { id, title, faults };
            watch(&failure);
            self.failed.push(failure);
        }
    }
}
