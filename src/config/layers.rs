//! The values of a file for one room, layer over layer: the defaults, the policy, a profile, the override.

use std::ops::Range;

use toml::de::DeTable;

use super::written::written;

/// The file that shows every key with its default.
const DEFAULTS: &str = include_str!("../../component.toml");

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// It is a built-in default.
    Default,
    /// `[policy]`.
    Policy,
    /// The profile of that name.
    Profile(String),
    /// The `[[room]]` itself.
    Room,
}

/// A value as it is in force for a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// Its key, like `password`, `guesses`, `burst`.
    pub path: Vec<String>,
    /// As it was written, in one line; `None`: it is a secret.
    pub text: Option<String>,
    /// Bytes of the file (for a default, of the one that shows them).
    pub(super) span: Range<usize>,
    /// Where it comes from.
    pub layer: Layer,
}

/// The defaults.
pub(super) fn defaults() -> Vec<Value> {
    let (file, _) = DeTable::parse_recoverable(DEFAULTS);
    let policy = file.get_ref().get("policy").and_then(|value| value.get_ref().as_table());
    let values = policy.map(|policy| values(policy, DEFAULTS, &Layer::Default));
    values.unwrap_or_default()
}

/// Every value in the tables of this one, in the order of the file.
pub(super) fn values(table: &DeTable<'_>, text: &str, layer: &Layer) -> Vec<Value> {
    let inner = table.iter().filter_map(|(key, value)| {
        Some((vec![key.get_ref().to_string()], value.get_ref().as_table()?))
    });
    let (mut tables, mut found): (Vec<_>, Vec<_>) = (inner.collect(), Vec::new());
    while let Some((path, table)) = tables.pop() {
        for (key, value) in table {
            let path = [path.as_slice(), &[key.get_ref().to_string()]].concat();
            if let Some(table) = value.get_ref().as_table() {
                tables.push((path, table));
                continue;
            }
            let source = text.get(value.span()).unwrap_or_default();
            found.push(Value {
                path,
                text: Some(written(value.get_ref(), source)),
                span: value.span(),
                layer: layer.clone(),
            });
        }
    }
    found.sort_by_key(|value| value.span.start);
    found
}

/// Lays values over others. A value for a name takes away what is named after it; and a value for one of
/// `secret` and `secret_file`, which are one setting, leaves the other as it is by default.
pub(super) fn lay_over(below: &mut Vec<Value>, above: Vec<Value>) {
    let defaults = defaults();
    for value in above {
        let (layer, path) = (value.layer.clone(), value.path.as_slice());
        below.retain(|other| other.layer == layer || !is_after(path, &other.path));
        let twins = below.iter_mut().filter(|other| other.layer != layer);
        for twin in twins.filter(|other| are_twins(path, &other.path)) {
            if let Some(default) = defaults.iter().find(|default| default.path == twin.path) {
                twin.clone_from(default);
            }
        }
        match below.iter_mut().find(|other| other.path == path) {
            Some(old) => *old = value,
            None => below.push(value),
        }
    }
}

fn is_after(this: &[String], other: &[String]) -> bool {
    other.len() > this.len() && other.starts_with(this)
}

fn are_twins(this: &[String], other: &[String]) -> bool {
    let (Some((one, table)), Some((other, other_table))) = (this.split_last(), other.split_last())
    else {
        return false;
    };
    let is_of = |one: &String, file: &String| file.strip_suffix("_file") == Some(one);
    table == other_table && (is_of(one, other) || is_of(other, one))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str, layer: &Layer) -> Vec<Value> {
        values(DeTable::parse(text).unwrap().get_ref(), text, layer)
    }

    #[test]
    fn what_is_given_above_takes_the_place_of_what_it_means() {
        let mut values = of(
            "password.secret = 'a'\npassword.words = 4\nmodes.password.source = 'observe'",
            &Layer::Policy,
        );
        lay_over(
            &mut values,
            of("password.secret_file = 'b'\nmodes.password = 'off'", &Layer::Room),
        );
        let shown: Vec<_> = values.iter().map(|value| value.path.join(".")).collect();
        assert_eq!(
            shown,
            ["password.secret", "password.words", "password.secret_file", "modes.password"]
        );
        assert_eq!(values[0].text.as_deref(), Some("\"\""));
    }

    #[test]
    fn the_defaults_are_those_of_the_shipped_file() {
        let defaults = defaults();
        let words = defaults.iter().find(|value| value.path == ["password", "words"]).unwrap();
        assert_eq!((words.text.as_deref(), &words.layer), (Some("4"), &Layer::Default));
        assert!(defaults.iter().any(|value| value.path == ["password", "guesses", "burst"]));
    }
}
