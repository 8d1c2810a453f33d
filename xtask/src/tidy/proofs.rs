//! The pages that say which test proves what: every test and case that they name exists, and every
//! row that must be there is. No file system: pages and sources are handed in as texts.

use std::collections::BTreeSet;

/// A page of proofs and the rows that its tables must have.
struct Page {
    name: &'static str,
    mark: char,
    rows: &'static [std::ops::RangeInclusive<u32>],
}

const PAGES: [Page; 2] = [
    Page { name: "docs/promises.md", mark: 'R', rows: &[1..=21] },
    Page { name: "docs/scenarios.md", mark: 'S', rows: &[1..=60] },
];

/// How the pages shorten the folder of the integration tests.
const SHORT: (&str, &str) = ("it/", "tests/it/tests/it/");
/// Where the cases of the bypass suite stand.
pub(super) const CASES: &str = "tests/it/cases/";
/// How one is named.
pub(super) const CASE: &str = "OWN-";

/// A tracked text file.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) text: &'a str,
}

/// Whether the check reads a file.
pub(super) fn reads(name: &str) -> bool {
    let suffixes = [".rs", ".md", ".jsonl"];
    suffixes.iter().any(|suffix| name.ends_with(suffix))
}

/// Every fault of the pages among these files.
pub(super) fn check(files: &[Source<'_>]) -> Vec<String> {
    PAGES.iter().flat_map(|page| page.faults(files)).collect()
}

impl Page {
    fn faults(&self, files: &[Source<'_>]) -> Vec<String> {
        let Some(page) = files.iter().find(|file| file.name == self.name) else {
            return vec![format!("{}: the page is missing", self.name)];
        };
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for (number, line) in (1..).zip(page.text.lines()) {
            let at = format!("{}:{number}", self.name);
            let named = names(line);
            let missing = named.iter().filter(|name| !exists(name, files));
            faults.extend(missing.map(|name| format!("{at}: there is no `{name}`")));
            let Some(row) = self.row(line) else { continue };
            if !seen.insert(row) {
                faults.push(format!("{at}: {}{row} has two rows", self.mark));
            }
            if named.is_empty() && !line.contains("Not proven: ") {
                faults.push(format!("{at}: {}{row} names neither a test nor why not", self.mark));
            }
        }
        let wanted = self.rows.iter().cloned().flatten();
        let absent = wanted.filter(|row| !seen.contains(row));
        faults.extend(absent.map(|row| format!("{}: no row {}{row}", self.name, self.mark)));
        faults
    }

    /// The number of a table row such as `| R7 | …`.
    fn row(&self, line: &str) -> Option<u32> {
        let cell = line.strip_prefix("| ")?.split(" |").next()?;
        cell.trim().strip_prefix(self.mark)?.parse().ok()
    }
}

/// What a line names in backquotes that is a test (`file.rs::name`) or a case of the bypass suite.
fn names(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2);
    quoted.filter(|text| text.contains(".rs::") || text.starts_with(CASE)).collect()
}

fn exists(name: &str, files: &[Source<'_>]) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        let id = format!("\"id\":\"{name}\"");
        let mut cases = files.iter().filter(|file| file.name.starts_with(CASES));
        return cases.any(|file| file.text.contains(&id));
    };
    let file = match file.strip_prefix(SHORT.0) {
        Some(rest) => format!("{}{rest}", SHORT.1),
        None => file.to_owned(),
    };
    let begins = format!("fn {test}(");
    let generic = format!("fn {test}<");
    files.iter().any(|known| {
        known.name == file && (known.text.contains(&begins) || known.text.contains(&generic))
    })
}

#[cfg(test)]
#[path = "proofs_tests.rs"]
mod tests;
