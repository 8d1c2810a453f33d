//! Sizes, memory and times, each with what it may be at most. Calls nothing but what it needs to know
//! that a gateway is alive.

use std::path::Path;
use std::time::Duration;

use super::child::Child;
use super::config::Setup;
use super::summary::{Limit, Pace};
use super::target::{Plan, Start, Target};
use super::{Ask, Bench, decision, fill};
use crate::clock;
use crate::procfs::Memory;
use crate::workload::Workload;

/// Tools of the policies that decide.
const DECISION_TOOLS: [usize; 4] = [10, 100, 1_000, 10_000];
/// Grants of the gateway whose start is measured.
const GRANTS: usize = 1_000;
/// How often it is started.
const STARTS: usize = 5;
/// How long a gateway that nobody has called yet rests before its memory is read.
const REST: Duration = Duration::from_secs(2);

const BINARY_MIB_MAX: f64 = 30.0;
const DECISION_US_MAX: f64 = 0.5;
const REST_MIB_MAX: f64 = 30.0;
const SESSION_KIB_MAX: f64 = 40.0;
const START_MS_MAX: f64 = 200.0;

/// How many steps the progress has.
pub(super) const STEPS: u64 = 4;

/// Measures the group.
///
/// # Errors
/// When something does not start.
pub(super) async fn run(bench: &Bench) -> Result<Vec<Limit>, String> {
    let mut limits = Vec::new();
    let step = |about: &str| bench.progress.set_message(format!("limits: {about}"));
    step("the binary");
    limits.push(binary(&bench.place.gateway)?);
    bench.progress.inc(1);
    step("decisions");
    for tools in DECISION_TOOLS {
        let about = format!("decision with trace, five conditions, {tools} tools");
        limits.push(limit(about, "µs", decision::micros(tools)?, Some(DECISION_US_MAX)));
    }
    bench.progress.inc(1);
    step("memory");
    memory(bench, &mut limits).await?;
    bench.progress.inc(1);
    step("starts");
    starts(bench, &mut limits).await?;
    bench.progress.inc(1);
    Ok(limits)
}

fn limit(about: String, unit: &'static str, measured: f64, at_most: Option<f64>) -> Limit {
    Limit { about, unit, measured, at_most }
}

fn binary(program: &Path) -> Result<Limit, String> {
    let found = std::fs::metadata(program);
    let bytes = found.map_err(|error| format!("{}: {error}", program.display()))?.len();
    let mib = clock::real(bytes) / 1024.0 / 1024.0;
    Ok(limit("the binary".to_owned(), "MiB", mib, Some(BINARY_MIB_MAX)))
}

/// A gateway at rest, and what an idle session adds to it.
async fn memory(bench: &Bench, limits: &mut Vec<Limit>) -> Result<(), String> {
    let workload = Workload::W5;
    let upstream = Child::announced(&bench.place, workload, workload.shape().tools).await?;
    let (name, folder) = ("portcullis".to_owned(), "limits-memory".to_owned());
    let plan = Plan { name, folder, setup: Setup::plain(workload), data: None };
    let target = Target::gateway(plan, &bench.place, upstream.address).await?;
    tokio::time::sleep(REST).await;
    let about = "memory at rest, 10 tools".to_owned();
    limits.push(limit(about, "MiB", resident(&target)?, Some(REST_MIB_MAX)));
    let sessions = bench.args.sessions;
    let ask = Ask { workload, pace: Pace::Idle, connections: None, sessions };
    let found = bench.measure(ask, &target).await?;
    let idle = found.idle.ok_or("no idle sessions")?;
    let about = format!("memory of an idle session with an open stream, of {sessions}");
    limits.push(limit(about, "KiB", idle.each_kib, Some(SESSION_KIB_MAX)));
    target.stop().await
}

/// Starts with many grants and a long log.
async fn starts(bench: &Bench, limits: &mut Vec<Limit>) -> Result<(), String> {
    let workload = Workload::W1;
    let upstream = Child::announced(&bench.place, workload, workload.shape().tools).await?;
    let data = bench.place.folder.join("limits-starts-data");
    let rows = bench.args.rows;
    fill::rows(&data, rows).await?;
    let setup = Setup { grants: GRANTS, ..Setup::plain(workload) };
    let mut found = Vec::new();
    let mut rest = 0.0;
    for number in 0..=STARTS {
        let (name, folder) = ("portcullis".to_owned(), format!("limits-start-{number}"));
        let plan = Plan { name, folder, setup, data: Some(&data) };
        let target = Target::gateway(plan, &bench.place, upstream.address).await?;
        found.push(target.started());
        if number == STARTS {
            tokio::time::sleep(REST).await;
            rest = resident(&target)?;
        }
        target.stop().await?;
    }
    let about = format!("with {GRANTS} grants and {rows} audit rows");
    let mut add = |what: &str, measured: Duration, at_most: Option<f64>| {
        let millis = measured.as_secs_f64() * 1e3;
        limits.push(limit(format!("{what} {about}"), "ms", millis, at_most));
    };
    // The first start writes what the configuration says into the store.
    if let Some((first, later)) = found.split_first() {
        let usual = |figure: fn(&Start) -> Duration| median(later.iter().map(figure).collect());
        add("start to ready", usual(|start| start.wall), Some(START_MS_MAX));
        add("its processor time", usual(|start| start.cpu), None);
        add("the same where the grants are new,", first.wall, Some(START_MS_MAX));
        add("its processor time", first.cpu, None);
    }
    limits.push(limit(format!("memory at rest {about}"), "MiB", rest, None));
    std::fs::remove_dir_all(&data).map_err(|error| format!("{}: {error}", data.display()))
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Memory of a gateway, in MiB.
fn resident(target: &Target) -> Result<f64, String> {
    let pid = target.pid().ok_or("a target without a process")?;
    Ok(clock::real(Memory::of(pid)?.resident_kib) / 1024.0)
}
