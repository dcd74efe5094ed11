//! What an operator asks, and the reply.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::de::{DeserializeOwned, Error as _};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::command::Command;
use crate::config::{LONGEST, length};
use crate::secret::Secret;

/// A command and its arguments, which have been read once.
#[derive(Clone)]
pub struct Request {
    pub(super) command: &'static Command,
    pub(super) arguments: Map<String, Value>,
}

impl Request {
    /// Reads a request of the socket: the name of a command under `do`, with the arguments of the command.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] when it is none of these commands, or its arguments are wrong.
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

    /// The command.
    pub const fn command(&self) -> &'static Command {
        self.command
    }

    /// The name of the command, the `do` of its JSON.
    pub const fn name(&self) -> &'static str {
        self.command.name
    }

    /// Returns what it is given, defaults included.
    pub const fn arguments(&self) -> &Map<String, Value> {
        &self.arguments
    }

    /// The arguments as the type that declares the command.
    ///
    /// # Errors
    /// [`FailureKind::Invalid`] when it is another command's type.
    pub fn parse<A: DeserializeOwned>(self) -> Result<A, Failure> {
        let parsed = serde_json::from_value(self.arguments.into());
        parsed.map_err(|error| Failure::new(FailureKind::Invalid, error))
    }
}

/// A secret may be among the arguments.
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

/// What those inside are told when their meeting is ended.
pub const ENDED: &str = "This meeting was ended by the operator of this server.";
/// What a person is told who is removed.
pub const REMOVED: &str = "You were removed by the operator of this server.";
/// What a person is told who is sent back to the lobby.
pub const HELD: &str = "The operator of this server has sent you back to the lobby. Join again; a moderator can let you in.";

/// A line that the component sends on the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// The command is being carried out, for so many seconds by now.
    Working(u64),
    /// The reply.
    #[serde(untagged)]
    Reply(Reply),
}

/// The reply.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// It is done; what there is to say.
    Done(Value),
    /// It is not; why.
    Failed(Failure),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What kind of trouble.
    pub kind: FailureKind,
    /// In words.
    pub reason: String,
}

/// What kind of trouble kept something from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// The request makes no sense.
    Invalid,
    /// This caller may not.
    Forbidden,
    /// What it is about is not there.
    NotFound,
    /// It can be done, but not as things are now.
    Conflict,
    /// The server, or what else it takes, is not there.
    Unavailable,
}

impl Failure {
    /// A failure of that kind.
    pub fn new(kind: FailureKind, reason: impl ToString) -> Self {
        Self { kind, reason: reason.to_string() }
    }
}

/// A length of time of at least a second, as the file has them: "2 hours".
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
        // A hundred years at most.
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

/// A secret that a person typed. It is sent over the socket as it is: that is the operator's own, and nothing of
/// what passes over it is logged.
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
