//! Canonical JSON: one text for one meaning, after RFC 8785, but with numbers as exact decimals instead of doubles. Never used
//! for anything that is sent.

#[cfg(test)]
mod tests;

use crate::{
    decode::{DEPTH_MAX, ELEMENTS_MAX},
    reply::json_string,
    scan::{self, Rules},
    tape::{Entry, Node, NodeKind},
};

/// Why a JSON text has no canonical form: it is none, or it can be read in two ways.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CanonicalError(String);

/// Scans a text that must have one meaning only.
pub(crate) fn unambiguous(text: &[u8]) -> Result<Vec<Entry>, CanonicalError> {
    scan::scan(text, Rules::contract(DEPTH_MAX, ELEMENTS_MAX))
        .map_err(|fault| CanonicalError(fault.to_string()))
}

/// Appends the canonical text of a value. Recursion is bounded by the scanner's [`DEPTH_MAX`].
pub(crate) fn write(out: &mut String, node: Node<'_>) {
    match node.kind() {
        NodeKind::Null | NodeKind::Bool => out.push_str(node.raw_str()),
        NodeKind::Number => out.push_str(&number(node.raw_str())),
        NodeKind::String => out.push_str(&json_string(&node.as_str().unwrap_or_default())),
        NodeKind::Array => {
            out.push('[');
            for (index, element) in node.elements().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, element);
            }
            out.push(']');
        }
        NodeKind::Object => {
            let members = node
                .members()
                .map(|(key, value)| (key.text().unwrap_or_default().into_owned(), value));
            write_object(out, members.collect());
        }
    }
}

/// Appends an object whose members are sorted by their names' UTF-16 code units, as RFC 8785 has it.
pub(crate) fn write_object(out: &mut String, mut members: Vec<(String, Node<'_>)>) {
    members.sort_by(|(a, _), (b, _)| a.encode_utf16().cmp(b.encode_utf16()));
    out.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str(&json_string(&name));
        out.push(':');
        write(out, value);
    }
    out.push('}');
}

/// Most digits, with zeros, before a number is written with an exponent.
const PLAIN_DIGITS_MAX: i64 = 21;

/// The one text of a number that satisfies JSON's grammar: `1.0`, `1` and `10e-1` are `1`; `-0` is `0`.
pub(crate) fn number(text: &str) -> String {
    let (sign, unsigned) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [integer, fraction].concat();
    let significant = digits.trim_start_matches('0');
    let trimmed = significant.trim_end_matches('0');
    if trimmed.is_empty() {
        return "0".to_owned();
    }
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let exponent: i64 = exponent.parse().unwrap_or(i64::MAX / 4);
    // The value is trimmed × 10^scale.
    let scale = exponent - length(fraction) + (length(significant) - length(trimmed));
    let point = length(trimmed) + scale;
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    if scale >= 0 && point <= PLAIN_DIGITS_MAX {
        return format!("{sign}{trimmed}{}", zeros(scale));
    }
    if scale < 0 && (1..=PLAIN_DIGITS_MAX).contains(&point) {
        let (whole, part) = trimmed.split_at(usize::try_from(point).unwrap_or(0));
        return format!("{sign}{whole}.{part}");
    }
    if scale < 0 && (-6..=0).contains(&point) {
        return format!("{sign}0.{}{trimmed}", zeros(-point));
    }
    format!("{sign}{trimmed}e{scale}")
}

/// [`number`] of a text that need not be one.
pub(crate) fn number_of_text(text: &str) -> Option<String> {
    let tape = scan::scan(text.as_bytes(), Rules::contract(1, 1)).ok()?;
    let node = Node::new(text.as_bytes(), &tape, 0);
    (node.kind() == NodeKind::Number && node.raw_str() == text).then(|| number(text))
}
