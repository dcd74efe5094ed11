//! Where entries come from: the running component, or, where none runs, the database file itself.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::app::commands::{Entries, Log, request};
use crate::cli::out::{note, working};
use crate::config::{self, Environment};
use crate::control::{ClientError, Failure, Reply, ask};
use crate::store::sqlite::Sqlite;
use crate::store::{Connection, Database as _, Entry, Query, StoreError};

/// Between two tries to reach a component that is away.
const AGAIN: Duration = Duration::from_secs(1);

/// Entries cannot be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("no component runs, and the file has no audit database (`store.file`)")]
    None,
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error("the component's reply makes no sense: are both of the same version?")]
    Nonsense(#[source] serde_json::Error),
    #[error("the audit database `{}` cannot be read: {reason}", path.display())]
    Database { path: PathBuf, reason: StoreError },
}

/// Where entries come from.
pub(super) struct Source {
    from: From,
    /// A component that is away is waited for.
    pub(super) is_patient: bool,
    /// What the component last said was not searched.
    missing: Option<String>,
}

enum From {
    Component(PathBuf),
    File(PathBuf, Box<dyn Connection>),
}

impl Source {
    /// The file if one is named, else the component, else the file that the component would use.
    pub(super) async fn open(
        config: &Path,
        socket: Result<PathBuf, String>,
        environment: &Environment,
        database: Option<&Path>,
    ) -> Result<Self, SourceError> {
        if let Some(path) = database {
            return Self::read(path.to_owned());
        }
        if let Ok(socket) = socket {
            let query = Query { limit: Some(1), ..Query::default() };
            match ask(&socket, &request(&Log { query })?, working()).await {
                Ok(_) => {
                    return Ok(Self {
                        from: From::Component(socket),
                        is_patient: false,
                        missing: None,
                    });
                }
                Err(ClientError::Unreachable { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let path = config::database(config, environment).ok_or(SourceError::None)?;
        let read = Self::read(path.clone())?;
        note(&format!("no component runs: this is from {}", path.display()));
        Ok(read)
    }

    fn read(path: PathBuf) -> Result<Self, SourceError> {
        match Sqlite::read_only(&path).connect() {
            Ok(connection) => {
                Ok(Self { from: From::File(path, connection), is_patient: false, missing: None })
            }
            Err(reason) => Err(SourceError::Database { path, reason }),
        }
    }

    /// The entries that a query is for, in the order of their numbers.
    pub(super) async fn find(&mut self, query: Query) -> Result<Vec<Entry>, SourceError> {
        match &mut self.from {
            From::File(path, connection) => connection
                .search(&query)
                .map_err(|reason| SourceError::Database { path: path.clone(), reason }),
            From::Component(socket) => {
                let request = request(&Log { query })?;
                let mut is_away = false;
                let reply = loop {
                    match ask(socket, &request, working()).await {
                        Ok(reply) => break reply,
                        Err(error) if !self.is_patient => return Err(error.into()),
                        Err(error) => {
                            if !is_away {
                                note(&format!("{error}: it is waited for"));
                            }
                            is_away = true;
                            tokio::time::sleep(AGAIN).await;
                        }
                    }
                };
                match reply {
                    Reply::Done(found) => {
                        let found: Entries =
                            serde_json::from_value(found).map_err(SourceError::Nonsense)?;
                        if let Some(missing) = &found.note
                            && self.missing != found.note
                        {
                            note(missing);
                        }
                        self.missing = found.note;
                        Ok(found.entries)
                    }
                    Reply::Failed(failure) => Err(failure.into()),
                }
            }
        }
    }
}
