//! The builder's half of a policy: a form of its text, and edits of the form that rewrite only their own block
//! of the text.
//!
//! The text is the policy; the form is a view of it. An edit never prints the document anew: it replaces bytes
//! inside the block that it is about, so that comments, spacing and everything that the form does not show
//! stay as they were written. What came out is read again and must say what the form says, or nothing is
//! changed. Nothing here stores, and nothing decides calls.

mod block;
mod change;
mod container;
mod effect;
mod form;
mod insert;
mod json;
mod layout;
mod page;
mod read;
mod remove;
mod sentence;
mod splice;
mod wanted;
mod write;

#[cfg(test)]
mod tests;

pub use block::Block;
pub use change::{Edit, List, NewEntry};
pub use effect::{Effect, effect};
pub use form::{
    ApprovalForm, ConditionForm, Entry, Form, LimitForm, Mode, Opaque, Place, RateForm, RuleForm,
    Seen, TermsForm, TestForm, Verdict,
};
pub use splice::Splice;

pub use crate::document::Action;

use crate::{Document, Problem};

/// Most blocks that one edit names.
pub const BLOCKS_MAX: usize = 10_000;
/// Most edits in one batch.
pub const BATCH_MAX: usize = 64;

/// A text after an edit.
#[derive(Debug)]
pub struct Edited {
    /// The whole text.
    pub text: String,
    /// What it says.
    pub document: Document,
    /// Its form.
    pub form: Form,
    /// What takes the text back to what it was, byte for byte.
    pub undo: Splice,
}

/// Why a text was not edited. The text stays as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// The text has errors, and so no form that could be edited.
    #[error("the text has errors; correct them first")]
    Text(Vec<Problem>),
    /// What the edit asks for is no valid policy. The places are those of the text that would have come out.
    #[error("the change would make the policy invalid")]
    Result(Vec<Problem>),
    /// The block, rule, condition or limit that the edit is about is not there.
    #[error("{0} is not in the policy")]
    Missing(String),
    /// The edit would drop or rewrite something that the form does not show in full.
    #[error("{pointer} (line {line}) is more than the form can show; change it in the text")]
    Opaque {
        /// JSON Pointer of the part.
        pointer: String,
        /// Its line, from 1.
        line: u32,
    },
    /// A part of the edit cannot be written: it is no JSON, too much, or does not go with its section.
    #[error("{0}")]
    Value(String),
    /// The rewritten text would not say what the edit asks for.
    #[error("the text could not be changed in place; change it by hand")]
    Differs,
}

/// Reads the form of a policy.
///
/// # Errors
/// Every problem of the text, as [`Document::parse`] finds them.
pub fn form(text: &str) -> Result<Form, Vec<Problem>> {
    read_off(text).map(|(_document, form)| form)
}

/// A policy's text, and its form.
///
/// # Errors
/// As [`form`].
pub fn read_off(text: &str) -> Result<(Document, Form), Vec<Problem>> {
    let document = Document::parse(text)?;
    let tree = crate::parse::parse_tree(text).map_err(|_fault| Vec::new())?;
    let form = read::form(text, &tree);
    Ok((document, form))
}

/// The form of a text that is JSON and breaks the rules of the language, to be shown beside its errors: what is unknown or
/// of a wrong type is left out of it. No edit takes such a text. `None` where the text is no JSON.
pub fn outline(text: &str) -> Option<Form> {
    let tree = crate::parse::parse_tree(text).ok()?;
    Some(read::form(text, &tree))
}

/// Applies one edit to the text of a policy.
///
/// # Errors
/// See [`EditError`].
pub fn apply(text: &str, edit: &Edit) -> Result<Edited, EditError> {
    let before = form(text).map_err(EditError::Text)?;
    let expected = wanted::after(&before, edit)?;
    let written = write::write(text, edit)?;
    let (document, after) = read_off(&written).map_err(EditError::Result)?;
    if after != expected {
        return Err(EditError::Differs);
    }
    let undo = Splice::between(&written, text);
    Ok(Edited { text: written, document, form: after, undo })
}

/// Puts one more test (one JSON object, POLICY section 10) at the end of a policy's `tests`, numbers as they are
/// written.
///
/// # Errors
/// As [`apply`]: among others a test that is none.
pub fn add_test(text: &str, test: &str) -> Result<Edited, EditError> {
    let before = form(text).map_err(EditError::Text)?;
    let written = write::add_test(text, test)?;
    let (document, after) = read_off(&written).map_err(EditError::Result)?;
    let plain = |form: Form| Form { opaque: Vec::new(), ..form };
    if plain(before) != plain(after.clone()) {
        return Err(EditError::Differs);
    }
    let undo = Splice::between(&written, text);
    Ok(Edited { text: written, document, form: after, undo })
}
