//! What the targets at the edge check: configuration files, and the header that carries a token.
//!
//! The files under test are compiled into this crate as they stand: the product's own crates do not
//! show them. Never here: a way to start libFuzzer (`bin/`).

#[path = "../../../crates/gateway/src/bearer.rs"]
mod bearer;
#[path = "../../../crates/portcullis/src/causes.rs"]
mod causes;
#[expect(dead_code, unused_imports, reason = "the fuzzer needs less of it than the product")]
#[path = "../../../crates/portcullis/src/config/mod.rs"]
mod config;
mod config_file;
#[path = "../../../crates/portcullis/src/drawing.rs"]
mod drawing;
#[path = "../../../crates/portcullis/src/text_file.rs"]
mod text_file;
mod token_header;
#[expect(dead_code, reason = "the fuzzer needs less of it than the product")]
#[path = "../../../crates/portcullis/src/tool_file.rs"]
mod tool_file;

/// Checks values of the `Authorization` header, one a line.
pub fn token_header(data: &[u8]) {
    token_header::run(data);
}

/// Checks one configuration file, in a folder of this process.
pub fn config(data: &[u8]) {
    use std::sync::LazyLock;
    static FOLDER: LazyLock<std::path::PathBuf> = LazyLock::new(|| {
        let folder = std::env::temp_dir().join(format!("portcullis-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for files");
        folder
    });
    config_file::run(data, &FOLDER);
}
