//! The pages of `docs/reference`: written from what tests hold against the program, so that they cannot say
//! anything else. No truth of their own stands here, only headings; `cargo xtask test tidy` compares.

mod api;
mod audit;
mod cli;
mod policy;
mod roles;
mod schema;

use std::fs;

use crate::repository::Repository;

const HELP: &str = "crates/portcullis/testdata/help.txt";
const KEYS: &str = "crates/portcullis/testdata/config-keys.md";
const OPENAPI: &str = "crates/console/testdata/openapi.json";
const ROLES: &str = "crates/console/testdata/endpoint-roles.md";
const PERMISSIONS: &str = "crates/console/testdata/permissions.md";
const SCREENS: &str = "crates/console/testdata/pages.md";
const SCHEMA: &str = "crates/policy/src/policy.schema.json";
const REASONS: &str = "crates/policy/testdata/words/reasons.md";
const METRICS: &str = "crates/gateway/testdata/metrics.md";
const CLIENTS: &str = "crates/console/testdata/clients/how-to.md";

/// A page, what it is made of, and how.
struct Page {
    name: &'static str,
    sources: &'static [&'static str],
    make: fn(&[String]) -> Result<String, String>,
}

const PAGES: [Page; 8] = [
    Page { name: "cli", sources: &[HELP], make: |texts| Ok(cli::page(first(texts))) },
    Page { name: "configuration", sources: &[KEYS], make: |texts| Ok(configuration(first(texts))) },
    Page { name: "api", sources: &[OPENAPI, ROLES], make: api::page },
    Page { name: "roles", sources: &[ROLES, PERMISSIONS, SCREENS, OPENAPI], make: roles::page },
    Page { name: "policy", sources: &[SCHEMA, REASONS], make: policy::page },
    Page { name: "audit", sources: &[OPENAPI, REASONS], make: audit::page },
    Page { name: "metrics", sources: &[METRICS], make: |texts| Ok(metrics(first(texts))) },
    Page { name: "clients", sources: &[CLIENTS], make: |texts| Ok(clients(first(texts))) },
];

/// How every page begins.
fn headed(title: &str, source: &str, about: &str) -> String {
    format!(
        "<!-- Written by `cargo xtask reference` from {source}. Change that, not this page. -->\n\n\
         # {title}\n\n{about}\n\n"
    )
}

/// Appends what cannot fail to be appended.
fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    let _infallible = std::fmt::Write::write_fmt(out, text);
}

fn first(texts: &[String]) -> &str {
    texts.first().map_or("", String::as_str)
}

fn configuration(keys: &str) -> String {
    let about = "Every key of `portcullis.toml`. How to write the file, secrets, reloading and the bounds that \
                 cannot be set: [configuration](../configuration.md).";
    format!("{}{keys}", headed("Configuration: all keys", KEYS, about))
}

fn metrics(table: &str) -> String {
    let about = "`GET /metrics` on the console's listener prints these in the OpenMetrics text format. It needs no token; it tells no name of \
                 a tool, a grant or a person.";
    format!("{}{table}", headed("Metrics", METRICS, about))
}

fn clients(parts: &str) -> String {
    let about = "What to put into each client so that it reaches the server `pay` through a gateway at `http://127.0.0.1:8420`. The \
                 token of the grant is in the variable `PORTCULLIS_TOKEN`. The page of a grant in the console shows the same blocks with your own \
                 address and token. How to go about it: [clients](../clients.md).";
    format!("{}{parts}", headed("Clients: what to paste", CLIENTS, about))
}

/// The pages as they should be: their path and text.
fn pages(found: &Repository) -> Result<Vec<(String, String)>, String> {
    let read = |name: &&str| {
        fs::read_to_string(found.root().join(name))
            .map_err(|problem| format!("cannot read {name}: {problem}"))
    };
    let mut pages = Vec::new();
    for page in PAGES {
        let texts: Result<Vec<String>, String> = page.sources.iter().map(read).collect();
        let text = (page.make)(&texts?)?;
        pages.push((format!("docs/reference/{}.md", page.name), format!("{}\n", text.trim_end())));
    }
    Ok(pages)
}

/// Writes the pages that are not as they should be; which.
///
/// # Errors
/// When a source cannot be read or a page cannot be written.
pub(crate) fn write(found: &Repository) -> Result<Vec<String>, String> {
    let mut written = Vec::new();
    for (name, text) in pages(found)? {
        let path = found.root().join(&name);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        let folder = path.parent().ok_or("a page has no folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&path, text))
            .map_err(|problem| format!("cannot write {name}: {problem}"))?;
        written.push(name);
    }
    Ok(written)
}

/// A fault for each page that is not as it should be.
///
/// # Errors
/// When a source cannot be read.
pub(crate) fn stale(found: &Repository) -> Result<Vec<String>, String> {
    let is_stale = |(name, text): &(String, String)| {
        !fs::read_to_string(found.root().join(name)).is_ok_and(|there| there == *text)
    };
    let pages = pages(found)?.into_iter().filter(is_stale);
    Ok(pages.map(|(name, _text)| format!("{name}: out of date: `cargo xtask reference`")).collect())
}

#[cfg(test)]
#[path = "reference_tests.rs"]
mod tests;
