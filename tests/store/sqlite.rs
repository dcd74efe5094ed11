//! SQLite.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tempfile::TempDir;
use vestibule::store::sqlite::Sqlite;
use vestibule::store::{Connection, Database as _, Entry, Keep, Kind, Query, Store, StoreError};

use crate::suite::{at, entry};

fn fresh() -> (Sqlite, TempDir) {
    let home = tempfile::tempdir().unwrap();
    (Sqlite::new(home.path().join("state/vestibule.db")), home)
}

crate::suite::suite!(fresh());

#[test]
fn its_files_are_their_owner_s() {
    let (database, _home) = fresh();
    let _connection = database.connect().unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let file = format!("{}{suffix}", database.path().display());
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn a_file_of_a_newer_version_is_left_alone() {
    let (database, _home) = fresh();
    drop(database.connect().unwrap());
    let file = rusqlite::Connection::open(database.path()).unwrap();
    file.pragma_update(None, "user_version", 99).unwrap();
    let refused = database.connect().err().unwrap();
    assert!(matches!(refused, StoreError::Lasting(reason) if reason.contains("newer")));
}

#[test]
fn an_entry_of_a_kind_that_only_a_newer_version_knows_is_left_out() {
    let (database, _home) = fresh();
    let mut connection = database.connect().unwrap();
    let entries = [0, 1, 2].map(|second| Arc::new(entry(second, "tea", "bob")));
    connection.append(&entries).unwrap();
    let file = rusqlite::Connection::open(database.path()).unwrap();
    file.execute("update entries set kind = 'vote' where seq = ?1", [entries[1].seq]).unwrap();
    let mut found =
        |limit| connection.search(&Query { limit: Some(limit), ..Query::default() }).unwrap();
    let (all, two) = (found(10), found(2));
    assert_eq!(all, [(*entries[0]).clone(), (*entries[2]).clone()]);
    assert_eq!(all, two, "and makes no page shorter");
}

fn keep(age: Option<Duration>, size: u64, now: i64) -> Keep {
    Keep { age, size, clock: Arc::new(move || at(now)) }
}

fn heavy(second: i64) -> Arc<Entry> {
    Arc::new(Entry { body: format!("\"{}\"", "x".repeat(4000)), ..entry(second, "tea", "bob") })
}

fn revision(second: i64) -> Arc<Entry> {
    Arc::new(Entry { kind: Kind::Revision, ..entry(second, "tea", "bob") })
}

fn trim(connection: &mut dyn Connection, keep: &Keep) {
    while connection.trim(keep, (keep.clock)()).unwrap() {}
}

fn seconds(connection: &mut dyn Connection) -> Vec<i64> {
    let found = connection.search(&Query { limit: Some(1000), ..Query::default() }).unwrap();
    found.iter().map(|entry| entry.at.duration_since(at(0)).as_secs()).collect()
}

#[test]
fn what_is_too_old_goes_but_for_the_policy_that_was_in_force() {
    let (database, _home) = fresh();
    let mut connection = database.connect().unwrap();
    connection.append(&[revision(0), heavy(1), revision(2)]).unwrap();
    connection.append(&[3, 4, 5, 6].map(heavy)).unwrap();
    connection.append(&[revision(7)]).unwrap();
    let of_ten_seconds = |now| keep(Some(Duration::from_secs(10)), u64::MAX, now);
    trim(&mut *connection, &of_ten_seconds(10));
    assert_eq!(seconds(&mut *connection), [0, 1, 2, 3, 4, 5, 6, 7]);
    trim(&mut *connection, &of_ten_seconds(15));
    assert_eq!(seconds(&mut *connection), [2, 5, 6, 7]);
    trim(&mut *connection, &of_ten_seconds(1000));
    assert_eq!(seconds(&mut *connection), [7]);
}

#[test]
fn what_is_too_much_goes_and_the_disk_has_it_back() {
    let (database, _home) = fresh();
    let mut connection = database.connect().unwrap();
    connection.append(&[revision(0)]).unwrap();
    let all: Vec<_> = (1..4001).map(heavy).collect();
    connection.append(&all).unwrap();
    let size = |database: &Sqlite| std::fs::metadata(database.path()).unwrap().len();
    trim(&mut *connection, &keep(None, 4 << 20, 0));
    let mut left = Query { limit: Some(1), after: Some(0), ..Query::default() };
    assert_eq!(connection.search(&left).unwrap()[0].kind, Kind::Revision);
    left.kind = Some(Kind::Decision);
    let first = connection.search(&left).unwrap()[0].at;
    assert!(at(2000) < first && first < at(4000), "{first}");
    assert_eq!(connection.last().unwrap(), at(4000).as_microsecond());
    drop(connection);
    assert!(size(&database) < 5 << 20, "{}", size(&database));
}

#[test]
fn the_thread_that_writes_trims_when_it_is_time() {
    let (database, _home) = fresh();
    let now = Arc::new(AtomicI64::new(5));
    let clock = Arc::clone(&now);
    let keep = Keep {
        age: Some(Duration::from_secs(100)),
        size: u64::MAX,
        clock: Arc::new(move || at(clock.load(Ordering::Relaxed))),
    };
    let store = Store::open(database.clone(), Some(keep)).unwrap();
    (0..5000).for_each(|second| store.leave(Arc::new(entry(second, "tea", "bob"))));
    now.store(5090, Ordering::Relaxed);
    let mut connection = database.connect().unwrap();
    let oldest = Query { after: Some(0), limit: Some(1), ..Query::default() };
    let mut second = 5000;
    loop {
        store.leave(Arc::new(entry(second, "tea", "bob")));
        second += 1;
        let first = connection.search(&oldest).unwrap();
        if first.first().is_some_and(|first| first.at == at(4990)) {
            break;
        }
        std::thread::yield_now();
    }
    assert_eq!(store.state().lost, 0);
}

#[test]
fn a_full_disk_stops_nobody_and_the_loss_is_counted() {
    let (database, _home) = fresh();
    let store = Store::open(database.clone().at_most(1 << 20), None).unwrap();
    let mut left = 0_u64;
    // What waits takes some megabytes: then nothing finds a place any more.
    while store.state().lost < 10 {
        left += 1;
        store.leave(heavy(i64::try_from(left).unwrap()));
    }
    let state = store.state();
    assert!(state.waiting > 1000, "{state:?}");
    while store.state().trouble.is_none() {
        std::thread::yield_now();
    }
    assert!(store.state().trouble.unwrap().contains("full"));
    let lost = store.state().lost;
    let waiting = u64::try_from(store.state().waiting).unwrap();
    drop(store);
    // Of what waited, the last may be few enough to find room.
    let stored = u64::try_from(database.connect().unwrap().count_after(0).unwrap()).unwrap();
    assert!(stored + lost <= left && left <= stored + waiting + lost, "{stored} {waiting} {lost}");
}

#[test]
fn a_full_disk_takes_entries_again_when_old_ones_have_gone() {
    let (database, _home) = fresh();
    let keep = keep(None, 4 << 20, 0);
    let store = Store::open(database.clone().at_most(16 << 20), Some(keep)).unwrap();
    for second in 0..3000 {
        store.leave(heavy(second));
    }
    let mut connection = database.connect().unwrap();
    while connection.last().unwrap() < at(2999).as_microsecond() {
        std::thread::yield_now();
    }
    assert_eq!(store.state().lost, 0);
}

#[test]
fn another_program_that_looks_in_takes_nothing_away() {
    let (database, home) = fresh();
    let store = Store::open(database.clone(), None).unwrap();
    let looks_in = || {
        // In another process: locks are a process's own.
        let done = std::process::Command::new("/usr/bin/python3")
            .args(["-c", "import sqlite3,sys; print(sqlite3.connect(sys.argv[1]).execute('SELECT count(*) FROM entries').fetchone()[0])"])
            .arg(database.path())
            .output()
            .unwrap();
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    };
    for round in 0..3 {
        store.leave(Arc::new(entry(round, "tea", "bob")));
        while store.state().waiting > 0 {
            std::thread::yield_now();
        }
        drop(database.connect().unwrap());
        assert_eq!(looks_in(), (round + 1).to_string());
    }
    // As after a kill: what is there now is what there is.
    let copy = home.path().join("copy.db");
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", database.path().display());
        std::fs::copy(from, format!("{}{suffix}", copy.display())).unwrap();
    }
    assert_eq!(Sqlite::new(copy).connect().unwrap().count_after(0).unwrap(), 3);
}
