//! The policy of a server that is being set up: an answer for each tool, kept as the text of a draft from the first choice
//! on, so that somebody can go on later, or in the builder.
//!
//! What never lives here: what is recommended (`recommend`), any other edit of a policy (`builder`).

use std::collections::{BTreeMap, HashMap};

use policy::{Class, Document};
use serde_json::{Map, Value, json};
use store::{PinLine, PolicyMode, PolicyName, PolicyRecord, ServerSlug};

use super::policies::Draft;
use super::{Actor, OpError, Permission, policies, recommend};
use crate::Console;

/// Names that are tried for the policy, at most.
const NAMES_MAX: u32 = 50;

/// What happens to the calls of a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Answer {
    /// What is recommended for its class.
    Recommended,
    /// They pass.
    Allow,
    /// A person decides each.
    Ask,
    /// They are refused; the agent sees the tool.
    Deny,
    /// They are refused; the agent does not see the tool.
    Hide,
    /// What rules say that this form does not show.
    Own,
}

impl Answer {
    /// Every answer that somebody can choose.
    pub const CHOICES: [Answer; 5] =
        [Answer::Recommended, Answer::Allow, Answer::Ask, Answer::Deny, Answer::Hide];

    /// The word in forms.
    pub fn as_str(self) -> &'static str {
        match self {
            Answer::Recommended => "recommended",
            Answer::Allow => "allow",
            Answer::Ask => "ask",
            Answer::Deny => "deny",
            Answer::Hide => "hide",
            Answer::Own => "own",
        }
    }

    /// The answer of a word in a form.
    pub fn parse(word: &str) -> Option<Answer> {
        let own = std::iter::once(Answer::Own);
        Answer::CHOICES.into_iter().chain(own).find(|answer| answer.as_str() == word)
    }

    /// The rules of this answer for a tool of this class; `None` leaves it out, which denies it. An own answer has none
    /// to give.
    fn rules(self, tool: &str, class: Option<Class>) -> Option<Value> {
        let recommended = recommend::for_tool(tool, class).rules;
        // A tool that no selector can name has no entry, whatever is asked.
        recommended.as_ref()?;
        match self {
            Answer::Recommended | Answer::Own => recommended,
            Answer::Allow => Some(json!({})),
            Answer::Ask => Some(json!({ "action": "approve" })),
            Answer::Deny => Some(json!({ "action": "deny" })),
            Answer::Hide => Some(json!({ "action": "hide" })),
        }
    }

    /// The answer that rules are.
    fn of(rules: &Value, tool: &str, class: Option<Class>) -> Answer {
        if recommend::for_tool(tool, class).rules.as_ref() == Some(rules) {
            return Answer::Recommended;
        }
        let Some(object) = rules.as_object() else { return Answer::Own };
        let action = object.get("action").and_then(Value::as_str);
        let says_why = object.get("reason").is_none_or(Value::is_string);
        match (action, object.len()) {
            (None, 0) | (Some("allow"), 1) => Answer::Allow,
            (Some("approve"), 1) => Answer::Ask,
            (Some("approve"), 2) if object.contains_key("reason") && says_why => Answer::Ask,
            (Some("deny"), 1) => Answer::Deny,
            (Some("hide"), 1) => Answer::Hide,
            _ => Answer::Own,
        }
    }
}

/// What a server says of a tool's effects (MCP `annotations`): its claims, and nobody's finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Claims {
    /// `readOnlyHint`.
    pub reads_only: Option<bool>,
    /// `destructiveHint`.
    pub destroys: Option<bool>,
    /// `openWorldHint`.
    pub reaches_out: Option<bool>,
}

impl Claims {
    /// The claims of a definition.
    pub fn of(definition: &str) -> Claims {
        let parsed: Option<Value> = serde_json::from_str(definition).ok();
        let hint = |name: &str| parsed.as_ref()?.get("annotations")?.get(name)?.as_bool();
        Claims {
            reads_only: hint("readOnlyHint"),
            destroys: hint("destructiveHint"),
            reaches_out: hint("openWorldHint"),
        }
    }

    /// Whether it says that the tool only reads, and nothing against that.
    pub fn says_only_reads(self) -> bool {
        self.reads_only == Some(true) && self.destroys != Some(true)
    }
}

