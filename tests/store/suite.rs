//! What every database has to do. Each kind names its way to a fresh one in [`suite`].

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use vestibule::store::{Ban, BanState, By, Database, Entry, Kind, Query, Store};

/// One test each, for a database of this kind. `$fresh` gives a [`Database`] with nothing in it, and what has to
/// live as long as it.
macro_rules! suite {
    ($fresh:expr) => {
        $crate::suite::tests! { $fresh,
            an_entry_comes_back_as_it_was_left
            entries_are_found_by_each_of_their_columns
            pages_go_forward_and_back_over_every_entry_once
            a_batch_is_written_whole_or_not_at_all
            what_was_left_is_there_when_it_is_closed
            bans_are_there_once_they_are_confirmed
            whoever_reads_the_bans_is_told_when_they_change
            bans_are_the_same_in_whatever_order_they_are_merged
            entries_are_counted_from_a_number_on
            an_entry_is_replaced_and_no_other
            whom_a_ban_was_on_is_forgotten_and_that_it_was_lifted_is_not
        }
    };
}
macro_rules! tests {
    ($fresh:expr, $($name:ident)*) => {
        $(#[test]
        fn $name() {
            let (database, _alive) = $fresh;
            $crate::suite::$name(database);
        })*
    };
}
pub(crate) use {suite, tests};

const START: Timestamp = Timestamp::constant(1_800_000_000, 0);

pub(crate) fn at(second: i64) -> Timestamp {
    START.checked_add(SignedDuration::from_secs(second)).unwrap()
}

pub(crate) fn entry(second: i64, room: &str, person: &str) -> Entry {
    Entry {
        seq: at(second).as_microsecond(),
        server: "vestibule.example.org".into(),
        room: Some(format!("{room}@conference.example.org")),
        person: Some(format!("{person}@example.org")),
        ..Entry::new(Kind::Decision, at(second))
    }
}

fn everything() -> Entry {
    Entry {
        id: Some("c41-19".into()),
        nick: Some("Bob \u{1f600} \"'; --".into()),
        attempt_kind: Some("join".into()),
        class: Some("guest".into()),
        verdict: Some("deny".into()),
        rule: Some("access.create".into()),
        line: Some(41),
        denial: Some("not-open".into()),
        observed: true,
        revision: Some("abcdef012345".into()),
        command: Some("close".into()),
        by: Some(By { face: "http".into(), name: "anna".into(), role: "duty".into() }),
        outcome: Some("failed".into()),
        reason: Some("no such room".into()),
        body: r#"{"facts":{"who":"x"}}"#.into(),
        ..entry(0, "tea", "bob")
    }
}

fn append(database: &impl Database, entries: impl IntoIterator<Item = Entry>) {
    let entries: Vec<_> = entries.into_iter().map(Arc::new).collect();
    database.connect().unwrap().append(&entries).unwrap();
}

fn find(database: &impl Database, query: Query) -> Vec<Entry> {
    database.connect().unwrap().search(&query).unwrap()
}

fn seqs(entries: &[Entry]) -> Vec<i64> {
    entries.iter().map(|entry| entry.seq).collect()
}

pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

pub(crate) fn an_entry_comes_back_as_it_was_left(database: impl Database) {
    let (one, other) = (everything(), Entry { seq: 7, ..Entry::new(Kind::Doctor, at(3)) });
    assert_eq!(database.connect().unwrap().last().unwrap(), 0);
    append(&database, [one.clone(), other.clone()]);
    assert_eq!(find(&database, Query::default()), [other, one.clone()]);
    assert_eq!(database.connect().unwrap().last().unwrap(), one.seq);
}

