//! A value of the file, and what may be wrong with it.

use toml::de::DeValue;

use super::notes::{Foreign, Notes, Place};

/// A value as it was written, and where.
pub(super) struct Item<'a> {
    pub(super) value: &'a DeValue<'a>,
    pub(super) place: Place,
    /// For the addresses outside of ASCII.
    pub(super) foreign: &'a Foreign,
}

/// Why a value is refused.
pub(super) struct Wrong {
    pub(super) place: Place,
    pub(super) message: String,
    pub(super) suggestion: Option<String>,
}

/// What reading a value comes to: all that is wrong with it at once.
pub(super) type Read<T> = Result<T, Vec<Wrong>>;

impl Item<'_> {
    pub(super) fn wrong<T>(
        &self,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) -> Read<T> {
        Err(vec![Wrong { place: self.place.clone(), message: message.into(), suggestion }])
    }

    /// Another kind of value was expected.
    pub(super) fn expected<T>(&self, what: &str) -> Read<T> {
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

/// Hides every text in a value.
pub(super) fn hide(notes: &Notes<'_>, value: &DeValue<'_>, place: &Place) {
    match value {
        DeValue::String(_) => notes.hide(place),
        DeValue::Array(items) => {
            for item in items.iter() {
                hide(notes, item.get_ref(), &Place::Text(item.span()));
            }
        }
        DeValue::Table(table) => {
            for (_, value) in table.iter() {
                hide(notes, value.get_ref(), &Place::Text(value.span()));
            }
        }
        DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
    }
}
