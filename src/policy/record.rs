//! Records: what travels with a room, of its life, of each person in it, and of who was removed.
//!
//! The gate keeps them as opaque text and sends them with every request, so that the component
//! needs no memory to answer correctly. The format is versioned: a text of a newer version is no record, and one of an
//! older version is read by its former names and written with the present ones.
//!
//! A field that this program does not know comes from a newer program, which runs along with this one or ran before it:
//! it is written again as it was read. A known field with a value that this program does not know is read as the
//! strictest of its possible meanings, and is written again as it was read unless this program gives it another value.
//! The version grows only for what an older program must not read.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};
use smol_str::SmolStr;

use super::affiliation::Affiliation;
use super::fields::{Object, Unknown, Unread, is_unset, read, write};
use super::fingerprint::Mark;

/// The version written. Version 1 is read too: only names differ in it.
const VERSION: u8 = 2;
/// Number of a password that nobody has proved to know, read where the true number is not understood.
const ANOTHER_PASSWORD: u32 = 1 << 31;

names! {
    /// Where a room's password comes from.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    pub enum Source {
        /// Made by the component when the room opens.
        Generated = "generated",
        /// Typed by the person who opens the room.
        Creator = "creator",
        /// Computed from a secret, the room's name and the time.
        Derived = "derived",
        /// Written in the file.
        Preset = "preset",
    }
}

/// Why a room is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// A person who may do so closed it.
    Command,
    /// It was as full as `close.at_occupants` says.
    Count,
    /// It had been open for as long as `close.after` says.
    Time,
    /// No moderator had been inside for as long as `close.when_unmoderated` says.
    Unmoderated,
    /// The hours ended, and `hours.at_end` says so.
    Hours,
}

impl Closed {
    /// Returns the name in the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Count => "count",
            Self::Time => "time",
            Self::Unmoderated => "unmoderated",
            Self::Hours => "hours",
        }
    }
}

/// The record of one life of a room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    #[serde(deserialize_with = "version")]
    pub(super) v: u8,
    /// When the policy was applied to the room.
    pub opened: Timestamp,
    /// Bare JID of the person who opened it; empty: not known.
    pub opener: SmolStr,
    /// Where its password came from; `None`: it was opened without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Source>,
    /// How often the password was changed since. People who came in by an earlier one are asked again
    /// ([`AskAgain`](super::password::AskAgain)).
    #[serde(default, skip_serializing_if = "is_unset")]
    pub password_changes: u32,
    /// Where its host code came from; `None`: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Source>,
    /// Why nobody else may enter; `None`: the room is not closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// When it was last opened for entry again; time-outs count from the later of this and `opened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Timestamp>,
    /// Until when the place of the opener is kept for them, where a focus opened the room; later anyone who may open
    /// rooms takes it. `None`: the opener has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Timestamp>,
    /// Claims of the opener by which the rules for the room are chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// People who were removed and stay out, the oldest removal first.
    #[serde(default, with = "list", skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// The join flood during which strangers have to knock, if there is one.
    #[serde(
        default,
        rename = "join_flood",
        alias = "wave",
        skip_serializing_if = "Option::is_none"
    )]
    pub wave: Option<JoinFlood>,
    /// The suspension of the meeting by an operator, if it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
    /// Times at which the room ends or closes, and of which it was warned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<Timestamp>,
    /// Whether the room was there before the policy: then it keeps what it has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
    /// Fields of a newer program, which are written as they were read.
    #[serde(flatten)]
    pub(super) unknown: Unknown,
    /// Values of a newer program, which are written as they were read.
    #[serde(skip)]
    pub(super) unread: Unread,
}

impl Record {
    /// Returns the record of a room that `opener` opens at `opened`.
    pub fn new(opened: Timestamp, opener: impl Into<SmolStr>, password: Option<Source>) -> Self {
        Self {
            v: VERSION,
            opened,
            opener: opener.into(),
            password,
            password_changes: 0,
            code: None,
            closed: None,
            reopened: None,
            awaited: None,
            claims: Vec::new(),
            removed: Vec::new(),
            wave: None,
            suspended: None,
            warned: Vec::new(),
            found: false,
            unknown: Unknown::new(),
            unread: Unread::new(),
        }
    }

