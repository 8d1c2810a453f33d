//! Who acts, and what each role may do: the only place that knows.
//!
//! What never lives here: how somebody proved who they are.

use store::ApiRole as Role;
use thiserror::Error;

/// What a use case asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Permission {
    /// Looking at anything; secrets are never shown.
    Read,
    /// Editing policies and attaching them to grants.
    EditPolicies,
    /// Approving and rejecting held calls.
    Decide,
    /// Servers, grants, tool definitions.
    Administer,
}

/// Somebody who proved who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// How records name them, such as `api:ci`.
    pub name: store::Actor,
    /// What they may do.
    pub role: Role,
    /// Where they act from: an address or `terminal`.
    pub from: String,
}

/// The actor's role does not allow it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the role {role} may not do this; it takes {wanted}")]
pub struct Forbidden {
    role: &'static str,
    wanted: &'static str,
}

impl Actor {
    /// Asks for a permission; every use case begins with this.
    pub fn may(&self, permission: Permission) -> Result<(), Forbidden> {
        let allowed = match (self.role, permission) {
            (Role::Admin, _)
            | (_, Permission::Read)
            | (Role::PolicyManager, Permission::EditPolicies)
            | (Role::Approver, Permission::Decide) => true,
            (Role::Viewer | Role::Approver, Permission::EditPolicies)
            | (Role::Viewer | Role::PolicyManager, Permission::Decide)
            | (Role::Viewer | Role::PolicyManager | Role::Approver, Permission::Administer) => {
                false
            }
        };
        let wanted = match permission {
            Permission::Read => "viewer",
            Permission::EditPolicies => "policy_manager or admin",
            Permission::Decide => "approver or admin",
            Permission::Administer => "admin",
        };
        if allowed { Ok(()) } else { Err(Forbidden { role: self.role.as_str(), wanted }) }
    }
}
