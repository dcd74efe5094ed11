//! Kinds of values that several families share: classes of people, and patterns for rooms.

use globset::{Glob, GlobSet, GlobSetBuilder};
use serde_json::json;

use crate::policy::class::{Class, ClassSet};
use crate::policy::room_name::pattern;
use crate::setting::values::{list, some_text, word};
use crate::setting::{Item, Kind, Read};

/// Words for requester classes in the file.
pub static CLASSES: [(&str, ClassSet); 9] = {
    const fn one(class: Class) -> (&'static str, ClassSet) {
        (class.name(), ClassSet::of(&[class]))
    }
    [
        one(Class::Service),
        one(Class::Operator),
        one(Class::Listed),
        one(Class::Token),
        one(Class::Account),
        one(Class::Returning),
        one(Class::Federated),
        one(Class::Guest),
        (EVERYONE, ClassSet::ALL),
    ]
};

/// Word for all classes.
const EVERYONE: &str = "everyone";

/// Returns the words for requester classes, and `word`, which stands for no class.
pub(super) fn classes_and(word: &'static str) -> Vec<(&'static str, Option<ClassSet>)> {
    let classes = CLASSES.iter().map(|(name, classes)| (*name, Some(*classes)));
    classes.chain([(word, None)]).collect()
}

/// Reads and writes requester classes; `everyone` is all of them.
pub(super) fn classes() -> Kind<ClassSet> {
    let read = |item: &Item<'_>| {
        let words = list(word(&CLASSES, |(name, _)| name))(item)?;
        Ok(words.into_iter().fold(ClassSet::NONE, |all, (_, some)| all.and(some)))
    };
    let names = CLASSES.map(|(name, _)| name);
    Kind::new(
        read,
        |classes| words_in_list(class_words(*classes)),
        json!({ "type": "array", "items": { "enum": names } }),
    )
}

/// Returns the words that stand for these classes in the file.
pub(super) fn class_words(classes: ClassSet) -> Vec<&'static str> {
    match classes {
        ClassSet::ALL => vec![EVERYONE],
        some => some.iter().map(Class::name).collect(),
    }
}

/// Writes words as a list in the file.
pub(super) fn words_in_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let words: Vec<_> = words.into_iter().map(|word| format!("\"{word}\"")).collect();
    format!("[{}]", words.join(", "))
}

/// Reads a pattern for names of rooms.
pub fn glob(item: &Item<'_>) -> Read<Glob> {
    pattern(&some_text(item)?).map_or_else(|error| item.wrong(error.to_string(), None), Ok)
}

/// Reads patterns for names of rooms; `None`: the list is empty. The patterns are not kept to be written again.
pub(super) fn globs() -> Kind<Option<GlobSet>> {
    let read = |item: &Item<'_>| {
        let globs = list(glob)(item)?;
        if globs.is_empty() {
            return Ok(None);
        }
        let mut set = GlobSetBuilder::new();
        for glob in globs {
            set.add(glob);
        }
        set.build().map_or_else(
            |error| {
                item.wrong(format!("the patterns are too much together: {}", error.kind()), None)
            },
            |set| Ok(Some(set)),
        )
    };
    let write = |set: &Option<GlobSet>| if set.is_some() { "[…]" } else { "[]" }.to_owned();
    Kind::new(read, write, json!({ "type": "array", "items": { "type": "string" } }))
}

/// Who may do something inside a room. Operators always may, unless nobody may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Who {
    /// Moderators of the room, and operators.
    #[default]
    Moderator,
    /// Operators of the file.
    Operator,
    /// Nobody, not even operators.
    Nobody,
    /// Anyone whom the room service lets. No word in the file: it is what remains of a rule that is off.
    Anybody,
}

impl Who {
    /// Every value that the file may have.
    pub const ALL: [Self; 3] = [Self::Moderator, Self::Operator, Self::Nobody];

    /// Returns the name in the file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Moderator => "moderator",
            Self::Operator => "operator",
            Self::Nobody => "nobody",
            Self::Anybody => "anybody",
        }
    }
}