    /// Reads a record; `None`: another version, or not written by this program.
    pub fn read(text: &str) -> Option<Self> {
        let record = serde_json::from_str(text).ok().or_else(|| {
            let (record, unread) = read(text, &["v", "opened", "opener"], stricter)?;
            Some(Self { unread, ..record })
        });
        record.filter(|record: &Self| record.v == VERSION)
    }

    /// Writes the record as JSON.
    pub fn write(&self) -> String {
        write(self, &self.unread)
    }

    /// Returns the names of the fields that are read as the strictest of their possible meanings.
    pub fn unread(&self) -> BTreeSet<&str> {
        let mut names: BTreeSet<_> = self.unread.names().collect();
        names.extend(self.removed.iter().any(|one| one.unread.is_some()).then_some("removed"));
        names
    }

    /// Returns the record with another password, from `source`.
    #[must_use]
    pub fn with_password(self, source: Source) -> Self {
        let password_changes = self.password_changes.saturating_add(1);
        Self { password: Some(source), password_changes, ..self }
    }

    /// Returns when the room was opened or, if later, reopened.
    pub fn open_since(&self) -> Timestamp {
        self.reopened.map_or(self.opened, |reopened| reopened.max(self.opened))
    }
}

/// Returns the value to read for a field whose value is not understood; `None`: as if it were absent.
fn stricter(field: &str, record: &Object) -> Option<Value> {
    let since = || json!({ "since": record.get("opened") });
    match field {
        // As if a person inside had chosen it: nothing sets it back.
        "password" => Some(json!(Source::Creator)),
        "password_changes" => Some(json!(ANOTHER_PASSWORD)),
        "closed" => Some(json!(Closed::Command)),
        "join_flood" | "suspended" => Some(since()),
        // As a removal of one person, who could be anybody.
        "removed" => Some(json!([record.get("removed")])),
        // The room keeps what it has.
        "found" => Some(json!(true)),
        // The host code makes nobody a moderator, times count from the opening, nobody takes the opener's place, and warnings are repeated.
        _ => None,
    }
}

/// Reads a version; version 1, in which only names differ, counts as the present one.
fn version<'de, D: Deserializer<'de>>(from: D) -> Result<u8, D::Error> {
    u8::deserialize(from).map(|v| if v == 1 { VERSION } else { v })
}

/// How a person came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// Opened the room.
    Opened,
    /// Knew the password.
    Password,
    /// Was let in from the lobby, invited, or made a member by a moderator.
    Admitted,
    /// Knew the password, and was let in.
    Both,
    /// Knew the password, and still waits to be let in.
    Proved,
}

/// What a room remembers of one bare JID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    #[serde(deserialize_with = "version")]
    pub(super) v: u8,
    /// How they came in; `None`: they were removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// Whether the policy, or a person who may, made them a moderator.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub moderator: bool,
    /// Whether they moderate by the file rather than by a person's hand, as of the last join.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub by_file: bool,
    /// The affiliation that a removal or ban has taken, to be given back when that ends.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub suspended: Option<Affiliation>,
    /// Number of the room's password that this person has proved to know ([`Record::password_changes`] at that time).
    #[serde(default, skip_serializing_if = "is_unset")]
    pub password: u32,
    /// Whether they once became a moderator by the room's host code.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub code: bool,
    /// Fields of a newer program, which are written as they were read.
    #[serde(flatten)]
    unknown: Unknown,
    /// Values of a newer program, which are written as they were read.
    #[serde(skip)]
    pub(super) unread: Unread,
}

impl Person {
    const fn new(entry: Option<Entry>) -> Self {
        Self {
            v: VERSION,
            entry,
            moderator: false,
            by_file: false,
            suspended: None,
            password: 0,
            code: false,
            unknown: Unknown::new(),
            unread: Unread::new(),
        }
    }

    /// Returns a person who came in that way.
    pub const fn entered(entry: Entry) -> Self {
        Self::new(Some(entry))
    }

