//! Texts that somebody works on and has not saved as a version: one for each person and policy.
//!
//! What never lives here: versions of policies, and what a text means; a text kept here need not parse.

use policy::UnixMillis;
use rusqlite::OptionalExtension as _;

use crate::error::{ReadError, WriteError, damaged};
use crate::name::{Actor, PolicyName, ServerSlug};
use crate::store::Store;

/// Unsaved texts of one person, at most; the one that was kept longest ago makes room.
pub const POLICY_DRAFTS_PER_PERSON_MAX: u32 = 100;
/// Bytes of an unsaved text, at most: no longer one can become a policy (POLICY section 1).
pub const POLICY_DRAFT_BYTES_MAX: usize = 1024 * 1024;

/// An unsaved text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyDraft {
    /// The policy that it is to become a version of; there need not be one yet.
    pub name: PolicyName,
    /// The server that it is written for.
    pub server: Option<ServerSlug>,
    /// The text as it was left.
    pub text: String,
    /// The version that its author started from; 0 for a new policy.
    pub base: u32,
    /// When it was kept.
    pub kept_at: UnixMillis,
}

impl Store {
    /// Keeps a person's unsaved text in the place of the one before. Not a change of the configuration.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] beyond [`POLICY_DRAFT_BYTES_MAX`].
    pub async fn keep_policy_draft(
        &self,
        actor: &Actor,
        draft: PolicyDraft,
    ) -> Result<(), WriteError> {
        if draft.text.len() > POLICY_DRAFT_BYTES_MAX {
            return Err(WriteError::TooLarge {
                what: "draft of policy",
                name: draft.name.as_str().to_owned(),
                bytes_max: POLICY_DRAFT_BYTES_MAX,
            });
        }
        let actor = actor.clone();
        self.change(move |tx| {
            tx.prepare_cached(
                "INSERT INTO policy_drafts (actor, name, server, text, base, kept_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (actor, name) DO UPDATE SET
                 server = ?3, text = ?4, base = ?5, kept_at = ?6",
            )?
            .execute((
                actor.as_str(),
                draft.name.as_str(),
                draft.server.as_ref().map(ServerSlug::as_str),
                &draft.text,
                draft.base,
                draft.kept_at.0,
            ))?;
            tx.prepare_cached(
                "DELETE FROM policy_drafts WHERE actor = ?1 AND name IN (
                 SELECT name FROM policy_drafts WHERE actor = ?1 AND name <> ?2
                 ORDER BY kept_at DESC, name LIMIT -1 OFFSET ?3)",
            )?
            .execute((
                actor.as_str(),
                draft.name.as_str(),
                POLICY_DRAFTS_PER_PERSON_MAX.saturating_sub(1),
            ))?;
            Ok(())
        })
        .await
    }

    /// A person's unsaved text of a policy.
    pub async fn policy_draft(
        &self,
        actor: &Actor,
        name: &PolicyName,
    ) -> Result<Option<PolicyDraft>, ReadError> {
        let (actor, name) = (actor.clone(), name.clone());
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT server, text, base, kept_at FROM policy_drafts
                 WHERE actor = ?1 AND name = ?2",
            )?;
            let found = statement
                .query_row((actor.as_str(), name.as_str()), |row| {
                    let server: Option<String> = row.get(0)?;
                    Ok((server, row.get(1)?, row.get(2)?, row.get(3)?))
                })
                .optional()?;
            let Some((server, text, base, kept_at)) = found else { return Ok(None) };
            let server = server.as_deref().map(ServerSlug::parse).transpose();
            let server = server.map_err(|error| damaged("draft", name.as_str(), &error))?;
            Ok(Some(PolicyDraft { name, server, text, base, kept_at: UnixMillis(kept_at) }))
        })
        .await
    }

    /// Forgets a person's unsaved text; nothing happens where there is none.
    pub async fn drop_policy_draft(
        &self,
        actor: &Actor,
        name: &PolicyName,
    ) -> Result<(), WriteError> {
        let (actor, name) = (actor.clone(), name.clone());
        self.change(move |tx| {
            tx.execute(
                "DELETE FROM policy_drafts WHERE actor = ?1 AND name = ?2",
                (actor.as_str(), name.as_str()),
            )?;
            Ok(())
        })
        .await
    }
}
