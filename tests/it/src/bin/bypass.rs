//! Runs bypass case files against this build, for files that live elsewhere: `bypass FILE…`. Each
//! file is run in front of the strict servers and of their lenient twins.

use std::path::Path;
use std::process::ExitCode;

use it::bypass;
use it::recorder::Personality;

#[tokio::main]
async fn main() -> ExitCode {
    let files: Vec<String> = std::env::args().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: bypass FILE…");
        return ExitCode::from(2);
    }
    let (mut passed, mut failed) = (0, 0);
    for file in &files {
        let cases = match bypass::read(Path::new(file)) {
            Ok(cases) => cases,
            Err(error) => {
                eprintln!("{file}:{}: {}", error.line, error.problem);
                return ExitCode::from(2);
            }
        };
        for personality in [Personality::Strict, Personality::Lenient] {
            let tell = |failure: &bypass::Failure| println!("FAIL {personality:?} {failure}");
            let report = bypass::run_watched(&cases, personality, tell).await;
            passed += report.passed;
            failed += report.failed.len();
        }
    }
    println!("{passed} passed, {failed} failed");
    ExitCode::from(u8::from(failed > 0))
}
