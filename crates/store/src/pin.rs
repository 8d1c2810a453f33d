//! Tool definitions as pinned for their server: what was accepted, what was seen last.
//!
//! What never lives here: computing digests, deciding what is quarantined (GATEWAY section 4).

use policy::{Class, Risk, UnixMillis};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use crate::deed::{By, Deed, Did};
use crate::error::{ReadError, WriteError, damaged, is_unknown_reference};
use crate::name::{Actor, Revision, ServerSlug};
use crate::store::Store;
use crate::writer::Tx;

/// Whether a tool may be listed and called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinState {
    /// The definition seen last is the accepted one.
    Accepted,
    /// The definition seen last was not accepted: not listed, calls denied.
    Quarantined,
}

/// One tool of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinRecord {
    /// The server.
    pub server: ServerSlug,
    /// The tool's name, byte for byte.
    pub tool: String,
    /// Whether it may be listed and called.
    pub state: PinState,
    /// Digest of the definition seen last, lower-case hexadecimal.
    pub digest: String,
    /// The definition seen last, JSON as the server sent it.
    pub definition: String,
    /// Digest of the accepted definition; none while the tool is new.
    pub accepted_digest: Option<String>,
    /// The accepted definition.
    pub accepted_definition: Option<String>,
    /// The class that goes with the definition.
    pub class: Option<Class>,
    /// The risk that goes with the definition.
    pub risk: Option<Risk>,
    /// When the definition was first seen.
    pub seen_at: UnixMillis,
    /// When it was accepted.
    pub accepted_at: Option<UnixMillis>,
    /// Who accepted it.
    pub accepted_by: Option<Actor>,
}

/// One tool of one server without its definitions: what lists of thousands of tools need.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinLine {
    /// The server.
    pub server: ServerSlug,
    /// The tool's name, byte for byte.
    pub tool: String,
    /// Whether it may be listed and called.
    pub state: PinState,
    /// Whether no definition of it was ever accepted.
    pub is_new: bool,
    /// Digest of the definition seen last, lower-case hexadecimal.
    pub digest: String,
    /// The class that goes with the definition.
    pub class: Option<Class>,
    /// The risk that goes with the definition.
    pub risk: Option<Risk>,
}

/// A definition that somebody looked at and keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOut {
    /// The tool's name, byte for byte.
    pub tool: String,
    /// Digest of the definition that they saw.
    pub digest: String,
    /// Who keeps it out.
    pub by: Actor,
    /// Since when.
    pub at: UnixMillis,
}

impl PinState {
    /// The word in lists.
    pub fn as_str(self) -> &'static str {
        match self {
            PinState::Accepted => "accepted",
            PinState::Quarantined => "quarantined",
        }
    }
}

const COLUMNS: &str = "SELECT server, tool, state, digest, definition, accepted_digest,
    accepted_definition, class, risk, seen_at, accepted_at, accepted_by FROM pins ";

const SAVE: &str = "INSERT INTO pins (server, tool, state, digest, definition, accepted_digest,
    accepted_definition, class, risk, seen_at, accepted_at, accepted_by)
    VALUES (:server, :tool, :state, :digest, :definition, :accepted_digest,
    :accepted_definition, :class, :risk, :seen_at, :accepted_at, :accepted_by)
    ON CONFLICT (server, tool) DO UPDATE SET
        state = CASE WHEN accepted_digest = :digest THEN 'accepted' ELSE :state END,
        digest = :digest, definition = :definition, class = :class, risk = :risk,
        seen_at = :seen_at,
        accepted_digest = CASE WHEN :state = 'accepted' THEN :accepted_digest
            ELSE accepted_digest END,
        accepted_definition = CASE WHEN :state = 'accepted' THEN :accepted_definition
            ELSE accepted_definition END,
        accepted_at = CASE WHEN :state = 'accepted' THEN :accepted_at ELSE accepted_at END,
        accepted_by = CASE WHEN :state = 'accepted' THEN :accepted_by ELSE accepted_by END";

const ACCEPT: &str = "UPDATE pins SET state = 'accepted', accepted_digest = digest,
    accepted_definition = definition, accepted_at = ?4, accepted_by = ?5
    WHERE server = ?1 AND tool = ?2 AND digest = ?3";

