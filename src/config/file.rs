//! Reading of files whose length nobody promises.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

/// Longest file that is read, in bytes: a policy, or a list or secret that it names.
const LONGEST: u64 = 16 << 20;

/// Reads a policy, or a file that it names.
///
/// # Errors
/// Fails if it cannot be read, is a device or a pipe (which may have no end), is longer than 16 MiB or is not UTF-8.
pub fn read_file(path: &Path) -> io::Result<String> {
    let about = fs::metadata(path)?;
    let wrong = |why: &str| Err(io::Error::other(why));
    if about.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    } else if !about.is_file() {
        return wrong("it is a device or a pipe, not a file");
    }
    // What the file system says of the length may be old, or nothing (`/proc`).
    let mut text = String::new();
    File::open(path)?.take(LONGEST.saturating_add(1)).read_to_string(&mut text)?;
    match u64::try_from(text.len()) {
        Ok(length) if length <= LONGEST => Ok(text),
        Ok(_) | Err(_) => wrong("it is longer than 16 MiB"),
    }
}
