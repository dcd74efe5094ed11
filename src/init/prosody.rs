//! What Vestibule needs in a Prosody configuration: a file of its own, and a module more in lists that are there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::lua::{Place, Source, edited, quoted};
use super::survey::{Form, GLOBAL, Options, Overlay, Setting, Survey, SurveyError};
use crate::doctor::GATE;
use crate::jid::BareJid;

/// Name of the file for Prosody.
pub(super) const FILE: &str = "vestibule.cfg.lua";
/// Stands for the secret in texts that are shown.
pub(super) const SHOWN_SECRET: &str = "(the text of the secret's file)";

/// What Prosody calls the module of a component that connects.
const EXTERNAL: &str = "component";
const MODULES: &str = "modules_enabled";
const PATHS: &str = "plugin_paths";
const HEAD: &str = "-- Written by `vestibule init`; `vestibule init --undo` removes it. It holds a secret, which only root and Prosody may read.\n";
const DEFAULT_PORT: u16 = 5347;
const LOOPBACK: &str = "127.0.0.1";
/// Rooms that Prosody keeps in memory, instead of its default of 100.
const ROOMS: u32 = 10_000;
/// The only Lua that has the generational collector: with another, Prosody reports an error and keeps its own setting.
const GENERATIONAL: &str = "Lua 5.4";

/// Modules of components that only a Jitsi Meet server has.
const JITSI: [&str; 4] = [
    "client_proxy",
    "speakerstats_component",
    "room_metadata_component",
    "av_moderation_component",
];

/// The modules of a lobby that waits for its first moderator.
const LOBBY: [&str; 2] = ["muc_lobby_rooms", "persistent_lobby"];

/// Hosts of service accounts, to which nobody else logs in.
const SERVING: [&str; 3] = ["auth.", "recorder.", "hidden."];

/// A MUC service that can be guarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MucService {
    /// Its domain.
    pub domain: String,
    /// The virtual host of the people who meet there, on Jitsi.
    pub host: Option<String>,
    /// Jitsi's focus.
    pub focus: Option<String>,
    /// Accounts of recorders and transcribers.
    pub trusted: Vec<String>,
    /// Accounts by which telephones join.
    pub gateways: Vec<String>,
    /// Whether the configuration has no such service yet.
    pub is_new: bool,
}

impl MucService {
    /// Returns a service that the server does not have yet.
    pub(super) fn new(domain: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            host: None,
            focus: None,
            trusted: Vec::new(),
            gateways: Vec::new(),
            is_new: true,
        }
    }
}

/// What is on the server.
#[derive(Clone, Debug)]
pub struct Server {
    /// Whether it is a Jitsi Meet server.
    pub is_jitsi: bool,
    /// The MUC services in which people meet.
    pub services: Vec<MucService>,
    /// MUC services that serve others: of lobbies, breakout rooms, bridges.
    pub others: Vec<String>,
    /// Accounts that administer the server.
    pub admins: Vec<String>,
    /// Whether people can log in, so that not everybody is a guest.
    pub has_accounts: bool,
    /// The domain for a first MUC service, where there is none.
    pub first_service: Option<String>,
}

