//! Checks of the server's program and machine: versions, clock, files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::advisories::Advisories;
use super::case::{Case, place};
use super::jitsi::{Bridge, Jicofo};
use super::readers::Location;
use super::{COMPONENT, Check, Looked, SHELL, Severity, shell_word};

/// Clock difference that is not reported: more than a request takes.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "prosody-version",
        severity: Severity::Warning,
        looks_at: "Version of Prosody",
        why: "the gate is tried with 0.12 and 13 and with no other: a hook that is not there holds nobody",
        source: "docs/protocol.md",
        look: supported,
    },
    Check {
        id: "lua",
        severity: Severity::Note,
        looks_at: "Version of the Lua that runs Prosody",
        why: "Lua 5.4 has the collector that Prosody is made for; older ones are no longer maintained",
        source: "Prosody, Dependencies; garbage_collection",
        look: lua,
    },
    Check {
        id: "garbage-collection",
        severity: Severity::Note,
        looks_at: "Garbage collection of Prosody (gc), where nothing is set",
        why: "Prosody's own setting spends about half of its processor time on it; generational collection takes far less, and a few MiB more memory",
        source: "docs/benchmarks.md",
        look: garbage,
    },
    Check {
        id: "clock",
        severity: Severity::Warning,
        looks_at: "Clocks of server and component",
        why: "records of rooms have the component's time: hours, deadlines and removals are early or late, and the logs do not fit together",
        source: "docs/time.md",
        look: clock,
    },
];

fn supported(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, posture, looked| {
        let name = &posture.server;
        match version(name) {
            Some((0, 12, _) | (13, _, _)) => {}
            Some(_) => {
                let line = (SHELL, "install Prosody 0.12 or 13");
                looked.find(&server.service, format!("it runs {name}"), line);
            }
            None => looked.unknown_at(server, unreleased(name)),
        }
    })
}

pub(super) fn unreleased(name: &str) -> String {
    format!("{name:?} is no released version of Prosody")
}

fn lua(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, posture, looked| match posture.lua.as_deref() {
        Some("5.4") => {}
        Some(version) => looked.find(
            &server.service,
            format!("it runs on Lua {version}"),
            (
                SHELL,
                "apt install lua5.4, and choose it: update-alternatives --config lua-interpreter",
            ),
        ),
        None => looked.not_told(server, "the version of Lua"),
    })
}

fn garbage(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, posture, looked| {
        let Some(hosts) = &posture.hosts else { return looked.not_told(server, "its options") };
        // Whatever is set was chosen; Lua that is older has no other collector.
        if posture.lua.as_deref() == Some("5.4") && hosts.global("gc").is_none() {
            let line = "gc = { mode = \"generational\" }, above the first VirtualHost or Component";
            let file = place(hosts.global_at("gc"));
            looked.find(&server.service, "Prosody's own setting collects garbage", (&file, line));
        }
    })
}

fn clock(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, posture, looked| {
        let Some(theirs) = posture.time else {
            return looked.unknown_at(server, "the gate is older and does not tell the time");
        };
        let apart = theirs.duration_since(server.asked);
        if apart.abs() > TOLERANCE {
            let seconds = apart.abs().as_secs();
            let way = if apart.is_negative() { "slow" } else { "fast" };
            let found = format!("its clock is {seconds} s {way}, by the component's");
            let line = "timedatectl set-ntp true, on both machines";
            looked.find(&server.service, found, (SHELL, line));
        }
    })
}

/// A version: `13.0.5` is `(13, 0, 5)`.
pub(super) type Version = (u32, u32, u32);

/// Returns the version in `Prosody 0.12.3`; `None` for a nightly build or another program.
pub(super) fn version(server: &str) -> Option<Version> {
    let text = server.strip_prefix("Prosody ")?;
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
}

const OTHERS_READ: u32 = 0o004;
const OTHERS: u32 = 0o007;
const OTHERS_WRITE: u32 = 0o002;

pub(super) static FILES_CHECKS: &[Check] = &[
    Check {
        id: "secret-file",
        severity: Severity::Critical,
        looks_at: "Files of secrets that others can read",
        why: "every account of the machine can read them: with that of the link it is the policy, with that of passwords it is in every room",
        source: "docs/troubleshooting.md",
        look: secrets,
    },
    Check {
        id: "settings-file",
        severity: Severity::Critical,
        looks_at: "Policy file and files of secrets that others can write",
        why: "every account of the machine can make itself an operator",
        source: "docs/troubleshooting.md",
        look: |case, looked| {
            let is_read = |kind| matches!(kind, Kind::Secret | Kind::Settings { .. });
            let found = "every account of this machine can write it";
            each(case, looked, is_read, OTHERS_WRITE, found, "o-w");
        },
    },
    Check {
        id: "state-files",
        severity: Severity::Warning,
        looks_at: "Decisions and database that others can read",
        why: "they say who met whom, when and from which network",
        source: "contrib/vestibule.service: StateDirectoryMode",
        look: |case, looked| {
            let is_kept = |kind| matches!(kind, Kind::State | Kind::Kept);
            let found = "every account of this machine can get at it";
            each(case, looked, is_kept, OTHERS, found, "o=");
        },
    },
    Check {
        id: "control-socket",
        severity: Severity::Critical,
        looks_at: "Socket of the command line that others can open",
        why: "anyone who may is an operator",
        source: "src/control: the socket is for the component's own account and root",
        look: |case, looked| {
            let is_socket = |kind| matches!(kind, Kind::Socket);
            let found = "every account of this machine can write to it";
            each(case, looked, is_socket, OTHERS_WRITE, found, "o=");
        },
    },
];

