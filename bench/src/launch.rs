//! Starting a program on certain cores, so that it ends when whoever started it ends. Pinning happens
//! before the program has a thread, so that all of its threads are pinned.

use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// What to start, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct LaunchArgs {
    /// A core that the program may use; repeatable; none: all
    #[arg(long = "core", value_name = "N")]
    cores: Vec<usize>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    program: Vec<String>,
}

/// Becomes the program.
///
/// # Errors
/// When it cannot be pinned or started; otherwise this does not return.
pub(crate) fn run(args: &LaunchArgs) -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| format!("cannot be bound to its parent: {error}"))?;
    if !args.cores.is_empty() {
        let mut wanted = CpuSet::new();
        args.cores
            .iter()
            .filter(|core| **core < CpuSet::MAX_CPU)
            .for_each(|core| wanted.set(*core));
        sched_setaffinity(None, &wanted)
            .map_err(|error| format!("cannot be pinned to the cores {:?}: {error}", args.cores))?;
    }
    let (program, arguments) = args.program.split_first().ok_or("no program")?;
    let failed = Command::new(program).args(arguments).exec();
    Err(format!("cannot start {program}: {failed}"))
}

/// The cores that this process may use.
pub(crate) fn cores() -> Vec<usize> {
    let Ok(allowed) = sched_getaffinity(None) else {
        return Vec::new();
    };
    (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect()
}
