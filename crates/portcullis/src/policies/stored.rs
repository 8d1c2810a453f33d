//! `policy list`, `policy history` and `policy restore`: the policies of an installation, with their versions.

use clap::Args;
use console::ops::policies::{self, Restore};
use serde::Serialize;
use store::{PolicyMode, PolicyName, PolicyRecord, PolicyVersion};

use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::{Installation, inert};
use crate::output::{self, Form, JsonSwitch};

/// What `list` takes.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// What `history` takes.
#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// The policy
    #[arg(value_name = "NAME")]
    name: String,
    /// Print the text of this version instead
    #[arg(long, value_name = "VERSION")]
    text: Option<u32>,
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// What `restore` takes.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The policy
    #[arg(value_name = "NAME")]
    name: String,
    /// The version whose text is restored
    #[arg(value_name = "VERSION")]
    version: u32,
    /// What the new version is to do: draft, observe or enforce
    #[arg(long, default_value = "enforce")]
    mode: PolicyMode,
    /// Why
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    /// Refuse unless this is the newest version
    #[arg(long, value_name = "VERSION")]
    if_version: Option<u32>,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Serialize)]
struct PolicyRow<'a> {
    name: &'a str,
    server: Option<&'a str>,
    version: u32,
    mode: &'static str,
    in_force: Option<u32>,
    saved_at: String,
    saved_by: &'a str,
    note: Option<&'a str>,
    managed_by_file: bool,
}

fn row(record: &PolicyRecord) -> PolicyRow<'_> {
    PolicyRow {
        name: record.name.as_str(),
        server: record.server.as_ref().map(store::ServerSlug::as_str),
        version: record.version,
        mode: record.mode.as_str(),
        in_force: record.in_force,
        saved_at: clock::rfc3339(record.saved_at),
        saved_by: record.actor.as_str(),
        note: record.note.as_deref(),
        managed_by_file: record.managed_by_file,
    }
}

#[derive(Serialize)]
struct VersionRow<'a> {
    version: u32,
    mode: &'static str,
    saved_at: String,
    saved_by: &'a str,
    note: Option<&'a str>,
}

fn version(version: &PolicyVersion) -> VersionRow<'_> {
    VersionRow {
        version: version.version,
        mode: version.mode.as_str(),
        saved_at: clock::rfc3339(version.saved_at),
        saved_by: version.actor.as_str(),
        note: version.note.as_deref(),
    }
}

/// `policy list`.
pub(super) async fn list(args: ListArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let found = policies::list(&at.console, &at.actor).await?;
    let rows: Vec<PolicyRow<'_>> = found.iter().map(row).collect();
    match args.json.form() {
        Form::Json => output::json(&rows),
        Form::Text => {
            let in_force =
                |row: &PolicyRow<'_>| row.in_force.map_or("none".into(), |v| v.to_string());
            let rows: Vec<_> = rows
                .iter()
                .map(|row| {
                    vec![
                        row.name.to_owned(),
                        row.server.unwrap_or_default().to_owned(),
                        row.version.to_string(),
                        row.mode.to_owned(),
                        in_force(row),
                        row.saved_at.clone(),
                        inert(row.saved_by),
                    ]
                })
                .collect();
            let heads = ["name", "server", "version", "mode", "in force", "saved", "by"];
            output::table(&heads, &rows);
        }
    }
    Ok(Exit::Good)
}

/// `policy history`.
pub(super) async fn history(args: HistoryArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let name = PolicyName::parse(&args.name)?;
    if args.text.is_some() {
        let record = policies::get(&at.console, &at.actor, &name, args.text).await?;
        output::raw(record.text);
        return Ok(Exit::Good);
    }
    let found = policies::versions(&at.console, &at.actor, &name).await?;
    let rows: Vec<VersionRow<'_>> = found.iter().map(version).collect();
    match args.json.form() {
        Form::Json => output::json(&rows),
        Form::Text => {
            let rows: Vec<_> = rows
                .iter()
                .map(|row| {
                    vec![
                        row.version.to_string(),
                        row.mode.to_owned(),
                        row.saved_at.clone(),
                        inert(row.saved_by),
                        inert(row.note.unwrap_or_default()),
                    ]
                })
                .collect();
            output::table(&["version", "mode", "saved", "by", "note"], &rows);
        }
    }
    Ok(Exit::Good)
}

/// `policy restore`.
pub(super) async fn restore(args: RestoreArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let name = PolicyName::parse(&args.name)?;
    let wanted = Restore { version: args.version, mode: args.mode, note: args.note };
    let (saved, checked) =
        policies::restore(&at.console, &at.actor, &name, wanted, args.if_version).await?;
    output::line(format!(
        "{name} is at version {saved} ({}), with the text of version {}.",
        args.mode.as_str(),
        args.version
    ));
    for lint in checked.lints {
        output::note(format!("{}: {} ({})", lint.code, inert(&lint.message), lint.pointer));
    }
    Ok(Exit::Good)
}
