//! Where the files of clients are on this machine, and reading them.
//!
//! Only what is there is read, nothing is started, and nothing is written here. A link is followed as long as it stays
//! within the folder that the file's path begins at (the home folder, the project); one that leads out of it is
//! named as a problem. Devices, pipes and folders are no files.
//!
//! What never lives here: what a client's file means.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use console::clients::{Base, CLIENT_FILE_BYTES_MAX, CLIENTS, Client, Place, Scope, System};
use thiserror::Error;

use crate::config::Environment;
use crate::text_file;

/// Folders below a path with `**` that are looked into, at most.
const FOLDERS_MAX: usize = 2_000;
/// How deep below a path with `**` files are looked for.
const FOLDERS_DEEP_MAX: usize = 6;
/// Files that one path with `**` gives, at most.
const FILES_MAX: usize = 500;

/// The machine as far as files of clients go.
#[derive(Debug)]
pub(crate) struct Machine<'e> {
    /// Its system.
    pub(crate) system: System,
    /// The home folder.
    pub(crate) home: PathBuf,
    /// What stands for `/`.
    pub(crate) root: PathBuf,
    /// The projects to look into.
    pub(crate) projects: Vec<PathBuf>,
    /// The variables.
    pub(crate) environment: &'e Environment,
}

/// A file of a client that is there.
#[derive(Debug, Clone)]
pub(crate) struct ClientFile {
    /// Whose it is.
    pub(crate) client: &'static Client,
    /// Whose file it is.
    pub(crate) scope: Scope,
    /// Where its servers may stand.
    pub(crate) containers: Vec<&'static [&'static str]>,
    /// Where it is.
    pub(crate) path: PathBuf,
    /// The folder that it must not lead out of.
    pub(crate) within: PathBuf,
}

/// Why a file is not read.
#[derive(Debug, Error)]
pub(crate) enum ReadFileError {
    /// A link leads somewhere else.
    #[error("it is a link that leads out of {0}")]
    LeadsOut(PathBuf),
    /// A device, a pipe, a folder.
    #[error("it is no file")]
    NoFile,
    /// The system did not give it.
    #[error("it cannot be read")]
    Unreadable(#[source] io::Error),
}

impl<'e> Machine<'e> {
    /// This machine, seen by the user whose home folder is in the environment.
    pub(crate) fn here(environment: &'e Environment, projects: Vec<PathBuf>) -> Option<Self> {
        let home = environment.get_non_empty("HOME").map(PathBuf::from)?;
        let system = if cfg!(target_os = "macos") { System::Mac } else { System::Linux };
        Some(Self { system, home, root: PathBuf::from("/"), projects, environment })
    }

    /// The files of these clients that are there, in the order of the table; each once.
    pub(crate) fn files(&self, wanted: impl Fn(&Client) -> bool) -> Vec<ClientFile> {
        let mut found: Vec<ClientFile> = Vec::new();
        for client in CLIENTS.iter().filter(|client| wanted(client)) {
            for place in client.places.iter().filter(|p| p.systems.contains(&self.system)) {
                for (path, within) in self.paths(place) {
                    let same =
                        |file: &&mut ClientFile| file.client.id == client.id && file.path == path;
                    match found.iter_mut().find(same) {
                        Some(file) => file.containers.push(place.container),
                        None => found.push(ClientFile {
                            client,
                            scope: place.scope,
                            containers: vec![place.container],
                            path,
                            within,
                        }),
                    }
                }
            }
        }
        found
    }

    /// The paths of a place that are there, each with the folder that it begins at.
    fn paths(&self, place: &Place) -> Vec<(PathBuf, PathBuf)> {
        let mut found = Vec::new();
        for base in self.bases(place.base) {
            if let Some((folder, name)) = place.path.split_once("/**/") {
                let files = below(&base.join(folder), name);
                found.extend(files.into_iter().map(|path| (path, base.clone())));
                continue;
            }
            let path = base.join(place.path);
            // A link that leads nowhere is there as well, and is told of.
            if fs::symlink_metadata(&path).is_ok() {
                found.push((path, base));
            }
        }
        found
    }

    fn bases(&self, base: Base) -> Vec<PathBuf> {
        let variable = |name| {
            let set = self.environment.get_non_empty(name).map(PathBuf::from);
            set.filter(|path| path.is_absolute())
        };
        let configuration =
            || variable("XDG_CONFIG_HOME").unwrap_or_else(|| self.home.join(".config"));
        match (base, self.system) {
            (Base::Home, _) => vec![self.home.clone()],
            (Base::Applications, System::Mac) => {
                vec![self.home.join("Library/Application Support")]
            }
            (Base::Applications, System::Linux | System::Windows) | (Base::Configuration, _) => {
                vec![configuration()]
            }
            (Base::Variable(name, folder), _) => {
                vec![variable(name).unwrap_or_else(|| self.home.join(folder))]
            }
            (Base::Project, _) => self.projects.clone(),
            (Base::Root, _) => vec![self.root.clone()],
        }
    }
}

/// The files of this name below a folder, by path; links to folders are not followed.
fn below(folder: &Path, name: &str) -> Vec<PathBuf> {
    let mut waiting = vec![(folder.to_owned(), 0_usize)];
    let (mut found, mut looked) = (Vec::new(), 0_usize);
    while let Some((folder, depth)) = waiting.pop() {
        looked = looked.saturating_add(1);
        if looked > FOLDERS_MAX || found.len() >= FILES_MAX {
            break;
        }
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries.flatten() {
            let Ok(kind) = entry.file_type() else { continue };
            if kind.is_dir() && depth < FOLDERS_DEEP_MAX {
                waiting.push((entry.path(), depth.saturating_add(1)));
            } else if !kind.is_dir() && entry.file_name() == name {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

impl ClientFile {
    /// Where the file really is: behind its links, as long as they stay within its folder.
    pub(crate) fn real_path(&self) -> Result<PathBuf, ReadFileError> {
        let real = fs::canonicalize(&self.path).map_err(ReadFileError::Unreadable)?;
        let within = fs::canonicalize(&self.within).map_err(ReadFileError::Unreadable)?;
        if real.starts_with(&within) {
            Ok(real)
        } else {
            Err(ReadFileError::LeadsOut(self.within.clone()))
        }
    }

    /// Its text.
    pub(crate) fn read(&self) -> Result<String, ReadFileError> {
        let real = self.real_path()?;
        let meta = fs::metadata(&real).map_err(ReadFileError::Unreadable)?;
        if !meta.is_file() {
            return Err(ReadFileError::NoFile);
        }
        let bytes_max = u64::try_from(CLIENT_FILE_BYTES_MAX).unwrap_or(u64::MAX);
        text_file::read(&real, bytes_max).map_err(ReadFileError::Unreadable)
    }
}
