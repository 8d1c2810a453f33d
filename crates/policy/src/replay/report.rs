//! What a replay found, in groups that a person can read: which tool, which rule, from which verdict to which.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Doubt, Opinion, RecordedCall, Replayed, Word};
use crate::{Reason, UnixMillis};

/// Groups of a report, at most; calls that would make another one are counted beside them.
pub const REPORT_GROUPS_MAX: usize = 1_000;
/// Calls of a group that are named, at most: the first ones.
pub const REPORT_IDS_MAX: usize = 20;

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Calls that were judged or could not be.
    pub calls: u64,
    /// Calls of which the verdict certainly stays.
    pub same: u64,
    /// Calls of which the verdict certainly changes.
    pub changed: u64,
    /// Calls of which nobody can say, because of values that were not recorded.
    pub unsure_values: u64,
    /// Calls of which nobody can say, because of what the limits had taken.
    pub unsure_counters: u64,
    /// Calls of tools that are not pinned any more.
    pub unknown_tools: u64,
    /// Calls whose recorded arguments are no JSON object.
    pub unreadable: u64,
    /// Calls that no policy judges: quarantined tools, malformed arguments.
    pub skipped: u64,
    /// Changed and unsure calls that are in no group, because there are too many groups.
    pub ungrouped: u64,
    groups: BTreeMap<Key, Group>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    sure: bool,
    name: String,
    was: Word,
    word: Word,
    reason: Option<Reason>,
    rule: Arc<str>,
    doubt: Option<Doubt>,
}

/// Calls to one tool, resource or prompt that change in one way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The tool's or prompt's name, or the resource's URI.
    pub name: String,
    /// What the policy of that time said of the calls; what an observing one let pass was allowed.
    pub was: Word,
    /// What would become of them; of unsure ones, at the strictest, or at the mildest where they were not allowed.
    pub would: Opinion,
    /// `None`: it is sure.
    pub doubt: Option<Doubt>,
    /// How many calls.
    pub calls: u64,
    /// The first of them, at most [`REPORT_IDS_MAX`].
    pub ids: Vec<String>,
    /// When the first was made.
    pub first_at: UnixMillis,
    /// When the last was made.
    pub last_at: UnixMillis,
}

impl Report {
    /// The groups: sure ones before unsure ones, then the most calls first.
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<&Group> = self.groups.values().collect();
        groups.sort_by_key(|group| (group.doubt.is_some(), std::cmp::Reverse(group.calls)));
        groups
    }

    /// Calls that certainly change to this verdict, and how many tools they are of.
    pub fn changed_to(&self, word: Word) -> (u64, usize) {
        let groups = || self.groups.values().filter(|g| g.doubt.is_none() && g.would.word == word);
        let mut names: Vec<&str> = groups().map(|group| group.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        (groups().map(|group| group.calls).sum(), names.len())
    }

    pub(super) fn add(&mut self, call: &RecordedCall<'_>, replayed: &Replayed) {
        let count = |number: &mut u64| *number = number.saturating_add(1);
        count(&mut self.calls);
        let was = call.was.of_policy();
        match replayed {
            Replayed::Unreadable => count(&mut self.unreadable),
            Replayed::UnknownTool => count(&mut self.unknown_tools),
            Replayed::Sure(opinion) if opinion.word == was => count(&mut self.same),
            Replayed::Sure(opinion) => {
                count(&mut self.changed);
                self.group(call, opinion, None);
            }
            Replayed::Unsure { mildest, strictest, doubt } => {
                count(match doubt {
                    Doubt::Values => &mut self.unsure_values,
                    Doubt::Counters => &mut self.unsure_counters,
                });
                let other = if strictest.word == was { mildest } else { strictest };
                self.group(call, other, Some(*doubt));
            }
        }
    }

    fn group(&mut self, call: &RecordedCall<'_>, would: &Opinion, doubt: Option<Doubt>) {
        let key = Key {
            sure: doubt.is_none(),
            name: call.name.to_owned(),
            was: call.was.of_policy(),
            word: would.word,
            reason: would.reason,
            rule: Arc::clone(&would.rule),
            doubt,
        };
        if self.groups.len() >= REPORT_GROUPS_MAX && !self.groups.contains_key(&key) {
            self.ungrouped = self.ungrouped.saturating_add(1);
            return;
        }
        let group = self.groups.entry(key).or_insert_with(|| Group {
            name: call.name.to_owned(),
            was: call.was.of_policy(),
            would: would.clone(),
            doubt,
            calls: 0,
            ids: Vec::new(),
            first_at: call.at,
            last_at: call.at,
        });
        group.calls = group.calls.saturating_add(1);
        group.last_at = call.at;
        if group.ids.len() < REPORT_IDS_MAX {
            group.ids.push(call.id.to_owned());
        }
    }
}
