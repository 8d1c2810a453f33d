//! Approvals as pure rules over records: what a call that a person may wave through finds. No storage, no clock.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::{Kind, Sha256Digest, UnixMillis};

/// Most approval requests of one grant that are neither decided nor over (POLICY section 7).
pub const PENDING_PER_GRANT_MAX: usize = 20;

const ID_PREFIX: &str = "apr_";
/// Crockford's base 32, in lower case.
const ID_ALPHABET: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j',
    'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
];
/// Characters behind the prefix: 26 of 5 bits hold 16 bytes.
const ID_CHARS: usize = 26;

/// `apr_` and 26 characters of Crockford's base 32 in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ApprovalId(Box<str>);

/// The text is no approval id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an approval id is `apr_` and 26 of 0-9 a-z without i l o u")]
pub struct ApprovalIdError;

impl ApprovalId {
    /// An id from 16 random bytes.
    pub fn from_random(bytes: [u8; 16]) -> Self {
        let number = u128::from_be_bytes(bytes);
        let letter = |place: usize| {
            let index = usize::try_from((number >> (5 * place)) & 31).unwrap_or(0);
            ID_ALPHABET.get(index).copied().unwrap_or('0')
        };
        let letters: String = (0..ID_CHARS).rev().map(letter).collect();
        Self(format!("{ID_PREFIX}{letters}").into_boxed_str())
    }

    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for ApprovalId {
    type Err = ApprovalIdError;

    fn from_str(text: &str) -> Result<Self, ApprovalIdError> {
        let letters = text.strip_prefix(ID_PREFIX).ok_or(ApprovalIdError)?;
        let known = letters.chars().filter(|letter| ID_ALPHABET.contains(letter)).count();
        // 26 characters have two bits to spare, so the first is 0 to 7.
        let in_range = letters.starts_with(|first: char| ('0'..='7').contains(&first));
        if known != ID_CHARS || letters.chars().count() != ID_CHARS || !in_range {
            return Err(ApprovalIdError);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for ApprovalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who may decide: one entry of an `approvers` list.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Approver {
    /// `role:NAME`
    Role(String),
    /// `user:NAME`
    User(String),
}

impl Approver {
    /// Reads `role:NAME` or `user:NAME`; `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        match text.split_once(':')? {
            (_, "") => None,
            ("role", name) => Some(Self::Role(name.to_owned())),
            ("user", name) => Some(Self::User(name.to_owned())),
            _ => None,
        }
    }
}

impl fmt::Display for Approver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(name) => write!(f, "role:{name}"),
            Self::User(name) => write!(f, "user:{name}"),
        }
    }
}

/// One rule that a person is asked to waive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskRule {
    /// The digest of {section, selector, list, the rule's canonical JSON}: what the approval remembers.
    pub digest: Sha256Digest,
    /// The rule's name, for people.
    pub rule: Arc<str>,
    /// The rule's message, for people.
    pub message: String,
}

/// What a held call asks a person (POLICY section 7), merged over all rules that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The first rule's name.
    pub rule: Arc<str>,
    /// The first rule's message.
    pub message: String,
    /// What would make the call pass without a person.
    pub hint: Option<String>,
    /// Every rule that failed and may be waived.
    pub rules: Vec<AskRule>,
    /// The smallest `wait_seconds`; `None` if none is written.
    pub wait_seconds: Option<u32>,
    /// The shortest `expires_seconds`.
    pub expires_seconds: u32,
    /// Each list must be met.
    pub approvers: Vec<Vec<Approver>>,
}

/// Where a request stands. That it is over is read from `expires_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ApprovalState {
    /// Nobody decided.
    Pending,
    /// A person said yes.
    Approved,
    /// A person said no.
    Rejected,
    /// An allow took it, for good.
    Used,
}

