//! What administrators do with accounts, and what everybody may do with their own sessions.
//!
//! What never lives here: proofs of who somebody is.

use store::{
    AccountError, ApiRole, Email, Label, LinkFor, LinkHandle, LinkRecord, NewLink, PersonId,
    PersonRecord, SessionHandle, SessionRecord, Standing, Token, TokenHash,
};

use crate::Console;
use crate::ops::{Actor, OpError, Permission};

/// Everybody, by e-mail address.
pub async fn people(console: &Console, actor: &Actor) -> Result<Vec<PersonRecord>, OpError> {
    actor.may(Permission::SeePeople)?;
    Ok(console.store.people().await?)
}

/// Links that work, oldest first.
pub async fn links(console: &Console, actor: &Actor) -> Result<Vec<LinkRecord>, OpError> {
    actor.may(Permission::SeePeople)?;
    Ok(console.store.links((console.clock)()).await?)
}

/// A person and where they are signed in.
#[derive(Debug)]
pub struct Person {
    /// The account.
    pub record: PersonRecord,
    /// Last used first.
    pub sessions: Sessions,
}

/// Sessions of one person.
pub type Sessions = Vec<SessionRecord>;

/// One person. Everybody sees themselves; others take an administrator.
pub async fn person(console: &Console, actor: &Actor, id: &PersonId) -> Result<Person, OpError> {
    let record = look(console, actor, id).await?;
    let sessions = console.store.sessions(id, (console.clock)()).await?;
    Ok(Person { record, sessions })
}

async fn look(console: &Console, actor: &Actor, id: &PersonId) -> Result<PersonRecord, OpError> {
    let found = console.store.person(id).await?;
    let own = found.as_ref().is_some_and(|person| is_own(actor, person));
    if !own {
        actor.may(Permission::SeePeople)?;
    }
    Ok(found.ok_or(AccountError::NotFound("person"))?)
}

fn is_own(actor: &Actor, person: &PersonRecord) -> bool {
    person.email.actor().is_ok_and(|name| name == actor.name)
}

/// Ends one session. Everybody ends their own; those of others take an administrator.
pub async fn end_session(
    console: &Console,
    actor: &Actor,
    (id, session): (&PersonId, &SessionHandle),
) -> Result<(), OpError> {
    if !is_own(actor, &look(console, actor, id).await?) {
        actor.may(Permission::ManagePeople)?;
    }
    Ok(actor.store(console).end_session_of(id, session).await?)
}

/// Ends all sessions of somebody but this one of theirs.
pub async fn end_other_sessions(
    console: &Console,
    actor: &Actor,
    (own, but): (&PersonId, TokenHash),
) -> Result<(), OpError> {
    Ok(actor.store(console).end_other_sessions(own, but).await?)
}

/// Invites somebody. The token is shown once; an earlier invitation to the same address is over.
pub async fn invite(
    console: &Console,
    actor: &Actor,
    (email, role): (Email, ApiRole),
) -> Result<Token, OpError> {
    actor.may(Permission::ManagePeople)?;
    give_out(console, actor, LinkFor::Invitation { email, role }).await
}

/// Makes a link by which somebody chooses another password. The token is shown once.
pub async fn new_password_link(
    console: &Console,
    actor: &Actor,
    id: &PersonId,
) -> Result<Token, OpError> {
    actor.may(Permission::ManagePeople)?;
    give_out(console, actor, LinkFor::NewPassword(id.clone())).await
}

async fn give_out(console: &Console, actor: &Actor, purpose: LinkFor) -> Result<Token, OpError> {
    let token = Token::make(console.entropy.bytes()?);
    let link = NewLink { hash: token.hash(), purpose, made_by: actor.name.clone() };
    actor.store(console).create_link(link, (console.clock)()).await?;
    Ok(token)
}

/// Withdraws an invitation or another link.
pub async fn withdraw_link(
    console: &Console,
    actor: &Actor,
    link: &LinkHandle,
) -> Result<(), OpError> {
    actor.may(Permission::ManagePeople)?;
    Ok(actor.store(console).withdraw_link(link).await?)
}

/// Gives somebody another role; their sessions end.
pub async fn change_role(
    console: &Console,
    actor: &Actor,
    (id, role): (&PersonId, ApiRole),
) -> Result<(), OpError> {
    actor.may(Permission::ManagePeople)?;
    Ok(actor.store(console).set_role(id, role).await?)
}

/// Disables an account, or lets it sign in again.
pub async fn set_standing(
    console: &Console,
    actor: &Actor,
    (id, standing): (&PersonId, Standing),
) -> Result<(), OpError> {
    actor.may(Permission::ManagePeople)?;
    Ok(actor.store(console).set_standing(id, standing).await?)
}

/// Removes an account.
pub async fn remove(console: &Console, actor: &Actor, id: &PersonId) -> Result<(), OpError> {
    actor.may(Permission::ManagePeople)?;
    Ok(actor.store(console).remove_person(id).await?)
}

/// Renames the organisation.
pub async fn rename_organisation(
    console: &Console,
    actor: &Actor,
    name: Label,
) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    Ok(actor.store(console).rename_organisation(name).await?)
}
