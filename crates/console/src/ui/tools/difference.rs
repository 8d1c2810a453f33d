//! Two texts line by line: what both have, what only one has.
//!
//! What never lives here: what the texts are.

/// Lines on either side that are compared with each other, at most; beyond that everything between the parts that
/// are the same counts as changed.
const COMPARED_LINES_MAX: usize = 600;

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// `same`, `added` or `removed`.
    pub(super) kind: &'static str,
    /// The line.
    pub(super) text: String,
}

fn line(kind: &'static str, text: &str) -> Line {
    Line { kind, text: text.to_owned() }
}

/// The lines of `new`, with those that only `old` has where they stood.
pub(super) fn difference(old: &str, new: &str) -> Vec<Line> {
    let old: Vec<&str> = old.lines().collect();
    let new: Vec<&str> = new.lines().collect();
    let start = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) =
        (old.get(start..).unwrap_or_default(), new.get(start..).unwrap_or_default());
    let end = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let old_middle = old_rest.get(..old_rest.len().saturating_sub(end)).unwrap_or_default();
    let new_middle = new_rest.get(..new_rest.len().saturating_sub(end)).unwrap_or_default();
    let mut lines: Vec<Line> = new.iter().take(start).map(|text| line("same", text)).collect();
    lines.extend(middle(old_middle, new_middle));
    let tail = new.iter().skip(new.len().saturating_sub(end));
    lines.extend(tail.map(|text| line("same", text)));
    lines
}

fn middle(old: &[&str], new: &[&str]) -> Vec<Line> {
    if old.len() > COMPARED_LINES_MAX || new.len() > COMPARED_LINES_MAX {
        let removed = old.iter().map(|text| line("removed", text));
        return removed.chain(new.iter().map(|text| line("added", text))).collect();
    }
    let common = common(old, new);
    let (mut a, mut b) = (0, 0);
    let mut lines = Vec::with_capacity(old.len().saturating_add(new.len()));
    loop {
        match (old.get(a), new.get(b)) {
            (Some(x), Some(y)) if x == y => {
                lines.push(line("same", y));
                (a, b) = (a.saturating_add(1), b.saturating_add(1));
            }
            (Some(x), y)
                if y.is_none() || at(&common, a, b, (1, 0)) >= at(&common, a, b, (0, 1)) =>
            {
                lines.push(line("removed", x));
                a = a.saturating_add(1);
            }
            (_, Some(y)) => {
                lines.push(line("added", y));
                b = b.saturating_add(1);
            }
            (_, None) => return lines,
        }
    }
}

fn at(common: &[Vec<u16>], a: usize, b: usize, step: (usize, usize)) -> u16 {
    let row = common.get(a.saturating_add(step.0));
    row.and_then(|row| row.get(b.saturating_add(step.1))).copied().unwrap_or_default()
}

/// How many lines the rest from each place on have in common at most.
fn common(old: &[&str], new: &[&str]) -> Vec<Vec<u16>> {
    let width = new.len().saturating_add(1);
    let mut rows = vec![vec![0_u16; width]];
    for x in old.iter().rev() {
        let below = rows.last().cloned().unwrap_or_default();
        let mut row = vec![0_u16; width];
        for (b, y) in new.iter().enumerate().rev() {
            let next = b.saturating_add(1);
            let value = if x == y {
                below.get(next).copied().unwrap_or_default().saturating_add(1)
            } else {
                let right = row.get(next).copied().unwrap_or_default();
                right.max(below.get(b).copied().unwrap_or_default())
            };
            if let Some(place) = row.get_mut(b) {
                *place = value;
            }
        }
        rows.push(row);
    }
    rows.reverse();
    rows
}
