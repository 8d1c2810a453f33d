//! `[listen]`, `public_url`, `[store]`, `[counters]`, `[audit]` and `[approvals]`: what belongs to
//! the process and not to one server.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use store::AuditMode;

use super::section::{Problems, Section};
use super::{AuditValues, HoldWaits, Listen};

/// Port of the gateway when the file names none.
const GATEWAY_PORT: u16 = 8420;
/// Port of the console when the file names none.
const CONSOLE_PORT: u16 = 8421;
/// The longest wait that the file may ask for.
const WAIT_SECONDS_MAX: u32 = 600;

/// Reads `[listen]`.
pub(super) fn listen(root: &mut Section<'_, '_>, problems: &mut Problems) -> Listen {
    let loopback = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let mut listen = Listen {
        gateway: loopback(GATEWAY_PORT),
        console: loopback(CONSOLE_PORT),
        hosts: Vec::new(),
        origins: Vec::new(),
    };
    let Some(mut section) = root.section("listen", problems) else { return listen };
    if let Some(address) = address("gateway", &mut section, problems) {
        listen.gateway = address;
    }
    if let Some(address) = address("console", &mut section, problems) {
        listen.console = address;
    }
    if listen.gateway == listen.console && listen.gateway.port() != 0 {
        problems.add_with_help(
            section.key_span("console"),
            "`gateway` and `console` cannot share one address",
            "give the console a port of its own",
        );
    }
    listen.hosts = hosts(&mut section, problems);
    listen.origins = origins(&mut section, problems);
    section.finish(problems);
    listen
}

fn address(
    key: &'static str,
    section: &mut Section<'_, '_>,
    problems: &mut Problems,
) -> Option<SocketAddr> {
    let text = section.text(key, problems)?;
    let parsed = text.value.strip_prefix("localhost:").map_or_else(
        || text.value.parse().ok(),
        |port| port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)),
    );
    if parsed.is_none() {
        problems.add_with_help(
            text.span,
            format!("`{key}` must be an address and a port"),
            "for example \"127.0.0.1:8420\" or \"[::1]:8420\"",
        );
    }
    parsed
}

fn hosts(section: &mut Section<'_, '_>, problems: &mut Problems) -> Vec<String> {
    let Some(list) = section.texts("hosts", problems) else { return Vec::new() };
    let mut hosts = Vec::new();
    for host in list.value {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if host.value.is_empty() || !host.value.chars().all(plain) {
            problems.add_with_help(
                host.span,
                "a host name is letters, digits, `-` and `.`, without a port",
                "for example \"mcp.example.com\"",
            );
        } else {
            hosts.push(host.value.to_ascii_lowercase());
        }
    }
    hosts
}

fn origins(section: &mut Section<'_, '_>, problems: &mut Problems) -> Vec<String> {
    let Some(list) = section.texts("origins", problems) else { return Vec::new() };
    let mut origins = Vec::new();
    for origin in list.value {
        match web_url(origin.value) {
            Ok(url) if url.path() == "/" && !origin.value.ends_with('/') => {
                origins.push(origin.value.to_ascii_lowercase());
            }
            Ok(_) | Err(_) => problems.add_with_help(
                origin.span,
                "an origin is a scheme, a host and, where needed, a port",
                "for example \"https://app.example.com\"",
            ),
        }
    }
    origins
}

/// Reads `public_url` or `console_url`: an absolute http(s) URL; the closing slash goes.
pub(super) fn own_url(
    key: &'static str,
    root: &mut Section<'_, '_>,
    problems: &mut Problems,
) -> Option<String> {
    let text = root.text(key, problems)?;
    match web_url(text.value) {
        Ok(url) if url.query().is_none() => Some(text.value.trim_end_matches('/').to_owned()),
        Ok(_) => {
            problems.add(text.span, format!("`{key}` must not have a query"));
            None
        }
        Err(why) => {
            problems.add_with_help(
                text.span,
                format!("`{key}` {why}"),
                "for example \"https://mcp.example.com\"",
            );
            None
        }
    }
}

/// An absolute http(s) URL without user information or fragment, or why it is none.
pub(super) fn web_url(text: &str) -> Result<http::Uri, &'static str> {
    if text.contains('#') {
        return Err("must not have a fragment");
    }
    let Ok(url) = text.parse::<http::Uri>() else {
        return Err("must be an absolute http:// or https:// URL");
    };
    let web = matches!(url.scheme_str(), Some("http" | "https"));
    match url.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("must not carry a user name or password")
        }
        Some(authority) if web && !authority.host().is_empty() => Ok(url),
        Some(_) | None => Err("must be an absolute http:// or https:// URL"),
    }
}

/// Reads `[store]` and `[counters]`: what this build has is SQLite, counters in it.
pub(super) fn backends(root: &mut Section<'_, '_>, problems: &mut Problems) {
    if let Some(mut section) = root.section("store", problems) {
        backend(&mut section, "sqlite", &["postgres://", "postgresql://"], problems);
        section.finish(problems);
    }
    if let Some(mut section) = root.section("counters", problems) {
        backend(
            &mut section,
            "store",
            &["redis://", "rediss://", "valkey://", "valkeys://"],
            problems,
        );
        section.finish(problems);
    }
}

fn backend(section: &mut Section<'_, '_>, has: &str, planned: &[&str], problems: &mut Problems) {
    let Some(url) = section.text("url", problems) else { return };
    if url.value == has {
        return;
    }
    // The address may hold a password, so that the message names its scheme only.
    match planned.iter().find(|scheme| url.value.starts_with(*scheme)) {
        Some(scheme) => problems.add_with_help(
            url.span,
            format!("{scheme} is not in this build yet"),
            format!("write \"{has}\""),
        ),
        None => problems.add(url.span, format!("`url` must be \"{has}\"")),
    }
}

/// Reads `[audit]`.
pub(super) fn audit(
    root: &mut Section<'_, '_>,
    problems: &mut Problems,
) -> (AuditMode, AuditValues) {
    let mut audit = (AuditMode::Durable, AuditValues::Redacted);
    let Some(mut section) = root.section("audit", problems) else { return audit };
    let modes = [("durable", AuditMode::Durable), ("buffered", AuditMode::Buffered)];
    if let Some(mode) = section.word("mode", &modes, problems) {
        audit.0 = mode;
    }
    let values = [
        ("redacted", AuditValues::Redacted),
        ("none", AuditValues::None),
        ("full", AuditValues::Full),
    ];
    if let Some(values) = section.word("values", &values, problems) {
        audit.1 = values;
    }
    section.finish(problems);
    audit
}

/// Reads `[approvals]`.
pub(super) fn hold_waits(root: &mut Section<'_, '_>, problems: &mut Problems) -> HoldWaits {
    let mut waits = HoldWaits::default();
    let Some(mut section) = root.section("approvals", problems) else { return waits };
    let mut seconds = |key, value: &mut u32| {
        *value = section.whole(key, 0..=WAIT_SECONDS_MAX, *value, problems);
    };
    seconds("wait_seconds", &mut waits.plain_seconds);
    seconds("wait_seconds_with_progress", &mut waits.with_progress_seconds);
    section.finish(problems);
    waits
}
