//! SQLite.

use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;
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

/// Entries of a small world, so that queries find some of them. Their times do not all grow with their numbers.
fn some_entries(first: i64) -> impl Strategy<Value = Vec<Entry>> {
    let one = (0..6_usize, 0..6_usize, 0..7_usize, 0..5_usize, -3..4_i64, 1..40_i64);
    prop::collection::vec(one, 1..40).prop_map(move |all| {
        let mut second = first;
        let each = all.into_iter().map(|(room, person, rule, kind, skew, gap)| {
            second += gap;
            let some = |texts: &[&str], at: usize| texts.get(at).map(|text| (*text).to_owned());
            let called = some(&["Zoe", "Bob", "tea"], person).unwrap_or_default();
            let name = [
                json!({}),
                json!({ "name": called }),
                json!({ "facts": { "who": { "name": called } } }),
                json!({ "name": 5, "facts": 7 }),
            ];
            Entry {
                seq: at(second).as_microsecond(),
                at: at(second + 30 * skew),
                kind: Kind::ALL[kind],
                id: some(&["c41-1", "c41-107", "c41-108", "c41-1907"], rule),
                room: some(&["tea@x.org", "tea@y.org", "tea-time@x.org", "TEA@x.org"], room),
                person: some(
                    &["bob@x.org", "bob@y.org", "bobby@x.org", "x.org", "zoe@x.org"],
                    person,
                ),
                nick: some(&["zoe", "Zo\u{eb}", "", "bob"], room),
                verdict: some(&["allow", "deny", "hold"], kind).map(Into::into),
                rule: some(
                    &["lobby.admission", "lobby", "access.create", "accessory.x", "a.b.c"],
                    rule,
                )
                .map(Into::into),
                body: name[person % 4].to_string(),
                ..entry(0, "tea", "bob")
            }
        });
        each.collect()
    })
}

fn a_query() -> impl Strategy<Value = Query> {
    let text = |texts: &'static [&'static str]| {
        prop::option::weighted(0.3, prop::sample::select(texts))
            .prop_map(|it| it.map(str::to_owned))
    };
    let number = || prop::option::weighted(0.3, 0..1500_i64);
    (
        text(&["tea", "tea@x.org", "TEA", "nowhere"]),
        text(&["bob", "bob@x.org", "zoe", "ZO\u{eb}", "5", "tea", "x.org", ""]),
        text(&["lobby", "lobby.admission", "access", "a", "a.b", "a.b.c"]),
        text(&["allow", "deny"]),
        text(&["c41-1", "c41-107", "c41-9"]),
        prop::option::weighted(0.3, prop::sample::select(&Kind::ALL[..4])),
        (number(), number(), number(), number(), prop::option::of(1..30_u32)),
    )
        .prop_map(
            |(room, person, rule, verdict, id, kind, (since, until, after, before, limit))| {
                let seq = |second: Option<i64>| second.map(|second| at(second).as_microsecond());
                let (since, until) = (since.map(at), until.map(at));
                let (after, before) = (seq(after), seq(before));
                Query {
                    room,
                    person,
                    rule,
                    verdict,
                    id,
                    kind,
                    since,
                    until,
                    after,
                    before,
                    limit,
                    ..Query::default()
                }
            },
        )
}

/// What is done to a database between two searches.
#[derive(Clone, Debug)]
enum Step {
    Index,
    Reopen,
    TrimByAge(i64),
    Erase(usize),
    WriteLate(i64),
}

fn a_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => Just(Step::Index),
        1 => Just(Step::Reopen),
        2 => (0..1500_i64).prop_map(Step::TrimByAge),
        2 => (0..200_usize).prop_map(Step::Erase),
        1 => (0..1500_i64).prop_map(Step::WriteLate),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_search_finds_what_a_search_without_an_index_does(
        batches in prop::collection::vec(some_entries(0), 1..5),
        steps in prop::collection::vec(a_step(), 1..24),
        queries in prop::collection::vec(a_query(), 24),
    ) {
        let ((indexed, _home), (plain, _other)) = (fresh(), fresh());
        let (indexed, plain) = (indexed.segments_of(8), plain.segments_of(u32::MAX));
        let mut both = [indexed.connect().unwrap(), plain.connect().unwrap()];
        let (mut batches, mut offset) = (batches.into_iter(), 0);
        for (step, query) in steps.into_iter().zip(queries.iter().cycle()) {
            let mut batch: Vec<_> = batches.next().into_iter().flatten().collect();
            for entry in &mut batch {
                entry.seq += offset;
            }
            offset += 1_600_000_000;
            let batch: Vec<_> = batch.into_iter().map(Arc::new).collect();
            for connection in &mut both {
                connection.append(&batch).unwrap();
            }
            match step {
                Step::Index => while both[0].index().unwrap() {},
                Step::Reopen => both = [indexed.connect().unwrap(), plain.connect().unwrap()],
                Step::TrimByAge(now) => {
                    while both[0].index().unwrap() {}
                    for connection in &mut both {
                        trim(&mut **connection, &keep(Some(Duration::from_secs(100)), u64::MAX, now));
                    }
                }
                Step::Erase(one) => {
                    let all = Query { limit: Some(1000), ..Query::default() };
                    let found = both[1].search(&all).unwrap();
                    if let Some(entry) = found.get(one) {
                        let erased = Entry { person: Some("bob@y.org".into()), nick: None, body: "{}".into(), ..entry.clone() };
                        for connection in &mut both {
                            connection.replace(std::slice::from_ref(&erased)).unwrap();
                        }
                    }
                }
                Step::WriteLate(second) => {
                    let late = entry(0, "tea", "zoe");
                    let late = [Arc::new(Entry { seq: at(second).as_microsecond() + 1, ..late })];
                    let done = both.each_mut().map(|it| it.append(&late).is_ok());
                    assert_eq!(done[0], done[1]);
                }
            }
            for query in [query, &Query { limit: Some(1000), ..query.clone() }] {
                let [found, expected] = both.each_mut().map(|it| it.search(query).unwrap());
                prop_assert_eq!(found, expected, "{:?}", query);
            }
        }
    }
}

