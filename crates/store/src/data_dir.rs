//! The data directory: its mode, the key file, the lock files.
//!
//! What never lives here: what the key is used for.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use crate::failpoint::{Place, reached};
use crate::secret::Secret;
use crate::store::OpenError;

/// Bytes of the master key.
pub(crate) const KEY_BYTES: usize = 32;
const KEY_FILE: &str = "seal.key";
const SERVE_LOCK_FILE: &str = "serve.lock";
const OPEN_LOCK_FILE: &str = "open.lock";

/// A data directory that exists.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
}

fn files_error(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::Files { path: path.to_owned(), source }
}

impl DataDir {
    /// Makes the directory with mode 0700 if it does not exist.
    pub(crate) fn make(path: &Path) -> Result<DataDir, OpenError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(files_error(path))?;
        Ok(DataDir { path: path.to_owned() })
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes a file for the owner only, if it does not exist.
    pub(crate) fn touch(&self, name: &str) -> Result<PathBuf, OpenError> {
        let path = self.file(name);
        owner_only().create(true).truncate(false).open(&path).map_err(files_error(&path))?;
        Ok(path)
    }

    /// Takes the lock of the one process that serves this directory; held until dropped, and by the
    /// system until the process ends.
    pub(crate) fn lock_for_serving(&self) -> Result<File, OpenError> {
        let path = self.touch(SERVE_LOCK_FILE)?;
        let file = owner_only().open(&path).map_err(files_error(&path))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse { data_dir: self.path.clone() }),
            Err(TryLockError::Error(source)) => Err(OpenError::Files { path, source }),
        }
    }

    /// Takes the lock of the process that makes or migrates the database; waits for another one.
    pub(crate) fn lock_for_opening(&self) -> Result<File, OpenError> {
        let path = self.touch(OPEN_LOCK_FILE)?;
        let file = owner_only().open(&path).map_err(files_error(&path))?;
        file.lock().map_err(files_error(&path))?;
        Ok(file)
    }

    /// Where the key file is.
    pub(crate) fn key_path(&self) -> PathBuf {
        self.file(KEY_FILE)
    }

    /// Reads the key file; `None` if there is none. One that others can read is refused.
    pub(crate) fn read_key(&self) -> Result<Option<Secret<[u8; KEY_BYTES]>>, OpenError> {
        let path = self.key_path();
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(OpenError::Files { path, source }),
        };
        let metadata = file.metadata().map_err(files_error(&path))?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(OpenError::KeyFileMode { path, mode });
        }
        let mut key = [0; KEY_BYTES];
        let right_length = metadata.len() == u64::try_from(KEY_BYTES).unwrap_or_default();
        if !right_length || file.read_exact(&mut key).is_err() {
            return Err(OpenError::KeyFileForm { path });
        }
        Ok(Some(Secret::new(key)))
    }

    /// Writes a new key file, whole or not at all.
    pub(crate) fn write_key(&self, key: &Secret<[u8; KEY_BYTES]>) -> Result<(), OpenError> {
        let path = self.key_path();
        let draft = self.file("seal.key.new");
        let write = || -> io::Result<()> {
            let mut file = owner_only().create(true).truncate(true).open(&draft)?;
            file.write_all(key.expose())?;
            file.sync_all()?;
            reached(Place::BeforeKey);
            fs::rename(&draft, &path)?;
            reached(Place::AfterKey);
            File::open(&self.path)?.sync_all()
        };
        write().map_err(files_error(&path))
    }
}

fn owner_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
