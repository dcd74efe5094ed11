//! The report of the doctor.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use indexmap::IndexMap;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::advisories::described;
use super::probe::probe;
use super::{Case, Check, Finding, Looked, Severity};
use crate::config::counted;

/// The version of the report's JSON.
const VERSION: u8 = 1;

/// The results of all checks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The version of this format, 1.
    pub v: u8,
    /// When the checks ran, by the component's clock.
    #[schemars(with = "crate::schema::Moment")]
    pub at: Timestamp,
    /// Whether every server could be asked; if not, the findings are incomplete.
    pub complete: bool,
    /// Why the findings are incomplete, if they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub incomplete: Option<String>,
    /// The number of checks by state.
    pub counts: Counts,
    /// Versions of the server's programs, by name: what the gates tell, and the packages and images of this machine.
    #[serde(default)]
    pub versions: BTreeMap<String, String>,
    /// The list of advisories that these versions were compared with: its length and its day.
    #[serde(default)]
    pub advisories: String,
    /// A shell script to look at the server from another machine, if its name is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe: Option<String>,
    /// Every check, the worst first.
    pub checks: Vec<Row>,
}

/// The number of checks by state. Ignored ones are counted apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Checks with critical findings.
    pub critical: u32,
    /// Checks whose findings are warnings.
    pub warning: u32,
    /// Checks whose findings are notes.
    pub note: u32,
    /// Checks without findings that could not be completed.
    pub unknown: u32,
    /// Checks with findings that `doctor.ignore` names.
    pub ignored: u32,
    /// Checks without findings.
    pub fine: u32,
}

/// Whether a check found something.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It has findings.
    Found,
    /// It has no findings, but could not be completed.
    Unknown,
    /// It is complete and has no findings.
    Fine,
}

/// A check and its result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// Name of the check, as in `doctor.ignore`.
    pub id: String,
    /// The severity of its findings.
    pub severity: Severity,
    /// Whether it has findings.
    pub state: State,
    /// Whether `doctor.ignore` names it.
    pub ignored: bool,
    /// What is checked.
    pub looks_at: String,
    /// Why a finding matters.
    pub why: String,
    /// Where that is documented.
    pub source: String,
    /// What the check found.
    pub findings: Vec<Finding>,
    /// The parts that could not be checked, and why.
    pub unknown: Vec<String>,
}

impl Row {
    pub(super) fn new(check: &Check, looked: Looked, ignored: bool) -> Self {
        let state = if !looked.findings.is_empty() {
            State::Found
        } else if looked.unknown.is_empty() {
            State::Fine
        } else {
            State::Unknown
        };
        Self {
            id: check.id.to_owned(),
            severity: check.severity,
            state,
            ignored,
            looks_at: check.looks_at.to_owned(),
            why: check.why.to_owned(),
            source: check.source.to_owned(),
            findings: looked.findings,
            unknown: looked.unknown,
        }
    }
}

impl Report {
    pub(super) fn new(case: &Case<'_>, mut checks: Vec<Row>) -> Self {
        checks.sort_by_key(|row| (row.state, row.ignored, row.severity));
        let mut counts = Counts::default();
        for row in &checks {
            let count = match (row.state, row.ignored, row.severity) {
                (State::Found, true, _) => &mut counts.ignored,
                (State::Found, false, Severity::Critical) => &mut counts.critical,
                (State::Found, false, Severity::Warning) => &mut counts.warning,
                (State::Found, false, Severity::Note) => &mut counts.note,
                (State::Unknown, ..) => &mut counts.unknown,
                (State::Fine, ..) => &mut counts.fine,
            };
            *count = count.saturating_add(1);
        }
        let incomplete = case.servers.err().map(str::to_owned).or_else(|| {
            let servers = case.servers.unwrap_or_default();
            let silent = servers.iter().find_map(|server| server.posture.as_ref().err());
            silent.cloned()
        });
        Self {
            v: VERSION,
            at: case.now,
            complete: incomplete.is_none(),
            incomplete,
            counts,
            versions: versions(case),
            advisories: described(case),
            probe: probe(case),
            checks,
        }
    }

