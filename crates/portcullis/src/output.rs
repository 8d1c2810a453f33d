//! What commands write: results to stdout, everything about them to stderr. A closed pipe ends
//! quietly. Decides nothing.

use std::io::{IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Form {
    /// Tables and sentences.
    Text,
    /// One JSON document.
    Json,
}

/// The switch that every command with a result has.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct JsonSwitch {
    /// Write JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}

impl JsonSwitch {
    /// The form that was asked for.
    pub(crate) fn form(self) -> Form {
        if self.json { Form::Json } else { Form::Text }
    }
}

/// Writes one line to stdout.
pub(crate) fn line(text: impl AsRef<str>) {
    // A reader that went away (`| head`) is no failure of the command.
    drop(writeln!(std::io::stdout().lock(), "{}", text.as_ref()));
}

/// Writes one line to stdout at once; whether somebody reads it.
pub(crate) fn told(text: impl AsRef<str>) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush()).is_ok()
}

/// Writes text to stdout as it is.
pub(crate) fn raw(text: impl AsRef<str>) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush()));
}

/// Writes one line to stderr.
pub(crate) fn note(text: impl AsRef<str>) {
    drop(writeln!(std::io::stderr().lock(), "{}", text.as_ref()));
}

/// Writes a value as JSON to stdout, for people to read and programs to parse.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => line(text),
        Err(error) => note(format!("error: {error}")),
    }
}

/// Writes a table to stdout: lines and bold heads on a terminal, tab-separated rows in a pipe.
pub(crate) fn table(heads: &[&str], rows: &[Vec<String>]) {
    if !std::io::stdout().is_terminal() {
        line(heads.join("\t"));
        for row in rows {
            let cells: Vec<String> =
                row.iter().map(|cell| cell.replace(['\t', '\n', '\r'], " ")).collect();
            line(cells.join("\t"));
        }
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_NO_BORDERS);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(heads.iter().copied());
    for row in rows {
        table.add_row(row);
    }
    line(table.to_string());
}
