//! Who acts, and what each role may do: the only place that knows.
//!
//! What never lives here: how somebody proved who they are.

use store::{ApiRole as Role, By, Store};
use thiserror::Error;

use crate::Console;

/// What a use case asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Looking at anything; secrets are never shown.
    Read,
    /// Editing policies and attaching them to grants.
    EditPolicies,
    /// Approving and rejecting held calls.
    Decide,
    /// Approving and rejecting held calls of tools whose risk is critical; takes a fresh proof.
    DecideCritical,
    /// Servers, grants, tool definitions.
    Administer,
    /// Saying which program the gateway starts as a server, with its own rights; takes a fresh proof.
    StartPrograms,
    /// Showing a secret, or putting another one in its place; takes a fresh proof.
    Secrets,
    /// Looking at accounts, invitations and settings that only administrators change.
    SeePeople,
    /// Changing what people may do, or who they are; takes a fresh proof.
    ManagePeople,
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// How records name them, such as `api:ci` or `user:ada@example.com`.
    pub name: store::Actor,
    /// What they may do.
    pub role: Role,
    /// Where they act from: an address or `terminal`.
    pub from: String,
    /// How fresh the proof is of who they are.
    pub proof: Proof,
}

/// How fresh the proof is of who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The secret itself comes with each request, or there is none: an API token, the terminal.
    Standing,
    /// A person's session, whose password was given within the last five minutes.
    Fresh,
    /// A person's session, whose password was given longer ago.
    Session,
}

/// The actor may not do this.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Forbidden {
    /// Their role does not allow it.
    #[error("the role {role} may not do this; it takes {wanted}")]
    Role {
        /// Their role.
        role: &'static str,
        /// The roles that allow it.
        wanted: &'static str,
    },
    /// Their role allows it, but only just after they proved who they are.
    #[error("give your password again first: this takes a proof of the last five minutes")]
    StepUp,
}

impl Actor {
    /// The store for what this actor does: the deeds that it leaves name them.
    pub(crate) fn store(&self, console: &Console) -> Store {
        let (actor, from) = (self.name.clone(), self.from.clone());
        console.store.by(By { actor, from, at: (console.clock)() })
    }

    /// Asks for a permission; every use case begins with this. Somebody whose role would do, but
    /// whose proof is too old for it, gets [`Forbidden::StepUp`].
    pub fn may(&self, permission: Permission) -> Result<(), Forbidden> {
        let wanted = match permission {
            Permission::Read => "viewer",
            Permission::EditPolicies => "policy_manager or admin",
            Permission::Decide | Permission::DecideCritical => "approver or admin",
            Permission::Administer
            | Permission::StartPrograms
            | Permission::Secrets
            | Permission::SeePeople
            | Permission::ManagePeople => "admin",
        };
        if !role_may(self.role, permission) {
            return Err(Forbidden::Role { role: self.role.as_str(), wanted });
        }
        match (permission.takes_a_fresh_proof(), self.proof) {
            (Freshness::Needed, Proof::Session) => Err(Forbidden::StepUp),
            (Freshness::Needed, Proof::Standing | Proof::Fresh) | (Freshness::NotNeeded, _) => {
                Ok(())
            }
        }
    }
}

/// Whether a role may do that at all, be the proof of who it is fresh or not: what a page shows controls by.
pub(crate) fn role_may(role: Role, permission: Permission) -> bool {
    match (role, permission) {
        (Role::Admin, _)
        | (_, Permission::Read)
        | (Role::PolicyManager, Permission::EditPolicies)
        | (Role::Approver, Permission::Decide | Permission::DecideCritical) => true,
        (Role::Viewer | Role::Approver, Permission::EditPolicies)
        | (Role::Viewer | Role::PolicyManager, Permission::Decide | Permission::DecideCritical)
        | (
            Role::Viewer | Role::PolicyManager | Role::Approver,
            Permission::Administer
            | Permission::StartPrograms
            | Permission::Secrets
            | Permission::SeePeople
            | Permission::ManagePeople,
        ) => false,
    }
}

impl Permission {
    /// Every permission, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::Read,
        Self::EditPolicies,
        Self::Decide,
        Self::DecideCritical,
        Self::Administer,
        Self::StartPrograms,
        Self::Secrets,
        Self::SeePeople,
        Self::ManagePeople,
    ];

    /// What it allows, for people.
    pub fn about(self) -> &'static str {
        match self {
            Self::Read => {
                "see servers, tools, policies, grants, held calls, the audit and settings; never a secret"
            }
            Self::EditPolicies => "edit policies, and attach them to grants",
            Self::Decide => "approve and reject held calls",
            Self::DecideCritical => "approve and reject held calls of tools whose risk is critical",
            Self::Administer => {
                "add, change and remove servers, accept tools, make and revoke grants"
            }
            Self::StartPrograms => {
                "add a server that is a program for the gateway to start, or change it"
            }
            Self::Secrets => {
                "see the token of a grant once more by giving it another one, and change credentials"
            }
            Self::SeePeople => "see accounts, invitations and sessions",
            Self::ManagePeople => {
                "invite people, change what they may do, let them in again, remove them"
            }
        }
    }

    /// Whether people prove who they are again for it, within the last five minutes.
    pub fn is_proven_again(self) -> bool {
        matches!(self.takes_a_fresh_proof(), Freshness::Needed)
    }
}

enum Freshness {
    Needed,
    NotNeeded,
}

impl Permission {
    fn takes_a_fresh_proof(self) -> Freshness {
        match self {
            Permission::DecideCritical
            | Permission::StartPrograms
            | Permission::Secrets
            | Permission::ManagePeople => Freshness::Needed,
            Permission::Read
            | Permission::EditPolicies
            | Permission::Decide
            | Permission::Administer
            | Permission::SeePeople => Freshness::NotNeeded,
        }
    }
}
