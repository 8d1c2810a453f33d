//! Audit records as compact JSON texts: written by hand on the way of a call, read by serde later.
//!
//! What never lives here: which facts are recorded.

use std::fmt::Write as _;

/// A JSON object under construction.
pub(super) struct ObjectText {
    text: String,
}

impl ObjectText {
    /// An object that will take about `bytes` bytes.
    pub(super) fn with_capacity(bytes: usize) -> ObjectText {
        let mut text = String::with_capacity(bytes);
        text.push('{');
        ObjectText { text }
    }

    /// Adds a member that is a string.
    pub(super) fn string(&mut self, key: &'static str, value: &str) {
        self.key(key);
        push_string(&mut self.text, value);
    }

    /// Adds a member that is a string, if there is one.
    pub(super) fn optional(&mut self, key: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.string(key, value);
        }
    }

    /// Adds a member that is an integer.
    pub(super) fn integer(&mut self, key: &'static str, value: impl itoa::Integer) {
        self.key(key);
        self.text.push_str(itoa::Buffer::new().format(value));
    }

    /// Adds a member that is a JSON text already, if there is one.
    pub(super) fn raw(&mut self, key: &'static str, json: Option<&str>) {
        if let Some(json) = json {
            self.key(key);
            self.text.push_str(json);
        }
    }

    /// The finished text.
    pub(super) fn finish(mut self) -> String {
        self.text.push('}');
        self.text
    }

    fn key(&mut self, key: &'static str) {
        if self.text.len() > 1 {
            self.text.push(',');
        }
        self.text.push('"');
        self.text.push_str(key);
        self.text.push_str("\":");
    }
}

/// Whether a byte is escaped.
fn is_odd(b: u8) -> bool {
    b < 0x20 || matches!(b, b'"' | b'\\' | 0x7f)
}

/// Appends a JSON string. Control characters are escaped, so that a record is one line.
pub(super) fn push_string(text: &mut String, value: &str) {
    text.push('"');
    let mut rest = value;
    // Nearly every text is plain, which many bytes at a time show at once.
    if !value.bytes().fold(false, |odd, b| odd | is_odd(b)) {
        text.push_str(value);
        text.push('"');
        return;
    }
    while let Some(place) = rest.bytes().position(is_odd) {
        let (plain, odd) = rest.split_at_checked(place).unwrap_or((rest, ""));
        text.push_str(plain);
        let mut characters = odd.chars();
        match characters.next() {
            Some('"') => text.push_str("\\\""),
            Some('\\') => text.push_str("\\\\"),
            Some(control) => {
                let _infallible = write!(text, "\\u{:04x}", u32::from(control));
            }
            None => {}
        }
        rest = characters.as_str();
    }
    text.push_str(rest);
    text.push('"');
}

#[cfg(test)]
mod tests;
