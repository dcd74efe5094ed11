//! A session with the database: opened, listening, and given up when it does not answer.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use std::future::poll_fn;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{AsyncMessage, Client, Error, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::schema;
use super::trouble::Trouble;
use crate::config::PostgresAddress;

/// The longest that one step may take. A database that is frozen is found out so soon.
pub(in crate::store) const ANSWER: Duration = Duration::from_secs(5);

/// The names of the servers, among the locks: "vest" in ASCII.
const NAMES: i32 = 0x7665_7374;

/// A session.
#[derive(Debug)]
pub(in crate::store) struct Session {
    pub(in crate::store) client: Client,
    pub(in crate::store) database: Arc<PostgresAddress>,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Session {
    /// Opens a session. `news` is woken when another server has written, and when the session has ended.
    ///
    /// # Errors
    /// The database is away, does not let us in, or does not answer.
    pub(in crate::store) async fn open(
        database: &Arc<PostgresAddress>,
        news: Arc<Notify>,
    ) -> Result<Self, Trouble> {
        if !database.uses_tls() {
            return Self::open_with(database, NoTls, news).await;
        }
        // The certificates of the system, or of `SSL_CERT_FILE`.
        let (tls, _) = MakeRustlsConnect::with_native_certs()
            .map_err(|_| Trouble::no_certificates(database))?;
        Self::open_with(database, tls, news).await
    }

    async fn open_with<T>(
        database: &Arc<PostgresAddress>,
        tls: T,
        news: Arc<Notify>,
    ) -> Result<Self, Trouble>
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

    /// Waits for one step, and not for ever.
    ///
    /// # Errors
    /// What the database says, or that it says nothing. The session is of no use then, unless that
    /// [lasts](Trouble::lasts).
    pub(in crate::store) async fn step<T>(
        &self,
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Trouble> {
        in_time(&self.database, step).await
    }

    /// Takes this server's name, which only one session has at a time, and listens.
    ///
    /// # Errors
    /// Another component has the name, or the database does not answer.
    pub(in crate::store) async fn enter(&self, server: &str) -> Result<(), Trouble> {
        // A server that was cut off is noticed, so that its name is free again.
        let set = "set tcp_keepalives_idle = 10; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3; \
                   set idle_in_transaction_session_timeout = '10s'; set lock_timeout = '4s'; listen vestibule";
        self.step(self.client.batch_execute(set)).await?;
        let take = "select pg_try_advisory_lock($1, hashtext($2))";
        if self.step(self.client.query_one_scalar(take, &[&NAMES, &server])).await? {
            return Ok(());
        }
        Err(Trouble::taken(&self.database, server))
    }

    /// Brings the tables to the version that this program knows.
    ///
    /// # Errors
    /// The database refuses, or its tables are newer.
    pub(in crate::store) async fn prepare(&mut self) -> Result<(), Trouble> {
        let database = Arc::clone(&self.database);
        let found = in_time(&database, schema::migrate(&mut self.client)).await?;
        if found > schema::VERSION {
            return Err(Trouble::newer(&database, found, schema::VERSION));
        }
        Ok(())
    }
}

/// Waits for one step, and not for ever.
pub(in crate::store) async fn in_time<T>(
    database: &PostgresAddress,
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, Trouble> {
    match timeout(ANSWER, step).await {
        Ok(done) => done.map_err(|error| Trouble::of(&error, database)),
        Err(_) => Err(Trouble::silent(database)),
    }
}
