//! Which tools want arguments mirrored in headers, as the lists say that pass through (MCP 2026-07-28,
//! "Custom Headers from Tool Parameters"). A client on stdio knows of no headers, so the bridge keeps
//! this for it. Never here: sending, and how a value looks in a header; that is `mcp`'s.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use mcp::{CacheRewrite, ListKind, ParamHeaders, filter_list, list_items, param_headers};

/// Tools with mirrored arguments that are remembered, at most. A call of a further one is refused for
/// its headers, and made again when a list has said what they are.
const TOOLS_MAX: usize = 4_096;
/// Mirrored arguments of one tool that are remembered; a gateway takes no more headers than these.
const PARAMS_OF_TOOL_MAX: usize = 64;

/// What the lists said.
#[derive(Debug, Default)]
pub(super) struct Params {
    tools: Mutex<HashMap<Box<str>, Arc<ParamHeaders>>>,
    /// Held while a list is asked for, so that calls which need it at the same time ask once.
    pub(super) listing: tokio::sync::Mutex<()>,
}

impl Params {
    /// What is known of a tool; nothing mirrored where nothing is known.
    pub(super) fn of(&self, tool: &str) -> Arc<ParamHeaders> {
        self.tools().get(tool).cloned().unwrap_or_default()
    }

    /// Learns from an answer to `tools/list`, and hands it on without the tools whose annotations the
    /// revision forbids: whoever speaks HTTP must leave those out.
    pub(super) fn learn(&self, line: Bytes) -> Bytes {
        let filtered = filter_list(&line, ListKind::Tools, CacheRewrite::Keep, |tool| {
            match ParamHeaders::of_tool(tool.raw) {
                Ok(params) => {
                    self.note(&tool.key, params);
                    true
                }
                Err(fault) => {
                    tracing::warn!(tool = %tool.key, %fault, "a tool is left out of the list");
                    self.tools().remove(tool.key.as_ref());
                    false
                }
            }
        });
        match filtered {
            Ok(filtered) => filtered.body,
            // What is no list is the client's to judge.
            Err(_unreadable) => line,
        }
    }

    fn note(&self, tool: &str, params: ParamHeaders) {
        let mut tools = self.tools();
        if params.is_empty() || params.len() > PARAMS_OF_TOOL_MAX {
            tools.remove(tool);
        } else if tools.len() < TOOLS_MAX || tools.contains_key(tool) {
            tools.insert(tool.into(), Arc::new(params));
        }
    }

    fn tools(&self) -> MutexGuard<'_, HashMap<Box<str>, Arc<ParamHeaders>>> {
        self.tools.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one page of a list says.
pub(super) enum Page {
    /// The tool is on it.
    Found(ParamHeaders),
    /// It is not; where the next page begins.
    Elsewhere(Option<String>),
}

/// Looks for a tool on a page of a list; `None` when it is no list.
pub(super) fn look_up(page: &Bytes, tool: &str) -> Option<Page> {
    let list = list_items(page, ListKind::Tools).ok()?;
    let found = list.items.iter().find(|(name, _)| name == tool);
    Some(match found.and_then(|(_, span)| page.get(span.clone())) {
        Some(definition) => Page::Found(ParamHeaders::of_tool(definition).unwrap_or_default()),
        None => Page::Elsewhere(list.next_cursor),
    })
}

/// Adds what a call with these arguments (JSON text) mirrors.
pub(super) fn mirror(headers: &mut HeaderMap, params: &ParamHeaders, arguments: &[u8]) {
    for (name, value) in param_headers(params, arguments) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::try_from(name.as_str()), HeaderValue::try_from(value))
        {
            headers.insert(name, value);
        }
    }
}
