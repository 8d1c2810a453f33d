//! The decision: one pass over the rules that apply gives the verdict and the trace (POLICY section 6).
//!
//! Pure and total. Counters and approvals are not asked here: they come out as [`Obligations`] and [`Ask`].

mod denial;
mod details;
mod pass;
#[cfg(test)]
pub(crate) mod tests;

pub use details::{Detail, details};
pub(crate) use pass::{Lens, Plain, truth_of};

use std::sync::Arc;

use smallvec::SmallVec;

use crate::compile::{Body, Book, DenyAll, Matched, Numbered, Policy};
use crate::document::{Action, DefaultAction, Rule};
use crate::trace::{Outcome, Trace};
use crate::{
    Ask, Charge, ClientFacts, GrantFacts, Kind, Reason, ToolFacts, UnixMillis, Value, is_odd_uri,
};

/// What a call is about.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// `tools/call`
    Tool(ToolFacts<'a>),
    /// `resources/*`
    Resource {
        /// The URI, byte for byte.
        uri: &'a str,
    },
    /// `prompts/get`
    Prompt {
        /// The prompt's name, byte for byte.
        name: &'a str,
    },
}

impl<'a> Target<'a> {
    /// The tool's or prompt's name, or the resource's URI.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Tool(tool) => tool.name,
            Self::Resource { uri } => uri,
            Self::Prompt { name } => name,
        }
    }

    /// Which of the three it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Tool(_) => Kind::Tool,
            Self::Resource { .. } => Kind::Resource,
            Self::Prompt { .. } => Kind::Prompt,
        }
    }

    pub(crate) fn tool(&self) -> Option<ToolFacts<'a>> {
        match self {
            Self::Tool(tool) => Some(*tool),
            Self::Resource { .. } | Self::Prompt { .. } => None,
        }
    }
}

/// One call as it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// What it is about.
    pub target: Target<'a>,
    /// The arguments; `{"uri"}` for a resource.
    pub args: &'a Value<'a>,
    /// The grant that it comes with.
    pub grant: GrantFacts<'a>,
    /// What the client says of itself.
    pub client: ClientFacts<'a>,
    /// When it came.
    pub now: UnixMillis,
}

/// Verdict and trace of one evaluation.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What becomes of the call.
    pub verdict: Verdict,
    /// Every rule that was evaluated, and what it said.
    pub trace: Trace,
}

/// What becomes of a call, before counters and approvals are asked.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It may go on once the charges are accepted.
    Allow(Obligations),
    /// A person must approve it, and the charges must have room.
    Hold(Ask, Obligations),
    /// It does not go on.
    Deny(Denial),
}

/// What must be accepted before an allowed call leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Obligations {
    /// One charge for each limit that applies, in the order of POLICY section 2.
    pub charges: SmallVec<[Charge; 2]>,
}

/// Why a call does not go on, as the agent is told (POLICY section 8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denial {
    /// The reason word.
    pub reason: Reason,
    /// The name of the rule that decided; empty where no rule of a policy did.
    pub rule: Arc<str>,
    /// The rule's own message, or a sentence that names the rule.
    pub message: String,
    /// What would make the call pass; never a secret.
    pub hint: Option<String>,
    /// When a full limit has room again, in milliseconds from now.
    pub retry_after_ms: Option<u64>,
}

/// Judges one call: evaluates every rule that applies once, and gives verdict and trace from that one pass.
///
/// The order of POLICY section 6: hidden, odd URI or not listed, `action: "deny"`, `validate`, final rules,
/// amounts of limits; then rules that a person may waive; then allow. Whether limits have room, and whether an
/// approval is at hand, the caller asks next, with what the verdict carries.
pub fn decide(policy: &Policy, call: &Call<'_>) -> Judgement {
    decide_through(policy, call, &Plain)
}

/// As [`decide`], with the call read through `lens`.
pub(crate) fn decide_through(policy: &Policy, call: &Call<'_>, lens: &impl Lens) -> Judgement {
    let book = match &policy.body {
        Body::Rules(book) => book,
        Body::DenyAll(reason) => return deny_all(policy, reason),
    };
    let mut trace = Trace::new(&policy.names);
    let standing = Standing::of(book, &call.target);
    standing.report(&mut trace);
    let findings = pass::evaluate(&standing, call, lens, &mut trace);
    let verdict = match standing.refusal(&policy.names, &call.target) {
        Some(denial) => Verdict::Deny(denial),
        None => findings.verdict(&policy.names, call),
    };
    Judgement { verdict, trace }
}

