//! Published advisories: the list, how it is read, and which of them an installed version lacks the repair of.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::SignedDuration;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::case::Case;
use super::server::{Machine, unreleased, version};
use super::{COMPONENT, Check, DOTENV, Looked, SHELL, Severity};
use crate::config::counted;
use crate::schema;

/// The version of the list's form.
const VERSION: u8 = 1;
/// Age from which a list may lack much.
const OLD: SignedDuration = SignedDuration::from_hours(365 * 24);
/// The list that this program comes with.
const OWN: &str = include_str!("advisories.toml");

static EMBEDDED: LazyLock<Advisories> =
    LazyLock::new(|| Advisories::read(OWN).unwrap_or_else(|_| Advisories::empty()));

/// A list of published advisories, for `vestibule doctor`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Advisories {
    /// Version of this form, 1.
    pub version: u8,
    /// The day on which the list was last compared with its sources.
    #[schemars(with = "schema::Day")]
    pub date: Date,
    /// The advisories.
    pub advisory: Vec<Advisory>,
}

/// A published advisory on one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Advisory {
    /// Its name, like CVE-2026-43507 or JSA-2025-0001.
    pub id: String,
    /// Other names of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<String>,
    /// The program that it is about.
    pub of: Program,
    /// What happens to a server without the repair.
    pub what: String,
    /// The day on which it was published.
    #[schemars(with = "schema::Day")]
    pub published: Date,
    /// The first repaired version of each branch, the oldest branch first. Branches before that have no repair.
    pub repaired: Vec<String>,
    /// The first revisions of Debian's package into which the repair was backported.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<String>,
    /// Where it was published.
    #[schemars(with = "schema::Https")]
    pub source: String,
}

names! {
    /// A program that advisories are about.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    pub enum Program {
        /// The XMPP server.
        Prosody = "prosody",
        /// Jitsi's web app and its modules for Prosody, as one release.
        JitsiMeet = "jitsi-meet",
        /// The focus.
        Jicofo = "jicofo",
        /// The bridge.
        JitsiVideobridge = "jitsi-videobridge",
        /// The gateway to telephones.
        Jigasi = "jigasi",
        /// The images and the files of docker-jitsi-meet.
        DockerJitsiMeet = "docker-jitsi-meet",
    }
}

impl Program {
    /// Returns the Debian package of the program, if it has one, and the unit to restart, if there is one.
    const fn package(self) -> Option<(&'static str, Option<&'static str>)> {
        match self {
            Self::Prosody => Some(("prosody", Some("prosody"))),
            Self::JitsiMeet => Some(("jitsi-meet", Some("prosody"))),
            Self::Jicofo => Some(("jicofo", Some("jicofo"))),
            Self::JitsiVideobridge => Some(("jitsi-videobridge2", Some("jitsi-videobridge2"))),
            Self::Jigasi => Some(("jigasi", Some("jigasi"))),
            Self::DockerJitsiMeet => None,
        }
    }
}

impl Advisories {
    const fn empty() -> Self {
        Self { version: VERSION, date: Date::ZERO, advisory: Vec::new() }
    }

    /// Returns the list that this program comes with.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a list.
    ///
    /// # Errors
    ///
    /// What is wrong with it, in one line.
    pub fn read(text: &str) -> Result<Self, String> {
        let list: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().and_then(|span| text.get(..span.start));
            let line = line.map_or(1, |before| before.matches('\n').count().saturating_add(1));
            format!("line {line}: {}", error.message().replace('\n', " "))
        })?;
        if list.version != VERSION {
            return Err(format!("version {} of the form is not known: {VERSION} is", list.version));
        }
        if list.advisory.is_empty() {
            return Err("it has no advisory".to_owned());
        }
        let mut ids = BTreeSet::new();
        for advisory in &list.advisory {
            let id = &advisory.id;
            let is_number = |version: &String| !numbers(version).is_empty();
            let wrong = if id.is_empty() || advisory.what.is_empty() {
                "it has no name or does not say what happens"
            } else if !ids.insert(id) {
                "it is in the list twice"
            } else if advisory.repaired.is_empty() || !advisory.repaired.iter().all(is_number) {
                "`repaired` needs versions, like \"13.0.5\""
            } else if !advisory.source.starts_with("https://") {
                "`source` is no https address"
            } else {
                continue;
            };
            return Err(format!("{id:?}: {wrong}"));
        }
        Ok(list)
    }
}

