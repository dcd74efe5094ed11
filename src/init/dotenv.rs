//! The `.env` of Docker Compose: values by name, and items more in values that are lists.

use super::lua::{Insertion, edited};
use crate::doctor::variables;

/// Returns the value of a variable that is not empty.
pub(super) fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    // The last of a name counts.
    let found = variables(text).into_iter().rev().find(|variable| variable.name == name);
    found.map(|variable| variable.value).filter(|value| !value.is_empty())
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
    fn a_value_is_what_compose_takes() {
        let text = "A=1\nB='two words' # it\nC=\nA=3 # last\n";
        assert_eq!(value(text, "A"), Some("3"));
        assert_eq!(value(text, "B"), Some("two words"));
        assert_eq!((value(text, "C"), value(text, "D")), (None, None));
    }
}
