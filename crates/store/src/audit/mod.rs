//! The audit log: what is written of a decision, the chain that binds the rows, and reading them.
//!
//! What never lives here: deciding, redaction (callers hand in what may be written).

mod chain;
mod json;
mod query;
mod record;
mod tally;
mod verify;

pub(crate) use chain::{
    ANCHOR_FILE, Anchor, Head, HeadFault, RowKind, Texts, read_head, write_head,
};
pub(crate) use record::Leaves;

pub use query::{
    AUDIT_PAGE_ROWS_MAX, AuditCursor, AuditEntry, AuditFilter, AuditOrder, AuditPage,
    AuditWouldEntry, CursorError,
};
pub use record::{AuditGrant, AuditKind, AuditOpen, AuditOutcome, AuditWould};
pub use tally::{AuditCounts, AuditTally};
pub use verify::{BadRow, VerifyError, VerifyProgress, VerifyReport};
