//! A rule or a test made of a recorded call: what the page suggests, and what it makes of a text when somebody agrees.
//!
//! What never lives here: saving; the text goes back to its author's unsaved one.

use policy::edit::{
    self, Action, ApprovalForm, Block, ConditionForm, Edit, EditError, List, RuleForm, Seen,
    TestForm,
};
use policy::{Class, Document, OutlookWord, Policy, Risk, Target, ToolFacts};
use serde_json::{Map, Value, json};
use store::{AuditEntry, ServerSlug};

use super::arguments::step;
use crate::Console;
use crate::ops::{Actor, OpError, Permission, audit};

/// Arguments that are suggested as conditions, at most.
const CONDITIONS_MAX: usize = 40;
/// Depth of objects whose members are suggested.
const DEPTH_MAX: usize = 3;
/// Characters of a value that is suggested, at most.
const VALUE_CHARS_MAX: usize = 200;
/// Conditions that are chosen before somebody says otherwise, at most.
const CHOSEN_FIRST: usize = 3;

/// What a recorded call offers.
#[derive(Debug, Clone)]
pub struct FromCall {
    /// The call's position in the log.
    pub seq: i64,
    /// Where its rules would stand.
    pub block: Block,
    /// The class pinned for a tool.
    pub class: Option<Class>,
    /// The risk pinned for a tool.
    pub risk: Option<Risk>,
    /// A condition for each argument that was kept.
    pub conditions: Vec<Suggested>,
    /// Arguments that were not kept, or are too long to be compared with.
    pub left: usize,
    /// The arguments as they were recorded.
    pub arguments: String,
    /// What the policy said of it: `allow`, `hold` or `deny`.
    pub verdict: &'static str,
}

/// A condition that the call meets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggested {
    /// Its path.
    pub path: String,
    /// Operators that go with the value.
    pub ops: &'static [(&'static str, &'static str)],
    /// The value, as JSON.
    pub value: String,
    /// Whether it is chosen before somebody says otherwise.
    pub chosen: bool,
}

/// Operators with what they say.
const OF_NUMBERS: &[(&str, &str)] =
    &[("eq", "is"), ("gte", "is at least"), ("lte", "is at most"), ("neq", "is not")];
const OF_TEXTS: &[(&str, &str)] = &[
    ("eq", "is"),
    ("starts_with", "begins with"),
    ("ends_with", "ends with"),
    ("contains", "contains"),
    ("neq", "is not"),
];
const OF_OTHERS: &[(&str, &str)] = &[("eq", "is"), ("neq", "is not")];

/// What becomes of calls that meet a new rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// They are denied.
    Deny,
    /// A person decides.
    Ask,
    /// They alone pass: all others are denied.
    Others,
}

/// A condition that was agreed to.
#[derive(Debug, Clone)]
pub struct Chosen {
    /// The path.
    pub path: String,
    /// The operator.
    pub op: String,
    /// The value as JSON.
    pub value: String,
}

/// A rule that was agreed to.
#[derive(Debug)]
pub struct NewRule {
    /// What becomes of calls that meet it.
    pub refusal: Refusal,
    /// Its conditions.
    pub conditions: Vec<Chosen>,
    /// What a refused agent reads.
    pub message: Option<String>,
}

/// A test that was agreed to.
#[derive(Debug)]
pub struct NewTest {
    /// Its name.
    pub name: String,
    /// The arguments, one JSON object.
    pub arguments: String,
    /// `allow`, `hold` or `deny`.
    pub verdict: String,
}

/// What a recorded call offers; an error where it is no call of a tool, resource or prompt.
pub async fn from_call(
    console: &Console,
    actor: &Actor,
    seq: i64,
) -> Result<(FromCall, AuditEntry), OpError> {
    actor.may(Permission::EditPolicies)?;
    let entry = audit::one(console, actor, seq).await?;
    let mut from = offered(&entry)?;
    let server = entry.server.as_deref().and_then(|server| ServerSlug::parse(server).ok());
    if let (Block::Tools(name), Some(server)) = (&from.block, server) {
        let lines = console.pinned.lines(&console.store, &server).await?;
        let line = lines.iter().find(|line| line.tool == *name);
        (from.class, from.risk) = line.map_or((None, None), |line| (line.class, line.risk));
    }
    Ok((from, entry))
}

