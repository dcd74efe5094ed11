//! Loading of the policy file, and the report that `vestibule check` prints.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use toml::de::DeTable;

use super::diagnostics::{Diagnostics, Place, Problem, Severity, Written};
use super::environment::{Environment, Outside};
use super::file::read_file;
use super::secrets::{Lines, without_secrets};
use super::settings::Settings;
use super::table_reader::TableReader;
use super::{admin, checks, policy, settings, store};
use crate::policy::Policy;
use crate::policy::messages::counted;
use crate::secret::Secret;
use crate::setting::{Item, Read};

/// Version of the file format that this program reads.
const VERSION: u32 = 2;

/// A valid policy file, which may go live.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Path of the file, as it was given.
    pub file: String,
    /// Text of the file, which may hold secrets.
    pub text: Secret,
    /// Settings of the program.
    pub settings: Settings,
    /// The policy, by which attempts are decided.
    pub policy: Policy,
    /// Number of `[[ban]]` tables in the file.
    pub bans: usize,
    /// The addresses in it that are not ASCII.
    pub written: Vec<Written>,
    /// Warnings that apply at any time.
    pub warnings: Vec<Problem>,
    /// Warnings that apply from a later time on: the ends of bans and exceptions.
    pub ends: Vec<Problem>,
}

impl Loaded {
    /// Returns the warnings, with those about bans and exceptions that have ended by `now`.
    pub fn warnings_at(&self, now: Timestamp) -> impl Iterator<Item = &Problem> {
        let ended = self.ends.iter().filter(move |end| end.from.is_some_and(|from| from <= now));
        self.warnings.iter().chain(ended)
    }
}

/// Why a file may not go live.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read {}", .0.display())]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file is invalid; every error is listed.
    #[error("{}", in_words(.0))]
    Invalid(Vec<Problem>),
}

/// Returns every problem on lines of its own, and the number of errors.
fn in_words(problems: &[Problem]) -> String {
    let lines: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    format!("{lines}{}; nothing was changed", counted(errors, "problem", "problems"))
}

/// Reads a file, and the files that it names (relative to its own directory).
///
/// # Errors
/// Fails if the file cannot be read or is invalid.
pub fn load(path: &Path, environment: &Environment) -> Result<Loaded, LoadError> {
    load_as(path, environment, false)
}

/// Reads a file to inspect it, not to run with it: a secret file that this account may not read is a warning, and a
/// placeholder replaces the secret.
///
/// # Errors
/// As [`load`].
pub fn load_to_look(path: &Path, environment: &Environment) -> Result<Loaded, LoadError> {
    load_as(path, environment, true)
}

fn load_as(path: &Path, environment: &Environment, lenient: bool) -> Result<Loaded, LoadError> {
    let text = read_file(path).map_err(|error| LoadError::Unreadable(path.to_owned(), error))?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let read = |other: &Path| read_file(&directory.join(other));
    let outside = Outside { environment, read: &read, exposed: is_exposed(path), lenient };
    parse(&path.display().to_string(), &text, &outside).map_err(LoadError::Invalid)
}

/// Returns the control socket of the component that runs with this file: by the environment, else the file, which
/// need not be valid for that, else the default.
///
/// # Errors
/// Fails if the file cannot be read.
pub fn socket(path: &Path, environment: &Environment) -> io::Result<Socket> {
    if let Some(path) = environment.socket() {
        return Ok(Socket { path, problem: None });
    }
    let text = read_file(path)?;
    let Ok(table) = text.parse::<toml::Table>() else {
        let name = path.display().to_string();
        let notes = Diagnostics::new(&name, &text);
        _ = parse_table(&notes, &text);
        let problem = notes.problems(schema).0.into_iter().next();
        return Ok(Socket { path: environment.default_socket(), problem });
    };
    let written = table.get("component").and_then(|component| component.get("socket"));
    let written = written.and_then(toml::Value::as_str);
    let path = written.map_or_else(|| environment.default_socket(), PathBuf::from);
    Ok(Socket { path, problem: None })
}

/// Where the component listens for commands.
#[derive(Clone, Debug)]
pub struct Socket {
    /// Path of the Unix socket.
    pub path: PathBuf,
    /// Why the file is not TOML; `path` is then the default.
    pub problem: Option<Problem>,
}

