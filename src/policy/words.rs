//! The built-in words of each denial, in English, and how what differs is put into them.

use std::borrow::Cow;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::Offset;

use super::denial::Denial;
use super::hours::Clock;
use super::record::Closed;
use super::setting::Setting;

/// The language of the built-in words (BCP 47).
pub const ENGLISH: &str = "en";

/// Stands for a moment in [`EVERY`].
pub(super) const WAIT: Duration = Duration::from_secs(30);
const OPENS: Clock = Clock { local: date(2026, 1, 5).at(8, 0, 0, 0), offset: Offset::constant(1) };

/// One of each denial, with values to show it with.
pub const EVERY: [Denial; 60] = [
    Denial::Malformed,
    Denial::Unknown,
    Denial::Fault,
    Denial::Banned,
    Denial::Outcast,
    Denial::NotEncrypted,
    Denial::MayNotOpen,
    Denial::LogInToOpen,
    Denial::FocusFirst,
    Denial::NobodyAsked,
    Denial::RoomName,
    Denial::MayNotEnter,
    Denial::LogInToEnter,
    Denial::PasswordNeeded,
    Denial::PasswordWrong,
    Denial::PasswordWeak { min_length: 8 },
    Denial::TooManyGuesses { wait: WAIT },
    Denial::Lobby,
    Denial::NoLobby,
    Denial::LobbyFull,
    Denial::TooManyKnocks { wait: WAIT },
    Denial::Removed { wait: WAIT },
    Denial::Closed(Closed::Command),
    Denial::Suspended,
    Denial::SuspendedInside,
    Denial::NotOpenYet,
    Denial::PasswordMandatory,
    Denial::PasswordLocked,
    Denial::LobbyMandatory,
    Denial::ListingLocked,
    Denial::PersistenceLocked,
    Denial::SettingLocked(Setting::Name),
    Denial::SettingTooLong { setting: Setting::Name, most: 100 },
    Denial::SettingTooHigh { setting: Setting::History, most: 20 },
    Denial::SettingTooLow { setting: Setting::MaxOccupants, least: 2 },
    Denial::SettingChoice(Setting::Whois),
    Denial::MayNotGrant,
    Denial::MayNotRevoke,
    Denial::MayNotRemove,
    Denial::Protected,
    Denial::HigherRank,
    Denial::NotInside,
    Denial::MayNotAdmit,
    Denial::MayNotEnd,
    Denial::MayNotClose,
    Denial::MayNotRegister,
    Denial::ReservedNick,
    Denial::NameTaken,
    Denial::NameProtected,
    Denial::NameScript,
    Denial::MayNotKnow,
    Denial::UnknownWord,
    Denial::MayNotRecord,
    Denial::MayNotDial,
    Denial::E2eeNeeded,
    Denial::E2eeOnly,
    Denial::OutsideHours { opens: Some(OPENS) },
    Denial::RoomFull,
    Denial::TooManyOwnRooms,
    Denial::TooManyRooms,
];

impl Denial {
    /// What the requester is told, in English. It never says which line of the file it is.
    pub fn text(self) -> Cow<'static, str> {
        fill(self, self.template(), ENGLISH, |setting| Some(setting.words()))
    }

    /// The same, with placeholders for what differs, like `{wait}`.
    pub const fn template(self) -> &'static str {
        match self {
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
            Self::PasswordWeak { .. } => {
                "This password is too easy to guess. Take at least {min_length} characters, and nothing that is in the room's name."
            }
            Self::TooManyGuesses { .. } => "Too many wrong passwords. Try again in {wait}.",
            Self::Lobby => {
                "You have knocked. Somebody inside has to let you in; you will be invited."
            }
            Self::NoLobby => "This room takes only people who were invited.",
            Self::LobbyFull => "Too many people are waiting at this room. Try again later.",
            Self::TooManyKnocks { .. } => "You have knocked too often. Try again in {wait}.",
            Self::Removed { .. } => {
                "You were removed from this meeting. You may come back in {wait}."
            }
            Self::Closed(_) => "This room is closed: nobody else can come in.",
            Self::Suspended => {
                "This meeting is suspended by the operator of this server: nobody else can come in."
            }
            Self::SuspendedInside => {
                "This meeting is suspended by the operator of this server: until it is resumed, that is not possible."
            }
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
            Self::SettingLocked(_) => "By the rules of this server, you may not change {setting}.",
            Self::SettingTooLong { .. } => {
                "You may not change {setting} to more than {max} characters."
            }
            Self::SettingTooHigh { .. } => "You may not change {setting} to more than {max}.",
            Self::SettingTooLow { .. } => "You may not change {setting} to less than {min}.",
            Self::SettingChoice(_) => {
                "By the rules of this server, you may not change {setting} to that."
            }
            Self::MayNotGrant => "You may not make others moderators in this room.",
            Self::MayNotRevoke => "You may not take moderation from others in this room.",
            Self::MayNotRemove => "You may not remove people from this room.",
            Self::Protected => "Services and operators of this server cannot be removed.",
            Self::HigherRank => {
                "This person moderates by the rules of this server: you may neither remove them nor take that from them."
            }
            Self::NotInside => "Only somebody who is in the room may do that: come in first.",
            Self::MayNotAdmit => "You may not invite people to this room or let them in.",
            Self::MayNotEnd => "You may not end this room.",
            Self::MayNotClose => "You may not close or reopen this room.",
            Self::MayNotRegister => "Membership of this room is given by its moderators.",
            Self::ReservedNick => "This nickname is reserved.",
            Self::NameTaken => {
                "Somebody here has a name that looks like this one. Choose another name."
            }
            Self::NameProtected => "Only moderators may use this name. Choose another name.",
            Self::NameScript => {
                "Names on this server are written in other letters. Choose another name."
            }
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
            Self::OutsideHours { opens: Some(_) } => {
                "Rooms are not open now. They open again on {opens}."
            }
            Self::RoomFull => "This room is full. Try again when somebody has left.",
            Self::TooManyOwnRooms => {
                "You have opened as many rooms as one person may. End one of them first."
            }
            Self::TooManyRooms => {
                "There are as many rooms on this server as it takes. Try again later."
            }
        }
    }
}

