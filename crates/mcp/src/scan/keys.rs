//! Keys of one object: none may stand twice, and in some objects none may be another's spelling. Never looks at values.

use std::collections::HashSet;

use smallvec::SmallVec;

use crate::{
    fold,
    tape::{Entry, Members, Node, Tag},
};

/// Up to this many keys are compared pair by pair; more go through a hash set.
const PAIRWISE_KEYS_MAX: usize = 16;

/// Whether two keys of the closed object at this tape index are equal after unescaping.
pub(super) fn has_duplicate(bytes: &[u8], tape: &[Entry], at: u32) -> bool {
    let Some(entry) =
        tape.get(at as usize).filter(|entry| entry.tag == Tag::Object && entry.count > 1)
    else {
        return false;
    };
    let count = entry.count as usize;
    let keys = Node::new(bytes, tape, at).members();
    if count > PAIRWISE_KEYS_MAX {
        let mut seen = HashSet::with_capacity(count);
        return !keys.map(|(key, _)| key.meaning()).all(|key| seen.insert(key));
    }
    let mut seen: SmallVec<[&Entry; PAIRWISE_KEYS_MAX]> = SmallVec::new();
    for (key, _) in keys {
        if seen.iter().any(|earlier| equal(bytes, earlier, key.entry())) {
            return true;
        }
        seen.push(key.entry());
    }
    false
}

fn equal(bytes: &[u8], a: &Entry, b: &Entry) -> bool {
    if a.escaped || b.escaped {
        a.meaning(bytes) == b.meaning(bytes)
    } else {
        a.inner(bytes) == b.inner(bytes)
    }
}

/// Whether two keys of an object are equal ignoring case.
pub(crate) fn case_twins(bytes: &[u8], members: Members<'_>) -> bool {
    let keys: SmallVec<[&Entry; PAIRWISE_KEYS_MAX]> = members.map(|(key, _)| key.entry()).collect();
    if keys.len() < 2 {
        return false;
    }
    // The few characters beyond ASCII that fold into it are the reason for the second way.
    let simple = keys.len() <= PAIRWISE_KEYS_MAX
        && keys.iter().all(|key| !key.escaped && key.inner(bytes).is_ascii());
    if simple {
        return keys.iter().enumerate().any(|(index, key)| {
            keys.iter()
                .take(index)
                .any(|earlier| earlier.inner(bytes).eq_ignore_ascii_case(key.inner(bytes)))
        });
    }
    let mut seen = HashSet::with_capacity(keys.len());
    !keys.iter().all(|key| seen.insert(key.text(bytes).map(|text| fold::folded(&text))))
}
