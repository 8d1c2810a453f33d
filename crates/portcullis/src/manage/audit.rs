//! `portcullis audit …`.

use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use console::api::{AuditView, CSV_HEADER};
use console::ops::audit;
use indicatif::{ProgressBar, ProgressDrawTarget};
use policy::UnixMillis;
use store::{
    AUDIT_PAGE_ROWS_MAX, AuditEntry, AuditFilter, AuditOrder, AuditWouldEntry, VerifyError,
};

use super::deeds::DeedsArgs;
use super::{Installation, inert};
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// Milliseconds between two looks of `tail`.
const LOOK_MS: u64 = 500;

/// The `audit` commands.
#[derive(Debug, Subcommand)]
pub(crate) enum AuditCommand {
    /// Show decisions as they are made
    Tail(TailArgs),
    /// Show the newest decisions that match
    #[command(after_help = "\
Example:
  portcullis audit query --verdict deny --tool pay_invoice --limit 20")]
    Query(QueryArgs),
    /// Write all matching decisions, oldest first
    #[command(after_help = "\
Example:
  portcullis audit export --format csv --since 2026-11-01T00:00:00Z > november.csv")]
    Export(ExportArgs),
    /// Show what people, programs and the configuration file changed, and who signed in
    #[command(after_help = "\
Example:
  portcullis audit deeds --actor user:ada@example.com --limit 20")]
    Deeds(DeedsArgs),
    /// Walk both chains, of calls and of deeds: finds any altered, missing, reordered or cut-off row
    Verify(VerifyArgs),
}

/// Which decisions.
#[derive(Debug, Clone, Args)]
pub(crate) struct FilterArgs {
    /// A grant's label or id
    #[arg(long)]
    grant: Option<String>,
    /// A server
    #[arg(long)]
    server: Option<String>,
    /// A tool, prompt or resource
    #[arg(long)]
    tool: Option<String>,
    /// The risk that the tool had: low, medium, high or critical
    #[arg(long)]
    risk: Option<String>,
    /// The policy that judged
    #[arg(long)]
    policy: Option<String>,
    /// allow, deny or hold
    #[arg(long)]
    verdict: Option<String>,
    /// A reason, such as `limit_exceeded`
    #[arg(long)]
    reason: Option<String>,
    /// deny or hold: what a policy that only observes would have done
    #[arg(long)]
    would: Option<String>,
    /// A rule, such as `pay.require[0]`
    #[arg(long)]
    rule: Option<String>,
    /// A client by the name it gives itself
    #[arg(long)]
    client: Option<String>,
    /// From this instant on, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Before this instant
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
}

impl FilterArgs {
    fn filter(&self) -> AuditFilter {
        let at = |time: Option<jiff::Timestamp>| time.map(|t| UnixMillis(t.as_millisecond()));
        AuditFilter {
            grant: self.grant.clone(),
            server: self.server.clone(),
            tool: self.tool.clone(),
            risk: self.risk.clone(),
            policy: self.policy.clone(),
            verdict: self.verdict.clone(),
            reason: self.reason.clone(),
            except_reason: None,
            would: self.would.clone(),
            rule: self.rule.clone(),
            client: self.client.clone(),
            kind: None,
            request_id: None,
            since: at(self.since),
            until: at(self.until),
        }
    }
}

/// What `tail` follows.
#[derive(Debug, Args)]
pub(crate) struct TailArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    json: JsonSwitch,
}

/// What `query` shows.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    filter: FilterArgs,
    /// Decisions, at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    json: JsonSwitch,
}

/// The form of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportForm {
    /// One JSON object a line
    Jsonl,
    /// Comma-separated values with a header
    Csv,
}

/// What `export` writes.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    filter: FilterArgs,
    /// The form
    #[arg(long, value_enum, default_value_t = ExportForm::Jsonl)]
    format: ExportForm,
}

/// What `verify` walks.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    #[command(flatten)]
    config: ConfigArg,
    #[command(flatten)]
    json: JsonSwitch,
}

/// Runs an `audit` command.
pub(crate) async fn run(command: AuditCommand) -> Result<Exit, Failure> {
    match command {
        AuditCommand::Tail(args) => tail(args).await,
        AuditCommand::Query(args) => query(args).await,
        AuditCommand::Export(args) => export(args).await,
        AuditCommand::Deeds(args) => super::deeds::run(args).await,
        AuditCommand::Verify(args) => verify(args).await,
    }
}