    /// Returns a person who was inside and was removed: password and admission of before no longer count.
    pub const fn removed() -> Self {
        Self::new(None)
    }

    /// Returns the person with those fields of `before` that this program does not know.
    #[must_use]
    pub fn known_as(self, before: Option<&Self>) -> Self {
        let unknown = before.map(|before| before.unknown.clone()).unwrap_or_default();
        Self { unknown, ..self }
    }

    /// Returns a person who is removed now. It keeps what is taken from them: the affiliation that they have, and what an
    /// earlier removal took. Whether they moderate by the file is not lost.
    pub fn suspended(before: Option<&Self>, affiliation: Affiliation) -> Self {
        let earlier = before.and_then(|before| before.suspended);
        let suspended = earlier.max((affiliation >= Affiliation::Member).then_some(affiliation));
        let by_file = before.is_some_and(|before| before.by_file);
        let unread = before.map(|before| before.unread.clone().only("suspended"));
        let unread = unread.unwrap_or_default();
        Self { suspended, by_file, unread, ..Self::removed().known_as(before) }
    }

    /// Returns the person after a person inside has let them in.
    pub fn admitted(before: Option<&Self>) -> Self {
        let Some(before) = before else { return Self::entered(Entry::Admitted) };
        let entry = match before.entry {
            Some(Entry::Password | Entry::Proved) => Entry::Both,
            Some(entry) => entry,
            None => Entry::Admitted,
        };
        Self { entry: Some(entry), ..before.clone() }
    }

    /// Returns the person, as a moderator or not.
    #[must_use]
    pub fn as_moderator(mut self, moderator: bool) -> Self {
        self.unread.forget("moderator");
        Self { moderator, ..self }
    }

    /// Returns the person, as a moderator by the file or not.
    #[must_use]
    pub fn as_by_file(mut self, by_file: bool) -> Self {
        self.unread.forget("by_file");
        Self { by_file, ..self }
    }

    /// Returns the person, who has proved to know the room's password of that number.
    #[must_use]
    pub fn with_password(mut self, password: u32) -> Self {
        self.unread.forget("password");
        Self { password, ..self }
    }

    /// Returns the person, who once became a moderator by the room's host code or not.
    #[must_use]
    pub fn with_code(mut self, code: bool) -> Self {
        self.unread.forget("code");
        Self { code, ..self }
    }

    /// Returns the person with what a removal had taken given back.
    #[must_use]
    pub fn given_back(self) -> Self {
        let moderator = self.moderator || self.suspended >= Some(Affiliation::Admin);
        Self { moderator, ..self.restored() }
    }

    /// Returns the person with nothing left to be given back.
    #[must_use]
    pub fn restored(mut self) -> Self {
        self.unread.forget("suspended");
        Self { suspended: None, ..self }
    }

    /// Reads what a room remembers of a person; `None`: another version, or not written by this program.
    pub fn read(text: &str) -> Option<Self> {
        let person = serde_json::from_str(text).ok().or_else(|| {
            // They count as removed, moderate nothing, have nothing to be given back, and know no password.
            let stricter = |field: &str, _: &Object| {
                (field == "password").then(|| json!(ANOTHER_PASSWORD.saturating_add(1)))
            };
            let (person, unread) = read(text, &["v"], stricter)?;
            Some(Self { unread, ..person })
        });
        person.filter(|person: &Self| person.v == VERSION)
    }

    /// Writes the record of the person as JSON.
    pub fn write(&self) -> String {
        write(self, &self.unread)
    }

    /// Returns whether a person let them in, or they opened the room.
    pub const fn is_admitted(&self) -> bool {
        matches!(self.entry, Some(Entry::Opened | Entry::Admitted | Entry::Both))
    }

    /// Returns whether they have been inside and were not removed since.
    pub const fn has_been_inside(&self) -> bool {
        matches!(self.entry, Some(Entry::Opened | Entry::Password | Entry::Admitted | Entry::Both))
    }

    /// Returns whether they were removed, and nobody has let them in since.
    pub const fn is_removed(&self) -> bool {
        self.entry.is_none()
    }

