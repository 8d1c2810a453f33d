//! Runs other programs: to the end, with their output shown, read, or both. Nothing is retried.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::say;

/// A program with its arguments, to be run in `folder`.
pub(crate) fn command(
    folder: &Path,
    program: impl AsRef<OsStr>,
    arguments: &[impl AsRef<OsStr>],
) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}

/// Runs a program and hands back what it printed.
///
/// # Errors
/// When it cannot be started or ends with another code than 0; holds what it said.
pub(crate) fn output(
    folder: &Path,
    program: &str,
    arguments: &[impl AsRef<OsStr>],
) -> Result<String, String> {
    let ran = command(folder, program, arguments)
        .output()
        .map_err(|problem| format!("cannot run {program}: {problem}"))?;
    if !ran.status.success() {
        let said = String::from_utf8_lossy(&ran.stderr);
        return Err(format!("{program} failed with {}: {}", ran.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&ran.stdout).into_owned())
}

/// Runs a program that talks to the person directly.
///
/// # Errors
/// When it cannot be started or ends with another code than 0.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command.status().map_err(|problem| format!("cannot run {name}: {problem}"))?;
    if status.success() { Ok(()) } else { Err(format!("{name} ended with {status}")) }
}

/// Runs a program whose error stream is shown line by line and handed back too.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn watched(mut command: Command) -> Result<(bool, Vec<String>), String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let cannot = |problem: std::io::Error| format!("cannot run {name}: {problem}");
    let mut child = command.stderr(Stdio::piped()).spawn().map_err(cannot)?;
    let mut lines = Vec::new();
    if let Some(stream) = child.stderr.take() {
        for line in BufReader::new(stream).split(b'\n') {
            let line = String::from_utf8_lossy(&line.map_err(cannot)?).into_owned();
            say(&format!("{line}\n"));
            lines.push(line);
        }
    }
    let status = child.wait().map_err(cannot)?;
    Ok((status.success(), lines))
}

/// Whether a program answers to `--version`.
pub(crate) fn there_is(program: &str, arguments: &[&str]) -> bool {
    let mut command = command(Path::new("."), program, arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
