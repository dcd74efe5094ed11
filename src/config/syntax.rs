//! What is no TOML at all.

use toml::de::DeTable;

use super::notes::{Notes, Place};

/// Parses the text; `None`: it is no TOML, which is noted.
pub(super) fn parse<'a>(notes: &Notes<'_>, text: &'a str) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table.into_inner());
    }
    // Where the structure is broken, nobody can tell which text is a secret's value.
    notes.hide(&Place::Text(0..text.len().saturating_add(1)));
    let mut last_line = 0;
    for error in errors {
        let place = error.span().map_or(Place::Whole, Place::Text);
        let line = notes.line(&place);
        // What follows on the same line follows from the first.
        if line == 0 || line != last_line {
            notes.error(place, "", format!("not TOML: {}", error.message()), None);
        }
        last_line = line;
    }
    None
}