impl Advisory {
    /// Returns whether a version is without the repair. A version of a branch that is not listed is without it if it is
    /// older than the newest repaired version.
    fn is_about(&self, running: &[u32]) -> bool {
        let repaired: Vec<_> = self.repaired.iter().map(|version| numbers(version)).collect();
        let own = repaired.iter().find(|repaired| branch(repaired) == branch(running));
        own.or(repaired.last()).is_some_and(|repaired| running < repaired.as_slice())
    }

    /// Returns whether the repair was backported into this package of Debian.
    fn is_repaired_in(&self, package: &str) -> bool {
        self.debian.iter().any(|repaired| {
            let (version, revision) = repaired.split_once("+deb").unwrap_or((repaired, ""));
            let Some((own, rest)) = package.split_once("+deb") else { return false };
            own == version
                && number(rest, 0) == number(revision, 0)
                && number(rest, 1) >= number(revision, 1)
        })
    }

    fn text(&self) -> String {
        let also: String = self.also.iter().map(|name| format!(", {name}")).collect();
        let repaired = self.repaired.join(" and ");
        let Self { what, published, source, .. } = self;
        format!("{what}; repaired in {repaired} (published {published}{also}, {source})")
    }
}

/// Returns the numbers of a version: `1.0-1133-1` is `[1, 0, 1133, 1]`, `2.3-38-g1a2b-1` is `[2, 3, 38]`.
pub(super) fn numbers(version: &str) -> Vec<u32> {
    let upstream = version.rsplit(':').next().unwrap_or_default();
    upstream.split(['.', '-', '+', '~']).map_while(|part| part.parse().ok()).collect()
}

/// Returns what versions of one branch have in common: of `0.12.6` the first two numbers, of `13.0.5` the first.
fn branch(version: &[u32]) -> &[u32] {
    let length = if version.first() == Some(&0) { 2 } else { 1 };
    version.get(..length).unwrap_or(version)
}

/// Returns the n-th number, from 0, in a text like `12u1`.
fn number(text: &str, n: usize) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).nth(n)?.parse().ok()
}

pub(super) static CHECKS: &[Check] = &[
    Check {
        id: "advisories",
        severity: Severity::Warning,
        looks_at: "Published advisories on the versions of Prosody, Jitsi Meet, Jicofo, the bridge and Jigasi",
        why: "what is known is tried",
        source: "src/doctor/advisories.toml, or doctor.advisories, has each with its source",
        look: advisories,
    },
    Check {
        id: "advisory-list",
        severity: Severity::Warning,
        looks_at: "Validity and age of the list of advisories (doctor.advisories)",
        why: "an advisory that is not in the list is not found",
        source: "docs/doctor.md, Advisories",
        look: list,
    },
];

/// Returns the list that counts: the newer of the program's own and the operator's.
fn in_force<'a>(case: &Case<'a>) -> &'a Advisories {
    match &case.machine.advisories {
        Some(Ok(given)) if given.date >= EMBEDDED.date && !is_ahead(given, case) => given,
        Some(_) | None => &EMBEDDED,
    }
}

/// Returns whether a list is of a day that no clock could have shown: it would never grow old.
fn is_ahead(list: &Advisories, case: &Case<'_>) -> bool {
    today(case).duration_until(list.date) > OLD
}

fn today(case: &Case<'_>) -> Date {
    TimeZone::UTC.to_datetime(case.now).date()
}

fn list(case: &Case<'_>, looked: &mut Looked) {
    let own = EMBEDDED.date;
    match &case.machine.advisories {
        Some(Err(reason)) => {
            let found = format!("{reason}; the program's own list, of {own}, counts");
            let line = "[doctor] advisories = \"…\", a file of the form of docs/advisories.schema.json, or \"\"";
            looked.find("doctor.advisories", found, (COMPONENT, line));
        }
        Some(Ok(given)) if given.date < own => {
            let date = given.date;
            let found =
                format!("it is of {date}, older than the program's own of {own}, which counts");
            looked.find("doctor.advisories", found, (COMPONENT, "[doctor] advisories = \"\""));
        }
        Some(Ok(given)) if is_ahead(given, case) => {
            let date = given.date;
            let found =
                format!("it is of {date}, which is far ahead; the program's own, of {own}, counts");
            looked.find("doctor.advisories", found, (COMPONENT, "[doctor] advisories = \"\""));
        }
        Some(Ok(_)) | None => {}
    }
    let date = in_force(case).date;
    if date.duration_until(today(case)) > OLD {
        looked.find(
            "advisories",
            format!("the list is of {date}: later advisories are not known"),
            (SHELL, "update vestibule, or name a newer list in doctor.advisories"),
        );
    }
}

