//! Taking capabilities out of a message, or putting one in, without touching the rest. Never decides which.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

use crate::{
    admit::{BadReply, shallow},
    list::Cut,
    reply::json_string,
    request::META_CLIENT_CAPABILITIES,
    splice::{self, Edit},
    tape::{Node, NodeKind},
};

/// Levels that are looked at: message, params, `_meta`, capabilities, and three below.
const CAPABILITY_DEPTH: u32 = 7;

/// A capability by its path below `capabilities`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capability(Vec<String>);

impl Capability {
    /// The capability at this path, such as `["elicitation", "url"]`. An empty path names nothing.
    pub fn new(path: &[&str]) -> Self {
        Self(path.iter().map(|&name| name.to_owned()).collect())
    }

    /// An extension, such as `io.modelcontextprotocol/tasks`.
    pub fn extension(name: &str) -> Self {
        Self::new(&["extensions", name])
    }

    /// The member names from `capabilities` down.
    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Where a message holds capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CapabilitySite {
    /// `result.capabilities`: the answer to `initialize` or `server/discover`.
    Server,
    /// `params.capabilities`: the request `initialize`.
    Client,
    /// `params._meta["io.modelcontextprotocol/clientCapabilities"]`: any modern request.
    ClientMeta,
}

impl CapabilitySite {
    const fn path(self) -> &'static [&'static str] {
        match self {
            Self::Server => &["result", "capabilities"],
            Self::Client => &["params", "capabilities"],
            Self::ClientMeta => &["params", "_meta", META_CLIENT_CAPABILITIES],
        }
    }
}

/// The message without these capabilities. Those that it does not declare change nothing; without any to take out the very
/// same bytes come back.
///
/// # Errors
/// [`BadReply`] when the message is no JSON object.
pub fn strip_capabilities(
    body: &Bytes,
    site: CapabilitySite,
    forbid: &[Capability],
) -> Result<Bytes, BadReply> {
    forbid.iter().try_fold(body.clone(), |body, capability| strip(&body, site, capability))
}

fn strip(body: &Bytes, site: CapabilitySite, capability: &Capability) -> Result<Bytes, BadReply> {
    let Some((last, parents)) = capability.0.split_last() else { return Ok(body.clone()) };
    let scanned = shallow(body, CAPABILITY_DEPTH)?;
    let site = scanned.root(body).at_path(site.path());
    let holder = parents.iter().try_fold(site, |node, name| Some(node?.get(name))).flatten();
    let mut edits = Vec::new();
    let mut cut = Cut::default();
    for (key, value) in holder.into_iter().flat_map(Node::members) {
        cut.pass(key.entry().span().start..value.span().end, !key.is(last), &mut edits);
    }
    cut.finish(&mut edits);
    Ok(splice::apply(body, &edits))
}

/// The message with this capability set to `value` (JSON text), replacing what stands there; parents that are missing are made,
/// and so is a parent that is no object. A message without a capabilities object comes back as it is.
///
/// # Errors
/// [`BadReply`] when the message is no JSON object.
pub fn set_capability(
    body: &Bytes,
    site: CapabilitySite,
    capability: &Capability,
    value: &str,
) -> Result<Bytes, BadReply> {
    let scanned = shallow(body, CAPABILITY_DEPTH)?;
    let site =
        scanned.root(body).at_path(site.path()).filter(|node| node.kind() == NodeKind::Object);
    let (Some(mut node), false) = (site, capability.0.is_empty()) else { return Ok(body.clone()) };
    let mut rest = capability.0.as_slice();
    while let (NodeKind::Object, Some((name, below))) = (node.kind(), rest.split_first()) {
        let Some(next) = node.get(name) else {
            let comma = if node.is_empty() { "" } else { "," };
            let at = node.span().start + 1;
            let member = format!("{}:{}{comma}", json_string(name), nested(below, value));
            return Ok(splice::apply(
                body,
                &[Edit { span: at..at, with: Cow::Owned(member.into_bytes()) }],
            ));
        };
        (node, rest) = (next, below);
    }
    Ok(splice::apply(
        body,
        &[Edit { span: node.span(), with: Cow::Owned(nested(rest, value).into_bytes()) }],
    ))
}

/// `value` inside an object for each name.
fn nested(path: &[String], value: &str) -> String {
    path.iter()
        .rev()
        .fold(value.to_owned(), |inner, name| format!("{{{}:{inner}}}", json_string(name)))
}