    /// Returns whether they knew the password.
    pub const fn knew_password(&self) -> bool {
        matches!(self.entry, Some(Entry::Opened | Entry::Password | Entry::Both | Entry::Proved))
    }
}

/// A join flood, as a room's record has it: strangers have to knock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinFlood {
    /// When it began.
    pub since: Timestamp,
    /// Whether the service's own lobby was put up for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lobby: bool,
}

/// A suspension, as a room's record has it. Whether the room was closed as well is another field of the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspended {
    /// When the meeting was suspended.
    pub since: Timestamp,
    /// Whether the room was made members-only for it, with the service's own lobby where there is one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub raised: bool,
}

/// A claim of a token: its name and its value.
pub type Claim = (String, String);

/// How strongly a person's identity was proved. Entries that anybody can make at will do not push out others.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// Not at all: a person without an account has a new identity in each session.
    Guest,
    /// By another server, which vouches for all its users.
    Server,
    /// By an account or a token. Also of a person who was away, of whom only the address is known.
    #[default]
    Account,
}

/// A person who was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// When they may come back, in whole seconds.
    #[serde(with = "jiff::fmt::serde::timestamp::second::required")]
    pub until: Timestamp,
    /// Fingerprints that they are recognised by.
    #[serde(rename = "fingerprints", alias = "marks")]
    pub marks: Vec<Mark>,
    /// How strongly their identity was proved.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub proof: Proof,
    /// Whether they may come back once a person inside lets them in.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub knocks: bool,
    /// Whether a ban removed them: whether they themselves may come in is the ban's to say.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub banned: bool,
    /// Fields of a newer program, which are written as they were read.
    #[serde(flatten)]
    pub unknown: Unknown,
    /// What a newer program wrote, where this one does not understand it: it could be anybody.
    #[serde(skip)]
    pub unread: Option<Value>,
}

/// The list of removals in a room's record. An entry that is not understood does not keep the others from being read.
pub(in crate::policy) mod list {
    use super::{Proof, Removed, Timestamp, Unknown, Value};
    use serde::{Deserialize as _, Deserializer, Serialize, Serializer};

