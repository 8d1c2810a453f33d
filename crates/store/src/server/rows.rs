//! Servers as rows: settings as JSON, credentials sealed for the server's slug.
//!
//! What never lives here: who may change a server.

use std::collections::BTreeMap;

use policy::{Class, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};
use zeroize::Zeroize as _;

use super::{FromServer, NewTools, ServerRecord, Timeouts, Transport};
use crate::error::{ReadError, WriteError, damaged};
use crate::name::{Revision, ServerSlug};
use crate::seal::Keys;
use crate::secret::Secret;

const COLUMNS: &str = "SELECT slug, settings, secrets, managed_by_file, revision FROM servers ";
const SAVE: &str = "INSERT INTO servers (slug, settings, secrets, managed_by_file, revision,
    saved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (slug) DO UPDATE SET settings = ?2, secrets = ?3, managed_by_file = ?4,
    revision = ?5, saved_at = ?6";

/// A server's settings as stored; names of headers and variables stand in clear, their values
/// among the secrets, in the same order.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "the stored form, read and written as a whole")]
struct StoredSettings {
    transport: StoredTransport,
    allow_private_address: bool,
    connect_ms: u32,
    first_byte_ms: u32,
    total_ms: u32,
    refresh_seconds: u32,
    allow_new_tools: bool,
    accept_first: bool,
    classes: BTreeMap<String, String>,
    elicitation: bool,
    sampling: bool,
    roots: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum StoredTransport {
    Http { url: String, headers: Vec<String> },
    Stdio { command: Vec<String>, env: Vec<String> },
}

/// What is stored of a server beside its settings.
pub(crate) struct Facts {
    pub(crate) managed_by_file: bool,
    pub(crate) revision: Revision,
}

/// What is stored of a server beside its settings.
pub(crate) fn facts(
    connection: &Connection,
    slug: &ServerSlug,
) -> Result<Option<Facts>, rusqlite::Error> {
    connection
        .prepare_cached("SELECT managed_by_file, revision FROM servers WHERE slug = ?1")?
        .query_row([slug.as_str()], |row| {
            let revision: i64 = row.get(1)?;
            Ok(Facts {
                managed_by_file: row.get(0)?,
                revision: Revision(u64::try_from(revision).unwrap_or_default()),
            })
        })
        .optional()
}

/// Where a server is: its URL, or the command that starts it.
pub(crate) fn address(connection: &Connection, slug: &str) -> Result<Option<String>, ReadError> {
    let found: Option<String> = connection
        .prepare_cached("SELECT settings FROM servers WHERE slug = ?1")?
        .query_row([slug], |row| row.get(0))
        .optional()?;
    let Some(settings) = found else { return Ok(None) };
    let settings: StoredSettings =
        serde_json::from_str(&settings).map_err(|error| damaged("server", slug, &error))?;
    Ok(Some(match settings.transport {
        StoredTransport::Http { url, .. } => url,
        StoredTransport::Stdio { command, .. } => command.join(" "),
    }))
}

/// All servers, by slug.
pub(crate) fn read_all(
    connection: &Connection,
    keys: &Keys,
) -> Result<Vec<ServerRecord>, ReadError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY slug"))?;
    let rows = statement.query_map([], StoredServer::read)?;
    rows.map(|row| row?.into_record(keys)).collect()
}

/// One server.
pub(crate) fn get(
    connection: &Connection,
    keys: &Keys,
    slug: &ServerSlug,
) -> Result<Option<ServerRecord>, ReadError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE slug = ?1"))?;
    let found = statement.query_row([slug.as_str()], StoredServer::read).optional()?;
    found.map(|stored| stored.into_record(keys)).transpose()
}

/// Writes a server.
pub(crate) fn save(
    connection: &Connection,
    keys: &Keys,
    record: &ServerRecord,
    now: UnixMillis,
) -> Result<(), WriteError> {
    let (settings, secrets) = StoredSettings::of(record);
    let json_error = |error| rusqlite::Error::ToSqlConversionFailure(Box::new(error));
    let settings = serde_json::to_string(&settings).map_err(json_error)?;
    let mut clear = serde_json::to_vec(&secrets).map_err(json_error)?;
    let sealed = keys.seal(&place(record.slug.as_str()), &clear);
    clear.zeroize();
    connection.prepare_cached(SAVE)?.execute((
        record.slug.as_str(),
        settings,
        sealed?,
        record.managed_by_file,
        i64::try_from(record.revision.0).unwrap_or(i64::MAX),
        now.0,
    ))?;
    Ok(())
}

