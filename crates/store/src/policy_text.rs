//! Policies as their authors wrote them, every version kept.
//!
//! What never lives here: parsing or compiling a policy (callers save only documents that parsed).

use std::str::FromStr;

use policy::UnixMillis;
use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::deed::{Deed, Did};
use crate::error::{ReadError, WriteError, damaged};
use crate::name::{Actor, NameError, PolicyName, Revision, ServerSlug};
use crate::store::Store;

/// What a version of a policy does with the calls that it judges. In force is the newest version that is no
/// draft; where there is none, grants that name the policy may do nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PolicyMode {
    /// It judges nothing: the version before it stays in force.
    Draft,
    /// It judges and records what it would refuse or hold, and lets that pass.
    Observe,
    /// What it refuses is refused.
    #[default]
    Enforce,
}

impl PolicyMode {
    /// Every mode, the least strict first.
    pub const ALL: [PolicyMode; 3] = [PolicyMode::Draft, PolicyMode::Observe, PolicyMode::Enforce];

    /// The word in the configuration file and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            PolicyMode::Draft => "draft",
            PolicyMode::Observe => "observe",
            PolicyMode::Enforce => "enforce",
        }
    }
}

impl FromStr for PolicyMode {
    type Err = NameError;

    fn from_str(text: &str) -> Result<PolicyMode, NameError> {
        let found = PolicyMode::ALL.into_iter().find(|mode| mode.as_str() == text);
        found.ok_or_else(|| NameError::new("mode", text, "draft, observe or enforce"))
    }
}

/// A policy in its newest version, or the one asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyRecord {
    /// Its name.
    pub name: PolicyName,
    /// The server that it was written for.
    pub server: Option<ServerSlug>,
    /// The number of this version, from 1.
    pub version: u32,
    /// What this version does.
    pub mode: PolicyMode,
    /// The version in force; `None` where all are drafts.
    pub in_force: Option<u32>,
    /// The author's text, comments included.
    pub text: String,
    /// The canonical form.
    pub canonical: String,
    /// Who saved it.
    pub actor: Actor,
    /// Why, if the author said.
    pub note: Option<String>,
    /// When it was saved.
    pub saved_at: UnixMillis,
    /// Whether it stands in the configuration file and is read-only elsewhere.
    pub managed_by_file: bool,
}

/// One version in a policy's history, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyVersion {
    /// The number, from 1.
    pub version: u32,
    /// What it does, or did while it was in force.
    pub mode: PolicyMode,
    /// Who saved it.
    pub actor: Actor,
    /// Why.
    pub note: Option<String>,
    /// When.
    pub saved_at: UnixMillis,
}

/// What is saved as a policy's next version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPolicy {
    /// The policy's name.
    pub name: PolicyName,
    /// The server that it is written for.
    pub server: Option<ServerSlug>,
    /// The author's text.
    pub text: String,
    /// Its canonical form.
    pub canonical: String,
    /// What it is to do.
    pub mode: PolicyMode,
    /// Who saves it.
    pub actor: Actor,
    /// Why.
    pub note: Option<String>,
}

const COLUMNS: &str = "SELECT p.name, p.server, v.version, v.text, v.canonical, v.actor, v.note,
    v.saved_at, p.managed_by_file, v.mode,
    (SELECT max(f.version) FROM policy_versions f WHERE f.name = p.name AND f.mode <> 'draft')
    FROM policies p JOIN policy_versions v ON v.name = p.name ";

impl Store {
    /// All policies in their newest version, by name.
    pub async fn policies(&self) -> Result<Vec<PolicyRecord>, ReadError> {
        self.read(read_all).await
    }

    /// One policy, in its newest version or in the one asked for.
    pub async fn policy(
        &self,
        name: &PolicyName,
        version: Option<u32>,
    ) -> Result<Option<PolicyRecord>, ReadError> {
        let name = name.clone();
        self.read(move |connection| {
            let sql =
                format!("{COLUMNS} WHERE p.name = ?1 AND v.version = coalesce(?2, p.version)");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row((name.as_str(), version), read).optional()?;
            found.transpose()
        })
        .await
    }