impl Setting {
    /// What people call it, in English: it follows "change".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "the name of this room",
            Self::Description => "the description of this room",
            Self::Language => "the language of this room",
            Self::Subject => "the subject of this room",
            Self::SubjectChange => "who may change the subject of this room",
            Self::Moderated => "whether everybody may speak in this room",
            Self::Whois => "who sees the addresses of people in this room",
            Self::History => "how much newcomers see of the conversation",
            Self::MemberInvites => "who may invite to this room",
            Self::PrivateMessages => "who may write private messages",
            Self::Presence => "who is seen in this room",
            Self::Archive => "whether the conversation is kept",
            Self::MaxOccupants => "how many may be in this room",
            Self::Other => "this setting",
        }
    }
}

/// The names of the placeholders in a template, without their braces.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(name)
    })
}

/// Puts values in place of placeholders, each once: what a value has of braces stays.
pub(super) fn put_in<'a>(template: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut parts = template.split('{');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let known = part.split_once('}').and_then(|(name, rest)| Some((value(name)?, rest)));
        match known {
            Some((value, rest)) => text.extend([value, rest]),
            None => text.extend(["{", part]),
        }
    }
    text
}

/// Puts what differs into a template in that language; what is not known stays a placeholder.
pub(super) fn fill<'a>(
    denial: Denial,
    template: &'a str,
    language: &str,
    setting_words: impl Fn(Setting) -> Option<&'a str>,
) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(template);
    let mut put = |name: &str, value: &str| text = Cow::Owned(text.replace(name, value));
    if let Some(words) = denial.setting().and_then(setting_words) {
        put("{setting}", words);
    }
    if let Denial::TooManyGuesses { wait }
    | Denial::TooManyKnocks { wait }
    | Denial::Removed { wait } = denial
    {
        put("{wait}", &in_words(wait, language));
    } else if let Denial::PasswordWeak { min_length } = denial {
        put("{min_length}", &min_length.to_string());
    } else if let Denial::SettingTooLong { most, .. } | Denial::SettingTooHigh { most, .. } = denial
    {
        put("{max}", &most.to_string());
    } else if let Denial::SettingTooLow { least, .. } = denial {
        put("{min}", &least.to_string());
    } else if let Denial::OutsideHours { opens: Some(clock) } = denial {
        put("{opens}", &when(clock, language));
    }
    text
}

/// In words where the language is English; else as every language writes it.
pub(super) fn in_words(wait: Duration, language: &str) -> String {
    // Whoever waits as long as told must not come too early.
    let seconds = wait.as_millis().div_ceil(1000).max(1);
    let (number, words, unit) = if seconds < 120 {
        (seconds, if seconds == 1 { "second" } else { "seconds" }, "s")
    } else if seconds <= 7200 {
        (seconds.div_ceil(60), "minutes", "min")
    } else {
        (seconds.div_ceil(3600), "hours", "h")
    };
    format!("{number} {}", if is_english(language) { words } else { unit })
}

/// The same for a moment.
fn when(clock: Clock, language: &str) -> String {
    if is_english(language) {
        return clock.to_string();
    }
    let zone = if clock.offset == Offset::UTC { String::new() } else { clock.offset.to_string() };
    format!("{} (UTC{zone})", clock.local.strftime("%Y-%m-%d %H:%M"))
}

fn is_english(language: &str) -> bool {
    language.split('-').next().is_some_and(|tag| tag.eq_ignore_ascii_case(ENGLISH))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_words() {
        let in_english = |wait| in_words(wait, "en-GB");
        assert_eq!(in_english(Duration::ZERO), "1 second");
        assert_eq!(in_english(Duration::from_millis(1001)), "2 seconds");
        assert_eq!(in_english(Duration::from_secs(119)), "119 seconds");
        assert_eq!(in_english(Duration::from_secs(120)), "2 minutes");
        assert_eq!(in_english(Duration::from_secs(121)), "3 minutes");
        assert_eq!(in_english(Duration::from_secs(7200)), "120 minutes");
        assert_eq!(in_english(Duration::from_secs(7201)), "3 hours");
        assert_eq!(in_words(Duration::from_secs(121), "de"), "3 min");
    }

    #[test]
    fn every_placeholder_is_filled() {
        for denial in EVERY {
            assert!(!denial.text().contains(['{', '}']), "{denial:?}");
        }
    }

    #[test]
    fn a_placeholder_is_a_name_between_braces() {
        let found: Vec<_> = placeholders("{min_length} of {Room}, {a b} and {zone} {x").collect();
        assert_eq!(found, ["min_length", "zone"]);
    }

    #[test]
    fn a_moment_is_told_with_its_zone_in_any_language() {
        let at = |offset| Clock { local: date(2026, 12, 24).at(18, 30, 0, 0), offset };
        assert_eq!(when(at(Offset::UTC), "de"), "2026-12-24 18:30 (UTC)");
        assert_eq!(when(at(Offset::constant(1)), "de"), "2026-12-24 18:30 (UTC+01)");
    }
}
