//! `portcullis approvals …`.

use clap::{Args, Subcommand};
use console::ops::approvals;
use policy::{ApprovalId, ApprovalRecord, ApprovalState, AskRule};
use serde_json::{Value, json};
use store::{APPROVALS_PAGE_ROWS_MAX, Answer, ApprovalFilter, ApprovalOrder, state_word};

use super::{Installation, inert, watch};
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// The `approvals` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum ApprovalsCommand {
    /// List held calls
    #[command(after_help = "\
Example:
  portcullis approvals list --state pending")]
    List(ListArgs),
    /// Approve exactly one held call, once
    #[command(after_help = "\
Example:
  portcullis approvals approve apr_0123456789abcdefghjkmnpqrs --reason 'checked with finance'")]
    Approve(DecideArgs),
    /// Reject a held call; the agent reads the reason
    Reject(DecideArgs),
    /// Show held calls as they come, and decide them
    #[command(after_help = "\
In a terminal, single keys: a approves, r rejects with a reason, j and k choose, o opens the whole
call, ? says more, q ends.

Elsewhere type `a` or `r`, the number of the call, and if you like a reason:
  a 1
  r 2 wrong recipient

Example, over the API of a running server:
  portcullis approvals watch --url https://console.example.com --token-env APPROVER_TOKEN")]
    Watch(watch::WatchArgs),
}

/// Which held calls.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Only those in this state
    #[arg(long, value_parser = ["pending", "approved", "rejected", "used"])]
    state: Option<String>,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Which call is decided, and why.
#[derive(Debug, Args)]
pub(crate) struct DecideArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The approval's id
    id: String,
    /// Why, for the record
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Runs an `approvals` command.
pub(crate) async fn run(command: ApprovalsCommand) -> Result<Exit, Failure> {
    match command {
        ApprovalsCommand::List(args) => list(args).await,
        ApprovalsCommand::Approve(args) => decide(args, Answer::Approve).await,
        ApprovalsCommand::Reject(args) => decide(args, Answer::Reject).await,
        ApprovalsCommand::Watch(args) => watch::run(args).await,
    }
}

fn view(record: &ApprovalRecord) -> Value {
    json!({
        "id": record.id.as_str(),
        "state": state_word(record.state),
        "grant": record.grant,
        "server": record.server,
        "name": record.name,
        "arguments": serde_json::from_str::<Value>(&record.arguments).ok(),
        "rule": record.rules.first().map(|r| r.rule.to_string()),
        "message": record.rules.first().map(|r| r.message.clone()),
        "rules": rules_of(record),
        "created_at": clock::rfc3339(record.created_at),
        "expires_at": clock::rfc3339(record.expires_at),
        "decided_by": record.decided_by,
        "reason": record.decided_reason,
    })
}

/// Everything that an approval would waive: what is not shown is not agreed to.
fn rules_of(record: &ApprovalRecord) -> Vec<Value> {
    let shown = |rule: &AskRule| json!({ "rule": rule.rule.to_string(), "message": rule.message });
    record.rules.iter().map(shown).collect()
}

async fn list(args: ListArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let state = args.state.as_deref().and_then(|word| {
        let all = [
            ApprovalState::Pending,
            ApprovalState::Approved,
            ApprovalState::Rejected,
            ApprovalState::Used,
        ];
        all.into_iter().find(|s| state_word(*s) == word)
    });
    let filter = ApprovalFilter { state, ..ApprovalFilter::default() };
    let how = (ApprovalOrder::NewestFirst, APPROVALS_PAGE_ROWS_MAX);
    let page = approvals::page(&at.console, &at.actor, filter, how).await?;
    if page.more {
        output::note("There are more: these are the newest ones.");
    }
    let found: Vec<ApprovalRecord> = page.calls.into_iter().map(|call| call.record).collect();
    match args.json.form() {
        Form::Json => output::json(&found.iter().map(view).collect::<Vec<_>>()),
        Form::Text => {
            let rows: Vec<Vec<String>> = found
                .iter()
                .map(|r| {
                    vec![
                        r.id.to_string(),
                        state_word(r.state).to_owned(),
                        inert(&format!("{}/{}", r.server, r.name)),
                        inert(&r.arguments),
                        clock::rfc3339(r.expires_at),
                    ]
                })
                .collect();
            output::table(&["id", "state", "call", "arguments", "until"], &rows);
        }
    }
    Ok(Exit::Good)
}

fn id_of(text: &str) -> Result<ApprovalId, Failure> {
    text.parse().map_err(|error: policy::ApprovalIdError| {
        Failure::because(Exit::Usage, "no approval", &error)
    })
}

async fn decide(args: DecideArgs, answer: Answer) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let id = id_of(&args.id)?;
    let record = approvals::decide(&at.console, &at.actor, &id, (answer, args.reason)).await?;
    match args.json.form() {
        Form::Json => output::json(&view(&record)),
        Form::Text => output::note(format!("{} is {}.", record.id, state_word(record.state))),
    }
    Ok(Exit::Good)
}
