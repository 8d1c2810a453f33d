//! What is measured: the proxy, the gateway in three set-ups, and, for latencies at a fixed rate, the
//! mock server without anything in between. Starts, stops and continues; measures nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use rustix::process::Signal;

use super::child::{Child, PATIENCE};
use super::config::{Places, SLUG, Setup, TOKEN, WAITING_TOKEN};
use crate::clock;
use crate::http1::Connection;
use crate::procfs::CpuTime;
use crate::workload::{Workload, is_hidden};

/// One of the targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    /// Body-blind reverse proxy
    Proxy,
    /// Buffered audit, 10 tools with two conditions and one limit
    Portcullis,
    /// The same with durable audit
    PortcullisDurable,
    /// Buffered audit, 500 tools with five conditions
    #[value(name = "portcullis-500")]
    Portcullis500,
}

impl Kind {
    /// All, in the order of the tables.
    pub(super) const ALL: [Self; 4] =
        [Self::Proxy, Self::Portcullis, Self::PortcullisDurable, Self::Portcullis500];

    /// Its name in tables.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Portcullis => "portcullis",
            Self::PortcullisDurable => "portcullis-durable",
            Self::Portcullis500 => "portcullis-500",
        }
    }

    /// Whether a workload shows something about it.
    pub(super) fn is_for(self, workload: Workload) -> bool {
        match self {
            Self::Proxy | Self::Portcullis => true,
            Self::PortcullisDurable => {
                matches!(workload, Workload::W1 | Workload::W2 | Workload::W3 | Workload::W4)
            }
            Self::Portcullis500 => workload == Workload::W6,
        }
    }

    /// How the gateway is set up, if it is one.
    fn setup(self, workload: Workload) -> Option<Setup> {
        let plain = Setup::plain(workload);
        match self {
            Self::Proxy => None,
            Self::Portcullis => Some(plain),
            Self::PortcullisDurable => Some(Setup { audit: "durable", ..plain }),
            Self::Portcullis500 => {
                let tools = workload.shape().tools.max(500);
                Some(Setup { tools, conditions: 5, ..plain })
            }
        }
    }
}

/// Programs, folders and cores of a run.
#[derive(Debug)]
pub(super) struct Place {
    /// This program.
    pub(super) own: PathBuf,
    /// The gateway's.
    pub(super) gateway: PathBuf,
    /// Where data goes.
    pub(super) folder: PathBuf,
    /// Cores of the target; none: any.
    pub(super) target_cores: Vec<usize>,
    /// Cores of the load generator and the mock server.
    pub(super) load_cores: Vec<usize>,
}

/// A gateway that is to be started.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// Its name in tables.
    pub(super) name: String,
    /// Its folder below that of the run.
    pub(super) folder: String,
    /// Its set-up.
    pub(super) setup: Setup,
    /// Where its data lies, if it is not to be removed with it.
    pub(super) data: Option<&'a Path>,
}

/// How long a gateway took until it was ready.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Start {
    /// By the clock.
    pub(super) wall: Duration,
    /// Processor time of its process.
    pub(super) cpu: Duration,
}

/// A target that runs, or is stopped.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    child: Option<Child>,
    setup: Option<Setup>,
    address: SocketAddr,
    console: Option<SocketAddr>,
    start: Start,
    /// What is removed with it.
    folder: Option<PathBuf>,
}

impl Target {
    /// The mock server itself.
    pub(super) fn direct(address: SocketAddr) -> Self {
        let (name, start) = ("direct".to_owned(), Start::default());
        Self { name, child: None, setup: None, address, console: None, start, folder: None }
    }

    /// Starts a target and waits until it is ready.
    ///
    /// # Errors
    /// When it is not; with the end of its log.
    pub(super) async fn start(
        kind: Kind,
        workload: Workload,
        place: &Place,
        upstream: SocketAddr,
    ) -> Result<Self, String> {
        let name = kind.name().to_owned();
        if let Some(setup) = kind.setup(workload) {
            let folder = format!("{}-{name}", workload.name());
            return Self::gateway(Plan { name, folder, setup, data: None }, place, upstream).await;
        }
        let child = Child::proxy(place, upstream).await?;
        Ok(Self { name, ..Self::direct(child.address) }.with(child))
    }

