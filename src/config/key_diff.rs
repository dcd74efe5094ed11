//! Keys in which two policy files differ, and settings that take effect only after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use toml::de::{DeTable, DeValue};

use super::admin::Admin;
use super::diagnostics::{Diagnostics, Place};
use super::effective::DEFAULTS;
use super::environment::Environment;
use super::load::{parse_table, read_keys};
use super::settings::{Component, Log, Settings};
use super::store::Store;
use super::table_reader::join;
use crate::jid::BareJid;
use crate::secret::Secret;

/// Placeholder shown instead of a secret, and after a value that is cut off.
const HIDDEN: &str = "…";
/// Longest value that is shown in full, in characters.
const LONGEST: usize = 200;
/// Keys that identify an entry of an array of tables: the first of them that it has.
const NAMES: [&str; 10] =
    ["match", "jid", "domain", "network", "tenant", "claim", "service", "class", "room", "name"];

/// The value that a file gives to a key.
#[derive(Clone, Debug)]
struct Written {
    value: Secret,
    shown: String,
    line: u32,
}

/// A value in a file and its line. It never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Said {
    /// The value as written, cut off after 200 characters, or `…` for a secret.
    pub value: String,
    /// 1-based line of the value.
    pub line: u32,
}

/// A key whose value differs between two files. Where a file does not set the key, the default applies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct KeyChange {
    /// The key, like `policy.lobby.admission` or `room["board-*"].lobby.admission`.
    pub key: String,
    /// The value in the first file, unless it does not set the key.
    pub before: Option<Said>,
    /// The value in the second file, unless it does not set the key.
    pub after: Option<Said>,
}

/// Returns the keys whose values differ between two files, by line; a key that a file leaves out has its default there.
/// Secrets are compared, but not shown.
pub fn changes(before: &str, after: &str) -> Vec<KeyChange> {
    let defaults: BTreeMap<_, _> =
        outline(DEFAULTS).into_iter().map(|(key, value)| (of_any(&key), value)).collect();
    let (before, after) = (outline(before), outline(after));
    let said = |written: &Written| Said { value: written.shown.clone(), line: written.line };
    let value = |written: &Written| meaning(written.value.expose());
    let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let mut found = Vec::new();
    for key in keys {
        let (old, new) = (before.get(key), after.get(key));
        let default = defaults.get(&of_any(key));
        if old.or(default).map(value) != new.or(default).map(value) {
            let (before, after) = (old.map(said), new.map(said));
            found.push(KeyChange { key: key.clone(), before, after });
        }
    }
    found.sort_by_key(|change| change.after.as_ref().or(change.before.as_ref()).map(|at| at.line));
    found
}

/// Returns a key without the names of the tables in it: all of one kind have the same defaults.
fn of_any(key: &str) -> String {
    let mut parts = key.split("[\"");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |whole, part| whole + part.split_once("\"]").map_or("", |(_, rest)| rest))
}

/// Returns a value as it is written in one way only, whatever quotation marks and blanks the file has.
fn meaning(raw: &str) -> String {
    let read = toml::from_str::<toml::Table>(&format!("value = {raw}"));
    read.map_or_else(|_| raw.to_owned(), |table| table.to_string())
}

fn outline(text: &str) -> BTreeMap<String, Written> {
    let notes = Diagnostics::new("", text);
    let mut all = BTreeMap::new();
    let Some(table) = parse_table(&notes, text) else { return all };
    // Reading the file marks which values are secrets.
    read_keys(&notes, &table, &Environment::default());
    flatten(&notes, text, &table, "", &mut all);
    all
}

