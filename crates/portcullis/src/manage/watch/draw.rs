//! The picture of the board as text for a terminal. Everything that others wrote is made inert first;
//! nothing is left out without saying so.

use policy::UnixMillis;

use super::board::{Board, Mode};
use super::office::Held;
use crate::manage::inert;

/// The most calls that the list shows beside the chosen one.
const LIST_ROWS_MAX: usize = 8;
/// Rows that are no part of list or call: title, rule, line of keys, what was said.
const FRAME_ROWS: usize = 5;
/// Fewest columns that are drawn.
const COLUMNS_MIN: usize = 20;

const KEYS: &str = "a approve  r reject  j/k choose  o open  ? help  q quit";
const HELP: &[&str] = &[
    "a        approve exactly this call, once",
    "r        reject it; you type a reason, which the agent reads",
    "j k ↓ ↑  choose a call",
    "o        the whole of it; j, k and space leaf, another key closes",
    "q        quit; nothing is decided by that",
    "",
    "Calls stand by urgency: what ends first is first. A call whose grant, policy or",
    "tool changed since it was shown here is not decided: it is shown anew.",
];

/// The whole picture.
pub(super) fn picture(board: &Board, size: (usize, usize), now: UnixMillis) -> String {
    let (columns, rows) = (size.0.max(COLUMNS_MIN), size.1);
    let mut lines = match &board.mode {
        Mode::Help => HELP.iter().map(|line| (*line).to_owned()).collect(),
        Mode::Whole(from) => whole(board, *from, size),
        Mode::List | Mode::Reason(_) => list(board, size, now),
    };
    lines.truncate(rows.saturating_sub(2));
    lines.resize(rows.saturating_sub(2), String::new());
    let said = board.trouble.as_ref().map(|why| format!("not up to date: {why}"));
    lines.push(cut(&inert(&said.unwrap_or_else(|| board.said.clone())), columns));
    lines.push(match &board.mode {
        Mode::Reason(text) => prompt(text, columns),
        Mode::Help => "any key closes".to_owned(),
        Mode::Whole(_) => "j k space leaf · another key closes".to_owned(),
        Mode::List => cut(KEYS, columns),
    });
    let mut out = String::from("\x1b[H");
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            out.push_str("\r\n");
        }
        out.push_str(line);
        out.push_str("\x1b[K");
    }
    out.push_str("\x1b[J");
    out
}

/// The end of what is typed stays in sight.
fn prompt(text: &str, columns: usize) -> String {
    let label = "reason (Enter rejects, Esc leaves): ";
    let room = columns.saturating_sub(label.chars().count()).saturating_sub(1).max(1);
    let text = inert(text);
    let skip = text.chars().count().saturating_sub(room);
    let shown: String = text.chars().skip(skip).collect();
    cut(&format!("{label}{shown}"), columns)
}

fn list(board: &Board, size: (usize, usize), now: UnixMillis) -> Vec<String> {
    let columns = size.0.max(COLUMNS_MIN);
    let more = if board.more { ", and more wait" } else { "" };
    let title = format!("Held calls: {}{more}", board.held.len());
    let mut lines = vec![cut(&title, columns), "─".repeat(columns)];
    if board.held.is_empty() {
        lines.push("Nothing waits for a person.".to_owned());
        return lines;
    }
    let shown = board.held.len().min(LIST_ROWS_MAX);
    let at = board.chosen.as_deref().and_then(|id| board.held.iter().position(|o| o.id == id));
    // The chosen call is among those that are shown.
    let first = at.map_or(0, |at| at.saturating_add(1).saturating_sub(shown));
    for held in board.held.iter().skip(first).take(shown) {
        let mark = if board.chosen.as_deref() == Some(held.id.as_str()) { '>' } else { ' ' };
        let left = countdown(held.expires_at, now);
        let name = format!("{mark} {left:>8}  {}/{}", inert(&held.server), inert(&held.name));
        lines.push(cut(&name, columns));
    }
    let hidden = board.held.len().saturating_sub(shown);
    lines.push(if hidden > 0 { format!("  … and {hidden} more") } else { String::new() });
    let Some(held) = board.chosen() else { return lines };
    let all = lines_of(held, size);
    let room = call_rows(board.held.len(), size);
    if all.len() <= room {
        lines.extend(all);
    } else {
        let kept = room.saturating_sub(1);
        let more = all.len().saturating_sub(kept);
        lines.extend(all.into_iter().take(kept));
        lines.push(format!("… {more} more lines: o opens all of it"));
    }
    lines
}

