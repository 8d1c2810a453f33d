//! Deeds: what people, programs and the configuration file did to the installation. A change and its
//! deed are one transaction; the rows form a chain of their own, beside that of the calls.
//!
//! What never lives here: calls of agents (`audit`), what anybody may do.

mod chain;
mod query;

use policy::UnixMillis;
use rusqlite::Connection;

pub(crate) use chain::{
    DEEDS_ANCHOR_FILE, DeedsAnchor, DeedsFault, Remembered, ensure_anchor, verify,
};
pub use query::{DEEDS_PAGE_ROWS_MAX, DeedFilter, DeedPage, DeedRecord};

use crate::error::Unavailable;
use crate::name::Actor;
use crate::seal::Keys;

/// Bytes of what a deed was done to, at most; a longer text is cut.
const OBJECT_BYTES_MAX: usize = 512;
/// Bytes of a deed's detail, at most; a longer text is cut.
const DETAIL_BYTES_MAX: usize = 2_048;
/// Bytes of where somebody acted from, at most.
const FROM_BYTES_MAX: usize = 200;

/// Who acts, from where, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who.
    pub actor: Actor,
    /// An address, `terminal` or `configuration file`.
    pub from: String,
    /// The instant.
    pub at: UnixMillis,
}

impl By {
    /// Nobody in particular: the process itself.
    pub fn system(at: UnixMillis) -> By {
        By { actor: Actor::system(), from: String::new(), at }
    }
}

macro_rules! deeds {
    ($($(#[doc = $doc:literal])* $variant:ident $word:literal $said:literal,)*) => {
        /// What somebody did.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Deed {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Deed {
            /// Every deed there is.
            pub const ALL: &'static [Deed] = &[$(Deed::$variant,)*];

            /// The word for programs.
            pub fn as_str(self) -> &'static str {
                match self { $(Deed::$variant => $word,)* }
            }

            /// What people read.
            pub fn said(self) -> &'static str {
                match self { $(Deed::$variant => $said,)* }
            }
        }
    };
}

deeds! {
    /// A session was opened.
    SignIn "sign_in" "signed in",
    /// A password was wrong, or sign-on was refused.
    SignInFailed "sign_in_failed" "failed to sign in",
    /// A session was ended by its person.
    SignOut "sign_out" "signed out",
    /// Somebody proved again who they are.
    StepUp "step_up" "gave the password again",
    /// Somebody ended a session that was not the one they used.
    EndSession "end_session" "ended a session",
    /// Somebody ended all of their other sessions.
    EndOtherSessions "end_other_sessions" "ended all other sessions",
    /// Somebody chose another password, or did by a link.
    ChangePassword "change_password" "chose another password",
    /// A link to make the first account was given out.
    OfferSetUp "offer_set_up" "offered a link to make the first account",
    /// The first account was made.
    SetUp "set_up" "made the first account",
    /// Somebody was invited.
    Invite "invite" "invited",
    /// Somebody joined by an invitation.
    Join "join" "joined",
    /// A link to choose another password was given out.
    OfferPassword "offer_password" "offered a link to choose another password",
    /// A link was withdrawn.
    WithdrawLink "withdraw_link" "withdrew a link",
    /// An account was made by sign-on.
    CreatePerson "create_person" "made an account by sign-on",
    /// An account was tied to a sign-on.
    TieSignOn "tie_sign_on" "tied the account to a sign-on",
    /// Somebody got another role.
    ChangeRole "change_role" "changed the role of",
    /// An account was disabled.
    Disable "disable" "disabled",
    /// An account may sign in again.
    Enable "enable" "enabled",
    /// An account was removed.
    RemovePerson "remove_person" "removed the account of",
    /// Somebody is called something else.
    RenamePerson "rename_person" "renamed",
    /// The organisation is called something else.
    RenameOrganisation "rename_organisation" "renamed the organisation",
    /// A setting of the organisation is another one.
    ChangeSettings "change_settings" "changed the settings",
    /// A server was made or changed.
    SaveServer "save_server" "saved the server",
    /// A server was removed, with its pins and grants.
    RemoveServer "remove_server" "removed the server",
    /// A tool's definition was accepted.
    AcceptTool "accept_tool" "accepted the tool",
    /// A tool's definition was looked at and kept out.
    KeepOutTool "keep_out_tool" "kept out the tool",
    /// A tool was forgotten.
    ForgetTool "forget_tool" "forgot the tool",
    /// A policy has a new version.
    SavePolicy "save_policy" "saved the policy",
    /// A policy was removed with its history.
    RemovePolicy "remove_policy" "removed the policy",
    /// A grant was made.
    CreateGrant "create_grant" "made the grant",
    /// A grant has another token.
    RotateGrant "rotate_grant" "gave another token to the grant",
    /// A grant has another policy.
    AttachPolicy "attach_policy" "attached a policy to the grant",
    /// A grant was revoked.
    RevokeGrant "revoke_grant" "revoked the grant",
    /// An API token was made.
    CreateApiToken "create_api_token" "made the API token",
    /// An API token was removed.
    RemoveApiToken "remove_api_token" "removed the API token",
    /// A held call was approved.
    ApproveCall "approve_call" "approved a call",
    /// A held call was rejected.
    RejectCall "reject_call" "rejected a call",
    /// A message went out to try a channel.
    TryChannel "try_channel" "tried the channel",
    /// The configuration file put other objects in force.
    ApplyFile "apply_file" "put the configuration file in force",
}

impl std::str::FromStr for Deed {
    type Err = crate::name::NameError;

    fn from_str(word: &str) -> Result<Deed, Self::Err> {
        let known = Deed::ALL.iter().find(|deed| deed.as_str() == word).copied();
        known.ok_or_else(|| crate::name::NameError::new("deed", word, "one of the known deeds"))
    }
}

/// Proof that a change left its deed, or that there was nothing to change. What runs as an act must
/// return one, so a change without its deed does not compile.
#[derive(Debug)]
#[must_use]
pub(crate) struct Did(());

impl Did {
    /// Nothing was changed.
    pub(crate) fn nothing() -> Did {
        Did(())
    }
}

/// What a transaction writes deeds with.
pub(crate) struct Recorder<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) by: &'a By,
}

impl Recorder<'_> {
    /// Writes a deed into the transaction of `connection`.
    pub(crate) fn record(
        &self,
        connection: &Connection,
        deed: Deed,
        (object, detail): (&str, &str),
    ) -> Result<Did, Unavailable> {
        let row = chain::Row {
            actor: self.by.actor.as_str(),
            from: cut(&self.by.from, FROM_BYTES_MAX),
            deed: deed.as_str(),
            object: cut(object, OBJECT_BYTES_MAX),
            detail: cut(detail, DETAIL_BYTES_MAX),
        };
        chain::append(connection, self.keys, self.by.at.0, &row)?;
        Ok(Did(()))
    }
}

/// The longest beginning of a text that has at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}
