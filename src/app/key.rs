//! Keys in the state directory: made where there are none, for the component's own account alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Returns the key in that file, which is made where there is none.
///
/// # Errors
/// The file cannot be read or made, or is no key.
pub(super) fn key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("it has not 32 bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key).map_err(|error| io::Error::other(error.to_string()))?;
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            let mut options = fs::OpenOptions::new();
            options.create_new(true).write(true).mode(0o600).open(path)?.write_all(&key)?;
            Ok(key)
        }
        Err(error) => Err(error),
    }
}
