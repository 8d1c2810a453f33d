//! Servers and the definitions of their tools.

use std::collections::HashSet;

use policy::{Class, UnixMillis};
use store::{
    KeptOut, NewTools, PinLine, PinRecord, PinState, Revision, Secret, ServerRecord, ServerSlug,
    Transport,
};

use super::{Actor, OpError, Permission, not_found};
use crate::plane::Diary;
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

/// Creates or replaces a server; `expected` is the revision that the caller saw last. A program runs with the rights
/// of the gateway, so saying which one takes a fresh proof, as replacing secrets does: a stolen session does neither.
pub async fn save(
    console: &Console,
    actor: &Actor,
    record: ServerRecord,
    expected: Option<Revision>,
) -> Result<Revision, OpError> {
    actor.may(Permission::Administer)?;
    let known = console.store.server(&record.slug).await?;
    for permission in proofs(known.as_ref(), &record) {
        actor.may(permission)?;
    }
    (console.check_server)(&record).map_err(OpError::Invalid)?;
    Ok(actor.store(console).save_server(record, expected, (console.clock)()).await?)
}

/// Puts a whole record in the place of another one, its secrets with it; `expected` is the revision that the caller saw
/// last. That takes a proof also where the secrets are the same ones: no answer tells a guess from a wrong guess.
pub async fn replace(
    console: &Console,
    actor: &Actor,
    record: ServerRecord,
    expected: Option<Revision>,
) -> Result<Revision, OpError> {
    actor.may(Permission::Administer)?;
    let known = console.store.server(&record.slug).await?;
    if known.is_some_and(|known| has_secrets(&known) || has_secrets(&record)) {
        actor.may(Permission::Secrets)?;
    }
    save(console, actor, record, expected).await
}

/// What a save takes beside the right to administer: another program, and other secrets, or the same ones for another
/// address, take a proof. Settings beside them take none.
fn proofs(known: Option<&ServerRecord>, wanted: &ServerRecord) -> Vec<Permission> {
    let mut proofs = Vec::new();
    if let Transport::Stdio { command, .. } = &wanted.transport {
        let held = known.map(|known| &known.transport);
        if !matches!(held, Some(Transport::Stdio { command: held, .. }) if held == command) {
            proofs.push(Permission::StartPrograms);
        }
    }
    let moved = known.filter(|known| known.transport != wanted.transport);
    if moved.is_some_and(|known| has_secrets(known) || has_secrets(wanted)) {
        proofs.push(Permission::Secrets);
    }
    proofs
}

fn has_secrets(record: &ServerRecord) -> bool {
    match &record.transport {
        Transport::Http { headers, .. } => !headers.is_empty(),
        Transport::Stdio { env, .. } => !env.is_empty(),
    }
}

/// Removes a server with its pins and grants.
pub async fn remove(console: &Console, actor: &Actor, slug: &ServerSlug) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    actor.store(console).remove_server(slug).await?;
    Ok(())
}

/// The pinned tools of a server, by name, with the class and the risk that they count as.
pub async fn tools(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
) -> Result<Vec<PinRecord>, OpError> {
    let server = get(console, actor, slug).await?;
    let mut pins = console.store.pins(slug).await?;
    for pin in &mut pins {
        (pin.class, pin.risk) = server.counts_as(&pin.tool, (pin.class, pin.risk));
    }
    Ok(pins)
}

/// The tools of a server, or of all of them, without their definitions.
pub async fn lines(
    console: &Console,
    actor: &Actor,
    slug: Option<&ServerSlug>,
) -> Result<Vec<PinLine>, OpError> {
    actor.may(Permission::Read)?;
    let lines = console.store.pin_lines(slug).await?;
    let servers = match slug {
        Some(slug) => console.store.server(slug).await?.into_iter().collect(),
        None => console.store.servers().await?,
    };
    Ok(in_force(lines, &servers))
}

/// The tools as the gateway takes them: with the class and the risk that they count as, and none kept out where new
/// ones are accepted as they come.
pub(super) fn in_force(mut lines: Vec<PinLine>, servers: &[ServerRecord]) -> Vec<PinLine> {
    for server in servers {
        let allows = server.new_tools == NewTools::Allow;
        if !allows && server.classes.is_empty() {
            continue;
        }
        for line in lines.iter_mut().filter(|line| line.server == server.slug) {
            (line.class, line.risk) = server.counts_as(&line.tool, (line.class, line.risk));
            if allows {
                line.state = PinState::Accepted;
            }
        }
    }
    lines
}

