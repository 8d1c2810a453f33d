//! Policy document to compiled policy to verdict and trace; pure and total.
//!
//! Nothing in this crate reads a clock, a random source, a file, the network or the environment, and nothing
//! in it panics: time and facts are arguments, and what cannot be known is `Undefined`, which denies.

mod approval;
mod canonical;
mod cases;
mod compile;
mod decide;
mod digest;
mod document;
pub mod edit;
mod facts;
mod glob;
mod hint;
mod json_schema;
mod lint;
mod nearest;
mod number;
mod op;
mod outlook;
mod parse;
mod path;
mod quota;
mod reason;
mod replay;
mod schema;
mod time;
mod trace;
mod truth;
mod uri;
mod value;

#[cfg(test)]
mod differential;

pub use approval::{
    ApprovalId, ApprovalIdError, ApprovalRecord, ApprovalState, Approver, Ask, AskRule,
    PENDING_PER_GRANT_MAX, Settled, approvers_met, settle,
};
pub use canonical::push_json_string;
pub use cases::{
    CaseFormatError, CaseReport, PolicyTest, TestFailure, ToolDefinition, run_case_line, run_cases,
    run_document_tests, run_document_tests_while,
};
pub use compile::{DenyAll, Policy};
pub use decide::{Call, Denial, Detail, Judgement, Obligations, Target, Verdict, decide, details};
pub use digest::{CallIdentity, Kind, Sha256Digest, call_digest, canonical_json, sha256};
pub use document::{DefaultAction, Document, Problem};
pub use facts::{Class, ClientFacts, Facts, GrantFacts, Risk, ToolFacts, counts_as};
pub use glob::Glob;
pub use json_schema::json_schema;
pub use lint::{Lint, lint};
pub use number::{Decimal, Micro};
pub use op::{IfMissing, Op, OpError, OpErrorAt, Reading, amount, eval, observed};
pub use outlook::{Outlook, OutlookPart, OutlookWord};
pub use path::{Path, PathError, PathRoot, Section, Step};
pub use quota::{
    Algorithm, BUCKETS_MAX, BucketKey, BucketRow, Buckets, Cause, Charge, Exceeded, Receipt,
    RestoreError, Scope, ScopeIds, Window,
};
pub use reason::{Reason, ReasonError};
pub use replay::{
    Doubt, Ended, Group, Opinion, REPORT_GROUPS_MAX, REPORT_IDS_MAX, RecordedCall, Replay,
    Replayed, Report, Returned, Start, Was, Word,
};
pub use schema::{Schema, SchemaError, SchemaFault, SchemaMode};
pub use time::{UnixMillis, UnixNanos};
pub use trace::{Outcome, Trace};
pub use truth::Truth;
pub use uri::is_odd_uri;
pub use value::{BuildError, JsonError, JsonKind, Node, Value, ValueBuilder};
