//! What a request stands on while somebody looks at it: the grant, its policy, the server's address
//! and the pinned definition of the tool. A decision may say which state it was made on, so that
//! nobody approves what changed under their eyes.
//!
//! What never lives here: whether an approval fits a call (`policy::settle`).

use std::collections::HashMap;

use policy::{ApprovalId, ApprovalRecord, Class, Risk, UnixMillis, sha256};
use rusqlite::{Connection, OptionalExtension as _};

use super::{DecideError, rows};
use crate::error::ReadError;
use crate::name::{GrantId, PolicyName};
use crate::server::rows as server_rows;

/// Which policy, in the version that is in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyInForce {
    /// Its name.
    pub name: PolicyName,
    /// Its version.
    pub version: u32,
}

/// A digest of a [`Footing`], for `ETag` and forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FootingTag(String);

impl FootingTag {
    /// What a form or a header brings back. It is only ever compared.
    pub fn claimed(text: &str) -> FootingTag {
        FootingTag(text.chars().take(TAG_CHARS).collect())
    }

    /// As lower-case hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hexadecimal digits of the digest that a tag keeps.
const TAG_CHARS: usize = 32;

/// What a request stands on at one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footing {
    /// The digest of all of this.
    pub tag: FootingTag,
    /// What people call the grant; `None` when it is no more.
    pub grant: Option<String>,
    /// Whose grant it is.
    pub owner: Option<String>,
    /// Whether the grant works: not revoked, not over.
    pub grant_works: bool,
    /// The policy of the grant; `None` when it has none.
    pub policy: Option<PolicyInForce>,
    /// Where the server is, its URL or its command; `None` when it is no more.
    pub address: Option<String>,
    /// Whether the pinned definition is the one that the call was held with. Also true of what has
    /// no definition.
    pub definition_same: bool,
    /// The class of the tool.
    pub class: Option<Class>,
    /// Its risk.
    pub risk: Option<Risk>,
    /// The definition seen last, JSON as the server sent it.
    pub definition: Option<String>,
}

struct GrantRow {
    label: String,
    owner: Option<String>,
    policy: Option<String>,
    expires_at: Option<i64>,
    revoked_at: Option<i64>,
}

struct PinRow {
    state: String,
    digest: String,
    definition: String,
    /// What the operator says, or else the pin.
    class: Option<Class>,
    /// Of the pin; at least the usual one of a class that the operator gave.
    risk: Option<Risk>,
}

/// Reads it in one transaction.
pub(super) fn read(
    connection: &Connection,
    id: &ApprovalId,
    now: UnixMillis,
) -> Result<Option<Footing>, ReadError> {
    rows::get(connection, id)?.map(|record| of(connection, &record, now)).transpose()
}

/// Whether a request is what somebody was shown.
pub(super) fn check(
    connection: &Connection,
    id: &ApprovalId,
    shown: Option<&FootingTag>,
    now: UnixMillis,
) -> Result<(), DecideError> {
    let Some(shown) = shown else { return Ok(()) };
    let Some(record) = rows::get(connection, id)? else { return Ok(()) };
    // What is decided or over is told as that.
    if !record.is_pending(now) || of(connection, &record, now)?.tag == *shown {
        return Ok(());
    }
    Err(DecideError::Changed(id.clone()))
}

/// What a request stands on; its arguments are not looked at.
pub(super) fn of(
    connection: &Connection,
    record: &ApprovalRecord,
    now: UnixMillis,
) -> Result<Footing, ReadError> {
    let grant = grant(connection, &record.grant)?;
    let policy = match grant.as_ref().and_then(|grant| grant.policy.as_deref()) {
        Some(name) => policy(connection, name)?,
        None => None,
    };
    let pin = pin(connection, record)?;
    let address = server_rows::address(connection, &record.server)?;
    let grant_works = grant.as_ref().is_some_and(|grant| {
        grant.revoked_at.is_none() && grant.expires_at.is_none_or(|until| now.0 < until)
    });
    let seen = pin.as_ref().filter(|pin| pin.state == "accepted").map(|pin| &*pin.digest);
    let definition_same =
        record.definition_pin.is_none() || seen == record.definition_pin.as_deref();
    let version = policy.as_ref().map_or(0, |policy| policy.version).to_string();
    // As JSON, in which a command's line break is no line break.
    let server = serde_json::Value::from(address.as_deref()).to_string();
    let parts = [
        record.id.as_str(),
        &server,
        if grant_works { "works" } else { "over" },
        policy.as_ref().map_or("", |policy| policy.name.as_str()),
        &version,
        seen.unwrap_or_default(),
        pin.as_ref().and_then(|pin| pin.risk).map_or("", Risk::as_str),
    ];
    // None of the parts holds a line break.
    let tag = sha256(parts.join("\n").as_bytes()).to_string();
    Ok(Footing {
        tag: FootingTag::claimed(&tag),
        owner: grant.as_ref().and_then(|grant| grant.owner.clone()),
        grant: grant.map(|grant| grant.label),
        grant_works,
        policy,
        address,
        definition_same,
        class: pin.as_ref().and_then(|pin| pin.class),
        risk: pin.as_ref().and_then(|pin| pin.risk),
        definition: pin.map(|pin| pin.definition),
    })
}

fn grant(connection: &Connection, id: &str) -> Result<Option<GrantRow>, ReadError> {
    let Ok(id) = GrantId::parse(id) else { return Ok(None) };
    let sql = "SELECT label, owner, policy, expires_at, revoked_at FROM grants WHERE id = ?1";
    let row = connection.prepare_cached(sql)?.query_row([id.as_str()], |row| {
        Ok(GrantRow {
            label: row.get(0)?,
            owner: row.get(1)?,
            policy: row.get(2)?,
            expires_at: row.get(3)?,
            revoked_at: row.get(4)?,
        })
    });
    Ok(row.optional()?)
}

fn policy(connection: &Connection, name: &str) -> Result<Option<PolicyInForce>, ReadError> {
    let Ok(name) = PolicyName::parse(name) else { return Ok(None) };
    let sql = "SELECT max(version) FROM policy_versions WHERE name = ?1 AND mode <> 'draft'";
    let version = connection
        .prepare_cached(sql)?
        .query_row([name.as_str()], |row| row.get::<_, Option<u32>>(0))?;
    Ok(version.map(|version| PolicyInForce { name, version }))
}

fn pin(connection: &Connection, record: &ApprovalRecord) -> Result<Option<PinRow>, ReadError> {
    if record.definition_pin.is_none() {
        return Ok(None);
    }
    let sql = "SELECT p.state, p.digest, p.definition, p.class, p.risk,
        json_extract(s.settings, '$.classes')
        FROM pins p LEFT JOIN servers s ON s.slug = p.server WHERE p.server = ?1 AND p.tool = ?2";
    let row = connection.prepare_cached(sql)?.query_row((&record.server, &record.name), |row| {
        let [class, risk, classes] = [3, 4, 5].map(|column| row.get::<_, Option<String>>(column));
        let classes: HashMap<String, String> =
            classes?.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let given = classes.get(&*record.name).and_then(|text| text.parse::<Class>().ok());
        let class = class?.and_then(|text| text.parse().ok());
        let risk = risk?.and_then(|text| text.parse().ok());
        let (class, risk) = policy::counts_as((class, risk), given);
        Ok(PinRow { state: row.get(0)?, digest: row.get(1)?, definition: row.get(2)?, class, risk })
    });
    Ok(row.optional()?)
}