/// Returns what is on the server. `has_account` returns whether an account exists.
pub(super) fn server(survey: &Survey, has_account: &dyn Fn(&str, &str) -> bool) -> Server {
    let hosts: Vec<&str> = survey.hosts().collect();
    let is_jitsi = hosts.iter().any(|host| {
        survey.module(host).is_some_and(|module| JITSI.contains(&module))
            || survey.own(host, "main_muc").is_some()
    });
    let named = |option: &str| -> BTreeSet<&str> {
        hosts.iter().filter_map(|host| survey.own(host, option)?.as_str()).collect()
    };
    let serving: BTreeSet<_> =
        ["lobby_muc", "breakout_rooms_muc"].iter().flat_map(|o| named(o)).collect();
    let main: BTreeSet<_> = ["main_muc", "muc_component"].iter().flat_map(|o| named(o)).collect();
    let is_other = |domain: &str| {
        serving.contains(domain)
            || (is_jitsi
                && !main.contains(domain)
                && ["internal.", "lobby.", "breakout."].iter().any(|word| domain.starts_with(word)))
    };
    let mucs = hosts.iter().copied().filter(|host| survey.module(host) == Some("muc"));
    let (others, services): (Vec<_>, Vec<_>) = mucs.partition(|domain| is_other(domain));
    let service = |domain: &str| {
        if !is_jitsi {
            return MucService { is_new: false, ..MucService::new(domain) };
        }
        let host = people_of(survey, domain);
        let accounts = |nodes: &[&str], prefixes: &[&str]| -> Vec<String> {
            let of = prefixes.iter().filter_map(|prefix| Some(format!("{prefix}{}", host?)));
            let known = of.filter(|at| hosts.contains(&at.as_str()));
            let all = known.flat_map(|at| {
                nodes.iter().map(move |node| (*node, at.clone())).collect::<Vec<_>>()
            });
            all.filter(|(node, at)| has_account(node, at))
                .map(|(node, at)| format!("{node}@{at}"))
                .collect()
        };
        MucService {
            domain: domain.to_owned(),
            host: host.map(str::to_owned),
            focus: focus(survey, domain),
            trusted: accounts(&["recorder", "transcriber"], &["recorder.", "hidden."]),
            gateways: accounts(&["jigasi"], &["auth."]),
            is_new: false,
        }
    };
    let mut admins = texts(survey.own(GLOBAL, "admins"));
    admins.retain(|admin| BareJid::prepared(admin).is_ok_and(|jid| jid.node().is_some()));
    let services: Vec<_> = services.into_iter().map(service).collect();
    let has_accounts = has_accounts(survey, &services);
    let first_service = first_service(survey).filter(|_| services.is_empty());
    Server {
        is_jitsi,
        services,
        others: others.into_iter().map(str::to_owned).collect(),
        admins,
        has_accounts,
        first_service,
    }
}

/// Returns the usual domain for rooms: `conference` below the first virtual host, one other than `localhost` if there is.
fn first_service(survey: &Survey) -> Option<String> {
    let hosts = || survey.hosts().filter(|host| survey.module(host).is_none());
    let host = hosts().find(|host| *host != "localhost").or_else(|| hosts().next())?;
    Some(format!("conference.{host}"))
}

/// Returns whether there is a host to which people log in, by accounts or tokens.
fn has_accounts(survey: &Survey, services: &[MucService]) -> bool {
    let of_people = |host: &&str| {
        survey.module(host).is_none()
            && !SERVING.iter().any(|prefix| host.starts_with(prefix))
            && *host != "localhost"
    };
    let logs_in = |host: &str| {
        !survey.text(host, "authentication").is_some_and(|provider| provider.contains("anonymous"))
    };
    let hosts: Vec<_> = services.iter().filter_map(|service| service.host.as_deref()).collect();
    if hosts.is_empty() {
        // A server of tests has no other host.
        let mut all = survey.hosts().filter(of_people).peekable();
        return all.peek().is_none() || all.any(logs_in);
    }
    hosts.into_iter().any(logs_in)
}

/// Returns the virtual host whose people meet in the service.
fn people_of<'a>(survey: &'a Survey, service: &'a str) -> Option<&'a str> {
    let is_host = |host: &&str| survey.module(host).is_none();
    let names = |host: &&str| survey.own(host, "main_muc").and_then(Value::as_str) == Some(service);
    let parent = || service.split_once('.').map(|(_, parent)| parent);
    survey.hosts().find(|host| is_host(host) && names(host)).or_else(|| {
        parent().filter(|parent| survey.hosts().any(|host| host == *parent && is_host(&host)))
    })
}

