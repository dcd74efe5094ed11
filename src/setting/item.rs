//! A value of the file, and what may be wrong with it.

use std::cell::RefCell;
use std::ops::Range;

use toml::de::DeValue;

use crate::jid::BareJid;

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
        let found = match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a fraction",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.wrong(format!("expected {what}, found {found}"), None)
    }
}
