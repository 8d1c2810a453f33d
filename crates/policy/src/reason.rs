//! The closed list of reasons for which a call does not go on, as the agent and the audit log read them.

use std::fmt;
use std::str::FromStr;

/// Why a call was denied or held (POLICY sections 1, 6, 7, 11; GATEWAY sections 5 and 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Step 1: to the agent the tool does not exist.
    Hidden,
    /// Step 2: no selector lists it and the default is deny.
    NotListed,
    /// Step 3: `action: "deny"`.
    ActionDeny,
    /// Step 4: the arguments do not satisfy the pinned schema.
    SchemaInvalid,
    /// Step 5: a `require` does not hold.
    RequireFailed,
    /// Step 5: a `deny_if` matches.
    DenyIfMatched,
    /// Something that a rule reads is undefined, or the URI is odd.
    TypeMismatch,
    /// Step 6: the counters cannot be reached.
    StoreUnavailable,
    /// Step 6: a limit has no room.
    LimitExceeded,
    /// Step 7: a person must approve this call.
    ApprovalRequired,
    /// A person rejected this call.
    ApprovalRejected,
    /// The grant has too many undecided requests.
    TooManyPending,
    /// The tool's definition changed and nobody accepted it.
    Quarantined,
    /// The grant has no policy.
    NoPolicy,
    /// The decision could not be recorded.
    AuditUnavailable,
    /// The arguments are not one strict JSON object.
    Malformed,
    /// The stored policy cannot be compiled.
    PolicyInvalid,
}

/// The text is none of the reason words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no reason")]
pub struct ReasonError(pub String);

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 17] = [
        Self::Hidden,
        Self::NotListed,
        Self::ActionDeny,
        Self::SchemaInvalid,
        Self::RequireFailed,
        Self::DenyIfMatched,
        Self::TypeMismatch,
        Self::StoreUnavailable,
        Self::LimitExceeded,
        Self::ApprovalRequired,
        Self::ApprovalRejected,
        Self::TooManyPending,
        Self::Quarantined,
        Self::NoPolicy,
        Self::AuditUnavailable,
        Self::Malformed,
        Self::PolicyInvalid,
    ];

    /// The word on the wire, in `snake_case`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hidden => "hidden",
            Self::NotListed => "not_listed",
            Self::ActionDeny => "action_deny",
            Self::SchemaInvalid => "schema_invalid",
            Self::RequireFailed => "require_failed",
            Self::DenyIfMatched => "deny_if_matched",
            Self::TypeMismatch => "type_mismatch",
            Self::StoreUnavailable => "store_unavailable",
            Self::LimitExceeded => "limit_exceeded",
            Self::ApprovalRequired => "approval_required",
            Self::ApprovalRejected => "approval_rejected",
            Self::TooManyPending => "too_many_pending",
            Self::Quarantined => "quarantined",
            Self::NoPolicy => "no_policy",
            Self::AuditUnavailable => "audit_unavailable",
            Self::Malformed => "malformed",
            Self::PolicyInvalid => "policy_invalid",
        }
    }

    /// The reason for people, as it stands behind "denied: ".
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Hidden => "hidden by the policy",
            Self::NotListed => "not listed in the policy",
            Self::ActionDeny => "denied by the policy",
            Self::SchemaInvalid => "arguments do not fit the tool",
            Self::RequireFailed => "a rule is not met",
            Self::DenyIfMatched => "a rule forbids it",
            Self::TypeMismatch => "arguments of the wrong kind",
            Self::StoreUnavailable => "the counters could not be written",
            Self::LimitExceeded => "a limit had no room",
            Self::ApprovalRequired => "needs a person",
            Self::ApprovalRejected => "a person rejected it",
            Self::TooManyPending => "too many calls wait already",
            Self::Quarantined => "the tool is new or changed",
            Self::NoPolicy => "the grant has no policy",
            Self::AuditUnavailable => "it could not be recorded",
            Self::Malformed => "no well-formed arguments",
            Self::PolicyInvalid => "the policy cannot be read",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(text: &str) -> Result<Self, ReasonError> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.as_str() == text)
            .ok_or_else(|| ReasonError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests;
