//! Policy document to compiled policy to verdict and trace; pure and total.
//!
//! Nothing in this crate reads a clock, a random source, a file, the network or the environment, and nothing
//! in it panics: time and facts are arguments, and what cannot be known is `Undefined`, which denies.

mod approval;
mod digest;
mod facts;
mod glob;
mod nearest;
mod number;
mod op;
mod path;
mod quota;
mod schema;
mod time;
mod truth;
mod uri;
mod value;

pub use approval::{
    ApprovalId, ApprovalIdError, ApprovalRecord, ApprovalState, Approver, Ask, AskRule,
    PENDING_PER_GRANT_MAX, Settled, approvers_met, settle,
};
pub use digest::{CallIdentity, Kind, Sha256Digest, call_digest, canonical_json, sha256};
pub use facts::{Class, ClientFacts, Facts, GrantFacts, Risk, ToolFacts};
pub use glob::Glob;
pub use number::{Decimal, Micro};
pub use op::{IfMissing, Op, OpError, OpErrorAt, Reading, amount, eval, observed};
pub use path::{Path, PathError, PathRoot, Section, Step};
pub use quota::{
    Algorithm, BUCKETS_MAX, BucketKey, BucketRow, Buckets, Cause, Charge, Exceeded, Receipt,
    RestoreError, Scope, ScopeIds, Window,
};
pub use schema::{Schema, SchemaError, SchemaFault, SchemaMode};
pub use time::{UnixMillis, UnixNanos};
pub use truth::Truth;
pub use uri::is_odd_uri;
pub use value::{BuildError, JsonError, JsonKind, Node, Value, ValueBuilder};
