//! Denials: why a person may not do something. One row each, with its code, its stanza error, what Jitsi's client makes
//! of it, and its text in English.

use std::fmt;
use std::time::Duration;

use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use super::attempt::{Action, Client};
use super::form_field::FormField;
use super::record::Closed;

/// A stanza error's type and condition (RFC 6120 §8.3).
pub type Condition = (&'static str, &'static str);

/// What Jitsi's client shows to a person whose join is denied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnJitsi {
    /// The text, as the reason of a room that was destroyed.
    Words,
    /// The password dialog, which the stanza error opens.
    Dialog,
    /// The screen of the lobby.
    Lobby,
    /// That a moderator is awaited, with the offer to log in as one: the client asks again by itself.
    LogIn,
    /// Nothing: the client tries again by itself.
    Retry,
    /// Nothing: no join is denied for this reason.
    Never,
}

/// Columns of the table for one denial.
struct Row {
    code: &'static str,
    condition: Condition,
    on_jitsi: OnJitsi,
    template: &'static str,
}

/// A duration and a time that stand for any in samples of texts.
pub(super) const WAIT: Duration = Duration::from_secs(30);
pub(super) const OPENS: Clock =
    Clock { local: date(2026, 1, 5).at(8, 0, 0, 0), offset: Offset::constant(1) };

/// The sample value of a variant: the one that is given, or the variant itself.
macro_rules! sample {
    ($name:ident) => {
        Self::$name
    };
    ($name:ident $sample:expr) => {
        $sample
    };
}
pub(super) use sample;