    fn with(self, child: Child) -> Self {
        Self { child: Some(child), ..self }
    }

    /// Starts a gateway and waits until it is ready.
    ///
    /// # Errors
    /// When it is not; with the end of its log.
    pub(super) async fn gateway(
        plan: Plan<'_>,
        place: &Place,
        upstream: SocketAddr,
    ) -> Result<Self, String> {
        let Plan { name, folder, setup, data } = plan;
        let folder = place.folder.join(folder);
        std::fs::create_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let own_data = folder.join("data");
        let (door, console) = free_addresses()?;
        setup
            .write(&folder, Places { door, console, upstream, data: data.unwrap_or(&own_data) })?;
        let begun = clock::now();
        let mut child = Child::gateway(place, &folder, door)?;
        if tokio::time::timeout(PATIENCE, ready(&mut child, console)).await != Ok(true) {
            let log = std::fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
            return Err(format!("{name} does not start; its log:\n{log}"));
        }
        let wall = begun.elapsed();
        let start = Start { wall, cpu: CpuTime::of(child.pid())?.spent() };
        let (child, setup, folder) = (Some(child), Some(setup), Some(folder));
        Ok(Self { name, child, setup, address: door, console: Some(console), start, folder })
    }

    /// How long it took until it was ready.
    pub(super) fn started(&self) -> Start {
        self.start
    }

    /// Its name in tables.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Where it is called.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where people look at it, if it is a gateway.
    pub(super) fn console(&self) -> Option<SocketAddr> {
        self.console
    }

    /// The path of its endpoint.
    pub(super) fn path(&self) -> &'static str {
        const _: () = assert!(SLUG.len() == 5, "the path below names the slug");
        if self.setup.is_some() { "/mcp/bench" } else { "/mcp" }
    }

    /// What it wants as a token.
    pub(super) fn token(&self) -> Option<&'static str> {
        self.setup.map(|_setup| TOKEN)
    }

    /// The token of sessions that only wait while others call: a grant of their own.
    pub(super) fn waiting_token(&self) -> Option<&'static str> {
        self.setup.filter(|setup| setup.grants > 1).map(|_setup| WAITING_TOKEN)
    }

    /// How many tools it is to list.
    pub(super) fn listed(&self, workload: Workload) -> usize {
        let all = workload.shape().tools;
        let hides = self.setup.is_some_and(|setup| setup.hides);
        (0..all).filter(|number| !(hides && is_hidden(*number))).count() + 1
    }

    /// The process to watch.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::pid)
    }

    /// Stops it where it stands, so that it takes nothing from the others.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn pause(&self) -> Result<(), String> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub(super) fn resume(&self) -> Result<(), String> {
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<(), String> {
        let sent = self.child.as_ref().map_or(Ok(()), |child| child.signal(signal));
        sent.map_err(|problem| format!("{}: {problem}", self.name))
    }

    /// Ends it and removes its data.
    ///
    /// # Errors
    /// When it has ended before, or does not end.
    pub(super) async fn stop(self) -> Result<(), String> {
        if let Some(child) = self.child {
            child.stop().await.map_err(|problem| format!("{}: {problem}", self.name))?;
        }
        let Some(folder) = self.folder else { return Ok(()) };
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))
    }
}

/// Time between two questions whether a gateway is ready.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Waits until the console says that the gateway is ready; no when it ends first.
async fn ready(child: &mut Child, console: SocketAddr) -> bool {
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {console}\r\n\r\n");
    while !child.has_ended() {
        if let Ok(mut connection) = Connection::open(console).await
            && let Ok((head, _body)) = connection.exchange(request.as_bytes()).await
            && head.status == 200
        {
            return true;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    false
}

/// Two loopback addresses that were free a moment ago, at the same time: one after the other, both could be the same.
fn free_addresses() -> Result<(SocketAddr, SocketAddr), String> {
    let addresses = || {
        let listener = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let (first, second) = (listener()?, listener()?);
        Ok((first.local_addr()?, second.local_addr()?))
    };
    addresses().map_err(|error: std::io::Error| format!("no free port: {error}"))
}

#[cfg(test)]
#[path = "target_tests.rs"]
mod tests;
