//! Processes that a run starts: pinned, ended with it, stopped and continued.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use super::target::Place;
use crate::workload::Workload;

/// How long a process may take to start or to end.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// A process with a listener.
#[derive(Debug)]
pub(super) struct Child {
    process: tokio::process::Child,
    pid: Pid,
    /// Where it listens.
    pub(super) address: SocketAddr,
}

/// A command that runs `program` on `cores` and ends with this process.
fn launched(place: &Place, cores: &[usize], program: &Path) -> Command {
    let mut command = Command::new(&place.own);
    command.arg("launch");
    for core in cores {
        command.arg("--core").arg(core.to_string());
    }
    command.arg("--").arg(program).stdin(Stdio::null()).kill_on_drop(true);
    command
}

impl Child {
    /// Starts the mock server of a workload, with so many tools.
    pub(super) async fn announced(
        place: &Place,
        workload: Workload,
        tools: usize,
    ) -> Result<Self, String> {
        let mut command = launched(place, &place.load_cores, &place.own);
        let tools = tools.to_string();
        command.args(["upstream", "--workload", workload.name(), "--tools", &tools]);
        Self::that_says_where(command).await
    }

    /// Starts the proxy.
    pub(super) async fn proxy(place: &Place, upstream: SocketAddr) -> Result<Self, String> {
        let mut command = launched(place, &place.target_cores, &place.own);
        command.args(["proxy", "--upstream", &upstream.to_string()]);
        Self::that_says_where(command).await
    }

    /// Starts the gateway, which listens where its configuration says.
    pub(super) fn gateway(
        place: &Place,
        folder: &Path,
        address: SocketAddr,
    ) -> Result<Self, String> {
        let log = folder.join("serve.log");
        let cannot = |error: std::io::Error| format!("{}: {error}", log.display());
        let file = std::fs::File::create(&log).map_err(cannot)?;
        let mut command = launched(place, &place.target_cores, &place.gateway);
        command
            .args(["serve", "--config", "portcullis.toml"])
            .current_dir(folder)
            .env_clear()
            .env("TOKIO_WORKER_THREADS", "1")
            .stdout(file.try_clone().map_err(cannot)?)
            .stderr(file);
        let process = command.spawn().map_err(|error| format!("the gateway: {error}"))?;
        Self::new(process, address)
    }

    async fn that_says_where(mut command: Command) -> Result<Self, String> {
        let said = command.stdout(Stdio::piped()).spawn();
        let mut process = said.map_err(|error| format!("cannot start a part: {error}"))?;
        let out = process.stdout.take().ok_or("a part without an output")?;
        let mut line = String::new();
        let mut reader = BufReader::new(out);
        let read = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
        let _bytes = read.map_err(|_late| "a part does not say where it listens")?;
        let address = line.trim().parse();
        let address = address.map_err(|_bad| format!("a part ended, or said {line:?}"))?;
        Self::new(process, address)
    }

    fn new(process: tokio::process::Child, address: SocketAddr) -> Result<Self, String> {
        let pid = process.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        Ok(Self { pid: pid.ok_or("a part ended at once")?, process, address })
    }

    /// Its process id.
    pub(super) fn pid(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Whether it has ended.
    pub(super) fn has_ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn signal(&self, signal: Signal) -> Result<(), String> {
        kill_process(self.pid, signal).map_err(|error| format!("a target has ended: {error}"))
    }

    /// Asks it to end, and waits.
    ///
    /// # Errors
    /// When it ended before, or does not.
    pub(super) async fn stop(mut self) -> Result<(), String> {
        self.signal(Signal::CONT)?;
        self.signal(Signal::TERM)?;
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        ended.map(drop).map_err(|_late| "a target does not end".to_owned())
    }
}

/// Runs this program to its end on the cores of the load; what it printed.
///
/// # Errors
/// What it said when it failed.
pub(super) async fn output(place: &Place, words: &[String]) -> Result<String, String> {
    let mut command = launched(place, &place.load_cores, &place.own);
    let ran = command.args(words).output().await;
    let ran = ran.map_err(|error| format!("the load generator: {error}"))?;
    if !ran.status.success() {
        return Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned());
    }
    Ok(String::from_utf8_lossy(&ran.stdout).trim().to_owned())
}
