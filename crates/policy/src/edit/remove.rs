//! What goes with an item that is taken out: its comma, and its line where nothing else stands on it. Comments
//! outside of the item stay.

use std::ops::Range;

use super::container::{Container, has_line_break, line_start, own_line_indent};
use super::page::Page;
use super::splice::Splice;

impl Page<'_> {
    /// Takes items out of a container. `indices` are in ascending order.
    pub(super) fn remove(&self, container: &Container<'_>, indices: &[usize]) -> Vec<Splice> {
        if indices.is_empty() {
            return Vec::new();
        }
        if indices.len() == container.items.len() && !container.has_comments() {
            return vec![Splice::delete(container.open + 1..container.close)];
        }
        let mut splices = Vec::with_capacity(indices.len() + 1);
        let mut last_goes = false;
        for index in indices {
            let Some(item) = container.items.get(*index) else { continue };
            let comma = container.comma_after(*index);
            last_goes |= comma.is_none();
            let (range, comma) = match comma {
                Some(comma) if self.is_blank(item.end..comma) => (item.start..comma + 1, None),
                comma => (item.clone(), comma),
            };
            splices.extend(comma.map(|comma| Splice::delete(comma..comma + 1)));
            splices.push(Splice::delete(self.with_line(range, container)));
        }
        if last_goes {
            // The last item that stays has no comma behind it any more, if the last item had none.
            let stays =
                (0..container.items.len()).rev().find(|i| indices.binary_search(i).is_err());
            let comma = stays.and_then(|stays| container.comma_after(stays));
            splices.extend(comma.map(|comma| {
                let next = stays.map_or(comma + 1, |stays| container.until(stays));
                let space = comma + 1..next;
                let to = if self.is_blank_in_line(space) { next } else { comma + 1 };
                Splice::delete(comma..to)
            }));
        }
        splices
    }

    /// The range with its whole line if nothing else stands there, else with the spaces that follow it, or go
    /// before it at the end of a line.
    fn with_line(&self, range: Range<usize>, container: &Container<'_>) -> Range<usize> {
        let rest = self.text.get(range.end..container.close).unwrap_or("");
        let spaces = rest.find(|c| !matches!(c, ' ' | '\t')).unwrap_or(rest.len());
        let after = rest.get(spaces..).unwrap_or("");
        let ends_line = has_line_break(after.get(..1).unwrap_or(""));
        let own = own_line_indent(self.text, range.start);
        match (own, ends_line) {
            (Some(_), true) => {
                let line_break = if after.starts_with("\r\n") { 2 } else { 1 };
                line_start(self.text, range.start)..range.end + spaces + line_break
            }
            (None, true) => {
                let before = self.text.get(container.open + 1..range.start).unwrap_or("");
                let kept = before.trim_end_matches([' ', '\t']).len();
                container.open + 1 + kept..range.end
            }
            (_, false) if after.is_empty() => range,
            (_, false) => range.start..range.end + spaces,
        }
    }

    fn is_blank(&self, range: Range<usize>) -> bool {
        self.text.get(range).is_some_and(|between| between.trim().is_empty())
    }

    fn is_blank_in_line(&self, range: Range<usize>) -> bool {
        self.text.get(range).is_some_and(|b| b.bytes().all(|byte| matches!(byte, b' ' | b'\t')))
    }
}
