//! The first stop: what of an HTTP request head may go on at all. Target, `Host`, `Origin`,
//! method, media type and lengths are judged here, on the bytes as they came: no path is decoded
//! or normalised. Tokens, bodies and messages are no concern of this module.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, Version, request::Parts};

use crate::answer::Refused;

/// The longest body of a request, in bytes (GATEWAY.md section 3).
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest value of a `Host` or `Origin` header that is looked at, in bytes.
const AUTHORITY_BYTES_MAX: usize = 512;

/// The names under which this listener may be spoken to (DNS rebinding defence).
#[derive(Debug)]
pub(crate) struct OwnNames {
    hosts: Vec<Box<str>>,
    /// Authorities that are known to be of these hosts, as clients usually write them.
    usual: Vec<Box<str>>,
    origins: Vec<Box<str>>,
    loopback_port: Option<u16>,
}

const LOOPBACK_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl OwnNames {
    /// The names of a listener bound to `bound`: its loopback names, the host of `public_url`,
    /// and what the configuration adds. A listener that is not bound to loopback also answers to
    /// the literal address it is bound to.
    pub(crate) fn new(
        bound: std::net::SocketAddr,
        public_url: &str,
        hosts: &[String],
        origins: &[String],
    ) -> Self {
        let mut names: Vec<Box<str>> = hosts.iter().map(|host| lower(host)).collect();
        let mut allowed: Vec<Box<str>> =
            origins.iter().map(|origin| lower(origin.trim_end_matches('/'))).collect();
        let local = bound.ip().is_loopback() || bound.ip().is_unspecified();
        if local {
            names.extend(LOOPBACK_NAMES.iter().map(|name| lower(name)));
        }
        if !bound.ip().is_unspecified() {
            names.push(match bound.ip() {
                std::net::IpAddr::V4(v4) => v4.to_string().into(),
                std::net::IpAddr::V6(v6) => format!("[{v6}]").into(),
            });
        }
        if let Ok(url) = public_url.parse::<Uri>()
            && let (Some(scheme), Some(authority)) = (url.scheme_str(), url.authority())
        {
            names.push(lower(authority.host()));
            allowed.push(lower(&format!("{scheme}://{authority}")));
        }
        let loopback_port = local.then_some(bound.port());
        let mut own = Self { hosts: names, usual: Vec::new(), origins: allowed, loopback_port };
        let with_port = own.hosts.iter().map(|host| format!("{host}:{}", bound.port()));
        let known = with_port.filter(|authority| own.knows_host(authority));
        own.usual = known.map(String::into_boxed_str).collect();
        own
    }

    fn knows_host(&self, authority: &str) -> bool {
        if self.usual.iter().any(|usual| **usual == *authority) {
            return true;
        }
        let Some((host, _)) = split_authority(authority) else { return false };
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host))
    }

    pub(crate) fn knows_origin(&self, origin: &str) -> bool {
        if self.origins.iter().any(|own| own.eq_ignore_ascii_case(origin)) {
            return true;
        }
        let (Some(port), Some(authority)) = (self.loopback_port, origin.strip_prefix("http://"))
        else {
            return false;
        };
        match split_authority(authority) {
            Some((host, Some(named))) => {
                named == port && LOOPBACK_NAMES.iter().any(|own| own.eq_ignore_ascii_case(host))
            }
            Some((_, None)) | None => false,
        }
    }
}

fn lower(text: &str) -> Box<str> {
    text.to_ascii_lowercase().into()
}

/// Splits `host[:port]`; `None` for anything else (user-info, an empty host, a port that is no
/// number from 1 to 65535).
fn split_authority(authority: &str) -> Option<(&str, Option<u16>)> {
    if authority.is_empty() || authority.len() > AUTHORITY_BYTES_MAX || authority.contains('@') {
        return None;
    }
    let end_of_literal = if authority.starts_with('[') { authority.find(']')? } else { 0 };
    let (literal, rest) = authority.split_at_checked(end_of_literal)?;
    match rest.split_once(':') {
        None => Some((authority, None)),
        Some((before, port)) => {
            let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            let port = digits.then(|| port.parse::<u16>().ok()).flatten().filter(|port| *port > 0);
            let host = authority.get(..literal.len().checked_add(before.len())?)?;
            (!host.is_empty()).then_some(())?;
            Some((host, Some(port?)))
        }
    }
}

