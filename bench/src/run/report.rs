//! The tables that a command prints, for a terminal or as Markdown. Computes ratios and differences of
//! medians; measures nothing.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

use super::summary::{Limit, Pace, Results, Row};
use crate::clock;
use crate::load::Found;

/// All tables, each below a line that says what it shows.
pub(super) fn text(results: &Results, markdown: bool) -> String {
    let mut lines = vec![format!("Machine: {}", results.machine)];
    for (workload, pace) in results.tables() {
        let rows = results.table(workload, pace);
        let (how, heads, cells) = match pace {
            Pace::Closed => ("closed loop".to_owned(), &CLOSED[..], closed(&rows)),
            Pace::Fixed(rate) => (format!("{rate} calls a second"), &FIXED[..], fixed(&rows)),
            Pace::Idle => ("memory".to_owned(), &IDLE[..], idle(&rows)),
        };
        let title = format!("{}: {} ({how})", workload.name(), workload.shape().about);
        let title = if markdown { format!("### {title}\n") } else { title };
        lines.extend([String::new(), title, drawn(heads, cells, markdown)]);
    }
    let further = [
        (
            "scale: W1 where there is more of one thing (closed loop)",
            &SCALE[..],
            scale(&results.scale),
        ),
        ("limits: what there may be at most", &LIMITS[..], limits(&results.limits)),
    ];
    for (title, heads, cells) in further {
        if !cells.is_empty() {
            let title = if markdown { format!("### {title}\n") } else { title.to_owned() };
            lines.extend([String::new(), title, drawn(heads, cells, markdown)]);
        }
    }
    lines.join("\n") + "\n"
}

fn drawn(heads: &[&str], rows: Vec<Vec<String>>, markdown: bool) -> String {
    let mut table = Table::new();
    let preset = if markdown { presets::ASCII_MARKDOWN } else { presets::UTF8_FULL_CONDENSED };
    table.load_style(preset);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(heads);
    table.add_rows(rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

const CLOSED: [&str; 12] = [
    "target",
    "calls/s",
    "min to max",
    "×",
    "CPU µs/call",
    "× CPU",
    "p50 µs",
    "p99 µs",
    "core busy",
    "peak MiB",
    "settled MiB",
    "denied/errors",
];
const FIXED: [&str; 9] = [
    "target",
    "p50 µs",
    "p99 µs",
    "p99.9 µs",
    "added p50",
    "added p99",
    "CPU µs/call",
    "× CPU",
    "denied/errors",
];
const IDLE: [&str; 7] = [
    "target",
    "sessions",
    "alive",
    "before MiB",
    "with all open MiB",
    "KiB/session",
    "denied/errors",
];

const SCALE: [&str; 8] = [
    "what there is",
    "CPU µs/call",
    "× CPU",
    "calls/s",
    "p50 µs",
    "p99 µs",
    "settled MiB",
    "denied/errors",
];
const LIMITS: [&str; 4] = ["figure", "measured", "at most", "holds"];

fn scale(rows: &[Row]) -> Vec<Vec<String>> {
    let cells = |row: &Row| {
        let (cpu, cpu_ratio) = cpu(row, rows.first());
        vec![
            row.target.clone(),
            cpu,
            cpu_ratio,
            shown(row.median(|found| Some(found.per_second)), 0),
            shown(row.median(|found| Some(found.p50_us)), 0),
            shown(row.median(|found| Some(found.p99_us)), 0),
            mib(row.median(|found| found.settled_kib.map(clock::real))),
            faults(row),
        ]
    };
    rows.iter().map(cells).collect()
}

fn limits(limits: &[Limit]) -> Vec<Vec<String>> {
    let cells = |limit: &Limit| {
        let unit = limit.unit;
        let digits = if limit.measured < 10.0 { 2 } else { 1 };
        let holds = limit.at_most.map(|most| if limit.measured <= most { "yes" } else { "NO" });
        vec![
            limit.about.clone(),
            format!("{:.digits$} {unit}", limit.measured),
            limit.at_most.map_or_else(none, |most| format!("{most} {unit}")),
            holds.map_or_else(none, str::to_owned),
        ]
    };
    limits.iter().map(cells).collect()
}

fn closed(rows: &[&Row]) -> Vec<Vec<String>> {
    let speed = |row: &Row| row.median(|found| Some(found.per_second));
    let first = rows.first();
    let cells = |row: &&Row| {
        let (cpu, cpu_ratio) = cpu(row, first.copied());
        let range = row.range(|found| found.per_second);
        vec![
            row.target.clone(),
            shown(speed(row), 0),
            range.map_or_else(none, |(low, high)| format!("{low:.0} to {high:.0}")),
            shown(ratio(speed(row), first.and_then(|first| speed(first))), 2),
            cpu,
            cpu_ratio,
            shown(row.median(|found| Some(found.p50_us)), 0),
            shown(row.median(|found| Some(found.p99_us)), 0),
            row.median(|found| found.cpu_share)
                .map_or_else(none, |of| format!("{:.0} %", of * 100.0)),
            mib(row.median(|found| found.peak_kib.map(clock::real))),
            mib(row.median(|found| found.settled_kib.map(clock::real))),
            faults(row),
        ]
    };
    rows.iter().map(cells).collect()
}

fn fixed(rows: &[&Row]) -> Vec<Vec<String>> {
    let direct = rows.iter().find(|row| row.target == "direct");
    let added = |row: &Row, figure: fn(&Found) -> f64| {
        let base = direct?.median(|found| Some(figure(found)))?;
        if row.target == "direct" { None } else { Some(row.median(|f| Some(figure(f)))? - base) }
    };
    let cells = |row: &&Row| {
        let (cpu, cpu_ratio) = cpu(row, rows.first().copied());
        vec![
            row.target.clone(),
            shown(row.median(|found| Some(found.p50_us)), 0),
            shown(row.median(|found| Some(found.p99_us)), 0),
            shown(row.median(|found| Some(found.p999_us)), 0),
            shown(added(row, |found| found.p50_us), 0),
            shown(added(row, |found| found.p99_us), 0),
            cpu,
            cpu_ratio,
            faults(row),
        ]
    };
    rows.iter().map(cells).collect()
}

fn idle(rows: &[&Row]) -> Vec<Vec<String>> {
    let cells = |row: &&Row| {
        let idle = row.runs.first().and_then(|run| run.found.idle).unwrap_or_default();
        vec![
            row.target.clone(),
            idle.sessions.to_string(),
            idle.heard.to_string(),
            mib(Some(clock::real(idle.before_kib))),
            mib(Some(clock::real(idle.open_kib))),
            format!("{:.1}", idle.each_kib),
            faults(row),
        ]
    };
    rows.iter().map(cells).collect()
}

/// Processor time of a call, alone and against the first target.
fn cpu(row: &Row, first: Option<&Row>) -> (String, String) {
    let of = |row: &Row| row.median(|found| found.cpu_us);
    (shown(of(row), 1), shown(ratio(of(row), first.and_then(of)), 2))
}

fn ratio(figure: Option<f64>, base: Option<f64>) -> Option<f64> {
    let base = base.filter(|base| *base > 0.0)?;
    figure.map(|figure| figure / base)
}

fn faults(row: &Row) -> String {
    format!("{}/{}", row.total(|found| found.denied), row.total(|found| found.errors))
}

fn mib(kib: Option<f64>) -> String {
    shown(kib.map(|kib| kib / 1024.0), 1)
}

fn shown(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(none, |figure| format!("{figure:.digits$}"))
}

fn none() -> String {
    "–".to_owned()
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
