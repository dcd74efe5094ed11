//! The operator's own words, in the languages of the file, and which of them a person is told.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use jiff::tz::Offset;

use super::denial::Denial;
use super::form_field::FormField;
use super::hours::Clock;
use super::notice::{Notice, Told};

/// The words of one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The language, as it was written.
    pub language: String,
    /// Sentences, by the code of a denial or the name of a notice.
    pub sentences: BTreeMap<&'static str, String>,
    /// What settings are called, by their name.
    pub settings: BTreeMap<&'static str, String>,
}

/// Every language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// What people are told whose language is not known.
    pub default: String,
    /// By the language's tag, in lower case.
    pub languages: BTreeMap<String, Words>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { default: ENGLISH.to_owned(), languages: BTreeMap::new() }
    }
}

/// Words, and their language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// The words.
    pub text: Cow<'a, str>,
    /// Their language (BCP 47).
    pub language: &'a str,
}

impl Texts {
    /// Why not, in the first language that has words for it: the one asked for, shorter and shorter (RFC 4647
    /// §3.4, lookup), the default, and English.
    pub fn denial(&self, denial: Denial, asked: Option<&str>) -> Said<'_> {
        self.first(asked, true, |words| {
            let template = words.sentences.get(denial.code())?;
            let is_english = words.language.eq_ignore_ascii_case(ENGLISH);
            let named = |setting: FormField| {
                let own = words.settings.get(setting.name());
                own.map(String::as_str).or_else(|| is_english.then(|| setting.words()))
            };
            let text = fill(denial, template, &words.language, named);
            // Half a sentence helps nobody: it needs a name that this language has not, or there is no such moment.
            let is_whole = placeholders(&text).next().is_none();
            is_whole.then_some(text)
        })
        .unwrap_or_else(|| Said { text: denial.text(), language: ENGLISH })
    }

    /// Returns what the room says, in the same way; the gate puts the password in. Of what has no words, nothing.
    pub fn notice(&self, notice: Notice, asked: Option<&str>) -> Said<'_> {
        let is_built_in = !matches!(notice, Notice::Told(_));
        self.first(asked, is_built_in, |words| {
            let template = words.sentences.get(notice.name())?;
            // As for a denial; what the gate puts in stays.
            let text = notice.fill(template, &words.language);
            let is_whole = placeholders(&text).all(|name| name != "opens");
            is_whole.then_some(text)
        })
        .unwrap_or_else(|| Said { text: notice.text(), language: ENGLISH })
    }

    /// The words of the operator's own for this, in whatever language, and all of this kind.
    pub(super) fn has(&self, told: Told, kind: impl Fn(&str) -> bool) -> bool {
        let mut texts = self.languages.values().filter_map(|it| it.sentences.get(told.name()));
        texts.clone().next().is_some() && texts.all(|text| kind(text))
    }

    /// Returns what a person who is not let in is told in addition to the reason, if anything.
    pub fn custom_notice<'a>(
        &self,
        told: Told,
        asked: Option<&str>,
        value: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<String> {
        let said = self.notice(Notice::Told(told), asked);
        (!said.text.is_empty()).then(|| put_in(&said.text, value))
    }

    /// `None`: the built-in words, in English if `is_built_in`.
    fn first<'a>(
        &'a self,
        asked: Option<&str>,
        is_built_in: bool,
        words: impl Fn(&'a Words) -> Option<Cow<'a, str>>,
    ) -> Option<Said<'a>> {
        if self.languages.is_empty() {
            return None;
        }
        for asked in asked.into_iter().chain([&*self.default]) {
            let asked = asked.to_lowercase();
            let mut tag = &*asked;
            loop {
                if let Some(known) = self.languages.get(tag)
                    && let Some(text) = words(known)
                {
                    return Some(Said { text, language: &known.language });
                }
                if tag == ENGLISH && is_built_in {
                    return None;
                }
                let Some((shorter, _)) = tag.rsplit_once('-') else { break };
                tag = shorter;
            }
        }
        None
    }
}

/// The name, and the English words as the gate has them.
pub const GATE_WORDS: [(&str, &str); 18] = [
    ("gate-chat", "You cannot write in this meeting."),
    ("gate-private", "You cannot send private messages in this meeting."),
    ("gate-rename", "You cannot change your name in this meeting."),
    ("gate-media", "Audio, video and screen sharing are controlled by this server."),
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
];

