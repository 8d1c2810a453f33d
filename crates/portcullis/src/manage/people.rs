//! `portcullis people …`.

use clap::{Args, Subcommand};
use console::ops::accounts;
use serde_json::json;
use store::{ApiRole, Email, PersonRecord, Standing, Token};

use super::{Installation, inert};
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};
use crate::serve::{Ready, console_url};

/// The `people` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum PeopleCommand {
    /// Print a link to make the first account, where there is no admin yet
    SetupLink(PlainArgs),
    /// Print a link by which somebody joins
    #[command(after_help = "\
The link works once, for 72 hours. Whoever is locked out invites another address of
theirs as an admin, or uses `portcullis people new-password`.

Example:
  portcullis people invite ada@example.com --role admin")]
    Invite(InviteArgs),
    /// Print a link by which somebody chooses another password
    NewPassword(OneArgs),
    /// List the people
    List(PlainArgs),
}

/// Which installation.
#[derive(Debug, Args)]
pub(crate) struct PlainArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Who is invited.
#[derive(Debug, Args)]
pub(crate) struct InviteArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Their e-mail address
    email: String,
    /// What they may do
    #[arg(long, default_value = "viewer",
        value_parser = ["viewer", "policy_manager", "approver", "admin"])]
    role: String,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Who.
#[derive(Debug, Args)]
pub(crate) struct OneArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Their e-mail address
    email: String,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Runs a `people` command.
pub(crate) async fn run(command: PeopleCommand) -> Result<Exit, Failure> {
    match command {
        PeopleCommand::SetupLink(args) => setup_link(args).await,
        PeopleCommand::Invite(args) => invite(args).await,
        PeopleCommand::NewPassword(args) => new_password(args).await,
        PeopleCommand::List(args) => list(args).await,
    }
}

/// Prints a link: stdout has nothing else.
fn show(at: &Installation, (page, token): (&str, &Token), form: Form) {
    let url = console_url(&at.config, Ready::configured(&at.config));
    let link = format!("{url}{}", accounts::link_path(page, token));
    match form {
        Form::Json => output::json(&json!({ "link": link })),
        Form::Text => {
            output::note("The link works once, for 72 hours:");
            output::line(link);
        }
    }
}

async fn setup_link(args: PlainArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let Some(token) = accounts::offer_set_up(&at.console, &at.actor).await? else {
        let text = "somebody may administer already: use `portcullis people invite EMAIL --role \
                    admin` or `portcullis people new-password EMAIL`";
        return Err(Failure::new(Exit::Failed, text));
    };
    show(&at, ("welcome", &token), args.json.form());
    Ok(Exit::Good)
}

async fn invite(args: InviteArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let asked = (Email::parse(&args.email)?, args.role.parse::<ApiRole>()?);
    let token = accounts::invite(&at.console, &at.actor, asked).await?;
    show(&at, ("join", &token), args.json.form());
    Ok(Exit::Good)
}

async fn new_password(args: OneArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let email = Email::parse(&args.email)?;
    let all = accounts::people(&at.console, &at.actor).await?;
    let Some(person) = all.into_iter().find(|person| person.email == email) else {
        return Err(Failure::new(Exit::Failed, format!("nobody has the address `{email}`")));
    };
    let token = accounts::new_password_link(&at.console, &at.actor, &person.id).await?;
    show(&at, ("new-password", &token), args.json.form());
    Ok(Exit::Good)
}

fn state(person: &PersonRecord) -> &'static str {
    match person.standing {
        Standing::Active => "active",
        Standing::Disabled(_) => "disabled",
    }
}

async fn list(args: PlainArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let found = accounts::people(&at.console, &at.actor).await?;
    match args.json.form() {
        Form::Json => {
            let items: Vec<_> = found
                .iter()
                .map(|person| {
                    json!({
                        "id": person.id.as_str(),
                        "email": person.email.as_str(),
                        "name": person.display.as_str(),
                        "role": person.role.as_str(),
                        "state": state(person),
                        "signed_in_at": person.signed_in_at.map(clock::rfc3339),
                    })
                })
                .collect();
            output::json(&items);
        }
        Form::Text => {
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|person| {
                    vec![
                        person.email.to_string(),
                        inert(person.display.as_str()),
                        person.role.as_str().to_owned(),
                        state(person).to_owned(),
                        person.signed_in_at.map(clock::rfc3339).unwrap_or_default(),
                    ]
                })
                .collect();
            output::table(&["e-mail", "name", "role", "state", "last sign-in"], &rows);
        }
    }
    Ok(Exit::Good)
}
