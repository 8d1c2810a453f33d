//! [`Secret`]: a value that is wiped when dropped and that nothing prints.
//!
//! What never lives here: encryption, storage.

use std::fmt;

use zeroize::Zeroize;

/// A value that must not reach a log, a message or a core dump: `Debug` prints a placeholder, the
/// memory is overwritten on drop, and [`Secret::expose`] is the one way to read it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T: Zeroize>(T);

impl<T: Zeroize> Secret<T> {
    /// Takes a value into custody.
    pub fn new(value: T) -> Secret<T> {
        Secret(value)
    }

    /// The value; the caller must not let it reach anything that prints or stores it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
