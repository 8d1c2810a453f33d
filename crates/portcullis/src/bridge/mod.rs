//! The stdio side of Portcullis: `connect` carries one client's stdin and stdout to a gateway's URL,
//! `run` starts a gateway of its own in front of one program and does the same.
//!
//! What never lives here: decisions about calls. The gateway at the other end makes them.

pub(crate) mod connect;
mod endpoint;
mod message;
mod params;
mod relay;
pub(crate) mod run;

use std::io::{self, Write};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use self::endpoint::Endpoint;
use self::relay::Relay;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input;
use crate::serve::signals::Signals;

/// Messages that wait for a slow reader of stdout, at most.
const MESSAGES_WAITING_MAX: usize = 64;
/// How long the last messages may take to be read, in seconds.
const FLUSH_SECONDS_MAX: u64 = 5;

/// Carries stdin and stdout to `endpoint` until stdin ends, stdout is closed, or a signal comes.
async fn carry(endpoint: Endpoint, signals: &mut Signals) -> Result<Exit, Failure> {
    let lines = input::lines(gateway::BODY_BYTES_MAX)
        .map_err(|error| Failure::because(Exit::Failed, "stdin", &error))?;
    let (out, writer) = stdout();
    let stop = CancellationToken::new();
    let relay = Relay::new(endpoint, out);
    let carried = relay.run(lines, stop.clone());
    tokio::pin!(carried);
    tokio::select! {
        () = &mut carried => {}
        () = signals.terminated() => {
            stop.cancel();
            carried.await;
        }
    }
    // The relay and all its tasks are gone, and with them the last sender.
    match timeout(Duration::from_secs(FLUSH_SECONDS_MAX), writer).await {
        Ok(Ok(Err(error))) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::because(Exit::Failed, "stdout", &error))
        }
        Ok(_) | Err(_) => Ok(Exit::Good),
    }
}

/// Writes messages to stdout, one a line; the channel closes when nobody reads any more.
fn stdout() -> (mpsc::Sender<Bytes>, JoinHandle<io::Result<()>>) {
    let (sender, mut messages) = mpsc::channel::<Bytes>(MESSAGES_WAITING_MAX);
    let writer = tokio::task::spawn_blocking(move || {
        let mut out = io::stdout().lock();
        while let Some(message) = messages.blocking_recv() {
            out.write_all(&message)?;
            out.write_all(b"\n")?;
            out.flush()?;
        }
        Ok(())
    });
    (sender, writer)
}
