//! Secrets, written in the file or in a file of their own.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::{fs, io};

use toml::de::{DeTable, DeValue};

use super::diagnostics;
use super::diagnostics::{Notes, Place};
use super::environment::{Environment, Outside};
use super::key_diff::{KeyChange, changes};
use super::load::read_keys;
use super::table_reader::Section;
use crate::secret::Secret;
use crate::setting::Item;
use crate::setting::values::text;

/// The keys of a secret.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    /// For the secret itself.
    pub(super) inline: &'static str,
    /// For the name of a file that holds it.
    pub(super) file: &'static str,
    /// Its least length in characters.
    pub(super) least: usize,
}

/// What stands in for a secret that need not be known. Nobody runs by it.
const STAND_IN: &str = "sturdy-lantern-ripple-magnet-orchid-39";

/// A secret that could not be read, which is noted.
pub(super) struct Noted;

/// Reads a secret: `None`, nothing is said of it; `Some((None, …))`, it is set to none.
pub(super) fn read(
    section: &mut Section<'_>,
    keys: Keys,
    outside: &Outside<'_>,
) -> Result<Option<(Option<Secret>, Place)>, Noted> {
    let notes = section.notes();
    if section.secret_in_file(keys.inline).is_some() {
        notes.holds_secret();
    }
    if let Some(file) = section.text_in_file(keys.file) {
        notes.names_secret(file.into());
    }
    let inline = section.given(keys.inline, |item| {
        notes.hide(&item.place);
        (inline(item, keys.least), item.place.clone())
    });
    let file = section.given(keys.file, |item| (text(item), item.place.clone()));

    // A variable is stronger than the file, whichever of the two keys either of them gives.
    let by_variable = |place: &Place| matches!(place, Place::Variable(_));
    let (inline, file) = match (inline, file) {
        (Some((one, at)), Some((_, other))) if by_variable(&at) && !by_variable(&other) => {
            (Some((one, at)), None)
        }
        (Some((_, other)), Some((one, at))) if by_variable(&at) && !by_variable(&other) => {
            (None, Some((one, at)))
        }
        both => both,
    };

    let file = match file {
        None => None,
        Some((Ok(path), place)) => Some((path, place)),
        Some((Err(wrongs), _)) => {
            for wrong in wrongs {
                section.error(wrong.place, keys.file, wrong.message);
            }
            return Err(Noted);
        }
    };
    let inline = match inline {
        None => None,
        Some((Ok(secret), place)) => Some((secret, place)),
        Some((Err(message), place)) => {
            section.error(place, keys.inline, message);
            return Err(Noted);
        }
    };
    match (inline, file) {
        (None, None) => Ok(None),
        (Some((Some(_), _)), Some((path, place))) if !path.is_empty() => {
            let message = format!("`{}` is given too, give one of them", keys.inline);
            section.error(place, keys.file, message);
            Err(Noted)
        }
        (_, Some((path, place))) if outside.lenient && is_out_of_reach(&path, outside) => {
            let message = format!("this account may not read `{path}`, so it is not checked");
            notes.warning(place.clone(), section.path_of(keys.file), message, None);
            Ok(Some((Some(Secret::new(STAND_IN)), place)))
        }
        (_, Some((path, place))) if !path.is_empty() => {
            match from_file(Path::new(&path), keys.least, outside) {
                Ok(secret) => Ok(Some((Some(secret), place))),
                Err(message) => {
                    section.error(place, keys.file, message);
                    Err(Noted)
                }
            }
        }
        (Some((secret, place)), _) => {
            if secret.is_some() && outside.exposed && matches!(place, Place::Text(_)) {
                notes.warning(
                    place.clone(),
                    section.path_of(keys.inline),
                    "other accounts of this machine can read this file, and the secret in it",
                    Some(format!("put it into a file of its own, `{}`", keys.file)),
                );
            }
            Ok(Some((secret, place)))
        }
        (None, Some((_, place))) => Ok(Some((None, place))),
    }
}

fn inline(item: &Item<'_>, least: usize) -> Result<Option<Secret>, String> {
    match text(item) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => long_enough(&text, least).map(Some),
        Err(wrongs) => Err(wrongs.into_iter().map(|wrong| wrong.message).collect()),
    }
}

fn is_out_of_reach(path: &str, outside: &Outside<'_>) -> bool {
    !path.is_empty()
        && (outside.read)(Path::new(path))
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// The secret that a file holds, without the end of its line.
pub(super) fn from_file(
    path: &Path,
    least: usize,
    outside: &Outside<'_>,
) -> Result<Secret, String> {
    let name = path.display();
    let contents =
        (outside.read)(path).map_err(|error| format!("cannot read `{name}`: {error}"))?;
    let secret = contents.trim_end_matches(['\n', '\r']);
    if secret.is_empty() {
        return Err(format!("`{name}` is empty"));
    }
    if secret.contains('\n') {
        return Err(format!("`{name}` has more than one line"));
    }
    long_enough(secret, least)
}

fn long_enough(secret: &str, least: usize) -> Result<Secret, String> {
    if secret.chars().count() < least {
        return Err(format!("it has fewer than {least} characters"));
    }
    Ok(Secret::new(secret))
}

/// Where the secrets of a file are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// There is one in the file itself.
    pub inline: bool,
    /// The files of their own that it, or the environment, names.
    pub files: Vec<PathBuf>,
}

