//! Rules about one file's text. No file system: a rule gets a name and a text.

/// Longest production file, in lines.
const FILE_LINES_MAX: usize = 600;
/// Largest tracked file, in bytes; lock files are as long as they are.
const FILE_BYTES_MAX: usize = 400 * 1024;
/// Names that say nothing about what lives there.
const EMPTY_NAMES: [&str; 9] =
    ["util", "utils", "common", "helper", "helpers", "types", "core", "misc", "shared"];

/// Words that must not stand in Rust code, with what to do instead. Each is written in two parts,
/// so that this file does not hold what it looks for.
const BANNED: [(&str, &str, &str); 5] = [
    ("FIX", "ME", "finish it, or say what is missing in a sentence"),
    ("TO", "DO:", "finish it, or say what is missing in a sentence"),
    ("#[ig", "nore", "a test that never runs is none"),
    ("thread::", "sleep", "wait for the event"),
    ("#[al", "low(", "use expect with a reason"),
];

/// Folders of one machine, and hosts of registries.
const PLACES: [(&str, &str); 8] = [
    ("/wo", "rk/"),
    ("/ro", "ot/"),
    ("/ho", "me/"),
    ("registry.", "npmjs"),
    ("pypi.", "org"),
    ("pythonhosted", ".org"),
    ("deb.", "debian.org"),
    ("static.crates", ".io"),
];

/// Faults of a tracked file's size.
pub(super) fn size(name: &str, bytes: usize) -> Option<String> {
    let is_lock = extension(name) == "lock" || name.ends_with("-lock.json");
    let too_large = bytes > FILE_BYTES_MAX && !is_lock;
    too_large.then(|| format!("{name}: {bytes} bytes; at most {FILE_BYTES_MAX}"))
}

fn extension(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(_stem, extension)| extension)
}

/// Faults of a tracked text file.
pub(super) fn check(name: &str, text: &str) -> Vec<String> {
    let mut faults = places(name, text);
    if extension(name) == "rs" {
        faults.extend(rust(name, text));
    }
    faults
}

fn is_test(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/") || name.starts_with("tests/")
}

fn rust(name: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = text.lines().count();
    if lines > FILE_LINES_MAX && !is_test(name) {
        faults.push(format!("{name}: {lines} lines; at most {FILE_LINES_MAX}: make it two rooms"));
    }
    if !is_test_sibling(name) && !text.trim_start().starts_with("//!") {
        faults.push(format!("{name}: begin with `//!`: what lives here and what never does"));
    }
    let stems = name.trim_end_matches(".rs").split('/');
    let empty = stems.filter(|stem| EMPTY_NAMES.contains(stem));
    faults.extend(empty.map(|stem| format!("{name}: `{stem}` says nothing; name its one job")));
    for (number, line) in (1..).zip(text.lines()) {
        for (first, second, instead) in BANNED {
            let word = format!("{first}{second}");
            if line.contains(&word) {
                faults.push(format!("{name}:{number}: `{word}`: {instead}"));
            }
        }
    }
    faults
}

/// Unit tests beside their module need no heading of their own.
fn is_test_sibling(name: &str) -> bool {
    name.ends_with("tests.rs") || name.contains("/tests/")
}

fn places(name: &str, text: &str) -> Vec<String> {
    if name.ends_with("Cargo.lock") {
        return Vec::new();
    }
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        for (first, second) in PLACES {
            let word = format!("{first}{second}");
            let at = line.find(&word);
            let before = at.and_then(|at| line.get(..at)).and_then(|held| held.chars().last());
            let inside = before.is_some_and(|c| c.is_ascii_alphanumeric() || "_.-*}>".contains(c));
            if at.is_some() && !(word.starts_with('/') && inside) {
                faults.push(format!("{name}:{number}: names `{word}`, a place of one machine"));
            }
        }
    }
    faults
}

#[cfg(test)]
#[path = "rules_tests.rs"]
mod tests;
