//! A folder of docker-jitsi-meet: its `.env`, and files for the containers.

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::changes::{Change, Content, Folder};
use super::dotenv::{Items, merged, resolved, value};
use super::journal::{self, Journal};
use super::lua::quoted;
use super::opened::is_safe_folder;
use super::policy_file::Head;
use super::prosody::{FILE, MucService};
use super::{
    Answers, GATES, InitError, Places, Plan, Policy, new_secret, no_gate, policy, without_accounts,
};
use crate::config::is_link;
use crate::doctor::{GATE, SECRET};
use crate::jid::BareJid;
use crate::secret::Secret;

/// The lines for Prosody's `conf.d`, and the container.
const LINES: &str = include_str!("../../prosody-snippets/docker-jitsi-meet/vestibule.cfg.lua");
const COMPOSE: &str = include_str!("../../prosody-snippets/docker-jitsi-meet/vestibule.yml");

/// Folders below CONFIG, by which it is known.
const CONTAINERS: [&str; 4] = ["web", "prosody/config", "jicofo", "jvb"];

/// Files that Compose takes where COMPOSE_FILE is not set; the first is always there.
const COMPOSE_FILES: [&str; 2] = ["docker-compose.yml", "docker-compose.override.yml"];

/// Address of Prosody's component port, in the containers' common network namespace.
const SERVER: &str = "127.0.0.1:5347";
/// User and group of docker-jitsi-meet's containers.
const OWNER: (u32, u32) = (1000, 1000);

/// The domains of the containers, by the variables of the image.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Domains {
    service: MucService,
    component: String,
    /// Address of meetings on the web; `Err`: why what stands there is none.
    link: Result<Option<String>, String>,
}

/// Returns the value of a variable, as Compose takes it.
fn read(env: &str, name: &str) -> Result<Option<String>, InitError> {
    resolved(env, name).map_err(|_| {
        InitError::Refused(format!(
            "{name} in .env has escapes, several lines, or a variable that is not in the file: write its value out there"
        ))
    })
}

/// Returns the domains that `.env` gives; the image has defaults for them. Each is checked: it gets into files as it is.
fn domains(env: &str) -> Result<Domains, InitError> {
    let checked = |name: &str, text: String, has_node: bool| {
        let is_good = BareJid::prepared(&text).is_ok_and(|jid| jid.node().is_some() == has_node);
        let what = if has_node { "gives no account" } else { "is no domain" };
        is_good
            .then_some(text)
            .ok_or_else(|| InitError::Refused(format!("{name} in .env {what}: change it there")))
    };
    let or = |name: &str, default: &str| {
        read(env, name).map(|value| value.unwrap_or_else(|| default.to_owned()))
    };
    let domain = |name: &str, default: &str| checked(name, or(name, default)?, false);
    let account = |name: &str, default: &str, host: &str| {
        checked(name, format!("{}@{host}", or(name, default)?), true)
    };
    let auth = domain("XMPP_AUTH_DOMAIN", "auth.meet.jitsi")?;
    let hidden = domain("XMPP_HIDDEN_DOMAIN", "hidden.meet.jitsi")?;
    let recorder = account("JIBRI_RECORDER_USER", "recorder", &hidden)?;
    let transcriber = account("JIGASI_TRANSCRIBER_USER", "transcriber", &hidden)?;
    let jigasi = value(env, "JIGASI_SIP_URI").map(|_| account("JIGASI_XMPP_USER", "jigasi", &auth));
    let link = read(env, "PUBLIC_URL").map_err(|error| error.to_string()).and_then(link);
    Ok(Domains {
        component: format!("vestibule.{}", domain("XMPP_DOMAIN", "meet.jitsi")?),
        service: MucService {
            domain: domain("XMPP_MUC_DOMAIN", "muc.meet.jitsi")?,
            host: None,
            focus: Some(format!("focus@{auth}")),
            trusted: vec![recorder, transcriber],
            gateways: jigasi.transpose()?.into_iter().collect(),
            is_new: false,
        },
        link,
    })
}

