//! What the file comes to for one room, and where each value of it comes from.

use std::fmt;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::environment::Environment;
use super::layers::{Layer, Value, defaults, lay_over, values};
use super::load::{LoadError, load_to_look, read_again};
use super::notes::{Notes, Place};
use super::problem::Visible;
use crate::jid::BareJid;
use crate::policy::access::Opening;
use crate::policy::class::Class;
use crate::policy::overrides::Override;
use crate::policy::selector::Claim;

/// What the file comes to for one room.
#[derive(Clone, Debug)]
pub struct Effective {
    /// The room.
    pub room: BareJid,
    /// The file.
    pub file: String,
    /// The override that counts.
    pub chosen: Option<Override>,
    /// The others that are for the room, and why each does not count.
    pub lost: Vec<(Override, String)>,
    /// Every value of every family, with its line; 0: a built-in default.
    pub values: Vec<(Value, u32)>,
}

/// Returns what a file comes to for a room that a person with these claims opens.
///
/// # Errors
/// The file cannot be read, or something in it is wrong.
pub fn effective(
    path: &Path,
    environment: &Environment,
    room: &BareJid,
    claims: &[Claim],
) -> Result<Effective, LoadError> {
    let loaded = load_to_look(path, environment)?;
    let text = loaded.text.expose();
    let notes = Notes::new(&loaded.file, text);
    let (table, _) = DeTable::parse_recoverable(text);
    let table = table.get_ref();
    // Only for what is to be hidden.
    read_again(&notes, table, path, environment);

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
            for value in above.iter_mut().filter(|value| notes.is_hidden(&value.span)) {
                value.text = None;
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
    let line = |value: &Value| match value.layer {
        Layer::Default => 0,
        Layer::Policy | Layer::Profile(_) | Layer::Room => {
            notes.line(&Place::Text(value.span.clone()))
        }
    };
    let values = all
        .into_iter()
        .map(|value| {
            let line = line(&value);
            (value, line)
        })
        .collect();
    Ok(Effective { room: room.clone(), file: loaded.file.clone(), chosen, lost, values })
}

fn inner<'a, 'b>(table: &'a DeTable<'b>, key: &str) -> Option<&'a DeValue<'b>> {
    table.get(key).map(|value| value.get_ref())
}

/// Why another override counts less than the chosen one.
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

/// The name of a table, and its keys with their values.
type Table<'a> = (String, Vec<(String, &'a (Value, u32))>);

impl Effective {
    /// Returns whether who opens the room is left to what the server is.
    pub fn has_default_opening(&self) -> bool {
        self.values.iter().any(|(value, _)| Self::is_default_opening(value))
    }

    fn is_default_opening(value: &Value) -> bool {
        value.path.iter().eq(["access", "open"]) && value.text.as_deref() == Some("\"default\"")
    }

    /// The tables of the policy, each with its values, in the order of the shipped file.
    fn tables(&self) -> Vec<Table<'_>> {
        let mut tables: Vec<Table<'_>> = Vec::new();
        for one in &self.values {
            let path = &one.0.path;
            // In `[policy.modes]` a family's name stands next to those of its rules.
            let is_leaf = |upto: &[String]| self.values.iter().any(|(value, _)| value.path == upto);
            let split = (1..path.len())
                .find(|upto| path.get(..*upto).is_some_and(is_leaf))
                .map_or_else(|| path.len().saturating_sub(1), |upto| upto.saturating_sub(1));
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
    pub fn origin(&self, value: &Value, line: u32) -> String {
        let file = &self.file;
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

/// As a policy for every room: TOML, with where each value comes from behind it.
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
            for (key, (value, line)) in values {
                let origin = self.origin(value, *line);
                let said = match &value.text {
                    Some(text) => format!("{key} = {text}  # {origin}"),
                    None => format!("# {key}: a secret, not shown; {origin}"),
                };
                writeln!(f, "{}", Visible(&said))?;
                if Self::is_default_opening(value) {
                    // What it comes to, the server says: a file is read without one.
                    let classes: Vec<_> =
                        Opening::Default.classes(false).iter().map(Class::name).collect();
                    let classes = classes.join(", ");
                    writeln!(
                        f,
                        "# default: {classes}; guests, too, where nobody logs in to the server"
                    )?;
                }
            }
        }
        Ok(())
    }
}
