//! `path_within`: whether a path, read with and without its percent-escapes, lies in one of some folders.
//! Nothing touches a file system.

use std::borrow::Cow;

use smallvec::SmallVec;

use crate::Truth;
use crate::uri::hex_digit;

/// The folders of one condition.
#[derive(Debug, Clone)]
pub(super) struct Folders(Box<[Folder]>);

/// A folder as its resolved segments; none for the root.
#[derive(Debug, Clone)]
struct Folder(Box<[Box<str>]>);

/// The segments of a resolved path.
type Segments<'t> = SmallVec<[&'t str; 16]>;

impl Folders {
    pub(super) fn new(folders: impl Iterator<Item = Resolved>) -> Self {
        Self(folders.map(|folder| Folder(folder.0)).collect())
    }

    /// True, false, or undefined as POLICY section 4 has it.
    pub(super) fn hold(&self, path: &str) -> Truth {
        let plain = self.hold_plain(path);
        if !path.contains('%') || plain.is_undefined() {
            return plain;
        }
        let Some(decoded) = decode(path) else { return Truth::Undefined };
        if has_escape(&decoded) || self.hold_plain(&decoded) != plain {
            return Truth::Undefined;
        }
        plain
    }

    /// The answer for a path whose `%` are only characters.
    fn hold_plain(&self, path: &str) -> Truth {
        match resolve(path) {
            Some(segments) => Truth::from(self.0.iter().any(|folder| folder.holds(&segments))),
            None => Truth::Undefined,
        }
    }
}

impl Folder {
    fn holds(&self, segments: &[&str]) -> bool {
        segments.len() >= self.0.len()
            && self.0.iter().zip(segments).all(|(folder, segment)| **folder == **segment)
    }
}

/// A folder that has been resolved, not decoded.
#[derive(Debug, Clone)]
pub(super) struct Resolved(Box<[Box<str>]>);

impl Resolved {
    /// `None` if `text` is no absolute path, or has what makes every argument undefined.
    pub(super) fn new(text: &str) -> Option<Self> {
        Some(Self(resolve(text)?.into_iter().map(Box::from).collect()))
    }
}

/// Resolves `.`, `..` and `//`. `None` for what is undefined: relative and empty paths, and those with `~`
/// (anywhere: some programs expand it, and the page does not say where), NUL or a backslash.
fn resolve(path: &str) -> Option<Segments<'_>> {
    if !path.starts_with('/') || path.bytes().any(|byte| matches!(byte, b'~' | 0 | b'\\')) {
        return None;
    }
    let mut segments = Segments::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            _ => segments.push(segment),
        }
    }
    Some(segments)
}

/// Decodes percent-escapes once. `None` for a `%` without two hexadecimal digits, and for what is no UTF-8.
pub(super) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('%') {
        return Some(Cow::Borrowed(text));
    }
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => hex_digit(bytes.next()?)? * 16 + hex_digit(bytes.next()?)?,
            _ => byte,
        });
    }
    String::from_utf8(decoded).ok().map(Cow::Owned)
}

/// True if a `%` with two hexadecimal digits stands in `text`.
fn has_escape(text: &str) -> bool {
    text.as_bytes().windows(3).any(|window| match window {
        [b'%', high, low] => high.is_ascii_hexdigit() && low.is_ascii_hexdigit(),
        _ => false,
    })
}
