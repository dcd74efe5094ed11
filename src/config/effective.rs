//! The effective policy of one room, and where each value of it comes from.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::diagnostics::{Diagnostics, Place, Visible, is_shown};
use super::environment::Environment;
use super::load::{LoadError, load_to_look, read_keys};
use crate::jid::BareJid;
use crate::policy::access::Opening;
use crate::policy::class::Class;
use crate::policy::overrides::Override;
use crate::policy::record::Claim;

/// The policy that applies to one room, by the file.
#[derive(Clone, Debug)]
pub struct Effective {
    /// Address of the room.
    pub room: BareJid,
    /// Path of the policy file.
    pub file: String,
    /// The override that applies; `None` if none matches the room.
    pub chosen: Option<Override>,
    /// The other overrides that match the room, and why each does not apply.
    pub lost: Vec<(Override, String)>,
    /// The value of every key of the policy.
    pub values: Vec<Value>,
}

/// Returns the effective policy of a room that a person with these token claims opens.
///
/// # Errors
/// Fails if the file cannot be read or is invalid.
pub fn effective(
    path: &Path,
    environment: &Environment,
    room: &BareJid,
    claims: &[Claim],
) -> Result<Effective, LoadError> {
    let loaded = load_to_look(path, environment)?;
    let text = loaded.text.expose();
    let notes = Diagnostics::new(&loaded.file, text);
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.get_ref();
    // Only to find out what has to be hidden.
    read_keys(&notes, table, environment);

    let mut matching = loaded.policy.rooms.matching(room, claims).into_iter().cloned();
    let chosen = matching.next();
    let lost = matching.map(|one| {
        let why = chosen.as_ref().map(|chosen| why(chosen, &one)).unwrap_or_default();
        (one, why)
    });
    let lost = lost.collect();
    let mut all = defaults();
    let mut lay = |table: Option<&DeValue<'_>>, layer: Layer| {
        if let Some(table) = table.and_then(DeValue::as_table) {
            let mut above = values(table, text, &layer);
            for value in &mut above {
                value.line = notes.line(&Place::Text(value.span.clone()));
                value.text.take_if(|_| notes.is_hidden(&value.span));
            }
            lay_over(&mut all, above);
        }
    };
    lay(inner(table, "policy"), Layer::Policy);
    if let Some(chosen) = &chosen {
        if let Some(name) = &chosen.profile {
            let profiles = inner(table, "profile").and_then(DeValue::as_table);
            let profile = profiles.and_then(|profiles| inner(profiles, name));
            lay(profile, Layer::Profile(name.clone()));
        }
        let rooms = inner(table, "room").and_then(DeValue::as_array);
        let is_chosen = |span| notes.line(&Place::Text(span)) == chosen.line;
        let own = rooms.and_then(|rooms| rooms.iter().find(|room| is_chosen(room.span())));
        lay(own.map(|own| own.get_ref()), Layer::Room);
    }
    Ok(Effective { room: room.clone(), file: loaded.file.clone(), chosen, lost, values: all })
}

fn inner<'a, 'b>(table: &'a DeTable<'b>, key: &str) -> Option<&'a DeValue<'b>> {
    table.get(key).map(|value| value.get_ref())
}

/// Returns why another override is less specific than the chosen one.
fn why(chosen: &Override, other: &Override) -> String {
    let first = chosen.selector.specificity(chosen.priority);
    let second = other.selector.specificity(other.priority);
    if first.literals != second.literals {
        format!("{} literal characters in `match`, not {}", second.literals, first.literals)
    } else if first.exact != second.exact {
        "a pattern, not the name itself".to_owned()
    } else if first.others != second.others {
        format!("{} selectors in addition to `match`, not {}", second.others, first.others)
    } else if first.priority != second.priority {
        format!("priority {}, not {}", second.priority, first.priority)
    } else {
        "it comes later in the file".to_owned()
    }
}

/// The table whose keys are names of rules and families.
const MODES: &str = "modes";