/// Returns the account of Jitsi's focus: the target of its proxy, or the administrator of the service by that name.
fn focus(survey: &Survey, service: &str) -> Option<String> {
    let proxies = survey.hosts().filter(|host| survey.module(host) == Some("client_proxy"));
    let target = proxies.filter_map(|host| survey.text(host, "target_address")).next();
    let admins = texts(survey.get(service, "admins"));
    let named = || admins.iter().find(|admin| admin.starts_with("focus@")).cloned();
    target.map(str::to_owned).or_else(named)
}

fn texts(list: Option<&Value>) -> Vec<String> {
    let items = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|item| Some(item.as_str()?.to_owned())).collect()
}

/// What the server has to be told.
pub(super) struct Wish<'a> {
    pub(super) services: &'a [MucService],
    /// Domain of the component.
    pub(super) component: &'a str,
    pub(super) secret: &'a str,
    /// The folder of the gate, if Prosody does not look there.
    pub(super) plugin_path: Option<&'a str>,
    /// The port that the policy file names.
    pub(super) port: Option<u16>,
    /// Whether another program has the port.
    pub(super) is_taken: &'a dyn Fn(u16) -> bool,
    /// Whether Prosody finds a module.
    pub(super) has_module: &'a dyn Fn(&str) -> bool,
}

/// An entry that belongs into a list of the configuration.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    host: String,
    option: &'static str,
    value: Value,
}

/// An entry that the operator has to write, since this program cannot do it safely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manual {
    /// `Component "conference.example.org"`, or the global section.
    pub place: String,
    /// File and line of the list, or of the host's header.
    pub at: String,
    /// The option that is a list.
    pub option: String,
    /// The entry, as Lua.
    pub entry: String,
    /// Why it was not written.
    pub reason: &'static str,
}

/// What becomes of the configuration.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// New texts by real path; the file of our own among them.
    pub(super) texts: BTreeMap<PathBuf, String>,
    pub(super) manual: Vec<Manual>,
    /// Address for the component to connect to.
    pub(super) server: String,
    pub(super) notes: Vec<String>,
}

/// Loads the configuration as it would be with the overlay.
pub(super) type Load<'a> = &'a dyn Fn(&Overlay) -> Result<Survey, SurveyError>;
/// Reads a file.
pub(super) type Read<'a> = &'a dyn Fn(&Path) -> std::io::Result<String>;

/// Returns the domain for the component: one that a service or the configuration names already, or `vestibule` below
/// the domain of the people.
pub(super) fn component_domain(survey: &Survey, services: &[MucService]) -> Option<String> {
    let first = services.first()?;
    let said =
        services.iter().find_map(|service| survey.text(&service.domain, "vestibule_component"));
    let external = |host: &&str| survey.module(host) == Some(EXTERNAL);
    let there = || survey.hosts().find(|host| external(host) && host.starts_with("vestibule."));
    if let Some(domain) = said.or_else(there) {
        return Some(domain.to_owned());
    }
    let parent = first.domain.split_once('.').map_or(first.domain.as_str(), |(_, parent)| parent);
    Some(format!("vestibule.{}", first.host.as_deref().unwrap_or(parent)))
}

/// Returns the path of our file, and whether the configuration includes files there already.
pub(super) fn place(survey: &Survey) -> (PathBuf, bool) {
    let folder = |file: &Path| file.parent().map(Path::to_owned).unwrap_or_default();
    for include in &survey.includes {
        let Some((before, name)) = include.pattern.rsplit_once('/') else { continue };
        if ["*.cfg.lua", "*.lua", "*"].contains(&name) {
            return (folder(&include.file).join(before).join(FILE), true);
        }
    }
    (folder(&survey.main).join(FILE), false)
}

