//! Why somebody may not: the code, the stanza error and the words, in one place.

use std::borrow::Cow;
use std::time::Duration;

use super::hours::Clock;
use super::record::Closed;

/// Why an attempt is not simply allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// An address or name that is none by the rules of XMPP (RFC 7622).
    Malformed,
    /// Something that this version cannot judge.
    Unknown,
    /// The component itself failed.
    Fault,
    /// A ban of the file.
    Banned,
    /// A ban of the room (affiliation `outcast`).
    Outcast,
    /// The connection is not encrypted.
    NotEncrypted,
    /// This requester may not open rooms.
    MayNotOpen,
    /// The same, but somebody who logs in may.
    LogInToOpen,
    /// Where a focus opens the rooms, it has not opened this one yet.
    FocusFirst,
    /// The focus opens a room, and it is not known for whom.
    NobodyAsked,
    /// A room of this name may not be opened.
    RoomName,
    /// This requester may not enter.
    MayNotEnter,
    /// The same, but somebody who logs in may.
    LogInToEnter,
    /// A password has to be typed.
    PasswordNeeded,
    /// It was the wrong one.
    PasswordWrong,
    /// It is not good enough for a room.
    PasswordWeak {
        /// The least length asked for.
        min_length: u32,
    },
    /// Too many wrong passwords.
    TooManyGuesses {
        /// How long to wait.
        wait: Duration,
    },
    /// Somebody inside has to open the door.
    Lobby,
    /// Somebody would have to open the door, and there is no lobby to wait in.
    NoLobby,
    /// There are too many waiting.
    LobbyFull,
    /// Knocked too often.
    TooManyKnocks {
        /// How long to wait.
        wait: Duration,
    },
    /// Was removed from this room.
    Removed {
        /// How long to stay out.
        wait: Duration,
    },
    /// Nobody else may come in.
    Closed(Closed),
    /// Not before a moderator is there, or before the room has a password.
    NotOpenYet,
    /// The room must have a password.
    PasswordMandatory,
    /// The password is not the requester's to change.
    PasswordLocked,
    /// The lobby stays on.
    LobbyMandatory,
    /// The room stays unlisted.
    ListingLocked,
    /// Whether the room outlives its occupants is not the requester's to change.
    PersistenceLocked,
    /// May not make moderators.
    MayNotGrant,
    /// May not take moderation from others.
    MayNotRevoke,
    /// May not remove people.
    MayNotRemove,
    /// Services and operators are not removed by people inside.
    Protected,
    /// May not invite or let people in.
    MayNotAdmit,
    /// May not destroy the room.
    MayNotEnd,
    /// May not close or reopen the room.
    MayNotClose,
    /// Membership is not to be had by registration.
    MayNotRegister,
    /// That nick is kept for a service.
    ReservedNick,
    /// The password is told to moderators only.
    MayNotKnow,
    /// No such word.
    UnknownWord,
    /// May not record, stream or transcribe.
    MayNotRecord,
    /// May not call telephones.
    MayNotDial,
    /// The room takes only clients that can encrypt end to end.
    E2eeNeeded,
    /// Nothing takes part that cannot encrypt end to end.
    E2eeOnly,
    /// It is not the time for rooms.
    OutsideHours {
        /// When it is next, if ever.
        opens: Option<Clock>,
    },
    /// There are as many inside as may be.
    RoomFull,
    /// The requester has opened as many rooms as one may.
    TooManyOwnRooms,
    /// There are as many rooms as may be.
    TooManyRooms,
}

/// A stanza error's type and condition (RFC 6120 §8.3).
pub type Condition = (&'static str, &'static str);