/// The name of a table, and its keys with their values.
type Table<'a> = (String, Vec<(String, &'a Value)>);

impl Effective {
    /// Returns whether `access.create` is `default`, so that the server decides who may open the room.
    pub fn has_default_opening(&self) -> bool {
        self.values.iter().any(Value::is_default_opening)
    }

    /// Returns the tables of the policy, each with its values, in the order of the shipped file.
    fn tables(&self) -> Vec<Table<'_>> {
        let mut tables: Vec<Table<'_>> = Vec::new();
        for one in &self.values {
            let path = &one.path;
            // There a family's name stands next to those of its rules.
            let is_mode = path.first().is_some_and(|table| table == MODES);
            let split = if is_mode { 1 } else { path.len().saturating_sub(1) };
            let (table, key) = path.split_at_checked(split).unwrap_or((path, &[]));
            let (table, key) = (table.join("."), key_of(key));
            match tables.iter_mut().find(|(name, _)| *name == table) {
                Some((_, values)) => values.push((key, one)),
                None => tables.push((table, vec![(key, one)])),
            }
        }
        tables
    }

    /// Returns where a value comes from, in words.
    fn origin(&self, value: &Value) -> String {
        let (file, line) = (&self.file, value.line);
        match &value.layer {
            Layer::Default => "built-in default".to_owned(),
            Layer::Policy => format!("{file}:{line}"),
            Layer::Profile(name) => format!("{file}:{line}, profile `{name}`"),
            Layer::Room => format!("{file}:{line}, this [[room]]"),
        }
    }
}

fn key_of(path: &[String]) -> String {
    match path {
        [key] => key.clone(),
        several => format!("\"{}\"", several.join(".")),
    }
}

/// Writes the policy as TOML, with the origin of each value in a comment.
impl fmt::Display for Effective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = &self.file;
        writeln!(f, "# {}", Visible(self.room.as_str()))?;
        match &self.chosen {
            None => writeln!(f, "# no [[room]] is for it")?,
            Some(chosen) => {
                let over = chosen.profile.as_ref();
                let over = over.map(|name| format!(", over the profile `{name}`"));
                let said = format!(
                    "# by the [[room]] at {file}:{} ({}){}",
                    chosen.line,
                    chosen.selector,
                    over.unwrap_or_default()
                );
                writeln!(f, "{}", Visible(&said))?;
            }
        }
        for (one, why) in &self.lost {
            let said = format!("# {file}:{} ({}) is for it, too: {why}", one.line, one.selector);
            writeln!(f, "{}", Visible(&said))?;
        }
        for (table, values) in self.tables() {
            writeln!(f, "\n[policy.{table}]")?;
            for (key, value) in values {
                let origin = self.origin(value);
                let said = match &value.text {
                    Some(text) => format!("{key} = {text}  # {origin}"),
                    None => format!("# {key}: a secret, not shown; {origin}"),
                };
                writeln!(f, "{}", Visible(&said))?;
                if value.is_default_opening() {
                    // The classes depend on the server, which is not known when a file is read.
                    let classes: Vec<_> =
                        Opening::Default.classes(false).iter().map(Class::name).collect();
                    let classes = classes.join(", ");
                    let others = "guests, too, where nobody logs in to the server";
                    writeln!(f, "# default: {classes}; {others}")?;
                }
            }
        }
        Ok(())
    }
}

/// The file that shows every key with its default.
pub(super) const DEFAULTS: &str = include_str!("../../component.toml");

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Layer {
    /// A built-in default.
    Default,
    /// The base rules, `[policy]`.
    Policy,
    /// The profile of that name.
    Profile(String),
    /// The `[[room]]` that applies.
    Room,
}

