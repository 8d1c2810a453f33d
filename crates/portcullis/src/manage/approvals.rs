//! `portcullis approvals …`.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::{Args, Subcommand};
use console::ops::approvals;
use policy::{ApprovalId, ApprovalRecord, ApprovalState, AskRule};
use serde_json::{Value, json};
use store::{APPROVALS_PAGE_ROWS_MAX, Answer, ApprovalFilter, state_word};

use super::{Installation, inert};
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::input::{self, Line};
use crate::output::{self, Form, JsonSwitch};

/// Milliseconds between two looks of `watch`.
const LOOK_MS: u64 = 500;
/// Bytes of a typed line, at most.
const TYPED_BYTES_MAX: usize = 8 * 1024;

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
Type `a` or `r`, the number of the call, and if you like a reason:
  a 1
  r 2 wrong recipient")]
    Watch(WatchArgs),
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

/// Where to watch.
#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    config: ConfigArg,
}

/// Runs an `approvals` command.
pub(crate) async fn run(command: ApprovalsCommand) -> Result<Exit, Failure> {
    match command {
        ApprovalsCommand::List(args) => list(args).await,
        ApprovalsCommand::Approve(args) => decide(args, Answer::Approve).await,
        ApprovalsCommand::Reject(args) => decide(args, Answer::Reject).await,
        ApprovalsCommand::Watch(args) => watch(args).await,
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
    let found = approvals::list(&at.console, &at.actor, filter, APPROVALS_PAGE_ROWS_MAX).await?;
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

/// Shows each pending call once, under a number that stays its own.
fn show_new(
    pending: &[ApprovalRecord],
    known: &mut Vec<ApprovalId>,
    seen: &mut BTreeSet<ApprovalId>,
) {
    for record in pending.iter().rev() {
        if !seen.insert(record.id.clone()) {
            continue;
        }
        known.push(record.id.clone());
        let messages: Vec<String> = record.rules.iter().map(|rule| inert(&rule.message)).collect();
        output::line(format!(
            "[{}] {}/{}  {}\n     {}  (until {})",
            known.len(),
            inert(&record.server),
            inert(&record.name),
            inert(&record.arguments),
            messages.join("\n     "),
            clock::rfc3339(record.expires_at),
        ));
    }
}

async fn watch(args: WatchArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    output::note("Waiting for held calls. `a 1` approves, `r 1 reason` rejects, Ctrl-C ends.");
    let mut known: Vec<ApprovalId> = Vec::new();
    let mut seen = BTreeSet::new();
    let mut typed = input::lines(TYPED_BYTES_MAX)
        .map_err(|error| Failure::because(Exit::Failed, "cannot read what you type", &error))?;
    let mut ticks = tokio::time::interval(Duration::from_millis(LOOK_MS));
    let mut typing = true;
    loop {
        tokio::select! {
            _tick = ticks.tick() => {
                let filter = ApprovalFilter { state: Some(ApprovalState::Pending), ..ApprovalFilter::default() };
                let pending = approvals::list(&at.console, &at.actor, filter, APPROVALS_PAGE_ROWS_MAX).await?;
                show_new(&pending, &mut known, &mut seen);
            }
            line = typed.recv(), if typing => match line {
                Some(Line::Whole(line)) => {
                    obey(&at, &String::from_utf8_lossy(&line), &known).await;
                }
                Some(Line::TooLong) => output::note("that line is too long"),
                None => typing = false,
            },
        }
    }
}

/// One typed line; what is wrong with it is said, and the watch goes on.
async fn obey(at: &Installation, line: &str, known: &[ApprovalId]) {
    let mut words = line.trim().splitn(3, ' ');
    let answer = match words.next() {
        Some("a") => Answer::Approve,
        Some("r") => Answer::Reject,
        Some("") | None => return,
        Some(_) => return output::note("`a NUMBER [reason]` or `r NUMBER [reason]`"),
    };
    let number = words.next().and_then(|n| n.parse::<usize>().ok());
    let Some(id) = number.and_then(|n| known.get(n.checked_sub(1)?)) else {
        return output::note("there is no call with this number");
    };
    let reason = words.next().map(str::to_owned);
    match approvals::decide(&at.console, &at.actor, id, (answer, reason)).await {
        Ok(record) => output::note(format!("{} is {}.", record.id, state_word(record.state))),
        Err(error) => output::note(format!("error: {error}")),
    }
}
