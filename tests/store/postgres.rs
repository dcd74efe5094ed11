//! PostgreSQL, the real one.

use std::sync::Arc;

use jiff::Timestamp;
use vestibule::config::PostgresAddress;
use vestibule::secret::Secret;
use vestibule::store::postgres::Postgres;
use vestibule::store::{Database as _, Entry, Kind, Query, StoreError};

use crate::server::{PASSWORD, Server, sql, with};
use crate::suite::entry;

fn fresh() -> (Postgres, Arc<Server>) {
    let server = Server::shared();
    (Postgres::new(Arc::new(server.fresh())), server)
}

crate::suite::suite!(fresh());

fn refusal(address: PostgresAddress) -> String {
    match Postgres::new(Arc::new(address)).connect() {
        Err(StoreError::Passing(said)) => said,
        Err(StoreError::Lasting(said)) => panic!("it may pass: {said}"),
        Ok(_) => panic!("it was let in"),
    }
}

#[test]
fn what_is_wrong_is_said_with_what_to_do_and_without_the_password() {
    let server = Server::shared();
    let database = server.fresh();
    sql(
        &database,
        "create role reader login password 'reader password'; revoke all on schema public from public",
    );
    let name = database.config().get_dbname().unwrap();
    for (address, said) in [
        (server.address(name, "vestibule", "wrong password"), "store.postgres_password_file"),
        (server.address(name, "nobody", "wrong password"), "store.postgres_password_file"),
        (
            PostgresAddress::parse(
                &format!("host=127.0.0.1 port={} user=vestibule", database.config().get_ports()[0]),
                None,
            )
            .unwrap(),
            "requires a password",
        ),
        (server.database("missing"), "createdb --owner=vestibule"),
        (server.address(name, "reader", "reader password"), "make the user its owner"),
        (
            PostgresAddress::parse("host=127.0.0.1 port=1 user=a", None).unwrap(),
            "cannot be reached",
        ),
        (PostgresAddress::parse("host=/nowhere user=a", None).unwrap(), "cannot be reached"),
    ] {
        let refusal = refusal(address);
        assert!(refusal.contains(said), "{refusal}");
        assert!(
            !refusal.contains("password\"") && !refusal.contains("wrong password"),
            "{refusal}"
        );
    }
}

/// The authorities are read from the environment, which a test must not change: it runs itself again.
#[test]
fn a_link_by_tls_needs_a_certificate_of_a_known_authority() {
    const NAME: &str = "A_TEST_OF_TLS";
    if let Some(port) = std::env::var_os(NAME) {
        let port = port.to_string_lossy();
        let address = format!("postgresql://vestibule@127.0.0.1:{port}/postgres?sslmode=require");
        let address = PostgresAddress::parse(&address, Some(&Secret::new(PASSWORD))).unwrap();
        let mut connection = Postgres::new(Arc::new(address)).connect().unwrap();
        connection.append(&[Arc::new(entry(1, "tea", "bob"))]).unwrap();
        return;
    }
    let server = Server::shared();
    let database = server.database("postgres");
    let again = |authority: &std::path::Path| {
        let done = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::a_link_by_tls_needs_a_certificate_of_a_known_authority"])
            .env(NAME, database.config().get_ports()[0].to_string())
            .env("SSL_CERT_FILE", authority)
            .env_remove("SSL_CERT_DIR")
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8(done.stdout).unwrap())
    };
    let (written, said) = again(&server.authority());
    assert!(written && said.contains("1 passed"), "{said}");
    let other = tempfile::tempdir().unwrap();
    let (certificate, key) = (other.path().join("other.pem"), other.path().join("key"));
    let made = std::process::Command::new("openssl")
        .args("req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=other".split(' '))
        .args(["-keyout", key.to_str().unwrap(), "-out", certificate.to_str().unwrap()])
        .output();
    assert!(made.unwrap().status.success());
    for (authority, why) in [
        (&*certificate, "cannot be verified: invalid peer certificate"),
        (std::path::Path::new("/nonexistent"), "no certificates of authorities"),
    ] {
        let (written, said) = again(authority);
        assert!(!written && said.contains(why), "{said}");
    }
}

#[test]
fn tables_of_a_newer_version_are_left_alone() {
    let server = Server::shared();
    let database = server.fresh();
    drop(Postgres::new(Arc::new(database.clone())).connect().unwrap());
    sql(&database, "insert into vestibule_schema (version) values (99)");
    assert!(refusal(database).contains("version 99"));
}

