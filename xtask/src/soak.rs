//! `cargo xtask soak`: what finds a fault in hours rather than in minutes. Each part lives in a file of
//! its own; this one reads the command line and never judges.

use std::time::Duration;

use crate::fuzzing;
use crate::proving;
use crate::repository::Repository;

/// What is soaked so long where nobody names a time.
const SECONDS: u64 = 1800;

/// One part.
struct Part {
    name: &'static str,
    run: fn(&Repository, &Wish) -> Result<bool, String>,
}

const PARTS: [Part; 5] = [
    Part { name: "fuzz", run: fuzzing::long },
    Part { name: "exactly", run: proving::exactly },
    Part { name: "kills", run: proving::kills },
    Part { name: "faults", run: proving::faults },
    Part { name: "models", run: proving::models },
];

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The only part to run.
    part: Option<String>,
    /// Names that the part knows; none stands for all of them.
    pub(crate) names: Vec<String>,
    /// How long each of them takes.
    pub(crate) time: Duration,
}

impl Wish {
    /// Reads `[PART [NAME]…] [--seconds N]`.
    fn read(words: &[String]) -> Result<Self, String> {
        let mut wish = Self { part: None, names: Vec::new(), time: Duration::from_secs(SECONDS) };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            match (word.as_str(), &wish.part) {
                ("--seconds", _) => {
                    let number = words.next().and_then(|number| number.parse().ok());
                    let seconds = number.ok_or("`--seconds` takes a number")?;
                    wish.time = Duration::from_secs(seconds);
                }
                (option, _) if option.starts_with('-') => {
                    return Err(format!("there is no option `{option}`"));
                }
                (part, None) => wish.part = Some(part.to_owned()),
                (name, Some(_)) => wish.names.push(name.to_owned()),
            }
        }
        Ok(wish)
    }
}

/// Runs the part that is named, or all; whether nothing failed.
///
/// # Errors
/// When the words are no such thing, or a part cannot begin.
pub(crate) fn run(found: &Repository, words: &[String]) -> Result<bool, String> {
    let wish = Wish::read(words)?;
    let wanted = |part: &&Part| wish.part.as_ref().is_none_or(|name| name == part.name);
    let parts: Vec<&Part> = PARTS.iter().filter(wanted).collect();
    if parts.is_empty() {
        let names: Vec<&str> = PARTS.iter().map(|part| part.name).collect();
        return Err(format!("there is no such part; there are: {}", names.join(", ")));
    }
    let mut good = true;
    for part in parts {
        good &= (part.run)(found, &wish)?;
    }
    Ok(good)
}

#[cfg(test)]
#[path = "soak_tests.rs"]
mod tests;
