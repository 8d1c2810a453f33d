//! The commands that operate an installation beside its running gateway: servers, grants, approvals, people,
//! audit.
//! They work on the store through the same use cases as the API, as the actor `cli`.
//!
//! What never lives here: what anybody may do, what an object must look like.

pub(crate) mod approvals;
pub(crate) mod audit;
mod deeds;
pub(crate) mod grants;
pub(crate) mod people;
pub(crate) mod servers;
mod watch;

use std::sync::Arc;

use console::ops::accounts::Hashing;
use console::ops::chain::Walks;
use console::ops::{Actor, LongWork, OpError, Proof};
use console::{Console, Inspection};
use store::{ApiRole, AuditMode, Entropy, Role, Store, StoreConfig};

use crate::cli::ConfigArg;
use crate::config::{Config, Environment, Source};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::{clock, config};

/// An installation as a command sees it.
pub(crate) struct Installation {
    /// Its configuration.
    pub(crate) config: Config,
    /// Its use cases.
    pub(crate) console: Console,
    /// Who acts.
    pub(crate) actor: Actor,
}

impl Installation {
    /// Opens the installation that the configuration names. A running gateway keeps running.
    pub(crate) fn open(asked: &ConfigArg) -> Result<Installation, Failure> {
        let environment = Environment::of_process();
        let path = config::find(asked.config.as_deref(), &environment)?;
        let config = config::load(&Source { path, environment: &environment })?;
        let options = StoreConfig {
            data_dir: config.data_dir.clone(),
            audit_mode: AuditMode::Durable,
            role: Role::Command,
        };
        let store = Store::open(&options, clock::now())
            .map_err(|error| Failure::because(Exit::Failed, "cannot open the store", &error))?;
        let console = Console {
            store,
            clock: Arc::new(clock::now),
            entropy: Entropy::system(),
            inspect: Arc::new(|_slug| Box::pin(async { Inspection::default() })),
            plane: console::plane::Plane::default(),
            check_server: Arc::new(crate::serve::check_server),
            long_work: LongWork::default(),
            hashing: Hashing::default(),
            pinned: console::ops::Pinned::default(),
            walks: Walks::default(),
            checks: Arc::new(Vec::new),
            site: Arc::default(),
            tally: console::ops::overview::Tally::default(),
            lints: console::ops::builder::Lints::default(),
            views: console::ui::Views::default(),
        };
        let name = store::Actor::parse("cli")?;
        let from = "terminal".to_owned();
        let actor = Actor { name, role: ApiRole::Admin, from, proof: Proof::Standing };
        Ok(Installation { config, console, actor })
    }
}

impl From<OpError> for Failure {
    fn from(error: OpError) -> Failure {
        match error {
            OpError::Name(_) | OpError::Token(_) | OpError::Invalid(_) => {
                Failure::because(Exit::Usage, "refused", &error)
            }
            OpError::Policy(_) | OpError::Tests(_) => {
                Failure::because(Exit::Policy, "refused", &error)
            }
            OpError::Forbidden(_)
            | OpError::NotYours(_)
            | OpError::NotFound { .. }
            | OpError::Conflict(_)
            | OpError::Changed(_)
            | OpError::Write(_)
            | OpError::Read(_)
            | OpError::TooLong(_)
            | OpError::Broken
            | OpError::Account(_)
            | OpError::WrongPassword
            | OpError::Busy
            | OpError::NoEntropy(_) => Failure::because(Exit::Failed, "failed", &error),
        }
    }
}

/// Text of others on a terminal, where people decide by what they read: control characters become
/// harmless, and what is invisible or turns the direction of writing is spelt out.
pub(crate) fn inert(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            shown.push('\u{fffd}');
        } else if is_unseen(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a character cannot be seen, or changes how its neighbours are (Unicode 17: default
/// ignorable code points, bidirectional controls, separators of lines, interlinear annotations).
pub(crate) fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests;
