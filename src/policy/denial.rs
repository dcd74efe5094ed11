//! Why a person may not: each denial in one row, with its code, its stanza error, what Jitsi's client makes of it, and
//! its words in English.

use std::fmt;
use std::time::Duration;

use jiff::civil::{DateTime, date};
use jiff::tz::Offset;

use super::attempt::{Action, Client};
use super::form_field::FormField;
use super::record::Closed;

/// A stanza error's type and condition (RFC 6120 §8.3).
pub type Condition = (&'static str, &'static str);

/// What makes the right thing appear on the screen of a person who joins by Jitsi's client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnJitsi {
    /// The words, as the reason of a room that was destroyed.
    Words,
    /// The dialog for a password, which the stanza error opens.
    Dialog,
    /// The lobby.
    Lobby,
    /// The offer to log in.
    LogIn,
    /// Nothing: the client tries again by itself.
    Retry,
    /// Nothing: no join is refused for it.
    Never,
}

/// What a denial is for those who are told of it.
struct Row {
    code: &'static str,
    condition: Condition,
    on_jitsi: OnJitsi,
    template: &'static str,
}

/// A moment that stands for any.
pub(super) const WAIT: Duration = Duration::from_secs(30);
pub(super) const OPENS: Clock =
    Clock { local: date(2026, 1, 5).at(8, 0, 0, 0), offset: Offset::constant(1) };

