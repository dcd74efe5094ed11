//! A file as it may be kept: without its secrets.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::load::read_keys;
use super::notes::Notes;
use super::outline::{KeyChange, changes};
use super::outside::Outside;
use super::syntax;

/// What is shown instead of a secret.
const HIDDEN: &str = "\"…\"";
/// Words that nobody may have as a password are near to those that a person has.
const NEAR_SECRETS: &str = "deny_list";

/// In which keys two files differ, as it may be kept.
pub fn redacted_changes(before: &str, after: &str) -> Vec<KeyChange> {
    let mut all = changes(before, after);
    for change in all.iter_mut().filter(|change| change.key.ends_with(NEAR_SECRETS)) {
        for said in change.before.iter_mut().chain(&mut change.after) {
            HIDDEN.clone_into(&mut said.value);
        }
    }
    all
}

/// What becomes of the lines of a secret that has several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// They stay, empty, so that each line of the file is where it was.
    Kept,
    /// They go: how many there are depends on the secret.
    Joined,
}

/// The text of a file, each line where it was, without the values of secrets and without remarks, for nobody knows
/// what stands in them. Of what is no TOML nothing is left.
pub fn redacted(text: &str) -> String {
    let notes = Notes::new("", text);
    let Some(table) = syntax::parse(&notes, text) else { return String::new() };
    let read = |_: &std::path::Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    let environment = Environment::default();
    // Reading it says which values are secrets.
    read_keys(
        &notes,
        &table,
        &Outside { environment: &environment, read: &read, exposed: false, lenient: false },
    );
    without_secrets(&notes, &table, text, Lines::Kept)
}

/// The same of a file that was read: its notes say which values are secrets.
pub(super) fn without_secrets(
    notes: &Notes<'_>,
    table: &DeTable<'_>,
    text: &str,
    lines: Lines,
) -> String {
    let mut pieces = Vec::new();
    in_table(table, false, &mut pieces);
    pieces.sort_by_key(|piece| piece.span.start);

    let (mut kept, mut at) = (String::with_capacity(text.len()), 0);
    for Piece { span, is_near } in pieces {
        if span.start < at {
            continue;
        }
        kept.push_str(&without_remarks(text.get(at..span.start).unwrap_or_default()));
        let value = text.get(span.clone()).unwrap_or_default();
        if is_near || notes.is_hidden(&span) {
            kept.push_str(HIDDEN);
            if lines == Lines::Kept {
                kept.extend(value.matches('\n'));
            }
        } else {
            kept.push_str(value);
        }
        at = span.end;
    }
    kept.push_str(&without_remarks(text.get(at..).unwrap_or_default()));
    kept
}

/// A key or a value.
struct Piece {
    span: Range<usize>,
    /// It is near to secrets.
    is_near: bool,
}

fn in_table(table: &DeTable<'_>, is_near: bool, pieces: &mut Vec<Piece>) {
    for (key, value) in table {
        pieces.push(Piece { span: key.span(), is_near: false });
        let is_near = is_near || key.get_ref() == NEAR_SECRETS;
        in_value(value.get_ref(), value.span(), is_near, pieces);
    }
}

fn in_value(value: &DeValue<'_>, span: Range<usize>, is_near: bool, pieces: &mut Vec<Piece>) {
    match value {
        DeValue::Table(inner) => in_table(inner, is_near, pieces),
        DeValue::Array(items) => {
            for item in items.iter() {
                in_value(item.get_ref(), item.span(), is_near, pieces);
            }
        }
        DeValue::String(_)
        | DeValue::Integer(_)
        | DeValue::Float(_)
        | DeValue::Boolean(_)
        | DeValue::Datetime(_) => pieces.push(Piece { span, is_near }),
    }
}

/// Returns what stands between keys and values, where every `#` begins a remark.
fn without_remarks(between: &str) -> String {
    let lines = between.split_inclusive('\n').map(|line| match line.split_once('#') {
        Some((before, rest)) if rest.ends_with('\n') => format!("{}\n", before.trim_end()),
        Some((before, _)) => before.to_owned(),
        None => line.to_owned(),
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_its_secrets_is_the_same_file_line_by_line() {
        let shipped = include_str!("../../component.toml");
        let kept = redacted(shipped);
        assert_eq!(kept.lines().count(), shipped.lines().count());
        let told_apart = changes(shipped, &kept);
        let told_apart: Vec<_> = told_apart.iter().map(|change| &*change.key).collect();
        let words = ["secret", "preset", "store.postgres", "store.postgres_password"];
        let is_secret = |key: &str| words.iter().any(|word| key.ends_with(word));
        assert!(told_apart.iter().all(|key| is_secret(key)), "{told_apart:?}");
        assert!(told_apart.contains(&"component.secret"));
        assert!(!kept.contains('#'));
    }

    #[test]
    fn secrets_and_remarks_are_not_kept() {
        let file = r##"
[component] # secret = "canary"
secret = """canary
canary"""
domain = "a#b.example"
[policy.password]
#preset = "canary"
preset = 'canary#'
deny_list = [ # canary
  "canary#y", # canary
]
[[room]]
match = "a" # canary
password = { preset = "canary", words = 5 }
# canary"##;
        let kept = redacted(file);
        assert!(!kept.contains("canary"), "{kept}");
        for part in ["\"a#b.example\"", "words = 5", "preset = \"…\"", "match = \"a\""] {
            assert!(kept.contains(part), "{part}: {kept}");
        }
        assert_eq!(kept.matches('\n').count(), file.matches('\n').count());
        assert_eq!(redacted("secret = canary"), "");
        let changes = redacted_changes(file, "policy.password.deny_list = ['canary']");
        assert!(changes.iter().any(|change| change.key == "policy.password.deny_list"));
        assert!(!format!("{changes:?}").contains("canary"));
    }
}
