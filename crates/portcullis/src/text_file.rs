//! Whole text files of a bounded size. What a text means is its reader's affair.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result};
use std::path::Path;

/// Reads a file of at most `bytes_max` bytes. The bound holds for what is read, not for what a folder
/// says of the file: devices, pipes and files that grow have no such size.
///
/// # Errors
/// [`ErrorKind::FileTooLarge`] beyond the bound; what the file system says; [`ErrorKind::InvalidData`]
/// where it is not UTF-8.
pub(crate) fn read(path: &Path, bytes_max: u64) -> Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= bytes_max) {
        return String::from_utf8(bytes)
            .map_err(|error| Error::new(ErrorKind::InvalidData, error.utf8_error()));
    }
    Err(Error::new(ErrorKind::FileTooLarge, format!("over {bytes_max} bytes")))
}

#[cfg(test)]
#[path = "text_file_tests.rs"]
mod tests;