impl Denial {
    /// The stable code, for the log and for whoever reads it by machine.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown-attempt",
            Self::Fault => "fault",
            Self::Banned => "banned",
            Self::Outcast => "outcast",
            Self::NotEncrypted => "not-encrypted",
            Self::MayNotOpen => "may-not-open",
            Self::LogInToOpen => "log-in-to-open",
            Self::FocusFirst => "focus-first",
            Self::NobodyAsked => "nobody-asked",
            Self::RoomName => "room-name",
            Self::MayNotEnter => "may-not-enter",
            Self::LogInToEnter => "log-in-to-enter",
            Self::PasswordNeeded => "password-needed",
            Self::PasswordWrong => "password-wrong",
            Self::PasswordWeak { .. } => "password-weak",
            Self::TooManyGuesses { .. } => "too-many-guesses",
            Self::Lobby => "lobby",
            Self::NoLobby => "no-lobby",
            Self::LobbyFull => "lobby-full",
            Self::TooManyKnocks { .. } => "too-many-knocks",
            Self::Removed { .. } => "removed",
            Self::Closed(_) => "closed",
            Self::NotOpenYet => "not-open-yet",
            Self::PasswordMandatory => "password-mandatory",
            Self::PasswordLocked => "password-locked",
            Self::LobbyMandatory => "lobby-mandatory",
            Self::ListingLocked => "listing-locked",
            Self::PersistenceLocked => "persistence-locked",
            Self::MayNotGrant => "may-not-grant",
            Self::MayNotRevoke => "may-not-revoke",
            Self::MayNotRemove => "may-not-remove",
            Self::Protected => "protected",
            Self::MayNotAdmit => "may-not-admit",
            Self::MayNotEnd => "may-not-end",
            Self::MayNotClose => "may-not-close",
            Self::MayNotRegister => "may-not-register",
            Self::ReservedNick => "reserved-nick",
            Self::MayNotKnow => "may-not-know",
            Self::UnknownWord => "unknown-word",
            Self::MayNotRecord => "may-not-record",
            Self::MayNotDial => "may-not-dial",
            Self::E2eeNeeded => "e2ee-needed",
            Self::E2eeOnly => "e2ee-only",
            Self::OutsideHours { .. } => "outside-hours",
            Self::RoomFull => "room-full",
            Self::TooManyOwnRooms => "too-many-own-rooms",
            Self::TooManyRooms => "too-many-rooms",
        }
    }

    /// The stanza error that makes an ordinary client do the right thing (XEP-0045 §7.2 for joins).
    pub const fn condition(self) -> Condition {
        match self {
            Self::Malformed => ("modify", "jid-malformed"),
            Self::Unknown => ("cancel", "feature-not-implemented"),
            Self::Fault => ("wait", "internal-server-error"),
            Self::Banned | Self::Outcast | Self::Removed { .. } => ("auth", "forbidden"),
            Self::NotEncrypted => ("modify", "policy-violation"),
            Self::MayNotOpen
            | Self::LogInToOpen
            | Self::FocusFirst
            | Self::NobodyAsked
            | Self::RoomName
            | Self::MayNotEnter
            | Self::LogInToEnter => ("cancel", "not-allowed"),
            Self::PasswordNeeded | Self::PasswordWrong | Self::PasswordWeak { .. } => {
                ("auth", "not-authorized")
            }
            Self::TooManyGuesses { .. }
            | Self::LobbyFull
            | Self::TooManyKnocks { .. }
            | Self::TooManyOwnRooms
            | Self::TooManyRooms => ("wait", "resource-constraint"),
            // XEP-0045 §7.2.9.
            Self::RoomFull => ("wait", "service-unavailable"),
            Self::Lobby | Self::NoLobby | Self::NotOpenYet => ("auth", "registration-required"),
            Self::Closed(_) | Self::OutsideHours { .. } => ("cancel", "not-allowed"),
            Self::PasswordMandatory
            | Self::PasswordLocked
            | Self::LobbyMandatory
            | Self::ListingLocked
            | Self::PersistenceLocked
            | Self::E2eeNeeded
            | Self::E2eeOnly => ("cancel", "not-acceptable"),
            Self::MayNotGrant
            | Self::MayNotRevoke
            | Self::MayNotRemove
            | Self::Protected
            | Self::MayNotAdmit
            | Self::MayNotEnd
            | Self::MayNotClose
            | Self::MayNotRegister
            | Self::MayNotKnow
            | Self::MayNotRecord
            | Self::MayNotDial => ("auth", "forbidden"),
            Self::ReservedNick => ("cancel", "conflict"),
            Self::UnknownWord => ("modify", "bad-request"),
        }
    }

    /// What the requester is told. It never says which line of the file it is.
    pub fn text(self) -> Cow<'static, str> {
        Cow::Borrowed(match self {
            Self::Malformed => "That is not a valid address or name.",
            Self::Unknown => "This server's meeting policy does not know this kind of request.",
            Self::Fault => "This server cannot open the room just now. Try again later.",
            Self::Banned | Self::Outcast => "You are not welcome in this room.",
            Self::NotEncrypted => "Rooms on this server are for encrypted connections only.",
            Self::MayNotOpen => {
                "You may not open rooms on this server. Ask the person who invited you to come first."
            }
            Self::LogInToOpen => "Log in to open a room on this server.",
            Self::FocusFirst => "Room creation is restricted",
            Self::NobodyAsked => {
                "The server cannot tell who wants to open this room. Ask the operator to have requests sent over XMPP."
            }
            Self::RoomName => "A room of this name may not be opened on this server.",
            Self::MayNotEnter => "You may not enter rooms on this server.",
            Self::LogInToEnter => "Log in to enter rooms on this server.",
            Self::PasswordNeeded => "This room needs a password.",
            Self::PasswordWrong => "That is not the password of this room.",
            Self::PasswordWeak { min_length } => {
                return Cow::Owned(format!(
                    "This password is too easy to guess. Take at least {min_length} characters, and nothing that is in the room's name."
                ));
            }
            Self::TooManyGuesses { wait } => {
                return Cow::Owned(format!(
                    "Too many wrong passwords. Try again in {}.",
                    in_words(wait)
                ));
            }
            Self::Lobby => {
                "You have knocked. Somebody inside has to let you in; you will be invited."
            }
            Self::NoLobby => "This room takes only people who were invited.",
            Self::LobbyFull => "Too many people are waiting at this room. Try again later.",
            Self::TooManyKnocks { wait } => {
                return Cow::Owned(format!(
                    "You have knocked too often. Try again in {}.",
                    in_words(wait)
                ));
            }
            Self::Removed { wait } => {
                return Cow::Owned(format!(
                    "You were removed from this meeting. You may come back in {}.",
                    in_words(wait)
                ));
            }
            Self::Closed(_) => "This room is closed: nobody else can come in.",
            Self::NotOpenYet => "This room is not open yet. You will be invited when it is.",
            Self::PasswordMandatory => {
                "Rooms on this server must have a password: you can change it, not remove it."
            }
            Self::PasswordLocked => {
                "The password of this room is set by the server and cannot be changed."
            }
            Self::LobbyMandatory => "The lobby of this room cannot be switched off.",
            Self::ListingLocked => "Rooms on this server are not listed in public.",
            Self::PersistenceLocked => {
                "Whether a room stays when it is empty is set by the server."
            }
            Self::MayNotGrant => "You may not make others moderators in this room.",
            Self::MayNotRevoke => "You may not take moderation from others in this room.",
            Self::MayNotRemove => "You may not remove people from this room.",
            Self::Protected => "Services and operators of this server cannot be removed.",
            Self::MayNotAdmit => "You may not invite people to this room or let them in.",
            Self::MayNotEnd => "You may not end this room.",
            Self::MayNotClose => "You may not close or reopen this room.",
            Self::MayNotRegister => "Membership of this room is given by its moderators.",
            Self::ReservedNick => "This nickname is reserved.",
            Self::MayNotKnow => "The password of this room is told to its moderators only.",
            Self::UnknownWord => {
                "The words that this room knows are !password, !close and !reopen."
            }
            Self::MayNotRecord => "You may not record, stream or transcribe this meeting.",
            Self::MayNotDial => "You may not call telephones from this meeting.",
            Self::E2eeNeeded => {
                "This meeting is encrypted end to end, and your client cannot do that or has not said so."
            }
            Self::E2eeOnly => {
                "This meeting is encrypted end to end: it cannot be recorded, and no telephone can take part."
            }
            Self::OutsideHours { opens: None } => "Rooms are not open on this server.",
            Self::OutsideHours { opens: Some(clock) } => {
                return Cow::Owned(format!("Rooms are not open now. They open again on {clock}."));
            }
            Self::RoomFull => "This room is full. Try again when somebody has left.",
            Self::TooManyOwnRooms => {
                "You have opened as many rooms as one person may. End one of them first."
            }
            Self::TooManyRooms => {
                "There are as many rooms on this server as it takes. Try again later."
            }
        })
    }
}

pub(super) fn in_words(wait: Duration) -> String {
    // Whoever waits as long as told must not come too early.
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    if seconds == 1 {
        "1 second".to_owned()
    } else if seconds < 120 {
        format!("{seconds} seconds")
    } else if seconds <= 7200 {
        format!("{} minutes", seconds.div_ceil(60))
    } else {
        format!("{} hours", seconds.div_ceil(3600))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_words() {
        assert_eq!(in_words(Duration::ZERO), "1 second");
        assert_eq!(in_words(Duration::from_millis(1001)), "2 seconds");
        assert_eq!(in_words(Duration::from_secs(119)), "119 seconds");
        assert_eq!(in_words(Duration::from_secs(120)), "2 minutes");
        assert_eq!(in_words(Duration::from_secs(121)), "3 minutes");
        assert_eq!(in_words(Duration::from_secs(7200)), "120 minutes");
        assert_eq!(in_words(Duration::from_secs(7201)), "3 hours");
    }
}
