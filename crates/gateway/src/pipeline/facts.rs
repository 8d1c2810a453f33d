//! What an audit record says of a call: the opening and closing rows, and the arguments as they may
//! be stored. Writing rows is the store's; deciding what happened is not done here.
//!
//! Redaction (`values = "redacted"`): a member whose key looks like a secret is masked whole; other
//! strings are cut after [`STRING_CHARS_MAX`] characters, lists after [`ELEMENTS_MAX`] elements,
//! nesting after [`DEPTH_MAX`] levels, and the whole after [`ARGUMENTS_BYTES_MAX`] bytes.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use mcp::{Node, NodeKind};

use crate::config::AuditValues;

/// The longest recorded arguments, in bytes.
pub(crate) const ARGUMENTS_BYTES_MAX: usize = 16 * 1024;

/// The longest recorded string, in characters.
pub(crate) const STRING_CHARS_MAX: usize = 80;

/// The most recorded elements of a list or members of an object.
pub(crate) const ELEMENTS_MAX: usize = 64;

/// The deepest recorded nesting.
pub(crate) const DEPTH_MAX: usize = 6;

/// What redaction may add to short arguments without another allocation, in bytes.
const ROOM_BYTES: usize = 32;

/// Words that make a key look like a secret wherever they stand in it, compared in lower case without
/// `-` and `_`.
const SECRET_WORDS: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "credential",
    "cookie",
    "session",
    "bearer",
    "signature",
];

/// The length of the shortest of them.
const SECRET_WORD_BYTES_MIN: usize = 5;

/// Short words that must be the whole key.
const WHOLE_WORDS: [&str; 3] = ["pin", "cvv", "otp"];

/// The arguments of a call as one JSON object, within the bounds.
pub(crate) fn arguments(values: AuditValues, arguments: Option<Node<'_>>) -> Cow<'_, str> {
    let Some(node) = arguments else { return Cow::Borrowed("{}") };
    let length = node.raw().len();
    if values == AuditValues::Full && length <= ARGUMENTS_BYTES_MAX {
        return one_line(node.raw_str());
    }
    let room = length.min(ARGUMENTS_BYTES_MAX).saturating_add(ROOM_BYTES);
    let mut writer = Writer { out: String::with_capacity(room), values };
    writer.object(node, 0);
    Cow::Owned(writer.out)
}

/// A JSON text on one line, so that nobody can write lines of an export: line ends and tabs can only
/// stand between tokens, where a space means the same.
fn one_line(json: &str) -> Cow<'_, str> {
    if json.bytes().all(|byte| byte >= b' ') {
        return Cow::Borrowed(json);
    }
    Cow::Owned(json.chars().map(|c| if c.is_ascii_control() { ' ' } else { c }).collect())
}

struct Writer {
    out: String,
    values: AuditValues,
}

impl Writer {
    /// Whether there is room for something of about `bytes` bytes.
    fn has_room(&self, bytes: usize) -> bool {
        self.out.len().saturating_add(bytes) < ARGUMENTS_BYTES_MAX
    }

    fn object(&mut self, node: Node<'_>, depth: usize) {
        self.out.push('{');
        for (index, (key, value)) in node.members().enumerate() {
            let name = key.text().unwrap_or_default();
            if index >= ELEMENTS_MAX || !self.has_room(name.len().saturating_add(STRING_CHARS_MAX))
            {
                self.separate(index);
                self.out.push_str("\"…\":\"…\"");
                break;
            }
            self.separate(index);
            self.text(&name);
            self.out.push(':');
            if self.values == AuditValues::None {
                self.kind(value);
            } else if looks_secret(&name) {
                self.out.push_str("\"[redacted]\"");
            } else {
                self.value(value, depth);
            }
        }
        self.out.push('}');
    }

