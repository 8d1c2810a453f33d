//! The audit log: what is written of a decision, the chain that binds the rows, and reading them.
//!
//! What never lives here: deciding, redaction (callers hand in what may be written).

mod query;
mod record;
mod verify;

pub use query::{
    AUDIT_PAGE_ROWS_MAX, AuditCursor, AuditEntry, AuditFilter, AuditOrder, AuditPage, CursorError,
};
pub use record::{AuditGrant, AuditKind, AuditOpen, AuditOutcome};
pub use verify::{BadRow, VerifyError, VerifyProgress, VerifyReport};
