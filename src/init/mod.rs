//! Sets a server up: a short policy file, the secret, and the lines for Prosody. Nothing is written before all of it is
//! known to be right, and all of it can be taken back.
//!
//! | file | what it has |
//! |---|---|
//! | `survey` | what the server's configuration says, read by the server's own loader (`survey.lua`) |
//! | `prosody` | what becomes of the configuration |
//! | `lua` | edits of Lua text |
//! | `policy_file` | the text of the policy file, and the presets |
//! | `changes` | before and after of a file, differences, and how a change is taken back |
//! | `journal` | writing all or none, and what was there before |

mod changes;
mod journal;
mod lua;
mod policy_file;
mod prosody;
mod survey;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use self::changes::{Change, Content, Undo};
use self::journal::{Journal, JournalError, Undone};
use self::policy_file::Head;
use self::prosody::{Outcome, Wish};
use self::survey::{GLOBAL, Loader, Overlay, Survey, SurveyError};
use crate::config::NOT_ALLOWED;
use crate::secret::Secret;

pub use self::policy_file::{PRESETS, Preset};
pub use self::prosody::{Manual, MucService, Server};

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

impl From<SurveyError> for InitError {
    fn from(error: SurveyError) -> Self {
        let text = error.to_string();
        let is_denied = text.contains("Permission denied");
        Self::System(if is_denied { format!("{text}: {NOT_ALLOWED}") } else { text })
    }
}

