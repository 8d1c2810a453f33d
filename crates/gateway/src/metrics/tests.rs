use std::collections::BTreeMap;
use std::fmt::Write as _;

use expect_test::expect_file;

use super::{DecisionLabels, Metrics, OutcomeLabels, RefusedLabels};

/// The labels of each line of samples, by the name of the metric.
fn labels(text: &str) -> BTreeMap<&str, Vec<&str>> {
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let Some((name, rest)) = line.split_once('{') else { continue };
        let names =
            rest.split('}').next().unwrap().split(',').map(|pair| pair.split('=').next().unwrap());
        found.entry(name).or_default().extend(names);
    }
    found
}

#[test]
fn the_table_of_metrics_is_as_recorded() {
    let metrics = Metrics::new();
    metrics.refused.get_or_create(&RefusedLabels { why: "method" }).inc();
    metrics.decisions.get_or_create(&DecisionLabels { verdict: "deny", reason: "hidden" }).inc();
    metrics.outcomes.get_or_create(&OutcomeLabels { outcome: "timeout" }).inc();
    metrics.latency.observe(0.001);
    let text = metrics.encode();
    let labels = labels(&text);
    let mut table = String::from("| metric | is a | labels | meaning |\n|---|---|---|---|\n");
    let mut kinds = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.splitn(4, ' ');
        let (Some("#"), Some(what), Some(name), Some(rest)) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            continue;
        };
        match what {
            "TYPE" => drop(kinds.insert(name, rest)),
            "HELP" => drop(kinds.entry(name).or_insert(rest)),
            _ => {}
        }
    }
    for line in text.lines().filter_map(|line| line.strip_prefix("# HELP ")) {
        let (name, help) = line.split_once(' ').unwrap();
        let kind = kinds[name];
        let shown = match kind {
            "counter" => format!("{name}_total"),
            _ => name.to_owned(),
        };
        let of = labels.get(shown.as_str()).map_or(&[][..], Vec::as_slice);
        let mut names: Vec<String> = of.iter().map(|label| format!("`{label}`")).collect();
        names.sort();
        names.dedup();
        writeln!(
            table,
            "| `{shown}` | {kind} | {} | {} |",
            names.join(", "),
            help.trim_end_matches('.')
        )
        .unwrap();
    }
    expect_file!["../../testdata/metrics.md"].assert_eq(&table);
}
