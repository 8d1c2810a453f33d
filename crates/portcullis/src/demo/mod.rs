//! `portcullis demo`: a payment server, a gateway in front of it, and five lines to try. The gateway is the
//! real one, started from a configuration file that the demo writes.
//!
//! What never lives here: anything that `serve` does differently for the demo; there is nothing.

mod client;
pub(crate) mod command;
mod ledger;
mod lines;
mod server;
mod state;
#[cfg(test)]
mod tests;
mod text;

use std::fs;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use state::State;
use store::{Entropy, Token};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

/// The policy of the demo's agent, comments included.
pub(crate) const POLICY: &str = include_str!("../../demo/pay.policy.json");
/// Where the gateway listens if it can.
const GATEWAY_PORT: u16 = 8420;
/// Where the console listens if it can.
const CONSOLE_PORT: u16 = 8421;

/// Why the demo does not run.
#[derive(Debug, Error)]
pub(crate) enum DemoError {
    /// A file or directory of the demo cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// No port is free on the loopback interface.
    #[error("no port is free on 127.0.0.1")]
    NoPort(#[source] std::io::Error),
    /// The state file cannot be written.
    #[error(transparent)]
    State(#[from] state::StateError),
    /// No random bytes for tokens.
    #[error(transparent)]
    NoEntropy(#[from] store::NoEntropy),
    /// Nobody reads what is printed.
    #[error("cannot print")]
    Print(#[source] std::io::Error),
    /// One of the five lines failed.
    #[error("a line of the demo failed")]
    Line(#[from] lines::LineError),
}

/// A demo that is ready to be served.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// The configuration that was written; `serve` takes it from here.
    pub(crate) config: PathBuf,
    /// What the small commands need to know.
    pub(crate) state: State,
    payments: StdListener,
}

/// The preferred port, or any other that is free.
fn free_port(preferred: u16) -> Result<StdListener, DemoError> {
    let at = |port| StdListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    at(preferred).or_else(|_taken| at(0)).map_err(DemoError::NoPort)
}

fn port_of(listener: &StdListener) -> Result<u16, DemoError> {
    listener.local_addr().map(|a| a.port()).map_err(DemoError::NoPort)
}

/// Writes the demo's files into a directory of its own and finds free ports.
pub(crate) fn prepare(dir: &Path, entropy: &Entropy) -> Result<Prepared, DemoError> {
    let fail = |path: &Path| {
        let path = path.to_owned();
        move |source| DemoError::Write { path, source }
    };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail(dir))?;
    let payments = free_port(0)?;
    // Both are held until both are known, so that they differ; `serve` binds them again.
    let (gateway, console) = (free_port(GATEWAY_PORT)?, free_port(CONSOLE_PORT)?);
    let ports = (port_of(&payments)?, port_of(&gateway)?, port_of(&console)?);
    let grant = Token::make(entropy.bytes()?);
    let api = Token::make(entropy.bytes()?);
    let config = dir.join("portcullis.toml");
    let text = text::configuration(ports, grant.expose(), api.expose());
    write_private(&dir.join("pay.policy.json"), POLICY)?;
    write_private(&config, &text)?;
    let state = State {
        mcp_url: format!("http://127.0.0.1:{}/mcp/pay", ports.1),
        api_url: format!("http://127.0.0.1:{}", ports.2),
        grant_token: grant.expose().to_owned(),
        api_token: api.expose().to_owned(),
    };
    Ok(Prepared { config, state, payments })
}

fn write_private(path: &Path, text: &str) -> Result<(), DemoError> {
    let fail = |source| DemoError::Write { path: path.to_owned(), source };
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(path).map_err(fail)?;
    file.write_all(text.as_bytes()).map_err(fail)
}

impl Prepared {
    /// Starts the payment server; it lives as long as the runtime.
    pub(crate) fn start_payments(&self, tasks: &TaskTracker) -> Result<(), DemoError> {
        let listener = self.payments.try_clone().map_err(DemoError::NoPort)?;
        listener.set_nonblocking(true).map_err(DemoError::NoPort)?;
        let listener = TcpListener::from_std(listener).map_err(DemoError::NoPort)?;
        tasks.spawn(server::serve(listener, tasks.clone()));
        Ok(())
    }

    /// Says where everything is and what to try.
    pub(crate) fn announce(&self, command: &str, out: &mut impl Write) -> Result<(), DemoError> {
        let text = text::welcome(&self.state, command);
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(DemoError::Print)
    }
}

/// Runs the five lines against a running demo, one after the other, and prints them as a person would see them.
pub(crate) async fn run_all(
    state: &State,
    command: &str,
    out: &mut impl Write,
) -> Result<(), DemoError> {
    for line in text::LINES {
        writeln!(out, "\n{}. {}\n   $ {command} {}", line.number, line.title, line.arguments)
            .map_err(DemoError::Print)?;
        let arguments: serde_json::Value =
            serde_json::from_str(line.json).unwrap_or(serde_json::Value::Null);
        match line.kind {
            text::LineKind::Call { tool, times } => {
                lines::call(state, (tool, &arguments, times), out).await?;
            }
            text::LineKind::Hold { tool } => {
                held(state, (tool, &arguments), (command, out)).await?;
            }
            text::LineKind::Audit => lines::audit(state, out).await?,
        }
    }
    Ok(())
}

/// A hold with somebody at a second terminal: the call waits while the decision is made.
async fn held(
    state: &State,
    (tool, arguments): (&str, &serde_json::Value),
    (command, out): (&str, &mut impl Write),
) -> Result<(), DemoError> {
    let mut first = Vec::new();
    let mut second = Vec::new();
    let waiting = lines::call(state, (tool, arguments, 1), &mut first);
    let deciding = lines::decide_when_held(state, &mut second);
    let (called, decided) = tokio::join!(waiting, deciding);
    called?;
    decided?;
    let print = |out: &mut dyn Write| -> std::io::Result<()> {
        writeln!(out, "   (waits; in a second terminal:)\n   $ {command} demo approve")?;
        out.write_all(&second)?;
        writeln!(out, "   (and the call that waited gets its answer:)")?;
        out.write_all(&first)
    };
    print(out).map_err(DemoError::Print)
}
