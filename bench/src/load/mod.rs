//! The load generator: one MCP session for each connection, in a closed loop or at a fixed rate, or many
//! sessions that only wait. Every answer is checked. What it found is one line of JSON.

mod caller;
mod idle;
mod pace;
mod tally;

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::message::{self, Expected, Fault};
use crate::procfs::{CpuTime, Memory};
use crate::workload::Workload;
use crate::{clock, http1};

use caller::{Caller, Door};
use pace::Schedule;
use tally::Tally;

/// What to ask whom, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// The workload
    #[arg(long)]
    workload: Workload,
    /// Address of the target
    #[arg(long, value_name = "HOST:PORT")]
    to: SocketAddr,
    /// Path of the target
    #[arg(long, default_value = "/mcp")]
    path: String,
    /// Bearer token
    #[arg(long)]
    token: Option<String>,
    /// Connections, each with a session of its own
    #[arg(long, default_value_t = 1)]
    connections: usize,
    /// Seconds before the measurement
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Seconds that are measured
    #[arg(long, default_value_t = 4.0)]
    duration: f64,
    /// Seconds after it, before memory is read
    #[arg(long, default_value_t = 1.0)]
    settle: f64,
    /// Calls a second; without it, each connection calls as soon as it has an answer
    #[arg(long)]
    rate: Option<f64>,
    /// Sessions that only wait: all that there is in W5, and beside the calls otherwise
    #[arg(long, default_value_t = 0)]
    sessions: usize,
    /// Bearer token of the sessions that wait beside calls [default: that of the calls]
    #[arg(long)]
    waiting_token: Option<String>,
    /// How many tools a list must have
    #[arg(long, default_value_t = 0)]
    tools: usize,
    /// The process whose time and memory are read
    #[arg(long, value_name = "PID")]
    watch: Option<u32>,
}

/// What a run found. Times are microseconds.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Found {
    /// Right answers within the measured time.
    pub(crate) answers: u64,
    /// Refusals, at any time.
    pub(crate) denied: u64,
    /// Everything else that was no right answer, at any time.
    pub(crate) errors: u64,
    /// The first of those.
    pub(crate) first_problem: Option<String>,
    /// Answers a second.
    pub(crate) per_second: f64,
    /// Half of the answers took at most this long.
    pub(crate) p50_us: f64,
    /// 99 of 100 did.
    pub(crate) p99_us: f64,
    /// 999 of 1000 did.
    pub(crate) p999_us: f64,
    /// Processor time of the watched process for one answer.
    pub(crate) cpu_us: Option<f64>,
    /// The part of the measured time in which the watched process ran, over all cores.
    pub(crate) cpu_share: Option<f64>,
    /// The watched process's memory at its highest, in KiB.
    pub(crate) peak_kib: Option<u64>,
    /// The same some time after the last call.
    pub(crate) settled_kib: Option<u64>,
    /// Idle sessions (W5).
    pub(crate) idle: Option<idle::Idle>,
}

/// Calls, measures and prints.
///
/// # Errors
/// When a session cannot be opened, or no answer came at all.
pub(crate) async fn run(args: LoadArgs) -> Result<(), String> {
    http1::allow_many_files()?;
    let door = Door { to: args.to, path: args.path.clone(), token: args.token.clone() };
    let found = if args.workload == Workload::W5 {
        idle::run(&args, &door).await?
    } else {
        calls(&args, &door).await?
    };
    let line = serde_json::to_string(&found).map_err(|error| error.to_string())?;
    crate::say(&format!("{line}\n"));
    Ok(())
}

