//! Checks of the server's program and machine: versions, advisories, files.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::SignedDuration;

use super::case::Case;
use super::jitsi::Jicofo;
use super::{COMPONENT, Check, Looked, PROSODY, SHELL, Severity};

/// Clock difference that is not reported: more than a request takes.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// Memory of Lua in KiB above which the garbage collector is worth configuring.
const LARGE: u64 = 1024 * 1024;

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
        id: "advisories",
        severity: Severity::Warning,
        looks_at: "Published advisories on this version of Prosody",
        why: "what is known is tried",
        source: "src/doctor/server.rs has each with its source",
        look: advisories,
    },
    Check {
        id: "lua",
        severity: Severity::Note,
        looks_at: "Version and memory of the Lua that runs Prosody",
        why: "Lua 5.4 has the collector that Prosody is made for; older ones are no longer maintained",
        source: "Prosody, Dependencies; garbage_collection",
        look: lua,
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

fn unreleased(name: &str) -> String {
    format!("{name:?} is no released version of Prosody")
}

fn advisories(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, posture, looked| {
        let Some(running) = version(&posture.server) else {
            return looked.unknown_at(server, unreleased(&posture.server));
        };
        let upstream = format!("{}.{}.{}", running.0, running.1, running.2);
        // A package of another version is not the one that runs.
        let package = case.machine.package.as_deref();
        let package = package.filter(|package| package.starts_with(&format!("{upstream}-")));
        for advisory in ADVISORIES.iter().filter(|advisory| advisory.is_about(running)) {
            if package.is_some_and(|package| advisory.is_repaired_in(package)) {
                continue;
            }
            let honest = match package {
                Some(package) => format!("the package {package} is not known to have the repair"),
                None => "your distribution may have repaired it in its package, which the server does not tell".to_owned(),
            };
            looked.find(
                format!("{} {}", advisory.id, posture.server),
                format!("{}; {honest} ({})", advisory.what, advisory.source),
                (SHELL, "apt update && apt install --only-upgrade prosody && systemctl restart prosody"),
            );
        }
    })
}

fn lua(case: &Case<'_>, looked: &mut Looked) {
    case.each(looked, |server, posture, looked| {
        match posture.lua.as_deref() {
            Some("5.4") => {}
            Some(version) => looked.find(
                &server.service,
                format!("it runs on Lua {version}"),
                (SHELL, "apt install lua5.4, and choose it: update-alternatives --config lua-interpreter"),
            ),
            None => looked.not_told(server, "the version of Lua"),
        }
        if let Some(memory) = posture.memory.filter(|memory| *memory > LARGE) {
            let line = "gc = { mode = \"generational\" }";
            looked.find(&server.service, format!("its values take {} MiB", memory / 1024), (PROSODY, line));
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

/// A published security advisory on Prosody.
#[derive(Debug)]
pub(super) struct Advisory {
    /// CVE number.
    pub(super) id: &'static str,
    /// The impact.
    pub(super) what: &'static str,
    /// The first repaired version of each branch, the oldest branch first. Branches before that have no repair.
    pub(super) repaired: &'static [Version],
    /// The first revisions of Debian's package into which the repair was backported.
    pub(super) debian: &'static [&'static str],
    /// Where the advisory was published.
    pub(super) source: &'static str,
}

/// A version: `13.0.5` is `(13, 0, 5)`.
pub(super) type Version = (u32, u32, u32);

const MAY_2026: Advisory = Advisory {
    id: "",
    what: "",
    repaired: &[(0, 12, 6), (13, 0, 5)],
    debian: &["0.12.3-1+deb12u1"],
    source: "Prosody's advisory of 2026-05-01",
};
const WITH_THE_SAME: Advisory = Advisory {
    what: "repaired by Debian together with CVE-2026-43506; the versions are taken to be the same",
    source: "changelog of Debian's prosody 0.12.3-1+deb12u1",
    ..MAY_2026
};
const MAY_2021: Advisory = Advisory {
    repaired: &[(0, 11, 9)],
    debian: &[],
    source: "Prosody's advisory of 2021-05-12",
    ..MAY_2026
};

pub(super) static ADVISORIES: [Advisory; 11] = [
    Advisory {
        id: "CVE-2026-43507",
        what: "a stranger exhausts the memory by XML that grows in the parser",
        ..MAY_2026
    },
    Advisory {
        id: "CVE-2026-43506",
        what: "a stranger exhausts the memory by connections that leak it",
        ..MAY_2026
    },
    Advisory { id: "CVE-2026-43505", ..WITH_THE_SAME },
    Advisory { id: "CVE-2026-43504", ..WITH_THE_SAME },
    Advisory {
        id: "CVE-2022-0217",
        what: "a stranger exhausts the memory by a WebSocket",
        repaired: &[(0, 11, 12)],
        debian: &[],
        source: "Prosody's advisory of 2022-01-13",
    },
    Advisory {
        id: "CVE-2021-37601",
        what: "a stranger reads the admins, members, owners and banned people of a room",
        repaired: &[(0, 11, 10)],
        debian: &[],
        source: "Prosody's advisory of 2021-07-22",
    },
    Advisory {
        id: "CVE-2021-32917",
        what: "a stranger uses the server's file transfer proxy",
        ..MAY_2021
    },
    Advisory { id: "CVE-2021-32918", what: "a stranger exhausts the memory", ..MAY_2021 },
    Advisory {
        id: "CVE-2021-32919",
        what: "another server passes for one that it is not",
        ..MAY_2021
    },
    Advisory {
        id: "CVE-2021-32920",
        what: "a stranger takes all of a processor by renegotiating TLS",
        ..MAY_2021
    },
    Advisory {
        id: "CVE-2021-32921",
        what: "a stranger guesses a secret by the time that comparing it takes",
        ..MAY_2021
    },
];

impl Advisory {
    /// Returns whether a version is without the repair. A version of a branch that is not listed is without it if it is
    /// older than the newest repaired version.
    pub(super) fn is_about(&self, version: Version) -> bool {
        let branch = |(major, minor, _): Version| if major == 0 { (0, minor) } else { (major, 0) };
        let own = self.repaired.iter().find(|repaired| branch(**repaired) == branch(version));
        match own {
            Some(repaired) => version < *repaired,
            None => self.repaired.last().is_some_and(|last| version < *last),
        }
    }

    /// Returns whether the repair was backported into this package of Debian.
    pub(super) fn is_repaired_in(&self, package: &str) -> bool {
        self.debian.iter().any(|repaired| {
            let (version, revision) = repaired.split_once("+deb").unwrap_or((repaired, ""));
            let Some((own, rest)) = package.split_once("+deb") else { return false };
            own == version
                && number(rest, 0) == number(revision, 0)
                && number(rest, 1) >= number(revision, 1)
        })
    }
}

/// Returns the n-th number, from 0, in a text like `12u1`.
fn number(text: &str, n: usize) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).nth(n)?.parse().ok()
}

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
                looked.find(&path, format!("{found} (mode {mode:04o})"), advice(file, &path))
            }
            Ok(_) => {}
            Err(reason) => looked.unknown(format!("{path}: {reason}")),
        }
    }
}