/// The value of a key that applies to a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The parts of its key, like `password`, `guesses`, `burst`.
    pub path: Vec<String>,
    /// The value as written, in one line; `None` for a secret.
    pub text: Option<String>,
    /// Byte range of the value in the file, or for a default in the shipped file.
    pub(super) span: Range<usize>,
    /// 1-based line of the value, or 0 for a built-in default.
    pub line: u32,
    /// Where the value comes from.
    pub layer: Layer,
}

impl Value {
    fn is_default_opening(&self) -> bool {
        self.path.iter().eq(["access", "create"]) && self.text.as_deref() == Some("\"default\"")
    }
}

/// Returns the built-in defaults, in the order of the shipped file.
pub(super) fn defaults() -> Vec<Value> {
    let (file, _) = DeTable::parse_recoverable(DEFAULTS);
    let policy = inner(file.get_ref(), "policy").and_then(DeValue::as_table);
    policy.map(|policy| values(policy, DEFAULTS, &Layer::Default)).unwrap_or_default()
}

/// Returns every value in the subtables of a table, in the order of the file.
pub(super) fn values(table: &DeTable<'_>, text: &str, layer: &Layer) -> Vec<Value> {
    let inner = table.iter().filter_map(|(key, value)| {
        Some((vec![key.get_ref().to_string()], value.get_ref().as_table()?))
    });
    let (mut tables, mut found): (Vec<_>, Vec<_>) = (inner.collect(), Vec::new());
    while let Some((path, table)) = tables.pop() {
        for (key, value) in table {
            // A rule in `[policy.modes]` may be written `"access.enter"` or `access.enter`.
            let is_mode = path.first().is_some_and(|table| table == MODES);
            let names = key.get_ref().splitn(if is_mode { usize::MAX } else { 1 }, '.');
            let path: Vec<_> = path.iter().cloned().chain(names.map(str::to_owned)).collect();
            if let Some(table) = value.get_ref().as_table() {
                tables.push((path, table));
                continue;
            }
            let source = text.get(value.span()).unwrap_or_default();
            found.push(Value {
                path,
                text: Some(written(value.get_ref(), source)),
                span: value.span(),
                line: 0,
                layer: layer.clone(),
            });
        }
    }
    found.sort_by_key(|value| value.span.start);
    found
}

/// Lays values over those below. A value removes those whose keys it is a part of; and a value for one of
/// `secret` and `secret_file`, which are one setting, resets the other to its default.
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

/// Returns a value as written if that is one line that any terminal can show, else written in an equivalent way.
pub(super) fn written(value: &DeValue<'_>, source: &str) -> String {
    if source.chars().all(is_shown) {
        return source.to_owned();
    }
    rewritten(value)
}

fn rewritten(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => quoted(text),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(moment) => moment.to_string(),
        DeValue::Array(items) => {
            let items: Vec<_> = items.iter().map(|item| rewritten(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let pair = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                format!(" {} = {}", quoted(key.get_ref()), rewritten(value.get_ref()))
            };
            format!("{{{} }}", table.iter().map(pair).collect::<Vec<_>>().join(","))
        }
    }
}

fn quoted(text: &str) -> String {
    let shown = text.chars().map(|c| match c {
        '"' | '\\' => format!("\\{c}"),
        c if is_shown(c) => c.to_string(),
        c => format!("\\U{:08X}", u32::from(c)),
    });
    format!("\"{}\"", shown.collect::<String>())
}

#[cfg(test)]
mod tests {
    use toml::de::DeTable;

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

    #[test]
    fn what_is_written_again_means_the_same() {
        let text =
            "x = [ # two\n 'a\"\\', \"\\u202e\\n\", 0x1f, 1.5, true, 1979-05-27,\n {y = 1}, []]";
        let table = DeTable::parse(text).unwrap();
        let value = table.get_ref().get("x").unwrap();
        let again = format!("x = {}", written(value.get_ref(), text.get(value.span()).unwrap()));
        assert!(again.chars().all(is_shown), "{again}");
        let read = |text: &str| text.parse::<toml::Table>().unwrap();
        assert_eq!(read(&again), read(text));
    }
}
