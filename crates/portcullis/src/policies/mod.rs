//! The `policy` commands: work on policy files, without a gateway and without a store, but for those that name
//! stored policies and recorded calls. What a policy means is the policy crate's; here it is read, asked and shown.

mod cases;
mod check;
mod diff;
mod explain;
mod format;
mod replay;
mod stored;

use std::path::{Path, PathBuf};

use clap::Subcommand;
use policy::ToolDefinition;

use crate::config::{FileProblems, policies::read_policy};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{output, runtime, tool_file};

/// The `policy` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// Check policies: all errors with their places, warnings, and the policies' own tests
    #[command(after_help = "\
Exit code 3 when a policy is invalid or one of its own tests fails.

Examples:
  portcullis policy validate pay.policy.json
  portcullis policy validate --tools tools.json --deny-warnings policies/*.json
  portcullis policy validate --json pay.policy.json")]
    Validate(check::ValidateArgs),
    /// Write policies in the one layout; comments stay
    #[command(after_help = "\
Prints the result; --write changes the files, --check only says which would change (exit code 1).

Examples:
  portcullis policy fmt pay.policy.json
  portcullis policy fmt --write policies/*.json")]
    Fmt(format::FormatArgs),
    /// Print the JSON Schema of policies, for editors
    #[command(after_help = "\
Example:
  portcullis policy schema > policy.schema.json")]
    Schema,
    /// Run the tests that stand in policies
    #[command(after_help = "\
Examples:
  portcullis policy test pay.policy.json
  portcullis policy test --tools tools.json pay.policy.json")]
    Test(check::TestArgs),
    /// Run case files (JSON Lines): policy, tools, calls and what is expected
    #[command(after_help = "\
Prints each failure and a closing line `P/T cases passed`; exit code 0 only when all pass.

Example:
  portcullis policy cases cases/*.jsonl")]
    Cases(cases::CasesArgs),
    /// Say what becomes of one call, and why
    #[command(after_help = "\
The call meets empty counters and no approval. Exit code 0 allowed, 10 held, 11 denied, 13 limited.

Examples:
  portcullis policy explain pay.policy.json --tool pay_invoice --args '{\"amount\": 120}'
  portcullis policy explain pay.policy.json --tool pay_invoice --tools tools.json --json
  portcullis policy explain docs.policy.json --resource file:///srv/docs/a.md")]
    Explain(Box<explain::ExplainArgs>),
    /// Compare two policies by meaning, not by spelling (exit code 1 when they differ)
    #[command(after_help = "\
Example:
  portcullis policy diff old.policy.json new.policy.json")]
    Diff(diff::DiffArgs),
    /// Judge recorded calls again: what would a policy have made of them?
    #[command(after_help = "\
Reads the audit of the installation; changes nothing. A verdict is sure only when it is the same
whatever was not recorded. Exit code 1 when some verdict certainly changes.

Examples:
  portcullis policy replay pay.policy.json --since 7d
  portcullis policy replay pay-strict --grant agent -o json
  portcullis policy replay new.policy.json --for pay-strict --since 2026-11-01T00:00:00Z")]
    Replay(Box<replay::ReplayArgs>),
    /// List the stored policies: newest version, its mode, the version in force
    List(stored::ListArgs),
    /// Show the versions of a stored policy, newest first
    #[command(after_help = "\
Example:
  portcullis policy history pay-strict
  portcullis policy history pay-strict --text 3 > old.policy.json")]
    History(stored::HistoryArgs),
    /// Save the text of an old version as the newest; history is never rewritten
    #[command(after_help = "\
Example:
  portcullis policy restore pay-strict 3 --note 'the new limits were too tight'")]
    Restore(stored::RestoreArgs),
}

/// Runs a `policy` command.
pub(crate) fn run(command: PolicyCommand) -> Result<Exit, Failure> {
    match command {
        PolicyCommand::Validate(args) => check::validate(&args),
        PolicyCommand::Fmt(args) => format::run(&args),
        PolicyCommand::Schema => {
            output::raw(policy::json_schema());
            Ok(Exit::Good)
        }
        PolicyCommand::Test(args) => check::test(&args),
        PolicyCommand::Cases(args) => cases::run(&args),
        PolicyCommand::Explain(args) => explain::run(&args),
        PolicyCommand::Diff(args) => diff::run(&args),
        PolicyCommand::Replay(args) => runtime::block_on(replay::run(*args))?,
        PolicyCommand::List(args) => runtime::block_on(stored::list(args))?,
        PolicyCommand::History(args) => runtime::block_on(stored::history(args))?,
        PolicyCommand::Restore(args) => runtime::block_on(stored::restore(args))?,
    }
}

/// The text of a policy file that a command names.
fn text_of(path: &Path) -> Result<String, Failure> {
    read_policy(path).map_err(|error| unreadable(path, &error))
}

/// A valid policy that a command names.
fn document_of(path: &Path) -> Result<policy::Document, Failure> {
    let text = text_of(path)?;
    policy::Document::parse(&text).map_err(|problems| {
        let file: FileProblems = crate::config::policies::from_policy(path, &text, problems);
        Failure::in_files(Exit::Policy, vec![file])
    })
}

/// The tool definitions that a command names.
fn tools_of(path: Option<&PathBuf>) -> Result<Option<Vec<ToolDefinition>>, Failure> {
    path.map(|path| tool_file::read(path).map_err(|error| unreadable(path, &error))).transpose()
}

fn unreadable(path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::because(Exit::Usage, &format!("cannot read {}", path.display()), error)
}

#[cfg(test)]
mod tests;
