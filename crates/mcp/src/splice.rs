//! Changing a few bytes of a message and none of the others. Never re-encodes.

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use bytes::Bytes;

use crate::admit::BadReply;
use crate::list::Cut;
use crate::tape::Node;

/// A change of a message: these bytes give way to that text.
#[derive(Clone, Debug)]
pub(crate) struct Edit<'a> {
    pub(crate) span: core::ops::Range<usize>,
    pub(crate) with: Cow<'a, [u8]>,
}

impl Edit<'_> {
    /// These bytes go.
    pub(crate) const fn removal(span: core::ops::Range<usize>) -> Self {
        Self { span, with: Cow::Borrowed(&[]) }
    }
}

/// Applies edits that are in order and do not overlap. Without any, the very same bytes come back.
pub(crate) fn apply(body: &Bytes, edits: &[Edit<'_>]) -> Bytes {
    if edits.is_empty() {
        return body.clone();
    }
    let added: usize = edits.iter().map(|edit| edit.with.len()).sum();
    let mut out = Vec::with_capacity(body.len().saturating_add(added));
    let mut from = 0;
    for edit in edits {
        out.extend_from_slice(body.get(from..edit.span.start).unwrap_or_default());
        out.extend_from_slice(&edit.with);
        from = edit.span.end;
    }
    out.extend_from_slice(body.get(from..).unwrap_or_default());
    Bytes::from(out)
}

/// The message with another id, for a connection that many clients share. `new_id` is JSON text.
pub fn replace_id(body: &Bytes, new_id: &str) -> Result<Bytes, BadReply> {
    replace_values(body, &[(&["id"], new_id)])
}

/// The message with other values at these member paths, such as `["params", "_meta", "progressToken"]`; a path that is not
/// there changes nothing. The new values are JSON text.
pub fn replace_values(body: &Bytes, changes: &[(&[&str], &str)]) -> Result<Bytes, BadReply> {
    let parsed = crate::admit::shallow(body, PATH_DEPTH_MAX)?;
    let mut edits: Vec<Edit<'_>> = changes
        .iter()
        .filter_map(|(path, with)| {
            let span = parsed.root(body).at_path(path)?.span();
            Some(Edit { span, with: Cow::Borrowed(with.as_bytes()) })
        })
        .collect();
    edits.sort_by_key(|edit| edit.span.start);
    Ok(apply(body, &edits))
}

/// The message without these members of its `params`. Those that are not there change nothing; without any to take out the very
/// same bytes come back.
///
/// # Errors
/// [`BadReply`] when the message is no JSON object.
pub fn without_params(body: &Bytes, names: &[&str]) -> Result<Bytes, BadReply> {
    let parsed = crate::admit::shallow(body, PATH_DEPTH_MAX)?;
    let mut edits = Vec::new();
    let mut cut = Cut::default();
    let params = parsed.root(body).get("params");
    for (key, value) in params.into_iter().flat_map(Node::members) {
        let stays = !names.iter().any(|name| key.is(name));
        cut.pass(key.entry().span().start..value.span().end, stays, &mut edits);
    }
    cut.finish(&mut edits);
    Ok(apply(body, &edits))
}

/// Deepest member path that [`replace_values`] follows.
const PATH_DEPTH_MAX: u32 = 4;

/// The message on one line, as stdio framing wants it: line breaks between tokens are removed. Inside strings there are none,
/// because JSON escapes them: the message must have been admitted.
pub fn single_line(body: &Bytes) -> Bytes {
    if memchr::memchr2(b'\n', b'\r', body).is_none() {
        return body.clone();
    }
    Bytes::from(
        body.iter().copied().filter(|byte| !matches!(byte, b'\n' | b'\r')).collect::<Vec<u8>>(),
    )
}