/// Returns where the secrets of the file at `path` are, as it is on the disk now. It need not be valid: of a broken
/// one counts what can be read.
pub fn held(path: &Path, environment: &Environment) -> Held {
    let text = fs::read_to_string(path).unwrap_or_default();
    let notes = Notes::new("", &text);
    let (table, _) = DeTable::parse_recoverable(&text);
    let read = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
    read_keys(
        &notes,
        table.get_ref(),
        &Outside { environment, read: &read, exposed: false, lenient: false },
    );
    let mut held = notes.held();
    let directory = path.parent().unwrap_or(Path::new(""));
    for file in &mut held.files {
        *file = directory.join(&*file);
    }
    held.files.extend(environment.secret_file());
    held.files.sort();
    held.files.dedup();
    held
}

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
    let Some(table) = diagnostics::parse(&notes, text) else { return String::new() };
    let read = |_: &Path| Err(io::Error::from(io::ErrorKind::NotFound));
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
    use std::collections::BTreeSet;

    use super::*;
    use crate::config::load::schema;

    fn held_by(text: &str, environment: &Environment) -> (Held, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("component.toml");
        fs::write(&path, text).unwrap();
        (held(&path, environment), directory.path().to_owned())
    }

    #[test]
    fn every_file_with_a_secret_is_named_and_no_other() {
        let text = "component.secret_file = 'a'\npolicy.password = { secret_file = '/b', deny_list_file = 'c' }\n\
                    [[room]]\nmatch = 'x'\npassword = { preset_file = 'd' }\n\
                    [profile.x.password]\nsecret_file = 'f'\n[store]\npostgres_password_file = 'g'\nfile = 'h'\n";
        let variables = [("VESTIBULE_COMPONENT__SECRET_FILE".to_owned(), "/e".to_owned())];
        let (held, directory) = held_by(text, &Environment::of(variables));
        let mut expected: Vec<_> = ["a", "d", "f", "g"].map(|name| directory.join(name)).into();
        expected.extend(["/b", "/e"].map(PathBuf::from));
        expected.sort();
        assert_eq!(held.files, expected);
        assert!(!held.inline);
    }

    #[test]
    fn a_secret_in_the_file_itself_is_seen_wherever_it_may_stand() {
        let inline = |text: &str| held_by(text, &Environment::default()).0.inline;
        // Whatever key of the schema is read as a secret, alone in a file.
        let found: BTreeSet<_> = schema()
            .into_iter()
            .filter(|key| {
                let in_array =
                    ["service", "room", "ban", "exception", "admin.token", "admin.person"]
                        .iter()
                        .find_map(|array| {
                            let own = key.strip_prefix(array)?.strip_prefix('.')?;
                            Some((array, own))
                        });
                let text = match in_array {
                    Some((array, own)) => format!("[[{array}]]\n{own} = 'x'"),
                    None => format!("{} = 'x'", key.replace("profile.NAME", "profile.lecture")),
                };
                inline(&text)
            })
            .collect();
        let expected = [
            "component.secret",
            "policy.password.preset",
            "policy.password.secret",
            "profile.NAME.password.preset",
            "profile.NAME.password.secret",
            "room.password.preset",
            "room.password.secret",
            // What is no address of a database may be anything.
            "store.postgres",
            "store.postgres_password",
        ];
        assert_eq!(found, expected.map(str::to_owned).into());

        for text in [
            "store.postgres = 'postgresql://v:hunter2@127.0.0.1/v'",
            "store.postgres = 'user=v password=hunter2'",
            "store.postgres = 'postgresql://v@127.0.0.1/v?password=hunter2'",
            // Broken behind it.
            "component.secret = 'x'\n= 5\n",
        ] {
            assert!(inline(text), "{text}");
        }
        for text in [
            include_str!("../../component.toml"),
            "component.secret = ''",
            "policy.password.source = 'preset'",
            "[policy.modes]\npassword = 'enforce'\n'password.required' = 'observe'",
            "policy.password.deny_list = ['secret']",
            "store.postgres = 'postgresql://v@127.0.0.1/v'",
            "[[admin.token]]\nname = 'a'\nrole = 'duty'\nsha256 = 'x'",
        ] {
            assert!(!inline(text), "{text}");
        }
    }

    #[test]
    fn a_secret_that_a_variable_stands_in_for_still_stands_in_the_file() {
        let environment =
            Environment::of([("VESTIBULE_COMPONENT__SECRET".to_owned(), "s3cret".to_owned())]);
        assert!(held_by("component.secret = 'x'", &environment).0.inline);
        let (held, directory) = held_by("component.secret_file = 'a'", &environment);
        assert_eq!((held.inline, held.files), (false, vec![directory.join("a")]));
    }

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
