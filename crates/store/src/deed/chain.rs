//! The chain of deeds: each row's hash covers the row before it, the signed head covers the last
//! row, and an anchor file outside the database remembers a head. Several processes write deeds (the
//! running gateway, and commands), so the head is read anew in each transaction.
//!
//! What never lives here: which deeds there are.

use std::cell::OnceCell;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use crate::audit::BadRow;
use crate::error::Unavailable;
use crate::seal::Keys;

/// The file beside the database that remembers a head of the deeds, so that deeds that are cut off
/// together with their head are missed.
pub(crate) const DEEDS_ANCHOR_FILE: &str = "deeds.anchor";
/// Bytes of the anchor file: seq, hash, signature.
const ANCHOR_BYTES: usize = 8 + 32 + 32;
/// What the log of deeds is called in a report.
const LOG: &str = "deeds";

/// What a row says, beside its position and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row<'a> {
    pub(crate) actor: &'a str,
    pub(crate) from: &'a str,
    pub(crate) deed: &'a str,
    pub(crate) object: &'a str,
    pub(crate) detail: &'a str,
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Head {
    seq: i64,
    at: i64,
    hash: [u8; 32],
}

impl Head {
    const EMPTY: Head = Head { seq: 0, at: i64::MIN, hash: [0; 32] };

    fn message(&self) -> Vec<u8> {
        let mut message = b"deeds head".to_vec();
        message.extend(self.seq.to_be_bytes());
        message.extend(self.at.to_be_bytes());
        message.extend(self.hash);
        message
    }
}

/// SHA-256 over the hash before, the position, the time, and each text behind its length.
fn row_hash(previous: &[u8; 32], seq: i64, at: i64, row: &Row<'_>) -> [u8; 32] {
    let mut sha = Sha256::new();
    sha.update(previous);
    sha.update(seq.to_be_bytes());
    sha.update(at.to_be_bytes());
    for text in [row.actor, row.from, row.deed, row.object, row.detail] {
        sha.update(u64::try_from(text.len()).unwrap_or_default().to_be_bytes());
        sha.update(text.as_bytes());
    }
    sha.finalize().into()
}

/// Why there is no trustworthy head.
enum Fault {
    Altered,
    Unavailable(Unavailable),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Fault {
        if is_altered(&error) { Fault::Altered } else { Fault::Unavailable(error.into()) }
    }
}

/// Whether a column holds another type than was ever written to it.
fn is_altered(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// The head; that of an empty log where there is none and no deed either.
fn read_head(connection: &Connection, keys: &Keys) -> Result<Head, Fault> {
    let sql = "SELECT seq, at, hash, mac FROM deeds_head WHERE id = 1";
    let found = connection
        .prepare_cached(sql)?
        .query_row([], |row| {
            let head = Head { seq: row.get(0)?, at: row.get(1)?, hash: row.get(2)? };
            Ok((head, row.get::<_, Vec<u8>>(3)?))
        })
        .optional()?;
    let Some((head, mac)) = found else {
        let any = connection.prepare_cached("SELECT 1 FROM deeds LIMIT 1")?.exists([])?;
        return if any { Err(Fault::Altered) } else { Ok(Head::EMPTY) };
    };
    if keys.is_signed(&head.message(), &mac) { Ok(head) } else { Err(Fault::Altered) }
}

const INSERT: &str = "INSERT INTO deeds (seq, at, actor, came_from, deed, object, detail, hash)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const WRITE_HEAD: &str =
    "INSERT INTO deeds_head (id, seq, at, hash, mac) VALUES (1, ?1, ?2, ?3, ?4)
    ON CONFLICT (id) DO UPDATE SET seq = ?1, at = ?2, hash = ?3, mac = ?4";

/// Adds a row. Where the chain has no trustworthy end nothing is added, and so nothing is changed.
/// Times never go back, whatever the clock does.
pub(super) fn append(
    connection: &Connection,
    keys: &Keys,
    at: i64,
    row: &Row<'_>,
) -> Result<(), Unavailable> {
    let head = read_head(connection, keys).map_err(|fault| match fault {
        Fault::Altered => Unavailable { why: "the head of the deeds was altered".into() },
        Fault::Unavailable(unavailable) => unavailable,
    })?;
    let (seq, at) = (head.seq.saturating_add(1), at.max(head.at));
    let hash = row_hash(&head.hash, seq, at, row);
    connection.prepare_cached(INSERT)?.execute((
        seq,
        at,
        row.actor,
        row.from,
        row.deed,
        row.object,
        row.detail,
        hash.as_slice(),
    ))?;
    let head = Head { seq, at, hash };
    let mac = keys.sign(&head.message());
    connection.prepare_cached(WRITE_HEAD)?.execute((seq, at, hash.as_slice(), mac.as_slice()))?;
    Ok(())
}

/// A head that the anchor file remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    seq: i64,
    hash: [u8; 32],
}