/// Decides what becomes of the configuration. `ours` is the path of our file; `base` the configuration without it.
///
/// Each edit is tried: the server's loader reads the new text, and an edit that changes another option than it is meant
/// to, or none, is left to the operator.
pub(super) fn outcome(
    base: &Survey,
    ours: &Path,
    is_included: bool,
    wish: &Wish<'_>,
    (load, read): (Load<'_>, Read<'_>),
) -> Result<Outcome, SurveyError> {
    let mut outcome = Outcome::default();
    let mut entries = module_entries(base, wish, &mut outcome.notes);
    if let Some(path) = wish.plugin_path.filter(|_| base.own(GLOBAL, PATHS).is_some()) {
        entries.push(global(PATHS, json!(path)));
    }
    let link = link(base, wish, &mut outcome.notes);
    entries.extend(link.entries.iter().cloned());
    outcome.server = link.server.clone();

    let OwnFile { text, mut expected } = own_file(base, wish, &link);
    // Where all of it is there already, no file is needed.
    let is_needed = !expected.is_empty();
    let mut overlay = Overlay::from([(ours.to_owned(), is_needed.then(|| text.clone()))]);
    if is_needed {
        outcome.texts.insert(ours.to_owned(), text);
    }
    if is_needed && !is_included {
        let main = read(&base.main)?;
        let gap = if main.ends_with('\n') || main.is_empty() { "" } else { "\n" };
        let newline = if main.contains("\r\n") { "\r\n" } else { "\n" };
        let text = format!("{main}{gap}Include {}{newline}", quoted(FILE));
        overlay.insert(base.main.clone(), Some(text.clone()));
        outcome.texts.insert(base.main.clone(), text);
    }
    let mut now = load(&overlay)?;
    let surprises = differences(&base.config, &now.config, &expected);
    if !surprises.is_empty() {
        let surprises = surprises.join(", ");
        return Err(SurveyError::Invalid(format!(
            "with {} it would not say what it has to ({surprises})",
            ours.display()
        )));
    }
    for entry in entries {
        let manual = |now: &Survey, reason| by_hand(now, &entry, reason);
        let Some((file, text)) = with_entry(&now, &entry, &overlay, read) else {
            outcome.manual.push(manual(&now, "the list is not written out there"));
            continue;
        };
        let mut tried = overlay.clone();
        tried.insert(file.clone(), Some(text.clone()));
        let key = (entry.host.clone(), entry.option.to_owned());
        let mut list = now.own(&entry.host, entry.option).cloned().unwrap_or_else(|| json!([]));
        if let Value::Array(items) = &mut list {
            items.push(entry.value.clone());
        }
        let mut with = expected.clone();
        with.insert(key, list);
        match load(&tried) {
            Ok(loaded) if differences(&base.config, &loaded.config, &with).is_empty() => {
                (now, overlay, expected) = (loaded, tried, with);
                outcome.texts.insert(file, text);
            }
            _ => outcome.manual.push(manual(&now, "other options would change with it")),
        }
    }
    Ok(outcome)
}

type Expected = BTreeMap<(String, String), Value>;

/// Returns the options that differ from what is expected to change, as `host: option`.
fn differences(
    before: &BTreeMap<String, Options>,
    after: &BTreeMap<String, Options>,
    expected: &Expected,
) -> Vec<String> {
    let get = |of: &BTreeMap<String, Options>, (host, option): &(String, String)| {
        of.get(host).and_then(|options| options.get(option)).cloned()
    };
    let keys = |of: &BTreeMap<String, Options>| -> Vec<(String, String)> {
        let pair = |(host, options): (&String, &Options)| {
            options.keys().map(|option| (host.clone(), option.clone())).collect::<Vec<_>>()
        };
        of.iter().flat_map(pair).collect()
    };
    let all: BTreeSet<_> =
        keys(before).into_iter().chain(keys(after)).chain(expected.keys().cloned()).collect();
    all.iter()
        .filter(|key| key.1 != "defined" || !key.0.eq(GLOBAL))
        .filter(|key| get(after, key) != expected.get(key).cloned().or_else(|| get(before, key)))
        .map(|(host, option)| format!("{host}: {option}"))
        .collect()
}

