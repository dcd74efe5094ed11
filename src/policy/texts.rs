//! The operator's own texts, in the languages of the file, and which of them a person is shown.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::denial::Denial;
use super::form_field::FormField;
use super::messages::{ENGLISH, fill, placeholders, put_in};
use super::notice::{Notice, Told};

/// The texts of one language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// Tag of the language, as it is written in the file.
    pub language: String,
    /// Texts, by the code of a denial or the name of a notice.
    pub sentences: BTreeMap<&'static str, String>,
    /// What settings are called, by the setting's name.
    pub settings: BTreeMap<&'static str, String>,
}

/// The texts of all languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Texts {
    /// Language for people whose own is not known.
    pub default: String,
    /// Texts by the language's tag, in lower case.
    pub languages: BTreeMap<String, Words>,
}

impl Default for Texts {
    fn default() -> Self {
        Self { default: ENGLISH.to_owned(), languages: BTreeMap::new() }
    }
}

/// A text, and its language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'a> {
    /// Text with its placeholders filled in.
    pub text: Cow<'a, str>,
    /// Language of the text (BCP 47).
    pub language: &'a str,
}

impl Texts {
    /// Returns the text of a denial, in the first language that has one: that asked for, shorter and shorter (RFC 4647
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
            // Half a sentence helps nobody: a setting has no name in this language, or rooms never open again.
            let is_whole = placeholders(&text).next().is_none();
            is_whole.then_some(text)
        })
        .unwrap_or_else(|| Said { text: denial.text(), language: ENGLISH })
    }

    /// Returns the text of a notice, in the same way; the gate puts the password in. Without any text it is empty.
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

    /// Returns whether the operator has text for this notice, and `kind` accepts it in every language.
    pub(super) fn has(&self, told: Told, kind: impl Fn(&str) -> bool) -> bool {
        let mut texts = self.languages.values().filter_map(|it| it.sentences.get(told.name()));
        texts.clone().next().is_some() && texts.all(|text| kind(text))
    }

    /// Returns the operator's own addition to the reason for which a person is not let in, if there is one.
    pub fn custom_notice<'a>(
        &self,
        told: Told,
        asked: Option<&str>,
        value: impl Fn(&str) -> Option<&'a str>,
    ) -> Option<String> {
        let said = self.notice(Notice::Told(told), asked);
        (!said.text.is_empty()).then(|| put_in(&said.text, value))
    }

    /// Returns the first text that `words` has. `None`: the built-in one counts, in English, if `is_built_in`.
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::civil::date;
    use jiff::tz::Offset;

    use super::*;
    use crate::policy::denial::Clock;
    use crate::policy::messages::{in_words, when};

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
        // Without a next opening, nobody is shown half a sentence.
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
        // Built-in texts are English, and this notice has none.
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
