//! How what differs is put into the words for people, in English and in other languages.

use std::borrow::Cow;
use std::time::Duration;

use jiff::tz::Offset;

use super::denial::Denial;
use super::form_field::FormField;
use super::hours::Clock;

/// The language of the built-in words (BCP 47).
pub const ENGLISH: &str = "en";

impl Denial {
    /// Returns what the requester is told, in English. It never says which line of the file it is.
    pub fn text(self) -> Cow<'static, str> {
        fill(self, self.template(), ENGLISH, |setting| Some(setting.words()))
    }
}

impl FormField {
    /// Returns what people call it, in English: it follows "change".
    pub const fn words(self) -> &'static str {
        match self {
            Self::Name => "the name of this room",
            Self::Description => "the description of this room",
            Self::Language => "the language of this room",
            Self::Subject => "the subject of this room",
            Self::SubjectChange => "who can change the subject of this room",
            Self::Moderated => "whether everyone can speak in this room",
            Self::Whois => "who can see the addresses of people in this room",
            Self::History => "how much of the conversation newcomers can see",
            Self::MemberInvites => "who can invite people to this room",
            Self::PrivateMessages => "who can send private messages",
            Self::Presence => "whose presence is shown in this room",
            Self::Archive => "whether the conversation is archived",
            Self::MaxOccupants => "how many people can be in this room",
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

/// In words where the language is English; else as every language writes it.
pub(super) fn in_words(wait: Duration, language: &str) -> String {
    // A client that waits as long as told must not come too early.
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
pub(super) fn when(clock: Clock, language: &str) -> String {
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
    use jiff::civil::date;

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
        for denial in Denial::EVERY.iter().copied() {
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
