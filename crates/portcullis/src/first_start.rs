//! The configuration of somebody who has none: written once, so that every later start and every command finds the same
//! one, and so that there is a file to change.
//!
//! What never lives here: reading it.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::config::Environment;
use crate::exit::Exit;
use crate::failure::Failure;

/// Writes the user's configuration file, with the user's folder for data; never in the place of another one. `None`
/// where the environment names no home.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn make(environment: &Environment) -> Result<Option<PathBuf>, Failure> {
    let home = environment.get_non_empty("HOME").map(Path::new);
    let folder = |variable: &str, within: &str| {
        let named = environment.get_non_empty(variable).map(PathBuf::from);
        // A relative one is to be ignored (XDG Base Directory Specification).
        let named = named.filter(|path| path.is_absolute());
        named.or_else(|| home.map(|home| home.join(within)))
    };
    let config = folder("XDG_CONFIG_HOME", ".config");
    let data = folder("XDG_DATA_HOME", ".local/share");
    let (Some(config), Some(data)) = (config, data) else { return Ok(None) };
    let path = config.join("portcullis/config.toml");
    let written = write(&path, &data.join("portcullis"));
    written.map_err(|error| {
        let doing = format!("there is no configuration, and cannot write {}", path.display());
        Failure::because(Exit::Usage, &doing, &error)
    })?;
    Ok(Some(path))
}

fn write(path: &Path, data: &Path) -> io::Result<()> {
    let data = data.to_str().ok_or(io::ErrorKind::InvalidFilename)?;
    let data = toml::Value::String(data.to_owned());
    let text = format!(
        "# Made by `portcullis serve`, which found no configuration. docs/configuration.md has every key.\n\
         # What is set up in the console stands in the data directory and not here.\n\
         data_dir = {data}\n\n\
         [listen]\n\
         gateway = \"127.0.0.1:8420\"\n\
         console = \"127.0.0.1:8421\"\n"
    );
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests;
