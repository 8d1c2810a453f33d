//! When each grant was last heard of, written now and then with the rows that say so: a page that names it must not
//! walk a log of millions.
//!
//! What never lives here: who may use a grant.

use std::collections::HashMap;

use super::queue::Job;

/// A grant's use is written once in so many milliseconds, however often it calls: what is written lags behind the log by
/// less.
pub const GRANT_USE_LAG_MS: i64 = 10_000;
/// Grants whose last use is remembered here, at most; beyond it all are forgotten, and written once more than needed.
const GRANTS_MAX: usize = 16_384;

/// What was written of uses.
#[derive(Debug, Default)]
pub(super) struct GrantUses(HashMap<String, i64>);

impl GrantUses {
    /// The uses in a batch that are due to be written, each grant once with its latest.
    pub(super) fn due(&self, batch: &[Job]) -> Vec<(String, i64)> {
        let mut due: Vec<(String, i64)> = Vec::new();
        for job in batch {
            let Job::Open { record, time, .. } = job else { continue };
            let Some(grant) = grant_of(record) else { continue };
            let known = self.0.get(grant).copied().unwrap_or(i64::MIN);
            if time.saturating_sub(known) < GRANT_USE_LAG_MS {
                continue;
            }
            match due.iter_mut().find(|(due, _)| due == grant) {
                Some((_, at)) => *at = (*at).max(*time),
                None => due.push((grant.to_owned(), *time)),
            }
        }
        due
    }

    /// These are committed.
    pub(super) fn saved(&mut self, used: Vec<(String, i64)>) {
        if self.0.len().saturating_add(used.len()) > GRANTS_MAX {
            self.0.clear();
        }
        self.0.extend(used);
    }
}

/// The grant's id in a record. Records are written in one way, with the grant before anything that an agent wrote
/// but its label, in which each quotation mark is escaped.
fn grant_of(record: &str) -> Option<&str> {
    let (_, rest) = record.split_once("\"grant_id\":\"")?;
    let (grant, _) = rest.split_once('"')?;
    grant.starts_with("grt_").then_some(grant)
}

#[cfg(test)]
mod tests;
