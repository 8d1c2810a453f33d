//! A directory that ends with the command that made it. Never here: what is written into it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use store::Entropy;

/// A directory for its owner only, under a name that nobody can guess; removed when dropped.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    /// Makes one whose name begins with `prefix`.
    ///
    /// # Errors
    /// When the system gives no random bytes, or no directory.
    pub(crate) fn make(prefix: &str, entropy: &Entropy) -> io::Result<Self> {
        let name = u64::from_le_bytes(entropy.bytes().map_err(io::Error::other)?);
        let path = std::env::temp_dir().join(format!("{prefix}-{name:016x}"));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "temporary files are left behind");
        }
    }
}
