//! Rules on names: which look alike, and who may have which.
//!
//! Two names are compared as eyes compare them: by the skeleton of UTS 39, after compatibility normalisation and case
//! folding, without invisible characters. Both names that others see are judged: the nick (XEP-0045), and the one that
//! Jitsi's clients show (XEP-0172).

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;
use serde_json::json;
use smol_str::SmolStr;
use unicode_normalization::UnicodeNormalization as _;
use unicode_script::{Script, UnicodeScript as _};
use unicode_security::skeleton;

use super::family::family;
use crate::policy::verdict::Rule;
use crate::setting::kind::{list, quoted, word};
use crate::setting::{Item, Kind, values};

/// How often case folding and skeleton are applied in turn: each may undo what the other has made equal.
const ROUNDS: usize = 4;
/// U+2800: it is invisible, and no space by its properties.
const BRAILLE_BLANK: char = '\u{2800}';

/// The look of a name, to be compared with that of others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looks {
    /// Comparison key: names that share one look alike.
    key: SmolStr,
    /// Further keys, of a name that is seen in several ways.
    others: Vec<SmolStr>,
}

impl Looks {
    /// Returns the look of a name. For a short plain name nothing is allocated.
    pub fn of(name: &str) -> Self {
        if name.bytes().all(is_plain) {
            return Self { key: plain_key(name).map(char::from).collect(), others: Vec::new() };
        }
        let key = |name: &str, case| SmolStr::from(key(name, case));
        let mut others = vec![key(name, Case::Kept)];
        // A control in it may show it in the other direction.
        if name.contains(is_direction) {
            let turned: String = name.chars().rev().collect();
            others.extend([key(&turned, Case::Folded), key(&turned, Case::Kept)]);
        }
        Self { key: key(name, Case::Folded), others }
    }

    /// Returns whether one name may be taken for the other.
    pub fn is_like(&self, other: &Self) -> bool {
        self.keys().any(|key| other.keys().any(|other| other == key))
    }

    /// Returns whether that name may be taken for this one. For a plain name nothing is allocated.
    pub fn is_look_of(&self, name: &str) -> bool {
        if name.bytes().all(is_plain) {
            return self.keys().any(|key| plain_key(name).eq(key.bytes()));
        }
        self.is_like(&Self::of(name))
    }

    /// Returns the keys of the look: names that share one look alike.
    pub fn keys(&self) -> impl Iterator<Item = &SmolStr> {
        std::iter::once(&self.key).chain(&self.others)
    }

    /// Returns whether nothing of the name is visible.
    pub fn is_empty(&self) -> bool {
        self.keys().all(|key| key.is_empty())
    }
}

/// Returns a text that is the same for all names of rooms that look alike. They have no capitals (RFC 8265, §3.3).
pub fn room_look(name: &str) -> SmolStr {
    match name.bytes().all(is_plain) {
        true => plain_key(name).map(char::from).collect(),
        false => key(name, Case::Folded).into(),
    }
}

/// How capitals are treated before the first skeleton: some look like letters that their small letters do not, and
/// yet a name in capitals is the same as one without.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Case {
    Folded,
    Kept,
}

/// Returns whether a character is a control that sets a direction (UAX 9, explicit formatting).
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Returns a key that is the same for all names that look alike. Marks on letters do not make another name, nor do the
/// letters that look like `l`, among them a small `i`: its capital is one.
fn key(name: &str, case: Case) -> String {
    let mut key = spaced(name.nfkc());
    if case == Case::Kept {
        key = skeleton(&key).collect();
    }
    for _ in 0..ROUNDS {
        let folded: String = skeleton(&key.to_lowercase()).filter(|c| !is_mark(*c)).collect();
        let folded = spaced(folded.to_lowercase().chars());
        if folded == key {
            break;
        }
        key = folded;
    }
    key.replace('i', "l")
}

/// Returns whether a byte is an ASCII letter, digit or sign for which [`plain_key`] is as good as [`key`].
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'.' | b'-' | b'_' | b'(' | b')')
}