const FORGET_KEPT_OUT: &str = "DELETE FROM kept_out WHERE server = ?1 AND tool = ?2";

const KEEP_OUT: &str = "INSERT INTO kept_out (server, tool, digest, actor, at)
    SELECT server, tool, digest, ?4, ?5 FROM pins
    WHERE server = ?1 AND tool = ?2 AND digest = ?3 AND state = 'quarantined'
    ON CONFLICT (server, tool) DO UPDATE SET
        digest = excluded.digest, actor = excluded.actor, at = excluded.at";

/// Definitions accepted at once that leave a deed each, at most; the pins themselves say who accepted
/// them and when.
const DEEDS_EACH_MAX: usize = 100;

impl Store {
    /// The pins of one server, by tool name.
    pub async fn pins(&self, server: &ServerSlug) -> Result<Vec<PinRecord>, ReadError> {
        let server = server.clone();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE server = ?1 ORDER BY tool");
            let mut statement = connection.prepare_cached(&sql)?;
            let rows = statement.query_map([server.as_str()], read)?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// One tool's pin.
    pub async fn pin(
        &self,
        server: &ServerSlug,
        tool: &str,
    ) -> Result<Option<PinRecord>, ReadError> {
        let (server, tool) = (server.clone(), tool.to_owned());
        self.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE server = ?1 AND tool = ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let found = statement.query_row([server.as_str(), &tool], read).optional()?;
            found.transpose()
        })
        .await
    }

    /// The pins of all servers.
    pub async fn all_pins(&self) -> Result<Vec<PinRecord>, ReadError> {
        self.read(read_all).await
    }

    /// How many definitions wait for somebody to look at them, by server; servers without any are not among them, nor
    /// definitions that somebody looked at and keeps out.
    pub async fn quarantined_pins(&self) -> Result<Vec<(ServerSlug, u64)>, ReadError> {
        self.read(|connection| {
            let sql = "SELECT p.server, count(*) FROM pins p LEFT JOIN kept_out k
                ON k.server = p.server AND k.tool = p.tool AND k.digest = p.digest
                WHERE p.state = ?1 AND k.tool IS NULL GROUP BY p.server ORDER BY p.server";
            let mut statement = connection.prepare_cached(sql)?;
            let state = PinState::Quarantined.as_str();
            let rows = statement.query_map([state], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.map(|row| {
                let (server, count): (String, i64) = row?;
                let slug =
                    ServerSlug::parse(&server).map_err(|error| damaged("pin", &server, &error))?;
                Ok((slug, u64::try_from(count).unwrap_or_default()))
            })
            .collect()
        })
        .await
    }

    /// The tools of one server, or of all, by server and name, without their definitions.
    pub async fn pin_lines(&self, server: Option<&ServerSlug>) -> Result<Vec<PinLine>, ReadError> {
        let server = server.map(|server| server.as_str().to_owned());
        self.read(move |connection| {
            let sql =
                "SELECT server, tool, state, accepted_digest IS NULL, class, risk, digest FROM pins
                WHERE ?1 IS NULL OR server = ?1 ORDER BY server, tool";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([server], read_line)?;
            rows.map(|row| row?).collect()
        })
        .await
    }

    /// Writes pins in one transaction. A save never takes back an acceptance that somebody made in
    /// the meantime, and pins that are stored already make no new revision: a record saved as quarantined whose digest is the stored accepted one stays
    /// accepted, and the stored `accepted_*` facts change only with a record saved as accepted. What is saved as
    /// accepted and was not before leaves one deed, however many tools there are; what was only seen leaves none.
    pub async fn save_pins(&self, pins: Vec<PinRecord>) -> Result<Revision, WriteError> {
        let at = pins.iter().map(|pin| pin.seen_at).max().unwrap_or(UnixMillis(0));
        self.or_by(By::system(at))
            .act(move |tx| {
                let (mut changed, mut accepted) = (false, Vec::new());
                for pin in &pins {
                    let known = get(tx, pin)?;
                    if known.as_ref() == Some(pin) {
                        continue;
                    }
                    save(tx, pin)?;
                    changed = true;
                    let was = known.and_then(|known| known.accepted_digest);
                    if pin.state == PinState::Accepted && was != pin.accepted_digest {
                        accepted.push(pin);
                    }
                }
                let did = accepted_unseen(tx, &accepted)?;
                Ok((if changed { tx.bump_config()? } else { tx.revision()? }, did))
            })
            .await
    }

    /// These pins of one server, by tool name; names that are no tool of it are left out.
    pub async fn pins_named(
        &self,
        server: &ServerSlug,
        tools: Vec<String>,
    ) -> Result<Vec<PinRecord>, ReadError> {
        let server = server.clone();
        self.read(move |connection| {
            let sql = format!("{COLUMNS} WHERE server = ?1 AND tool = ?2");
            let mut statement = connection.prepare_cached(&sql)?;
            let mut pins = Vec::with_capacity(tools.len());
            for tool in &tools {
                let pin = statement.query_row((server.as_str(), tool), read).optional()?;
                pins.extend(pin.transpose()?);
            }
            Ok(pins)
        })
        .await
    }

    /// Writes down that somebody looked at definitions of one server, each by its digest, and keeps them out; all of
    /// them, or none and [`WriteError::Changed`] if one is another by now, or was accepted.
    pub async fn keep_out_pins(
        &self,
        server: &ServerSlug,
        seen: Vec<(String, String)>,
        actor: &Actor,
        now: UnixMillis,
    ) -> Result<(), WriteError> {
        let (server, actor) = (server.clone(), actor.clone());
        self.act(move |tx| {
            let mut did = Did::nothing();
            for (tool, digest) in &seen {
                let kept = (server.as_str(), tool, digest, actor.as_str(), now.0);
                if tx.prepare_cached(KEEP_OUT)?.execute(kept)? != 1 {
                    return Err(WriteError::Changed { what: "tool", name: tool.clone() });
                }
                if seen.len() <= DEEDS_EACH_MAX {
                    let object = format!("{server}: {tool}");
                    did = tx.did(Deed::KeepOutTool, &object, format!("definition {digest}"))?;
                }
            }
            if seen.len() > DEEDS_EACH_MAX {
                let detail = format!("{} tools at once", seen.len());
                did = tx.did(Deed::KeepOutTool, server.as_str(), detail)?;
            }
            Ok(((), did))
        })
        .await
    }

    /// Which definitions of a server somebody looked at and keeps out, by tool name. One of another digest than the
    /// tool has by now says nothing about it.
    pub async fn kept_out(&self, server: &ServerSlug) -> Result<Vec<KeptOut>, ReadError> {
        let server = server.clone();
        self.read(move |connection| {
            let sql = "SELECT k.tool, k.digest, k.actor, k.at FROM kept_out k JOIN pins p
                ON p.server = k.server AND p.tool = k.tool
                WHERE k.server = ?1 ORDER BY k.tool";
            let mut statement = connection.prepare_cached(sql)?;
            let rows = statement.query_map([server.as_str()], |row| {
                let actor: String = row.get(2)?;
                Ok((row.get(0)?, row.get(1)?, actor, row.get(3)?))
            })?;
            rows.map(|row| {
                let (tool, digest, actor, at): (String, String, String, i64) = row?;
                let by = Actor::parse(&actor).map_err(|error| damaged("tool", &tool, &error))?;
                Ok(KeptOut { tool, digest, by, at: UnixMillis(at) })
            })
            .collect()
        })
        .await
    }

    /// Accepts the definition with this digest; [`WriteError::Changed`] if another one was seen
    /// since the caller looked.
    pub async fn accept_pin(
        &self,
        pin: (&ServerSlug, &str),
        expected_digest: &str,
        actor: &Actor,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let (server, tool) = (pin.0.clone(), pin.1.to_owned());
        let (digest, actor) = (expected_digest.to_owned(), actor.clone());
        self.act(move |tx| {
            let accepted = (server.as_str(), &tool, &digest, now.0, actor.as_str());
            if tx.prepare_cached(ACCEPT)?.execute(accepted)? == 1 {
                tx.prepare_cached(FORGET_KEPT_OUT)?.execute((server.as_str(), &tool))?;
                let did = accepted_tool(tx, &server, (&tool, &digest))?;
                return Ok((tx.bump_config()?, did));
            }
            let exists = "SELECT 1 FROM pins WHERE server = ?1 AND tool = ?2";
            let found = tx.prepare_cached(exists)?.exists((server.as_str(), &tool))?;
            Err(if found {
                WriteError::Changed { what: "tool", name: tool }
            } else {
                WriteError::NotFound { what: "tool", name: tool }
            })
        })
        .await
    }

    /// Accepts several definitions of one server at once, each by its digest; all of them, or none and
    /// [`WriteError::Changed`] if another definition of one was seen since the caller looked.
    pub async fn accept_pins(
        &self,
        server: &ServerSlug,
        expected: Vec<(String, String)>,
        actor: &Actor,
        now: UnixMillis,
    ) -> Result<Revision, WriteError> {
        let (server, actor) = (server.clone(), actor.clone());
        self.act(move |tx| {
            let mut did = Did::nothing();
            for (tool, digest) in &expected {
                let accepted = (server.as_str(), tool, digest, now.0, actor.as_str());
                if tx.prepare_cached(ACCEPT)?.execute(accepted)? != 1 {
                    return Err(WriteError::Changed { what: "tool", name: tool.clone() });
                }
                tx.prepare_cached(FORGET_KEPT_OUT)?.execute((server.as_str(), tool))?;
                if expected.len() <= DEEDS_EACH_MAX {
                    did = accepted_tool(tx, &server, (tool, digest))?;
                }
            }
            if expected.len() > DEEDS_EACH_MAX {
                let detail = format!("{} tools at once", expected.len());
                did = tx.did(Deed::AcceptTool, server.as_str(), detail)?;
            }
            Ok((tx.bump_config()?, did))
        })
        .await
    }

    /// Forgets a tool.
    pub async fn remove_pin(
        &self,
        server: &ServerSlug,
        tool: &str,
    ) -> Result<Revision, WriteError> {
        let (server, tool) = (server.clone(), tool.to_owned());
        self.act(move |tx| {
            let sql = "DELETE FROM pins WHERE server = ?1 AND tool = ?2";
            if tx.execute(sql, (server.as_str(), &tool))? == 1 {
                let did = tx.did(Deed::ForgetTool, &format!("{server}: {tool}"), "")?;
                Ok((tx.bump_config()?, did))
            } else {
                Err(WriteError::NotFound { what: "tool", name: tool })
            }
        })
        .await
    }
}

