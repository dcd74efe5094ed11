//! `[store]`: the audit database.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::config::{Host, SslMode};

use super::environment::{Environment, Outside};
use super::file::read_file;
use super::secrets::{self, Keys};
use super::table_reader::TableReader;
use crate::secret::Secret;
use crate::setting::values::{any_path, boolean, duration_or_never, optional, size, text, word};
use crate::setting::{Item, Read};

/// Minimum of `max_size`, in bytes.
const LEAST: u64 = 16 << 20;

/// Returns the SQLite database of the component that runs with this file, or `None` if it has none. Where the file is
/// invalid or missing, the defaults apply.
pub fn database(path: &Path, environment: &Environment) -> Option<PathBuf> {
    let text = read_file(path).unwrap_or_default();
    let table: toml::Table = text.parse().unwrap_or_default();
    let written = |of: &str, key: &str| table.get(of)?.get(key)?.as_str().map(PathBuf::from);
    let state_dir = environment.state_dir().or_else(|| written("component", "state_dir"));
    let file = written("store", "file").or_else(|| Store::default().file)?;
    let in_use = !file.as_os_str().is_empty();
    let state_dir = state_dir.unwrap_or_else(|| environment.default_state_dir());
    in_use.then(|| state_dir.join(file))
}

/// Reads `[store]`.
pub(super) fn read(mut section: TableReader<'_>, outside: &Outside<'_>) -> Store {
    outside.environment.put_into("store", &mut section);
    let mut store = Store::default();
    section.put("file", &mut store.file, optional(any_path));
    section.put("retention", &mut store.retention, duration_or_never(Duration::from_secs(60)));
    section.put("max_size", &mut store.max_size, size(LEAST));
    section.put("addresses", &mut store.addresses, word(&Addresses::ALL, Addresses::name));
    store.postgres = read_postgres(&mut section, outside);
    if store.postgres.is_some() && store.file.is_none() {
        let message =
            "there is no file, and what waits for the database `store.postgres` is kept there";
        section.error_with(section.place(), "file", message, "leave `file` out");
    }
    section.put("server", &mut store.server, optional(text));
    section.finish();
    store
}

const KEYS: Keys = Keys { inline: "postgres_password", file: "postgres_password_file", least: 1 };
/// Socket directory of Debian's PostgreSQL package, for an address without a host.
const SOCKET: &str = "/var/run/postgresql";
/// Timeout of connecting, unless the address sets one.
const CONNECT: Duration = Duration::from_secs(5);

/// Address and password of a PostgreSQL database. `Debug` and `Display` show no password.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress(tokio_postgres::Config);

impl PostgresAddress {
    /// Parses a connection string: a URL or `key=value` pairs (PostgreSQL manual, 34.1.1).
    ///
    /// # Errors
    /// Returns a message that shows nothing of the address, which may hold a password.
    pub fn parse(address: &str, password: Option<&Secret>) -> Result<Self, &'static str> {
        let mut config: tokio_postgres::Config =
            address.parse().map_err(|_| "it is not the address of a PostgreSQL database")?;
        if config.get_password().is_some() {
            return Err("it holds a password");
        }
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            config.host_path(SOCKET);
        }
        if let Some(password) = password {
            config.password(password.expose());
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT);
        }
        // The driver's default would fall back to plaintext; here TLS is either required or not used.
        if config.get_ssl_mode() != SslMode::Require {
            config.ssl_mode(SslMode::Disable);
        }
        Ok(Self(config))
    }

    /// Returns whether the link is encrypted and the server's certificate verified (`sslmode=require`).
    pub fn uses_tls(&self) -> bool {
        self.0.get_ssl_mode() == SslMode::Require
    }

    /// Returns the driver's configuration, which includes the password.
    pub const fn config(&self) -> &tokio_postgres::Config {
        &self.0
    }

    /// Returns whether the connection stays on this machine.
    fn is_this_machine(&self) -> bool {
        let addresses = self.0.get_hostaddrs();
        if !addresses.is_empty() {
            return addresses.iter().all(is_loopback);
        }
        self.0.get_hosts().iter().all(|host| match host {
            Host::Unix(_) => true,
            Host::Tcp(name) => is_local(name),
        })
    }
}

/// Returns whether an address holds a password, or cannot be parsed and so may hold one.
fn may_hold_password(address: &str) -> bool {
    let parsed = address.parse::<tokio_postgres::Config>();
    parsed.map_or(true, |config| config.get_password().is_some())
}

fn is_loopback(address: &IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Returns whether a host is `localhost` or a loopback address, one of IPv6 with or without its brackets.
pub fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|it| is_loopback(&it))
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.0.get_hosts().iter().map(|host| match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string(),
        });
        let hosts: Vec<String> = match self.0.get_hostaddrs() {
            [] => hosts.collect(),
            addresses => addresses.iter().map(ToString::to_string).collect(),
        };
        let name = self.0.get_dbname().or(self.0.get_user()).unwrap_or("of this account");
        write!(f, "the database `{name}` at {}", hosts.join(", "))
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PostgresAddress({self}, user {:?})", self.0.get_user())
    }
}

