//! The chain: each row's hash covers the row before it, the signed head covers the last row, and an
//! anchor file outside the database remembers the last head.
//!
//! What never lives here: when rows are written, what they say.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use crate::error::Unavailable;
use crate::seal::Keys;

/// The file beside the database that remembers the newest head. It makes a log visible that was cut
/// back together with its head: the older head is genuine, but the anchor knows a later one.
pub(crate) const ANCHOR_FILE: &str = "audit.anchor";
/// Bytes of the anchor file: seq, hash, signature.
const ANCHOR_BYTES: usize = 8 + 32 + 32;

/// Which of the two tables a row stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowKind {
    /// `audit`.
    Opening,
    /// `audit_outcome`, with the seq of its opening.
    Outcome(i64),
}

/// Where the chain ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The last row's position; 0 for an empty log. Openings and outcomes count on together.
    pub(crate) seq: i64,
    /// How many of the rows are openings.
    pub(crate) openings: i64,
    /// The highest time of any row, in Unix milliseconds; it never goes back.
    pub(crate) at: i64,
    /// By how much a row's true time ever lay behind `at`, in milliseconds: queries by time allow
    /// for it.
    pub(crate) clock_back_ms: i64,
    /// The last row's hash.
    pub(crate) hash: [u8; 32],
}

impl Head {
    /// The head of an empty log.
    pub(crate) const EMPTY: Head =
        Head { seq: 0, openings: 0, at: i64::MIN, clock_back_ms: 0, hash: [0; 32] };

    /// Takes one more row up and returns its time column; its hash is `self.hash` then.
    pub(crate) fn append(&mut self, kind: RowKind, time: i64, texts: Texts<'_>) -> i64 {
        self.at = self.at.max(time);
        self.clock_back_ms = self.clock_back_ms.max(self.at.saturating_sub(time));
        self.seq = self.seq.saturating_add(1);
        if kind == RowKind::Opening {
            self.openings = self.openings.saturating_add(1);
        }
        self.hash = row_hash(&self.hash, self.seq, kind, self.at, texts);
        self.at
    }

    fn message(&self) -> [u8; 64] {
        let mut message = [0; 64];
        let numbers = [self.seq, self.openings, self.at, self.clock_back_ms];
        for (place, number) in message.chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_be_bytes());
        }
        if let Some(place) = message.last_chunk_mut::<32>() {
            *place = self.hash;
        }
        message
    }
}

/// What a row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Texts<'a> {
    /// The record of the opening, or of the outcome.
    pub(crate) record: &'a str,
    /// The outcome that stands in the row of its opening; empty where none does.
    pub(crate) outcome: &'a str,
}

/// The hash of a row: SHA-256 over the hash before it, its position, its opening, its time, what
/// kind of row it is, and its record; where an outcome stands in the row, the length of the record
/// and the outcome come on top. All but the last text have lengths that are known from what stands
/// before, so no two rows have one input.
pub(crate) fn row_hash(
    previous: &[u8; 32],
    seq: i64,
    kind: RowKind,
    at: i64,
    texts: Texts<'_>,
) -> [u8; 32] {
    let mut fixed = [0; 57];
    let is_whole = !texts.outcome.is_empty();
    let (tag, opening) = match kind {
        RowKind::Opening => (if is_whole { 2_u8 } else { 0 }, seq),
        RowKind::Outcome(opening) => (1, opening),
    };
    if let Some(place) = fixed.first_chunk_mut::<32>() {
        *place = *previous;
    }
    let numbers = [seq, opening, at];
    for (place, number) in
        fixed.iter_mut().skip(32).zip(numbers.iter().flat_map(|n| n.to_be_bytes()))
    {
        *place = number;
    }
    if let Some(place) = fixed.last_mut() {
        *place = tag;
    }
    let mut sha = Sha256::new();
    sha.update(fixed);
    if is_whole {
        sha.update(u64::try_from(texts.record.len()).unwrap_or_default().to_be_bytes());
    }
    sha.update(texts.record.as_bytes());
    sha.update(texts.outcome.as_bytes());
    sha.finalize().into()
}

const READ_HEAD: &str =
    "SELECT seq, openings, at, clock_back_ms, hash, mac FROM audit_head WHERE id = 1";
const WRITE_HEAD: &str = "INSERT INTO audit_head (id, seq, openings, at, clock_back_ms, hash, mac)
    VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (id) DO UPDATE SET seq = ?1, openings = ?2, at = ?3, clock_back_ms = ?4,
        hash = ?5, mac = ?6";

/// Why there is no trustworthy head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// The row is gone.
    Missing,
    /// The row does not bear this key's signature.
    Unsigned,
    /// The database did not answer.
    Unavailable(Unavailable),
}

