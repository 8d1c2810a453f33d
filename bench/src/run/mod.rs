//! `bench run`: for each workload the mock server and the targets are started, called in turn (A B C,
//! then C B A, …) while the others are stopped, and summed up. A run with a refusal or an error does
//! not count, and the command fails.

mod child;
mod config;
mod report;
mod summary;
mod target;

use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::load::Found;
use crate::workload::Workload;
use crate::{launch, procfs};

use child::Child;
use summary::{Pace, Results, Row, Run};
use target::{Kind, Place, Target};

/// What stands below `--help`.
pub(crate) const EXAMPLES: &str = "\
Targets: proxy (body-blind, the floor), portcullis (buffered audit, 10 tools with two conditions and
one limit each), portcullis-durable (the same, each call waits for its row on disk), portcullis-500
(W6 only: 500 tools with five conditions). Ratios are against the first one.

With two cores or more, the target has the first core for itself; the load generator and the mock
server share the others. A cheap target is then limited by those, so compare its processor time for
one call rather than its calls a second.

Examples:
  cargo xtask bench                                   all workloads, about 12 minutes
  cargo xtask bench -w W1 -w W3 -r 3 -d 2             two workloads, shorter
  cargo xtask bench -w W1 --rate 2000 proxy portcullis
  cargo xtask bench -w W5 --sessions 500              memory of idle sessions
  cargo xtask bench --markdown --json figures.json    tables for a page, every run in a file";

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct RunArgs {
    /// What is measured [default: all that the workload has a use for]
    #[arg(value_name = "TARGET")]
    targets: Vec<Kind>,
    /// A workload; repeatable [default: all]
    #[arg(short, long = "workload", value_name = "W", ignore_case = true)]
    workloads: Vec<Workload>,
    /// How often each target is measured, for each workload
    #[arg(short, long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Seconds of each measurement
    #[arg(short, long, value_name = "SECONDS", default_value_t = 4.0)]
    duration: f64,
    /// Seconds of calls before each measurement
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0)]
    warmup: f64,
    /// Seconds after each measurement, before memory is read
    #[arg(long, value_name = "SECONDS", default_value_t = 0.5)]
    settle: f64,
    /// Connections [default: 32, or 16 where bodies are large]
    #[arg(short, long, value_name = "N")]
    connections: Option<usize>,
    /// Measure also at a fixed rate of so many calls a second, with latency counted from the time at
    /// which a call was due; 0: no [default: 1000, W1 only]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Idle sessions of W5, at most 1000: a gateway has at most 1024 connections to one server
    #[arg(long, value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1000))]
    sessions: u32,
    /// Write every run and the summary to a file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Print the tables as Markdown
    #[arg(long)]
    markdown: bool,
    /// Keep the gateway's data below this folder while it runs: durable figures are those of its disk
    /// [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Calls a second of the fixed-rate part of W1.
const RATE_DEFAULT: f64 = 1000.0;

impl RunArgs {
    fn workloads(&self) -> Vec<Workload> {
        let wanted =
            |workload: &Workload| self.workloads.is_empty() || self.workloads.contains(workload);
        Workload::ALL.into_iter().filter(wanted).collect()
    }

    fn kinds(&self, workload: Workload) -> Vec<Kind> {
        if !self.targets.is_empty() {
            return self.targets.clone();
        }
        Kind::ALL.into_iter().filter(|kind| kind.is_for(workload)).collect()
    }

    /// The ways in which a workload is run.
    fn paces(&self, workload: Workload) -> Vec<Pace> {
        let rate = match (workload, self.rate) {
            (Workload::W5, _) => return vec![Pace::Idle],
            (Workload::W1, None) => RATE_DEFAULT,
            (_, rate) => rate.unwrap_or(0.0),
        };
        let fixed = (rate > 0.0).then_some(Pace::Fixed(rate));
        std::iter::once(Pace::Closed).chain(fixed).collect()
    }

    fn rounds(&self, pace: Pace) -> u32 {
        if pace == Pace::Idle { 1 } else { self.rounds }
    }

    /// How many measurements there will be.
    fn measurements(&self) -> u64 {
        let of = |workload: Workload| {
            let targets = u64::try_from(self.kinds(workload).len()).unwrap_or(u64::MAX);
            let paces = self.paces(workload);
            let direct = |pace: &Pace| u64::from(matches!(pace, Pace::Fixed(_)));
            paces.iter().map(|p| u64::from(self.rounds(*p)) * (targets + direct(p))).sum::<u64>()
        };
        self.workloads().into_iter().map(of).sum()
    }
}