/// The verdict, and what a policy that only observes would have said.
fn verdict(entry: &AuditEntry) -> String {
    match &entry.would {
        Some(would) => format!("{} (would {})", inert(&entry.verdict), inert(&would.verdict)),
        None => inert(&entry.verdict),
    }
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let text = |value: &Option<String>| inert(value.as_deref().unwrap_or_default());
    let would =
        |of: fn(&AuditWouldEntry) -> &String| entry.would.as_ref().map(|would| of(would).clone());
    vec![
        clock::rfc3339(entry.time),
        verdict(entry),
        text(&entry.server),
        text(&entry.tool),
        text(&entry.grant),
        text(&entry.reason.clone().or_else(|| would(|would| &would.reason))),
        text(&entry.rule.clone().or_else(|| would(|would| &would.rule))),
        text(&entry.outcome),
    ]
}

const HEADS: [&str; 8] =
    ["time", "verdict", "server", "tool", "grant", "reason", "rule", "outcome"];

async fn query(args: QueryArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let walk = (AuditOrder::NewestFirst, None, args.limit.clamp(1, AUDIT_PAGE_ROWS_MAX));
    let page = audit::page(&at.console, &at.actor, args.filter.filter(), walk).await?;
    match args.json.form() {
        Form::Json => {
            output::json(&page.entries.into_iter().map(AuditView::from).collect::<Vec<_>>());
        }
        Form::Text => {
            let rows: Vec<_> = page.entries.iter().rev().map(row).collect();
            output::table(&HEADS, &rows);
        }
    }
    Ok(Exit::Good)
}

async fn export(args: ExportArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    if args.format == ExportForm::Csv {
        output::raw(CSV_HEADER);
    }
    let mut cursor = None;
    loop {
        let walk = (AuditOrder::OldestFirst, cursor, AUDIT_PAGE_ROWS_MAX);
        let page = audit::page(&at.console, &at.actor, args.filter.filter(), walk).await?;
        for entry in page.entries {
            let view = AuditView::from(entry);
            output::raw(match args.format {
                ExportForm::Jsonl => view.json_line(),
                ExportForm::Csv => view.csv_line(),
            });
        }
        if page.next.is_none() {
            return Ok(Exit::Good);
        }
        cursor = page.next;
    }
}

async fn tail(args: TailArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let mut cursor = at.console.store.audit_end().await?;
    let mut ticks = tokio::time::interval(Duration::from_millis(LOOK_MS));
    loop {
        ticks.tick().await;
        let walk = (AuditOrder::OldestFirst, Some(cursor), AUDIT_PAGE_ROWS_MAX);
        // The end is read before the page: a row that is written between the two is shown twice
        // rather than never.
        let end = at.console.store.audit_end().await?;
        let page = audit::page(&at.console, &at.actor, args.filter.filter(), walk).await?;
        cursor = page.next.unwrap_or(end);
        for entry in page.entries {
            match args.json.form() {
                Form::Json => output::raw(AuditView::from(entry).json_line()),
                Form::Text => output::line(row(&entry).join("  ")),
            }
        }
    }
}

async fn verify(args: VerifyArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::new(0)
    } else {
        ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden())
    };
    let shown = bar.clone();
    let walked = at.console.store.verify_audit(move |progress| {
        shown.set_length(progress.rows_total);
        shown.set_position(progress.rows);
    });
    let walked = walked.await;
    bar.finish_and_clear();
    let json = args.json.form() == Form::Json;
    match walked {
        Ok(report) => {
            let value = serde_json::json!({ "intact": true, "rows": report.rows, "decisions": report.openings, "open": report.open, "deeds": report.deeds });
            if json {
                output::json(&value);
            } else {
                output::line(format!(
                    "The audit chain is intact: {} rows, {} decisions, {} without an outcome; {} \
                     deeds of people.",
                    report.rows, report.openings, report.open, report.deeds
                ));
            }
            Ok(Exit::Good)
        }
        Err(VerifyError::Broken(bad)) => {
            if json {
                let value = serde_json::json!({ "intact": false, "row": bad.seq, "why": bad.why });
                output::json(&value);
            }
            Err(Failure::new(Exit::Failed, format!("the audit chain is broken: {bad}")))
        }
        Err(VerifyError::Read(error)) => Err(error.into()),
    }
}
