//! The tests that go a short way in `cargo xtask test` and a long one as parts of `cargo xtask soak`:
//! counting exactly, killing, and schedules of threads. What they check lives with them; how far they
//! go is handed over in the environment.

use crate::process::{self, command};
use crate::repository::Repository;
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

/// `soak exactly [ROUNDS]`.
pub(crate) fn exactly(found: &Repository, wish: &Wish) -> Result<bool, String> {
    EXACTLY.run(found, wish)
}

/// `soak kills [KILLS [SEED]]`.
pub(crate) fn kills(found: &Repository, wish: &Wish) -> Result<bool, String> {
    KILLS.run(found, wish)
}

/// `soak models [SCHEDULES [SEED]]`.
pub(crate) fn models(found: &Repository, wish: &Wish) -> Result<bool, String> {
    MODELS.run(found, wish)
}

impl Long {
    fn run(&self, found: &Repository, wish: &Wish) -> Result<bool, String> {
        let numbers = self.numbers_of(&wish.names)?;
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
