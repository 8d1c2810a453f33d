//! Characters of a text that nobody sees: a field for text shows them as nothing, or turns what is around them, so that
//! the page says where they are.
//!
//! What never lives here: which characters those are (`look`).

use serde::Serialize;

use crate::ui::look::is_unseen;

/// Lines with unseen characters that are shown, at most.
const UNSEEN_LINES_MAX: usize = 50;

/// A line with characters that nobody sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Unseen {
    /// The line, from 1.
    pub(super) line: u32,
    /// The characters, each once, as code points.
    pub(super) characters: String,
    /// Where the first of them is, in UTF-16 code units.
    pub(super) start: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// The lines of a text with characters that change what a person reads without being seen; the first ones.
pub(super) fn unseen(text: &str) -> Vec<Unseen> {
    let is_odd = |c: &char| !matches!(c, '\n' | '\r' | '\t') && is_unseen(*c);
    let mut found = Vec::new();
    let mut before = 0;
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        if found.len() >= UNSEEN_LINES_MAX {
            break;
        }
        let mut named: Vec<String> = Vec::new();
        for c in line.chars().filter(is_odd) {
            let name = format!("U+{:04X}", u32::from(c));
            if !named.contains(&name) {
                named.push(name);
            }
        }
        if !named.is_empty() {
            let shown = line.chars().take_while(|c| !is_odd(c)).map(char::len_utf16).sum::<usize>();
            let width = line.chars().find(is_odd).map_or(1, char::len_utf16);
            let start = before + shown;
            let characters = named.join(", ");
            found.push(Unseen { line: number, characters, start, end: start + width });
        }
        before += line.encode_utf16().count();
    }
    found
}
