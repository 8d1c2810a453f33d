//! Servers, pins, policies, grants, approvals, counters, audit: the truth on disk.
//!
//! The store decides nothing and speaks no HTTP. Every change goes through one writer thread that
//! commits in groups; reads have connections of their own; the way of a call touches memory and a
//! queue, never SQL.

mod account;
mod admission;
mod api_token;
mod approval;
mod audit;
mod configuration;
mod connection;
mod data_dir;
mod deed;
mod delivery;
mod entropy;
mod error;
mod failpoint;
mod file_objects;
mod grant;
mod held_task;
mod idempotency;
mod name;
mod pin;
mod policy_draft;
mod policy_text;
mod reader;
mod schema;
mod seal;
mod secret;
mod server;
mod settings;
mod store;
mod sync;
mod token;
mod writer;

pub use account::{
    AccountError, Attempt, Credentials, EMAIL_BYTES_MAX, Email, LINK_MS_MAX, LINKS_MAX, LinkFor,
    LinkHandle, LinkRecord, NewLink, NewPerson, NewSession, PEOPLE_MAX, PasswordHash, PersonId,
    PersonRecord, SESSION_IDLE_MS_MAX, SESSION_MS_MAX, SESSIONS_OF_ONE_MAX, STEP_UP_MS_MAX,
    SessionHandle, SessionRecord, SetUpOffer, Standing, Subject, Visit,
};
pub use admission::{Admission, AdmitError, AdmitRequest, Admitted, CheckError};
pub use api_token::{ApiTokenRecord, Role as ApiRole};
pub use approval::{
    APPROVALS_PAGE_BYTES_MAX, APPROVALS_PAGE_ROWS_MAX, Answer, ApprovalFilter, ApprovalOrder,
    ApprovalPage, ApprovalShown, DecideError, Decision, Footing, FootingTag, HeldCall, Inbox,
    InboxPart, Opened, PolicyInForce, WaitingNow, state_word,
};
pub use audit::{
    AUDIT_PAGE_ROWS_MAX, AuditCounts, AuditCursor, AuditEntry, AuditFilter, AuditGrant, AuditKind,
    AuditOpen, AuditOrder, AuditOutcome, AuditPage, AuditTally, AuditWould, AuditWouldEntry,
    BadRow, CursorError, VerifyError, VerifyProgress, VerifyReport,
};
pub use configuration::Configuration;
pub use deed::{By, DEEDS_PAGE_ROWS_MAX, Deed, DeedFilter, DeedPage, DeedRecord};
pub use delivery::{
    Attempted, DELIVERIES_PAGE_ROWS_MAX, DELIVERIES_WAITING_MAX, Delivery, DeliveryFilter,
    DeliveryId, DeliveryState, NewDelivery, Occasion, Unannounced, sign_delivery,
};
pub use entropy::{Entropy, NoEntropy};
pub use error::{ReadError, Unavailable, WriteError};
pub use file_objects::{FileApiToken, FileGrant, FileObjects, FilePolicy};
pub use grant::{GrantRecord, NewGrant, PreviousToken, Rotation};
pub use held_task::{
    ENDED_RESULTS_BYTES_MAX, ENDED_TASKS_PER_GRANT_MAX, HeldTaskEnd, HeldTaskRecord, TaskOutcome,
};
pub use idempotency::{Claim, IDEMPOTENCY_MS_MAX, IDEMPOTENCY_ROWS_MAX};
pub use name::{
    Actor, GrantId, LABEL_BYTES_MAX, Label, NameError, OrganisationId, POLICY_NAME_BYTES_MAX,
    PolicyName, Revision, SERVER_SLUG_BYTES_MAX, ServerSlug,
};
pub use pin::{KeptOut, PinLine, PinRecord, PinState};
pub use policy_draft::{POLICY_DRAFT_BYTES_MAX, POLICY_DRAFTS_PER_PERSON_MAX, PolicyDraft};
pub use policy_text::{NewPolicy, PolicyMode, PolicyRecord, PolicyVersion};
pub use seal::UnsealError;
pub use secret::Secret;
pub use server::{FromServer, NewTools, ServerRecord, Timeouts, Transport};
pub use settings::{OwnCalls, Settings};
pub use store::{AuditMode, Health, OpenError, Role, Store, StoreConfig};
pub use token::{Token, TokenError, TokenHash};
pub use writer::GRANT_USE_LAG_MS;