/// Reads the PostgreSQL keys of `[store]`; `None` if they name no database, or are wrong (which is
/// reported).
pub(super) fn read_postgres(
    section: &mut TableReader<'_>,
    outside: &Outside<'_>,
) -> Option<PostgresAddress> {
    let password = secrets::read(section, KEYS, outside).ok().flatten();
    let notes = section.notes();
    if section.secret_in_file("postgres").is_some_and(may_hold_password) {
        notes.holds_secret();
    }
    let mut network = false;
    section.put("allow_plaintext_network", &mut network, boolean);
    let (address, place) = section.read("postgres", |item: &Item<'_>| -> Read<String> {
        let address = text(item)?;
        // It may hold a password, though it should not.
        notes.hide(&item.place);
        Ok(address)
    })?;
    if address.is_empty() {
        return None;
    }
    let password = password.and_then(|(password, _)| password);
    let database = match PostgresAddress::parse(&address, password.as_ref()) {
        Ok(database) => database,
        Err(wrong) => {
            section.error_with(
                place,
                "postgres",
                wrong,
                "write it like \"postgresql://vestibule@127.0.0.1/vestibule\", and the password \
                 into a file of its own, `postgres_password_file = \"…\"`",
            );
            return None;
        }
    };
    if !network && !database.uses_tls() && !database.is_this_machine() {
        section.error_with(
            place,
            "postgres",
            "the database is on another machine: the link to it is not encrypted",
            "add `sslmode=require` to the address, or set `allow_plaintext_network = true`",
        );
    }
    Some(database)
}

/// `[store]`: the audit database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// SQLite file, relative to `state_dir`; `None`: no audit database.
    pub file: Option<PathBuf>,
    /// Age at which entries are deleted; `None`: never.
    pub retention: Option<Duration>,
    /// Size of the database in bytes above which the oldest entries are deleted.
    pub max_size: u64,
    /// How network addresses are stored.
    pub addresses: Addresses,
    /// PostgreSQL database that several servers share; `None`: none.
    pub postgres: Option<PostgresAddress>,
    /// Name of this server in the shared database; `None`: the component's domain.
    pub server: Option<String>,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            file: Some("vestibule.db".into()),
            retention: Some(Duration::from_secs(90 * 86_400)),
            max_size: 2 << 30,
            addresses: Addresses::default(),
            postgres: None,
            server: None,
        }
    }
}

names! {
    /// How the audit stores network addresses.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Addresses {
        /// Only the network is stored: /24 of IPv4, /48 of IPv6.
        #[default]
        Shorten = "shorten",
        /// A keyed hash is stored: it distinguishes addresses without revealing them.
        Hash = "hash",
        /// They are stored in full.
        Whole = "whole",
        /// They are not stored.
        None = "none",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn database(address: &str) -> PostgresAddress {
        PostgresAddress::parse(address, Some(&Secret::new("hunter2"))).unwrap()
    }

    #[test]
    fn only_loopback_and_a_socket_are_this_machine() {
        for address in [
            "postgresql://v@127.0.0.1/v",
            "postgresql://v@[::1]:1/v",
            "postgresql://v@localhost/v",
            "postgresql:///v?user=v",
            "host=/run/postgresql user=v",
            "user=v",
            "host=db.example hostaddr=127.0.0.1 user=v",
        ] {
            assert!(database(address).is_this_machine(), "{address}");
        }
        for address in [
            "postgresql://v@db.example/v",
            "postgresql://v@127.0.0.1,10.0.0.1/v",
            "host=localhost.example.org user=v",
            "host=127.0.0.1 hostaddr=10.0.0.1 user=v",
            "host=/run/postgresql,db.example user=v",
            "postgresql://v@0.0.0.0/v",
        ] {
            assert!(!database(address).is_this_machine(), "{address}");
        }
    }

    #[test]
    fn it_says_where_it_is_and_never_its_password() {
        for (address, said) in [
            (
                "postgresql://v@127.0.0.1:1,b.example/store",
                "the database `store` at 127.0.0.1, b.example",
            ),
            ("host=a hostaddr=10.0.0.1 user=v", "the database `v` at 10.0.0.1"),
            ("", "the database `of this account` at /var/run/postgresql"),
        ] {
            let database = database(address);
            assert_eq!(database.to_string(), said);
            assert!(!format!("{database:?}").contains("hunter2"));
        }
    }

    #[test]
    fn tls_is_required_or_not_used() {
        assert!(database("postgresql://v@db.example/v?sslmode=require").uses_tls());
        assert!(!database("postgresql://v@db.example/v?sslmode=prefer").uses_tls());
        assert!(!database("postgresql://v@db.example/v").uses_tls());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_address() {
        for address in [
            "postgresql://v:hunter2@127.0.0.1/v",
            "user=v password=hunter2",
            "hunter2",
            "port=hunter2",
        ] {
            assert!(!PostgresAddress::parse(address, None).unwrap_err().contains("hunter2"));
        }
    }
}
