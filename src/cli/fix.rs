//! `vestibule doctor --fix` and `--undo`: repairs what one change of one file on this machine repairs.

use std::fs;
use std::io::{self, IsTerminal as _};
use std::path::{Component, Path, PathBuf, absolute};
use std::process::ExitCode;

use super::out::{self, Ended, note, say, visible};
use super::running::Arguments;
use crate::config::{Environment, Settings, held};
use crate::doctor::{FORWARDED, Finding, LOCATION, Report, State};
use crate::init::{Places, Repair, Repairs, take_back_repairs};

/// Checks whose remedy is an option of a host of Prosody, with the option and its value.
const OPTIONS: [(&str, &str, &str); 5] = [
    ("room-cache", "muc_room_cache_size", "10000"),
    ("room-locking", "muc_room_locking", "false"),
    ("tombstones", "muc_tombstones", "false"),
    ("self-registration", "allow_unaffiliated_register", "false"),
    ("failing-open", "vestibule_on_unavailable", "\"refuse\""),
];
/// Checks whose remedy is a mode, with the permission bits that a file loses.
const MODES: [(&str, u32); 3] =
    [("secret-file", 0o007), ("settings-file", 0o002), ("state-files", 0o007)];
/// Where nginx has its files.
const NGINX: &str = "/etc/nginx";

/// Paths on the command line may be relative to the working directory; those of [`Places`] are below the root.
fn places(policy: &Path, arguments: Arguments) -> io::Result<Places> {
    Ok(Places {
        root: PathBuf::from("/"),
        policy: absolute(policy)?,
        prosody: arguments.prosody_config.map(absolute).transpose()?,
        prosodyctl: arguments.prosodyctl,
        journal: None,
    })
}

/// Shows what can be repaired, asks, and repairs it.
pub(super) fn fix(
    policy: &Path,
    environment: &Environment,
    settings: &Settings,
    report: &Report,
    arguments: Arguments,
) -> Ended {
    let known = Known::of(policy, environment, settings);
    let (mut repairs, mut by_hand) = (Vec::new(), Vec::new());
    let found = report.checks.iter().filter(|row| row.state == State::Found && !row.ignored);
    for (id, finding) in found.flat_map(|row| row.findings.iter().map(|it| (row.id.as_str(), it))) {
        match repair(id, finding, &known) {
            Some(repair) => repairs.push(repair),
            None => by_hand.push(format!("{id}: {}: {}", finding.file, finding.line)),
        }
    }
    let yes = arguments.yes;
    let plan = Repairs::plan(&places(policy, arguments)?, &repairs)?;
    for (repair, reason) in plan.refused() {
        by_hand.push(format!("{}: {reason}", described(repair)));
    }
    if !by_hand.is_empty() {
        note(&format!("By hand:\n  {}", by_hand.join("\n  ")));
    }
    if plan.is_empty() {
        note("Nothing here can be repaired by changing a file of this machine.");
        return Ok(out::status(by_hand.is_empty()));
    }
    say(&visible(&plan.diff()));
    let asks = io::stdin().is_terminal() && io::stderr().is_terminal();
    if !yes && !asks {
        return Err("nothing was changed: --yes makes these changes".into());
    }
    if !yes && !out::confirms(|| "These changes are going to be made.".to_owned())? {
        return Err("nothing was changed".into());
    }
    let left = left_to_do(&repairs);
    plan.write()?;
    say(&format!("Done. `vestibule doctor --undo` takes it back.{left}"));
    Ok(ExitCode::SUCCESS)
}

/// Takes back what `fix` did.
pub(super) fn undo(policy: &Path, arguments: Arguments) -> Ended {
    let taken = take_back_repairs(&places(policy, arguments)?)?;
    let is_refused = taken.iter().any(|file| file.is_refused);
    for file in taken.iter().filter(|file| !is_refused || file.is_refused) {
        say(&visible(&format!("{}: {}", file.path.display(), file.what)));
        if file.is_refused {
            say(&visible(&file.diff));
        }
    }
    if is_refused {
        return Err("nothing was taken back: undo those changes first".into());
    }
    Ok(ExitCode::SUCCESS)
}

/// Files that may be changed. The report is the component's word, and this runs as root.
struct Known {
    own: Vec<PathBuf>,
    state: PathBuf,
    site: Option<PathBuf>,
}

