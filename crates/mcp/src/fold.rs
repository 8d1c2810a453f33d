//! Case folding of keys and names. Never decides what a fold means: its callers refuse twins.

/// Adds the fold of one character.
///
/// Lower case of upper case of lower case: so U+017F meets `s`, U+212A meets `k`, `ß` meets `ss` and `ς` meets `σ`. It joins a
/// little more than Unicode's full case folding does (`ı` meets `i`), which refuses more.
pub(crate) fn push_folded(out: &mut String, c: char) {
    if c.is_ascii() {
        out.push(c.to_ascii_lowercase());
        return;
    }
    for lower in c.to_lowercase() {
        for upper in lower.to_uppercase() {
            out.extend(upper.to_lowercase());
        }
    }
}

/// The fold of a whole text.
pub(crate) fn folded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        push_folded(&mut out, c);
    }
    out
}