fn anchor_message(seq: i64, hash: &[u8; 32]) -> Vec<u8> {
    let mut message = b"deeds anchor".to_vec();
    message.extend(seq.to_be_bytes());
    message.extend(hash);
    message
}

impl Remembered {
    /// Reads the anchor file; `None` if it is missing, cut off or not signed with this key. Whoever
    /// compares reads it before the database, which it never runs ahead of.
    pub(crate) fn read(path: &Path, keys: &Keys) -> Option<Remembered> {
        let file = File::open(path).ok()?;
        let mut bytes = [0; ANCHOR_BYTES];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, mac) = rest.split_first_chunk::<32>()?;
        let seq = i64::from_be_bytes(*seq);
        let signed = keys.is_signed(&anchor_message(seq, hash), mac);
        signed.then_some(Remembered { seq, hash: *hash })
    }

    /// Writes it in place: one write below the size of a sector.
    fn write(self, file: &File, keys: &Keys) -> io::Result<()> {
        let mut bytes = self.seq.to_be_bytes().to_vec();
        bytes.extend(self.hash);
        bytes.extend(keys.sign(&anchor_message(self.seq, &self.hash)));
        file.write_all_at(&bytes, 0)
    }

    fn is_held_by(self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        if self.seq == 0 {
            return Ok(true);
        }
        let sql = "SELECT hash FROM deeds WHERE seq = ?1";
        let found: Option<Vec<u8>> =
            connection.query_row(sql, [self.seq], |row| row.get(0)).optional()?;
        Ok(found.is_some_and(|hash| hash == self.hash))
    }
}

/// The anchor file of a writer, opened with its first deed. Frozen where the deeds do not hold what it
/// remembers: the evidence stays.
#[derive(Debug)]
pub(crate) struct DeedsAnchor {
    path: PathBuf,
    /// Tried once; none where it is frozen.
    file: OnceCell<Option<File>>,
    seq: i64,
}

impl DeedsAnchor {
    /// The anchor file at a path.
    pub(crate) fn at(path: PathBuf) -> DeedsAnchor {
        DeedsAnchor { path, file: OnceCell::new(), seq: 0 }
    }

    /// Opens the file for writing, if the deeds hold what it remembers.
    fn open(path: &Path, connection: &Connection, keys: &Keys) -> Option<File> {
        let remembered = Remembered::read(path, keys)
            .filter(|known| known.is_held_by(connection).unwrap_or(false));
        let file = OpenOptions::new().write(true).mode(0o600).open(path).ok();
        let file = file.filter(|_| remembered.is_some());
        if file.is_none() {
            tracing::error!(
                "the deeds are not those that {DEEDS_ANCHOR_FILE} remembers: verify them"
            );
        }
        file
    }

    /// Takes the end of the deeds down after a commit that may have moved it. The file may be older
    /// than the deeds (another process was between its commit and this), never newer.
    pub(crate) fn remember(&mut self, connection: &Connection, keys: &Keys) {
        let open = || DeedsAnchor::open(&self.path, connection, keys);
        let Some(file) = self.file.get_or_init(open) else { return };
        let Ok(head) = read_head(connection, keys) else { return };
        if head.seq == self.seq {
            return;
        }
        match (Remembered { seq: head.seq, hash: head.hash }).write(file, keys) {
            Ok(()) => self.seq = head.seq,
            Err(error) => tracing::error!(%error, "{DEEDS_ANCHOR_FILE} cannot be written"),
        }
    }
}