/// Rows for the chosen call below the list.
fn call_rows(held: usize, size: (usize, usize)) -> usize {
    size.1.saturating_sub(FRAME_ROWS).saturating_sub(held.min(LIST_ROWS_MAX))
}

/// Whether the whole of a call stands below the list.
pub(super) fn fits(held: &Held, count: usize, size: (usize, usize)) -> bool {
    lines_of(held, size).len() <= call_rows(count, size)
}

/// Rows of the whole call.
pub(super) fn whole_rows(size: (usize, usize)) -> usize {
    size.1.saturating_sub(3).max(1)
}

fn whole(board: &Board, from: usize, size: (usize, usize)) -> Vec<String> {
    let Some(held) = board.chosen() else { return Vec::new() };
    let all = lines_of(held, size);
    let rows = whole_rows(size);
    let last = from.saturating_add(rows).min(all.len());
    let head = format!("lines {} to {last} of {}", from.saturating_add(1), all.len());
    std::iter::once(head).chain(all.into_iter().skip(from).take(rows)).collect()
}

/// Everything about a call, in lines of the terminal's width.
pub(super) fn lines_of(held: &Held, size: (usize, usize)) -> Vec<String> {
    let columns = size.0.max(COLUMNS_MIN);
    let mut lines = Vec::new();
    let mut push = |text: &str| wrap(text, columns, &mut lines);
    push(&format!("{}  grant {}", inert(&held.id), inert(&held.grant)));
    push(&format!("risk: {}", inert(&held.risk)));
    if held.changed {
        push("CHANGED since it was first shown here: the grant, its policy or the tool");
    }
    for line in &held.standing {
        push(&inert(line));
    }
    for message in &held.messages {
        push(&format!("held because: {}", inert(message)));
    }
    push("arguments, exactly:");
    push(&inert(&held.arguments));
    lines
}

/// Cuts a text into lines; a wide character takes two columns.
fn wrap(text: &str, columns: usize, lines: &mut Vec<String>) {
    let mut line = String::new();
    let mut taken = 0;
    for c in text.chars() {
        let wide = width(c);
        if taken + wide > columns {
            lines.push(std::mem::take(&mut line));
            taken = 0;
        }
        line.push(c);
        taken += wide;
    }
    lines.push(line);
}

/// Columns of a character: at least as many as any terminal gives it.
fn width(c: char) -> usize {
    if u32::from(c) < 0x1100 { 1 } else { 2 }
}

/// A text in one line; what does not fit is marked.
fn cut(text: &str, columns: usize) -> String {
    let mut lines = Vec::new();
    wrap(text, columns, &mut lines);
    let more = lines.len() > 1;
    let mut first = lines.into_iter().next().unwrap_or_default();
    if more {
        first.pop();
        first.push('…');
    }
    first
}

/// How long is left.
fn countdown(until: UnixMillis, now: UnixMillis) -> String {
    let seconds = until.0.saturating_sub(now.0).div_euclid(1000).max(0);
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours >= 48 {
        format!("{} days", hours / 24)
    } else if hours > 0 {
        format!("{hours}:{minutes:02}:{rest:02}")
    } else {
        format!("{minutes}:{rest:02}")
    }
}

#[cfg(test)]
mod tests;
