//! A machine with a Prosody: what is there, and what becomes of it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::changes::{Change, Content};
use super::journal::{self, Journal};
use super::policy_file::Head;
use super::prosody::{self, MucService, Outcome, Server, Wish};
use super::survey::{GLOBAL, Overlay, Survey};
use super::{
    Answers, File, GATES, InitError, Places, Plan, Policy, SECRET, new_secret, no_gate, policy,
    without_accounts,
};
use crate::doctor::{self, GATE};
use crate::jid::BareJid;
use crate::policy::providers::{Proves, listed};
use crate::secret::Secret;

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

impl Site {
    /// Looks at a machine. What an interrupted run has done is taken back, unless this is a dry run.
    ///
    /// # Errors
    /// Fails if there is no Prosody, or its configuration cannot be read or is wrong.
    pub fn look(places: Places, dry_run: bool) -> Result<Self, InitError> {
        let (journal, was_interrupted) = places.journal(dry_run)?;
        let main = places.full(places.main());
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
        let loader = places.loader(&main);
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
        self.policy.is_kept()
    }

    /// Returns the operators that the policy file names already.
    pub fn operators(&self) -> Vec<String> {
        self.policy.file().unwrap_or_default().operators
    }

    /// Plans what to do.
    ///
    /// # Errors
    /// Fails if what is there contradicts what is wanted.
    pub fn plan(self, answers: &Answers) -> Result<Plan, InitError> {
        let mut notes = Vec::new();
        let mut unmet = Vec::new();
        let file = self.policy.kept(answers, &self.places.policy, &mut unmet);
        let services = self.services(answers, file.as_ref(), &mut unmet)?;
        let told = self.policy.told();
        let component = answers
            .component
            .clone()
            .or_else(|| file.as_ref().or(told.as_ref())?.component.clone())
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
        if let Some(file) = &file {
            if file.server.as_ref().is_some_and(|server| *server != outcome.server) {
                unmet.push(format!(
                    "{}: `component.server` has to be \"{}\"",
                    self.places.policy.display(),
                    outcome.server
                ));
            }
        } else {
            let secret_file = secret_file.display().to_string();
            let head = Head {
                component: &component,
                server: &outcome.server,
                secret_file: Some(&secret_file),
                services: &services,
                links: &told.unwrap_or_default().links,
                link: answers.link.as_deref(),
                operators: &answers.operators,
            };
            if !self.server.has_accounts {
                notes.extend(without_accounts(answers.preset));
            }
            let guests = answers.operators.iter().filter(|operator| self.is_guests(operator));
            notes.extend(guests.map(|operator| {
                format!("nobody can log in as {operator}: its host lets everybody in as a guest")
            }));
            let owner = journal::owner();
            changes.extend(self.policy.changes(&self.places, &head, answers.preset, owner)?);
        }
        changes.extend(self.texts(outcome.texts)?);
        changes.retain(|change| change.is_change() && !self.journal.has_more(change));
        let manual = outcome.manual;
        let (places, journal) = (self.places, self.journal);
        Ok(Plan { changes, folders: Vec::new(), manual, notes, unmet, secret, places, journal })
    }

    /// Returns whether the address is at a host whose users are guests.
    fn is_guests(&self, address: &str) -> bool {
        let host = address.split_once('@').map_or(address, |(_, host)| host);
        let provider = self.base.text(host, "authentication");
        self.base.config.contains_key(host) && provider.and_then(listed) == Some(Proves::Guest)
    }

    /// Returns the services to guard.
    fn services(
        &self,
        answers: &Answers,
        file: Option<&File>,
        unmet: &mut Vec<String>,
    ) -> Result<Vec<MucService>, InitError> {
        let there = &self.server.services;
        let known = || {
            let names: Vec<_> = there.iter().map(|service| service.domain.as_str()).collect();
            if names.is_empty() { "none".to_owned() } else { names.join(", ") }
        };
        // A first service: one that is asked for, or that an earlier run has made.
        let made = self.survey.headers.iter().filter(|header| header.file == self.ours.0);
        let made = made.map(|header| header.host.as_str());
        let made: Vec<_> = made.filter(|host| self.survey.module(host) == Some("muc")).collect();
        let is_first = |domain: &str| {
            there.is_empty()
                && BareJid::prepared(domain)
                    .is_ok_and(|jid| jid.to_string() == domain && jid.node().is_none())
                && !self.base.config.contains_key(domain)
                && (file.is_none() || made.contains(&domain))
        };
        let named = |domain: &str| {
            let found = there.iter().find(|service| service.domain == domain).cloned();
            found.or_else(|| is_first(domain).then(|| MucService::new(domain)))
        };
        let mut services = Vec::new();
        let wanted = match file {
            Some(file) => &file.services,
            None => &answers.services,
        };
        for domain in wanted {
            match named(domain) {
                Some(service) => services.push(service),
                None if file.is_some() => unmet.push(format!(
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
            if there.is_empty() {
                services.extend(made.iter().map(|domain| MucService::new(domain)));
            }
        }
        if let Some(file) = file {
            for service in there.iter().filter(|service| !file.services.contains(&service.domain)) {
                unmet.push(format!(
                    "{}: `{}` has no [[service]], so it is not guarded",
                    self.places.policy.display(),
                    service.domain
                ));
            }
        }
        if services.is_empty() {
            let first = self.server.first_service.as_deref().unwrap_or("conference.DOMAIN");
            return Err(InitError::Refused(format!(
                "there is no MUC service to guard in {}: --service {first} makes one",
                self.main().display()
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
            Some(there) => Secret::new(there),
            None => new_secret()?,
        };
        let content = Content {
            bytes: format!("{}\n", secret.expose()).into_bytes(),
            mode: 0o600,
            owner: journal::owner(),
        };
        let change = Change { path, before, after: Some(content), is_theirs: true };
        Ok((secret, Some(change)))
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
        let gate = match has_module(GATE) {
            true => None,
            false => {
                let found = GATES.iter().find(|path| self.has_module(path, GATE));
                Some(*found.ok_or_else(|| no_gate(""))?)
            }
        };
        let (ours, is_included) = (&self.ours.0, self.ours.1);
        let used = self.listening();
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
        let load = |overlay: &Overlay| places.loader(&places.full(places.main())).load(overlay);
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

    /// Returns the TCP ports on which programs listen, by the kernel's tables; none if they are not readable.
    fn listening(&self) -> Vec<u16> {
        // A socket of IPv6 that listens everywhere has the port of IPv4, too.
        let tables =
            ["/proc/net/tcp", "/proc/net/tcp6"].map(|it| fs::read_to_string(self.places.full(it)));
        let used = tables.iter().flatten().flat_map(|table| doctor::listening(table));
        used.map(|address| address.port()).collect()
    }

    /// Returns the number of a group.
    fn group(&self, name: &str) -> Option<u32> {
        let text = fs::read_to_string(self.places.full("/etc/group")).ok()?;
        let line = text.lines().find(|line| line.split(':').next() == Some(name))?;
        line.split(':').nth(2)?.parse().ok()
    }
}

/// Returns a name as Prosody's file storage writes it.
fn encoded(name: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    name.bytes().map(encode).collect()
}