/// Returns the address of meetings on the web by that of the server.
fn link(url: Option<String>) -> Result<Option<String>, String> {
    let Some(url) = url else { return Ok(None) };
    let url = url.trim_end_matches('/');
    let scheme = if url.contains("://") { "" } else { "https://" };
    let link = format!("{scheme}{url}/{{room}}");
    if is_link(&link) {
        return Ok(Some(link));
    }
    Err("PUBLIC_URL in .env is no address of a web server: change it there".to_owned())
}

/// Returns the lines for Prosody, with the names of this server.
fn lines(domains: &Domains) -> String {
    let focus = domains.service.focus.as_deref().unwrap_or_default();
    LINES
        .replace("\"vestibule.meet.jitsi\"", &quoted(&domains.component))
        .replace("\"focus@auth.meet.jitsi\"", &quoted(focus))
}

/// Returns `.env` with what Vestibule needs. `compose` are the files that Compose takes by itself.
fn env(text: &str, secret: &str, compose: &[&str]) -> String {
    let modules =
        |name, items, comment| Items { name, items, separator: ",", default: &[], comment };
    merged(
        text,
        &[
            modules("XMPP_MUC_MODULES", &[GATE], "The gate, in the MUC service of the meetings."),
            modules(
                "XMPP_MODULES",
                &["persistent_lobby"],
                "A lobby that is there before anybody is inside.",
            ),
            modules(
                "PROSODY_TRUSTED_PROXIES",
                &["127.0.0.1", "::1", "172.16.0.0/12"],
                "The web container, so that people are told apart by their own addresses instead of by its address.",
            ),
            Items {
                name: "COMPOSE_FILE",
                items: &["vestibule.yml"],
                separator: value(text, "COMPOSE_PATH_SEPARATOR").unwrap_or(":"),
                default: compose,
                comment: "So that a plain `docker compose` means both files.",
            },
            Items {
                name: SECRET,
                items: &[secret],
                separator: "\n",
                default: &[],
                comment: "Prosody and the component know each other by it.",
            },
        ],
    )
}

/// Returns the files below the folder and below CONFIG, apart from `.env`, the policy file and the gate.
fn files(folder: &Path, config: &Path, domains: &Domains) -> Vec<(PathBuf, String)> {
    vec![
        (folder.join("vestibule.yml"), COMPOSE.to_owned()),
        (config.join("prosody/config/conf.d").join(FILE), lines(domains)),
    ]
}

/// Returns the folder that `.env` names as CONFIG, as Compose takes it: `~` is a home, a relative path is below the
/// folder.
fn config(env: &str, folder: &Path, home: &Path) -> Result<PathBuf, InitError> {
    let path = read(env, "CONFIG")?.unwrap_or_else(|| "~/.jitsi-meet-cfg".to_owned());
    Ok(match path.strip_prefix('~') {
        Some(rest) => home.join(rest.trim_start_matches('/')),
        None => folder.join(path).components().collect(),
    })
}

/// Where a folder of docker-jitsi-meet usually is.
const USUAL: [&str; 5] = [
    "/opt/docker-jitsi-meet",
    "/opt/jitsi",
    "/srv/docker-jitsi-meet",
    "/root/docker-jitsi-meet",
    "/usr/src/docker-jitsi-meet",
];
/// Name of the journal's folder, and the folder of the journals of folders that are not root's.
const JOURNAL: &str = ".vestibule-init";
const JOURNALS: &str = "/var/lib/vestibule-init";

/// Returns the folders of docker-jitsi-meet in the usual places: here, in the home, and where software is put.
pub fn docker_folders(home: &Path) -> Vec<PathBuf> {
    let here = std::env::current_dir().ok();
    let usual = USUAL.iter().map(PathBuf::from).chain([home.join("docker-jitsi-meet")]);
    let mut folders: Vec<_> =
        here.into_iter().chain(usual).filter(|path| is_folder(path)).collect();
    folders.sort();
    folders.dedup();
    folders
}

fn is_folder(path: &Path) -> bool {
    // Another account may have put anything there.
    let content = journal::read(&path.join(COMPOSE_FILES[0])).ok().flatten();
    content.is_some_and(|content| content.text().contains("/prosody-plugins-custom"))
}

