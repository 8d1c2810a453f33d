//! Counters and gauges of the data plane, in the registry that the console's `/metrics` prints.
//! What is counted comes from the same values as the audit records, so that the two agree.

use std::fmt;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// The labels of a decision. Names of tools and grants are no labels: their number is not bounded.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct DecisionLabels {
    pub(crate) verdict: &'static str,
    pub(crate) reason: &'static str,
}

/// The label of a request that was turned away before any decision.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RefusedLabels {
    pub(crate) why: &'static str,
}

/// How calls ended that were allowed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabels {
    pub(crate) outcome: &'static str,
}

/// The upper bounds of the latency histogram, in seconds.
const LATENCY_SECONDS: [f64; 12] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0, 300.0];

/// The data plane's metrics.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) decisions: Family<DecisionLabels, Counter>,
    pub(crate) refused: Family<RefusedLabels, Counter>,
    pub(crate) outcomes: Family<OutcomeLabels, Counter>,
    /// The two counts that every allowed and answered call moves, found once.
    pub(crate) allowed: Counter,
    pub(crate) answered: Counter,
    pub(crate) latency: Histogram,
    pub(crate) panics: Counter,
    pub(crate) connections: Gauge,
    pub(crate) sessions: Gauge<i64>,
    pub(crate) holds: Gauge,
    pub(crate) unrecorded: Counter<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let decisions: Family<DecisionLabels, Counter> = Family::default();
        let outcomes: Family<OutcomeLabels, Counter> = Family::default();
        let allow = DecisionLabels { verdict: "allow", reason: "" };
        let allowed = decisions.get_or_create(&allow).clone();
        let answered = outcomes.get_or_create(&OutcomeLabels { outcome: "ok" }).clone();
        let metrics = Self {
            decisions,
            refused: Family::default(),
            outcomes,
            allowed,
            answered,
            latency: Histogram::new(LATENCY_SECONDS),
            panics: Counter::default(),
            connections: Gauge::default(),
            sessions: Gauge::default(),
            holds: Gauge::default(),
            unrecorded: Counter::default(),
            registry: Registry::default(),
        };
        registry.register("decisions", "Verdicts of policy", metrics.decisions.clone());
        registry.register(
            "refused_requests",
            "Requests turned away before any decision",
            metrics.refused.clone(),
        );
        registry.register("outcomes", "How allowed calls ended", metrics.outcomes.clone());
        registry.register(
            "call_duration_seconds",
            "From the decision to the end of the answer",
            metrics.latency.clone(),
        );
        registry.register("panics", "Requests that failed inside", metrics.panics.clone());
        registry.register("connections", "Open connections", metrics.connections.clone());
        registry.register("sessions", "Legacy sessions", metrics.sessions.clone());
        registry.register("holds", "Calls that wait for a person", metrics.holds.clone());
        registry.register(
            "unrecorded_refusals",
            "Refused requests beyond the bound of records per second",
            metrics.unrecorded.clone(),
        );
        Self { registry, ..metrics }
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn encode(&self) -> String {
        let mut text = String::new();
        match prometheus_client::encoding::text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(fmt::Error) => String::new(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

#[cfg(test)]
mod tests;
