//! Installs what the tests need and a fresh machine does not have, all below the target folder, all
//! pinned by committed lock files: npm packages (Node.js among them), Python packages, cargo-deny.
//! Installs nothing that is there already.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process;
use crate::repository::Repository;
use crate::say;

/// Installs everything; quick when it is all there.
///
/// # Errors
/// Says what is missing and how to get it.
pub(crate) fn install(found: &Repository) -> Result<(), String> {
    npm(found, "tests/it/npm", "npm")?;
    npm(found, "tests/it/browser/npm", "browser")?;
    npm(found, "tests/it/oidc", "oidc")?;
    python(found, "python", "requirements.txt")?;
    deny(found).map(drop)
}

/// The npm packages of one project, from its lock file; `name` is their folder's.
fn npm(found: &Repository, project: &str, name: &str) -> Result<(), String> {
    let from = found.root().join(project);
    let to = found.tools().join(name);
    let files = ["package.json", "package-lock.json", ".npmrc"];
    let sources: Vec<PathBuf> = files.iter().map(|name| from.join(name)).collect();
    if is_current(&to, &sources) {
        return Ok(());
    }
    if !process::there_is("npm", &["--version"]) {
        return Err("npm is missing: install Node.js with npm (Debian: `apt-get install npm`); \
                    it only fetches, the tests bring a Node.js of their own"
            .to_owned());
    }
    renew(&to)?;
    for (name, source) in files.iter().zip(&sources) {
        fs::copy(source, to.join(name)).map_err(|problem| cannot("copy", source, &problem))?;
    }
    say(&format!("installing the npm packages of {project}\n"));
    let mut ci = process::command(&to, "npm", &["ci", "--no-progress", "--loglevel=error"]);
    ci.env("npm_config_update_notifier", "false");
    process::run(ci)?;
    stamp(&to, &sources)
}

/// A Python environment with hash-pinned packages of `tests/it/python`; its folder.
fn python(found: &Repository, name: &str, requirements: &str) -> Result<PathBuf, String> {
    let source = found.root().join("tests/it/python").join(requirements);
    let to = found.tools().join(name);
    let sources = [source.clone()];
    if is_current(&to, &sources) {
        return Ok(to);
    }
    if !process::there_is("python3", &["-m", "venv", "--help"]) {
        return Err("python3 with venv is missing (Debian: `apt-get install python3-venv`)".into());
    }
    renew(&to)?;
    say(&format!("installing the Python packages of tests/it/python/{requirements}\n"));
    let place = to.to_string_lossy().into_owned();
    process::run(process::command(&found.tools(), "python3", &["-m", "venv", &place]))?;
    let pip = to.join("bin/pip");
    let file = source.to_string_lossy().into_owned();
    let arguments = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary=:all:",
        "-r",
        &file,
    ];
    process::run(process::command(&to, pip, &arguments))?;
    stamp(&to, &sources)?;
    Ok(to)
}

/// The cargo-deny program.
///
/// # Errors
/// Says what is missing and how to get it.
pub(crate) fn deny(found: &Repository) -> Result<PathBuf, String> {
    let environment = python(found, "venv", "tools-requirements.txt")?;
    let program = environment.join("bin/cargo-deny");
    if program.is_file() {
        return Ok(program);
    }
    Err(format!("{} is missing although its package is installed", program.display()))
}

/// Whether a folder was finished from exactly these files.
fn is_current(folder: &Path, sources: &[PathBuf]) -> bool {
    let stamped = fs::read_to_string(folder.join("installed-from"));
    stamped.is_ok_and(|held| content(sources).is_ok_and(|wanted| wanted == held))
}

fn stamp(folder: &Path, sources: &[PathBuf]) -> Result<(), String> {
    let file = folder.join("installed-from");
    fs::write(&file, content(sources)?).map_err(|problem| cannot("write", &file, &problem))
}

fn content(sources: &[PathBuf]) -> Result<String, String> {
    let read =
        |path: &PathBuf| fs::read_to_string(path).map_err(|problem| cannot("read", path, &problem));
    sources.iter().map(read).collect()
}

fn renew(folder: &Path) -> Result<(), String> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|problem| cannot("remove", folder, &problem))?;
    }
    fs::create_dir_all(folder).map_err(|problem| cannot("make", folder, &problem))
}

fn cannot(what: &str, path: &Path, problem: &std::io::Error) -> String {
    format!("cannot {what} {}: {problem}", path.display())
}
