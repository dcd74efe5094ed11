//! What is no TOML at all.

use std::collections::HashSet;

use toml::de::DeTable;

use super::load::schema;
use super::notes::{Notes, Place};

/// Parses the text; `None`: it is no TOML, which is noted.
pub(super) fn parse<'a>(notes: &Notes<'_>, text: &'a str) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table.into_inner());
    }
    hide_secrets(notes, text);
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

/// Hides every line that may hold a secret, or a part of one: where the structure is broken, nobody can
/// tell which key a text belongs to.
fn hide_secrets(notes: &Notes<'_>, text: &str) {
    let schema = schema();
    let keys = schema.iter().filter_map(|key| key.rsplit('.').next()).collect();
    let has_long_strings = text.contains("\"\"\"") || text.contains("'''");
    let mut start: usize = 0;
    for line in text.split_inclusive('\n') {
        let end = start.saturating_add(line.len());
        if has_long_strings || !is_harmless(line, &keys) {
            notes.hide(&Place::Text(start..end));
        }
        start = end;
    }
    notes.hide(&Place::Text(start..start.saturating_add(1)));
}

/// The line is a header, or gives a plain value to a plain key that is for no secret.
fn is_harmless(line: &str, keys: &HashSet<&str>) -> bool {
    let line = line.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    if ["secret", "preset", "password"].iter().any(|word| line.contains(word)) {
        return false;
    }
    match line.split_once('=') {
        None => line.starts_with('[') && line.chars().all(is_plain),
        Some((key, value)) => keys.contains(key.trim()) && !value.contains(['{', '\\', '=']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_cannot_hold_a_secret_are_shown() {
        let keys = HashSet::from(["words", "required", "secret", "lobby"]);
        for line in ["words = 4 5", "  required = tru", "[policy.lobby", "[[room]"] {
            assert!(is_harmless(line, &keys), "{line}");
        }
        for line in [
            "secret = \"x",
            "preset=x",
            "password = \"x",
            "pasword = x",
            "\"secret\" = x",
            "lobby = { x = \"y\"",
            "\"x\"",
            "x",
            "words = 4, secret = 5",
            "[x] y",
        ] {
            assert!(!is_harmless(line, &keys), "{line}");
        }
    }
}