/// Returns whether the people of the host can have a lobby: Prosody finds the modules, or loads them already.
fn has_lobby(base: &Survey, wish: &Wish<'_>, host: &str) -> bool {
    LOBBY.iter().all(|module| (wish.has_module)(module) || base.loads(host, module))
}

/// Returns the modules that hosts lack.
fn module_entries(base: &Survey, wish: &Wish<'_>, notes: &mut Vec<String>) -> Vec<Entry> {
    let mut entries = Vec::new();
    let mut add = |host: &str, module: &str| {
        if !base.loads(host, module) {
            entries.push(Entry { host: host.to_owned(), option: MODULES, value: json!(module) });
        }
    };
    for service in wish.services.iter().filter(|service| !service.is_new) {
        add(&service.domain, GATE);
        let Some(host) = &service.host else { continue };
        if has_lobby(base, wish, host) {
            LOBBY.iter().for_each(|module| add(host, module));
        } else {
            notes.push(format!(
                "{host} can have no lobby that waits for its first moderator: Prosody does not find {} and {}, which \
                 newer versions of Jitsi bring",
                LOBBY[0], LOBBY[1]
            ));
        }
    }
    if texts(base.own(GLOBAL, MODULES)).iter().any(|module| module == GATE) {
        let at = base.place(GLOBAL, MODULES).map(at_line).unwrap_or_default();
        notes.push(format!("take \"{GATE}\" out of the modules of all hosts ({at}): it belongs to MUC services only"));
    }
    entries
}

fn at_line(setting: &Setting) -> String {
    format!("{}:{}", setting.file.display(), setting.line)
}

/// How the component reaches Prosody.
#[derive(Clone, Debug, Default)]
struct Link {
    server: String,
    /// Options for our file.
    options: Vec<(&'static str, Value)>,
    entries: Vec<Entry>,
}

/// Decides on port and interface: those that are configured, or ours.
fn link(base: &Survey, wish: &Wish<'_>, notes: &mut Vec<String>) -> Link {
    let mut link = Link::default();
    let listed = |names: [&str; 2]| {
        let value = names.iter().find_map(|name| base.own(GLOBAL, name))?;
        Some(value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]))
    };
    let ports = listed(["component_ports", "component_port"]);
    let is_used = base.hosts().any(|host| base.module(host) == Some(EXTERNAL));
    let number = |value: &Value| value.as_u64().and_then(|port| u16::try_from(port).ok());
    let port = match &ports {
        Some(ports) => ports.iter().find_map(number).unwrap_or_else(|| {
            link.entries.push(global("component_ports", json!(DEFAULT_PORT)));
            DEFAULT_PORT
        }),
        // Where components are configured, it is Prosody that listens.
        None if is_used => DEFAULT_PORT,
        None => {
            let named = wish.port.filter(|port| !(wish.is_taken)(*port));
            let free = (DEFAULT_PORT..DEFAULT_PORT.saturating_add(100))
                .find(|port| !(wish.is_taken)(*port));
            let port = named.or(free).unwrap_or(DEFAULT_PORT);
            if (wish.is_taken)(DEFAULT_PORT) && named.is_none() {
                notes.push(format!("port {DEFAULT_PORT} is taken: components connect to {port}"));
            }
            link.options.push(("component_ports", json!([port])));
            port
        }
    };
    let interfaces = listed(["component_interfaces", "component_interface"]);
    let host = match &interfaces {
        None => {
            if ports.is_none() && !is_used {
                link.options.push(("component_interfaces", json!([LOOPBACK])));
            }
            LOOPBACK
        }
        Some(named) => {
            let names = |any: &[&str]| named.iter().any(|it| any.iter().any(|name| it == name));
            if names(&[LOOPBACK, "*", "0.0.0.0"]) {
                LOOPBACK
            } else if names(&["::1", "::"]) {
                "[::1]"
            } else {
                link.entries.push(global("component_interfaces", json!(LOOPBACK)));
                LOOPBACK
            }
        }
    };
    link.server = format!("{host}:{port}");
    link
}

