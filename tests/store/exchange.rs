//! Servers that have a database in common: a real one, which comes and goes.

use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use vestibule::config::PostgresAddress;
use vestibule::store::sqlite::Sqlite;
use vestibule::store::{Entry, Exchange, Kind, Query, SharedState, Store};

use crate::server::{Server, sql, with};
use crate::suite::{at, ban, entry};

/// What has to happen at all; how soon is printed.
const LONG: Duration = Duration::from_secs(60);

/// A component's part: its file, and what it hears.
struct Part {
    store: Arc<Store>,
    shown: Mutex<Receiver<Arc<Entry>>>,
    name: &'static str,
    /// Ended first.
    runtime: Option<Runtime>,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(5));
        }
    }
}

fn now() -> Timestamp {
    at(0)
}

impl Part {
    fn start(name: &'static str, home: &TempDir, database: &PostgresAddress) -> Self {
        Self::keeping(name, home, database, None)
    }

    fn keeping(
        name: &'static str,
        home: &TempDir,
        database: &PostgresAddress,
        keep: Option<Duration>,
    ) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let file = Sqlite::new(home.path().join(format!("{name}.db")));
        let store = Arc::new(Store::open(file, None).unwrap());
        let (show, shown) = channel();
        let show = Mutex::new(show);
        let exchange =
            Exchange::new(Arc::new(database.clone()), name.into(), Arc::clone(&store), keep, now);
        runtime.spawn(exchange.run(move |entry| show.lock().unwrap().send(entry).unwrap()));
        Self { store, shown: Mutex::new(shown), name, runtime: Some(runtime) }
    }

    fn leave(&self, seconds: std::ops::Range<i64>) {
        for second in seconds {
            self.store.leave(Arc::new(self.entry(second)));
        }
    }

    fn entry(&self, second: i64) -> Entry {
        Entry { server: self.name.into(), ..entry(second, "tea", "bob") }
    }

    fn act(&self, second: i64, command: &'static str) {
        let action =
            Entry { kind: Kind::Action, command: Some(command.into()), ..self.entry(second) };
        self.store.leave(Arc::new(action));
    }

    fn state(&self) -> SharedState {
        self.store.state().shared.unwrap()
    }

    fn does<T>(&self, what: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(what)
    }

    /// The ids of the bans in its file.
    fn bans(&self) -> Vec<String> {
        self.does(self.store.bans()).unwrap().into_iter().map(|ban| ban.id).collect()
    }

    fn ban(&self, id: &str, who: &str) {
        self.does(self.store.add_ban(ban(id, who, None))).unwrap();
    }

    fn lift(&self, who: &str) {
        let bans = self.does(self.store.bans()).unwrap().into_iter().filter(|ban| ban.who == who);
        self.does(self.store.lift_bans(bans.map(|ban| ban.id).collect())).unwrap();
    }

    fn next_shown(&self) -> Entry {
        Entry::clone(&self.shown.lock().unwrap().recv_timeout(LONG).unwrap())
    }
}

/// Waits for it, and says how long it took.
fn until(what: &str, condition: impl Fn() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < LONG, "{what}: not within {LONG:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    println!("{what}: {:?}", started.elapsed());
}

/// The numbers of that server's entries in the database, in the order in which they arrived, as seconds.
fn arrived(database: &PostgresAddress, name: &str) -> Vec<i64> {
    let all = "select seq from vestibule_entry where server = $1 order by arrival";
    // Without its tables, nothing has arrived.
    let rows = with(database, async |client| client.query(all, &[&name]).await.unwrap_or_default());
    let base = at(0).as_microsecond();
    rows.iter().map(|row| (row.get::<_, i64>(0) - base) / 1_000_000).collect()
}

