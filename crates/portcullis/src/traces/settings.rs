//! The environment variables of OpenTelemetry that the SDK leaves to the program: whether to export
//! at all, and the bounds of the queue, which the SDK would take as they come. Values are never
//! repeated in a message: some hold credentials.

use std::ops::RangeInclusive;
use std::time::Duration;

use thiserror::Error;

use crate::config::Environment;

/// Spans that may wait for the collector, those under way included; the default is the
/// specification's.
const QUEUE_SPANS: Bounded = Bounded { default: 2048, range: 1..=65_536 };
/// Spans of one request.
const BATCH_SPANS: Bounded = Bounded { default: 512, range: 1..=8192 };
/// Milliseconds between two requests.
const DELAY_MILLIS: Bounded = Bounded { default: 5000, range: 100..=60_000 };
/// Milliseconds that one request may take, with its repetitions.
const PATIENCE_MILLIS: Bounded = Bounded { default: 10_000, range: 100..=60_000 };

/// The samplers that the SDK has (`OTEL_TRACES_SAMPLER`).
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// Where the collector is; the first that is set counts.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The only protocol of this build.
const PROTOCOL: &str = "http/protobuf";

/// What the environment asks for.
#[derive(Debug)]
pub(super) struct Reading {
    /// How to export; `None` when nothing is to be exported.
    pub(super) settings: Option<Settings>,
    /// What of it cannot be done as it was said; for the log.
    pub(super) warnings: Vec<String>,
}

/// How to export.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings {
    pub(super) parents: Parents,
    pub(super) queue_spans: usize,
    pub(super) batch_spans: usize,
    pub(super) delay: Duration,
    pub(super) patience: Duration,
}

/// Whether the traces of callers go on here (`OTEL_PROPAGATORS`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parents {
    /// A valid `traceparent` is the parent of the span.
    Taken,
    /// Every span begins a trace.
    Ignored,
}

struct Bounded {
    default: u32,
    range: RangeInclusive<u32>,
}

/// Why nothing can be exported although it was asked for.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum SettingsError {
    /// The endpoint cannot be used.
    #[error("{variable} is no URL of http or https")]
    Endpoint {
        /// The variable that names it.
        variable: &'static str,
    },
}

/// Reads what is to be exported, and how.
///
/// # Errors
/// When traces are to be exported to what is no URL.
pub(super) fn read(environment: &Environment) -> Result<Reading, SettingsError> {
    let mut warnings = Vec::new();
    let named = ENDPOINTS
        .into_iter()
        .find_map(|variable| Some((variable, environment.get_non_empty(variable)?)));
    let Some((variable, endpoint)) = named else { return Ok(Reading { settings: None, warnings }) };
    if !is_wanted(environment, &mut warnings) {
        return Ok(Reading { settings: None, warnings });
    }
    let uri = endpoint.parse::<http::Uri>();
    if !uri.is_ok_and(|uri| matches!(uri.scheme_str(), Some("http" | "https"))) {
        return Err(SettingsError::Endpoint { variable });
    }
    let settings = Some(settings(environment, &mut warnings));
    Ok(Reading { settings, warnings })
}

fn is_wanted(environment: &Environment, warnings: &mut Vec<String>) -> bool {
    let disabled = environment
        .get("OTEL_SDK_DISABLED")
        .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
    if disabled {
        return false;
    }
    let Some(exporters) = environment.get_non_empty("OTEL_TRACES_EXPORTER") else { return true };
    if lists(exporters, "otlp") {
        return true;
    }
    if !lists(exporters, "none") {
        warnings.push("OTEL_TRACES_EXPORTER: only otlp is known; no traces are exported".into());
    }
    false
}

fn settings(environment: &Environment, warnings: &mut Vec<String>) -> Settings {
    for name in ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"] {
        if environment.get_non_empty(name).is_some_and(|value| value.trim() != PROTOCOL) {
            warnings.push(format!("{name}: this build exports by {PROTOCOL} only"));
        }
    }
    let sampler = environment.get_non_empty("OTEL_TRACES_SAMPLER");
    if sampler.is_some_and(|name| !SAMPLERS.contains(&name)) {
        warnings.push("OTEL_TRACES_SAMPLER: unknown; every call is sampled".into());
    }
    let propagators = environment.get_non_empty("OTEL_PROPAGATORS");
    let parents = match propagators {
        Some(names) if !lists(names, "tracecontext") => Parents::Ignored,
        Some(_) | None => Parents::Taken,
    };
    let mut number = |names: &[&str], bounded: Bounded| bounded.read(environment, names, warnings);
    let millis = |value: u32| Duration::from_millis(u64::from(value));
    let queue = number(&["OTEL_BSP_MAX_QUEUE_SIZE"], QUEUE_SPANS);
    let batch = number(&["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"], BATCH_SPANS);
    let delay = number(&["OTEL_BSP_SCHEDULE_DELAY"], DELAY_MILLIS);
    let timeouts = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"];
    let patience = number(&timeouts, PATIENCE_MILLIS);
    Settings {
        parents,
        queue_spans: usize::try_from(queue).unwrap_or(usize::MAX),
        batch_spans: usize::try_from(batch.min(queue)).unwrap_or(usize::MAX),
        delay: millis(delay),
        patience: millis(patience),
    }
}

impl Bounded {
    /// The first of the variables that is set, brought within the range.
    fn read(&self, environment: &Environment, names: &[&str], warnings: &mut Vec<String>) -> u32 {
        let set =
            names.iter().find_map(|name| Some((name, environment.get_non_empty(name)?.trim())));
        let Some((name, text)) = set else { return self.default };
        let (least, most) = (*self.range.start(), *self.range.end());
        let Ok(value) = text.parse::<u64>() else {
            warnings.push(format!("{name}: not a number; {} is taken", self.default));
            return self.default;
        };
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        let within = value.clamp(least, most);
        if within != value {
            warnings.push(format!("{name}: {least} to {most}; {within} is taken"));
        }
        within
    }
}

/// Whether a list with commas holds `name`.
fn lists(list: &str, name: &str) -> bool {
    list.split(',').any(|one| one.trim() == name)
}

#[cfg(test)]
mod tests;
