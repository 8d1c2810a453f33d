use std::io::ErrorKind;
use std::path::Path;

use super::read;

#[test]
fn a_file_is_read_up_to_its_bound() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, "four").unwrap();
    assert_eq!(read(&path, 4).unwrap(), "four");
    assert_eq!(read(&path, u64::MAX).unwrap(), "four");
    assert_eq!(read(&path, 3).unwrap_err().kind(), ErrorKind::FileTooLarge);
    std::fs::write(&path, [0xFF]).unwrap();
    assert_eq!(read(&path, 4).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(read(&folder.path().join("none"), 4).unwrap_err().kind(), ErrorKind::NotFound);
}

/// A device says that it has no bytes, and ends never.
#[cfg(target_os = "linux")]
#[test]
fn a_file_without_end_is_too_large() {
    assert_eq!(read(Path::new("/dev/zero"), 1000).unwrap_err().kind(), ErrorKind::FileTooLarge);
}