/// Parses and validates the text of a file.
///
/// # Errors
/// Returns every error, in the order of the file.
pub fn parse(name: &str, text: &str, outside: &Outside<'_>) -> Result<Loaded, Vec<Problem>> {
    let notes = Diagnostics::new(name, text);
    outside.environment.check(&notes);
    let read = parse_table(&notes, text).and_then(|table| {
        let (settings, mut policy, bans) = read(&notes, &table, outside)?;
        policy.revision = revision(&without_secrets(&notes, &table, text, Lines::Joined));
        Some((settings, policy, bans))
    });
    let written = notes.written();
    let (errors, warnings) = notes.problems(schema);
    let (ends, warnings) = warnings.into_iter().partition(|problem| problem.from.is_some());
    match read {
        Some((settings, policy, bans)) if errors.is_empty() => {
            let (file, text) = (name.to_owned(), Secret::new(text));
            Ok(Loaded { file, text, settings, policy, bans, written, warnings, ends })
        }
        _ => Err(errors),
    }
}

fn read<'a>(
    notes: &'a Diagnostics<'a>,
    table: &'a DeTable<'a>,
    outside: &Outside<'_>,
) -> Option<(Settings, Policy, usize)> {
    let mut root = TableReader::root(notes, table);
    let version = root.read("version", version);
    let component = settings::read(root.table("component"), outside);
    let log = settings::read_log(root.table("log"), outside);
    let audit = settings::read_audit(root.table("audit"));
    let reload = settings::read_reload(root.table("reload"));
    let store = store::read(root.table("store"), outside);
    let admin = admin::read(root.table("admin"), outside);
    let doctor = settings::read_doctor(root.table("doctor"));
    let domain = component.as_ref().map(|component| &component.domain);
    let (services, accounts) = settings::read_services(root.tables("service"), domain);
    let focuses = services
        .iter()
        .filter_map(|service| Some((service.domain.to_string(), service.focus.clone()?)))
        .collect();
    let domains = services.iter().map(|service| service.domain.to_string()).collect();
    let invitations = services
        .iter()
        .map(|service| (service.domain.to_string(), service.invitations.clone()))
        .collect();
    let known = policy::Services { accounts, focuses, domains, invitations };
    let (mut policy, bans) = policy::read(&mut root, known, outside);
    if let Some((version, place)) = version.filter(|(version, _)| *version != VERSION) {
        let message =
            format!("this file is of version {version}, and this program reads version {VERSION}");
        let hint = match notes.renamed() {
            0 => format!("write `version = {VERSION}`: no key in it has another name now"),
            1 => format!(
                "write `version = {VERSION}`, and give the key that is named here its new name"
            ),
            keys => format!(
                "write `version = {VERSION}`, and give the {keys} keys that are named here their new names"
            ),
        };
        root.error_with(place, "version", message, &hint);
    }
    root.finish();
    if !notes.has_errors() {
        checks::check(notes, &policy);
    }
    policy.activate();
    Some((
        Settings { component: component?, log, services, audit, reload, store, admin, doctor },
        policy,
        bans,
    ))
}

/// Reads the current version number of the file format, or a former one.
fn version(item: &Item<'_>) -> Read<u32> {
    match item.value.as_integer() {
        Some(number) => match number.as_str().parse() {
            Ok(version @ 1..=VERSION) if number.radix() == 10 => Ok(version),
            _ => {
                let hint = format!("write `version = {VERSION}`");
                item.wrong(format!("this program does not read version {number}"), Some(hint))
            }
        },
        None => item.expected("a whole number"),
    }
}

/// Returns the first 12 hex digits of the SHA-256 of a file without comments and secrets: a revision is logged and
/// shown, so it must not make it possible to guess secrets.
fn revision(redacted: &str) -> String {
    hex::encode(Sha256::digest(redacted)).chars().take(12).collect()
}

/// Returns whether every account of this machine can read the file. Its group may, since services read it that way.
fn is_exposed(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o004 != 0)
}

/// Returns every key that a file may have, like `room.close.at_occupants`.
pub fn schema() -> BTreeSet<String> {
    const ONE_OF_EACH: &str = "[profile.NAME]\n[[service]]\n[[room]]\n[[ban]]\n[[exception]]\n[[admin.token]]\n[[admin.person]]\n";
    let notes = Diagnostics::learning(ONE_OF_EACH);
    if let Some(table) = parse_table(&notes, ONE_OF_EACH) {
        read_keys(&notes, &table, &Environment::default());
    }
    notes.keys()
}

/// Reads a file only for the keys and secrets that `notes` record, without the files that it names.
pub(super) fn read_keys(notes: &Diagnostics<'_>, table: &DeTable<'_>, environment: &Environment) {
    let read_file = |_: &Path| Err(io::ErrorKind::NotFound.into());
    let outside = Outside { environment, read: &read_file, exposed: false, lenient: false };
    let _keys_only = read(notes, table, &outside);
}