impl Known {
    fn of(policy: &Path, environment: &Environment, settings: &Settings) -> Self {
        let mut own = held(policy, environment).files;
        own.push(policy.to_owned());
        let folder = policy.parent().unwrap_or(Path::new(""));
        let site = settings.doctor.nginx_config.as_ref().map(|site| folder.join(site));
        Self { own, state: settings.component.state_dir.clone(), site }
    }

    /// Returns the path of one of these files, without links in its folders: the component may put links into its own.
    fn ours(&self, path: &Path) -> Option<PathBuf> {
        let found = resolved(path)?;
        let is = |own: &Path| resolved(own).as_ref() == Some(&found);
        let state = fs::canonicalize(&self.state).ok();
        let is_kept = state.is_some() && found.parent() == state.as_deref();
        (is_kept || is(&self.state) || self.own.iter().any(|own| is(own))).then_some(found)
    }

    fn is_site(&self, path: &Path) -> bool {
        let is_plain = path.components().all(|part| part != Component::ParentDir);
        self.site.as_deref() == Some(path) || (is_plain && path.starts_with(NGINX))
    }
}

/// Returns a path whose folder has no links in it; `None` for one that goes up, or leads nowhere.
fn resolved(path: &Path) -> Option<PathBuf> {
    let goes_up = path.components().any(|part| part == Component::ParentDir);
    let path = absolute(path).ok().filter(|_| !goes_up)?;
    Some(fs::canonicalize(path.parent()?).ok()?.join(path.file_name()?))
}

/// Returns the repair of a finding, if a change of one file is one.
fn repair(id: &str, finding: &Finding, known: &Known) -> Option<Repair> {
    if let Some((_, option, value)) = OPTIONS.iter().find(|(check, ..)| *check == id) {
        let is_advice = finding.line.starts_with(&format!("{option} = {value}"));
        let host = finding.about.clone();
        return is_advice.then_some(Repair::Prosody { host, option, value });
    }
    if let Some((_, clear)) = MODES.iter().find(|(check, _)| *check == id) {
        // Where the component needs the bits to read it, the advice is another.
        let is_advice = finding.line.starts_with("chmod ");
        let path = known.ours(Path::new(&finding.about)).filter(|_| is_advice)?;
        return Some(Repair::Mode(path, *clear));
    }
    if id == "web-server" {
        let (site, location) = finding.about.split_once(LOCATION)?;
        let (site, location) = (PathBuf::from(site), location.to_owned());
        return known.is_site(&site).then_some(Repair::Nginx {
            site,
            location,
            directive: FORWARDED,
        });
    }
    None
}

fn described(repair: &Repair) -> String {
    match repair {
        Repair::Mode(path, _) => format!("mode of {}", path.display()),
        Repair::Prosody { host, option, value } => format!("{host}: {option} = {value}"),
        Repair::Nginx { site, location, directive } => {
            format!("{}: location {location}: {directive}", site.display())
        }
    }
}

fn left_to_do(repairs: &[Repair]) -> String {
    let mut text = String::new();
    if repairs.iter().any(|it| matches!(it, Repair::Prosody { .. })) {
        text.push_str(
            "\nLeft to do: sudo prosodyctl check config; sudo systemctl restart prosody \
             (ends the meetings that are on)",
        );
    }
    if repairs.iter().any(|it| matches!(it, Repair::Nginx { .. })) {
        text.push_str("\nLeft to do: sudo nginx -t && sudo systemctl reload nginx");
    }
    text
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_of_the_operator_s_folders_are_changed() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().canonicalize().unwrap();
        let (state, etc) = (root.join("state"), root.join("etc"));
        for folder in [&state, &etc, &etc.join("inner")] {
            fs::create_dir(folder).unwrap();
        }
        for link in ["link", "self"] {
            symlink(if link == "link" { &etc } else { &state }, state.join(link)).unwrap();
        }
        symlink(&state, root.join("other-name")).unwrap();
        let known =
            Known { own: vec![etc.join("secret")], state: root.join("other-name"), site: None };
        for (path, ours) in [
            ("etc/secret", Some("etc/secret")),
            ("state/audit.db", Some("state/audit.db")),
            ("other-name/audit.db", Some("state/audit.db")),
            ("state/self/audit.db", Some("state/audit.db")),
            ("state/..", None),
            ("state/../etc/secret", None),
            ("state/link/inner", None),
            ("etc/other", None),
            ("etc", None),
        ] {
            let expected = ours.map(|it| root.join(it));
            assert_eq!(known.ours(&root.join(path)), expected, "{path}");
        }
        assert_eq!(known.ours(Path::new("..")), None);
        assert_eq!(known.ours(Path::new("/")), None);
    }
}
