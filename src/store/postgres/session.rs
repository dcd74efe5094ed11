//! A session with the database: opened, listening, and abandoned when it does not answer.

use std::error::Error as _;
use std::future::{Future, poll_fn};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::error::{DbError, SqlState};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::tables;
use crate::config::PostgresAddress;
use crate::store::backend::StoreError;

/// Longest time that one step may take, after which a frozen database is noticed.
pub(crate) const ANSWER: Duration = Duration::from_secs(5);

/// Key of the advisory locks on the servers' names: "vest" in ASCII.
const NAMES: i32 = 0x7665_7374;

/// A session with the database, and the task that drives it.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) database: Arc<PostgresAddress>,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Opens a session. `news` is notified when another server has written, and when the session has ended.
    pub(crate) async fn open(
        database: &Arc<PostgresAddress>,
        news: Arc<Notify>,
    ) -> Result<Self, StoreError> {
        if !database.uses_tls() {
            return Self::open_with(database, NoTls, news).await;
        }
        // The certificates of the system, or those that `SSL_CERT_FILE` names.
        let (tls, _) = MakeRustlsConnect::with_native_certs().map_err(|_| {
            StoreError::Passing(format!(
                "{database} cannot be verified, because this system has no certificates of authorities: install \
                 ca-certificates, or name a file of them in the variable SSL_CERT_FILE"
            ))
        })?;
        Self::open_with(database, tls, news).await
    }

    async fn open_with<T>(
        database: &Arc<PostgresAddress>,
        tls: T,
        news: Arc<Notify>,
    ) -> Result<Self, StoreError>
    where
        T: MakeTlsConnect<Socket, Stream: Send + 'static, TlsConnect: Send>,
        <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
    {
        let connecting = database.config().connect(tls);
        let (client, mut connection) = in_time(database, connecting).await?;
        let driver = tokio::spawn(async move {
            while let Some(Ok(message)) = poll_fn(|cx| connection.poll_message(cx)).await {
                if matches!(message, AsyncMessage::Notification(_)) {
                    news.notify_one();
                }
            }
            news.notify_one();
        });
        Ok(Self { client, database: Arc::clone(database), driver })
    }

    /// Waits a limited time for one step. An error that does not [last](StoreError::lasts) leaves the session unusable.
    pub(crate) async fn step<T>(
        &self,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, StoreError> {
        in_time(&self.database, step).await
    }

    /// Locks this server's name, which only one session can have at a time, and listens for notifications.
    pub(crate) async fn enter(&self, server: &str) -> Result<(), StoreError> {
        // The keepalives detect a server that was cut off, so that its name is free again.
        let set = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; \
                   set idle_in_transaction_session_timeout = '10s'; set lock_timeout = '4s'; listen vestibule";
        self.step(self.client.batch_execute(set)).await?;
        let take = "select pg_try_advisory_lock($1, hashtext($2))";
        if self.step(self.client.query_one_scalar(take, &[&NAMES, &server])).await? {
            return Ok(());
        }
        Err(StoreError::Passing(format!(
            "another component writes as `{server}` to {}: give each its own name, in `store.server`",
            self.database
        )))
    }

    /// Brings the tables to the version that this program knows.
    pub(crate) async fn prepare(&mut self) -> Result<(), StoreError> {
        let database = Arc::clone(&self.database);
        match in_time(&database, tables::migrate(&mut self.client)).await? {
            found if found > tables::VERSION => Err(StoreError::Passing(format!(
                "{database} has tables of version {found}, and this program knows those up to {}: update this \
                 server too",
                tables::VERSION
            ))),
            _ => Ok(()),
        }
    }
}

/// Waits for one step, at most [`ANSWER`].
pub(crate) async fn in_time<T>(
    database: &PostgresAddress,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, StoreError> {
    match timeout(ANSWER, step).await {
        Ok(done) => done.map_err(|error| failed(&error, database)),
        Err(_) => Err(StoreError::Passing(format!("{database} does not answer"))),
    }
}

/// Converts an error of the driver or the database. Its message contains no secret, and nothing of an entry.
fn failed(error: &Error, database: &PostgresAddress) -> StoreError {
    match error.as_db_error() {
        Some(error) if is_about_values(error) => StoreError::Lasting(refused(error, database)),
        Some(error) => StoreError::Passing(refused(error, database)),
        None => StoreError::Passing(undelivered(error, database)),
    }
}

/// Returns whether the error concerns values or limits, by its class (PostgreSQL's manual, appendix A).
fn is_about_values(error: &DbError) -> bool {
    ["22", "23", "54"].iter().any(|class| error.code().code().starts_with(class))
}

fn refused(error: &DbError, database: &PostgresAddress) -> String {
    let user = database.config().get_user().unwrap_or("of this account");
    let (code, said) = (error.code(), error.message());
    if matches!(*code, SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION) {
        return format!(
            "{database} does not let the user `{user}` in ({said}): check `store.postgres_password_file` here, and \
             to `pg_hba.conf` there"
        );
    }
    if *code == SqlState::INVALID_CATALOG_NAME {
        return format!("{database} does not exist: make it with `createdb --owner={user} NAME`");
    }
    if matches!(*code, SqlState::INSUFFICIENT_PRIVILEGE | SqlState::INVALID_SCHEMA_NAME) {
        return format!(
            "{database} does not let the user `{user}` make and use its tables ({said}): make the user its owner"
        );
    }
    if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        return format!("{database} can only be read: name the server that can be written to");
    }
    format!("{database} refuses: {said} ({})", code.code())
}

fn undelivered(error: &Error, database: &PostgresAddress) -> String {
    let cause = error.source();
    if database.config().get_password().is_none()
        && cause.is_some_and(|cause| cause.to_string() == "password missing")
    {
        return format!(
            "{database} requires a password: put it into a file of its own, `store.postgres_password_file`"
        );
    }
    // The driver names neither the kind nor the cause of a failed handshake.
    if database.uses_tls()
        && let Some(cause) = cause.filter(|_| error.to_string().contains("TLS"))
    {
        return format!("{database} cannot be verified: {cause}");
    }
    match cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
        Some(cause) => format!("{database} cannot be reached: {cause}"),
        None if error.is_closed() => format!("{database} has ended the session"),
        None => format!("{database}: {error}"),
    }
}
