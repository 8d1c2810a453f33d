//! One more test at the end of a policy's text: the rest of the text, comments included, stays as it is.

#[cfg(test)]
mod tests;

use jsonc_parser::ast::Value as Ast;

use crate::parse::{parse_tree, span};
use crate::{Document, Problem};

/// The indentation of an element of the document's `tests`.
const INDENT: &str = "    ";

/// Puts a test (one JSON object, POLICY section 10) behind the last one of a policy's text.
///
/// # Errors
/// The problems of the text, or of what would come out: a test that is none.
pub fn append_test(text: &str, test: &str) -> Result<String, Vec<Problem>> {
    Document::parse(text)?;
    let Some((at, added)) = insertion(text, test) else { return Err(Vec::new()) };
    let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
    let longer = format!("{before}{added}{after}");
    Document::parse(&longer)?;
    Ok(longer)
}

/// Where something is put in, and what. A comma that stands behind the place ends the new element, which is allowed.
fn insertion(text: &str, test: &str) -> Option<(usize, String)> {
    let tree = parse_tree(text).ok()?;
    let Ast::Object(root) = &tree else { return None };
    let tests = root.properties.iter().find(|property| property.name.as_str() == "tests");
    let Some(tests) = tests else {
        let last = span(&root.properties.last()?.value).end;
        return Some((last, format!(",\n  \"tests\": [\n{INDENT}{test}\n  ]")));
    };
    let Ast::Array(array) = &tests.value else { return None };
    match array.elements.last() {
        Some(last) => Some((span(last).end, format!(",\n{INDENT}{test}"))),
        None => Some((span(&tests.value).start.checked_add(1)?, format!("\n{INDENT}{test}\n  "))),
    }
}
