use std::time::Duration;

use super::{Parents, Settings, SettingsError, read};
use crate::config::Environment;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");

fn exported(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
    let all: Vec<_> = pairs.iter().copied().chain([ENDPOINT]).collect();
    let read = read(&Environment::of(&all)).expect("the endpoint is one");
    (read.settings.expect("an endpoint is named"), read.warnings)
}

#[test]
fn nothing_is_exported_without_an_endpoint_or_when_it_is_turned_off() {
    let read =
        |pairs: &[(&str, &str)]| read(&Environment::of(pairs)).expect("no endpoint is wrong");
    assert_eq!(read(&[]).settings, None);
    let off: [&[(&str, &str)]; 5] = [
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "")],
        &[("OTEL_SERVICE_NAME", "gate"), ("OTEL_TRACES_EXPORTER", "otlp")],
        &[ENDPOINT, ("OTEL_SDK_DISABLED", "TRUE")],
        &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "none")],
        &[ENDPOINT, ("OTEL_TRACES_EXPORTER", "zipkin")],
    ];
    for pairs in off {
        let read = read(pairs);
        assert_eq!(read.settings, None, "{pairs:?}");
        let unknown = pairs.iter().any(|(_, value)| *value == "zipkin");
        assert_eq!(read.warnings.len(), usize::from(unknown), "{pairs:?}");
    }
    let traces = read(&[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://c/own/path")]);
    assert!(traces.settings.is_some());
    assert!(exported(&[("OTEL_TRACES_EXPORTER", "console, otlp")]).1.is_empty());
}

#[test]
fn the_defaults_are_those_of_the_specification() {
    let (settings, warnings) = exported(&[]);
    let expected = Settings {
        parents: Parents::Taken,
        queue_spans: 2048,
        batch_spans: 512,
        delay: Duration::from_secs(5),
        patience: Duration::from_secs(10),
    };
    assert_eq!((settings, warnings), (expected, Vec::new()));
}

#[test]
fn numbers_stay_within_their_bounds() {
    let (settings, warnings) = exported(&[
        ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ("OTEL_BSP_SCHEDULE_DELAY", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "99999999999"),
    ]);
    assert_eq!((settings.queue_spans, settings.batch_spans), (100, 100));
    assert_eq!(settings.delay, Duration::from_millis(100));
    assert_eq!(settings.patience, Duration::from_mins(1));
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let (settings, warnings) = exported(&[("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "s3cr3t")]);
    assert_eq!(settings.batch_spans, 512);
    assert!(!warnings[0].contains("s3cr3t"), "{warnings:?}");
    let (settings, _) = exported(&[
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
        ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000"),
    ]);
    assert_eq!(settings.patience, Duration::from_secs(1));
}

#[test]
fn what_this_build_cannot_do_is_said() {
    let (_, warnings) =
        exported(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"), ("OTEL_TRACES_SAMPLER", "xray")]);
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    let (settings, warnings) = exported(&[
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_PROPAGATORS", "b3"),
    ]);
    assert_eq!((settings.parents, warnings), (Parents::Ignored, Vec::new()));
    let (settings, _) = exported(&[("OTEL_PROPAGATORS", "baggage,tracecontext")]);
    assert_eq!(settings.parents, Parents::Taken);
}

#[test]
fn an_endpoint_is_a_url() {
    for wrong in ["no url", "localhost:4318", "ftp://c", "/v1/traces", "http://"] {
        let read = read(&Environment::of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", wrong)]));
        let variable = "OTEL_EXPORTER_OTLP_ENDPOINT";
        assert_eq!(read.err(), Some(SettingsError::Endpoint { variable }), "{wrong}");
    }
}