/// Removes a server with its pins and grants.
pub(crate) fn remove(connection: &Connection, slug: &ServerSlug) -> Result<(), rusqlite::Error> {
    connection.execute("DELETE FROM servers WHERE slug = ?1", [slug.as_str()])?;
    Ok(())
}

fn place(slug: &str) -> String {
    format!("server {slug}")
}

impl StoredSettings {
    fn of(record: &ServerRecord) -> (StoredSettings, Vec<&str>) {
        let names = |pairs: &[(String, Secret<String>)]| -> Vec<String> {
            pairs.iter().map(|(name, _)| name.clone()).collect()
        };
        let (transport, pairs) = match &record.transport {
            Transport::Http { url, headers } => {
                (StoredTransport::Http { url: url.clone(), headers: names(headers) }, headers)
            }
            Transport::Stdio { command, env } => {
                (StoredTransport::Stdio { command: command.clone(), env: names(env) }, env)
            }
        };
        let classes = record
            .classes
            .iter()
            .map(|(tool, class)| (tool.clone(), class.as_str().to_owned()))
            .collect();
        let settings = StoredSettings {
            transport,
            allow_private_address: record.allow_private_address,
            connect_ms: record.timeouts.connect_ms,
            first_byte_ms: record.timeouts.first_byte_ms,
            total_ms: record.timeouts.total_ms,
            refresh_seconds: record.refresh_seconds,
            allow_new_tools: record.new_tools == NewTools::Allow,
            accept_first: record.accept_first,
            classes,
            elicitation: record.from_server.elicitation,
            sampling: record.from_server.sampling,
            roots: record.from_server.roots,
        };
        (settings, pairs.iter().map(|(_, value)| value.expose().as_str()).collect())
    }

    fn into_record(
        self,
        stored: &StoredServer,
        values: Vec<String>,
    ) -> Result<ServerRecord, String> {
        let pair = |names: Vec<String>| -> Result<Vec<(String, Secret<String>)>, String> {
            if names.len() == values.len() {
                Ok(names.into_iter().zip(values.into_iter().map(Secret::new)).collect())
            } else {
                Err("names and secrets differ in number".to_owned())
            }
        };
        let transport = match self.transport {
            StoredTransport::Http { url, headers } => {
                Transport::Http { url, headers: pair(headers)? }
            }
            StoredTransport::Stdio { command, env } => {
                Transport::Stdio { command, env: pair(env)? }
            }
        };
        let classes = self
            .classes
            .into_iter()
            .map(|(tool, class)| match class.parse::<Class>() {
                Ok(class) => Ok((tool, class)),
                Err(error) => Err(error.to_string()),
            })
            .collect::<Result<_, String>>()?;
        Ok(ServerRecord {
            slug: ServerSlug::parse(&stored.slug).map_err(|error| error.to_string())?,
            transport,
            allow_private_address: self.allow_private_address,
            timeouts: Timeouts {
                connect_ms: self.connect_ms,
                first_byte_ms: self.first_byte_ms,
                total_ms: self.total_ms,
            },
            refresh_seconds: self.refresh_seconds,
            new_tools: if self.allow_new_tools { NewTools::Allow } else { NewTools::Quarantine },
            accept_first: self.accept_first,
            classes,
            from_server: FromServer {
                elicitation: self.elicitation,
                sampling: self.sampling,
                roots: self.roots,
            },
            managed_by_file: stored.managed_by_file,
            revision: Revision(u64::try_from(stored.revision).unwrap_or_default()),
        })
    }
}

struct StoredServer {
    slug: String,
    settings: String,
    secrets: Vec<u8>,
    managed_by_file: bool,
    revision: i64,
}

impl StoredServer {
    fn read(row: &Row<'_>) -> Result<StoredServer, rusqlite::Error> {
        Ok(StoredServer {
            slug: row.get(0)?,
            settings: row.get(1)?,
            secrets: row.get(2)?,
            managed_by_file: row.get(3)?,
            revision: row.get(4)?,
        })
    }

    fn into_record(self, keys: &Keys) -> Result<ServerRecord, ReadError> {
        let clear = keys
            .open(&place(&self.slug), &self.secrets)
            .map_err(|_unseal| ReadError::Sealed { what: "server", name: self.slug.clone() })?;
        let damage = |why: &dyn std::fmt::Display| damaged("server", &self.slug, why);
        let values: Vec<String> =
            serde_json::from_slice(clear.expose()).map_err(|_secret| damage(&"bad secrets"))?;
        let settings: StoredSettings =
            serde_json::from_str(&self.settings).map_err(|error| damage(&error))?;
        settings.into_record(&self, values).map_err(|why| damage(&why))
    }
}
