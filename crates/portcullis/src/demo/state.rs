//! How `demo call` and the other small commands find the running demo: one file, readable by its owner only.
//!
//! What never lives here: anything of a real installation.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the small commands need to know.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct State {
    /// The agent's URL.
    pub(crate) mcp_url: String,
    /// The API's address, without a closing slash.
    pub(crate) api_url: String,
    /// The agent's token.
    pub(crate) grant_token: String,
    /// A token of the API with every role.
    pub(crate) api_token: String,
}

// Tokens must not reach a log through a derived `Debug`.
impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("mcp_url", &self.mcp_url).finish_non_exhaustive()
    }
}

/// Why the state cannot be read or written.
#[derive(Debug, Error)]
pub(crate) enum StateError {
    /// No demo has left a state file.
    #[error("no demo is running: start one with `portcullis demo` in another terminal")]
    NoDemo,
    /// The file cannot be written or read.
    #[error("cannot use {}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Where the state of this user's demo lies.
pub(crate) fn path(runtime_dir: Option<&Path>) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let base = runtime_dir.map_or_else(std::env::temp_dir, Path::to_path_buf);
    base.join(format!("portcullis-demo-{user}")).join("state.json")
}

/// Writes the state, replacing that of a demo that ended.
pub(crate) fn write(path: &Path, state: &State) -> Result<(), StateError> {
    let fail = |source| StateError::File { path: path.to_owned(), source };
    if let Some(dir) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(fail)?;
        refuse_foreign(dir).map_err(fail)?;
    }
    // Removed first, so that the mode below is that of a new file and no link is followed.
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error)),
        Ok(()) | Err(_) => {}
    }
    let mut file =
        fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fail)?;
    let text = serde_json::to_string(state).map_err(|e| fail(e.into()))?;
    file.write_all(text.as_bytes()).map_err(fail)
}

/// A directory of somebody else's in a shared place could hand us tokens and addresses of theirs.
fn refuse_foreign(dir: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let meta = fs::symlink_metadata(dir)?;
    let ours = meta.is_dir() && meta.uid() == rustix::process::getuid().as_raw();
    let for_others = meta.mode() & 0o077;
    if ours && for_others == 0 {
        return Ok(());
    }
    let text = "the directory belongs to somebody else or is open to others";
    Err(std::io::Error::new(std::io::ErrorKind::PermissionDenied, text))
}

/// Reads the state of the running demo.
pub(crate) fn read(path: &Path) -> Result<State, StateError> {
    let fail = |source| StateError::File { path: path.to_owned(), source };
    if let Some(dir) = path.parent().filter(|d| d.exists()) {
        refuse_foreign(dir).map_err(fail)?;
    }
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(StateError::NoDemo);
        }
        read => read.map_err(fail)?,
    };
    serde_json::from_str(&text).map_err(|e| fail(e.into()))
}

/// Forgets the state; nothing to forget is fine.
pub(crate) fn remove(path: &Path) {
    drop(fs::remove_file(path));
}
