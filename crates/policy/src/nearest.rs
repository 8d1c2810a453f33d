//! "Did you mean": the known word nearest to one that is unknown. Never decides anything.

#[cfg(test)]
mod tests;

/// Longest text, in characters, for which a near word is looked for.
const NEAREST_CHARS_MAX: usize = 64;

/// The candidate that differs from `text` in the fewest edits, if these are at most a third of its length
/// and at least one is allowed.
pub(crate) fn nearest<'c>(
    text: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    let text: Vec<char> = text.chars().take(NEAREST_CHARS_MAX + 1).collect();
    if text.is_empty() || text.len() > NEAREST_CHARS_MAX {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (edits(&text, candidate), candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.chars().count() / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours, row by row.
fn edits(text: &[char], candidate: &str) -> usize {
    let candidate: Vec<char> = candidate.chars().collect();
    let cell = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=candidate.len()).collect();
    for (line, given) in text.iter().enumerate() {
        let mut row = Vec::with_capacity(candidate.len() + 1);
        row.push(line + 1);
        for (column, wanted) in candidate.iter().enumerate() {
            let replaced = cell(&above, column) + usize::from(given != wanted);
            let mut best = replaced.min(cell(&above, column + 1) + 1).min(cell(&row, column) + 1);
            let swapped = line > 0
                && column > 0
                && text.get(line - 1) == Some(wanted)
                && candidate.get(column - 1) == Some(given);
            if swapped {
                best = best.min(cell(&before, column - 1) + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut above, row);
    }
    above.last().copied().unwrap_or(0)
}