impl From<rusqlite::Error> for HeadFault {
    fn from(error: rusqlite::Error) -> HeadFault {
        // A column of another type is an altered column.
        if is_type_fault(&error) {
            HeadFault::Unsigned
        } else {
            HeadFault::Unavailable(error.into())
        }
    }
}

/// Whether a column holds another type than was ever written to it.
pub(super) fn is_type_fault(error: &rusqlite::Error) -> bool {
    matches!(
        error,
        rusqlite::Error::InvalidColumnType(..)
            | rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..)
    )
}

/// Reads the head and checks its signature.
pub(crate) fn read_head(connection: &Connection, keys: &Keys) -> Result<Head, HeadFault> {
    let mut statement = connection.prepare_cached(READ_HEAD)?;
    let found = statement
        .query_row([], |row| {
            let head = Head {
                seq: row.get(0)?,
                openings: row.get(1)?,
                at: row.get(2)?,
                clock_back_ms: row.get(3)?,
                hash: row.get(4)?,
            };
            Ok((head, row.get::<_, Vec<u8>>(5)?))
        })
        .optional()?;
    let (head, mac) = found.ok_or(HeadFault::Missing)?;
    if keys.is_signed(&head.message(), &mac) { Ok(head) } else { Err(HeadFault::Unsigned) }
}

/// Writes the head, signed.
pub(crate) fn write_head(
    connection: &Connection,
    keys: &Keys,
    head: &Head,
) -> Result<(), rusqlite::Error> {
    let mut statement = connection.prepare_cached(WRITE_HEAD)?;
    let mac = keys.sign(&head.message());
    statement.execute((
        head.seq,
        head.openings,
        head.at,
        head.clock_back_ms,
        head.hash.as_slice(),
        mac.as_slice(),
    ))?;
    Ok(())
}

/// What the anchor file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Anchor {
    /// The position of a row that was committed.
    pub(crate) seq: i64,
    /// Its hash.
    pub(crate) hash: [u8; 32],
}

fn anchor_message(seq: i64, hash: &[u8; 32]) -> [u8; 46] {
    let mut message = [0; 46];
    let parts = b"anchor".iter().copied().chain(seq.to_be_bytes()).chain(*hash);
    for (place, byte) in message.iter_mut().zip(parts) {
        *place = byte;
    }
    message
}

impl Anchor {
    /// Reads the anchor file; `None` if it is missing, cut off or not signed with this key.
    pub(crate) fn read(path: &Path, keys: &Keys) -> Option<Anchor> {
        let file = File::open(path).ok()?;
        let mut bytes = [0; ANCHOR_BYTES];
        file.read_exact_at(&mut bytes, 0).ok()?;
        let (seq, rest) = bytes.split_first_chunk::<8>()?;
        let (hash, mac) = rest.split_first_chunk::<32>()?;
        let seq = i64::from_be_bytes(*seq);
        keys.is_signed(&anchor_message(seq, hash), mac).then_some(Anchor { seq, hash: *hash })
    }

    /// Whether the database still holds the row that the anchor remembers.
    pub(crate) fn is_held_by(&self, connection: &Connection) -> Result<bool, rusqlite::Error> {
        if self.seq == 0 {
            return Ok(true);
        }
        Ok(hash_at(connection, self.seq)?.is_some_and(|hash| hash == self.hash))
    }

    /// Writes the anchor in place: one write below the size of a sector, after the commit that it
    /// speaks of. It is not synced; after a power loss it may be older than the log, never newer.
    pub(crate) fn write(file: &File, head: &Head, keys: &Keys) -> io::Result<()> {
        let mac = keys.sign(&anchor_message(head.seq, &head.hash));
        let mut bytes = [0; ANCHOR_BYTES];
        let parts = head.seq.to_be_bytes().into_iter().chain(head.hash).chain(mac);
        for (place, byte) in bytes.iter_mut().zip(parts) {
            *place = byte;
        }
        file.write_all_at(&bytes, 0)
    }
}

/// The hash of the row at a position, in whichever table it stands.
fn hash_at(connection: &Connection, seq: i64) -> Result<Option<[u8; 32]>, rusqlite::Error> {
    let opening = "SELECT hash FROM audit WHERE seq = ?1";
    if let Some(hash) = connection.query_row(opening, [seq], |row| row.get(0)).optional()? {
        return Ok(Some(hash));
    }
    // An outcome stands under its opening, which is earlier; this walks only at start and in a
    // verification, and mostly the end of the table.
    let outcome = "SELECT hash FROM audit_outcome WHERE seq = ?1 ORDER BY opening DESC LIMIT 1";
    connection.query_row(outcome, [seq], |row| row.get(0)).optional()
}