    /// A policy's history, newest first.
    pub async fn policy_versions(
        &self,
        name: &PolicyName,
    ) -> Result<Vec<PolicyVersion>, ReadError> {
        let name = name.clone();
        self.read(move |connection| {
            let mut statement = connection.prepare_cached(
                "SELECT version, actor, note, saved_at, mode FROM policy_versions
                 WHERE name = ?1 ORDER BY version DESC",
            )?;
            let rows = statement.query_map([name.as_str()], |row| {
                let words: (String, String) = (row.get(1)?, row.get(4)?);
                Ok((row.get(0)?, words, row.get(2)?, UnixMillis(row.get(3)?)))
            })?;
            rows.map(|row| {
                let (version, (actor, mode), note, saved_at) = row?;
                let damage = |error| damaged("policy", name.as_str(), &error);
                let actor = Actor::parse(&actor).map_err(damage)?;
                let mode = mode.parse().map_err(damage)?;
                Ok(PolicyVersion { version, mode, actor, note, saved_at })
            })
            .collect()
        })
        .await
    }

    /// Saves a policy's next version and returns its number. `expected`: the version that the
    /// author started from (0: none), for `If-Match`; `None` saves in any case. A text equal to the
    /// newest version's in the same mode makes no new version.
    pub async fn save_policy(
        &self,
        policy: NewPolicy,
        expected: Option<u32>,
        now: UnixMillis,
    ) -> Result<u32, WriteError> {
        self.act(move |tx| {
            let stored = stored(tx, &policy.name)?;
            let name = || policy.name.as_str().to_owned();
            if stored.as_ref().is_some_and(|stored| stored.managed_by_file) {
                return Err(WriteError::ManagedByFile { what: "policy", name: name() });
            }
            let newest = stored.as_ref().map_or(0, |stored| stored.version);
            if expected.is_some_and(|expected| expected != newest) {
                return Err(WriteError::Changed { what: "policy", name: name() });
            }
            match save(tx, &policy, Managed::Elsewhere, now)? {
                Saved::Unchanged => Ok((newest, Did::nothing())),
                Saved::Version(version) => {
                    tx.bump_config()?;
                    let note = policy.note.as_deref().unwrap_or_default();
                    let colon = if note.is_empty() { "" } else { ": " };
                    let mode = policy.mode.as_str();
                    let detail = format!("version {version}, {mode}{colon}{note}");
                    Ok((version, tx.did(Deed::SavePolicy, policy.name.as_str(), detail)?))
                }
            }
        })
        .await
    }

    /// Removes a policy with its history; [`WriteError::InUse`] while a grant that is not revoked
    /// names it.
    pub async fn remove_policy(&self, name: &PolicyName) -> Result<Revision, WriteError> {
        let name = name.clone();
        self.act(move |tx| {
            let stored = stored(tx, &name)?;
            let what = "policy";
            let text = || name.as_str().to_owned();
            let stored = stored.ok_or_else(|| WriteError::NotFound { what, name: text() })?;
            if stored.managed_by_file {
                return Err(WriteError::ManagedByFile { what, name: text() });
            }
            let user: Option<String> = tx
                .query_row(
                    "SELECT label FROM grants WHERE policy = ?1 AND revoked_at IS NULL LIMIT 1",
                    [name.as_str()],
                    |row| row.get(0),
                )
                .optional()?;
            if let Some(label) = user {
                let by = format!("grant {label:?}");
                return Err(WriteError::InUse { what, name: text(), by });
            }
            remove(tx, &name)?;
            let did = tx.did(Deed::RemovePolicy, name.as_str(), "")?;
            Ok((tx.bump_config()?, did))
        })
        .await
    }
}

/// Who keeps a policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Managed {
    /// The configuration file.
    ByFile,
    /// Anybody else.
    Elsewhere,
}

/// What a save did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Saved {
    /// The newest version says the same.
    Unchanged,
    /// There is a new version.
    Version(u32),
}

/// What is stored of a policy beside its text.
pub(crate) struct StoredPolicy {
    version: u32,
    server: Option<String>,
    pub(crate) managed_by_file: bool,
}

