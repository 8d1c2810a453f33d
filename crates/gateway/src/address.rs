//! Which URLs and which resolved addresses a server may have: the defence against server-side request forgery.
//! Pure: text and addresses in, a verdict out. Never here: name resolution, connections, configuration.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::HeaderValue;
use http::uri::PathAndQuery;

/// The longest URL of a server, in bytes.
pub const URL_BYTES_MAX: usize = 2048;
/// The longest host name, in bytes (RFC 1035 section 2.3.4, without the root).
pub const HOST_BYTES_MAX: usize = 253;
/// The longest label of a host name, in bytes (RFC 1035 section 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;

/// Which addresses a server may have: `allow_private_address` of its settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressRule {
    /// Only addresses of the public internet.
    PublicOnly,
    /// Any address: an administrator said so for this server.
    AllowPrivate,
}

/// Why a URL or an address is refused. The texts name what is wrong and never repeat more of a URL than its host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL, or one with characters that parsers read differently.
    #[error("the URL is malformed: {0}")]
    Malformed(&'static str),
    /// Only `http` and `https` reach a server.
    #[error("only http:// and https:// URLs are allowed")]
    Scheme,
    /// `user@host` is refused: credentials belong into headers, and parsers disagree about it.
    #[error("a URL must not hold a user name or password")]
    UserInfo,
    /// An IPv4 address that is not four plain decimal numbers.
    #[error("`{0}` is not a plain spelling of an address or a name")]
    OddSpelling(String),
    /// The address, or a name that always means one, is not public.
    #[error("`{0}` is not a public address; the server does not have allow_private_address = true")]
    Private(String),
    /// A name whose addresses are partly public: refused as a whole.
    #[error(
        "`{name}` resolves to {address}, which is not public; the server does not have allow_private_address = true"
    )]
    ResolvesPrivate {
        /// The name that was resolved.
        name: String,
        /// The first address that is refused.
        address: IpAddr,
    },
}

/// The host of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Host {
    /// A name to be resolved at every connect.
    Name(Arc<str>),
    /// A literal address.
    Address(IpAddr),
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plain TCP.
    Http,
    /// TLS with the name of the URL verified.
    Https,
}

/// The URL of a server, checked. Made by `check_url` only.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    scheme: Scheme,
    host: Host,
    port: u16,
    target: PathAndQuery,
    host_header: HeaderValue,
}

impl ServerUrl {
    /// Whether TLS is used.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host to connect to.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The port to connect to, the scheme's own if the URL has none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Path and query, as written.
    pub fn target(&self) -> &PathAndQuery {
        &self.target
    }

    /// The value of the `Host` header: the host, and the port if it is not the scheme's own.
    pub fn host_header(&self) -> &HeaderValue {
        &self.host_header
    }
}

/// Without path and query: they may hold keys.
impl std::fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerUrl")
            .field("scheme", &self.scheme)
            .field("host", &self.host_header)
            .finish_non_exhaustive()
    }
}

/// Checks the URL of a server, at save and at load. Accepted is one spelling of each thing: `http` or `https`, no user information,
/// no fragment, a name in ASCII (internationalised names in their `xn--` form) or a plain literal address, no trailing dot.
/// Under `PublicOnly` literal addresses that are not public and the names below `localhost` are refused as well; other names are
/// checked at every connect, by `check_resolved`.
pub fn check_url(text: &str, rule: AddressRule) -> Result<ServerUrl, AddressError> {
    if text.len() > URL_BYTES_MAX {
        return Err(AddressError::Malformed("it is too long"));
    }
    if !text.bytes().all(|b| {
        b.is_ascii_graphic()
            && !matches!(b, b'\\' | b'"' | b'<' | b'>' | b'^' | b'`' | b'{' | b'|' | b'}')
    }) {
        return Err(AddressError::Malformed("it holds a character that must be percent-encoded"));
    }
    let (scheme, rest) = split_scheme(text)?;
    if rest.contains('#') {
        return Err(AddressError::Malformed("it holds a fragment"));
    }
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    if authority.contains('@') {
        return Err(AddressError::UserInfo);
    }
    let (host_text, port) = split_port(authority, scheme)?;
    let host = parse_host(host_text)?;
    check_host(&host, rule)?;
    let target = parse_target(rest.get(authority.len()..).unwrap_or_default())?;
    let default_port = port == scheme.default_port();
    let shown = if default_port {
        host_text.to_ascii_lowercase()
    } else {
        format!("{}:{port}", host_text.to_ascii_lowercase())
    };
    let host_header = HeaderValue::try_from(shown)
        .map_err(|_invalid| AddressError::Malformed("its host is no header value"))?;
    Ok(ServerUrl { scheme, host, port, target, host_header })
}

