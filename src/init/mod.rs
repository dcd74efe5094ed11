//! Sets a server up: a short policy file, the secret, and the lines for Prosody. Nothing is written before all of it is
//! known to be right, and all of it can be taken back.
//!
//! | file | what it has |
//! |---|---|
//! | `survey` | what the server's configuration says, read by the server's own loader (`survey.lua`) |
//! | `site` | a machine with a Prosody |
//! | `prosody` | what becomes of the configuration |
//! | `lua` | edits of Lua text |
//! | `policy_file` | the text of the policy file, and the presets |
//! | `changes` | before and after of a file, differences, and how a change is taken back |
//! | `docker`, `dotenv` | a folder of docker-jitsi-meet, and its `.env` |
//! | `journal` | writing all or none, and what was there before |
//! | `opened` | files and folders, opened without following another account's links |
//! | `repair` | single settings of these and other files, for `vestibule doctor --fix` |

mod changes;
mod docker;
mod dotenv;
mod journal;
mod lua;
mod opened;
mod policy_file;
mod prosody;
mod repair;
mod site;
mod survey;

use std::io;
use std::path::{Path, PathBuf};

use self::changes::{Change, Content, Folder, Undo};
use self::journal::{Journal, JournalError, Undone};
use self::policy_file::Head;
use self::survey::{Loader, SurveyError};
use crate::config::NOT_ALLOWED;
use crate::doctor::{self, GATE};
use crate::secret::Secret;

pub use self::docker::{Containers, docker_folders};
pub use self::policy_file::{PRESETS, Preset};
pub use self::prosody::{Manual, MucService, Server};
pub use self::repair::{Repair, Repairs, take_back_repairs};
pub use self::site::Site;

/// Where Prosody's main file is.
const MAIN: &str = "/etc/prosody/prosody.cfg.lua";
/// Name of the secret's file, in the folder of the policy file.
const SECRET: &str = "component-secret";
/// Name of the journal's folder, in the folder of the policy file.
const JOURNAL: &str = ".init";
/// Where the gate is installed, by a package or `make install`.
const GATES: [&str; 5] = [
    "/usr/lib/prosody/modules",
    "/usr/local/lib/prosody/modules",
    "/usr/share/vestibule/prosody-snippets",
    "/usr/local/share/vestibule/prosody-snippets",
    "/usr/share/jitsi-meet/prosody-plugins",
];

/// Where things are on a machine.
#[derive(Clone, Debug)]
pub struct Places {
    /// The folder that stands for `/`.
    pub root: PathBuf,
    /// The policy file, as seen from the root.
    pub policy: PathBuf,
    /// Prosody's main file, as seen from the root.
    pub prosody: Option<PathBuf>,
    /// Prosody's command.
    pub prosodyctl: PathBuf,
    /// The folder in which earlier states are kept, if not in the folder of the policy file.
    pub journal: Option<PathBuf>,
}

/// Why the server was not set up; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// The answer is no: something has to be changed first.
    #[error("{0}")]
    Refused(String),
    /// It could not be found out.
    #[error("{0}")]
    System(String),
}

impl InitError {
    /// Returns an error of the system; what is not allowed gets the way to have it allowed.
    fn system(error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        // Prosody's own program reports it as text.
        let is_denied = text.contains("Permission denied");
        Self::System(if is_denied { format!("{text}: {NOT_ALLOWED}") } else { text })
    }
}

impl From<SurveyError> for InitError {
    fn from(error: SurveyError) -> Self {
        Self::system(&error)
    }
}

impl From<JournalError> for InitError {
    fn from(error: JournalError) -> Self {
        Self::system(&error)
    }
}

impl Places {
    /// Returns the path on this machine of one that is seen from the root.
    fn full(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// Returns the path as seen from the root.
    pub fn shown(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).map_or(path.to_owned(), |path| Path::new("/").join(path))
    }

    /// Returns Prosody's main file, as seen from the root.
    pub fn main(&self) -> &Path {
        self.prosody.as_deref().unwrap_or(Path::new(MAIN))
    }

