//! Recorded calls judged again by another policy: what would have become of them, as far as the records say.
//!
//! The decision is [`crate::decide`]'s own pass. Here are the two ends between which it lies where a record does not
//! hold everything, and counters that are replayed in the order of the records. Reads no records itself.

mod counters;
mod gap;
mod lens;
mod report;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::counters::{Counters, Room};
use self::lens::{End, Missing, Partial};
pub use self::report::{Group, REPORT_GROUPS_MAX, REPORT_IDS_MAX, Report};
use crate::decide::decide_through;
use crate::{
    Call, ClientFacts, Denial, GrantFacts, JsonKind, Kind, Obligations, Policy, Reason, ScopeIds,
    Target, ToolFacts, UnixMillis, Value, Verdict,
};

/// How many ways there may be to read a client's recorded name and version apart; beyond, neither is known.
const CLIENT_READINGS_MAX: usize = 5;
/// A recorded name or version of this many characters may have been cut.
const CLIENT_CHARS_CUT: usize = 80;

/// What is known of the counters when the records begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Nothing was ever charged.
    Empty,
    /// Whatever was charged before this instant is not known: until a window has begun anew, a limit that has room
    /// may have had none.
    Unknown(UnixMillis),
}

/// The word of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Word {
    /// It goes on.
    Allow,
    /// A person is asked.
    Hold,
    /// It does not go on.
    Deny,
}

impl Word {
    /// The word in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Hold => "hold",
            Self::Deny => "deny",
        }
    }
}

/// What became of a call when it was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Was {
    /// The verdict.
    pub word: Word,
    /// The policy wanted a person for it, and that person's answer, or that nobody could be asked, is the verdict.
    pub asked: bool,
}

impl Was {
    /// What the policy alone said.
    pub fn of_policy(self) -> Word {
        if self.asked { Word::Hold } else { self.word }
    }
}

/// How a call that left came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When, to the millisecond; `None`: nobody wrote that down.
    pub at: Option<UnixMillis>,
    /// Whether its charges came back.
    pub returned: Returned,
}

/// Whether charges came back (POLICY section 5, rule 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Returned {
    /// They stay.
    No,
    /// The call never left.
    NeverLeft,
    /// The server said that it did not run the call.
    Refused,
    /// The record does not say.
    Unknown,
}

/// One recorded call.
#[derive(Debug, Clone, Copy)]
pub struct RecordedCall<'a> {
    /// What a reader finds it by.
    pub id: &'a str,
    /// When it was judged.
    pub at: UnixMillis,
    /// Tool, resource or prompt.
    pub kind: Kind,
    /// The tool's or prompt's name, or the resource's URI.
    pub name: &'a str,
    /// The tool as it is pinned today.
    pub tool: Option<ToolFacts<'a>>,
    /// The arguments as they were recorded, a JSON object.
    pub arguments: &'a str,
    /// Whose call.
    pub grant_id: &'a str,
    /// The grant's label.
    pub label: &'a str,
    /// The grant's tags as they are today; `None`: the grant is gone.
    pub tags: Option<&'a BTreeMap<String, String>>,
    /// The session, if there was one.
    pub session: Option<&'a str>,
    /// The server.
    pub server: &'a str,
    /// `name/version` of the client.
    pub client: Option<&'a str>,
    /// What became of it.
    pub was: Was,
    /// How it ended, if it left.
    pub ended: Option<Ended>,
}

/// What a policy says of a recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opinion {
    /// The verdict.
    pub word: Word,
    /// Why, unless it is allowed.
    pub reason: Option<Reason>,
    /// The rule that decides; empty where none does.
    pub rule: Arc<str>,
}

/// Why a verdict is not sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Doubt {
    /// A rule reads a value that was not recorded, or not whole.
    Values,
    /// A limit may have had no room: what was charged before is not known, or other calls are unsure.
    Counters,
}

impl Doubt {
    /// The word in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Values => "values",
            Self::Counters => "counters",
        }
    }
}

/// What the policy would have said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replayed {
    /// Whatever is not known, it is this.
    Sure(Opinion),
    /// It lies between the two.
    Unsure {
        /// The mildest that it can be.
        mildest: Opinion,
        /// The strictest that it can be.
        strictest: Opinion,
        /// Why nobody knows.
        doubt: Doubt,
    },
    /// The arguments are not one JSON object, as far as they were recorded.
    Unreadable,
    /// The tool is not pinned any more: its class and its schema are not known.
    UnknownTool,
}