/// Reports the readable files with secrets, with advice that leaves them readable for the component.
fn secrets(case: &Case<'_>, looked: &mut Looked) {
    let is_secret = |kind| matches!(kind, Kind::Secret | Kind::Settings { has_secret: true });
    let found = "every account of this machine can read it";
    look(case, looked, is_secret, OTHERS_READ, found, |file, path| match file {
        File { needs_others: false, .. } => (SHELL, format!("chmod o= {path}")),
        File { kind: Kind::Secret, .. } => {
            let how = "pass it to the unit by LoadCredential= (docs/troubleshooting.md, Secrets)";
            (SHELL, format!("{how}, then chmod o= {path}"))
        }
        File { .. } => {
            let keys = "secret_file, preset_file or postgres_password_file";
            (COMPONENT, format!("move the secret into a file of its own: {keys}"))
        }
    })
}

fn each(
    case: &Case<'_>,
    looked: &mut Looked,
    which: impl Fn(Kind) -> bool,
    bits: u32,
    found: &str,
    change: &str,
) {
    look(case, looked, which, bits, found, |_, path| (SHELL, format!("chmod {change} {path}")));
}

fn look(
    case: &Case<'_>,
    looked: &mut Looked,
    which: impl Fn(Kind) -> bool,
    bits: u32,
    found: &str,
    advice: impl Fn(&File, &str) -> (&'static str, String),
) {
    for file in case.machine.files.iter().filter(|file| which(file.kind)) {
        let path = file.path.display().to_string();
        match &file.mode {
            Ok(mode) if mode & bits != 0 => {
                let advice = advice(file, &shell_word(&path));
                looked.find(&path, format!("{found} (mode {mode:04o})"), advice)
            }
            Ok(_) => {}
            Err(reason) => looked.unknown(format!("{path}: {reason}")),
        }
    }
}

/// What a file that the operator may name holds; `None`: none is named. `Err`: why the file cannot be read.
pub type Named<T> = Option<Result<T, String>>;

/// What the files of one kind hold, by path. `Err`: why the file cannot be read.
pub type Each<T> = Vec<(String, Result<T, String>)>;

/// Facts about the component's machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Files and directories whose permissions are checked.
    pub files: Vec<File>,
    /// The listening sockets; `None`: the system does not report them.
    pub listening: Option<Vec<SocketAddr>>,
    /// The versions of the installed Debian packages that are looked at; `None`: the machine has no list of packages.
    pub packages: Option<BTreeMap<String, String>>,
    /// The tag of the images of docker-jitsi-meet, like `stable-9457-1`.
    pub image: Option<String>,
    /// The operator's list of advisories.
    pub advisories: Named<Advisories>,
    /// The values of Jicofo's own file.
    pub jicofo: Named<Jicofo>,
    /// The values of the bridge's own file.
    pub bridge: Named<Bridge>,
    /// The `config.js` of Jitsi's web app, by path.
    pub web: Each<BTreeMap<String, String>>,
    /// The sites of nginx, by path, with the locations that hand requests on.
    pub nginx: Each<Vec<Location>>,
    /// The checked variables in the `.env` of docker-jitsi-meet; of the secret, only whether it is good.
    pub docker: Named<BTreeMap<String, String>>,
}

impl Machine {
    /// Returns the installed version of a Debian package.
    pub fn package(&self, name: &str) -> Option<&str> {
        self.packages.as_ref()?.get(name).map(String::as_str)
    }
}

/// A file or directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path of the file or directory.
    pub path: PathBuf,
    /// What it is for.
    pub kind: Kind,
    /// Its permission bits (`0o777`); `Err`: why they cannot be read.
    pub mode: Result<u32, String>,
    /// Whether the component may depend on the permission bits for others to read it, as a unit with `DynamicUser=`
    /// does for a file of root's.
    pub needs_others: bool,
}

/// The purpose of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The operator's file.
    Settings {
        /// Whether a secret is in it.
        has_secret: bool,
    },
    /// A file that holds a secret.
    Secret,
    /// The state directory of the component.
    State,
    /// Data of the component: log, database.
    Kept,
    /// The socket of the command line.
    Socket,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_released_version_is_one() {
        assert_eq!(version("Prosody 0.12.3"), Some((0, 12, 3)));
        assert_eq!(version("Prosody 13.0.1"), Some((13, 0, 1)));
        assert_eq!(version("Prosody 13.0 nightly build 12 (2025-05-01)"), None);
        assert_eq!(version("Openfire 4"), None);
    }
}
