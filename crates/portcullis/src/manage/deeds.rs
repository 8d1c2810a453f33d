//! `portcullis audit deeds`: what people, programs and the configuration file did to the installation.

use clap::Args;
use console::api::DeedView;
use console::ops::deeds;
use policy::UnixMillis;
use store::{DEEDS_PAGE_ROWS_MAX, Deed, DeedFilter, DeedRecord};

use super::{Installation, inert};
use crate::cli::ConfigArg;
use crate::clock;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{self, Form, JsonSwitch};

/// Which deeds.
#[derive(Debug, Args)]
pub(crate) struct DeedsArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Who, such as user:ada@example.com, api:ci, cli or file
    #[arg(long)]
    actor: Option<String>,
    /// What, such as `sign_in_failed` or `save_policy`
    #[arg(long)]
    deed: Option<String>,
    /// To what, such as a policy or an e-mail address
    #[arg(long)]
    object: Option<String>,
    /// From this instant on, such as 2026-11-01T00:00:00Z
    #[arg(long, value_name = "TIME")]
    since: Option<jiff::Timestamp>,
    /// Deeds, at most
    #[arg(long, default_value_t = 50)]
    limit: usize,
    #[command(flatten)]
    json: JsonSwitch,
}

fn row(deed: &DeedRecord) -> Vec<String> {
    vec![
        clock::rfc3339(deed.at),
        inert(deed.actor.as_str()),
        inert(&deed.from),
        deed.deed.as_str().to_owned(),
        inert(&deed.object),
        inert(&deed.detail),
    ]
}

/// Lists deeds, the newest last.
pub(super) async fn run(args: DeedsArgs) -> Result<Exit, Failure> {
    let at = Installation::open(&args.config)?;
    let filter = DeedFilter {
        actor: args.actor,
        deed: args.deed.as_deref().map(str::parse::<Deed>).transpose()?,
        object: args.object,
        since: args.since.map(|since| UnixMillis(since.as_millisecond())),
        before: None,
    };
    let limit = args.limit.clamp(1, DEEDS_PAGE_ROWS_MAX);
    let page = deeds::page(&at.console, &at.actor, filter, limit).await?;
    match args.json.form() {
        Form::Json => output::json(&page.deeds.into_iter().map(DeedView::from).collect::<Vec<_>>()),
        Form::Text => {
            let rows: Vec<_> = page.deeds.iter().rev().map(row).collect();
            output::table(&["time", "who", "from", "what", "to what", "detail"], &rows);
        }
    }
    Ok(Exit::Good)
}