/// A replay: calls go in, in the order of their records.
#[derive(Debug)]
pub struct Replay {
    policy: Policy,
    organisation: String,
    counters: Counters,
    report: Report,
}

/// Both ends of what a policy may say, with what it wants charged.
struct Ends {
    mildest: (Opinion, Obligations),
    strictest: Opinion,
}

impl Replay {
    /// A replay with `policy`. `organisation` names the buckets that all servers share.
    pub fn new(policy: Policy, organisation: &str, start: Start) -> Self {
        Self {
            policy,
            organisation: organisation.to_owned(),
            counters: Counters::new(start),
            report: Report::default(),
        }
    }

    /// Judges one call and takes it up in the report.
    pub fn call(&mut self, call: &RecordedCall<'_>) -> Replayed {
        let replayed = self.judge(call);
        self.report.add(call, &replayed);
        replayed
    }

    /// Judges one call for its charges alone: it is not reported.
    pub fn call_beside(&mut self, call: &RecordedCall<'_>) -> Replayed {
        self.judge(call)
    }

    /// A call that was recorded and cannot be judged by any policy, such as one of a quarantined tool.
    pub fn skip(&mut self) {
        self.report.skipped = self.report.skipped.saturating_add(1);
    }

    /// What was found so far.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// What was found.
    pub fn finish(self) -> Report {
        self.report
    }

    fn judge(&mut self, call: &RecordedCall<'_>) -> Replayed {
        self.counters.pass_to(call.at);
        if call.kind == Kind::Tool && call.tool.is_none() {
            return Replayed::UnknownTool;
        }
        let uri;
        let text = match call.kind {
            Kind::Resource => {
                let mut object = String::from("{\"uri\":");
                crate::canonical::push_json_string(&mut object, call.name);
                object.push('}');
                uri = object;
                &uri
            }
            Kind::Tool | Kind::Prompt => call.arguments,
        };
        let args = Value::parse(text).ok();
        let Some(args) = args.filter(|args| args.root().kind() == JsonKind::Object) else {
            return Replayed::Unreadable;
        };
        let ends = self.ends(call, &args);
        self.settle(call, ends)
    }

    fn ends(&self, call: &RecordedCall<'_>, args: &Value<'_>) -> Ends {
        let none = BTreeMap::new();
        let target = match (call.kind, call.tool) {
            (Kind::Tool, Some(tool)) => Target::Tool(tool),
            (Kind::Tool, None) => {
                Target::Tool(ToolFacts { name: call.name, class: None, risk: None, schema: None })
            }
            (Kind::Resource, _) => Target::Resource { uri: call.name },
            (Kind::Prompt, _) => Target::Prompt { name: call.name },
        };
        let (clients, client_known) = clients(call.client);
        let missing = Missing { client: !client_known, tags: call.tags.is_none() };
        let mut found: Option<Ends> = None;
        for client in clients {
            let judged = Call {
                target,
                args,
                grant: GrantFacts { label: call.label, tags: call.tags.unwrap_or(&none) },
                client,
                now: call.at,
            };
            let end = |end| {
                let lens = Partial { end, missing };
                opinion(decide_through(&self.policy, &judged, &lens).verdict)
            };
            let (mildest, strictest) = (end(End::Mildest), end(End::Strictest).0);
            found = Some(match found {
                None => Ends { mildest, strictest },
                Some(before) => before.widened(mildest, strictest),
            });
        }
        found.unwrap_or_else(|| {
            let denied = opinion(Verdict::Deny(Denial::malformed()));
            Ends { strictest: denied.0.clone(), mildest: denied }
        })
    }