/// How many rows these tables of a file have.
fn rows<const N: usize>(database: &Sqlite, tables: [&str; N]) -> [i64; N] {
    let file = rusqlite::Connection::open(database.path()).unwrap();
    let count =
        |table| file.query_row(&format!("select count(*) from {table}"), [], |row| row.get(0));
    tables.map(|table| count(table).unwrap())
}

#[test]
fn what_is_left_of_an_erased_or_deleted_entry_is_not_in_the_index() {
    let (database, _home) = fresh();
    let database = database.segments_of(10);
    let mut connection = database.connect().unwrap();
    connection
        .append(&(0..95).map(|it| Arc::new(entry(it, "tea", "bob"))).collect::<Vec<_>>())
        .unwrap();
    let mut steps = 0;
    while connection.index().unwrap() {
        steps += 1;
    }
    assert_eq!((steps, rows(&database, ["segments"])), (9, [9]));
    connection
        .replace(&[Entry { person: Some("x@erased.invalid".into()), ..entry(33, "tea", "bob") }])
        .unwrap();
    assert_eq!(
        rows(&database, ["segments", "(select distinct segment from segment_index)"]),
        [8, 8]
    );
    assert!(connection.index().unwrap() && !connection.index().unwrap());
    assert_eq!(rows(&database, ["segments"]), [9]);
    trim(&mut *connection, &keep(Some(Duration::from_secs(50)), u64::MAX, 65));
    assert_eq!(seconds(&mut *connection), (15..95).collect::<Vec<_>>());
    while connection.index().unwrap() {}
    assert_eq!(
        rows(&database, ["segments", "(select distinct segment from segment_index)"]),
        [7, 7]
    );
    trim(&mut *connection, &keep(Some(Duration::from_secs(50)), u64::MAX, 1000));
    assert_eq!(rows(&database, ["entries", "segments", "segment_index"]), [0, 0, 0]);
}

#[test]
fn an_older_database_is_migrated_and_indexed_a_part_at_a_time() {
    let (database, home) = fresh();
    std::fs::create_dir(home.path().join("state")).unwrap();
    let older = rusqlite::Connection::open(database.path()).unwrap();
    older.execute_batch(include_str!("../golden/2026-11-30/audit.sql")).unwrap();
    let more = "WITH RECURSIVE numbers (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM numbers LIMIT ?2)
        INSERT INTO entries (seq, at, server, kind, person, rule, observed, body)
        SELECT ?1 + number, ?1 + number, 's', 'decision', 'p' || (number % 50) || '@x.org', 'lobby.admission', 0, '{}' FROM numbers";
    let start = at(0).as_microsecond();
    older.execute(more, [start, 900]).unwrap();
    let database = database.segments_of(100);
    let of = |person: &str| Query {
        person: Some(person.into()),
        after: Some(start),
        ..Query::default()
    };
    let found = |database: &Sqlite| {
        let mut connection = database.connect().unwrap();
        ["p7", "p7@x.org", "P7"].map(|person| connection.search(&of(person)).unwrap().len())
    };
    assert_eq!(found(&database), [18, 18, 18]);
    // It ends in between, and begins again; and a program of before, which still runs, has written more.
    let mut connection = database.connect().unwrap();
    assert!(connection.index().unwrap() && connection.index().unwrap());
    drop(connection);
    assert_eq!(found(&database), [18, 18, 18]);
    older.execute(more, [start + 1000, 100]).unwrap();
    let mut connection = database.connect().unwrap();
    while connection.index().unwrap() {}
    assert!(rows(&database, ["segments"]) >= [9]);
    assert_eq!(found(&database), [20, 20, 20]);
    older.execute("UPDATE entries SET person = 'p7@x.org' WHERE seq = ?1", [start + 1]).unwrap();
    assert_eq!(found(&database), [21, 21, 21]);
}

#[test]
fn a_part_that_cannot_be_indexed_is_searched_and_what_comes_is_written() {
    let (database, _home) = fresh();
    let database = database.segments_of(100);
    let other = rusqlite::Connection::open({
        drop(database.connect().unwrap());
        database.path()
    })
    .unwrap();
    other
        .execute_batch(
            "CREATE TRIGGER no BEFORE INSERT ON segments BEGIN SELECT raise(ABORT, 'no'); END",
        )
        .unwrap();
    let store = Store::open(database.clone(), None).unwrap();
    for second in 0..450 {
        store.leave(Arc::new(entry(second, "tea", "bob")));
    }
    drop(store);
    let mut connection = database.connect().unwrap();
    connection.index().unwrap_err();
    assert_eq!(rows(&database, ["segments", "segment_index"]), [0, 0]);
    assert_eq!(
        connection
            .search(&Query { person: Some("bob".into()), limit: Some(1000), ..Query::default() })
            .unwrap()
            .len(),
        450
    );
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
