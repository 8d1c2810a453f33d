//! The command line of a run: which parts, how long, and what is printed. Measures nothing.

use std::path::PathBuf;

use clap::ValueEnum;
use clap::builder::PossibleValue;

use super::summary::Pace;
use super::target::Kind;
use crate::workload::Workload;

/// What stands below `--help`.
pub(crate) const EXAMPLES: &str = "\
Parts: W1 to W6 compare targets under a workload. `scale` has a hundred times as many tools, policies,
grants, sessions or audit rows, and asks whether a call costs more. `limits` compares sizes, memory and
times with what they may be: the binary, a decision, a gateway at rest, an idle session, a start. `pages` asks for the
console's pages where there are 10,000 tools and many audit rows.

Targets of W1 to W6: proxy (body-blind, the floor), portcullis (buffered audit, 10 tools with two
conditions and one limit each), portcullis-durable (the same, each call waits for its row on disk),
portcullis-500 (W6 only: 500 tools with five conditions). Ratios are against the first one.

With two cores or more, the target has the first core for itself; the load generator and the mock
server share the others. A cheap target is then limited by those, so compare its processor time for
one call rather than its calls a second.

Examples:
  cargo xtask bench                                   everything, about 15 minutes
  cargo xtask bench --quick                           everything for a moment, about 2 minutes
  cargo xtask bench --only W1 --only W3 -r 3 -d 2     two workloads, shorter
  cargo xtask bench --only W1 --rate 2000 proxy portcullis
  cargo xtask bench --only scale                      does a call cost more where there is more?
  cargo xtask bench --only pages                      how long the console's pages take
  cargo xtask bench --only W5 --sessions 500          memory of idle sessions
  cargo xtask bench --markdown --json figures.json    tables for a page, every run in a file";

/// A part of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Targets under a workload.
    Of(Workload),
    /// W1 with a hundred times as many of what a gateway holds.
    Scale,
    /// Sizes, memory and times, each with what it may be at most.
    Limits,
    /// Times of the console's pages, with what they may be at most.
    Pages,
}

impl ValueEnum for Part {
    fn value_variants<'a>() -> &'a [Self] {
        &[
            Self::Of(Workload::W1),
            Self::Of(Workload::W2),
            Self::Of(Workload::W3),
            Self::Of(Workload::W4),
            Self::Of(Workload::W5),
            Self::Of(Workload::W6),
            Self::Scale,
            Self::Limits,
            Self::Pages,
        ]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, about) = match self {
            Self::Of(workload) => return workload.to_possible_value(),
            Self::Scale => (
                "scale",
                "W1 with a hundred times as many tools, policies, grants, sessions or audit rows",
            ),
            Self::Limits => ("limits", "Sizes, memory and times, each with what it may be at most"),
            Self::Pages => ("pages", "Times of the console's pages of a large installation"),
        };
        Some(PossibleValue::new(name).help(about))
    }
}

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// What W1 to W6 measure [default: all that the workload has a use for]
    #[arg(value_name = "TARGET")]
    pub(super) targets: Vec<Kind>,
    /// A part; repeatable [default: all, or W1 to W6 where targets are named]
    #[arg(short, long, alias = "workload", value_name = "PART", ignore_case = true)]
    pub(super) only: Vec<Part>,
    /// One short round, and fewer audit rows: whether all works, and no figure to quote
    #[arg(short, long)]
    pub(super) quick: bool,
    /// How often each target is measured, for each workload
    #[arg(short, long, default_value_t = 5, default_value_if("quick", "true", "1"),
          value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) rounds: u32,
    /// Seconds of each measurement
    #[arg(
        short,
        long,
        value_name = "SECONDS",
        default_value_t = 4.0,
        default_value_if("quick", "true", "1")
    )]
    pub(super) duration: f64,
    /// Seconds of calls before each measurement
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 1.0,
        default_value_if("quick", "true", "0.3")
    )]
    pub(super) warmup: f64,
    /// Seconds after each measurement, before memory is read
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.5,
        default_value_if("quick", "true", "0.3")
    )]
    pub(super) settle: f64,
    /// Connections [default: 32, or 16 where bodies are large or sessions many]
    #[arg(short, long, value_name = "N")]
    pub(super) connections: Option<usize>,
    /// Measure also at a fixed rate of so many calls a second, with latency counted from the time at
    /// which a call was due; 0: no [default: 1000, W1 only]
    #[arg(long, value_name = "N")]
    pub(super) rate: Option<f64>,
    /// Idle sessions of W5 and of `limits`, at most 1000: a gateway has at most 1024 connections to
    /// one server
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(super) sessions: u32,
    /// Audit rows of `scale`, `limits` and `pages`
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1_000_000,
        default_value_if("quick", "true", "100000"),
        value_parser = clap::value_parser!(u32).range(1_000..=10_000_000)
    )]
    pub(super) rows: u32,
    /// Write every run and the summary to a file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    pub(super) markdown: bool,
    /// Keep the gateway's data below this folder while it runs: durable figures are those of its disk
    /// [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(super) data_dir: Option<PathBuf>,
}

/// Calls a second of the fixed-rate part of W1.
const RATE_DEFAULT: f64 = 1000.0;

impl RunArgs {
    /// Whether a part is to be measured. Targets are named for W1 to W6.
    pub(super) fn wants(&self, part: Part) -> bool {
        let compares = !matches!(part, Part::Scale | Part::Limits | Part::Pages);
        self.only.contains(&part) || (self.only.is_empty() && (compares || self.targets.is_empty()))
    }

    pub(super) fn workloads(&self) -> Vec<Workload> {
        let wanted = |workload: &Workload| self.wants(Part::Of(*workload));
        Workload::ALL.into_iter().filter(wanted).collect()
    }

    pub(super) fn kinds(&self, workload: Workload) -> Vec<Kind> {
        if !self.targets.is_empty() {
            return self.targets.clone();
        }
        Kind::ALL.into_iter().filter(|kind| kind.is_for(workload)).collect()
    }

    /// The ways in which a workload is run.
    pub(super) fn paces(&self, workload: Workload) -> Vec<Pace> {
        let rate = match (workload, self.rate) {
            (Workload::W5, _) => return vec![Pace::Idle],
            (Workload::W1, None) => RATE_DEFAULT,
            (_, rate) => rate.unwrap_or(0.0),
        };
        let fixed = (rate > 0.0).then_some(Pace::Fixed(rate));
        std::iter::once(Pace::Closed).chain(fixed).collect()
    }

    pub(super) fn rounds(&self, pace: Pace) -> u32 {
        if pace == Pace::Idle { 1 } else { self.rounds }
    }

    /// How many measurements of targets under workloads there will be.
    pub(super) fn measurements(&self) -> u64 {
        let of = |workload: Workload| {
            let targets = u64::try_from(self.kinds(workload).len()).unwrap_or(u64::MAX);
            let paces = self.paces(workload);
            let direct = |pace: &Pace| u64::from(matches!(pace, Pace::Fixed(_)));
            paces.iter().map(|p| u64::from(self.rounds(*p)) * (targets + direct(p))).sum::<u64>()
        };
        self.workloads().into_iter().map(of).sum()
    }
}

#[cfg(test)]
#[path = "args_tests.rs"]
mod tests;
