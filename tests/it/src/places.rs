//! Where things are that the tests need: the product binary beside this one, the tools that
//! `cargo xtask` installs. Looks at paths only; installs and builds nothing.

use std::path::{Path, PathBuf};

/// The folder with this build's binaries.
///
/// # Panics
/// When the running test was not started from a build folder.
pub fn build_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its own path");
    let parent = exe.parent().expect("a file has a folder");
    if parent.ends_with("deps") { parent.parent().expect("deps has a parent") } else { parent }
        .to_path_buf()
}

/// A binary of this workspace.
///
/// # Panics
/// When it has not been built; says how to build it.
pub fn binary(name: &str) -> PathBuf {
    let path = build_dir().join(name);
    assert!(
        path.is_file(),
        "{} is missing: build it with `cargo build --workspace --bins`",
        path.display()
    );
    path
}

/// The product as a build with traces, which `cargo xtask test otel` puts beside the usual one.
///
/// # Panics
/// When it has not been built; says how to build it.
pub fn binary_with_traces() -> PathBuf {
    let path = build_dir().join("portcullis-otel");
    assert!(path.is_file(), "{} is missing: run `cargo xtask test otel`", path.display());
    path
}

/// A file that `cargo xtask test tools` puts below the target folder's `tools`.
///
/// # Panics
/// When it is not there; says how to get it.
pub fn tool(relative: &str) -> PathBuf {
    let tools = build_dir().parent().map(|target| target.join("tools")).expect("target folder");
    let path = tools.join(relative);
    assert!(path.exists(), "{} is missing: run `cargo xtask test tools`", path.display());
    path
}

/// A file of this package, whatever folder the test runs in.
pub fn own(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}
