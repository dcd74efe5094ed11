//! Who has to knock.

use std::time::Duration;

use super::class::{Class, ClassSet};
use super::set::Set;

/// What it takes to come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Admission {
    /// The password, or somebody inside who opens the door.
    #[default]
    PasswordOrLobby,
    /// Both.
    PasswordAndLobby,
    /// The password.
    Password,
    /// Somebody inside who opens the door.
    Lobby,
    /// Nothing.
    Open,
}

impl Admission {
    /// Every value.
    pub const ALL: [Self; 5] =
        [Self::PasswordOrLobby, Self::PasswordAndLobby, Self::Password, Self::Lobby, Self::Open];

    /// The name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PasswordOrLobby => "password-or-lobby",
            Self::PasswordAndLobby => "password-and-lobby",
            Self::Password => "password",
            Self::Lobby => "lobby",
            Self::Open => "open",
        }
    }

    /// Nobody comes in by the password alone, so the room service itself can keep strangers out
    /// (a members-only room, XEP-0045 §3).
    pub const fn is_members_only(self) -> bool {
        matches!(self, Self::PasswordAndLobby | Self::Lobby)
    }
}

/// The rules on the lobby.
#[derive(Clone, Debug)]
pub struct Lobby {
    /// What it takes to come in.
    pub admission: Set<Admission>,
    /// Who need not knock.
    pub bypass: Set<ClassSet>,
    /// Most people waiting at one room.
    pub max_waiting: Set<u32>,
    /// How long somebody may wait.
    pub wait: Set<Duration>,
    /// Knocks at one room by one address or account, within `knock_window`.
    pub knocks: Set<u32>,
    /// The time that `knocks` counts over.
    pub knock_window: Set<Duration>,
}

impl Default for Lobby {
    fn default() -> Self {
        Self {
            admission: Set::default_of(Admission::PasswordOrLobby),
            bypass: Set::default_of(ClassSet::of(&[
                Class::Service,
                Class::Operator,
                Class::Listed,
            ])),
            max_waiting: Set::default_of(50),
            wait: Set::default_of(Duration::from_secs(600)),
            knocks: Set::default_of(5),
            knock_window: Set::default_of(Duration::from_secs(300)),
        }
    }
}