    fn value(&mut self, node: Node<'_>, depth: usize) {
        match node.kind() {
            NodeKind::Null | NodeKind::Bool => self.out.push_str(node.raw_str()),
            NodeKind::Number if node.raw().len() <= STRING_CHARS_MAX => {
                self.out.push_str(node.raw_str());
            }
            NodeKind::Number => self.kind(node),
            NodeKind::String => self.string(&node.as_str().unwrap_or_default()),
            NodeKind::Array | NodeKind::Object if depth >= DEPTH_MAX => self.kind(node),
            NodeKind::Object => self.object(node, depth.saturating_add(1)),
            NodeKind::Array => {
                self.out.push('[');
                for (index, element) in node.elements().enumerate() {
                    self.separate(index);
                    if index >= ELEMENTS_MAX || !self.has_room(STRING_CHARS_MAX) {
                        self.out.push_str("\"…\"");
                        break;
                    }
                    self.value(element, depth.saturating_add(1));
                }
                self.out.push(']');
            }
        }
    }

    fn text(&mut self, text: &str) {
        policy::push_json_string(&mut self.out, text);
    }

    fn string(&mut self, text: &str) {
        match cut_at(text) {
            None => self.text(text),
            Some(cut) => {
                self.text(text.get(..cut).unwrap_or_default());
                // The note goes inside the quotes; it has nothing to escape.
                self.out.pop();
                self.out.push_str("… (");
                self.out.push_str(itoa::Buffer::new().format(text.len()));
                self.out.push_str(" bytes)\"");
            }
        }
    }

    fn kind(&mut self, node: Node<'_>) {
        self.out.push_str(match node.kind() {
            NodeKind::Null => "\"<null>\"",
            NodeKind::Bool => "\"<boolean>\"",
            NodeKind::Number => "\"<number>\"",
            NodeKind::String => "\"<string>\"",
            NodeKind::Array => "\"<array>\"",
            NodeKind::Object => "\"<object>\"",
        });
    }

    fn separate(&mut self, index: usize) {
        if index > 0 {
            self.out.push(',');
        }
    }
}

/// Where a string is cut; `None` when it is short enough.
fn cut_at(text: &str) -> Option<usize> {
    // Nothing has more characters than bytes.
    let start = text.as_bytes().get(..STRING_CHARS_MAX)?;
    if start.is_ascii() && text.len() > STRING_CHARS_MAX {
        return Some(STRING_CHARS_MAX);
    }
    text.char_indices().nth(STRING_CHARS_MAX).map(|(cut, _)| cut)
}

/// Whether a key names something that no log should hold.
fn looks_secret(key: &str) -> bool {
    let plain_already = key.bytes().all(|byte| byte.is_ascii_lowercase());
    let plain: Cow<'_, str> = if plain_already {
        Cow::Borrowed(key)
    } else {
        let letters = key.chars().filter(|c| !matches!(c, '-' | '_' | ' '));
        Cow::Owned(letters.flat_map(char::to_lowercase).collect())
    };
    WHOLE_WORDS.contains(&&*plain)
        || plain.len() >= SECRET_WORD_BYTES_MIN
            // Words that are constant and few always build; without them every key is a secret.
            && secret_words().is_none_or(|words| words.is_match(&*plain))
}

/// All words in one automaton: one look at each byte of a key.
fn secret_words() -> Option<&'static AhoCorasick> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    WORDS
        .get_or_init(|| {
            AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(SECRET_WORDS).ok()
        })
        .as_ref()
}

/// `name/version` of a client, as it says of itself, cut to a length that a record can hold.
pub(crate) fn client(name: Option<&str>, version: Option<&str>) -> Option<String> {
    let name = name?;
    let mut text: String = name.chars().take(STRING_CHARS_MAX).collect();
    if let Some(version) = version {
        let version: String = version.chars().take(STRING_CHARS_MAX).collect();
        // Writing into a string cannot fail.
        let _written: Result<(), std::fmt::Error> = write!(text, "/{version}");
    }
    Some(text)
}

#[cfg(test)]
mod tests;