    /// Returns the program that loads the configuration with this main file.
    fn loader<'a>(&'a self, main: &'a Path) -> Loader<'a> {
        Loader { prosodyctl: &self.prosodyctl, root: &self.root, main }
    }

    fn policy_folder(&self) -> PathBuf {
        self.full(self.policy.parent().unwrap_or(Path::new("/")))
    }

    fn read(&self, path: &Path) -> Result<Option<Content>, InitError> {
        journal::read(path).map_err(|error| self.unreadable(path, &error))
    }

    fn unreadable(&self, path: &Path, error: &io::Error) -> InitError {
        let path = self.shown(path);
        let path = path.display();
        InitError::System(if error.kind() == io::ErrorKind::PermissionDenied {
            format!("cannot read {path}: {NOT_ALLOWED}")
        } else {
            format!("cannot read {path}: {error}")
        })
    }

    /// Opens the journal, and takes back what an interrupted run has done. Returns whether there was such a run.
    fn journal(&self, dry_run: bool) -> Result<(Journal, bool), InitError> {
        let folder = self.journal.clone().unwrap_or_else(|| self.policy_folder().join(JOURNAL));
        let mut journal = Journal::open(&folder, &self.root)?;
        let is_interrupted = journal.is_interrupted();
        if is_interrupted && dry_run {
            return Err(InitError::Refused(
                "an earlier run was interrupted: without --dry-run, the next one first takes back what it did"
                    .to_owned(),
            ));
        }
        journal.recover()?;
        Ok((journal, is_interrupted))
    }
}

/// What is there of the policy file.
#[derive(Clone, Debug, PartialEq)]
enum Policy {
    Missing,
    /// The shipped file, in which nobody has written yet.
    AsShipped,
    /// As an earlier run wrote it.
    Ours(toml::Table),
    /// The operator's own.
    Theirs(toml::Table),
}

impl Policy {
    /// Returns whether it stays as it is unless it is to be replaced.
    fn is_kept(&self) -> bool {
        matches!(self, Self::Ours(_) | Self::Theirs(_))
    }

    /// Returns what the file that is there says, an earlier run's or an operator's.
    fn file(&self) -> Option<File> {
        match self {
            Self::Ours(table) | Self::Theirs(table) => Some(File::of(table)),
            Self::Missing | Self::AsShipped => None,
        }
    }

    /// Returns what an earlier run was told, if nobody has changed the file since.
    fn told(&self) -> Option<File> {
        self.file().filter(|_| matches!(self, Self::Ours(_)))
    }

    /// Returns what the file says, if it stays as it is.
    fn kept(&self, answers: &Answers, path: &Path, unmet: &mut Vec<String>) -> Option<File> {
        match self {
            Self::Theirs(table) if !answers.replaces => {
                if answers.preset.is_some() {
                    unmet.push(format!(
                        "{} stays as it is, for an operator has changed it; --force-with-backup replaces it",
                        path.display()
                    ));
                }
                Some(File::of(table))
            }
            Self::Ours(table) if answers.preset.is_none() => Some(File::of(table)),
            Self::Missing | Self::AsShipped | Self::Ours(_) | Self::Theirs(_) => None,
        }
    }

    /// Returns the changes that write the file, and keep a copy of an operator's. A new file has this owner.
    fn changes(
        &self,
        places: &Places,
        head: &Head<'_>,
        preset: Option<&Preset>,
        owner: (u32, u32),
    ) -> Result<Vec<Change>, InitError> {
        let preset =
            preset.ok_or_else(|| InitError::Refused("which policy: --preset NAME".to_owned()))?;
        let text = policy_file::text(head, preset);
        if let Some(problem) = policy_file::problem(&text) {
            return Err(InitError::Refused(format!(
                "the policy file would not be valid, so nothing was written: {problem}"
            )));
        }
        let path = places.full(&places.policy);
        let before = places.read(&path)?;
        let mut changes = Vec::new();
        if matches!(self, Self::Theirs(_)) {
            let path = backup(&path)?;
            changes.push(Change { path, before: None, after: before.clone(), is_theirs: false });
        }
        let kept = before.as_ref().map(|file| (file.mode, file.owner));
        let (mode, owner) = kept.unwrap_or((0o644, owner));
        let after = Some(Content { bytes: text.into_bytes(), mode, owner });
        changes.push(Change { path, before, after, is_theirs: true });
        Ok(changes)
    }
}

