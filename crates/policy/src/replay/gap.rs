//! What a recorded call does not say: the marks that the audit writes in the place of values it was told not to keep.
//!
//! A caller can send an argument that reads like a mark. It is then taken for one, which makes a verdict unsure and
//! never wrong.

use crate::path::Gaps;
use crate::{JsonKind, Node};

/// What stands for a whole value: masked, of a kind that alone is recorded, or left out behind the last element.
const MARKS: [&str; 8] =
    ["[redacted]", "…", "<null>", "<boolean>", "<number>", "<string>", "<array>", "<object>"];
/// The key, and the last element, of what was cut.
const CUT: &str = "…";
/// How a cut string ends, behind its length.
const CUT_STRING_END: &str = " bytes)";
/// How the note begins in which a cut string says its length.
const CUT_STRING_NOTE: &str = "… (";

/// The marks of the audit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks;

impl Gaps for Marks {
    fn is_gap(&self, node: Node<'_>) -> bool {
        node.as_str().is_some_and(is_mark)
    }

    fn is_cut(&self, node: Node<'_>) -> bool {
        match node.kind() {
            JsonKind::Object => node.get(CUT).is_some(),
            JsonKind::Array => {
                node.elements().last().and_then(Node::as_str).is_some_and(|last| last == CUT)
            }
            JsonKind::Null | JsonKind::Bool | JsonKind::Number | JsonKind::String => false,
        }
    }

    fn has_gap(&self, node: Node<'_>) -> bool {
        let members = || node.members().any(|(key, member)| key == CUT || self.has_gap(member));
        self.is_gap(node) || members() || node.elements().any(|element| self.has_gap(element))
    }
}

fn is_mark(text: &str) -> bool {
    MARKS.contains(&text) || text.ends_with(CUT_STRING_END) && text.contains(CUT_STRING_NOTE)
}
