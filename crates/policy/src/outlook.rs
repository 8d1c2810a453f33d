//! What a policy comes to for one tool before a call is made, for people who compare two policies. Judges nothing.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::decide::Standing;
use crate::document::{Increment, Limit, Rule, Waiver};
use crate::{DenyAll, Policy, Reading, Reason, SchemaMode, Target};

/// What becomes of calls to a tool, as far as that does not depend on the call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlook {
    /// In one word.
    pub word: OutlookWord,
    /// What it depends on: rules, limits, validation, in words of a fixed form. Two policies that say the same of a
    /// tool have the same parts, wherever they say it. Empty where no call passes anyway.
    pub parts: BTreeSet<OutlookPart>,
}

/// What becomes of calls to a tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OutlookWord {
    /// They pass, as far as the parts let them.
    Allowed,
    /// Each needs a person.
    Asks,
    /// They are denied; the tool is shown.
    Denied,
    /// The tool does not exist for the agent.
    Hidden,
    /// Nothing lists it, so it is neither shown nor reached.
    Unlisted,
    /// Nothing is allowed at all.
    Nothing,
}

impl OutlookWord {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Asks => "asks a person",
            Self::Denied => "denied",
            Self::Hidden => "hidden",
            Self::Unlisted => "not listed",
            Self::Nothing => "nothing is allowed",
        }
    }
}

/// One thing that calls to a tool depend on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutlookPart {
    /// `require`, `deny_if`, `limit` or `validate`.
    pub kind: &'static str,
    /// What it asks for: canonical JSON of conditions, or a limit in words.
    pub text: String,
    /// Whether a person may waive it.
    pub waivable: bool,
}

impl Policy {
    /// What this policy comes to for a tool, resource or prompt.
    pub fn outlook(&self, target: &Target<'_>) -> Outlook {
        let nothing = Outlook { word: OutlookWord::Nothing, parts: BTreeSet::new() };
        let Ok(book) = self.book() else { return nothing };
        let standing = Standing::of(book, target);
        if let Some(denial) = standing.refusal(&self.names, target) {
            let word = if denial.reason == Reason::Hidden {
                OutlookWord::Hidden
            } else if denial.reason == Reason::ActionDeny {
                OutlookWord::Denied
            } else {
                // Not listed, or an odd URI, which is as good as that.
                OutlookWord::Unlisted
            };
            return Outlook { word, ..nothing };
        }
        let mut parts = BTreeSet::new();
        let mut word = OutlookWord::Allowed;
        for rules in standing.rules() {
            if rules.asks() {
                word = OutlookWord::Asks;
            }
            parts.extend(rules.validate.map(|(_, mode)| validation(mode)));
            parts.extend(rules.require.iter().map(|(_, rule)| part(rule, Reading::Require)));
            parts.extend(rules.deny_if.iter().map(|(_, rule)| part(rule, Reading::DenyIf)));
            parts.extend(rules.limits.iter().map(|(_, limit)| limitation(limit)));
        }
        Outlook { word, parts }
    }

    /// Why there are no rules.
    fn book(&self) -> Result<&crate::compile::Book, &DenyAll> {
        match &self.body {
            crate::compile::Body::Rules(book) => Ok(book),
            crate::compile::Body::DenyAll(why) => Err(why),
        }
    }
}

fn validation(mode: SchemaMode) -> OutlookPart {
    let text = match mode {
        SchemaMode::Schema => "the tool's schema",
        SchemaMode::Strict => "the tool's schema, and no other arguments",
    };
    OutlookPart { kind: "validate", text: text.to_owned(), waivable: false }
}

fn part(rule: &Rule, reading: Reading) -> OutlookPart {
    let kind = match reading {
        Reading::Require => "require",
        Reading::DenyIf => "deny_if",
    };
    let waivable = rule.waiver != Waiver::Final;
    OutlookPart { kind, text: rule.conditions_json.clone(), waivable }
}

fn limitation(limit: &Limit) -> OutlookPart {
    let amount = match &limit.increment {
        Increment::Fixed(units) => units.to_string(),
        Increment::From(path) => path.as_str().to_owned(),
    };
    let text = format!(
        "{} per {} for each {}, {amount} a call, counted as {} ({})",
        limit.max,
        limit.window,
        limit.scope.as_str(),
        limit.counter,
        limit.algorithm.as_str()
    );
    OutlookPart { kind: "limit", text, waivable: false }
}
