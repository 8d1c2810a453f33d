//! The one-time link by which the first administrator makes their account: printed at the start, on
//! stdout and not in the log, while nobody may administer.

use console::Console;
use console::ops::{Actor, Proof, accounts};
use store::ApiRole;

use crate::causes::chain;
use crate::output;

/// Whether the link is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FirstLink {
    /// It is.
    Print,
    /// Nobody reads what is printed.
    Keep,
}

/// Offers the link, in place of each earlier one. Where it cannot be made, serving goes on.
pub(super) async fn offer(console: &Console, url: &str, asked: FirstLink) {
    if asked == FirstLink::Keep {
        return;
    }
    let offered = match store::Actor::parse("start") {
        Ok(name) => {
            let from = "start".to_owned();
            let actor = Actor { name, role: ApiRole::Admin, from, proof: Proof::Standing };
            accounts::offer_set_up(console, &actor).await
        }
        Err(error) => Err(error.into()),
    };
    match offered {
        Ok(Some(token)) => {
            output::line("Nobody can sign in to the console yet. Make the first account here:");
            output::line(format!("  {url}{}", accounts::link_path("welcome", &token)));
            output::line("The link works once, for 72 hours, until the next start.");
        }
        Ok(None) => {}
        Err(error) => {
            let error = chain(&error);
            tracing::warn!(error, "no link for the first account: `portcullis people setup-link`");
        }
    }
}