    #[derive(Serialize)]
    #[serde(untagged)]
    enum One<'a> {
        Read(&'a Removed),
        Unread(&'a Value),
    }

    pub(crate) fn serialize<S: Serializer>(all: &[Removed], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(
            all.iter().map(|one| one.unread.as_ref().map_or(One::Read(one), One::Unread)),
        )
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<Removed>, D::Error> {
        let all = Vec::<Value>::deserialize(from)?;
        Ok(all
            .into_iter()
            .map(|one| Removed::deserialize(&one).unwrap_or_else(|_| unread(one)))
            .collect())
    }

    fn unread(one: Value) -> Removed {
        let until = one.get("until").and_then(Value::as_i64);
        let until = until.and_then(|until| Timestamp::from_second(until).ok());
        Removed {
            until: until.unwrap_or(Timestamp::MAX),
            marks: Vec::new(),
            proof: Proof::Account,
            knocks: false,
            banned: false,
            unknown: Unknown::new(),
            unread: Some(one),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_back() {
        let mut record =
            Record::new(Timestamp::UNIX_EPOCH, "ann@example.org".to_owned(), Some(Source::Derived));
        record.closed = Some(Closed::Count);
        assert_eq!(Record::read(&record.write()), Some(record));
    }

    #[test]
    fn a_record_with_the_names_of_before_is_read_and_written_with_those_of_now() {
        let before = r#"{"v":1,"opened":"1970-01-01T00:00:00Z","opener":"a@b","removed":[{"until":7,"marks":["0123456789abcdef"]}],"wave":{"since":"1970-01-01T00:00:00Z"}}"#;
        let now = r#"{"v":2,"opened":"1970-01-01T00:00:00Z","opener":"a@b","removed":[{"until":7,"fingerprints":["0123456789abcdef"]}],"join_flood":{"since":"1970-01-01T00:00:00Z"}}"#;
        let record = Record::read(before).unwrap();
        assert!(record.wave.is_some() && record.removed[0].marks.len() == 1);
        assert!(record.unread().is_empty());
        assert_eq!(record.write(), now);
        assert_eq!(Record::read(now), Some(record));
        let odd = r#"{"v":1,"opened":"1970-01-01T00:00:00Z","opener":"a@b","wave":7}"#;
        let odd = Record::read(odd).unwrap();
        assert!(odd.wave.is_some(), "what is not understood is the stricter");
        assert_eq!(Record::read(&odd.write()), Some(odd));
        let person = Person::read(r#"{"v":1,"entry":"admitted"}"#).unwrap();
        assert_eq!(person.write(), r#"{"v":2,"entry":"admitted"}"#);
    }

    #[test]
    fn fields_of_a_newer_program_are_no_error_and_are_kept() {
        let newer = r#"{"v":2,"opened":"1970-01-01T00:00:00Z","opener":"a@b","closed":"command",
            "votes":{"lock":3},"join_flood":{"since":"1970-01-01T00:00:00Z","by":"c@d"},
            "suspended":{"since":"1970-01-01T00:00:00Z","by":"c@d"},
            "removed":[{"until":7,"fingerprints":[],"by":"c@d"}]}"#;
        let record = Record::read(newer).unwrap();
        assert_eq!(record.closed, Some(Closed::Command));
        assert!(record.wave.is_some() && record.suspended.is_some());
        let written: Value =
            serde_json::from_str(&Record { closed: None, ..record }.write()).unwrap();
        assert_eq!(written.pointer("/votes/lock"), Some(&Value::from(3)));
        assert_eq!(written.pointer("/removed/0/by"), Some(&Value::from("c@d")));
        assert_eq!(written.get("closed"), None);
        let person =
            Person::read(r#"{"v":2,"entry":"admitted","moderator":true,"seat":4}"#).unwrap();
        assert!(person.is_admitted() && person.moderator);
        let removed = Person::suspended(Some(&person), Affiliation::Owner);
        for person in
            [person.as_moderator(false), removed.clone(), Person::admitted(Some(&removed))]
        {
            assert!(person.write().contains(r#""seat":4"#), "{}", person.write());
        }
    }

    /// Each known field of a record with a value that means nothing to this program, and what it is read as.
    #[test]
    fn a_value_that_is_not_understood_is_the_stricter_and_is_kept() {
        let odd = json!({ "of": ["a newer", 7] });
        let base = json!({ "v": 2, "opened": "1970-01-01T00:00:00Z", "opener": "a@b" });
        let full = json!({
            "v": 2, "opened": "1970-01-01T00:00:00Z", "opener": "a@b", "password": "creator",
            "password_changes": 1, "code": "derived", "closed": "command", "reopened": "1970-01-01T00:00:01Z",
            "awaited": "1970-01-01T00:00:01Z", "claims": [["a", "b"]],
            "removed": [{"until": 7, "fingerprints": ["0123456789abcdef"]}],
            "join_flood": {"since": "1970-01-01T00:00:01Z"}, "suspended": {"since": "1970-01-01T00:00:01Z"},
            "warned": ["1970-01-01T00:00:01Z"], "found": true,
        });
        let known = serde_json::to_value(Record::read(&full.to_string()).unwrap()).unwrap();
        assert_eq!(known, full, "every field is here");
        let optional = |name: &&String| base.get(name.as_str()).is_none();
        for name in full.as_object().unwrap().keys().filter(optional) {
            let mut text = base.clone();
            text[name] = odd.clone();
            // Another field, which is understood, is not lost.
            text["warned"] = if name == "warned" { odd.clone() } else { full["warned"].clone() };
            let record = Record::read(&text.to_string()).unwrap();
            assert_eq!(record.unread(), BTreeSet::from([name.as_str()]));
            assert_eq!(record.warned.is_empty(), name == "warned");
            let stricter = match name.as_str() {
                "password" => record.password == Some(Source::Creator),
                "password_changes" => record.password_changes == ANOTHER_PASSWORD,
                "closed" => record.closed == Some(Closed::Command),
                "join_flood" => record.wave.is_some(),
                "suspended" => record.suspended.is_some(),
                "found" => record.found,
                "removed" => record.removed.len() == 1,
                _ => {
                    record.reopened.is_none()
                        && record.awaited.is_none()
                        && record.claims.is_empty()
                        && record.code.is_none()
                }
            };
            assert!(stricter, "{name}: {record:?}");
            let written: Value = serde_json::from_str(&record.write()).unwrap();
            assert_eq!(written[name], odd);
            let changed = Record { opener: "c@d".into(), ..record };
            let read = Record::read(&changed.write()).unwrap();
            assert_eq!(
                read.unread(),
                BTreeSet::from([name.as_str()]),
                "also when something else is changed"
            );
        }
    }

    #[test]
    fn what_this_program_decides_takes_the_place_of_what_it_does_not_understand() {
        let text = r#"{"v":2,"opened":"1970-01-01T00:00:00Z","opener":"a@b","closed":"vote",
            "suspended":{"until":9},"join_flood":7}"#;
        let record = Record::read(text).unwrap();
        assert_eq!(record.unread(), BTreeSet::from(["closed", "suspended", "join_flood"]));
        let opened = Record { closed: None, suspended: None, ..record };
        let read = Record::read(&opened.write()).unwrap();
        assert_eq!(
            (read.closed, read.suspended, read.unread()),
            (None, None, BTreeSet::from(["join_flood"]))
        );
    }

    #[test]
    fn a_removal_that_is_not_understood_stays_beside_those_that_are() {
        let text = r#"{"v":2,"opened":"1970-01-01T00:00:00Z","opener":"a@b","removed":
            [{"until":9,"fingerprints":["0123456789abcdef"]},{"until":8,"fingerprints":[{"face":"x"}]},"vote"]}"#;
        let record = Record::read(text).unwrap();
        let until: Vec<_> = record.removed.iter().map(|one| one.until.as_second()).collect();
        assert_eq!(until, [9, 8, Timestamp::MAX.as_second()]);
        assert_eq!(record.unread(), BTreeSet::from(["removed"]));
        let written: Value = serde_json::from_str(&record.write()).unwrap();
        assert_eq!(written.pointer("/removed/1/fingerprints/0/face"), Some(&json!("x")));
        assert_eq!(written.pointer("/removed/2"), Some(&json!("vote")));
    }

    #[test]
    fn of_a_person_too_what_is_not_understood_is_the_stricter_and_is_kept() {
        let text = r#"{"v":2,"entry":"voucher","moderator":"co-host","by_file":"group",
            "suspended":"steward","password":"yes"}"#;
        let person = Person::read(text).unwrap();
        assert!(person.is_removed() && !person.moderator && !person.by_file);
        assert_eq!(person.suspended, None);
        assert!(person.password > ANOTHER_PASSWORD);
        let text: Value = serde_json::from_str(text).unwrap();
        let written = |person: &Person| serde_json::from_str::<Value>(&person.write()).unwrap();
        assert_eq!(written(&person), text);
        let removed = written(&Person::suspended(Some(&person), Affiliation::None));
        assert_eq!(removed, json!({ "v": 2, "suspended": "steward" }));
        let admitted = written(&Person::admitted(Some(&person)).as_moderator(false).restored());
        assert_eq!(
            admitted,
            json!({ "v": 2, "entry": "admitted", "by_file": "group", "password": "yes" })
        );
    }

    #[test]
    fn another_version_is_no_record() {
        assert_eq!(Record::read(r#"{"v":3,"opened":"1970-01-01T00:00:00Z","opener":"a@b"}"#), None);
        assert_eq!(Person::read(r#"{"v":3}"#), None);
        assert_eq!(Record::read("not a record"), None);
    }

    #[test]
    fn a_person_reads_back() {
        for entry in [Entry::Opened, Entry::Password, Entry::Admitted, Entry::Both] {
            let person = Person::entered(entry).as_moderator(true);
            assert_eq!(Person::read(&person.write()).as_ref(), Some(&person));
        }
    }
}
