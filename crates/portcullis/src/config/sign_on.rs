//! `[console.oidc]`: sign-on of people through an issuer of OpenID Connect.

use store::{ApiRole, Secret};

use super::listen::web_url;
use super::section::{Problems, Section};
use super::token::Secrets;

/// The most domains of one file.
const DOMAINS_MAX: usize = 100;

/// What the file says of sign-on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignOnConfig {
    /// The issuer, as its own documents call it.
    pub(crate) issuer: String,
    /// Who the console is there.
    pub(crate) client_id: String,
    /// What it proves that with; a public client has none.
    pub(crate) client_secret: Option<Secret<String>>,
    /// Domains of e-mail addresses that the issuer is trusted with, in lower case.
    pub(crate) domains: Vec<String>,
    /// The role of somebody of such a domain whom nobody invited.
    pub(crate) role_for_new: Option<ApiRole>,
}

/// Reads `[console]`.
pub(super) fn read(
    root: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Option<SignOnConfig> {
    let mut console = root.section("console", problems)?;
    let oidc = console.section("oidc", problems);
    let sign_on = oidc.and_then(|section| oidc_of(section, secrets, problems));
    console.finish(problems);
    sign_on
}

fn oidc_of(
    mut section: Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Option<SignOnConfig> {
    let issuer = issuer(&mut section, problems);
    let client_id = section.required_text("client_id", problems);
    let secret = section.text("client_secret", problems);
    let client_secret =
        secret.map(|text| secrets.follow("a client's secret", &text, problems)).unwrap_or_default();
    let domains = domains(&mut section, problems);
    let role_for_new = role(&mut section, problems);
    if role_for_new.is_some() && domains.is_empty() {
        problems.add_with_help(
            section.key_span("role_for_new"),
            "`role_for_new` lets nobody in without `domains`",
            "name the domains of your own addresses, such as domains = [\"example.com\"]",
        );
    }
    section.finish(problems);
    let client_id = client_id?.value.to_owned();
    Some(SignOnConfig { issuer: issuer?, client_id, client_secret, domains, role_for_new })
}

/// The issuer: https, or a loopback address.
fn issuer(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<String> {
    let text = section.required_text("issuer", problems)?;
    let url = web_url(text.value).ok().filter(|url| url.query().is_none());
    let loopback = |url: &http::Uri| {
        let host = url.host().unwrap_or_default();
        host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
    };
    let safe = url.filter(|url| url.scheme_str() == Some("https") || loopback(url));
    if safe.is_none() {
        problems.add_with_help(
            text.span,
            "`issuer` must be an https:// URL without a query",
            "as the issuer writes it itself, for example \"https://login.example.com\"",
        );
        return None;
    }
    Some(text.value.to_owned())
}

fn domains(section: &mut Section<'_, '_>, problems: &mut Problems) -> Vec<String> {
    let Some(list) = section.texts("domains", problems) else { return Vec::new() };
    if list.value.len() > DOMAINS_MAX {
        problems.add(list.span, format!("at most {DOMAINS_MAX} domains"));
        return Vec::new();
    }
    let mut domains = Vec::new();
    for domain in list.value {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if domain.value.is_empty() || !domain.value.chars().all(plain) {
            problems
                .add(domain.span, "a domain is letters, digits, `-` and `.`, such as example.com");
        } else {
            domains.push(domain.value.to_ascii_lowercase());
        }
    }
    domains
}

fn role(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<ApiRole> {
    if !section.has("role_for_new") {
        // Asked for all the same, so that it is a known key.
        return section.text("role_for_new", problems).and(None);
    }
    let roles = ApiRole::ALL.map(|role| (role.as_str(), role));
    section.word("role_for_new", &roles, problems)
}
