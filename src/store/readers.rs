//! Connections for those who only look, each used by one at a time.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::backend::{Connection, Database, StoreError};

/// Connections that are kept.
const KEPT: usize = 4;

/// Connections to a database.
pub(super) struct Readers {
    database: Arc<dyn Database>,
    kept: Mutex<Vec<Box<dyn Connection>>>,
}

impl Readers {
    /// To that database.
    pub(super) fn new(database: Arc<dyn Database>) -> Arc<Self> {
        Arc::new(Self { database, kept: Mutex::default() })
    }

    /// Looks, with a connection that is free, or a new one.
    ///
    /// # Errors
    /// The database cannot be asked.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        what: impl FnOnce(&mut dyn Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let readers = Arc::clone(self);
        let reading = tokio::task::spawn_blocking(move || {
            let free = readers.lock().pop();
            let mut connection = match free {
                Some(connection) => connection,
                None => readers.database.connect()?,
            };
            let found = what(&mut *connection)?;
            let mut kept = readers.lock();
            if kept.len() < KEPT {
                kept.push(connection);
            }
            Ok(found)
        });
        reading.await.unwrap_or_else(|_| Err(StoreError::Passing("it is being closed".to_owned())))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Box<dyn Connection>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readers").field(&self.database).finish()
    }
}
