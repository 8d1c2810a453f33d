//! `policy replay`: recorded calls judged again by a policy file or a stored policy.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use console::api::{ReplayView, replay_stopped_because};
use console::ops::policies as stored;
use console::ops::replay::{Calls, Patience, REPLAY_ROWS_MAX, Replayed, replay};
use indicatif::{ProgressBar, ProgressDrawTarget};
use policy::{Group, UnixMillis};
use store::{PolicyName, ServerSlug};

use super::document_of;
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::manage::{Installation, inert};
use crate::output;

/// Ids of a group that the table shows, at most; JSON has more.
const IDS_SHOWN_MAX: usize = 3;

/// What `replay` takes.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A policy file, or the name of a stored policy (its newest version, drafts included)
    #[arg(value_name = "FILE|NAME")]
    policy: String,
    /// The calls that this stored policy judged [default: NAME; for a file, its name in the
    /// configuration]
    #[arg(long = "for", value_name = "NAME")]
    judged_by: Option<String>,
    /// The calls of this grant (label or id), whatever judged them
    #[arg(long, value_name = "GRANT")]
    grant: Option<String>,
    /// Calls to this server only
    #[arg(long, value_name = "SERVER")]
    server: Option<String>,
    /// How far back: 7d, 12h, 30m, or an instant such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = since)]
    since: Since,
    /// Before this instant
    #[arg(long, value_name = "TIME")]
    until: Option<jiff::Timestamp>,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t = ReplayForm::Table)]
    output: ReplayForm,
    #[command(flatten)]
    config: ConfigArg,
}

/// The form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReplayForm {
    /// For people
    Table,
    /// As the API answers
    Json,
}

/// How far back a replay goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So many milliseconds before now.
    Ago(i64),
    /// From an instant on.
    At(UnixMillis),
}

fn since(text: &str) -> Result<Since, String> {
    let mut unit = text.chars();
    let milliseconds = match unit.next_back() {
        Some('d') => 86_400_000,
        Some('h') => 3_600_000,
        Some('m') => 60_000,
        Some('s') => 1_000,
        Some(_) | None => 0,
    };
    if milliseconds > 0
        && let Ok(number) = unit.as_str().parse::<u32>()
    {
        return Ok(Since::Ago(i64::from(number).saturating_mul(milliseconds)));
    }
    let instant = text.parse::<jiff::Timestamp>();
    instant
        .map(|instant| Since::At(UnixMillis(instant.as_millisecond())))
        .map_err(|_unparsable| "give 7d, 12h, 30m, 90s or an instant in RFC 3339".to_owned())
}

/// `policy replay`. Exit code 0 when no verdict certainly changes, 1 when some does.
pub(super) async fn run(args: ReplayArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let now = (at.console.clock)();
    let since = match args.since {
        Since::Ago(milliseconds) => UnixMillis(now.0.saturating_sub(milliseconds)),
        Since::At(instant) => instant,
    };
    let (text, judged_by) = policy(&at, &args).await?;
    let calls = Calls {
        policy: judged_by,
        grant: args.grant.clone(),
        server: args.server.as_deref().map(ServerSlug::parse).transpose()?,
        since,
        until: args.until.map(|until| UnixMillis(until.as_millisecond())),
    };
    let bar = bar(since, now);
    let shown = bar.clone();
    let found = replay(&at.console, &at.actor, (text, calls, Patience::Rows), move |progress| {
        shown
            .set_position(u64::try_from(progress.at.0.saturating_sub(since.0)).unwrap_or_default());
        shown.set_message(format!("{} of at most {REPLAY_ROWS_MAX} rows", progress.rows));
    })
    .await;
    bar.finish_and_clear();
    let found = found?;
    match args.output {
        ReplayForm::Json => output::json(&ReplayView::new(since, &found)),
        ReplayForm::Table => show(since, &found),
    }
    Ok(if found.report.changed == 0 { Exit::Good } else { Exit::Failed })
}

/// A bar over the period: how many rows there are is not known before they are walked.
fn bar(since: UnixMillis, now: UnixMillis) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
    }
    let bar = ProgressBar::new(u64::try_from(now.0.saturating_sub(since.0)).unwrap_or_default());
    let style = indicatif::ProgressStyle::with_template("{bar:40} {percent}% {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}

/// The text to replay, and whose calls it is held against.
async fn policy(
    at: &Installation,
    args: &ReplayArgs,
) -> Result<(String, Option<PolicyName>), Failure> {
    let judged_by = args.judged_by.as_deref().map(PolicyName::parse).transpose()?;
    let path = PathBuf::from(&args.policy);
    if path.is_file() {
        let document = document_of(&path)?;
        let judged_by = judged_by.or_else(|| in_configuration(at, &path));
        if judged_by.is_none() && args.grant.is_none() {
            let why = "say whose calls: --for NAME or --grant GRANT";
            return Err(Failure::new(Exit::Usage, why));
        }
        return Ok((document.text().to_owned(), judged_by));
    }
    let name = PolicyName::parse(&args.policy)?;
    let record = stored::get(&at.console, &at.actor, &name, None).await?;
    Ok((record.text, Some(judged_by.unwrap_or(name))))
}

/// The name that a file has in the configuration.
fn in_configuration(at: &Installation, path: &Path) -> Option<PolicyName> {
    let path = path.canonicalize().ok()?;
    let same = |entry: &&crate::config::PolicyEntry| {
        entry.path.canonicalize().is_ok_and(|entry| entry == path)
    };
    at.config.policies.iter().find(same).map(|entry| entry.name.clone())
}

fn row(group: &Group) -> Vec<String> {
    let sure = match group.doubt {
        None => "yes".to_owned(),
        Some(doubt) => format!("no: {}", doubt.as_str()),
    };
    let ids: Vec<&str> = group.ids.iter().take(IDS_SHOWN_MAX).map(String::as_str).collect();
    vec![
        group.calls.to_string(),
        inert(&group.name),
        format!("{} -> {}", group.was.as_str(), group.would.word.as_str()),
        group.would.reason.map_or("", policy::Reason::as_str).to_owned(),
        inert(&group.would.rule),
        sure,
        ids.join(" "),
    ]
}

fn show(since: UnixMillis, found: &Replayed) {
    let report = &found.report;
    let rows: Vec<_> = report.groups().into_iter().map(row).collect();
    if !rows.is_empty() {
        let heads = ["calls", "tool", "verdict", "reason", "rule", "sure", "first calls"];
        output::table(&heads, &rows);
    }
    output::line(format!(
        "{} calls since {}: {} stay, {} change.",
        report.calls,
        clock::rfc3339(since),
        report.same,
        report.changed
    ));
    let rest = [
        (report.unsure_values, "are unsure: a rule reads what was not recorded, or was masked"),
        (report.unsure_counters, "are unsure: what the limits had taken before is not known"),
        (report.unknown_tools, "are of tools that are not pinned any more"),
        (report.unreadable, "have no readable arguments"),
        (report.skipped, "no policy judges (quarantined tools, malformed arguments)"),
        (report.ungrouped, "change or are unsure beyond the groups shown"),
    ];
    for (calls, what) in rest.into_iter().filter(|(calls, _)| *calls > 0) {
        output::line(format!("{calls} {what}."));
    }
    output::line("Tools, classes and tags of grants are those of today.");
    if let Some((at, why)) = found.stopped {
        let (at, why) = (clock::rfc3339(at), replay_stopped_because(why));
        output::line(format!("Stopped at {at}: {why}."));
    }
}
