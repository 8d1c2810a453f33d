//! One line of a case file: reading it, and comparing what came out (POLICY section 11).

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::bench::Bench;
use super::step::{self, Step};
use super::{CaseFormatError, CaseReport, ToolDefinition};
use crate::compile::DenyAll;
use crate::{Document, Kind, Policy, Target};

/// A case as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    name: String,
    #[serde(borrow, default, deserialize_with = "present")]
    policy: Option<&'a RawValue>,
    policy_text: Option<String>,
    #[serde(borrow)]
    tools: Option<Vec<WireTool<'a>>>,
    resources: Option<Vec<String>>,
    prompts: Option<Vec<String>>,
    valid: Option<bool>,
    errors: Option<Vec<String>>,
    lints: Option<Vec<String>>,
    no_lints: Option<Vec<String>>,
    #[serde(borrow)]
    steps: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[serde(rename_all = "camelCase")]
struct WireTool<'a> {
    name: String,
    #[serde(borrow)]
    input_schema: Option<&'a RawValue>,
    class: Option<String>,
    risk: Option<String>,
}

/// Keeps `null` apart from a member that is not there.
fn present<'de, D>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// What policy a case has.
enum PolicySource {
    None,
    Text(String),
}

/// What a case says of its document.
enum Expected {
    Valid,
    Invalid,
    /// Not valid, with exactly these pointers.
    Errors(BTreeSet<String>),
}

/// A case that can be run.
pub(super) struct Case {
    name: String,
    source: PolicySource,
    /// `None` where the case does not say what tools the server has.
    tools: Option<Vec<ToolDefinition>>,
    resources: Vec<String>,
    prompts: Vec<String>,
    expected: Expected,
    lints: Vec<String>,
    no_lints: Vec<String>,
    steps: Vec<Step>,
}

impl Case {
    pub(super) fn parse(line: &str) -> Result<Self, CaseFormatError> {
        let wire: Wire<'_> = serde_json::from_str(line)
            .map_err(|error| CaseFormatError { name: name_of(line), message: error.to_string() })?;
        let name = wire.name.clone();
        Self::from_wire(wire).map_err(|message| CaseFormatError { name: Some(name), message })
    }

