//! A request of an operator, and the reply to it.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::command::{Command, FieldKind};
use crate::config::{LONGEST, length};
use crate::jid::BareJid;
use crate::secret::Secret;

/// A command with arguments that have been validated.
#[derive(Clone)]
pub struct Request {
    pub(super) command: &'static Command,
    pub(super) arguments: Map<String, Value>,
}

impl Request {
    /// Reads a request from the socket: the name of a command under `do`, next to the arguments of the command.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] when the command is unknown, or its arguments are invalid.
    pub fn read(
        commands: &'static [Command],
        mut values: Map<String, Value>,
    ) -> Result<Self, Failure> {
        let name = values.remove("do").unwrap_or_default();
        let named = commands.iter().find(|command| command.name == name);
        let command = named.ok_or_else(|| {
            let known: Vec<_> = commands.iter().map(|it| format!("`{}`", it.name)).collect();
            let reason = format!(
                "the request makes no sense: unknown command {name}, expected one of {}",
                known.join(", ")
            );
            Failure::new(FailureKind::Invalid, reason)
        })?;
        command.request(values)
    }

    /// Replaces the room that the command is about by what `whole` makes of it, if that is something, and each address of a
    /// room by the prepared one. A name among search criteria, which are optional, stays as it was typed.
    #[must_use]
    pub fn with_room(mut self, whole: impl Fn(&str) -> Option<String>) -> Self {
        let rooms = self.command.fields.iter();
        for field in rooms.filter(|field| field.kind == FieldKind::Room) {
            let Some(Value::String(room)) = self.arguments.get_mut(field.name) else { continue };
            if field.required
                && let Some(whole) = whole(room)
            {
                *room = whole;
            }
            // What is no address is refused where it is used.
            if room.contains('@')
                && let Ok(jid) = room.parse::<BareJid>()
            {
                *room = jid.to_string();
            }
        }
        self
    }

    /// Returns the command that is requested.
    pub const fn command(&self) -> &'static Command {
        self.command
    }

    /// Returns the name of the command, which is `do` in the JSON.
    pub const fn name(&self) -> &'static str {
        self.command.name
    }

    /// Returns the arguments, defaults included.
    pub const fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }

    /// Returns the arguments as the type that declares the command.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] when `A` is the type of another command.
    pub fn parse<A: DeserializeOwned>(self) -> Result<A, Failure> {
        let parsed = serde_json::from_value(self.arguments.into());
        parsed.map_err(|error| Failure::new(FailureKind::Invalid, error))
    }
}

/// Shows the name only: a secret may be among the arguments.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(self.name()).finish_non_exhaustive()
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("do", self.name())?;
        for (name, value) in &self.arguments {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Message to the occupants when an operator ends their meeting, unless another is given.
pub const ENDED: &str = "This meeting was ended by the operator of this server.";
/// Message to a person whom an operator removes, unless another is given.
pub const REMOVED: &str = "You were removed by the operator of this server.";
/// Message to a person whom an operator sends back to the lobby, unless another is given.
pub const HELD: &str = "The operator of this server has sent you back to the lobby. Join again; a moderator can let you in.";

/// A line that the component sends on the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// The command is still running, for this many seconds so far.
    Working(u64),
    /// The reply, which ends the request.
    #[serde(untagged)]
    Reply(Reply),
}

/// The reply to a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// The command was carried out; the value is its reply.
    Done(Value),
    /// The command was not carried out.
    Failed(Failure),
}

/// Why a command was not carried out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// Kind of failure, for programs.
    pub kind: FailureKind,
    /// Explanation for people.
    pub reason: String,
}

/// The kind of a failure, from which the API makes the HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request is malformed (400).
    Invalid,
    /// The caller is not allowed to do this (403).
    Forbidden,
    /// The room, person or other object does not exist (404).
    NotFound,
    /// The request is valid, but not in the current state (409).
    Conflict,
    /// The server or something else that the command needs is unreachable (503).
    Unavailable,
}

impl Failure {
    /// Makes a failure of that kind; the reason is shown to the caller.
    pub fn new(kind: FailureKind, reason: impl ToString) -> Self {
        Self { kind, reason: reason.to_string() }
    }
}

/// A length of time from one second to a hundred years, written as in the file: `2 hours`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Length {
    text: String,
    #[serde(skip)]
    time: Duration,
}

impl Length {
    /// Returns the duration.
    pub const fn time(&self) -> Duration {
        self.time
    }
}

impl std::str::FromStr for Length {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `LONGEST` is a hundred years.
        let is_one = |time: &Duration| (Duration::from_secs(1)..=LONGEST).contains(time);
        let time = length(text).filter(is_one).ok_or_else(|| {
            format!("`{text}` is no length of time like \"30 minutes\", \"2 hours\" or \"7 days\"")
        })?;
        Ok(Self { text: text.to_owned(), time })
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A secret that a person typed. It is sent over the control socket in the clear: only the operator may open that, and
/// nothing that passes over it is logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typed(pub Secret);

impl Serialize for Typed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.expose())
    }
}

impl<'de> Deserialize<'de> for Typed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Secret::new(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_sent_as_it_was_typed_and_has_bounds() {
        let two: Length = serde_json::from_str("\"2 hours\"").unwrap();
        assert_eq!(two.time(), Duration::from_secs(7200));
        assert_eq!(serde_json::to_string(&two).unwrap(), "\"2 hours\"");
        for wrong in ["", "2", "0s", "999 milliseconds", "-1h", "101 years", "soon"] {
            assert!(wrong.parse::<Length>().unwrap_err().contains("no length of time"), "{wrong}");
        }
    }

    #[test]
    fn a_typed_secret_does_not_show_itself() {
        let typed: Typed = serde_json::from_str("\"hunter2\"").unwrap();
        assert!(!format!("{typed:?}").contains("hunter2"));
        assert_eq!(serde_json::to_string(&typed).unwrap(), "\"hunter2\"");
    }
}
