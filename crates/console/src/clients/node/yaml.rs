//! YAML into nodes, from events, so that nothing nests on the stack and aliases stay unread.

use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::{DEPTH_MAX, Node, SyntaxError, Value};

/// Reads the first document; an empty file is an empty table.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    let places = Places::of(text);
    let mut building = Building { open: Vec::new(), whole: None };
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| SyntaxError::Malformed {
            format: "YAML",
            line: error.marker().line(),
            what: "this is not how YAML is written".to_owned(),
        })?;
        let mut range = places.range(span);
        if let Event::Scalar(_, style, ..) = &event {
            range.end = scalar_end(text, &range, *style);
        }
        building.take(event, range)?;
        if building.whole.is_some() && building.open.is_empty() {
            break;
        }
    }
    Ok(building.whole.unwrap_or(Node { span: 0..0, value: Value::Table(Vec::new()) }))
}

/// A list or a table that is not at its end.
#[derive(Debug)]
enum Open {
    List(Range<usize>, Vec<Node>),
    Table(Range<usize>, Vec<(String, Node)>, Option<String>),
}

#[derive(Debug)]
struct Building {
    open: Vec<Open>,
    whole: Option<Node>,
}

impl Building {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), SyntaxError> {
        match event {
            Event::Scalar(text, style, _, tag) => {
                let plain = style == ScalarStyle::Plain && tag.is_none();
                self.add(Node { span, value: scalar(&text, plain) });
            }
            Event::Alias(_) => self.add(Node { span, value: Value::Other }),
            Event::SequenceStart(..) => self.enter(Open::List(span, Vec::new()))?,
            Event::MappingStart(..) => self.enter(Open::Table(span, Vec::new(), None))?,
            Event::SequenceEnd | Event::MappingEnd => self.leave(span.end),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => {}
        }
        Ok(())
    }

    fn enter(&mut self, open: Open) -> Result<(), SyntaxError> {
        if self.open.len() >= DEPTH_MAX {
            return Err(SyntaxError::TooDeep);
        }
        self.open.push(open);
        Ok(())
    }

    fn leave(&mut self, end: usize) {
        let node = match self.open.pop() {
            Some(Open::List(span, items)) => {
                Node { span: span.start..end, value: Value::List(items) }
            }
            Some(Open::Table(span, entries, _)) => {
                Node { span: span.start..end, value: Value::Table(entries) }
            }
            None => return,
        };
        self.add(node);
    }

    fn add(&mut self, node: Node) {
        match self.open.last_mut() {
            Some(Open::List(_, items)) => items.push(node),
            Some(Open::Table(_, entries, name)) => match name.take() {
                Some(name) => entries.push((name, node)),
                // A key that is no text names nothing that anybody looks for.
                None => *name = Some(node.text().unwrap_or_default().to_owned()),
            },
            None => self.whole = Some(node),
        }
    }
}

/// Where a scalar ends: the parser counts the blanks and the comment behind a quoted one in.
fn scalar_end(text: &str, range: &Range<usize>, style: ScalarStyle) -> usize {
    let quote = match style {
        ScalarStyle::SingleQuoted => b'\'',
        ScalarStyle::DoubleQuoted => b'"',
        ScalarStyle::Plain | ScalarStyle::Literal | ScalarStyle::Folded => return range.end,
    };
    let within = text.as_bytes().get(range.clone()).unwrap_or_default();
    let mut at = 1_usize;
    while let Some(byte) = within.get(at) {
        let next = within.get(at.saturating_add(1));
        let pair = (quote == b'"' && *byte == b'\\')
            || (quote == b'\'' && *byte == quote && next == Some(&quote));
        if pair {
            at = at.saturating_add(1);
        } else if *byte == quote {
            return range.start.saturating_add(at).saturating_add(1);
        }
        at = at.saturating_add(1);
    }
    range.end
}

/// What a scalar is in the core schema, as far as entries need it.
fn scalar(text: &str, plain: bool) -> Value {
    match text {
        "true" | "True" | "TRUE" if plain => Value::Flag(true),
        "false" | "False" | "FALSE" if plain => Value::Flag(false),
        "" | "~" | "null" | "Null" | "NULL" if plain => Value::Other,
        _ => Value::Text(text.to_owned()),
    }
}

/// Where each character begins: the parser counts characters, edits need bytes.
#[derive(Debug)]
struct Places(Vec<usize>);

impl Places {
    fn of(text: &str) -> Places {
        let ends = std::iter::once(text.len());
        Places(text.char_indices().map(|(at, _)| at).chain(ends).collect())
    }

    fn range(&self, span: Span) -> Range<usize> {
        let end = self.0.last().copied().unwrap_or_default();
        let byte = |index: usize| self.0.get(index).copied().unwrap_or(end);
        byte(span.start.index())..byte(span.end.index())
    }
}
