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
    Page { name: "docs/promises.md", mark: 'R', rows: &[1..=40] },
    Page { name: "docs/scenarios.md", mark: 'S', rows: &[1..=60] },
];

/// How the pages shorten the folders of the integration tests and of those in the browser.
const SHORT: [(&str, &str); 2] = [("it/", "tests/it/tests/it/"), ("browser/", "tests/it/browser/")];
/// How the files of the tests in the browser end; the tests in them have sentences as names.
const IN_BROWSER: &str = ".test.mjs";
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
    let suffixes = [".rs", ".md", ".jsonl", IN_BROWSER];
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

/// What a line names in backquotes that is a test (`file.rs::name`, `file.test.mjs::a sentence`) or a case of the bypass
/// suite.
fn names(line: &str) -> Vec<&str> {
    let quoted = line.split('`').skip(1).step_by(2);
    let is_test = |text: &str| text.contains(".rs::") || text.contains(".test.mjs::");
    quoted.filter(|text| is_test(text) || text.starts_with(CASE)).collect()
}

fn exists(name: &str, files: &[Source<'_>]) -> bool {
    let Some((file, test)) = name.split_once("::") else {
        let id = format!("\"id\":\"{name}\"");
        let mut cases = files.iter().filter(|file| file.name.starts_with(CASES));
        return cases.any(|file| file.text.contains(&id));
    };
    let long = |(short, long): (&str, &str)| Some(format!("{long}{}", file.strip_prefix(short)?));
    let file = SHORT.into_iter().find_map(long).unwrap_or_else(|| file.to_owned());
    let begins = if file.ends_with(IN_BROWSER) {
        vec![format!("scenario(\"{test}\",")]
    } else {
        vec![format!("fn {test}("), format!("fn {test}<")]
    };
    files.iter().any(|known| {
        known.name == file && begins.iter().any(|begin| known.text.contains(begin.as_str()))
    })
}

#[cfg(test)]
#[path = "proofs_tests.rs"]
mod tests;