/// Gives a tool another class than the catalogue's, or the catalogue's again.
pub async fn set_class(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    (tool, class): (&str, Option<Class>),
) -> Result<Revision, OpError> {
    set_classes(console, actor, slug, vec![(tool.to_owned(), class)]).await
}

/// Gives several tools other classes than the catalogue's, or the catalogue's again; all of them or none.
pub async fn set_classes(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    classes: Vec<(String, Option<Class>)>,
) -> Result<Revision, OpError> {
    actor.may(Permission::Administer)?;
    let mut record = get(console, actor, slug).await?;
    let expected = record.revision;
    let lines = console.store.pin_lines(Some(slug)).await?;
    let known: HashSet<&str> = lines.iter().map(|line| line.tool.as_str()).collect();
    for (tool, class) in classes {
        if !known.contains(tool.as_str()) {
            return Err(not_found("tool", &tool));
        }
        match class {
            Some(class) => drop(record.classes.insert(tool, class)),
            None => drop(record.classes.remove(&tool)),
        }
    }
    save(console, actor, record, Some(expected)).await
}

/// Puts a secret of a server in the place of another one, or beside the others: the value of a header, or of a
/// variable of its program.
pub async fn put_secret(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    (name, value): (String, Secret<String>),
) -> Result<Revision, OpError> {
    actor.may(Permission::Secrets)?;
    let mut record = get(console, actor, slug).await?;
    let expected = record.revision;
    let held = match &mut record.transport {
        Transport::Http { headers, .. } => {
            check_header(&name, value.expose())?;
            headers
        }
        Transport::Stdio { env, .. } => env,
    };
    // Names of headers are the same whatever their case is (RFC 9110 section 5.1).
    match held.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(&name)) {
        Some((_, kept)) => *kept = value,
        None => held.push((name, value)),
    }
    save(console, actor, record, Some(expected)).await
}

/// Headers that the gateway sets itself, or that belong to one connection.
const HEADERS_REFUSED: [&str; 9] = [
    "accept",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "transfer-encoding",
    "upgrade",
];

/// Whether a header may go with every request to a server.
pub fn check_header(name: &str, value: &str) -> Result<(), OpError> {
    let lower = name.to_ascii_lowercase();
    if http::HeaderName::from_bytes(name.as_bytes()).is_err() {
        return Err(OpError::Invalid("this is no name of a header".to_owned()));
    }
    if HEADERS_REFUSED.contains(&lower.as_str()) || lower.starts_with("mcp-") {
        return Err(OpError::Invalid(
            "the gateway sets this header itself: choose another name".to_owned(),
        ));
    }
    if http::HeaderValue::from_str(value).is_err() {
        return Err(OpError::Invalid(
            "the value cannot be sent as a header: it is one line of visible characters".to_owned(),
        ));
    }
    Ok(())
}

/// Accepts several definitions that somebody has looked at, each by its digest; all of them or none.
pub async fn accept_many(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    seen: Vec<(String, String)>,
) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    actor.store(console).accept_pins(slug, seen, &actor.name, (console.clock)()).await?;
    Ok(())
}

/// Writes down that this actor looked at definitions, each by its digest, and keeps them out; all of them or none.
pub async fn keep_out(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    seen: Vec<(String, String)>,
) -> Result<(), OpError> {
    actor.may(Permission::Administer)?;
    actor.store(console).keep_out_pins(slug, seen, &actor.name, (console.clock)()).await?;
    Ok(())
}

/// Which definitions of a server somebody looked at and keeps out, by tool name.
pub async fn kept_out(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
) -> Result<Vec<KeptOut>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.kept_out(slug).await?)
}

/// These tools of a server with their definitions; names that are no tool of it are left out.
pub async fn named(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    tools: Vec<String>,
) -> Result<Vec<PinRecord>, OpError> {
    actor.may(Permission::Read)?;
    Ok(console.store.pins_named(slug, tools).await?)
}

/// What is known of a server since the process started. What its program says may hold anything, so that it takes an
/// administrator; how the server was does not.
pub async fn diary(console: &Console, actor: &Actor, slug: &ServerSlug) -> Result<Diary, OpError> {
    get(console, actor, slug).await?;
    let mut diary = (console.plane.diary)(slug).unwrap_or_default();
    if actor.may(Permission::Administer).is_err() {
        diary.lines.clear();
        diary.dropped = 0;
    }
    Ok(diary)
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
    let found = console.store.pin(pin.0, pin.1).await?;
    let found = found.ok_or_else(|| not_found("tool", pin.1))?;
    let now = (console.clock)();
    let digest = digest.unwrap_or(&found.digest);
    actor.store(console).accept_pin(pin, digest, &actor.name, now).await?;
    Ok(now)
}

#[cfg(test)]
mod tests;