async fn calls(args: &LoadArgs, door: &Door) -> Result<Found, String> {
    let shape = args.workload.shape();
    let request = message::request(&shape);
    let expected = Expected { shape, request_bytes: request.len(), tools: args.tools };
    let tally = Rc::new(Tally::new()?);
    let schedule = args.rate.map(Schedule::new).transpose()?.map(Rc::new);
    let waiting_door = Door { token: args.waiting_token.clone(), ..door.clone() };
    let waiting_door = if args.waiting_token.is_some() { &waiting_door } else { door };
    let waiting = idle::opened(waiting_door, args.sessions).await?;
    let mut workers = JoinSet::new();
    for _ in 0..args.connections.max(1) {
        let caller = Caller::introduced(door, &request, expected).await?;
        let (tally, schedule) = (Rc::clone(&tally), schedule.clone());
        workers.spawn_local(async move {
            match schedule {
                Some(schedule) => on_schedule(caller, &tally, &schedule).await,
                None => one_by_one(caller, &tally).await,
            }
        });
    }
    if let Some(schedule) = &schedule {
        let (tally, schedule) = (Rc::clone(&tally), Rc::clone(schedule));
        workers.spawn_local(async move {
            if let Err(problem) = schedule.run(&tally).await {
                tally.note(&Fault::Wrong(problem));
            }
        });
    }
    let mut found = measure(args, &tally).await?;
    // Held until here, and closed before memory is read.
    drop(waiting);
    if tokio::time::timeout(LAST_ANSWERS_MAX, drained(&mut workers)).await.is_err() {
        tally.note(&Fault::Wrong("calls that were not answered".to_owned()));
    }
    if schedule.is_some_and(|schedule| schedule.is_late()) {
        tally.note(&Fault::Wrong("the target cannot keep this rate".to_owned()));
    }
    tally.report(&mut found);
    if let Some(pid) = args.watch {
        tokio::time::sleep(seconds(args.settle)?).await;
        let memory = Memory::of(pid)?;
        found.peak_kib = Some(memory.peak_kib);
        found.settled_kib = Some(memory.resident_kib);
    }
    Ok(found)
}

/// How long the first answer may take, and how long the last ones once the measurement is over.
const LAST_ANSWERS_MAX: Duration = Duration::from_mins(1);
/// Time between two looks whether there is an answer.
const LOOK_EVERY: Duration = Duration::from_millis(20);

async fn drained(workers: &mut JoinSet<()>) {
    while workers.join_next().await.is_some() {}
}

/// Warms up, measures, and ends: the workers look at the phase.
async fn measure(args: &LoadArgs, tally: &Tally) -> Result<Found, String> {
    let time = || args.watch.map(CpuTime::of).transpose();
    tokio::time::sleep(seconds(args.warmup)?).await;
    let (before, begun) = (time()?, clock::now());
    tally.begin();
    tokio::time::sleep(seconds(args.duration)?).await;
    // On a machine with other work, a short measurement lasts until it holds an answer.
    while tally.is_empty() && begun.elapsed() < LAST_ANSWERS_MAX {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    let answers = tally.end();
    let (elapsed, after) = (begun.elapsed(), time()?);
    let spent = before.zip(after).map(|(before, after)| after.since(before).as_secs_f64());
    let each = |spent: f64| spent * 1e6 / clock::real(answers.max(1));
    Ok(Found {
        answers,
        per_second: clock::real(answers) / elapsed.as_secs_f64(),
        cpu_us: spent.map(each),
        cpu_share: spent.map(|spent| spent / elapsed.as_secs_f64()),
        ..Found::default()
    })
}

async fn one_by_one(mut caller: Caller, tally: &Tally) {
    while !tally.is_over() {
        let begun = clock::now();
        match caller.call(tally.next_id()).await {
            Ok(()) => tally.right(begun, true),
            Err(fault) => {
                tally.note(&fault);
                return;
            }
        }
    }
}

async fn on_schedule(mut caller: Caller, tally: &Tally, schedule: &Schedule) {
    while let Some(slot) = schedule.next().await {
        match caller.call(tally.next_id()).await {
            Ok(()) => tally.right(slot.at, slot.counts),
            Err(fault) => {
                tally.note(&fault);
                return;
            }
        }
    }
}

/// A number of seconds from the command line.
fn seconds(stated: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(stated).map_err(|error| format!("{stated} s: {error}"))
}
