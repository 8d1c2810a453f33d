//! Data plane: listeners, authentication, pipeline, upstream clients.
//!
//! [`Gateway`] is what the binary builds and serves. A message goes through the stops of
//! `ARCHITECTURE.md` in their order: `entry` admits and authenticates, `pipeline` decodes, judges,
//! records and sends. No HTML, no administration, no SQL.

pub mod address;
mod admission;
mod alarm;
mod answer;
mod arrival;
mod bearer;
mod body;
mod config;
mod desk;
mod diary;
mod entry;
mod gateway;
mod held_tasks;
pub mod listener;
mod listing;
mod metrics;
mod observer;
mod pipeline;
mod plane;
mod rarely;
mod redaction;
mod seats;
mod serve;
mod sessions;
mod slow_reader;
mod snapshot;
mod task_owners;
mod tools;
pub mod upstream;
pub mod variable;

pub use admission::BODY_BYTES_MAX;
pub use arrival::Arrival;
pub use config::{
    AuditValues, Classification, Classifier, Clock, GatewayConfig, HoldWaits, Randomness,
};
pub use diary::{
    DIARY_BYTES_MAX, DIARY_LINES_MAX, DIARY_STATES_MAX, DiaryKind, DiaryLine, DiaryPage, DiaryState,
};
pub use gateway::{Gateway, ServeError, ServerStatus, Status};
pub use listing::{Inspection, ListingError};
pub use observer::{
    CallEnd, CallObserver, FinishedCall, NAME_CHARS_MAX, OTHER_METHOD, TRACE_PARENT_BYTES_MAX,
};
pub use pipeline::permit;
pub use pipeline::permit::Permit;
pub use redaction::redacted_arguments;
pub use upstream::{Post, PostError, PostTarget};