/// Returns what stands against a preset on a server to which nobody can log in.
fn without_accounts(preset: Option<&Preset>) -> Option<String> {
    let name = preset.filter(|preset| preset.needs_accounts())?.name;
    Some(format!(
        "nobody can log in on this server, and by the preset {name} only people who have logged in start meetings: take \
         public or guests-only, or have people log in"
    ))
}

/// Returns a name in the same folder that no file has yet.
fn backup(path: &Path) -> Result<PathBuf, InitError> {
    let name = |number: u32| {
        let end = if number == 0 { String::new() } else { format!(".{number}") };
        PathBuf::from(format!("{}.before-init{end}", path.display()))
    };
    let free = (0..1000).map(name).find(|path| !path.exists());
    free.ok_or_else(|| InitError::Refused("there are too many copies".to_owned()))
}

/// The operator's answers.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    /// The policy. `None`: the file that is there.
    pub preset: Option<&'static Preset>,
    /// Accounts that may do everything.
    pub operators: Vec<String>,
    /// The services to guard; none: all.
    pub services: Vec<String>,
    /// Address of meetings on the web, with `{room}`.
    pub link: Option<String>,
    /// Domain of the component, if not the usual one.
    pub component: Option<String>,
    /// Whether an operator's own policy file is replaced; a copy stays in its folder.
    pub replaces: bool,
}

/// What is going to be done.
#[derive(Debug)]
pub struct Plan {
    changes: Vec<Change>,
    folders: Vec<Folder>,
    /// Entries that the operator has to write.
    pub manual: Vec<Manual>,
    /// What the operator should know.
    pub notes: Vec<String>,
    /// What is not as it was asked for or has to be, because the policy file is the operator's.
    pub unmet: Vec<String>,
    secret: Secret,
    places: Places,
    journal: Journal,
}

/// What a policy file says of the link and the services.
#[derive(Debug, Default)]
struct File {
    component: Option<String>,
    server: Option<String>,
    secret: Option<String>,
    secret_file: Option<String>,
    services: Vec<String>,
    /// The link in invitations, of each service that has one.
    links: Vec<(String, String)>,
    operators: Vec<String>,
}

impl File {
    fn of(table: &toml::Table) -> Self {
        let component = table.get("component").and_then(toml::Value::as_table);
        let text = |name: &str| {
            let value = component.and_then(|component| component.get(name)?.as_str());
            value.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let services = table.get("service").and_then(toml::Value::as_array).into_iter().flatten();
        let of = |service: &toml::Value, key: &str| service.get(key)?.as_str().map(str::to_owned);
        let operators = table.get("policy").and_then(|policy| policy.get("operators")?.as_array());
        let operators = operators.into_iter().flatten();
        Self {
            component: text("domain"),
            server: text("server"),
            secret: text("secret"),
            secret_file: text("secret_file"),
            links: services
                .clone()
                .filter_map(|service| Some((of(service, "domain")?, of(service, "link")?)))
                .collect(),
            services: services.filter_map(|service| of(service, "domain")).collect(),
            operators: operators.filter_map(|it| it.as_str().map(str::to_owned)).collect(),
        }
    }
}

/// `more` is another way to get it.
fn no_gate(more: &str) -> InitError {
    InitError::Refused(format!(
        "the gate is not on this machine (mod_{}): install the package vestibule-prosody-module, or run `make install`{more}",
        GATE
    ))
}

fn policy(places: &Places, journal: &Journal) -> Result<Policy, InitError> {
    let path = places.full(&places.policy);
    let Some(content) = places.read(&path)? else { return Ok(Policy::Missing) };
    let text = content.text();
    if policy_file::is_as_shipped(&text) {
        return Ok(Policy::AsShipped);
    }
    let table = text.parse().map_err(|error: toml::de::Error| {
        let path = places.policy.display();
        InitError::Refused(format!("{path} is no valid file: {error}"))
    })?;
    Ok(if journal.wrote(&path, &content) { Policy::Ours(table) } else { Policy::Theirs(table) })
}

fn new_secret() -> Result<Secret, InitError> {
    Secret::random()
        .map_err(|error| InitError::System(format!("the system gives no random numbers: {error}")))
}

impl Plan {
    /// Returns whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.folders.is_empty()
    }

