//! The `.env` of Docker Compose: values by name, and items more in values that are lists.

use super::lua::{Insertion, edited};
use crate::doctor::{Variable, variables};

const fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Returns the value of a variable that is not empty.
pub(super) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    // The last of a name counts.
    let found = variables(text).into_iter().rev().find(|variable| variable.name == name);
    found.map(|variable| variable.value).filter(|value| !value.is_empty())
}

/// Why a value is not read: Compose makes another one of what is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotWrittenOut;

/// Returns the value of a variable as Compose takes it; `None`: it is empty or not set.
pub(super) fn resolved(text: &str, name: &str) -> Result<Option<String>, NotWrittenOut> {
    let all = variables(text);
    let Some(at) = all.iter().rposition(|variable| variable.name == name) else { return Ok(None) };
    let (before, own) = all.split_at(at);
    let Some(own) = own.first() else { return Ok(None) };
    let value = match own.quote {
        Some('\'') => written(own)?.to_owned(),
        _ => expanded(written(own)?, before)?,
    };
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// Returns a value without escapes, in one line.
fn written<'a>(variable: &Variable<'a>) -> Result<&'a str, NotWrittenOut> {
    let value = variable.value;
    let is_open = variable.quote.is_none() && value.starts_with(['"', '\'']);
    if is_open || value.contains(['\n', '\r']) || variable.quote.is_some() && value.contains('\\') {
        return Err(NotWrittenOut);
    }
    Ok(value)
}

/// Replaces `$NAME` and `${NAME}` by values that stand before, and have none of these themselves.
fn expanded(value: &str, before: &[Variable<'_>]) -> Result<String, NotWrittenOut> {
    let mut pieces = value.split('$');
    let mut whole = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (name, rest) = match piece.strip_prefix('{') {
            Some(piece) => piece.split_once('}').ok_or(NotWrittenOut)?,
            None => piece.split_at(piece.find(|c| !is_name(c)).unwrap_or(piece.len())),
        };
        let found = before.iter().rev().find(|variable| variable.name == name);
        let found = written(found.ok_or(NotWrittenOut)?)?;
        if found.contains('$') {
            return Err(NotWrittenOut);
        }
        whole.push_str(found);
        whole.push_str(rest);
    }
    Ok(whole)
}

/// What a variable has to have in it.
#[derive(Clone, Debug)]
pub(super) struct Items<'a> {
    pub(super) name: &'a str,
    pub(super) items: &'a [&'a str],
    pub(super) separator: &'a str,
    /// Items that Compose or the image assumes where the variable is not set.
    pub(super) default: &'a [&'a str],
    /// What it is for.
    pub(super) comment: &'a str,
}