fn offered(entry: &AuditEntry) -> Result<FromCall, OpError> {
    let no_call = || OpError::Invalid("no rule can be made of this: it is no call".to_owned());
    let name = entry.tool.clone().ok_or_else(no_call)?;
    let block = match entry.method.as_deref() {
        Some("tools/call") => Block::Tools(name),
        Some("prompts/get") => Block::Prompts(name),
        Some("resources/read" | "resources/subscribe") => Block::Resources(name),
        Some(_) | None => return Err(no_call()),
    };
    let arguments = entry.arguments_json.clone().unwrap_or_else(|| "{}".to_owned());
    let mut conditions = Vec::new();
    let mut left = 0;
    if let (Ok(Value::Object(members)), false) =
        (serde_json::from_str(&arguments), matches!(block, Block::Resources(_)))
    {
        gather(&members, ("args", DEPTH_MAX), &mut conditions, &mut left);
    }
    left += conditions.len().saturating_sub(CONDITIONS_MAX);
    conditions.truncate(CONDITIONS_MAX);
    for condition in conditions.iter_mut().take(CHOSEN_FIRST) {
        condition.chosen = true;
    }
    let verdict = entry.would.as_ref().map_or(entry.verdict.as_str(), |would| &would.verdict);
    let verdict = match (verdict, entry.reason.as_deref()) {
        ("hold", _) | (_, Some("approval_required" | "approval_rejected" | "too_many_pending")) => {
            "hold"
        }
        // Whether a counter had room is no word of the policy about this call.
        ("allow", _) | (_, Some("limit_exceeded")) => "allow",
        _ => "deny",
    };
    let (class, risk) = (None, None);
    Ok(FromCall { seq: entry.seq, block, class, risk, conditions, left, arguments, verdict })
}

fn gather(
    members: &Map<String, Value>,
    (path, depth): (&str, usize),
    found: &mut Vec<Suggested>,
    left: &mut usize,
) {
    for (name, value) in members {
        let path = format!("{path}{}", step(name));
        let ops = match value {
            Value::Object(inner) if depth > 1 && !inner.is_empty() => {
                gather(inner, (&path, depth - 1), found, left);
                continue;
            }
            Value::Null => continue,
            Value::Number(_) => OF_NUMBERS,
            Value::String(_) => OF_TEXTS,
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => OF_OTHERS,
        };
        let text = value.to_string();
        if is_cut(&text) || text.chars().count() > VALUE_CHARS_MAX {
            *left += 1;
        } else {
            found.push(Suggested { path, ops, value: text, chosen: false });
        }
    }
}

/// Whether the log kept only a part of a value, or a mark of its kind. A value that reads like a mark is taken for one.
pub(crate) fn is_cut(json: &str) -> bool {
    const KINDS: [&str; 6] = ["null", "boolean", "number", "string", "array", "object"];
    json.contains("[redacted]")
        || json.contains('…')
        || KINDS.iter().any(|kind| json.contains(&format!("\"<{kind}>\"")))
}

/// A text with a new rule from a call. The rule lists nothing that was not listed, unless only such calls are to pass.
///
/// # Errors
/// What the editor says: a text with errors, a rule that is none.
pub fn put_rule(text: &str, from: &FromCall, rule: NewRule) -> Result<String, OpError> {
    let (document, form) = edit::read_off(text).map_err(OpError::Policy)?;
    let blocks = vec![from.block.clone()];
    let empty = rule.conditions.is_empty();
    let (list, approval) = match rule.refusal {
        Refusal::Deny => (List::DenyIf, empty.then_some(ApprovalForm::Switch(false))),
        Refusal::Ask => (List::DenyIf, (!empty).then_some(ApprovalForm::Switch(true))),
        Refusal::Others if empty => {
            let why = "choose at least one argument: otherwise every call would pass".to_owned();
            return Err(OpError::Invalid(why));
        }
        Refusal::Others => (List::Require, None),
    };
    let conditions = rule.conditions.into_iter().map(|Chosen { path, op, value }| {
        ConditionForm::Test(TestForm { path, op, value, if_missing: false })
    });
    let rule_form = RuleForm {
        place: Seen::default(),
        id: None,
        conditions: conditions.collect(),
        on_deny: rule.message,
        approval,
        sentence: Seen::default(),
    };
    let add = Edit::AddRule { blocks: blocks.clone(), list, rule: rule_form };
    let edit = if form.entry(&from.block).is_some() {
        add
    } else {
        if rule.refusal != Refusal::Others && is_refused(&document, from) {
            let why = "no entry lists this, so its calls are denied already".to_owned();
            return Err(OpError::Invalid(why));
        }
        Edit::Batch(vec![Edit::SetAction { blocks, action: Action::Allow }, add])
    };
    Ok(edit::apply(text, &edit).map_err(invalid)?.text)
}