/// Error message for an account that lacks the permission.
pub const NOT_ALLOWED: &str = "not allowed: run it with sudo";

/// Result of a check, for the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExitKind {
    /// The file may go live.
    Valid,
    /// The file is invalid.
    Invalid,
    /// The file cannot be read.
    Unreadable,
}

impl ExitKind {
    /// Returns the exit code: 0 valid, 1 invalid, 2 unreadable.
    pub const fn code(self) -> u8 {
        match self {
            Self::Valid => 0,
            Self::Invalid => 1,
            Self::Unreadable => 2,
        }
    }
}

/// Returns the report on a file at `now`, and the result of the check.
pub fn report(result: &Result<Loaded, LoadError>, now: Timestamp) -> (String, ExitKind) {
    let mut text = String::new();
    match result {
        Ok(loaded) => {
            for warning in loaded.warnings_at(now) {
                _ = writeln!(text, "{warning}");
            }
            _ = writeln!(
                text,
                "{} is valid: revision {}, {}, {}, {}",
                loaded.file,
                loaded.policy.revision,
                counted(loaded.settings.services.len(), "service", "services"),
                counted(loaded.policy.rooms.len(), "override", "overrides"),
                counted(loaded.bans, "ban", "bans"),
            );
            for Written { text: address, prepared, line } in &loaded.written {
                _ = writeln!(
                    text,
                    "line {line}: `{address}` is taken for `{prepared}`, by this program's own tables: a running \
                     component asks the server"
                );
            }
            (text, ExitKind::Valid)
        }
        Err(error @ LoadError::Unreadable(_, source)) => {
            let is_forbidden = source.kind() == io::ErrorKind::PermissionDenied;
            let why = if is_forbidden { NOT_ALLOWED.to_owned() } else { source.to_string() };
            (format!("error: {error}: {why}\n"), ExitKind::Unreadable)
        }
        Err(error @ LoadError::Invalid(_)) => (format!("{error}\n"), ExitKind::Invalid),
    }
}

/// Parses the text; `None` if it is not TOML, which is reported.
pub(super) fn parse_table<'a>(notes: &Diagnostics<'_>, text: &'a str) -> Option<DeTable<'a>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table.into_inner());
    }
    hide_secrets(notes, text);
    let mut last_line = 0;
    for error in errors {
        let place = error.span().map_or(Place::Whole, Place::Text);
        let line = notes.line(&place);
        // Further errors on the same line follow from the first.
        if line == 0 || line != last_line {
            notes.error(place, "", format!("not TOML: {}", error.message()), None);
        }
        last_line = line;
    }
    None
}

/// Hides every line that may hold a secret, or a part of one: where the structure is broken, nobody can
/// tell which key a text belongs to.
fn hide_secrets(notes: &Diagnostics<'_>, text: &str) {
    let schema = schema();
    let keys = schema.iter().filter_map(|key| key.rsplit('.').next()).collect();
    let has_long_strings = text.contains("\"\"\"") || text.contains("'''");
    let mut start: usize = 0;
    for line in text.split_inclusive('\n') {
        let end = start.saturating_add(line.len());
        if has_long_strings || !is_harmless(line, &keys) {
            notes.hide(&Place::Text(start..end));
        }
        start = end;
    }
    notes.hide(&Place::Text(start..start.saturating_add(1)));
}

/// Returns whether a line is a header, or gives a plain value to a known key that is for no secret.
fn is_harmless(line: &str, keys: &HashSet<&str>) -> bool {
    let line = line.trim();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '[' | ']');
    if ["secret", "preset", "password"].iter().any(|word| line.contains(word)) {
        return false;
    }
    match line.split_once('=') {
        None => line.starts_with('[') && line.chars().all(is_plain),
        Some((key, value)) => keys.contains(key.trim()) && !value.contains(['{', '\\', '=']),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_cannot_hold_a_secret_are_shown() {
        let keys = HashSet::from(["words", "required", "secret", "lobby"]);
        for line in ["words = 4 5", "  required = tru", "[policy.lobby", "[[room]"] {
            assert!(is_harmless(line, &keys), "{line}");
        }
        for line in [
            "secret = \"x",
            "preset=x",
            "password = \"x",
            "pasword = x",
            "\"secret\" = x",
            "lobby = { x = \"y\"",
            "\"x\"",
            "x",
            "words = 4, secret = 5",
            "[x] y",
        ] {
            assert!(!is_harmless(line, &keys), "{line}");
        }
    }
}