    /// Returns the unified diff of every change, without the secret.
    pub fn diff(&self) -> String {
        self.own_changes().map(|change| self.shown(change)).chain([self.rest()]).collect()
    }

    /// Returns the changes but for those of the gate's own files.
    fn own_changes(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| gate_folder(&change.path).is_none())
    }

    /// Returns a line for the gate's files, and for each folder.
    fn rest(&self) -> String {
        let mut text = String::new();
        let mut gate = self.changes.iter().filter_map(|change| gate_folder(&change.path));
        if let Some(folder) = gate.next() {
            let files = gate.count().saturating_add(1);
            text = format!("the gate, {files} files: {}\n", folder.display());
        }
        for Folder { path, owner, .. } in &self.folders {
            let path = path.display();
            text.push_str(&format!("new folder, of {}:{}: {path}\n", owner.0, owner.1));
        }
        changes::shown(&text)
    }

    /// Returns new files whole, and the unified diff of the others, without the secret.
    pub fn text(&self) -> String {
        let text = |change: &Change| match (&change.before, &change.after) {
            (None, Some(after)) => {
                let path = self.places.shown(&change.path);
                changes::shown(&format!("# {}\n\n{}\n", path.display(), self.hidden(after)))
            }
            _ => format!("{}\n", self.shown(change)),
        };
        self.own_changes().map(text).chain([self.rest()]).collect()
    }

    fn hidden(&self, content: &Content) -> String {
        content.text().replace(self.secret.expose(), prosody::SHOWN_SECRET)
    }

    fn shown(&self, change: &Change) -> String {
        let hide = |content: &Option<Content>| content.as_ref().map(|it| self.hidden(it));
        let (before, after) = (hide(&change.before), hide(&change.after));
        let path = self.places.shown(&change.path);
        changes::diff(&path, before.as_deref(), after.as_deref())
    }

    /// Returns the files and folders that change, as seen from the root, and whether each is new.
    pub fn files(&self) -> Vec<(PathBuf, bool)> {
        let file = |change: &Change| match gate_folder(&change.path) {
            Some(folder) => (folder.to_owned(), change.before.is_none()),
            None => (self.places.shown(&change.path), change.before.is_none()),
        };
        let folders = self.folders.iter().map(|folder| (folder.path.clone(), true));
        let mut files: Vec<_> = self.changes.iter().map(file).chain(folders).collect();
        files.dedup_by(|one, other| one.0 == other.0);
        files
    }

    /// Returns whether nothing changes but the policy, with the copy of an operator's: a reload is enough then.
    pub fn is_policy_alone(&self) -> bool {
        let policy = self.places.full(&self.places.policy);
        let is_policy = |change: &Change| {
            change.path.parent() == policy.parent() && !change.path.ends_with(SECRET)
        };
        self.changes.iter().all(is_policy) && self.folders.is_empty()
    }

    /// Writes everything, or nothing.
    ///
    /// # Errors
    /// Fails if a file cannot be written; all are as before then.
    pub fn write(mut self) -> Result<(), InitError> {
        if self.is_empty() {
            return Ok(());
        }
        self.journal.apply(&self.changes, &self.folders)?;
        Ok(())
    }
}

/// Returns the folder of the gate, if the file is in it.
fn gate_folder(path: &Path) -> Option<&Path> {
    let folder = path.parent()?;
    folder.ends_with(format!("mod_{}", GATE)).then_some(folder)
}

