//! Settings of the organisation that are not in the configuration file.
//!
//! What never lives here: settings of servers or policies.

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

impl Store {
    /// The settings in force.
    pub async fn settings(&self) -> Result<Settings, ReadError> {
        Err(ReadError::unbuilt())
    }

    /// Replaces the settings.
    pub async fn save_settings(&self, settings: Settings) -> Result<(), WriteError> {
        let _ = settings;
        Err(WriteError::unbuilt())
    }
}