/// What a file that the operator may name holds; `None`: none is named. `Err`: why the file cannot be read.
pub type Named<T> = Option<Result<T, String>>;

/// Facts about the component's machine.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    /// Files and directories whose permissions are checked.
    pub files: Vec<File>,
    /// The listening sockets; `None`: the system does not report them.
    pub listening: Option<Vec<SocketAddr>>,
    /// The version of the package `prosody` that Debian's package manager has installed.
    pub package: Option<String>,
    /// The values of Jicofo's own file.
    pub jicofo: Named<Jicofo>,
    /// The checked variables in the `.env` of docker-jitsi-meet; of the secret, only whether it is good.
    pub docker: Named<BTreeMap<String, String>>,
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
    fn an_advisory_is_about_what_is_older_than_the_repair_of_its_branch() {
        let latest = &ADVISORIES[0];
        for (version, is) in [
            ((0, 11, 13), true),
            ((0, 12, 5), true),
            ((0, 12, 6), false),
            ((13, 0, 4), true),
            ((13, 0, 5), false),
            ((13, 1, 0), false),
            ((14, 0, 0), false),
        ] {
            assert_eq!(latest.is_about(version), is, "{version:?}");
        }
        assert!(!ADVISORIES[4].is_about((0, 12, 0)) && !ADVISORIES[4].is_about((13, 0, 0)));
    }

    #[test]
    fn a_package_may_have_the_repair_without_the_version() {
        let latest = &ADVISORIES[0];
        for (package, is) in [
            ("0.12.3-1+deb12u1", true),
            ("0.12.3-1+deb12u2", true),
            ("0.12.3-1", false),
            ("0.12.3-1+deb11u1", false),
            ("13.0.1-1+deb12u1", false),
        ] {
            assert_eq!(latest.is_repaired_in(package), is, "{package}");
        }
    }

    #[test]
    fn only_a_released_version_is_one() {
        assert_eq!(version("Prosody 0.12.3"), Some((0, 12, 3)));
        assert_eq!(version("Prosody 13.0.1"), Some((13, 0, 1)));
        assert_eq!(version("Prosody 13.0 nightly build 12 (2025-05-01)"), None);
        assert_eq!(version("Openfire 4"), None);
    }
}
