//! Permissions of the component's files.

use super::case::Case;
use super::machine::{File, Kind};
use super::{COMPONENT, Check, Looked, SHELL, Severity};

const OTHERS_READ: u32 = 0o004;
const OTHERS: u32 = 0o007;
const OTHERS_WRITE: u32 = 0o002;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "secret-file",
        severity: Severity::Critical,
        looks_at: "who may read the files that hold secrets",
        why: "every account of the machine can read them: with that of the link it is the policy, with that of passwords it is in every room",
        source: "docs/troubleshooting.md",
        look: secrets,
    },
    Check {
        id: "settings-file",
        severity: Severity::Critical,
        looks_at: "who may write the policy file and the files of secrets",
        why: "every account of the machine can make itself an operator",
        source: "docs/troubleshooting.md",
        look: |case| {
            let is_read = |kind| matches!(kind, Kind::Secret | Kind::Settings { .. });
            each(case, is_read, OTHERS_WRITE, "every account of this machine can write it", "o-w")
        },
    },
    Check {
        id: "state-files",
        severity: Severity::Warning,
        looks_at: "who may read what the component keeps: decisions, database",
        why: "they say who met whom, when and from which network",
        source: "contrib/vestibule.service: StateDirectoryMode",
        look: |case| {
            let is_kept = |kind| matches!(kind, Kind::State | Kind::Kept);
            each(case, is_kept, OTHERS, "every account of this machine can get at it", "o=")
        },
    },
    Check {
        id: "control-socket",
        severity: Severity::Critical,
        looks_at: "who may speak to the socket of the command line",
        why: "anyone who may is an operator",
        source: "src/control: the socket is for the component's own account and root",
        look: |case| {
            let is_socket = |kind| matches!(kind, Kind::Socket);
            each(
                case,
                is_socket,
                OTHERS_WRITE,
                "every account of this machine can write to it",
                "o=",
            )
        },
    },
];

/// Advice that leaves the file readable for the component.
fn secrets(case: &Case<'_>) -> Looked {
    let is_secret = |kind| matches!(kind, Kind::Secret | Kind::Settings { has_secret: true });
    let found = "every account of this machine can read it";
    look(case, is_secret, OTHERS_READ, found, |file, path| match file {
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
    which: impl Fn(Kind) -> bool,
    bits: u32,
    found: &str,
    change: &str,
) -> Looked {
    look(case, which, bits, found, |_, path| (SHELL, format!("chmod {change} {path}")))
}

fn look(
    case: &Case<'_>,
    which: impl Fn(Kind) -> bool,
    bits: u32,
    found: &str,
    advice: impl Fn(&File, &str) -> (&'static str, String),
) -> Looked {
    let mut looked = Looked::default();
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
    looked
}
