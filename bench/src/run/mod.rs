//! `bench run`: for each workload the mock server and the targets are started, called in turn (A B C,
//! then C B A, …) while the others are stopped, and summed up. A run with a refusal or an error does
//! not count, and the command fails.

mod args;
mod child;
mod config;
mod decision;
mod fill;
mod limits;
mod pages;
mod report;
mod scale;
mod summary;
mod target;

use std::path::Path;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use crate::load::Found;
use crate::workload::Workload;
use crate::{launch, procfs};

use args::Part;
pub(crate) use args::{EXAMPLES, RunArgs};
use child::Child;
use summary::{Pace, Results, Row, Run};
use target::{Place, Target};

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
        if bench.args.wants(Part::Scale) {
            results.scale = scale::run(&bench).await?;
        }
        if bench.args.wants(Part::Limits) {
            results.limits = limits::run(&bench).await?;
        }
        if bench.args.wants(Part::Pages) {
            results.limits.extend(pages::run(&bench).await?);
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

/// One call of the load generator.
#[derive(Debug, Clone, Copy)]
struct Ask {
    workload: Workload,
    pace: Pace,
    /// Connections, if not what the workload has.
    connections: Option<usize>,
    /// Sessions that wait meanwhile.
    sessions: u32,
}

/// What all parts share.
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
        let steps = |part, count| if args.wants(part) { count } else { 0 };
        let further = steps(Part::Scale, scale::steps(&args))
            + steps(Part::Limits, limits::STEPS)
            + steps(Part::Pages, pages::STEPS);
        let progress = ProgressBar::new(args.measurements() + further);
        let style = "{bar:24} {pos}/{len}  {msg}  {elapsed} (about {eta} left)";
        if let Ok(style) = ProgressStyle::with_template(style) {
            progress.set_style(style);
        }
        progress.enable_steady_tick(TICK);
        Ok(Self { args, place, progress, _folder: folder })
    }

    async fn workload(&self, workload: Workload, results: &mut Results) -> Result<(), String> {
        let upstream = Child::announced(&self.place, workload, workload.shape().tools).await?;
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
                    let sessions = if pace == Pace::Idle { self.args.sessions } else { 0 };
                    let ask = Ask { workload, pace, connections: None, sessions };
                    let found = self.measure(ask, target).await?;
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
    async fn measure(&self, ask: Ask, target: &Target) -> Result<Found, String> {
        let (args, Ask { workload, pace, connections, sessions }) = (&self.args, ask);
        let connections = args.connections.or(connections);
        let connections = connections.unwrap_or(workload.shape().connections);
        let mut words: Vec<String> = vec!["load".to_owned()];
        let mut option = |name: &str, value: String| words.extend([format!("--{name}"), value]);
        option("workload", workload.name().to_owned());
        option("to", target.address().to_string());
        option("path", target.path().to_owned());
        option("connections", connections.to_string());
        option("warmup", args.warmup.to_string());
        option("duration", args.duration.to_string());
        option("settle", args.settle.to_string());
        option("sessions", sessions.to_string());
        option("tools", target.listed(workload).to_string());
        if let Some(token) = target.token() {
            option("token", token.to_owned());
        }
        if let Some(token) = target.waiting_token() {
            option("waiting-token", token.to_owned());
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

/// How often the line that shows the progress is drawn.
const TICK: Duration = Duration::from_secs(1);

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
