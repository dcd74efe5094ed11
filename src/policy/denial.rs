//! Why somebody may not: the code and the stanza error. The words are beside.

use std::time::Duration;

use super::hours::Clock;
use super::record::Closed;
use super::setting::Setting;

/// Why an attempt is not simply allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Denial {
    /// An address or name that is none by the rules of XMPP (RFC 6122).
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
    /// An operator has suspended the meeting: nobody else may come in.
    Suspended,
    /// An operator has suspended the meeting: nobody inside takes that back.
    SuspendedInside,
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
    /// A setting is not the requester's to change.
    SettingLocked(Setting),
    /// A text is longer than it may be.
    SettingTooLong {
        /// Which.
        setting: Setting,
        /// The greatest length, in characters.
        most: u32,
    },
    /// A number is greater than it may be.
    SettingTooHigh {
        /// Which.
        setting: Setting,
        /// The greatest.
        most: u32,
    },
    /// A number is smaller than it may be.
    SettingTooLow {
        /// Which.
        setting: Setting,
        /// The smallest.
        least: u32,
    },
    /// What was chosen is not to be had.
    SettingChoice(Setting),
    /// May not make moderators.
    MayNotGrant,
    /// May not take moderation from others.
    MayNotRevoke,
    /// May not remove people.
    MayNotRemove,
    /// Services and operators are not removed by people inside.
    Protected,
    /// Moderators by the file are not removed or demoted by those made by somebody's hand.
    HigherRank,
    /// Authority is for those inside.
    NotInside,
    /// May not invite or let people in.
    MayNotAdmit,
    /// May not destroy the room.
    MayNotEnd,
    /// May not close or reopen the room.
    MayNotClose,
    /// Membership is not to be had by registration.
    MayNotRegister,
    /// That name is kept for a service.
    ReservedNick,
    /// Somebody inside has a name that looks like it.
    NameTaken,
    /// That name is for moderators.
    NameProtected,
    /// It is in letters in which names are not written here.
    NameScript,
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
            Self::Suspended => "suspended",
            Self::SuspendedInside => "suspended-inside",
            Self::NotOpenYet => "not-open-yet",
            Self::PasswordMandatory => "password-mandatory",
            Self::PasswordLocked => "password-locked",
            Self::LobbyMandatory => "lobby-mandatory",
            Self::ListingLocked => "listing-locked",
            Self::PersistenceLocked => "persistence-locked",
            Self::SettingLocked(_) => "setting-locked",
            Self::SettingTooLong { .. } => "setting-too-long",
            Self::SettingTooHigh { .. } => "setting-too-high",
            Self::SettingTooLow { .. } => "setting-too-low",
            Self::SettingChoice(_) => "setting-choice",
            Self::MayNotGrant => "may-not-grant",
            Self::MayNotRevoke => "may-not-revoke",
            Self::MayNotRemove => "may-not-remove",
            Self::Protected => "protected",
            Self::HigherRank => "higher-rank",
            Self::NotInside => "not-inside",
            Self::MayNotAdmit => "may-not-admit",
            Self::MayNotEnd => "may-not-end",
            Self::MayNotClose => "may-not-close",
            Self::MayNotRegister => "may-not-register",
            Self::ReservedNick => "reserved-nick",
            Self::NameTaken => "name-taken",
            Self::NameProtected => "name-protected",
            Self::NameScript => "name-script",
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
            Self::Closed(_) | Self::Suspended | Self::OutsideHours { .. } => {
                ("cancel", "not-allowed")
            }
            // XEP-0045 §8.1: who may not change the subject is told so.
            Self::SettingLocked(Setting::Subject) => ("auth", "forbidden"),
            // What a room answers to people outside (XEP-0045 §7.4).
            Self::NotInside
            | Self::SuspendedInside
            | Self::PasswordMandatory
            | Self::PasswordLocked
            | Self::LobbyMandatory
            | Self::ListingLocked
            | Self::PersistenceLocked
            | Self::E2eeNeeded
            | Self::E2eeOnly
            | Self::SettingLocked(_)
            | Self::SettingTooLong { .. }
            | Self::SettingTooHigh { .. }
            | Self::SettingTooLow { .. }
            | Self::SettingChoice(_) => ("cancel", "not-acceptable"),
            Self::MayNotGrant
            | Self::MayNotRevoke
            | Self::MayNotRemove
            | Self::Protected
            | Self::HigherRank
            | Self::MayNotAdmit
            | Self::MayNotEnd
            | Self::MayNotClose
            | Self::MayNotRegister
            | Self::MayNotKnow
            | Self::MayNotRecord
            | Self::MayNotDial => ("auth", "forbidden"),
            Self::ReservedNick | Self::NameTaken | Self::NameProtected => ("cancel", "conflict"),
            Self::NameScript => ("modify", "not-acceptable"),
            Self::UnknownWord => ("modify", "bad-request"),
        }
    }

    /// The setting that it is about.
    pub const fn setting(self) -> Option<Setting> {
        if let Self::SettingLocked(setting)
        | Self::SettingChoice(setting)
        | Self::SettingTooLong { setting, .. }
        | Self::SettingTooHigh { setting, .. }
        | Self::SettingTooLow { setting, .. } = self
        {
            Some(setting)
        } else {
            None
        }
    }
}
