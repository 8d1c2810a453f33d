//! `host_in`: the host of an absolute http(s) URL in one spelling, and names and wildcards to compare it with.
//! Nothing is resolved or fetched.

use std::borrow::Cow;
use std::net::Ipv4Addr;

use idna::AsciiDenyList;
use idna::uts46::{DnsLength, Hyphens, Uts46};

use super::folders::decode;
use crate::Truth;

/// Longest host, escaped as it stands in a URL, that is looked at; longer ones are undefined.
const HOST_ESCAPED_BYTES_MAX: usize = 4096;
/// Longest host in its final spelling (RFC 1035): longer ones name nothing and are undefined.
const HOST_BYTES_MAX: usize = 253;
const PORT_MAX: u32 = 65_535;

/// The hosts of one condition.
#[derive(Debug, Clone)]
pub(super) struct Hosts(Box<[HostPattern]>);

/// A host name, or `*.` before one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum HostPattern {
    Exact(Box<str>),
    /// The suffix with its leading dot: one label or more stand before it.
    Below(Box<str>),
}

impl Hosts {
    pub(super) fn new(patterns: impl Iterator<Item = HostPattern>) -> Self {
        Self(patterns.collect())
    }

    /// True, false, or undefined as POLICY section 4 has it.
    pub(super) fn name(&self, url: &str) -> Truth {
        match host_of(url) {
            Some(host) => Truth::from(self.0.iter().any(|pattern| pattern.matches(&host))),
            None => Truth::Undefined,
        }
    }
}

impl HostPattern {
    /// Reads a host name, `*.` before one allowed. `None` if it is none: no port, path, escape or wildcard
    /// elsewhere.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.contains('%') || has_blank(text) {
            return None;
        }
        let (parent, name) = match text.strip_prefix("*.") {
            Some(parent) => (Some(parent), parent),
            None => (None, text),
        };
        if name.contains('*') {
            return None;
        }
        match parent {
            None => Some(Self::Exact(canonical(text)?.into_boxed_str())),
            Some(parent) => {
                let parent = canonical(parent)?;
                // An address has nothing below it.
                let address = parent.parse::<Ipv4Addr>().is_ok();
                (!address).then(|| Self::Below(format!(".{parent}").into_boxed_str()))
            }
        }
    }

    fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => **name == *host,
            Self::Below(suffix) => {
                host.len() > suffix.len()
                    && host.ends_with(&**suffix)
                    && host.parse::<Ipv4Addr>().is_err()
            }
        }
    }
}

fn has_blank(text: &str) -> bool {
    text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The host of an absolute http(s) URL in its one spelling; `None` where POLICY section 4 says undefined.
fn host_of(url: &str) -> Option<String> {
    if has_blank(url) || url.contains('\\') {
        return None;
    }
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next()?;
    // User information hides the host; a bracket begins an IPv6 address.
    if authority.contains(['@', '[', ']']) {
        return None;
    }
    let host = match authority.split_once(':') {
        None => authority,
        Some((host, port)) => is_port(port).then_some(host)?,
    };
    if host.len() > HOST_ESCAPED_BYTES_MAX {
        return None;
    }
    canonical(&decode(host)?)
}

/// A port as URLs write it: digits, none of them needed, at most 65535.
fn is_port(port: &str) -> bool {
    let value = port.bytes().try_fold(0_u32, |value, byte| {
        let digit = char::from(byte).to_digit(10)?;
        let value = value.checked_mul(10)?.checked_add(digit)?;
        (value <= PORT_MAX).then_some(value)
    });
    value.is_some()
}

/// One spelling of a decoded host: lower case, IDNA (UTS 46, not transitional), without a closing dot, an IPv4
/// address as four decimals.
fn canonical(host: &str) -> Option<String> {
    let host = ascii(host)?;
    let host = host.strip_suffix('.').unwrap_or(&host);
    if host.is_empty() || host.len() > HOST_BYTES_MAX || host.split('.').any(str::is_empty) {
        return None;
    }
    let last = host.rsplit('.').next().unwrap_or(host);
    if is_numeric(last) {
        return parse_ipv4(host).map(|address| address.to_string());
    }
    Some(host.to_owned())
}

/// Lower case and IDNA. `None` for what no host may hold.
fn ascii(host: &str) -> Option<Cow<'_, str>> {
    let plain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
    if host.bytes().all(plain) && !host.contains("xn--") {
        return Some(Cow::Borrowed(host));
    }
    Uts46::new()
        .to_ascii(host.as_bytes(), AsciiDenyList::URL, Hyphens::Allow, DnsLength::Ignore)
        .ok()
}

/// True for a label that makes readers of URLs take the host for an IPv4 address (WHATWG "ends in a number").
fn is_numeric(label: &str) -> bool {
    label.bytes().all(|byte| byte.is_ascii_digit())
        || label
            .strip_prefix("0x")
            .is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Any spelling of an IPv4 address: one to four numbers, each decimal, octal (`0…`) or hexadecimal (`0x…`),
/// the last of them filling the bytes that are left (WHATWG URL). `None` for what only looks like one.
fn parse_ipv4(host: &str) -> Option<Ipv4Addr> {
    let parts = host.split('.').map(parse_ipv4_number).collect::<Option<Vec<u64>>>()?;
    let (last, leading) = parts.split_last()?;
    let free_bytes = 4_u32.checked_sub(u32::try_from(leading.len()).ok()?)?;
    if free_bytes == 0 || *last >= 256_u64.pow(free_bytes) {
        return None;
    }
    let mut address = *last;
    for (place, part) in (0_u32..).zip(leading) {
        if *part > 255 {
            return None;
        }
        address += part << (8 * (3 - place));
    }
    u32::try_from(address).ok().map(Ipv4Addr::from)
}

fn parse_ipv4_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(hex) => (hex, 16),
        None => match text.strip_prefix('0') {
            Some(octal) if !octal.is_empty() => (octal, 8),
            _ => (text, 10),
        },
    };
    if digits.is_empty() {
        // `0x` alone is zero.
        return (radix == 16).then_some(0);
    }
    if !digits.bytes().all(|byte| char::from(byte).is_digit(radix)) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}