/// A folder of docker-jitsi-meet, looked at.
#[derive(Debug)]
pub struct Containers {
    places: Places,
    folder: PathBuf,
    /// What `.env` calls CONFIG.
    config: PathBuf,
    env: Content,
    domains: Domains,
    policy: Policy,
    journal: Journal,
    /// The folder of the gate.
    gate: PathBuf,
    /// Whether a run was interrupted, and taken back now.
    pub was_interrupted: bool,
}

impl Containers {
    /// Returns where things are for that folder.
    ///
    /// # Errors
    /// Fails if it is none of docker-jitsi-meet, or has not been used yet.
    pub fn places(folder: &Path, home: &Path) -> Result<Places, InitError> {
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        if !is_folder(&folder) {
            return Err(InitError::Refused(format!(
                "{} is no folder of docker-jitsi-meet: it has no docker-compose.yml with its containers",
                folder.display()
            )));
        }
        let env = env_of(&folder)?;
        let config = config(&env.text(), &folder, home)?;
        // Another account may name any folder of root's there.
        let is_theirs = env.owner.0 != journal::owner().0;
        if is_theirs && config.is_dir() && !CONTAINERS.iter().any(|it| config.join(it).is_dir()) {
            return Err(InitError::Refused(format!(
                "{}/.env is another account's, and names {} as CONFIG, which has none of the containers' folders: make \
                 them first, as docker-jitsi-meet's handbook says",
                folder.display(),
                config.display()
            )));
        }
        if !config.is_dir() {
            return Err(InitError::Refused(format!(
                "{}/.env names CONFIG, and there is no {}: make its folders first, as docker-jitsi-meet's handbook says",
                folder.display(),
                config.display()
            )));
        }
        Ok(Places {
            root: PathBuf::from("/"),
            policy: config.join("vestibule/component.toml"),
            prosody: None,
            prosodyctl: PathBuf::new(),
            journal: Some(journal_of(&folder)),
        })
    }

    /// Looks at a folder. `gate` is where the gate is, if it is not installed. What an interrupted run has done is taken
    /// back, unless this is a dry run.
    ///
    /// # Errors
    /// As [`Containers::places`], and if there is no gate.
    pub fn look(
        folder: &Path,
        home: &Path,
        gate: Option<&Path>,
        dry_run: bool,
    ) -> Result<Self, InitError> {
        let places = Self::places(folder, home)?;
        let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
        let (journal, was_interrupted) = places.journal(dry_run)?;
        let env = env_of(&folder)?;
        let name = format!("mod_{GATE}");
        let is_gate = |path: &PathBuf| path.join(format!("{name}.lua")).is_file();
        let installed = GATES.iter().map(|path| Path::new(path).join(&name));
        let given = gate.iter().flat_map(|path| [path.to_path_buf(), path.join(&name)]);
        let gate = match gate {
            Some(_) => given.into_iter().find(is_gate),
            None => installed.into_iter().find(is_gate),
        };
        let config = config(&env.text(), &folder, home)?;
        let domains = domains(&env.text())?;
        let policy = policy(&places, &journal)?;
        let gate = gate.ok_or_else(|| no_gate(", or name its folder: --gate DIR"))?;
        Ok(Self { places, folder, config, env, domains, policy, journal, gate, was_interrupted })
    }

    /// Returns the folder, and the one of the containers' configuration.
    pub fn folders(&self) -> (&Path, &Path) {
        (&self.folder, &self.config)
    }

