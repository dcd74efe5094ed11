//! Kinds of values: how one is read, written as TOML, and described to an editor.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::values;
use crate::jid::BareJid;

/// The least of durations that count wrong guesses.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// The least of most durations.
pub const SECOND: Duration = Duration::from_secs(1);
/// The least of periods.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Reads a value of the file.
type Reader<T> = dyn Fn(&Item<'_>) -> Read<T>;

/// A kind of value.
pub struct Kind<T> {
    read: Box<Reader<T>>,
    write: Box<dyn Fn(&T) -> String>,
    schema: Value,
    warn: Option<fn(&Item<'_>) -> Vec<Wrong>>,
}

impl<T: 'static> Kind<T> {
    /// Returns a kind that is read by `read`, written as TOML by `write`, and described by a JSON Schema.
    pub fn new(
        read: impl Fn(&Item<'_>) -> Read<T> + 'static,
        write: impl Fn(&T) -> String + 'static,
        schema: Value,
    ) -> Self {
        Self { read: Box::new(read), write: Box::new(write), schema, warn: None }
    }

    /// Reads a value of the file.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its place.
    pub fn read(&self, item: &Item<'_>) -> Read<T> {
        (self.read)(item)
    }

    /// Returns a value as it stands in a file.
    pub fn write(&self, value: &T) -> String {
        (self.write)(value)
    }

    /// Returns the JSON Schema of the values.
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    /// Returns what to warn of in a value of the file, though it may stand there.
    pub fn warnings(&self, item: &Item<'_>) -> Vec<Wrong> {
        self.warn.map(|warn| warn(item)).unwrap_or_default()
    }

    /// Returns the same kind, with that for its warnings.
    #[must_use]
    pub fn warning(self, warn: fn(&Item<'_>) -> Vec<Wrong>) -> Self {
        Self { warn: Some(warn), ..self }
    }

    /// Returns the kind of what `to` makes of such values, and `back` turns into one again.
    pub fn map<U: 'static>(
        self,
        to: impl Fn(T) -> U + 'static,
        back: impl Fn(&U) -> T + 'static,
    ) -> Kind<U> {
        let Self { read, write, schema, .. } = self;
        Kind::new(move |item| read(item).map(&to), move |value| write(&back(value)), schema)
    }

    /// Returns the same kind, further checked by `check`.
    pub fn checked(self, check: impl Fn(&Item<'_>, T) -> Read<T> + 'static) -> Self {
        let Self { read, write, schema, .. } = self;
        Self::new(move |item| check(item, read(item)?), write, schema)
    }
}

/// One of a closed list of words.
pub trait Word: Copy + PartialEq + 'static {
    /// The values that may stand in the file.
    const WORDS: &'static [Self];

    /// Returns its name in the file.
    fn word(self) -> &'static str;
}

/// Makes a type with `ALL` and `name` a [`Word`].
macro_rules! words {
    ($($type:ty),* $(,)?) => {
        $(impl $crate::setting::kind::Word for $type {
            const WORDS: &'static [Self] = &Self::ALL;

            fn word(self) -> &'static str {
                self.name()
            }
        })*
    };
}
pub(crate) use words;

/// Quotes a text as a basic string of TOML.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// `true` or `false`.
pub fn flag() -> Kind<bool> {
    Kind::new(values::boolean, ToString::to_string, json!({ "type": "boolean" }))
}

/// A whole number within these limits.
pub fn whole(limits: RangeInclusive<u32>) -> Kind<u32> {
    let schema = json!({ "type": "integer", "minimum": limits.start(), "maximum": limits.end() });
    Kind::new(values::whole(limits), ToString::to_string, schema)
}

/// A text whose reader is not here, since it needs more than the text: nothing is read, and nothing is wrong.
pub fn external<T: 'static>() -> Kind<T> {
    Kind::new(|_| Err(Vec::new()), |_| quoted(""), json!({ "type": "string" }))
}

/// Any text.
pub fn text() -> Kind<String> {
    Kind::new(values::text, |text| quoted(text), json!({ "type": "string" }))
}

/// A text that is not blank.
pub fn some_text() -> Kind<String> {
    let schema = json!({ "type": "string", "pattern": "\\S" });
    Kind::new(values::some_text, |text| quoted(text), schema)
}

/// A duration with its units, not shorter than `least`.
pub fn duration(least: Duration) -> Kind<Duration> {
    Kind::new(
        values::duration(least),
        |it| quoted(&values::in_words(*it)),
        json!({ "type": "string" }),
    )
}

