//! Verification of the audit log: finds any altered, missing, reordered or cut-off row or head.
//!
//! What never lives here: repairing anything.

use std::sync::Arc;

use rusqlite::{Connection, Row, Statement};
use thiserror::Error;

use super::chain::{
    ANCHOR_FILE, Anchor, Head, HeadFault, RowKind, Texts, is_type_fault, read_head, row_hash,
};
use crate::deed::{self, DEEDS_ANCHOR_FILE, DeedsFault};
use crate::error::{ReadError, Unavailable};
use crate::seal::Keys;
use crate::store::Store;

/// An intact log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyReport {
    /// Rows walked: openings, outcomes, and rows that say both.
    pub rows: u64,
    /// Decisions and rejected messages among them.
    pub openings: u64,
    /// Openings that a crash left without an outcome, or whose calls still run.
    pub open: u64,
    /// Deeds, which have a chain of their own.
    pub deeds: u64,
}

/// How far a verification is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifyProgress {
    /// Rows walked.
    pub rows: u64,
    /// Rows that the head says there are.
    pub rows_total: u64,
}

/// The first row that is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{log} row {seq}: {why}")]
pub struct BadRow {
    /// Of which log: `audit`, or `deeds`.
    pub log: &'static str,
    /// Its position; for a missing or cut-off row the position where it should stand.
    pub seq: i64,
    /// What is wrong.
    pub why: String,
}

/// The log is not intact, or could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// Something was altered.
    #[error(transparent)]
    Broken(#[from] BadRow),
    /// The database did not answer.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<Unavailable> for VerifyError {
    fn from(error: Unavailable) -> VerifyError {
        VerifyError::Read(ReadError::Unavailable(error))
    }
}

impl From<DeedsFault> for VerifyError {
    fn from(fault: DeedsFault) -> VerifyError {
        match fault {
            DeedsFault::Bad(bad) => VerifyError::Broken(bad),
            DeedsFault::Unavailable(unavailable) => unavailable.into(),
        }
    }
}

impl From<rusqlite::Error> for VerifyError {
    fn from(error: rusqlite::Error) -> VerifyError {
        VerifyError::Read(error.into())
    }
}

impl Store {
    /// Walks the whole log and all deeds, in bounded memory, and says so now and then.
    pub async fn verify_audit(
        &self,
        progress: impl FnMut(VerifyProgress) + Send + 'static,
    ) -> Result<VerifyReport, VerifyError> {
        self.flush().await;
        let core = Arc::clone(self.core());
        let anchor = self.data_dir().join(ANCHOR_FILE);
        let deeds_anchor = self.data_dir().join(DEEDS_ANCHOR_FILE);
        self.read(move |connection| {
            // The anchor is read before the database is: it never runs ahead of what is committed,
            // so a database seen later must hold what it remembers.
            let anchor = Anchor::read(&anchor, &core.keys);
            let remembered = deed::Remembered::read(&deeds_anchor, &core.keys);
            let report = verify(connection, &core.keys, anchor, progress)?;
            let deeds = deed::verify(connection, &core.keys, remembered)?;
            Ok(VerifyReport { deeds, ..report })
        })
        .await
    }
}

/// How many rows lie between two reports of progress.
const PROGRESS_ROWS: u64 = 10_000;

fn bad(seq: i64, why: impl Into<String>) -> VerifyError {
    VerifyError::Broken(BadRow { log: "audit", seq, why: why.into() })
}

fn verify(
    connection: &Connection,
    keys: &Keys,
    anchor: Option<Anchor>,
    mut progress: impl FnMut(VerifyProgress),
) -> Result<VerifyReport, VerifyError> {
    let (head, fault) = match read_head(connection, keys) {
        Ok(head) => (Some(head), None),
        Err(HeadFault::Missing) => (None, Some("the head of the log is missing")),
        Err(HeadFault::Unsigned) => (None, Some("the head of the log was altered")),
        Err(HeadFault::Unavailable(unavailable)) => return Err(unavailable.into()),
    };
    let total = head.map_or(0, |head| u64::try_from(head.seq).unwrap_or_default());
    let mut openings = connection.prepare(OPENINGS)?;
    let mut outcomes = connection.prepare(OUTCOMES)?;
    let mut merge = Merge {
        openings: openings.query([])?,
        outcomes: outcomes.query([])?,
        outcome: connection.prepare(OUTCOME)?,
        opening_ahead: None,
        outcome_ahead: None,
    };
    let mut walk = Head::EMPTY;
    let mut ended: u64 = 0;
    let mut leaving: u64 = 0;
    while let Some(row) = merge.next(walk.seq.saturating_add(1))? {
        if head.is_some_and(|head| row.seq > head.seq) {
            return Err(bad(row.seq, "stands behind the end of the log"));
        }
        let kind = row.kind;
        let content = row.check(&mut walk)?;
        if anchor.is_some_and(|anchor| anchor.seq == walk.seq && anchor.hash != walk.hash) {
            return Err(bad(walk.seq, format!("is not the row that {ANCHOR_FILE} remembers")));
        }
        match kind {
            RowKind::Outcome(_) => ended += 1,
            RowKind::Opening => {
                leaving += u64::from(leaves(&content.record));
                ended += u64::from(!content.outcome.is_empty());
            }
        }
        let walked = u64::try_from(walk.seq).unwrap_or_default();
        if walked.is_multiple_of(PROGRESS_ROWS) {
            progress(VerifyProgress { rows: walked, rows_total: total });
        }
    }
    let end = walk.seq.saturating_add(1);
    check_end(&walk, head.ok_or_else(|| bad(end, fault.unwrap_or_default()))?)?;
    let anchor =
        anchor.ok_or_else(|| bad(end, format!("{ANCHOR_FILE} is missing or was altered")))?;
    if anchor.seq > walk.seq {
        let why = format!("was cut off: {ANCHOR_FILE} remembers row {}", anchor.seq);
        return Err(bad(end, why));
    }
    progress(VerifyProgress { rows: total, rows_total: total });
    Ok(VerifyReport {
        rows: total,
        openings: u64::try_from(walk.openings).unwrap_or_default(),
        open: leaving.saturating_sub(ended),
        deeds: 0,
    })
}

