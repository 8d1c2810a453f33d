//! What a tool's `inputSchema` says of a path: is it there, of which types, must it be given. Cautious: where a
//! schema uses more than `type`, `properties`, `required`, `items`, nothing is said.

use std::cell::OnceCell;
use std::collections::HashMap;

use serde_json::Value as Json;

use crate::document::{Entry, Selector};
use crate::{Step, ToolDefinition};

/// The tools of a server.
pub(super) struct Server<'d> {
    pub tools: Vec<KnownTool<'d>>,
    by_name: HashMap<&'d str, Vec<usize>>,
}

pub(super) struct KnownTool<'d> {
    pub definition: &'d ToolDefinition,
    /// Parsed when it is first asked for: most tools are in no condition. `None` where there is none or it is no JSON.
    schema: OnceCell<Option<Json>>,
}

/// Entries by the tools that they reach: a look for each tool among thousands, and not at each of them.
pub(super) struct Reach<'m, T> {
    exact: HashMap<&'m str, Vec<&'m Entry<T>>>,
    /// Globs and classes.
    others: Vec<&'m Entry<T>>,
}

impl<'m, T> Reach<'m, T> {
    pub(super) fn of(entries: &'m [Entry<T>]) -> Self {
        let (mut exact, mut others) = (HashMap::<&str, Vec<_>>::new(), Vec::new());
        for entry in entries {
            match &entry.selector {
                Selector::Exact(name) => exact.entry(&**name).or_default().push(entry),
                Selector::Glob(..) | Selector::Class(_) | Selector::Risk(_) => others.push(entry),
            }
        }
        Self { exact, others }
    }

    /// The entries that reach a tool, in the order of the text. Of one that is not known only the name counts.
    pub(super) fn to(&self, name: &str, known: Option<&ToolDefinition>) -> Vec<&'m Entry<T>> {
        let reaches = |entry: &&&'m Entry<T>| match (&entry.selector, known) {
            (Selector::Glob(_, glob), _) => glob.matches(name),
            (selector, Some(tool)) => selects(selector, tool),
            (Selector::Exact(_) | Selector::Class(_) | Selector::Risk(_), None) => false,
        };
        let exact = self.exact.get(name).into_iter().flatten().copied();
        let mut found: Vec<_> = exact.chain(self.others.iter().filter(reaches).copied()).collect();
        found.sort_by_key(|entry| entry.at);
        found
    }
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
        let mut by_name: HashMap<&str, Vec<usize>> = HashMap::with_capacity(tools.len());
        for (index, definition) in tools.iter().enumerate() {
            by_name.entry(&definition.name).or_default().push(index);
        }
        let known = |definition| KnownTool { definition, schema: OnceCell::new() };
        Self { tools: tools.iter().map(known).collect(), by_name }
    }

    /// The tools of that name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &KnownTool<'d>> {
        let indices = self.by_name.get(name).into_iter().flatten();
        indices.filter_map(|index| self.tools.get(*index))
    }

    /// The tools that a selector matches; `None` is every tool.
    pub(super) fn matched(&self, selector: Option<&Selector>) -> Vec<&KnownTool<'d>> {
        match selector {
            None => self.tools.iter().collect(),
            Some(Selector::Exact(name)) => self.named(name).collect(),
            Some(selector) => {
                self.tools.iter().filter(|tool| selects(selector, tool.definition)).collect()
            }
        }
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
    fn schema(&self) -> Option<&Json> {
        let parsed = || serde_json::from_str(self.definition.input_schema.as_deref()?).ok();
        self.schema.get_or_init(parsed).as_ref()
    }

    /// What the schema says of a path below `args`.
    pub(super) fn look(&self, steps: &[Step]) -> Look {
        let Some(mut node) = self.schema() else { return Look::Open };
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
        let Some(mut node) = self.schema() else { return false };
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