pub(crate) fn entries_are_found_by_each_of_their_columns(database: impl Database) {
    let kinds = Kind::ALL.into_iter().zip(10..);
    let kinds = kinds.map(|(kind, second)| Entry { kind, ..entry(second, "kinds", "eve") });
    let text = |nick: &str, body: &str, second| Entry {
        nick: Some(nick.into()),
        body: body.into(),
        ..entry(second, "text", "eve")
    };
    append(&database, [everything(), entry(1, "tea-time", "bobby"), entry(2, "TEA", "ann")]);
    append(&database, kinds);
    append(&database, [text("100%", "{}", 30), text("1000", r#"{"x":"A_b"}"#, 31)]);
    append(&database, [Entry { rule: Some("access.openly".into()), ..entry(40, "r", "eve") }]);
    let found = |query: Query| -> Vec<i64> {
        let found = find(&database, query).into_iter();
        found.map(|entry| entry.at.duration_since(START).as_secs()).collect()
    };
    let some = |text: &str| Some(text.to_owned());
    let room = |room| Query { room: some(room), ..Query::default() };
    assert_eq!(found(room("tea@conference.example.org")), [0]);
    assert_eq!(found(room("tea")), [0]);
    assert!(found(room("te")).is_empty());
    let person = |person| Query { person: some(person), ..Query::default() };
    assert_eq!(found(person("bob@example.org")), [0]);
    assert_eq!(found(person("bob")), [0]);
    assert!(found(person("ob")).is_empty());
    let called = |nick: Option<&str>, body: &str, second| Entry {
        nick: nick.map(str::to_owned),
        body: body.into(),
        ..entry(second, "called", "mallory")
    };
    append(
        &database,
        [
            called(Some("Zoe"), "{}", 50),
            called(None, r#"{"name":"Zoe"}"#, 51),
            called(None, r#"{"facts":{"who":{"name":"zoe"}}}"#, 52),
            called(None, r#"{"name":"Zoe B."}"#, 53),
        ],
    );
    assert_eq!(found(person("zoe")), [50, 51, 52]);
    assert!(found(person("zoe@example.org")).is_empty(), "an address is no name");
    let rule = |rule| Query { rule: some(rule), ..Query::default() };
    assert_eq!(found(rule("access.create")), [0]);
    assert_eq!(found(rule("access")), [0, 40]);
    assert!(found(rule("acces")).is_empty());
    assert_eq!(found(Query { verdict: some("deny"), ..Query::default() }), [0]);
    assert_eq!(found(Query { id: some("c41-19"), ..Query::default() }), [0]);
    let server = |server| Query { server: some(server), ..Query::default() };
    assert_eq!(found(server("vestibule.example.org")).len(), 23);
    assert!(found(server("vestibule")).is_empty());
    for (kind, second) in Kind::ALL.into_iter().zip(10..).skip(1) {
        assert_eq!(found(Query { kind: Some(kind), ..Query::default() }), [second]);
    }
    let text = |text| Query { text: some(text), ..Query::default() };
    assert_eq!(found(text("0%")), [30]);
    assert_eq!(found(text("a_B")), [31]);
    assert!(found(text("\\")).is_empty());
    assert_eq!(found(text("'; --")), [0]);
    let between = Query { since: Some(at(1)), until: Some(at(10)), ..Query::default() };
    assert_eq!(found(between), [1, 2]);
    let both = Query { verdict: some("deny"), ..room("tea-time") };
    assert!(found(both).is_empty());
}

pub(crate) fn an_entry_is_replaced_and_no_other(database: impl Database) {
    let seq = at(9).as_microsecond();
    let other = Entry { seq, server: "other.example.org".into(), ..everything() };
    let with = |second, body: &str| Entry { body: body.into(), ..entry(second, "tea", "eve") };
    append(&database, [everything(), other.clone(), with(1, r#"{"x":"BOB@example.org"}"#)]);
    append(
        &database,
        [with(2, "{}"), Entry { reason: Some("of bob@example.org".into()), ..with(3, "{}") }],
    );
    let mentions = |texts: &[&str]| {
        let texts = texts.iter().map(|text| (*text).to_owned()).collect();
        find(&database, Query { mentions: texts, ..Query::default() }).len()
    };
    assert_eq!(mentions(&["bob@example.org"]), 4);
    assert_eq!(mentions(&["no@example.org", "of bob@", "%"]), 1);
    let new = Entry {
        person: Some("x@erased.invalid".into()),
        nick: None,
        reason: Some("erased".into()),
        body: r#"{"event":"erased"}"#.into(),
        ..everything()
    };
    database.connect().unwrap().replace(std::slice::from_ref(&new)).unwrap();
    let server = |name: &str| Query { server: Some(name.into()), ..Query::default() };
    assert_eq!(find(&database, server("other.example.org")), [other]);
    assert_eq!(
        find(&database, Query { limit: Some(4), ..server("vestibule.example.org") })[0],
        new
    );
    assert_eq!(mentions(&["bob@example.org"]), 3);
}

pub(crate) fn whom_a_ban_was_on_is_forgotten_and_that_it_was_lifted_is_not(
    database: impl Database,
) {
    let mut connection = database.connect().unwrap();
    for id in ["a-1", "a-2"] {
        connection.add_ban(&ban(id, "bob@example.org", None)).unwrap();
    }
    connection.lift_bans(&["a-1".to_owned()]).unwrap();
    connection.forget_bans(&["a-1".to_owned()]).unwrap();
    let changes = connection.ban_changes(0).unwrap();
    let states = changes.iter().map(|(_, state)| (&*state.ban.id, &*state.ban.who, state.lifted));
    let mut states: Vec<_> = states.collect();
    states.sort_unstable();
    assert_eq!(states, [("a-1", "erased.invalid", true), ("a-2", "bob@example.org", false)]);
    // A server that still knows whom it was on does not bring it back.
    let known = BanState { ban: ban("a-1", "bob@example.org", None), lifted: false };
    assert_eq!(connection.merge_bans(&[known]).unwrap(), 0);
    assert_eq!(connection.bans().unwrap().len(), 1);
}

pub(crate) fn pages_go_forward_and_back_over_every_entry_once(database: impl Database) {
    append(&database, (0..25).map(|second| entry(second, "tea", "bob")));
    append(&database, (25..50).map(|second| entry(second, "coffee", "bob")));
    let all: Vec<_> = (0..50).map(|second| at(second).as_microsecond()).collect();
    let page = || Query { person: Some("bob".into()), limit: Some(7), ..Query::default() };

    let (mut forward, mut after) = (Vec::new(), 0);
    loop {
        let found = find(&database, Query { after: Some(after), ..page() });
        let Some(last) = found.last() else { break };
        after = last.seq;
        forward.extend(seqs(&found));
    }
    assert_eq!(forward, all);

    let (mut back, mut before) = (Vec::new(), None);
    loop {
        let found = find(&database, Query { before, ..page() });
        let Some(first) = found.first() else { break };
        before = Some(first.seq);
        back.splice(0..0, seqs(&found));
    }
    assert_eq!(back, all);
    assert_eq!(find(&database, Query { limit: Some(0), ..Query::default() }).len(), 1);
}

pub(crate) fn a_batch_is_written_whole_or_not_at_all(database: impl Database) {
    append(&database, [entry(5, "tea", "bob")]);
    // The last has the number of one that is there.
    let batch: Vec<_> = [6, 7, 5].map(|second| Arc::new(entry(second, "tea", "ann"))).into();
    database.connect().unwrap().append(&batch).unwrap_err();
    assert_eq!(find(&database, Query::default()).len(), 1);

    // The thread that writes leaves out only that one, and counts it.
    let store = Store::open(database, None).unwrap();
    batch.into_iter().for_each(|entry| store.leave(entry));
    while store.state().waiting > 0 {
        std::thread::yield_now();
    }
    assert_eq!(store.state().lost, 1);
    let found = block_on(store.search(Query::default())).unwrap();
    assert_eq!(seqs(&found), [5, 6, 7].map(|second| at(second).as_microsecond()));
}

pub(crate) fn what_was_left_is_there_when_it_is_closed(database: impl Database + Clone) {
    let store = Store::open(database.clone(), None).unwrap();
    for second in 0..5000 {
        store.leave(Arc::new(entry(second, "tea", "bob")));
    }
    assert_eq!(store.state().lost, 0);
    drop(store);
    let store = Store::open(database, None).unwrap();
    assert_eq!(store.last(), at(4999).as_microsecond());
    let middle = Query { before: Some(at(2501).as_microsecond()), ..Query::default() };
    let found = block_on(store.search(Query { limit: Some(1), ..middle })).unwrap();
    assert_eq!(found, [entry(2500, "tea", "bob")]);
}

pub(crate) fn ban(id: &str, who: &str, room: Option<&str>) -> Ban {
    Ban {
        id: id.into(),
        who: who.into(),
        room: room.map(str::to_owned),
        until: Some(at(60)),
        reason: "noise".into(),
        by: "http anna".into(),
        at: at(1).checked_add(SignedDuration::from_micros(1)).unwrap(),
    }
}

pub(crate) fn bans_are_there_once_they_are_confirmed(database: impl Database + Clone) {
    let store = Store::open(database.clone(), None).unwrap();
    let one = ban("a-1", "mallory@example.org", None);
    let two = ban("a-2", "mallory@example.org", Some("team-*"));
    let three = Ban { until: None, reason: String::new(), ..ban("a-3", "192.0.2.0/24", None) };
    for ban in [&one, &two, &three] {
        block_on(store.add_ban(ban.clone())).unwrap();
        assert!(database.connect().unwrap().bans().unwrap().contains(ban));
    }
    assert_eq!(block_on(store.bans()).unwrap(), [one.clone(), two.clone(), three.clone()]);
    // A try that failed may have been carried out: the same ban again is no other one.
    block_on(store.add_ban(one.clone())).unwrap();
    assert_eq!(block_on(store.bans()).unwrap(), [one.clone(), two.clone(), three.clone()]);

    let lift = |ids: &[&str]| {
        block_on(store.lift_bans(ids.iter().map(|id| (*id).to_owned()).collect())).unwrap()
    };
    // One of the same person, and for the same rooms, stays.
    let four = ban("a-4", "mallory@example.org", Some("team-*"));
    block_on(store.add_ban(four.clone())).unwrap();
    assert_eq!(lift(&["a-5"]), []);
    assert_eq!(lift(&["a-2"]), [two]);
    assert_eq!(lift(&["a-2", "a-3", "a-5"]), std::slice::from_ref(&three));
    assert_eq!(lift(&[]), []);
    // What was lifted does not come back with such a try.
    block_on(store.add_ban(three.clone())).unwrap();
    assert_eq!(database.connect().unwrap().bans().unwrap(), [one, four]);
}

pub(crate) fn whoever_reads_the_bans_is_told_when_they_change(database: impl Database) {
    let store = Store::open(database, None).unwrap();
    let mut news = store.watch_bans();
    assert!(!news.has_changed().unwrap());
    block_on(store.add_ban(ban("a-1", "mallory@example.org", None))).unwrap();
    assert!(news.has_changed().unwrap());
    news.mark_unchanged();
    block_on(store.lift_bans(vec!["a-1".into()])).unwrap();
    assert!(news.has_changed().unwrap());
}

pub(crate) fn bans_are_the_same_in_whatever_order_they_are_merged(database: impl Database) {
    let state = |id: &str, lifted| BanState { ban: ban(id, "mallory@example.org", None), lifted };
    let mut connection = database.connect().unwrap();
    assert_eq!(connection.merge_bans(&[state("a-1", false), state("a-2", true)]).unwrap(), 2);
    // What is known is no news, and what is lifted stays so.
    assert_eq!(connection.merge_bans(&[state("a-1", false), state("a-2", false)]).unwrap(), 0);
    let changes = connection.ban_changes(0).unwrap();
    let states: Vec<_> = changes.iter().map(|(_, state)| state.clone()).collect();
    assert_eq!(states, [state("a-1", false), state("a-2", true)]);
    assert_eq!(connection.bans().unwrap(), [state("a-1", false).ban]);

    let last = changes.last().unwrap().0;
    assert_eq!(connection.ban_changes(last).unwrap(), []);
    assert_eq!(connection.merge_bans(&[state("a-1", true)]).unwrap(), 1);
    let changes = connection.ban_changes(last).unwrap();
    assert!(
        matches!(&changes[..], [(number, lifted)] if *number > last && *lifted == state("a-1", true))
    );
    let mut last = changes[0].0;
    for number in 0..100 {
        let id = format!("b-{number}");
        connection.add_ban(&ban(&id, "eve@example.org", None)).unwrap();
        connection.lift_bans(&[id]).unwrap();
        let changes = connection.ban_changes(last).unwrap();
        assert_eq!(changes.len(), 1);
        last = changes[0].0;
    }
    assert_eq!(connection.bans().unwrap(), []);
}

pub(crate) fn entries_are_counted_from_a_number_on(database: impl Database) {
    append(&database, (0..9).map(|second| entry(second, "tea", "bob")));
    let mut connection = database.connect().unwrap();
    let counted = [0, at(3).as_microsecond(), at(8).as_microsecond()];
    assert_eq!(counted.map(|seq| connection.count_after(seq).unwrap()), [9, 5, 0]);
}