impl Scheme {
    fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Path and query; an empty path is `/`.
fn parse_target(text: &str) -> Result<PathAndQuery, AddressError> {
    let parsed = if text.starts_with('/') {
        PathAndQuery::try_from(text)
    } else {
        PathAndQuery::try_from(format!("/{text}"))
    };
    parsed.map_err(|_invalid| AddressError::Malformed("its path is not one of a URL"))
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), AddressError> {
    let (scheme, rest) = text.split_once("://").ok_or(AddressError::Scheme)?;
    if scheme.eq_ignore_ascii_case("http") {
        Ok((Scheme::Http, rest))
    } else if scheme.eq_ignore_ascii_case("https") {
        Ok((Scheme::Https, rest))
    } else {
        Err(AddressError::Scheme)
    }
}

/// The host with its brackets, and the port.
fn split_port(authority: &str, scheme: Scheme) -> Result<(&str, u16), AddressError> {
    let host_end = authority.rfind(']').map_or(0, |bracket| bracket.saturating_add(1));
    let after = authority.get(host_end..).unwrap_or_default();
    let Some(colon) = after.find(':') else {
        return Ok((authority, scheme.default_port()));
    };
    let at = host_end.saturating_add(colon);
    let host = authority.get(..at).unwrap_or_default();
    let digits = authority.get(at.saturating_add(1)..).unwrap_or_default();
    let plain = !digits.is_empty()
        && digits.len() <= 5
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    let port = digits.parse::<u16>().ok().filter(|_| plain);
    port.map(|port| (host, port))
        .ok_or(AddressError::Malformed("its port is not a number from 1 to 65535"))
}

fn parse_host(text: &str) -> Result<Host, AddressError> {
    let odd = || AddressError::OddSpelling(text.to_owned());
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or_else(odd)?;
        return inner
            .parse::<Ipv6Addr>()
            .map(|ip| Host::Address(IpAddr::V6(ip)))
            .map_err(|_invalid| odd());
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(IpAddr::V4(ip)));
    }
    if text.is_empty() || text.len() > HOST_BYTES_MAX {
        return Err(AddressError::Malformed("its host is empty or too long"));
    }
    if !text.split('.').all(is_label) {
        return Err(odd());
    }
    // `127.1`, `2130706433`, `0x7f.1` and `0177.0.0.1` are addresses for some resolvers; no real name ends in such a label.
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit());
    let hex = last.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("0x"));
    if numeric || hex {
        return Err(odd());
    }
    Ok(Host::Name(text.to_ascii_lowercase().into()))
}

/// A label of letters, digits, `-` and `_` (service names inside networks use it); the empty label of a trailing dot is none.
fn is_label(label: &str) -> bool {
    let edges = !label.starts_with('-') && !label.ends_with('-');
    let plain = label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    !label.is_empty() && label.len() <= LABEL_BYTES_MAX && edges && plain
}

fn check_host(host: &Host, rule: AddressRule) -> Result<(), AddressError> {
    match host {
        Host::Address(ip) => check_address(*ip, rule),
        Host::Name(name) if rule == AddressRule::PublicOnly && is_local_name(name) => {
            Err(AddressError::Private(name.to_string()))
        }
        Host::Name(_) => Ok(()),
    }
}

/// Names that mean this machine or this network whatever the resolver says (RFC 6761, RFC 6762, RFC 8375, RFC 9476-style use).
fn is_local_name(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    matches!(last, "localhost" | "local" | "internal" | "localdomain")
        || name == "home.arpa"
        || name.ends_with(".home.arpa")
}

/// Checks one address.
pub fn check_address(ip: IpAddr, rule: AddressRule) -> Result<(), AddressError> {
    match rule {
        AddressRule::AllowPrivate => Ok(()),
        AddressRule::PublicOnly if is_public(ip) => Ok(()),
        AddressRule::PublicOnly => Err(AddressError::Private(ip.to_string())),
    }
}

/// Checks everything that a name resolved to: one address that is not public refuses the whole answer, since a resolver that
/// mixes them is either broken or hostile.
pub fn check_resolved(
    name: &str,
    addresses: impl IntoIterator<Item = IpAddr>,
    rule: AddressRule,
) -> Result<(), AddressError> {
    let refused = addresses.into_iter().find(|ip| check_address(*ip, rule).is_err());
    match refused {
        None => Ok(()),
        Some(address) => Err(AddressError::ResolvesPrivate { name: name.to_owned(), address }),
    }
}

/// Whether an address belongs to the public internet, after the IANA special-purpose registries (IPv4 and IPv6, as of 2026-11).
/// IPv6 is read the other way round: only 2000::/3 is public, so that mapped, NAT64 and unique local addresses are out.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    match ip.octets() {
        // This network, private, loopback; multicast, reserved and broadcast.
        [0 | 10 | 127 | 224..=255, ..]
        // Carrier-grade NAT.
        | [100, 64..=127, ..]
        // Link-local, with the metadata services of clouds.
        | [169, 254, ..]
        // Private.
        | [172, 16..=31, ..]
        | [192, 168, ..]
        // IETF protocol assignments, documentation, 6to4 relays, benchmarking.
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _] => false,
        [_, _, _, _] => true,
    }
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        // IETF protocol assignments with Teredo and ORCHID, documentation, 6to4, documentation again.
        [0x2001, 0..=0x01ff | 0x0db8, ..] | [0x2002, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        [0x2000..=0x3fff, ..] => true,
        _ => false,
    }
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
