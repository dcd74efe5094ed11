//! Built-in texts for people, and how values are put into them, in English and in other languages.

use std::borrow::Cow;
use std::fmt::Display;
use std::time::Duration;

use jiff::tz::Offset;

use super::denial::{Clock, Denial};
use super::form_field::FormField;

/// Name and English text of each message that the gate has built in.
pub const GATE_WORDS: [(&str, &str); 26] = [
    ("gate-chat", "You cannot write in this meeting."),
    ("gate-private", "You cannot send private messages in this meeting."),
    ("gate-rename", "You cannot change your name in this meeting."),
    ("gate-media", "Audio, video and screen sharing are controlled by this server."),
    ("gate-alone", "No moderator is in this breakout room. You are taken back to the main room."),
    ("gate-admitted", "A moderator has let you in."),
    ("gate-knock", "{nick} ({address}) would like to join."),
    ("gate-declined", "Your request to join was declined."),
    ("gate-nobody", "Nobody has let you in. Please try again later."),
    ("gate-away", "The meeting service is briefly unavailable. Please try again in a moment."),
    (
        "gate-mismatch",
        "The meeting service is out of order. Please tell the operator of this server.",
    ),
    ("gate-full", "Too many people are waiting. Please try again in a moment."),
    ("gate-address", "An address in this request contains characters that are not allowed here."),
    ("gate-too-large", "The request is too large."),
    ("gate-value", "This value is not allowed here: {field}."),
    ("gate-outside", "You are not in this room. Please join first."),
    ("gate-unnamed", "This room does not support this request."),
    ("gate-read", "Only moderators can see this."),
    ("gate-elsewhere", "No meetings are held at this address."),
    ("gate-speaker", "Meeting rules"),
    ("gate-password-set", "The password of this meeting has been changed."),
    (
        "gate-password-word",
        "This was shown to nobody. To change the password, write !password NEW-PASSWORD to everyone.",
    ),
    ("gate-moderator", "You are a moderator now. In the chat, !help shows what you can write."),
    (
        "gate-moderator-password",
        "You are a moderator now. In the chat, !password shows the password and !help what else you can write.",
    ),
    ("gate-see-chat", "The chat shows the password of this meeting, to you alone."),
    ("gate-see-chat-code", "The chat shows the host code of this meeting, to you alone."),
];

/// Texts of the gate that the component has too, under the names that it gives them.
pub const SHARED: [&str; 2] = ["say-suspended-here", "reserved-nick"];

/// The language of the built-in texts (BCP 47).
pub const ENGLISH: &str = "en";

impl Denial {
    /// Returns the text that the requester is shown, in English. It never names a line of the file.
    pub fn text(self) -> Cow<'static, str> {
        fill(self, self.template(), ENGLISH, |setting| Some(setting.words()))
    }
}

impl FormField {
    /// Returns what people call the setting, in English, to follow the word "change".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "the name of this room",
            Self::Description => "the description of this room",
            Self::Language => "the language of this room",
            Self::Subject => "the subject of this room",
            Self::SubjectChange => "who can change the subject of this room",
            Self::Moderated => "whether everyone can speak in this room",
            Self::Whois => "who can see the addresses of people in this room",
            Self::History => "how much of the conversation is shown to newcomers",
            Self::MemberInvites => "who can invite people to this room",
            Self::PrivateMessages => "who can send private messages",
            Self::Presence => "whose presence is shown in this room",
            Self::Archive => "whether the conversation is archived",
            Self::MaxOccupants => "how many people can be in this room",
            Self::Other => "this setting",
        }
    }
}

/// Returns a number with what it counts: `1 policy`, `2 policies`.
pub fn counted(number: impl Display, one: &str, many: &str) -> String {
    let number = number.to_string();
    let what = if number == "1" { one } else { many };
    format!("{number} {what}")
}

/// Returns whether a character has no width, ends a line or changes the writing direction: a name with it rearranges the
/// text next to it.
pub const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// Returns the names of the placeholders in a template, without their braces.
pub fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| {
        let (name, _) = rest.split_once('}')?;
        name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_').then_some(name)
    })
}

/// Replaces placeholders by values in one pass: braces inside a value stay.
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

/// Fills in a denial's template in that language; a placeholder without a value stays.
pub(super) fn fill<'a>(
    denial: Denial,
    template: &'a str,
    language: &str,
    setting_words: impl Fn(FormField) -> Option<&'a str>,
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

/// Returns a duration in words where the language is English, else with the symbol of its unit.
pub(super) fn in_words(wait: Duration, language: &str) -> String {
    // A client that waits as long as it is told must not come too early.
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

/// Returns a time in words where the language is English, else in the order of ISO 8601.
pub(super) fn when(clock: Clock, language: &str) -> String {
    if is_english(language) {
        return clock.to_string();
    }
    let zone = if clock.offset == Offset::UTC { String::new() } else { clock.offset.to_string() };
    format!("{} (UTC{zone})", clock.local.strftime("%Y-%m-%d %H:%M"))
}

pub(super) fn is_english(language: &str) -> bool {
    language.split('-').next().is_some_and(|tag| tag.eq_ignore_ascii_case(ENGLISH))
}
