//! The objects of the configuration file, applied all or nothing.
//!
//! What never lives here: reading the file.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use policy::{UnixMillis, sha256};

use crate::api_token::{self, ApiTokenRecord, Role};
use crate::deed::{By, Deed, Did};
use crate::error::{ReadError, WriteError};
use crate::grant::{self, GrantRecord};
use crate::name::{Actor, GrantId, Label, PolicyName, Revision, ServerSlug};
use crate::policy_text::{self, Managed, NewPolicy, PolicyMode, Saved};
use crate::seal::Keys;
use crate::server::{self, ServerRecord};
use crate::store::Store;
use crate::token::TokenHash;
use crate::writer::Tx;

/// A policy of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePolicy {
    /// Its name.
    pub name: PolicyName,
    /// The server that it is written for.
    pub server: Option<ServerSlug>,
    /// The text.
    pub text: String,
    /// The canonical form.
    pub canonical: String,
    /// What it does.
    pub mode: PolicyMode,
}

/// A grant of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileGrant {
    /// What people call it; unique among the file's grants for the same server. Label and server
    /// give it its identity, so its counters and its revocation outlive restarts.
    pub label: Label,
    /// The server.
    pub server: ServerSlug,
    /// The policy; none denies everything.
    pub policy: Option<PolicyName>,
    /// The hash of its token.
    pub token_hash: TokenHash,
    /// When it ends.
    pub expires_at: Option<UnixMillis>,
    /// Tags for policies.
    pub tags: BTreeMap<String, String>,
}

/// An API token of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileApiToken {
    /// What people call it.
    pub label: Label,
    /// What its bearer may do.
    pub role: Role,
    /// The hash of the token.
    pub token_hash: TokenHash,
}

/// Everything that stands in the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileObjects {
    /// Servers; `managed_by_file` and `revision` are set by the store.
    pub servers: Vec<ServerRecord>,
    /// Policies.
    pub policies: Vec<FilePolicy>,
    /// Grants.
    pub grants: Vec<FileGrant>,
    /// API tokens.
    pub api_tokens: Vec<FileApiToken>,
}

impl FileGrant {
    /// The identity of a grant of the file.
    pub fn id(&self) -> GrantId {
        let (server, label) = (self.server.as_str(), self.label.as_str());
        let digest = sha256(format!("file grant {}:{server}{label}", server.len()).as_bytes());
        GrantId::from_bytes(digest.0.first_chunk().copied().unwrap_or_default())
    }

    fn record(&self, now: UnixMillis) -> GrantRecord {
        GrantRecord {
            id: self.id(),
            label: self.label.clone(),
            server: self.server.clone(),
            policy: self.policy.clone(),
            token_hash: self.token_hash,
            previous: None,
            expires_at: self.expires_at,
            tags: self.tags.clone(),
            revoked_at: None,
            owner: None,
            managed_by_file: true,
            created_at: now,
        }
    }
}

impl Store {
    /// Puts the file's objects in force in one transaction: what left the file is removed, what is
    /// unchanged keeps its history, and a grant that was revoked stays so until its entry leaves
    /// the file. A name that an object outside the file has is [`WriteError::Exists`], and nothing
    /// changes. Returns the revision in force, which is the old one if nothing changed.
    pub async fn apply_file_objects(
        &self,
        objects: FileObjects,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let core = Arc::clone(self.core());
        let by = By { actor: Actor::file(), from: "configuration file".to_owned(), at: now };
        self.by(by)
            .act(move |tx| {
                let apply = Apply { tx, keys: &core.keys, now, changed: RefCell::default() };
                let changed = [
                    apply.servers(&objects.servers)?,
                    apply.policies(&objects.policies)?,
                    // Before the grants, so that none names a policy that left.
                    apply.remove_left(&objects)?,
                    apply.grants(&objects.grants)?,
                    apply.api_tokens(&objects.api_tokens)?,
                ];
                if !changed.contains(&Applied::Changed) {
                    return Ok((tx.revision()?, Did::nothing()));
                }
                let did = tx.did(Deed::ApplyFile, "", apply.changed.borrow().join(", "))?;
                Ok((tx.bump_config()?, did))
            })
            .await
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    Unchanged,
    Changed,
}

struct Apply<'a> {
    tx: &'a Tx<'a>,
    keys: &'a Keys,
    now: UnixMillis,
    /// What changed, for the deed.
    changed: RefCell<Vec<String>>,
}