/// Runs everything and prints the tables.
///
/// # Errors
/// When something does not start, or some run does not count.
pub(crate) async fn run(args: RunArgs) -> Result<(), String> {
    let bench = Bench::new(args)?;
    let mut results = Results::new();
    let measured = async {
        for workload in bench.args.workloads() {
            bench.workload(workload, &mut results).await?;
        }
        Ok::<(), String>(())
    };
    let mut ended = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    // Whatever ends this, targets are killed and data is removed as the values that hold them go.
    tokio::select! {
        biased;
        _pressed = tokio::signal::ctrl_c() => return Err("interrupted".to_owned()),
        _asked = ended.recv() => return Err("ended".to_owned()),
        outcome = measured => outcome?,
    }
    bench.progress.finish_and_clear();
    crate::say(&report::text(&results, bench.args.markdown));
    if let Some(file) = &bench.args.json {
        let text = serde_json::to_string_pretty(&results).map_err(|error| error.to_string())?;
        std::fs::write(file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    match results.first_problem() {
        None => Ok(()),
        Some(problem) => Err(format!("a run does not count: {problem}")),
    }
}

/// What all workloads share.
struct Bench {
    args: RunArgs,
    place: Place,
    progress: ProgressBar,
    _folder: TempDir,
}

impl Bench {
    fn new(args: RunArgs) -> Result<Self, String> {
        let own = std::env::current_exe().map_err(|error| error.to_string())?;
        let beside = own.parent().unwrap_or_else(|| Path::new("."));
        let gateway = beside.join("portcullis");
        if !gateway.is_file() {
            return Err(format!("{} is not built; use `cargo xtask bench`", gateway.display()));
        }
        let parent = args.data_dir.clone().unwrap_or_else(std::env::temp_dir);
        let folder = TempDir::with_prefix_in("portcullis-bench-", &parent)
            .map_err(|error| format!("{}: {error}", parent.display()))?;
        let (target_cores, load_cores) = split(&launch::cores());
        let path = folder.path().to_path_buf();
        let place = Place { own, gateway, folder: path, target_cores, load_cores };
        let progress = ProgressBar::new(args.measurements());
        let style = "{bar:24} {pos}/{len}  {msg}  {elapsed} (about {eta} left)";
        if let Ok(style) = ProgressStyle::with_template(style) {
            progress.set_style(style);
        }
        Ok(Self { args, place, progress, _folder: folder })
    }

    async fn workload(&self, workload: Workload, results: &mut Results) -> Result<(), String> {
        let upstream = Child::announced(&self.place, workload).await?;
        let mut targets = Vec::new();
        for kind in self.args.kinds(workload) {
            self.progress.set_message(format!("{} {}: starts", workload.name(), kind.name()));
            let target = Target::start(kind, workload, &self.place, upstream.address).await?;
            target.pause()?;
            targets.push(target);
        }
        for pace in self.args.paces(workload) {
            if matches!(pace, Pace::Fixed(_)) {
                targets.push(Target::direct(upstream.address));
            }
            for target in &targets {
                results.add(Row::new(workload, pace, target.name()));
            }
            for round in 0..self.args.rounds(pace) {
                let mut order: Vec<&Target> = targets.iter().collect();
                if round % 2 == 1 {
                    order.reverse();
                }
                for target in order {
                    let message = format!("{} {}", workload.name(), target.name());
                    self.progress.set_message(message);
                    let found = self.measure(workload, pace, target).await?;
                    results.record(workload, pace, target.name(), Run { round, found });
                    self.progress.inc(1);
                }
            }
        }
        for target in targets {
            target.stop().await?;
        }
        Ok(())
    }

    /// Lets one target run, and calls it.
    async fn measure(
        &self,
        workload: Workload,
        pace: Pace,
        target: &Target,
    ) -> Result<Found, String> {
        let args = &self.args;
        let connections = args.connections.unwrap_or(workload.shape().connections);
        let mut words: Vec<String> = vec!["load".to_owned()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        option("workload", workload.name().to_owned());
        option("to", target.address().to_string());
        option("path", target.path().to_owned());
        option("connections", connections.to_string());
        option("warmup", args.warmup.to_string());
        option("duration", args.duration.to_string());
        option("settle", args.settle.to_string());
        option("sessions", args.sessions.to_string());
        option("tools", target.listed(workload).to_string());
        if let Some(token) = target.token() {
            option("token", token.to_owned());
        }
        if let Some(pid) = target.pid() {
            option("watch", pid.to_string());
        }
        if let Pace::Fixed(rate) = pace {
            option("rate", rate.to_string());
        }
        target.resume()?;
        let output = child::output(&self.place, &words).await;
        target.pause()?;
        let name = target.name();
        let line = output.map_err(|said| format!("{} {name}: {said}", workload.name()))?;
        serde_json::from_str(&line).map_err(|error| format!("{name}: {error}: {line}"))
    }
}

/// The first core for the target and the rest for everything else; with one core, no pinning.
fn split(cores: &[usize]) -> (Vec<usize>, Vec<usize>) {
    match cores.split_first() {
        Some((first, rest)) if !rest.is_empty() => (vec![*first], rest.to_vec()),
        Some(_) | None => (Vec::new(), Vec::new()),
    }
}

/// One line about the machine, for whoever reads the figures later.
fn machine() -> String {
    let (load, name) = procfs::machine();
    let cores = launch::cores().len();
    let build =
        if cfg!(debug_assertions) { "a debug build, no figures to quote" } else { "release" };
    format!("{cores} cores, {name}; load average before: {load:.2}; {build}")
}

#[cfg(test)]
#[path = "run_tests.rs"]
mod tests;