fn deny_all(policy: &Policy, reason: &DenyAll) -> Judgement {
    let mut trace = Trace::new(&policy.names);
    trace.push(0, Outcome::NoPolicy);
    Judgement { verdict: Verdict::Deny(Denial::deny_all(reason)), trace }
}

impl Policy {
    /// Whether a list shows this to the grant (POLICY section 6): a tool unless steps 1 or 2 refuse it, a resource
    /// or prompt unless steps 1 to 3 do. A quarantined tool is the caller's to leave out.
    pub fn lists(&self, target: &Target<'_>) -> bool {
        let Body::Rules(book) = &self.body else { return false };
        let standing = Standing::of(book, target);
        let denied = match target {
            Target::Tool(_) => false,
            Target::Resource { .. } | Target::Prompt { .. } => standing.denied.is_some(),
        };
        standing.hidden.is_none() && standing.refused.is_none() && !denied
    }
}

/// What is known of a target without looking at a call: steps 1 to 3 of POLICY section 6.
pub(crate) struct Standing<'p> {
    /// Every entry whose rules apply, in the order of reports; `all_tools` last.
    rules: Matched<'p, Numbered>,
    /// Step 1: the index of the rule's name, and its message.
    hidden: Option<(u32, Option<&'p Arc<str>>)>,
    /// Step 2.
    refused: Option<(u32, Refused)>,
    /// Step 3.
    denied: Option<&'p (u32, Arc<Rule>)>,
    /// The default let it pass.
    by_default: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    OddUri,
    NotListed,
}

impl<'p> Standing<'p> {
    pub(crate) fn of(book: &'p Book, target: &Target<'_>) -> Self {
        let mut odd = false;
        let (mut rules, hide) = match target {
            Target::Tool(tool) => {
                (book.tools.for_tool(tool), book.hide.for_tool(tool).first().copied())
            }
            Target::Resource { uri } => {
                odd = !book.resources.is_empty() && is_odd_uri(uri);
                let table = &book.resources;
                (if odd { table.for_odd_uri(uri) } else { table.for_name(uri) }, None)
            }
            Target::Prompt { name } => (book.prompts.for_name(name), None),
        };
        let listed = !rules.is_empty();
        let refused = match book.default {
            _ if odd => Some((book.resources_name, Refused::OddUri)),
            DefaultAction::Deny if !listed => Some((book.default_name, Refused::NotListed)),
            DefaultAction::Allow | DefaultAction::Deny => None,
        };
        if target.tool().is_some() && refused.is_none() {
            rules.extend(&book.all_tools);
        }
        let first = |action: Action| {
            let found = rules.iter().find(|rules| rules.action == action);
            found.map(|rules| &rules.action_rule)
        };
        let hidden = match hide {
            Some(name) => Some((*name, None)),
            None => first(Action::Hide).map(|(name, rule)| (*name, rule.message.as_ref())),
        };
        let denied = first(Action::Deny);
        let by_default = (!listed && refused.is_none()).then_some(book.default_name);
        Self { rules, hidden, refused, denied, by_default }
    }

    /// Every entry whose rules apply.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &'p Numbered> {
        self.rules.iter().copied()
    }

    fn report(&self, trace: &mut Trace) {
        if let Some((name, _)) = self.hidden {
            trace.push(name, Outcome::Hides);
        }
        match self.refused {
            Some((name, Refused::OddUri)) => trace.push(name, Outcome::OddUri),
            Some((name, Refused::NotListed)) => trace.push(name, Outcome::NotListed),
            None => {}
        }
        if let Some(name) = self.by_default {
            trace.push(name, Outcome::DefaultAllows);
        }
    }

    /// What steps 1 to 3 say.
    pub(crate) fn refusal(&self, names: &[Arc<str>], target: &Target<'_>) -> Option<Denial> {
        if let Some((name, message)) = self.hidden {
            return Some(Denial::of(Reason::Hidden, pass::name(names, name), message));
        }
        if let Some((name, refused)) = self.refused {
            let rule = pass::name(names, name);
            return Some(match refused {
                Refused::OddUri => Denial::odd_uri(rule),
                Refused::NotListed => Denial::not_listed(rule, target.name()),
            });
        }
        let (name, rule) = self.denied?;
        let name = pass::name(names, *name);
        Some(Denial::of(Reason::ActionDeny, name, rule.message.as_ref()))
    }
}