fn flatten(
    notes: &Diagnostics<'_>,
    text: &str,
    table: &DeTable<'_>,
    path: &str,
    all: &mut BTreeMap<String, Written>,
) {
    for (key, value) in table {
        let name = key.get_ref();
        let path = join(path, name);
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

/// Lists the keys of a table whose values differ between two settings. Every key is named, so that a new one cannot be
/// forgotten, except in a table with `..`.
macro_rules! differing {
    ($one:expr, $other:expr, $table:ident: $type:ident { $($key:ident),* } $($rest:tt)?) => {{
        let (one, other) = (&$one.$table, &$other.$table);
        let $type { $($key,)* $($rest)? } = one;
        [$((concat!(stringify!($table), ".", stringify!($key)), *$key != other.$key)),*]
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(key, _)| key.to_owned())
    }};
}

impl Settings {
    /// Returns the settings in force after a process that runs with `running` reloads this file: what is read only at
    /// startup stays as it was.
    #[must_use]
    pub fn reloaded(self, running: &Self) -> Self {
        let Self { component, log, services, store, .. } = running.clone();
        let mut admin = self.admin;
        admin.http = running.admin.http.clone();
        admin.socket_mode = running.admin.socket_mode;
        let focus_and_trusted = self.services;
        let services = services.into_iter().map(|service| {
            let same = focus_and_trusted.iter().find(|other| other.domain == service.domain);
            same.cloned().unwrap_or(service)
        });
        let services = services.collect();
        Self { component, log, services, store, admin, ..self }
    }

    /// Returns the keys whose values in `file` differ from these running ones and take effect only after a restart.
    pub fn needs_restart(&self, file: &Self) -> Vec<String> {
        let component = differing!(self, file, component: Component {
            domain, server, secret, allow_plaintext_network, state_dir, socket, ready_within
        });
        let log = differing!(self, file, log: Log { level, format, decisions });
        let store = differing!(self, file, store: Store {
            file, retention, max_size, addresses, postgres, server
        });
        let admin = differing!(self, file, admin: Admin { http, socket_mode } ..);
        let services = |of: &Self, not_in: &Self, word: &str| -> Vec<String> {
            let named = |it: &BareJid| not_in.services.iter().any(|other| other.domain == *it);
            let domains = of.services.iter().map(|service| &service.domain);
            let domains = domains.filter(|domain| !named(domain));
            domains.map(|domain| format!("[[service]] {domain} ({word})")).collect()
        };
        let services = [services(file, self, "added"), services(self, file, "taken out")];
        component.chain(log).chain(store).chain(admin).chain(services.concat()).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::config::{Environment, Outside, parse};

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
    fn a_file_without_its_defaults_is_the_same_file() {
        let service = "[[service]]\ndomain = \"rooms.example.org\"\n";
        let whole = DEFAULTS.replace("conference.localhost", "rooms.example.org");
        assert_eq!(in_words(&whole, service), [""; 0]);
        let other = format!("{service}[policy.lobby]\nadmission = 'lobby'\nmax_waiting = 50\n");
        assert_eq!(
            in_words(service, &other),
            ["policy.lobby.admission: default -> 'lobby'@4"],
            "50 is the default"
        );
        let quoted = other.replace('\'', "\"");
        assert_eq!(in_words(&other, &quoted), [""; 0]);
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

    fn settings(text: &str) -> Settings {
        let environment = Environment::default();
        let read = |_: &std::path::Path| Err(io::ErrorKind::NotFound.into());
        let outside =
            Outside { environment: &environment, read: &read, exposed: false, lenient: true };
        parse("component.toml", &format!("version = 2\n{text}"), &outside).unwrap().settings
    }

    const PLAIN: &str = "[[service]]\ndomain = \"rooms.example.org\"\n";

    #[test]
    fn each_key_that_is_read_at_the_start_alone_is_named() {
        let running = settings(PLAIN);
        for (text, named) in [
            ("[component]\nserver = \"127.0.0.1:5348\"", &["component.server"][..]),
            ("[component]\nsecret = \"canary\"", &["component.secret"]),
            ("[component]\nsocket = \"/run/x.sock\"", &["component.socket"]),
            ("[log]\nlevel = \"debug\"", &["log.level"]),
            ("[store]\nretention = \"3 days\"", &["store.retention"]),
            ("[admin]\nhttp = \"off\"", &["admin.http"]),
            (
                "[[service]]\ndomain = \"other.example.org\"",
                &["[[service]] other.example.org (added)"],
            ),
            ("[audit]\nevery = \"1 day\"\n[admin]\nhosts = [\"x.example.org\"]", &[]),
            ("[doctor]\nevery = \"2 days\"\n[reload]\nmax_removed = 3", &[]),
        ] {
            let file = settings(&format!("{PLAIN}{text}\n"));
            assert_eq!(running.needs_restart(&file), named, "{text}");
            let now = file.clone().reloaded(&running);
            assert_eq!(running.needs_restart(&now), [""; 0], "{text}: is what runs");
            assert_eq!(now.needs_restart(&file), named, "{text}: stays to be said");
        }
        let fewer = settings("[[service]]\ndomain = \"other.example.org\"\n");
        assert_eq!(
            running.needs_restart(&fewer),
            ["[[service]] other.example.org (added)", "[[service]] rooms.example.org (taken out)"]
        );
    }

    #[test]
    fn what_a_reload_changes_is_in_force_after_it() {
        let running = settings(PLAIN);
        let text =
            format!("{PLAIN}focus = \"focus@auth.example.org\"\n[audit]\nevery = \"1 day\"\n");
        let file = settings(&text);
        assert_eq!(file.clone().reloaded(&running), file);
    }
}