    /// Returns the MUC service of the meetings.
    pub fn service(&self) -> &MucService {
        &self.domains.service
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
    /// Fails if a file cannot be read.
    pub fn plan(self, answers: &Answers) -> Result<Plan, InitError> {
        let (mut notes, mut unmet) = (Vec::new(), Vec::new());
        let file = self.policy.kept(answers, &self.places.policy, &mut unmet);
        let text = self.env.text();
        let secret = match value(&text, SECRET) {
            Some(secret) => Secret::new(secret),
            None => new_secret()?,
        };
        let compose: Vec<_> = COMPOSE_FILES
            .into_iter()
            .filter(|name| *name == COMPOSE_FILES[0] || self.folder.join(name).exists())
            .collect();
        let bytes = env(&text, secret.expose(), &compose).into_bytes();
        let env = Content { bytes, ..self.env.clone() };
        let path = self.folder.join(".env");
        let (before, after) = (Some(self.env.clone()), Some(env));
        let mut changes = vec![Change { path, before, after, is_theirs: false }];
        if file.is_none() {
            let link = match &answers.link {
                Some(link) => Some(link.clone()),
                None => self.domains.link.clone().map_err(InitError::Refused)?,
            };
            let head = Head {
                component: &self.domains.component,
                server: SERVER,
                secret_file: None,
                services: std::slice::from_ref(&self.domains.service),
                links: &self.policy.told().unwrap_or_default().links,
                link: link.as_deref(),
                operators: &answers.operators,
            };
            if !matches!(read(&text, "ENABLE_AUTH")?.as_deref(), Some("1" | "true")) {
                notes.extend(without_accounts(answers.preset));
            }
            let owner = owner_near(&self.places.policy);
            changes.extend(self.policy.changes(&self.places, &head, answers.preset, owner)?);
        } else if let Some(file) = file
            && file.component.as_ref() != Some(&self.domains.component)
        {
            unmet.push(format!(
                "{}: `component.domain` has to be \"{}\"",
                self.places.policy.display(),
                self.domains.component
            ));
        }
        for (path, text) in files(&self.folder, &self.config, &self.domains) {
            changes.push(self.change(path, text.into_bytes())?);
        }
        changes.extend(self.gate()?);
        changes.retain(Change::is_change);
        let storage = self.config.join("storage/vestibule");
        let storage =
            (!storage.exists()).then_some(Folder { path: storage, mode: 0o700, owner: OWNER });
        Ok(Plan {
            changes,
            folders: storage.into_iter().collect(),
            manual: Vec::new(),
            notes,
            unmet,
            secret,
            places: self.places,
            journal: self.journal,
        })
    }

    /// Returns the changes that copy the gate to where Prosody's container looks.
    fn gate(&self) -> Result<Vec<Change>, InitError> {
        let target = self.config.join("prosody/prosody-plugins-custom").join(format!("mod_{GATE}"));
        let failed = |error: std::io::Error| self.places.unreadable(&self.gate, &error);
        let mut changes = Vec::new();
        for entry in fs::read_dir(&self.gate).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let Some(name) =
                path.file_name().filter(|_| path.extension().is_some_and(|it| it == "lua"))
                // Its copy is for everybody to read, and so not of a file to which a link of another account leads.
                && let Some(content) = self.places.read(&path)?
            {
                changes.push(self.change(target.join(name), content.bytes)?);
            }
        }
        changes.sort_by(|one, other| one.path.cmp(&other.path));
        Ok(changes)
    }

    /// Returns the change of a file that every account may read: the containers run as another.
    fn change(&self, path: PathBuf, bytes: Vec<u8>) -> Result<Change, InitError> {
        let before = self.places.read(&path)?;
        let owner = before.as_ref().map_or_else(|| owner_near(&path), |file| file.owner);
        let after = Some(Content { bytes, mode: 0o644, owner });
        Ok(Change { path, before, after, is_theirs: false })
    }
}

/// Returns where the journal of that folder is: in it, or where only root can write, if this is root and another account can
/// write into the folder.
fn journal_of(folder: &Path) -> PathBuf {
    if journal::owner().0 != 0 || is_safe_folder(folder) {
        return folder.join(JOURNAL);
    }
    let name = hex::encode(Sha256::digest(folder.as_os_str().as_bytes()));
    Path::new(JOURNALS).join(name)
}

fn env_of(folder: &Path) -> Result<Content, InitError> {
    let path = folder.join(".env");
    let content = journal::read(&path)
        .map_err(|error| InitError::System(format!("cannot read {}: {error}", path.display())))?;
    content.ok_or_else(|| {
        InitError::Refused(format!(
            "there is no {}: make it first, as docker-jitsi-meet's handbook says",
            path.display()
        ))
    })
}

