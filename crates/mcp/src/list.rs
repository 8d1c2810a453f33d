//! The lists of a server: reading their items, and taking items out by splicing. Never decides which.

use std::borrow::Cow;

use bytes::Bytes;

use crate::admit::BadReply;

/// Which list a result is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ListKind {
    /// `tools/list`; items are named by `name`.
    Tools,
    /// `prompts/list`; items are named by `name`.
    Prompts,
    /// `resources/list`; items are named by `uri`.
    Resources,
    /// `resources/templates/list`; items are named by `uriTemplate`.
    Templates,
}

impl ListKind {
    /// The member of the result that holds the items.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an item that names it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// What becomes of a result's cache hints (2026-07-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheRewrite {
    /// As the server sent them: legacy results.
    Keep,
    /// `cacheScope` becomes `"private"`, because the list is made for one grant; `ttlMs` stays.
    Private,
}

/// One item of a list.
#[derive(Clone, Debug)]
pub struct ListItem<'a> {
    /// Name, URI or URI template, unescaped.
    pub key: Cow<'a, str>,
    /// The item's JSON text, byte for byte.
    pub raw: &'a [u8],
}

/// A list after filtering.
#[derive(Clone, Debug)]
pub struct Filtered {
    /// The message.
    pub body: Bytes,
    /// Items that stayed.
    pub kept: usize,
    /// Items that went.
    pub removed: usize,
}

/// A list's items for reading.
#[derive(Clone, Debug)]
pub struct ListPage {
    /// Name and byte range in the message, in order.
    pub items: Vec<(String, core::ops::Range<usize>)>,
    /// Names that stand more than once, each once.
    pub duplicates: Vec<String>,
    /// Items that have no readable name: no client could call them.
    pub unnamed: usize,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// The message (a JSON-RPC response) without the items that `keep` refuses. Order, spelling and unknown members survive.
pub fn filter_list(body: &Bytes, kind: ListKind, cache: CacheRewrite, keep: impl FnMut(&ListItem<'_>) -> bool) -> Result<Filtered, BadReply> {
    let _ = (kind, cache, keep);
    Ok(Filtered { body: body.clone(), kept: 0, removed: 0 })
}

/// The items of a list result.
pub fn list_items(body: &[u8], kind: ListKind) -> Result<ListPage, BadReply> {
    let _ = (body, kind);
    Err(BadReply::List("not there yet"))
}
