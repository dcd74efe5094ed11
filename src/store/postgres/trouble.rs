//! Why the database is away, in words for the operator.

use std::error::Error as _;
use std::io;

use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

use crate::config::PostgresAddress;
use crate::store::backend::StoreError;

/// The database is away, or of no use. Nothing secret is in it, nor anything of an entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{said}")]
pub struct Trouble {
    said: String,
    lasts: bool,
}

impl Trouble {
    /// It did not answer in time.
    pub(in crate::store) fn silent(database: &PostgresAddress) -> Self {
        Self::passing(format!("{database} does not answer"))
    }

    /// There is no certificate to verify that of the server.
    pub(in crate::store) fn no_certificates(database: &PostgresAddress) -> Self {
        Self::passing(format!(
            "{database} cannot be verified, because this system has no certificates of authorities: install \
             ca-certificates, or name a file of them in the variable SSL_CERT_FILE"
        ))
    }

    /// Its tables are those of a newer version.
    pub(in crate::store) fn newer(database: &PostgresAddress, found: i32, known: i32) -> Self {
        Self::passing(format!(
            "{database} has tables of version {found}, and this program knows those up to {known}: update this \
             server too"
        ))
    }

    /// Another component has the same name.
    pub(in crate::store) fn taken(database: &PostgresAddress, server: &str) -> Self {
        Self::passing(format!(
            "another component writes as `{server}` to {database}: give each its own name, in `store.server`"
        ))
    }

    const fn passing(said: String) -> Self {
        Self { said, lasts: false }
    }

    /// The message of the driver or the database.
    pub(in crate::store) fn of(error: &Error, database: &PostgresAddress) -> Self {
        match error.as_db_error() {
            Some(error) => Self { said: refused(error, database), lasts: is_about_values(error) },
            None => Self::passing(undelivered(error, database)),
        }
    }

    /// The database is there, and will never take what it was given.
    pub(in crate::store) const fn lasts(&self) -> bool {
        self.lasts
    }
}

impl From<Trouble> for StoreError {
    fn from(trouble: Trouble) -> Self {
        match trouble.lasts {
            true => Self::Lasting(trouble.said),
            false => Self::Passing(trouble.said),
        }
    }
}

/// The classes of what cannot be kept, and of limits (PostgreSQL's manual, appendix A).
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