/// Returns the [`key`] of a plain name.
fn plain_key(name: &str) -> impl Iterator<Item = u8> {
    let words = name.split(' ').filter(|word| !word.is_empty()).enumerate();
    let spaced = words.flat_map(|(at, word)| {
        let space = if at == 0 { None } else { Some(b' ') };
        space.into_iter().chain(word.bytes())
    });
    spaced.flat_map(|byte| {
        let (one, other) = match byte.to_ascii_lowercase() {
            b'0' => (b'o', None),
            b'1' | b'i' => (b'l', None),
            b'm' => (b'r', Some(b'n')),
            other => (other, None),
        };
        std::iter::once(one).chain(other)
    })
}

/// Returns the visible characters, with one space for each run of spaces, and none at the ends.
fn spaced(name: impl Iterator<Item = char>) -> String {
    let mut seen = String::new();
    let mut is_apart = false;
    for c in name {
        if c.is_whitespace() || c == BRAILLE_BLANK {
            is_apart = !seen.is_empty();
        } else if !is_unseen(c) {
            if std::mem::take(&mut is_apart) {
                seen.push(' ');
            }
            seen.push(c);
        }
    }
    seen
}

fn is_unseen(c: char) -> bool {
    c.is_control() || CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(c)
}

/// Returns whether a character is a mark on letters of any script: an accent or a stroke, not a script's own vowel.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c) && c.script() == Script::Inherited
}

/// A name of the file, with its look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// The name as it is written.
    pub text: String,
    /// Look of the name.
    pub looks: Looks,
}

impl Name {
    /// Returns a name that is written like this.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let looks = Looks::of(&text);
        Self { text, looks }
    }
}

names! {
    /// Whose names nobody else in the room may take.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub enum Unique {
        /// Nobody's: names may be alike.
        Nobody = "nobody",
        /// Those of moderators who are inside.
        Moderators = "moderators",
        /// Those of everybody inside.
        Everybody = "everybody",
    }
}

family! {
    /// The rules on names.
    "names" ["What people may call themselves, by nick and by the name that Jitsi shows. Names that look alike are the same name:", "letters of another script, digits for letters, capitals, accents, and what is not seen make no other one."]: Names {
        /// Names that only services have.
        reserved: Vec<Name> = vec![Name::new("focus")], list(name()),
            rule "A name that only services have, or one that looks like it."
            [off Vec::new()];
        /// Whose names nobody else in the room may take: "nobody", "moderators" or "everybody". The same account,
        /// ticket or device counts as the same person.
        unique: Unique = Unique::Nobody, word(),
            rule "Another person inside has a name that looks like it."
            [off Unique::Nobody];
        /// Names that only those who moderate may have, like "Moderator" or "Prof. Ann Smith".
        protected: Vec<Name> = Vec::new(), list(name()),
            rule "A name that only moderators may have, or one that looks like it; nor is it reserved for others in the room."
            [off Vec::new()];
        /// The scripts that names may be written in, like "Latin" or "Cyrillic"; none: any.
        scripts: Vec<Script> = Vec::new(), list(script()),
            rule "A name in letters of another script, or of which nothing is seen."
            [off Vec::new()];
    }
}

fn name() -> Kind<Name> {
    let read = |item: &Item<'_>| {
        let name = Name::new(values::some_text(item)?);
        if name.looks.is_empty() { item.wrong("nothing of it is seen", None) } else { Ok(name) }
    };
    Kind::new(read, |name| quoted(&name.text), json!({ "type": "string", "pattern": "\\S" }))
}