/// What a request target names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    /// `/mcp/<slug>`; the slug has the shape of one.
    Server(&'a str),
    /// Something below `/mcp/` that can be no server.
    NoServer,
    /// The protected-resource metadata (RFC 9728), for one server or for the gateway.
    Metadata(Option<&'a str>),
    /// Nothing of the gateway.
    Elsewhere,
}

const METADATA_PATH: &str = "/.well-known/oauth-protected-resource";

/// Reads the path byte for byte: nothing is decoded, no dot segment is resolved.
pub(crate) fn place(path: &str) -> Place<'_> {
    if let Some(rest) = path.strip_prefix("/mcp/") {
        return server_slug(rest).map_or(Place::NoServer, Place::Server);
    }
    match path.strip_prefix(METADATA_PATH) {
        Some("" | "/") => Place::Metadata(None),
        Some(rest) => match rest.strip_prefix("/mcp/").and_then(server_slug) {
            Some(slug) => Place::Metadata(Some(slug)),
            None => Place::Elsewhere,
        },
        None => Place::Elsewhere,
    }
}

/// The slug in `<slug>` or `<slug>/`, when it has the shape of one.
fn server_slug(rest: &str) -> Option<&str> {
    let slug = rest.strip_suffix('/').unwrap_or(rest);
    let shape = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    ((1..=63).contains(&slug.len()) && slug.bytes().all(shape)).then_some(slug)
}

/// The HTTP methods that the gateway speaks on a server's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Post,
    Get,
    Delete,
    Options,
}

/// Judges target form, `Host`, `Origin` and method, in this order; what passes may be looked up.
///
/// # Errors
/// 400 for a target that is not in origin form and for a message whose length is ambiguous, 403
/// for foreign names, 405 for another method.
pub(crate) fn head(parts: &Parts, names: &OwnNames) -> Result<Verb, Refused> {
    if parts.method == Method::CONNECT {
        return Err(Refused::Method);
    }
    if parts.uri.authority().is_some() || !parts.uri.path().starts_with('/') {
        return Err(Refused::Target);
    }
    let framed_twice = parts.headers.contains_key(header::TRANSFER_ENCODING)
        && parts.headers.contains_key(header::CONTENT_LENGTH);
    if framed_twice || parts.version != Version::HTTP_11 && parts.version != Version::HTTP_10 {
        return Err(Refused::Framing);
    }
    match only(&parts.headers, &header::HOST) {
        Ok(Some(host)) if host.to_str().is_ok_and(|host| names.knows_host(host)) => {}
        Ok(_) | Err(Twice) => return Err(Refused::ForeignHost),
    }
    match only(&parts.headers, &header::ORIGIN) {
        Ok(None) => {}
        Ok(Some(origin)) if origin.to_str().is_ok_and(|origin| names.knows_origin(origin)) => {}
        Ok(Some(_)) | Err(Twice) => return Err(Refused::ForeignOrigin),
    }
    match parts.method {
        Method::POST => Ok(Verb::Post),
        Method::GET => Ok(Verb::Get),
        Method::DELETE => Ok(Verb::Delete),
        // A preflight comes from a browser, and says from which page.
        Method::OPTIONS if parts.headers.contains_key(header::ORIGIN) => Ok(Verb::Options),
        _ => Err(Refused::Method),
    }
}

/// Judges media type, encoding and the declared length of a POST.
///
/// # Errors
/// 415 for anything but `application/json` (optionally `charset=utf-8`) without an encoding, 413
/// for a declared length above [`BODY_BYTES_MAX`].
pub(crate) fn body_head(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Refused::Encoding);
    }
    let Ok(Some(media)) = only(headers, &header::CONTENT_TYPE) else {
        return Err(Refused::MediaType);
    };
    if !media.to_str().is_ok_and(is_json) {
        return Err(Refused::MediaType);
    }
    match only(headers, &header::CONTENT_LENGTH) {
        Ok(None) => Ok(()),
        Ok(Some(length)) => {
            let length = length.to_str().ok().and_then(|text| text.parse::<usize>().ok());
            match length {
                Some(length) if length <= BODY_BYTES_MAX => Ok(()),
                Some(_) | None => Err(Refused::TooLarge),
            }
        }
        Err(Twice) => Err(Refused::Framing),
    }
}

/// Whether a media type is `application/json`, alone or with `charset=utf-8`.
fn is_json(media: &str) -> bool {
    // As nearly everybody writes it.
    if media == "application/json" {
        return true;
    }
    let (essence, parameters) = match media.split_once(';') {
        Some((essence, parameters)) => (essence, Some(parameters)),
        None => (media, None),
    };
    if !essence.trim_matches([' ', '\t']).eq_ignore_ascii_case("application/json") {
        return false;
    }
    parameters.is_none_or(|text| {
        let Some((name, value)) = text.split_once('=') else { return false };
        let value = value.trim_matches([' ', '\t']);
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        name.trim_matches([' ', '\t']).eq_ignore_ascii_case("charset")
            && value.eq_ignore_ascii_case("utf-8")
    })
}

/// A header that may stand at most once stands twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Twice;

/// The only value of a header.
///
/// # Errors
/// [`Twice`] when the header stands more than once.
pub(crate) fn only<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a HeaderValue>, Twice> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Twice) } else { Ok(first) }
}

#[cfg(test)]
mod tests;
