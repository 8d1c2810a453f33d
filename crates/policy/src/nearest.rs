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

/// Levenshtein distance, row by row.
fn edits(text: &[char], candidate: &str) -> usize {
    let mut row: Vec<usize> = (0..=text.len()).collect();
    for (line, wanted) in candidate.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, given) in row.iter_mut().skip(1).zip(text) {
            let substituted = diagonal + usize::from(*given != wanted);
            diagonal = *cell;
            left = substituted.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
    }
    row.last().copied().unwrap_or(0)
}