fn accepted_tool(
    tx: &Tx<'_>,
    server: &ServerSlug,
    (tool, digest): (&str, &str),
) -> Result<Did, WriteError> {
    let object = format!("{server}: {tool}");
    Ok(tx.did(Deed::AcceptTool, &object, format!("definition {digest}"))?)
}

/// The deed of definitions that were accepted as they came, because the server's settings say so.
fn accepted_unseen(tx: &Tx<'_>, pins: &[&PinRecord]) -> Result<Did, WriteError> {
    let Some(first) = pins.first() else { return Ok(Did::nothing()) };
    if let [pin] = pins {
        let object = format!("{}: {}", pin.server, pin.tool);
        let detail = format!("as it came, definition {}", pin.digest);
        return Ok(tx.did(Deed::AcceptTool, &object, detail)?);
    }
    let names: Vec<&str> = pins.iter().map(|pin| pin.tool.as_str()).collect();
    let detail = format!("{} tools as they came: {}", pins.len(), names.join(", "));
    Ok(tx.did(Deed::AcceptTool, first.server.as_str(), detail)?)
}

fn get(connection: &Connection, pin: &PinRecord) -> Result<Option<PinRecord>, ReadError> {
    let sql = format!("{COLUMNS} WHERE server = ?1 AND tool = ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row((pin.server.as_str(), &pin.tool), read).optional()?.transpose()
}

fn save(connection: &Connection, pin: &PinRecord) -> Result<(), WriteError> {
    let result = connection.prepare_cached(SAVE)?.execute(named_params! {
        ":server": pin.server.as_str(),
        ":tool": pin.tool,
        ":state": pin.state.as_str(),
        ":digest": pin.digest,
        ":definition": pin.definition,
        ":accepted_digest": pin.accepted_digest,
        ":accepted_definition": pin.accepted_definition,
        ":class": pin.class.map(Class::as_str),
        ":risk": pin.risk.map(Risk::as_str),
        ":seen_at": pin.seen_at.0,
        ":accepted_at": pin.accepted_at.map(|at| at.0),
        ":accepted_by": pin.accepted_by.as_ref().map(Actor::as_str),
    });
    match result {
        Ok(_rows) => Ok(()),
        Err(error) if is_unknown_reference(&error) => {
            Err(WriteError::NotFound { what: "server", name: pin.server.as_str().to_owned() })
        }
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn read_all(connection: &Connection) -> Result<Vec<PinRecord>, ReadError> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} ORDER BY server, tool"))?;
    let rows = statement.query_map([], read)?;
    rows.map(|row| row?).collect()
}

fn read(row: &Row<'_>) -> Result<Result<PinRecord, ReadError>, rusqlite::Error> {
    let server: String = row.get(0)?;
    let tool: String = row.get(1)?;
    let texts = Texts {
        state: row.get(2)?,
        class: row.get(7)?,
        risk: row.get(8)?,
        accepted_by: row.get(11)?,
    };
    let parsed = ServerSlug::parse(&server)
        .map_err(|error| error.to_string())
        .and_then(|server| Ok((server, texts.parse()?)));
    let (server, parts) = match parsed {
        Ok(parsed) => parsed,
        Err(why) => return Ok(Err(damaged("tool", &tool, &why))),
    };
    Ok(Ok(PinRecord {
        server,
        tool,
        state: parts.state,
        digest: row.get(3)?,
        definition: row.get(4)?,
        accepted_digest: row.get(5)?,
        accepted_definition: row.get(6)?,
        class: parts.class,
        risk: parts.risk,
        seen_at: UnixMillis(row.get(9)?),
        accepted_at: row.get::<_, Option<i64>>(10)?.map(UnixMillis),
        accepted_by: parts.accepted_by,
    }))
}

fn read_line(row: &Row<'_>) -> Result<Result<PinLine, ReadError>, rusqlite::Error> {
    let server: String = row.get(0)?;
    let tool: String = row.get(1)?;
    let (is_new, digest): (bool, String) = (row.get(3)?, row.get(6)?);
    let texts =
        Texts { state: row.get(2)?, class: row.get(4)?, risk: row.get(5)?, accepted_by: None };
    let parsed = ServerSlug::parse(&server)
        .map_err(|error| error.to_string())
        .and_then(|server| Ok((server, texts.parse()?)));
    Ok(match parsed {
        Ok((server, parts)) => Ok(PinLine {
            server,
            tool,
            state: parts.state,
            is_new,
            digest,
            class: parts.class,
            risk: parts.risk,
        }),
        Err(why) => Err(damaged("tool", &tool, &why)),
    })
}

struct Texts {
    state: String,
    class: Option<String>,
    risk: Option<String>,
    accepted_by: Option<String>,
}

struct Parts {
    state: PinState,
    class: Option<Class>,
    risk: Option<Risk>,
    accepted_by: Option<Actor>,
}

impl Texts {
    fn parse(&self) -> Result<Parts, String> {
        let state = [PinState::Accepted, PinState::Quarantined]
            .into_iter()
            .find(|state| state.as_str() == self.state)
            .ok_or_else(|| format!("unknown state {:?}", self.state))?;
        let class = self.class.as_deref().map(str::parse::<Class>).transpose();
        let risk = self.risk.as_deref().map(str::parse::<Risk>).transpose();
        let accepted_by = self.accepted_by.as_deref().map(Actor::parse).transpose();
        Ok(Parts {
            state,
            class: class.map_err(|error| error.to_string())?,
            risk: risk.map_err(|error| error.to_string())?,
            accepted_by: accepted_by.map_err(|error| error.to_string())?,
        })
    }
}
