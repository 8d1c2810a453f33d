//! How refusals are worded: the rule's own message, or a sentence that names the rule.

use std::sync::Arc;

use crate::compile::DenyAll;
use crate::hint::shortened;
use crate::{Ask, Charge, Denial, Reason, SchemaFault};

/// Most characters of a name or pointer of a call that a message repeats.
const SHOWN_CHARS_MAX: usize = 100;

impl Denial {
    pub(super) fn of(reason: Reason, rule: Arc<str>, message: Option<&Arc<str>>) -> Self {
        let message = message.map_or_else(|| sentence(reason, &rule), ToString::to_string);
        Self { reason, rule, message, hint: None, retry_after_ms: None }
    }

    pub(super) fn not_listed(rule: Arc<str>, name: &str) -> Self {
        let name = shortened(name, SHOWN_CHARS_MAX);
        let message = format!("The policy does not list `{name}`, and {rule} is deny.");
        Self { reason: Reason::NotListed, rule, message, hint: None, retry_after_ms: None }
    }

    pub(super) fn odd_uri(rule: Arc<str>) -> Self {
        let message = format!("The URI can be read as more than one resource ({rule}).");
        let hint = Some(
            "write the URI without dot segments, backslashes and needless escapes, its scheme in \
             lower case"
                .to_owned(),
        );
        Self { reason: Reason::TypeMismatch, rule, message, hint, retry_after_ms: None }
    }

    pub(super) fn schema(rule: Arc<str>, fault: Option<&SchemaFault>) -> Self {
        let message = match fault {
            None => format!("The tool has no usable schema to check arguments against ({rule})."),
            Some(SchemaFault { pointer, message }) => {
                let pointer = shortened(pointer, SHOWN_CHARS_MAX);
                let place = match &*pointer {
                    "" => "The arguments do".to_owned(),
                    pointer => format!("The argument {pointer} does"),
                };
                format!("{place} not satisfy the tool's schema: {message} ({rule}).")
            }
        };
        Self { reason: Reason::SchemaInvalid, rule, message, hint: None, retry_after_ms: None }
    }

    pub(super) fn deny_all(reason: &DenyAll) -> Self {
        let (reason, message) = match reason {
            DenyAll::NoPolicy => (Reason::NoPolicy, "This grant has no policy."),
            // What is wrong with it is for the operator, not for the agent.
            DenyAll::Invalid(_) => {
                (Reason::PolicyInvalid, "This grant's policy cannot be used at the moment.")
            }
        };
        Self::bare(reason, message)
    }

    /// A refusal that comes from no rule of a policy, such as `quarantined` or `audit_unavailable`.
    pub fn bare(reason: Reason, message: &str) -> Self {
        Self {
            reason,
            rule: Arc::from(""),
            message: message.to_owned(),
            hint: None,
            retry_after_ms: None,
        }
    }

    /// The arguments are not one strict JSON object.
    pub fn malformed() -> Self {
        Self::bare(Reason::Malformed, "The arguments are not one well-formed JSON object.")
    }

    /// A limit that has no room (step 6). `retry_after_ms` as the counters say.
    pub fn limit_exceeded(charge: &Charge, retry_after_ms: Option<u64>) -> Self {
        let denial =
            Self::of(Reason::LimitExceeded, Arc::clone(&charge.rule), charge.message.as_ref());
        Self { retry_after_ms, ..denial }
    }

    /// The counters of a limited call cannot be reached (step 6). Name the call's first charge.
    pub fn store_unavailable(charge: &Charge) -> Self {
        Self::of(Reason::StoreUnavailable, Arc::clone(&charge.rule), charge.message.as_ref())
    }

    /// A person rejected exactly this call, and that is not over (POLICY section 7).
    pub fn approval_rejected(ask: &Ask, because: Option<&str>) -> Self {
        let message = match because {
            Some(because) => format!("Rejected by a person: {because}"),
            None => format!("Rejected by a person ({}).", ask.rule),
        };
        Self { rule: Arc::clone(&ask.rule), ..Self::bare(Reason::ApprovalRejected, &message) }
    }

    /// The grant has as many undecided requests as it may have (POLICY section 7).
    pub fn too_many_pending(ask: &Ask) -> Self {
        let message = format!(
            "{} asks a person, and too many requests of this grant wait for one already.",
            ask.rule
        );
        Self { rule: Arc::clone(&ask.rule), ..Self::bare(Reason::TooManyPending, &message) }
    }
}

/// What is said where the author wrote nothing.
pub(super) fn sentence(reason: Reason, rule: &str) -> String {
    match reason {
        Reason::Hidden => format!("Hidden by {rule}."),
        Reason::NotListed => format!("Not listed by the policy ({rule})."),
        Reason::ActionDeny => format!("Blocked by {rule}."),
        Reason::SchemaInvalid => format!("The arguments do not satisfy the schema ({rule})."),
        Reason::RequireFailed => format!("The requirement {rule} is not met."),
        Reason::DenyIfMatched => format!("The rule {rule} forbids this call."),
        Reason::TypeMismatch => {
            format!("The rule {rule} cannot be decided for these arguments, which denies them.")
        }
        Reason::StoreUnavailable => format!("The counter of {rule} cannot be reached."),
        Reason::LimitExceeded => format!("The limit {rule} has no room for this call."),
        Reason::ApprovalRequired => format!("The rule {rule} wants a person to approve this call."),
        Reason::ApprovalRejected => format!("A person rejected this call ({rule})."),
        Reason::TooManyPending => format!("Too many requests wait for a person ({rule})."),
        Reason::Quarantined => "The tool's definition waits for an administrator.".to_owned(),
        Reason::NoPolicy => "This grant has no policy.".to_owned(),
        Reason::AuditUnavailable => "The decision could not be recorded.".to_owned(),
        Reason::Malformed => "The arguments are not one well-formed JSON object.".to_owned(),
        Reason::PolicyInvalid => "The policy cannot be used.".to_owned(),
    }
}