/// Those that the component says, too: they have their names already.
pub const SHARED: [&str; 2] = ["say-suspended-here", "reserved-nick"];

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

    fn texts(default: &str) -> Texts {
        let words = |language: &str, sentences: &[(&'static str, &str)]| {
            let sentences = sentences.iter().map(|(code, text)| (*code, (*text).to_owned()));
            let words = Words {
                language: language.to_owned(),
                sentences: sentences.collect(),
                settings: BTreeMap::from([("name", "den Namen".to_owned())]),
            };
            (language.to_lowercase(), words)
        };
        let german = [
            ("banned", "Sie sind hier nicht willkommen."),
            ("setting-locked", "Sie dürfen {setting} nicht ändern."),
            ("removed", "Noch {wait}."),
        ];
        let languages = [
            words("de", &german),
            words("de-CH", &[("banned", "Sie sind da nicht willkommen.")]),
            words("fr", &[("banned", "Vous n'êtes pas le bienvenu.")]),
        ];
        Texts { default: default.to_owned(), languages: languages.into_iter().collect() }
    }

    #[test]
    fn the_nearest_language_speaks() {
        for (default, asked, language) in [
            ("en", Some("de"), "de"),
            ("en", Some("DE-at"), "de"),
            ("en", Some("de-CH-1996"), "de-CH"),
            ("en", Some("es"), "en"),
            ("fr", Some("es"), "fr"),
            ("fr", Some("en-GB"), "en"),
            ("fr-CA", None, "fr"),
            ("en", None, "en"),
        ] {
            assert_eq!(
                texts(default).denial(Denial::Banned, asked).language,
                language,
                "{asked:?}"
            );
        }
    }

    #[test]
    fn a_sentence_is_in_one_language() {
        let texts = texts("fr");
        let named = texts.denial(Denial::SettingLocked(FormField::Name), Some("de-CH"));
        assert_eq!(
            named,
            Said { text: "Sie dürfen den Namen nicht ändern.".into(), language: "de" }
        );
        let unnamed = texts.denial(Denial::SettingLocked(FormField::Whois), Some("de"));
        assert_eq!(unnamed.language, "en");
        // There is no such moment: nobody is told half a sentence.
        let hours = BTreeMap::from([(Notice::HoursAreOver(None).name(), "Ab {opens}.".to_owned())]);
        let german = Words { language: "de".to_owned(), sentences: hours, ..Words::default() };
        let languages = BTreeMap::from([("de".to_owned(), german)]);
        let over = Texts { default: "de".to_owned(), languages };
        assert_eq!(over.notice(Notice::HoursAreOver(None), Some("de")).language, "en");
        let wait = Duration::from_secs(61);
        assert_eq!(texts.denial(Denial::Removed { wait }, Some("de")).text, "Noch 61 s.");
    }

    #[test]
    fn what_has_no_words_of_the_operator_s_is_not_said() {
        let mut texts = texts("fr");
        let said = |texts: &Texts, asked| {
            texts.custom_notice(Told::Wait, asked, |name| (name == "room").then_some("tea{rule}"))
        };
        assert_eq!(said(&texts, Some("de")), None);
        assert!(!texts.has(Told::Wait, |_| true));
        let french = texts.languages.get_mut("fr").unwrap();
        french.sentences.insert(Told::Wait.name(), "{room}, {rule}. {".to_owned());
        for asked in [Some("de"), Some("en"), Some("en-GB"), Some("fr-CA"), None] {
            let expected = "tea{rule}, {rule}. {";
            assert_eq!(said(&texts, asked).as_deref(), Some(expected), "{asked:?}: the default");
        }
        assert!(texts.has(Told::Wait, |_| true) && !texts.has(Told::Wait, |_| false));
        texts.default = "es".to_owned();
        assert_eq!(said(&texts, Some("de")), None, "no language of theirs");
        // Built-in words are English, and there are none of these.
        assert_eq!(texts.notice(Notice::Told(Told::Enter), None).text, "");
        assert_eq!(texts.notice(Notice::Closed, Some("en")).language, "en");
    }

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
