//! Rules on the lobby: who has to knock.

use std::time::Duration;

use super::family::family;
use super::kinds::classes;
use crate::policy::attempt::UNLIMITED;
use crate::policy::class::{Class, ClassSet};
use crate::setting::kind::{SECOND, duration, ordered, whole, word};

names! {
    /// What admission to a room takes.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub enum Admission {
        /// The password, or a person inside who opens the door.
        #[default]
        PasswordOrLobby = "password-or-lobby",
        /// The password, and a person inside who opens the door.
        PasswordAndLobby = "password-and-lobby",
        /// The password alone.
        Password = "password",
        /// A person inside who opens the door.
        Lobby = "lobby",
        /// Nothing: anybody comes in.
        Open = "open",
    }
}

impl Admission {
    /// Returns whether nobody comes in by the password alone, so that the room service itself can keep strangers out
    /// (a members-only room, XEP-0045 §3).
    pub const fn is_members_only(self) -> bool {
        matches!(self, Self::PasswordAndLobby | Self::Lobby)
    }

    /// Returns whether the room's password is asked for.
    pub const fn has_password(self) -> bool {
        matches!(self, Self::PasswordOrLobby | Self::PasswordAndLobby | Self::Password)
    }

    /// Returns whether people may wait to be let in.
    pub const fn has_lobby(self) -> bool {
        matches!(self, Self::PasswordOrLobby | Self::PasswordAndLobby | Self::Lobby)
    }
}

family! {
    /// The rules on the lobby.
    "lobby": Lobby {
        /// What it takes to come in: "password-or-lobby", "password-and-lobby", "password", "lobby" or "open".
        admission: Admission = Admission::PasswordOrLobby, word(),
            rule r#"What it takes to come in: the password, a person inside who opens the door, both, or nothing. A password that a moderator has chosen (`password.change`) and a lobby that a moderator has put up are asked for in every room, whatever the file says: under "open" either, and with both the right password passes the lobby; under "lobby" the right password passes it."#
            [switch |lobby| {
                lobby.by_room = true;
                lobby.admission.value = match lobby.admission.value {
                    Admission::PasswordOrLobby | Admission::PasswordAndLobby | Admission::Password => {
                        Admission::Password
                    }
                    Admission::Lobby | Admission::Open => Admission::Open,
                };
            }, exempt |lobby| lobby.bypass.value = ClassSet::ALL; Compared];
        /// Who need not knock.
        bypass: ClassSet = ClassSet::of(&[Class::Service, Class::Operator, Class::Listed]), classes();
        /// Most people waiting at one room.
        max_waiting: u32 = 50, whole(0..=10_000),
            rule "The lobby is full."
            [off UNLIMITED];
        /// How long a person may wait.
        wait: Duration = Duration::from_secs(600), duration(SECOND);
        /// Knocks of one person at one room ...
        max_knocks: u32 = 5, whole(1..=10_000),
            rule "This address or account has knocked too often."
            [off UNLIMITED; Undescribed];
        /// ... within this time.
        max_knocks_per: Duration = Duration::from_secs(300), duration(SECOND);
        /// What is tried, in this order, for people who have waited that long while nobody inside can let them in:
        /// "occupant" makes a moderator of the successor (`moderators.successors`) who has been inside longest,
        /// "knocker" lets in, as a moderator, the successor who has waited longest, "refuse" turns all who wait away
        /// in words. Empty: the log says that they wait.
        unattended: Vec<Rescue> = Rescue::ALL.to_vec(), ordered(),
            rule "People waited, and nobody inside could let them in: a person inside moderates now, or a person who waited was let in as a moderator, or all who waited were turned away."
            [switch |lobby| {
                (lobby.unattended.value, lobby.unattended_after.value) = (Vec::new(), Duration::MAX);
            }; Undescribed];
        /// How long they have to wait for that; counted again when the last moderator leaves.
        unattended_after: Duration = Duration::from_secs(60), duration(SECOND);
    }
    also {
        /// Who comes in is left to the room: its own password, its list of members and its lobby count, and none of
        /// them is preset. It is what remains of `lobby.admission` when it is off.
        by_room: bool = false,
    }
}

names! {
    /// A way to help those who wait while nobody inside can let them in.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Rescue {
        /// The occupant who has been there longest becomes a moderator, if they are a successor.
        Occupant = "occupant",
        /// The person who has waited longest is let in as a moderator, if they are a successor.
        Knocker = "knocker",
        /// All who wait are turned away.
        Refuse = "refuse",
    }
}
