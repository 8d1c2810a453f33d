//! Traces of calls for an OpenTelemetry collector, in builds with the feature `otel`; in others
//! there are none. The rest of the program knows only [`Traces`], which both kinds of build have.
//!
//! Never here: what of a call may be told; that is the gateway's (`gateway::FinishedCall`).

#[cfg(not(feature = "otel"))]
mod absent;
#[cfg(feature = "otel")]
mod collector;
#[cfg(feature = "otel")]
mod export;
#[cfg(test)]
#[cfg(feature = "otel")]
mod kept;
#[cfg(feature = "otel")]
mod present;
#[cfg(feature = "otel")]
mod queue;
#[cfg(feature = "otel")]
mod settings;
#[cfg(feature = "otel")]
mod span;

#[cfg(not(feature = "otel"))]
pub(crate) use absent::Traces;
#[cfg(feature = "otel")]
pub(crate) use present::Traces;