fn homes() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn what_was_written_while_it_was_away_arrives_once_and_in_order() {
    let (mut server, home) = (Server::start(), homes());
    let database = server.fresh();
    let part = Part::start("one", &home, &database);
    part.leave(0..10);
    until("the first arrive", || arrived(&database, "one").len() == 10);

    server.stop();
    part.leave(10..6000);
    until("it is known to be away", || {
        part.state().trouble.is_some() && part.state().waiting > 5000
    });
    assert_eq!(part.state().away_since, Some(at(0)));
    assert_eq!(part.store.state().lost, 0);

    // It also goes while they are being shipped.
    server.again();
    until("some have arrived", || arrived(&database, "one").len() > 500);
    server.stop();
    part.leave(6000..7000);
    server.again();
    until("all arrive", || arrived(&database, "one").len() == 7000);
    assert_eq!(arrived(&database, "one"), (0..7000).collect::<Vec<_>>());
    until("nothing waits", || part.state().waiting == 0 && part.state().away_since.is_none());
}

#[test]
fn what_a_killed_component_left_in_its_file_arrives_and_a_lost_database_is_filled_again() {
    let (server, home) = (Server::shared(), homes());
    let database = server.fresh();
    let file = Store::open(Sqlite::new(home.path().join("one.db")), None).unwrap();
    (0..3).for_each(|second| {
        file.leave(Arc::new(Entry { server: "one".into(), ..entry(second, "tea", "bob") }))
    });
    drop(file);
    let part = Part::start("one", &home, &database);
    until("what was in the file arrives", || part.state().away_since.is_none());
    until("all of it", || arrived(&database, "one") == [0, 1, 2]);
    drop(part);
    sql(&database, "delete from vestibule_entry");
    let part = Part::start("one", &home, &database);
    until("all of it again", || arrived(&database, "one") == [0, 1, 2]);
    assert_eq!(part.state().refused, 0);
}

#[test]
fn a_frozen_database_holds_nobody_up_and_is_found_out() {
    let (server, home) = (Server::start(), homes());
    let database = server.fresh();
    let part = Part::start("one", &home, &database);
    part.leave(0..10);
    until("the first arrive", || arrived(&database, "one").len() == 10);
    server.signal("STOP");
    let started = Instant::now();
    part.leave(10..20_000);
    let left = started.elapsed();
    println!("20000 entries left in {left:?}");
    part.ban("a-1", "mallory@example.org");
    until("it is found out", || part.state().trouble.is_some());
    assert!(part.state().trouble.unwrap().contains("does not answer"));
    assert_eq!(part.bans(), ["a-1"]);
    until("all are in the file", || part.store.state().waiting == 0);
    server.signal("CONT");
    until("all arrive", || arrived(&database, "one").len() == 20_000);
    assert_eq!(part.store.state().lost, 0);
}

#[test]
fn bans_reach_the_others_and_hold_while_it_is_away_and_after_a_restart() {
    let (mut server, home) = (Server::start(), homes());
    let database = server.fresh();
    let one = Part::start("one", &home, &database);
    let two = Part::start("two", &home, &database);
    until("both are there", || {
        one.state().away_since.is_none() && two.state().away_since.is_none()
    });
    let mut news = two.store.watch_bans();
    news.mark_unchanged();
    one.ban("a-1", "mallory@example.org");
    until("a ban reaches the other", || two.bans() == ["a-1"]);
    until("it is told that there is news", || news.has_changed().unwrap());
    two.lift("mallory@example.org");
    until("that it was lifted reaches the first", || one.bans().is_empty());

    one.ban("a-2", "eve@example.org");
    until("another", || two.bans() == ["a-2"]);
    server.stop();
    until("both know", || one.state().trouble.is_some() && two.state().trouble.is_some());
    one.ban("a-3", "mallory@example.org");
    two.ban("b-1", "zoe@example.org");
    two.lift("eve@example.org");
    drop(two);
    let two = Part::start("two", &home, &database);
    until("it knows", || two.state().trouble.is_some());
    assert_eq!(two.bans(), ["b-1"]);
    assert_eq!(one.bans(), ["a-2", "a-3"]);
    server.again();
    let both = || one.bans() == ["a-3", "b-1"] && two.bans() == ["a-3", "b-1"];
    until("both have all of them", both);

    let three = Part::start("three", &home, &database);
    until("a new server has them", || three.bans() == ["a-3", "b-1"]);
}

#[test]
fn many_bans_reach_a_new_server() {
    let (server, home) = (Server::shared(), homes());
    let database = server.fresh();
    let one = Part::start("one", &home, &database);
    for number in 0..1200 {
        one.ban(&format!("a-{number:04}"), "mallory@example.org");
    }
    let two = Part::start("two", &home, &database);
    until("all reach it", || two.bans().len() == 1200);
    one.lift("mallory@example.org");
    until("and that they were lifted", || two.bans().is_empty());
}

