//! JSON with comments into nodes.

use jsonc_parser::ast::Value as Ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};

use super::{DEPTH_MAX, Node, SyntaxError, Value, line_of};

/// Reads JSON, with comments and trailing commas; an empty file is an empty object.
pub(super) fn parse(text: &str) -> Result<Node, SyntaxError> {
    // The reader calls itself for what is nested; the bytes say first how deep that gets.
    if depth(text) > DEPTH_MAX {
        return Err(SyntaxError::TooDeep);
    }
    let options = ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: false,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let parsed =
        parse_to_ast(text, &collect, &options).map_err(|error| SyntaxError::Malformed {
            format: "JSON",
            line: line_of(text, error.range().start),
            what: error.kind().to_string(),
        })?;
    let empty = Node { span: 0..0, value: Value::Table(Vec::new()) };
    Ok(parsed.value.as_ref().map_or(empty, node))
}

fn node(ast: &Ast<'_>) -> Node {
    let range = ast.range();
    let value = match ast {
        Ast::StringLit(text) => Value::Text(text.value.clone().into_owned()),
        Ast::BooleanLit(flag) => Value::Flag(flag.value),
        Ast::Array(list) => Value::List(list.elements.iter().map(node).collect()),
        Ast::Object(table) => Value::Table(
            table
                .properties
                .iter()
                .map(|property| (property.name.clone().into_string(), node(&property.value)))
                .collect(),
        ),
        Ast::NumberLit(_) | Ast::NullKeyword(_) => Value::Other,
    };
    Node { span: range.start..range.end, value }
}

/// The deepest nesting of brackets outside of strings and comments.
fn depth(text: &str) -> usize {
    let (mut deepest, mut depth) = (0_usize, 0_usize);
    let mut bytes = text.bytes().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(within) = bytes.next() {
                    match within {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek() == Some(&b'/') => {
                bytes.by_ref().take_while(|within| *within != b'\n').for_each(drop);
            }
            b'/' if bytes.peek() == Some(&b'*') => {
                bytes.next();
                let mut star = false;
                for within in bytes.by_ref() {
                    if star && within == b'/' {
                        break;
                    }
                    star = within == b'*';
                }
            }
            b'{' | b'[' => {
                depth = depth.saturating_add(1);
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}