    /// Returns the exit status: 0 fine, 1 a warning or worse, 2 a server could not be asked.
    pub const fn exit(&self) -> u8 {
        if self.counts.critical > 0 || self.counts.warning > 0 {
            1
        } else if self.complete {
            0
        } else {
            2
        }
    }

    /// Returns the findings without their times, to compare two reports.
    pub fn essence(&self) -> Vec<(&str, State, bool, &[Finding])> {
        let rows = self.checks.iter();
        rows.map(|row| (row.id.as_str(), row.state, row.ignored, row.findings.as_slice())).collect()
    }
}

fn versions(case: &Case<'_>) -> BTreeMap<String, String> {
    let mut all = case.machine.packages.clone().unwrap_or_default();
    all.extend(case.machine.image.clone().map(|tag| ("docker-jitsi-meet".to_owned(), tag)));
    for posture in case.servers.unwrap_or_default().iter().filter_map(|it| it.posture.as_ref().ok())
    {
        if let Some((name, version)) = posture.server.split_once(' ') {
            all.insert(name.to_owned(), version.to_owned());
        }
        all.extend(posture.lua.clone().map(|version| ("Lua".to_owned(), version)));
    }
    all
}

/// Number of checks up to which those that lack the same knowledge are named.
const FEW: usize = 3;

/// Returns the report as text, the worst first; with `all` also the checks that are fine.
pub fn in_words(report: &Report, all: bool) -> String {
    let mut text = String::new();
    for row in report.checks.iter().filter(|row| row.state == State::Found) {
        found(&mut text, row);
    }
    // Many checks may lack the same knowledge: each reason is said once.
    let mut reasons: IndexMap<&str, Vec<&str>> = IndexMap::new();
    for row in &report.checks {
        row.unknown.iter().for_each(|reason| reasons.entry(reason).or_default().push(&row.id));
    }
    if !reasons.is_empty() {
        _ = writeln!(text, "NOT KNOWN");
        for (reason, ids) in reasons {
            if ids.len() > FEW && !all {
                _ = writeln!(text, "  {} checks: {reason} (--all names them)", ids.len());
            } else {
                _ = writeln!(text, "  {}: {reason}", ids.join(", "));
            }
        }
        text.push('\n');
    }
    if all {
        _ = writeln!(text, "FINE");
        for row in report.checks.iter().filter(|row| row.state == State::Fine) {
            _ = writeln!(text, "  {}: {}", row.id, row.looks_at);
        }
        text.push('\n');
    }
    let counts = report.counts;
    _ = write!(
        text,
        "{} critical, {}, {}; {} not known, {} ignored, {} fine",
        counts.critical,
        counted(counts.warning, "warning", "warnings"),
        counted(counts.note, "note", "notes"),
        counts.unknown,
        counts.ignored,
        counts.fine
    );
    if report.incomplete.is_some() {
        text.push_str("\nthis is a part of it: a server could not be asked");
    }
    let versions: Vec<_> =
        report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    if !versions.is_empty() {
        _ = write!(
            text,
            "\nversions: {}; compared with {}",
            versions.join(", "),
            report.advisories
        );
    }
    text
}

fn found(text: &mut String, row: &Row) {
    let ignored = if row.ignored { " (ignored)" } else { "" };
    _ = writeln!(text, "{}{ignored}  {}", row.severity.name().to_uppercase(), row.id);
    for finding in &row.findings {
        _ = writeln!(text, "  {}: {}", finding.about, finding.found);
        _ = writeln!(text, "    {}: {}", finding.file, finding.line);
    }
    _ = writeln!(text, "  why: {}", row.why);
    _ = writeln!(text, "  see: {}\n", row.source);
}
