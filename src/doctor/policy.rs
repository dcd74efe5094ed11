//! The operator's file itself.

use super::case::Case;
use super::{COMPONENT, Check, Looked, SHELL, Severity, checks};

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "policy-file",
        severity: Severity::Critical,
        looks_at: "whether the file, as it is on the disk now, is valid",
        why: "the component does not start again with a wrong file, and then everybody is refused",
        source: "vestibule check",
        look: broken,
    },
    Check {
        id: "policy-pending",
        severity: Severity::Note,
        looks_at: "whether the file on the disk is the one in force",
        why: "the next start, or the next reload, puts another policy in force",
        source: "docs/reload.md",
        look: pending,
    },
    Check {
        id: "policy-suspicious",
        severity: Severity::Warning,
        looks_at: "what the file can hardly mean: rules that nobody satisfies, that others undo, or that have no effect",
        why: "people wait for what does not come, or a rule that a person relies on does nothing",
        source: "vestibule check",
        look: suspicious,
    },
    Check {
        id: "ignore",
        severity: Severity::Note,
        looks_at: "doctor.ignore",
        why: "a name that is none ignores nothing",
        source: "docs/doctor.md",
        look: ignored,
    },
];

fn broken(case: &Case<'_>) -> Looked {
    let mut looked = Looked::default();
    if let Some(problems) = case.broken {
        let first = problems.lines().next().unwrap_or_default();
        looked.find(COMPONENT, first, (SHELL, "vestibule check"));
    }
    looked
}

fn pending(case: &Case<'_>) -> Looked {
    let mut looked = Looked::default();
    let running = &case.policy.revision;
    match case.on_disk {
        Some(keys) if keys > 0 => looked.find(
            COMPONENT,
            format!("{keys} keys of the file are not what is in force (revision {running})"),
            (SHELL, "vestibule reload --plan, then vestibule reload"),
        ),
        Some(_) => {}
        None => looked.unknown("the file on the disk is not valid"),
    }
    for key in case.settings.needs_restart(case.in_file) {
        looked.find(key, "takes a restart to be in force", (SHELL, "systemctl restart vestibule"));
    }
    looked
}

/// Warnings that another check covers with more knowledge.
const ELSEWHERE: [&str; 1] = ["guests may open rooms"];

fn suspicious(case: &Case<'_>) -> Looked {
    let mut looked = Looked::default();
    let told = |message: &str| ELSEWHERE.iter().any(|start| message.starts_with(start));
    for problem in case.warnings.iter().filter(|problem| !told(&problem.message)) {
        let about = match problem.line {
            0 => problem.path.clone(),
            line => format!("line {line}, {}", problem.path),
        };
        let line = problem.suggestion.clone().unwrap_or_else(|| "see vestibule check".to_owned());
        looked.find(about, &problem.message, (COMPONENT, line));
    }
    looked
}

fn ignored(case: &Case<'_>) -> Looked {
    let mut looked = Looked::default();
    for name in &case.settings.doctor.ignore {
        if !checks().any(|check| check.id == name) {
            let line = "[doctor] ignore = [ … ], with names of docs/doctor.md";
            looked.find(name, "no finding has that name", (COMPONENT, line));
        }
    }
    looked
}