fn global(option: &'static str, value: Value) -> Entry {
    Entry { host: GLOBAL.to_owned(), option, value }
}

/// Our file: its text, and the options that it sets.
#[derive(Debug)]
struct OwnFile {
    text: String,
    expected: Expected,
}

impl OwnFile {
    fn line(&mut self, text: &str) {
        self.text.push_str(text);
        self.text.push('\n');
    }

    /// Sets an option; `remark` stands behind it.
    fn set(&mut self, host: &str, option: &str, value: Value, remark: &str) {
        let indentation = if host == GLOBAL { "" } else { "\t" };
        let remark = if remark.is_empty() { String::new() } else { format!(" -- {remark}") };
        self.line(&format!("{indentation}{option} = {}{remark}", lua(&value)));
        self.expected.insert((host.to_owned(), option.to_owned()), value);
    }

    /// Begins a component. The loader sets two options by itself.
    fn component(&mut self, host: &str, module: Option<&str>) {
        let name = module.map(|module| format!(" {}", quoted(module))).unwrap_or_default();
        self.line(&format!("\nComponent {}{name}", quoted(host)));
        let module = json!(module.unwrap_or(EXTERNAL));
        for (option, value) in [("component_module", module), ("load_global_modules", json!(false))]
        {
            self.expected.insert((host.to_owned(), option.to_owned()), value);
        }
    }
}

/// Returns our file.
fn own_file(base: &Survey, wish: &Wish<'_>, link: &Link) -> OwnFile {
    let mut file = OwnFile { text: HEAD.to_owned(), expected: Expected::new() };
    if !link.options.is_empty() {
        file.line("\n-- The component connects from this machine, and nobody else may: the link is not encrypted.");
        for (option, value) in &link.options {
            file.set(GLOBAL, option, value.clone(), "");
        }
    }
    let lacks = |option: &str| {
        base.own(GLOBAL, option).is_none()
            && wish.services.iter().any(|service| base.own(&service.domain, option).is_none())
    };
    if lacks("vestibule_component") {
        file.line("\n-- For the MUC services that have the gate in their modules_enabled.");
        file.set(GLOBAL, "vestibule_component", json!(wish.component), "");
    }
    let focuses: BTreeSet<_> =
        wish.services.iter().filter_map(|service| service.focus.as_ref()).collect();
    if lacks("vestibule_trusted") && !focuses.is_empty() {
        let remark = "gets in before the component has spoken, too";
        file.set(GLOBAL, "vestibule_trusted", json!(focuses), remark);
    }
    if let Some(path) = wish.plugin_path.filter(|_| base.own(GLOBAL, PATHS).is_none()) {
        file.line("\n-- Where the gate is.");
        file.set(GLOBAL, PATHS, json!([path]), "");
    }
    if lacks("muc_room_cache_size") {
        file.line("");
        let remark = "with Prosody's 100, the 101st room slows all down";
        file.set(GLOBAL, "muc_room_cache_size", json!(ROOMS), remark);
    }
    if base.own(GLOBAL, "gc").is_none() && base.lua == GENERATIONAL {
        file.line(
            "\n-- Prosody's own setting spends half of its processor time on collecting garbage.",
        );
        file.set(GLOBAL, "gc", json!({"mode": "generational"}), "");
    }
    let hosts: BTreeMap<&str, &str> = wish
        .services
        .iter()
        .filter_map(|service| Some((service.host.as_deref()?, service.domain.as_str())))
        .collect();
    if !hosts.is_empty() && lacks("muc_tombstones") {
        file.line("\n-- The lobby keeps its room when nobody is inside. Ended for all, such a room would be barred for a month.");
        file.set(GLOBAL, "muc_tombstones", json!(false), "");
    }
    for (host, service) in hosts.into_iter().filter(|(host, _)| has_lobby(base, wish, host)) {
        let lobby = format!("lobby.{host}");
        let lobby = base.text(host, "lobby_muc").unwrap_or(&lobby);
        let named = [("main_muc", service), ("lobby_muc", lobby)];
        let missing = named.iter().filter(|(option, _)| base.get(host, option).is_none());
        for (number, (option, value)) in missing.enumerate() {
            if number == 0 {
                file.line(&format!(
                    "\n-- Where the gate looks for the lobby.\nVirtualHost {}",
                    quoted(host)
                ));
            }
            file.set(host, option, json!(value), "");
        }
        if !base.config.contains_key(lobby) {
            file.component(lobby, Some("muc"));
            file.set(lobby, "storage", json!("memory"), "");
            file.set(lobby, "restrict_room_creation", json!(true), "");
            file.set(lobby, "muc_room_locking", json!(false), "");
            file.set(lobby, "muc_room_default_public_jids", json!(true), "");
        }
    }
    for service in wish.services.iter().filter(|service| service.is_new) {
        file.component(&service.domain, Some("muc"));
        file.set(&service.domain, MODULES, json!([GATE]), "");
    }
    if !base.config.contains_key(wish.component) {
        file.component(wish.component, None);
        file.set(wish.component, "component_secret", json!(wish.secret), "");
        let remark = "a new connection takes the place of one that hangs";
        file.set(wish.component, "component_conflict_resolve", json!("kick_old"), remark);
    }
    file
}

