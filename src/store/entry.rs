//! An entry of the audit.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

names! {
    /// The kind of an entry.
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
        /// A room is no more.
        Ended = "ended",
        /// A gate settled something by itself.
        Gate = "gate",
        /// A time of the policy had come.
        Timer = "timer",
        /// A room differed from the policy.
        Drift = "drift",
        /// Findings of the doctor.
        Doctor = "doctor",
    }
}

impl Kind {
    /// The names of them all.
    pub const NAMES: [&str; Self::ALL.len()] = {
        let mut names = [""; Self::ALL.len()];
        let (mut all, mut free): (&[Self], &mut [&str]) = (&Self::ALL, &mut names);
        while let ([kind, rest @ ..], [name, more @ ..]) = (all, free) {
            *name = kind.name();
            (all, free) = (rest, more);
        }
        names
    };

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A name: of a rule, a verdict, a command.
pub(crate) type Word = Cow<'static, str>;

/// The operator who gave a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct By {
    /// The way the request came: `command-line`, `http`, `ad-hoc`; `policy`, where nobody asked.
    #[serde(rename = "interface", alias = "face")]
    pub face: Word,
    /// The token's name, the bare JID, the account of the system, or what of the policy it was.
    pub name: String,
    /// The role; of the policy itself, `operator`.
    pub role: Word,
}

/// An entry of the audit. Its JSON form is that of the API, the stream, the command line and the bundles
/// (`docs/audit.md`); what is absent is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Entry {
    /// Its number: the microsecond (since 1970) in which it was made, or the next that was free. It only grows, over
    /// restarts and where the clock is set back; of several servers each has its own.
    pub seq: i64,
    /// The time, to the microsecond.
    #[schemars(with = "crate::schema::Moment")]
    pub at: Timestamp,
    /// The component that wrote it, by its domain.
    pub server: String,
    /// The kind.
    pub kind: Kind,
    /// The decision's or the action's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The room's bare JID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The bare JID of whom it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    /// The nick.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nick: Option<String>,
    /// Of a decision: the kind of attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_kind: Option<Word>,
    /// Of a decision: the class of the requester.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Word>,
    /// Of a decision: the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Word>,
    /// The rule it rests on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<Word>,
    /// That rule's line in the file; 0: the built-in default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Of a decision: the code of the denial, unless allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denial: Option<Word>,
    /// Whether it was only observed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub observed: bool,
    /// The policy's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Of an action: the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Word>,
    /// Of an action: the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<By>,
    /// Of an action: the outcome, `done` or `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Word>,
    /// Of an action: why it failed. Of other entries: the given reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The line of the decision log, or the event's details: a JSON object, as text.
    #[serde(serialize_with = "as_json", deserialize_with = "as_text")]
    #[schemars(with = "serde_json::Map<String, Value>")]
    pub body: String,
}

impl Entry {
    /// Adds the texts of a row, each read by the number of its column: the tables have them in the same order.
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

    /// An entry of that kind, with nothing in it yet. Its number and its server are given by the audit.
    pub fn new(kind: Kind, at: Timestamp) -> Self {
        Self { kind, at, body: "{}".to_owned(), ..Self::default() }
    }

    /// Returns the approximate size in memory, in bytes.
    pub(super) fn weight(&self) -> usize {
        let texts = [&self.id, &self.room, &self.person, &self.nick, &self.reason, &self.revision];
        let texts = texts.into_iter().flatten().map(String::len);
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

/// A ban, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BanState {
    /// The ban.
    pub ban: Ban,
    /// It was lifted. That never ends: banning again makes another ban.
    pub lifted: bool,
}

/// A ban. Those of the policy file are not here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Ban {
    /// Its id, unique over servers and restarts.
    pub id: String,
    /// The target: a bare JID, a domain, or a network (`192.0.2.0/24`).
    pub who: String,
    /// The rooms it is for, a pattern as in `[[ban]]`; `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// Its end; `None`: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<crate::schema::Moment>")]
    pub until: Option<Timestamp>,
    /// Why, for the next operator.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// The operator who made it.
    pub by: String,
    /// When.
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