impl From<JournalError> for InitError {
    fn from(error: JournalError) -> Self {
        let text = error.to_string();
        let is_denied = text.contains("Permission denied");
        Self::System(if is_denied { format!("{text}: {NOT_ALLOWED}") } else { text })
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
        let mut journal = Journal::open(&self.policy_folder().join(JOURNAL), &self.root)?;
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

/// A machine with a Prosody, looked at.
#[derive(Debug)]
pub struct Site {
    places: Places,
    survey: Survey,
    /// The configuration without our file.
    base: Survey,
    /// Path of our file, and whether files there are included.
    ours: (PathBuf, bool),
    /// What is on the server.
    pub server: Server,
    policy: Policy,
    journal: Journal,
    /// Whether a run was interrupted, and taken back now.
    pub was_interrupted: bool,
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
    /// Entries that the operator has to write.
    pub manual: Vec<Manual>,
    /// What the operator should know.
    pub notes: Vec<String>,
    secret: Secret,
    places: Places,
    journal: Journal,
}

impl Site {
    /// Looks at a machine. What an interrupted run has done is taken back, unless this is a dry run.
    ///
    /// # Errors
    /// Fails if there is no Prosody, or its configuration cannot be read or is wrong.
    pub fn look(places: Places, dry_run: bool) -> Result<Self, InitError> {
        let (journal, was_interrupted) = places.journal(dry_run)?;
        let main = places.full(places.prosody.as_deref().unwrap_or(Path::new(MAIN)));
        if let Err(error) = fs::File::open(&main) {
            if error.kind() != io::ErrorKind::NotFound {
                return Err(places.unreadable(&main, &error));
            }
            return Err(InitError::Refused(format!(
                "Prosody is not installed here: there is no {}. Install it first, or name its configuration: \
                 --prosody-config FILE; for docker-jitsi-meet, its folder: --docker DIR",
                places.shown(&main).display()
            )));
        }
        let loader = Loader { prosodyctl: &places.prosodyctl, root: &places.root, main: &main };
        let survey = loader.load(&Overlay::new())?;
        let ours = prosody::place(&survey);
        let base = loader.load(&Overlay::from([(ours.0.clone(), None)])).or_else(|_| {
            // The main file names it, so it cannot do without.
            loader.load(&Overlay::from([(ours.0.clone(), Some(String::new()))]))
        })?;
        let data = base.text(GLOBAL, "data_path").unwrap_or(&base.data_dir);
        let data = places.full(data);
        let has_account = |node: &str, host: &str| {
            let file = format!("{}.dat", encoded(node));
            data.join(encoded(host)).join("accounts").join(file).exists()
        };
        let server = prosody::server(&base, &has_account);
        let policy = policy(&places, &journal)?;
        Ok(Self { places, survey, base, ours, server, policy, journal, was_interrupted })
    }

    /// Returns the main file of the configuration, as seen from the root.
    pub fn main(&self) -> PathBuf {
        self.places.shown(&self.base.main)
    }

    /// Returns whether a policy file is there that stays as it is unless it is to be replaced.
    pub fn has_policy(&self) -> bool {
        matches!(self.policy, Policy::Ours(_) | Policy::Theirs(_))
    }

    /// Plans what to do.
    ///
    /// # Errors
    /// Fails if what is there contradicts what is wanted.
    pub fn plan(self, answers: &Answers) -> Result<Plan, InitError> {
        let mut notes = Vec::new();
        let kept = match &self.policy {
            Policy::Theirs(table) if !answers.replaces => {
                if answers.preset.is_some() {
                    let path = self.places.policy.display();
                    notes.push(format!(
                        "{path} stays as it is, for an operator has changed it; --force-with-backup replaces it"
                    ));
                }
                Some(table.clone())
            }
            Policy::Ours(table) if answers.preset.is_none() => Some(table.clone()),
            Policy::Missing | Policy::AsShipped | Policy::Ours(_) | Policy::Theirs(_) => None,
        };
        let file = kept.as_ref().map(File::of);
        let services = self.services(answers, file.as_ref(), &mut notes)?;
        let component = answers
            .component
            .clone()
            .or_else(|| file.as_ref()?.component.clone())
            .or_else(|| prosody::component_domain(&self.base, &services))
            .unwrap_or_default();
        if self.base.module(&component).is_some_and(|module| module != "component")
            || (self.base.config.contains_key(&component) && self.base.module(&component).is_none())
        {
            return Err(InitError::Refused(format!(
                "`{component}` is another host of this server: give the component a name of its own, --component DOMAIN"
            )));
        }
        let folder = self.places.policy.parent().unwrap_or(Path::new("/")).to_owned();
        let secret_file = match file.as_ref().and_then(|file| file.secret_file.as_ref()) {
            Some(file) => folder.join(file),
            None => folder.join(SECRET),
        };
        let inline = file.as_ref().and_then(|file| file.secret.clone());
        let (secret, secret_change) = self.secret(&component, &secret_file, inline)?;

        let port =
            file.as_ref().and_then(|file| file.server.as_ref()?.rsplit_once(':')?.1.parse().ok());
        let outcome = self.outcome(&services, &component, secret.expose(), port)?;
        notes.extend(outcome.notes);
        let mut changes: Vec<Change> = secret_change.into_iter().collect();
        match (&file, answers.preset) {
            (Some(file), _) => {
                if file.server.as_ref().is_some_and(|server| *server != outcome.server) {
                    notes.push(format!(
                        "{}: `component.server` has to be \"{}\"",
                        self.places.policy.display(),
                        outcome.server
                    ));
                }
            }
            (None, None) => {
                return Err(InitError::Refused("which policy: --preset NAME".to_owned()));
            }
            (None, Some(preset)) => {
                let secret_file = secret_file.display().to_string();
                let head = Head {
                    component: &component,
                    server: &outcome.server,
                    secret_file: Some(&secret_file),
                    services: &services,
                    link: answers.link.as_deref(),
                    operators: &answers.operators,
                };
                let text = policy_file::text(&head, preset);
                let path = self.places.full(&self.places.policy);
                let before = self.places.read(&path)?;
                if matches!(self.policy, Policy::Theirs(_)) {
                    changes.push(self.backup(before.clone())?);
                }
                let (mode, owner) = before
                    .as_ref()
                    .map_or_else(|| (0o644, journal::owner()), |file| (file.mode, file.owner));
                let after = Some(Content { bytes: text.into_bytes(), mode, owner });
                changes.push(Change { path, before, after, is_theirs: true });
            }
        }
        changes.extend(self.texts(outcome.texts)?);
        changes.retain(Change::is_change);
        let manual = outcome.manual;
        Ok(Plan { changes, manual, notes, secret, places: self.places, journal: self.journal })
    }

    /// Returns the services to guard.
    fn services(
        &self,
        answers: &Answers,
        file: Option<&File>,
        notes: &mut Vec<String>,
    ) -> Result<Vec<MucService>, InitError> {
        let there = &self.server.services;
        let known = || {
            let names: Vec<_> = there.iter().map(|service| service.domain.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        let named = |domain: &str| there.iter().find(|service| service.domain == domain).cloned();
        let mut services = Vec::new();
        let wanted = match file {
            Some(file) => &file.services,
            None => &answers.services,
        };
        for domain in wanted {
            match named(domain) {
                Some(service) => services.push(service),
                None if file.is_some() => notes.push(format!(
                    "{}: [[service]] `{domain}` is no MUC service of this server (there: {})",
                    self.places.policy.display(),
                    known()
                )),
                None => {
                    let known = known();
                    return Err(InitError::Refused(format!(
                        "`{domain}` is no MUC service of this server. There: {known}"
                    )));
                }
            }
        }
        if file.is_none() && wanted.is_empty() {
            services.clone_from(there);
        }
        if let Some(file) = file {
            for service in there.iter().filter(|service| !file.services.contains(&service.domain)) {
                notes.push(format!(
                    "{}: `{}` has no [[service]], so it is not guarded",
                    self.places.policy.display(),
                    service.domain
                ));
            }
        }
        if services.is_empty() {
            return Err(InitError::Refused(format!(
                "there is no MUC service to guard: {} has no `Component \"conference.DOMAIN\" \"muc\"`{}",
                self.main().display(),
                if wanted.is_empty() { "" } else { " of that name" }
            )));
        }
        Ok(services)
    }

    /// Returns the secret, and the change that makes its file.
    fn secret(
        &self,
        component: &str,
        shown: &Path,
        inline: Option<String>,
    ) -> Result<(Secret, Option<Change>), InitError> {
        let path = self.places.full(shown);
        let before = self.places.read(&path)?;
        let kept = before.as_ref().map(Content::text).map(|text| text.trim_end().to_owned());
        let kept = inline.or(kept).filter(|text| !text.is_empty());
        let there = self.base.own(component, "component_secret").and_then(|text| text.as_str());
        if let (Some(kept), Some(there)) = (&kept, there)
            && kept != there
        {
            let place = self.base.place(component, "component_secret");
            let at =
                place.map(|at| format!("{}:{}", self.places.shown(&at.file).display(), at.line));
            return Err(InitError::Refused(format!(
                "{} has another secret than the `component_secret` in {}: make them the same",
                shown.display(),
                at.unwrap_or_default()
            )));
        }
        if let Some(kept) = kept {
            return Ok((Secret::new(kept), None));
        }
        let secret = match there {
            Some(there) => there.to_owned(),
            None => new_secret()?,
        };
        let content = Content {
            bytes: format!("{secret}\n").into_bytes(),
            mode: 0o600,
            owner: journal::owner(),
        };
        let change = Change { path, before, after: Some(content), is_theirs: true };
        Ok((Secret::new(secret), Some(change)))
    }

    /// Decides what becomes of the configuration.
    fn outcome(
        &self,
        services: &[MucService],
        component: &str,
        secret: &str,
        port: Option<u16>,
    ) -> Result<Outcome, InitError> {
        let paths = self.plugin_paths();
        let has_module = |name: &str| paths.iter().any(|path| self.has_module(path, name));
        let gate = match has_module(prosody::GATE) {
            true => None,
            false => {
                let found = GATES.iter().find(|path| self.has_module(path, prosody::GATE));
                Some(*found.ok_or_else(|| {
                    InitError::Refused(format!(
                        "the gate is not on this machine (mod_{}): install the package vestibule-prosody-module, or \
                         run `make install`",
                        prosody::GATE
                    ))
                })?)
            }
        };
        let (ours, is_included) = (&self.ours.0, self.ours.1);
        let used = listening(&self.places.full("/proc/net/tcp"));
        // A port that an earlier run chose is Prosody's by now.
        let chosen = self.survey.place(GLOBAL, "component_ports").filter(|at| at.file == *ours);
        let chosen = chosen.and_then(|_| self.survey.get(GLOBAL, "component_ports"));
        let chosen = chosen.and_then(|ports| ports.get(0)?.as_u64());
        let is_taken = |port: u16| match chosen {
            Some(chosen) => u64::from(port) != chosen,
            None => used.contains(&port),
        };
        let wish = Wish {
            services,
            component,
            secret,
            plugin_path: gate,
            port,
            is_taken: &is_taken,
            has_module: &has_module,
        };
        let places = &self.places;
        let load = |overlay: &Overlay| {
            let main = places.full(places.prosody.as_deref().unwrap_or(Path::new(MAIN)));
            let loader = Loader { prosodyctl: &places.prosodyctl, root: &places.root, main: &main };
            loader.load(overlay)
        };
        let read = |path: &Path| fs::read_to_string(path);
        // The main file includes ours already, once an earlier run has made it do so.
        let is_included = is_included || self.survey.files.contains(ours);
        let mut outcome = prosody::outcome(&self.base, ours, is_included, &wish, (&load, &read))?;
        let root = self.places.root.display().to_string();
        let root = root.trim_end_matches('/');
        if !root.is_empty() {
            outcome.notes.iter_mut().for_each(|note| *note = note.replace(root, ""));
        }
        for manual in &mut outcome.manual {
            manual.at = self.places.shown(Path::new(&manual.at)).display().to_string();
        }
        Ok(outcome)
    }

    /// Returns where Prosody looks for modules, as seen from the root.
    fn plugin_paths(&self) -> Vec<String> {
        let own = self.base.own(GLOBAL, "plugin_paths");
        let listed = own.and_then(|paths| paths.as_array()).into_iter().flatten();
        let mut paths: Vec<_> = listed.filter_map(|path| Some(path.as_str()?.to_owned())).collect();
        paths.extend(self.base.plugin_dir.split(';').map(str::to_owned));
        let data = self.base.text(GLOBAL, "data_path").unwrap_or(&self.base.data_dir);
        let custom = self.base.text(GLOBAL, "installer_plugin_path").unwrap_or("custom_plugins");
        paths.push(Path::new(data).join(custom).join("share/lua/5.4").display().to_string());
        paths
    }

    fn has_module(&self, path: &str, name: &str) -> bool {
        let folder = match Path::new(path).is_absolute() {
            true => self.places.full(path),
            false => self.base.main.parent().unwrap_or(Path::new("/")).join(path),
        };
        let file = format!("mod_{name}.lua");
        folder.join(format!("mod_{name}")).join(&file).is_file() || folder.join(file).is_file()
    }

    /// Returns the changes of the configuration's files.
    fn texts(
        &self,
        texts: impl IntoIterator<Item = (PathBuf, String)>,
    ) -> Result<Vec<Change>, InitError> {
        let main = self.places.read(&self.base.main)?;
        let (user, own_group) = journal::owner();
        let group = main.as_ref().map_or(own_group, |main| main.owner.1);
        let group = self.group("prosody").filter(|_| user == 0).unwrap_or(group);
        let change = |(path, text): (PathBuf, String)| {
            let before = self.places.read(&path)?;
            let (mode, owner) = match &before {
                Some(before) => (before.mode, before.owner),
                None => (0o640, (user, group)),
            };
            let after = Some(Content { bytes: text.into_bytes(), mode, owner });
            Ok(Change { path, before, after, is_theirs: false })
        };
        texts.into_iter().map(change).collect()
    }

    /// Returns the number of a group.
    fn group(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.places.full("/etc/group")).ok()?;
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }

    /// Returns the change that keeps a copy of the operator's policy file in its folder.
    fn backup(&self, before: Option<Content>) -> Result<Change, InitError> {
        let policy = self.places.full(&self.places.policy);
        let name = |number: u32| {
            let end = if number == 0 { String::new() } else { format!(".{number}") };
            let path = policy.as_os_str().to_string_lossy();
            PathBuf::from(format!("{path}.before-init{end}"))
        };
        let path = (0..1000).map(name).find(|path| !path.exists());
        let path =
            path.ok_or_else(|| InitError::Refused("there are too many copies".to_owned()))?;
        Ok(Change { path, before: None, after: before, is_theirs: false })
    }
}

/// What a policy file says of the link and the services.
#[derive(Debug, Default)]
struct File {
    component: Option<String>,
    server: Option<String>,
    secret: Option<String>,
    secret_file: Option<String>,
    services: Vec<String>,
}

impl File {
    fn of(table: &toml::Table) -> Self {
        let component = table.get("component").and_then(toml::Value::as_table);
        let text = |name: &str| {
            let value = component.and_then(|component| component.get(name)?.as_str());
            value.filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let services = table.get("service").and_then(toml::Value::as_array).into_iter().flatten();
        Self {
            component: text("domain"),
            server: text("server"),
            secret: text("secret"),
            secret_file: text("secret_file"),
            services: services
                .filter_map(|service| Some(service.get("domain")?.as_str()?.to_owned()))
                .collect(),
        }
    }
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

/// Returns a new secret: 32 random bytes, as letters and digits.
fn new_secret() -> Result<String, InitError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| {
        InitError::System(format!("the system gives no random numbers: {error}"))
    })?;
    let text = STANDARD.encode(bytes);
    Ok(text.chars().filter(char::is_ascii_alphanumeric).collect())
}

/// Returns a name as Prosody's file storage writes it.
fn encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    name.bytes().map(encode).collect()
}

/// Returns the TCP ports (IPv4) on which programs listen, by the kernel's table; none if that is not readable.
fn listening(table: &Path) -> Vec<u16> {
    const LISTEN: &str = "0A";
    let text = fs::read_to_string(table).unwrap_or_default();
    let port = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (local, state) = (fields.next()?, fields.nth(1)?);
        let port = local.rsplit_once(':')?.1;
        (state == LISTEN).then(|| u16::from_str_radix(port, 16).ok()).flatten()
    };
    text.lines().skip(1).filter_map(port).collect()
}

impl Plan {
    /// Returns whether everything is as it has to be already.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Returns the unified diff of every change, without the secret.
    pub fn diff(&self) -> String {
        self.changes.iter().map(|change| self.shown(change)).collect()
    }

