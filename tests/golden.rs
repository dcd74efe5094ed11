//! Data that earlier versions of this program wrote (`tests/golden`, made by `make.py` there) can be read by this one.

#![cfg(test)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use vestibule::component::decision_record;
use vestibule::component::decision_record::Line;
use vestibule::policy::record::{Person, Record};
use vestibule::policy::rules::RENAMED;
use vestibule::store::sqlite::Sqlite;
use vestibule::store::{Database as _, Kind, Query};
use vestibule::wire::handshake::Hello;
use vestibule::wire::request::Question;
use vestibule::wire::room::LiveRoom;
use vestibule::wire::{NS, NS_FAMILY};
use vestibule::xmpp::element::{Document, ElementRef};

/// The commit from which records, database and protocol are kept readable.
const FIRST: &str = "f080bc5";
/// The one that speaks as this one does.
const NEWEST: &str = "2026-11-30";
/// Every version, the oldest first.
fn versions() -> Vec<(String, PathBuf)> {
    let home = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let entries = fs::read_dir(home).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<_> = entries
        .filter(|path| path.is_dir())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    all.sort_by_key(|(name, _)| name != FIRST);
    assert!(all.len() > 1 && all[0].0 == FIRST, "{all:?}");
    all
}

/// The rooms of a version: name, record, people.
fn rooms(path: &Path) -> Vec<(String, String, Vec<String>)> {
    let text = fs::read_to_string(path.join("rooms.json")).unwrap();
    let rooms: Vec<Value> = serde_json::from_str(&text).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let people = |room: &Value| room["people"].as_object().unwrap().values().map(text).collect();
    rooms.iter().map(|room| (text(&room["room"]), text(&room["record"]), people(room))).collect()
}

/// The elements of the gate protocol that one side sent.
fn sent(path: &Path, side: &str) -> Vec<Document> {
    let text = fs::read_to_string(path.join(format!("from-{side}.xml"))).unwrap();
    text.lines()
        .map(|line| {
            let stanza = Document::parse(line.as_bytes(), "jabber:component:accept").unwrap();
            let mut children = stanza.root().children();
            children.find(|child| child.ns().starts_with(NS_FAMILY)).unwrap().to_document()
        })
        .collect()
}

/// A record or a person by the names of now.
fn now(text: &str) -> String {
    [
        (r#""v":1,"#, r#""v":2,"#),
        (r#""marks":"#, r#""fingerprints":"#),
        (r#""wave":"#, r#""join_flood":"#),
    ]
    .iter()
    .fold(text.to_owned(), |text, (before, now)| text.replace(before, now))
}

#[test]
fn records_of_every_version_are_understood_and_written_again_as_they_were() {
    for (version, path) in versions() {
        let rooms = rooms(&path);
        assert_eq!(rooms.len(), 6);
        for (room, text, people) in rooms {
            let record = Record::read(&text).unwrap();
            assert!(record.unread().is_empty());
            assert_eq!(record.write(), now(&text), "{version}: {room}");
            let is = |name| room == name;
            assert_eq!(record.closed.is_some(), is("closed"));
            assert_eq!(record.suspended.is_some(), is("suspended"));
            assert_eq!(record.wave.is_some(), is("raid-1"));
            assert_eq!(record.removed.len(), usize::from(is("tea")));
            for text in people {
                assert_eq!(Person::read(&text).unwrap().write(), now(&text), "{version}: {room}");
            }
        }
    }
}

#[test]
fn databases_of_every_version_are_gone_on_with() {
    for (version, path) in versions() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("vestibule.db");
        let made = rusqlite::Connection::open(&file).unwrap();
        made.execute_batch(&fs::read_to_string(path.join("audit.sql")).unwrap()).unwrap();
        let schema = |of: &rusqlite::Connection| -> i64 {
            of.query_row("pragma user_version", [], |row| row.get(0)).unwrap()
        };
        let before = schema(&made);
        let mut database = Sqlite::new(&file).connect().unwrap();
        assert!(before <= schema(&made), "{version}");
        let bans = database.bans().unwrap();
        let who: Vec<_> = bans.iter().map(|ban| ban.who.as_str()).collect();
        assert_eq!(who, ["mallory@localhost", "192.0.2.0/24"], "{version}");
        assert_eq!(
            database.ban_changes(0).unwrap().iter().filter(|(_, ban)| ban.lifted).count(),
            1
        );
        let all = Query { limit: Some(1000), ..Query::default() };
        let entries = database.search(&all).unwrap();
        for kind in [Kind::Decision, Kind::Action, Kind::Revision, Kind::Joined, Kind::Ended] {
            assert!(entries.iter().any(|entry| entry.kind == kind), "{version}: {kind:?}");
        }
        let mut named = |rule: &str| {
            let query = Query { rule: Some(rule.to_owned()), ..all.clone() };
            let found = database.search(&query).unwrap();
            found.into_iter().map(|entry| (entry.seq, entry.rule.unwrap())).collect::<Vec<_>>()
        };
        for (before, now) in RENAMED {
            let entries = named(now);
            assert!(entries.iter().all(|(_, rule)| rule == now), "{version}: {now}");
            if !now.starts_with(before) {
                assert_eq!(named(before), entries, "{version}: {before}");
            }
        }
        assert!(!named("limits.flood_strangers").is_empty(), "{version}");
        let decisions = entries.iter().filter(|entry| entry.kind == Kind::Decision);
        for entry in decisions {
            let line: Line<'_> = serde_json::from_str(&entry.body).unwrap();
            assert_eq!(line.v, decision_record::VERSION, "{version}: {}", entry.body);
        }
    }
}

#[test]
fn what_passes_on_the_link_is_read_or_refused_as_it_should() {
    for (version, path) in versions() {
        let gate = sent(&path, "gate");
        let elements = || gate.iter().map(Document::root);
        let named = |name: &'static str| elements().filter(move |it| it.name() == name);
        let is_of_now = elements().all(|it| it.ns() == NS);
        assert!(is_of_now || elements().all(|it| it.ns() != NS), "{version}");
        for hello in named("hello") {
            assert_eq!(Hello::read(hello).is_ok(), is_of_now, "{version}");
        }
        assert_eq!(is_of_now, version == NEWEST);
        if !is_of_now {
            continue;
        }
        let questions: Vec<_> = named("request").map(Question::read).collect();
        assert!(questions.len() >= 6, "{version}: {}", questions.len());
        for question in &questions {
            let who = &question.attempt.requester;
            assert!(question.attempt.room.is_some() && who.jid.is_some());
            assert!(who.session.as_ref().is_some_and(|session| *session != Default::default()));
        }
        assert!(questions.iter().any(|question| question.room.record.is_some()));
        let reports: Vec<_> = named("report").collect();
        assert!(reports.iter().any(|report| report.attr("event") == Some("joined")));
        assert!(reports.iter().all(|report| report.attr("seq").is_some()));
        let rooms: Vec<_> = named("snapshot")
            .flat_map(ElementRef::children)
            .filter(|child| child.name() == "room")
            .map(|room| LiveRoom::read(room).unwrap())
            .collect();
        assert!(rooms.len() >= 4, "{version}");
        assert!(rooms.iter().all(|room| room.view.record.is_some() && !room.occupants.is_empty()));
        let component = sent(&path, "component");
        for name in ["hello", "answer", "do", "room-query", "snapshot"] {
            assert!(component.iter().any(|it| it.root().name() == name), "{version}: {name}");
        }
    }
}
