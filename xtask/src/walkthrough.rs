//! Walks a page as its reader would: the commands of its blocks marked `run`, one after the other, in a fresh folder.
//! What a block shows below a command must come out of it. Knows no command of its own.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

/// How long a command may take to say what the page says.
const WAIT_SECONDS_MAX: u64 = 60;
/// Lines of a command that are kept until they are looked at.
const LINES_MAX: usize = 1024;

/// A command of a page, and what the page shows below it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    command: String,
    wanted: Vec<String>,
}

/// The commands of a block: lines that begin with `$ `, and what stands below each. A line that ends with `\` goes on.
pub(crate) fn lines(block: &str) -> Vec<Line> {
    let whole = block.replace("\\\n", " ");
    let mut found: Vec<Line> = Vec::new();
    for line in whole.lines() {
        match (line.strip_prefix("$ "), found.last_mut()) {
            (Some(command), _) => {
                found.push(Line { command: command.trim().to_owned(), wanted: Vec::new() });
            }
            (None, Some(last)) if !line.trim().is_empty() => {
                last.wanted.push(line.trim().to_owned());
            }
            (None, Some(_) | None) => {}
        }
    }
    found
}

/// Whether a line of output is what the page shows; `…` stands for anything.
pub(crate) fn fits(shown: &str, said: &str) -> bool {
    let mut rest = said.trim();
    shown.split('…').all(|part| match rest.find(part.trim()) {
        Some(at) => {
            rest = rest.get(at + part.trim().len()..).unwrap_or_default();
            true
        }
        None => false,
    })
}

/// A page that is being walked: its folder, and what runs beside its commands.
#[derive(Debug)]
pub(crate) struct Walk {
    folder: PathBuf,
    path: String,
    beside: Vec<Child>,
}

impl Walk {
    /// A walk in `folder`, which is emptied first, with `program` found by its name.
    ///
    /// # Errors
    /// When the folder cannot be made.
    pub(crate) fn begin(folder: PathBuf, program: &Path) -> Result<Self, String> {
        let cannot =
            |problem: std::io::Error| format!("cannot make {}: {problem}", folder.display());
        if folder.exists() {
            fs::remove_dir_all(&folder).map_err(cannot)?;
        }
        fs::create_dir_all(&folder).map_err(cannot)?;
        let own = program.parent().ok_or("the program has no folder")?;
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", own.display());
        Ok(Self { folder, path, beside: Vec::new() })
    }

    /// Runs a block; what each of its commands came to.
    pub(crate) fn block(&mut self, block: &str) -> Vec<Result<(), String>> {
        lines(block).iter().map(|line| self.line(line)).collect()
    }

    fn line(&mut self, line: &Line) -> Result<(), String> {
        match line.command.strip_suffix('&') {
            Some(command) => {
                let mut child = self.start(command.trim_end())?;
                let said = listen(child.stdout.take());
                self.beside.push(child);
                shown(line, &said)
            }
            None => self.whole(line),
        }
    }

    fn start(&self, command: &str) -> Result<Child, String> {
        Command::new("sh")
            .args(["-c", &format!("exec 2>&1; exec {command}")])
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", &self.path)
            .env("HOME", &self.folder)
            .env("XDG_RUNTIME_DIR", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|problem| format!("cannot run `{command}`: {problem}"))
    }

    /// A command that ends by itself. Where the page shows nothing of it, it has to do well.
    fn whole(&self, line: &Line) -> Result<(), String> {
        let mut child = self.start(&line.command)?;
        let said = listen(child.stdout.take());
        let outcome = shown(line, &said);
        drop(said);
        let status = child.wait().map_err(|problem| problem.to_string())?;
        match outcome {
            Ok(()) if line.wanted.is_empty() && !status.success() => {
                Err(format!("`{}` ended with {status}", line.command))
            }
            outcome => outcome,
        }
    }
}

impl Drop for Walk {
    fn drop(&mut self) {
        for child in &mut self.beside {
            // It may have ended by itself.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Reads what a command says, line by line, also when nobody looks any more.
fn listen(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (told, said) = sync_channel(LINES_MAX);
    let reading = move || {
        let Some(stream) = stream else { return };
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            drop(told.try_send(line));
        }
    };
    drop(std::thread::spawn(reading));
    said
}

/// Waits for all that the page shows of a command, in its order.
fn shown(line: &Line, said: &Receiver<String>) -> Result<(), String> {
    let mut heard = Vec::new();
    for wanted in &line.wanted {
        loop {
            let Ok(line_said) = said.recv_timeout(Duration::from_secs(WAIT_SECONDS_MAX)) else {
                let heard = heard.join("\n    ");
                return Err(format!(
                    "`{}` did not say `{wanted}`, but:\n    {heard}",
                    line.command
                ));
            };
            let found = fits(wanted, &line_said);
            heard.push(line_said);
            if found {
                break;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[path = "walkthrough_tests.rs"]
mod tests;
