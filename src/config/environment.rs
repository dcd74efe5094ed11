//! Environment variables, which no other module reads.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use config::Source as _;

use super::diagnostics::{Diagnostics, Place};
use super::table_reader::TableReader;
use crate::setting::kind;

/// Environment variables that override a key of the file: variable, table, key.
const VARIABLES: [(&str, &str, &str); 19] = [
    ("VESTIBULE_COMPONENT__DOMAIN", "component", "domain"),
    ("VESTIBULE_COMPONENT__SERVER", "component", "server"),
    ("VESTIBULE_COMPONENT__SECRET", "component", "secret"),
    ("VESTIBULE_COMPONENT__SECRET_FILE", "component", "secret_file"),
    ("VESTIBULE_COMPONENT__ALLOW_PLAINTEXT_NETWORK", "component", "allow_plaintext_network"),
    ("VESTIBULE_COMPONENT__STATE_DIR", "component", "state_dir"),
    ("VESTIBULE_COMPONENT__SOCKET", "component", "socket"),
    ("VESTIBULE_COMPONENT__READY_WITHIN", "component", "ready_within"),
    ("VESTIBULE_LOG__LEVEL", "log", "level"),
    ("VESTIBULE_LOG__FORMAT", "log", "format"),
    ("VESTIBULE_LOG__DECISIONS", "log", "decisions"),
    ("VESTIBULE_STORE__FILE", "store", "file"),
    ("VESTIBULE_STORE__POSTGRES", "store", "postgres"),
    ("VESTIBULE_STORE__POSTGRES_PASSWORD", "store", "postgres_password"),
    ("VESTIBULE_STORE__POSTGRES_PASSWORD_FILE", "store", "postgres_password_file"),
    ("VESTIBULE_STORE__ALLOW_PLAINTEXT_NETWORK", "store", "allow_plaintext_network"),
    ("VESTIBULE_STORE__SERVER", "store", "server"),
    ("VESTIBULE_ADMIN__HTTP", "admin", "http"),
    ("VESTIBULE_ADMIN__ALLOW_NETWORK", "admin", "allow_network"),
];

/// Variable that makes a task panic, to test the recovery: `TASK@SECONDS*TIMES`.
const FAULT: &str = "VESTIBULE_TEST_FAULT";

/// Returns the account of the person who runs this process by sudo(8) or doas(1), as these say.
pub fn account_behind() -> Option<String> {
    ["SUDO_USER", "DOAS_USER"]
        .into_iter()
        .find_map(|name| std::env::var_os(name)?.into_string().ok())
}

/// Environment variables of Vestibule, and those by which systemd passes directories.
#[derive(Clone, Default)]
pub struct Environment {
    /// Values of the `VESTIBULE_…` variables by name. They may be secrets.
    ours: HashMap<String, String>,
    systemd: HashMap<&'static str, String>,
    /// Whether a value is not UTF-8, so that no variable could be read.
    unreadable: bool,
    /// Variables that are set to nothing, of keys for which nothing is a value of its own.
    empty: Vec<(&'static str, &'static str)>,
}

/// Variables of keys that switch something off where the file says `""`.
const SWITCHES: [(&str, &str); 3] = [
    ("VESTIBULE_LOG__DECISIONS", "log.decisions"),
    ("VESTIBULE_STORE__FILE", "store.file"),
    ("VESTIBULE_ADMIN__HTTP", "admin.http"),
];

impl Environment {
    /// Reads the variables of this process.
    pub fn of_process() -> Self {
        Self::collected(None, |name| std::env::var_os(name)?.into_string().ok())
    }

    /// Takes these variables instead of those of the process.
    pub fn of(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let all: HashMap<_, _> = variables.into_iter().collect();
        Self::collected(Some(all.clone()), |name| all.get(name).cloned())
    }