#[test]
fn an_entry_of_a_kind_that_only_a_newer_version_knows_is_left_out() {
    let server = Server::shared();
    let at = server.fresh();
    let mut connection = Postgres::new(Arc::new(at.clone())).connect().unwrap();
    let entries = [0, 1].map(|second| Arc::new(entry(second, "tea", "bob")));
    connection.append(&entries).unwrap();
    sql(&at, &format!("update vestibule_entry set kind = 'vote' where seq = {}", entries[0].seq));
    assert_eq!(connection.search(&Query::default()).unwrap(), [(*entries[1]).clone()]);
}

#[test]
fn components_that_start_at_once_make_the_tables_once() {
    let server = Server::shared();
    let database = server.fresh();
    let starting: Vec<_> = (0..8)
        .map(|_| {
            let postgres = Postgres::new(Arc::new(database.clone()));
            std::thread::spawn(move || postgres.connect().err())
        })
        .collect();
    for started in starting {
        assert_eq!(started.join().unwrap(), None);
    }
    let made = with(&database, async |client| {
        client
            .query_one_scalar::<i64, _>("select count(*) from vestibule_schema", &[])
            .await
            .unwrap()
    });
    assert_eq!(made, 2);
}

#[test]
fn entries_with_the_names_of_before_are_found_by_those_of_now() {
    let server = Server::shared();
    let address = server.fresh();
    let before = concat!(
        include_str!("../../src/store/postgres/schema-1.sql"),
        "create table vestibule_schema (version integer primary key, made timestamptz not null default now());
        insert into vestibule_schema (version) values (1);
        insert into vestibule_entry (server, seq, at, kind, rule, observed, command, face, caller, role, body) values
            ('a', 1, now(), 'decision', 'lobby.knocks', false, null, null, null, null, '{}'),
            ('a', 2, now(), 'decision', 'lobby.wait', false, null, null, null, null, '{}'),
            ('a', 3, now(), 'action', null, false, 'close', 'http', 'anna', 'duty', '{}');"
    );
    sql(&address, before);
    let mut connection = Postgres::new(Arc::new(address)).connect().unwrap();
    let mut named = |rule: &str| {
        let query = Query { rule: Some(rule.to_owned()), ..Query::default() };
        let found = connection.search(&query).unwrap();
        found.into_iter().map(|entry| (entry.seq, entry.rule.unwrap())).collect::<Vec<_>>()
    };
    let now = [(1, "lobby.max_knocks".into())];
    assert_eq!((named("lobby.max_knocks"), named("lobby.knocks")), (now.to_vec(), now.to_vec()));
    assert_eq!(named("lobby.wait"), [(2, "lobby.wait".into())]);
    let by = connection.search(&Query { kind: Some(Kind::Action), ..Query::default() }).unwrap();
    assert_eq!(by[0].by.as_ref().unwrap().face, "http");
}

#[test]
fn a_text_that_it_cannot_hold_is_no_reason_to_lose_an_entry() {
    let (database, _alive) = fresh();
    let odd = Entry {
        nick: Some("a\0b".into()),
        body: r#"{"x":"\u0000","n":1e400,"y":"\\u0000"}"#.into(),
        ..entry(0, "tea", "bob")
    };
    let no_json = Entry { body: "{".into(), ..entry(1, "tea", "bob") };
    let mut connection = database.connect().unwrap();
    connection.append(&[Arc::new(odd.clone()), Arc::new(no_json)]).unwrap();
    let found = connection.search(&Query::default()).unwrap();
    assert_eq!(found[0].nick.as_deref(), Some("a\u{fffd}b"));
    assert_eq!(found[0].body, odd.body);
    assert_eq!(found[1].body, r#""{""#);
}

#[test]
fn moments_are_exact_to_the_microsecond() {
    let (database, _alive) = fresh();
    let moments = [1_795_478_400_123_457_i64, 1, 4_102_444_799_999_999, 1_795_478_400_999_999];
    let entries = moments.map(|micro| {
        let at = Timestamp::from_microsecond(micro).unwrap();
        Arc::new(Entry { seq: micro, ..Entry::new(Kind::Timer, at) })
    });
    let mut connection = database.connect().unwrap();
    connection.append(&entries).unwrap();
    for found in connection.search(&Query::default()).unwrap() {
        assert_eq!(found.at.as_microsecond(), found.seq);
    }
}

#[test]
fn a_connection_works_again_after_the_database_was_away() {
    let mut server = Server::start();
    let database = Postgres::new(Arc::new(server.fresh()));
    let mut connection = database.connect().unwrap();
    connection.append(&[Arc::new(entry(0, "tea", "bob"))]).unwrap();
    server.stop();
    assert!(matches!(connection.search(&Query::default()), Err(StoreError::Passing(_))));
    assert!(matches!(connection.search(&Query::default()), Err(StoreError::Passing(_))));
    server.again();
    assert_eq!(connection.search(&Query::default()).unwrap(), [entry(0, "tea", "bob")]);
}