fn script() -> Kind<Script> {
    let read = |item: &Item<'_>| {
        let name = values::some_text(item)?;
        let found = Script::from_full_name(&name);
        let found = found.filter(|script| !matches!(script, Script::Common | Script::Inherited));
        found.map_or_else(
            || {
                let hint =
                    "write it like \"Latin\", \"Greek\", \"Cyrillic\", \"Arabic\" or \"Han\"";
                item.wrong(format!("`{name}` is no script of Unicode"), Some(hint.to_owned()))
            },
            Ok,
        )
    };
    Kind::new(read, |script| quoted(script.full_name()), json!({ "type": "string" }))
}

impl Names {
    /// Returns the rule that reserves the name for services, if one does.
    pub(in crate::policy) fn reserves(&self, name: &str) -> Option<Rule> {
        let reserved = &self.reserved;
        let is_reserved = reserved.value.iter().any(|one| one.looks.is_look_of(name));
        is_reserved.then(|| reserved.rule())
    }
}

/// Returns whether every letter of a name is of one of the scripts, and something of the name is visible.
pub(in crate::policy) fn is_written_in(name: &str, scripts: &[Script]) -> bool {
    let is_of_them = |c: char| {
        let script = c.script();
        // Digits, signs and spaces are of every script, invisible characters of none.
        if matches!(script, Script::Common | Script::Inherited) {
            return !is_unseen(c) || is_joiner(c);
        }
        scripts.contains(&script)
    };
    !Looks::of(name).is_empty() && name.chars().all(is_of_them)
}

