//! What is on the screen and what a key does to it. Knows no terminal and decides nothing itself.

use std::collections::BTreeSet;

use store::Answer;

use super::draw;
use super::keys::Key;
use super::office::Held;

/// Characters of a reason, at most.
const REASON_CHARS_MAX: usize = 1_000;

/// What a key asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    Decide(Decision),
    Quit,
}

/// A decision that somebody typed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decision {
    pub(super) id: String,
    pub(super) answer: Answer,
    pub(super) reason: Option<String>,
}

/// What is shown beside the list.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    List,
    Help,
    /// The whole of the chosen call, from this line on.
    Whole(usize),
    /// A reason is typed, to reject the chosen call.
    Reason(String),
}

/// The screen as data.
#[derive(Debug, Default)]
pub(super) struct Board {
    pub(super) held: Vec<Held>,
    /// The id of the chosen call: it stays chosen wherever the list moves.
    pub(super) chosen: Option<String>,
    pub(super) mode: Mode,
    pub(super) said: String,
    /// Why the calls cannot be looked at for now; they are shown as they stood.
    pub(super) trouble: Option<String>,
    /// Whether more calls wait than are shown.
    pub(super) more: bool,
    /// The calls whose arguments were seen whole.
    pub(super) seen: BTreeSet<String>,
}

impl Board {
    /// Takes over what is held now. A chosen call that is gone leaves nothing chosen: no key that was
    /// meant for it may meet another.
    pub(super) fn show(&mut self, held: Vec<Held>) {
        let first = self.held.is_empty() && self.chosen.is_none();
        self.held = held;
        if first {
            self.chosen = self.held.first().map(|one| one.id.clone());
        } else if let Some(id) = &self.chosen
            && !self.held.iter().any(|one| one.id == *id)
        {
            if !self.said.contains(id.as_str()) {
                self.said = format!("{id} is decided or over.");
            }
            self.chosen = None;
            self.mode = Mode::List;
        }
        self.seen.retain(|id| self.held.iter().any(|one| one.id == *id));
    }

    /// Shows a sentence until the next key.
    pub(super) fn say(&mut self, said: String) {
        self.said = said;
    }

    /// The chosen call.
    pub(super) fn chosen(&self) -> Option<&Held> {
        let id = self.chosen.as_deref()?;
        self.held.iter().find(|one| one.id == id)
    }

    fn move_by(&mut self, down: bool) {
        let at = self.chosen.as_deref().and_then(|id| self.held.iter().position(|o| o.id == id));
        let next = match (at, down) {
            (None, _) => 0,
            (Some(at), true) => at.saturating_add(1).min(self.held.len().saturating_sub(1)),
            (Some(at), false) => at.saturating_sub(1),
        };
        self.chosen = self.held.get(next).map(|one| one.id.clone());
    }

    /// A key.
    pub(super) fn press(&mut self, key: Key, size: (usize, usize)) -> Act {
        if key == Key::End {
            return Act::Quit;
        }
        match std::mem::take(&mut self.mode) {
            Mode::Reason(text) => self.type_reason(text, key),
            Mode::Help => Act::Nothing,
            Mode::Whole(from) => {
                self.leaf(from, key, size);
                Act::Nothing
            }
            Mode::List => self.command(key, size),
        }
    }

    fn command(&mut self, key: Key, size: (usize, usize)) -> Act {
        self.said.clear();
        match key {
            Key::Char('q') => return Act::Quit,
            Key::Char('?') => self.mode = Mode::Help,
            Key::Char('j') | Key::Down => self.move_by(true),
            Key::Char('k') | Key::Up => self.move_by(false),
            Key::Char('a' | 'r' | 'o') if self.chosen().is_none() => {
                self.say("Choose a call with j or k first.".to_owned());
            }
            Key::Char('o') | Key::Enter => self.open(size),
            Key::Char('a') => return self.approve(size),
            Key::Char('r') => self.mode = Mode::Reason(String::new()),
            Key::Char(_) | Key::Escape | Key::Backspace | Key::End => {}
        }
        Act::Nothing
    }

    fn open(&mut self, size: (usize, usize)) {
        if self.chosen().is_some() {
            self.mode = Mode::Whole(0);
            self.note_seen(0, size);
        }
    }

    /// Leafs through the whole call; any other key closes it.
    fn leaf(&mut self, from: usize, key: Key, size: (usize, usize)) {
        let step = match key {
            Key::Char('j') | Key::Down => from.saturating_add(1),
            Key::Char('k') | Key::Up => from.saturating_sub(1),
            Key::Char(' ') => from.saturating_add(draw::whole_rows(size)),
            Key::Char(_) | Key::Enter | Key::Escape | Key::Backspace | Key::End => return,
        };
        let lines = self.chosen().map_or(0, |held| draw::lines_of(held, size).len());
        let from = step.min(lines.saturating_sub(draw::whole_rows(size)));
        self.mode = Mode::Whole(from);
        self.note_seen(from, size);
    }

    /// A call is seen whole once its last line was on the screen.
    fn note_seen(&mut self, from: usize, size: (usize, usize)) {
        let Some(held) = self.chosen() else { return };
        if from.saturating_add(draw::whole_rows(size)) >= draw::lines_of(held, size).len() {
            self.seen.insert(held.id.clone());
        }
    }

    fn approve(&mut self, size: (usize, usize)) -> Act {
        let Some(held) = self.chosen() else { return Act::Nothing };
        if !draw::fits(held, self.held.len(), size) && !self.seen.contains(&held.id) {
            self.say("This call is longer than what is shown: o opens all of it.".to_owned());
            return Act::Nothing;
        }
        let id = held.id.clone();
        Act::Decide(Decision { id, answer: Answer::Approve, reason: None })
    }

    fn type_reason(&mut self, mut text: String, key: Key) -> Act {
        match key {
            Key::Escape | Key::End => return Act::Nothing,
            Key::Enter if text.trim().is_empty() => {
                self.say("A rejection has a reason: the agent reads it.".to_owned());
            }
            Key::Enter => {
                let Some(held) = self.chosen() else { return Act::Nothing };
                let reason = Some(text.trim().to_owned());
                let id = held.id.clone();
                return Act::Decide(Decision { id, answer: Answer::Reject, reason });
            }
            Key::Backspace => drop(text.pop()),
            Key::Char(c) if text.chars().count() < REASON_CHARS_MAX => text.push(c),
            Key::Char(_) | Key::Up | Key::Down => {}
        }
        self.mode = Mode::Reason(text);
        Act::Nothing
    }
}
