//! Text to syntax tree: size, depth and the strictness that JSON asks for beyond comments and trailing commas.
//! Knows nothing of policies.

use std::ops::Range;

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

/// Longest document in bytes (POLICY section 1).
pub(crate) const DOCUMENT_BYTES_MAX: usize = 1_048_576;
/// Deepest nesting of objects and arrays; the document itself is the first level (POLICY section 1).
pub(crate) const DOCUMENT_DEPTH_MAX: usize = 64;

/// Why a text is no document at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SyntaxFault {
    /// Bytes of the text that the message is about.
    pub span: Range<usize>,
    pub message: String,
    pub help: Option<String>,
}

/// Parses JSON with `//` and `/* */` comments and trailing commas, and nothing else beyond RFC 8259.
///
/// The text is first read once without recursion, so that the recursive parser never sees deep nesting, raw
/// control characters in strings, white space that JSON does not have, or escapes of half a surrogate pair.
pub(crate) fn parse_tree(text: &str) -> Result<Ast<'_>, SyntaxFault> {
    if text.len() > DOCUMENT_BYTES_MAX {
        return Err(fault(
            0..0,
            format!("the document is {} bytes long; at most 1 MiB", text.len()),
        ));
    }
    scan(text, DOCUMENT_DEPTH_MAX)?;
    parse_scanned(text)
}

/// Deepest nesting of a step of a case file, whose arguments may be nested deeper than a document.
const PART_DEPTH_MAX: usize = 200;

/// Parses a part of a case file: as [`parse_tree`], but of any length and nested deeper.
pub(crate) fn parse_part(text: &str) -> Result<Ast<'_>, SyntaxFault> {
    scan(text, PART_DEPTH_MAX)?;
    parse_scanned(text)
}

fn parse_scanned(text: &str) -> Result<Ast<'_>, SyntaxFault> {
    let options = ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let parsed = parse_to_ast(text, &collect, &options).map_err(|error| {
        let range = error.range();
        fault(range.start..range.end, format!("not JSON: {}", error.kind()))
    })?;
    parsed.value.ok_or_else(|| fault(0..0, "the document is empty".to_owned()))
}

fn fault(span: Range<usize>, message: String) -> SyntaxFault {
    SyntaxFault { span, message, help: None }
}

/// One pass over the bytes that knows strings, comments and brackets, and nothing else.
fn scan(text: &str, depth_max: usize) -> Result<(), SyntaxFault> {
    let bytes = text.as_bytes();
    let mut at = 0;
    let mut depth = 0_usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = scan_string(text, at)?,
            b'/' => at = scan_comment(text, at)?,
            b'{' | b'[' => {
                depth += 1;
                if depth > depth_max {
                    let message = format!("nested deeper than {depth_max} levels");
                    return Err(fault(at..at + 1, message));
                }
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                at += 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            byte if byte.is_ascii_graphic() => at += 1,
            _ => {
                let found = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('\0');
                let message = format!("not JSON: U+{:04X} outside a string", u32::from(found));
                return Err(fault(at..at + found.len_utf8(), message));
            }
        }
    }
    Ok(())
}

/// From the opening quote at `start` to just past the closing one.
fn scan_string(text: &str, start: usize) -> Result<usize, SyntaxFault> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    loop {
        match bytes.get(at) {
            None => {
                return Err(fault(start..text.len(), "not JSON: a string has no end".to_owned()));
            }
            Some(b'"') => return Ok(at + 1),
            Some(b'\\') => at = scan_escape(text, at)?,
            Some(byte) if *byte < 0x20 => {
                let mut fault = fault(
                    at..at + 1,
                    format!("not JSON: the control character U+{byte:04X} in a string"),
                );
                fault.help = Some(format!("write it as \\u{byte:04x}"));
                return Err(fault);
            }
            Some(_) => at += 1,
        }
    }
}

/// From the backslash at `start` to just past the escape; a high surrogate takes its low half with it.
fn scan_escape(text: &str, start: usize) -> Result<usize, SyntaxFault> {
    if text.as_bytes().get(start + 1) != Some(&b'u') {
        return Ok((start + 2).min(text.len()));
    }
    let Some(unit) = code_unit(text, start) else {
        let message = "not JSON: \\u wants four hexadecimal digits".to_owned();
        return Err(fault(start..start + 2, message));
    };
    let end = start + 6;
    let half = || fault(start..end, "half of a surrogate pair in a string".to_owned());
    match unit {
        0xD800..=0xDBFF => match code_unit(text, end) {
            Some(0xDC00..=0xDFFF) => Ok(end + 6),
            _ => Err(half()),
        },
        0xDC00..=0xDFFF => Err(half()),
        _ => Ok(end),
    }
}

/// The UTF-16 code unit of the escape `\uXXXX` at `at`.
fn code_unit(text: &str, at: usize) -> Option<u16> {
    let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u16::from_str_radix(digits, 16).ok()
}

/// From the slash at `start` to just past the comment; a slash that begins none is left to the parser.
fn scan_comment(text: &str, start: usize) -> Result<usize, SyntaxFault> {
    let rest = text.get(start..).unwrap_or("");
    if rest.starts_with("//") {
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        return Ok(start + length);
    }
    if let Some(body) = rest.strip_prefix("/*") {
        return match body.find("*/") {
            Some(length) => Ok(start + length + 4),
            None => Err(fault(start..text.len(), "a comment has no end".to_owned())),
        };
    }
    Ok(start + 1)
}