    fn collected(
        variables: Option<HashMap<String, String>>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Self {
        let systemd = ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CREDENTIALS_DIRECTORY"]
            .into_iter()
            .filter_map(|name| Some((name, variable(name)?)))
            .collect();
        let source = config::Environment::with_prefix("VESTIBULE")
            .prefix_separator("_")
            .keep_prefix(true)
            .ignore_empty(true)
            .source(variables);
        let is_empty = |name: &str| variable(name).is_some_and(|value| value.is_empty());
        let empty = SWITCHES.into_iter().filter(|(name, _)| is_empty(name)).collect();
        // The error is dropped: it shows the value, which may be the secret.
        let Ok(found) = source.collect() else {
            return Self { unreadable: true, systemd, ..Self::default() };
        };
        let ours = found
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_uppercase(), value.into_string().ok()?)))
            .collect();
        Self { ours, systemd, unreadable: false, empty }
    }

    /// Returns the panic that a test requests, as `TASK@SECONDS*TIMES`.
    pub fn fault(&self) -> Option<&str> {
        self.ours.get(FAULT).map(String::as_str)
    }

    /// Returns the path of the control socket, if a variable sets it.
    pub(super) fn socket(&self) -> Option<PathBuf> {
        self.ours.get("VESTIBULE_COMPONENT__SOCKET").map(PathBuf::from)
    }

    /// Returns the state directory, if a variable sets it.
    pub(super) fn state_dir(&self) -> Option<PathBuf> {
        self.ours.get("VESTIBULE_COMPONENT__STATE_DIR").map(PathBuf::from)
    }

    /// Returns the file with the link's secret, if a variable sets it or systemd passes it as a credential.
    pub(super) fn secret_file(&self) -> Option<PathBuf> {
        let set = self.ours.get("VESTIBULE_COMPONENT__SECRET_FILE").map(PathBuf::from);
        set.or_else(|| self.credential("component_secret").filter(|path| path.exists()))
    }

    /// Overrides the keys of a table by the variables that are set for it.
    pub(super) fn put_into(&self, table: &str, section: &mut TableReader<'_>) {
        for (variable, _, key) in VARIABLES.iter().filter(|(_, of, _)| *of == table) {
            if let Some(value) = self.ours.get(*variable) {
                section.put_instead(key, variable, value);
            }
        }
    }

    /// Reports variables that are unknown or not UTF-8.
    pub(super) fn check(&self, notes: &Diagnostics<'_>) {
        if self.unreadable {
            let message = "the value of a VESTIBULE_… variable is not UTF-8 text";
            notes.error(Place::Variable("environment".to_owned()), "", message, None);
        }
        for (name, key) in &self.empty {
            let message = "it is empty, and counts as not set";
            let suggestion = format!("write `{key} = \"\"` in the file for none");
            notes.warning(Place::Variable((*name).to_owned()), "", message, Some(suggestion));
        }
        let mut unknown: Vec<_> = self
            .ours
            .keys()
            .filter(|name| *name != FAULT && !VARIABLES.iter().any(|(known, ..)| known == name))
            .collect();
        unknown.sort();
        for name in unknown {
            let place = Place::Variable(name.clone());
            let suggestion = kind::did_you_mean(name, VARIABLES.map(|(known, ..)| known));
            if suggestion.is_some() || name.contains("__") {
                notes.error(place, "", "no such variable", suggestion);
            } else {
                // Kubernetes sets VESTIBULE_SERVICE_HOST and others for a service of our name.
                notes.warning(place, "", "no such variable, it is not used", None);
            }
        }
    }

    /// Returns the state directory that systemd passes, or `/var/lib/vestibule`.
    pub(super) fn default_state_dir(&self) -> PathBuf {
        self.directory("STATE_DIRECTORY").unwrap_or_else(|| "/var/lib/vestibule".into())
    }

    /// Returns the control socket in the runtime directory that systemd passes, or in `/run/vestibule`.
    pub(super) fn default_socket(&self) -> PathBuf {
        let directory = self.directory("RUNTIME_DIRECTORY");
        directory.unwrap_or_else(|| "/run/vestibule".into()).join("control.sock")
    }

    /// Returns the path of a systemd credential (`LoadCredential=`), whether or not this one is passed.
    pub(super) fn credential(&self, name: &str) -> Option<PathBuf> {
        // The directory exists if any credential is passed; the caller has to check for this one.
        self.directory("CREDENTIALS_DIRECTORY").map(|dir| dir.join(name))
    }

    /// Returns the first directory of a systemd variable, which separates several by colons.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        self.systemd.get(name)?.split(':').next().filter(|dir| !dir.is_empty()).map(PathBuf::from)
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.ours.keys()).finish()
    }
}

/// Inputs for loading a file, in addition to its text.
pub struct Outside<'a> {
    /// Environment variables, which override keys of the file.
    pub environment: &'a Environment,
    /// Reads a file that the policy file names, such as that of a secret.
    pub read: &'a dyn Fn(&Path) -> io::Result<String>,
    /// Whether every account of this machine can read the file.
    pub exposed: bool,
    /// Whether the file is only inspected: a secret file that this account may not read is then no error.
    pub lenient: bool,
}

/// Returns a variable of the session in which a command was typed, such as `SSH_CONNECTION`; `None` if it is empty.
#[expect(clippy::disallowed_methods, reason = "this is the place where the environment is read")]
pub fn of_session(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
