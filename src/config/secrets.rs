//! Secrets, given in the policy file or in a file of their own, and the text of a file without them.

use std::io;
use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::diagnostics::{Diagnostics, Place};
use super::environment::Outside;
use super::table_reader::TableReader;
use crate::secret::Secret;
use crate::setting::values::text;
use crate::setting::{Item, Read};

/// Warning about a secret in a policy file that others can read.
pub const SECRET_IS_READABLE: &str =
    "other accounts of this machine can read this file, and the secret in it";

/// Keys by which a table gives a secret.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    /// Key for the secret itself.
    pub(super) inline: &'static str,
    /// Key for the path of a file that holds it.
    pub(super) file: &'static str,
    /// Minimum length of the secret in characters.
    pub(super) least: usize,
}

/// Replaces a secret that this account may not read when a file is only inspected; the component never runs with it.
const STAND_IN: &str = "sturdy-lantern-ripple-magnet-orchid-39";

/// Error of a secret that could not be read; the reason has been reported.
pub(super) struct Noted;

/// Reads a secret and its place: `None` if neither key is given, `Some((None, …))` if it is given as empty.
pub(super) fn read(
    section: &mut TableReader<'_>,
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
    let place = |section: &mut TableReader<'_>, key| section.given(key, |item| item.place.clone());
    let (mut inline, mut file) = (place(section, keys.inline), place(section, keys.file));
    inline.iter().for_each(|place| notes.hide(place));

    // A variable overrides the file, whichever of the two keys each of them uses.
    let is_variable = |place: &Option<Place>| matches!(place, Some(Place::Variable(_)));
    match (is_variable(&inline), is_variable(&file)) {
        (true, false) => file = None,
        (false, true) => inline = None,
        (true, true) | (false, false) => {}
    }

    let file = file.map(|_| section.read(keys.file, text).ok_or(Noted)).transpose()?;
    let read_inline = |item: &Item<'_>| inline_secret(item, keys.least);
    let inline = inline.map(|_| section.read(keys.inline, read_inline).ok_or(Noted)).transpose()?;
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
                let hint = format!("put it into a file of its own, `{}`", keys.file);
                section.warning_with(place.clone(), keys.inline, SECRET_IS_READABLE, &hint);
            }
            Ok(Some((secret, place)))
        }
        (None, Some((_, place))) => Ok(Some((None, place))),
    }
}

fn inline_secret(item: &Item<'_>, least: usize) -> Read<Option<Secret>> {
    let text = text(item)?;
    if text.is_empty() {
        return Ok(None);
    }
    long_enough(&text, least).map(Some).or_else(|message| item.wrong(message, None))
}

fn is_out_of_reach(path: &str, outside: &Outside<'_>) -> bool {
    !path.is_empty()
        && (outside.read)(Path::new(path))
            .is_err_and(|error| error.kind() == io::ErrorKind::PermissionDenied)
}

/// Reads a secret from a file of one line, without the line end.
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

/// Placeholder for a secret, as a TOML string.
pub(super) const HIDDEN: &str = "\"…\"";
/// Key that is hidden like a secret: forbidden passwords resemble those in use.
pub(super) const NEAR_SECRETS: &str = "deny_list";

/// How the line breaks inside a secret are treated when it is hidden.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lines {
    /// They are kept, so that the line numbers of the file do not change.
    Kept,
    /// They are removed, since their number depends on the secret.
    Joined,
}

/// Returns the text of a file without secrets and comments. `notes` have to be those of reading it, which know the secrets.
pub(super) fn without_secrets(
    notes: &Diagnostics<'_>,
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

/// Position of a key or a value in the text.
struct Piece {
    span: Range<usize>,
    /// Whether it is hidden without being a secret ([`NEAR_SECRETS`]).
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

/// Removes the comments from text between keys and values, where every `#` begins one.
fn without_remarks(between: &str) -> String {
    let lines = between.split_inclusive('\n').map(|line| match line.split_once('#') {
        Some((before, rest)) if rest.ends_with('\n') => format!("{}\n", before.trim_end()),
        Some((before, _)) => before.to_owned(),
        None => line.to_owned(),
    });
    lines.collect()
}
