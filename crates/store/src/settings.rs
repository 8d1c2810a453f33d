//! Settings of the organisation that are not in the configuration file.
//!
//! What never lives here: settings of servers or policies.

use rusqlite::Connection;

use crate::deed::{Deed, Did};
use crate::error::{ReadError, WriteError};
use crate::store::Store;

/// Whether people may decide calls that were made with their own grant (POLICY section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OwnCalls {
    /// They may not.
    #[default]
    Refuse,
    /// The organisation allows it.
    Allow,
}

/// The organisation's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Settings {
    /// Whether people may decide their own calls.
    pub own_calls: OwnCalls,
}

impl OwnCalls {
    fn as_str(self) -> &'static str {
        match self {
            OwnCalls::Refuse => "refuse",
            OwnCalls::Allow => "allow",
        }
    }
}

impl Store {
    /// The settings in force.
    pub async fn settings(&self) -> Result<Settings, ReadError> {
        self.read(read).await
    }

    /// Replaces the settings.
    pub async fn save_settings(&self, settings: Settings) -> Result<(), WriteError> {
        self.act(move |tx| {
            let before = read(tx)?;
            if before == settings {
                return Ok(((), Did::nothing()));
            }
            let sql = "UPDATE settings SET own_calls = ?1 WHERE id = 1";
            tx.execute(sql, [settings.own_calls.as_str()])?;
            let (from, to) = (before.own_calls.as_str(), settings.own_calls.as_str());
            Ok(((), tx.did(Deed::ChangeSettings, "own calls", format!("{from} → {to}"))?))
        })
        .await
    }
}

/// The settings in force. A word that is not known refuses.
pub(crate) fn read(connection: &Connection) -> Result<Settings, ReadError> {
    let sql = "SELECT own_calls FROM settings WHERE id = 1";
    let word: String = connection.query_row(sql, [], |row| row.get(0))?;
    let own_calls =
        if word == OwnCalls::Allow.as_str() { OwnCalls::Allow } else { OwnCalls::Refuse };
    Ok(Settings { own_calls })
}
