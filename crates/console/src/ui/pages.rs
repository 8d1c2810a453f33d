//! Every page and form once: the endpoint × role table covers them, and a test holds the router against it.
//!
//! What never lives here: what they show or do.

use crate::ops::Permission;

/// One page, or what a form on one sends to.
#[derive(Debug, Clone, Copy)]
pub struct PageEntry {
    /// `get` or `post`.
    pub method: &'static str,
    /// The path, with `{…}` where a name goes.
    pub path: &'static str,
    /// What the visitor must be allowed; `None`: whoever comes.
    pub permission: Option<Permission>,
    /// What it is for, in one line.
    pub summary: &'static str,
}

const fn page(path: &'static str, summary: &'static str) -> PageEntry {
    PageEntry { method: "get", path, permission: Some(Permission::Read), summary }
}

/// All of them, in the order of the navigation.
pub const PAGES: &[PageEntry] = &[
    page("/", "Overview: what the gate did in the last 24 hours, and what needs somebody"),
    page("/activity", "Calls and what became of them, newest first, filtered"),
    page("/activity/events", "New calls as they are judged (server-sent events)"),
    page("/activity/{seq}", "One call: its way, its trace, its request"),
];