/// One row a denial: what it is, `like` a value to show it with, and `=>` the stable code for the log; the type and the
/// condition of the stanza error that makes an ordinary client do the right thing (XEP-0045 §7.2 for joins); what Jitsi's
/// client shows to a person who joins; and the words in English, with placeholders for what differs, like `{wait}`. They
/// never say which line of the file it is.
macro_rules! denials {
    ($(
        $(#[$doc:meta])*
        $name:ident $(($($of:tt)*))? $({$($fields:tt)*})? $(like $sample:expr)? =>
            $code:literal, $kind:literal $condition:literal, $on_jitsi:ident, $template:literal;
    )*) => {
        /// Why an attempt is denied, held, or asked for a password.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Denial {
            $($(#[$doc])* $name $(($($of)*))? $({$($fields)*})?,)*
        }

        impl Denial {
            /// A sample of each denial.
            pub const EVERY: &[Self] = &[$(sample!($name $($sample)?)),*];

            const fn row(self) -> Row {
                match self {
                    $(Self::$name { .. } => Row {
                        code: $code,
                        condition: ($kind, $condition),
                        on_jitsi: OnJitsi::$on_jitsi,
                        template: $template,
                    },)*
                }
            }
        }
    };
}

denials! {
    /// An address or name that is not valid in XMPP (RFC 6122).
    Malformed =>
        "malformed", "modify" "jid-malformed", Words,
        "That is not a valid address or name.";
    /// A kind of attempt that this version cannot judge.
    Unknown =>
        "unknown-attempt", "cancel" "feature-not-implemented", Never,
        "This server does not support this kind of request.";
    /// The component itself failed.
    Fault =>
        "fault", "wait" "internal-server-error", Words,
        "The meeting service is briefly unavailable. Please try again in a moment.";
    /// A ban of the file, or one made at run time.
    Banned =>
        "banned", "auth" "forbidden", Words,
        "You have been banned by the operator of this server.";
    /// A ban of the room (affiliation `outcast`).
    Outcast =>
        "outcast", "auth" "forbidden", Words,
        "You are banned from this meeting.";
    /// The connection is not encrypted.
    NotEncrypted =>
        "not-encrypted", "modify" "policy-violation", Words,
        "This server requires an encrypted connection. Please turn on encryption and try again.";
    /// This requester may not open rooms.
    MayNotOpen =>
        "may-not-open", "cancel" "not-allowed", Words,
        "You cannot start a meeting on this server. Please wait for your host, then try again.";
    /// This requester may not open rooms, but a person who logs in may.
    LogInToOpen =>
        "log-in-to-open", "cancel" "not-allowed", LogIn,
        "Please log in to start a meeting.";
    /// A focus opens the rooms here, and it has not opened this one yet.
    FocusFirst =>
        "focus-first", "cancel" "not-allowed", Retry,
        "Room creation is restricted";
    /// The focus opens a room for a person who is not known.
    NobodyAsked =>
        "nobody-asked", "cancel" "not-allowed", Never,
        "This meeting cannot be started, because the server cannot tell who is asking. Please tell its operator (nobody-asked).";
    /// The rules refuse rooms of this name.
    RoomName =>
        "room-name", "cancel" "not-allowed", Words,
        "This meeting name is not allowed here. Please choose another name.";
    /// This requester may not enter.
    MayNotEnter =>
        "may-not-enter", "cancel" "not-allowed", Words,
        "You cannot join meetings on this server. Please ask the person who invited you.";
    /// This requester may not enter, but a person who logs in may.
    LogInToEnter =>
        "log-in-to-enter", "cancel" "not-allowed", LogIn,
        "Please log in to join this meeting.";
    /// A password has to be typed.
    PasswordNeeded =>
        "password-needed", "auth" "not-authorized", Dialog,
        "This meeting requires a password.";
    /// The typed password is wrong.
    PasswordWrong =>
        "password-wrong", "auth" "not-authorized", Dialog,
        "That password is not correct.";
    /// The chosen password is too weak for a room.
    PasswordWeak {
        /// The least length asked for, in characters.
        min_length: u32,
    } like Self::PasswordWeak { min_length: 8 } =>
        "password-weak", "auth" "not-authorized", Dialog,
        "This password is too easy to guess. Use at least {min_length} characters, and nothing from the meeting's name.";
    /// The chosen password is the host code.
    PasswordIsCode =>
        "password-is-code", "auth" "not-authorized", Dialog,
        "This is the host code of this meeting. Please choose another password.";
    /// Too many wrong passwords were typed.
    TooManyGuesses {
        /// How long to wait before the next password.
        wait: Duration,
    } like Self::TooManyGuesses { wait: WAIT } =>
        "too-many-guesses", "wait" "resource-constraint", Words,
        "Too many wrong passwords. Please try again in {wait}.";
    /// A person inside has to let the requester in.
    Lobby =>
        "lobby", "auth" "registration-required", Lobby,
        "You're in the lobby. A moderator can let you in.";
    /// A person inside would have to let the requester in, and there is no lobby to wait in.
    NoLobby =>
        "no-lobby", "auth" "registration-required", Words,
        "This meeting is for invited people only. Please ask a moderator to invite you.";
    /// Too many people are waiting.
    LobbyFull =>
        "lobby-full", "wait" "resource-constraint", Words,
        "The lobby is full. Please try again later.";
    /// The requester has knocked too often.
    TooManyKnocks {
        /// How long to wait before the next knock.
        wait: Duration,
    } like Self::TooManyKnocks { wait: WAIT } =>
        "too-many-knocks", "wait" "resource-constraint", Words,
        "You have asked to join too often. Please try again in {wait}.";
    /// The requester was removed from this room.
    Removed {
        /// How long they still have to stay out.
        wait: Duration,
    } like Self::Removed { wait: WAIT } =>
        "removed", "auth" "forbidden", Words,
        "You were removed from this meeting. You can come back in {wait}.";
    /// The room is closed to newcomers, and why.
    Closed(Closed) like Self::Closed(Closed::Command) =>
        "closed", "cancel" "not-allowed", Words,
        "This meeting is closed to new participants.";
    /// An operator has suspended the meeting: nobody else may come in.
    Suspended =>
        "suspended", "cancel" "not-allowed", Words,
        "This meeting has been suspended by the server's operator. Nobody else can join for now.";
    /// An operator has suspended the meeting: nobody inside undoes that.
    SuspendedInside =>
        "suspended-inside", "cancel" "not-acceptable", Never,
        "This meeting has been suspended by the server's operator. That is not possible until it resumes.";
    /// The room waits for a moderator, or for a password.
    NotOpenYet =>
        "not-open-yet", "auth" "registration-required", LogIn,
        "This meeting is not open yet. You will be invited when it is.";
    /// The room must have a password.
    PasswordMandatory =>
        "password-mandatory", "cancel" "not-acceptable", Never,
        "Meetings on this server must have a password. You cannot remove it. To change it, write !password NEW-PASSWORD in the chat.";
    /// The requester may not change the password.
    PasswordLocked =>
        "password-locked", "cancel" "not-acceptable", Never,
        "The password of this meeting is set by the server and cannot be changed.";
    /// Only moderators may change the password.
    PasswordModerators =>
        "password-moderators", "auth" "forbidden", Never,
        "Only moderators can change the password of this meeting.";
    /// The lobby may not be turned off.
    LobbyMandatory =>
        "lobby-mandatory", "cancel" "not-acceptable", Never,
        "The lobby cannot be turned off on this server.";
    /// The room may not be listed.
    ListingLocked =>
        "listing-locked", "cancel" "not-acceptable", Never,
        "Meetings on this server are never listed publicly.";
    /// The requester may not change whether the room outlives its occupants.
    PersistenceLocked =>
        "persistence-locked", "cancel" "not-acceptable", Never,
        "The server decides whether an empty room is kept.";
    /// The requester may not change this setting.
    SettingLocked(FormField) like Self::SettingLocked(FormField::Name) =>
        "setting-locked", "cancel" "not-acceptable", Never,
        "This server does not let you change {setting}.";
    /// A text is longer than it may be.
    SettingTooLong {
        /// The setting that is too long.
        setting: FormField,
        /// The greatest length, in characters.
        most: u32,
    } like Self::SettingTooLong { setting: FormField::Name, most: 100 } =>
        "setting-too-long", "cancel" "not-acceptable", Never,
        "You cannot change {setting} to more than {max} characters.";
    /// A number is greater than it may be.
    SettingTooHigh {
        /// The setting that is too high.
        setting: FormField,
        /// The greatest number allowed.
        most: u32,
    } like Self::SettingTooHigh { setting: FormField::History, most: 20 } =>
        "setting-too-high", "cancel" "not-acceptable", Never,
        "You cannot change {setting} to more than {max}.";
    /// A number is smaller than it may be.
    SettingTooLow {
        /// The setting that is too low.
        setting: FormField,
        /// The smallest number allowed.
        least: u32,
    } like Self::SettingTooLow { setting: FormField::MaxOccupants, least: 2 } =>
        "setting-too-low", "cancel" "not-acceptable", Never,
        "You cannot change {setting} to less than {min}.";
    /// The chosen value is none of those allowed.
    SettingChoice(FormField) like Self::SettingChoice(FormField::Whois) =>
        "setting-choice", "cancel" "not-acceptable", Never,
        "This server does not let you change {setting} to that.";
    /// The requester may not make moderators.
    MayNotGrant =>
        "may-not-grant", "auth" "forbidden", Never,
        "You cannot make other people moderators here.";
    /// The requester may not take moderation from others.
    MayNotRevoke =>
        "may-not-revoke", "auth" "forbidden", Never,
        "You cannot take moderation from other people here.";
    /// The requester may not remove people.
    MayNotRemove =>
        "may-not-remove", "auth" "forbidden", Never,
        "You cannot remove people from this meeting.";
    /// Services and operators are not removed by people inside.
    Protected =>
        "protected", "auth" "forbidden", Never,
        "Services and operators of this server cannot be removed.";
    /// Moderators by the file are not removed or demoted by those made by a person's hand.
    HigherRank =>
        "higher-rank", "auth" "forbidden", Never,
        "This person is a moderator by this server's rules. You cannot remove or demote them.";
    /// Authority is for those inside (XEP-0045 §7.4): the requester is not.
    NotInside =>
        "not-inside", "cancel" "not-acceptable", Never,
        "Only people in the meeting can do that. Please join first.";
    /// The requester may not invite people or let them in.
    MayNotAdmit =>
        "may-not-admit", "auth" "forbidden", Never,
        "You cannot invite people to this meeting or let them in.";
    /// The requester may not destroy the room.
    MayNotEnd =>
        "may-not-end", "auth" "forbidden", Never,
        "You cannot end this meeting.";
    /// The requester may not close or reopen the room.
    MayNotClose =>
        "may-not-close", "auth" "forbidden", Never,
        "You cannot close or reopen this meeting.";
    /// Registration does not give membership here.
    MayNotRegister =>
        "may-not-register", "auth" "forbidden", Never,
        "Only moderators can make you a member of this room.";
    /// The name is reserved for a service.
    ReservedNick =>
        "reserved-nick", "cancel" "conflict", Words,
        "This name is reserved. Please choose another name.";
    /// Another person inside has a name that looks like this one.
    NameTaken =>
        "name-taken", "cancel" "conflict", Words,
        "Someone here has a name that looks like this one. Please choose another name.";
    /// The name is for moderators only.
    NameProtected =>
        "name-protected", "cancel" "conflict", Words,
        "Only moderators can use this name. Please choose another name.";
    /// The name is in letters of a script that is not allowed here.
    NameScript =>
        "name-script", "modify" "not-acceptable", Words,
        "This name uses letters that are not allowed here. Please choose another name.";
    /// The password is shown to moderators only.
    MayNotKnow =>
        "may-not-know", "auth" "forbidden", Never,
        "Only moderators can see the password.";
    /// The room knows no such command.
    UnknownWord =>
        "unknown-word", "modify" "bad-request", Never,
        "Unknown command. This room understands !password, !password NEW-PASSWORD, !invite, !close, !reopen, !admit all and !reject all.";
    /// Nobody is waiting in the lobby.
    NobodyWaits =>
        "nobody-waits", "cancel" "item-not-found", Never,
        "Nobody is waiting in the lobby.";
    /// The requester may not record, stream or transcribe.
    MayNotRecord =>
        "may-not-record", "auth" "forbidden", Never,
        "You cannot record, stream or transcribe this meeting.";
    /// The requester may not call telephones.
    MayNotDial =>
        "may-not-dial", "auth" "forbidden", Never,
        "You cannot call phone numbers from this meeting.";
    /// The requester may not change the breakout rooms.
    MayNotBreakout =>
        "may-not-breakout", "auth" "forbidden", Never,
        "You cannot change the breakout rooms of this meeting or send people to them.";
    /// The requester may not choose a breakout room, and no moderator has sent them there.
    MayNotChooseBreakout =>
        "may-not-choose-breakout", "auth" "forbidden", Words,
        "You can enter this breakout room when a moderator sends you there. Please join the meeting again.";
    /// Only clients that can encrypt end to end may enter.
    E2eeNeeded =>
        "e2ee-needed", "cancel" "not-acceptable", Words,
        "This meeting is end-to-end encrypted, and your client does not support that. Please join with one that does.";
    /// Recorders and telephones are refused: they cannot encrypt end to end.
    E2eeOnly =>
        "e2ee-only", "cancel" "not-acceptable", Never,
        "This meeting is end-to-end encrypted, so it cannot be recorded or joined by phone.";
    /// Rooms are closed at this time.
    OutsideHours {
        /// When they open next, if ever.
        opens: Option<Clock>,
    } like Self::OutsideHours { opens: Some(OPENS) } =>
        "outside-hours", "cancel" "not-allowed", Words,
        "Meetings are closed right now. They open again on {opens}.";
    /// The room is full (XEP-0045 §7.2.9).
    RoomFull =>
        "room-full", "wait" "service-unavailable", Words,
        "This meeting is full. Please try again when someone has left.";
    /// The requester has opened as many rooms as one person may.
    TooManyOwnRooms =>
        "too-many-own-rooms", "wait" "resource-constraint", Words,
        "You already have as many meetings as one person can have here. Please end one first.";
    /// There are as many rooms as the server may have.
    TooManyRooms =>
        "too-many-rooms", "wait" "resource-constraint", Words,
        "This server cannot take more meetings right now. Please try again later.";
}

impl Denial {
    /// Returns the stable code, for the log and for programs that read it.
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    /// Returns the stanza error that makes an ordinary client do the right thing.
    pub const fn condition(self) -> Condition {
        // XEP-0045 §8.1 has an error of its own for a subject that may not be changed.
        if matches!(self, Self::SettingLocked(FormField::Subject)) {
            return ("auth", "forbidden");
        }
        self.row().condition
    }

    /// Returns whether a join may be denied for this reason.
    pub const fn is_for_joins(self) -> bool {
        !matches!(self.row().on_jitsi, OnJitsi::Never)
    }

    pub(super) const fn on_jitsi(self) -> OnJitsi {
        self.row().on_jitsi
    }

    /// Returns the text in English, with placeholders for what differs.
    pub const fn template(self) -> &'static str {
        if matches!(self, Self::OutsideHours { opens: None }) {
            return "Meetings are closed on this server.";
        }
        self.row().template
    }

    /// Returns the setting that the denial is about, if it is about one.
    pub const fn setting(self) -> Option<FormField> {
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

/// How a client is shown an answer other than `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// A stanza error (RFC 6120 §8.3), as XEP-0045 has it.
    Error(Condition),
    /// A stanza error that names the lobby to wait in: the client goes there.
    Lobby,
    /// A stanza error that makes the client wait for a moderator, ask again by itself, and offer to log in.
    LogIn,
    /// A stanza error after which the client tries again by itself.
    Retry,
    /// The room is said to be destroyed, for the reason given: the client shows the words.
    Destroyed,
    /// The reservation of the room is said to be refused: the client shows the words.
    Reservation,
}

impl Shown {
    /// Returns the name on the wire, or `None` for a plain stanza error.
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::Error(_) => None,
            Self::Lobby => Some("lobby"),
            Self::LogIn => Some("log-in"),
            Self::Retry => Some("retry"),
            Self::Destroyed => Some("destroyed"),
            Self::Reservation => Some("reservation"),
        }
    }
}

