//! The server's program and machine.

use jiff::SignedDuration;

use super::advisories::{ADVISORIES, version};
use super::case::Case;
use super::{Check, Looked, PROSODY, SHELL, Severity};

/// More than a question takes.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(5);
/// A program of this size has something to collect, in KiB.
const LARGE: u64 = 1024 * 1024;

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "prosody-version",
        severity: Severity::Warning,
        looks_at: "the version of Prosody",
        why: "the gate is tried with 0.12 and 13 and with no other: a hook that is not there holds nobody",
        source: "docs/protocol.md",
        look: supported,
    },
    Check {
        id: "advisories",
        severity: Severity::Warning,
        looks_at: "published advisories on that version of Prosody",
        why: "what is known is tried",
        source: "src/doctor/advisories.rs has each with its source",
        look: advisories,
    },
    Check {
        id: "lua",
        severity: Severity::Note,
        looks_at: "the version of Lua that runs Prosody, and how much memory it holds",
        why: "Lua 5.4 has the collector that Prosody is made for; older ones are no longer maintained",
        source: "Prosody, Dependencies; garbage_collection",
        look: lua,
    },
    Check {
        id: "clock",
        severity: Severity::Warning,
        looks_at: "the clock of the server, compared with that of the component",
        why: "records of rooms have the component's time: hours, deadlines and removals are early or late, and the logs do not fit together",
        source: "docs/time.md",
        look: clock,
    },
];

fn supported(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        let name = &posture.server;
        match version(name) {
            Some((0, 12, _) | (13, _, _)) => {}
            Some(_) => looked.find(
                &server.service,
                format!("it runs {name}"),
                (SHELL, "install Prosody 0.12 or 13"),
            ),
            None => looked
                .unknown(format!("{}: {name:?} is no released version of Prosody", server.service)),
        }
    })
}

fn advisories(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        let Some(running) = version(&posture.server) else {
            looked.unknown(format!("{}: {:?} is no released version of Prosody", server.service, posture.server));
            return;
        };
        let upstream = format!("{}.{}.{}", running.0, running.1, running.2);
        // A package of another version is not what runs.
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

fn lua(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        match posture.lua.as_deref() {
            Some("5.4") => {}
            Some(version) => looked.find(
                &server.service,
                format!("it runs on Lua {version}"),
                (SHELL, "apt install lua5.4, and choose it: update-alternatives --config lua-interpreter"),
            ),
            None => looked.unknown(format!("{}: the gate does not tell the version of Lua", server.service)),
        }
        if let Some(memory) = posture.memory.filter(|memory| *memory > LARGE) {
            let line = "gc = { mode = \"generational\" }";
            looked.find(&server.service, format!("its values take {} MiB", memory / 1024), (PROSODY, line));
        }
    })
}

fn clock(case: &Case<'_>) -> Looked {
    case.each(|server, posture, looked| {
        let Some(theirs) = posture.time else {
            looked.unknown(format!(
                "{}: the gate is older and does not tell the time",
                server.service
            ));
            return;
        };
        let apart = theirs.duration_since(server.asked);
        if apart.abs() > TOLERANCE {
            let (seconds, way) =
                (apart.abs().as_secs(), if apart.is_negative() { "slow" } else { "fast" });
            looked.find(
                &server.service,
                format!("its clock is {seconds} s {way}, by the component's"),
                (SHELL, "timedatectl set-ntp true, on both machines"),
            );
        }
    })
}