/// Whether calls of this are refused before any rule is asked.
fn is_refused(document: &Document, from: &FromCall) -> bool {
    let Some(name) = from.block.selector() else { return false };
    let (class, risk) = (from.class, from.risk);
    let target = match from.block {
        Block::AllTools => return false,
        Block::Tools(_) => Target::Tool(ToolFacts { name, class, risk, schema: None }),
        Block::Resources(_) => Target::Resource { uri: name },
        Block::Prompts(_) => Target::Prompt { name },
    };
    match Policy::compile(document).outlook(&target).word {
        OutlookWord::Unlisted
        | OutlookWord::Nothing
        | OutlookWord::Hidden
        | OutlookWord::Denied => true,
        OutlookWord::Allowed | OutlookWord::Asks => false,
    }
}

/// A text with a new test from a call.
///
/// # Errors
/// What the editor says: a text with errors, a test that is none.
pub fn put_test(
    text: &str,
    (from, entry): (&FromCall, &AuditEntry),
    test: &NewTest,
) -> Result<String, OpError> {
    let mut call = Map::new();
    let (kind, name) = match &from.block {
        Block::Tools(name) => ("tool", name.as_str()),
        Block::Resources(name) => ("resource", name.as_str()),
        Block::Prompts(name) => ("prompt", name.as_str()),
        Block::AllTools => ("tool", ""),
    };
    call.insert(kind.to_owned(), json!(name));
    if let Some(label) = &entry.grant {
        call.insert("grant".to_owned(), json!(label));
    }
    if let Some((client, version)) = entry.client.as_deref().and_then(|c| c.rsplit_once('/')) {
        call.insert("client".to_owned(), json!({ "name": client, "version": version }));
    }
    let at = jiff::Timestamp::from_millisecond(entry.time.0).map(|at| at.to_string());
    call.insert("at".to_owned(), json!(at.ok()));
    let expect = json!({ "verdict": test.verdict });
    let args = match &from.block {
        Block::Resources(_) => None,
        Block::Tools(_) | Block::Prompts(_) | Block::AllTools => Some(test.arguments.as_str()),
    };
    let text_of = test_text(&test.name, &Value::Object(call), args, &expect)?;
    Ok(edit::add_test(text, &text_of).map_err(invalid)?.text)
}

/// A refused edit, said of the whole.
pub(crate) fn invalid(error: EditError) -> OpError {
    match error {
        EditError::Text(problems) | EditError::Result(problems) => {
            let words: Vec<String> = problems.iter().map(ToString::to_string).collect();
            OpError::Invalid(words.join("; "))
        }
        error @ (EditError::Missing(_)
        | EditError::Opaque { .. }
        | EditError::Value(_)
        | EditError::Differs) => OpError::Invalid(error.to_string()),
    }
}

/// A test as JSON. The arguments go in as text: numbers stay as they were written.
pub(crate) fn test_text(
    name: &str,
    call: &Value,
    args: Option<&str>,
    expect: &Value,
) -> Result<String, OpError> {
    let mut call = call.to_string();
    if let Some(args) = args {
        let raw = serde_json::from_str::<Box<serde_json::value::RawValue>>(args);
        let raw = raw.map_err(|error| OpError::Invalid(format!("the arguments: {error}")))?;
        let open = call.strip_suffix('}').unwrap_or(&call);
        call = format!("{open},\"args\":{}}}", raw.get());
    }
    Ok(format!("{{ \"name\": {}, \"call\": {call}, \"expect\": {expect} }}", json!(name)))
}

#[cfg(test)]
mod tests;