/// What is stored of a policy beside its text.
pub(crate) fn stored(
    connection: &Connection,
    name: &PolicyName,
) -> Result<Option<StoredPolicy>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT version, server, managed_by_file FROM policies WHERE name = ?1")?
        .query_row([name.as_str()], |row| {
            Ok(StoredPolicy {
                version: row.get(0)?,
                server: row.get(1)?,
                managed_by_file: row.get(2)?,
            })
        })
        .optional()
}

/// Writes a policy's next version, unless nothing changed.
pub(crate) fn save(
    connection: &Connection,
    policy: &NewPolicy,
    managed: Managed,
    now: UnixMillis,
) -> Result<Saved, rusqlite::Error> {
    let name = policy.name.as_str();
    let by_file = managed == Managed::ByFile;
    let server = policy.server.as_ref().map(ServerSlug::as_str);
    let before = stored(connection, &policy.name)?;
    if let Some(before) = &before {
        let sql = "SELECT text, mode FROM policy_versions WHERE name = ?1 AND version = ?2";
        let (text, mode): (String, String) = connection
            .prepare_cached(sql)?
            .query_row((name, before.version), |row| Ok((row.get(0)?, row.get(1)?)))?;
        let same_facts = before.managed_by_file == by_file && before.server.as_deref() == server;
        if text == policy.text && mode == policy.mode.as_str() && same_facts {
            return Ok(Saved::Unchanged);
        }
    }
    let version = before.map_or(0, |before| before.version).saturating_add(1);
    connection
        .prepare_cached(
            "INSERT INTO policies (name, server, version, managed_by_file)
             VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (name) DO UPDATE SET server = ?2, version = ?3, managed_by_file = ?4",
        )?
        .execute((name, server, version, by_file))?;
    connection
        .prepare_cached(
            "INSERT INTO policy_versions
             (name, version, text, canonical, actor, note, saved_at, mode)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute((
            name,
            version,
            &policy.text,
            &policy.canonical,
            policy.actor.as_str(),
            &policy.note,
            now.0,
            policy.mode.as_str(),
        ))?;
    Ok(Saved::Version(version))
}

/// Removes a policy with its history; grants that named it deny everything from now on.
pub(crate) fn remove(connection: &Connection, name: &PolicyName) -> Result<(), rusqlite::Error> {
    connection.execute("DELETE FROM policies WHERE name = ?1", [name.as_str()])?;
    Ok(())
}

/// All policies in their newest version, by name.
pub(crate) fn read_all(connection: &Connection) -> Result<Vec<PolicyRecord>, ReadError> {
    let sql = format!("{COLUMNS} WHERE v.version = p.version ORDER BY p.name");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| row?).collect()
}

/// The versions in force of all policies, by name; a policy that has only drafts is not among them.
pub(crate) fn read_in_force(connection: &Connection) -> Result<Vec<PolicyRecord>, ReadError> {
    let sql = format!(
        "{COLUMNS} WHERE v.version = (SELECT max(f.version) FROM policy_versions f
         WHERE f.name = p.name AND f.mode <> 'draft') ORDER BY p.name"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Result<PolicyRecord, ReadError>, rusqlite::Error> {
    let name: String = row.get(0)?;
    let server: Option<String> = row.get(1)?;
    let actor: String = row.get(5)?;
    let mode: String = row.get(9)?;
    let parsed = PolicyName::parse(&name).and_then(|name| {
        let server = server.as_deref().map(ServerSlug::parse).transpose()?;
        Ok((name, server, Actor::parse(&actor)?, mode.parse()?))
    });
    let (name, server, actor, mode) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return Ok(Err(damaged("policy", &name, &error))),
    };
    Ok(Ok(PolicyRecord {
        name,
        server,
        version: row.get(2)?,
        text: row.get(3)?,
        canonical: row.get(4)?,
        actor,
        note: row.get(6)?,
        saved_at: UnixMillis(row.get(7)?),
        managed_by_file: row.get(8)?,
        mode,
        in_force: row.get(10)?,
    }))
}
