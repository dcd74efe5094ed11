//! Files and folders, opened one part of the path after the other: this runs as root, and no other account is to lead it
//! elsewhere by a link.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions, read_dir};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, fstat, mkdirat, openat, readlinkat, statat,
};
use rustix::io::Errno;

use super::changes::Folder;
use super::journal::owner;

/// How many links a path may have, as with the kernel.
const LINKS: usize = 40;

/// Opens what the path names. A link is followed only where no other account could have made it.
fn opened(path: &Path, last: OFlags) -> io::Result<OwnedFd> {
    let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut left = parts(&std::path::absolute(path)?);
    let mut here = openat(CWD, "/", folder, Mode::empty())?;
    let mut links = 0_usize;
    while let Some(part) = left.pop() {
        let flags =
            if left.is_empty() { last | OFlags::NOFOLLOW | OFlags::CLOEXEC } else { folder };
        match openat(&here, &part, flags, Mode::RUSR | Mode::WUSR) {
            Ok(next) => here = next,
            Err(Errno::LOOP | Errno::NOTDIR) if is_link(&here, &part) => {
                links = links.saturating_add(1);
                if links > LINKS {
                    return Err(Errno::LOOP.into());
                }
                let found = fstat(&here)?;
                if !is_safe(found.st_uid, found.st_mode) {
                    let part = Path::new(&part).display();
                    return Err(io::Error::other(format!(
                        "`{part}` is a link in a folder that another account may change"
                    )));
                }
                let target = readlinkat(&here, &part, Vec::new())?.into_bytes();
                let target = PathBuf::from(OsString::from_vec(target));
                if target.is_absolute() {
                    here = openat(CWD, "/", folder, Mode::empty())?;
                }
                left.extend(parts(&target));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(here)
}

/// Returns the parts of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let part = |part: Component<'_>| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::Prefix(_) | Component::RootDir | Component::CurDir => None,
    };
    path.components().rev().filter_map(part).collect()
}

fn is_link(folder: &OwnedFd, name: &OsStr) -> bool {
    let found = statat(folder, name, AtFlags::SYMLINK_NOFOLLOW);
    found.is_ok_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Symlink)
}

/// Returns whether only this account and root can change what has this owner and mode.
fn is_safe(user: u32, mode: u32) -> bool {
    (user == owner().0 || user == 0) && mode & 0o022 == 0
}

/// Returns whether only this account and root can change the folder.
pub(super) fn is_safe_folder(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_dir() && is_safe(found.uid(), found.mode()))
}

/// Opens a regular file to read it.
pub(super) fn file(path: &Path) -> io::Result<File> {
    // A pipe must not make it wait.
    let file = any(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("it is no regular file")),
    }
}

/// Opens whatever is there to read it; a link only where nobody else could have made it.
pub(super) fn any(path: &Path) -> io::Result<File> {
    Ok(File::from(opened(path, OFlags::RDONLY | OFlags::NONBLOCK)?))
}

/// Reads a file that only this account and root can have written.
pub(super) fn own(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = file(path)?;
    let found = file.metadata()?;
    if !is_safe(found.uid(), found.mode()) {
        return Err(io::Error::other("another account may have written it"));
    }
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Opens a file to lock it, and makes it if it is not there.
pub(super) fn lock(path: &Path) -> io::Result<File> {
    Ok(File::from(opened(path, OFlags::RDWR | OFlags::CREATE | OFlags::NONBLOCK)?))
}

/// A folder that is open: its path stays the same folder's, whatever is put in its place.
#[derive(Debug)]
pub(super) struct Opened(OwnedFd);

impl Opened {
    pub(super) fn new(path: &Path) -> io::Result<Self> {
        opened(path, OFlags::PATH | OFlags::DIRECTORY).map(Self)
    }

    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }
}

/// Makes a folder in one that is there.
pub(super) fn make(folder: &Folder) -> io::Result<()> {
    let Folder { path, mode, owner } = folder;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let parent = Opened::new(parent)?.0;
    mkdirat(&parent, name, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let made = File::from(openat(&parent, name, flags, Mode::empty())?);
    if !is_new(&made)? {
        return Err(io::Error::other("another account has put a folder in its place"));
    }
    made.set_permissions(Permissions::from_mode(*mode))?;
    let found = made.metadata()?;
    if (found.uid(), found.gid()) != *owner {
        fchown(&made, Some(owner.0), Some(owner.1))?;
    }
    Ok(())
}

/// Returns whether an open folder is as one that was made just now: of this account, and empty. What another account can put
/// in its place is theirs, or has something in it.
fn is_new(folder: &File) -> io::Result<bool> {
    let path = format!("/proc/self/fd/{}", folder.as_raw_fd());
    Ok(folder.metadata()?.uid() == owner().0 && read_dir(path)?.next().is_none())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_another_account_put_in_the_place_of_a_new_folder_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("folder");
        make(&Folder { path: path.clone(), mode: 0o750, owner: owner() }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o750);
        let open = || File::open(&path).unwrap();
        assert!(is_new(&open()).unwrap());
        fs::write(path.join("file"), "theirs").unwrap();
        assert!(!is_new(&open()).unwrap());
        fs::remove_file(path.join("file")).unwrap();
        if owner().0 == 0 {
            std::os::unix::fs::chown(&path, Some(1), None).unwrap();
            assert!(!is_new(&open()).unwrap());
        }
    }

    #[test]
    fn a_link_is_followed_only_where_nobody_else_could_have_made_it() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        fs::write(at("folder/file"), "text").unwrap();
        symlink("folder/../folder", at("link")).unwrap();
        symlink(at("folder/file"), at("other")).unwrap();
        for path in ["folder/file", "link/file", "other"] {
            assert_eq!(own(&at(path)).unwrap(), b"text", "{path}");
        }
        fs::set_permissions(home.path(), Permissions::from_mode(0o777)).unwrap();
        for path in ["link/file", "other"] {
            assert!(file(&at(path)).unwrap_err().to_string().contains("is a link"), "{path}");
        }
        assert!(lock(&at("other")).is_err() && Opened::new(&at("link")).is_err());
        assert_eq!(fs::read(at("folder/file")).unwrap(), b"text");
        symlink("loop", at("folder/loop")).unwrap();
        assert!(file(&at("folder/loop")).is_err());
        fs::set_permissions(at("folder/file"), Permissions::from_mode(0o666)).unwrap();
        assert!(own(&at("folder/file")).is_err() && file(&at("folder/file")).is_ok());
        assert_eq!(file(&at("none/file")).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