/// The value to show a variant with: the one that is given, or the variant itself.
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
        /// Why an attempt is not simply allowed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Denial {
            $($(#[$doc])* $name $(($($of)*))? $({$($fields)*})?,)*
        }

        impl Denial {
            /// One of each denial, with values to show it with.
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
    /// An address or name that is none by the rules of XMPP (RFC 6122).
    Malformed =>
        "malformed", "modify" "jid-malformed", Words,
        "That is not a valid address or name.";
    /// Something that this version cannot judge.
    Unknown =>
        "unknown-attempt", "cancel" "feature-not-implemented", Never,
        "This server does not support this kind of request.";
    /// The component itself failed.
    Fault =>
        "fault", "wait" "internal-server-error", Words,
        "The meeting service is briefly unavailable. Please try again in a moment.";
    /// A ban of the file.
    Banned =>
        "banned", "auth" "forbidden", Words,
        "You are banned from this meeting.";
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
    /// The same, but a person who logs in may.
    LogInToOpen =>
        "log-in-to-open", "cancel" "not-allowed", LogIn,
        "Please log in to start a meeting.";
    /// Where a focus opens the rooms, it has not opened this one yet.
    FocusFirst =>
        "focus-first", "cancel" "not-allowed", Retry,
        "Room creation is restricted";
    /// The focus opens a room, and it is not known for whom.
    NobodyAsked =>
        "nobody-asked", "cancel" "not-allowed", Never,
        "The server cannot tell who is starting this meeting. Please ask its operator to send conference requests over XMPP.";
    /// A room of this name may not be opened.
    RoomName =>
        "room-name", "cancel" "not-allowed", Words,
        "This meeting name is not allowed here. Please choose another name.";
    /// This requester may not enter.
    MayNotEnter =>
        "may-not-enter", "cancel" "not-allowed", Words,
        "You cannot join meetings on this server. Please ask the person who invited you.";
    /// The same, but a person who logs in may.
    LogInToEnter =>
        "log-in-to-enter", "cancel" "not-allowed", LogIn,
        "Please log in to join this meeting.";
    /// A password has to be typed.
    PasswordNeeded =>
        "password-needed", "auth" "not-authorized", Dialog,
        "This meeting requires a password.";
    /// It was the wrong one.
    PasswordWrong =>
        "password-wrong", "auth" "not-authorized", Dialog,
        "That password is not correct.";
    /// It is not good enough for a room.
    PasswordWeak {
        /// The least length asked for.
        min_length: u32,
    } like Self::PasswordWeak { min_length: 8 } =>
        "password-weak", "auth" "not-authorized", Dialog,
        "This password is too easy to guess. Use at least {min_length} characters, and nothing from the meeting's name.";
    /// Too many wrong passwords.
    TooManyGuesses {
        /// How long to wait.
        wait: Duration,
    } like Self::TooManyGuesses { wait: WAIT } =>
        "too-many-guesses", "wait" "resource-constraint", Words,
        "Too many wrong passwords. Please try again in {wait}.";
    /// A person inside has to open the door.
    Lobby =>
        "lobby", "auth" "registration-required", Lobby,
        "You're in the lobby. A moderator can let you in.";
    /// A person would have to open the door, and there is no lobby to wait in.
    NoLobby =>
        "no-lobby", "auth" "registration-required", Words,
        "This meeting is for invited people only. Please ask a moderator to invite you.";
    /// There are too many waiting.
    LobbyFull =>
        "lobby-full", "wait" "resource-constraint", Words,
        "The lobby is full. Please try again later.";
    /// Knocked too often.
    TooManyKnocks {
        /// How long to wait.
        wait: Duration,
    } like Self::TooManyKnocks { wait: WAIT } =>
        "too-many-knocks", "wait" "resource-constraint", Words,
        "You have asked to join too often. Please try again in {wait}.";
    /// Was removed from this room.
    Removed {
        /// How long to stay out.
        wait: Duration,
    } like Self::Removed { wait: WAIT } =>
        "removed", "auth" "forbidden", Words,
        "You were removed from this meeting. You can come back in {wait}.";
    /// Nobody else may come in.
    Closed(Closed) like Self::Closed(Closed::Command) =>
        "closed", "cancel" "not-allowed", Words,
        "This meeting is closed to new participants.";
    /// An operator has suspended the meeting: nobody else may come in.
    Suspended =>
        "suspended", "cancel" "not-allowed", Words,
        "This meeting has been suspended by the server's operator. Nobody else can join for now.";
    /// An operator has suspended the meeting: nobody inside takes that back.
    SuspendedInside =>
        "suspended-inside", "cancel" "not-acceptable", Never,
        "This meeting has been suspended by the server's operator. That is not possible until it resumes.";
    /// Not before a moderator is there, or before the room has a password.
    NotOpenYet =>
        "not-open-yet", "auth" "registration-required", Words,
        "This meeting is not open yet. You will be invited when it is.";
    /// The room must have a password.
    PasswordMandatory =>
        "password-mandatory", "cancel" "not-acceptable", Never,
        "Meetings on this server must have a password. You can change it, but not remove it.";
    /// The password is not the requester's to change.
    PasswordLocked =>
        "password-locked", "cancel" "not-acceptable", Never,
        "The password of this meeting is set by the server and cannot be changed.";
    /// The lobby stays on.
    LobbyMandatory =>
        "lobby-mandatory", "cancel" "not-acceptable", Never,
        "The lobby cannot be turned off on this server.";
    /// The room stays unlisted.
    ListingLocked =>
        "listing-locked", "cancel" "not-acceptable", Never,
        "Meetings on this server are never listed publicly.";
    /// Whether the room outlives its occupants is not the requester's to change.
    PersistenceLocked =>
        "persistence-locked", "cancel" "not-acceptable", Never,
        "The server decides whether an empty room is kept.";
    /// A setting is not the requester's to change.
    SettingLocked(FormField) like Self::SettingLocked(FormField::Name) =>
        "setting-locked", "cancel" "not-acceptable", Never,
        "This server does not let you change {setting}.";
    /// A text is longer than it may be.
    SettingTooLong {
        /// Which.
        setting: FormField,
        /// The greatest length, in characters.
        most: u32,
    } like Self::SettingTooLong { setting: FormField::Name, most: 100 } =>
        "setting-too-long", "cancel" "not-acceptable", Never,
        "You cannot change {setting} to more than {max} characters.";
    /// A number is greater than it may be.
    SettingTooHigh {
        /// Which.
        setting: FormField,
        /// The greatest.
        most: u32,
    } like Self::SettingTooHigh { setting: FormField::History, most: 20 } =>
        "setting-too-high", "cancel" "not-acceptable", Never,
        "You cannot change {setting} to more than {max}.";
    /// A number is smaller than it may be.
    SettingTooLow {
        /// Which.
        setting: FormField,
        /// The smallest.
        least: u32,
    } like Self::SettingTooLow { setting: FormField::MaxOccupants, least: 2 } =>
        "setting-too-low", "cancel" "not-acceptable", Never,
        "You cannot change {setting} to less than {min}.";
    /// What was chosen is not to be had.
    SettingChoice(FormField) like Self::SettingChoice(FormField::Whois) =>
        "setting-choice", "cancel" "not-acceptable", Never,
        "This server does not let you change {setting} to that.";
    /// May not make moderators.
    MayNotGrant =>
        "may-not-grant", "auth" "forbidden", Never,
        "You cannot make other people moderators here.";
    /// May not take moderation from others.
    MayNotRevoke =>
        "may-not-revoke", "auth" "forbidden", Never,
        "You cannot take moderation from other people here.";
    /// May not remove people.
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
    /// Authority is for those inside (what a room answers to people outside, XEP-0045 §7.4).
    NotInside =>
        "not-inside", "cancel" "not-acceptable", Never,
        "Only people in the meeting can do that. Please join first.";
    /// May not invite or let people in.
    MayNotAdmit =>
        "may-not-admit", "auth" "forbidden", Never,
        "You cannot invite people to this meeting or let them in.";
    /// May not destroy the room.
    MayNotEnd =>
        "may-not-end", "auth" "forbidden", Never,
        "You cannot end this meeting.";
    /// May not close or reopen the room.
    MayNotClose =>
        "may-not-close", "auth" "forbidden", Never,
        "You cannot close or reopen this meeting.";
    /// Membership is not to be had by registration.
    MayNotRegister =>
        "may-not-register", "auth" "forbidden", Never,
        "Only moderators can make you a member of this room.";
    /// That name is kept for a service.
    ReservedNick =>
        "reserved-nick", "cancel" "conflict", Words,
        "This name is reserved. Please choose another name.";
    /// A person inside has a name that looks like it.
    NameTaken =>
        "name-taken", "cancel" "conflict", Words,
        "Someone here has a name that looks like this one. Please choose another name.";
    /// That name is for moderators.
    NameProtected =>
        "name-protected", "cancel" "conflict", Words,
        "Only moderators can use this name. Please choose another name.";
    /// It is in letters in which names are not written here.
    NameScript =>
        "name-script", "modify" "not-acceptable", Words,
        "This name uses letters that are not allowed here. Please choose another name.";
    /// The password is told to moderators only.
    MayNotKnow =>
        "may-not-know", "auth" "forbidden", Never,
        "Only moderators can see the password.";
    /// No such word.
    UnknownWord =>
        "unknown-word", "modify" "bad-request", Never,
        "Unknown command. This room understands !password, !close, !reopen, !admit all and !reject all.";
    /// Nobody is waiting in the lobby.
    NobodyWaits =>
        "nobody-waits", "cancel" "item-not-found", Never,
        "Nobody is waiting in the lobby.";
    /// May not record, stream or transcribe.
    MayNotRecord =>
        "may-not-record", "auth" "forbidden", Never,
        "You cannot record, stream or transcribe this meeting.";
    /// May not call telephones.
    MayNotDial =>
        "may-not-dial", "auth" "forbidden", Never,
        "You cannot call phone numbers from this meeting.";
    /// The room takes only clients that can encrypt end to end.
    E2eeNeeded =>
        "e2ee-needed", "cancel" "not-acceptable", Words,
        "This meeting is end-to-end encrypted, and your client does not support that. Please join with one that does.";
    /// Nothing takes part that cannot encrypt end to end.
    E2eeOnly =>
        "e2ee-only", "cancel" "not-acceptable", Never,
        "This meeting is end-to-end encrypted, so it cannot be recorded or joined by phone.";
    /// It is not the time for rooms.
    OutsideHours {
        /// When it is next, if ever.
        opens: Option<Clock>,
    } like Self::OutsideHours { opens: Some(OPENS) } =>
        "outside-hours", "cancel" "not-allowed", Words,
        "Meetings are closed right now. They open again on {opens}.";
    /// There are as many inside as may be (XEP-0045 §7.2.9).
    RoomFull =>
        "room-full", "wait" "service-unavailable", Words,
        "This meeting is full. Please try again when someone has left.";
    /// The requester has opened as many rooms as one may.
    TooManyOwnRooms =>
        "too-many-own-rooms", "wait" "resource-constraint", Words,
        "You already have as many meetings as one person can have here. Please end one first.";
    /// There are as many rooms as may be.
    TooManyRooms =>
        "too-many-rooms", "wait" "resource-constraint", Words,
        "This server cannot take more meetings right now. Please try again later.";
}

impl Denial {
    /// The stable code, for the log and for programs that read it.
    pub const fn code(self) -> &'static str {
        self.row().code
    }

    /// The stanza error that makes an ordinary client do the right thing.
    pub const fn condition(self) -> Condition {
        // XEP-0045 §8.1: who may not change the subject is told so.
        if matches!(self, Self::SettingLocked(FormField::Subject)) {
            return ("auth", "forbidden");
        }
        self.row().condition
    }

    /// Returns whether a person who comes in may be refused for it.
    pub const fn is_for_joins(self) -> bool {
        !matches!(self.row().on_jitsi, OnJitsi::Never)
    }

    pub(super) const fn on_jitsi(self) -> OnJitsi {
        self.row().on_jitsi
    }

    /// The words in English, with placeholders for what differs.
    pub const fn template(self) -> &'static str {
        if matches!(self, Self::OutsideHours { opens: None }) {
            return "Meetings are closed on this server.";
        }
        self.row().template
    }

    /// The setting that it is about.
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

/// An answer that is not `allow`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shown {
    /// A stanza error (RFC 6120 §8.3), as XEP-0045 has it.
    Error(Condition),
    /// A stanza error that names the lobby to wait in: the client goes there.
    Lobby,
    /// A stanza error that makes the client offer to log in.
    LogIn,
    /// A stanza error after which the client tries again by itself.
    Retry,
    /// The room is said to be destroyed, for the reason given: the client shows the words.
    Destroyed,
    /// The reservation of the room is said to be refused: the client shows the words.
    Reservation,
}

impl Shown {
    /// The name on the wire. `None`: a plain stanza error.
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

/// Returns what the client is answered.
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
    /// Date and time.
    pub local: DateTime,
    /// How far that is from UTC.
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
