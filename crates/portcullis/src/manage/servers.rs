//! `portcullis server …`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use console::Inspection;
use console::ops::servers;
use gateway::variable::is_own_search_path;
use gateway::{Gateway, ListingError};
use serde_json::json;
use store::{
    FromServer, NewTools, PinRecord, PinState, Revision, Secret, ServerRecord, ServerSlug,
    Timeouts, Transport,
};

use super::{Installation, inert};
use crate::causes::chain;
use crate::cli::ConfigArg;
use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};
use crate::serve::{self, Ready};

/// Seconds between two listings of a new server's tools.
const REFRESH_SECONDS: u32 = 60;

/// The `server` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Add a server
    #[command(after_help = "\
Values of headers and environment variables are read from this process's environment, so that no
secret stands in a command line.

Examples:
  portcullis server add pay --url https://pay.example.com/mcp --header Authorization=PAY_KEY
  portcullis server add files --env HOME=HOME -- npx -y some-server /srv/files")]
    Add(AddArgs),
    /// List the servers
    List(ListArgs),
    /// List the live server's tools now, and pin what is new
    Inspect(OneArgs),
    /// Show the pinned tools of a server
    Tools(OneArgs),
    /// Accept a new or changed tool definition
    #[command(after_help = "\
Example:
  portcullis server accept pay pay_invoice --digest 3f1c…")]
    Accept(AcceptArgs),
    /// Remove a server, its pins and its grants
    Remove(OneArgs),
}

/// A new server.
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Its name in URLs: a-z, 0-9 and -
    slug: String,
    /// Where it is
    #[arg(long, conflicts_with = "command", required_unless_present = "command")]
    url: Option<String>,
    /// A header and the variable that holds its value; may be repeated
    #[arg(long = "header", value_name = "NAME=VARIABLE")]
    headers: Vec<String>,
    /// A variable of the child, and the one that has its value; or PATH=env:PATH; may be repeated
    #[arg(long = "env", value_name = "NAME=VARIABLE")]
    env: Vec<String>,
    /// It may live at a private, loopback or link-local address
    #[arg(long)]
    allow_private_address: bool,
    /// Accept the tools of the first contact
    #[arg(long)]
    accept_first: bool,
    /// The program and its arguments, started without a shell
    #[arg(last = true)]
    command: Vec<String>,
}

/// How servers are listed.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Which server.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The server
    slug: String,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Which definition is accepted.
#[derive(Debug, Args)]
pub(crate) struct AcceptArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The server
    slug: String,
    /// The tool
    tool: String,
    /// The digest of the definition that you looked at; without it, the one seen last
    #[arg(long)]
    digest: Option<String>,
}

/// Runs a `server` command.
pub(crate) async fn run(command: ServerCommand) -> Result<Exit, Failure> {
    match command {
        ServerCommand::Add(args) => add(args).await,
        ServerCommand::List(args) => list(args).await,
        ServerCommand::Inspect(args) => inspect(args).await,
        ServerCommand::Tools(args) => tools(args).await,
        ServerCommand::Accept(args) => accept(args).await,
        ServerCommand::Remove(args) => remove(args).await,
    }
}

/// `NAME=VARIABLE` pairs with the values of the variables.
fn values(given: &[String]) -> Result<Vec<(String, Secret<String>)>, Failure> {
    let environment = Environment::of_process();
    let pairs = given.iter().map(|pair| {
        let Some((name, variable)) = pair.split_once('=') else {
            return Err(Failure::new(Exit::Usage, format!("`{pair}` is not NAME=VARIABLE")));
        };
        // Not the value that it has here: the one that the gateway has when it starts the program.
        if is_own_search_path(name, variable) {
            return Ok((name.to_owned(), Secret::new(variable.to_owned())));
        }
        let value = environment.get(variable).ok_or_else(|| {
            Failure::new(Exit::Usage, format!("the variable {variable} is not set"))
        })?;
        Ok((name.to_owned(), Secret::new(value.to_owned())))
    });
    pairs.collect()
}

async fn add(args: AddArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let slug = ServerSlug::parse(&args.slug)?;
    let transport = match args.url {
        Some(url) => Transport::Http { url, headers: values(&args.headers)? },
        None => Transport::Stdio { command: args.command, env: values(&args.env)? },
    };
    let record = ServerRecord {
        slug: slug.clone(),
        transport,
        allow_private_address: args.allow_private_address,
        timeouts: Timeouts::default(),
        refresh_seconds: REFRESH_SECONDS,
        new_tools: NewTools::Quarantine,
        accept_first: args.accept_first,
        classes: BTreeMap::new(),
        from_server: FromServer::default(),
        managed_by_file: false,
        revision: Revision::default(),
    };
    servers::save(&at.console, &at.actor, record, Some(Revision(0))).await?;
    output::note(format!("Server {slug} added."));
    Ok(Exit::Good)
}

