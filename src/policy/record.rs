//! What travels with a room: the record of its life, and of each person in it.
//!
//! The gate keeps both as opaque text and brings them along with every question, so that the component
//! needs no memory to answer right. The format is versioned; a text of another version is no record.
//!
//! A field that this program does not know is no other version: it is of a newer program that runs along with this one, or
//! ran before it. Those of a record are written again as they were read; those of a person are left out. The version
//! grows only for what an older program must not read.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::facts::is_unset;
use super::removal::Removed;
use super::requester::Affiliation;
use super::selector::Claim;
use super::suspended::Suspended;
use super::wave::Wave;

/// Fields that this program does not know, by name.
pub type Unknown = BTreeMap<String, Value>;

/// The version written, and the only one read.
const VERSION: u8 = 1;

/// Where a room's password comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Made by the component when the room opens.
    Generated,
    /// Typed by whoever opens the room.
    Creator,
    /// Computed from a secret, the room's name and the time.
    Derived,
    /// Written in the file.
    Preset,
}

impl Source {
    /// Every source.
    pub const ALL: [Self; 4] = [Self::Generated, Self::Creator, Self::Derived, Self::Preset];

    /// The name in the file and the log.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Creator => "creator",
            Self::Derived => "derived",
            Self::Preset => "preset",
        }
    }
}

/// Why a room is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// Somebody who may do so closed it.
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
    /// The name in the log.
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
    pub(super) v: u8,
    /// When the policy was applied to the room.
    pub opened: Timestamp,
    /// The bare JID that opened it.
    pub opener: String,
    /// Where its password came from; `None`: it was opened without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<Source>,
    /// How often the password was changed since. Who came in by an earlier one is asked again
    /// ([`AskAgain`](super::password::AskAgain)).
    #[serde(default, skip_serializing_if = "is_unset")]
    pub password_changes: u32,
    /// Nobody else may enter, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed: Option<Closed>,
    /// When it was last opened for entry again; time-outs count from the later of this and `opened`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reopened: Option<Timestamp>,
    /// A focus opened it, and its place as opener is kept so long; later whoever may open rooms takes it.
    /// `None`: the opener has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Timestamp>,
    /// Those claims of the opener by which the rules for the room are chosen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Claim>,
    /// Who was removed and stays out, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// Strangers have to knock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wave: Option<Wave>,
    /// An operator has suspended the meeting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
    /// Of these moments, at which the room ends or closes, it has been told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<Timestamp>,
    /// The room was there before the policy: what it is, is kept.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub found: bool,
    /// Fields of a newer program.
    #[serde(flatten)]
    pub(super) unknown: Unknown,
}

impl Record {
    /// The record of a room that `opener` opens at `now`.
    pub const fn new(opened: Timestamp, opener: String, password: Option<Source>) -> Self {
        Self {
            v: VERSION,
            opened,
            opener,
            password,
            password_changes: 0,
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
        }
    }

    /// Reads a record. `None`: another version, or nothing that we wrote.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|record: &Self| record.v == VERSION)
    }

    /// Writes it.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The same room with another password, from `source`.
    #[must_use]
    pub fn with_password(self, source: Source) -> Self {
        let password_changes = self.password_changes.saturating_add(1);
        Self { password: Some(source), password_changes, ..self }
    }

    /// When it was opened or, later, opened again.
    pub fn open_since(&self) -> Timestamp {
        self.reopened.map_or(self.opened, |reopened| reopened.max(self.opened))
    }
}

/// How somebody came in.
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

/// What a room remembers of one bare address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    pub(super) v: u8,
    /// How he came in; `None`: he was removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entry: Option<Entry>,
    /// Made a moderator by the policy or by somebody who may.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub moderator: bool,
    /// Moderates by the file rather than by somebody's hand, as of the last join.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub by_file: bool,
    /// The affiliation that a removal or ban has taken, to be given back when that ends.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub suspended: Option<Affiliation>,
    /// Which of the room's passwords this person has proved to know ([`Record::password_changes`] at that time).
    #[serde(default, skip_serializing_if = "is_unset")]
    pub password: u32,
}

impl Person {
    /// Somebody who came in that way.
    pub const fn entered(entry: Entry) -> Self {
        Self {
            v: VERSION,
            entry: Some(entry),
            moderator: false,
            by_file: false,
            suspended: None,
            password: 0,
        }
    }

    /// Somebody who was inside and was removed: what he has of the room no longer opens it.
    pub const fn removed() -> Self {
        Self {
            v: VERSION,
            entry: None,
            moderator: false,
            by_file: false,
            suspended: None,
            password: 0,
        }
    }