/// A duration not shorter than `least`, or `never`.
pub fn duration_or_never(least: Duration) -> Kind<Option<Duration>> {
    let write =
        |it: &Option<Duration>| quoted(&it.map_or_else(|| "never".to_owned(), values::in_words));
    Kind::new(values::duration_or_never(least), write, json!({ "type": "string" }))
}

/// One word of a closed list.
pub fn word<T: Word>() -> Kind<T> {
    let names: Vec<_> = T::WORDS.iter().map(|word| word.word()).collect();
    Kind::new(values::word(T::WORDS, T::word), |word| quoted(word.word()), json!({ "enum": names }))
}

/// A list of values of one kind.
pub fn list<T: 'static>(kind: Kind<T>) -> Kind<Vec<T>> {
    let Kind { read, write, schema, .. } = kind;
    Kind::new(
        values::list(read),
        move |values| {
            let items: Vec<_> = values.iter().map(&write).collect();
            format!("[{}]", items.join(", "))
        },
        json!({ "type": "array", "items": schema }),
    )
}

/// A list of words of which none stands there twice: their order counts.
pub fn ordered<T: Word>() -> Kind<Vec<T>> {
    list(word::<T>()).checked(once)
}

/// Returns the words of a list if none stands there twice.
///
/// # Errors
///
/// The first word that does.
pub fn once<T: Word>(item: &Item<'_>, words: Vec<T>) -> Read<Vec<T>> {
    for (at, word) in words.iter().enumerate() {
        if words.iter().take(at).any(|before| before == word) {
            return item.wrong(format!("`{}` stands there twice", word.word()), None);
        }
    }
    Ok(words)
}

/// Where something was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Bytes of the file.
    Text(Range<usize>),
    /// An environment variable.
    Variable(String),
    /// Nowhere: a default, or the file as a whole.
    Whole,
}

/// The addresses of a file that are not ASCII: as they were written, and prepared.
pub type Foreign = RefCell<Vec<(String, BareJid, Place)>>;

/// A value as it was written, and where.
pub struct Item<'a> {
    /// The value.
    pub value: &'a DeValue<'a>,
    /// Where it was written.
    pub place: Place,
    /// Takes the addresses that are not ASCII.
    pub foreign: &'a Foreign,
}

/// Why a value is refused.
#[derive(Debug)]
pub struct Wrong {
    /// Where it was written.
    pub place: Place,
    /// What is wrong, for the operator.
    pub message: String,
    /// What to write instead.
    pub suggestion: Option<String>,
}

/// The value that was read, or everything that is wrong with it.
pub type Read<T> = Result<T, Vec<Wrong>>;

impl Item<'_> {
    /// Refuses the value.
    ///
    /// # Errors
    ///
    /// Always: this message.
    pub fn wrong<T>(&self, message: impl Into<String>, suggestion: Option<String>) -> Read<T> {
        Err(vec![Wrong { place: self.place.clone(), message: message.into(), suggestion }])
    }

    /// Refuses the value, since another kind of value was expected.
    ///
    /// # Errors
    ///
    /// Always: what was expected, and what was found.
    pub fn expected<T>(&self, what: &str) -> Read<T> {
        self.wrong(format!("expected {what}, found {}", self.found()), None)
    }

    /// Returns the kind of value that it is, with its article.
    pub(super) const fn found(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        }
    }
}

/// Longer words are not compared: the comparison takes time with the square of the length.
const LONGEST: usize = 64;

/// The candidate that looks most like `word`, if one looks alike at all.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > LONGEST {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase().replace('-', "_");
            let distance = strsim::osa_distance(&word, &other);
            let is_part = word.len() >= 4
                && other.len() >= 4
                && (other.contains(&word) || word.contains(&other));
            let near = distance <= (word.len().min(other.len()) / 3).max(1);
            (near || is_part).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The sentence that proposes it.
pub(crate) fn did_you_mean<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean `{candidate}`?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_put_right_and_another_word_is_left_alone() {
        let keys = ["at_occupants", "after", "by"];
        assert_eq!(nearest("at_ocupants", keys), Some("at_occupants"));
        assert_eq!(nearest("at-occupants", keys), Some("at_occupants"));
        assert_eq!(nearest("occupants", keys), Some("at_occupants"));
        assert_eq!(nearest("afetr", keys), Some("after"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest(&"a".repeat(100_000), keys), None);
    }
}
