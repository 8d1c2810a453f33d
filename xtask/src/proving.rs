//! The tests that go a short way in `cargo xtask test` and a long one as parts of `cargo xtask soak`:
//! counting exactly, killing, faults around the gateway, and schedules of threads. What they check lives with them; how far they
//! go is handed over in the environment.

use std::fs;

use crate::process::{self, command};
use crate::repository::Repository;
use crate::say;
use crate::soak::Wish;
use crate::steps;

/// One of them.
struct Long {
    /// What nextest runs.
    filter: &'static str,
    /// How far it goes: the variables, and what they hold where nobody says otherwise.
    numbers: &'static [(&'static str, Option<u64>)],
}

const EXACTLY: Long = Long {
    filter: "package(it) & test(/^exactly::/)",
    numbers: &[("PORTCULLIS_SOAK_ROUNDS", Some(1_000))],
};
const KILLS: Long = Long {
    filter: "package(it) & test(/^kills::/)",
    numbers: &[("PORTCULLIS_SOAK_KILLS", Some(500)), ("PORTCULLIS_SOAK_SEED", None)],
};
const MODELS: Long = Long {
    filter: "package(store) & test(/^store::models::/)",
    numbers: &[("PORTCULLIS_SOAK_SCHEDULES", Some(20_000)), ("PORTCULLIS_SOAK_SEED", None)],
};

const FAULTS: Long = Long {
    filter: "package(it) & test(/^faults::/)",
    numbers: &[("PORTCULLIS_SOAK_SECONDS", Some(60))],
};

/// `soak faults [SECONDS]`: how long each of the faults lasts that can.
pub(crate) fn faults(found: &Repository, wish: &Wish) -> Result<bool, String> {
    FAULTS.run(found, wish)
}

/// `soak exactly [ROUNDS]`.
pub(crate) fn exactly(found: &Repository, wish: &Wish) -> Result<bool, String> {
    EXACTLY.run(found, wish)
}

/// `soak kills [KILLS [SEED]]`, and whether a release holds nothing of the places that it kills at.
pub(crate) fn kills(found: &Repository, wish: &Wish) -> Result<bool, String> {
    let killed = KILLS.run(found, wish)?;
    let words = ["build", "--release", "--bins", "--locked", "--package=portcullis"];
    process::run(command(found.root(), "cargo", &words))?;
    let places_in = |build: &str| {
        let program = found.target().join(build).join("portcullis");
        let bytes = fs::read(&program);
        bytes.map(|bytes| holds(&bytes, FAILPOINTS)).map_err(|problem| problem.to_string())
    };
    let (tested, released) = (places_in("debug")?, places_in("release")?);
    say(&format!("failpoints in the build for tests: {tested}, in the release: {released}\n"));
    Ok(killed && tested && !released)
}

/// What stands in a program that can be stopped for a kill.
const FAILPOINTS: &str = "PORTCULLIS_FAILPOINTS";

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes.windows(word.len()).any(|window| window == word.as_bytes())
}

/// `soak models [SCHEDULES [SEED]]`.
pub(crate) fn models(found: &Repository, wish: &Wish) -> Result<bool, String> {
    MODELS.run(found, wish)
}

impl Long {
    fn run(&self, found: &Repository, wish: &Wish) -> Result<bool, String> {
        let numbers = self.numbers_of(&wish.names)?;
        if !process::there_is("cargo", &["nextest", "--version"]) {
            return Err(
                "cargo-nextest is missing: `cargo install cargo-nextest --locked`".to_owned()
            );
        }
        steps::build(found)?;
        let arguments =
            ["nextest", "run", "--locked", "--profile=soak", "--no-capture", "--workspace"];
        let mut command = command(found.root(), "cargo", &arguments);
        command.args(["-E", self.filter]).envs(numbers);
        Ok(process::run(command).is_ok())
    }

    /// The variables and their values.
    fn numbers_of(&self, words: &[String]) -> Result<Vec<(&'static str, String)>, String> {
        if words.len() > self.numbers.len() {
            return Err(format!("at most {} numbers", self.numbers.len()));
        }
        let mut numbers = Vec::new();
        for (place, (variable, usual)) in self.numbers.iter().enumerate() {
            let said = words.get(place);
            let number =
                said.map(|word| word.parse().map_err(|_not| format!("`{word}`: no number")));
            let number: Option<u64> = number.transpose()?;
            numbers.extend(number.or(*usual).map(|number| (*variable, number.to_string())));
        }
        Ok(numbers)
    }
}

#[cfg(test)]
#[path = "proving_tests.rs"]
mod tests;
