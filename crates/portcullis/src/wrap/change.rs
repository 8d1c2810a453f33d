//! A file replaced by another text: only if it is still the one that was looked at, after a copy of it was put
//! beside it, in one step, with its rights.
//!
//! What never lives here: what the text means.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use policy::UnixMillis;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

/// Names that are tried for a copy of the same second, at most.
const NAMES_MAX: u32 = 100;

/// A change of one file.
#[derive(Debug)]
pub(super) struct Change {
    path: PathBuf,
    old: String,
    new: String,
    before: String,
}

/// Why a file was not changed.
#[derive(Debug, Error)]
pub(super) enum ChangeError {
    /// It is not the file that was looked at.
    #[error("the file was changed by somebody else meanwhile: look at it again")]
    Changed,
    /// It is somebody else's.
    #[error("the file belongs to another user")]
    NotYours,
    /// Another name would go on meaning the old file.
    #[error("the file has a second name (a hard link), which would keep the old text")]
    HardLink,
    /// There are copies of every name.
    #[error("there are too many copies of it from this second")]
    TooManyCopies,
    /// The system refused.
    #[error("{0}")]
    Io(&'static str, #[source] io::Error),
}

fn io(what: &'static str) -> impl Fn(io::Error) -> ChangeError {
    move |error| ChangeError::Io(what, error)
}

/// The SHA-256 of a text, in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    let digits = Sha256::digest(bytes);
    digits.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<String>>().concat()
}

impl Change {
    /// The change of a file, behind all links, from a text to another one.
    pub(super) fn new(path: PathBuf, old: String, new: String) -> Change {
        let before = digest(old.as_bytes());
        Change { path, old, new, before }
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of the file as it was looked at.
    pub(super) fn before(&self) -> &str {
        &self.before
    }

    /// Makes the change and says where the copy is.
    pub(super) fn make(&self, now: UnixMillis) -> Result<PathBuf, ChangeError> {
        let meta = self.unchanged()?;
        if meta.uid() != rustix::process::geteuid().as_raw() {
            return Err(ChangeError::NotYours);
        }
        if meta.nlink() > 1 {
            return Err(ChangeError::HardLink);
        }
        let stamp = stamp(now);
        let mode = meta.permissions().mode() & 0o7777;
        let backup = self.write_beside(&format!("portcullis-{stamp}.bak"), &self.old, mode)?;
        let next = self.write_beside(&format!("portcullis-{stamp}.new"), &self.new, mode)?;
        let moved = self
            .unchanged()
            .and_then(|_meta| fs::rename(&next, &self.path).map_err(io("cannot replace it")));
        if let Err(error) = moved {
            // What is left over is ours, and of no use.
            drop(fs::remove_file(&next));
            drop(fs::remove_file(&backup));
            return Err(error);
        }
        self.sync_folder()?;
        Ok(backup)
    }

    /// The file's facts, if it is still what was looked at.
    fn unchanged(&self) -> Result<fs::Metadata, ChangeError> {
        let meta = fs::symlink_metadata(&self.path).map_err(io("cannot look at it"))?;
        if !meta.is_file() {
            return Err(ChangeError::Changed);
        }
        let limit = u64::try_from(self.old.len()).unwrap_or(u64::MAX).saturating_add(1);
        let mut bytes = Vec::new();
        let file = File::open(&self.path).map_err(io("cannot open it"))?;
        file.take(limit).read_to_end(&mut bytes).map_err(io("cannot read it"))?;
        if digest(&bytes) == self.before { Ok(meta) } else { Err(ChangeError::Changed) }
    }

    /// A new file beside the file, of this text and these rights, on the disk.
    fn write_beside(&self, end: &str, text: &str, mode: u32) -> Result<PathBuf, ChangeError> {
        for attempt in 0..NAMES_MAX {
            let again = if attempt == 0 { String::new() } else { format!(".{attempt}") };
            let mut name = self.path.clone().into_os_string();
            name.push(format!(".{end}{again}"));
            let path = PathBuf::from(name);
            let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
            let mut file = match opened {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened.map_err(io("cannot write beside it"))?,
            };
            let written = file
                .write_all(text.as_bytes())
                .and_then(|()| file.set_permissions(Permissions::from_mode(mode)))
                .and_then(|()| file.sync_all());
            if let Err(error) = written {
                drop(fs::remove_file(&path));
                return Err(ChangeError::Io("cannot write beside it", error));
            }
            return Ok(path);
        }
        Err(ChangeError::TooManyCopies)
    }

    fn sync_folder(&self) -> Result<(), ChangeError> {
        let folder = self.path.parent().unwrap_or(Path::new("/"));
        let folder = File::open(folder).map_err(io("cannot open its folder"))?;
        folder.sync_all().map_err(io("cannot sync its folder"))
    }
}

/// A time as a part of a file's name: `20261121T235959Z`.
fn stamp(now: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(now.0)
        .map_or_else(|_| now.0.to_string(), |time| time.strftime("%Y%m%dT%H%M%SZ").to_string())
}
