//! Incidents that are kept in files.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::private::{OWNER, make_directory};

/// Most files in the directory. None is ever removed: that is for the person who is responsible for them.
const MOST: usize = 1000;

/// Writes a file that only its owner may read, and that is not there yet.
///
/// # Errors
/// The file exists, or it cannot be written; then nothing is left of it.
pub fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).inspect_err(|_| {
        let _ = std::fs::remove_file(path);
    })
}

/// Keeps the page of an incident in `directory`, under a name of its own.
///
/// # Errors
/// It cannot be written, or too many are there.
pub(super) fn keep(
    directory: &Path,
    made: Timestamp,
    sha256: &str,
    page: &str,
) -> io::Result<PathBuf> {
    make_directory(directory, OWNER)?;
    if std::fs::read_dir(directory)?.count() >= MOST {
        let reason = format!("{MOST} incidents are in {}: remove some", directory.display());
        return Err(io::Error::other(reason));
    }
    let short: String = sha256.chars().take(12).collect();
    let path = directory.join(format!("incident-{}-{short}.html", made.strftime("%Y%m%dT%H%M%SZ")));
    write_new(&path, page)?;
    Ok(path)
}