/// Returns a value as Lua.
fn lua(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            format!("{{ {} }}", items.iter().map(lua).collect::<Vec<_>>().join(", "))
        }
        Value::Object(entries) => {
            let entries = entries.iter().map(|(key, value)| format!("{key} = {}", lua(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Returns the file and its text with the entry in the list, or with the list below the host's header.
fn with_entry(
    now: &Survey,
    entry: &Entry,
    overlay: &Overlay,
    read: Read<'_>,
) -> Option<(PathBuf, String)> {
    let text_of = |file: &Path| match overlay.get(file) {
        Some(Some(text)) => Some(text.clone()),
        _ => read(file).ok(),
    };
    let value = lua(&entry.value);
    if let Some(setting) = now.place(&entry.host, entry.option) {
        let text = text_of(&setting.file)?;
        let place = match setting.form {
            Form::Assignment => Place::Assignment { line: setting.line },
            Form::Table => Place::Table { line: setting.line, host: &entry.host },
        };
        let found = Source::new(&text).with_entry(entry.option, place, &value);
        return found.map(|found| (setting.file.clone(), edited(&text, &found)));
    }
    let header = now.header(&entry.host)?;
    let text = text_of(&header.file)?;
    let option = format!("{} = {{ {value} }}", entry.option);
    let found = Source::new(&text).with_option(header.line, &entry.host, &option);
    found.map(|found| (header.file.clone(), edited(&text, &found)))
}

fn by_hand(now: &Survey, entry: &Entry, reason: &'static str) -> Manual {
    let host = quoted(&entry.host);
    let place = match now.module(&entry.host) {
        _ if entry.host == GLOBAL => "the global section".to_owned(),
        Some(_) => format!("Component {host}"),
        None => format!("VirtualHost {host}"),
    };
    let header = || now.header(&entry.host).map(|it| format!("{}:{}", it.file.display(), it.line));
    let at = now.place(&entry.host, entry.option).map(at_line).or_else(header);
    Manual {
        place,
        at: at.unwrap_or_default(),
        option: entry.option.to_owned(),
        entry: lua(&entry.value),
        reason,
    }
}
