//! Warnings about counters: L008, L009.

use std::collections::HashMap;

use super::{Findings, blocks};
use crate::Scope;
use crate::document::{Limit, Model};

pub(super) fn check(found: &mut Findings<'_>, model: &Model) {
    let mut first_of_bucket: HashMap<_, &Limit> = HashMap::new();
    for block in blocks(model) {
        for limit in &block.rules.limits {
            if limit.scope == Scope::Session {
                let message = "an agent gets a fresh quota by reconnecting".to_owned();
                let help = Some("leave `scope` out: the grant keeps one quota over all sessions");
                found.add_with_help("L009", (limit.at, &limit.name), message, help);
            }
            let bucket = (&limit.counter, limit.window, limit.scope, limit.algorithm);
            let first = *first_of_bucket.entry(bucket).or_insert(limit);
            if first.max != limit.max {
                let message = format!(
                    "shares the counter `{}` with {}, which has another `max`",
                    limit.counter, first.name
                );
                found.add("L008", limit.at, &limit.name, message);
            }
        }
    }
}