    /// Returns new files whole, and the unified diff of the others, without the secret.
    pub fn text(&self) -> String {
        let text = |change: &Change| match (&change.before, &change.after) {
            (None, Some(after)) => {
                let path = self.places.shown(&change.path);
                format!("# {}\n\n{}\n", path.display(), self.hidden(after))
            }
            _ => format!("{}\n", self.shown(change)),
        };
        self.changes.iter().map(text).collect()
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

    /// Returns the files that change, as seen from the root, and whether each is new.
    pub fn files(&self) -> Vec<(PathBuf, bool)> {
        let file = |change: &Change| (self.places.shown(&change.path), change.before.is_none());
        self.changes.iter().map(file).collect()
    }

    /// Writes everything, or nothing.
    ///
    /// # Errors
    /// Fails if a file cannot be written; all are as before then.
    pub fn write(mut self) -> Result<(), InitError> {
        if self.is_empty() {
            return Ok(());
        }
        self.journal.apply(&self.changes)?;
        Ok(())
    }
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
            Undo::Refused => ("was changed since it was written, like this", None),
        };
        let is_refused = undone.undo == Undo::Refused;
        let diff = match is_refused {
            true => changes::diff(&path, text(undone.written.as_ref()).as_deref(), now.as_deref()),
            false => changes::diff(&path, now.as_deref(), other.as_deref()),
        };
        TakenBack { path, what, diff: hide(diff), is_refused }
    });
    let taken: Vec<_> = taken.collect();
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
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}
