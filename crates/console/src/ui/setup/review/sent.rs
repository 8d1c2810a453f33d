//! What the form of the tools sends: a group of fields for each row, and which button was pressed.
//!
//! What never lives here: what becomes of it.

use policy::Class;
use store::PinLine;

use super::Asked;
use crate::ops::OpError;
use crate::ops::set_up::{Answer, Choice};

/// Which button was pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Doing {
    /// Keep what the rows say.
    Keep,
    /// And give the ticked rows one class or answer.
    Ticked,
    /// And take the server's word.
    Word,
}

/// A class that somebody chose; none is the catalogue's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ChosenClass(Option<Class>);

/// One row.
#[derive(Debug, Default)]
struct SentRow {
    tool: String,
    class: Option<ChosenClass>,
    answer: Option<Answer>,
    is_ticked: bool,
}

/// The form.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) doing: Doing,
    pub(super) seen: String,
    pub(super) observes: bool,
    /// The page that it comes from.
    pub(super) view: Asked,
    rows: Vec<SentRow>,
    all_class: Option<ChosenClass>,
    all_answer: Option<Answer>,
}

impl Sent {
    /// Reads the fields; the fields of a row follow its `tool`.
    pub(super) fn read(fields: Vec<(String, String)>) -> Result<Sent, OpError> {
        let mut sent = Sent {
            doing: Doing::Keep,
            seen: String::new(),
            observes: false,
            view: Asked::default(),
            rows: Vec::new(),
            all_class: None,
            all_answer: None,
        };
        for (name, value) in fields {
            match name.as_str() {
                "tool" => sent.rows.push(SentRow { tool: value, ..SentRow::default() }),
                "tick" | "class" | "answer" => {
                    let row = sent.rows.last_mut().ok_or_else(|| invalid("a row has no tool"))?;
                    match name.as_str() {
                        "tick" => row.is_ticked = true,
                        "class" => row.class = Some(class(&value)?),
                        _ => row.answer = Some(answer(&value)?),
                    }
                }
                "all_class" | "all_answer" if value == "same" => {}
                "all_class" => sent.all_class = Some(class(&value)?),
                "all_answer" => sent.all_answer = Some(answer(&value)?),
                "do" => {
                    sent.doing = match value.as_str() {
                        "ticked" => Doing::Ticked,
                        "word" => Doing::Word,
                        _ => Doing::Keep,
                    }
                }
                "seen" => sent.seen = value,
                "mode" => sent.observes = value == "observe",
                "view_q" => sent.view.q = value,
                "view_class" => sent.view.class = value,
                "view_answer" => sent.view.answer = value,
                "view_from" => sent.view.from = value.parse().unwrap_or_default(),
                _ => {}
            }
        }
        Ok(sent)
    }

    /// Whether it says nothing of any tool.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// How many rows are ticked.
    pub(super) fn ticked(&self) -> usize {
        self.rows.iter().filter(|row| row.is_ticked).count()
    }

    fn takes_all(&self, row: &SentRow) -> bool {
        self.doing == Doing::Ticked && row.is_ticked
    }

    /// The classes that are other ones than before.
    pub(super) fn classes(&self, lines: &[PinLine]) -> Vec<(String, Option<Class>)> {
        let wanted = self.rows.iter().filter_map(|row| {
            let all = self.all_class.filter(|_| self.takes_all(row));
            let ChosenClass(class) = all.or(row.class)?;
            let known = lines.iter().find(|line| line.tool == row.tool)?;
            (known.class != class).then(|| (row.tool.clone(), class))
        });
        wanted.collect()
    }

    /// The answers.
    pub(super) fn choices(&self) -> Vec<Choice> {
        let chosen = self.rows.iter().filter_map(|row| {
            let all = self.all_answer.filter(|_| self.takes_all(row));
            Some(Choice { tool: row.tool.clone(), answer: all.or(row.answer)? })
        });
        chosen.collect()
    }
}

fn invalid(text: &str) -> OpError {
    OpError::Invalid(text.to_owned())
}

fn class(word: &str) -> Result<ChosenClass, OpError> {
    if word.is_empty() {
        return Ok(ChosenClass(None));
    }
    let class = word.parse().map(|class| ChosenClass(Some(class)));
    class.map_err(|unknown| invalid(&unknown.to_string()))
}

fn answer(word: &str) -> Result<Answer, OpError> {
    Answer::parse(word).ok_or_else(|| invalid("this is no answer"))
}

#[cfg(test)]
mod tests;
