//! `x-mcp-header`: which arguments a tool wants mirrored in headers. Never looks at a request.

use crate::{
    decode::{DEPTH_MAX, ELEMENTS_MAX},
    scan::{self, Rules},
    tape::{Node, NodeKind},
};

/// Levels of a definition that are looked at: the tool and its members.
const MEMBERS_DEPTH: u32 = 2;

/// One argument that a tool wants mirrored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamHeader {
    /// The header's name after `Mcp-Param-`, as the schema spells it.
    pub name: String,
    /// Member names from `arguments` down.
    pub path: Vec<String>,
}

/// All arguments that a tool wants mirrored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<ParamHeader>);

/// A tool whose annotations the specification forbids: clients leave such a tool out of their list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tool's x-mcp-header annotations are invalid: {0}")]
pub struct AnnotationFault(&'static str);

/// What a value in a schema is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A schema that only `properties` keys lead to.
    OnChain,
    /// The value of `properties` in such a schema.
    Properties,
    /// A schema anywhere else, or the elements of a keyword's array.
    OffChain,
    /// A map of schemas anywhere else.
    OffChainMap,
}

impl ParamHeaders {
    /// Reads the annotations of an `inputSchema` (2026-07-28, "Schema Extension").
    ///
    /// # Errors
    /// [`AnnotationFault`] when one of them breaks a rule: not a unique field name, not on a string, integer or boolean, not
    /// reached through `properties` alone; or when the schema itself can be read in two ways.
    pub fn of_schema(input_schema: &[u8]) -> Result<Self, AnnotationFault> {
        if memchr::memmem::find(input_schema, b"mcp-header").is_none()
            && !input_schema.contains(&b'\\')
        {
            return Ok(Self::default());
        }
        let tape = scan::scan(input_schema, Rules::contract(DEPTH_MAX, ELEMENTS_MAX));
        let tape =
            tape.map_err(|_fault| AnnotationFault("the schema cannot be read in one way only"))?;
        let mut found: Vec<ParamHeader> = Vec::new();
        let mut open =
            vec![(Node::new(input_schema, &tape, 0), Role::OnChain, Vec::<String>::new())];
        while let Some((node, role, path)) = open.pop() {
            for (key, value) in node.members() {
                let name = key.text().unwrap_or_default();
                let next = match (role, name.as_ref()) {
                    (Role::OnChain, "x-mcp-header") => {
                        add(&mut found, node, value, &path)?;
                        continue;
                    }
                    (Role::OffChain, "x-mcp-header") => {
                        return Err(AnnotationFault(
                            "one stands where properties alone do not lead",
                        ));
                    }
                    (Role::OnChain, "properties") => (value, Role::Properties, path.clone()),
                    (Role::OnChain | Role::OffChain, "default" | "const" | "enum" | "examples") => {
                        continue;
                    }
                    (
                        Role::OnChain | Role::OffChain,
                        "properties" | "$defs" | "definitions" | "dependentSchemas"
                        | "patternProperties",
                    ) => (value, Role::OffChainMap, Vec::new()),
                    (Role::Properties, property) => {
                        let mut below = path.clone();
                        below.push(property.to_owned());
                        (value, Role::OnChain, below)
                    }
                    (Role::OnChain | Role::OffChain | Role::OffChainMap, _) => {
                        (value, Role::OffChain, Vec::new())
                    }
                };
                open.extend(next.0.elements().map(|element| (element, Role::OffChain, Vec::new())));
                open.push(next);
            }
            // Arrays of arrays: schemas in there are off the chain as well.
            open.extend(node.elements().map(|element| (element, Role::OffChain, Vec::new())));
        }
        found.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(Self(found))
    }

    /// As [`ParamHeaders::of_schema`], of a whole tool definition. One without an input schema mirrors nothing.
    ///
    /// # Errors
    /// As [`ParamHeaders::of_schema`], and when the definition has two input schemas.
    pub fn of_tool(definition: &[u8]) -> Result<Self, AnnotationFault> {
        let tape = scan::scan(definition, Rules::reply(MEMBERS_DEPTH))
            .map_err(|_fault| AnnotationFault("the definition is not JSON"))?;
        let tool = Node::new(definition, &tape, 0);
        let mut schemas = tool.members().filter(|(key, _)| key.is("inputSchema"));
        match (schemas.next(), schemas.next()) {
            (None, _) => Ok(Self::default()),
            (Some((_, schema)), None) => Self::of_schema(schema.raw()),
            (Some(_), Some(_)) => Err(AnnotationFault("there are two input schemas")),
        }
    }

    /// How many arguments are mirrored.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether the tool wants nothing mirrored, as nearly all tools.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The annotations, in order of their paths.
    pub fn iter(&self) -> impl Iterator<Item = &ParamHeader> {
        self.0.iter()
    }
}

/// RFC 9110, section 5.6.2.
const fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

fn add(
    found: &mut Vec<ParamHeader>,
    schema: Node<'_>,
    value: Node<'_>,
    path: &[String],
) -> Result<(), AnnotationFault> {
    if path.is_empty() {
        return Err(AnnotationFault("one stands at the schema's root"));
    }
    let name = value
        .as_str()
        .filter(|_| value.kind() == NodeKind::String)
        .ok_or(AnnotationFault("one is no string"))?;
    if name.is_empty() || !name.bytes().all(is_token_byte) {
        return Err(AnnotationFault("one is no header name"));
    }
    if found.iter().any(|earlier| earlier.name.eq_ignore_ascii_case(&name)) {
        return Err(AnnotationFault("two are equal ignoring case"));
    }
    let kind = schema.get("type").and_then(Node::as_str);
    if !matches!(kind.as_deref(), Some("string" | "integer" | "boolean")) {
        return Err(AnnotationFault("one is on a property that is no string, integer or boolean"));
    }
    found.push(ParamHeader { name: name.into_owned(), path: path.to_vec() });
    Ok(())
}