fn advisories(case: &Case<'_>, looked: &mut Looked) {
    let known = &in_force(case).advisory;
    let mut hosts = 0_usize;
    case.each(looked, |server, posture, looked| {
        hosts = hosts.saturating_add(1);
        let Some((major, minor, patch)) = version(&posture.server) else {
            return looked.unknown_at(server, unreleased(&posture.server));
        };
        // A package of another version is not the one that runs.
        let package = case.machine.package("prosody");
        let upstream = format!("{major}.{minor}.{patch}-");
        let package = package.filter(|package| package.starts_with(&upstream));
        for advisory in of(known, Program::Prosody, &[major, minor, patch]) {
            if package.is_some_and(|package| advisory.is_repaired_in(package)) {
                continue;
            }
            let honest = match package {
                Some(package) => format!("the package {package} is not known to have the repair"),
                None => "your distribution may have repaired it in its package, which the server does not tell".to_owned(),
            };
            let about = format!("{} {}", advisory.id, posture.server);
            report(looked, advisory, about, &honest);
        }
    });
    // Jitsi's other programs: only this machine shows their versions.
    if hosts > 0 && !case.policy.focuses.is_empty() {
        match &case.machine.image {
            Some(tag) => images(known, tag, looked),
            None => packages(known, case.machine, looked),
        }
    }
}

/// Returns the advisories on a program that a version is without the repair of.
fn of<'a>(
    known: &'a [Advisory],
    program: Program,
    version: &'a [u32],
) -> impl Iterator<Item = &'a Advisory> {
    known.iter().filter(move |it| it.of == program && it.is_about(version))
}

fn report(looked: &mut Looked, advisory: &Advisory, about: String, honest: &str) {
    let text = advisory.text();
    let found = if honest.is_empty() { text } else { format!("{text}; {honest}") };
    let line = match advisory.of.package() {
        Some((package, unit)) => {
            let restart = unit.map(|it| format!(" && systemctl restart {it}")).unwrap_or_default();
            (SHELL, format!("apt update && apt install --only-upgrade {package}{restart}"))
        }
        None => (DOTENV, "JITSI_IMAGE_VERSION=a newer release".to_owned()),
    };
    looked.find(about, found, line);
}

fn packages(known: &[Advisory], machine: &Machine, looked: &mut Looked) {
    let mut without = Vec::new();
    for program in [Program::JitsiMeet, Program::Jicofo, Program::JitsiVideobridge, Program::Jigasi]
    {
        let Some((name, _)) = program.package() else { continue };
        let Some(installed) = machine.package(name) else {
            // Few have telephones.
            if program != Program::Jigasi {
                without.push(name);
            }
            continue;
        };
        for advisory in of(known, program, &numbers(installed)) {
            report(looked, advisory, format!("{} {name} {installed}", advisory.id), "");
        }
    }
    if !without.is_empty() {
        let reason = match machine.packages {
            Some(_) => "no such package is installed on this machine",
            None => "this machine has no list of packages (/var/lib/dpkg/status)",
        };
        looked.unknown(format!("the versions of {}: {reason}", without.join(", ")));
    }
}

/// Compares the tag of the images of docker-jitsi-meet, like `stable-9457-1`: release 2.0.9457 of Jitsi Meet.
fn images(known: &[Advisory], tag: &str, looked: &mut Looked) {
    let release = numbers(tag.strip_prefix("stable-").unwrap_or_default());
    let Some(build) = release.first() else {
        return looked.unknown(format!("the images have the tag `{tag}`, which names no release"));
    };
    for (program, version) in
        [(Program::JitsiMeet, &[2, 0, *build][..]), (Program::DockerJitsiMeet, &release)]
    {
        for advisory in of(known, program, version) {
            let text = advisory.text();
            let line = (DOTENV, format!("JITSI_IMAGE_VERSION={}", newer(advisory)));
            looked.find(format!("{} {tag}", advisory.id), text, line);
        }
    }
    looked.unknown("the versions of Jicofo and the bridge: the tag of their images does not tell");
}

