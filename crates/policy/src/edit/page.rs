//! A text with its tree and the habits of its author: what splices are made from.

use jsonc_parser::ast::{Array, Object, Value as Ast};

use super::container::Container;
use super::layout::Layout;
use super::splice::{Splice, apply_all};
use super::{Block, EditError, List};

/// A text between two steps of an edit. Each step reads it anew, so that no offset is ever stale.
#[derive(Debug)]
pub(super) struct Sheet {
    text: String,
}

/// The text as one step sees it.
pub(super) struct Page<'t> {
    pub text: &'t str,
    pub tree: &'t Ast<'t>,
    pub layout: &'t Layout,
}

impl Sheet {
    pub(super) fn new(text: &str) -> Self {
        Self { text: text.to_owned() }
    }

    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// One step. The layout is that of the text as it is now.
    pub(super) fn step(
        &mut self,
        splices: impl FnOnce(&Page<'_>) -> Result<Vec<Splice>, EditError>,
    ) -> Result<(), EditError> {
        let written = {
            let tree = crate::parse::parse_tree(&self.text)
                .map_err(|fault| EditError::Value(fault.message))?;
            let layout = Layout::of(&self.text, &tree);
            let page = Page { text: &self.text, tree: &tree, layout: &layout };
            let splices = splices(&page)?;
            if splices.is_empty() {
                return Ok(());
            }
            apply_all(&self.text, splices).ok_or(EditError::Differs)?
        };
        self.text = written;
        Ok(())
    }
}

impl<'t> Page<'t> {
    /// The document itself.
    pub(super) fn root(&self) -> Result<&'t Object<'t>, EditError> {
        object(self.tree).ok_or(EditError::Differs)
    }

    /// What stands in a block.
    pub(super) fn block(&self, block: &Block) -> Result<&'t Object<'t>, EditError> {
        let section = member(self.root()?, block.section());
        let found = match block.selector() {
            None => section.and_then(object),
            Some(selector) => section
                .and_then(object)
                .and_then(|section| member(section, selector))
                .and_then(object),
        };
        found.ok_or_else(|| EditError::Missing(block.pointer()))
    }

    /// One of a block's lists, `require`, `deny_if` or `limits`.
    pub(super) fn list(&self, block: &Block, key: &str) -> Result<&'t Array<'t>, EditError> {
        let found = member(self.block(block)?, key).and_then(array);
        found.ok_or_else(|| EditError::Missing(format!("{}/{key}", block.pointer())))
    }

    /// An element of one of a block's lists.
    pub(super) fn element(
        &self,
        block: &Block,
        key: &str,
        index: usize,
    ) -> Result<&'t Object<'t>, EditError> {
        let element = self.list(block, key)?.elements.get(index).and_then(object);
        element.ok_or_else(|| EditError::Missing(format!("{}/{key}/{index}", block.pointer())))
    }

    /// The conditions of a rule.
    pub(super) fn conditions(
        &self,
        block: &Block,
        list: List,
        rule: usize,
    ) -> Result<&'t Array<'t>, EditError> {
        let rule = self.element(block, list.key(), rule)?;
        member(rule, "conditions").and_then(array).ok_or(EditError::Differs)
    }

    pub(super) fn items_of_object(&self, object: &Object<'_>) -> Container<'t> {
        Container::of_object(self.text, object)
    }

    pub(super) fn items_of_array(&self, array: &Array<'_>) -> Container<'t> {
        Container::of_array(self.text, array)
    }
}

/// A member of an object.
pub(super) fn member<'t, 'a>(object: &'t Object<'a>, key: &str) -> Option<&'t Ast<'a>> {
    let found = object.properties.iter().find(|member| member.name.as_str() == key);
    found.map(|member| &member.value)
}

pub(super) fn object<'t, 'a>(value: &'t Ast<'a>) -> Option<&'t Object<'a>> {
    if let Ast::Object(object) = value { Some(object) } else { None }
}

pub(super) fn array<'t, 'a>(value: &'t Ast<'a>) -> Option<&'t Array<'a>> {
    if let Ast::Array(array) = value { Some(array) } else { None }
}
