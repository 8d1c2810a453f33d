//! What the kernel says of a process: processor time and memory. Reads `/proc` only.

use std::fs;
use std::time::Duration;

/// Processor time of a process since its start, user and system together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuTime {
    /// From `/proc/<pid>/stat`: complete, in steps of one tick.
    whole: Duration,
    /// From `/proc/<pid>/task/*/schedstat`: exact, but without threads that have ended.
    living: Duration,
    tick: Duration,
}

impl CpuTime {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self, String> {
        let stat = read(&format!("/proc/{pid}/stat"))?;
        let ticks = ticks(&stat).ok_or_else(|| format!("/proc/{pid}/stat is not as expected"))?;
        let tick = Duration::from_secs(1) / rate();
        let folder = format!("/proc/{pid}/task");
        let threads = fs::read_dir(&folder).map_err(|error| format!("{folder}: {error}"))?;
        let nanos: u64 = threads
            .filter_map(Result::ok)
            .filter_map(|thread| fs::read_to_string(thread.path().join("schedstat")).ok())
            .filter_map(|text| text.split_whitespace().next()?.parse::<u64>().ok())
            .sum();
        let whole = tick.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        Ok(Self { whole, living: Duration::from_nanos(nanos), tick })
    }

    /// All that was spent so far, to a tick.
    pub(crate) fn spent(self) -> Duration {
        self.whole.max(self.living)
    }

    /// Time spent since an earlier reading: the exact figure, unless a thread has ended in between.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let whole = self.whole.saturating_sub(earlier.whole);
        let living = self.living.saturating_sub(earlier.living);
        let agree = whole.abs_diff(living) <= self.tick.saturating_mul(2);
        if agree { living } else { whole }
    }
}

/// Ticks a second.
fn rate() -> u32 {
    u32::try_from(rustix::param::clock_ticks_per_second()).unwrap_or(1).max(1)
}

/// `utime` + `stime` of a line of `stat`; the program's name before them may hold anything.
fn ticks(stat: &str) -> Option<u64> {
    let (_name, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Memory of a process that is in RAM, in KiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident_kib: u64,
    /// At most so far.
    pub(crate) peak_kib: u64,
}

impl Memory {
    /// Reads it.
    ///
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(pid: u32) -> Result<Self, String> {
        let status = read(&format!("/proc/{pid}/status"))?;
        let field = |name: &str| {
            let found = status.lines().find_map(|line| line.strip_prefix(name));
            found.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).unwrap_or(0)
        };
        Ok(Self { resident_kib: field("VmRSS:"), peak_kib: field("VmHWM:") })
    }
}

/// The load of the machine over the last minute, and the name of its processors.
pub(crate) fn machine() -> (f64, String) {
    let load = read("/proc/loadavg").ok();
    let load =
        load.and_then(|text| text.split(' ').next()?.parse::<f64>().ok()).unwrap_or(f64::NAN);
    let cpus = read("/proc/cpuinfo").unwrap_or_default();
    let name = cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    (load, name.map_or_else(|| "unknown".to_owned(), |(_colon, name)| name.trim().to_owned()))
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}

#[cfg(test)]
#[path = "procfs_tests.rs"]
mod tests;
