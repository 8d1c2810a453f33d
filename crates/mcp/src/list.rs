//! The lists of a server: reading their items, and taking items out by splicing. Never decides which.

mod again;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::HashSet};

use bytes::Bytes;

pub use again::FilteredBefore;

use crate::{
    admit::{BadReply, Members, Shallow, shallow},
    splice::{self, Edit},
    tape::{Node, NodeKind},
};

/// Levels that filtering looks at: message, result, list, item, and the item's members.
const LIST_DEPTH: u32 = 5;
/// The member that says who may keep a result (2026-07-28).
const CACHE_SCOPE: &str = "cacheScope";
/// For the one authorisation that asked, and for nobody else.
const PRIVATE: &[u8] = b"\"private\"";

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
    /// `tasks/list` (2025-11-25); items are named by `taskId`.
    Tasks,
}

impl ListKind {
    /// The member of the result that holds the items.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Tasks => "tasks",
        }
    }

    /// The member of an item that names it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
            Self::Tasks => "taskId",
        }
    }
}

/// What becomes of a result's cache hints (2026-07-28).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheRewrite {
    /// As the server sent them: legacy results.
    Keep,
    /// `cacheScope` becomes `"private"`, because the list is made for one grant; `ttlMs` stays as it is.
    Private,
}

/// One item of a list.
#[derive(Clone, Debug)]
pub struct ListItem<'a> {
    /// Name, URI, URI template or task identifier, unescaped.
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
    /// Items that went, those without a readable name among them.
    pub removed: usize,
}

/// A list's items for reading.
#[derive(Clone, Debug, Default)]
pub struct ListPage {
    /// Name and byte range in the message, in order.
    pub items: Vec<(String, core::ops::Range<usize>)>,
    /// Names that stand more than once, each once.
    pub duplicates: Vec<String>,
    /// Items that have no name, or two, or an unreadable one: no client could call them with certainty.
    pub unnamed: usize,
    /// Where the next page begins.
    pub next_cursor: Option<String>,
}