    /// Somebody who is removed now: keeps what is taken from them, the affiliation they have and what an earlier
    /// removal took. A rank by the file is not lost.
    pub fn suspended(before: Option<Self>, affiliation: Affiliation) -> Self {
        let earlier = before.and_then(|before| before.suspended);
        let suspended = earlier.max((affiliation >= Affiliation::Member).then_some(affiliation));
        let by_file = before.is_some_and(|before| before.by_file);
        Self { suspended, by_file, ..Self::removed() }
    }

    /// The same person, now that somebody inside has opened the door.
    pub const fn admitted(before: Option<Self>) -> Self {
        let Some(before) = before else { return Self::entered(Entry::Admitted) };
        let entry = match before.entry {
            Some(Entry::Password | Entry::Proved) => Entry::Both,
            Some(entry) => entry,
            None => Entry::Admitted,
        };
        Self { entry: Some(entry), ..before }
    }

    /// The same person, as moderator or not.
    #[must_use]
    pub const fn as_moderator(self, moderator: bool) -> Self {
        Self { moderator, ..self }
    }

    /// The same person, as moderator by the file or not.
    #[must_use]
    pub const fn as_by_file(self, by_file: bool) -> Self {
        Self { by_file, ..self }
    }

    /// The same person, who has proved to know that one of the room's passwords.
    #[must_use]
    pub const fn with_password(self, password: u32) -> Self {
        Self { password, ..self }
    }

    /// The same person, who is given back what a removal had taken.
    #[must_use]
    pub fn given_back(self) -> Self {
        let moderator = self.moderator || self.suspended >= Some(Affiliation::Admin);
        Self { moderator, ..self.restored() }
    }

    /// The same person, with nothing left to be given back.
    #[must_use]
    pub const fn restored(self) -> Self {
        Self { suspended: None, ..self }
    }

    /// Reads an entry. `None`: another version, or nothing that we wrote.
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok().filter(|person: &Self| person.v == VERSION)
    }

    /// Writes it.
    pub fn write(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// He was let in by somebody.
    pub const fn is_admitted(&self) -> bool {
        matches!(self.entry, Some(Entry::Opened | Entry::Admitted | Entry::Both))
    }

    /// He was inside.
    pub const fn has_been_inside(&self) -> bool {
        matches!(self.entry, Some(Entry::Opened | Entry::Password | Entry::Admitted | Entry::Both))
    }

    /// He was removed, and nobody has let him in since.
    pub const fn is_removed(&self) -> bool {
        self.entry.is_none()
    }

    /// He knew the password.
    pub const fn knew_password(&self) -> bool {
        matches!(self.entry, Some(Entry::Opened | Entry::Password | Entry::Both | Entry::Proved))
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
    fn fields_of_a_newer_program_are_no_error_and_are_kept() {
        let newer = r#"{"v":1,"opened":"1970-01-01T00:00:00Z","opener":"a@b","closed":"command",
            "votes":{"lock":3},"wave":{"since":"1970-01-01T00:00:00Z","by":"c@d"},
            "suspended":{"since":"1970-01-01T00:00:00Z","by":"c@d"},
            "removed":[{"until":7,"marks":[],"by":"c@d"}]}"#;
        let record = Record::read(newer).unwrap();
        assert_eq!(record.closed, Some(Closed::Command));
        assert!(record.wave.is_some() && record.suspended.is_some());
        let written: Value =
            serde_json::from_str(&Record { closed: None, ..record }.write()).unwrap();
        assert_eq!(written.pointer("/votes/lock"), Some(&Value::from(3)));
        assert_eq!(written.pointer("/removed/0/by"), Some(&Value::from("c@d")));
        assert_eq!(written.get("closed"), None);
        let person =
            Person::read(r#"{"v":1,"entry":"admitted","moderator":true,"seat":4}"#).unwrap();
        assert!(person.is_admitted() && person.moderator);
    }

    #[test]
    fn another_version_is_no_record() {
        assert_eq!(Record::read(r#"{"v":2,"opened":"1970-01-01T00:00:00Z","opener":"a@b"}"#), None);
        assert_eq!(Person::read(r#"{"v":2}"#), None);
        assert_eq!(Record::read("not a record"), None);
    }

    #[test]
    fn a_person_reads_back() {
        for entry in [Entry::Opened, Entry::Password, Entry::Admitted, Entry::Both] {
            let person = Person::entered(entry).as_moderator(true);
            assert_eq!(Person::read(&person.write()), Some(person));
        }
    }
}
