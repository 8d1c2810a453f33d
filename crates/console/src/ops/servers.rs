//! Servers and the definitions of their tools.

use policy::UnixMillis;
use store::{PinRecord, Revision, ServerRecord, ServerSlug};

use super::{Actor, OpError, Permission, not_found};
use crate::{Console, Inspection};

/// All servers, by slug.
pub async fn list(console: &Console, actor: &Actor) -> Result<Vec<ServerRecord>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.servers().await?)
}

/// One server.
pub async fn get(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
) -> Result<ServerRecord, OpError> {
    actor.may(Permission::Read)?;
    console.store.server(slug).await?.ok_or_else(|| not_found("server", slug.as_str()))
}

/// Creates or replaces a server; `expected` is the revision that the caller saw last.
pub async fn save(
    console: &Console,
    actor: &Actor,
    record: ServerRecord,
    expected: Option<Revision>,
) -> Result<Revision, OpError> {
    actor.may(Permission::Administer)?;
    (console.check_server)(&record).map_err(OpError::Invalid)?;
    Ok(console.store.save_server(record, expected, (console.clock)()).await?)
}

/// Removes a server with its pins and grants.
pub async fn remove(console: &Console, actor: &Actor, slug: &ServerSlug) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    console.store.remove_server(slug).await?;
    Ok(())
}

/// The pinned tools of a server, by name.
pub async fn tools(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
) -> Result<Vec<PinRecord>, OpError> {
    get(console, actor, slug).await?;
    Ok(console.store.pins(slug).await?)
}

/// Looks at the live server now. It contacts the server, so it takes an administrator.
pub async fn inspect(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
) -> Result<Inspection, OpError> {
    actor.may(Permission::Administer)?;
    get(console, actor, slug).await?;
    Ok((console.inspect)(slug.clone()).await)
}

/// Accepts the definition of a tool that somebody has looked at; without a digest, the one seen last.
pub async fn accept(
    console: &Console,
    actor: &Actor,
    pin: (&ServerSlug, &str),
    digest: Option<&str>,
) -> Result<UnixMillis, OpError> {
    actor.may(Permission::Administer)?;
    let pins = console.store.pins(pin.0).await?;
    let found = pins.iter().find(|p| p.tool == pin.1).ok_or_else(|| not_found("tool", pin.1))?;
    let now = (console.clock)();
    let digest = digest.unwrap_or(&found.digest);
    console.store.accept_pin(pin, digest, &actor.name, now).await?;
    Ok(now)
}
