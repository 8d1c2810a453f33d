//! A build without the feature `otel`: nothing is observed, and nothing leaves.

use gateway::CallObserver;

use crate::config::Environment;
use crate::failure::Failure;

/// No traces.
#[derive(Debug)]
pub(crate) struct Traces;

impl Traces {
    /// Reads nothing and starts nothing.
    #[expect(clippy::unnecessary_wraps, reason = "the build with traces can fail here")]
    pub(crate) fn start(_environment: &Environment) -> Result<Self, Failure> {
        Ok(Self)
    }

    /// Nobody.
    #[expect(clippy::unused_self, reason = "the build with traces has an observer")]
    pub(crate) fn observer(&self) -> Option<CallObserver> {
        None
    }

    /// Nothing to finish.
    #[expect(clippy::unused_async, reason = "the build with traces waits here")]
    pub(crate) async fn finish(self) {}
}
