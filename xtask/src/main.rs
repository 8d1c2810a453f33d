//! Repository chores: `cargo xtask test` proves everything that this repository promises,
//! `cargo xtask bypass` runs case files from elsewhere, `cargo xtask reference` writes pages, `cargo xtask soak` looks
//! for hours for what breaks a promise, and `cargo xtask bench` measures. What a step checks lives with the step; this file only
//! reads the command line.

mod bench;
mod browser;
mod fuzzing;
mod process;
mod proving;
mod reference;
mod repository;
mod snippets;
mod soak;
mod steps;
mod tidy;
mod tools;
mod walkthrough;

use std::io::Write;
use std::process::ExitCode;

use repository::Repository;

const USAGE: &str = "\
usage: cargo xtask test [--list] [NAME]…       run all steps, or the named ones
       cargo xtask reference                   write the pages of docs/reference anew
       cargo xtask shots                       take the pictures of docs/images anew
       cargo xtask bypass FILE…                run bypass case files against this build
       cargo xtask soak [PART [NAME]…] [--seconds N]
                                               look longer (1800 s each): fuzz [TARGET]…; or, as
                                               far as a number says: exactly [ROUNDS],
                                               kills [KILLS [SEED]], faults [SECONDS],
                                               models [SCHEDULES [SEED]]
       cargo xtask bench [OPTION]… [TARGET]…   measure a release build; see its --help
";

fn main() -> ExitCode {
    let words: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    if let Some(code) = fuzzing::stand_in(&words) {
        return code;
    }
    let arguments: Vec<String> =
        words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let Some((command, rest)) = arguments.split_first() else {
        return usage();
    };
    match (command.as_str(), rest) {
        ("test", [only]) if only == "--list" => {
            say(&steps::listing());
            ExitCode::SUCCESS
        }
        ("test", names) => finish(open().and_then(|found| steps::run(&found, names))),
        ("bypass", files) if !files.is_empty() => {
            finish(open().and_then(|found| steps::bypass(&found, files)))
        }
        ("reference", []) => finish(open().and_then(|found| refer(&found))),
        ("shots", []) => finish(open().and_then(|found| steps::shots(&found))),
        ("bench", arguments) => finish(open().and_then(|found| bench::run(&found, arguments))),
        ("soak", words) => finish(open().and_then(|found| soak::run(&found, words))),
        _ => usage(),
    }
}

fn open() -> Result<Repository, String> {
    Repository::find()
}

fn refer(found: &Repository) -> Result<bool, String> {
    for name in reference::write(found)? {
        say(&format!("written: {name}\n"));
    }
    Ok(true)
}

fn usage() -> ExitCode {
    say(USAGE);
    ExitCode::from(2)
}

fn finish(outcome: Result<bool, String>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            say(&format!("xtask: {problem}\n"));
            ExitCode::FAILURE
        }
    }
}

/// Prints, and does not care when nobody listens any more.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    drop(out.write_all(text.as_bytes()));
    drop(out.flush());
}