/// What was taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenBack {
    /// The file, as seen from the root.
    pub path: PathBuf,
    /// What was done with it.
    pub what: &'static str,
    /// Unified diff of what was done, or of what stands against it.
    pub diff: String,
    /// Whether it cannot be taken back.
    pub is_refused: bool,
}

/// Takes back what earlier runs did. With `dry_run`, only returns what would be done.
///
/// # Errors
/// Fails if a file cannot be read or written. A file that cannot be taken back is in what is returned, and then nothing
/// was done.
pub fn take_back(places: &Places, dry_run: bool) -> Result<Vec<TakenBack>, InitError> {
    let (mut journal, was_interrupted) = places.journal(dry_run)?;
    if journal.is_empty() {
        return match was_interrupted {
            true => Ok(Vec::new()),
            false => {
                Err(InitError::Refused("`vestibule init` has written nothing here".to_owned()))
            }
        };
    }
    taken_back(places, &mut journal, dry_run)
}

/// Takes back what the journal has. With `dry_run`, only returns what would be done.
fn taken_back(
    places: &Places,
    journal: &mut Journal,
    dry_run: bool,
) -> Result<Vec<TakenBack>, InitError> {
    let plan = journal.plan_undo()?;
    let secrets = secrets(&plan);
    let hide = |diff: String| {
        secrets.iter().fold(diff, |diff, secret| diff.replace(secret, prosody::SHOWN_SECRET))
    };
    let taken = plan.iter().map(|undone| {
        let path = places.shown(&undone.path);
        let text = |content: Option<&Content>| content.map(Content::text);
        let now = text(undone.now.as_ref());
        let (what, other) = match &undone.undo {
            Undo::Nothing => ("is as it was before", now.clone()),
            Undo::PutBack(None) => ("removed", None),
            Undo::PutBack(Some(content)) => ("put back", text(Some(content))),
            Undo::TakeOut(content) => {
                ("our lines taken out; what else was changed since stays", text(Some(content)))
            }
            Undo::Kept => ("stays: it was changed since it was written", now.clone()),
            Undo::Refused if undone.is_new => (
                "was changed since it was written, like this: move it away with what was added, and run this again",
                None,
            ),
            Undo::Refused => ("was changed since it was written, like this", None),
        };
        let is_refused = undone.undo == Undo::Refused;
        let diff = match is_refused {
            true => changes::diff(&path, text(undone.written.as_ref()).as_deref(), now.as_deref()),
            false => changes::diff(&path, now.as_deref(), other.as_deref()),
        };
        TakenBack { path, what, diff: hide(diff), is_refused }
    });
    let mut taken: Vec<_> = taken.collect();
    // The gate's files are one.
    taken.dedup_by(|one, other| {
        let folders = (gate_folder(&one.path), gate_folder(&other.path));
        !one.is_refused && one.what == other.what && folders.0.is_some() && folders.0 == folders.1
    });
    for file in &mut taken {
        if let Some(folder) = gate_folder(&file.path).filter(|_| !file.is_refused) {
            (file.path, file.diff) = (folder.to_owned(), String::new());
        }
    }
    if !dry_run && !taken.iter().any(|file| file.is_refused) {
        journal.take_back(&plan)?;
    }
    Ok(taken)
}

/// Returns the secrets in files that were written.
fn secrets(plan: &[Undone]) -> Vec<String> {
    let mut secrets = Vec::new();
    for undone in plan {
        let text = undone.written.as_ref().map(Content::text).unwrap_or_default();
        if undone.path.ends_with(SECRET) {
            secrets.push(text.trim().to_owned());
        }
        let quoted =
            text.lines().filter_map(|line| line.trim().strip_prefix("component_secret = \""));
        secrets.extend(quoted.map(|rest| rest.trim_end_matches('"').to_owned()));
        secrets.extend(dotenv::value(&text, doctor::SECRET).map(str::to_owned));
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}