/// The policy that is being made.
#[derive(Debug)]
pub struct Plan {
    /// The name that it will have.
    pub name: PolicyName,
    /// Whether somebody chose anything yet.
    pub is_begun: bool,
    /// The rules of each tool; `None` where the text is more than this form can show: the builder can.
    rules: Option<BTreeMap<String, Value>>,
    /// The text as it was kept.
    text: Option<String>,
}

impl Plan {
    /// Whether the text is one that this form can show and change.
    pub fn is_simple(&self) -> bool {
        self.rules.is_some()
    }

    /// The answer for a tool.
    pub fn answer(&self, line: &PinLine) -> Answer {
        match &self.rules {
            None => Answer::Own,
            // A tool that came after the first choice was never decided.
            Some(rules) => rules
                .get(&line.tool)
                .map_or(Answer::Recommended, |rules| Answer::of(rules, &line.tool, line.class)),
        }
    }

    /// The text of the policy for these tools.
    pub fn text(&self, lines: &[PinLine]) -> String {
        match (&self.rules, &self.text) {
            (Some(rules), _) => document(lines, |line| match rules.get(&line.tool) {
                Some(rules) => Some(rules.clone()),
                None => Answer::Recommended.rules(&line.tool, line.class),
            }),
            (None, Some(text)) => text.clone(),
            (None, None) => document(lines, |_line| None),
        }
    }
}

/// A document with a line for each tool that has rules; everything else is denied, and so are tools beyond the bound.
fn document(lines: &[PinLine], rules: impl Fn(&PinLine) -> Option<Value>) -> String {
    let entries = lines.iter().take(recommend::RECOMMENDED_TOOLS_MAX).filter_map(|line| {
        Some(format!("    {}: {}", Value::String(line.tool.clone()), rules(line)?))
    });
    let entries: Vec<String> = entries.collect();
    let start = "{\n  \"version\": \"1\",\n  \"default\": \"deny\",\n  \"tools\": {";
    if entries.is_empty() {
        return format!("{start}}}\n}}\n");
    }
    format!("{start}\n{}\n  }}\n}}\n", entries.join(",\n"))
}

/// The rules of a text that says nothing but what happens to each tool.
fn simple(text: &str) -> Option<BTreeMap<String, Value>> {
    // Comments and what a reader of JSON would overlook are the builder's.
    Document::parse(text).ok()?;
    let document: Map<String, Value> = serde_json::from_str(text).ok()?;
    let known = |(key, value): (&String, &Value)| match key.as_str() {
        "version" => true,
        "default" => value == "deny",
        "tools" => value.is_object(),
        _ => false,
    };
    if !document.iter().all(known) {
        return None;
    }
    let tools = document.get("tools").and_then(Value::as_object)?;
    let exact = |name: &String| !(name.contains('*') || name.starts_with('@'));
    tools
        .keys()
        .all(exact)
        .then(|| tools.iter().map(|(name, rules)| (name.clone(), rules.clone())).collect())
}

fn name_of(slug: &ServerSlug, number: u32) -> Result<PolicyName, OpError> {
    Ok(match number {
        1 => PolicyName::parse(&format!("{slug}-recommended"))?,
        number => PolicyName::parse(&format!("{slug}-recommended-{number}"))?,
    })
}

/// The names that the set-up of this server gave so far, and the next one.
fn names(slug: &ServerSlug, taken: &[PolicyRecord]) -> Result<(Option<u32>, u32), OpError> {
    let mut last = None;
    for number in 1..=NAMES_MAX {
        let name = name_of(slug, number)?;
        if !taken.iter().any(|policy| policy.name == name) {
            return Ok((last, number));
        }
        last = Some(number);
    }
    Err(OpError::Conflict(format!("{NAMES_MAX} recommended policies of {slug} are there already")))
}

/// The policy as far as this actor chose it; else the one that the set-up saved last, else what is recommended.
pub async fn plan(console: &Console, actor: &Actor, slug: &ServerSlug) -> Result<Plan, OpError> {
    let taken = policies::list(console, actor).await?;
    let (last, next) = names(slug, &taken)?;
    let name = name_of(slug, next)?;
    let draft = policies::draft(console, actor, &name).await?;
    let last = last.map(|number| name_of(slug, number)).transpose()?;
    let saved = last.and_then(|last| taken.into_iter().find(|policy| policy.name == last));
    let is_begun = draft.is_some();
    let text = draft.map(|draft| draft.text).or_else(|| saved.map(|policy| policy.text));
    let rules = match &text {
        Some(text) => simple(text),
        None => Some(BTreeMap::new()),
    };
    Ok(Plan { name, is_begun, rules, text })
}

