//! The rules of the repository that no compiler knows: sizes, names, words, and which crate may
//! depend on which. Each rule is a function from text to faults; this file only reads.

mod links;
mod proofs;
mod regressions;
mod rules;
mod walls;

use std::fs;

use crate::reference;
use crate::repository::Repository;

/// Every fault, as `place: what`.
///
/// # Errors
/// When the repository cannot be read.
pub(crate) fn check(found: &Repository) -> Result<Vec<String>, String> {
    let mut faults = Vec::new();
    let mut texts = Vec::new();
    let names = found.files()?;
    for name in names.clone() {
        let bytes = fs::read(found.root().join(&name))
            .map_err(|problem| format!("cannot read {name}: {problem}"))?;
        faults.extend(rules::size(&name, bytes.len()));
        if let Ok(text) = String::from_utf8(bytes) {
            faults.extend(rules::check(&name, &text));
            if proofs::reads(&name) {
                texts.push((name, text));
            }
        }
    }
    let sources: Vec<proofs::Source<'_>> =
        texts.iter().map(|(name, text)| proofs::Source { name, text }).collect();
    faults.extend(proofs::check(&sources));
    faults.extend(regressions::check(&sources));
    faults.extend(links::check(&sources, &names));
    faults.extend(reference::stale(found)?);
    faults.extend(walls::check(&found.packages()));
    Ok(faults)
}
