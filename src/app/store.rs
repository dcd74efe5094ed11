//! Opening the audit database, its keys, and the exchange with other servers.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use super::Shared;
use super::clock::now;
use super::tasks::Ended;
use crate::config;
use crate::config::Addresses;
use crate::private::{OWNER, make_directory};
use crate::store::sqlite::Sqlite;
use crate::store::{Exchange, Keep, Mask, Store, StoreError};

/// Why the audit database cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The database file is invalid, or cannot be written.
    #[error(
        "the audit database `{path}` cannot be used: {1}. Move it aside, with its `-wal` and `-shm`, and a new one is made at the next start: the bans that operators made are in the old one only; or set `store.file` to \"\" for none", path = .0.display()
    )]
    File(PathBuf, StoreError),
    /// The key for hashing network addresses cannot be read or created.
    #[error(
        "the key `{path}` for network addresses cannot be used: {1}. Move it aside, and a new one is made: addresses then have other hashes", path = .0.display()
    )]
    Key(PathBuf, #[source] io::Error),
}

/// The least number of bytes that the database may exceed its size limit by: a batch of entries has to fit.
const SPARE: u64 = 16 << 20;
/// The file in the state directory with the key for hashing network addresses.
const KEY: &str = "addresses.key";

/// Returns how network addresses are stored, according to the file. Creates the hash key if it is missing.
pub(super) fn mask(settings: &config::Store, state_dir: &Path) -> Result<Mask, OpenError> {
    let path = state_dir.join(KEY);
    if settings.addresses != Addresses::Hash {
        return Ok(Mask::new(settings.addresses, [0; 32]));
    }
    let key = key(&path).map_err(|error| OpenError::Key(path, error))?;
    Ok(Mask::new(settings.addresses, key))
}

/// Opens the audit database, or returns `None` if the file configures none.
pub(super) fn open(
    settings: &config::Store,
    state_dir: &Path,
) -> Result<Option<Arc<Store>>, OpenError> {
    let Some(name) = &settings.file else { return Ok(None) };
    let path = state_dir.join(name);
    let size = settings.max_size;
    let keep = Keep { age: settings.retention, size, clock: Arc::new(now) };
    // Old entries are deleted with a delay, so some more have to fit.
    let most = size.saturating_add((size / 8).max(SPARE));
    let store = Store::open(Sqlite::new(&path).at_most(most), Some(keep));
    Ok(Some(Arc::new(store.map_err(|error| OpenError::File(path, error))?)))
}

/// Returns the name of this server in the audit and among other servers.
pub(super) fn name(settings: &config::Store, component: &config::Component) -> String {
    settings.server.clone().unwrap_or_else(|| component.domain.to_string())
}

/// Returns a function that starts the exchange of entries and bans with other servers over PostgreSQL, or `None` if the
/// file configures none.
pub(super) fn exchange(
    settings: &config::Store,
    name: &str,
    shared: &Shared,
) -> Option<impl FnMut() -> BoxFuture<'static, Ended> + use<>> {
    let address = Arc::new(settings.postgres.clone()?);
    let store = Arc::clone(shared.engine().audit().store()?);
    let (shared, name, keep) = (shared.clone(), Arc::<str>::from(name), settings.retention);
    Some(move || {
        let (address, name) = (Arc::clone(&address), Arc::clone(&name));
        let exchange = Exchange::new(address, name, Arc::clone(&store), keep, now);
        let shared = shared.clone();
        let show = move |entry| shared.engine().audit().show(entry);
        async move { exchange.run(show).await }.map(Ok).boxed()
    })
}

/// Links `half` to `path` unless that exists. On file systems without hard links, `path` is replaced.
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

/// Returns the key in a file, which is created with random bytes if it is missing.
///
/// # Errors
/// The file cannot be read or created, or has not exactly 32 bytes.
pub(super) fn key(path: &Path) -> io::Result<[u8; 32]> {
    match fs::read(path) {
        Ok(bytes) => bytes.try_into().map_err(|_| io::Error::other("it has not 32 bytes")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut fresh = [0; 32];
            getrandom::fill(&mut fresh).map_err(|error| io::Error::other(error.to_string()))?;
            if let Some(directory) = path.parent() {
                make_directory(directory, OWNER)?;
            }
            // The file appears as a whole or not at all; of two processes that start at once, one creates it.
            let half = path.with_extension(format!("new-{}", std::process::id()));
            let made = write_new(&half, &fresh).and_then(|()| put(&half, path));
            let _left = fs::remove_file(&half);
            match made {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => key(path),
                made => made.map(|()| fresh),
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