/// Returns the first tag of the images that has the repair.
fn newer(advisory: &Advisory) -> String {
    let last = advisory.repaired.last().map(|version| numbers(version)).unwrap_or_default();
    let build = last.get(if advisory.of == Program::JitsiMeet { 2 } else { 0 });
    build.map_or_else(String::new, |build| format!("stable-{build}, or newer"))
}

/// Returns in words how many advisories the list in force has, and of which day it is.
pub(super) fn described(case: &Case<'_>) -> String {
    let list = in_force(case);
    format!("{} of {}", counted(list.advisory.len() as u64, "advisory", "advisories"), list.date)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(id: &str) -> &'static Advisory {
        EMBEDDED.advisory.iter().find(|advisory| advisory.id == id).unwrap()
    }

    #[test]
    fn the_list_of_this_program_is_valid_and_says_where_each_was_published() {
        let own = Advisories::read(OWN).unwrap();
        assert!(own.advisory.len() > 25);
        for advisory in &own.advisory {
            assert!(advisory.published <= own.date, "{}", advisory.id);
        }
        for program in Program::ALL {
            assert!(own.advisory.iter().any(|it| it.of == program), "{program:?}");
        }
    }

    #[test]
    fn an_advisory_is_about_what_is_older_than_the_repair_of_its_branch() {
        for (id, running, is) in [
            ("CVE-2026-43507", "0.11.13", true),
            ("CVE-2026-43507", "0.12.5", true),
            ("CVE-2026-43507", "0.12.6", false),
            ("CVE-2026-43507", "13.0.4", true),
            ("CVE-2026-43507", "13.0.5", false),
            ("CVE-2026-43507", "13.1.0", false),
            ("CVE-2026-43507", "14.0.0", false),
            ("CVE-2022-0217", "0.12.0", false),
            ("CVE-2022-0217", "13.0.0", false),
            ("JSA-2025-0001", "1.0-1132-1", true),
            ("JSA-2025-0001", "1.0-1133-1", false),
            ("JSA-2023-0001", "2.3-37-gdeadbeef-1", true),
            ("JSA-2023-0001", "2.3-38-gdeadbeef-1", false),
            ("JSA-2021-0004", "2.1-594-g1-1", true),
            ("JSA-2021-0004", "2.3-38-gdeadbeef-1", false),
            ("JSA-2024-0001", "2.0.9258-1", true),
            ("JSA-2024-0001", "2.0.9457-1", false),
        ] {
            assert_eq!(named(id).is_about(&numbers(running)), is, "{id} {running}");
        }
    }

    #[test]
    fn a_package_may_have_the_repair_without_the_version() {
        for (package, is) in [
            ("0.12.3-1+deb12u1", true),
            ("0.12.3-1+deb12u2", true),
            ("0.12.3-1", false),
            ("0.12.3-1+deb11u1", false),
            ("13.0.1-1+deb12u1", false),
            ("13.0.1-1+deb131u", true),
            ("13.0.1-1+deb131u1", true),
            ("13.0.1-1", false),
            ("13.0.1-1~bpo12+1", false),
        ] {
            assert_eq!(named("CVE-2026-43507").is_repaired_in(package), is, "{package}");
        }
    }

    #[test]
    fn a_list_that_is_not_of_the_form_is_refused_with_the_reason() {
        let with = |more: &str| {
            format!(
                "version = 1\ndate = '2027-01-01'\n[[advisory]]\nid = 'X'\nof = 'jicofo'\nwhat = 'w'\npublished = \
                 '2027-01-01'\n{more}"
            )
        };
        let good = with("repaired = ['1.0-2000']\nsource = 'https://example.org'\n");
        assert!(Advisories::read(&good).is_ok());
        for (text, says) in [
            (good.replace("version = 1", "version = 2"), "version 2"),
            (good.replace("2027-01-01'\n[[", "soon'\n[["), "line 2"),
            (good.replace("'jicofo'", "'windows'"), "line 5"),
            (good.replace("what", "whot"), "whot"),
            (good.replace("'1.0-2000'", "'new'"), "`repaired`"),
            (good.replace("https", "http"), "https"),
            (
                good.clone()
                    + good.split_once("[[").map(|(_, it)| "[[".to_owned() + it).unwrap().as_str(),
                "twice",
            ),
            ("<html>".to_owned(), "line 1"),
            ("version = 1\ndate = '2027-01-01'\nadvisory = []".to_owned(), "no advisory"),
        ] {
            let error = Advisories::read(&text).unwrap_err();
            assert!(error.contains(says) && !error.contains('\n'), "{error}");
        }
    }
}
