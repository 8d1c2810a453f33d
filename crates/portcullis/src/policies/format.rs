//! `policy fmt`: one layout for policy files. Two spaces a level, one member a line, no trailing
//! commas; comments, the order of members and the spelling of values stay as they are.

use std::path::PathBuf;

use clap::Args;
use policy::Document;

use super::document_of;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output;

/// What `fmt` takes.
#[derive(Debug, Args)]
pub(crate) struct FormatArgs {
    /// The policies
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Change the files
    #[arg(long)]
    write: bool,
    /// Only say which files would change
    #[arg(long, conflicts_with = "write")]
    check: bool,
}

/// `policy fmt`.
pub(super) fn run(args: &FormatArgs) -> Result<Exit, Failure> {
    let mut exit = Exit::Good;
    for path in &args.files {
        let document = document_of(path)?;
        let formatted = layout(document.text());
        if Document::parse(&formatted)
            .ok()
            .is_none_or(|new| new.canonical() != document.canonical())
        {
            let text = format!("{} cannot be laid out without changing it", path.display());
            return Err(Failure::new(Exit::Failed, text));
        }
        let changed = formatted != document.text();
        if args.check {
            if changed {
                output::line(path.display().to_string());
                exit = Exit::Failed;
            }
        } else if !args.write {
            output::raw(&formatted);
        } else if changed {
            std::fs::write(path, &formatted).map_err(|error| {
                Failure::because(Exit::Failed, &format!("cannot write {}", path.display()), &error)
            })?;
        }
    }
    Ok(exit)
}

/// One piece of a valid document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece<'t> {
    /// `{` or `[`.
    Open(&'t str),
    /// `}` or `]`.
    Close(&'t str),
    Comma,
    Colon,
    /// A string, number or word.
    Scalar(&'t str),
    /// A comment, and whether a line break stands before it.
    Comment(&'t str, Placed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Placed {
    Behind,
    OnItsOwn,
}

/// Lays out the text of a valid document.
fn layout(text: &str) -> String {
    let pieces = pieces(text);
    let mut out = Layout::default();
    for (index, piece) in pieces.iter().enumerate() {
        match *piece {
            Piece::Open(text) => {
                out.begin();
                out.text.push_str(text);
                out.depth += 1;
                out.pending = Pending::Line;
                out.empty = true;
            }
            Piece::Close(text) => {
                out.depth = out.depth.saturating_sub(1);
                if out.empty && out.pending == Pending::Line {
                    out.pending = Pending::Nothing;
                } else {
                    out.pending = Pending::Line;
                }
                out.begin();
                out.text.push_str(text);
                out.pending = Pending::Nothing;
            }
            Piece::Comma => {
                // A comma before a closing bracket is left out.
                let next = pieces.iter().skip(index + 1);
                let next = next.clone().find(|piece| !matches!(piece, Piece::Comment(..)));
                if !matches!(next, None | Some(Piece::Close(_))) {
                    out.end_comment();
                    out.text.push(',');
                }
                out.pending = Pending::Line;
            }
            Piece::Colon => {
                out.end_comment();
                out.text.push(':');
                out.pending = Pending::Space;
            }
            Piece::Scalar(text) => {
                out.begin();
                out.text.push_str(text);
                out.pending = Pending::Nothing;
            }
            Piece::Comment(text, placed) => out.comment(text, placed),
        }
    }
    let mut text = out.text.trim_end().to_owned();
    text.push('\n');
    text
}

#[derive(Default)]
struct Layout {
    text: String,
    depth: usize,
    pending: Pending,
    /// Nothing was written since the last opening bracket.
    empty: bool,
    /// The last thing written is a comment, which would swallow what follows on its line.
    in_comment: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Pending {
    #[default]
    Nothing,
    Space,
    Line,
}

impl Layout {
    /// Writes what is owed before the next piece.
    fn begin(&mut self) {
        match self.pending {
            Pending::Nothing => {}
            Pending::Space => self.text.push(' '),
            Pending::Line => self.line(),
        }
        self.pending = Pending::Nothing;
        self.empty = false;
        self.in_comment = false;
    }

    fn end_comment(&mut self) {
        if self.in_comment {
            self.begin();
        }
    }

    fn line(&mut self) {
        if self.text.is_empty() {
            return;
        }
        self.text.push('\n');
        for _ in 0..self.depth {
            self.text.push_str("  ");
        }
    }

    fn comment(&mut self, text: &str, placed: Placed) {
        if self.text.is_empty() {
            // The first line needs nothing before it.
        } else if placed == Placed::OnItsOwn {
            self.line();
        } else {
            self.text.push(' ');
        }
        self.text.push_str(text.trim_end());
        self.pending = Pending::Line;
        self.empty = false;
        self.in_comment = true;
    }
}

/// Splits a valid document; what is in no piece is white space.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut placed = Placed::OnItsOwn;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '{' | '[' | '}' | ']' | ',' | ':' => 1,
            '"' => string_length(rest),
            '/' => comment_length(rest),
            c if c.is_whitespace() || c == '\u{feff}' => {
                if c == '\n' {
                    placed = Placed::OnItsOwn;
                }
                rest = rest.get(c.len_utf8()..).unwrap_or_default();
                continue;
            }
            _ => scalar_length(rest),
        };
        let (piece, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        pieces.push(match first {
            '{' | '[' => Piece::Open(piece),
            '}' | ']' => Piece::Close(piece),
            ',' => Piece::Comma,
            ':' => Piece::Colon,
            '/' => Piece::Comment(piece, placed),
            _ => Piece::Scalar(piece),
        });
        placed = Placed::Behind;
        rest = after;
    }
    pieces
}

/// Bytes of the string that `text` begins with, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the comment that `text` begins with, without the line break.
fn comment_length(text: &str) -> usize {
    if text.starts_with("/*") {
        return text.find("*/").map_or(text.len(), |end| end + 2);
    }
    text.find('\n').unwrap_or(text.len())
}

fn scalar_length(text: &str) -> usize {
    let ends = |c: char| c.is_whitespace() || "{}[],:/\"".contains(c);
    text.find(ends).unwrap_or(text.len()).max(1)
}

#[cfg(test)]
mod tests;