    /// Asks the counters, and charges what certainly and what possibly goes on.
    fn settle(&mut self, call: &RecordedCall<'_>, ends: Ends) -> Replayed {
        let Ends { mildest: (mildest, owed), strictest } = ends;
        if mildest.word == Word::Deny {
            return Replayed::between(mildest, strictest, Doubt::Values);
        }
        let ids = ScopeIds {
            grant: call.grant_id,
            session: call.session,
            server: call.server,
            organisation: &self.organisation,
        };
        let room = self.counters.room(&owed.charges, &ids, call.at);
        let full = |index: usize| {
            let charge = owed.charges.get(index);
            let rule = charge.map_or_else(|| Arc::from(""), |charge| Arc::clone(&charge.rule));
            Opinion { word: Word::Deny, reason: Some(Reason::LimitExceeded), rule }
        };
        let (replayed, sure) = match room {
            // Whether a rule lets it go on or wants a person for it: a full limit refuses both.
            Room::None(index) => return Replayed::Sure(full(index)),
            Room::Yes => {
                let sure = mildest.word == strictest.word;
                (Replayed::between(mildest.clone(), strictest, Doubt::Values), sure)
            }
            Room::Maybe(_) if strictest.word == Word::Deny => {
                (Replayed::between(mildest.clone(), strictest, Doubt::Values), false)
            }
            Room::Maybe(index) => {
                (Replayed::between(mildest.clone(), full(index), Doubt::Counters), false)
            }
        };
        let runs = match mildest.word {
            Word::Allow => Runs::of(sure),
            // The person who said yes would be asked the same; of anybody else nobody knows.
            Word::Hold if call.was.asked && call.was.word == Word::Allow => Runs::of(sure),
            Word::Hold if call.was.of_policy() == Word::Hold => Runs::No,
            Word::Hold => Runs::Perhaps,
            Word::Deny => Runs::No,
        };
        self.counters.charge((&owed.charges, runs), &ids, (call.at, call.ended));
        replayed
    }
}

/// Whether a call goes on and charges its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Runs {
    Yes,
    Perhaps,
    No,
}

impl Runs {
    fn of(sure: bool) -> Self {
        if sure { Self::Yes } else { Self::Perhaps }
    }
}

impl Ends {
    fn widened(self, mildest: (Opinion, Obligations), strictest: Opinion) -> Self {
        // Readings that agree in the verdict and differ in the rule keep the first one's.
        Self {
            mildest: if mildest.0.word < self.mildest.0.word { mildest } else { self.mildest },
            strictest: if strictest.word > self.strictest.word {
                strictest
            } else {
                self.strictest
            },
        }
    }
}

impl Replayed {
    /// Sure where both ends are one verdict. The rule is then that of the mildest end, which decides whatever else
    /// is the case.
    fn between(mildest: Opinion, strictest: Opinion, doubt: Doubt) -> Self {
        if mildest.word == strictest.word {
            Self::Sure(mildest)
        } else {
            Self::Unsure { mildest, strictest, doubt }
        }
    }
}

fn opinion(verdict: Verdict) -> (Opinion, Obligations) {
    match verdict {
        Verdict::Allow(owed) => {
            (Opinion { word: Word::Allow, reason: None, rule: Arc::from("") }, owed)
        }
        Verdict::Hold(ask, owed) => {
            let reason = Some(Reason::ApprovalRequired);
            (Opinion { word: Word::Hold, reason, rule: ask.rule }, owed)
        }
        Verdict::Deny(denial) => {
            let Denial { reason, rule, .. } = denial;
            let opinion = Opinion { word: Word::Deny, reason: Some(reason), rule };
            (opinion, Obligations::default())
        }
    }
}

/// Every way to read `name/version` apart, and whether the record holds them at all. A name may have slashes, and a
/// client need not give a version.
fn clients(recorded: Option<&str>) -> (Vec<ClientFacts<'_>>, bool) {
    let Some(text) = recorded else { return (vec![ClientFacts::default()], true) };
    let alone = ClientFacts { name: Some(text), version: None };
    let splits = text.match_indices('/').filter_map(|(at, _)| {
        let (name, version) = text.split_at_checked(at)?;
        Some(ClientFacts { name: Some(name), version: version.strip_prefix('/') })
    });
    let readings: Vec<_> = std::iter::once(alone).chain(splits).collect();
    let long = |text: Option<&str>| {
        text.is_some_and(|text| text.chars().nth(CLIENT_CHARS_CUT.saturating_sub(1)).is_some())
    };
    let cut = readings.iter().any(|client| long(client.name) || long(client.version));
    if readings.len() > CLIENT_READINGS_MAX || cut {
        return (vec![alone], false);
    }
    (readings, true)
}
