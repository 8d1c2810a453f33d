//! The canonical form of a document: plain JSON without comments, one spelling of white space and strings.
//!
//! Members and elements keep the author's order and numbers the author's digits, so that pointers and people
//! find what was written.

use jsonc_parser::ast::Value as Ast;

use crate::ValueBuilder;

/// Prints a tree with two spaces of indentation and a line break at the end. Recursion is bounded by the
/// document's depth.
pub(crate) fn print(tree: &Ast<'_>) -> String {
    let mut out = String::new();
    value(&mut out, tree, 0);
    out.push('\n');
    out
}

fn value(out: &mut String, tree: &Ast<'_>, depth: usize) {
    match tree {
        Ast::NullKeyword(_) => out.push_str("null"),
        Ast::BooleanLit(literal) => out.push_str(if literal.value { "true" } else { "false" }),
        Ast::NumberLit(literal) => out.push_str(literal.value),
        Ast::StringLit(literal) => push_json_string(out, &literal.value),
        Ast::Array(array) if array.elements.is_empty() => out.push_str("[]"),
        Ast::Array(array) => {
            out.push('[');
            for (index, element) in array.elements.iter().enumerate() {
                separate(out, index, depth + 1);
                value(out, element, depth + 1);
            }
            break_line(out, depth);
            out.push(']');
        }
        Ast::Object(object) if object.properties.is_empty() => out.push_str("{}"),
        Ast::Object(object) => {
            out.push('{');
            for (index, member) in object.properties.iter().enumerate() {
                separate(out, index, depth + 1);
                push_json_string(out, member.name.as_str());
                out.push_str(": ");
                value(out, &member.value, depth + 1);
            }
            break_line(out, depth);
            out.push('}');
        }
    }
}

fn separate(out: &mut String, index: usize, depth: usize) {
    if index > 0 {
        out.push(',');
    }
    break_line(out, depth);
}

fn break_line(out: &mut String, depth: usize) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

/// A JSON string in its shortest spelling: only `"`, `\` and control characters are escaped.
pub fn push_json_string(out: &mut String, text: &str) {
    out.push('"');
    if is_plain(text.as_bytes()) {
        out.push_str(text);
        out.push('"');
        return;
    }
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{0}'..='\u{1f}' => {
                let code = u32::from(c);
                out.push_str("\\u00");
                out.extend(
                    [code >> 4, code & 15].into_iter().filter_map(|d| char::from_digit(d, 16)),
                );
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// How many bytes are tested at once, in a form that compilers turn into vector instructions.
const BLOCK_BYTES: usize = 16;

/// Whether nothing in a text must be escaped in JSON.
fn is_plain(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks::<BLOCK_BYTES>();
    let plain = blocks.iter().all(|block| {
        block.iter().fold(0u8, |found, &byte| {
            found | u8::from(byte < b' ') | u8::from(byte == b'"') | u8::from(byte == b'\\')
        }) == 0
    });
    plain && !rest.iter().any(|&byte| byte < b' ' || byte == b'"' || byte == b'\\')
}

/// Feeds a tree to a builder. A duplicate key makes the builder fail.
pub(crate) fn build<'t>(builder: &mut ValueBuilder<'t>, tree: &'t Ast<'_>) {
    match tree {
        Ast::NullKeyword(_) => builder.null(),
        Ast::BooleanLit(literal) => builder.bool(literal.value),
        Ast::NumberLit(literal) => builder.number(literal.value),
        Ast::StringLit(literal) => builder.string(&*literal.value),
        Ast::Array(array) => {
            builder.begin_array();
            array.elements.iter().for_each(|element| build(builder, element));
            builder.end_array();
        }
        Ast::Object(object) => {
            builder.begin_object();
            for member in &object.properties {
                builder.key(member.name.as_str());
                build(builder, &member.value);
            }
            builder.end_object();
        }
    }
}
