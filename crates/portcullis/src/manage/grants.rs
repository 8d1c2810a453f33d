//! `portcullis grant …`.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use console::ops::grants::{self, Wanted};
use serde_json::json;
use store::{GrantId, GrantRecord, Label, PolicyName, ServerSlug};

use super::Installation;
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// The `grant` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Make a grant; its token is printed once
    #[command(after_help = "\
Example:
  portcullis grant create --label agent --server pay --policy pay-strict --tag team=finance")]
    Create(CreateArgs),
    /// List the grants
    List(ListArgs),
    /// Give a grant another token, printed once
    Rotate(RotateArgs),
    /// Revoke a grant, for good
    Revoke(OneArgs),
}

/// What a new grant is.
#[derive(Debug, Args)]
pub(crate) struct CreateArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// What people call it
    #[arg(long)]
    label: String,
    /// The server that it opens
    #[arg(long)]
    server: String,
    /// The policy; without one, everything is denied
    #[arg(long)]
    policy: Option<String>,
    /// When it ends, such as 2027-01-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    expires: Option<jiff::Timestamp>,
    /// A tag for policies; may be repeated
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    tags: Vec<String>,
    /// Whose grant it is: this person decides none of its holds
    #[arg(long)]
    owner: Option<String>,
    #[command(flatten)]
    json: JsonSwitch,
}

/// How grants are listed.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Which grant gets another token.
#[derive(Debug, Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The grant's id, or its label if only one grant has it
    grant: String,
    /// Seconds that the old token still works
    #[arg(long, default_value_t = 0)]
    overlap_seconds: u32,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Which grant.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The grant's id, or its label if only one grant has it
    grant: String,
}

/// Runs a `grant` command.
pub(crate) async fn run(command: GrantCommand) -> Result<Exit, Failure> {
    match command {
        GrantCommand::Create(args) => create(args).await,
        GrantCommand::List(args) => list(args).await,
        GrantCommand::Rotate(args) => rotate(args).await,
        GrantCommand::Revoke(args) => revoke(args).await,
    }
}

fn tags(given: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let pairs = given.iter().map(|tag| {
        let pair = tag.split_once('=').filter(|(key, _)| !key.is_empty());
        let pair = pair.map(|(key, value)| (key.to_owned(), value.to_owned()));
        pair.ok_or_else(|| Failure::new(Exit::Usage, format!("--tag `{tag}` is not KEY=VALUE")))
    });
    pairs.collect()
}

async fn create(args: CreateArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let wanted = Wanted {
        label: Label::parse(&args.label)?,
        server: ServerSlug::parse(&args.server)?,
        policy: args.policy.as_deref().map(PolicyName::parse).transpose()?,
        token: None,
        expires_at: args.expires.map(|t| policy::UnixMillis(t.as_millisecond())),
        tags: tags(&args.tags)?,
        owner: args.owner.as_deref().map(store::Actor::parse).transpose()?,
    };
    let (grant, token) = grants::create(&at.console, &at.actor, wanted).await?;
    match args.json.form() {
        Form::Json => output::json(&json!({ "id": grant.id.as_str(), "token": token.expose() })),
        Form::Text => {
            output::note(format!("Grant {} made. Its token, shown this once:", grant.id));
            output::line(token.expose());
        }
    }
    Ok(Exit::Good)
}

fn state(grant: &GrantRecord) -> &'static str {
    match (grant.revoked_at, grant.expires_at) {
        (Some(_), _) => "revoked",
        (None, Some(end)) if end <= clock::now() => "expired",
        (None, _) => "active",
    }
}

async fn list(args: ListArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let found = grants::list(&at.console, &at.actor).await?;
    match args.json.form() {
        Form::Json => {
            let items: Vec<_> = found
                .iter()
                .map(|g| {
                    json!({
                        "id": g.id.as_str(),
                        "label": g.label.as_str(),
                        "server": g.server.as_str(),
                        "policy": g.policy.as_ref().map(PolicyName::as_str),
                        "state": state(g),
                        "expires": g.expires_at.map(clock::rfc3339),
                        "tags": g.tags,
                        "managed_by_file": g.managed_by_file,
                    })
                })
                .collect();
            output::json(&items);
        }
        Form::Text => {
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|g| {
                    vec![
                        g.id.to_string(),
                        g.label.to_string(),
                        g.server.to_string(),
                        g.policy
                            .as_ref()
                            .map_or("(denies everything)", PolicyName::as_str)
                            .to_owned(),
                        state(g).to_owned(),
                        g.expires_at.map(clock::rfc3339).unwrap_or_default(),
                    ]
                })
                .collect();
            output::table(&["id", "label", "server", "policy", "state", "expires"], &rows);
        }
    }
    Ok(Exit::Good)
}

/// A grant by id, or by a label that only one active grant has.
async fn find(at: &Installation, text: &str) -> Result<GrantId, Failure> {
    if let Ok(id) = GrantId::parse(text) {
        return Ok(id);
    }
    let all = grants::list(&at.console, &at.actor).await?;
    let mut named = all.into_iter().filter(|g| g.label.as_str() == text && g.revoked_at.is_none());
    match (named.next(), named.next()) {
        (Some(grant), None) => Ok(grant.id),
        (None, _) => Err(Failure::new(Exit::Failed, format!("there is no grant `{text}`"))),
        (Some(_), Some(_)) => {
            let text = format!("several grants are called `{text}`: name one by its id");
            Err(Failure::new(Exit::Usage, text))
        }
    }
}

async fn rotate(args: RotateArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let id = find(&at, &args.grant).await?;
    let overlap_ms = i64::from(args.overlap_seconds).saturating_mul(1000);
    let token = grants::rotate(&at.console, &at.actor, &id, overlap_ms).await?;
    match args.json.form() {
        Form::Json => output::json(&json!({ "token": token.expose() })),
        Form::Text => output::line(token.expose()),
    }
    Ok(Exit::Good)
}

async fn revoke(args: OneArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let id = find(&at, &args.grant).await?;
    grants::revoke(&at.console, &at.actor, &id).await?;
    output::note(format!("Grant {id} is revoked."));
    Ok(Exit::Good)
}
