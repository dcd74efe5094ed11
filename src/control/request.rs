//! What an operator asks, and the reply.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::command::{Command, PAGE, REOPEN_LOG};
use super::people::ForPeople;
use super::plan::Candidate;
use super::typed::{Length, Typed};
use crate::config::{Described, Role};
use crate::store::Query;

/// What an operator asks of the running component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How it is.
    Status {},
    /// What undoes the policy.
    Doctor {
        /// Look now, instead of what was found last.
        #[serde(default)]
        fresh: bool,
    },
    /// The rooms that are open.
    Rooms {},
    /// One room, and who is in it and waits.
    Room {
        /// Its bare JID.
        room: String,
    },
    /// Nobody else may enter.
    Close {
        /// The room.
        room: String,
    },
    /// People may enter again.
    Reopen {
        /// The room.
        room: String,
    },
    /// Go on in a new file, after the decision log was moved away.
    ReopenLog {},
    /// Nobody else may enter, and only moderators speak.
    Suspend {
        /// The room.
        room: String,
        /// What those inside are told beside.
        reason: Option<String>,
    },
    /// Takes that back.
    Resume {
        /// The room.
        room: String,
    },
    /// Everybody out, and the room is no more.
    End {
        /// The room.
        room: String,
        /// What those inside are told.
        #[serde(default = "ended")]
        reason: String,
    },
    /// Let people in who wait or were removed.
    Admit(Box<ForPeople>),
    /// Turn people away who wait.
    Reject(Box<ForPeople>),
    /// Remove people who are inside or were there lately.
    Remove(Box<ForPeople>),
    /// Send people back to the lobby.
    Hold(Box<ForPeople>),
    /// Everybody of that description out of the rooms, and not in again.
    Ban {
        /// A JID, a domain, or a network.
        who: String,
        /// The rooms, by the pattern of their names; `None`: all.
        room: Option<String>,
        /// How long; `None`: until it is lifted.
        #[serde(rename = "for")]
        time: Option<Length>,
        /// Why, for the next operator.
        #[serde(default)]
        reason: String,
    },
    /// Take back bans that were made so.
    Unban {
        /// Whom they are on.
        who: String,
        /// Only those for this pattern; `None`: all.
        room: Option<String>,
    },
    /// The bans that were made so.
    Bans {},
    /// A decision of the audit, explained again.
    Why {
        /// Its id.
        decision: String,
    },
    /// Give a room another password.
    Password {
        /// The room.
        room: String,
        /// That one; `None`: one is made.
        password: Option<Typed>,
    },
    /// Say something to everybody in a room.
    Say {
        /// The room.
        room: String,
        /// What.
        text: String,
    },
    /// End many rooms.
    EndMany {
        /// Those whose name this pattern is for.
        #[serde(rename = "match")]
        pattern: Option<String>,
        /// Those of this service.
        service: Option<String>,
        /// Those that were opened so long ago.
        older: Option<Length>,
        /// Those without a moderator inside.
        #[serde(default)]
        unmoderated: bool,
        /// Every room there is.
        #[serde(default)]
        all: bool,
        /// What those inside are told.
        #[serde(default = "ended")]
        reason: String,
        /// Only say which.
        #[serde(default)]
        dry_run: bool,
    },
    /// Search the audit.
    Log(Box<Query>),
    /// Explain an attempt at a live room.
    Explain {
        /// The attempt.
        attempt: Box<Described>,
    },
    /// What another file would do.
    Plan {
        /// That file; `None`: the component's own, as it is now.
        candidate: Option<Box<Candidate>>,
    },
    /// Read the file again.
    Reload {
        /// Whatever it does to those who are there.
        #[serde(default)]
        force: bool,
    },
    /// Everything about an incident, in one file.
    Incident {
        /// The room it happened in.
        room: Option<String>,
        /// The bare JID of whom it is about.
        person: Option<String>,
        /// From that moment on, or so long ago; a day ago, if nothing is said.
        since: Option<String>,
        /// Until that moment, or so long ago; now, if nothing is said.
        until: Option<String>,
        /// What there is to say of it.
        note: Option<String>,
    },
    /// A token for a session on the page: only over the socket.
    Page {
        /// What it is good for.
        role: Role,
    },
}