impl Apply<'_> {
    fn changed(&self, what: impl Into<String>) -> Applied {
        self.changed.borrow_mut().push(what.into());
        Applied::Changed
    }

    fn servers(&self, servers: &[ServerRecord]) -> Result<Applied, WriteError> {
        let mut applied = Applied::Unchanged;
        let next = Revision(self.tx.revision()?.0.saturating_add(1));
        let mut seen = BTreeSet::new();
        for server in servers {
            let (what, name) = ("server", server.slug.as_str().to_owned());
            if !seen.insert(&server.slug) {
                return Err(WriteError::Exists { what, name });
            }
            let stored = server::get(self.tx, self.keys, &server.slug);
            let stored = match stored {
                // Secrets that this key cannot open, or damage: the file says it anew.
                Err(ReadError::Sealed { .. } | ReadError::Damaged { .. }) => None,
                Err(unavailable @ ReadError::Unavailable(_)) => return Err(unavailable.into()),
                Ok(stored) => stored,
            };
            if server::facts(self.tx, &server.slug)?.is_some_and(|facts| !facts.managed_by_file) {
                return Err(WriteError::Exists { what, name });
            }
            let revision = stored.as_ref().map_or(next, |stored| stored.revision);
            let wanted = ServerRecord { managed_by_file: true, revision, ..server.clone() };
            if stored.as_ref() != Some(&wanted) {
                let wanted = ServerRecord { revision: next, ..wanted };
                server::save(self.tx, self.keys, &wanted, self.now)?;
                applied = self.changed(format!("server {name}"));
            }
        }
        Ok(applied)
    }

    fn policies(&self, policies: &[FilePolicy]) -> Result<Applied, WriteError> {
        let mut applied = Applied::Unchanged;
        let mut seen = BTreeSet::new();
        for policy in policies {
            let stored = policy_text::stored(self.tx, &policy.name)?;
            let elsewhere = stored.is_some_and(|stored| !stored.managed_by_file);
            if elsewhere || !seen.insert(&policy.name) {
                let name = policy.name.as_str().to_owned();
                return Err(WriteError::Exists { what: "policy", name });
            }
            let new = NewPolicy {
                name: policy.name.clone(),
                server: policy.server.clone(),
                text: policy.text.clone(),
                canonical: policy.canonical.clone(),
                mode: policy.mode,
                actor: Actor::file(),
                note: None,
            };
            match policy_text::save(self.tx, &new, Managed::ByFile, self.now)? {
                Saved::Unchanged => {}
                Saved::Version(version) => {
                    let name = &policy.name;
                    applied = self.changed(format!("policy {name}, version {version}"));
                }
            }
        }
        Ok(applied)
    }

    /// The file's grants are taken out and put in anew, so that two may swap their tokens.
    fn grants(&self, grants: &[FileGrant]) -> Result<Applied, WriteError> {
        let before: BTreeMap<GrantId, GrantRecord> = grant::read_all(self.tx)?
            .into_iter()
            .filter(|grant| grant.managed_by_file)
            .map(|grant| (grant.id.clone(), grant))
            .collect();
        let mut wanted = BTreeMap::new();
        for grant in grants {
            let mut record = grant.record(self.now);
            if let Some(before) = before.get(&record.id) {
                record.revoked_at = before.revoked_at;
                record.created_at = before.created_at;
            }
            if wanted.insert(record.id.clone(), record).is_some() {
                let name = grant.label.as_str().to_owned();
                return Err(WriteError::Exists { what: "grant", name });
            }
        }
        if before == wanted {
            return Ok(Applied::Unchanged);
        }
        self.tx.execute("DELETE FROM grants WHERE managed_by_file", [])?;
        for record in wanted.values() {
            grant::insert(self.tx, record)?;
        }
        Ok(self.changed("grants"))
    }

    fn api_tokens(&self, tokens: &[FileApiToken]) -> Result<Applied, WriteError> {
        let before: Vec<ApiTokenRecord> = api_token::read_all(self.tx)?
            .into_iter()
            .filter(|token| token.managed_by_file)
            .collect();
        let mut wanted: Vec<ApiTokenRecord> = tokens
            .iter()
            .map(|token| ApiTokenRecord {
                label: token.label.clone(),
                role: token.role,
                token_hash: token.token_hash,
                managed_by_file: true,
                created_at: before
                    .iter()
                    .find(|before| before.label == token.label)
                    .map_or(self.now, |before| before.created_at),
            })
            .collect();
        wanted.sort_by(|a, b| a.label.cmp(&b.label));
        if before == wanted {
            return Ok(Applied::Unchanged);
        }
        self.tx.execute("DELETE FROM api_tokens WHERE managed_by_file", [])?;
        for token in &wanted {
            api_token::insert(self.tx, token)?;
        }
        Ok(self.changed("API tokens"))
    }

    /// Removes servers and policies that left the file; with a server go its pins and grants, and
    /// grants of a policy that is gone deny everything.
    fn remove_left(&self, objects: &FileObjects) -> Result<Applied, WriteError> {
        let mut applied = Applied::Unchanged;
        for name in self.names("SELECT name FROM policies WHERE managed_by_file")? {
            if !objects.policies.iter().any(|policy| policy.name.as_str() == name) {
                self.tx.execute("DELETE FROM policies WHERE name = ?1", [&name])?;
                applied = self.changed(format!("policy {name} left the file"));
            }
        }
        for slug in self.names("SELECT slug FROM servers WHERE managed_by_file")? {
            if !objects.servers.iter().any(|server| server.slug.as_str() == slug) {
                self.tx.execute("DELETE FROM servers WHERE slug = ?1", [&slug])?;
                applied = self.changed(format!("server {slug} left the file"));
            }
        }
        Ok(applied)
    }

    fn names(&self, sql: &str) -> Result<Vec<String>, WriteError> {
        let mut statement = self.tx.prepare_cached(sql)?;
        let names = statement.query_map([], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }
}