#[test]
fn actions_are_shown_to_the_others_once_also_those_they_missed() {
    let (mut server, home) = (Server::start(), homes());
    let database = server.fresh();
    let one = Part::start("one", &home, &database);
    one.act(0, "close");
    until("it is there", || arrived(&database, "one") == [0]);
    let two = Part::start("two", &home, &database);
    until("both are there", || two.state().away_since.is_none());
    one.leave(1..3);
    one.act(3, "end");
    let shown = two.next_shown();
    assert_eq!((shown.command.as_deref(), &*shown.server), (Some("end"), "one"));

    server.stop();
    until("both know", || one.state().trouble.is_some() && two.state().trouble.is_some());
    one.act(4, "remove");
    two.act(5, "ban");
    server.again();
    assert_eq!(
        two.next_shown(),
        Entry { kind: Kind::Action, command: Some("remove".into()), ..one.entry(4) }
    );
    assert_eq!(one.next_shown().command.as_deref(), Some("ban"));
    one.act(6, "reopen");
    assert_eq!(two.next_shown().command.as_deref(), Some("reopen"));
}

#[test]
fn a_search_is_for_all_servers_and_says_when_it_is_not() {
    let (mut server, home) = (Server::start(), homes());
    let database = server.fresh();
    let one = Part::start("one", &home, &database);
    let two = Part::start("two", &home, &database);
    one.leave(-9..2);
    two.leave(2..4);
    until("all arrive", || arrived(&database, "one").len() + arrived(&database, "two").len() == 13);
    let newest = Query { since: Some(at(0)), ..Query::default() };
    let search = |part: &Part| part.does(part.store.search_all(newest.clone())).unwrap();
    let found = search(&one);
    let all = [one.entry(0), one.entry(1), two.entry(2), two.entry(3)];
    assert_eq!((&found.entries[..], found.note), (&all[..], None));

    // The moment is that of the entry 0: what is newer than two seconds before it may have to wait for others.
    let forward = Query { after: Some(0), ..Query::default() };
    let found = one.does(one.store.search_all(forward)).unwrap().entries;
    assert_eq!(found, (-9..-2).map(|second| one.entry(second)).collect::<Vec<_>>());

    server.stop();
    let found = search(&two);
    assert_eq!(found.entries, all[2..]);
    assert!(found.note.unwrap().starts_with("only the entries of this server were searched: "));
    server.again();
    until("all are found again", || search(&one).entries.len() == 4);
}

#[test]
fn two_components_of_one_name_do_not_write_into_each_others_entries() {
    let (server, home, other) = (Server::shared(), homes(), homes());
    let database = server.fresh();
    let one = Part::start("one", &home, &database);
    until("it is there", || one.state().away_since.is_none());
    let same = Part::start("one", &other, &database);
    until("the other is told", || same.state().trouble.is_some());
    assert!(same.state().trouble.unwrap().contains("`store.server`"));
    drop(one);
    until("the name is free", || same.state().away_since.is_none());
}

#[test]
fn a_server_s_entries_go_when_they_are_too_old_and_no_others() {
    let (server, home) = (Server::shared(), homes());
    let database = server.fresh();
    let one = Part::start("one", &home, &database);
    let two = Part::start("two", &home, &database);
    let policy = Entry { kind: Kind::Revision, ..one.entry(-3000) };
    one.store.leave(Arc::new(policy));
    one.leave(-2999..0);
    two.leave(-2000..0);
    until("all arrive", || {
        arrived(&database, "one").len() + arrived(&database, "two").len() == 5000
    });
    drop(one);
    let one = Part::keeping("one", &home, &database, Some(Duration::from_secs(1000)));
    until("the old are gone", || arrived(&database, "one").len() == 1001);
    let stays: Vec<_> = std::iter::once(-3000).chain(-1000..0).collect();
    assert_eq!(arrived(&database, "one"), stays);
    assert_eq!(arrived(&database, "two").len(), 2000);
    assert_eq!(one.state().waiting, 0);
}
