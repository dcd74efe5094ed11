//! Keys in the state directory: made where there are none, for the component's own account alone.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::private::{OWNER, make_directory};

/// Gives the file that name if no other has it. Where there are no hard links, it takes the place of one that has.
fn put(half: &Path, path: &Path) -> io::Result<()> {
    match fs::hard_link(half, path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => fs::rename(half, path),
        linked => linked,
    }
}

fn write_new(path: &Path, key: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let mut file = options.create(true).truncate(true).write(true).mode(0o600).open(path)?;
    file.write_all(key)?;
    file.sync_all()
}

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
                make_directory(directory, OWNER)?;
            }
            // Whole or not at all; of two that start at once, one makes it.
            let half = path.with_extension(format!("new-{}", std::process::id()));
            let made = write_new(&half, &key).and_then(|()| put(&half, path));
            let _left = fs::remove_file(&half);
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self::key(path),
                made => made.map(|()| key),
            }
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("state").join("key");
        let made = key(&path).unwrap();
        assert_eq!(key(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let files = fs::read_dir(home.path().join("state")).unwrap();
        assert_eq!(files.count(), 1, "nothing half made is left");
        fs::write(&path, [0; 31]).unwrap();
        assert!(key(&path).unwrap_err().to_string().contains("32 bytes"));
    }
}
