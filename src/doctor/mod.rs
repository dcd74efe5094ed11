//! The doctor: checks the server (by the inventories that its gates send), the operator's file and the machine, and
//! reports what undoes or bypasses the policy.
//!
//! Pure: its input is a [`Case`], which the caller gathers. [`checks`] lists every [`Check`]; each family has a
//! file of its own. What cannot be determined is `unknown` with the reason, never fine.

mod advisories;
mod case;
mod exposure;
mod gate;
mod jitsi;
mod policy;
mod probe;
mod readers;
mod report;
mod rooms;
mod server;

pub use self::advisories::{Advisories, Advisory, Program};
pub use self::case::{Case, Server};
pub use self::gate::GATE;
pub use self::jitsi::{
    Bridge, FORWARDED, Jicofo, LOCATION, OLDER, SECRET, dotenv, image, web_config,
};
pub use self::readers::{Location, Variable, listening, locations, variables};
pub use self::report::{Counts, Report, Row, State, in_words};
pub use self::server::{Each, File, Kind, Machine, Named};

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Visible;

names! {
    /// How serious the findings of a check are.
    #[derive(
        Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
    )]
    #[serde(rename_all = "kebab-case")]
    pub enum Severity {
        /// A way past the policy.
        Critical = "critical",
        /// A part of the policy is undone, or easier to get past.
        Warning = "warning",
        /// Worth knowing.
        Note = "note",
    }
}

/// A check of the doctor: how it is described, and what it runs.
#[derive(Debug)]
pub struct Check {
    /// Stable name, for `doctor.ignore` and for monitoring.
    pub id: &'static str,
    /// The severity of its findings.
    pub severity: Severity,
    /// What is checked: a title, which begins with a capital.
    pub looks_at: &'static str,
    /// Why a finding matters.
    pub why: &'static str,
    /// Where that is documented.
    pub source: &'static str,
    look: fn(&Case<'_>, &mut Looked),
}

/// What a check found, before it becomes a [`Row`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Looked {
    /// The findings.
    pub findings: Vec<Finding>,
    /// The parts that could not be checked, and why.
    pub unknown: Vec<String>,
}

/// Something that a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// The host, account or file that it is about.
    pub about: String,
    /// Description of the problem.
    pub found: String,
    /// The file to change, with the line where it has one, or `shell` for a command.
    pub file: String,
    /// The line to write into the file, or the command to run.
    pub line: String,
}

impl Looked {
    fn find(
        &mut self,
        about: impl Into<String>,
        found: impl Into<String>,
        (file, line): (&str, impl Into<String>),
    ) {
        // A name with a line break would be lines of the report.
        let visible = |text: String| Visible(&text).to_string();
        let finding = Finding {
            about: visible(about.into()),
            found: visible(found.into()),
            file: file.to_owned(),
            line: visible(line.into()),
        };
        // Services of one server see the same hosts.
        if !self.findings.contains(&finding) {
            self.findings.push(finding);
        }
    }

    fn unknown(&mut self, reason: impl Into<String>) {
        let reason = Visible(&reason.into()).to_string();
        if !self.unknown.contains(&reason) {
            self.unknown.push(reason);
        }
    }

    /// Records that a part of this server could not be checked.
    fn unknown_at(&mut self, server: &Server, reason: impl Display) {
        self.unknown(format!("{}: {reason}", server.service));
    }

    /// Records that the gate of this server does not report something.
    fn not_told(&mut self, server: &Server, what: &str) {
        self.unknown_at(server, format_args!("the gate does not tell {what}"));
    }
}

/// Returns a path as one word of a shell's command.
fn shell_word(path: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+:@%".contains(c);
    if path.chars().all(is_plain) && path.starts_with(|c| c != '-') {
        return path.to_owned();
    }
    format!("'{}'", path.replace('\'', r"'\''"))
}

// The places where an operator has to change something, for findings.
/// Prosody's configuration, of which no gate tells the files.
const PROSODY: &str = "Prosody's configuration";
const COMPONENT: &str = "component.toml";
const SHELL: &str = "shell";
const DOTENV: &str = ".env";

/// Returns every check, family by family.
pub fn checks() -> impl Iterator<Item = &'static Check> {
    let families: [&'static [Check]; 13] = [
        gate::CHECKS,
        gate::ORDER_CHECKS,
        policy::EXEMPT_CHECKS,
        exposure::CHECKS,
        gate::LINK_CHECKS,
        server::FILES_CHECKS,
        policy::ADMIN_CHECKS,
        exposure::PEOPLE_CHECKS,
        jitsi::CHECKS,
        rooms::CHECKS,
        server::CHECKS,
        advisories::CHECKS,
        policy::CHECKS,
    ];
    families.into_iter().flatten()
}

/// Runs every check, and returns the report.
pub fn examine(case: &Case<'_>) -> Report {
    let ignored = |id| case.settings.doctor.ignore.iter().any(|name| name == id);
    let rows = checks().map(|check| {
        let mut looked = Looked::default();
        (check.look)(case, &mut looked);
        Row::new(check, looked, ignored(check.id))
    });
    Report::new(case, rows.collect())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_check_has_a_name_of_its_own_and_says_why() {
        let mut ids = HashSet::new();
        for check in checks() {
            assert!(ids.insert(check.id), "{} stands there twice", check.id);
            assert!(
                check.id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{}",
                check.id
            );
            for text in [check.looks_at, check.why, check.source] {
                assert!(text.len() > 8 && !text.contains('|'), "{}: {text}", check.id);
            }
            assert!(check.looks_at.starts_with(char::is_uppercase), "{}", check.looks_at);
        }
        assert!(ids.len() > 40);
    }
}