/// An answer for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The tool.
    pub tool: String,
    /// What happens to its calls.
    pub answer: Answer,
}

/// Keeps answers; tools that are not among `lines` are none of the server's, and are left out. `lines` have the classes
/// that the answers are given under; `before` those of before, where some were changed with them.
pub async fn choose(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    choices: &[Choice],
    (before, lines): (&[PinLine], &[PinLine]),
) -> Result<Plan, OpError> {
    let mut plan = plan(console, actor, slug).await?;
    let Some(rules) = &mut plan.rules else {
        let text = "this policy has rules that only the builder can show: change it there";
        return Err(OpError::Conflict(text.to_owned()));
    };
    let chosen: HashMap<&str, Answer> =
        choices.iter().map(|choice| (choice.tool.as_str(), choice.answer)).collect();
    let classes: HashMap<&str, Option<Class>> =
        before.iter().map(|line| (line.tool.as_str(), line.class)).collect();
    let mut kept = BTreeMap::new();
    for line in lines {
        let class = classes.get(line.tool.as_str()).copied().flatten();
        let known = rules.remove(&line.tool);
        let was = known.as_ref().map_or(Answer::Recommended, |r| Answer::of(r, &line.tool, class));
        let answer = match chosen.get(line.tool.as_str()) {
            // Own rules stay as they are where nothing else is chosen.
            Some(Answer::Own) | None => was,
            Some(answer) => *answer,
        };
        let stays = answer == was && was != Answer::Recommended && known.is_some();
        let rules = if stays || answer == Answer::Own {
            known
        } else {
            answer.rules(&line.tool, line.class)
        };
        kept.extend(rules.map(|rules| (line.tool.clone(), rules)));
    }
    plan.rules = Some(kept);
    let text = plan.text(lines);
    policies::keep_draft(console, actor, &plan.name, (Some(slug.clone()), text, 0)).await?;
    plan.is_begun = true;
    Ok(plan)
}

/// The tools that the server says only read, as far as nothing speaks against taking its word: a class that is known to
/// be another one, or an answer that somebody gave.
pub async fn at_its_word(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    plan: &Plan,
) -> Result<Vec<Choice>, OpError> {
    let pins = super::servers::tools(console, actor, slug).await?;
    let claimed: HashMap<String, Claims> =
        pins.into_iter().map(|pin| (pin.tool, Claims::of(&pin.definition))).collect();
    let lines = super::servers::lines(console, actor, Some(slug)).await?;
    let open = lines.into_iter().filter(|line| {
        matches!(line.class, None | Some(Class::Read))
            && matches!(plan.answer(line), Answer::Recommended | Answer::Ask)
            && claimed.get(&line.tool).is_some_and(|claims| claims.says_only_reads())
    });
    Ok(open.map(|line| Choice { tool: line.tool, answer: Answer::Allow }).collect())
}

/// Saves the policy, and forgets the draft. Somebody who comes back finds what they saved under the same name.
pub async fn save(
    console: &Console,
    actor: &Actor,
    slug: &ServerSlug,
    (text, mode): (&str, PolicyMode),
) -> Result<PolicyName, OpError> {
    actor.may(Permission::EditPolicies)?;
    let taken = policies::list(console, actor).await?;
    let (last, next) = names(slug, &taken)?;
    let name = name_of(slug, next)?;
    if let Some(last) = last {
        let last = name_of(slug, last)?;
        let same = |policy: &&PolicyRecord| policy.text == text && policy.mode == mode;
        if taken.iter().filter(same).any(|policy| policy.name == last) {
            policies::drop_draft(console, actor, &name).await?;
            return Ok(last);
        }
    }
    let draft = Draft {
        name: name.clone(),
        server: Some(slug.clone()),
        text,
        mode,
        note: Some("made in the set-up".to_owned()),
    };
    policies::save(console, actor, draft, None).await?;
    policies::drop_draft(console, actor, &name).await?;
    Ok(name)
}

#[cfg(test)]
mod tests;
