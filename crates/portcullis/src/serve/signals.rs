//! The signals that the process answers to. Never decides what an answer does.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;

/// The handlers, installed.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Option<Signal>,
    /// A file that cannot grow is an error of that write, not the end of the process.
    _file_size: Signal,
}

impl Signals {
    /// Installs all handlers.
    pub(crate) fn install() -> Result<Self, Failure> {
        let file_size = rustix::process::Signal::XFSZ.as_raw();
        Ok(Self {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
            hangup: Some(handler(SignalKind::hangup())?),
            _file_size: handler(SignalKind::from_raw(file_size))?,
        })
    }

    /// The next SIGTERM or SIGINT.
    pub(crate) async fn terminated(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }

    /// Hands the SIGHUPs to whoever reloads; the second caller gets none.
    pub(super) fn take_hangups(&mut self) -> Option<Signal> {
        self.hangup.take()
    }
}

fn handler(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::because(Exit::Failed, "a signal handler", &error))
}
