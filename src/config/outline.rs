//! What a file says, key by key, to tell two files apart.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::load::read_keys;
use super::notes::{Notes, Place};
use super::outside::Outside;
use super::syntax;
use crate::secret::Secret;

/// What is shown instead of a secret.
const HIDDEN: &str = "…";
/// The longest value that is shown whole, in characters.
const LONGEST: usize = 200;
/// What sets tables of one name apart, the first that they have.
const NAMES: [&str; 10] =
    ["match", "jid", "domain", "network", "tenant", "claim", "service", "class", "room", "name"];

/// One key that a file gives, and as what.
#[derive(Clone, Debug)]
struct Written {
    value: Secret,
    shown: String,
    line: u32,
}

/// A value, where it is written. Neither holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Said {
    /// As it is written.
    pub value: String,
    /// The 1-based line.
    pub line: u32,
}

/// A key that two files give differently. Where one of them says nothing, its default counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyChange {
    /// The key, like `policy.lobby.admission` or `room["board-*"].lobby.admission`.
    pub key: String,
    /// In the one file.
    pub before: Option<Said>,
    /// In the other.
    pub after: Option<Said>,
}

/// In which keys two files differ, in the order of the second; secrets are told apart, and not shown.
pub fn changes(before: &str, after: &str) -> Vec<KeyChange> {
    let (before, mut after) = (outline(before), outline(after));
    let said = |written: &Written| Said { value: written.shown.clone(), line: written.line };
    let mut found = Vec::new();
    for (key, old) in before {
        let new = after.remove(&key);
        if new.as_ref().is_none_or(|new| new.value != old.value) {
            found.push(KeyChange { key, before: Some(said(&old)), after: new.as_ref().map(said) });
        }
    }
    let added = after.into_iter();
    found.extend(added.map(|(key, new)| KeyChange { key, before: None, after: Some(said(&new)) }));
    found.sort_by_key(|change| change.after.as_ref().or(change.before.as_ref()).map(|at| at.line));
    found
}

fn outline(text: &str) -> BTreeMap<String, Written> {
    let notes = Notes::new("", text);
    let mut all = BTreeMap::new();
    let Some(table) = syntax::parse(&notes, text) else { return all };
    let read = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::NotFound));
    let environment = Environment::default();
    // Reading it says which values are secrets.
    read_keys(
        &notes,
        &table,
        &Outside { environment: &environment, read: &read, exposed: false, lenient: false },
    );
    flatten(&notes, text, &table, "", &mut all);
    all
}

fn flatten(
    notes: &Notes<'_>,
    text: &str,
    table: &DeTable<'_>,
    path: &str,
    all: &mut BTreeMap<String, Written>,
) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
        match value.get_ref() {
            DeValue::Table(inner) => flatten(notes, text, inner, &path, all),
            DeValue::Array(items) if items.iter().any(|item| item.get_ref().is_table()) => {
                let mut seen = HashMap::<String, usize>::new();
                for inner in items.iter().filter_map(|item| item.get_ref().as_table()) {
                    let mut path = format!("{path}[{}]", name_of(inner));
                    let number = seen.entry(path.clone()).or_default();
                    *number = number.saturating_add(1);
                    if *number > 1 {
                        path = format!("{path}({number})");
                    }
                    flatten(notes, text, inner, &path, all);
                }
            }
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                let span = value.span();
                let raw = text.get(span.clone()).unwrap_or_default();
                let shown = if notes.is_hidden(&span) { HIDDEN.to_owned() } else { in_short(raw) };
                let line = notes.line(&Place::Text(span));
                all.insert(path, Written { value: Secret::new(raw), shown, line });
            }
        }
    }
}

fn name_of(table: &DeTable<'_>) -> String {
    let named = |name: &&str| table.get(*name).and_then(|value| value.get_ref().as_str());
    let name = NAMES.iter().find_map(named);
    name.map_or_else(String::new, |name| format!("{name:?}"))
}

fn in_short(raw: &str) -> String {
    let mut words: String = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = words.char_indices().nth(LONGEST) {
        words.truncate(end);
        words.push_str(HIDDEN);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn in_words(before: &str, after: &str) -> Vec<String> {
        let said = |said: &Option<Said>| match said {
            None => "default".to_owned(),
            Some(Said { value, line }) => format!("{value}@{line}"),
        };
        let changes = changes(before, after).into_iter();
        changes
            .map(|one| format!("{}: {} -> {}", one.key, said(&one.before), said(&one.after)))
            .collect()
    }

    #[test]
    fn keys_are_told_apart_by_their_values_not_by_their_lines() {
        let before = "[policy.lobby]\nadmission = \"open\"\nmax_knocks = 3\n";
        let after = "# a remark\n\n[policy.lobby]\nmax_knocks = 3\nadmission = \"lobby\"\n[audit]\nevery = \"1 day\"\n";
        assert_eq!(
            in_words(before, after),
            [
                "policy.lobby.admission: \"open\"@2 -> \"lobby\"@5",
                "audit.every: default -> \"1 day\"@7"
            ]
        );
        assert_eq!(in_words(after, after), [""; 0]);
    }

    #[test]
    fn tables_of_one_name_are_known_by_what_they_are_for() {
        let room = |name: &str, admission: &str| {
            format!("[[room]]\nmatch = \"{name}\"\nlobby.admission = \"{admission}\"\n")
        };
        let before = room("a-*", "open") + &room("b-*", "open");
        let after = room("b-*", "lobby") + &room("a-*", "open");
        assert_eq!(
            in_words(&before, &after),
            [r#"room["b-*"].lobby.admission: "open"@6 -> "lobby"@3"#]
        );
        let bans = "[[ban]]\njid = \"a@b\"\nreason = \"x\"\n";
        assert_eq!(
            in_words("", bans),
            [r#"ban["a@b"].jid: default -> "a@b"@2"#, r#"ban["a@b"].reason: default -> "x"@3"#]
        );
        assert_eq!(in_words(&format!("{bans}{bans}"), bans).len(), 2);
    }

    #[test]
    fn that_a_secret_changed_is_shown_and_not_as_what() {
        let file = |secret: &str| {
            format!(
                "[component]\nsecret = \"{secret}\"\n[policy.password]\npreset = \"{secret}\"\ndeny_list = [\n\"x\",\n]\n"
            )
        };
        let shown = in_words(&file("canary one"), &file("canary two"));
        assert_eq!(shown, ["component.secret: …@2 -> …@2", "policy.password.preset: …@4 -> …@4"]);
    }
}
