//! The audit database that the file asks for.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use super::Shared;
use super::clock::now;
use super::key::key;
use super::tasks::Ended;
use crate::config::{self, Addresses};
use crate::store::sqlite::Sqlite;
use crate::store::{Exchange, Keep, Mask, Store, StoreError};

/// The audit database cannot be kept.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is none, or cannot be written.
    #[error(
        "the audit database `{}` cannot be used: {reason}. Move it aside, with its `-wal` and `-shm`, and a new one is made at the next start: the bans that operators made are in the old one only; or set `store.file` to \"\" for none", path.display()
    )]
    File {
        /// Its name.
        path: PathBuf,
        /// Why not.
        reason: StoreError,
    },
    /// The key for addresses cannot be read or made.
    #[error(
        "the key `{}` for network addresses cannot be used: {source}. Move it aside, and a new one is made: addresses then have other hashes", path.display()
    )]
    Key {
        /// Its file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Bytes that the database may take beyond what is kept, at least: a batch of entries has to fit.
const SPARE: u64 = 16 << 20;
/// The file of the key for addresses that are hashed.
const KEY: &str = "addresses.key";

/// Returns how network addresses are kept, by the file. The key of the hash is made where there is none.
pub(super) fn mask(settings: &config::Store, state_dir: &Path) -> Result<Mask, OpenError> {
    let path = state_dir.join(KEY);
    if settings.addresses != Addresses::Hash {
        return Ok(Mask::new(settings.addresses, [0; 32]));
    }
    match key(&path) {
        Ok(key) => Ok(Mask::new(settings.addresses, key)),
        Err(error) => Err(OpenError::Key { path, source: error }),
    }
}

/// Opens the audit database, or `None` where the file has none.
pub(super) fn open(
    settings: &config::Store,
    state_dir: &Path,
) -> Result<Option<Arc<Store>>, OpenError> {
    let Some(name) = &settings.file else { return Ok(None) };
    let path = state_dir.join(name);
    let size = settings.max_size;
    let keep = Keep { age: settings.retention, size, clock: Arc::new(now) };
    // What is trimmed a little late still fits.
    let most = size.saturating_add((size / 8).max(SPARE));
    match Store::keeping(Sqlite::new(&path).at_most(most), Some(keep)) {
        Ok(store) => Ok(Some(Arc::new(store))),
        Err(reason) => Err(OpenError::File { path, reason }),
    }
}

/// This server's name, in the audit and among other servers.
pub(super) fn name(settings: &config::Store, component: &config::Component) -> String {
    settings.server.clone().unwrap_or_else(|| component.domain.to_string())
}

/// Tells other servers, and hears them, by the database that the file names, each time that it is started; `None`: it
/// names none.
pub(super) fn exchange(
    settings: &config::Store,
    name: &str,
    shared: &Shared,
) -> Option<impl FnMut() -> Exchanging + use<>> {
    let address = Arc::new(settings.postgres.clone()?);
    let store = Arc::clone(shared.desk().audit().store()?);
    let (shared, name, keep) = (shared.clone(), Arc::<str>::from(name), settings.retention);
    Some(move || -> Exchanging {
        let (address, name) = (Arc::clone(&address), Arc::clone(&name));
        let exchange = Exchange::new(address, name, Arc::clone(&store), keep, now);
        let shared = shared.clone();
        Box::pin(async move {
            exchange.run(move |entry| shared.desk().audit().show(entry)).await;
            Ok(())
        })
    })
}

type Exchanging = Pin<Box<dyn Future<Output = Ended> + Send>>;