/// Returns the owner of the nearest folder above that is there; without root's rights, this process's.
fn owner_near(path: &Path) -> (u32, u32) {
    let own = journal::owner();
    let mut folders = path.ancestors().skip(1).filter_map(|folder| fs::metadata(folder).ok());
    match folders.next() {
        Some(folder) if own.0 == 0 => (folder.uid(), folder.gid()),
        _ => own,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_file_or_of_the_image() {
        assert_eq!(lines(&domains("").unwrap()), LINES);
        let found = domains(
            "XMPP_DOMAIN=a.org\nXMPP_AUTH_DOMAIN=auth.a.org\nPUBLIC_URL=meet.a.org/\nJIGASI_SIP_URI=x\n",
        )
        .unwrap();
        assert_eq!(found.component, "vestibule.a.org");
        assert_eq!(found.link, Ok(Some("https://meet.a.org/{room}".to_owned())));
        assert_eq!(found.service.gateways, ["jigasi@auth.a.org"]);
        assert!(lines(&found).contains("vestibule_trusted = { \"focus@auth.a.org\" }"));
    }

    #[test]
    fn an_empty_variable_is_none_as_for_the_image() {
        let empty = "XMPP_DOMAIN=\nXMPP_MUC_DOMAIN=''\nPUBLIC_URL=\"\"\nJIGASI_SIP_URI=\n";
        assert_eq!(domains(empty).unwrap(), domains("").unwrap());
        let filled = env("VESTIBULE_COMPONENT_SECRET=\nCONFIG=\n", "secret", &COMPOSE_FILES[..1]);
        assert!(filled.starts_with("VESTIBULE_COMPONENT_SECRET=secret\nCONFIG=\n"), "{filled}");
        assert_eq!(filled.matches("VESTIBULE_COMPONENT_SECRET").count(), 1);
    }

    #[test]
    fn a_name_that_is_none_is_refused_by_its_variable() {
        for line in [
            "XMPP_DOMAIN='a\"}os.exit()--'",
            "XMPP_AUTH_DOMAIN=a@b",
            "JIBRI_RECORDER_USER=a/b",
            "XMPP_MUC_DOMAIN=muc.${X}",
        ] {
            let error = domains(line).unwrap_err().to_string();
            assert!(error.starts_with(line.split('=').next().unwrap()), "{error}");
        }
        for url in ["javascript://x\"y", "https://a b", "a\u{1b}[2Jb", "a:b", "$X", "ftp://a"] {
            let error = domains(&format!("PUBLIC_URL={url}")).unwrap().link.unwrap_err();
            assert!(error.starts_with("PUBLIC_URL in .env"), "{url}: {error}");
        }
        let env = "HTTPS_PORT=8443\nPUBLIC_URL=https://meet.a.org:${HTTPS_PORT}/\n";
        let link = domains(env).unwrap().link.unwrap();
        assert_eq!(link.as_deref(), Some("https://meet.a.org:8443/{room}"));
    }

    #[test]
    fn the_variables_are_those_of_the_shipped_lines() {
        let shipped = include_str!("../../prosody-snippets/docker-jitsi-meet/vestibule.env");
        let new = env("", "secret", &COMPOSE_FILES[..1]);
        for line in shipped.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            assert!(new.lines().any(|other| other == line), "{line}");
        }
        assert!(new.ends_with("VESTIBULE_COMPONENT_SECRET=secret\n"));
        assert_eq!(env(&new, "secret", &COMPOSE_FILES), new);
        assert!(env("", "s", &COMPOSE_FILES).contains("docker-compose.override.yml:vestibule.yml"));
    }

    #[test]
    fn the_folder_of_the_containers_is_found() {
        let at = |env| config(env, Path::new("/docker"), Path::new("/home/ann")).unwrap();
        assert_eq!(at(""), Path::new("/home/ann/.jitsi-meet-cfg"));
        assert_eq!(at("CONFIG=~/cfg"), Path::new("/home/ann/cfg"));
        assert_eq!(at("CONFIG=./cfg").as_os_str(), "/docker/cfg");
        assert_eq!(at("CONFIG=/srv/cfg"), Path::new("/srv/cfg"));
    }
}