/// Returns how the client is shown a denial of this action.
pub const fn shown(denial: Denial, client: Client, action: &Action) -> Shown {
    match (client, action) {
        // Only Jitsi's clients ask for rooms.
        (_, Action::Request) => requested(denial),
        (Client::Jitsi, Action::Open { .. } | Action::Join { .. }) => joined(denial),
        (Client::Plain | Client::Jitsi, _) => Shown::Error(denial.condition()),
    }
}

const fn requested(denial: Denial) -> Shown {
    if matches!(denial.on_jitsi(), OnJitsi::LogIn) { Shown::LogIn } else { Shown::Reservation }
}

const fn joined(denial: Denial) -> Shown {
    match denial.on_jitsi() {
        OnJitsi::Words | OnJitsi::Never => Shown::Destroyed,
        OnJitsi::Dialog => Shown::Error(denial.condition()),
        OnJitsi::Lobby => Shown::Lobby,
        OnJitsi::LogIn => Shown::LogIn,
        OnJitsi::Retry => Shown::Retry,
    }
}

/// A moment as its zone's clock shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Clock {
    /// Date and time in the zone.
    pub local: DateTime,
    /// Offset of the zone from UTC at that moment.
    pub offset: Offset,
}

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = self.local.strftime("%A, %-d %B %Y, at %H:%M");
        if self.offset == Offset::UTC {
            write!(f, "{shown} (UTC)")
        } else {
            write!(f, "{shown} (UTC{})", self.offset)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::attempt::Credential;

    #[test]
    fn only_jitsi_gets_answers_that_only_jitsi_understands() {
        let join = Action::Join { credential: Credential::None };
        assert_eq!(
            shown(Denial::Banned, Client::Plain, &join),
            Shown::Error(("auth", "forbidden"))
        );
        assert_eq!(shown(Denial::Banned, Client::Jitsi, &join), Shown::Destroyed);
        assert_eq!(
            shown(Denial::MayNotGrant, Client::Jitsi, &Action::Destroy),
            Shown::Error(("auth", "forbidden"))
        );
    }
}