/// The message (a JSON-RPC response) without the items that `keep` refuses.
///
/// Order, spelling, white space between kept items and unknown members survive; when nothing changes, the very same bytes come
/// back. Items that have no readable name go unasked. An error response, and a result without this list, come back as they are.
/// One pass, no allocation for an item unless its name is escaped.
///
/// # Errors
/// [`BadReply`] when it is no response, or when the list stands twice, is no array, or stands under another spelling of its name.
pub fn filter_list(
    body: &Bytes,
    kind: ListKind,
    cache: CacheRewrite,
    mut keep: impl FnMut(&ListItem<'_>) -> bool,
) -> Result<Filtered, BadReply> {
    let scanned = shallow(body, LIST_DEPTH)?;
    let Some(result) = result_of(&scanned, body)? else {
        return Ok(Filtered { body: body.clone(), kept: 0, removed: 0 });
    };
    let mut edits = Vec::new();
    let (mut kept, mut removed) = (0_usize, 0_usize);
    if let Some(list) = list_of(result, kind)? {
        let mut cut = Cut::default();
        for item in list.elements() {
            let stays =
                key_of(item, kind).is_some_and(|key| keep(&ListItem { key, raw: item.raw() }));
            if stays {
                kept += 1;
            } else {
                removed += 1;
            }
            cut.pass(item.span(), stays, &mut edits);
        }
        cut.finish(&mut edits);
    }
    if cache == CacheRewrite::Private {
        edits.extend(cache_edits(result));
        edits.sort_by_key(|edit| edit.span.start);
    }
    Ok(Filtered { body: splice::apply(body, &edits), kept, removed })
}

/// The items of a list result, with what is odd about them. An error response has none.
///
/// # Errors
/// As [`filter_list`].
pub fn list_items(body: &[u8], kind: ListKind) -> Result<ListPage, BadReply> {
    let scanned = shallow(body, LIST_DEPTH)?;
    let mut page = ListPage::default();
    let Some(result) = result_of(&scanned, body)? else { return Ok(page) };
    page.next_cursor = result.get("nextCursor").and_then(Node::as_str).map(Cow::into_owned);
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for item in list_of(result, kind)?.into_iter().flat_map(Node::elements) {
        match key_of(item, kind) {
            None => page.unnamed += 1,
            Some(key) => {
                if !seen.insert(key.clone()) && twice.insert(key.clone()) {
                    page.duplicates.push(key.to_string());
                }
                page.items.push((key.into_owned(), item.span()));
            }
        }
    }
    Ok(page)
}

/// `result`, when the message has one and it is an object.
fn result_of<'a>(scanned: &'a Shallow, body: &'a [u8]) -> Result<Option<Node<'a>>, BadReply> {
    let members = Members::of(scanned.root(body))?;
    if members.method.is_some() || (members.result.is_some() == members.error.is_some()) {
        return Err(BadReply::Envelope("not a response"));
    }
    Ok(members.result.filter(|result| result.kind() == NodeKind::Object))
}

/// The one array of this list.
fn list_of(result: Node<'_>, kind: ListKind) -> Result<Option<Node<'_>>, BadReply> {
    let mut list = None;
    for (key, value) in result.members() {
        if key.is(kind.member()) {
            if value.kind() != NodeKind::Array {
                return Err(BadReply::List("it is no array"));
            }
            if list.replace(value).is_some() {
                return Err(BadReply::List("it stands twice"));
            }
        } else if key.text().is_none_or(|text| text.eq_ignore_ascii_case(kind.member())) {
            return Err(BadReply::List("a member's name is another spelling of the list's"));
        }
    }
    Ok(list)
}

/// The one readable name of an item.
fn key_of(item: Node<'_>, kind: ListKind) -> Option<Cow<'_, str>> {
    let mut named = item.members().filter(|(key, _)| key.is(kind.key()));
    let (_, value) = named.next()?;
    if named.next().is_some() { None } else { value.as_str() }
}

/// Cuts elements out of a sequence, each with one of the commas beside it.
#[derive(Default)]
pub(crate) struct Cut {
    /// End of the element before this one.
    previous_end: usize,
    kept_any: bool,
    /// Start of the removed elements at the front, which end where the next element begins.
    front: Option<core::ops::Range<usize>>,
}

impl Cut {
    /// Notes the next element.
    pub(crate) fn pass(
        &mut self,
        span: core::ops::Range<usize>,
        stays: bool,
        edits: &mut Vec<Edit<'_>>,
    ) {
        if let Some(front) = &mut self.front {
            if stays {
                front.end = span.start;
                edits.extend(self.front.take().map(Edit::removal));
            } else {
                front.end = span.end;
            }
        } else if !stays && self.kept_any {
            edits.push(Edit::removal(self.previous_end..span.end));
        } else if !stays {
            self.front = Some(span.clone());
        }
        self.kept_any |= stays;
        self.previous_end = span.end;
    }

    /// Ends the sequence.
    pub(crate) fn finish(self, edits: &mut Vec<Edit<'_>>) {
        edits.extend(self.front.map(Edit::removal));
    }
}

/// Makes every `cacheScope` of a result private, and adds one to a result without.
fn cache_edits(result: Node<'_>) -> Vec<Edit<'static>> {
    let scopes = result.members().filter(|(key, _)| key.is(CACHE_SCOPE));
    let edits: Vec<Edit<'static>> = scopes
        .filter(|(_, value)| value.raw() != PRIVATE)
        .map(|(_, value)| Edit { span: value.span(), with: Cow::Borrowed(PRIVATE) })
        .collect();
    if !edits.is_empty() || result.get(CACHE_SCOPE).is_some() {
        return edits;
    }
    let at = result.span().start + 1;
    let text: &[u8] = if result.is_empty() {
        b"\"cacheScope\":\"private\""
    } else {
        b"\"cacheScope\":\"private\","
    };
    vec![Edit { span: at..at, with: Cow::Borrowed(text) }]
}