/// What those inside are told when their meeting is ended.
pub const ENDED: &str = "This meeting was ended by the operator of this server.";
/// What somebody is told who is removed.
pub const REMOVED: &str = "You were removed by the operator of this server.";
/// What somebody is told who is sent back to the lobby.
pub const HELD: &str = "The operator of this server has sent you back to the lobby. Join again; a moderator can let you in.";

fn ended() -> String {
    ENDED.to_owned()
}

impl Request {
    /// The name of the command that it is, the `do` of its JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Status {} => "status",
            Self::Doctor { .. } => "doctor",
            Self::Rooms {} => "rooms",
            Self::Room { .. } => "room",
            Self::Log(_) => "log",
            Self::Close { .. } => "close",
            Self::Reopen { .. } => "reopen",
            Self::Suspend { .. } => "suspend",
            Self::Resume { .. } => "resume",
            Self::End { .. } => "end",
            Self::Admit(_) => "admit",
            Self::Reject(_) => "reject",
            Self::Remove(_) => "remove",
            Self::Hold(_) => "hold",
            Self::Ban { .. } => "ban",
            Self::Unban { .. } => "unban",
            Self::Bans {} => "bans",
            Self::Why { .. } => "why",
            Self::Password { .. } => "password",
            Self::Say { .. } => "say",
            Self::EndMany { .. } => "end-many",
            Self::Explain { .. } => "explain",
            Self::Plan { .. } => "plan",
            Self::Reload { .. } => "reload",
            Self::Incident { .. } => "incident",
            Self::Page { .. } => PAGE.name,
            Self::ReopenLog {} => REOPEN_LOG.name,
        }
    }

    /// The addresses in it, as somebody has typed them.
    pub fn addresses(&self) -> impl Iterator<Item = &str> {
        let [one, other]: [Option<&String>; 2] = match self {
            Self::Room { room }
            | Self::Close { room }
            | Self::Reopen { room }
            | Self::Suspend { room, .. }
            | Self::Resume { room }
            | Self::End { room, .. }
            | Self::Password { room, .. }
            | Self::Say { room, .. } => [Some(room), None],
            Self::Admit(people)
            | Self::Reject(people)
            | Self::Remove(people)
            | Self::Hold(people) => {
                [Some(&people.room), people.jid.as_ref().filter(|jid| jid.contains('@'))]
            }
            // Patterns for rooms are of names, or the address of one.
            Self::Ban { who, room, .. } | Self::Unban { who, room } => {
                let room = room.as_ref().filter(|room| room.contains('@'));
                // Where rooms are named, it may be a nick.
                [Some(who).filter(|who| room.is_none() || who.contains('@')), room]
            }
            Self::EndMany { service, .. } => [service.as_ref(), None],
            Self::Explain { attempt } => [Some(&attempt.room), Some(&attempt.jid)],
            Self::Incident { room, person, .. } => [room.as_ref(), person.as_ref()],
            Self::Status {}
            | Self::Doctor { .. }
            | Self::Rooms {}
            | Self::Bans {}
            | Self::Why { .. }
            | Self::Log(_)
            | Self::Plan { .. }
            | Self::Reload { .. }
            | Self::ReopenLog {}
            | Self::Page { .. } => [None, None],
        };
        one.into_iter().chain(other).map(String::as_str)
    }

    /// The command that it is. `None` is a mistake in the table, and nobody may give it.
    pub fn command(&self) -> Option<&'static Command> {
        if matches!(self, Self::Page { .. }) {
            return Some(&PAGE);
        }
        if matches!(self, Self::ReopenLog {}) {
            return Some(&REOPEN_LOG);
        }
        Command::named(self.name())
    }
}

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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{reason}")]
pub struct Failure {
    /// What kind of trouble.
    pub kind: FailureKind,
    /// In words.
    pub reason: String,
}

/// What kind of trouble kept something from being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