/// Whether an opening record is one that an outcome follows. Arguments may hold the same words, so
/// only the record's own member counts.
fn leaves(record: &str) -> bool {
    #[derive(serde::Deserialize)]
    struct Own {
        leaves: Option<u8>,
    }
    record.contains("\"leaves\":1")
        && serde_json::from_str::<Own>(record).is_ok_and(|own| own.leaves == Some(1))
}

/// The walk must end exactly where the signed head says.
fn check_end(walk: &Head, head: Head) -> Result<(), VerifyError> {
    let end = walk.seq.saturating_add(1);
    if walk.seq < head.seq {
        return Err(bad(end, format!("is missing: the log goes up to row {}", head.seq)));
    }
    // What the head says of the clock cannot be walked out of the rows; its signature covers it.
    let same = walk.hash == head.hash && walk.openings == head.openings && walk.at == head.at;
    if same { Ok(()) } else { Err(bad(walk.seq, "does not agree with the head of the log")) }
}

/// A row as it stands.
struct WalkedRow {
    seq: i64,
    kind: RowKind,
    /// `None`: some column is of another type than was written.
    content: Option<Content>,
}

struct Content {
    at: i64,
    record: String,
    /// Empty where no outcome stands in the row.
    outcome: String,
    hash: [u8; 32],
}

impl WalkedRow {
    /// Checks the row against the one before it, and takes it up.
    fn check(self, walk: &mut Head) -> Result<Content, VerifyError> {
        let altered = || bad(self.seq, "was altered");
        let content = self.content.ok_or_else(altered)?;
        let texts = Texts { record: &content.record, outcome: &content.outcome };
        let hash = row_hash(&walk.hash, self.seq, self.kind, content.at, texts);
        if hash != content.hash || content.at < walk.at {
            return Err(altered());
        }
        walk.seq = self.seq;
        walk.at = content.at;
        walk.hash = hash;
        if self.kind == RowKind::Opening {
            walk.openings = walk.openings.saturating_add(1);
        }
        Ok(content)
    }
}

const OPENINGS: &str = "SELECT seq, at, record, hash, outcome FROM audit ORDER BY seq";
/// Sorted by position first, as pairs of numbers, by the database and on its disk.
const OUTCOMES: &str = "SELECT seq, opening FROM audit_outcome ORDER BY seq";
const OUTCOME: &str = "SELECT seq, at, record, hash, '' FROM audit_outcome WHERE opening = ?1";

/// Both tables in the order in which their rows were written.
struct Merge<'s> {
    openings: rusqlite::Rows<'s>,
    outcomes: rusqlite::Rows<'s>,
    outcome: Statement<'s>,
    opening_ahead: Option<WalkedRow>,
    outcome_ahead: Option<(i64, i64)>,
}

impl Merge<'_> {
    /// The row at `expected`; `None` at the end of both tables.
    fn next(&mut self, expected: i64) -> Result<Option<WalkedRow>, VerifyError> {
        if self.opening_ahead.is_none()
            && let Some(row) = self.openings.next()?
        {
            self.opening_ahead = Some(read_row(row, RowKind::Opening, expected)?);
        }
        if self.outcome_ahead.is_none()
            && let Some(row) = self.outcomes.next()?
        {
            self.outcome_ahead = Some((typed(row.get(0), expected)?, typed(row.get(1), expected)?));
        }
        let nearest = match (&self.opening_ahead, self.outcome_ahead) {
            (None, None) => return Ok(None),
            (Some(opening), None) => opening.seq,
            (None, Some((seq, _))) => seq,
            (Some(opening), Some((seq, _))) => opening.seq.min(seq),
        };
        if nearest > expected {
            return Err(bad(expected, "is missing"));
        }
        if nearest < expected {
            return Err(bad(nearest, "stands twice, or where none may stand"));
        }
        if self.opening_ahead.as_ref().is_some_and(|opening| opening.seq == expected) {
            return Ok(self.opening_ahead.take());
        }
        let Some((_, opening)) = self.outcome_ahead.take() else { return Ok(None) };
        let mut rows = self.outcome.query([opening])?;
        match rows.next()? {
            Some(row) => Ok(Some(read_row(row, RowKind::Outcome(opening), expected)?)),
            None => Err(bad(expected, "is missing")),
        }
    }
}

fn read_row(row: &Row<'_>, kind: RowKind, expected: i64) -> Result<WalkedRow, VerifyError> {
    let content = || -> Result<Content, rusqlite::Error> {
        Ok(Content {
            at: row.get(1)?,
            record: row.get(2)?,
            outcome: row.get(4)?,
            hash: row.get(3)?,
        })
    };
    let content = match content() {
        Ok(content) => Some(content),
        Err(error) if is_type_fault(&error) => None,
        Err(error) => return Err(error.into()),
    };
    Ok(WalkedRow { seq: typed(row.get(0), expected)?, kind, content })
}

/// A position of another type than was written is an altered one.
fn typed<T>(column: Result<T, rusqlite::Error>, expected: i64) -> Result<T, VerifyError> {
    column.map_err(
        |error| {
            if is_type_fault(&error) { bad(expected, "was altered") } else { error.into() }
        },
    )
}
