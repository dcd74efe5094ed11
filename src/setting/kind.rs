//! Kinds of values: how each is read, written as TOML, and described by a JSON Schema.

use std::cell::RefCell;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::values;
use crate::jid::BareJid;

/// Minimum of durations that concern wrong password guesses.
pub const MILLISECOND: Duration = Duration::from_millis(1);
/// Minimum of most durations.
pub const SECOND: Duration = Duration::from_secs(1);
/// Minimum of periods.
pub const MINUTE: Duration = Duration::from_secs(60);

/// Function that reads a value of the file.
type Reader<T> = dyn Fn(&Item<'_>) -> Read<T>;

/// A kind of value: its reader, writer and JSON Schema.
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
    /// Returns everything that is wrong with the value, each problem with its place.
    pub fn read(&self, item: &Item<'_>) -> Read<T> {
        (self.read)(item)
    }

    /// Returns a value as TOML.
    pub fn write(&self, value: &T) -> String {
        (self.write)(value)
    }

    /// Returns the JSON Schema of the values.
    pub const fn schema(&self) -> &Value {
        &self.schema
    }

    /// Returns the warnings about a value of the file, which may be valid all the same.
    pub fn warnings(&self, item: &Item<'_>) -> Vec<Wrong> {
        self.warn.map(|warn| warn(item)).unwrap_or_default()
    }

    /// Returns the same kind, with `warn` to find its warnings.
    #[must_use]
    pub fn warning(self, warn: fn(&Item<'_>) -> Vec<Wrong>) -> Self {
        Self { warn: Some(warn), ..self }
    }

    /// Returns the kind of the values that `to` makes after reading; `back` reverses that before writing.
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

/// A type whose values are the words of a closed list.
pub trait Word: Copy + PartialEq + 'static {
    /// The values that are allowed in the file.
    const WORDS: &'static [Self];

    /// Returns the word by which the file names it.
    fn word(self) -> &'static str;
}

/// Implements [`Word`] for types that have `ALL` and `name`.
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

/// Returns a text as a TOML string, with its quotes.
pub fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
}

/// Returns the kind of `true` and `false`.
pub fn flag() -> Kind<bool> {
    Kind::new(values::boolean, ToString::to_string, json!({ "type": "boolean" }))
}

/// Returns the kind of whole numbers within these limits.
pub fn whole(limits: RangeInclusive<u32>) -> Kind<u32> {
    let schema = json!({ "type": "integer", "minimum": limits.start(), "maximum": limits.end() });
    Kind::new(values::whole(limits), ToString::to_string, schema)
}

/// Returns the kind of texts that are read elsewhere, such as secrets: here nothing is read, and nothing is reported.
pub fn external<T: 'static>() -> Kind<T> {
    Kind::new(|_| Err(Vec::new()), |_| quoted(""), json!({ "type": "string" }))
}

/// Returns the kind of any text.
pub fn text() -> Kind<String> {
    Kind::new(values::text, |text| quoted(text), json!({ "type": "string" }))
}

/// Returns the kind of texts that are not blank.
pub fn some_text() -> Kind<String> {
    let schema = json!({ "type": "string", "pattern": "\\S" });
    Kind::new(values::some_text, |text| quoted(text), schema)
}

/// Returns the kind of durations with their units, not shorter than `least`.
pub fn duration(least: Duration) -> Kind<Duration> {
    Kind::new(
        values::duration(least),
        |it| quoted(&values::in_words(*it)),
        json!({ "type": "string" }),
    )
}

/// Returns the kind of durations not shorter than `least`, or `never`.
pub fn duration_or_never(least: Duration) -> Kind<Option<Duration>> {
    let write =
        |it: &Option<Duration>| quoted(&it.map_or_else(|| "never".to_owned(), values::in_words));
    Kind::new(values::duration_or_never(least), write, json!({ "type": "string" }))
}

/// Returns the kind of the words of a closed list.
pub fn word<T: Word>() -> Kind<T> {
    let names: Vec<_> = T::WORDS.iter().map(|word| word.word()).collect();
    Kind::new(values::word(T::WORDS, T::word), |word| quoted(word.word()), json!({ "enum": names }))
}

/// Returns the kind of lists of values of one kind.
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

/// Returns the kind of lists of distinct words, whose order counts.
pub fn ordered<T: Word>() -> Kind<Vec<T>> {
    list(word::<T>()).checked(once)
}

/// Returns the words of a list if none occurs twice.
///
/// # Errors
///
/// Reports the first word that occurs twice.
pub fn once<T: Word>(item: &Item<'_>, words: Vec<T>) -> Read<Vec<T>> {
    for (at, word) in words.iter().enumerate() {
        if words.iter().take(at).any(|before| before == word) {
            return item.wrong(format!("`{}` stands there twice", word.word()), None);
        }
    }
    Ok(words)
}

/// Where a value was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// Byte range of the file.
    Text(Range<usize>),
    /// Environment variable of that name.
    Variable(String),
    /// Nowhere: a default, or the file as a whole.
    Whole,
}

/// The addresses of a file that are not ASCII: as written, as prepared, and where.
pub type Foreign = RefCell<Vec<(String, BareJid, Place)>>;

/// A value of the file or of a variable, and its place.
pub struct Item<'a> {
    /// The value.
    pub value: &'a DeValue<'a>,
    /// Where the value was written.
    pub place: Place,
    /// Collects the addresses that are not ASCII.
    pub foreign: &'a Foreign,
}

/// Why a value is refused.
#[derive(Debug)]
pub struct Wrong {
    /// Where the value was written.
    pub place: Place,
    /// What is wrong, for the operator.
    pub message: String,
    /// What to write instead, if that is known.
    pub suggestion: Option<String>,
}

/// The value that was read, or everything that is wrong with it.
pub type Read<T> = Result<T, Vec<Wrong>>;

impl Item<'_> {
    /// Refuses the value.
    ///
    /// # Errors
    ///
    /// Always returns this message.
    pub fn wrong<T>(&self, message: impl Into<String>, suggestion: Option<String>) -> Read<T> {
        Err(vec![Wrong { place: self.place.clone(), message: message.into(), suggestion }])
    }

    /// Refuses the value, since another kind of value was expected.
    ///
    /// # Errors
    ///
    /// Always returns what was expected and what was found.
    pub fn expected<T>(&self, what: &str) -> Read<T> {
        self.wrong(format!("expected {what}, found {}", self.found()), None)
    }

    /// Returns the kind of the value for messages, with its article, like `a string`.
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

/// Longest word that is compared, in bytes: the time of the comparison grows with the square of the length.
const LONGEST: usize = 64;

/// Returns the candidate most similar to `word`, if any is similar enough.
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

/// Returns the sentence that suggests the [`nearest`] candidate.
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