/// Returns whether a character is invisible, but needed to write some scripts, and emoji.
const fn is_joiner(c: char) -> bool {
    matches!(c, '\u{200c}' | '\u{200d}' | '\u{fe0f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn are_alike(one: &str, other: &str) -> bool {
        Looks::of(one).is_like(&Looks::of(other))
    }

    #[test]
    fn names_that_look_alike_are_the_same() {
        for name in [
            "Moderator ",
            "\u{a0}\tModerator\u{2003}",
            "MODERATOR",
            // Cyrillic, Greek, full-width, mathematical.
            "M\u{43e}derat\u{43e}r",
            "\u{39c}\u{3bf}derator",
            "\u{ff2d}\u{ff4f}\u{ff44}\u{ff45}\u{ff52}\u{ff41}\u{ff54}\u{ff4f}\u{ff52}",
            "\u{1d40c}\u{1d428}\u{1d41d}\u{1d41e}\u{1d42b}\u{1d41a}\u{1d42d}\u{1d428}\u{1d42b}",
            // Digits for letters.
            "M0derat0r",
            "M0DERAT0R",
            // Not seen: Hangul fillers, joiners, soft hyphen, word joiner, variation selectors, a byte order mark, blanks.
            "Moderator\u{3164}",
            "\u{115f}Mo\u{1160}derator\u{ffa0}",
            "Mod\u{200d}er\u{200c}at\u{ad}or",
            "Mod\u{2060}erator\u{feff}\u{fe0f}\u{e0100}",
            "\u{2800}Moderator\u{2800}",
            "Mod\u{34f}erator",
            // Controls of direction, and what an override shows.
            "\u{200f}Moderator\u{61c}",
            "\u{202e}rotaredoM\u{202c}",
            "\u{2067}rotaredoM\u{2069}",
            // Combining marks.
            "M\u{f3}derator",
            "Mo\u{301}\u{327}d\u{335}erator",
        ] {
            assert!(are_alike(name, "Moderator"), "{name:?}: {:?}", Looks::of(name));
            assert!(are_alike("Moderator", name), "{name:?}");
        }
        for (one, other) in [
            ("AIice", "alice"),
            ("AL1CE", "Alice"),
            ("A|ice", "ALICE"),
            ("Alice (Moderator)", "Al\u{456}ce  (Moderat\u{43e}r)"),
            ("Corner", "Comer"),
            ("\u{3164}", " "),
            ("Bob", "B\u{1d0f}b"),
            ("\u{418}\u{412}\u{410}\u{41d}", "\u{418}\u{432}\u{430}\u{43d}"),
            ("Bob", "\u{412}ob"),
        ] {
            assert!(
                are_alike(one, other),
                "{one:?} {:?}, {other:?} {:?}",
                Looks::of(one),
                Looks::of(other)
            );
        }
    }

    #[test]
    fn rooms_whose_names_look_alike_have_one_look() {
        for (one, other) in [
            ("dean", "d\u{435}\u{430}n"),
            ("oca", "\u{43e}\u{441}\u{430}"),
            ("room1", "rooml"),
            ("[m\u{fc}nchen]tea", "[munchen]tea"),
        ] {
            assert_eq!(room_look(one), room_look(other));
        }
        assert_ne!(room_look("tea-1"), room_look("tea-2"));
        for name in ["board-meeting", "comer.1_0", "[tenant]physics-201"] {
            assert_eq!(room_look(name), key(name, Case::Folded));
        }
    }

    #[test]
    fn other_names_are_others() {
        let names = [
            "Moderator",
            "Moderator 2",
            "Moderators",
            "Alice",
            "Alicia",
            "Bob",
            "Rob",
            "Zo\u{eb}",
            "Jo",
            "J\u{f6}rg",
            "\u{410}\u{43d}\u{43d}\u{430}",
            "\u{418}\u{432}\u{430}\u{43d}",
            "\u{4f50}\u{85e4}",
            "\u{c774}",
            "\u{5d3}\u{5d5}\u{5d3}",
            "\u{e2a}\u{e21}\u{e0a}\u{e32}\u{e22}",
            "\u{e2a}\u{e21}\u{e1e}\u{e23}",
            "\u{1f600}",
            "\u{1f601}",
            "",
        ];
        for (at, one) in names.iter().enumerate() {
            for other in &names[at + 1..] {
                assert!(!are_alike(one, other), "{one:?} {other:?}: {:?}", Looks::of(one));
            }
        }
    }

    #[test]
    fn what_a_name_looks_like_is_found_quickly_and_once() {
        for name in [
            "i",
            "\u{130}",
            "\u{fdfa}",
            "m",
            "rn",
            "\u{1d400}",
            "\u{e01}\u{e33}",
            "W",
            "\u{df}",
            "\u{1e9e}",
        ] {
            let once = key(name, Case::Folded);
            assert_eq!(key(&once, Case::Folded), once, "{name:?}");
        }
        let long = "\u{fdfa}".repeat(1000);
        assert!(key(&long, Case::Kept).len() < 100_000);
    }

    #[test]
    fn a_plain_name_looks_the_same_without_tables() {
        let plain: Vec<char> = (0..128_u8).filter(|byte| is_plain(*byte)).map(char::from).collect();
        let mut names: Vec<String> = plain.iter().map(char::to_string).collect();
        for one in &plain {
            names.extend(plain.iter().map(|other| format!("{one}{other}")));
        }
        names.extend(["  Ann   M.  (1) ", "", " ", "MODERATOR"].map(str::to_owned));
        for name in names {
            for case in [Case::Folded, Case::Kept] {
                assert!(plain_key(&name).eq(key(&name, case).bytes()), "{name:?}");
            }
            assert!(Looks::of(&name).is_look_of(&name));
        }
    }

    #[test]
    fn scripts_are_those_of_the_letters() {
        let latin = [Script::Latin];
        for name in
            ["Ann 2", "Zo\u{eb}", "Zoe\u{308}", "\u{1f469}\u{200d}\u{1f4bb} Ann", "Ann (she/her)"]
        {
            assert!(is_written_in(name, &latin), "{name:?}");
        }
        for name in [
            "\u{410}nn",
            "\u{418}\u{432}\u{430}\u{43d}",
            "",
            "\u{3164}",
            "\u{202e}nnA",
            " ",
            "\u{e0041}Ann",
        ] {
            assert!(!is_written_in(name, &latin), "{name:?}");
        }
        assert!(is_written_in(
            "\u{418}\u{432}\u{430}\u{43d} Ann",
            &[Script::Latin, Script::Cyrillic]
        ));
    }
}
