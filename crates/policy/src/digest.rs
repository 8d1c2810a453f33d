//! Canonical JSON and the digests that bind approvals and rules. No keys, no signatures.

#[cfg(test)]
mod tests;

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::uri::hex_digit;
use crate::value::Elements;
use crate::{Decimal, JsonKind, Node, Value};

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// `tools/call`
    Tool,
    /// `resources/*`
    Resource,
    /// `prompts/get`
    Prompt,
}

impl Kind {
    /// The lower-case word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Tool => "tool",
            Self::Resource => "resource",
            Self::Prompt => "prompt",
        }
    }
}

/// A SHA-256; shown as 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Digest(pub [u8; 32]);

impl fmt::Display for Sha256Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a digest is 64 lower-case hexadecimal digits")]
pub struct DigestError;

impl std::str::FromStr for Sha256Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let mut bytes = [0_u8; 32];
        if text.len() != 64 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(DigestError);
        }
        let mut digits = text.bytes().map(hex_digit);
        for byte in &mut bytes {
            let (high, low) = (digits.next().flatten(), digits.next().flatten());
            *byte = high.zip(low).map(|(high, low)| high * 16 + low).ok_or(DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// The SHA-256 of some bytes.
pub fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}

/// What an approval is bound to (POLICY section 7).
#[derive(Debug, Clone, Copy)]
pub struct CallIdentity<'a> {
    /// The grant's id.
    pub grant: &'a str,
    /// The server's slug.
    pub server: &'a str,
    /// What is called.
    pub kind: Kind,
    /// The tool's or prompt's name, or the resource's URI.
    pub name: &'a str,
    /// The digest of the pinned definition; `None` where there is none.
    pub definition_pin: Option<&'a str>,
    /// The arguments.
    pub args: &'a Value<'a>,
}

/// The RFC 8785 form of a value, but every number as an exact decimal in one normal form (POLICY section 7):
/// plain digits, no exponent, no closing zeros. A number without a value (more than 1,000 digits, exponent
/// beyond ±1,000) stays as it is written.
pub fn canonical_json(node: Node<'_>) -> String {
    let mut out = String::new();
    write_canonical(node, &mut out);
    out
}

/// A container whose end is still to be written.
enum Open<'v> {
    Array(Elements<'v>),
    Object(std::vec::IntoIter<(&'v str, Node<'v>)>),
}

/// Without recursion, so that no nesting can exhaust the stack.
fn write_canonical(node: Node<'_>, out: &mut String) {
    let mut open: Vec<Open<'_>> = Vec::new();
    open.extend(begin(node, out));
    while let Some(container) = open.last_mut() {
        let next = match container {
            Open::Array(elements) => elements.next().map(|node| (None, node)),
            Open::Object(members) => members.next().map(|(key, node)| (Some(key), node)),
        };
        let Some((key, node)) = next else {
            out.push(if matches!(container, Open::Array(_)) { ']' } else { '}' });
            open.pop();
            continue;
        };
        // Strings end in a quote, so an opening bracket stands last only before the first part.
        if !out.ends_with(['[', '{']) {
            out.push(',');
        }
        if let Some(key) = key {
            write_string(key, out);
            out.push(':');
        }
        open.extend(begin(node, out));
    }
}

/// Writes a scalar, or the opening bracket of the container that is returned.
fn begin<'v>(node: Node<'v>, out: &mut String) -> Option<Open<'v>> {
    match node.kind() {
        JsonKind::Null => out.push_str("null"),
        JsonKind::Bool => out.push_str(if node.as_bool() == Some(true) { "true" } else { "false" }),
        JsonKind::Number => {
            let text = node.number_text().unwrap_or_default();
            match Decimal::parse(text) {
                Some(number) => out.push_str(&number.to_string()),
                None => out.push_str(text),
            }
        }
        JsonKind::String => write_string(node.as_str().unwrap_or_default(), out),
        JsonKind::Array => {
            out.push('[');
            return Some(Open::Array(node.elements()));
        }
        JsonKind::Object => {
            out.push('{');
            let mut members: Vec<_> = node.members().collect();
            // RFC 8785 section 3.2.3: by UTF-16 code units.
            members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
            return Some(Open::Object(members.into_iter()));
        }
    }
    None
}

/// A JSON string with the escapes of RFC 8785 section 3.2.2.2 and no others.
fn write_string(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\u{1f}' => {
                out.push_str("\\u00");
                let code = u32::from(c);
                let digits = [code / 16, code % 16];
                out.extend(digits.into_iter().filter_map(|digit| char::from_digit(digit, 16)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

/// The digest that an approval for exactly this call is bound to: SHA-256 of the canonical JSON of the parts of
/// [`CallIdentity`] (POLICY section 7).
pub fn call_digest(call: &CallIdentity<'_>) -> Sha256Digest {
    let mut text = String::from("{\"arguments\":");
    write_canonical(call.args.root(), &mut text);
    text.push_str(",\"definition_pin\":");
    match call.definition_pin {
        Some(pin) => write_string(pin, &mut text),
        None => text.push_str("null"),
    }
    let rest = [
        ("grant", call.grant),
        ("kind", call.kind.as_str()),
        ("name", call.name),
        ("server", call.server),
    ];
    for (key, value) in rest {
        text.push(',');
        write_string(key, &mut text);
        text.push(':');
        write_string(value, &mut text);
    }
    text.push('}');
    sha256(text.as_bytes())
}
