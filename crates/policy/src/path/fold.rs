//! Keys compared ignoring case: full Unicode upper-casing, then lower-casing, character by character.
//!
//! Case mapping by character leaves out only the closing sigma of words, so that more keys count as equal
//! than with the mapping of whole words, never fewer.

/// The folded form of a key.
pub(super) fn fold(key: &str) -> String {
    if key.is_ascii() {
        return key.to_ascii_lowercase();
    }
    key.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

/// True if `key`, ignoring case, is the first of the folded `wanted` keys, or two or more of them joined by
/// dots. The caller has seen that `key` is not exactly the first.
pub(super) fn is_twin(key: &str, wanted: &[Box<str>]) -> bool {
    if key.is_ascii() {
        return joins(key.as_bytes(), wanted);
    }
    joins(fold(key).as_bytes(), wanted)
}

/// Walks along `key` and the wanted keys together; nothing is joined or copied.
fn joins(key: &[u8], wanted: &[Box<str>]) -> bool {
    let mut rest = key;
    for (n, part) in wanted.iter().enumerate() {
        if n > 0 {
            match rest {
                [b'.', after @ ..] => rest = after,
                _ => return false,
            }
        }
        match rest.split_at_checked(part.len()) {
            Some((start, after)) if start.eq_ignore_ascii_case(part.as_bytes()) => rest = after,
            _ => return false,
        }
        if rest.is_empty() {
            return true;
        }
    }
    false
}
