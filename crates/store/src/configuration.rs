//! Everything that a gateway is configured by, read as one state.
//!
//! What never lives here: what the rows mean.

use std::sync::Arc;

use crate::error::ReadError;
use crate::grant::{self, GrantRecord};
use crate::name::Revision;
use crate::pin::{self, PinRecord};
use crate::policy_text::{self, PolicyRecord};
use crate::server::{self, ServerRecord};
use crate::store::Store;

/// The stored objects at one revision: no change is in it by half.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// The revision that the rows belong to.
    pub revision: Revision,
    /// The servers.
    pub servers: Vec<ServerRecord>,
    /// The version in force of every policy that has one.
    pub policies: Vec<PolicyRecord>,
    /// The grants, also those that are revoked or over.
    pub grants: Vec<GrantRecord>,
    /// The pins of all servers.
    pub pins: Vec<PinRecord>,
}

impl Store {
    /// Reads all of it in one transaction.
    pub async fn configuration(&self) -> Result<Configuration, ReadError> {
        let core = Arc::clone(self.core());
        self.read(move |connection| {
            let sql = "SELECT config FROM revisions WHERE id = 1";
            let revision: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(Configuration {
                revision: Revision(u64::try_from(revision).unwrap_or_default()),
                servers: server::read_all(connection, &core.keys)?,
                policies: policy_text::read_in_force(connection)?,
                grants: grant::read_all(connection)?,
                pins: pin::read_all(connection)?,
            })
        })
        .await
    }

    /// How often servers, pins, policies, grants or API tokens changed.
    pub async fn config_revision(&self) -> Result<Revision, ReadError> {
        self.read(|connection| {
            let sql = "SELECT config FROM revisions WHERE id = 1";
            let revision: i64 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
            Ok(Revision(u64::try_from(revision).unwrap_or_default()))
        })
        .await
    }

    /// The version in force of every policy that has one.
    pub async fn policies_in_force(&self) -> Result<Vec<PolicyRecord>, ReadError> {
        self.read(policy_text::read_in_force).await
    }
}