/// One approval request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalRecord {
    /// Its id.
    pub id: ApprovalId,
    /// The call it is bound to.
    pub digest: Sha256Digest,
    /// The grant's id.
    pub grant: String,
    /// The server's slug.
    pub server: String,
    /// What is called.
    pub kind: Kind,
    /// The tool's or prompt's name, or the resource's URI.
    pub name: String,
    /// The digest of the pinned definition.
    pub definition_pin: Option<String>,
    /// The arguments in canonical JSON, as the approver sees them.
    pub arguments: String,
    /// The rules that the approver is shown; only these are waived.
    pub rules: Vec<AskRule>,
    /// Each list must be met.
    pub approvers: Vec<Vec<Approver>>,
    /// Where it stands.
    pub state: ApprovalState,
    /// When the call was held.
    pub created_at: UnixMillis,
    /// When request and approval are over: from this instant on they are.
    pub expires_at: UnixMillis,
    /// Who decided.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<UnixMillis>,
    /// From where.
    pub decided_from: Option<String>,
    /// Why.
    pub decided_reason: Option<String>,
    /// When an allow took it.
    pub used_at: Option<UnixMillis>,
}

/// What a held call finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// An approval covers every rule that failed: take it atomically, then allow.
    Use(ApprovalId),
    /// The same call is already asked: hold with that request.
    Join {
        /// The pending request.
        id: ApprovalId,
        /// When it is over.
        expires_at: UnixMillis,
    },
    /// A person said no, and that is not over: deny `approval_rejected`.
    Rejected {
        /// The rejected request.
        id: ApprovalId,
        /// Why, if the person said.
        reason: Option<String>,
    },
    /// Make a new request.
    Open,
    /// The grant has 20 pending requests: deny `too_many_pending`.
    TooManyPending,
}

impl ApprovalRecord {
    /// True from `expires_at` on: request, approval and rejection end together.
    pub fn is_over(&self, now: UnixMillis) -> bool {
        now >= self.expires_at
    }

    /// True for a request that is neither decided nor over.
    pub fn is_pending(&self, now: UnixMillis) -> bool {
        self.state == ApprovalState::Pending && !self.is_over(now)
    }

    /// True if a person approved it, no call took it, and it is not over.
    pub fn is_usable(&self, now: UnixMillis) -> bool {
        self.state == ApprovalState::Approved && !self.is_over(now)
    }

    /// True if the approver was shown every rule that `ask` wants waived; rules are known by their digest only.
    pub fn covers(&self, ask: &Ask) -> bool {
        ask.rules.iter().all(|asked| self.rules.iter().any(|shown| shown.digest == asked.digest))
    }
}

/// What becomes of a held call (POLICY section 7). `records` are those of the same call digest, in any order;
/// `pending_of_grant` counts the grant's requests that are neither decided nor over at `now`.
///
/// A rejection that is not over stands above an approval of the same call: what a person refused last or first
/// is not asked again before its end. The same call joins its pending request even where that shows other
/// rules; after its approval the call is then held anew, with all its rules.
pub fn settle(
    records: &[ApprovalRecord],
    pending_of_grant: usize,
    ask: &Ask,
    now: UnixMillis,
) -> Settled {
    let live = || records.iter().filter(|record| !record.is_over(now));
    let rejected = live().filter(|record| record.state == ApprovalState::Rejected);
    if let Some(record) = rejected.max_by_key(|record| record.expires_at) {
        return Settled::Rejected { id: record.id.clone(), reason: record.decided_reason.clone() };
    }
    // The approval that is over first is taken first; the id decides between equals, so that the order of the
    // records does not matter.
    let usable = live().filter(|record| record.is_usable(now) && record.covers(ask));
    if let Some(record) = usable.min_by_key(|record| (record.expires_at, &record.id)) {
        return Settled::Use(record.id.clone());
    }
    let pending = live().filter(|record| record.is_pending(now));
    if let Some(record) = pending.min_by_key(|r| (!r.covers(ask), r.expires_at, &r.id)) {
        return Settled::Join { id: record.id.clone(), expires_at: record.expires_at };
    }
    if pending_of_grant >= PENDING_PER_GRANT_MAX {
        return Settled::TooManyPending;
    }
    Settled::Open
}

/// True if a person with this name and these roles meets every list; without lists anybody does who may decide
/// at all.
pub fn approvers_met(approvers: &[Vec<Approver>], user: &str, roles: &[&str]) -> bool {
    let is_named = |approver: &Approver| match approver {
        Approver::Role(role) => roles.contains(&role.as_str()),
        Approver::User(name) => name == user,
    };
    approvers.iter().all(|list| list.iter().any(is_named))
}
