//! `discover`: which MCP servers this machine's clients are set up with, and which of them go past the gateway. Reads
//! files and starts nothing.
//!
//! What never lives here: what a client's file means; the value of a secret.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use console::clients::read::{self, Entry, EntryTransport};
use console::clients::{CLIENTS, Client};
use serde::Serialize;

use crate::causes::chain;
use crate::client_files::{ClientFile, Machine};
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::inert;
use crate::output::{self, JsonSwitch};

/// What `discover` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads the files of the clients that it knows, for this user, this machine and the projects named,
and starts nothing. Of secrets, only the names are shown. A link is followed as long as it stays
within the folder it begins in.

Exit codes: 0 done; 2 wrong usage; with --check, 1 when a server that is switched on goes past the
gateway, or a file cannot be read.

Examples:
  portcullis discover
  portcullis discover --project ~/shop --gateway https://gate.example.com -o json
  portcullis discover --check --client cursor")]
pub(crate) struct DiscoverArgs {
    /// Look at this client only; may be repeated [default: all]
    #[arg(long, value_name = "CLIENT", value_parser = known_client)]
    client: Vec<&'static str>,
    /// A project to look into; may be repeated [default: the current folder]
    #[arg(long, value_name = "DIR")]
    project: Vec<PathBuf>,
    /// A gateway's URL, to know what is behind it; may be repeated
    #[arg(long, value_name = "URL", default_values = ["http://127.0.0.1:8420", "http://localhost:8420"])]
    gateway: Vec<String>,
    /// Fail when a server goes past the gateway
    #[arg(long)]
    check: bool,
    /// How the result is written
    #[arg(long, short, value_enum, default_value = "table")]
    output: Output,
    #[command(flatten)]
    json: JsonSwitch,
}

/// How the result is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table.
    Table,
    /// One JSON document.
    Json,
}

/// The id of a client of the table.
pub(crate) fn known_client(text: &str) -> Result<&'static str, String> {
    let found = CLIENTS.iter().find(|client| client.id == text);
    found.map(|client| client.id).ok_or_else(|| {
        let ids: Vec<&str> = CLIENTS.iter().map(|client| client.id).collect();
        format!("no such client; known are {}", ids.join(", "))
    })
}

/// What was found.
#[derive(Debug, Serialize)]
struct Report {
    servers: Vec<Row>,
    problems: Vec<Problem>,
}

/// One server of one client.
#[derive(Debug, Serialize)]
struct Row {
    client: &'static str,
    scope: &'static str,
    file: String,
    project: Option<String>,
    server: String,
    enabled: bool,
    /// `stdio`, `http` or `unknown`.
    transport: &'static str,
    /// The package or program, or the URL without what may be secret.
    target: String,
    package: Option<PackageView>,
    secrets: Vec<String>,
    behind_gateway: bool,
}

#[derive(Debug, Serialize)]
struct PackageView {
    ecosystem: &'static str,
    name: String,
    version: Option<String>,
}

/// A file that could not be read.
#[derive(Debug, Serialize)]
struct Problem {
    client: &'static str,
    file: String,
    why: String,
}

/// Looks at the machine.
pub(crate) fn run(args: &DiscoverArgs, environment: &Environment) -> Result<Exit, Failure> {
    let projects = if args.project.is_empty() {
        std::env::current_dir().into_iter().collect()
    } else {
        args.project.clone()
    };
    let machine = Machine::here(environment, projects).ok_or_else(|| {
        Failure::new(Exit::Usage, "HOME is not set, so there is no home folder to look into")
    })?;
    let wanted = |client: &Client| args.client.is_empty() || args.client.contains(&client.id);
    let report = look(&machine, wanted, &args.gateway);
    match args.output {
        Output::Table if !args.json.json => show(&report),
        Output::Table | Output::Json => output::json(&report),
    }
    let past = report.servers.iter().any(|row| row.enabled && !row.behind_gateway);
    let failed = args.check && (past || !report.problems.is_empty());
    Ok(if failed { Exit::Failed } else { Exit::Good })
}

fn look(machine: &Machine<'_>, wanted: impl Fn(&Client) -> bool, gateways: &[String]) -> Report {
    let mut report = Report { servers: Vec::new(), problems: Vec::new() };
    for file in machine.files(wanted) {
        match entries(&file) {
            Ok(entries) => {
                let rows = entries.into_iter().filter(is_server);
                report.servers.extend(rows.map(|entry| row(&file, entry, gateways)));
            }
            Err(problem) => report.problems.push(Problem {
                client: file.client.id,
                file: file.path.display().to_string(),
                why: problem,
            }),
        }
    }
    report
}

/// The servers of one file.
fn entries(file: &ClientFile) -> Result<Vec<Entry>, String> {
    let text = file.read().map_err(|error| chain(&error))?;
    let read = read::entries(file.client.format, &text, &file.containers);
    read.map_err(|error| chain(&error))
}

/// Whether an entry is a server: Goose keeps its own parts in the same table.
fn is_server(entry: &Entry) -> bool {
    entry.transport != EntryTransport::Unknown
}

fn row(file: &ClientFile, entry: Entry, gateways: &[String]) -> Row {
    let package = entry.package().map(|package| PackageView {
        ecosystem: package.ecosystem,
        name: package.name,
        version: package.version,
    });
    Row {
        client: file.client.id,
        scope: file.scope.as_str(),
        file: file.path.display().to_string(),
        enabled: entry.enabled,
        transport: match entry.transport {
            EntryTransport::Program(_) => "stdio",
            EntryTransport::Url(_) => "http",
            EntryTransport::Unknown => "unknown",
        },
        target: entry.summary(),
        package,
        behind_gateway: entry.behind_gateway(gateways),
        project: entry.project,
        server: entry.name,
        secrets: entry.secrets,
    }
}

fn show(report: &Report) {
    if report.servers.is_empty() {
        output::line("no client of this machine is set up with an MCP server");
    } else {
        let rows: Vec<Vec<String>> = report.servers.iter().map(cells).collect();
        let heads = ["client", "scope", "server", "transport", "what", "secrets", "gateway"];
        output::table(&heads, &rows);
        let on = report.servers.iter().filter(|row| row.enabled);
        let past = on.filter(|row| !row.behind_gateway).count();
        output::line(format!(
            "{} servers, {past} of them switched on and not behind the gateway",
            report.servers.len()
        ));
    }
    for problem in &report.problems {
        output::note(format!("warning: {}: {}", inert(&problem.file), inert(&problem.why)));
    }
}

fn cells(row: &Row) -> Vec<String> {
    let what = match &row.package {
        Some(PackageView { name, version: Some(version), .. }) => format!("{name}@{version}"),
        Some(PackageView { name, version: None, .. }) => format!("{name} (not pinned)"),
        None => row.target.clone(),
    };
    let scope = match &row.project {
        Some(project) => format!("{} {project}", row.scope),
        None => row.scope.to_owned(),
    };
    let gateway = match (row.behind_gateway, row.enabled) {
        (true, _) => "behind it",
        (false, true) => "NOT BEHIND IT",
        (false, false) => "switched off",
    };
    let secrets = if row.secrets.is_empty() { "-".to_owned() } else { row.secrets.join(", ") };
    let cells = [row.client, &scope, &row.server, row.transport, &what, &secrets, gateway];
    cells.iter().map(|cell| inert(cell)).collect()
}

#[cfg(test)]
mod tests;
