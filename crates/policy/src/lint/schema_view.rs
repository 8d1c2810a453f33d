//! What a tool's `inputSchema` says of a path: is it there, of which types, must it be given. Cautious: where a
//! schema uses more than `type`, `properties`, `required`, `items`, nothing is said.

use serde_json::Value as Json;

use crate::document::Selector;
use crate::{Step, ToolDefinition};

/// The tools of a server with their schemas parsed.
pub(super) struct Server<'d> {
    pub tools: Vec<KnownTool<'d>>,
}

pub(super) struct KnownTool<'d> {
    pub definition: &'d ToolDefinition,
    /// `None` where there is none or it is no JSON.
    schema: Option<Json>,
}

/// What a schema says of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing can be said.
    Open,
    /// The path is not in the schema, or goes through a value of another type.
    Absent,
    /// It may have these types.
    Types(Vec<String>),
}

/// Keywords beside which `properties` and `type` do not tell everything.
const OPAQUE: [&str; 12] = [
    "$ref",
    "$dynamicRef",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "dependentSchemas",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "$recursiveRef",
];

impl<'d> Server<'d> {
    pub(super) fn new(tools: &'d [ToolDefinition]) -> Self {
        let tools = tools.iter().map(|definition| KnownTool {
            definition,
            schema: definition
                .input_schema
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok()),
        });
        Self { tools: tools.collect() }
    }

    /// The tools that a selector matches; `None` is every tool.
    pub(super) fn matched(&self, selector: Option<&Selector>) -> Vec<&KnownTool<'d>> {
        let matches = |tool: &&KnownTool<'d>| {
            selector.is_none_or(|selector| selects(selector, tool.definition))
        };
        self.tools.iter().filter(matches).collect()
    }
}

/// True if a selector of `hide` or `tools` matches a tool.
pub(super) fn selects(selector: &Selector, tool: &ToolDefinition) -> bool {
    match selector {
        Selector::Exact(name) => **name == *tool.name,
        Selector::Glob(_, glob) => glob.matches(&tool.name),
        Selector::Class(class) => tool.class == Some(*class),
        Selector::Risk(risk) => tool.risk == Some(*risk),
    }
}

impl KnownTool<'_> {
    /// What the schema says of a path below `args`.
    pub(super) fn look(&self, steps: &[Step]) -> Look {
        let Some(mut node) = self.schema.as_ref() else { return Look::Open };
        for step in steps {
            if is_opaque(node) {
                return Look::Open;
            }
            let wanted = match step {
                Step::Key(_) => "object",
                Step::Index(_) | Step::Each => "array",
            };
            let types = types_of(node);
            if types.as_ref().is_some_and(|types| !types.iter().any(|kind| kind == wanted)) {
                return Look::Absent;
            }
            let next = match step {
                Step::Key(key) => property(node, key),
                Step::Index(_) | Step::Each => node.get("items").ok_or(Look::Open),
            };
            match next {
                Ok(next) => node = next,
                Err(look) => return look,
            }
        }
        match types_of(node) {
            Some(types) if !is_opaque(node) => Look::Types(types),
            _ => Look::Open,
        }
    }

    /// True if every key of the path must be given. An element by its number never must.
    pub(super) fn requires(&self, steps: &[Step]) -> bool {
        let Some(mut node) = self.schema.as_ref() else { return false };
        for step in steps {
            let next = match step {
                Step::Key(key) => {
                    let required = node.get("required").and_then(Json::as_array);
                    let named = required
                        .is_some_and(|list| list.iter().any(|name| name.as_str() == Some(key)));
                    if !named {
                        return false;
                    }
                    node.get("properties").and_then(|properties| properties.get(&**key))
                }
                Step::Index(_) => return false,
                Step::Each => node.get("items"),
            };
            node = next.unwrap_or(&Json::Null);
        }
        true
    }
}

fn property<'s>(node: &'s Json, key: &str) -> Result<&'s Json, Look> {
    if let Some(found) = node.get("properties").and_then(|properties| properties.get(key)) {
        return Ok(found);
    }
    let more = node.get("additionalProperties").or_else(|| node.get("unevaluatedProperties"));
    match (node.get("properties"), more) {
        (_, Some(Json::Bool(false))) | (Some(_), None) => Err(Look::Absent),
        _ => Err(Look::Open),
    }
}

fn is_opaque(node: &Json) -> bool {
    !node.is_object() || OPAQUE.iter().any(|keyword| node.get(*keyword).is_some())
}

/// The types that `type` names; `None` where it is not there.
fn types_of(node: &Json) -> Option<Vec<String>> {
    let types = node.get("type")?;
    if let Some(one) = types.as_str() {
        return Some(vec![one.to_owned()]);
    }
    let several = types.as_array()?;
    Some(several.iter().filter_map(Json::as_str).map(str::to_owned).collect())
}