    fn from_wire(wire: Wire<'_>) -> Result<Self, String> {
        let source = match (wire.policy, wire.policy_text) {
            (Some(raw), None) if raw.get() == "null" => PolicySource::None,
            (Some(raw), None) => PolicySource::Text(raw.get().to_owned()),
            (None, Some(text)) => PolicySource::Text(text),
            _ => return Err("a case has either `policy` or `policy_text`".to_owned()),
        };
        let expected = match (wire.valid, wire.errors) {
            (Some(true), _) => return Err("`valid` is false or not there".to_owned()),
            (None, None) => Expected::Valid,
            (Some(false), None) => Expected::Invalid,
            (_, Some(errors)) => Expected::Errors(errors.into_iter().collect()),
        };
        let tools = match wire.tools {
            None => None,
            Some(tools) => {
                Some(tools.into_iter().map(tool_definition).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let steps = wire.steps.unwrap_or_default();
        let steps = steps.iter().enumerate().map(|(index, step)| {
            step::parse(step.get()).map_err(|message| format!("step {}: {message}", index + 1))
        });
        Ok(Self {
            name: wire.name,
            source,
            tools,
            resources: wire.resources.unwrap_or_default(),
            prompts: wire.prompts.unwrap_or_default(),
            expected,
            lints: wire.lints.unwrap_or_default(),
            no_lints: wire.no_lints.unwrap_or_default(),
            steps: steps.collect::<Result<_, _>>()?,
        })
    }

    pub(super) fn run(&self) -> CaseReport {
        let mut failures = Vec::new();
        let policy = match &self.source {
            PolicySource::None => Some(Policy::deny_all(DenyAll::NoPolicy)),
            PolicySource::Text(text) => self.document(text, &mut failures),
        };
        if let Some(policy) = policy {
            self.run_steps(&policy, &mut failures);
        }
        CaseReport { name: self.name.clone(), failures }
    }

    /// Reads the document and compares problems and warnings.
    fn document(&self, text: &str, failures: &mut Vec<String>) -> Option<Policy> {
        match (Document::parse(text), &self.expected) {
            (Ok(document), Expected::Valid) => {
                self.compare_lints(&document, failures);
                Some(Policy::compile(&document))
            }
            (Ok(_), Expected::Invalid | Expected::Errors(_)) => {
                failures.push("expected an invalid policy, got a valid one".to_owned());
                None
            }
            (Err(problems), expected) => {
                let got: BTreeSet<String> =
                    problems.iter().map(|problem| problem.pointer.clone()).collect();
                let (as_expected, words) = match expected {
                    Expected::Valid => (false, "a valid policy".to_owned()),
                    Expected::Invalid => (true, String::new()),
                    Expected::Errors(expected) => {
                        (*expected == got, format!("errors {expected:?}"))
                    }
                };
                if !as_expected {
                    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                    let lines = lines.join("\n  ");
                    failures.push(format!("expected {words}\n     got errors {got:?}\n  {lines}"));
                }
                None
            }
        }
    }

    fn compare_lints(&self, document: &Document, failures: &mut Vec<String>) {
        let lints = crate::lint(document, self.tools.as_deref());
        let codes: BTreeSet<&str> = lints.iter().map(|lint| lint.code).collect();
        for code in self.lints.iter().filter(|code| !codes.contains(code.as_str())) {
            failures.push(format!("expected lint {code}, got {codes:?}"));
        }
        for lint in lints.iter().filter(|lint| self.no_lints.iter().any(|code| code == lint.code)) {
            failures.push(format!("expected no lint {}, got {lint}", lint.code));
        }
    }

    fn run_steps(&self, policy: &Policy, failures: &mut Vec<String>) {
        let mut bench = Bench::new(policy, self.tools.as_deref().unwrap_or(&[]));
        for (index, step) in self.steps.iter().enumerate() {
            let outcome = match step {
                Step::Call(step) => bench.run_call(step),
                Step::Finish { number, ending, at } => bench.finish(*number, *ending, *at),
                Step::Decide { number, decision, at } => bench.decide(*number, *decision, *at),
                Step::List { kind, expect } => self.run_list(policy, *kind, expect),
            };
            if let Err(message) = outcome {
                failures.push(format!("step {}: {message}", index + 1));
            }
        }
    }

    fn run_list(&self, policy: &Policy, kind: Kind, expect: &[String]) -> Result<(), String> {
        let shown: Vec<&str> = match kind {
            Kind::Tool => {
                let tools = self.tools.iter().flatten();
                let shown = tools.filter(|tool| policy.lists(&Target::Tool(tool.facts())));
                shown.map(|tool| tool.name.as_str()).collect()
            }
            Kind::Resource => {
                let uris = self.resources.iter().map(String::as_str);
                uris.filter(|uri| policy.lists(&Target::Resource { uri })).collect()
            }
            Kind::Prompt => {
                let names = self.prompts.iter().map(String::as_str);
                names.filter(|name| policy.lists(&Target::Prompt { name })).collect()
            }
        };
        if shown == *expect {
            return Ok(());
        }
        Err(format!("expected the list {expect:?}\n     got {shown:?}"))
    }
}

fn tool_definition(tool: WireTool<'_>) -> Result<ToolDefinition, String> {
    let class = match &tool.class {
        Some(word) => Some(word.parse().map_err(|error| format!("{error}"))?),
        None => None,
    };
    let risk = match &tool.risk {
        Some(word) => Some(word.parse().map_err(|error| format!("{error}"))?),
        None => None,
    };
    let schema = tool.input_schema.map(|raw| raw.get().to_owned());
    Ok(ToolDefinition::new(tool.name, schema, class, risk))
}

/// The name of a line that is no case, if it has one.
fn name_of(line: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    serde_json::from_str::<Named>(line).ok().map(|named| named.name)
}