/// Makes the anchor file while there are no deeds, if it is not there.
pub(crate) fn ensure_anchor(
    connection: &Connection,
    keys: &Keys,
    path: &Path,
) -> Result<(), Unavailable> {
    let is_empty = read_head(connection, keys).is_ok_and(|head| head.seq == 0);
    if !is_empty || path.exists() {
        return Ok(());
    }
    // Whole or not at all.
    let draft = path.with_extension("new");
    let make = || -> io::Result<()> {
        let mut options = OpenOptions::new();
        let file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        Remembered { seq: 0, hash: [0; 32] }.write(&file, keys)?;
        file.sync_all()?;
        std::fs::rename(&draft, path)
    };
    make().map_err(|error| Unavailable { why: error.to_string() })
}

/// Why the deeds are not as they were written, or could not be read.
pub(crate) enum DeedsFault {
    Bad(BadRow),
    Unavailable(Unavailable),
}

impl From<rusqlite::Error> for DeedsFault {
    fn from(error: rusqlite::Error) -> DeedsFault {
        DeedsFault::Unavailable(error.into())
    }
}

fn bad(seq: i64, why: impl Into<String>) -> DeedsFault {
    DeedsFault::Bad(BadRow { log: LOG, seq, why: why.into() })
}

/// Walks all deeds against their head and what the anchor remembers, in bounded memory; how many there
/// are. `connection` is within a transaction: others may write meanwhile.
pub(crate) fn verify(
    connection: &Connection,
    keys: &Keys,
    remembered: Option<Remembered>,
) -> Result<u64, DeedsFault> {
    let head = match read_head(connection, keys) {
        Ok(head) => head,
        Err(Fault::Altered) => return Err(bad(1, "the head of the deeds was altered")),
        Err(Fault::Unavailable(unavailable)) => return Err(DeedsFault::Unavailable(unavailable)),
    };
    let mut statement = connection.prepare(
        "SELECT seq, at, actor, came_from, deed, object, detail, hash FROM deeds ORDER BY seq",
    )?;
    let mut rows = statement.query([])?;
    let mut walk = Head::EMPTY;
    while let Some(row) = rows.next()? {
        let expected = walk.seq.saturating_add(1);
        let next = check(row, &walk).map_err(|error| {
            if is_altered(&error) { bad(expected, "was altered") } else { error.into() }
        })?;
        walk = next.map_err(|why| bad(expected, why))?;
        if remembered.is_some_and(|known| known.seq == walk.seq && known.hash != walk.hash) {
            return Err(bad(
                walk.seq,
                format!("is not the row that {DEEDS_ANCHOR_FILE} remembers"),
            ));
        }
    }
    let end = walk.seq.saturating_add(1);
    if walk.seq < head.seq {
        return Err(bad(end, format!("is missing: the deeds go up to row {}", head.seq)));
    }
    if walk != head {
        return Err(bad(walk.seq, "does not agree with the head of the deeds"));
    }
    match remembered {
        None => Err(bad(end, format!("{DEEDS_ANCHOR_FILE} is missing or was altered"))),
        Some(known) if known.seq > walk.seq => {
            Err(bad(end, format!("was cut off: {DEEDS_ANCHOR_FILE} remembers row {}", known.seq)))
        }
        Some(_) => Ok(u64::try_from(walk.seq).unwrap_or_default()),
    }
}

/// The chain with one more row, or what is wrong with the row.
fn check(
    row: &rusqlite::Row<'_>,
    walk: &Head,
) -> Result<Result<Head, &'static str>, rusqlite::Error> {
    let seq: i64 = row.get(0)?;
    let expected = walk.seq.saturating_add(1);
    if seq != expected {
        return Ok(Err(if seq > expected { "is missing" } else { "stands where none may stand" }));
    }
    let at: i64 = row.get(1)?;
    let texts: [String; 5] = [row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
    let [actor, from, deed, object, detail] = &texts;
    let hash = row_hash(&walk.hash, seq, at, &Row { actor, from, deed, object, detail });
    let stored: Vec<u8> = row.get(7)?;
    if hash != *stored || at < walk.at {
        return Ok(Err("was altered"));
    }
    Ok(Ok(Head { seq, at, hash }))
}
