//! Two texts line by line: what was added, what was removed, what stayed.
//!
//! What never lives here: what the texts mean.

#[cfg(test)]
mod tests;

/// Lines around a change that are shown with it.
const AROUND_LINES: usize = 3;
/// Cells of the table that finds the longest common part, at most; larger differences are shown as one.
const CELLS_MAX: usize = 4_000_000;

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It stands in both texts.
    Same,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// In its place stand lines that both texts have and nobody needs to see; the text says how many.
    Left,
}

impl Change {
    /// The class of the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Same | Self::Left => "same",
            Self::Added => "added",
            Self::Removed => "removed",
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What became of it.
    pub change: Change,
    /// The line without its end.
    pub text: String,
}

/// What changed from one text to the other, each change with a few lines around it. Empty where nothing did.
pub fn between(old: &str, new: &str) -> Vec<Line> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let all = whole(&old, &new);
    if all.iter().all(|line| line.change == Change::Same) {
        return Vec::new();
    }
    folded(all)
}

fn line(change: Change, text: &str) -> Line {
    Line { change, text: text.to_owned() }
}

/// Every line of both texts, in order.
fn whole(old: &[&str], new: &[&str]) -> Vec<Line> {
    let start = old.iter().zip(new).take_while(|(left, right)| left == right).count();
    let (old_rest, new_rest) =
        (old.get(start..).unwrap_or_default(), new.get(start..).unwrap_or_default());
    let pairs = old_rest.iter().rev().zip(new_rest.iter().rev());
    let end = pairs.take_while(|(left, right)| left == right).count();
    let middle = |rest: &[&str]| rest.len().saturating_sub(end);
    let old_middle = old_rest.get(..middle(old_rest)).unwrap_or_default();
    let new_middle = new_rest.get(..middle(new_rest)).unwrap_or_default();
    let same =
        |lines: &[&str]| lines.iter().map(|text| line(Change::Same, text)).collect::<Vec<_>>();
    let mut all = same(old.get(..start).unwrap_or_default());
    all.extend(changed(old_middle, new_middle));
    all.extend(same(old_rest.get(middle(old_rest)..).unwrap_or_default()));
    all
}

/// The lines of two stretches that begin and end differently: the longest common subsequence stays.
fn changed(old: &[&str], new: &[&str]) -> Vec<Line> {
    let width = new.len().saturating_add(1);
    let cells = old.len().saturating_add(1).saturating_mul(width);
    if cells > CELLS_MAX {
        let removed = old.iter().map(|text| line(Change::Removed, text));
        return removed.chain(new.iter().map(|text| line(Change::Added, text))).collect();
    }
    // At (i, j): how many lines the rests from i and from j have in common.
    let mut common = vec![0_u32; cells];
    let at = |i: usize, j: usize| i.saturating_mul(width).saturating_add(j);
    let get = |common: &[u32], i: usize, j: usize| common.get(at(i, j)).copied().unwrap_or(0);
    for (i, left) in old.iter().enumerate().rev() {
        for (j, right) in new.iter().enumerate().rev() {
            let best = if left == right {
                get(&common, i + 1, j + 1).saturating_add(1)
            } else {
                get(&common, i + 1, j).max(get(&common, i, j + 1))
            };
            if let Some(cell) = common.get_mut(at(i, j)) {
                *cell = best;
            }
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut all = Vec::with_capacity(old.len().saturating_add(new.len()));
    while let (Some(left), Some(right)) = (old.get(i), new.get(j)) {
        if left == right {
            all.push(line(Change::Same, left));
            i += 1;
            j += 1;
        } else if get(&common, i + 1, j) >= get(&common, i, j + 1) {
            all.push(line(Change::Removed, left));
            i += 1;
        } else {
            all.push(line(Change::Added, right));
            j += 1;
        }
    }
    all.extend(old.iter().skip(i).map(|text| line(Change::Removed, text)));
    all.extend(new.iter().skip(j).map(|text| line(Change::Added, text)));
    all
}

/// The same without the long stretches in which nothing changes.
fn folded(all: Vec<Line>) -> Vec<Line> {
    let changes: Vec<usize> = (0..all.len())
        .filter(|at| all.get(*at).is_some_and(|line| line.change != Change::Same))
        .collect();
    let near = |at: usize| {
        let next = changes.partition_point(|change| *change < at);
        let before = next.checked_sub(1).and_then(|before| changes.get(before));
        let after = changes.get(next);
        let distance = |other: Option<&usize>| other.map_or(usize::MAX, |other| other.abs_diff(at));
        distance(before).min(distance(after)) <= AROUND_LINES
    };
    let kept: Vec<bool> = (0..all.len()).map(near).collect();
    let mut shown: Vec<Line> = Vec::new();
    let mut left = 0_usize;
    for (next, keep) in all.into_iter().zip(kept) {
        if !keep {
            left += 1;
            continue;
        }
        shown.extend((left > 0).then(|| fold(left)));
        left = 0;
        shown.push(next);
    }
    shown.extend((left > 0).then(|| fold(left)));
    shown
}

fn fold(lines: usize) -> Line {
    let text = if lines == 1 { "1 line".to_owned() } else { format!("{lines} lines") };
    Line { change: Change::Left, text: format!("… {text} as before") }
}
