//! Strings: finding their end fast, checking and undoing escapes. Never looks at what a string says.

use super::{Fault, FaultKind, Strictness};

/// A scanned string.
pub(super) struct Found {
    /// Position of the closing quote.
    pub(super) end: usize,
    pub(super) escaped: bool,
}

/// Scans from the byte after the opening quote to the closing one. The bytes are UTF-8.
pub(super) fn scan(bytes: &[u8], start: usize, strictness: Strictness) -> Result<Found, Fault> {
    let mut pos = start;
    let mut escaped = false;
    loop {
        pos = plain_end(bytes, pos);
        match bytes.get(pos) {
            Some(b'"') => return Ok(Found { end: pos, escaped }),
            Some(b'\\') => {
                escaped = true;
                pos = escape_end(bytes, pos, strictness)?;
            }
            Some(_) => return Err(Fault { at: pos, kind: FaultKind::ControlInString }),
            None => {
                return Err(Fault { at: pos, kind: FaultKind::Expected("the end of a string") });
            }
        }
    }
}

/// Words looked at one by one before blocks: most strings end in them.
const WORDS_FIRST: usize = 6;
/// Bytes that are tested at once, in a form that compilers turn into vector instructions.
const BLOCK_BYTES: usize = 32;

/// Position of the first quote, backslash or control character from `from` on, or the end.
fn plain_end(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    let mut pos = from;
    let (head, long) = rest.split_at_checked(WORDS_FIRST * 8).unwrap_or((rest, &[]));
    if let Some(found) = words_end(head) {
        return from + found;
    }
    pos += head.len();
    let (blocks, tail) = long.as_chunks::<BLOCK_BYTES>();
    for block in blocks {
        if has_special(block) {
            return pos + words_end(block).unwrap_or(BLOCK_BYTES);
        }
        pos += BLOCK_BYTES;
    }
    pos + words_end(tail).unwrap_or(tail.len())
}

fn has_special(block: &[u8; BLOCK_BYTES]) -> bool {
    block.iter().fold(0u8, |found, &byte| {
        found | u8::from(byte < 0x20) | u8::from(byte == b'"') | u8::from(byte == b'\\')
    }) != 0
}

/// Position of the first special byte, eight at a time.
fn words_end(bytes: &[u8]) -> Option<usize> {
    let (words, tail) = bytes.as_chunks::<8>();
    for (index, word) in words.iter().enumerate() {
        let marks = special_marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return Some(index * 8 + marks.trailing_zeros() as usize / 8);
        }
    }
    let found = tail.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\');
    found.map(|at| words.len() * 8 + at)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The high bit of each special byte; exact up to the first one.
const fn special_marks(word: u64) -> u64 {
    let quote = word ^ (ONES * b'"' as u64);
    let backslash = word ^ (ONES * b'\\' as u64);
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    let quote = quote.wrapping_sub(ONES) & !quote;
    let backslash = backslash.wrapping_sub(ONES) & !backslash;
    (control | quote | backslash) & HIGHS
}

/// Checks the escape at `pos` (a backslash) and returns the position after it.
fn escape_end(bytes: &[u8], pos: usize, strictness: Strictness) -> Result<usize, Fault> {
    match bytes.get(pos + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(pos + 2),
        Some(b'u') => {
            let unit =
                hex_unit(bytes, pos + 2).ok_or(Fault { at: pos, kind: FaultKind::BadEscape })?;
            if strictness == Strictness::Grammar || !(0xD800..=0xDFFF).contains(&unit) {
                return Ok(pos + 6);
            }
            let low = bytes
                .get(pos + 6..pos + 8)
                .filter(|&next| next == b"\\u")
                .and_then(|_| hex_unit(bytes, pos + 8));
            match low {
                Some(0xDC00..=0xDFFF) if unit < 0xDC00 => Ok(pos + 12),
                Some(_) | None => Err(Fault { at: pos, kind: FaultKind::LoneSurrogate }),
            }
        }
        Some(_) | None => Err(Fault { at: pos, kind: FaultKind::BadEscape }),
    }
}

/// Four hexadecimal digits.
fn hex_unit(bytes: &[u8], from: usize) -> Option<u16> {
    let digits = bytes.get(from..from.checked_add(4)?)?;
    digits.iter().try_fold(0u16, |unit, &digit| {
        let value = (digit as char).to_digit(16)?;
        Some(unit << 4 | u16::try_from(value).ok()?)
    })
}

/// Undoes the escapes of a scanned string. `None` when it holds a lone surrogate.
pub(crate) fn unescape(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, escape)) = rest.split_once('\\') {
        out.push_str(plain);
        let mut chars = escape.chars();
        match chars.next()? {
            'b' => out.push('\u{8}'),
            'f' => out.push('\u{c}'),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'u' => {
                let (c, after) = unicode_escape(chars.as_str())?;
                out.push(c);
                chars = after.chars();
            }
            plain => out.push(plain),
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    Some(out)
}

/// The character of the hexadecimal digits after `\u`, with the low surrogate that belongs to it, and the text behind.
fn unicode_escape(text: &str) -> Option<(char, &str)> {
    let unit = hex_unit(text.as_bytes(), 0)?;
    let rest = text.get(4..)?;
    if let Some(c) = char::from_u32(u32::from(unit)) {
        return Some((c, rest));
    }
    let rest = rest.strip_prefix("\\u")?;
    let low = hex_unit(rest.as_bytes(), 0)?;
    let c = char::decode_utf16([unit, low]).next()?.ok()?;
    Some((c, rest.get(4..)?))
}