/// Returns the file with these items: in the variables that are there, else in lines of their own at its end.
pub(super) fn merged(text: &str, wanted: &[Items<'_>]) -> String {
    let all = variables(text);
    let mut insertions = Vec::new();
    let mut lines = String::new();
    for Items { name, items, separator, default, comment } in wanted {
        let found = all.iter().rev().find(|variable| variable.name == *name);
        let value = found.map_or("", |variable| variable.value);
        let there: Vec<_> =
            value.split(separator).map(str::trim).filter(|it| !it.is_empty()).collect();
        let default = if there.is_empty() { *default } else { &[] };
        let missing =
            items.iter().filter(|item| !there.contains(*item) && !default.contains(*item));
        let added: Vec<_> = default.iter().chain(missing).copied().collect();
        if added.is_empty() {
            continue;
        }
        let added = added.join(separator);
        match found {
            Some(variable) => {
                let between = if there.is_empty() { "" } else { separator };
                let behind = text.get(variable.at.end..).unwrap_or_default();
                // Only behind a blank does a comment begin.
                let blank = if behind.starts_with('#') { " " } else { "" };
                let added = format!("{between}{added}{blank}");
                insertions.push(Insertion::new(variable.at.end, added));
            }
            None => lines.push_str(&format!("\n# {comment}\n{name}={added}\n")),
        }
    }
    let mut new = edited(text, &insertions);
    if !lines.is_empty() {
        if !new.is_empty() && !new.ends_with('\n') {
            new.push('\n');
        }
        new.push_str(&lines);
    }
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    const GATE: Items<'_> = Items {
        name: "MODULES",
        items: &["gate"],
        separator: ",",
        default: &[],
        comment: "The gate.",
    };

    #[test]
    fn an_item_goes_into_the_value_that_is_there() {
        for (before, after) in [
            ("MODULES=a,b\n", "MODULES=a,b,gate\n"),
            ("MODULES=\nX=1\n", "MODULES=gate\nX=1\n"),
            ("export MODULES=\"a\" # mine\n", "export MODULES=\"a,gate\" # mine\n"),
            ("MODULES='a'", "MODULES='a,gate'"),
            ("MODULES=a # mine\n", "MODULES=a,gate # mine\n"),
            ("MODULES= # none\n", "MODULES= gate # none\n"),
            ("MODULES=a,gate\n", "MODULES=a,gate\n"),
            ("MODULES=a\r\nX=1\r\n", "MODULES=a,gate\r\nX=1\r\n"),
            ("MODULES=a\nMODULES=b\n", "MODULES=a\nMODULES=b,gate\n"),
            ("#MODULES=a\nX=1", "#MODULES=a\nX=1\n\n# The gate.\nMODULES=gate\n"),
        ] {
            let new = merged(before, std::slice::from_ref(&GATE));
            assert_eq!(new, after);
            assert_eq!(merged(&new, &[GATE]), new);
        }
    }

    #[test]
    fn what_is_assumed_without_the_variable_stays() {
        let files = Items {
            name: "COMPOSE_FILE",
            items: &["vestibule.yml"],
            separator: ":",
            default: &["docker-compose.yml"],
            comment: "Both files.",
        };
        let new = merged("", std::slice::from_ref(&files));
        assert!(new.ends_with("COMPOSE_FILE=docker-compose.yml:vestibule.yml\n"));
        assert_eq!(merged("COMPOSE_FILE=a.yml\n", &[files]), "COMPOSE_FILE=a.yml:vestibule.yml\n");
    }

    #[test]
    fn a_value_is_resolved_as_compose_does_or_not_at_all() {
        let text = "A=x # it\nB='$A'\nC=\"https://${A}:$A\"\nD=\"one\nA=y\ntwo\"\nE=\"a\\tb\"\nF=${Z}\nG='open\nH=$C\nI=${A:-b}\nJ=$$\nK=${A\nL=\n";
        let of = |name| resolved(text, name);
        for (name, value) in [("A", "x"), ("B", "$A"), ("C", "https://x:x")] {
            assert_eq!(of(name), Ok(Some(value.to_owned())), "{name}");
        }
        for name in ["D", "E", "F", "G", "H", "I", "J", "K"] {
            assert_eq!(of(name), Err(NotWrittenOut), "{name}");
        }
        assert_eq!([of("L"), of("Z"), of("two\"")], [const { Ok(None) }; 3]);
    }

    #[test]
    fn a_value_of_several_lines_stays_whole() {
        let before = "OTHER=\"\nMODULES=no\n\"\nMODULES=\"a,\n b\" # it\n";
        let new = merged(before, std::slice::from_ref(&GATE));
        assert_eq!(new, before.replace(" b\"", " b,gate\""));
        assert_eq!(merged(&new, &[GATE]), new);
    }

    #[test]
    fn a_value_is_what_compose_takes() {
        let text = "A=1\nB='two words' # it\nC=\nA=3 # last\n";
        assert_eq!(value(text, "A"), Some("3"));
        assert_eq!(value(text, "B"), Some("two words"));
        assert_eq!((value(text, "C"), value(text, "D")), (None, None));
    }
}