fn place(record: &ServerRecord) -> String {
    match &record.transport {
        Transport::Http { url, .. } => url.clone(),
        Transport::Stdio { command, .. } => command.join(" "),
    }
}

async fn list(args: ListArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let found = servers::list(&at.console, &at.actor).await?;
    match args.json.form() {
        Form::Json => {
            let items: Vec<_> = found
                .iter()
                .map(|s| {
                    json!({ "slug": s.slug.as_str(), "at": place(s), "managed_by_file": s.managed_by_file })
                })
                .collect();
            output::json(&items);
        }
        Form::Text => {
            let managed = |s: &ServerRecord| if s.managed_by_file { "file" } else { "store" };
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|s| vec![s.slug.to_string(), inert(&place(s)), managed(s).to_owned()])
                .collect();
            output::table(&["slug", "at", "managed by"], &rows);
        }
    }
    Ok(Exit::Good)
}

async fn inspect(args: OneArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let slug = ServerSlug::parse(&args.slug)?;
    servers::get(&at.console, &at.actor, &slug).await?;
    let found = look(&at, &slug).await?;
    match args.json.form() {
        Form::Json => output::json(&json!({
            "reachable": found.reachable,
            "problem": found.problem,
            "tools": found.tools,
            "quarantined": found.quarantined,
        })),
        Form::Text => {
            let problem = found.problem.as_deref().map(inert).unwrap_or_default();
            let text = if found.reachable {
                format!(
                    "{} tools, {} of them wait for `server accept`.",
                    found.tools, found.quarantined
                )
            } else {
                format!("not reachable: {problem}")
            };
            output::line(text);
        }
    }
    Ok(if found.reachable { Exit::Good } else { Exit::Unreachable })
}

/// Asks the server itself, with a client of this process that ends with the command. A gateway
/// that serves the same store notices new pins by itself.
async fn look(at: &Installation, slug: &ServerSlug) -> Result<Inspection, Failure> {
    let config = serve::gateway_config(&at.config, Ready::configured(&at.config));
    let gateway = Gateway::new(config, at.console.store.clone());
    match gateway.inspect_alone(slug).await {
        Ok(found) => Ok(Inspection {
            reachable: true,
            problem: None,
            tools: found.tools,
            quarantined: found.quarantined,
        }),
        Err(ListingError::Store(error)) => Err(error.into()),
        Err(
            error @ (ListingError::NoServer(_)
            | ListingError::NotSetUp(_)
            | ListingError::Server(_)
            | ListingError::TooSlow),
        ) => Ok(Inspection { problem: Some(chain(&error)), ..Inspection::default() }),
    }
}

pub(super) fn state(pin: &PinRecord) -> &'static str {
    match (pin.state, &pin.accepted_digest) {
        (PinState::Accepted, _) => "accepted",
        (PinState::Quarantined, None) => "new",
        (PinState::Quarantined, Some(_)) => "changed",
    }
}

async fn tools(args: OneArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let found = servers::tools(&at.console, &at.actor, &ServerSlug::parse(&args.slug)?).await?;
    match args.json.form() {
        Form::Json => {
            let items: Vec<_> = found
                .iter()
                .map(|p| {
                    json!({
                        "name": p.tool,
                        "state": state(p),
                        "digest": p.digest,
                        "class": p.class.map(policy::Class::as_str),
                        "risk": p.risk.map(policy::Risk::as_str),
                    })
                })
                .collect();
            output::json(&items);
        }
        Form::Text => {
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|p| {
                    vec![
                        inert(&p.tool),
                        state(p).to_owned(),
                        p.class.map_or("", policy::Class::as_str).to_owned(),
                        p.digest.clone(),
                    ]
                })
                .collect();
            output::table(&["tool", "state", "class", "digest"], &rows);
        }
    }
    Ok(Exit::Good)
}

async fn accept(args: AcceptArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let slug = ServerSlug::parse(&args.slug)?;
    let pin = (&slug, args.tool.as_str());
    servers::accept(&at.console, &at.actor, pin, args.digest.as_deref()).await?;
    output::note(format!("{}/{} is accepted as it is now.", slug, inert(&args.tool)));
    Ok(Exit::Good)
}

async fn remove(args: OneArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let slug = ServerSlug::parse(&args.slug)?;
    servers::remove(&at.console, &at.actor, &slug).await?;
    output::note(format!("Server {slug} is removed."));
    Ok(Exit::Good)
}
