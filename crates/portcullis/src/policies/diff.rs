//! `policy diff`: what changed between two policies, by JSON Pointer of their canonical forms.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

use super::document_of;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// What `diff` takes.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The policy as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The policy as it is to be
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[command(flatten)]
    json: JsonSwitch,
}

/// One difference.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    pointer: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<Value>,
}

/// `policy diff`.
pub(super) fn run(args: &DiffArgs) -> Result<Exit, Failure> {
    let old = canonical(&document_of(&args.old)?)?;
    let new = canonical(&document_of(&args.new)?)?;
    let mut changes = Vec::new();
    compare("", &old, &new, &mut changes);
    match args.json.form() {
        Form::Json => output::json(&changes),
        Form::Text if changes.is_empty() => output::line("no difference"),
        Form::Text => changes.iter().for_each(show),
    }
    Ok(if changes.is_empty() { Exit::Good } else { Exit::Failed })
}

fn canonical(document: &policy::Document) -> Result<Value, Failure> {
    serde_json::from_str(document.canonical())
        .map_err(|error| Failure::because(Exit::Failed, "the canonical form", &error))
}

fn show(change: &Change) {
    match (&change.old, &change.new) {
        (Some(old), Some(new)) => output::line(format!("~ {}: {old} -> {new}", change.pointer)),
        (Some(old), None) => output::line(format!("- {}: {old}", change.pointer)),
        (None, Some(new)) => output::line(format!("+ {}: {new}", change.pointer)),
        (None, None) => {}
    }
}

/// Walks two values; their depth is bounded by the document's 64 levels.
fn compare(pointer: &str, old: &Value, new: &Value, changes: &mut Vec<Change>) {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) => objects(pointer, old, new, changes),
        (Value::Array(old), Value::Array(new)) => {
            for index in 0..old.len().max(new.len()) {
                let pointer = format!("{pointer}/{index}");
                member(pointer, old.get(index), new.get(index), changes);
            }
        }
        (old, new) if old == new => {}
        (old, new) => {
            let change = Change {
                pointer: pointer.to_owned(),
                old: Some(old.clone()),
                new: Some(new.clone()),
            };
            changes.push(change);
        }
    }
}

fn objects(
    pointer: &str,
    old: &Map<String, Value>,
    new: &Map<String, Value>,
    changes: &mut Vec<Change>,
) {
    let added = new.keys().filter(|key| !old.contains_key(*key));
    for key in old.keys().chain(added) {
        let step = key.replace('~', "~0").replace('/', "~1");
        member(format!("{pointer}/{step}"), old.get(key), new.get(key), changes);
    }
}

fn member(pointer: String, old: Option<&Value>, new: Option<&Value>, changes: &mut Vec<Change>) {
    match (old, new) {
        (Some(old), Some(new)) => compare(&pointer, old, new, changes),
        (None, None) => {}
        (old, new) => {
            changes.push(Change { pointer, old: old.cloned(), new: new.cloned() });
        }
    }
}
