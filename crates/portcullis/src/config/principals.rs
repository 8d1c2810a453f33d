//! `[[grant]]` and `[[api_token]]`: who may come in.

use std::collections::BTreeSet;

use policy::UnixMillis;
use store::{ApiRole, FileApiToken, FileGrant, Label, PolicyName, ServerRecord, ServerSlug};

use super::policies::PolicyDraft;
use super::section::{Located, Problems, Section};
use super::token::Secrets;

/// The most grants or API tokens of one file.
const PRINCIPALS_MAX: usize = 10_000;

/// Reads every `[[grant]]`.
pub(super) fn grants(
    root: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    named: (&[Located<ServerRecord>], &[PolicyDraft]),
    problems: &mut Problems,
) -> Vec<Located<FileGrant>> {
    let mut seen = BTreeSet::new();
    let mut grants = Vec::new();
    for (index, mut section) in root.sections("grant", problems).into_iter().enumerate() {
        let span = section.span();
        if index >= PRINCIPALS_MAX {
            problems.add(span, format!("at most {PRINCIPALS_MAX} grants"));
            break;
        }
        let label = label(&mut section, problems);
        let server = server(&mut section, named.0, problems);
        let policy = policy(&mut section, server.as_ref(), named.1, problems);
        let token_span = section.key_span("token");
        let token = section
            .required_text("token", problems)
            .and_then(|text| secrets.token(&text, problems));
        let expires = expires(&mut section, problems);
        let tags = section
            .text_map("tags", problems)
            .into_iter()
            .map(|(name, entry)| (name.to_owned(), entry.value.value.to_owned()))
            .collect();
        section.finish(problems);
        let (Some(label), Some(server), Some(token)) = (label, server, token) else { continue };
        if !seen.insert((server.clone(), label.clone())) {
            problems.add(span, format!("the grant `{label}` of `{server}` is there twice"));
        }
        let value =
            FileGrant { label, server, policy, token_hash: token, expires_at: expires, tags };
        grants.push(Located { value, span: token_span });
    }
    grants
}

fn label(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<Label> {
    let text = section.required_text("label", problems)?;
    match Label::parse(text.value) {
        Ok(label) => Some(label),
        Err(error) => {
            problems.add(text.span, format!("a label is {}", error.rule));
            None
        }
    }
}

/// The server that a policy or grant names; one that the file does not have is a problem.
pub(super) fn server(
    section: &mut Section<'_, '_>,
    servers: &[Located<ServerRecord>],
    problems: &mut Problems,
) -> Option<ServerSlug> {
    let text = section.required_text("server", problems)?;
    let mut slugs = servers.iter().map(|server| &server.value.slug);
    let found = slugs.clone().find(|slug| slug.as_str() == text.value);
    if found.is_none() {
        let slugs: Vec<&str> = slugs.by_ref().map(ServerSlug::as_str).collect();
        unknown("server", &text, slugs.into_iter(), problems);
    }
    found.cloned()
}

fn policy(
    section: &mut Section<'_, '_>,
    server: Option<&ServerSlug>,
    policies: &[PolicyDraft],
    problems: &mut Problems,
) -> Option<PolicyName> {
    let text = section.text("policy", problems)?;
    match policies.iter().find(|policy| policy.name.as_str() == text.value) {
        Some(policy) if server.is_none_or(|server| *server == policy.server) => {
            Some(policy.name.clone())
        }
        Some(policy) => {
            problems.add(
                text.span,
                format!("the policy `{}` is for the server `{}`", policy.name, policy.server),
            );
            None
        }
        None => {
            let names = policies.iter().map(|policy| policy.name.as_str());
            unknown("policy", &text, names, problems);
            None
        }
    }
}

fn unknown<'n>(
    what: &str,
    text: &Located<&str>,
    names: impl Iterator<Item = &'n str>,
    problems: &mut Problems,
) {
    let message = format!("the file has no {what} `{}`", text.value);
    match super::nearest(text.value, names) {
        Some(near) => {
            problems.add_with_help(text.span.clone(), message, format!("did you mean \"{near}\"?"));
        }
        None => problems.add(text.span.clone(), message),
    }
}

fn expires(section: &mut Section<'_, '_>, problems: &mut Problems) -> Option<UnixMillis> {
    let text = section.instant_text("expires", problems)?;
    let instant = text.value.parse::<jiff::Timestamp>().ok();
    if instant.is_none() {
        problems.add_with_help(
            text.span,
            "`expires` must be a date and time with an offset (RFC 3339)",
            "for example \"2027-01-01T00:00:00Z\"",
        );
    }
    instant.map(|instant| UnixMillis(instant.as_millisecond()))
}

/// Reads every `[[api_token]]`.
pub(super) fn api_tokens(
    root: &mut Section<'_, '_>,
    secrets: &mut Secrets<'_>,
    problems: &mut Problems,
) -> Vec<Located<FileApiToken>> {
    let roles = [
        ("viewer", ApiRole::Viewer),
        ("policy_manager", ApiRole::PolicyManager),
        ("approver", ApiRole::Approver),
        ("admin", ApiRole::Admin),
    ];
    let mut seen = BTreeSet::new();
    let mut tokens = Vec::new();
    for (index, mut section) in root.sections("api_token", problems).into_iter().enumerate() {
        let span = section.span();
        if index >= PRINCIPALS_MAX {
            problems.add(span, format!("at most {PRINCIPALS_MAX} API tokens"));
            break;
        }
        let label = label(&mut section, problems);
        if !section.has("role") {
            problems.add_with_help(
                section.span(),
                "[[api_token]] needs `role`",
                "one of \"viewer\", \"policy_manager\", \"approver\", \"admin\"",
            );
        }
        let role = section.word("role", &roles, problems);
        let token_span = section.key_span("token");
        let token = section
            .required_text("token", problems)
            .and_then(|text| secrets.token(&text, problems));
        section.finish(problems);
        let (Some(label), Some(role), Some(token)) = (label, role, token) else { continue };
        if !seen.insert(label.clone()) {
            problems.add(span, format!("the API token `{label}` is there twice"));
        }
        tokens.push(Located {
            value: FileApiToken { label, role, token_hash: token },
            span: token_span,
        });
    }
    tokens
}

/// A token opens one door: two entries with the same one are refused.
pub(super) fn refuse_shared_tokens(
    grants: &[Located<FileGrant>],
    api_tokens: &[Located<FileApiToken>],
    problems: &mut Problems,
) {
    let mut seen = BTreeSet::new();
    let grants = grants.iter().map(|grant| (grant.value.token_hash, &grant.span));
    let tokens = api_tokens.iter().map(|token| (token.value.token_hash, &token.span));
    for (token, span) in grants.chain(tokens) {
        if !seen.insert(token) {
            problems.add_with_help(
                span.clone(),
                "another entry of the file has the same token",
                "give every grant and every API token a token of its own",
            );
        }
    }
}
