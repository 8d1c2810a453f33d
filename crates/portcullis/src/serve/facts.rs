//! The configuration as people see it in the console: no secret, and nothing that can be changed there.

use console::ops::notifications;
use console::{Fact, Site};
use store::AuditMode;

use super::Ready;
use crate::config::{self, AuditValues, Config};

/// What the console knows of the configuration.
pub(super) fn site(config: &Config, ready: Ready) -> Site {
    let shown = |channel: &config::Channel| notifications::Channel {
        name: channel.name.clone(),
        kind: channel.kind.as_str(),
        events: channel.events.clone(),
    };
    Site {
        url: config.console_url.clone(),
        gateway_url: Some(super::gateway_config(config, ready).public_url),
        facts: facts(config, ready),
        channels: config.channels.iter().map(shown).collect(),
        sign_on: None,
    }
}

fn facts(config: &Config, ready: Ready) -> Vec<Fact> {
    let fact = |group, name, value: String| Fact { group, name, value };
    let mode = match config.audit_mode {
        AuditMode::Durable => "durable: a call waits for its record to be on disk",
        AuditMode::Buffered => "buffered: a power loss may take the last second of records",
    };
    let values = match config.audit_values {
        AuditValues::Redacted => "redacted: what looks secret is masked",
        AuditValues::None => "none: the names of arguments only",
        AuditValues::Full => "full: everything, secrets included",
    };
    let seconds = |seconds: u32| format!("{seconds} s");
    let waits = config.hold_waits;
    vec![
        fact("Store", "Configuration file", config.path.display().to_string()),
        fact("Store", "Data directory (data_dir)", config.data_dir.display().to_string()),
        fact("Store", "Database (store.url)", "SQLite, in the data directory".to_owned()),
        fact("Audit", "When a record is written (audit.mode)", mode.to_owned()),
        fact("Audit", "What is kept of arguments (audit.values)", values.to_owned()),
        fact(
            "Audit",
            "Retention",
            "records are kept until somebody removes the database".to_owned(),
        ),
        fact("Holds", "Wait (approvals.wait_seconds)", seconds(waits.plain_seconds)),
        fact(
            "Holds",
            "Wait with progress (approvals.wait_seconds_with_progress)",
            seconds(waits.with_progress_seconds),
        ),
        fact("Listeners", "Gateway, for agents (listen.gateway)", ready.gateway.to_string()),
        fact("Listeners", "Console (listen.console)", ready.console.to_string()),
        fact(
            "Listeners",
            "Links to the gateway (public_url)",
            or_listener(config.public_url.as_deref()),
        ),
        fact(
            "Listeners",
            "Links to the console (console_url)",
            or_listener(config.console_url.as_deref()),
        ),
        fact("Listeners", "Drain (drain_seconds)", seconds(config.drain_seconds)),
        fact("Sign-on", "Issuer (console.oidc.issuer)", issuer(config)),
    ]
}

fn issuer(config: &Config) -> String {
    let issuer = config.sign_on.as_ref().map(|sign_on| sign_on.issuer.clone());
    issuer.unwrap_or_else(|| "none: people sign in with passwords".to_owned())
}

fn or_listener(url: Option<&str>) -> String {
    url.unwrap_or("the listener's address").to_owned()
}
