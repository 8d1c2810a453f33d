//! Texts as literals: of each format of a client's file, and of a shell.
//!
//! What never lives here: what a text means.

use std::fmt::Write as _;

use super::Format;

/// A string of the format, within double quotes: what is not printable ASCII or a letter of some language is
/// spelt as a code point, so that nothing hides in what people paste.
pub(super) fn string(format: Format, text: &str) -> String {
    let mut literal = String::with_capacity(text.len().saturating_add(2));
    literal.push('"');
    for c in text.chars() {
        match c {
            '"' => literal.push_str("\\\""),
            '\\' => literal.push_str("\\\\"),
            '\n' => literal.push_str("\\n"),
            '\r' => literal.push_str("\\r"),
            '\t' => literal.push_str("\\t"),
            ' '..='~' => literal.push(c),
            c if c.is_alphanumeric() => literal.push(c),
            c => literal.push_str(&escaped(format, c)),
        }
    }
    literal.push('"');
    literal
}

/// A code point as the format spells it.
fn escaped(format: Format, c: char) -> String {
    let code = u32::from(c);
    match format {
        Format::Toml | Format::Yaml if code > 0xffff => format!("\\U{code:08x}"),
        Format::Json | Format::Toml | Format::Yaml => {
            let mut units = [0; 2];
            let spelt = c.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"));
            spelt.collect::<Vec<String>>().concat()
        }
    }
}

/// One word of a POSIX shell's line: nothing in it is expanded, and a line break ends nothing.
///
/// Beside plain words everything stands within single quotes, which nothing but a single quote can end.
pub fn shell_word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !text.is_empty() && !text.starts_with('-') && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// Percent-encodes everything but letters, digits and `-._~`.
pub(super) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else if write!(encoded, "%{byte:02X}").is_err() {
            encoded.push('?');
        }
    }
    encoded
}
