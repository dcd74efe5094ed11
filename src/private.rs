//! Directories and sockets that have their modes from the first moment, whatever the umask.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::Path;

/// Mode of a directory for the component's own account only.
pub(crate) const OWNER: u32 = 0o700;
/// Mode of a directory that the group may enter too, to reach a socket in it.
pub(crate) const GROUP: u32 = 0o750;

/// Creates a directory and its parents with this mode; existing ones keep their own.
pub(crate) fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    // The umask can only remove bits from the mode.
    DirBuilder::new().recursive(true).mode(mode).create(path)
}

/// Listens on a socket that has this mode before anyone can open it. Fails if the path exists.
pub(crate) fn listen(path: &Path, mode: u32) -> io::Result<UnixListener> {
    let directory = path.parent().unwrap_or(Path::new(""));
    // Short: the path of a socket has at most 107 bytes.
    let aside = directory.join(format!(".{}", std::process::id()));
    let made = aside.join("s");
    let clear = || {
        let _ = fs::remove_file(&made);
        let _ = fs::remove_dir(&aside);
    };
    // It may be left over from a component that was killed.
    clear();
    DirBuilder::new().mode(OWNER).create(&aside)?;
    let listening = UnixListener::bind(&made).and_then(|listener| {
        fs::set_permissions(&made, Permissions::from_mode(mode))?;
        // Fails like `bind` if the path exists.
        fs::hard_link(&made, path).map_err(|error| {
            let is_taken = error.kind() == io::ErrorKind::AlreadyExists;
            if is_taken { io::ErrorKind::AddrInUse.into() } else { error }
        })?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    clear();
    listening
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_socket_has_its_mode_and_takes_no_name_that_is_taken() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("socket");
        let listener = listen(&path, 0o600).unwrap();
        assert_eq!(mode(&path), 0o600);
        UnixStream::connect(&path).unwrap();
        assert_eq!(listen(&path, 0o600).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_directory_has_its_mode_and_one_that_is_there_keeps_its_own() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("a/b");
        make_directory(&path, OWNER).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o700, 0o700));
        make_directory(&path, GROUP).unwrap();
        assert_eq!(mode(&path), 0o700);
    }
}
