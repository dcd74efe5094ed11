//! The audit database that the file asks for.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config;
use crate::store::sqlite::Sqlite;
use crate::store::{Store, StoreError};

/// The audit database cannot be kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "the audit database `{}` cannot be used: {source}. Move it aside, with `-wal` and `-shm` beside it, and a new one is made at the next start; or set `store.file` to \"\" for none", path.display()
)]
pub struct OpenError {
    path: PathBuf,
    source: StoreError,
}

/// Opens it; `None`: the file wants none.
pub(super) fn open(
    settings: &config::Store,
    state_dir: &Path,
) -> Result<Option<Arc<Store>>, OpenError> {
    let Some(name) = &settings.file else { return Ok(None) };
    let path = state_dir.join(name);
    match Store::open(Sqlite::new(&path)) {
        Ok(store) => Ok(Some(Arc::new(store))),
        Err(source) => Err(OpenError { path, source }),
    }
}
