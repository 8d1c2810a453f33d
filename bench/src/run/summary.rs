//! What the runs of a command add up to: medians over the rounds, and ratios of medians of the same
//! run against its first target. Prints nothing.

use serde::Serialize;

use crate::load::Found;
use crate::workload::Workload;

/// How calls follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Pace {
    /// Each connection calls as soon as it has an answer.
    Closed,
    /// So many calls a second.
    Fixed(f64),
    /// Sessions that wait.
    Idle,
}

/// One measurement.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Run {
    /// Counted from 0.
    pub(super) round: u32,
    /// What the load generator found.
    #[serde(flatten)]
    pub(super) found: Found,
}

/// All measurements of one target under one workload.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    pub(super) workload: Workload,
    pub(super) pace: Pace,
    pub(super) target: String,
    pub(super) runs: Vec<Run>,
}

impl Row {
    /// No measurement yet.
    pub(super) fn new(workload: Workload, pace: Pace, target: &str) -> Self {
        Self { workload, pace, target: target.to_owned(), runs: Vec::new() }
    }

    /// The median of a figure over the rounds.
    pub(super) fn median(&self, figure: impl Fn(&Found) -> Option<f64>) -> Option<f64> {
        let mut values: Vec<f64> = self.runs.iter().filter_map(|run| figure(&run.found)).collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let upper = values.get(middle).copied()?;
        if values.len() % 2 == 1 {
            return Some(upper);
        }
        values.get(middle.checked_sub(1)?).map(|lower| f64::midpoint(*lower, upper))
    }

    /// The smallest and the largest value of a figure.
    pub(super) fn range(&self, figure: impl Fn(&Found) -> f64) -> Option<(f64, f64)> {
        let values = self.runs.iter().map(|run| figure(&run.found));
        values.fold(None, |range, value| {
            let (low, high) = range.unwrap_or((value, value));
            Some((low.min(value), high.max(value)))
        })
    }

    /// A count over all rounds.
    pub(super) fn total(&self, count: impl Fn(&Found) -> u64) -> u64 {
        self.runs.iter().map(|run| count(&run.found)).sum()
    }

    /// Why this does not count, if it does not.
    fn problem(&self) -> Option<String> {
        let place = format!("{} {}", self.workload.name(), self.target);
        let bad = self.runs.iter().find(|run| run.found.denied + run.found.errors > 0);
        if let Some(bad) = bad {
            let said = bad.found.first_problem.as_deref().unwrap_or("no reason");
            return Some(format!("{place}: {said}"));
        }
        let empty = self.runs.is_empty() || self.runs.iter().any(|run| run.found.answers == 0);
        empty.then(|| format!("{place}: no answer in the measured time"))
    }
}

/// Everything that a command has measured.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Results {
    pub(super) machine: String,
    pub(super) rows: Vec<Row>,
    /// W1 where there is more of something, and first where there is not.
    pub(super) scale: Vec<Row>,
    pub(super) limits: Vec<Limit>,
}

/// A figure, and what it may be at most.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Limit {
    pub(super) about: String,
    pub(super) unit: &'static str,
    pub(super) measured: f64,
    /// None: the figure says what another one is made of.
    pub(super) at_most: Option<f64>,
}

impl Results {
    /// Nothing yet; notes the machine as it is now.
    pub(super) fn new() -> Self {
        Self::of(super::machine())
    }

    /// Nothing yet, of such a machine.
    pub(super) fn of(machine: String) -> Self {
        Self { machine, rows: Vec::new(), scale: Vec::new(), limits: Vec::new() }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Keeps one measurement.
    pub(super) fn record(&mut self, workload: Workload, pace: Pace, target: &str, run: Run) {
        let row = self
            .rows
            .iter_mut()
            .find(|row| row.workload == workload && row.pace == pace && row.target == target);
        if let Some(row) = row {
            row.runs.push(run);
        }
    }

    /// The rows of one table.
    pub(super) fn table(&self, workload: Workload, pace: Pace) -> Vec<&Row> {
        let wanted = |row: &&Row| row.workload == workload && row.pace == pace;
        self.rows.iter().filter(wanted).collect()
    }

    /// The tables, in the order in which they were measured.
    pub(super) fn tables(&self) -> Vec<(Workload, Pace)> {
        let mut tables = Vec::new();
        for row in &self.rows {
            if tables.last() != Some(&(row.workload, row.pace)) {
                tables.push((row.workload, row.pace));
            }
        }
        tables
    }

    /// The first reason why some run does not count.
    pub(super) fn first_problem(&self) -> Option<String> {
        self.rows.iter().chain(&self.scale).find_map(Row::problem)
    }
}

#[cfg(test)]
#[path = "summary_tests.rs"]
mod tests;
