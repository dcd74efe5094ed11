//! Known advisories on Prosody. Each is a row: what, which versions, where that is from.

/// An advisory.
#[derive(Debug)]
pub(super) struct Advisory {
    /// Its number.
    pub(super) id: &'static str,
    /// The impact.
    pub(super) what: &'static str,
    /// The first version of each branch that has the repair: `(branch, version)`; branches before the first have none.
    pub(super) repaired: &'static [Version],
    /// Revisions of Debian's package that have the repair without the version.
    pub(super) debian: &'static [&'static str],
    /// The source.
    pub(super) source: &'static str,
}

/// A version: `13.0.5` is `(13, 0, 5)`.
pub(super) type Version = (u32, u32, u32);

const MAY_2026: &[Version] = &[(0, 12, 6), (13, 0, 5)];
const MAY_2026_DEBIAN: &[&str] = &["0.12.3-1+deb12u1"];
const MAY_2021: &[Version] = &[(0, 11, 9)];

pub(super) static ADVISORIES: [Advisory; 11] = [
    Advisory {
        id: "CVE-2026-43507",
        what: "a stranger exhausts the memory by XML that grows in the parser",
        repaired: MAY_2026,
        debian: MAY_2026_DEBIAN,
        source: "Prosody's advisory of 2026-05-01",
    },
    Advisory {
        id: "CVE-2026-43506",
        what: "a stranger exhausts the memory by connections that leak it",
        repaired: MAY_2026,
        debian: MAY_2026_DEBIAN,
        source: "Prosody's advisory of 2026-05-01",
    },
    Advisory {
        id: "CVE-2026-43505",
        what: "repaired by Debian together with CVE-2026-43506; the versions are taken to be the same",
        repaired: MAY_2026,
        debian: MAY_2026_DEBIAN,
        source: "changelog of Debian's prosody 0.12.3-1+deb12u1",
    },
    Advisory {
        id: "CVE-2026-43504",
        what: "repaired by Debian together with CVE-2026-43506; the versions are taken to be the same",
        repaired: MAY_2026,
        debian: MAY_2026_DEBIAN,
        source: "changelog of Debian's prosody 0.12.3-1+deb12u1",
    },
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
        repaired: MAY_2021,
        debian: &[],
        source: "Prosody's advisory of 2021-05-12",
    },
    Advisory {
        id: "CVE-2021-32918",
        what: "a stranger exhausts the memory",
        repaired: MAY_2021,
        debian: &[],
        source: "Prosody's advisory of 2021-05-12",
    },
    Advisory {
        id: "CVE-2021-32919",
        what: "another server passes for one that it is not",
        repaired: MAY_2021,
        debian: &[],
        source: "Prosody's advisory of 2021-05-12",
    },
    Advisory {
        id: "CVE-2021-32920",
        what: "a stranger takes all of a processor by renegotiating TLS",
        repaired: MAY_2021,
        debian: &[],
        source: "Prosody's advisory of 2021-05-12",
    },
    Advisory {
        id: "CVE-2021-32921",
        what: "a stranger guesses a secret by the time that comparing it takes",
        repaired: MAY_2021,
        debian: &[],
        source: "Prosody's advisory of 2021-05-12",
    },
];

impl Advisory {
    /// Returns whether that version is without the repair. A branch that no repair was made for is judged by the next older one that has one, and all before
    /// the first are without.
    pub(super) fn is_about(&self, version: Version) -> bool {
        let branch = |(major, minor, _): Version| if major == 0 { (0, minor) } else { (major, 0) };
        let own = self.repaired.iter().find(|repaired| branch(**repaired) == branch(version));
        match own {
            Some(repaired) => version < *repaired,
            None => self.repaired.last().is_some_and(|last| version < *last),
        }
    }

    /// Returns whether the installed package of Debian has it nevertheless.
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

/// The n-th number of `12u1`.
fn number(text: &str, n: usize) -> Option<u32> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).nth(n)?.parse().ok()
}

/// The version in `Prosody 0.12.3`; `None`: a nightly build, or none at all.
pub(super) fn version(server: &str) -> Option<Version> {
    let text = server.strip_prefix("Prosody ")?;
    let mut parts = text.split('.').map(|part| part.parse().ok());
    Some((parts.next()??, parts.next()??, parts.next().flatten().unwrap_or(0)))
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
