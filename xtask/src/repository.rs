//! What the steps know about this checkout: its root, its target folder, its tracked files, and
//! what Cargo says of its packages. Reads only.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::process;

/// This checkout.
#[derive(Debug)]
pub(crate) struct Repository {
    root: PathBuf,
    metadata: Value,
    this_program: PathBuf,
}

impl Repository {
    /// Asks Cargo where everything is.
    ///
    /// # Errors
    /// When Cargo does not answer.
    pub(crate) fn find() -> Result<Self, String> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = manifest.parent().ok_or("xtask has no parent folder")?.to_path_buf();
        let arguments = ["metadata", "--format-version=1", "--no-deps", "--locked"];
        let text = process::output(&root, "cargo", &arguments)?;
        let metadata = serde_json::from_str(&text)
            .map_err(|problem| format!("cargo metadata is not JSON: {problem}"))?;
        let this_program = std::env::current_exe().map_err(|problem| problem.to_string())?;
        Ok(Self { root, metadata, this_program })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The file of this program. Asked at the start: a step that builds everything puts another file in its place, and then it
    /// has no name any more.
    pub(crate) fn this_program(&self) -> &Path {
        &self.this_program
    }

    /// Where Cargo builds to, whatever the environment says.
    pub(crate) fn target(&self) -> PathBuf {
        let stated = self.metadata.get("target_directory").and_then(Value::as_str);
        stated.map_or_else(|| self.root.join("target"), PathBuf::from)
    }

    /// Where installed tools live.
    pub(crate) fn tools(&self) -> PathBuf {
        self.target().join("tools")
    }

    /// Every package of the workspace, as Cargo describes it.
    pub(crate) fn packages(&self) -> Vec<Value> {
        let packages = self.metadata.get("packages").and_then(Value::as_array);
        packages.cloned().unwrap_or_default()
    }

    /// Every file that git tracks, relative to the root.
    ///
    /// # Errors
    /// When git does not answer.
    pub(crate) fn files(&self) -> Result<Vec<String>, String> {
        let text = process::output(&self.root, "git", &["ls-files", "-z"])?;
        let named = text.split('\0').filter(|name| !name.is_empty());
        Ok(named.filter(|name| self.root.join(name).is_file()).map(str::to_owned).collect())
    }
}
