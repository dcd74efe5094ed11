//! An entry of the audit.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::policy::requester::called;

names! {
    /// Kind of an audit entry.
    #[derive(
        Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema,
    )]
    #[serde(rename_all = "kebab-case")]
    pub enum Kind {
        /// The verdict on an attempt.
        #[default]
        Decision = "decision",
        /// A command of an operator, done or failed.
        Action = "action",
        /// A policy was put in force.
        Revision = "revision",
        /// A person entered.
        Joined = "joined",
        /// A person left.
        Left = "left",
        /// A person began to wait in the lobby.
        Waiting = "waiting",
        /// A person stopped waiting.
        Gone = "gone",
        /// A room was opened.
        Opened = "opened",
        /// A room has ended.
        Ended = "ended",
        /// A gate acted without an answer, or could not carry one out.
        Gate = "gate",
        /// A timer of the policy acted.
        Timer = "timer",
        /// A room was found to differ from the policy.
        Drift = "drift",
        /// The doctor recorded its findings.
        Doctor = "doctor",
    }
}

impl Kind {
    /// Names of all kinds, in the order of [`Self::ALL`].
    pub const NAMES: [&str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let (mut all, mut free): (&[Self], &mut [&str]) = (&Self::ALL, &mut names);
        while let ([kind, rest @ ..], [name, more @ ..]) = (all, free) {
            *name = kind.name();
            (all, free) = (rest, more);
        }
        names
    };

    /// Returns the kind of that name, or `None`.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// Name of a rule, a verdict, a command and the like, usually a constant.
pub(crate) type Word = Cow<'static, str>;

/// The operator who gave a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct By {
    /// Interface of the request: `command-line`, `http` or `ad-hoc`; `policy` where the policy acted by itself.
    #[serde(rename = "interface", alias = "face")]
    pub face: Word,
    /// Name of the token, bare JID, or account of the system; the part of the policy that acted by itself.
    pub name: String,
    /// Role of the operator; `operator` where the policy acted by itself.
    pub role: Word,
}

/// An entry of the audit. Its JSON form is that of the API, the stream, the command line and the bundles
/// (`docs/audit.md`); what is absent is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    /// Number of the entry: the microsecond (since 1970) in which it was made, or the next that was free. It only
    /// grows, over restarts and where the clock is set back; each server has its own numbers.
    pub seq: i64,
    /// When it happened, to the microsecond.
    #[schemars(with = "crate::schema::Moment")]
    pub at: Timestamp,
    /// Domain of the component that wrote the entry.
    pub server: String,
    /// Kind of the entry.
    pub kind: Kind,
    /// Id of the decision or the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Bare JID of the room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Bare JID of the person concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// Nick of the person concerned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// Display name of the person concerned (XEP-0172), as Jitsi's clients have one. The database keeps it in the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a decision: the kind of attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_kind: Option<Word>,
    /// Of a decision: the class of the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Word>,
    /// Of a decision: the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Word>,
    /// Name of the rule that it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Word>,
    /// Line of that rule in the policy file; 0 for a built-in default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Of a decision: the code of the denial, unless the attempt was allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Word>,
    /// Whether it was only observed, not carried out.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// Revision of the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Of an action: the name of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Word>,
    /// Of an action: the operator who gave the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Of an action: the outcome, `done` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Word>,
    /// Of an action: why it failed. Of other entries: the given reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The line of the decision log, or the details of the event, as a JSON object.
    #[serde(serialize_with = "as_json", deserialize_with = "as_text")]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub body: String,
}

impl Entry {
    /// Adds the texts of a database row, each read by its column number: every kind of database has the same order.
    pub(super) fn with_texts<E>(
        self,
        text: impl Fn(usize) -> Result<Option<String>, E>,
    ) -> Result<Self, E> {
        let word = |at: usize| text(at).map(|text| text.map(Word::from));
        let by = match (word(17)?, text(18)?, word(19)?) {
            (Some(face), Some(name), Some(role)) => Some(By { face, name, role }),
            _ => None,
        };
        Ok(Self {
            id: text(4)?,
            room: text(5)?,
            person: text(6)?,
            nick: text(7)?,
            name: self.name_of_body(),
            attempt_kind: word(8)?,
            class: word(9)?,
            verdict: word(10)?,
            rule: word(11)?,
            denial: word(13)?,
            revision: text(15)?,
            command: word(16)?,
            by,
            outcome: word(20)?,
            reason: text(21)?,
            ..self
        })
    }

    fn name_of_body(&self) -> Option<String> {
        let at = if self.kind == Kind::Decision { "/facts/who/name" } else { "/name" };
        // Most bodies have none, and need not be parsed.
        if !self.body.contains(r#""name":"#) {
            return None;
        }
        let body: Value = serde_json::from_str(&self.body).ok()?;
        body.pointer(at)?.as_str().map(str::to_owned)
    }

    /// Returns what others call the person concerned: display name and nick, for people to read.
    pub fn called(&self) -> Vec<String> {
        called(self.name.as_deref().unwrap_or_default(), self.nick.as_deref().unwrap_or_default())
    }

    /// Creates an entry of that kind with nothing in it yet. The audit sets its number and its server.
    pub fn new(kind: Kind, at: Timestamp) -> Self {
        Self { kind, at, body: "{}".to_owned(), ..Self::default() }
    }

    /// Returns the approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.id, &self.room, &self.person, &self.nick, &self.name, &self.reason];
        let texts = texts.into_iter().chain([&self.revision]).flatten().map(String::len);
        texts.fold(size_of::<Self>().saturating_add(self.body.len()), usize::saturating_add)
    }
}

fn as_json<S: Serializer>(body: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<Value>(body) {
        Ok(value) => value.serialize(serializer),
        Err(_) => body.serialize(serializer),
    }
}

fn as_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Value::deserialize(deserializer).map(|value| value.to_string())
}

/// A ban, and whether it was lifted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanState {
    /// The ban itself.
    pub ban: Ban,
    /// Whether it was lifted. That is final: banning again makes another ban.
    pub lifted: bool,
}

/// A ban made at run time; those of the policy file are not in the database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ban {
    /// Id of the ban, unique over servers and restarts.
    pub id: String,
    /// The target: a bare JID, a domain, or a network (`192.0.2.0/24`).
    pub who: String,
    /// Rooms that the ban applies to, a pattern as in `[[ban]]`; absent for all rooms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// When the ban ends; absent if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Moment>")]
    pub until: Option<Timestamp>,
    /// Reason, for other operators.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The operator who made the ban.
    pub by: String,
    /// When the ban was made.
    #[schemars(with = "crate::schema::Moment")]
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kind_has_one_name() {
        for kind in Kind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
    }

    #[test]
    fn what_is_absent_is_left_out_and_the_body_is_json() {
        let entry = Entry {
            seq: 7,
            room: Some("tea@conference.example.org".into()),
            verdict: Some("deny".into()),
            body: r#"{"a":[1]}"#.into(),
            ..Entry::new(Kind::Decision, Timestamp::UNIX_EPOCH)
        };
        let written = serde_json::to_value(&entry).unwrap();
        assert_eq!(
            written,
            json!({
                "seq": 7, "at": "1970-01-01T00:00:00Z", "server": "", "kind": "decision",
                "room": "tea@conference.example.org", "verdict": "deny", "body": {"a": [1]},
            })
        );
        assert_eq!(serde_json::from_value::<Entry>(written).unwrap(), entry);
    }
}
